/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/http_body.h"

/*   SIZE --CR--> SIZE_LF --LF--> DATA --all--> DATA_CR --CR--> DATA_LF --LF--> SIZE
 *                   |size 0
 *                   v
 *                END_CR --CR--> END_LF --LF--> done */
enum { SIZE, SIZE_LF, DATA, DATA_CR, DATA_LF, END_CR, END_LF };

void gri_http_body_init(gri_http_body *body, const gri_http_head *head)
{
    *body = (gri_http_body){
        .chunked = head->chunked, .left = head->chunked ? 0 : head->length, .max = head->limits.body_bytes};
    body->done = !body->chunked && body->left == 0;
}

static enum gri_http_progress refuse(gri_http_body *body, int status, const char *why)
{
    body->status = status;
    body->why = why;
    return GRI_HTTP_REFUSED;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static enum gri_http_progress read_size(gri_http_body *body, char c)
{
    int digit = hex_digit(c);
    if (digit >= 0) {
        if (body->digits == 16) return refuse(body, 400, "a chunk size of more than 16 digits");
        body->digits++;
        body->left = body->left * 16 + (uint64_t)digit;
        return GRI_HTTP_MORE;
    }
    if (body->digits == 0) return refuse(body, 400, "a chunk without a size");
    if (c == ';') return refuse(body, 400, "a chunk extension");
    if (c != '\r') return refuse(body, 400, "a malformed chunk size");
    body->state = SIZE_LF;
    return GRI_HTTP_MORE;
}

static enum gri_http_progress end_size(gri_http_body *body)
{
    if (body->left > body->max - body->total) return refuse(body, 413, "a body over the limit");
    body->total += body->left;
    body->digits = 0;
    body->state = body->left ? DATA : END_CR;
    return GRI_HTTP_MORE;
}

static enum gri_http_progress read_framing(gri_http_body *body, char c)
{
    switch (body->state) {
    case SIZE: return read_size(body, c);
    case SIZE_LF: return c == '\n' ? end_size(body) : refuse(body, 400, "a chunk size not ended by CRLF");
    case DATA_CR:
        body->state = DATA_LF;
        return c == '\r' ? GRI_HTTP_MORE : refuse(body, 400, "a chunk longer than its size");
    case DATA_LF: body->state = SIZE; return c == '\n' ? GRI_HTTP_MORE : refuse(body, 400, "a chunk not ended by CRLF");
    case END_CR: body->state = END_LF; return c == '\r' ? GRI_HTTP_MORE : refuse(body, 400, "trailer fields");
    default: /* END_LF */
        if (c != '\n') return refuse(body, 400, "a chunked body not ended by CRLF");
        body->done = true;
        return GRI_HTTP_DONE;
    }
}

enum gri_http_progress gri_http_body_feed(gri_http_body *body, const char *in, size_t bytes, size_t *ret_used,
                                          const char **ret_data, size_t *ret_data_bytes)
{
    size_t at = 0;
    *ret_used = *ret_data_bytes = 0;
    *ret_data = in;
    if (body->done) return GRI_HTTP_DONE;
    while (body->chunked && body->state != DATA && at < bytes) {
        enum gri_http_progress progress = read_framing(body, in[at++]);
        if (progress == GRI_HTTP_MORE) continue;
        *ret_used = at;
        return progress;
    }
    size_t run = bytes - at < body->left ? bytes - at : (size_t)body->left;
    if (body->chunked && body->state != DATA) run = 0;
    *ret_data = in + at;
    *ret_data_bytes = run;
    *ret_used = at + run;
    body->left -= run;
    if (run && body->left == 0) {
        if (body->chunked) {
            body->state = DATA_CR;
        } else {
            body->done = true;
            return GRI_HTTP_DONE;
        }
    }
    return GRI_HTTP_MORE;
}
