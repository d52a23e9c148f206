/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/http_connection.h"

#include <string.h>

#include <greenroom/runtime.h>

/* A call of the application, made under gr_protect. */
typedef struct call {
    gri_http_connection *connection;
    const gr_environ *env;
    int code;
} call;

static void call_application(gr_self *self, void *arg)
{
    (void)self;
    call *made = arg;
    const gr_application *application = &made->connection->server->options.application;
    made->code = application->run(application->state, made->env, &made->connection->answer.respond);
}

/* What to say for an application that said nothing. */
static void answer_for(gri_http_connection *c, int code)
{
    gr_responder *respond = &c->answer.respond;
    int ignored = 0;
    c->keep = c->keep && c->input.error == 0;
    if (code == GR_ETOOBIG && c->input.error == code) {
        ignored = gr_response_problem(respond, 413, "the body is over the limit of %llu bytes",
                                      (unsigned long long)c->server->limits.body_bytes);
    } else if (code == GR_ETIMEOUT && c->input.error == code) {
        ignored = gr_response_problem(respond, 408, "the body did not arrive in time");
    } else if (code == GR_ESYNTAX && c->input.error == code) {
        ignored = gr_response_problem(respond, 400, "%s", c->body.why);
    } else if (code == GR_EKILLED && gr_killed(c->self)) {
        ignored = gr_response_problem(respond, 503, "the server stops");
    } else {
        ignored = gr_response_problem(respond, 500, "the application gave no answer");
    }
    (void)ignored;
}

static void log_failure(gri_http_connection *c, const gr_environ *env, int code, gr_message *report)
{
    if (c->input.error != 0 || c->answer.failed || code == GR_ECLOSED) return; /* the client failed */
    const char *why = gr_string(gr_get(gr_body(report), "text-exception"), gr_error_text(code));
    gr_log(GR_LOG_ERROR, "http: %s %s failed: %s", env->method, env->path, code == 0 ? "no answer" : why);
}

/* What the application left, or what came late for it, is not for the next one. */
static void drop_messages(gr_self *self)
{
    gr_message *message = NULL;
    while (gr_receive(self, &message, GR_NOW) == 0) gr_message_free(&message);
}

/* One request whose head has been read. False: the connection ends. */
static bool serve(gri_http_connection *c, gr_header *headers)
{
    gr_environ env;
    gr_message *report = NULL;
    c->began_ns = gr_now_ns();
    c->keep = c->head.keep_alive && ++c->requests < c->server->options.requests_per_connection;
    gri_http_answer_init(c);
    drop_messages(c->self);
    if (gri_http_request_environ(c, &env, headers) != 0) return false;
    call made = {.connection = c, .env = &env, .code = 0};
    int code = gr_protect(c->self, call_application, &made, &report);
    if (code == 0) code = made.code;
    if (!c->answer.started || code != 0) log_failure(c, &env, code, report);
    gr_message_free(&report);
    if (!c->answer.started && code != GR_ECLOSED) {
        answer_for(c, code);
        code = 0;
    }
    bool complete = gri_http_answer_end(c) && code == 0;
    gri_http_exchange_end(c, &env, NULL, complete);
    return gri_http_request_end(c, &env) && complete && c->keep;
}

static __attribute__((noinline)) bool serve_with_headers(gri_http_connection *c)
{
    gr_header headers[GRI_HTTP_STACK_HEADERS];
    if (c->head.field_count <= GRI_HTTP_STACK_HEADERS) return serve(c, headers);
    gr_header *many = gr_alloc(c->self, c->head.field_count * sizeof *many);
    if (!many) return false;
    bool go_on = serve(c, many);
    gr_free(c->self, many);
    return go_on;
}

static gr_deadline sooner(gr_deadline a, gr_deadline b)
{
    return a.ns < b.ns ? a : b;
}

/* Ends our side, and reads on and drops what comes: closing with bytes unread would reset the connection, and the client, who may be
 * in the middle of its body, would lose our last words. Who is still sending gets more time; a kill takes that away. */
