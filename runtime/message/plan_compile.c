/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/plan.h"

#include "message/arguments.h"

#include "base/check.h"
#include "message/build.h"
#include "message/message.h"
#include "message/value.h"

#include <stdlib.h>

/* ---- from the text to operations ---- */

/* Run twice: dry to check and count, then to fill in the operations. */
typedef struct parser {
    gri_format format;
    gri_plan_op *ops; /* NULL: dry */
    uint32_t ops_count;
    uint64_t stolen; /* the arguments that are taken over */
    gri_plan_op unused;
    unsigned depth;
    char open[GRI_VALUE_DEPTH_MAX]; /* '{' or '[' */
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
    return gri_format_take(&p->format, accepted, usual, takes, ret_kind);
}

static int take_size(parser *p, gri_plan_op *op)
{
    op->flags |= GRI_PLAN_SIZED;
    if (gri_format_next(&p->format) == '#')
        return take(p, GRI_ARG_BIT(GR_ARG_INT) | GRI_ARG_BIT(GR_ARG_UINT), GR_ARG_INT, "int", &op->size_kind);
    return take(p, GRI_ARG_BIT(GR_ARG_ULONG) | GRI_ARG_BIT(GR_ARG_LONG), GR_ARG_ULONG, "size_t", &op->size_kind);
}

static void mark_optional(parser *p, gri_plan_op *op)
{
    char mark = gri_format_peek(&p->format);
    if (mark != '?' && mark != '*') return;
    (void)gri_format_next(&p->format);
    op->flags |= mark == '?' ? GRI_PLAN_OR_NULL : GRI_PLAN_OR_NOTHING;
}

/* Behind an 's': s, s?, s*, s#, s%, and parts joined with +. */
static int parse_text(parser *p, enum gri_plan_code code)
{
    gri_plan_op *op = add_op(p, code);
    int error = take(p, GRI_ARG_TEXTS, GR_ARG_TEXT, "const char *", &op->kind);
    if (error) return error;
    if (code != GRI_PLAN_KEY) mark_optional(p, op);
    bool optional = op->flags & (GRI_PLAN_OR_NULL | GRI_PLAN_OR_NOTHING);
    for (;;) {
        char mark = gri_format_peek(&p->format);
        if (optional && (mark == '#' || mark == '%' || mark == '+')) {
            (void)gri_format_next(&p->format);
            return gri_format_wrong(&p->format, p->format.offset, "'%c' cannot follow an optional string", mark);
        }
        if (mark == '#' || mark == '%') {
            error = take_size(p, op);
            if (error) return error;
            mark = gri_format_peek(&p->format);
        }
        if (mark != '+') return 0;
        (void)gri_format_next(&p->format);
        op->flags |= GRI_PLAN_MORE;
        op = add_op(p, GRI_PLAN_PART);
        error = take(p, GRI_ARG_TEXTS, GR_ARG_TEXT, "const char *", &op->kind);
        if (error) return error;
    }
}

static int parse_bytes(parser *p)
{
    gri_plan_op *op = add_op(p, GRI_PLAN_BYTES);
    int error = take(p, GRI_ARG_TEXTS, GR_ARG_POINTER, "const void *", &op->kind);
    if (error) return error;
    return take(p, GRI_ARG_BIT(GR_ARG_ULONG) | GRI_ARG_BIT(GR_ARG_LONG), GR_ARG_ULONG, "size_t (behind the bytes)",
                &op->size_kind);
}

static int parse_json(parser *p, bool steals)
{
    gri_plan_op *op = add_op(p, GRI_PLAN_JSON);
    if (steals) op->flags |= GRI_PLAN_STEALS;
    if (steals && p->format.argument < GRI_FORMAT_ARGUMENTS_MAX) p->stolen |= UINT64_C(1) << p->format.argument;
    int error = take(p, GRI_ARG_BIT(GR_ARG_JSON) | GRI_ARG_BIT(GR_ARG_POINTER), GR_ARG_JSON, "json_t *", &op->kind);
    if (error) return error;
    mark_optional(p, op);
    return 0;
}

