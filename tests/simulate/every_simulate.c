/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Every scene, once for every single thing that can go wrong in it: killed at every point where a kill can take effect, with gr_kill
 * and with gr_kill_now; every allocation, every call of a socket failed; every datagram and piece of a stream dropped; every run of an
 * actor held up. For each of some seeds. The laws of scenes.h hold each time.
 *     every_simulate                               one seed, and each eighth point of it
 *     every_simulate SEEDS [KIND [SCENE]]          KIND is kill, kill_now, allocate, ... or all
 *     GREENROOM_SIMULATE=SEED GREENROOM_FAULTS=kill@N every_simulate 1 all SCENE       one of them again */
#include "simulate/scenes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {"kill", "kill_now", "allocate", "system", "drop", "delay"};
#define KINDS (sizeof kinds / sizeof *kinds)

static bool is_asked(int argc, char **argv, int number, const char *name)
{
    return argc <= number || strcmp(argv[number], "all") == 0 || strcmp(argv[number], name) == 0;
}

int main(int argc, char **argv)
{
    const uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    const unsigned step = argc > 1 ? 1 : 8;
    const bool again = getenv("GREENROOM_SIMULATE") != NULL;
    uint64_t points[KINDS] = {0}, all = 0;
    int64_t virtual_ns = 0;
    for (unsigned i = 0; i < scene_count; i++) {
        if (!is_asked(argc, argv, 3, scenes[i].name)) continue;
        for (unsigned k = 0; k < (again ? 1 : KINDS); k++) {
            gr_test_result result = {.runs = 0};
            if (!is_asked(argc, argv, 2, kinds[k])) continue;
            int code =
                gr_test_every(&(gr_test_options){.name = scenes[i].name, .seeds = seeds, .step = step, .seconds = 200},
                              kinds[k], scenes[i].body, NULL, &result);
            if (code < 0) fprintf(stderr, "gr_test_every: %s\n", gr_error_name(code));
            if (code != 0) return 1;
            points[k] += result.runs;
            all += result.runs;
            virtual_ns += result.virtual_ns;
        }
    }
    for (unsigned k = 0; k < KINDS; k++) printf("%-9s %8" PRIu64 " points\n", kinds[k], points[k]);
    printf("%" PRIu64 " points in %" PRIu64 " seeds, %.0f s of virtual time: all laws hold\n", all, seeds,
           (double)virtual_ns / 1e9);
    return all > 0 ? 0 : 2; /* 2: there is no such scene, or kind */
}
