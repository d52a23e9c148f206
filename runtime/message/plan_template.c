/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Templates at work: arguments into slots, slots into bytes (see plan.h). */
#include "message/plan.h"

#include "base/check.h"
#include "message/arguments.h"
#include "message/build.h"
#include "message/message.h"
#include "message/utf8.h"
#include "message/value.h"

#include <stdio.h>

/* ---- arguments to slots ---- */

typedef struct slot {
    union {
        uint64_t bits;
        const void *at;
    };
    uint32_t bytes;  /* of the text or value at `at` */
    uint32_t before; /* variable bytes in front of it */
} slot;

typedef struct target {
    const gri_plan *plan;
    gr_detail *ret_detail;
    unsigned depth; /* containers around the whole */
    size_t before;  /* bytes in front of it */
} target;

static GRI_COLD int refuse(const target *t, const gri_plan_step *step, int code, const char *why)
{
    const gri_plan_op *op = &t->plan->ops[step->op];
    return gri_format_explain(t->plan->format, t->ret_detail, code, op->argument, op->offset, "%s", why);
}

/* What is wrong with a text: 0 or an error. Not inlined: it calls. */
static GRI_COLD int refuse_text(const target *t, const gri_plan_step *step, const char *text, size_t bytes)
{
    if (bytes == SIZE_MAX) return refuse(t, step, GR_EINVAL, " has a negative length");
    if (!text) return step->flags & GRI_PLAN_OR_NULL ? 0 : refuse(t, step, GR_EINVAL, " is NULL");
    if (bytes > GRI_VALUE_BYTES_MAX) return refuse(t, step, GR_ETOOBIG, " is too big");
    return gri_utf8_valid(text, bytes) ? 0 : refuse(t, step, GR_EINVAL, " is not valid UTF-8");
}

static GRI_COLD int refuse_bytes(const target *t, const gri_plan_step *step, const void *at, size_t bytes)
{
    if (bytes == SIZE_MAX) return refuse(t, step, GR_EINVAL, " has a negative length");
    if (bytes > GRI_VALUE_BYTES_MAX) return refuse(t, step, GR_ETOOBIG, " is too big");
    return at || bytes == 0 ? 0 : refuse(t, step, GR_EINVAL, " is NULL");
}

static int check_value(const target *t, const gri_plan_step *step, gr_value value)
{
    if (GRI_UNLIKELY(!value.at)) return refuse(t, step, GR_EINVAL, " is a missing value");
    unsigned around = t->depth + step->depth;
    if (GRI_UNLIKELY(around + gri_value_size(value.at) / GRI_CONTAINER_BYTES > GRI_VALUE_DEPTH_MAX) &&
        around + gri_value_depth(value.at) > GRI_VALUE_DEPTH_MAX)
        return refuse(t, step, GR_EDEPTH, " is nested too deeply");
    return 0;
}

/* The argument of a fixed slot. */
GRI_INLINE int read_fixed(const target *t, const gri_plan_step *step, const gri_argument_places *places,
                          uint64_t *ret_bits)
{
    if (GRI_UNLIKELY(step->read == GRI_READ_DOUBLE)) {
        uint64_t bits = *ret_bits = gri_argument_double(places, step->place);
        return GRI_UNLIKELY((bits >> 52 & 0x7ff) == 0x7ff) ? refuse(t, step, GR_EINVAL, " is not finite") : 0;
    }
    uint64_t word = gri_argument_word(places, step->place);
    switch (step->read) {
    case GRI_READ_INT: word = (uint64_t)(int64_t)(int32_t)word; break;
    case GRI_READ_UINT: word = (uint32_t)word; break;
    case GRI_READ_BOOL: word = (uint32_t)word ? GRI_TAG_TRUE : GRI_TAG_FALSE; break;
    case GRI_READ_ULONG:
        if (GRI_UNLIKELY(word > INT64_MAX)) return refuse(t, step, GR_ERANGE, " is above INT64_MAX");
        break;
    default: break;
    }
    *ret_bits = word;
    return 0;
}

