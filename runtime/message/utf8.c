/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/utf8.h"

#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

static bool continues(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

unsigned gri_utf8_length(const unsigned char *at, const unsigned char *end)
{
    size_t room = (size_t)(end - at);
    if (room == 0) return 0;
    unsigned char first = at[0];
    if (first < 0x80) return 1;
    if (first < 0xc2) return 0; /* a continuation, or overlong: U+0080 starts with C2 */
    if (first < 0xe0) return room >= 2 && continues(at[1]) ? 2 : 0;
    if (first < 0xf0) {
        if (room < 3 || !continues(at[1]) || !continues(at[2])) return 0;
        if (first == 0xe0 && at[1] < 0xa0) return 0; /* overlong */
        if (first == 0xed && at[1] > 0x9f) return 0; /* surrogates */
        return 3;
    }
    if (first > 0xf4 || room < 4 || !continues(at[1]) || !continues(at[2]) || !continues(at[3])) return 0;
    if (first == 0xf0 && at[1] < 0x90) return 0; /* overlong */
    if (first == 0xf4 && at[1] > 0x8f) return 0; /* above U+10FFFF */
    return 4;
}

size_t gri_utf8_valid_bytes(const void *text, size_t bytes)
{
    const unsigned char *start = text, *at = start, *end = at + bytes;
    while (at < end) {
        uint64_t word;
        if (end - at >= 8 && (memcpy(&word, at, 8), (word & HIGH_BITS) == 0)) {
            at += 8;
            continue;
        }
        unsigned length = gri_utf8_length(at, end);
        if (length == 0) break;
        at += length;
    }
    return (size_t)(at - start);
}

uint32_t gri_utf8_code_point(const unsigned char *at, unsigned length)
{
    if (length == 1) return at[0];
    uint32_t code_point = at[0] & (0x7fu >> length);
    for (unsigned i = 1; i < length; i++) code_point = code_point << 6 | (at[i] & 0x3f);
    return code_point;
}

unsigned gri_utf8_write(uint32_t c, char *at)
{
    if (c < 0x80) {
        at[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        at[0] = (char)(0xc0 | c >> 6);
        at[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        at[0] = (char)(0xe0 | c >> 12);
        at[1] = (char)(0x80 | (c >> 6 & 0x3f));
        at[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    at[0] = (char)(0xf0 | c >> 18);
    at[1] = (char)(0x80 | (c >> 12 & 0x3f));
    at[2] = (char)(0x80 | (c >> 6 & 0x3f));
    at[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}
