/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Values to JSON text. No recursion: open containers are a stack of cursors, a few on the C stack, more in malloc'ed memory.
 *
 * Output goes through a sink that always has room for the next piece: it grows, or, where the caller's buffer ends, goes on
 * in a small buffer of its own whose content is copied as far as it fits and counted. */
#include "base/check.h"
#include "message/base64.h"
#include "message/number.h"
#include "message/utf8.h"

#include <greenroom/text.h>
#include <stdlib.h>
#include <string.h>

#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

enum { piece_max = 256, levels_inline = 8, indent_max = 16 };

typedef struct sink {
    char *at, *limit; /* where the next piece goes, and the end of the room */
    char *base;       /* where this room begins */
    bool grows, failed;
    char *rest; /* of the caller's buffer; set when the room is the small one */
    size_t rest_bytes;
    size_t counted; /* before base */
    char *small;
} sink;

/* One open container. Sorted objects are walked through an array of their members. */
typedef struct level {
    gr_iter it;
    gr_iter *members; /* NULL unless sorted */
    size_t next, count;
    bool object;
} level;

typedef struct printer {
    sink out;
    const gr_print_options *options;
    level *levels; /* `inline_levels` or malloc'ed */
    unsigned depth, room;
    level inline_levels[levels_inline];
    char small[piece_max];
} printer;

/* ---- the sink ---- */

static void flush_small(sink *s)
{
    size_t bytes = (size_t)(s->at - s->base), fit = GRI_MIN(bytes, s->rest_bytes);
    if (fit > 0) memcpy(s->rest, s->base, fit);
    s->rest += fit;
    s->rest_bytes -= fit;
    s->counted += bytes;
    s->at = s->base;
}

static GRI_NOINLINE void make_room(sink *s, size_t bytes)
{
    if (!s->grows) {
        if (s->base != s->small) {
            s->counted = (size_t)(s->at - s->base);
            s->rest = s->at;
            s->rest_bytes = (size_t)(s->limit - s->at);
            s->base = s->at = s->small;
            s->limit = s->small + piece_max;
        } else {
            flush_small(s);
        }
        return;
    }
    size_t used = (size_t)(s->at - s->base), room = GRI_MAX(used * 2, used + bytes);
    char *base = s->failed ? NULL : realloc(s->base, room);
    if (!base) { /* go on over what is there; the caller throws it away */
        s->failed = true;
        s->at = s->base;
        return;
    }
    s->base = base;
    s->at = base + used;
    s->limit = base + room;
}

/* Room for `bytes` more, at most piece_max. */
GRI_INLINE char *room_for(sink *s, size_t bytes)
{
    if (GRI_UNLIKELY((size_t)(s->limit - s->at) < bytes)) make_room(s, bytes);
    return s->at;
}

static void put(sink *s, const char *text, size_t bytes)
{
    memcpy(room_for(s, bytes), text, bytes);
    s->at += bytes;
}

/* ---- scalars ---- */

static const char hex[] = "0123456789ABCDEF";

