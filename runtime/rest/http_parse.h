/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Strict reader of HTTP/1.x request heads: one reading of the bytes, or a 4xx/5xx after which the connection closes.
 *
 * Owner: the connection's actor; nothing here is shared or global. Incremental: feed the same buffer again with more bytes
 * at its end; only new bytes are looked at, and the verdict does not depend on how the bytes were cut. It allocates nothing:
 * spans are offsets into the caller's buffer, which may therefore move between calls.
 *
 * Stricter than RFC 9112 demands, where leniency is what lets two parties disagree about a request:
 *   lines end in CRLF only; no control bytes, no folded lines, no blank before a colon; names are tokens
 *   exactly one valid Host in 1.1, at most one in 1.0; absolute-form must agree with it
 *   at most one Content-Length, digits only; Transfer-Encoding is `chunked`, once, in 1.1, without Content-Length
 *   only blanks, no tabs, around the values of these three fields; none of them named in Connection, or with an underscore
 *   the target holds only characters RFC 3986 allows there, no dot segments, no %00 and no %2F in its path
 * One empty line before the request line is skipped, as RFC 9112 2.2 asks. */
#ifndef GRI_REST_HTTP_PARSE_H
#define GRI_REST_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* head_bytes is capped at 65,535: spans are 16 bits. */
typedef struct gri_http_limits {
    uint32_t line_bytes; /* request line without its CRLF: 414 */
    uint32_t head_bytes; /* everything to the empty line, included: 431 */
    uint32_t fields;     /* 431; the size of the array given to gri_http_head_init */
    uint64_t body_bytes; /* after decoding: 413 */
    bool secure;         /* over TLS: absolute targets are https, and only that */
} gri_http_limits;

#define GRI_HTTP_LIMITS_DEFAULT ((gri_http_limits){4096, 16384, 64, 1048576, false})

typedef struct gri_http_span {
    uint16_t at, bytes;
} gri_http_span;

typedef struct gri_http_field {
    gri_http_span name, value; /* value without surrounding blanks */
} gri_http_field;

enum gri_http_progress { GRI_HTTP_MORE, GRI_HTTP_DONE, GRI_HTTP_REFUSED };
enum gri_http_form { GRI_HTTP_ORIGIN, GRI_HTTP_ABSOLUTE, GRI_HTTP_ASTERISK };

typedef struct gri_http_head {
    /* the reading: valid after GRI_HTTP_DONE */
    gri_http_span method, target, path, query,
        host; /* path still percent-encoded; host: from the target or the field */
    bool has_query, has_host, keep_alive, expect_continue, chunked, has_length;
    uint8_t minor; /* HTTP/1.minor */
    uint8_t form;  /* enum gri_http_form */
    uint64_t length;
    gri_http_field *fields;
    uint32_t field_count;
    uint32_t bytes; /* of the whole head: the body starts here */

    /* the refusal: valid after GRI_HTTP_REFUSED */
    int status;
    const char *why; /* static text, one clause */
    uint32_t where;  /* offset of the offending byte, or of its line */

    /* private: progress */
    gri_http_limits limits;
    uint32_t scan, line, lines;
    bool skipped_blank, saw_close, saw_keep_alive, saw_expect, saw_coding;
} gri_http_head;

/* `fields` has room for limits->fields and stays the caller's. Also makes a used head ready for the next request. */
void gri_http_head_init(gri_http_head *head, const gri_http_limits *limits, gri_http_field *fields);

/* `buffer` holds the first `bytes` bytes received for this request. After DONE or REFUSED do not feed again. */
enum gri_http_progress gri_http_head_feed(gri_http_head *head, const char *buffer, size_t bytes);

/* Has anything of a request arrived? (An idle connection that closes is no error, nor is an empty line before the end.) */
bool gri_http_head_started(const gri_http_head *head);

/* ASCII comparison without case, lengths included. */
bool gri_http_same(const char *a, size_t a_bytes, const char *b, size_t b_bytes);

bool gri_http_is_token(const char *text, size_t bytes);

/* Is none of these eight bytes a control byte or DEL? (A byte is below n, or zero, if subtracting n borrows from its high bit,
 * which was not set before; a borrow from a neighbour needs such a neighbour.) */
static inline bool gri_http_eight_clean(const char *text)
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t word;
    memcpy(&word, text, 8);
    uint64_t del = word ^ each * 0x7f;
    return !((((word - each * ' ') & ~word) | ((del - each) & ~del)) & each * 0x80);
}

#endif
