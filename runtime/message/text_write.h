/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Writing JSON text piece by piece, into memory that grows or into a caller's buffer that may be too small.
 *
 * A sink always has room for the next piece of up to GRI_TEXT_PIECE_MAX bytes. Where a caller's buffer ends it goes on in a
 * small buffer of its own, whose content is copied as far as it fits, and counted. One owner. */
#ifndef GRI_MESSAGE_TEXT_WRITE_H
#define GRI_MESSAGE_TEXT_WRITE_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define GRI_TEXT_PIECE_MAX 256

typedef struct gri_text_sink {
    char *at, *limit;   /* where the next piece goes, and the end of the room */
    char *base;         /* where this room begins */
    bool grows, failed; /* failed: out of memory; what is written is nonsense */
    char *rest;         /* of the caller's buffer, once the room is the small one */
    size_t rest_bytes;
    size_t counted; /* bytes before base */
    char small[GRI_TEXT_PIECE_MAX];
} gri_text_sink;

/* Into the caller's buffer; NULL and 0 just counts. */
void gri_text_sink_fixed(gri_text_sink *s, char *buffer, size_t bytes);
/* Into malloc'ed memory that begins with room for `bytes`; false: out of memory. The caller takes s->base. */
bool gri_text_sink_growing(gri_text_sink *s, size_t bytes);
/* The length of all that was written, after copying what is left to copy. */
size_t gri_text_sink_finish(gri_text_sink *s);

void gri_text_make_room(gri_text_sink *s, size_t bytes);
GRI_INLINE char *gri_text_room(gri_text_sink *s, size_t bytes)
{
    if (GRI_UNLIKELY((size_t)(s->limit - s->at) < bytes)) gri_text_make_room(s, bytes);
    return s->at;
}

GRI_INLINE void gri_text_put(gri_text_sink *s, const char *text, size_t bytes)
{
    memcpy(gri_text_room(s, bytes), text, bytes);
    s->at += bytes;
}

GRI_INLINE void gri_text_put_char(gri_text_sink *s, char c)
{
    *gri_text_room(s, 1) = c;
    s->at++;
}

/* A string with its quotes; `ascii`: with \u escapes for all else. The string is valid UTF-8. */
void gri_text_put_string(gri_text_sink *s, const char *text, size_t bytes, bool ascii);
/* {"_pyact_binary":"…"} and {"_pyact_address":"…"} */
void gri_text_put_bytes(gri_text_sink *s, const void *data, size_t bytes);
struct gr_address_form;
void gri_text_put_address(gri_text_sink *s, uint64_t id, const struct gr_address_form *form);

#endif