static void linger(gri_http_connection *c, bool sending)
{
    size_t bytes = 0, total = 0;
    if (gr_shutdown_by(c->self, c->socket, gri_http_later(gr_now_ns(), c->server->options.write_ms)) != 0) return;
    gr_deadline end = gr_after_ms(sending ? c->server->options.body_ms : GRI_HTTP_LINGER_MS);
    int code = 0;
    while (code == 0 && total < GRI_HTTP_LINGER_BYTES) {
        gr_deadline idle = gr_after_ms(c->server->options.linger_ms);
        bool held = gr_killed(c->self);
        if (held) end = sooner(end, gr_after_ms(GRI_HTTP_LINGER_MS));
        if (!held) gr_kill_release(c->self);
        code = gr_read(c->self, c->socket, c->buffer, c->capacity, &bytes, sooner(idle, end));
        if (!held) gr_kill_hold(c->self);
        if (code == 0 && bytes == 0) return;
        if (code == GR_EKILLED && !held) code = 0, bytes = 0;
        total += bytes;
    }
}

static void refuse(gri_http_connection *c, int status, const char *why)
{
    c->keep = false;
    c->began_ns = gr_now_ns();
    c->input = (gri_http_input){.connection = c};
    gri_http_answer_init(c);
    bool complete = gr_response_problem(&c->answer.respond, status, "%s", why) == 0 && gri_http_answer_end(c);
    gri_http_exchange_end(c, NULL, why, complete);
}

static void run(gri_http_connection *c)
{
    int code = 0;
    bool go_on = true;
    gr_kill_hold(c->self); /* but where nothing has been begun */
    while (go_on && (code = gri_http_request_read(c)) == 0) go_on = serve_with_headers(c);
    if (code == GR_ESYNTAX) {
        refuse(c, c->head.status, c->head.why);
    } else if (code == GR_ETIMEOUT) {
        refuse(c, 408, "the request did not arrive in time");
    } else if (code == GR_EKILLED) {
        refuse(c, 503, "the server stops, and the rest of the head does not come");
    } else if (code == GR_ENOMEM) {
        refuse(c, 503, "out of memory");
    }
    /* Who did not take the answer does not wait for our end. Of what we refused to read there may be any amount. */
    if (code != GR_ECLOSED && !c->answer.failed) linger(c, code != 0 || !c->body.done);
}

static void count_end(gr_self *self, void *tally)
{
    gri_http_tally_add(tally, self, &(gri_http_count){.ends = true});
}

/* A kill ends it: nothing has been begun. */
static bool shake_hands(gri_http_connection *c)
{
    gr_tls *tls = c->server->options.tls;
    int code = tls ? gr_tls_accept(c->self, c->socket, tls, c->first) : 0;
    if (code == 0) return true;
    if (code != GR_EKILLED) {
        gr_log(code == GR_EINVAL ? GR_LOG_ERROR : GR_LOG_DEBUG, "http: no TLS with %s: %s", c->remote,
               gr_error_detail(c->self)->text);
        gri_http_tally_add(c->server->tally, c->self, &(gri_http_count){.handshake_failed = true});
    }
    return false;
}

void gri_http_connection_run(gr_self *self, gr_value args)
{
    /* On the stack, whose first page holds this and the calls of an idle connection; the rest would not fit there. */
    gri_http_field fields[GRI_HTTP_STACK_FIELDS];
    gri_http_connection *c = gr_alloc(self, sizeof *c);
    gr_socket socket = {(uint64_t)gr_int(gr_get(args, "socket"), 0)};
    if (gr_socket_adopt(self, socket) != 0 || !c) return;
    *c = (gri_http_connection){.self = self, .socket = socket, .capacity = GRI_HTTP_BUFFER_BYTES, .fields = fields};
    c->server = (const gr_http_server *)(intptr_t)gr_int(gr_get(args, "server"), 0);
    c->buffer = gr_alloc(self, GRI_HTTP_BUFFER_BYTES);
    if (c->server->limits.fields > GRI_HTTP_STACK_FIELDS)
        c->fields = gr_alloc(self, c->server->limits.fields * sizeof *c->fields);
    if (!c->buffer || !c->fields || gr_socket_peer(self, socket, c->remote) != 0) return;
    if (gr_defer(self, count_end, c->server->tally) != 0) return;
    gri_http_tally_add(c->server->tally, self, &(gri_http_count){.begins = true});
    c->first = gr_after_ms(c->server->options.head_ms);
    if (shake_hands(c)) run(c);
}
