/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Sleeping and waking of threads: the token alone, and two threads that wake each other by turns, which is what a worker that is
 * needed costs. */
#include "micro.h"

#include "os/park.h"

static _Alignas(64) gri_parker parkers[2];
static uint64_t turns[2];

static void begin(uint64_t operations)
{
    (void)operations;
    for (int i = 0; i < 2; i++) {
        gri_parker_init(&parkers[i]);
        turns[i] = 0;
    }
}

static void run_token(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i++) {
        gri_parker_notify(&parkers[0]);
        if (!gri_parker_wait(&parkers[0], GRI_INSTANT_NEVER)) bench_fail("no token");
    }
}

static void run_empty(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i++)
        if (gri_parker_wait(&parkers[0], GRI_INSTANT_PAST)) bench_fail("a token");
}

/* An operation is a wake and the sleep that it ends, there and back. */
static void run_round_trip(unsigned thread, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++) {
        if (thread == 0) gri_parker_notify(&parkers[1]);
        if (!gri_parker_wait(&parkers[thread], GRI_INSTANT_NEVER)) bench_fail("woken without a token");
        turns[thread]++;
        if (thread == 1) gri_parker_notify(&parkers[0]);
    }
}

static void end_round_trip(uint64_t operations)
{
    for (int i = 0; i < 2; i++) bench_equal("turns", turns[i], operations);
}

static const micro_case cases[] = {
    {"notify, wait", 1, 1000000, begin, run_token, NULL, NULL, NULL},
    {"a look for a token", 1, 1000000, begin, run_empty, NULL, NULL, NULL},
    {"round trip of two sleepers", 2, 5000, begin, run_round_trip, end_round_trip, NULL, NULL},
};

int main(int argc, char **argv)
{
    return MICRO_MAIN("park", cases, argc, argv);
}
