/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/plan.h"

#include "base/check.h"
#include "message/build.h"
#include "message/jansson.h"
#include "message/message.h"
#include "message/utf8.h"
#include "message/value.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- templates: arguments to slots ---- */

typedef struct slot {
    union {
        uint64_t bits;
        const void *at;
    };
    uint32_t bytes; /* of the text or value at `at` */
    uint32_t before; /* variable bytes in front of it */
} slot;

typedef struct reader {
    const gri_plan *plan;
    gri_arguments *args;
    gr_detail *ret_detail;
    unsigned depth; /* containers around the whole */
    uint64_t variable; /* bytes of the variable slots so far */
} reader;

static GRI_COLD int refuse(const reader *r, const gri_plan_step *step, int code, const char *why)
{
    const gri_plan_op *op = &r->plan->ops[step->op];
    return gri_format_explain(r->plan->format, r->ret_detail, code, op->argument, op->offset, "%s", why);
}

/* A length argument; SIZE_MAX if it is negative. */
GRI_INLINE size_t read_size(gri_arguments *args, unsigned kind)
{
    if (kind == GR_ARG_ULONG || kind == GR_ARG_LONG) {
        long bytes = va_arg(args->list, long);
        return bytes < 0 ? SIZE_MAX : (size_t)bytes;
    }
    int bytes = va_arg(args->list, int);
    if (kind == GR_ARG_UINT) return (unsigned)bytes;
    return bytes < 0 ? SIZE_MAX : (size_t)bytes;
}

GRI_INLINE int64_t read_int(gri_arguments *args, unsigned kind)
{
    if (kind == GR_ARG_LONG || kind == GR_ARG_ULONG) return va_arg(args->list, long);
    int x = va_arg(args->list, int);
    return kind == GR_ARG_UINT ? (int64_t)(unsigned)x : x;
}

static int read_text(reader *r, const gri_plan_step *step, slot *s)
{
    const char *text = va_arg(r->args->list, const char *);
    size_t bytes;
    if (step->flags & GRI_PLAN_SIZED) {
        bytes = read_size(r->args, step->size_kind);
        if (bytes == SIZE_MAX) return refuse(r, step, GR_EINVAL, " has a negative length");
    } else {
        bytes = text ? strlen(text) : 0;
    }
    s->at = text;
    s->bytes = (uint32_t)bytes;
    if (GRI_UNLIKELY(!text)) {
        if (!(step->flags & GRI_PLAN_OR_NULL)) return refuse(r, step, GR_EINVAL, " is NULL");
        r->variable += 1;
        return 0;
    }
    if (GRI_UNLIKELY(bytes > GRI_VALUE_BYTES_MAX)) return refuse(r, step, GR_ETOOBIG, " is too big");
    if (GRI_UNLIKELY(!gri_is_ascii(text, bytes)) && !gri_utf8_valid(text, bytes))
        return refuse(r, step, GR_EINVAL, " is not valid UTF-8");
    r->variable += bytes + (bytes <= GRI_STRING_SHORT_MAX ? 3 : 6);
    return 0;
}

static int read_bytes(reader *r, const gri_plan_step *step, slot *s)
{
    s->at = va_arg(r->args->list, const void *);
    size_t bytes = read_size(r->args, step->size_kind);
    s->bytes = (uint32_t)bytes;
    if (GRI_UNLIKELY(bytes > GRI_VALUE_BYTES_MAX)) return refuse(r, step, GR_ETOOBIG, " is too big");
    if (GRI_UNLIKELY(!s->at && bytes > 0)) return refuse(r, step, GR_EINVAL, " is NULL");
    r->variable += bytes + (bytes <= GRI_STRING_SHORT_MAX ? 2 : 5);
    return 0;
}

