/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Work that takes a known time and touches no memory. */
#include "bench.h"

#define TRIALS 200
#define TRIAL_ROUNDS 4000

uint64_t bench_work(uint64_t rounds)
{
    uint64_t x = rounds | 1;
    for (uint64_t i = 0; i < rounds;
         i++) { /* each round needs the one before: one result, whatever the machine can overlap */
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

double bench_rounds_per_us(void)
{
    static volatile uint64_t sink;
    int64_t best_ns = INT64_MAX;
    for (int i = 0; i < TRIALS; i++) {
        int64_t began_ns = gr_now_ns();
        sink = bench_work(TRIAL_ROUNDS);
        int64_t took_ns = gr_now_ns() - began_ns;
        if (took_ns < best_ns) best_ns = took_ns;
    }
    (void)sink;
    return TRIAL_ROUNDS * 1000.0 / (double)(best_ns > 0 ? best_ns : 1);
}
