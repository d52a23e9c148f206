/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Running a shape's program over a value: as fast as it goes, or counting elements so that a mismatch can be located.
 *
 * This reads packed bytes itself, which else is left to the readers: through them {"response": $1, "message": any} took 25 ns,
 * this way 10 (the same machine, busy), and selective receive does it for every message it looks at. */
#include "message/shape.h"

#include "message/number.h"
#include "message/text_scan.h"
#include "message/value.h"

#include <greenroom/text.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The container of one level. An object's keys are looked for from where the last one was found, once around: keys that
 * stand in the shape's order, as they do in most messages, are found at the first look. */
typedef struct slot {
    const unsigned char *at;
    const unsigned char *last; /* the value found last; NULL before the first */
    uint32_t left;             /* how many are behind it */
} slot;

/* What a failed run leaves behind. */
typedef struct trace {
    const unsigned char *value;           /* the one that failed; NULL: there is none */
    size_t index[GR_SHAPE_DEPTH_MAX + 2]; /* of the current element of the list at each level */
} trace;

enum { no_step = UINT32_MAX };

GRI_INLINE void enter(slot *inside, const unsigned char *container)
{
    inside->at = container;
    inside->last = NULL;
    inside->left = gri_container_count(gri_load64(container));
}

/* What stands behind the last value: an entry, or an element. */
GRI_INLINE const unsigned char *behind_last(const slot *s)
{
    return s->last ? s->last + gri_value_size(s->last) : s->at + GRI_CONTAINER_BYTES;
}

static GRI_NOINLINE const unsigned char *search_key(slot *object, const gri_shape_step *s)
{
    if (*object->at == GRI_TAG_OBJECT_INDEXED) return gr_get_n((gr_value){object->at}, s->key, s->key_bytes).at;
    const unsigned char *next = behind_last(object);
    uint32_t count = gri_container_count(gri_load64(object->at)), left = object->left;
    for (uint32_t looks = count; looks > 0; looks--, left--) {
        if (left == 0) {
            next = object->at + GRI_CONTAINER_BYTES;
            left = count;
        }
        gri_key entry = gri_key_at(next);
        if (entry.bytes == s->key_bytes && gri_bytes_equal(entry.text, s->key, entry.bytes)) {
            object->last = entry.value;
            object->left = left - 1;
            return entry.value;
        }
        next = entry.value + gri_value_size(entry.value);
    }
    return NULL;
}

/* The key's value; NULL if it is not there. */
GRI_INLINE const unsigned char *fetch_key(slot *object, const gri_shape_step *s)
{
    if (GRI_UNLIKELY(object->left == 0)) return search_key(object, s);
    const unsigned char *entry = behind_last(object);
    if (GRI_UNLIKELY(*entry != s->key_look || !gri_bytes_equal(entry + 1, s->key, s->key_look)))
        return search_key(object, s);
    object->left--;
    return object->last = entry + s->key_look + 2;
}

/* The next element; there is one. */
GRI_INLINE const unsigned char *fetch_next(slot *array)
{
    array->left--;
    return array->last = behind_last(array);
}

GRI_INLINE bool test_parameter(const gri_shape_step *s, const unsigned char *value, gr_value params)
{
    if (!params.at || *params.at != GRI_TAG_ARRAY) return false;
    slot bound;
    enter(&bound, params.at);
    if (bound.left <= s->parameter) return false;
    const unsigned char *expected = fetch_next(&bound);
    for (uint32_t i = 0; i < s->parameter; i++) expected = fetch_next(&bound);
    if (*value == GRI_TAG_INT) return *expected == GRI_TAG_INT && gri_load64(value + 1) == gri_load64(expected + 1);
    return gr_equal((gr_value){value}, (gr_value){expected});
}

GRI_INLINE bool test_double(const gri_shape_step *s, const unsigned char *value)
{
    double real;
    memcpy(&real, value + 1, sizeof real);
    return *value == GRI_TAG_DOUBLE && real == s->real;
}

GRI_INLINE bool test_string(const gri_shape_step *s, const unsigned char *value)
{
    if (GRI_LIKELY(*value == GRI_TAG_STRING))
        return value[1] == s->text_bytes && gri_bytes_equal(value + 2, s->text, s->text_bytes);
    return *value == GRI_TAG_STRING_LONG && gri_load32(value + 1) == s->text_bytes &&
           memcmp(value + 5, s->text, s->text_bytes) == 0;
}

