/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What the readers of JSON text and of shapes share: white space, strings, and errors that say where and why.
 * Pure functions over at..end, which need not be NUL-terminated; any thread. */
#ifndef GRI_MESSAGE_TEXT_SCAN_H
#define GRI_MESSAGE_TEXT_SCAN_H

#include "base/compiler.h"

#include <greenroom/error.h>

/* A word of eight times the byte. */
#define GRI_TEXT_EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The top bit of each byte that is a quote, a backslash or a control character; of the bytes above the lowest such one it
 * may also be set wrongly (a borrow), so only the lowest counts. Little-endian: the lowest is the first in memory. */
GRI_INLINE uint64_t gri_text_special_bytes(uint64_t word)
{
    uint64_t quote = word ^ GRI_TEXT_EACH_BYTE('"'), backslash = word ^ GRI_TEXT_EACH_BYTE('\\');
    uint64_t below = ((word - GRI_TEXT_EACH_BYTE(0x20)) & ~word) | ((quote - GRI_TEXT_EACH_BYTE(1)) & ~quote) |
                     ((backslash - GRI_TEXT_EACH_BYTE(1)) & ~backslash);
    return below & GRI_TEXT_EACH_BYTE(0x80);
}

GRI_INLINE bool gri_text_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

GRI_INLINE const char *gri_text_skip_space(const char *at, const char *end)
{
    while (at < end && gri_text_is_space(*at)) at++;
    return at;
}

typedef struct gri_text_string {
    const char *behind; /* the closing quote; on failure what does not fit */
    bool escapes;
    const char *wrong; /* on failure: what is allowed there */
} gri_text_string;

/* Checks a string from behind its opening quote to its closing quote: escapes, UTF-8, control characters. */
bool gri_text_string_scan(const char *at, const char *end, gri_text_string *ret_string);

/* The string's bytes, at most as many as in the text; at..end was found good by gri_text_string_scan. Returns how many. */
size_t gri_text_string_decode(const char *at, const char *end, char *to);

/* Fills line, column and byte for the place `at` in text..end, and as text "expected <expected>, found <what is there>". */
void gri_text_explain_found(gr_detail *ret_detail, const char *text, const char *end, const char *at,
                            const char *expected);

/* The same with a text of its own. */
GRI_PRINTF(4, 5)
void gri_text_explain(gr_detail *ret_detail, const char *text, const char *at, const char *format, ...);

/* Copies as much of text as fits in room bytes with its NUL, made of whole characters, what cannot be shown as '?', and
 * with "..." if it is cut. For names in errors. */
void gri_text_quote(const char *text, size_t bytes, char *to, size_t room);

#endif
