/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Of the faults of a run that failed, those that are enough: halves are left out, then quarters, then single ones (Zeller's delta
 * debugging, without its complements: a fault that is left out changes what comes after it, so what happened in the shorter
 * run, not what was left of the list, is where the next step begins). Any failure counts, not only the first one's. */
#include "observe/attempt.h"

#include <string.h>

#define TRIES_MOST 500 /* guess: seconds, where a run takes milliseconds */

/* The plan that makes exactly these faults happen, but for `count` from `first`; false: it takes more than a plan has room for. */
static bool plan_without(const gri_fault_record *record, uint32_t first, uint32_t count,
                         char plan[GRI_ATTEMPT_PLAN_BYTES])
{
    gri_fault_record left;
    gri_fault_plan checked;
    memset(&left, 0, sizeof left);
    for (uint32_t i = 0; i < record->happened; i++)
        if (i < first || i >= first + count) left.faults[left.happened++] = record->faults[i];
    return gri_fault_record_print(&left, -1, plan, GRI_ATTEMPT_PLAN_BYTES) < GRI_ATTEMPT_PLAN_BYTES &&
           gri_fault_plan_parse(plan, &checked, NULL);
}

/* One step: a shorter plan that still fails, of those with `count` fewer. What happened is in *record afterwards. */
static int leave_out(gri_attempt *attempt, const gri_attempt_setting *setting, gri_fault_record *record, uint32_t count,
                     unsigned *tries, bool *ret_shorter)
{
    *ret_shorter = false;
    for (uint32_t first = 0; first < record->happened && *tries < TRIES_MOST; first += count) {
        gri_attempt_note best = *attempt->note;
        char plan[GRI_ATTEMPT_PLAN_BYTES];
        bool held;
        memcpy(plan, attempt->plan, sizeof plan);
        if (!plan_without(record, first, count, attempt->plan)) return 0;
        ++*tries;
        int code = gri_attempt_run(attempt, setting, &held);
        if (code != 0) return code;
        if (!held) {
            *record = attempt->note->faults;
            *ret_shorter = true;
            return plan_without(record, 0, 0, attempt->plan) ? 0 : GR_ETOOBIG; /* what was not reached is of no use */
        }
        *attempt->note = best;
        memcpy(attempt->plan, plan, sizeof plan);
    }
    return 0;
}

int gri_attempt_shrink(gri_attempt *attempt, const gri_attempt_setting *setting, bool *ret_steady)
{
    gri_attempt_note first = *attempt->note;
    gri_fault_record record = first.faults;
    char plan[GRI_ATTEMPT_PLAN_BYTES];
    unsigned tries = 0;
    bool held;
    memcpy(plan, attempt->plan, sizeof plan);
    const bool listed = record.happened <= GRI_FAULTS_RECORDED && plan_without(&record, 0, 0, attempt->plan);
    if (!listed) memcpy(attempt->plan, plan, sizeof plan);
    int code = gri_attempt_run(attempt, setting, &held);
    if (code != 0) return code;
    *ret_steady = !held;
    if (held) {
        *attempt->note = first;
        memcpy(attempt->plan, plan, sizeof plan);
        return 0;
    }
    record = attempt->note->faults;
    if (!listed) return 0;
    for (uint32_t count = record.happened; count > 0 && tries < TRIES_MOST;) {
        bool shorter;
        code = leave_out(attempt, setting, &record, count, &tries, &shorter);
        if (code != 0) return code;
        if (!shorter && count == 1) break;
        if (!shorter || count > record.happened) count = record.happened < count ? record.happened : (count + 1) / 2;
    }
    return 0;
}
