/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* greenroom serve: options, start, wait for a signal, drain. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demos/demos.h"
#include "greenroom/command.h"
#include "greenroom/command_line.h"
#include "greenroom/logger.h"
#include "greenroom/serving.h"
#include "greenroom/signals.h"

enum { LISTEN = 1, ALLOW_HOST, OPEN, INSECURE, TOKEN_FILE, LOG, LOG_LEVEL, DRAIN };

enum {
    PROBE_MS = 5000,
    DRAIN_MS = 8000,
    DRAIN_S_MAX = 86400
}; /* containers are killed 10 s after they were asked to end */

static const cl_option options[] = {
    {LISTEN, "--listen", "ADDR", "127.0.0.1:7580 (the default), [::1]:0, *:80, unix:/run/greenroom.sock, or a port"},
    {ALLOW_HOST, "--allow-host", "HOST",
     "a name this server answers for besides localhost, as NAME or NAME:PORT;\nmay be repeated"},
    {OPEN, "--open", NULL, "no token: everybody on this machine may do everything; loopback only"},
    {INSECURE, "--insecure", NULL, "allows an address that other machines can reach, in plain text"},
    {TOKEN_FILE, "--token-file", "FILE", "the token is what this file holds; made, with mode 0600, if there is none"},
    {LOG, "--log", "FORMAT", "text (the default) or json: how log lines on stderr look"},
    {LOG_LEVEL, "--log-level", "LEVEL", "off, error, warn, info (the default) or debug; wins over GREENROOM_LOG"},
    {DRAIN, "--drain", "SECONDS", "how long requests and actors may take to finish after a signal; 8"},
};

static void more_help(void)
{
    puts("\nA token guards every request that changes something: \"Authorization: Bearer TOKEN\". It is new at every "
         "start\n"
         "unless --token-file keeps it, and is shown to a terminal only.\n"
         "\n"
         "Signals: SIGTERM, SIGINT and SIGHUP drain: /-/readyz answers 503, new requests are refused, those in flight\n"
         "and the actors' mailboxes are worked off, then actors are killed. A second one exits at once.\n"
         "SIGQUIT logs a list of the actors. Also as process 1 of a container, where it reaps orphans.\n"
         "\nExit codes:");
#define EXIT_LINE(name, number, text) printf("  %3d  %s\n", number, text);
    EXIT_CODES(EXIT_LINE)
#undef EXIT_LINE
    puts("  128 + N  a second signal, number N, ended it at once\n"
         "\nThe GREENROOM_ variables tune the runtime: greenroom env.");
}

static const cl_command line = {
    .name = "serve",
    .text = "Shows the actors of a runtime over HTTP, with the behaviours counter, echo and chat to spawn.",
    .options = options,
    .count = sizeof options / sizeof *options,
    .more = more_help,
};

static bool is_one_of(const char *value, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(value, *words) == 0) return true;
    return false;
}

/* "8080" is a port of 127.0.0.1, and so is "localhost:8080": sockets know addresses only. */
static int read_listen(serve_options *o, const char *value)
{
    static char made[64];
    const char *port = strncmp(value, "localhost:", 10) == 0 ? value + 10 : value;
    if (*port && strlen(port) <= 5 && strspn(port, "0123456789") == strlen(port)) {
        snprintf(made, sizeof made, "127.0.0.1:%s", port);
        value = made;
    }
    o->listen = value;
    return 0;
}

static int read_drain(serve_options *o, const char *value)
{
    char *end = NULL;
    double seconds = strtod(value, &end);
    if (end == value || *end || !(seconds >= 0 && seconds <= DRAIN_S_MAX))
        return cl_error(&line, "--drain is '%s': 0 to %d seconds", value, DRAIN_S_MAX);
    o->drain_ms = (int64_t)(seconds * 1000);
    return 0;
}

static int read_option(serve_options *o, int id, const char *value)
{
    static const char *const formats[] = {"text", "json", NULL};
    static const char *const levels[] = {"off", "error", "warn", "info", "debug", NULL};
    switch (id) {
    case LISTEN: return read_listen(o, value);
    case ALLOW_HOST:
        if (o->host_count == HOSTS_MAX) return cl_error(&line, "at most %d times --allow-host", HOSTS_MAX);
        if (!*value || strpbrk(value, "/ "))
            return cl_error(&line, "--allow-host is '%s': a name, or name:port", value);
        o->hosts[o->host_count++] = value;
        return 0;
    case OPEN: o->open = true; return 0;
    case INSECURE: o->insecure = true; return 0;
    case TOKEN_FILE:
        if (!*value || strlen(value) >= PATH_BYTES) return cl_error(&line, "--token-file needs the path of a file");
        o->token_file = value;
        return 0;
    case LOG:
        if (!is_one_of(value, formats)) return cl_error(&line, "--log is '%s': text or json", value);
        o->json = strcmp(value, "json") == 0;
        return 0;
    case LOG_LEVEL:
        if (!is_one_of(value, levels))
            return cl_error(&line, "--log-level is '%s': off, error, warn, info or debug", value);
        o->log_level = value;
        return 0;
    default: return read_drain(o, value);
    }
}

static bool is_local(const char *listen)
{
    return strncmp(listen, "127.", 4) == 0 || strncmp(listen, "[::1]:", 6) == 0 || strncmp(listen, "unix:", 5) == 0;
}

