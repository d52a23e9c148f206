/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Base64 of RFC 4648 section 4, canonical in both directions: '+' and '/', always padded, no white space, the bits behind
 * the last byte zero; so one byte string has exactly one text. Pure functions, any thread. */
#ifndef GRI_MESSAGE_BASE64_H
#define GRI_MESSAGE_BASE64_H

#include "base/compiler.h"

/* Characters the text of `bytes` bytes takes. */
GRI_INLINE size_t gri_base64_text_bytes(size_t bytes)
{
    return (bytes + 2) / 3 * 4;
}

/* Writes gri_base64_text_bytes(bytes) characters, no NUL. */
void gri_base64_print(const void *data, size_t bytes, char *text);

/* GR_ESYNTAX: not canonical base64; *ret_bytes is then the offset of the first character that does not fit (text_bytes if
 * something is missing at the end). Else writes *ret_bytes bytes, at most text_bytes / 4 * 3; `data` may be `text`. */
int gri_base64_parse(const char *text, size_t text_bytes, void *data, size_t *ret_bytes);

#endif