static int read_value(reader *r, const gri_plan_step *step, slot *s)
{
    gr_value value = va_arg(r->args->list, gr_value);
    s->at = value.at;
    if (GRI_UNLIKELY(!value.at)) return refuse(r, step, GR_EINVAL, " is a missing value");
    s->bytes = (uint32_t)gri_value_size(value.at);
    unsigned around = r->depth + step->depth;
    if (GRI_UNLIKELY(around + s->bytes / GRI_CONTAINER_BYTES > GRI_VALUE_DEPTH_MAX) &&
        around + gri_value_depth(value.at) > GRI_VALUE_DEPTH_MAX)
        return refuse(r, step, GR_EDEPTH, " is nested too deeply");
    r->variable += s->bytes;
    return 0;
}

/* Reads every argument, checks it, and adds up the sizes. */
static int read_slots(reader *r, slot *slots)
{
    const gri_plan_step *step = r->plan->steps, *end = step + r->plan->steps_count;
    int error = 0;
    for (; step < end; step++, slots++) {
        slots->before = (uint32_t)r->variable;
        switch (step->code) {
        case GRI_PLAN_KEY: (void)va_arg(r->args->list, const char *); continue;
        case GRI_PLAN_INT: {
            int64_t x = read_int(r->args, step->kind);
            if (GRI_UNLIKELY(x < 0) && step->kind == GR_ARG_ULONG)
                return refuse(r, step, GR_ERANGE, " is above INT64_MAX");
            slots->bits = (uint64_t)x;
            continue;
        }
        case GRI_PLAN_BOOL: slots->bits = va_arg(r->args->list, int) != 0; continue;
        case GRI_PLAN_DOUBLE: {
            double x = va_arg(r->args->list, double);
            memcpy(&slots->bits, &x, sizeof x);
            if (GRI_UNLIKELY((slots->bits >> 52 & 0x7ff) == 0x7ff))
                return refuse(r, step, GR_EINVAL, " is not finite");
            continue;
        }
        case GRI_PLAN_ADDRESS: slots->bits = va_arg(r->args->list, gr_address).id; continue;
        case GRI_PLAN_STRING: error = read_text(r, step, slots); break;
        case GRI_PLAN_BYTES: error = read_bytes(r, step, slots); break;
        default: error = read_value(r, step, slots);
        }
        if (GRI_UNLIKELY(error)) return error;
        if (GRI_UNLIKELY(r->variable > GRI_VALUE_BYTES_MAX - r->plan->template_bytes))
            return refuse(r, step, GR_ETOOBIG, " makes the value too big");
    }
    return 0;
}

/* ---- templates: slots to bytes ---- */

/* memcpy for what is mostly shorter than a cache line. */
GRI_INLINE void copy_short(unsigned char *to, const unsigned char *from, size_t bytes)
{
    if (bytes > 64) {
        memcpy(to, from, bytes);
    } else if (bytes >= 16) {
        for (size_t i = 0; i + 16 < bytes; i += 16) __builtin_memcpy(to + i, from + i, 16);
        __builtin_memcpy(to + bytes - 16, from + bytes - 16, 16);
    } else if (bytes >= 8) {
        uint64_t first = gri_load64(from), last = gri_load64(from + bytes - 8);
        gri_store64(to, first), gri_store64(to + bytes - 8, last);
    } else if (bytes >= 4) {
        uint32_t first = gri_load32(from), last = gri_load32(from + bytes - 4);
        gri_store32(to, first), gri_store32(to + bytes - 4, last);
    } else {
        for (size_t i = 0; i < bytes; i++) to[i] = from[i];
    }
}

GRI_INLINE void fill_fixed(unsigned char *at, const gri_plan_step *step, const slot *s)
{
    if (step->code == GRI_PLAN_BOOL) {
        *at = s->bits ? GRI_TAG_TRUE : GRI_TAG_FALSE;
    } else if (step->code != GRI_PLAN_KEY) {
        gri_store64(at, s->bits);
    }
}

