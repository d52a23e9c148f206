/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/text_write.h"

#include "base/compiler.h"
#include "message/address.h"
#include "message/base64.h"
#include "message/text_scan.h"
#include "message/utf8.h"

#include <greenroom/address.h>
#include <stdlib.h>

enum { piece_max = GRI_TEXT_PIECE_MAX };

/* ---- the sink ---- */

void gri_text_sink_fixed(gri_text_sink *s, char *buffer, size_t bytes)
{
    bool small = buffer == NULL;
    s->base = s->at = small ? s->small : buffer;
    s->limit = s->base + (small ? (size_t)piece_max : bytes);
    s->grows = s->failed = false;
    s->rest = NULL;
    s->rest_bytes = s->counted = 0;
}

bool gri_text_sink_growing(gri_text_sink *s, size_t bytes)
{
    s->base = s->at = malloc(bytes);
    if (!s->base) return false;
    s->limit = s->base + bytes;
    s->grows = true;
    s->failed = false;
    s->counted = 0;
    return true;
}

static void flush_small(gri_text_sink *s)
{
    size_t bytes = (size_t)(s->at - s->base), fit = GRI_MIN(bytes, s->rest_bytes);
    if (fit > 0) {
        memcpy(s->rest, s->base, fit);
        s->rest += fit;
        s->rest_bytes -= fit;
    }
    s->counted += bytes;
    s->at = s->base;
}

size_t gri_text_sink_finish(gri_text_sink *s)
{
    if (s->base == s->small) flush_small(s);
    return s->counted + (size_t)(s->at - s->base);
}

GRI_NOINLINE void gri_text_make_room(gri_text_sink *s, size_t bytes)
{
    if (!s->grows) {
        if (s->base == s->small) {
            flush_small(s);
            return;
        }
        s->counted = (size_t)(s->at - s->base);
        s->rest = s->at;
        s->rest_bytes = (size_t)(s->limit - s->at);
        s->base = s->at = s->small;
        s->limit = s->small + piece_max;
        return;
    }
    size_t used = (size_t)(s->at - s->base), room = used * 2 + bytes;
    char *base = s->failed ? NULL : realloc(s->base, room);
    if (!base) { /* go on over what is there: it has room for a piece */
        s->failed = true;
        s->at = s->base;
        return;
    }
    s->base = base;
    s->at = base + used;
    s->limit = base + room;
}

/* ---- strings ---- */

static char *print_unit(unsigned unit, char *to)
{
    static const char hex[] = "0123456789ABCDEF";
    to[0] = '\\', to[1] = 'u';
    to[2] = hex[unit >> 12 & 15], to[3] = hex[unit >> 8 & 15], to[4] = hex[unit >> 4 & 15], to[5] = hex[unit & 15];
    return to + 6;
}

/* A quote, backslash or control character. */
static char *print_escape(unsigned char c, char *to)
{
    static const char letters[32] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    char letter = c < 0x20 ? letters[c] : (char)c;
    if (!letter) return print_unit(c, to);
    to[0] = '\\', to[1] = letter;
    return to + 2;
}

static char *print_ascii(uint32_t code_point, char *to)
{
    if (code_point < 0x10000) return print_unit(code_point, to);
    code_point -= 0x10000;
    return print_unit(0xdc00 | (code_point & 0x3ff), print_unit(0xd800 | code_point >> 10, to));
}

GRI_INLINE bool is_special(unsigned char c, bool ascii)
{
    return c < 0x20 || c == '"' || c == '\\' || (ascii && c >= 0x80);
}

/* The special character at *at. */
static char *print_special(const char **at, const char *end, char *to)
{
    const unsigned char *character = (const unsigned char *)*at;
    if (*character < 0x80) {
        ++*at;
        return print_escape(*character, to);
    }
    unsigned length = gri_utf8_length(character, (const unsigned char *)end);
    *at += length;
    return print_ascii(gri_utf8_code_point(character, length), to);
}

/* Bytes from `at` that go out as they are. */
static size_t plain_bytes(const char *at, const char *end, bool ascii)
{
    const char *from = at;
    uint64_t high = ascii ? GRI_TEXT_EACH_BYTE(0x80) : 0;
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        uint64_t special = gri_text_special_bytes(word) | (word & high);
        if (special) return (size_t)(at - from) + (size_t)__builtin_ctzll(special) / 8;
        at += 8;
    }
    while (at < end && !is_special((unsigned char)*at, ascii)) at++;
    return (size_t)(at - from);
}

