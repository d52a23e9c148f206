/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See injected.h. */
#include "inject/injected.h"

#include <errno.h>
#include <netdb.h>

fault_plan *fault_now;
bool fault_live_ignored;

const fault_about fault_calls[FAULT_CALLS_COUNT] = {
#define FAULT_MEMORY_ROW(name, ...) {#name, FAULT_MEMORY_KIND, {__VA_ARGS__}},
#define FAULT_SYSTEM_ROW(name, ...) {#name, FAULT_SYSTEM_KIND, {__VA_ARGS__}},
    FAULT_CALLS(FAULT_MEMORY_ROW, FAULT_SYSTEM_ROW)};

/* All relaxed: counters, and a plan that was complete before the process under test began. */
/* Memory that is used up fails every kind of allocation; a system call that cannot be made fails the same way each time. */
static bool fails_from_now_on(const fault_plan *plan, enum fault_call call)
{
    if (plan->kind == FAULT_MEMORY_KIND) return fault_calls[call].kind == FAULT_MEMORY_KIND;
    return call == plan->point.call;
}

static void record(fault_plan *plan, enum fault_call call, uintptr_t site)
{
    if (plan->kind == FAULT_MEMORY_KIND && fault_calls[call].kind != FAULT_MEMORY_KIND) return;
    uint32_t at = gri_add_relaxed(&plan->recorded, 1);
    if (at < FAULT_POINTS_MAX) plan->points[at] = (fault_point){site, call, 0};
}

int fault_at(enum fault_call call, const void *site)
{
    fault_plan *plan = fault_now;
    if (!plan || !gri_load_relaxed(&plan->armed)) return 0;
    if (plan->mode == FAULT_RECORD) {
        record(plan, call, (uintptr_t)site);
        return 0;
    }
    if ((uintptr_t)site == plan->point.site && call == plan->point.call &&
        gri_add_relaxed(&plan->seen, 1) + 1 == plan->point.occurrence) {
        gri_add_relaxed(&plan->failed, 1);
        return plan->error;
    }
    if (plan->mode != FAULT_ONWARDS || !gri_load_relaxed(&plan->failed)) return 0;
    if (!fails_from_now_on(plan, call)) return 0;
    gri_add_relaxed(&plan->failed, 1);
    return plan->kind == FAULT_MEMORY_KIND ? fault_calls[call].errors[0] : plan->error;
}

void fault_live(int64_t blocks)
{
    if (fault_now && !fault_live_ignored) gri_add_relaxed(&fault_now->live, (uint64_t)blocks);
}
