/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/base64.h"

#include <greenroom/error.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* 64 + a character's six bits, 0 for what is none. */
#define VALID 64u
static const unsigned char six_bits[256] = {
    ['A'] = 64,  ['B'] = 65,  ['C'] = 66,  ['D'] = 67,  ['E'] = 68,  ['F'] = 69,  ['G'] = 70,  ['H'] = 71,
    ['I'] = 72,  ['J'] = 73,  ['K'] = 74,  ['L'] = 75,  ['M'] = 76,  ['N'] = 77,  ['O'] = 78,  ['P'] = 79,
    ['Q'] = 80,  ['R'] = 81,  ['S'] = 82,  ['T'] = 83,  ['U'] = 84,  ['V'] = 85,  ['W'] = 86,  ['X'] = 87,
    ['Y'] = 88,  ['Z'] = 89,  ['a'] = 90,  ['b'] = 91,  ['c'] = 92,  ['d'] = 93,  ['e'] = 94,  ['f'] = 95,
    ['g'] = 96,  ['h'] = 97,  ['i'] = 98,  ['j'] = 99,  ['k'] = 100, ['l'] = 101, ['m'] = 102, ['n'] = 103,
    ['o'] = 104, ['p'] = 105, ['q'] = 106, ['r'] = 107, ['s'] = 108, ['t'] = 109, ['u'] = 110, ['v'] = 111,
    ['w'] = 112, ['x'] = 113, ['y'] = 114, ['z'] = 115, ['0'] = 116, ['1'] = 117, ['2'] = 118, ['3'] = 119,
    ['4'] = 120, ['5'] = 121, ['6'] = 122, ['7'] = 123, ['8'] = 124, ['9'] = 125, ['+'] = 126, ['/'] = 127,
};

void gri_base64_print(const void *data, size_t bytes, char *text)
{
    const unsigned char *at = data;
    for (; bytes >= 3; at += 3, bytes -= 3) {
        unsigned group = (unsigned)at[0] << 16 | (unsigned)at[1] << 8 | at[2];
        *text++ = alphabet[group >> 18];
        *text++ = alphabet[group >> 12 & 63];
        *text++ = alphabet[group >> 6 & 63];
        *text++ = alphabet[group & 63];
    }
    if (bytes == 0) return;
    unsigned group = (unsigned)at[0] << 16 | (bytes == 2 ? (unsigned)at[1] << 8 : 0);
    text[0] = alphabet[group >> 18];
    text[1] = alphabet[group >> 12 & 63];
    text[2] = bytes == 2 ? alphabet[group >> 6 & 63] : '=';
    text[3] = '=';
}

static int refuse(size_t offset, size_t *ret_bytes)
{
    *ret_bytes = offset;
    return GR_ESYNTAX;
}

int gri_base64_parse(const char *text, size_t text_bytes, void *data, size_t *ret_bytes)
{
    const unsigned char *in = (const unsigned char *)text;
    unsigned char *out = data;
    unsigned pads = 0;
    if (text_bytes > 0 && in[text_bytes - 1] == '=') pads = text_bytes > 1 && in[text_bytes - 2] == '=' ? 2 : 1;
    size_t characters = text_bytes - pads, whole = characters / 4 * 4;
    size_t i = 0;
    for (; i < whole; i += 4) {
        unsigned a = six_bits[in[i]], b = six_bits[in[i + 1]], c = six_bits[in[i + 2]], d = six_bits[in[i + 3]];
        if (GRI_UNLIKELY(!(a & b & c & d & VALID))) {
            while (six_bits[in[i]]) i++;
            return refuse(i, ret_bytes);
        }
        *out++ = (unsigned char)(a << 2 | (b >> 4 & 3));
        *out++ = (unsigned char)(b << 4 | (c >> 2 & 15));
        *out++ = (unsigned char)(c << 6 | (d & 63));
    }
    for (size_t j = whole; j < characters; j++) {
        if (!six_bits[in[j]]) return refuse(j, ret_bytes);
    }
    if (text_bytes % 4 != 0) return refuse(text_bytes, ret_bytes);
    if (pads > 0) {
        unsigned a = six_bits[in[i]], b = six_bits[in[i + 1]];
        *out++ = (unsigned char)(a << 2 | (b >> 4 & 3));
        if (pads == 2) {
            if (b & 15) return refuse(i + 1, ret_bytes);
        } else {
            unsigned c = six_bits[in[i + 2]];
            if (c & 3) return refuse(i + 2, ret_bytes);
            *out++ = (unsigned char)(b << 4 | (c >> 2 & 15));
        }
    }
    *ret_bytes = (size_t)(out - (unsigned char *)data);
    return 0;
}
