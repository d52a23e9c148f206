/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "greenroom/workloads.h"

#include <stddef.h>
#include <string.h>

#include "workload_list.h" /* made by the build: GREENROOM_WORKLOADS(X) X(pingpong) X(ring) … */

/* bench/runtime/NAME_bench.c, whose main is renamed. */
#define DECLARE(name) int workload_##name(int argc, char **argv);
#define ROW(name) {#name, workload_##name},
GREENROOM_WORKLOADS(DECLARE)
const workload workloads[] = {GREENROOM_WORKLOADS(ROW){NULL, NULL}};

const workload *workload_find(const char *name)
{
    for (const workload *w = workloads; w->name; w++)
        if (strcmp(w->name, name) == 0) return w;
    return NULL;
}

const char *workload_metric(const workload *w, bool *ret_less_is_better)
{
    *ret_less_is_better = strcmp(w->name, "latency") == 0;
    return *ret_less_is_better ? "\"latency_us\":[^}]*\"p99\":([0-9.]+)" : "\"value\":([0-9.]+)";
}

void workload_shorten(const workload *w, const char **ret_option, const char **ret_value)
{
    static const struct {
        const char *name, *option, *value;
    } rows[] = {{"ubench", "--milliseconds", "300"},
                {"latency", "--questions", "500"},
                {"timers", "--actors", "20000"},
                {"spawn", "--children", "300000"}};
    *ret_option = *ret_value = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].name, w->name) != 0) continue;
        *ret_option = rows[i].option;
        *ret_value = rows[i].value;
    }
}