/* The length behind a text or bytes; SIZE_MAX if it is negative. */
GRI_INLINE size_t size_word(const gri_plan_step *step, const gri_argument_places *places)
{
    uint64_t word = gri_argument_word(places, step->place + 1u);
    if (step->size_kind == GR_ARG_UINT) return (uint32_t)word;
    int64_t bytes = step->size_kind == GR_ARG_INT ? (int32_t)word : (int64_t)word;
    return bytes < 0 ? SIZE_MAX : (size_t)bytes;
}

/* The argument of a variable slot; *variable grows by what it takes. */
GRI_INLINE int read_variable(const target *t, const gri_plan_step *step, const gri_argument_places *places, slot *s,
                             uint64_t *variable)
{
    const void *at = s->at = (const void *)(uintptr_t)gri_argument_word(places, step->place);
    if (GRI_LIKELY(step->read == GRI_READ_TEXT)) {
        size_t bytes = step->flags & GRI_PLAN_SIZED ? size_word(step, places) : at ? strlen(at) : 0;
        if (GRI_UNLIKELY(!at || bytes > GRI_VALUE_BYTES_MAX || !gri_is_ascii(at, bytes))) {
            int error = refuse_text(t, step, at, bytes);
            if (error) return error;
        }
        s->bytes = (uint32_t)bytes;
        *variable += !at ? 1 : bytes + (bytes <= GRI_STRING_SHORT_MAX ? 3 : 6);
        return 0;
    }
    if (step->read == GRI_READ_BYTES) {
        size_t bytes = size_word(step, places);
        if (GRI_UNLIKELY(bytes > GRI_VALUE_BYTES_MAX || !at)) {
            int error = refuse_bytes(t, step, at, bytes);
            if (error) return error;
        }
        s->bytes = (uint32_t)bytes;
        *variable += bytes + (bytes <= GRI_STRING_SHORT_MAX ? 2 : 5);
        return 0;
    }
    int error = check_value(t, step, (gr_value){at});
    if (error) return error;
    s->bytes = (uint32_t)gri_value_size(at);
    *variable += s->bytes;
    return 0;
}

/* Reads every argument, checks it, and adds up the sizes. */
static int read_slots(const target *t, const gri_argument_places *places, slot *slots, uint64_t *ret_variable)
{
    const gri_plan_step *step = t->plan->steps, *end = step + t->plan->steps_count;
    uint64_t variable = 0;
    for (; step < end; step++, slots++) {
        slots->before = (uint32_t)variable;
        int error = step->read < GRI_READ_TEXT ? read_fixed(t, step, places, &slots->bits)
                                               : read_variable(t, step, places, slots, &variable);
        if (GRI_UNLIKELY(error)) return error;
    }
    *ret_variable = variable;
    /* 48 slots of 2^30 bytes do not overflow the sum; `before` may have, but then it is not used. */
    if (GRI_LIKELY(variable + t->before <= GRI_VALUE_BYTES_MAX - t->plan->template_bytes)) return 0;
    return refuse(t, end - 1, GR_ETOOBIG, " makes the value too big");
}

/* ---- slots to bytes ---- */

GRI_INLINE void fill_fixed(unsigned char *at, unsigned read, uint64_t bits)
{
    if (GRI_UNLIKELY(read == GRI_READ_BOOL)) {
        *at = (unsigned char)bits;
    } else {
        gri_store64(at, bits);
    }
}

GRI_INLINE unsigned char *fill_variable(unsigned char *to, unsigned read, const slot *s)
{
    if (read == GRI_READ_VALUE) {
        gri_copy_short(to, s->at, s->bytes);
        return to + s->bytes;
    }
    bool text = read == GRI_READ_TEXT;
    if (GRI_UNLIKELY(!s->at) && text) {
        *to = GRI_TAG_NULL;
        return to + 1;
    }
    if (GRI_LIKELY(s->bytes <= GRI_STRING_SHORT_MAX)) {
        *to++ = text ? GRI_TAG_STRING : GRI_TAG_BYTES;
        *to++ = (unsigned char)s->bytes;
    } else {
        *to++ = text ? GRI_TAG_STRING_LONG : GRI_TAG_BYTES_LONG;
        gri_store32(to, s->bytes);
        to += 4;
    }
    if (GRI_LIKELY(s->bytes > 0)) gri_copy_short(to, s->at, s->bytes);
    to += s->bytes;
    if (text) *to++ = '\0';
    return to;
}

