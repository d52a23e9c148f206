/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Every scene, killed once at every point where a kill can take effect, for each of some seeds: first with gr_kill, then with
 * gr_kill_now. The laws of scenes.h hold each time.
 *     kill_simulate [SEEDS [SCENE]]        SEEDS 1 if not said; the number of points goes up with them
 *     GREENROOM_SIMULATE=SEED GREENROOM_FAULTS=kill@N kill_simulate 1 SCENE       one of them again */
#include "simulate/scenes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    const uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    const char *const kinds[] = {"kill", "kill_now"};
    uint64_t points = 0;
    int64_t virtual_ns = 0;
    for (unsigned i = 0; i < scene_count; i++) {
        if (argc > 2 && strcmp(argv[2], scenes[i].name) != 0) continue;
        for (unsigned k = 0; k < 2; k++) {
            gr_test_result result = {.runs = 0};
            int code = gr_test_every(&(gr_test_options){.name = scenes[i].name, .seeds = seeds}, kinds[k],
                                     scenes[i].body, NULL, &result);
            if (code < 0) fprintf(stderr, "gr_test_every: %s\n", gr_error_name(code));
            if (code != 0) return 1;
            if (getenv("GREENROOM_SIMULATE")) break;
            printf("%-12s %-9s %8" PRIu64 " points\n", scenes[i].name, kinds[k], result.runs);
            fflush(stdout);
            points += result.runs;
            virtual_ns += result.virtual_ns;
        }
    }
    printf("%" PRIu64 " points in %" PRIu64 " seeds, %.0f s of virtual time: all laws hold\n", points, seeds,
           (double)virtual_ns / 1e9);
    return 0;
}
