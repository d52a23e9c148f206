/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Contexts and stacks: what it costs to leave a flow of control and come back, and to begin a new one. */
#include "micro.h"

#include "context/context.h"
#include "context/jump.h"
#include "memory/stack.h"

#include <stdlib.h>

#define STACK_BYTES 65536

static gri_context here, there;
static char *stack_low;
static uint64_t turns;
static bool enough;

static void other_side(void *arg)
{
    (void)arg;
    while (!enough) {
        turns++;
        gri_context_switch(&there, &here);
    }
    gri_context_doom(&there);
    gri_context_abandon(&here);
}

static void begin_pair(uint64_t operations)
{
    (void)operations;
    if (!stack_low && !(stack_low = malloc(STACK_BYTES))) bench_fail("no memory");
    turns = 0;
    enough = false;
    gri_context_from_thread(&here);
    gri_context_prepare(&there, stack_low, STACK_BYTES, other_side, NULL);
    gri_context_switch(&here, &there);
}

/* An operation is one switch. */
static void run_pair(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i += 2) gri_context_switch(&here, &there);
}

static void end_pair(uint64_t operations)
{
    bench_equal("turns of the other side", turns, 1 + (operations + 1) / 2);
    enough = true;
    gri_context_switch(&here, &there);
    gri_context_fini(&there);
    gri_context_fini(&here);
}

static void once(void *arg)
{
    (void)arg;
    turns++;
    gri_context_doom(&there);
    gri_context_abandon(&here);
}

static void begin_fresh(uint64_t operations)
{
    (void)operations;
    if (!stack_low && !(stack_low = malloc(STACK_BYTES))) bench_fail("no memory");
    turns = 0;
    gri_context_from_thread(&here);
}

/* Prepared, entered, left for good. */
static void run_fresh(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i++) {
        gri_context_prepare(&there, stack_low, STACK_BYTES, once, NULL);
        gri_context_switch(&here, &there);
    }
}

static void end_fresh(uint64_t operations)
{
    bench_equal("contexts entered", turns, operations);
    gri_context_fini(&there);
    gri_context_fini(&here);
}

static gri_jump mark;

GRI_NOINLINE static void jump_back(void)
{
    turns++;
    gri_jump_to(&mark, 1);
}

static void begin_jump(uint64_t operations)
{
    (void)operations;
    turns = 0;
}

static void run_jump(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (volatile uint64_t i = 0; i < operations; i++)
        if (gri_jump_mark(&mark) == 0) jump_back();
}

static void end_jump(uint64_t operations)
{
    bench_equal("jumps", turns, operations);
}

/* ---- stacks ---- */

static gri_stack_cache caches[2];
static gri_stack *held[1024];

static void enter_stacks(unsigned thread)
{
    if (thread == 0 && gri_stacks_start(NULL) != 0) bench_fail("no stacks");
    gri_stack_cache_init(&caches[thread], 64);
}

static void leave_stacks(unsigned thread)
{
    gri_stack_cache_fini(&caches[thread]);
    if (thread == 0 && gri_stacks_stop() != 0) bench_fail("stacks are live");
}

static gri_stack *take(unsigned thread)
{
    gri_stack *stack = gri_stack_take(&caches[thread], 2);
    if (!stack) bench_fail("no stack");
    gri_stack_prepare(stack, once, NULL);
    return stack;
}

static void run_stack(unsigned thread, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++) gri_stack_give(&caches[thread], take(thread));
}

/* More than a cache keeps: they wander through the arena's list and back. */
static void run_stacks(unsigned thread, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i += 512) {
        gri_stack **mine = held + (size_t)thread * 512;
        for (int k = 0; k < 512; k++) mine[k] = take(thread);
        for (int k = 0; k < 512; k++) gri_stack_give(&caches[thread], mine[k]);
    }
}

static const micro_case cases[] = {
    {"switch", 1, 2000000, begin_pair, run_pair, end_pair, NULL, NULL},
    {"fresh context, entered and left", 1, 1000000, begin_fresh, run_fresh, end_fresh, NULL, NULL},
    {"mark and jump", 1, 2000000, begin_jump, run_jump, end_jump, NULL, NULL},
    {"warm stack taken, prepared, given", 1, 2000000, NULL, run_stack, NULL, enter_stacks, leave_stacks},
    {"512 stacks taken, then given", 1, 50000, NULL, run_stacks, NULL, enter_stacks, leave_stacks},
    {"512 stacks taken, then given, 2 threads", 2, 50000, NULL, run_stacks, NULL, enter_stacks, leave_stacks},
};

int main(int argc, char **argv)
{
    return MICRO_MAIN("switch", cases, argc, argv);
}