static int open_container(parser *p, char kind)
{
    if (p->depth == GRI_VALUE_DEPTH_MAX) {
        (void)gri_format_wrong(&p->format, p->format.offset, "more than %u containers inside each other",
                               GRI_VALUE_DEPTH_MAX);
        return GR_EDEPTH;
    }
    p->open[p->depth++] = kind;
    (void)add_op(p, kind == '{' ? GRI_PLAN_OBJECT : GRI_PLAN_ARRAY);
    return 0;
}

static int parse_value(parser *p, char letter)
{
    switch (letter) {
    case '{':
    case '[': return open_container(p, letter);
    case 's': return parse_text(p, GRI_PLAN_STRING);
    case 'n': (void)add_op(p, GRI_PLAN_NULL); return 0;
    case 'b':
        return take(p, GRI_ARG_BIT(GR_ARG_BOOL) | GRI_ARG_BIT(GR_ARG_INT) | GRI_ARG_BIT(GR_ARG_UINT), GR_ARG_INT,
                    "bool or int", &add_op(p, GRI_PLAN_BOOL)->kind);
    case 'i':
        return take(p, GRI_ARG_BIT(GR_ARG_INT) | GRI_ARG_BIT(GR_ARG_UINT) | GRI_ARG_BIT(GR_ARG_BOOL), GR_ARG_INT, "int",
                    &add_op(p, GRI_PLAN_INT)->kind);
    case 'I':
        return take(p, GRI_ARG_BIT(GR_ARG_LONG) | GRI_ARG_BIT(GR_ARG_ULONG), GR_ARG_LONG, "int64_t",
                    &add_op(p, GRI_PLAN_INT)->kind);
    case 'f': return take(p, GRI_ARG_BIT(GR_ARG_DOUBLE), GR_ARG_DOUBLE, "double", &add_op(p, GRI_PLAN_DOUBLE)->kind);
    case 'o':
    case 'O': return parse_json(p, letter == 'o');
    case 'A':
        return take(p, GRI_ARG_BIT(GR_ARG_ADDRESS), GR_ARG_ADDRESS, "gr_address", &add_op(p, GRI_PLAN_ADDRESS)->kind);
    case 'B': return parse_bytes(p);
    case 'V': return take(p, GRI_ARG_BIT(GR_ARG_VALUE), GR_ARG_VALUE, "gr_value", &add_op(p, GRI_PLAN_VALUE)->kind);
    case '\0': return gri_format_wrong(&p->format, p->format.offset, "the format ends inside a container");
    default: return gri_format_wrong(&p->format, p->format.offset, "unknown character '%c'", letter);
    }
}

