/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Reads a request body off the wire: by length, or in chunks. Incremental, allocates nothing, copies nothing; the reading
 * does not depend on how the bytes were cut. Owner: the connection's actor.
 *
 * Chunk sizes are 1 to 16 hexadecimal digits and CRLF; chunk extensions and trailer fields are refused (no client of ours
 * needs them, and parties read them differently); the decoded size is limited (413). */
#ifndef GRI_REST_HTTP_BODY_H
#define GRI_REST_HTTP_BODY_H

#include "rest/http_parse.h"

typedef struct gri_http_body {
    bool chunked, done;
    uint8_t state, digits;
    uint64_t left;  /* of the body, or of this chunk */
    uint64_t total; /* data bytes so far, chunk announced included */
    uint64_t max;
    int status; /* of the refusal */
    const char *why;
} gri_http_body;

void gri_http_body_init(gri_http_body *body, const gri_http_head *head);

/* Takes *ret_used bytes from `in` (framing and data); data, if any, is one run inside `in`. DONE: the body is complete, what
 * follows *ret_used belongs to the next request. MORE: call again, with more bytes if *ret_used was all. */
enum gri_http_progress gri_http_body_feed(gri_http_body *body, const char *in, size_t bytes, size_t *ret_used,
                                          const char **ret_data, size_t *ret_data_bytes);

#endif
