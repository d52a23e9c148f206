/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Where plans are kept: at the site that uses them. */
#include "message/plan.h"

#include "base/atomic.h"
#include "message/message.h"
#include "message/unpack_layout.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLANS_PER_SITE_MAX 8 /* guess: formats made at run time that repeat are few */

void gri_plan_free(gri_plan *plan)
{
    if (!plan) return;
    gri_layouts_free(plan);
    free(plan->memory);
    free(plan);
}

GRI_INLINE gri_atomic_ptr *plans_of(gr_site *site)
{
    return (gri_atomic_ptr *)(void *)&site->plan;
}

static void drop_stolen(const gr_site *site, gri_arguments *args, uint64_t stolen)
{
    for (unsigned i = 0; site && i < site->count && stolen >> i; i++) {
        if (stolen >> i & 1) {
            json_decref(va_arg(args->list, json_t *));
        } else {
            gri_arguments_skip(args, site->types[i]);
        }
    }
}

/* Keeps the plan at its site, unless there are enough already or another thread was first with the same. */
static void publish(gr_site *site, gri_plan *made, gri_plan_found *f)
{
    /* mo:plan.find acquire <- plan.publish release: the plan */
    void *first = gri_load_acquire(plans_of(site));
    for (;;) {
        unsigned count = 0;
        for (const gri_plan *p = first; p; p = p->next, count++) {
            if (strcmp(p->format, made->format) == 0) {
                f->plan = p;
                gri_plan_free(made);
                return;
            }
        }
        f->plan = made;
        if (count >= PLANS_PER_SITE_MAX) {
            f->own = made;
            return;
        }
        made->next = first;
        /* mo:plan.publish release -> plan.find acquire: the plan. The failure order is acquire: it reads another's plan. */
        if (gri_cas_weak_acq_rel_acquire_fail(plans_of(site), &first, made)) return;
    }
}

static int make_plan(gr_site *site, const char *format, va_list list, gri_plan_compiler *compile, gr_detail *ret_detail,
                     gri_plan_found *f)
{
    gri_plan *made = NULL;
    uint64_t stolen = 0;
    gri_arguments args;
    va_copy(args.list, list);
    int error = compile(site, format, &args, &made, &stolen, ret_detail);
    if (!error) {
        f->plan = f->own = made;
        if (site) {
            f->own = NULL;
            publish(site, made, f);
        }
    } else if (error == GR_ENOMEM || error == GR_EFULL) {
        if (ret_detail) {
            *ret_detail = (gr_detail){.line = 0};
            (void)snprintf(ret_detail->text, sizeof ret_detail->text, "%s", gr_error_text(error));
        }
        drop_stolen(site, &args, stolen);
    }
    va_end(args.list);
    return error;
}

GRI_NOINLINE int gri_plan_find_slowly(gr_site *site, const char *format, va_list list, gri_plan_compiler *compile,
                                      gr_detail *ret_detail, gri_plan_found *f)
{
    if (site) {
        /* mo:plan.find acquire <- plan.publish release: the plan */
        const gri_plan *plan = gri_load_acquire(plans_of(site));
        if (!site->literal)
            while (plan && (!format || strcmp(plan->format, format) != 0)) plan = plan->next;
        if (plan) {
            *f = (gri_plan_found){plan, NULL};
            return 0;
        }
    }
    return make_plan(site, format, list, compile, ret_detail, f);
}
