/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Where tasks wait that have never run: who comes out when, and that nobody stays in for ever. */
#include "schedule/nursery.h"

#include "support/test.h"

#include <pthread.h>

#define TASKS 64

static gri_task tasks[TASKS];
static gri_nursery nursery;

static size_t pop(size_t max, bool thief, unsigned *ret_numbers)
{
    gri_task *popped[TASKS];
    size_t count = gri_nursery_pop_batch(&nursery, popped, max, thief);
    for (size_t i = 0; i < count; i++) ret_numbers[i] = (unsigned)(popped[i] - tasks);
    return count;
}

static void fill(unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++) gri_nursery_push(&nursery, &tasks[i]);
}

TEST(nursery, the_newest_come_out_first)
{
    unsigned n[TASKS];
    gri_nursery_init(&nursery);
    CHECK(gri_nursery_is_empty(&nursery));
    CHECK_EQ(pop(4, false, n), 0);
    fill(0, 6);
    CHECK_EQ(pop(2, false, n), 2);
    CHECK(n[0] == 5 && n[1] == 4);
    fill(6, 8);
    CHECK_EQ(pop(TASKS, false, n), 6);
    CHECK(n[0] == 7 && n[1] == 6 && n[2] == 3 && n[5] == 0);
    CHECK(gri_nursery_is_empty(&nursery));
}

/* A thief makes what is there old, and takes of that as long as it lasts; the owner goes on with what comes. */
TEST(nursery, thieves_take_the_old_ones)
{
    unsigned n[TASKS];
    gri_nursery_init(&nursery);
    fill(0, 4);
    CHECK_EQ(pop(1, true, n), 1);
    fill(10, 12);
    CHECK_EQ(pop(1, false, n), 1);
    CHECK_EQ(n[0], 11);
    CHECK_EQ(pop(TASKS, true, n), 3);
    CHECK(n[0] == 2 && n[2] == 0);
    CHECK_EQ(pop(TASKS, false, n), 1);
    CHECK_EQ(n[0], 10);
}

TEST(nursery, who_gives_way_waits_for_what_was_here_and_for_nothing_else)
{
    unsigned n[TASKS];
    gri_nursery_init(&nursery);
    CHECK(!gri_nursery_give_way(&nursery, &tasks[40]));
    fill(0, 8);
    CHECK(gri_nursery_give_way(&nursery, &tasks[40]));
    CHECK(gri_nursery_give_way(&nursery, &tasks[41]));
    bool seen[TASKS] = {false};
    unsigned before = 0, come = 8;
    for (bool out = false; !out;) { /* each that runs spawns another one, for ever */
        CHECK(before < 64);
        CHECK_EQ(pop(1, false, n), 1);
        out = n[0] == 40;
        if (out) break;
        CHECK(!seen[n[0]]);
        seen[n[0]] = n[0] < 8;
        before++;
        if (++come == 40) come = 8;
        gri_nursery_push(&nursery, &tasks[n[0] < 8 ? come : n[0]]);
    }
    for (unsigned i = 0; i < 8; i++) CHECK(seen[i]);
    CHECK_EQ(pop(1, false, n), 1);
    CHECK_EQ(n[0], 41);
}

TEST(nursery, nobody_stays_for_ever)
{
    unsigned n[TASKS];
    gri_nursery_init(&nursery);
    fill(0, 16);
    unsigned left = 16;
    for (unsigned i = 0; left > 0; i++) {
        CHECK(i < 1000);
        fill(20, 21); /* always something newer */
        CHECK_EQ(pop(1, false, n), 1);
        if (n[0] == 20) continue;
        left--;
        /* one more of 20 is in now than comes out: it must not be linked twice */
        while (pop(1, false, n) == 1 && n[0] != 20) left--;
    }
}

enum { ROUNDS = 20000 };
static gri_atomic_u32 taken[TASKS]; /* relaxed: counted under the lock's order, read after the join */

static void *take_some(void *arg)
{
    gri_task *popped[8];
    for (unsigned i = 0; i < ROUNDS; i++) {
        size_t count = gri_nursery_pop_batch(&nursery, popped, 8, arg != NULL);
        for (size_t k = 0; k < count; k++) {
            gri_add_relaxed(&taken[popped[k] - tasks], 1u); /* relaxed: a count */
            if (i % 7 == 0 && gri_nursery_give_way(&nursery, popped[k])) continue;
            gri_nursery_push(&nursery, popped[k]);
        }
    }
    return NULL;
}

TEST(nursery, loses_and_doubles_nothing_between_threads)
{
    pthread_t thieves[2];
    unsigned n[TASKS];
    gri_nursery_init(&nursery);
    fill(0, TASKS);
    for (unsigned i = 0; i < 2; i++) CHECK_OK(pthread_create(&thieves[i], NULL, take_some, i ? &nursery : NULL));
    for (unsigned i = 0; i < 2; i++) CHECK_OK(pthread_join(thieves[i], NULL));
    bool seen[TASKS] = {false};
    size_t all = 0;
    for (size_t count; (count = pop(7, false, n)) > 0; all += count)
        for (size_t i = 0; i < count; i++) {
            CHECK(!seen[n[i]]);
            seen[n[i]] = true;
        }
    CHECK_EQ(all, TASKS);
    CHECK(gri_nursery_is_empty(&nursery));
}
