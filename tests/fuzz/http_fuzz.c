/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Any bytes as a stream of requests: read at once and cut at a place the bytes choose, both must be read alike. A case file
 * (data/http) is turned into the bytes it describes first. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rest/http_body.h"
#include "rest/http_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { BUFFER_BYTES = 65536, FIELDS = 8 };

/* Everything that was understood, folded into one number. */
typedef struct reading {
    gri_http_head head;
    gri_http_field fields[FIELDS];
    gri_http_body body;
    char *buffer;
    size_t held;
    uint64_t hash;
    int in_body, ended;
} reading;

static const gri_http_limits limits = {200, 1000, FIELDS, 3000, false};

static void fold(reading *r, const void *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) r->hash = (r->hash ^ ((const unsigned char *)data)[i]) * 1099511628211u;
}

static void fold_number(reading *r, uint64_t number)
{
    fold(r, &number, sizeof number);
}

static void fold_span(reading *r, gri_http_span span)
{
    if ((size_t)span.at + span.bytes > r->held) abort();
    fold(r, r->buffer + span.at, span.bytes);
    fold_number(r, span.bytes);
}

static void drop(reading *r, size_t bytes)
{
    if (bytes > r->held) abort();
    memmove(r->buffer, r->buffer + bytes, r->held - bytes);
    r->held -= bytes;
}

static void step(reading *r)
{
    size_t used = 0, data_bytes = 0;
    const char *data = NULL;
    enum gri_http_progress progress;
    if (r->in_body) {
        do {
            progress = gri_http_body_feed(&r->body, r->buffer, r->held, &used, &data, &data_bytes);
            if (data_bytes && (data < r->buffer || data + data_bytes > r->buffer + r->held)) abort();
            if (data_bytes) fold(r, data, data_bytes);
            drop(r, used);
        } while (progress == GRI_HTTP_MORE && used > 0);
        if (progress == GRI_HTTP_REFUSED) fold_number(r, (uint64_t)r->body.status);
        if (progress == GRI_HTTP_DONE) fold_number(r, r->body.total);
        gri_http_head_init(&r->head, &limits, r->fields);
    } else {
        progress = gri_http_head_feed(&r->head, r->buffer, r->held);
        if (progress == GRI_HTTP_REFUSED) fold_number(r, (uint64_t)r->head.status * 65536 + r->head.where);
        if (progress == GRI_HTTP_DONE) {
            fold_span(r, r->head.method), fold_span(r, r->head.path), fold_span(r, r->head.query),
                fold_span(r, r->head.host);
            for (uint32_t i = 0; i < r->head.field_count; i++)
                fold_span(r, r->head.fields[i].name), fold_span(r, r->head.fields[i].value);
            gri_http_body_init(&r->body, &r->head);
            drop(r, r->head.bytes);
        }
    }
    if (progress == GRI_HTTP_DONE) r->in_body = !r->in_body;
    if (progress != GRI_HTTP_DONE) r->ended = progress == GRI_HTTP_REFUSED ? 2 : 1;
}

static void feed(reading *r, const uint8_t *data, size_t bytes)
{
    if (r->ended == 2) return;
    memcpy(r->buffer + r->held, data, bytes);
    r->held += bytes;
    for (r->ended = 0; !r->ended;) step(r);
}

static uint64_t read_in_pieces(const uint8_t *data, size_t bytes, size_t piece)
{
    reading r = {.buffer = malloc(BUFFER_BYTES), .hash = 14695981039346656037u};
    if (!r.buffer) abort();
    gri_http_head_init(&r.head, &limits, r.fields);
    for (size_t at = 0; at < bytes; at += piece) feed(&r, data + at, bytes - at < piece ? bytes - at : piece);
    free(r.buffer);
    return r.hash;
}

/* The lines after "> " with \r \n and \0 made real. */
static size_t unescape_case(const uint8_t *data, size_t bytes, uint8_t *out)
{
    size_t used = 0;
    for (size_t at = 0; at < bytes;) {
        const uint8_t *newline = memchr(data + at, '\n', bytes - at);
        size_t end = newline ? (size_t)(newline - data) : bytes;
        for (size_t i = at + 2; data[at] == '>' && i < end; i++) {
            uint8_t c = data[i];
            if (c == '\\' && i + 1 < end) {
                c = data[++i];
                c = c == 'r' ? '\r' : c == 'n' ? '\n' : c == '0' ? '\0' : c;
            }
            out[used++] = c;
        }
        at = end + 1;
    }
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static uint8_t plain[BUFFER_BYTES];
    if (bytes == 0 || bytes > BUFFER_BYTES) return 0;
    if (data[0] == '#') {
        bytes = unescape_case(data, bytes, plain);
        data = plain;
    }
    uint64_t whole = read_in_pieces(data, bytes, bytes ? bytes : 1), bytewise = read_in_pieces(data, bytes, 1);
    size_t piece = 1 + (size_t)(whole % 61);
    if (whole != bytewise || whole != read_in_pieces(data, bytes, piece)) {
        fprintf(stderr, "read differently in pieces of 1 or %zu\n", piece);
        abort();
    }
    return 0;
}
