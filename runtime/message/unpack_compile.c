/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* From the text of an unpacking format to operations. */
#include "message/unpack.h"

#include "base/check.h"
#include "message/value.h"

#include <stdlib.h>
#include <string.h>

/* Run twice: dry to check and count, then to fill in the operations. */
typedef struct parser {
    gri_format format;
    gri_plan_op *ops; /* NULL: dry */
    uint32_t ops_count;
    gri_plan_op unused;
    unsigned depth;
    char open[GRI_UNPACK_DEPTH_MAX]; /* '{' or '[' */
} parser;

static gri_plan_op *add_op(parser *p, enum gri_plan_code code)
{
    gri_plan_op *op = p->ops ? &p->ops[p->ops_count] : &p->unused;
    p->ops_count++;
    *op = (gri_plan_op){.code = (uint8_t)code, .argument = p->format.argument, .offset = p->format.offset};
    return op;
}

static int take(parser *p, uint32_t accepted, gr_arg usual, const char *takes, uint8_t *ret_kind)
{
    if (p->format.argument == GRI_FORMAT_ARGUMENTS_MAX)
        return gri_format_wrong(&p->format, p->format.offset, "more than %d arguments", GRI_FORMAT_ARGUMENTS_MAX);
    return gri_format_take(&p->format, accepted, usual, takes, ret_kind);
}

static int take_simple(parser *p, enum gri_plan_code code, uint32_t accepted, gr_arg usual, const char *takes)
{
    gri_plan_op *op = add_op(p, code);
    return take(p, accepted, usual, takes, &op->kind);
}

static int take_length(parser *p, gri_plan_op *op)
{
    op->flags |= GRI_PLAN_SIZED;
    return take(p, GRI_ARG_BIT(GR_ARG_ULONG_OUT), GR_ARG_ULONG_OUT, "size_t *", &op->size_kind);
}

static int parse_string(parser *p)
{
    gri_plan_op *op = add_op(p, GRI_PLAN_STRING);
    int error = take(p, GRI_ARG_BIT(GR_ARG_TEXT_OUT), GR_ARG_TEXT_OUT, "const char **", &op->kind);
    if (error || gri_format_peek(&p->format) != '%') return error;
    (void)gri_format_next(&p->format);
    return take_length(p, op);
}

static int parse_bytes(parser *p)
{
    gri_plan_op *op = add_op(p, GRI_PLAN_BYTES);
    int error = take(p, GRI_ARG_BIT(GR_ARG_POINTER_OUT) | GRI_ARG_BIT(GR_ARG_TEXT_OUT), GR_ARG_POINTER_OUT,
                     "const void **", &op->kind);
    return error ? error : take_length(p, op);
}

static int open_container(parser *p, char kind)
{
    if (p->depth == GRI_UNPACK_DEPTH_MAX) {
        (void)gri_format_wrong(&p->format, p->format.offset, "more than %d containers inside each other",
                               GRI_UNPACK_DEPTH_MAX);
        return GR_EDEPTH;
    }
    p->open[p->depth++] = kind;
    (void)add_op(p, kind == '{' ? GRI_PLAN_OBJECT : GRI_PLAN_ARRAY);
    return 0;
}

