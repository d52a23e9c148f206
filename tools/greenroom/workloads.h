/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The programs of bench/runtime, compiled in: what greenroom tune measures without a command of the user's. */
#ifndef GREENROOM_WORKLOADS_H
#define GREENROOM_WORKLOADS_H

#include <stdbool.h>

typedef struct workload {
    const char *name;
    int (*main)(int argc, char **argv);
} workload;

extern const workload workloads[]; /* ends with a NULL name */

const workload *workload_find(const char *name);

/* What of its line of JSON counts: an extended regular expression with a group. */
const char *workload_metric(const workload *w, bool *ret_less_is_better);

/* The usual number of its operations takes too long to be repeated a hundred times: options that make it shorter, or NULLs. */
void workload_shorten(const workload *w, const char **ret_option, const char **ret_value);

#endif
