/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The language of shapes (see <greenroom/shape.h>) to the program of shape.h. One loop, no recursion; the open containers
 * are a small stack. */
#include "message/shape.h"

#include "base/atomic.h"
#include "base/check.h"
#include "message/build.h"
#include "message/number.h"
#include "message/text_scan.h"
#include "message/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { text_bytes_max = 65536 };

typedef struct open_container {
    char kind;             /* '{', '[' or '(' */
    uint32_t step, inside; /* how many shapes it has so far */
} open_container;

typedef struct compiler {
    const char *text, *at, *end;
    gri_shape_step *steps;
    uint32_t count, room;
    char *strings, *strings_at; /* room for every string the text can hold */
    unsigned depth, params;
    open_container open[GR_SHAPE_DEPTH_MAX];
    const char *key_at; /* the key of the value that comes */
    const char *key;
    uint32_t key_bytes;
    int error;
    gr_detail *detail;
} compiler;

static const char any_shape[] = "a shape ({...}, [...], (...), a type, string, number, true, false, null or $1 to $9)";

static bool fail(compiler *c, int code, const char *at, const char *expected)
{
    c->error = code;
    gri_text_explain_found(c->detail, c->text, c->end, at, expected);
    return false;
}

static bool fail_memory(compiler *c)
{
    c->error = GR_ENOMEM;
    gri_text_explain(c->detail, c->text, c->at, "%s", gr_error_text(GR_ENOMEM));
    return false;
}

static void skip_space(compiler *c)
{
    c->at = gri_text_skip_space(c->at, c->end);
}

static bool next_is(const compiler *c, char what)
{
    return c->at < c->end && *c->at == what;
}

/* A new step for the value that comes, fetched as the container around it asks. NULL: out of memory. */
static gri_shape_step *add_step(compiler *c)
{
    if (c->count == c->room) {
        uint32_t room = c->room ? c->room * 2 : 8;
        gri_shape_step *steps = realloc(c->steps, room * sizeof *steps);
        if (!steps) {
            fail_memory(c);
            return NULL;
        }
        c->steps = steps;
        c->room = room;
    }
    gri_shape_step *step = &c->steps[c->count++];
    *step = (gri_shape_step){.fetch = GRI_FETCH_ROOT, .level = (uint8_t)c->depth};
    if (c->depth == 0) return step;
    open_container *around = &c->open[c->depth - 1];
    step->around = around->step;
    step->ordinal = around->inside++;
    step->fetch = around->kind == '{' ? GRI_FETCH_KEY : around->kind == '[' ? GRI_FETCH_EACH : GRI_FETCH_NEXT;
    if (around->kind == '{') {
        step->key = c->key;
        step->key_bytes = c->key_bytes;
        step->key_look = c->key_bytes <= GRI_KEY_SHORT_MAX ? (uint16_t)c->key_bytes : GRI_LOOK_NEVER;
        step->jump = (uint32_t)(c->key_at - c->text); /* until the end, for find_twice */
    }
    return step;
}

/* The string at c->at, decoded and NUL-terminated. */
static bool take_string(compiler *c, const char **ret_text, uint32_t *ret_bytes)
{
    gri_text_string string;
    if (!gri_text_string_scan(c->at + 1, c->end, &string)) return fail(c, GR_ESYNTAX, string.behind, string.wrong);
    size_t bytes = gri_text_string_decode(c->at + 1, string.behind, c->strings_at);
    *ret_text = c->strings_at;
    *ret_bytes = (uint32_t)bytes;
    c->strings_at[bytes] = '\0';
    c->strings_at += bytes + 1; /* a string's two quotes leave room for the NUL */
    c->at = string.behind + 1;
    return true;
}

/* ---- simple shapes ---- */

#define BIT(tag) (1u << GRI_TAG_##tag)

const gri_shape_type gri_shape_types[] = {
    {"string", BIT(STRING) | BIT(STRING_LONG)},
    {"int", BIT(INT)},
    {"float", BIT(DOUBLE)},
    {"number", BIT(INT) | BIT(DOUBLE)},
    {"bool", BIT(FALSE) | BIT(TRUE)},
    {"true", BIT(TRUE)},
    {"false", BIT(FALSE)},
    {"bytes", BIT(BYTES) | BIT(BYTES_LONG)},
    {"null", BIT(NULL)},
    {"address", BIT(ADDRESS)},
    {"list", BIT(ARRAY)},
    {"dict", BIT(OBJECT) | BIT(OBJECT_INDEXED)},
    {"any", (1u << GRI_TAGS) - 1},
    {"str", BIT(STRING) | BIT(STRING_LONG)},
};
const unsigned gri_shape_type_count = GRI_ARRAY_COUNT(gri_shape_types);

static bool is_word_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool set_word(gri_shape_step *step, const char *word, size_t bytes)
{
    for (unsigned i = 0; i < gri_shape_type_count; i++) {
        const gri_shape_type *type = &gri_shape_types[i];
        if (strlen(type->name) == bytes && memcmp(type->name, word, bytes) == 0) {
            step->test = GRI_TEST_TAGS;
            step->tags = type->tags;
            return true;
        }
    }
    return false;
}

