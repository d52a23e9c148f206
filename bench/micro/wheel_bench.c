/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Timers: arming, moving, cancelling and firing entries of a wheel, alone and beside another thread at the same wheel. */
#include "micro.h"

#include "schedule/wheel.h"

#define ENTRIES 4096
#define NS_PER_MS INT64_C(1000000)

static gri_wheel wheel;
static gri_wheel_entry entries[2][ENTRIES];
static uint64_t fired;

static void fire(gri_wheel_entry *entry, gri_instant now)
{
    (void)entry, (void)now;
    fired++;
}

static const gri_wheel_kind kind = {.fire = fire};

static void begin(uint64_t operations)
{
    (void)operations;
    gri_wheel_init(&wheel, 0);
    fired = 0;
    for (int t = 0; t < 2; t++)
        for (int i = 0; i < ENTRIES; i++) gri_wheel_entry_init(&entries[t][i], &kind);
}

/* 1 to 100 ms, spread. */
static gri_instant due(uint64_t i)
{
    return (gri_instant)(1 + i * 2654435761u % 100) * NS_PER_MS;
}

static void run_arm_cancel(unsigned thread, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++) {
        gri_wheel_entry *entry = &entries[thread][i % ENTRIES];
        (void)gri_wheel_arm(&wheel, entry, due(i));
        if (!gri_wheel_cancel(entry)) bench_fail("it was not there");
    }
}

/* All entries are in the wheel and each is moved to another time. */
static void run_move(unsigned thread, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++) (void)gri_wheel_arm(&wheel, &entries[thread][i % ENTRIES], due(i * 7));
}

/* Armed and fired: 4,096 at a time, in steps of a millisecond. An operation is an entry's whole way, cascades included. */
static void run_arm_fire(unsigned thread, uint64_t operations)
{
    gri_instant now = 0;
    for (uint64_t i = 0; i < operations; i += ENTRIES) {
        uint64_t want = fired + ENTRIES;
        for (uint64_t k = 0; k < ENTRIES; k++) (void)gri_wheel_arm(&wheel, &entries[thread][k], now + due(i + k));
        while (fired < want) {
            now += NS_PER_MS;
            while (gri_wheel_fire(&wheel, now, UINT32_MAX) == UINT32_MAX) continue;
        }
    }
    if (wheel.count != 0) bench_fail("something is left in the wheel");
}

static void run_earliest(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i++)
        if (gri_wheel_fire(&wheel, 0, 64) != 0) bench_fail("too early");
}

static void begin_one(uint64_t operations)
{
    begin(operations);
    (void)gri_wheel_arm(&wheel, &entries[0][0], NS_PER_MS);
}

static const micro_case cases[] = {
    {"nothing due", 1, 1000000, begin_one, run_earliest, NULL, NULL, NULL},
    {"arm, cancel", 1, 1000000, begin, run_arm_cancel, NULL, NULL, NULL},
    {"arm, cancel, 2 threads", 2, 300000, begin, run_arm_cancel, NULL, NULL, NULL},
    {"move", 1, 1000000, begin, run_move, NULL, NULL, NULL},
    {"arm, fire", 1, 400000, begin, run_arm_fire, NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
    return MICRO_MAIN("wheel", cases, argc, argv);
}
