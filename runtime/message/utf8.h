/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. Pure functions, any thread. */
#ifndef GRI_MESSAGE_UTF8_H
#define GRI_MESSAGE_UTF8_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

/* Bytes of the character that starts at `at`, before `end`: 1 to 4, or 0 if there is no valid one. */
unsigned gri_utf8_length(const unsigned char *at, const unsigned char *end);

/* How many bytes are valid from the start: `bytes` if all are, else the offset of the first character that is not. */
size_t gri_utf8_valid_bytes(const void *text, size_t bytes);

static inline bool gri_utf8_valid(const void *text, size_t bytes)
{
    return gri_utf8_valid_bytes(text, bytes) == bytes;
}

/* The code point of a valid character of `length` bytes. */
uint32_t gri_utf8_code_point(const unsigned char *at, unsigned length);

/* Writes a code point (no surrogate, at most 0x10FFFF) and returns its bytes, 1 to 4. */
unsigned gri_utf8_write(uint32_t code_point, char *at);

#endif