static void put_pieces(gri_text_sink *s, const char *at, const char *end, bool ascii)
{
    while (at < end) {
        size_t plain = plain_bytes(at, end, ascii);
        while (plain > 0) {
            size_t piece = GRI_MIN(plain, (size_t)piece_max);
            gri_text_put(s, at, piece);
            at += piece;
            plain -= piece;
        }
        if (at < end) s->at = print_special(&at, end, gri_text_room(s, 12));
    }
}

/* The 1 to 7 bytes from `at` as the low bytes of a word, the others 0. */
GRI_INLINE uint64_t load_tail(const char *at, size_t bytes)
{
    if (bytes >= 4) {
        uint32_t first, last;
        memcpy(&first, at, 4);
        memcpy(&last, at + bytes - 4, 4);
        return first | (uint64_t)last << (8 * (bytes - 4));
    }
    const unsigned char *byte = (const unsigned char *)at;
    size_t middle = bytes / 2, last = bytes - 1;
    return byte[0] | (uint64_t)byte[middle] << (8 * middle) | (uint64_t)byte[last] << (8 * last);
}

/* `to` has room for the string were all of it escaped, and for a word more, so nothing is asked in between: eight bytes are copied before they
 * are looked at. */
GRI_INLINE char *print_short(const char *at, const char *end, bool ascii, char *to)
{
    uint64_t high = ascii ? GRI_TEXT_EACH_BYTE(0x80) : 0;
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        memcpy(to, &word, 8);
        uint64_t special = gri_text_special_bytes(word) | (word & high);
        if (GRI_LIKELY(special == 0)) {
            at += 8;
            to += 8;
            continue;
        }
        unsigned plain = (unsigned)__builtin_ctzll(special) / 8;
        at += plain;
        to = print_special(&at, end, to + plain);
    }
    size_t left = (size_t)(end - at);
    if (left == 0) return to;
    uint64_t tail = load_tail(at, left), used = (UINT64_C(1) << (8 * left)) - 1;
    if (GRI_LIKELY(((gri_text_special_bytes(tail) | (tail & high)) & used) == 0)) {
        memcpy(to, &tail, 8);
        return to + left;
    }
    while (at < end) {
        if (is_special((unsigned char)*at, ascii))
            to = print_special(&at, end, to);
        else
            *to++ = *at++;
    }
    return to;
}

void gri_text_put_string(gri_text_sink *s, const char *text, size_t bytes, bool ascii)
{
    enum { short_max = 40, widest = 6 };
    if (GRI_LIKELY(bytes <= short_max)) {
        char *to = gri_text_room(s, short_max * widest + 2 + 8);
        *to++ = '"';
        to = print_short(text, text + bytes, ascii, to);
        *to++ = '"';
        s->at = to;
        return;
    }
    gri_text_put_char(s, '"');
    put_pieces(s, text, text + bytes, ascii);
    gri_text_put_char(s, '"');
}

/* ---- bytes and addresses ---- */

void gri_text_put_bytes(gri_text_sink *s, const void *data, size_t bytes)
{
    enum { piece = piece_max / 4 * 3 };
    const char *at = data;
    gri_text_put(s, "{\"_pyact_binary\":\"", 18);
    while (bytes > 0) {
        size_t part = GRI_MIN(bytes, (size_t)piece);
        gri_base64_print(at, part, gri_text_room(s, piece_max));
        s->at += gri_base64_text_bytes(part);
        at += part;
        bytes -= part;
    }
    gri_text_put(s, "\"}", 2);
}

/* In pieces: a sink has room for so much. False: the form has nothing to say of it. */
static GRI_NOINLINE bool put_in_form(gri_text_sink *s, uint64_t id, const gr_address_form *form)
{
    char text[GRI_ADDRESS_FORM_BYTES];
    const size_t bytes = form->print(form, (gr_address){id}, text);
    for (size_t at = 0; at < bytes; at += piece_max) gri_text_put(s, text + at, GRI_MIN(bytes - at, (size_t)piece_max));
    return bytes > 0;
}

void gri_text_put_address(gri_text_sink *s, uint64_t id, const gr_address_form *form)
{
    char text[GR_ADDRESS_TEXT_BYTES];
    gri_text_put(s, "{\"_pyact_address\":\"", 19);
    if (!form || !put_in_form(s, id, form))
        gri_text_put(s, gr_address_print((gr_address){id}, text), GR_ADDRESS_TEXT_BYTES - 1);
    gri_text_put(s, "\"}", 2);
}
