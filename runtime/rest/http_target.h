/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The parts of a request target, and of Host: what is allowed in them, and decoding. Pure functions of bytes. */
#ifndef GRI_REST_HTTP_TARGET_H
#define GRI_REST_HTTP_TARGET_H

#include <stdbool.h>
#include <stddef.h>

/* NULL if the bytes are a path (leading '/', RFC 3986 characters, valid percent-encodings, no %00, %2F or dot segment, encoded
 * or not), else why not; *ret_where is the offset of the offence. */
const char *gri_http_path_check(const char *path, size_t bytes, size_t *ret_where);
const char *gri_http_query_check(const char *query, size_t bytes, size_t *ret_where);

/* host [":" port]: a name, an IPv4 address or an IP literal in brackets; no user, no percent-encoding, no empty port. */
bool gri_http_authority_valid(const char *text, size_t bytes);

/* Decodes percent-encoding once; `out` has room for `bytes` and may be `in`. The result may hold any byte: for a checked path
 * every one but NUL. Malformed encodings are copied as they are (a checked path or query has none). Returns the length. */
size_t gri_http_percent_decode(const char *in, size_t bytes, char *out);

/* Encodes everything but RFC 3986 path characters; `out` has room for three times `bytes`. Returns the length; no NUL. */
size_t gri_http_percent_encode(const char *in, size_t bytes, char *out);

#endif