static void emit(const gri_plan *plan, const slot *slots, uint32_t variable, unsigned char *to)
{
    unsigned char *at = to;
    uint32_t from = 0;
    for (const gri_plan_slot *v = plan->variable, *end = v + plan->variable_count; v < end; v++) {
        gri_copy_short(at, plan->bytes + from, v->at - from);
        at = fill_variable(at + (v->at - from), v->read, &slots[v->slot]);
        from = v->at;
    }
    gri_copy_short(at, plan->bytes + from, plan->template_bytes - from);
    for (const gri_plan_slot *f = plan->fixed, *end = f + plan->fixed_count; f < end; f++)
        fill_fixed(to + f->at + slots[f->slot].before, f->read, slots[f->slot].bits);
    for (const gri_plan_container *c = plan->containers, *end = c + plan->containers_count; c < end; c++) {
        uint32_t before = slots[c->first].before;
        uint32_t through = c->end < plan->steps_count ? slots[c->end].before : variable;
        gri_store32(to + c->at + before + 1, c->bytes + through - before);
    }
}

/* Where all slots are fixed the arguments go straight to their places. */
GRI_INLINE int emit_fixed(const target *t, const gri_argument_places *places, unsigned char *to)
{
    const gri_plan_step *step = t->plan->steps, *end = step + t->plan->steps_count;
    gri_copy_short(to, t->plan->bytes, t->plan->template_bytes);
    for (; step < end; step++) {
        uint64_t bits = 0;
        int error = read_fixed(t, step, places, &bits);
        if (GRI_UNLIKELY(error)) return error;
        fill_fixed(to + step->at, step->read, bits);
    }
    return 0;
}

/* ---- where a value can go ---- */

static GRI_COLD int no_memory(gr_detail *ret_detail)
{
    int error = gri_message_no_memory();
    if (ret_detail) {
        *ret_detail = (gr_detail){.line = 0};
        (void)snprintf(ret_detail->text, sizeof ret_detail->text, "%s", gr_error_text(error));
    }
    return error;
}

static GRI_NOINLINE int message_of_variable(const target *t, const gri_argument_places *places,
                                            gr_message **ret_message)
{
    slot slots[GRI_FORMAT_ARGUMENTS_MAX];
    uint64_t variable;
    int error = read_slots(t, places, slots, &variable);
    if (GRI_UNLIKELY(error)) return error;
    gr_message *m = gri_message_new(t->before + t->plan->template_bytes + variable);
    if (GRI_UNLIKELY(!m)) return no_memory(t->ret_detail);
    emit(t->plan, slots, (uint32_t)variable, gri_message_room(m) + t->before);
    *ret_message = m;
    return 0;
}

/* Apart from the other, whose frame is long: stacks that nobody needs stay untouched. */
GRI_INLINE int message_of_fixed(const target *t, const gri_argument_places *places, gr_message **ret_message)
{
    gr_message *m = gri_message_new(t->before + t->plan->template_bytes);
    if (GRI_UNLIKELY(!m)) return no_memory(t->ret_detail);
    int error = emit_fixed(t, places, gri_message_room(m) + t->before);
    if (GRI_UNLIKELY(error)) {
        gr_message_free(&m);
        return error;
    }
    *ret_message = m;
    return 0;
}

GRI_INLINE int message_by_template(const target *t, const gri_argument_places *places, gr_message **ret_message)
{
    int error = t->plan->variable_count == 0 ? message_of_fixed(t, places, ret_message)
                                             : message_of_variable(t, places, ret_message);
    GRI_FULL_ASSERT(
        error || gri_value_verify(gri_message_room(*ret_message) + t->before, (*ret_message)->body_bytes - t->before));
    return error;
}

