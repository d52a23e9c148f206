/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/text_scan.h"

#include "message/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- strings ---- */

/* The first byte that is a quote, a backslash, a control character, or not ASCII. */
static const unsigned char *skip_plain(const unsigned char *at, const unsigned char *end)
{
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        uint64_t special = gri_text_special_bytes(word) | (word & GRI_TEXT_EACH_BYTE(0x80));
        if (special) return at + __builtin_ctzll(special) / 8;
        at += 8;
    }
    while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\') at++;
    return at;
}

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool refuse(gri_text_string *s, const void *at, const char *wrong)
{
    s->behind = at;
    s->wrong = wrong;
    return false;
}

/* Four hexadecimal digits. */
static bool scan_unit(const unsigned char *at, const unsigned char *end, gri_text_string *s, unsigned *ret_unit)
{
    unsigned unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = at + i < end ? hex_digit(at[i]) : -1;
        if (digit < 0) return refuse(s, at + i, "four hexadecimal digits after \\u");
        unit = unit << 4 | (unsigned)digit;
    }
    *ret_unit = unit;
    return true;
}

static bool is_high_surrogate(unsigned unit)
{
    return (unit & 0xfc00) == 0xd800;
}

static bool is_low_surrogate(unsigned unit)
{
    return (unit & 0xfc00) == 0xdc00;
}

/* at stands on the backslash; returns what is behind the escape, NULL if it is refused. */
static const unsigned char *scan_escape(const unsigned char *at, const unsigned char *end, gri_text_string *s)
{
    static const char allowed[] = "an escape: \\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u and four digits";
    if (end - at < 2 || !memchr("\"\\/bfnrtu", at[1], 9)) {
        refuse(s, at + 1, allowed);
        return NULL;
    }
    if (at[1] != 'u') return at + 2;
    unsigned unit, low;
    if (!scan_unit(at + 2, end, s, &unit)) return NULL;
    if (is_low_surrogate(unit)) {
        refuse(s, at, "a high surrogate (\\ud800 to \\udbff) before a low one");
        return NULL;
    }
    if (!is_high_surrogate(unit)) return at + 6;
    at += 6;
    if (end - at < 2 || at[0] != '\\' || at[1] != 'u') {
        refuse(s, at, "a low surrogate (\\udc00 to \\udfff) after a high one");
        return NULL;
    }
    if (!scan_unit(at + 2, end, s, &low)) return NULL;
    if (!is_low_surrogate(low)) {
        refuse(s, at, "a low surrogate (\\udc00 to \\udfff) after a high one");
        return NULL;
    }
    return at + 6;
}

bool gri_text_string_scan(const char *from, const char *text_end, gri_text_string *s)
{
    const unsigned char *at = (const unsigned char *)from, *end = (const unsigned char *)text_end;
    s->escapes = false;
    for (;;) {
        at = skip_plain(at, end);
        if (GRI_UNLIKELY(at == end)) return refuse(s, at, "'\"' at the end of the string");
        if (GRI_LIKELY(*at == '"')) {
            s->behind = (const char *)at;
            return true;
        }
        if (*at == '\\') {
            s->escapes = true;
            at = scan_escape(at, end, s);
            if (!at) return false;
        } else if (*at < 0x20) {
            return refuse(s, at, "'\"' or characters of a string (control characters only as escapes)");
        } else {
            unsigned length = gri_utf8_length(at, end);
            if (length == 0) return refuse(s, at, "valid UTF-8");
            at += length;
        }
    }
}

static unsigned decode_unit(const char *at)
{
    unsigned unit = 0;
    for (int i = 0; i < 4; i++) unit = unit << 4 | (unsigned)hex_digit((unsigned char)at[i]);
    return unit;
}

size_t gri_text_string_decode(const char *at, const char *end, char *to)
{
    char *start = to;
    while (at < end) {
        const char *backslash = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((backslash ? backslash : end) - at);
        memmove(to, at, plain);
        to += plain;
        if (!backslash) break;
        at = backslash + 2;
        switch (backslash[1]) {
        case 'b': *to++ = '\b'; break;
        case 'f': *to++ = '\f'; break;
        case 'n': *to++ = '\n'; break;
        case 'r': *to++ = '\r'; break;
        case 't': *to++ = '\t'; break;
        case 'u': {
            uint32_t code_point = decode_unit(at);
            at += 4;
            if (is_high_surrogate(code_point)) {
                code_point = 0x10000 + ((code_point & 0x3ff) << 10) + (decode_unit(at + 2) & 0x3ff);
                at += 6;
            }
            to += gri_utf8_write(code_point, to);
            break;
        }
        default: *to++ = backslash[1]; break; /* quote, backslash, slash */
        }
    }
    return (size_t)(to - start);
}

/* ---- errors ---- */

static void locate(gr_detail *detail, const char *text, const char *at)
{
    memset(detail, 0, sizeof *detail);
    const char *line = text;
    uint32_t lines = 1;
    for (const char *newline; (newline = memchr(line, '\n', (size_t)(at - line))) != NULL; line = newline + 1) lines++;
    uint32_t column = 1;
    for (; line < at; line++) column += ((unsigned char)*line & 0xc0) != 0x80;
    detail->line = lines;
    detail->column = column;
    detail->byte = (uint64_t)(at - text);
}

/* Of the word at `at`, as much as is worth showing; 1 if there is none. */
static int word_bytes(const char *at, const char *end)
{
    int bytes = 0;
    while (bytes < 16 && at + bytes < end && (unsigned char)((at[bytes] | 0x20) - 'a') < 26) bytes++;
    return bytes ? bytes : 1;
}

static void name_found(const char *at, const char *end, char *to, size_t room)
{
    if (at >= end) {
        snprintf(to, room, "the end");
        return;
    }
    const unsigned char *byte = (const unsigned char *)at;
    unsigned length = gri_utf8_length(byte, (const unsigned char *)end);
    if (length == 0)
        snprintf(to, room, "byte 0x%02x", *byte);
    else if (*byte < 0x20 || *byte == 0x7f || length > 1)
        snprintf(to, room, "U+%04X", (unsigned)gri_utf8_code_point(byte, length));
    else
        snprintf(to, room, "'%.*s'", word_bytes(at, end), at);
}

void gri_text_explain_found(gr_detail *detail, const char *text, const char *end, const char *at, const char *expected)
{
    if (!detail) return;
    char found[24];
    name_found(at, end, found, sizeof found);
    gri_text_explain(detail, text, at, "expected %s, found %s", expected, found);
}

void gri_text_explain(gr_detail *detail, const char *text, const char *at, const char *format, ...)
{
    if (!detail) return;
    locate(detail, text, at);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail->text, sizeof detail->text, format, arguments);
    va_end(arguments);
}

void gri_text_quote(const char *text, size_t bytes, char *to, size_t room)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + bytes;
    char *limit = to + room - 4; /* "..." and NUL */
    while (at < end) {
        unsigned length = gri_utf8_length(at, end);
        bool shown = length > 1 || (length == 1 && *at >= 0x20 && *at != 0x7f);
        if (to + (shown ? length : 1) > limit) {
            memcpy(to, "...", 3);
            to += 3;
            break;
        }
        if (shown) {
            memcpy(to, at, length);
            to += length;
        } else {
            *to++ = '?';
        }
        at += length ? length : 1;
    }
    *to = '\0';
}