/* All tests but that of a type. */
GRI_INLINE bool test(const gri_shape_step *s, const unsigned char *value, gr_value params, slot *inside)
{
    switch (s->test) {
    case GRI_TEST_INT: return *value == GRI_TAG_INT && (int64_t)gri_load64(value + 1) == s->integer;
    case GRI_TEST_DOUBLE: return test_double(s, value);
    case GRI_TEST_STRING: return test_string(s, value);
    case GRI_TEST_PARAMETER: return test_parameter(s, value, params);
    case GRI_TEST_DICT:
        if (*value != GRI_TAG_OBJECT && *value != GRI_TAG_OBJECT_INDEXED) return false;
        enter(inside, value);
        return true;
    case GRI_TEST_LIST:
    case GRI_TEST_TUPLE:
        if (*value != GRI_TAG_ARRAY) return false;
        enter(inside, value);
        return s->test == GRI_TEST_LIST || inside->left == s->count;
    default: return false;
    }
}

/* The step that failed, or no_step. `t` is NULL when nobody asks why. */
GRI_INLINE uint32_t run(const gr_shape *shape, const unsigned char *root, gr_value params, trace *t)
{
    slot slots[GR_SHAPE_DEPTH_MAX + 2];
    const gri_shape_step *steps = shape->steps;
    uint32_t count = shape->count;
    for (uint32_t pc = 0; pc < count; pc++) {
        const gri_shape_step *s = &steps[pc];
        slot *from = &slots[s->level];
        const unsigned char *value = root;
        if (GRI_LIKELY(s->fetch == GRI_FETCH_KEY)) {
            value = fetch_key(from, s);
        } else if (s->fetch == GRI_FETCH_EACH) {
            if (from->left == 0) {
                pc = s->jump - 1;
                continue;
            }
            value = fetch_next(from);
        } else if (s->fetch == GRI_FETCH_NEXT) {
            value = fetch_next(from);
        } else if (s->fetch == GRI_FETCH_LOOP) {
            if (t) t->index[s->level]++;
            pc = s->jump - 1;
            continue;
        }
        bool passes = value && (s->test == GRI_TEST_TAGS ? s->tags >> *value & 1 : test(s, value, params, from + 1));
        if (!passes) {
            if (t) t->value = value;
            return pc;
        }
        if (t) t->index[s->level + 1] = 0;
    }
    return no_step;
}

bool gr_shape_match(const gr_shape *shape, gr_value value, gr_value params)
{
    return run(shape, value.at, params, NULL) == no_step;
}

/* ---- explaining ---- */

typedef struct line {
    char *at, *end;
} line;

static GRI_PRINTF(2, 3) void add(line *l, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int bytes = vsnprintf(l->at, (size_t)(l->end - l->at), format, arguments);
    va_end(arguments);
    if (bytes < 0) return;
    l->at = bytes < l->end - l->at ? l->at + bytes : l->end - 1;
}

static bool is_plain_key(const char *key, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        char c = key[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (i > 0 && c >= '0' && c <= '9');
        if (!letter) return false;
    }
    return bytes > 0;
}

static void add_path(line *l, const gr_shape *shape, uint32_t failed, const trace *t)
{
    uint32_t chain[GR_SHAPE_DEPTH_MAX + 1];
    unsigned length = shape->steps[failed].level;
    for (unsigned i = length; i > 0; i--) {
        chain[i - 1] = failed;
        failed = shape->steps[failed].around;
    }
    if (length == 0) add(l, " the top");
    for (unsigned i = 0; i < length; i++) {
        const gri_shape_step *s = &shape->steps[chain[i]];
        char key[44];
        if (l->end - l->at < 110) { /* keep room for the reason */
            add(l, "...");
            return;
        }
        if (i == 0) add(l, " ");
        if (s->fetch != GRI_FETCH_KEY) {
            add(l, "[%zu]", s->fetch == GRI_FETCH_EACH ? t->index[s->level] : (size_t)s->ordinal);
            continue;
        }
        gri_text_quote(s->key, s->key_bytes, key, sizeof key);
        add(l, is_plain_key(s->key, s->key_bytes) ? ".%s" : "[\"%s\"]", key);
    }
}

/* The value as text, cut where it is long. */
static void add_value(line *l, gr_value value)
{
    char text[128], shown[44];
    if (gr_type_of(value) == GR_MISSING) {
        add(l, "nothing");
        return;
    }
    int code = gr_print(value, NULL, text, sizeof text, NULL);
    if (code && code != GR_ETOOBIG) {
        add(l, "%s", gr_type_name(gr_type_of(value)));
        return;
    }
    gri_text_quote(text, strlen(text), shown, sizeof shown);
    add(l, "%s", shown);
}