static int parse_value(parser *p, char letter)
{
    const uint32_t bools = GRI_ARG_BIT(GR_ARG_BOOL_OUT) | GRI_ARG_BIT(GR_ARG_INT_OUT);
    const uint32_t ints = GRI_ARG_BIT(GR_ARG_INT_OUT) | GRI_ARG_BIT(GR_ARG_UINT_OUT);
    const uint32_t longs = GRI_ARG_BIT(GR_ARG_LONG_OUT) | GRI_ARG_BIT(GR_ARG_ULONG_OUT);
    uint32_t op = p->ops_count;
    int error;
    switch (letter) {
    case '{':
    case '[': return open_container(p, letter);
    case 's': return parse_string(p);
    case 'n': (void)add_op(p, GRI_PLAN_NULL); return 0;
    case 'b': return take_simple(p, GRI_PLAN_BOOL, bools, GR_ARG_INT_OUT, "bool * or int *");
    case 'i': return take_simple(p, GRI_PLAN_INT, ints, GR_ARG_INT_OUT, "int *");
    case 'I': return take_simple(p, GRI_PLAN_INT, longs, GR_ARG_LONG_OUT, "int64_t *");
    case 'f':
    case 'F':
        error = take_simple(p, GRI_PLAN_DOUBLE, GRI_ARG_BIT(GR_ARG_DOUBLE_OUT), GR_ARG_DOUBLE_OUT, "double *");
        if (letter == 'F' && p->ops) p->ops[op].flags |= GRI_PLAN_INTS_TOO;
        return error;
    case 'O': return take_simple(p, GRI_PLAN_JSON, GRI_ARG_BIT(GR_ARG_JSON_OUT), GR_ARG_JSON_OUT, "json_t **");
    case 'o':
        return gri_format_wrong(&p->format, p->format.offset,
                                "there is no json_t here that 'o' could borrow: take a reference with 'O'");
    case 'A':
        return take_simple(p, GRI_PLAN_ADDRESS, GRI_ARG_BIT(GR_ARG_ADDRESS_OUT), GR_ARG_ADDRESS_OUT, "gr_address *");
    case 'B': return parse_bytes(p);
    case 'V': return take_simple(p, GRI_PLAN_VALUE, GRI_ARG_BIT(GR_ARG_VALUE_OUT), GR_ARG_VALUE_OUT, "gr_value *");
    case '\0': return gri_format_wrong(&p->format, p->format.offset, "the format ends inside a container");
    default: return gri_format_wrong(&p->format, p->format.offset, "unknown character '%c'", letter);
    }
}

static int parse_end(parser *p, char letter)
{
    bool strict = letter == '!';
    uint32_t offset = p->format.offset;
    char end = p->open[p->depth - 1] == '{' ? '}' : ']';
    if (letter == '!' || letter == '*') {
        char mark = letter;
        letter = gri_format_next(&p->format);
        if (letter != end && letter != '\0')
            return gri_format_wrong(&p->format, p->format.offset, "'%c' belongs behind '%c', not '%c'", end, mark,
                                    letter);
    }
    if (letter == '\0') return parse_value(p, letter);
    gri_plan_op *op = add_op(p, GRI_PLAN_END);
    op->offset = offset; /* of the mark, if there is one */
    if (strict) op->flags |= GRI_PLAN_STRICT;
    p->depth--;
    return 0;
}

static int parse_inside(parser *p)
{
    bool object = p->open[p->depth - 1] == '{';
    char letter = gri_format_next(&p->format);
    if (letter == (object ? '}' : ']') || letter == '!' || letter == '*') return parse_end(p, letter);
    if (!object || letter == '\0') return parse_value(p, letter);
    if (letter != 's')
        return gri_format_wrong(&p->format, p->format.offset, "a key ('s') or '}' belongs here, not '%c'", letter);
    gri_plan_op *key = add_op(p, GRI_PLAN_KEY);
    int error = take(p, GRI_ARG_TEXTS, GR_ARG_TEXT, "const char *", &key->kind);
    if (error) return error;
    letter = gri_format_next(&p->format);
    if (letter == '?') {
        key->flags |= GRI_PLAN_KEY_MAYBE;
        letter = gri_format_next(&p->format);
    }
    return parse_value(p, letter);
}

static int parse(parser *p)
{
    int error = parse_value(p, gri_format_next(&p->format));
    while (!error && p->depth > 0) error = parse_inside(p);
    if (error) return error;
    char letter = gri_format_next(&p->format);
    if (letter != '\0')
        return gri_format_wrong(&p->format, p->format.offset, "'%c' behind the end of the value", letter);
    return gri_format_end(&p->format);
}

/* ---- the steps for those in a hurry ---- */

/* Fills in a step's key. */
static void set_key(gri_unpack_step *step, const char *key)
{
    unsigned char packed[16] = {0};
    step->key = key;
    step->key_bytes = strlen(key);
    if (step->key_bytes + 2 > sizeof packed) return;
    step->key_size = (uint32_t)step->key_bytes + 2;
    step->key_room = GRI_MAX(step->key_size, 8u);
    (void)gri_key_write(packed, key, step->key_bytes);
    step->key_first = gri_load64(packed);
    step->key_mask = step->key_size >= 8 ? UINT64_MAX : (UINT64_C(1) << step->key_size * 8) - 1;
    step->key_last_mask = step->key_size > 8 ? UINT64_MAX : 0;
    step->key_last = step->key_size > 8 ? gri_load64(packed + step->key_size - 8) : 0;
}

