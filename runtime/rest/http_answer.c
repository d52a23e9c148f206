/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The writing half of a connection: heads, lengths, chunks. Small answers leave in one write. */
#include <string.h>

#include <greenroom/runtime.h>

#include "rest/http_connection.h"

static int reserve(gri_http_connection *c, size_t more)
{
    gri_http_answer *a = &c->answer;
    if (a->out_capacity - a->out_bytes >= more) return 0;
    size_t capacity = a->out_capacity ? a->out_capacity : GRI_HTTP_OUT_BYTES;
    while (capacity - a->out_bytes < more) capacity *= 2;
    char *out = gr_alloc(c->self, capacity);
    if (!out) return GR_ENOMEM;
    if (a->out_bytes) memcpy(out, a->out, a->out_bytes);
    if (a->out) gr_free(c->self, a->out);
    a->out = out;
    a->out_capacity = capacity;
    return 0;
}

/* Room has been reserved. */
static void put(gri_http_answer *a, const char *text, size_t bytes)
{
    memcpy(a->out + a->out_bytes, text, bytes);
    a->out_bytes += bytes;
}

#define PUT(answer, literal) put((answer), (literal), sizeof(literal) - 1)

static void put_number(gri_http_answer *a, uint64_t number, unsigned base)
{
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = "0123456789abcdef"[number % base];
    while (number /= base);
    put(a, digits + at, sizeof digits - at);
}

static int write_out(gri_http_connection *c, const char *data, size_t bytes)
{
    gri_http_answer *a = &c->answer;
    if (a->failed) return GR_ECLOSED;
    if (bytes == 0) return 0;
    c->ended_ns = gr_now_ns();
    a->writes++;
    int code = gr_write(c->self, c->socket, data, bytes, gri_http_later(c->ended_ns, c->server->options.write_ms));
    a->failed = code != 0;
    if (code == 0) c->sent += bytes;
    return code;
}

static int flush(gri_http_connection *c)
{
    int code = write_out(c, c->answer.out, c->answer.out_bytes);
    c->answer.out_bytes = 0;
    return code;
}

int gri_http_answer_send_continue(gri_http_connection *c)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    return c->answer.started ? 0 : write_out(c, text, sizeof text - 1);
}

static bool is_value_byte(unsigned char c)
{
    return (c >= ' ' && c != 0x7f) || c == '\t';
}

static bool is_value(const char *value, size_t bytes)
{
    size_t at = 0;
    while (at < bytes) {
        if (bytes - at >= 8 && gri_http_eight_clean(value + at)) {
            at += 8;
        } else if (!is_value_byte((unsigned char)value[at++])) {
            return false;
        }
    }
    return true;
}

/* These are the server's: an application that set them could contradict the framing. */
static bool is_ours(const char *name, size_t bytes)
{
    switch (bytes) {
    case 2: return gri_http_same(name, bytes, "te", 2);
    case 4: return gri_http_same(name, bytes, "date", 4);
    case 7: return gri_http_same(name, bytes, "trailer", 7) || gri_http_same(name, bytes, "upgrade", 7);
    case 10: return gri_http_same(name, bytes, "connection", 10) || gri_http_same(name, bytes, "keep-alive", 10);
    case 14: return gri_http_same(name, bytes, "content-length", 14);
    case 17: return gri_http_same(name, bytes, "transfer-encoding", 17);
    default: return false;
    }
}

static int check_headers(const gr_header *headers, size_t count, size_t *ret_bytes)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (!headers[i].name || !headers[i].value) return GR_EINVAL;
        size_t name_bytes = strlen(headers[i].name);
        if (!gri_http_is_token(headers[i].name, name_bytes) || is_ours(headers[i].name, name_bytes)) return GR_EINVAL;
        size_t value_bytes = strlen(headers[i].value);
        if (!is_value(headers[i].value, value_bytes)) return GR_EINVAL;
        bytes += name_bytes + value_bytes + 4;
    }
    *ret_bytes = bytes;
    return 0;
}

static void put_head(gri_http_connection *c, int status, const gr_header *headers, size_t count)
{
    gri_http_answer *a = &c->answer;
    const char *reason = gr_status_text(status);
    PUT(a, "HTTP/1.1 ");
    put_number(a, (uint64_t)status, 10);
    PUT(a, " ");
    put(a, reason, strlen(reason));
    PUT(a, "\r\nDate: ");
    put(a, gri_http_date_text(&c->date), GRI_HTTP_DATE_BYTES);
    PUT(a, "\r\n");
    for (size_t i = 0; i < count; i++) {
        put(a, headers[i].name, strlen(headers[i].name));
        PUT(a, ": ");
        put(a, headers[i].value, strlen(headers[i].value));
        PUT(a, "\r\n");
    }
    if (a->chunked) {
        PUT(a, "Transfer-Encoding: chunked\r\n");
    } else if (a->length >= 0 && status != 204 && status != 304) {
        PUT(a, "Content-Length: ");
        put_number(a, (uint64_t)a->length, 10);
        PUT(a, "\r\n");
    }
    if (!c->keep) {
        PUT(a, "Connection: close\r\n");
    } else if (c->head.minor == 0) {
        PUT(a, "Connection: keep-alive\r\n");
    }
    PUT(a, "\r\n");
}

