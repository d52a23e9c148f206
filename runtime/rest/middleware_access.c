/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The access log: a line a request. What comes from a client is escaped in here and nowhere else (access_line.c). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <greenroom/runtime.h>

#include "rest/access_line.h"
#include "rest/layer.h"

typedef struct access_log {
    gr_middleware layer; /* first */
    enum gr_access_format format;
    gr_access_sink sink;
    void *arg;
    void (*drop)(void *arg);
    char **paths_quiet;
    unsigned proxies;
} access_log;

/* A request that is being answered: the responder the application sees. Memory of the actor: a line is written also when the
 * actor is ended in there, which leaves no stack. */
typedef struct record {
    gr_responder respond; /* first */
    gr_responder *next;
    const access_log *log;
    const gr_environ *env;
    int64_t begun_ns, bytes;
    int status; /* 0: not answered */
    bool started, bodiless, aborted;
} record;

/* One write each: lines of several workers do not mix. What stderr does not take is lost. */
static void write_stderr(void *arg, const char *line, size_t bytes)
{
    (void)arg;
    while (bytes > 0) {
        ssize_t written = write(STDERR_FILENO, line, bytes);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;
        line += written;
        bytes -= (size_t)written;
    }
}

static int start(gr_responder *respond, int status, const gr_header *headers, size_t count, int64_t body_bytes)
{
    record *r = (record *)respond;
    int code = gr_response_start(r->next, status, headers, count, body_bytes);
    if (code == 0) {
        r->started = true;
        r->status = status;
        r->bodiless = status == 204 || status == 304 || strcmp(r->env->method, "HEAD") == 0;
    }
    return code;
}

static int write_body(gr_responder *respond, const void *data, size_t bytes)
{
    record *r = (record *)respond;
    int code = gr_response_write(r->next, data, bytes);
    if (code == 0 && !r->bodiless) r->bytes += (int64_t)bytes;
    if (code == GR_ECLOSED || code == GR_ETIMEOUT) r->aborted = true;
    return code;
}

static bool gone(gr_responder *respond)
{
    return gr_response_gone(((record *)respond)->next);
}

/* What the server answers for an application that returned this and did not answer (wsgi.h). */
static int status_for(int code)
{
    switch (code) {
    case GR_ETOOBIG: return 413;
    case GR_ETIMEOUT: return 408;
    case GR_ESYNTAX: return 400;
    case GR_ECLOSED: return 499;
    default: return 500;
    }
}

static void write_line(const record *r)
{
    char line[GR_ACCESS_LINE_BYTES];
    gri_access_line facts = {
        .format = r->log->format,
        .env = r->env,
        .status = r->status,
        .bytes = r->bytes,
        .duration_ns = gr_now_ns() - r->begun_ns,
        .aborted = r->aborted,
    };
    clock_gettime(CLOCK_REALTIME, &facts.when);
    gri_client_text(r->env, r->log->proxies, facts.remote);
    r->log->sink(r->log->arg, line, gri_access_line_print(&facts, line, sizeof line));
}

/* The actor ends in the application: its environment lies on the stack that has gone, all but the line is lost. */
static void ended(gr_self *self, void *arg)
{
    record *r = arg;
    (void)self;
    gr_log(GR_LOG_WARN, "http: a connection was ended while it answered; status %d, %lld bytes", r->status,
           (long long)r->bytes);
}

static int run_logged(const access_log *log, const gr_environ *env, record *r)
{
    int code = gri_layer_run(&log->layer, env, &r->respond);
    if (code < 0 && r->started) r->aborted = true;
    if (!r->started) r->status = status_for(code);
    write_line(r);
    return code > 0 ? 0 : code;
}

static int run(void *state, const gr_environ *env, gr_responder *respond)
{
    const access_log *log = state;
    if (gri_paths_have(log->paths_quiet, env)) return log->layer.inner.run(log->layer.inner.state, env, respond);
    record *r = gr_alloc(env->self, sizeof *r);
    if (!r) return GR_ENOMEM;
    *r = (record){{start, write_body, gone}, respond, log, env, gr_now_ns(), 0, 0, false, false, false};
    int code = gr_defer(env->self, ended, r);
    if (code == 0) {
        code = run_logged(log, env, r);
        (void)gr_defer_cancel(env->self, ended, r);
    }
    gr_free(env->self, r);
    return code;
}

static void fini(gr_middleware *layer)
{
    access_log *log = (access_log *)layer;
    if (log->drop) log->drop(log->arg);
    gri_strings_free(log->paths_quiet);
}

int gr_middleware_access(gr_middleware **layers, gr_application *application, const gr_access_options *options,
                         gr_detail *ret_detail)
{
    if ((unsigned)options->format > GR_ACCESS_JSON)
        return gri_layer_refuse(ret_detail, "access: format is %d: combined, common or json", (int)options->format);
    if (options->proxies > GRI_PROXIES_MAX)
        return gri_layer_refuse(ret_detail, "access: proxies is %u: 0 to %d", options->proxies, GRI_PROXIES_MAX);
    int code = gri_paths_check(options->paths_quiet, "access: paths_quiet", ret_detail);
    if (code != 0) return code;
    access_log *log = gri_layer_new(sizeof *log, fini);
    if (!log || !gri_strings_copy(options->paths_quiet, &log->paths_quiet)) {
        gri_layer_free((gr_middleware *)log);
        return GR_ENOMEM;
    }
    log->format = options->format;
    log->sink = options->sink ? options->sink : write_stderr;
    log->arg = options->arg;
    log->drop = options->drop;
    log->proxies = options->proxies;
    gri_layer_add(&log->layer, run, layers, application);
    return 0;
}
