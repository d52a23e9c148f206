/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "greenroom/knobs.h"

#include <greenroom.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* In the order in which they are tried: what changes most comes first. Values are guesses around the defaults. */
static const struct row {
    const char *variable, *values[KNOB_VALUES_MAX];
} rows[] = {
    {"GREENROOM_WORKERS", {NULL}}, /* from the machine */
    {"GREENROOM_BIND", {"none", "core", "pu", "numa"}},
    {"GREENROOM_SPIN_US", {"0", "5", "30", "100", "500", "2000"}},
    {"GREENROOM_STEAL", {"distance", "random", "none"}},
    {"GREENROOM_SLICE_US", {"200", "1000", "5000", "20000"}},
    {"GREENROOM_STUCK_MS", {"5", "20", "100", "1000"}},
    {"GREENROOM_BLOCKING_THREADS", {"4", "32", "128"}},
};

enum { ROWS = sizeof rows / sizeof *rows };

static unsigned cpus(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1024;
}

/* Powers of two below the CPUs, three quarters of them, all but one, all. */
static size_t worker_counts(const char **ret_values)
{
    static char texts[KNOB_VALUES_MAX][8];
    unsigned all = cpus(), counts[KNOB_VALUES_MAX], count = 0, step = all > 256 ? 4 : 2;
    for (unsigned n = 1; n < all && count < KNOB_VALUES_MAX - 3; n *= step) counts[count++] = n;
    unsigned others[] = {all * 3 / 4, all - 1, all};
    for (size_t i = 0; i < 3; i++)
        if (others[i] > (count ? counts[count - 1] : 0)) counts[count++] = others[i];
    for (unsigned i = 0; i < count; i++) {
        snprintf(texts[i], sizeof texts[i], "%u", counts[i] % 10000);
        ret_values[i] = texts[i];
    }
    return count;
}

static bool find_setting(const char *variable, gr_setting_info *ret_info)
{
    for (size_t i = 0; gr_setting_read(i, ret_info) == 0; i++)
        if (strcmp(ret_info->variable, variable) == 0) return true;
    return false;
}

size_t knobs_find(knob *knobs)
{
    static gr_setting_info infos[ROWS];
    size_t count = 0;
    for (size_t r = 0; r < ROWS; r++) {
        if (!find_setting(rows[r].variable, &infos[r])) continue;
        knob *k = &knobs[count++];
        *k = (knob){.variable = rows[r].variable, .in_force = infos[r].value, .chosen = KNOB_AS_IT_IS};
        if (strcmp(k->variable, "GREENROOM_WORKERS") == 0) {
            k->count = worker_counts(k->values);
            /* Which is what auto means, unless a quota says less. */
            if (strcmp(k->in_force, "auto") == 0 && k->count > 1) k->count--;
        } else {
            for (; k->count < KNOB_VALUES_MAX && rows[r].values[k->count]; k->count++)
                k->values[k->count] = rows[r].values[k->count];
        }
    }
    return count;
}

const char *knob_value(const knob *k)
{
    return k->chosen == KNOB_AS_IT_IS ? k->in_force : k->values[k->chosen];
}
