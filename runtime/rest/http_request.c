/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The reading half of a connection: heads, environments, bodies. */
#include <string.h>

#include "rest/http_connection.h"
#include "rest/http_target.h"

/* Makes room at the buffer's end, up to `bytes` in all. */
static int grow(gri_http_connection *c, size_t bytes)
{
    if (bytes <= c->capacity) return 0;
    char *buffer = gr_alloc(c->self, bytes);
    if (!buffer) return GR_ENOMEM;
    memcpy(buffer, c->buffer, c->held);
    gr_free(c->self, c->buffer);
    c->buffer = buffer;
    c->capacity = bytes;
    return 0;
}

static int receive_into(gri_http_connection *c, char *buffer, size_t room, size_t *ret_bytes, gr_deadline deadline)
{
    size_t bytes = 0;
    int code = gr_read(c->self, c->socket, buffer, room, &bytes, deadline);
    c->half_closed = code == 0 && bytes == 0;
    if (c->half_closed) return GR_ECLOSED;
    c->received += code == 0 ? bytes : 0;
    if (code == 0) *ret_bytes = bytes;
    return code == 0 || code == GR_ETIMEOUT || code == GR_EKILLED ? code : GR_ECLOSED;
}

static int receive(gri_http_connection *c, gr_deadline deadline)
{
    size_t bytes = 0;
    int code = receive_into(c, c->buffer + c->held, c->capacity - c->held, &bytes, deadline);
    c->held += bytes;
    return code;
}

/* What is left of something that has begun. A kill, which is a stop, does not end it; but from then on a client that sends
 * nothing for linger_ms has stalled, and the stop does not wait for it: GR_EKILLED. */
static int receive_rest(gri_http_connection *c, char *buffer, size_t room, size_t *ret_bytes, gr_deadline deadline)
{
    if (!gr_killed(c->self)) {
        gr_kill_release(c->self);
        int code = receive_into(c, buffer, room, ret_bytes, deadline);
        gr_kill_hold(c->self);
        if (code != GR_EKILLED) return code;
    }
    gr_deadline stalled = gr_after_ms(c->server->options.linger_ms);
    if (stalled.ns >= deadline.ns) return receive_into(c, buffer, room, ret_bytes, deadline);
    int code = receive_into(c, buffer, room, ret_bytes, stalled);
    return code == GR_ETIMEOUT ? GR_EKILLED : code;
}

/* Waits for the first byte of a request, which is when a kill ends the connection; but not if that byte came first. */
static int wait_for_request(gri_http_connection *c)
{
    gr_deadline deadline = c->requests ? gri_http_later(c->ended_ns, c->server->options.idle_ms) : c->first;
    gr_kill_release(c->self);
    int code = receive(c, deadline);
    gr_kill_hold(c->self);
    if (code == GR_EKILLED) code = receive(c, GR_NOW);
    return code == GR_ETIMEOUT ? GR_ECLOSED : code;
}

/* What is left belongs to the next request. A buffer that had to grow a lot gives way to a small one. */
static void drop_used(gri_http_connection *c)
{
    size_t left = c->held - c->at;
    bool shrinks = c->capacity > 4 * GRI_HTTP_BUFFER_BYTES && left <= GRI_HTTP_BUFFER_BYTES;
    char *buffer = shrinks ? gr_alloc(c->self, GRI_HTTP_BUFFER_BYTES) : NULL;
    if (buffer) {
        memcpy(buffer, c->buffer + c->at, left);
        gr_free(c->self, c->buffer);
        c->buffer = buffer;
        c->capacity = GRI_HTTP_BUFFER_BYTES;
    } else {
        memmove(c->buffer, c->buffer + c->at, left);
    }
    c->held = left;
    c->at = 0;
}

/* Who has only ended its side still reads: it is told. */
static int head_ended(gri_http_connection *c, int code)
{
    if (code != GR_ECLOSED || !c->half_closed || !gri_http_head_started(&c->head)) return code;
    c->head.status = 400;
    c->head.why = "the client ended its side before the end of the head";
    return GR_ESYNTAX;
}