static bool take_word(compiler *c, gri_shape_step *step)
{
    const char *word = c->at;
    while (c->at < c->end && is_word_character(*c->at)) c->at++;
    if (set_word(step, word, (size_t)(c->at - word))) return true;
    char shown[40];
    gri_text_quote(word, (size_t)(c->at - word), shown, sizeof shown);
    c->error = GR_ESYNTAX;
    gri_text_explain(
        c->detail, c->text, word,
        "expected true, false or a type (any, str, string, int, float, number, bool, bytes, null, address, "
        "list, dict), found '%s'",
        shown);
    return false;
}

static bool take_number(compiler *c, gri_shape_step *step)
{
    const char *behind, *at = c->at;
    gri_number number;
    int code = gri_number_parse(at, c->end, &behind, &number);
    if (code == GR_ERANGE) {
        c->error = code;
        gri_text_explain(c->detail, c->text, at, "the number is out of range");
        return false;
    }
    if (code) return fail(c, code, behind, "a number as JSON has it");
    c->at = behind;
    step->test = number.is_double ? GRI_TEST_DOUBLE : GRI_TEST_INT;
    if (number.is_double)
        step->real = number.real;
    else
        step->integer = number.integer;
    return true;
}

static bool take_parameter(compiler *c, gri_shape_step *step)
{
    const char *digit = c->at + 1;
    if (digit == c->end || *digit < '1' || *digit > '9') return fail(c, GR_ESYNTAX, digit, "1 to 9 after $");
    if (digit + 1 < c->end && is_word_character(digit[1]))
        return fail(c, GR_ESYNTAX, digit + 1, "nothing more after $1 to $9");
    step->test = GRI_TEST_PARAMETER;
    step->parameter = (uint8_t)(*digit - '1');
    c->params = GRI_MAX(c->params, (unsigned)step->parameter + 1);
    c->at += 2;
    return true;
}

/* ---- containers ---- */

static bool take_key(compiler *c, const char *expected)
{
    skip_space(c);
    if (!next_is(c, '"')) return fail(c, GR_ESYNTAX, c->at, expected);
    c->key_at = c->at;
    if (!take_string(c, &c->key, &c->key_bytes)) return false;
    skip_space(c);
    if (!next_is(c, ':')) return fail(c, GR_ESYNTAX, c->at, "':' after a key");
    c->at++;
    return true;
}

static bool close_container(compiler *c)
{
    open_container *container = &c->open[c->depth - 1];
    gri_shape_step *step = &c->steps[container->step];
    if (container->kind == '(') step->count = container->inside;
    if (container->kind == '{' && container->inside == 1) {
        const gri_shape_step *only = step + 1;
        if (gri_key_is_reserved(only->key, only->key_bytes)) {
            c->error = GR_EINVAL;
            gri_text_explain(c->detail, c->text, c->text + only->jump,
                             "no object has \"%s\" as its only key: write bytes, address or a parameter", only->key);
            return false;
        }
    }
    if (container->kind == '[') {
        if (container->inside == 0) {
            step->test = GRI_TEST_TAGS;
            step->tags = BIT(ARRAY);
        } else {
            uint32_t first = container->step + 1;
            gri_shape_step *loop = add_step(c);
            if (!loop) return false;
            loop->fetch = GRI_FETCH_LOOP;
            loop->jump = first;
            c->steps[first].jump = c->count;
        }
    }
    c->depth--;
    c->at++;
    return true;
}

static char closing(char kind)
{
    return kind == '{' ? '}' : kind == '[' ? ']' : ')';
}

/* c->at is on the bracket. *ret_whole: it is empty; otherwise its first shape comes. */
static bool open_one(compiler *c, gri_shape_step *step, bool *ret_whole)
{
    char kind = *c->at;
    if (c->depth == GR_SHAPE_DEPTH_MAX) {
        c->error = GR_EDEPTH;
        gri_text_explain(c->detail, c->text, c->at, "nested too deeply: %d containers inside each other are allowed",
                         GR_SHAPE_DEPTH_MAX);
        return false;
    }
    step->test = kind == '{' ? GRI_TEST_DICT : kind == '[' ? GRI_TEST_LIST : GRI_TEST_TUPLE;
    c->open[c->depth++] = (open_container){kind, (uint32_t)(step - c->steps), 0};
    c->at++;
    skip_space(c);
    *ret_whole = next_is(c, closing(kind));
    if (*ret_whole) return close_container(c);
    return kind != '{' || take_key(c, "a key or '}'");
}

/* ---- the whole text ---- */

static bool take_shape(compiler *c, bool *ret_whole)
{
    *ret_whole = true;
    if (c->at == c->end) return fail(c, GR_ESYNTAX, c->at, any_shape);
    char first = *c->at;
    gri_shape_step *step = add_step(c);
    if (!step) return false;
    switch (first) {
    case '{':
    case '[':
    case '(': return open_one(c, step, ret_whole);
    case '"': {
        uint32_t bytes;
        if (!take_string(c, &step->text, &bytes)) return false;
        step->test = GRI_TEST_STRING;
        step->text_bytes = bytes;
        return true;
    }
    case '$': return take_parameter(c, step);
    case '-':
    case '0' ... '9': return take_number(c, step);
    default: return is_word_character(first) ? take_word(c, step) : fail(c, GR_ESYNTAX, c->at, any_shape);
    }
}

