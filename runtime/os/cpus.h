/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A set of CPU numbers, as the kernel counts them: affinity masks and GREENROOM_BIND lists.
 *
 * A plain value, copied by assignment. Holds CPUs 0 … GRI_CPUS_MAX - 1, which is what the largest kernels are built
 * for. */
#ifndef GRI_OS_CPUS_H
#define GRI_OS_CPUS_H

#include "base/bits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRI_CPUS_MAX 8192u
#define GRI_CPUS_NONE UINT32_MAX

typedef struct gri_cpus {
    uint64_t words[GRI_CPUS_MAX / 64];
} gri_cpus;

void gri_cpus_clear(gri_cpus *cpus);
/* Out-of-range numbers are not added and never found. */
void gri_cpus_add(gri_cpus *cpus, uint32_t cpu);
bool gri_cpus_has(const gri_cpus *cpus, uint32_t cpu);
unsigned gri_cpus_count(const gri_cpus *cpus);
/* The lowest member >= from, or GRI_CPUS_NONE. */
uint32_t gri_cpus_next(const gri_cpus *cpus, uint32_t from);

bool gri_cpus_equal(const gri_cpus *a, const gri_cpus *b);
/* Every member of `inner` is in `outer`. */
bool gri_cpus_within(const gri_cpus *inner, const gri_cpus *outer);

/* "0,2,4-7" in the order written, without blanks. Writes up to `capacity` numbers to `ret_order` (may be NULL with 0)
 * and their number to ret_count. 0; GR_ESYNTAX for bad syntax or a reversed range; GR_ERANGE for a number >=
 * GRI_CPUS_MAX; GR_EEXISTS for a number given twice; GR_ETOOBIG when capacity does not suffice. */
int gri_cpus_parse(const char *text, uint32_t *ret_order, size_t capacity, size_t *ret_count);

/* The same syntax, ascending; cut to fit `bytes` (>= 1), always terminated. Returns the length it would have. */
size_t gri_cpus_print(const gri_cpus *cpus, char *text, size_t bytes);

#endif
