/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Values to JSON text, without recursion. Two walks: in the order of the packed bytes, which needs to know of each open
 * container only how many elements are left; and with sorted keys, which needs each open object's members in an array.
 *
 * The first reads packed bytes itself: through the readers a small message of 73 bytes took 137 ns, this way 55 (the same
 * machine, busy), and GREENROOM_COPY=text and REST print every message. */
#include "base/check.h"
#include "message/number.h"
#include "message/text_write.h"
#include "message/value.h"

#include <greenroom/text.h>
#include <stdlib.h>

enum { indent_max = 16 };

typedef struct printer {
    gri_text_sink out;
    unsigned indent, depth;
    bool ascii;
    const gr_address_form *addresses;
} printer;

static void new_line(printer *p)
{
    static const char spaces[indent_max + 1] = "                ";
    gri_text_put_char(&p->out, '\n');
    for (unsigned i = 0; i < p->depth; i++) gri_text_put(&p->out, spaces, p->indent);
}

static void print_key(printer *p, const void *key, size_t bytes)
{
    gri_text_put_string(&p->out, key, bytes, p->ascii);
    gri_text_put_char(&p->out, ':');
    if (p->indent) gri_text_put_char(&p->out, ' ');
}

static void print_double(gri_text_sink *s, const unsigned char *at)
{
    double real;
    memcpy(&real, at + 1, sizeof real);
    s->at += gri_double_print(real, gri_text_room(s, GRI_NUMBER_TEXT_BYTES));
}

static void print_bytes(gri_text_sink *s, const unsigned char *at)
{
    size_t bytes;
    const void *data = gr_bytes((gr_value){at}, &bytes);
    gri_text_put_bytes(s, data, bytes);
}

GRI_INLINE void print_scalar(printer *p, const unsigned char *at)
{
    gri_text_sink *s = &p->out;
    switch (*at) {
    case GRI_TAG_STRING: gri_text_put_string(s, (const char *)at + 2, at[1], p->ascii); break;
    case GRI_TAG_STRING_LONG: gri_text_put_string(s, (const char *)at + 5, gri_load32(at + 1), p->ascii); break;
    case GRI_TAG_INT:
        s->at += gri_int_print((int64_t)gri_load64(at + 1), gri_text_room(s, GRI_NUMBER_TEXT_BYTES));
        break;
    case GRI_TAG_DOUBLE: print_double(s, at); break;
    case GRI_TAG_NULL: gri_text_put(s, "null", 4); break;
    case GRI_TAG_TRUE: gri_text_put(s, "true", 4); break;
    case GRI_TAG_FALSE: gri_text_put(s, "false", 5); break;
    case GRI_TAG_ADDRESS: gri_text_put_address(s, gri_load64(at + 1), p->addresses); break;
    default: print_bytes(s, at); break;
    }
}

/* ---- in packed order ---- */

typedef struct level {
    uint32_t left;                         /* elements, the current one included */
    uint32_t index_bytes : 31, object : 1; /* the index lies behind the entries of large objects */
} level;

GRI_INLINE const unsigned char *print_entry_key(printer *p, const unsigned char *entry)
{
    gri_key key = gri_key_at(entry);
    print_key(p, key.text, key.bytes);
    return key.value;
}

/* The opening bracket of a container that is not empty, up to its first element's value. */
GRI_INLINE const unsigned char *open_level(printer *p, level *l, const unsigned char *at, uint32_t count)
{
    bool object = *at != GRI_TAG_ARRAY;
    l->left = count;
    l->object = object;
    l->index_bytes = *at == GRI_TAG_OBJECT_INDEXED ? count * GRI_INDEX_ENTRY_BYTES : 0;
    p->depth++;
    gri_text_put_char(&p->out, object ? '{' : '[');
    if (p->indent) new_line(p);
    at += GRI_CONTAINER_BYTES;
    return object ? print_entry_key(p, at) : at;
}

static void print_in_order(printer *p, const unsigned char *at)
{
    level levels[GRI_VALUE_DEPTH_MAX];
    for (;;) {
        if (*at >= GRI_TAG_ARRAY) {
            uint64_t header = gri_load64(at);
            uint32_t count = gri_container_count(header);
            if (count > 0) {
                GRI_DEBUG_ASSERT(p->depth < GRI_VALUE_DEPTH_MAX);
                at = open_level(p, &levels[p->depth], at, count);
                continue;
            }
            gri_text_put(&p->out, *at == GRI_TAG_ARRAY ? "[]" : "{}", 2);
            at += gri_container_bytes(header);
        } else {
            print_scalar(p, at);
            at += gri_value_size(at);
        }
        level *l;
        for (;;) {
            if (p->depth == 0) return;
            l = &levels[p->depth - 1];
            if (--l->left > 0) break;
            at += l->index_bytes;
            p->depth--;
            if (p->indent) new_line(p);
            gri_text_put_char(&p->out, l->object ? '}' : ']');
        }
        gri_text_put_char(&p->out, ',');
        if (p->indent) new_line(p);
        if (l->object) at = print_entry_key(p, at);
    }
}