/* After a shape: closes containers until one goes on. False at the end and on errors. */
static bool go_on(compiler *c)
{
    while (c->depth > 0) {
        char kind = c->open[c->depth - 1].kind;
        skip_space(c);
        if (next_is(c, closing(kind))) {
            if (!close_container(c)) return false;
            continue;
        }
        if (kind == '[')
            return fail(c, GR_ESYNTAX, c->at, "']' (a list has one shape for all elements; (...) tells them apart)");
        if (!next_is(c, ','))
            return fail(c, GR_ESYNTAX, c->at,
                        kind == '{' ? "',' or '}' after a member" : "',' or ')' after an element");
        c->at++;
        return kind != '{' || take_key(c, "a key after ','");
    }
    skip_space(c);
    return c->at == c->end ? false : fail(c, GR_ESYNTAX, c->at, "the end after the shape");
}

static int compare_keys(const void *left, const void *right)
{
    const gri_shape_step *a = *(const gri_shape_step *const *)left, *b = *(const gri_shape_step *const *)right;
    if (a->around != b->around) return a->around < b->around ? -1 : 1;
    if (a->key_bytes != b->key_bytes) return a->key_bytes < b->key_bytes ? -1 : 1;
    int order = memcmp(a->key, b->key, a->key_bytes);
    return order ? order : a->ordinal < b->ordinal ? -1 : 1;
}

static bool refuse_twice(compiler *c)
{
    const gri_shape_step **keys = malloc(c->count * sizeof *keys);
    if (!keys) return fail_memory(c);
    size_t count = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->steps[i].fetch == GRI_FETCH_KEY) keys[count++] = &c->steps[i];
    }
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 1; i < count && !c->error; i++) {
        const gri_shape_step *a = keys[i - 1], *b = keys[i];
        if (a->around == b->around && a->key_bytes == b->key_bytes && memcmp(a->key, b->key, a->key_bytes) == 0) {
            char shown[52];
            gri_text_quote(b->key, b->key_bytes, shown, sizeof shown);
            c->error = GR_EINVAL;
            gri_text_explain(c->detail, c->text, c->text + b->jump, "a key stands twice in a shape: \"%s\"", shown);
        }
    }
    free(keys);
    return c->error == 0;
}

/* The text without white space outside strings. */
static void write_compact(const char *from, const char *end, char *to)
{
    for (bool inside = false; from < end; from++) {
        if (!inside && gri_text_is_space(*from)) continue;
        *to++ = *from;
        if (*from == '"') inside = !inside;
        if (inside && *from == '\\') *to++ = *++from;
    }
    *to = '\0';
}

static gr_shape *finish(compiler *c, size_t bytes)
{
    gr_shape *shape = malloc(sizeof *shape);
    if (!shape) return NULL;
    static gri_atomic_u64 serials;
    /* relaxed: a number nobody else gets */
    *shape = (gr_shape){.serial = gri_add_relaxed(&serials, 1u) + 1,
                        .count = c->count,
                        .params = c->params,
                        .steps = c->steps,
                        .strings = c->strings};
    shape->text = c->strings + bytes + 1;
    write_compact(c->text, c->end, shape->text);
    return shape;
}

int gr_shape_compile(const char *text, gr_shape **ret_shape, gr_detail *ret_detail)
{
    size_t bytes = text ? strlen(text) : 0;
    compiler c = {.text = text ? text : "", .detail = ret_detail};
    c.at = c.text;
    c.end = c.text + bytes;
    if (!text || bytes > text_bytes_max) {
        gri_text_explain(ret_detail, c.text, c.text, text ? "the shape is longer than %d bytes" : "the shape is NULL",
                         text_bytes_max);
        return text ? GR_ETOOBIG : GR_EINVAL;
    }
    c.strings = c.strings_at = malloc(2 * (bytes + 1));
    if (!c.strings) fail_memory(&c);
    bool whole = true;
    while (!c.error) {
        skip_space(&c);
        if (!take_shape(&c, &whole) || (whole && !go_on(&c))) break;
    }
    if (!c.error) refuse_twice(&c);
    gr_shape *shape = c.error ? NULL : finish(&c, bytes);
    if (!shape) {
        if (!c.error) fail_memory(&c);
        free(c.steps);
        free(c.strings);
        return c.error;
    }
    *ret_shape = shape;
    return 0;
}

void gr_shape_free(gr_shape **shape)
{
    if (!shape || !*shape) return;
    free((*shape)->steps);
    free((*shape)->strings);
    free(*shape);
    *shape = NULL;
}

const char *gr_shape_text(const gr_shape *shape)
{
    return shape->text;
}

unsigned gr_shape_params(const gr_shape *shape)
{
    return shape->params;
}