int gri_http_request_read(gri_http_connection *c)
{
    gri_http_head_init(&c->head, &c->server->limits, c->fields);
    drop_used(c);
    int code = c->held ? 0 : wait_for_request(c);
    gr_deadline deadline = GR_NOW; /* most heads are here at once and need none */
    while (code == 0) {
        enum gri_http_progress progress = gri_http_head_feed(&c->head, c->buffer, c->held);
        if (progress == GRI_HTTP_REFUSED) return GR_ESYNTAX;
        if (progress == GRI_HTTP_DONE) break;
        if (c->held == c->capacity) {
            size_t most = c->head.limits.head_bytes;
            code = grow(c, c->capacity * 2 < most ? c->capacity * 2 : most);
        }
        if (deadline.ns == GR_NOW.ns)
            deadline = c->requests ? gr_after_ms(c->server->options.head_ms) : c->first; /* absolute from here on */
        size_t bytes = 0;
        if (code == 0) code = receive_rest(c, c->buffer + c->held, c->capacity - c->held, &bytes, deadline);
        c->held += bytes;
    }
    if (code != 0) return head_ended(c, code);
    c->at = c->head.bytes;
    gri_http_body_init(&c->body, &c->head);
    return c->body.done ? 0 : grow(c, c->at + GRI_HTTP_BUFFER_BYTES); /* room behind the head, which stays */
}

/* The client sends its body only when told to go on. */
static int let_it_come(gri_http_connection *c)
{
    if (c->input.expects && gri_http_answer_send_continue(c) != 0) return GR_ECLOSED;
    c->input.expects = false;
    return 0;
}

/* Reads body bytes into the buffer, which has been used up. */
static int refill(gri_http_connection *c)
{
    size_t bytes = 0;
    c->at = c->held = c->head.bytes;
    int code = receive_rest(c, c->buffer + c->held, c->capacity - c->held, &bytes, c->input.deadline);
    c->held += bytes;
    return code;
}

static int input_fail(gri_http_input *input, int code)
{
    input->error = code;
    return code;
}

static int input_begin(gri_http_input *input)
{
    if (!input->timed) input->deadline = gr_after_ms(input->connection->server->options.body_ms);
    input->timed = true;
    return input->error;
}

/* A run of body bytes out of what has been received; *ret_bytes 0: there is none. */
static int take_received(gri_http_connection *c, char *buffer, size_t room, size_t *ret_bytes)
{
    const char *data;
    size_t used, given = c->held - c->at < room ? c->held - c->at : room;
    enum gri_http_progress progress = gri_http_body_feed(&c->body, c->buffer + c->at, given, &used, &data, ret_bytes);
    c->at += used;
    if (progress == GRI_HTTP_REFUSED) return c->body.status == 413 ? GR_ETOOBIG : GR_ESYNTAX;
    memcpy(buffer, data, *ret_bytes);
    return 0;
}

/* A body of known length needs no framing taken off: straight to its place. */
static int take_directly(gri_http_connection *c, char *buffer, size_t room, size_t *ret_bytes)
{
    const char *data;
    size_t used, run;
    int code = receive_rest(c, buffer, room < c->body.left ? room : (size_t)c->body.left, ret_bytes, c->input.deadline);
    if (code == 0) (void)gri_http_body_feed(&c->body, buffer, *ret_bytes, &used, &data, &run);
    return code;
}

static int input_read(gr_input *base, void *buffer, size_t room, size_t *ret_bytes)
{
    gri_http_input *input = (gri_http_input *)base;
    gri_http_connection *c = input->connection;
    size_t bytes = 0;
    int code = input_begin(input);
    while (code == 0 && bytes == 0 && !c->body.done && room > 0) {
        if (c->at < c->held) {
            code = take_received(c, buffer, room, &bytes);
        } else if ((code = let_it_come(c)) == 0) {
            code = c->body.chunked ? refill(c) : take_directly(c, buffer, room, &bytes);
        }
    }
    if (code == GR_ECLOSED && c->half_closed) { /* as at head_ended */
        c->body.why = "the client ended its side before the end of the body";
        code = GR_ESYNTAX;
    }
    if (code != 0) return input_fail(input, code);
    input->bytes += bytes;
    *ret_bytes = bytes;
    return 0;
}

/* A body of known length that is here already is used where it is. */
static bool all_is_here(gri_http_connection *c, const char **ret_body, size_t *ret_bytes)
{
    size_t used = 0;
    if (c->body.done) {
        *ret_body = c->buffer + c->at;
        *ret_bytes = 0;
        return true;
    }
    if (c->body.chunked || c->held - c->at < c->body.left) return false;
    (void)gri_http_body_feed(&c->body, c->buffer + c->at, c->held - c->at, &used, ret_body, ret_bytes);
    c->at += used;
    c->input.bytes += *ret_bytes;
    return true;
}

