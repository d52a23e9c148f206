/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Floors: what the machine itself asks for the steps that a message cannot do without. bench/README.md holds what was not reached
 * against these. An operation is one step.
 *
 *     locked swap          a compare-and-swap of a line that is this core's: waking, parking, and taking from a ring
 *     wake and park        the mailbox word's two, as a message has them
 *     switch               from one stack to the other
 *     line, N KB           a load that needs the one before it, from a set of lines of that size: what an actor's, a stack's or a
 *                          message's line costs that nothing has prefetched
 *     message of a line    64 bytes written from a list of free blocks, read and given back: no queue, no actor
 *     the same, 1,000      a thousand of them written before they are read */
#include "micro.h"

#include "context/context.h"
#include "memory/heap.h"
#include "sync/mailword.h"

#include <stdlib.h>
#include <string.h>

#define LINE 64u

static _Alignas(64) gri_atomic_u64 word;
static _Alignas(64) gri_mailword box;

static void run_swap(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i++) {
        uint64_t seen = gri_load_relaxed(&word);
        /* mo:floors.swap acquire <- floors.none release: measured, nothing more */
        if (!gri_cas_strong_acquire(&word, &seen, seen + 1)) bench_fail("somebody else was here");
    }
}

static void begin_word(uint64_t operations)
{
    (void)operations;
    gri_mailword_init(&box, 7);
}

static void run_wake_park(unsigned thread, uint64_t operations)
{
    static _Alignas(64) gri_mailnode node;
    (void)thread;
    for (uint64_t i = 0; i < operations; i++)
        if (!gri_mailword_park(&box, GRI_MAIL_WAIT_ANY) || !gri_mailword_wake(&box, 7, &node))
            bench_fail("the word is not as it should be");
}

/* ---- switching ---- */

static gri_context here, there;
static _Alignas(64) unsigned char stack[64 << 10];

static void bounce(void *arg)
{
    (void)arg;
    for (;;) gri_context_switch(&there, &here);
}

static void enter(unsigned thread)
{
    (void)thread;
    gri_context_from_thread(&here);
    gri_context_prepare(&there, stack, sizeof stack, bounce, NULL);
}

static void leave(unsigned thread)
{
    (void)thread;
    gri_context_fini(&there);
    gri_context_fini(&here);
}

static void run_switch(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i += 2) gri_context_switch(&here, &there);
}

/* ---- lines ---- */

static void **lines;
static size_t lines_count;

/* One circle through all of them, in an order that nothing guesses. */
static void begin_lines(size_t bytes)
{
    lines_count = bytes / LINE;
    lines = aligned_alloc(LINE, bytes);
    size_t *order = malloc(lines_count * sizeof *order);
    if (!lines || !order) bench_fail("no memory");
    uint64_t random = 1;
    for (size_t i = 0; i < lines_count; i++) order[i] = i;
    for (size_t i = lines_count - 1; i > 0; i--) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        size_t other = (size_t)(random >> 33) % (i + 1), moved = order[i];
        order[i] = order[other];
        order[other] = moved;
    }
    for (size_t i = 0; i < lines_count; i++)
        lines[order[i] * (LINE / sizeof *lines)] = &lines[order[(i + 1) % lines_count] * (LINE / sizeof *lines)];
    free(order);
}

static void begin_32k(uint64_t operations)
{
    (void)operations;
    begin_lines((size_t)32 << 10);
}

static void begin_768k(uint64_t operations)
{
    (void)operations;
    begin_lines((size_t)768 << 10);
}

static void begin_64m(uint64_t operations)
{
    (void)operations;
    begin_lines((size_t)64 << 20);
}

static void run_lines(unsigned thread, uint64_t operations)
{
    (void)thread;
    void **at = lines;
    for (uint64_t i = 0; i < operations; i++) at = *at;
    MICRO_USE(at);
}

static void end_lines(uint64_t operations)
{
    (void)operations;
    free(lines);
}

/* ---- messages without a mailbox ---- */

static gri_heap *heap;

static void enter_heap(unsigned thread)
{
    (void)thread;
    heap = gri_heap_new(0);
    if (!heap) bench_fail("no memory");
    gri_heap_bind(heap);
}

static void leave_heap(unsigned thread)
{
    (void)thread;
    gri_heap_retire(heap);
}

#define PILE 1000u

static void pile(uint64_t operations, unsigned high)
{
    static uint64_t *made[PILE];
    for (uint64_t i = 0; i < operations; i += high) {
        uint64_t sum = 0;
        for (unsigned k = 0; k < high; k++) {
            made[k] = gri_block_line_at_hand();
            if (!made[k]) made[k] = gri_block_alloc(LINE);
            if (!made[k]) bench_fail("no memory");
            for (unsigned n = 0; n < 8; n++) made[k][n] = i + n;
        }
        for (unsigned k = 0; k < high; k++) {
            sum += made[k][7] - i;
            gri_block_free_here(made[k]);
        }
        if (sum != 7u * high) bench_fail("not what was written");
    }
}

static void run_message(unsigned thread, uint64_t operations)
{
    (void)thread;
    pile(operations, 1);
}

static void run_pile(unsigned thread, uint64_t operations)
{
    (void)thread;
    pile(operations, PILE);
}

static const micro_case cases[] = {
    {"locked swap", 1, 2000000, NULL, run_swap, NULL, NULL, NULL},
    {"wake and park", 1, 1000000, begin_word, run_wake_park, NULL, NULL, NULL},
    {"switch", 1, 2000000, NULL, run_switch, NULL, enter, leave},
    {"line, 32 KB", 1, 4000000, begin_32k, run_lines, end_lines, NULL, NULL},
    {"line, 768 KB", 1, 2000000, begin_768k, run_lines, end_lines, NULL, NULL},
    {"line, 64 MB", 1, 200000, begin_64m, run_lines, end_lines, NULL, NULL},
    {"message of a line", 1, 2000000, NULL, run_message, NULL, enter_heap, leave_heap},
    {"message of a line, 1,000 at a time", 1, 2000000, NULL, run_pile, NULL, enter_heap, leave_heap},
};

int main(int argc, char **argv)
{
    return MICRO_MAIN("floors", cases, argc, argv);
}
