/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Changing the CPUs that the process's threads may run on, as a scheduler of containers does. One thread at a time. */
#ifndef GR_TESTS_STRESS_CPU_SETS_H
#define GR_TESTS_STRESS_CPU_SETS_H

#include "base/rng.h"

#include <stdint.h>

/* Remembers what the calling thread may use: what threads get that begin while all are crowded. GR_ESYSTEM. */
int cpu_sets_begin(void);
/* Every thread onto one CPU, of the seed's choice. */
void cpu_sets_crowd(gri_rng *rng);
/* Each thread where it was. */
void cpu_sets_spread(void);

/* A thread of its own that crowds and spreads all the time, until the end; gives how often. */
void cpu_sets_flip_begin(uint64_t seed);
uint64_t cpu_sets_flip_end(void);

#endif
