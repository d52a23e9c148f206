/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Where tasks queue: a worker's slot and deque, its thief, the common queue, and asking who sleeps. */
#include "micro.h"

#include "sync/deque.h"
#include "sync/eventcount.h"
#include "sync/inject.h"
#include "sync/slot.h"

static gri_deque deques[2];
static _Alignas(64) gri_slot slot;
static _Alignas(64) gri_idle idle;
static gri_inject inject;
static _Alignas(64) uint64_t items[2]; /* what each thread got */
static _Alignas(64) bool over;
static char marks[64]; /* addresses to queue */

static void begin(uint64_t operations)
{
    (void)operations;
    for (int i = 0; i < 2; i++) gri_deque_init(&deques[i]);
    gri_slot_init(&slot);
    gri_idle_init(&idle, 2);
    items[0] = items[1] = 0;
    over = false;
}

static void push_own(void *item)
{
    if (!gri_deque_push_owner(&deques[0], item)) bench_fail("the deque is full");
}

static void run_push_pop(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i++) {
        push_own(&marks[i % 64]);
        if (gri_deque_pop_owner(&deques[0]) != &marks[i % 64]) bench_fail("another item than was pushed");
    }
}

static void run_64(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i += 64) {
        for (int k = 0; k < 64; k++) push_own(&marks[k]);
        for (int k = 0; k < 64; k++)
            if (gri_deque_pop_owner(&deques[0]) != &marks[k]) bench_fail("out of order");
    }
}

static void run_slot(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i++) {
        if (gri_slot_put(&slot, &marks[i % 64])) bench_fail("the slot was not empty");
        if (gri_slot_take_owner(&slot) != &marks[i % 64]) bench_fail("another item than was put");
    }
}

/* Thread 0 pushes 64 and pops what is left of them, as long as it takes; thread 1 steals halves. An operation is an item. */
static void run_steal(unsigned thread, uint64_t operations)
{
    if (thread == 0) {
        for (uint64_t i = 0; i < operations; i += 64) {
            for (int k = 0; k < 64; k++) push_own(&marks[k]);
            while (gri_deque_pop_owner(&deques[0])) items[0]++;
        }
        __atomic_store_n(&over, true, __ATOMIC_RELEASE);
        return;
    }
    while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
        void *first;
        if (gri_deque_steal_half(&deques[0], &deques[1], &first) == 0) continue;
        items[1]++;
        while (gri_deque_pop_owner(&deques[1])) items[1]++;
    }
}

static void end_steal(uint64_t operations)
{
    bench_equal("items", items[0] + items[1], (operations + 63) / 64 * 64);
}

/* A steal of 32, and running them: what a thief pays an item when the victim does nothing. */
static void run_steal_alone(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i += 32) {
        void *first;
        for (int k = 0; k < 63; k++) push_own(&marks[k]);
        if (gri_deque_steal_half(&deques[0], &deques[1], &first) != 32) bench_fail("not half of them");
        while (gri_deque_pop_owner(&deques[1])) continue;
        while (gri_deque_pop_owner(&deques[0])) continue;
    }
}

/* ---- the common queue ---- */

static _Alignas(64) gri_inject_node links[2][256];

static void begin_inject(uint64_t operations)
{
    begin(operations);
    gri_inject_init(&inject);
}

static void run_inject(unsigned thread, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++) {
        gri_inject_push(&inject, &links[thread][i % 256]);
        if (!gri_inject_pop(&inject)) bench_fail("nothing to pop");
    }
}

/* Each pushes 32 and then pops as many, its own or the other's. */
static void run_inject_both(unsigned thread, uint64_t operations)
{
    gri_inject_node *got[32];
    unsigned turns = 0;
    /* What is popped is the popper's own from then on, so each thread has 32 links at any time. */
    for (int k = 0; k < 32; k++) got[k] = &links[thread][k];
    for (uint64_t i = 0; i < operations; i += 32) {
        for (int k = 0; k < 32; k++) gri_inject_push(&inject, got[k]);
        for (size_t have = 0; have < 32;) {
            size_t more = gri_inject_pop_batch(&inject, got + have, 32 - have);
            if (more == 0) micro_wait(&turns);
            have += more;
        }
    }
}

static void end_inject(uint64_t operations)
{
    (void)operations;
    gri_inject_fini(&inject);
}

/* ---- is there anybody to wake? ---- */

static void run_hint(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i++)
        if (gri_idle_wake_hint(&idle) >= 0) bench_fail("somebody slept");
}

static void run_wake_one(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i++)
        if (gri_idle_wake_one(&idle) >= 0) bench_fail("somebody slept");
}

static void run_search(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i++) {
        if (!gri_idle_search_begin(&idle)) bench_fail("too many search");
        if (!gri_idle_search_end(&idle)) bench_fail("somebody else searched");
    }
}

static const micro_case cases[] = {
    {"slot: put, take", 1, 1000000, begin, run_slot, NULL, NULL, NULL},
    {"push, pop", 1, 1000000, begin, run_push_pop, NULL, NULL, NULL},
    {"64 pushes, 64 pops", 1, 1000000, begin, run_64, NULL, NULL, NULL},
    {"pushed, half stolen, run", 1, 1000000, begin, run_steal_alone, NULL, NULL, NULL},
    {"pushed and popped beside a thief", 2, 1000000, begin, run_steal, end_steal, NULL, NULL},
    {"common queue: push, pop", 1, 500000, begin_inject, run_inject, end_inject, NULL, NULL},
    {"common queue: 32 pushes, 32 popped at once, 2 threads", 2, 200000, begin_inject, run_inject_both, end_inject,
     NULL, NULL},
    {"wake hint, nobody asleep", 1, 1000000, begin, run_hint, NULL, NULL, NULL},
    {"wake one, nobody asleep", 1, 1000000, begin, run_wake_one, NULL, NULL, NULL},
    {"search begun and ended", 1, 1000000, begin, run_search, NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
    return MICRO_MAIN("deque", cases, argc, argv);
}