static int start(gr_responder *respond, int status, const gr_header *headers, size_t count, int64_t body_bytes)
{
    gri_http_answer *a = (gri_http_answer *)respond;
    gri_http_connection *c = a->connection;
    size_t bytes = 0;
    if (a->started) return GR_EEXISTS;
    if (status < 200 || status > 599 || body_bytes < GR_BODY_UNKNOWN) return GR_EINVAL;
    int code = check_headers(headers, count, &bytes);
    if (code == 0) code = reserve(c, bytes + 256);
    if (code != 0) return code;
    a->started = true;
    a->status = status;
    a->length = body_bytes;
    a->sent = 0;
    a->bodiless |= status == 204 || status == 304;
    a->chunked = body_bytes == GR_BODY_UNKNOWN && c->head.minor == 1 && !a->bodiless;
    if (body_bytes == GR_BODY_UNKNOWN && c->head.minor == 0) c->keep = false;
    /* A client that still waits to be told to go on may or may not send its body: only closing is unambiguous. */
    if (!c->body.done && (c->input.expects || c->input.error != 0 || c->body.left > GRI_HTTP_SKIP_BYTES))
        c->keep = false;
    if (gr_killed(c->self)) c->keep = false;
    put_head(c, status, headers, count);
    return 0;
}

static int write_known(gri_http_connection *c, const char *data, size_t bytes)
{
    gri_http_answer *a = &c->answer;
    if (a->bodiless) return 0;
    if (a->out_bytes + bytes <= GRI_HTTP_GATHER_BYTES) {
        int code = reserve(c, bytes);
        if (code != 0) return code;
        put(a, data, bytes);
        return 0;
    }
    int code = flush(c);
    return code != 0 ? code : write_out(c, data, bytes);
}

static int write_streamed(gri_http_connection *c, const char *data, size_t bytes)
{
    gri_http_answer *a = &c->answer;
    if (a->bodiless || bytes == 0) return flush(c);
    a->sent += (int64_t)bytes;
    int code = reserve(c, 32);
    if (code != 0) return code;
    if (a->chunked) {
        put_number(a, bytes, 16);
        PUT(a, "\r\n");
    }
    bool gathered = a->out_bytes + bytes + 2 <= GRI_HTTP_GATHER_BYTES && reserve(c, bytes + 2) == 0;
    if (gathered) {
        put(a, data, bytes);
    } else {
        code = flush(c);
        if (code == 0) code = write_out(c, data, bytes);
        if (code != 0) return code;
    }
    if (a->chunked) PUT(a, "\r\n");
    return flush(c);
}

static int answer_write(gr_responder *respond, const void *data, size_t bytes)
{
    gri_http_answer *a = (gri_http_answer *)respond;
    if (!a->started) return GR_EINVAL;
    if (a->failed) return GR_ECLOSED;
    if (a->length == GR_BODY_UNKNOWN) return write_streamed(a->connection, data, bytes);
    if ((int64_t)bytes > a->length - a->sent) return GR_ERANGE;
    a->sent += (int64_t)bytes;
    return write_known(a->connection, data, bytes);
}

static bool gone(gr_responder *respond)
{
    gri_http_answer *a = (gri_http_answer *)respond;
    return a->failed || gri_http_request_gone(a->connection);
}

void gri_http_answer_init(gri_http_connection *c)
{
    gri_http_answer *a = &c->answer;
    *a = (gri_http_answer){
        .respond = {start, answer_write, gone},
        .connection = c,
        .out = a->out,
        .out_capacity = a->out_capacity,
        .bodiless = c->head.method.bytes == 4 && memcmp(c->buffer + c->head.method.at, "HEAD", 4) == 0,
    };
}

/* An idle connection keeps little. */
static void release(gri_http_connection *c)
{
    gri_http_answer *a = &c->answer;
    if (a->out_capacity <= 4 * GRI_HTTP_OUT_BYTES) return;
    gr_free(c->self, a->out);
    a->out = NULL;
    a->out_capacity = 0;
}

bool gri_http_answer_end(gri_http_connection *c)
{
    gri_http_answer *a = &c->answer;
    if (!a->started || a->failed) return false;
    if (a->length >= 0 && a->sent < a->length && !a->bodiless) {
        (void)flush(c);
        gr_log(GR_LOG_ERROR, "http: the application sent %lld of %lld bytes; closing", (long long)a->sent,
               (long long)a->length);
        return false;
    }
    if (a->chunked && reserve(c, 5) == 0) PUT(a, "0\r\n\r\n");
    int code = flush(c);
    release(c);
    return code == 0;
}
