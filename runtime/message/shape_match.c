/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Running a shape's program over a value: as fast as it goes, or counting elements so that a mismatch can be located. */
#include "message/shape.h"

#include "message/number.h"
#include "message/text_scan.h"

#include <greenroom/text.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The container of one level. */
typedef union slot {
    gr_value object;
    gr_iter it;
} slot;

/* What a failed run leaves behind. */
typedef struct trace {
    gr_value value; /* the one that failed */
    size_t index[GR_SHAPE_DEPTH_MAX + 2]; /* of the current element of the list at each level */
} trace;

enum { no_step = UINT32_MAX };

GRI_INLINE bool test_parameter(const gri_shape_step *s, gr_value value, gr_value params)
{
    gr_value expected = gr_at(params, s->parameter);
    if (gr_type_of(expected) == GR_MISSING || gr_type_of(expected) != gr_type_of(value)) return false;
    if (gr_type_of(value) == GR_INT) return gr_int(value, 0) == gr_int(expected, 0);
    return gr_equal(value, expected);
}

GRI_INLINE bool test(const gri_shape_step *s, gr_value value, gr_value params, slot *inside)
{
    gr_type type = gr_type_of(value);
    switch (s->test) {
    case GRI_TEST_TYPES: return s->types >> type & 1;
    case GRI_TEST_FALSE: return type == GR_BOOL && !gr_bool(value, true);
    case GRI_TEST_TRUE: return gr_bool(value, false);
    case GRI_TEST_INT: return type == GR_INT && gr_int(value, 0) == s->integer;
    case GRI_TEST_DOUBLE: return type == GR_DOUBLE && gr_double(value, 0) == s->real;
    case GRI_TEST_STRING:
        return type == GR_STRING && gr_string_bytes(value) == s->text_bytes &&
               memcmp(gr_string(value, ""), s->text, s->text_bytes) == 0;
    case GRI_TEST_PARAMETER: return test_parameter(s, value, params);
    case GRI_TEST_DICT: inside->object = value; return type == GR_OBJECT;
    case GRI_TEST_LIST: inside->it = gr_iterate(value); return type == GR_ARRAY;
    case GRI_TEST_TUPLE: inside->it = gr_iterate(value); return type == GR_ARRAY && gr_count(value) == s->count;
    default: return false;
    }
}

/* The step that failed, or no_step. `t` is NULL when nobody asks why. */
GRI_INLINE uint32_t run(const gr_shape *shape, gr_value root, gr_value params, trace *t)
{
    slot slots[GR_SHAPE_DEPTH_MAX + 2];
    const gri_shape_step *steps = shape->steps;
    uint32_t count = shape->count;
    for (uint32_t pc = 0; pc < count; pc++) {
        const gri_shape_step *s = &steps[pc];
        slot *from = &slots[s->level];
        gr_value value = root;
        switch (s->fetch) {
        case GRI_FETCH_KEY: value = gr_get_n(from->object, s->key, s->key_bytes); break;
        case GRI_FETCH_NEXT:
            gr_next(&from->it);
            value = from->it.value;
            break;
        case GRI_FETCH_EACH:
            if (!gr_next(&from->it)) {
                pc = s->jump - 1;
                continue;
            }
            value = from->it.value;
            break;
        case GRI_FETCH_LOOP:
            if (t) t->index[s->level]++;
            pc = s->jump - 1;
            continue;
        default: break;
        }
        if (!test(s, value, params, from + 1)) {
            if (t) t->value = value;
            return pc;
        }
        if (t) t->index[s->level + 1] = 0;
    }
    return no_step;
}

bool gr_shape_match(const gr_shape *shape, gr_value value, gr_value params)
{
    return run(shape, value, params, NULL) == no_step;
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

static const char *types_word(uint16_t types)
{
    for (int type = GR_NULL; type <= GR_OBJECT; type++) {
        if (types == 1u << type) return type_word((gr_type)type);
    }
    return types == (1u << GR_INT | 1u << GR_DOUBLE) ? "number" : "a value";
}

static gr_type type_of_literal(const gri_shape_step *s)
{
    switch (s->test) {
    case GRI_TEST_FALSE:
    case GRI_TEST_TRUE: return GR_BOOL;
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
    case GRI_TEST_TYPES: add(l, "%s", types_word(s->types)); return GR_ETYPE;
    case GRI_TEST_FALSE: add(l, "false"); break;
    case GRI_TEST_TRUE: add(l, "true"); break;
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
    line l = {detail->text, detail->text + sizeof detail->text};
    memset(detail, 0, sizeof *detail);
    bool missing_key = s->fetch == GRI_FETCH_KEY && gr_type_of(t->value) == GR_MISSING;
    add(&l, "at");
    add_path(&l, shape, missing_key ? s->around : failed, t);
    if (missing_key) {
        char key[44];
        gri_text_quote(s->key, s->key_bytes, key, sizeof key);
        add(&l, ": expected key \"%s\", found none", key);
        return GR_ENOTFOUND;
    }
    add(&l, ": expected ");
    int code = add_expected(&l, s, t->value, params);
    add(&l, ", found ");
    if (code == GR_ERANGE)
        add(&l, "%zu", gr_count(t->value));
    else
        add_value(&l, t->value);
    return code;
}

int gr_shape_explain(const gr_shape *shape, gr_value value, gr_value params, gr_detail *ret_detail)
{
    trace t;
    gr_detail unused;
    uint32_t failed = run(shape, value, params, &t);
    if (failed == no_step) return 0;
    return explain(shape, failed, &t, params, ret_detail ? ret_detail : &unused);
}