/* ---- with sorted keys ---- */

typedef struct sorted_level {
    gr_iter it;       /* of an array */
    gr_iter *members; /* of an object */
    size_t next, count;
} sorted_level;

static int compare_members(const void *left, const void *right)
{
    const gr_iter *a = left, *b = right;
    size_t common = GRI_MIN(a->key_bytes, b->key_bytes);
    int order = common ? memcmp(a->key, b->key, common) : 0;
    return order ? order : (a->key_bytes > b->key_bytes) - (a->key_bytes < b->key_bytes);
}

static bool open_sorted(sorted_level *l, gr_value container)
{
    l->members = NULL;
    l->next = l->count = 0;
    l->it = gr_iterate(container);
    if (gr_type_of(container) == GR_ARRAY) return true;
    l->members = malloc(gr_count(container) * sizeof *l->members);
    if (!l->members) return false;
    while (gr_next(&l->it)) l->members[l->count++] = l->it;
    qsort(l->members, l->count, sizeof *l->members, compare_members);
    return true;
}

/* The next member or element, NULL at the end. */
static const gr_iter *next_sorted(sorted_level *l)
{
    if (l->members) return l->next < l->count ? &l->members[l->next++] : NULL;
    return gr_next(&l->it) ? &l->it : NULL;
}

/* A scalar, an empty container, or an opening bracket. False: out of memory. */
static bool print_sorted_value(printer *p, sorted_level *levels, gr_value value)
{
    gr_type type = gr_type_of(value);
    if (type < GR_ARRAY) {
        print_scalar(p, value.at);
        return true;
    }
    if (gr_count(value) == 0) {
        gri_text_put(&p->out, type == GR_ARRAY ? "[]" : "{}", 2);
        return true;
    }
    gri_text_put_char(&p->out, type == GR_ARRAY ? '[' : '{');
    return open_sorted(&levels[p->depth++], value);
}

static bool print_sorted(printer *p, gr_value value)
{
    unsigned levels_needed = gri_value_depth(value.at);
    sorted_level *levels = levels_needed ? malloc(levels_needed * sizeof *levels) : NULL;
    if (levels_needed && !levels) return false;
    bool done = print_sorted_value(p, levels, value), first = true;
    while (done && p->depth > 0) {
        sorted_level *l = &levels[p->depth - 1];
        const gr_iter *item = next_sorted(l);
        if (!item) {
            p->depth--;
            if (p->indent) new_line(p);
            gri_text_put_char(&p->out, l->members ? '}' : ']');
            free(l->members);
            first = false;
            continue;
        }
        if (!first) gri_text_put_char(&p->out, ',');
        if (p->indent) new_line(p);
        if (item->key) print_key(p, item->key, item->key_bytes);
        unsigned depth = p->depth;
        done = print_sorted_value(p, levels, item->value);
        first = p->depth > depth;
    }
    while (p->depth > 0) free(levels[--p->depth].members);
    free(levels);
    return done;
}

/* ---- the calls ---- */

static bool print(printer *p, gr_value value, const gr_print_options *options)
{
    static const gr_print_options defaults = {0};
    if (!options) options = &defaults;
    p->indent = GRI_MIN(options->indent, (unsigned)indent_max);
    p->ascii = options->ascii;
    p->addresses = options->addresses;
    p->depth = 0;
    if (GRI_UNLIKELY(options->sorted)) return print_sorted(p, value) && !p->out.failed;
    print_in_order(p, value.at);
    return !p->out.failed;
}

int gr_print(gr_value value, const gr_print_options *options, char *buffer, size_t bytes, size_t *ret_needed)
{
    if (!value.at || (!buffer && bytes > 0)) return GR_EINVAL;
    printer p;
    size_t room = bytes ? bytes - 1 : 0;
    gri_text_sink_fixed(&p.out, buffer, room);
    bool done = print(&p, value, options);
    size_t needed = gri_text_sink_finish(&p.out);
    if (bytes) buffer[GRI_MIN(needed, room)] = '\0';
    if (!done) return GR_ENOMEM;
    if (ret_needed) *ret_needed = needed;
    return needed < bytes ? 0 : GR_ETOOBIG;
}

char *gr_print_new(gr_value value, const gr_print_options *options, size_t *ret_bytes)
{
    if (!value.at) return NULL;
    printer p;
    /* Packed values and their texts have about the same size; the room is never less than a piece. */
    size_t guess = gr_value_bytes(value);
    if (!gri_text_sink_growing(&p.out, guess + guess / 4 + GRI_TEXT_PIECE_MAX)) return NULL;
    bool done = print(&p, value, options);
    gri_text_put_char(&p.out, '\0');
    if (!done || p.out.failed) {
        free(p.out.base);
        return NULL;
    }
    if (ret_bytes) *ret_bytes = gri_text_sink_finish(&p.out) - 1;
    return p.out.base;
}
