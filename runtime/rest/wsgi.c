/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What applications call: thin over the environment and the responder they were given, whoever made them. */
#include <greenroom/wsgi.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <greenroom/pack.h>
#include <greenroom/text.h>

#include "rest/http_parse.h"

static bool is_named(const gr_header *header, const char *name, size_t bytes)
{
    if ((header->name[0] ^ name[0]) & ~0x20) return false; /* most differ here */
    return gri_http_same(header->name, strlen(header->name), name, bytes);
}

const char *gr_environ_header(const gr_environ *env, const char *name)
{
    size_t bytes = strlen(name);
    for (size_t i = 0; i < env->header_count; i++)
        if (is_named(&env->headers[i], name, bytes)) return env->headers[i].value;
    return NULL;
}

size_t gr_environ_header_count(const gr_environ *env, const char *name)
{
    size_t bytes = strlen(name), count = 0;
    for (size_t i = 0; i < env->header_count; i++) count += is_named(&env->headers[i], name, bytes);
    return count;
}

int gr_input_read(const gr_environ *env, void *buffer, size_t bytes, size_t *ret_bytes)
{
    return env->input->read(env->input, buffer, bytes, ret_bytes);
}

int gr_input_all(const gr_environ *env, const char **ret_body, size_t *ret_bytes)
{
    return env->input->all(env->input, ret_body, ret_bytes);
}

int gr_response_start(gr_responder *respond, int status, const gr_header *headers, size_t count, int64_t body_bytes)
{
    return respond->start(respond, status, headers, count, body_bytes);
}

int gr_response_write(gr_responder *respond, const void *data, size_t bytes)
{
    return respond->write(respond, data, bytes);
}

bool gr_response_gone(gr_responder *respond)
{
    return respond->gone && respond->gone(respond);
}

int gr_response_send(gr_responder *respond, int status, const char *content_type, const void *body, size_t bytes)
{
    gr_header header = {"Content-Type", content_type};
    int code = gr_response_start(respond, status, &header, 1, (int64_t)bytes);
    return code != 0 ? code : gr_response_write(respond, body, bytes);
}

/* A text that was cut may end inside a character; values hold only whole ones. */
static void cut_to_characters(char *text, size_t bytes)
{
    size_t tail = 0;
    while (tail < bytes && tail < 4 && ((unsigned char)text[bytes - 1 - tail] & 0xc0) == 0x80) tail++;
    if (tail < bytes && (unsigned char)text[bytes - 1 - tail] >= 0xc0) text[bytes - 1 - tail] = '\0';
}

int gr_response_problem(gr_responder *respond, int status, const char *format, ...)
{
    char detail[320], text[2200];
    unsigned char storage[600];
    va_list args;
    gr_value problem;
    size_t bytes = 0;
    va_start(args, format);
    int written = vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    if (written < 0) return GR_EINVAL;
    if ((size_t)written >= sizeof detail) cut_to_characters(detail, sizeof detail - 1);
    int code = 0;
    for (int tries = 0; tries < 2; tries++) {
        code = gr_pack_into(storage, sizeof storage, &problem, "{s:s, s:s, s:i, s:s}", "type", "about:blank", "title",
                            gr_status_text(status), "status", status, "detail", detail);
        if (code != GR_EINVAL) break;
        for (char *at = detail; *at; at++) /* not UTF-8: what a request contained may be anything */
            if ((unsigned char)*at >= 0x80) *at = '?';
    }
    if (code == 0) code = gr_print(problem, NULL, text, sizeof text - 1, &bytes);
    if (code != 0) return code;
    text[bytes++] = '\n';
    return gr_response_send(respond, status, "application/problem+json", text, bytes);
}

const char *gr_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } table[] = {
        {100, "Continue"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].status == status) return table[i].text;
    return "Unknown";
}