/* What does not go together. */
static int check(serve_options *o)
{
    o->exposed = !is_local(o->listen);
    if (o->open && o->exposed)
        return cl_error(&line,
                        "--open is for loopback addresses and Unix sockets; %s can be reached from other machines",
                        o->listen);
    if (o->open && o->token_file) return cl_error(&line, "--open and --token-file contradict each other");
    if (o->exposed && !o->insecure)
        return cl_error(&line, "%s can be reached from other machines, in plain text: say --insecure if that is meant",
                        o->listen);
    return 0;
}

static int start_runtime(serving *s)
{
    gr_detail detail = {0};
    const serve_options *o = s->options;
    gr_options asked = {.log = o->log_level ? o->log_level : "info", .fixed = o->log_level ? GR_FIXED(log) : 0};
    int code = demos_register(&detail);
    if (code == 0) code = gr_start(&asked, &detail);
    if (code != 0) {
        logger_print(GR_LOG_ERROR, "not started: %s", detail.text[0] ? detail.text : gr_error_text(code));
        return code == GR_EENV || code == GR_EINVAL ? EXIT_USAGE : EXIT_FAILED;
    }
    code = gr_attach(&s->self);
    if (code == 0) return EXIT_CLEAN;
    logger_print(GR_LOG_ERROR, "not attached: %s", gr_error_text(code));
    return EXIT_FAILED;
}

static int start_server(serving *s)
{
    gr_detail detail = {0};
    const serve_options *o = s->options;
    gr_rest_options rest = {
        .http = {.listen = o->listen, .loopback_unbounded = true}, /* a proxy on this machine is one address */
        .token = o->open ? NULL : s->token,
        .open = o->open,
        .insecure = o->insecure,
        .hosts = o->hosts,
        .host_count = o->host_count,
    };
    int code = gr_rest_new(&rest, &s->rest, &detail);
    if (code == 0) {
        s->gate = gate_new(gr_rest_application(s->rest));
        code = s->gate ? 0 : GR_ENOMEM;
    }
    if (code == 0) {
        gr_http_options http = rest.http;
        http.application = gate_application(s->gate);
        code = gr_http_start(s->self, &http, &s->server);
        if (code != 0) detail = *gr_error_detail(s->self);
    }
    if (code == 0) return EXIT_CLEAN;
    logger_print(GR_LOG_ERROR, "not listening on %s: %s", o->listen,
                 detail.text[0] ? detail.text : gr_error_text(code));
    return code == GR_EINUSE ? EXIT_IN_USE : code == GR_EINVAL ? EXIT_USAGE : EXIT_FAILED;
}

/* One request over a socket of our own: what the banner says is true, and the listening actor has taken the socket over from
 * this thread, which is about to stop being an actor. */
static int probe(serving *s)
{
    static const char request[] = "GET /-/livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    char answer[16];
    gr_socket socket;
    size_t bytes = 0;
    gr_deadline deadline = gr_after_ms(PROBE_MS);
    int code = gr_connect(s->self, &socket, gr_http_address(s->server), deadline);
    if (code == 0) {
        code = gr_write(s->self, socket, request, sizeof request - 1, deadline);
        if (code == 0) code = gr_read(s->self, socket, answer, sizeof answer, &bytes, deadline);
        (void)gr_close(s->self, socket);
    }
    if (code == 0 && bytes >= 12 && memcmp(answer, "HTTP/1.1 200", 12) == 0) return EXIT_CLEAN;
    logger_print(GR_LOG_ERROR, "%s does not answer: %s", gr_http_address(s->server), gr_error_text(code));
    return EXIT_FAILED;
}

static const serving *the_one; /* set before the signal thread starts */

static void last_act(void)
{
    token_remove(the_one);
}

static int start(serving *s)
{
    int code = start_runtime(s);
    if (code == EXIT_CLEAN) code = token_prepare(s);
    if (code == EXIT_CLEAN) code = start_server(s);
    if (code == EXIT_CLEAN) code = probe(s);
    if (code != EXIT_CLEAN) return code;
    the_one = s;
    int error = signals_start(serving_list, last_act);
    if (error == 0) return EXIT_CLEAN;
    logger_print(GR_LOG_ERROR, "no thread for signals: %s", strerror(error));
    return EXIT_FAILED;
}

/* Takes down what a start that failed has built. */
static void give_up(serving *s)
{
    if (s->server) (void)gr_http_stop(s->self, &s->server, GR_NOW);
    if (s->self) (void)gr_stop(GR_NOW);
    gr_rest_free(&s->rest);
    gate_free(s->gate);
}

static int serve(const serve_options *o)
{
    serving s = {.options = o};
    signals_block();
    logger_start(o->json);
    int code = start(&s);
    if (code == EXIT_CLEAN) {
        gr_detach(&s.self); /* while it waits for signals, nobody can send to this thread, or kill it */
        banner_print(&s);
        int number = signals_wait();
        gr_log(GR_LOG_INFO, "SIG%s: stopping; requests and actors have %g s to finish", sigabbrev_np(number),
               (double)o->drain_ms / 1000);
        code = serving_drain(&s);
        signals_stop();
        gr_log(GR_LOG_INFO, "stopped");
    } else {
        give_up(&s);
    }
    token_forget(&s);
    return code;
}

int serve_command(int argc, char **argv)
{
    serve_options o = {.listen = "127.0.0.1:7580", .drain_ms = DRAIN_MS};
    cl_parser parser = {&line, argc, argv, 0};
    const char *value;
    int id;
    while ((id = cl_next(&parser, &value)) > 0) {
        int code = read_option(&o, id, value);
        if (code != 0) return cl_exit_code(code);
    }
    if (id == CL_END) id = check(&o);
    return id == 0 ? serve(&o) : cl_exit_code(id);
}