/* What an operation makes of its value; false if only the operations can. */
static bool set_keep(gri_unpack_step *step, const gri_plan_op *op)
{
    const uint16_t object = 1u << GRI_TAG_OBJECT | 1u << GRI_TAG_OBJECT_INDEXED;
    switch (op->code) {
    case GRI_PLAN_OBJECT: step->keep = GRI_KEEP_ENTER, step->tags = object; return true;
    case GRI_PLAN_ARRAY: step->keep = GRI_KEEP_ENTER, step->tags = 1u << GRI_TAG_ARRAY; return true;
    case GRI_PLAN_NULL: step->keep = GRI_KEEP_NOTHING, step->tags = 1u << GRI_TAG_NULL; return true;
    case GRI_PLAN_BOOL:
        step->keep = op->kind == GR_ARG_BOOL_OUT ? GRI_KEEP_BOOL : GRI_KEEP_BOOL_INT;
        step->tags = 1u << GRI_TAG_FALSE | 1u << GRI_TAG_TRUE;
        return true;
    case GRI_PLAN_INT:
        step->keep = (uint8_t)(op->kind == GR_ARG_INT_OUT    ? GRI_KEEP_INT
                               : op->kind == GR_ARG_UINT_OUT ? GRI_KEEP_UINT
                               : op->kind == GR_ARG_LONG_OUT ? GRI_KEEP_LONG
                                                             : GRI_KEEP_ULONG);
        step->tags = 1u << GRI_TAG_INT;
        return true;
    case GRI_PLAN_DOUBLE:
        step->keep = GRI_KEEP_DOUBLE;
        step->tags = (uint16_t)(1u << GRI_TAG_DOUBLE | (op->flags & GRI_PLAN_INTS_TOO ? 1u << GRI_TAG_INT : 0));
        return true;
    case GRI_PLAN_ADDRESS: step->keep = GRI_KEEP_ADDRESS, step->tags = 1u << GRI_TAG_ADDRESS; return true;
    case GRI_PLAN_STRING:
        step->keep = op->flags & GRI_PLAN_SIZED ? GRI_KEEP_STRING_SIZED : GRI_KEEP_STRING;
        step->tags = 1u << GRI_TAG_STRING | 1u << GRI_TAG_STRING_LONG;
        return true;
    case GRI_PLAN_BYTES:
        step->keep = GRI_KEEP_BYTES, step->tags = 1u << GRI_TAG_BYTES | 1u << GRI_TAG_BYTES_LONG;
        return true;
    case GRI_PLAN_VALUE: step->keep = GRI_KEEP_VALUE, step->tags = UINT16_MAX; return true;
    default: return false;
    }
}

typedef struct stepper {
    const gri_plan *plan;
    gri_unpack_step *steps; /* as many as the plan has operations */
    uint32_t count;
    unsigned depth;
    struct {
        bool object, optional;  /* optional: one of its keys may be absent */
        uint32_t first, inside; /* its first step; keys or elements so far */
    } open[GRI_READ_DEPTH_MAX];
} stepper;

/* The number of keys is compared with what is there, so that no key may be asked for twice. */
static bool has_key_twice(const stepper *s, uint32_t first)
{
    unsigned depth = 0;
    const gri_unpack_step *last = &s->steps[s->count - 1];
    for (uint32_t i = first; i + 1 < s->count; i++) {
        const gri_unpack_step *step = &s->steps[i];
        if (depth == 0 && step->key_bytes == last->key_bytes && memcmp(step->key, last->key, last->key_bytes) == 0)
            return true;
        depth += step->keep == GRI_KEEP_ENTER;
        depth -= step->fetch == GRI_UNPACK_LEAVE;
    }
    return false;
}

