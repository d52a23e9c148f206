/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The deque, at any capacity (deque_small_test.c runs the same with 4), then conservation with real threads.
 * Interleavings are explored in tests/explore/deque_explore.c. */
#include "sync/deque.h"

#include "support/test.h"

#include <pthread.h>
#include <sched.h>

enum { CAPACITY = GRI_DEQUE_CAPACITY };

static void *item(uintptr_t number)
{
    return (void *)(number + 1);
}

static void fill(gri_deque *deque, unsigned count)
{
    for (unsigned i = 0; i < count; i++) CHECK(gri_deque_push_owner(deque, item(i)));
}

TEST(deque, is_first_in_first_out_and_bounded)
{
    gri_deque deque;
    gri_deque_init(&deque);
    CHECK(gri_deque_pop_owner(&deque) == NULL && gri_deque_look_owner(&deque) == NULL);
    CHECK_EQ(gri_deque_count(&deque), 0);
    for (unsigned round = 0; round < 3; round++) {
        fill(&deque, CAPACITY);
        CHECK(!gri_deque_push_owner(&deque, item(99)));
        CHECK_EQ(gri_deque_count(&deque), CAPACITY);
        for (unsigned i = 0; i < CAPACITY; i++) {
            CHECK(gri_deque_look_owner(&deque) == item(i));
            CHECK(gri_deque_pop_owner(&deque) == item(i));
        }
        CHECK(gri_deque_pop_owner(&deque) == NULL);
        fill(&deque, 1); /* shifts the ring by one */
        CHECK(gri_deque_pop_owner(&deque) == item(0));
    }
}

TEST(deque, thief_takes_half_rounded_up)
{
    gri_deque victim, thief;
    gri_deque_init(&victim);
    gri_deque_init(&thief);
    void *first = NULL;
    CHECK_EQ(gri_deque_steal_half(&victim, &thief, &first), 0);
    CHECK(first == NULL);
    fill(&victim, 1);
    CHECK_EQ(gri_deque_steal_half(&victim, &thief, &first), 1);
    CHECK(first == item(0));
    CHECK_EQ(gri_deque_count(&thief), 0);
    fill(&victim, CAPACITY);
    CHECK_EQ(gri_deque_steal_half(&victim, &thief, &first), CAPACITY / 2);
    CHECK(first == item(0));
    for (unsigned i = 1; i < CAPACITY / 2; i++) CHECK(gri_deque_pop_owner(&thief) == item(i));
    CHECK(gri_deque_pop_owner(&thief) == NULL);
    for (unsigned i = CAPACITY / 2; i < CAPACITY; i++) CHECK(gri_deque_pop_owner(&victim) == item(i));
    fill(&victim, 3);
    CHECK_EQ(gri_deque_steal_half(&victim, &thief, &first), 2);
}

TEST(deque, thief_takes_no_more_than_it_has_room_for)
{
    gri_deque victim, thief;
    gri_deque_init(&victim);
    gri_deque_init(&thief);
    void *first = NULL;
    fill(&victim, CAPACITY);
    fill(&thief, CAPACITY);
    CHECK_EQ(gri_deque_steal_half(&victim, &thief, &first), 1);
    CHECK(first == item(0));
    CHECK_EQ(gri_deque_count(&thief), CAPACITY);
    CHECK(gri_deque_pop_owner(&thief) == item(0));
    CHECK_EQ(gri_deque_steal_half(&victim, &thief, &first), 2);
    CHECK(first == item(1));
    for (unsigned i = 1; i < CAPACITY; i++) CHECK(gri_deque_pop_owner(&thief) == item(i));
    CHECK(gri_deque_pop_owner(&thief) == item(2));
}

TEST(deque, is_drained_into_an_array)
{
    gri_deque victim;
    gri_deque_init(&victim);
    void *out[CAPACITY];
    CHECK_EQ(gri_deque_steal_array(&victim, out, CAPACITY), 0);
    fill(&victim, 3);
    CHECK_EQ(gri_deque_steal_array(&victim, out, 0), 0);
    CHECK_EQ(gri_deque_steal_array(&victim, out, 2), 2);
    CHECK(out[0] == item(0) && out[1] == item(1));
    CHECK_EQ(gri_deque_steal_array(&victim, out, CAPACITY), 1);
    CHECK(out[0] == item(2));
    CHECK(gri_deque_pop_owner(&victim) == NULL);
}

/* Conservation: each item is seen once, whatever thieves, drainers and overflow do. */
enum { ITEMS = 60000, THIEVES = 3 };
static gri_deque shared;
static gri_atomic_u8 seen[ITEMS];
static gri_atomic_u32 finished;

static void see(void *taken)
{
    CHECK_EQ(gri_add_acq_rel(&seen[(uintptr_t)taken - 1], 1), 0);
}

static void *thieve(void *arg)
{
    const uintptr_t kind = (uintptr_t)arg;
    gri_deque mine;
    gri_deque_init(&mine);
    void *out[CAPACITY];
    for (;;) {
        const bool last = gri_load_acquire(&finished) != 0;
        size_t count = 0;
        if (kind == 0) {
            count = gri_deque_steal_array(&shared, out, 2);
            for (size_t i = 0; i < count; i++) see(out[i]);
        } else {
            void *first = NULL;
            if (gri_deque_steal_half(&shared, &mine, &first) > 0) {
                see(first), count++;
                while ((first = gri_deque_pop_owner(&mine))) see(first);
            }
        }
        if (count == 0) {
            if (last) return NULL;
            sched_yield();
        }
    }
}

TEST(deque, every_item_is_taken_once)
{
    gri_deque_init(&shared);
    gri_atomic_init(&finished, 0);
    pthread_t threads[THIEVES];
    for (uintptr_t i = 0; i < THIEVES; i++) CHECK_OK(pthread_create(&threads[i], NULL, thieve, (void *)i));
    for (unsigned i = 0; i < ITEMS; i++) {
        while (!gri_deque_push_owner(&shared, item(i))) {
            void *oldest = gri_deque_pop_owner(&shared);
            if (oldest) see(oldest);
        }
        void *own = i % 5 == 0 ? gri_deque_pop_owner(&shared) : NULL;
        if (own) see(own);
        if (i % 1024 == 0) sched_yield();
    }
    for (void *own; (own = gri_deque_pop_owner(&shared));) see(own);
    gri_store_release(&finished, 1);
    for (unsigned i = 0; i < THIEVES; i++) CHECK_OK(pthread_join(threads[i], NULL));
    for (unsigned i = 0; i < ITEMS; i++) CHECK_EQ(gri_load_relaxed(&seen[i]), 1);
}