static void copy_arguments(const gri_plan *plan, va_list list, gri_argument_copies *copies,
                           gri_argument_places *ret_places)
{
    gri_arguments args;
    va_copy(args.list, list);
    gri_arguments_copy(&args, plan->types, plan->arguments_count, copies, ret_places);
    va_end(args.list);
}

static GRI_NOINLINE int message_from_copies(const target *t, va_list list, gr_message **ret_message)
{
    gri_argument_copies copies;
    gri_argument_places places;
    copy_arguments(t->plan, list, &copies, &places);
    return message_by_template(t, &places, ret_message);
}

/* Apart from the rest, which would have it save registers: nothing can be wrong here but memory. */
static GRI_NOINLINE int message_of_words(const gri_plan *plan, const void *list, size_t before,
                                         gr_message **ret_message, gr_detail *ret_detail)
{
    gr_message *m = gri_message_new(before + plan->template_bytes);
    if (GRI_UNLIKELY(!m)) return no_memory(ret_detail);
    *ret_message = m;
    unsigned char *to = gri_message_room(m) + before;
    gri_copy_short(to, plan->bytes, plan->template_bytes);
    gri_argument_places places;
    (void)gri_arguments_find(list, 0, &places);
    const gri_plan_word *w = plan->words, *longs = w + plan->words_long, *end = w + plan->words_count;
    for (; w < longs; w++) gri_store64(to + w->at, gri_argument_word(&places, w->place));
    for (; w < end; w++) gri_store64(to + w->at, (uint64_t)(int64_t)(int32_t)gri_argument_word(&places, w->place));
    GRI_FULL_ASSERT(gri_value_verify(to, plan->template_bytes));
    return 0;
}

int gri_template_message(const gri_plan *plan, va_list list, size_t before, gr_message **ret_message,
                         gr_detail *ret_detail)
{
    if (GRI_ARGUMENTS_IN_PLACE && GRI_LIKELY(plan->words != NULL))
        return message_of_words(plan, GRI_ARGUMENTS_AT(list), before, ret_message, ret_detail);
    target t = {plan, ret_detail, before > 0, before};
    gri_argument_places places;
    return GRI_LIKELY(gri_arguments_find(GRI_ARGUMENTS_AT(list), plan->doubles_count, &places))
               ? message_by_template(&t, &places, ret_message)
               : message_from_copies(&t, list, ret_message);
}

static int put_template(const target *t, gr_builder *b, const gri_argument_places *places)
{
    slot slots[GRI_FORMAT_ARGUMENTS_MAX];
    uint64_t variable = 0;
    size_t bytes = t->plan->template_bytes;
    int error = 0;
    if (t->plan->variable_count > 0) {
        error = read_slots(t, places, slots, &variable);
        bytes += variable;
    }
    if (!error && !gri_build_room(b, bytes)) return gr_build_error(b, t->ret_detail);
    if (!error && t->plan->variable_count == 0) error = emit_fixed(t, places, b->at);
    if (error) {
        gri_build_fail(b, error, "a format call failed");
        return error;
    }
    if (t->plan->variable_count > 0) emit(t->plan, slots, (uint32_t)variable, b->at);
    b->at += bytes;
    gri_build_placed(b);
    return 0;
}

static GRI_NOINLINE int put_from_copies(const target *t, gr_builder *b, va_list list)
{
    gri_argument_copies copies;
    gri_argument_places places;
    copy_arguments(t->plan, list, &copies, &places);
    return put_template(t, b, &places);
}

int gri_template_put(const gri_plan *plan, va_list list, gr_builder *b, gr_detail *ret_detail)
{
    target t = {plan, ret_detail, b->depth, 0};
    gri_argument_places places;
    return GRI_LIKELY(gri_arguments_find(GRI_ARGUMENTS_AT(list), plan->doubles_count, &places))
               ? put_template(&t, b, &places)
               : put_from_copies(&t, b, list);
}
