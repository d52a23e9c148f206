/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* From the text of an unpacking format to operations. */
#include "message/unpack.h"

#include "base/check.h"

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

int gri_plan_compile_unpack(const gr_site *site, const char *format, gri_arguments *args, gri_plan **ret_plan,
                            uint64_t *ret_stolen, gr_detail *ret_detail)
{
    (void)args;
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
    *ret_plan = plan;
    return 0;
}
