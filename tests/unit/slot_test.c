/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The slot by hand, then conservation with a real thief. Interleavings are explored in tests/explore/slot_explore.c.
 *
 * wrapped: gri_fence_heavy */
#include "sync/slot.h"

#include "support/test.h"

#include <pthread.h>
#include <sched.h>

static void *item(uintptr_t number)
{
    return (void *)(number + 1);
}

TEST(slot, keeps_the_newest)
{
    gri_slot slot;
    gri_slot_init(&slot);
    CHECK(gri_slot_is_empty(&slot));
    CHECK(gri_slot_take_owner(&slot) == NULL && gri_slot_steal(&slot) == NULL);
    CHECK(gri_slot_put(&slot, item(0)) == NULL);
    CHECK(gri_slot_put(&slot, item(1)) == item(0));
    CHECK(!gri_slot_is_empty(&slot));
    CHECK(gri_slot_steal(&slot) == item(1));
    CHECK(gri_slot_is_empty(&slot));
    CHECK(gri_slot_put(&slot, item(2)) == NULL);
    CHECK(gri_slot_take_owner(&slot) == item(2));
    CHECK(gri_slot_is_empty(&slot));
}

static gri_atomic_bool refused; /* relaxed: set by a test's only thread */

bool __real_gri_fence_heavy(void);
bool __wrap_gri_fence_heavy(void);
bool __wrap_gri_fence_heavy(void)
{
    return gri_load_relaxed(&refused) ? false : __real_gri_fence_heavy();
}

TEST(slot, without_the_fence_nothing_is_stolen)
{
    gri_slot slot;
    gri_slot_init(&slot);
    CHECK(gri_slot_put(&slot, item(0)) == NULL);
    gri_store_relaxed(&refused, true);
    CHECK(gri_slot_steal(&slot) == NULL);
    gri_store_relaxed(&refused, false);
    CHECK(gri_slot_take_owner(&slot) == item(0)); /* open again */
    CHECK(gri_slot_put(&slot, item(1)) == NULL);
    CHECK(gri_slot_steal(&slot) == item(1));
}

TEST(slot, nobody_waits)
{
    gri_slot slot;
    gri_slot_init(&slot);
    CHECK(gri_slot_put(&slot, item(0)) == NULL);
    gri_store_relaxed(&slot.closed, true); /* a thief that was descheduled */
    CHECK(gri_slot_take_owner(&slot) == NULL);
    CHECK(gri_slot_put(&slot, item(1)) == item(1));
    CHECK(!gri_slot_is_empty(&slot));
    gri_store_relaxed(&slot.closed, false);
    gri_store_relaxed(&slot.inside, true); /* an owner that was */
    CHECK(gri_slot_steal(&slot) == NULL);
    gri_store_relaxed(&slot.inside, false);
    CHECK(gri_slot_steal(&slot) == item(0));
}

/* Each item is seen once, with both kinds of fences. */
enum { ITEMS = 30000 };
static gri_slot shared;
static gri_atomic_u8 seen[ITEMS];
static gri_atomic_u32 finished;

static void see(void *taken)
{
    if (taken) CHECK_EQ(gri_add_acq_rel(&seen[(uintptr_t)taken - 1], 1), 0);
}

static void *thieve(void *arg)
{
    (void)arg;
    while (!gri_load_acquire(&finished)) {
        see(gri_slot_steal(&shared));
        sched_yield();
    }
    return NULL;
}

static void conserve(void)
{
    gri_slot_init(&shared);
    for (unsigned i = 0; i < ITEMS; i++) gri_atomic_init(&seen[i], 0);
    gri_atomic_init(&finished, 0);
    pthread_t thief;
    CHECK_OK(pthread_create(&thief, NULL, thieve, NULL));
    for (unsigned i = 0; i < ITEMS; i++) {
        see(gri_slot_put(&shared, item(i)));
        if (i % 3 == 0) see(gri_slot_take_owner(&shared));
        if (i % 64 == 0) sched_yield();
    }
    while (!gri_slot_is_empty(&shared)) see(gri_slot_take_owner(&shared));
    gri_store_release(&finished, 1);
    CHECK_OK(pthread_join(thief, NULL));
    for (unsigned i = 0; i < ITEMS; i++) CHECK_EQ(gri_load_relaxed(&seen[i]), 1);
}

TEST(slot, every_item_is_taken_once)
{
    conserve();
}

TEST(slot, every_item_is_taken_once_without_membarrier)
{
    gri_fence_is_asymmetric = false;
    conserve();
}
