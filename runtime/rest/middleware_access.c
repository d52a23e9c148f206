/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The access log: a line a request, from a layer around an application or from the server's observer. What comes from a client is
 * escaped where lines are made, in access_line.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <greenroom/runtime.h>

#include "rest/access_line.h"
#include "rest/layer.h"

struct gr_access_log {
    enum gr_access_format format;
    gr_access_sink sink;
    void *arg;
    void (*drop)(void *arg);
    char **paths_quiet;
    unsigned proxies;
};

typedef struct access_layer {
    gr_middleware layer; /* first */
    gr_access_log log;
} access_layer;

/* A request that is being answered: the responder the application sees. Memory of the actor: a line is written also when the
 * actor is ended in there, which leaves no stack. */
typedef struct record {
    gr_responder respond; /* first */
    gr_responder *next;
    const gr_access_log *log;
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
static int status_for(gr_self *self, int code)
{
    switch (code) {
    case GR_ETOOBIG: return 413;
    case GR_ETIMEOUT: return 408;
    case GR_ESYNTAX: return 400;
    case GR_EKILLED: return gr_killed(self) ? 503 : 500;
    case GR_ECLOSED: return 499;
    default: return 500;
    }
}

static void write_line(const gr_access_log *log, gri_access_line *facts)
{
    char line[GR_ACCESS_LINE_BYTES];
    facts->format = log->format;
    clock_gettime(CLOCK_REALTIME, &facts->when);
    gri_client_text(facts->env, log->proxies, facts->remote);
    log->sink(log->arg, line, gri_access_line_print(facts, line, sizeof line));
}

/* ---- a layer ---- */

/* The actor ends in the application: its environment lies on the stack that has gone, all but the line is lost. */
static void ended(gr_self *self, void *arg)
{
    record *r = arg;
    (void)self;
    gr_log(GR_LOG_WARN, "http: a connection was ended while it answered; status %d, %lld bytes", r->status,
           (long long)r->bytes);
}

static int run_logged(const access_layer *layer, const gr_environ *env, record *r)
{
    int code = gri_layer_run(&layer->layer, env, &r->respond);
    gri_access_line facts = {
        .env = env,
        .status = r->started ? r->status : status_for(env->self, code),
        .bytes = r->bytes,
        .duration_ns = gr_now_ns() - r->begun_ns,
        .aborted = r->aborted || (code < 0 && r->started),
    };
    write_line(&layer->log, &facts);
    return code > 0 ? 0 : code;
}

static int run(void *state, const gr_environ *env, gr_responder *respond)
{
    const access_layer *layer = state;
    if (gri_paths_have(layer->log.paths_quiet, env))
        return layer->layer.inner.run(layer->layer.inner.state, env, respond);
    record *r = gr_alloc(env->self, sizeof *r);
    if (!r) return GR_ENOMEM;
    *r = (record){.respond = {start, write_body, gone}, .next = respond, .env = env, .begun_ns = gr_now_ns()};
    int code = gr_defer(env->self, ended, r);
    if (code == 0) {
        code = run_logged(layer, env, r);
        (void)gr_defer_cancel(env->self, ended, r);
    }
    gr_free(env->self, r);
    return code;
}

/* ---- the server's observer ---- */

void gr_access_log_observe(void *state, const gr_exchange *exchange)
{
    static const gr_environ unknown = {.method = "",
                                       .target = "",
                                       .script_name = "",
                                       .path = "",
                                       .protocol = "",
                                       .host = "",
                                       .remote = "",
                                       .local = ""};
    const gr_access_log *log = state;
    gr_environ env = exchange->env ? *exchange->env : unknown;
    if (gri_paths_have(log->paths_quiet, &env)) return;
    env.remote = exchange->remote;
    gri_access_line facts = {
        .env = &env,
        .status = exchange->status ? exchange->status : 499,
        .bytes = (int64_t)exchange->sent,
        .duration_ns = exchange->duration_ns,
        .aborted = !exchange->complete,
        .refusal = exchange->refusal,
    };
    write_line(log, &facts);
}

/* ---- options ---- */

static int init(gr_access_log *log, const gr_access_options *options, gr_detail *ret_detail)
{
    static const gr_access_options defaults = {0};
    if (!options) options = &defaults;
    if ((unsigned)options->format > GR_ACCESS_JSON)
        return gri_layer_refuse(ret_detail, "access: format is %d: combined, common or json", (int)options->format);
    if (options->proxies > GRI_PROXIES_MAX)
        return gri_layer_refuse(ret_detail, "access: proxies is %u: 0 to %d", options->proxies, GRI_PROXIES_MAX);
    int code = gri_paths_check(options->paths_quiet, "access: paths_quiet", ret_detail);
    if (code != 0) return code;
    if (!gri_strings_copy(options->paths_quiet, &log->paths_quiet)) return GR_ENOMEM;
    log->format = options->format;
    log->sink = options->sink ? options->sink : write_stderr;
    log->arg = options->arg;
    log->drop = options->drop;
    log->proxies = options->proxies;
    return 0;
}

static void fini(gr_access_log *log)
{
    if (log->drop) log->drop(log->arg);
    gri_strings_free(log->paths_quiet);
}

static void fini_layer(gr_middleware *layer)
{
    fini(&((access_layer *)layer)->log);
}

int gr_middleware_access(gr_middleware **layers, gr_application *application, const gr_access_options *options,
                         gr_detail *ret_detail)
{
    access_layer *layer = gri_layer_new(sizeof *layer, fini_layer);
    int code = layer ? init(&layer->log, options, ret_detail) : GR_ENOMEM;
    if (code != 0) {
        gri_layer_free((gr_middleware *)layer);
        return code;
    }
    gri_layer_add(&layer->layer, run, layers, application);
    return 0;
}

int gr_access_log_new(const gr_access_options *options, gr_access_log **ret_log, gr_detail *ret_detail)
{
    gr_access_log *log = calloc(1, sizeof *log);
    int code = log ? init(log, options, ret_detail) : GR_ENOMEM;
    if (code == 0) {
        *ret_log = log;
    } else {
        free(log);
    }
    return code;
}

void gr_access_log_free(gr_access_log **log)
{
    if (!log || !*log) return;
    fini(*log);
    free(*log);
    *log = NULL;
}