/* The next key, element or end of the innermost container. */
static int parse_inside(parser *p)
{
    bool object = p->open[p->depth - 1] == '{';
    char letter = gri_format_next(&p->format);
    if (letter == (object ? '}' : ']')) {
        (void)add_op(p, GRI_PLAN_END);
        p->depth--;
        return 0;
    }
    if (!object) return parse_value(p, letter);
    if (letter == '\0') return parse_value(p, letter);
    if (letter != 's')
        return gri_format_wrong(&p->format, p->format.offset, "a key ('s') or '}' belongs here, not '%c'", letter);
    uint32_t key = p->ops_count;
    int error = parse_text(p, GRI_PLAN_KEY);
    if (error) return error;
    uint32_t value = p->ops_count;
    error = parse_value(p, gri_format_next(&p->format));
    if (error) return error;
    if (p->ops && (p->ops[value].flags & GRI_PLAN_OR_NOTHING)) p->ops[key].flags |= GRI_PLAN_KEY_MAYBE;
    return 0;
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

/* ---- from operations to a template ---- */

#define TEMPLATE_DEPTH_MAX 32 /* guess: formats are not deeper */
#define TEMPLATE_CONTAINERS_MAX 32

/* A builder makes the template, so that everything constant passes its checks; a variable slot is a null in it, which is
 * taken out afterwards. */
typedef struct maker {
    const gri_plan_op *ops;
    gri_arguments args;
    gr_builder b;
    gri_plan_step steps[GRI_FORMAT_ARGUMENTS_MAX];
    gri_plan_container containers[TEMPLATE_CONTAINERS_MAX];
    struct {
        uint32_t at;
        uint16_t first, variable; /* slots, and variable slots, before it */
    } open[TEMPLATE_DEPTH_MAX];
    uint16_t steps_count, variable_count, containers_count;
    uint16_t words, doubles; /* arguments before the next */
    bool fits;               /* false: this format needs the operations */
} maker;

static uint32_t offset_now(const maker *k)
{
    return (uint32_t)(k->b.at - k->b.base);
}

/* Passes over an argument; returns its place. */
static uint16_t pass(maker *k, unsigned kind)
{
    gri_arguments_skip(&k->args, kind);
    return kind == GR_ARG_DOUBLE ? k->doubles++ : k->words++;
}

static void add_step(maker *k, uint32_t op, enum gri_plan_read read, uint16_t place, uint32_t tag_bytes)
{
    const gri_plan_op *from = &k->ops[op];
    k->steps[k->steps_count++] = (gri_plan_step){.read = (uint8_t)read,
                                                 .flags = from->flags,
                                                 .size_kind = from->size_kind,
                                                 .place = place,
                                                 .op = (uint16_t)op,
                                                 .depth = k->b.depth,
                                                 .at = offset_now(k) + tag_bytes - k->variable_count};
}

static void variable_slot(maker *k, uint32_t op, enum gri_plan_read read)
{
    add_step(k, op, read, pass(k, k->ops[op].kind), 0);
    if (k->ops[op].size_kind) (void)pass(k, k->ops[op].size_kind);
    gr_put_null(&k->b);
    k->variable_count++;
}

static void text_slot(maker *k, uint32_t i)
{
    const gri_plan_op *op = &k->ops[i];
    bool literal = op->kind == GR_ARG_LITERAL && !(op->flags & GRI_PLAN_SIZED);
    if ((op->flags & (GRI_PLAN_MORE | GRI_PLAN_OR_NOTHING | GRI_PLAN_KEY_MAYBE)) ||
        (op->code == GRI_PLAN_KEY && !literal)) {
        k->fits = false;
    } else if (!literal) {
        variable_slot(k, i, GRI_READ_TEXT);
    } else {
        const char *text = va_arg(k->args.list, const char *);
        k->words++;
        if (op->code == GRI_PLAN_KEY) {
            gr_put_key(&k->b, text);
        } else {
            gr_put_string(&k->b, text);
        }
    }
}

static void fixed_slot(maker *k, uint32_t i)
{
    static const uint8_t read_of_kind[GR_ARG_KINDS] = {[GR_ARG_BOOL] = GRI_READ_INT,
                                                       [GR_ARG_INT] = GRI_READ_INT,
                                                       [GR_ARG_UINT] = GRI_READ_UINT,
                                                       [GR_ARG_LONG] = GRI_READ_LONG,
                                                       [GR_ARG_ULONG] = GRI_READ_ULONG};
    const gri_plan_op *op = &k->ops[i];
    uint16_t place = pass(k, op->kind);
    switch (op->code) {
    case GRI_PLAN_BOOL: /* the tag is the value */
        add_step(k, i, GRI_READ_BOOL, place, 0);
        gr_put_bool(&k->b, false);
        break;
    case GRI_PLAN_INT:
        add_step(k, i, (enum gri_plan_read)read_of_kind[op->kind], place, 1);
        gr_put_int(&k->b, 0);
        break;
    case GRI_PLAN_DOUBLE:
        add_step(k, i, GRI_READ_DOUBLE, place, 1);
        gr_put_double(&k->b, 0);
        break;
    default: add_step(k, i, GRI_READ_ADDRESS, place, 1); gr_put_address(&k->b, GR_NO_ADDRESS);
    }
}

static void begin_container(maker *k, bool object)
{
    if (k->b.depth == TEMPLATE_DEPTH_MAX) {
        k->fits = false;
        return;
    }
    k->open[k->b.depth].at = offset_now(k);
    k->open[k->b.depth].first = k->steps_count;
    k->open[k->b.depth].variable = k->variable_count;
    if (object) {
        gr_put_object(&k->b);
    } else {
        gr_put_array(&k->b);
    }
}

static void end_container(maker *k)
{
    gr_put_end(&k->b);
    if (gr_build_error(&k->b, NULL)) return;
    uint32_t at = k->open[k->b.depth].at;
    uint16_t first = k->open[k->b.depth].first, before = k->open[k->b.depth].variable;
    if (before == k->variable_count) return;
    /* The offsets in an index would depend on the sizes of the slots. */
    if (k->containers_count == TEMPLATE_CONTAINERS_MAX || k->b.base[at] == GRI_TAG_OBJECT_INDEXED) {
        k->fits = false;
        return;
    }
    gri_plan_container *container = &k->containers[k->containers_count++];
    container->at = at - before;
    container->bytes = offset_now(k) - at - (uint32_t)(k->variable_count - before);
    container->first = first;
    container->end = k->steps_count;
}

static void add_to_template(maker *k, uint32_t i)
{
    switch (k->ops[i].code) {
    case GRI_PLAN_OBJECT: begin_container(k, true); break;
    case GRI_PLAN_ARRAY: begin_container(k, false); break;
    case GRI_PLAN_END: end_container(k); break;
    case GRI_PLAN_NULL: gr_put_null(&k->b); break;
    case GRI_PLAN_KEY:
    case GRI_PLAN_STRING: text_slot(k, i); break;
    case GRI_PLAN_BOOL:
    case GRI_PLAN_INT:
    case GRI_PLAN_DOUBLE:
    case GRI_PLAN_ADDRESS: fixed_slot(k, i); break;
    case GRI_PLAN_BYTES: variable_slot(k, i, GRI_READ_BYTES); break;
    case GRI_PLAN_VALUE: variable_slot(k, i, GRI_READ_VALUE); break;
    default: k->fits = false;
    }
}

/* The template without the nulls that hold the places of variable slots. */
static size_t close_gaps(const maker *k, const unsigned char *body, size_t bytes, unsigned char *kept)
{
    size_t from = 0, to = 0;
    for (unsigned i = 0, taken_out = 0; i < k->steps_count; i++) {
        if (k->steps[i].read < GRI_READ_TEXT) continue;
        size_t place = k->steps[i].at + taken_out++;
        memcpy(kept + to, body + from, place - from);
        to += place - from;
        from = place + 1;
    }
    memcpy(kept + to, body + from, bytes - from);
    return to + bytes - from;
}

/* The slots in the order in which they are quickest to fill in, if there are only such that need no look at what is given. */
static void keep_words(gri_plan *plan, const maker *k, gri_plan_word *words)
{
    uint16_t count = 0;
    for (unsigned pass = 0; pass < 2; pass++) {
        for (uint16_t i = 0; i < k->steps_count; i++) {
            const gri_plan_step *step = &k->steps[i];
            const bool is_int = step->read == GRI_READ_INT;
            if (!is_int && step->read != GRI_READ_LONG && step->read != GRI_READ_ADDRESS) return;
            if (is_int == (pass == 1)) words[count++] = (gri_plan_word){step->at, step->place};
        }
        if (pass == 0) plan->words_long = count;
    }
    plan->words_count = count;
    plan->words = words;
}

static void keep_line(gri_plan *plan)
{
    if (!GRI_ARGUMENTS_IN_PLACE || !plan->words || plan->template_bytes > sizeof plan->line) return;
    GRI_ASSERT(plan->words_count <= 1); /* an integer takes nine bytes, and what is around two of them some more */
    plan->is_line = true;
    if (plan->words_count == 1) {
        plan->line_bytes = plan->words_long == 1 ? 8 : 4;
        plan->line_word = plan->words[0];
    }
    const struct gr_message envelope = {.kind = GRI_MESSAGE_CAST, .body_bytes = plan->template_bytes};
    memcpy(&plan->line_head, (const char *)&envelope + offsetof(struct gr_message, kind), sizeof plan->line_head);
    memcpy(plan->line, plan->bytes, plan->template_bytes);
}

static int keep_template(gri_plan *plan, const maker *k, const unsigned char *body, size_t bytes)
{
    size_t words_bytes = k->steps_count * sizeof(gri_plan_word);
    size_t steps_bytes = k->steps_count * sizeof(gri_plan_step), slots_bytes = k->steps_count * sizeof(gri_plan_slot);
    size_t containers_bytes = k->containers_count * sizeof(gri_plan_container);
    unsigned char *memory = malloc(steps_bytes + slots_bytes + containers_bytes + words_bytes + bytes + 1);
    if (!memory) return GR_ENOMEM;
    gri_plan_slot *fixed = (gri_plan_slot *)(void *)(memory + steps_bytes);
    gri_plan_slot *variable = fixed + (k->steps_count - k->variable_count);
    unsigned char *containers = memory + steps_bytes + slots_bytes, *words = containers + containers_bytes;
    unsigned char *kept = words + words_bytes;
    memcpy(memory, k->steps, steps_bytes);
    memcpy(containers, k->containers, containers_bytes);
    plan->memory = memory;
    plan->steps = (const gri_plan_step *)(const void *)memory;
    plan->fixed = fixed;
    plan->variable = variable;
    plan->containers = (const gri_plan_container *)(const void *)containers;
    plan->bytes = kept;
    plan->template_bytes = (uint32_t)close_gaps(k, body, bytes, kept);
    plan->steps_count = k->steps_count;
    plan->fixed_count = (uint16_t)(k->steps_count - k->variable_count);
    plan->variable_count = k->variable_count;
    plan->containers_count = k->containers_count;
    plan->doubles_count = k->doubles;
    keep_words(plan, k, (gri_plan_word *)(void *)words);
    for (uint16_t i = 0; i < k->steps_count; i++) {
        gri_plan_slot **next = k->steps[i].read < GRI_READ_TEXT ? &fixed : &variable;
        *(*next)++ = (gri_plan_slot){.at = k->steps[i].at, .slot = i, .read = k->steps[i].read};
    }
    return 0;
}

/* 0 too if there is no template for this format, or if its constants are wrong: the operations then say what is. */
static int make_template(gri_plan *plan, const gr_site *site, gri_arguments *args)
{
    maker k = {.ops = plan->ops, .fits = true};
    gr_message *made = NULL;
    int error = 0;
    va_copy(k.args.list, args->list);
    plan->types = site->types;
    plan->arguments_count = site->count;
    gr_build(&k.b);
    for (uint32_t i = 0; i < plan->ops_count && k.fits && !error; i++) {
        add_to_template(&k, i);
        error = gr_build_error(&k.b, NULL);
    }
    va_end(k.args.list);
    if (k.fits) {
        error = gr_build_message(&k.b, &made);
        if (!error) error = keep_template(plan, &k, gr_body(made).at, made->body_bytes);
        if (!error && site->literal) keep_line(plan);
        gr_message_free(&made);
    } else {
        gr_build_cancel(&k.b);
    }
    return error == GR_ENOMEM || error == GR_EFULL ? error : 0;
}

/* ---- the whole ---- */

int gri_plan_compile(const gr_site *site, const char *format, gri_arguments *args, gri_plan **ret_plan,
                     uint64_t *ret_stolen, gr_detail *ret_detail)
{
    parser p = {.depth = 0};
    int error = gri_format_begin(&p.format, site, format, ret_detail);
    if (!error) error = parse(&p);
    if (error) return error;
    *ret_stolen = p.stolen;
    size_t ops_bytes = p.ops_count * sizeof(gri_plan_op), format_bytes = strlen(format) + 1;
    gri_plan *plan = calloc(1, sizeof *plan + ops_bytes + format_bytes);
    if (!plan) return GR_ENOMEM;
    plan->ops_count = p.ops_count;
    plan->format = memcpy((char *)plan->ops + ops_bytes, format, format_bytes);
    p = (parser){.ops = plan->ops};
    error = gri_format_begin(&p.format, site, format, ret_detail);
    if (!error) error = parse(&p);
    GRI_ASSERT(error == 0 && p.ops_count == plan->ops_count);
    if (site && !p.stolen) error = make_template(plan, site, args);
    if (error) {
        gri_plan_free(plan);
        return error;
    }
    *ret_plan = plan;
    return 0;
}
