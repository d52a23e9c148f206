/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Every scene with many seeds, under each of several plans of faults, each run twice: the second has to be the same, bit by bit.
 *     seeds_simulate [SEEDS [SCENE [PLAN]]]        20 of each scene and plan if not said */
#include "simulate/scenes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const plans[] = {"",
                                    "kill=300",
                                    "delay=8",
                                    "allocate=60",
                                    "drop=40",
                                    "system=30",
                                    "kill=200,kill_now=400,delay=20,allocate=300,drop=100,system=100"};

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    const uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 20;
    uint64_t runs = 0, faults = 0;
    int64_t virtual_ns = 0;
    const double begun = seconds_now();
    for (unsigned i = 0; i < scene_count; i++) {
        if (argc > 2 && strcmp(argv[2], scenes[i].name) != 0) continue;
        for (unsigned p = 0; p < sizeof plans / sizeof *plans; p++) {
            gr_test_result result = {.runs = 0};
            const char *plan = argc > 3 ? argv[3] : plans[p];
            int code = gr_test_simulate(
                &(gr_test_options){
                    .name = scenes[i].name, .seeds = seeds, .faults = plan, .seconds = 200, .replay = true},
                scenes[i].body, NULL, &result);
            if (code < 0) fprintf(stderr, "gr_test_simulate: %s\n", gr_error_name(code));
            if (code != 0) return 1;
            runs += result.runs;
            faults += result.faults;
            virtual_ns += result.virtual_ns;
            if (argc > 3 || getenv("GREENROOM_SIMULATE")) break;
        }
    }
    const double seconds = seconds_now() - begun;
    printf("%" PRIu64 " runs, each twice, %" PRIu64 " faults, %.0f s of virtual time in %.1f s: all laws hold\n", runs,
           faults, 2 * (double)virtual_ns / 1e9, seconds);
    return runs > 0 ? 0 : 2; /* 2: there is no such scene */
}