static int input_all(gr_input *base, const char **ret_body, size_t *ret_bytes)
{
    gri_http_input *input = (gri_http_input *)base;
    gri_http_connection *c = input->connection;
    if (input->error != 0) return input->error;
    if (input->text) gr_free(c->self, input->text);
    input->text = NULL;
    if (all_is_here(c, ret_body, ret_bytes)) return 0; /* and needs no deadline */
    /* Room for what arrives, not for what is announced: announcing costs the client nothing. */
    size_t capacity = !c->body.chunked && c->body.left < 16384 ? (size_t)c->body.left : 16384, count = 0;
    while (!c->body.done) {
        if (!input->text || count == capacity) {
            if (input->text) capacity *= 2;
            char *text = gr_alloc(c->self, capacity);
            if (!text) return input_fail(input, GR_ENOMEM);
            if (count) memcpy(text, input->text, count);
            if (input->text) gr_free(c->self, input->text);
            input->text = text;
        }
        size_t bytes = 0;
        int code = input_read(base, input->text + count, capacity - count, &bytes);
        if (code != 0) return code;
        count += bytes;
    }
    *ret_body = input->text ? input->text : c->buffer;
    *ret_bytes = count;
    return 0;
}

static const char *string_of(gri_http_connection *c, gri_http_span span)
{
    c->buffer[span.at + span.bytes] = '\0'; /* over the blank, colon or CR that ended it */
    return c->buffer + span.at;
}

/* The decoded path, in storage of the connection or of its own. */
static char *path_of(gri_http_connection *c)
{
    const gri_http_head *h = &c->head;
    char *path = h->path.bytes < GRI_HTTP_PATH_BYTES - 1 ? c->path : gr_alloc(c->self, (size_t)h->path.bytes + 2);
    if (!path) return NULL;
    size_t bytes = gri_http_percent_decode(c->buffer + h->path.at, h->path.bytes, path);
    if (bytes == 0) path[bytes++] = c->buffer[h->method.at] == 'O' ? '*' : '/'; /* http://host; OPTIONS http://host */
    path[bytes] = '\0';
    return path;
}

int gri_http_request_environ(gri_http_connection *c, gr_environ *env, gr_header *headers)
{
    const gri_http_head *h = &c->head;
    char *path = path_of(c);
    if (!path) return GR_ENOMEM;
    c->input = (gri_http_input){.input = {input_read, input_all}, .connection = c, .expects = h->expect_continue};
    *env = (gr_environ){
        .self = c->self,
        .script_name = "",
        .path = path,
        .scheme = c->server->options.tls ? "https" : "http",
        .protocol = h->minor ? "HTTP/1.1" : "HTTP/1.0",
        .host = "",
        .remote = c->remote,
        .local = c->server->address,
        .headers = headers,
        .header_count = h->field_count,
        .content_length = h->chunked ? GR_BODY_UNKNOWN : (int64_t)h->length,
        .input = &c->input.input,
        .server = c->server,
    };
    env->method = string_of(c, h->method);
    env->target = string_of(c, h->target);
    if (h->has_query) env->query = c->buffer + h->query.at;
    for (uint32_t i = 0; i < h->field_count; i++)
        headers[i] = (gr_header){string_of(c, h->fields[i].name), string_of(c, h->fields[i].value)};
    const char *host =
        gr_environ_header(env, "host"); /* what absolute-form names is the same, or HTTP/1.0 without Host */
    if (host) env->host = host;
    return 0;
}

static bool skip_body(gri_http_connection *c)
{
    char scrap[512];
    size_t bytes = 0;
    if (c->input.error != 0 || (c->input.expects && c->at == c->held)) return false;
    if (input_begin(&c->input) != 0) return false;
    const gr_deadline end = c->input.deadline;
    for (size_t skipped = 0; !c->body.done && skipped <= GRI_HTTP_SKIP_BYTES; skipped += bytes) {
        gr_deadline idle = gr_after_ms(c->server->options.linger_ms);
        c->input.deadline = idle.ns < end.ns ? idle : end;
        if (input_read(&c->input.input, scrap, sizeof scrap, &bytes) != 0) return false;
    }
    return c->body.done;
}

bool gri_http_request_end(gri_http_connection *c, gr_environ *env)
{
    bool done = c->body.done;
    if (!done && c->keep) {
        done = skip_body(c);
        c->ended_ns = gr_now_ns(); /* it may have taken long: idle is what comes now */
    }
    if (c->input.text) gr_free(c->self, c->input.text);
    c->input.text = NULL;
    if (env->path != c->path) gr_free(c->self, (void *)(uintptr_t)env->path);
    return done;
}

bool gri_http_request_gone(gri_http_connection *c)
{
    if (c->held == c->capacity) return false; /* nowhere to put what might come: cannot tell */
    int code = receive(c, GR_NOW);
    return code != 0 && code != GR_ETIMEOUT;
}
