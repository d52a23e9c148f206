/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Running plans: by their template where they have one (plan_template.c), else operation by operation. */
#include "message/plan.h"

#include "message/build.h"
#include "message/jansson.h"

#include <stdlib.h>
#include <string.h>

/* ---- operations ---- */

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
        if (!part && !(op->flags & (GRI_PLAN_OR_NULL | GRI_PLAN_OR_NOTHING)))
            gri_build_fail(r->b, GR_EINVAL, " is NULL");
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

/* ---- where a value can go ---- */

static int run_list(const gri_plan *plan, gr_builder *b, va_list list, gr_detail *ret_detail)
{
    gri_arguments args;
    va_copy(args.list, list);
    int error = run_ops(plan, b, &args, ret_detail);
    va_end(args.list);
    return error;
}

static GRI_NOINLINE int message_by_ops(const gri_plan *plan, va_list list, size_t before, gr_message **ret_message,
                                       gr_detail *ret_detail)
{
    gr_builder b;
    gri_build_behind(&b, before);
    int error = run_list(plan, &b, list, ret_detail);
    if (error) {
        gr_build_cancel(&b);
        return error;
    }
    error = before ? gri_build_message_behind(&b, ret_message) : gr_build_message(&b, ret_message);
    if (error && ret_detail) gri_build_explain(&b, ret_detail);
    return error;
}

int gri_pack_inside(gr_site *site, const char *format, va_list list, size_t before, gr_message **ret_message,
                    gr_detail *ret_detail)
{
    gri_plan_found f;
    int error = gri_plan_find(site, format, list, gri_plan_compile, ret_detail, &f);
    if (GRI_UNLIKELY(error)) return error;
    error = GRI_LIKELY(f.plan->bytes != NULL) ? gri_template_message(f.plan, list, before, ret_message, ret_detail)
                                              : message_by_ops(f.plan, list, before, ret_message, ret_detail);
    gri_plan_done(&f);
    return error;
}

int gri_pack_message(gr_site *site, const char *format, va_list list, gr_message **ret_message, gr_detail *ret_detail)
{
    return gri_pack_inside(site, format, list, 0, ret_message, ret_detail);
}

int gri_plan_run(gr_builder *b, gr_site *site, const char *format, va_list list, gr_detail *ret_detail)
{
    gri_plan_found f;
    int error = gri_plan_find(site, format, list, gri_plan_compile, ret_detail, &f);
    if (error) {
        gri_build_fail(b, error, "a format call failed");
        return error;
    }
    error = gri_template_fits(f.plan, b) ? gri_template_put(f.plan, list, b, ret_detail)
                                         : run_list(f.plan, b, list, ret_detail);
    gri_plan_done(&f);
    return error;
}
