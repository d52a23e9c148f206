/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The mailbox word: pushing onto an owner that runs and onto one that waits, taking; two pushers; a pusher and the owner. */
#include "micro.h"

#include "sync/mailword.h"

#define GENERATION 7u
#define NODES 16384u /* of each thread: what may be under way */

typedef struct node {
    _Alignas(64) gri_mailnode node;
    uint64_t number;
} node;

static _Alignas(64) gri_mailword word;
static _Alignas(64) uint64_t taken; /* by the owner; published to the pusher, who must not reuse a node before */
static node nodes[2][NODES];

static void begin(uint64_t operations)
{
    (void)operations;
    taken = 0;
    gri_mailword_init(&word, GENERATION);
}

static gri_mail push(node *n, uint64_t number)
{
    gri_mailnode *chain = NULL;
    n->number = number;
    return gri_mailword_push(&word, GENERATION, &n->node, false, &chain);
}

static void run_push_take(unsigned thread, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++) {
        if (push(&nodes[thread][i % NODES], i) != GRI_MAIL_QUEUED) bench_fail("the owner did not run");
        gri_mail_taken got = gri_mailword_take(&word);
        if (!got.chain || got.chain->link) bench_fail("not what was pushed");
    }
}

/* As a message to an actor that waits: the pusher wakes it and keeps the chain, the owner waits again. */
static void run_wake(unsigned thread, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++) {
        if (!gri_mailword_park(&word, GRI_MAIL_WAIT_ANY)) bench_fail("something had arrived");
        if (push(&nodes[thread][i % NODES], i) != GRI_MAIL_WOKE) bench_fail("the owner did not wait");
    }
}

static uint64_t take_all(void)
{
    uint64_t count = 0;
    for (gri_mailnode *n = gri_mailword_take(&word).chain; n; n = n->link) count++;
    return count;
}

static void run_batches(unsigned thread, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i += 128) {
        for (uint64_t k = 0; k < 128; k++) (void)push(&nodes[thread][k], k);
        if (take_all() != 128) bench_fail("a node was lost");
    }
}

/* Both push; nobody takes. Each node is pushed once a repeat, so a push links to what the other has just pushed. */
static void run_pushers(unsigned thread, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++) (void)push(&nodes[thread][i], i);
}

static void end_pushers(uint64_t operations)
{
    bench_equal("nodes", take_all(), 2 * operations);
}

/* Thread 0 owns, thread 1 pushes; an operation is a message. */
static void own(uint64_t operations)
{
    unsigned turns = 0;
    for (uint64_t got = 0; got < operations;) {
        gri_mailnode *newest = gri_mailword_take(&word).chain;
        if (!newest) {
            micro_wait(&turns);
            continue;
        }
        uint64_t expected = 0, count = 0;
        for (gri_mailnode *n = newest; n; n = n->link, count++) {
            uint64_t number = ((const node *)n)->number;
            if (count > 0 && number != expected) bench_fail("out of order");
            expected = number - 1;
        }
        if (expected + 1 != got) bench_fail("a node was lost");
        got += count;
        __atomic_store_n(&taken, got, __ATOMIC_RELEASE);
    }
}

static void run_one_way(unsigned thread, uint64_t operations)
{
    if (thread == 0) {
        own(operations);
        return;
    }
    unsigned turns = 0;
    for (uint64_t i = 0, free_until = NODES; i < operations; i++) {
        while (i >= free_until) {
            free_until = NODES + __atomic_load_n(&taken, __ATOMIC_ACQUIRE);
            if (i >= free_until) micro_wait(&turns);
        }
        (void)push(&nodes[1][i % NODES], i);
    }
}

static const micro_case cases[] = {
    {"push, take", 1, 1000000, begin, run_push_take, NULL, NULL, NULL},
    {"wait, push that wakes", 1, 1000000, begin, run_wake, NULL, NULL, NULL},
    {"128 pushes, one take", 1, 1000000, begin, run_batches, NULL, NULL, NULL},
    {"push, 2 threads", 2, NODES, begin, run_pushers, end_pushers, NULL, NULL},
    {"push, the owner takes elsewhere", 2, 500000, begin, run_one_way, NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
    return MICRO_MAIN("mailbox", cases, argc, argv);
}
