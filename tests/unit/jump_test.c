/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "support/test.h"

#include "context/jump.h"

/* Through a pointer the compiler cannot see through: it knows that nothing here returns, and would say so. */
static void dive(gri_jump *jump, int depth, int value);
static void (*volatile dive_again)(gri_jump *jump, int depth, int value) = dive;

static void dive(gri_jump *jump, int depth, int value)
{
    volatile char frame[64];
    memset((void *)frame, depth, sizeof frame);
    if (depth == 0) gri_jump_to(jump, value);
    dive_again(jump, depth - 1, value);
    frame[0] = frame[1];
}

TEST(jump, brings_its_value)
{
    gri_jump jump;
    volatile int passes = 0;
    int value = gri_jump_mark(&jump);
    passes++;
    if (value == 0) dive(&jump, 20, 42);
    CHECK_EQ(value, 42);
    CHECK_EQ(passes, 2);
}

TEST(jump, zero_becomes_one)
{
    gri_jump jump;
    int value = gri_jump_mark(&jump);
    if (value == 0) gri_jump_to(&jump, 0);
    CHECK_EQ(value, 1);
}

TEST(jump, one_mark_serves_many_jumps)
{
    gri_jump jump;
    volatile int count = 0;
    int value = gri_jump_mark(&jump);
    CHECK_EQ(value, count);
    if (count < 1000) {
        count++;
        dive(&jump, count % 7, count);
    }
    CHECK_EQ(count, 1000);
}

TEST(jump, marks_nest)
{
    gri_jump outer, inner;
    volatile int trail = 0;
    volatile int first = gri_jump_mark(&outer);
    if (first == 0) {
        int second = gri_jump_mark(&inner);
        if (second == 0) {
            trail = 1;
            dive(&inner, 3, 5);
        }
        CHECK_EQ(second, 5);
        CHECK_EQ(trail, 1);
        trail = 2;
        dive(&outer, 3, 6);
    }
    CHECK_EQ(first, 6);
    CHECK_EQ(trail, 2);
}

/* Unchanged locals, in registers or not, are there after the jump. */
static GRI_NOINLINE long keep(long seed, double part)
{
    gri_jump jump;
    long a = seed * 3, b = seed * 5, c = seed * 7, d = seed * 11, e = seed * 13, f = seed * 17;
    double x = part * 2, y = part * 3, z = part * 5;
    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
    if (gri_jump_mark(&jump) == 0) {
        dive(&jump, 9, 1);
    }
    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
    return a + b + c + d + e + f + (long)(x + y + z);
}

TEST(jump, registers_survive)
{
    for (long seed = 1; seed < 100; seed++) CHECK_EQ(keep(seed, (double)seed), seed * 56 + seed * 10);
}

typedef struct green {
    gri_context here, context;
    char *stack;
    volatile int caught;
} green;

static void jump_between_switches(void *arg)
{
    green *g = arg;
    for (;;) {
        gri_jump jump;
        int value = gri_jump_mark(&jump);
        if (value == 0) {
            gri_context_switch(&g->context, &g->here);
            dive(&jump, 5, 3);
        }
        g->caught += value;
        gri_context_switch(&g->context, &g->here);
    }
}

TEST(jump, works_on_a_green_stack_across_switches)
{
    green g = {.stack = aligned_alloc(4096, 65536)};
    gri_context_from_thread(&g.here);
    gri_context_prepare(&g.context, g.stack, 65536, jump_between_switches, &g);
    for (int i = 0; i < 100; i++) {
        gri_context_switch(&g.here, &g.context);
        gri_context_switch(&g.here, &g.context);
        CHECK_EQ(g.caught, 3 * (i + 1));
    }
    gri_context_fini(&g.context);
    free(g.stack);
}