static unsigned char *fill_variable(unsigned char *to, const gri_plan_step *step, const slot *s)
{
    if (step->code == GRI_PLAN_VALUE) {
        copy_short(to, s->at, s->bytes);
        return to + s->bytes;
    }
    bool text = step->code == GRI_PLAN_STRING;
    if (text && GRI_UNLIKELY(!s->at)) {
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
    if (s->bytes > 0) copy_short(to, s->at, s->bytes);
    to += s->bytes;
    if (text) *to++ = '\0';
    return to;
}

static void emit(const gri_plan *plan, const slot *slots, uint32_t variable, unsigned char *to)
{
    const gri_plan_step *steps = plan->steps;
    if (!plan->variable) {
        copy_short(to, plan->bytes, plan->template_bytes);
        for (unsigned i = 0; i < plan->steps_count; i++) fill_fixed(to + steps[i].at, &steps[i], &slots[i]);
        return;
    }
    unsigned char *at = to;
    uint32_t from = 0;
    for (unsigned i = 0; i < plan->steps_count; i++) {
        if (!gri_plan_is_variable(steps[i].code)) continue;
        copy_short(at, plan->bytes + from, steps[i].at - from);
        at = fill_variable(at + (steps[i].at - from), &steps[i], &slots[i]);
        from = steps[i].at;
    }
    copy_short(at, plan->bytes + from, plan->template_bytes - from);
    for (unsigned i = 0; i < plan->steps_count; i++)
        if (!gri_plan_is_variable(steps[i].code)) fill_fixed(to + steps[i].at + slots[i].before, &steps[i], &slots[i]);
    for (unsigned i = 0; i < plan->containers_count; i++) {
        const gri_plan_container *c = &plan->containers[i];
        uint32_t before = slots[c->first].before;
        uint32_t through = c->end < plan->steps_count ? slots[c->end].before : variable;
        gri_store32(to + c->at + before + 1, c->bytes + through - before);
    }
}

/* ---- operations ---- */

typedef struct text {
    const char *at;
    size_t bytes;
    char *joined; /* what to free */
} text;

typedef struct runner {
    gr_builder *b;
    const gri_plan *plan;
    gri_arguments *args;
    gr_detail *ret_detail;
    text key; /* waits for its value to turn up */
    bool key_waits;
} runner;

/* Where, for the error that has just stuck in the builder. */
static GRI_COLD void explain(runner *r, const gri_plan_op *op)
{
    gr_detail why;
    if (!r->ret_detail) return;
    gri_build_explain(r->b, &why);
    if (op->code == GRI_PLAN_END) {
        *r->ret_detail = why;
    } else {
        (void)gri_format_explain(r->plan->format, r->ret_detail, r->b->error, op->argument, op->offset, "%s%s",
                                 why.text[0] == ' ' ? "" : ": ", why.text);
    }
}

/* Reads the parts from ops[0] on; returns how many operations they are. The text is NULL if the argument is. */
static uint32_t gather(runner *r, const gri_plan_op *ops, text *ret_text)
{
    text t = {NULL, 0, NULL};
    uint32_t count = 0;
    for (;; count++) {
        const gri_plan_op *op = &ops[count];
        const char *part = va_arg(r->args->list, const char *);
        size_t bytes = op->flags & GRI_PLAN_SIZED ? read_size(r->args, op->size_kind) : part ? strlen(part) : 0;
        if (bytes == SIZE_MAX) gri_build_fail(r->b, GR_EINVAL, " has a negative length");
        if (!part && !(op->flags & (GRI_PLAN_OR_NULL | GRI_PLAN_OR_NOTHING))) gri_build_fail(r->b, GR_EINVAL, " is NULL");
        if (r->b->state == GRI_BUILD_FAILED) bytes = 0;
        if (count == 0 && !(op->flags & GRI_PLAN_MORE)) {
            t.at = part;
            t.bytes = bytes;
        } else if (bytes > GRI_VALUE_BYTES_MAX - t.bytes) {
            gri_build_fail(r->b, GR_ETOOBIG, " is too big");
        } else {
            char *joined = realloc(t.joined, t.bytes + bytes + 1);
            if (!joined) {
                gri_build_fail(r->b, GR_ENOMEM, gr_error_text(GR_ENOMEM));
            } else {
                if (bytes > 0) memcpy(joined + t.bytes, part, bytes);
                t.bytes += bytes;
                t.at = t.joined = joined;
            }
        }
        if (!(op->flags & GRI_PLAN_MORE)) break;
    }
    *ret_text = t;
    return count + 1;
}

static void drop_key(runner *r)
{
    free(r->key.joined);
    r->key = (text){NULL, 0, NULL};
    r->key_waits = false;
}

/* Before a value: its key, if that waits. */
static void put_waiting_key(runner *r)
{
    if (!r->key_waits) return;
    gr_put_key_n(r->b, r->key.at, r->key.bytes);
    drop_key(r);
}

/* For a NULL of an argument that says what NULL means. */
static void put_nothing(runner *r, const gri_plan_op *op)
{
    if (op->flags & GRI_PLAN_OR_NULL) {
        put_waiting_key(r);
        gr_put_null(r->b);
    } else if (!(op->flags & GRI_PLAN_OR_NOTHING) || r->b->depth == 0) {
        gri_build_fail(r->b, GR_EINVAL, " is NULL");
    } else {
        drop_key(r);
    }
}

static uint32_t run_text(runner *r, const gri_plan_op *op)
{
    text t;
    uint32_t count = gather(r, op, &t);
    if (op->code == GRI_PLAN_KEY && (op->flags & GRI_PLAN_KEY_MAYBE)) {
        r->key = t;
        r->key_waits = true;
        return count;
    }
    if (!t.at) {
        put_nothing(r, op);
    } else if (op->code == GRI_PLAN_KEY) {
        gr_put_key_n(r->b, t.at, t.bytes);
    } else {
        put_waiting_key(r);
        gr_put_string_n(r->b, t.at, t.bytes);
    }
    free(t.joined);
    return count;
}

static void run_json(runner *r, const gri_plan_op *op)
{
    json_t *json = va_arg(r->args->list, json_t *);
    if (!json) {
        put_nothing(r, op);
        return;
    }
    put_waiting_key(r);
    if (r->b->state != GRI_BUILD_FAILED) gri_put_json(r->b, json);
    if (op->flags & GRI_PLAN_STEALS) json_decref(json);
}

static uint32_t run_op(runner *r, const gri_plan_op *op)
{
    gr_builder *b = r->b;
    switch (op->code) {
    case GRI_PLAN_OBJECT: gr_put_object(b); break;
    case GRI_PLAN_ARRAY: gr_put_array(b); break;
    case GRI_PLAN_END: gr_put_end(b); break;
    case GRI_PLAN_NULL: gr_put_null(b); break;
    case GRI_PLAN_BOOL: gr_put_bool(b, va_arg(r->args->list, int) != 0); break;
    case GRI_PLAN_INT: {
        int64_t x = read_int(r->args, op->kind);
        if (x < 0 && op->kind == GR_ARG_ULONG) gri_build_fail(b, GR_ERANGE, " is above INT64_MAX");
        gr_put_int(b, x);
        break;
    }
    case GRI_PLAN_DOUBLE: gr_put_double(b, va_arg(r->args->list, double)); break;
    case GRI_PLAN_ADDRESS: gr_put_address(b, va_arg(r->args->list, gr_address)); break;
    case GRI_PLAN_BYTES: {
        const void *at = va_arg(r->args->list, const void *);
        gr_put_bytes(b, at, read_size(r->args, op->size_kind));
        break;
    }
    case GRI_PLAN_VALUE: gr_put_value(b, va_arg(r->args->list, gr_value)); break;
    case GRI_PLAN_JSON: run_json(r, op); break;
    default: return run_text(r, op);
    }
    return 1;
}

/* Goes through every operation even after an error: references are taken over in any case. */
static int run_ops(const gri_plan *plan, gr_builder *b, gri_arguments *args, gr_detail *ret_detail)
{
    runner r = {.b = b, .plan = plan, .args = args, .ret_detail = ret_detail};
    bool failed = gr_build_error(b, ret_detail) != 0; /* before we came */
    for (uint32_t i = 0; i < plan->ops_count;) {
        const gri_plan_op *op = &plan->ops[i];
        i += run_op(&r, op);
        if (GRI_UNLIKELY(b->state == GRI_BUILD_FAILED) && !failed) {
            failed = true;
            explain(&r, op);
        }
    }
    drop_key(&r);
    return failed ? b->error : 0;
}

/* ---- the three places where a value can go ---- */

static GRI_NOINLINE int pack_message_slowly(const gri_plan *plan, gri_arguments *args, gr_message **ret_message,
                                            gr_detail *ret_detail)
{
    gr_builder b;
    gr_build(&b);
    int error = run_ops(plan, &b, args, ret_detail);
    if (error) {
        gr_build_cancel(&b);
        return error;
    }
    error = gr_build_message(&b, ret_message);
    if (error && ret_detail) gri_build_explain(&b, ret_detail);
    return error;
}

static GRI_COLD int no_memory(gr_detail *ret_detail)
{
    int error = gri_message_no_memory();
    if (ret_detail) {
        *ret_detail = (gr_detail){.line = 0};
        (void)snprintf(ret_detail->text, sizeof ret_detail->text, "%s", gr_error_text(error));
    }
    return error;
}

int gri_pack_message(gr_site *site, const char *format, va_list list, gr_message **ret_message, gr_detail *ret_detail)
{
    gri_arguments args;
    gri_plan_found f;
    va_copy(args.list, list);
    int error = gri_plan_find(site, format, &args, gri_plan_compile, ret_detail, &f);
    if (error) goto end;
    if (GRI_LIKELY(f.plan->bytes != NULL)) {
        slot slots[GRI_FORMAT_ARGUMENTS_MAX];
        reader r = {f.plan, &args, ret_detail, 0, 0};
        error = read_slots(&r, slots);
        if (error) goto plan;
        gr_message *m = gri_message_new(f.plan->template_bytes + r.variable);
        if (GRI_UNLIKELY(!m)) {
            error = no_memory(ret_detail);
            goto plan;
        }
        emit(f.plan, slots, (uint32_t)r.variable, gri_message_room(m));
        GRI_FULL_ASSERT(gri_value_verify(gri_message_room(m), m->body_bytes));
        *ret_message = m;
    } else {
        error = pack_message_slowly(f.plan, &args, ret_message, ret_detail);
    }
plan:
    gri_plan_done(&f);
end:
    va_end(args.list);
    return error;
}

int gri_plan_run(gr_builder *b, gr_site *site, const char *format, va_list list, gr_detail *ret_detail)
{
    gri_arguments args;
    gri_plan_found f;
    va_copy(args.list, list);
    int error = gri_plan_find(site, format, &args, gri_plan_compile, ret_detail, &f);
    if (error) {
        gri_build_fail(b, error, "a format call failed");
        goto end;
    }
    if (f.plan->bytes && b->depth < GRI_VALUE_DEPTH_MAX / 2 && gri_build_expects_value(b)) {
        slot slots[GRI_FORMAT_ARGUMENTS_MAX];
        reader r = {f.plan, &args, ret_detail, b->depth, 0};
        error = read_slots(&r, slots);
        size_t bytes = f.plan->template_bytes + r.variable;
        if (error) {
            gri_build_fail(b, error, "a format call failed");
        } else if (gri_build_room(b, bytes)) {
            emit(f.plan, slots, (uint32_t)r.variable, b->at);
            b->at += bytes;
            gri_build_placed(b);
        } else {
            error = gr_build_error(b, ret_detail);
        }
    } else {
        error = run_ops(f.plan, b, &args, ret_detail);
    }
    gri_plan_done(&f);
end:
    va_end(args.list);
    return error;
}