/* As shapes say it. */
static const char *type_word(gr_type type)
{
    return type == GR_DOUBLE ? "float" : type == GR_ARRAY ? "list" : type == GR_OBJECT ? "dict" : gr_type_name(type);
}

static const char *tags_word(uint16_t tags)
{
    for (unsigned i = 0; i < gri_shape_type_count; i++) {
        if (gri_shape_types[i].tags == tags) return gri_shape_types[i].name;
    }
    return "a value";
}

static gr_type type_of_literal(const gri_shape_step *s)
{
    switch (s->test) {
    case GRI_TEST_INT: return GR_INT;
    case GRI_TEST_DOUBLE: return GR_DOUBLE;
    case GRI_TEST_STRING: return GR_STRING;
    case GRI_TEST_DICT: return GR_OBJECT;
    case GRI_TEST_LIST:
    case GRI_TEST_TUPLE: return GR_ARRAY;
    default: return GR_MISSING;
    }
}

static void add_number(line *l, const gri_shape_step *s)
{
    char text[GRI_NUMBER_TEXT_BYTES + 1];
    size_t bytes = s->test == GRI_TEST_INT ? gri_int_print(s->integer, text) : gri_double_print(s->real, text);
    add(l, "%.*s", (int)bytes, text);
}

/* What the step wants, and the code for not getting it. */
static int add_expected(line *l, const gri_shape_step *s, gr_value found, gr_value params)
{
    char shown[44];
    gr_type type = type_of_literal(s);
    switch (s->test) {
    case GRI_TEST_TAGS:
        add(l, "%s", tags_word(s->tags));
        return gr_type_of(found) == GR_BOOL && (s->tags & (1u << GRI_TAG_FALSE | 1u << GRI_TAG_TRUE)) ? GR_EINVAL
                                                                                                      : GR_ETYPE;
    case GRI_TEST_INT:
    case GRI_TEST_DOUBLE: add_number(l, s); break;
    case GRI_TEST_STRING:
        gri_text_quote(s->text, s->text_bytes, shown, sizeof shown);
        add(l, "\"%s\"", shown);
        break;
    case GRI_TEST_PARAMETER: {
        gr_value expected = gr_at(params, s->parameter);
        type = gr_type_of(expected);
        add(l, "$%d, ", s->parameter + 1);
        if (type == GR_MISSING)
            add(l, "which is not bound");
        else
            add_value(l, expected);
        if (type == GR_MISSING) return GR_EINVAL;
        break;
    }
    case GRI_TEST_TUPLE:
        add(l, "%s%zu element%s", gr_type_of(found) == GR_ARRAY ? "" : "list of ", s->count, s->count == 1 ? "" : "s");
        return gr_type_of(found) == GR_ARRAY ? GR_ERANGE : GR_ETYPE;
    default: add(l, "%s", type_word(type)); return GR_ETYPE;
    }
    return gr_type_of(found) == type ? GR_EINVAL : GR_ETYPE;
}

static int explain(const gr_shape *shape, uint32_t failed, const trace *t, gr_value params, gr_detail *detail)
{
    const gri_shape_step *s = &shape->steps[failed];
    gr_value found = {t->value};
    line l = {detail->text, detail->text + sizeof detail->text};
    memset(detail, 0, sizeof *detail);
    bool missing_key = s->fetch == GRI_FETCH_KEY && !t->value;
    add(&l, "at");
    add_path(&l, shape, missing_key ? s->around : failed, t);
    if (missing_key) {
        char key[44];
        gri_text_quote(s->key, s->key_bytes, key, sizeof key);
        add(&l, ": expected key \"%s\", found none", key);
        return GR_ENOTFOUND;
    }
    add(&l, ": expected ");
    int code = add_expected(&l, s, found, params);
    add(&l, ", found ");
    if (code == GR_ERANGE)
        add(&l, "%zu", gr_count(found));
    else
        add_value(&l, found);
    return code;
}

int gr_shape_explain(const gr_shape *shape, gr_value value, gr_value params, gr_detail *ret_detail)
{
    trace t;
    gr_detail unused;
    uint32_t failed = run(shape, value.at, params, &t);
    if (failed == no_step) return 0;
    return explain(shape, failed, &t, params, ret_detail ? ret_detail : &unused);
}