static char *print_unit(unsigned unit, char *to)
{
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

/* Bytes from `at` that go out as they are. */
static size_t plain_bytes(const char *from, const char *end, bool ascii)
{
    const unsigned char *at = (const unsigned char *)from, *limit = (const unsigned char *)end;
    uint64_t high = ascii ? EACH_BYTE(0x80) : 0;
    while (limit - at >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        uint64_t quote = word ^ EACH_BYTE('"'), backslash = word ^ EACH_BYTE('\\');
        uint64_t special = ((word - EACH_BYTE(0x20)) & ~word) | ((quote - EACH_BYTE(1)) & ~quote) |
                           ((backslash - EACH_BYTE(1)) & ~backslash);
        special = (special & EACH_BYTE(0x80)) | (word & high);
        if (special) return (size_t)(at - (const unsigned char *)from) + (size_t)__builtin_ctzll(special) / 8;
        at += 8;
    }
    while (at < limit && *at >= 0x20 && *at != '"' && *at != '\\' && !(ascii && *at >= 0x80))
        at++;
    return (size_t)(at - (const unsigned char *)from);
}

static void print_special(sink *s, const char **at, const char *end)
{
    unsigned char c = (unsigned char)**at;
    char *to = room_for(s, 12);
    if (c < 0x80) {
        s->at = print_escape(c, to);
        ++*at;
        return;
    }
    const unsigned char *character = (const unsigned char *)*at;
    unsigned length = gri_utf8_length(character, (const unsigned char *)end);
    s->at = print_ascii(gri_utf8_code_point(character, length), to);
    *at += length;
}

static GRI_NOINLINE void print_string(sink *s, const char *at, size_t bytes, bool ascii)
{
    const char *end = at + bytes;
    put(s, "\"", 1);
    while (at < end) {
        size_t plain = plain_bytes(at, end, ascii);
        for (; plain > 0;) {
            size_t piece = GRI_MIN(plain, (size_t)piece_max);
            put(s, at, piece);
            at += piece;
            plain -= piece;
        }
        if (at < end) print_special(s, &at, end);
    }
    put(s, "\"", 1);
}

static void print_bytes(sink *s, gr_value value)
{
    enum { piece = piece_max / 4 * 3 };
    size_t bytes;
    const char *data = gr_bytes(value, &bytes);
    put(s, "{\"_pyact_binary\":\"", 18);
    while (bytes > 0) {
        size_t part = GRI_MIN(bytes, (size_t)piece);
        gri_base64_print(data, part, room_for(s, piece_max));
        s->at += gri_base64_text_bytes(part);
        data += part;
        bytes -= part;
    }
    put(s, "\"}", 2);
}

static void print_address(sink *s, gr_value value)
{
    char text[GR_ADDRESS_TEXT_BYTES];
    put(s, "{\"_pyact_address\":\"", 19);
    put(s, gr_address_print(gr_address_in(value), text), GR_ADDRESS_TEXT_BYTES - 1);
    put(s, "\"}", 2);
}

static void print_scalar(printer *p, gr_value value, gr_type type)
{
    sink *s = &p->out;
    switch (type) {
    case GR_NULL: put(s, "null", 4); break;
    case GR_BOOL: gr_bool(value, false) ? put(s, "true", 4) : put(s, "false", 5); break;
    case GR_INT: s->at += gri_int_print(gr_int(value, 0), room_for(s, GRI_NUMBER_TEXT_BYTES)); break;
    case GR_DOUBLE: s->at += gri_double_print(gr_double(value, 0), room_for(s, GRI_NUMBER_TEXT_BYTES)); break;
    case GR_STRING: print_string(s, gr_string(value, ""), gr_string_bytes(value), p->options->ascii); break;
    case GR_BYTES: print_bytes(s, value); break;
    case GR_ADDRESS: print_address(s, value); break;
    default: GRI_ASSERT(!"a scalar");
    }
}

/* ---- containers ---- */

static bool grow_levels(printer *p)
{
    unsigned room = p->room * 4;
    bool first = p->levels == p->inline_levels;
    level *levels = realloc(first ? NULL : p->levels, room * sizeof *levels);
    if (!levels) return false;
    if (first) memcpy(levels, p->inline_levels, sizeof p->inline_levels);
    p->levels = levels;
    p->room = room;
    return true;
}

static int compare_members(const void *left, const void *right)
{
    const gr_iter *a = left, *b = right;
    size_t common = GRI_MIN(a->key_bytes, b->key_bytes);
    int order = common ? memcmp(a->key, b->key, common) : 0;
    return order ? order : (a->key_bytes > b->key_bytes) - (a->key_bytes < b->key_bytes);
}

static bool sort_members(level *l, gr_value object, size_t count)
{
    l->members = malloc(count * sizeof *l->members);
    if (!l->members) return false;
    l->next = l->count = 0;
    for (gr_iter it = gr_iterate(object); gr_next(&it);)
        l->members[l->count++] = it;
    qsort(l->members, l->count, sizeof *l->members, compare_members);
    return true;
}

static bool push_level(printer *p, gr_value container, bool object)
{
    if (GRI_UNLIKELY(p->depth == p->room) && !grow_levels(p)) return false;
    level *l = &p->levels[p->depth];
    l->members = NULL;
    l->object = object;
    if (GRI_UNLIKELY(object && p->options->sorted) && !sort_members(l, container, gr_count(container))) return false;
    if (!l->members) l->it = gr_iterate(container);
    p->depth++;
    return true;
}

static void new_line(printer *p)
{
    if (p->options->indent == 0) return;
    static const char spaces[] = "                ";
    size_t width = GRI_MIN(p->options->indent, (unsigned)indent_max);
    put(&p->out, "\n", 1);
    for (unsigned i = 0; i < p->depth; i++)
        put(&p->out, spaces, width);
}

/* The next member or element of the innermost container; false if there is none. */
static bool next_of(level *l, gr_iter **ret_item)
{
    if (GRI_LIKELY(!l->members)) {
        *ret_item = &l->it;
        return gr_next(&l->it);
    }
    if (l->next == l->count) return false;
    *ret_item = &l->members[l->next++];
    return true;
}

/* A scalar, or a container's opening bracket (and its closing one, if it is empty). */
static bool print_value(printer *p, gr_value value, bool *ret_opened)
{
    gr_type type = gr_type_of(value);
    *ret_opened = false;
    if (type < GR_ARRAY) {
        print_scalar(p, value, type);
        return true;
    }
    bool object = type == GR_OBJECT;
    if (gr_count(value) == 0) {
        put(&p->out, object ? "{}" : "[]", 2);
        return true;
    }
    put(&p->out, object ? "{" : "[", 1);
    *ret_opened = true;
    return push_level(p, value, object);
}

static void print_key(printer *p, const gr_iter *item)
{
    print_string(&p->out, item->key, item->key_bytes, p->options->ascii);
    if (p->options->indent)
        put(&p->out, ": ", 2);
    else
        put(&p->out, ":", 1);
}

static bool print_all(printer *p, gr_value value)
{
    bool opened;
    if (!print_value(p, value, &opened)) return false;
    while (p->depth > 0) {
        level *l = &p->levels[p->depth - 1];
        gr_iter *item;
        if (next_of(l, &item)) {
            if (!opened) put(&p->out, ",", 1);
            new_line(p);
            if (item->key) print_key(p, item);
            if (!print_value(p, item->value, &opened)) return false;
            continue;
        }
        free(l->members);
        p->depth--;
        new_line(p);
        put(&p->out, l->object ? "}" : "]", 1);
        opened = false;
    }
    return true;
}

static int print(printer *p, gr_value value, const gr_print_options *options)
{
    static const gr_print_options defaults = {0};
    p->options = options ? options : &defaults;
    p->levels = p->inline_levels;
    p->depth = 0;
    p->room = levels_inline;
    p->out.small = p->small;
    bool done = print_all(p, value);
    while (p->depth > 0)
        free(p->levels[--p->depth].members);
    if (p->levels != p->inline_levels) free(p->levels);
    return done && !p->out.failed ? 0 : GR_ENOMEM;
}

int gr_print(gr_value value, const gr_print_options *options, char *buffer, size_t bytes, size_t *ret_needed)
{
    if (gr_type_of(value) == GR_MISSING || (!buffer && bytes > 0)) return GR_EINVAL;
    printer p;
    sink *s = &p.out;
    size_t room = bytes ? bytes - 1 : 0;
    *s = (sink){.base = buffer, .at = buffer, .limit = buffer + room};
    if (!buffer) *s = (sink){.base = p.small, .at = p.small, .limit = p.small + piece_max};
    int code = print(&p, value, options);
    size_t needed;
    if (s->base == p.small) {
        flush_small(s);
        needed = s->counted;
    } else {
        needed = (size_t)(s->at - s->base);
    }
    if (bytes) buffer[GRI_MIN(needed, room)] = '\0';
    if (code) return code;
    if (ret_needed) *ret_needed = needed;
    return needed < bytes ? 0 : GR_ETOOBIG;
}

char *gr_print_new(gr_value value, const gr_print_options *options, size_t *ret_bytes)
{
    if (gr_type_of(value) == GR_MISSING) return NULL;
    printer p;
    /* Packed values and their texts have about the same size; the room is never less than a piece. */
    size_t room = gr_value_bytes(value) + gr_value_bytes(value) / 4 + piece_max;
    char *base = malloc(room);
    if (!base) return NULL;
    p.out = (sink){.base = base, .at = base, .limit = base + room, .grows = true};
    int code = print(&p, value, options);
    if (code == 0) put(&p.out, "", 1);
    if (code || p.out.failed) {
        free(p.out.base);
        return NULL;
    }
    if (ret_bytes) *ret_bytes = (size_t)(p.out.at - p.out.base) - 1;
    return p.out.base;
}