/* The step of a value, with the key of the operation before it. */
static bool add_step(stepper *s, const gri_plan_op *op, const char *key)
{
    gri_unpack_step *step = &s->steps[s->count++];
    const bool inside = s->depth > 0, object = inside && s->open[s->depth - 1].object;
    step->fetch = object ? GRI_UNPACK_KEY : inside ? GRI_UNPACK_NEXT : GRI_UNPACK_WHOLE;
    step->place = (uint16_t)op->argument;
    if (!set_keep(step, op)) return false;
    if (inside) s->open[s->depth - 1].inside++;
    if (object) {
        if (!key) return false;
        set_key(step, key);
        step->optional = op[-1].flags & GRI_PLAN_KEY_MAYBE;
        if (step->optional && step->keep == GRI_KEEP_ENTER) return false;
        if (step->optional) s->open[s->depth - 1].optional = true;
        if (has_key_twice(s, s->open[s->depth - 1].first)) return false;
    }
    if (step->keep != GRI_KEEP_ENTER) return true;
    if (s->depth == GRI_READ_DEPTH_MAX) return false;
    s->open[s->depth].object = op->code == GRI_PLAN_OBJECT;
    s->open[s->depth].optional = false;
    s->open[s->depth].first = s->count;
    s->open[s->depth++].inside = 0;
    return true;
}

/* Whether nothing else is there is told by the number of keys or elements, which must be known for that. */
static bool add_leave(stepper *s, const gri_plan_op *op)
{
    s->depth--;
    const bool strict = op->flags & GRI_PLAN_STRICT;
    if (strict && s->open[s->depth].optional) return false;
    s->steps[s->count++] =
        (gri_unpack_step){.fetch = GRI_UNPACK_LEAVE, .strict = strict, .count = s->open[s->depth].inside};
    return true;
}

/* Every argument of unpacking is a word: a pointer, or a key. */
static bool make_steps(stepper *s, const gr_site *site, gri_arguments *args)
{
    const char *key = NULL;
    unsigned taken = 0;
    for (uint32_t i = 0; i < s->plan->ops_count; i++) {
        const gri_plan_op *op = &s->plan->ops[i];
        if (op->code == GRI_PLAN_KEY) {
            if (site->types[op->argument] != GR_ARG_LITERAL) return false;
            for (; taken < op->argument; taken++) (void)va_arg(args->list, void *);
            key = va_arg(args->list, const char *);
            taken++;
        } else if (op->code == GRI_PLAN_END) {
            if (!add_leave(s, op)) return false;
            key = NULL;
        } else {
            if (!add_step(s, op, key)) return false;
            key = NULL;
        }
    }
    return true;
}

/* Without memory, or where it cannot be done, the plan stays without. */
static void add_reads(gri_plan *plan, const gr_site *site, gri_arguments *args)
{
    if (!site || !site->literal) return;
    stepper s = {.plan = plan, .steps = calloc(plan->ops_count, sizeof *s.steps)};
    if (!s.steps) return;
    gri_arguments copy;
    va_copy(copy.list, args->list);
    bool made = make_steps(&s, site, &copy);
    va_end(copy.list);
    if (!made) {
        free(s.steps);
        return;
    }
    plan->memory = s.steps;
    plan->reads = s.steps;
    plan->reads_count = s.count;
}

int gri_plan_compile_unpack(const gr_site *site, const char *format, gri_arguments *args, gri_plan **ret_plan,
                            uint64_t *ret_stolen, gr_detail *ret_detail)
{
    (void)ret_stolen;
    parser p = {.depth = 0};
    int error = gri_format_begin(&p.format, site, format, ret_detail);
    if (!error) error = parse(&p);
    if (error) return error;
    size_t ops_bytes = p.ops_count * sizeof(gri_plan_op), format_bytes = strlen(format) + 1;
    gri_plan *plan = calloc(1, sizeof *plan + ops_bytes + format_bytes);
    if (!plan) return GR_ENOMEM;
    plan->ops_count = p.ops_count;
    plan->format = memcpy((char *)plan->ops + ops_bytes, format, format_bytes);
    p = (parser){.ops = plan->ops};
    error = gri_format_begin(&p.format, site, format, ret_detail);
    if (!error) error = parse(&p);
    GRI_ASSERT(error == 0 && p.ops_count == plan->ops_count);
    add_reads(plan, site, args);
    *ret_plan = plan;
    return 0;
}
