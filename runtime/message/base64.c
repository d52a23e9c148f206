/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/base64.h"

#include <greenroom/error.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* A character's six bits, 64 and above for what is none. */
static const unsigned char six_bits[256] = {
    [0 ... 255] = 64,
    ['A'] = 0,  ['B'] = 1,  ['C'] = 2,  ['D'] = 3,  ['E'] = 4,  ['F'] = 5,  ['G'] = 6,  ['H'] = 7,  ['I'] = 8,
    ['J'] = 9,  ['K'] = 10, ['L'] = 11, ['M'] = 12, ['N'] = 13, ['O'] = 14, ['P'] = 15, ['Q'] = 16, ['R'] = 17,
    ['S'] = 18, ['T'] = 19, ['U'] = 20, ['V'] = 21, ['W'] = 22, ['X'] = 23, ['Y'] = 24, ['Z'] = 25, ['a'] = 26,
    ['b'] = 27, ['c'] = 28, ['d'] = 29, ['e'] = 30, ['f'] = 31, ['g'] = 32, ['h'] = 33, ['i'] = 34, ['j'] = 35,
    ['k'] = 36, ['l'] = 37, ['m'] = 38, ['n'] = 39, ['o'] = 40, ['p'] = 41, ['q'] = 42, ['r'] = 43, ['s'] = 44,
    ['t'] = 45, ['u'] = 46, ['v'] = 47, ['w'] = 48, ['x'] = 49, ['y'] = 50, ['z'] = 51, ['0'] = 52, ['1'] = 53,
    ['2'] = 54, ['3'] = 55, ['4'] = 56, ['5'] = 57, ['6'] = 58, ['7'] = 59, ['8'] = 60, ['9'] = 61, ['+'] = 62,
    ['/'] = 63,
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
        if (GRI_UNLIKELY((a | b | c | d) & 64)) {
            while (six_bits[in[i]] < 64)
                i++;
            return refuse(i, ret_bytes);
        }
        *out++ = (unsigned char)(a << 2 | b >> 4);
        *out++ = (unsigned char)(b << 4 | c >> 2);
        *out++ = (unsigned char)(c << 6 | d);
    }
    for (size_t j = whole; j < characters; j++) {
        if (six_bits[in[j]] & 64) return refuse(j, ret_bytes);
    }
    if (text_bytes % 4 != 0) return refuse(text_bytes, ret_bytes);
    if (pads > 0) {
        if (characters % 4 < 2) return refuse(characters, ret_bytes); /* "=", "A=" cannot be reached: length % 4 */
        unsigned a = six_bits[in[i]], b = six_bits[in[i + 1]];
        *out++ = (unsigned char)(a << 2 | b >> 4);
        if (pads == 2) {
            if (b & 15) return refuse(i + 1, ret_bytes);
        } else {
            unsigned c = six_bits[in[i + 2]];
            if (c & 3) return refuse(i + 2, ret_bytes);
            *out++ = (unsigned char)(b << 4 | c >> 2);
        }
    }
    *ret_bytes = (size_t)(out - (unsigned char *)data);
    return 0;
}
