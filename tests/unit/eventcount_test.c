/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Who sleeps and who searches: each transition by hand, then that no work is left while all sleep, with real threads.
 * Interleavings are explored in tests/explore/eventcount_explore.c. */
#include "sync/eventcount.h"

#include "os/park.h"
#include "support/test.h"

#include <pthread.h>
#include <sched.h>

static gri_idle idle;

TEST(idle, nobody_is_woken_while_nobody_sleeps)
{
    gri_idle_init(&idle, 4);
    CHECK_EQ(gri_idle_wake_one(&idle), -1);
    CHECK_EQ(gri_idle_wake_hint(&idle), -1);
    CHECK_EQ(gri_idle_wake_worker(&idle, 2), -1);
    CHECK_EQ(gri_idle_wake_any(&idle), -1);
    CHECK_EQ(gri_idle_searching_count(&idle), 0);
}

TEST(idle, half_of_the_workers_search)
{
    gri_idle_init(&idle, 4);
    CHECK(gri_idle_search_begin(&idle));
    CHECK(gri_idle_search_begin(&idle));
    CHECK(!gri_idle_search_begin(&idle));
    CHECK(!gri_idle_search_end(&idle));
    CHECK(gri_idle_search_end(&idle)); /* the last one */
    gri_idle_init(&idle, 1);
    CHECK(gri_idle_search_begin(&idle));
    CHECK(gri_idle_search_end(&idle));
}

TEST(idle, a_claimed_sleeper_is_a_searcher)
{
    gri_idle_init(&idle, 130);
    gri_idle_announce(&idle, 129, false);
    gri_idle_announce(&idle, 64, false);
    CHECK_EQ(gri_idle_asleep_count(&idle), 2);
    CHECK_EQ(gri_idle_wake_one(&idle), 64);
    CHECK_EQ(gri_idle_searching_count(&idle), 1);
    CHECK_EQ(gri_idle_wake_one(&idle), -1); /* somebody searches already */
    CHECK_EQ(gri_idle_wake_hint(&idle), -1);
    CHECK(!gri_idle_cancel(&idle, 64)); /* it learns that it was claimed */
    CHECK(gri_idle_search_end(&idle));
    CHECK_EQ(gri_idle_wake_hint(&idle), 129);
    CHECK(!gri_idle_cancel(&idle, 129));
    CHECK(gri_idle_search_end(&idle));
    CHECK_EQ(gri_idle_asleep_count(&idle), 0);
}

TEST(idle, a_sleeper_can_change_its_mind)
{
    gri_idle_init(&idle, 2);
    CHECK(gri_idle_search_begin(&idle));
    gri_idle_announce(&idle, 1, true);
    CHECK_EQ(gri_idle_searching_count(&idle), 0);
    CHECK(gri_idle_cancel(&idle, 1));
    CHECK_EQ(gri_idle_asleep_count(&idle), 0);
    CHECK_EQ(gri_idle_wake_one(&idle), -1);
}

TEST(idle, a_given_sleeper_is_woken_even_while_others_search)
{
    gri_idle_init(&idle, 4);
    CHECK(gri_idle_search_begin(&idle));
    gri_idle_announce(&idle, 3, false);
    gri_idle_announce(&idle, 2, false);
    CHECK_EQ(gri_idle_wake_worker(&idle, 1), -1);
    CHECK_EQ(gri_idle_wake_worker(&idle, 3), 3);
    CHECK_EQ(gri_idle_wake_any(&idle), 2);
    CHECK_EQ(gri_idle_searching_count(&idle), 3);
    CHECK(!gri_idle_search_end(&idle) && !gri_idle_search_end(&idle) && gri_idle_search_end(&idle));
}

/* Workers that sleep whenever there is nothing, one producer that is no worker: all work is done, so no wake-up is lost. */
enum { WORKERS = 3, WORK = 20000 };
static gri_parker parkers[WORKERS];
static gri_atomic_u32 available, done, stop;

static bool take_work(void)
{
    uint32_t left = gri_load_relaxed(&available);
    while (left > 0)
        if (gri_cas_weak_relaxed(&available, &left, left - 1)) return true;
    return false;
}

static void wake_one(void)
{
    const int worker = gri_idle_wake_one(&idle);
    if (worker >= 0) gri_parker_notify(&parkers[worker]);
}

static void *work(void *arg)
{
    const unsigned me = (unsigned)(uintptr_t)arg;
    bool searching = false;
    while (gri_load_relaxed(&stop) == 0) {
        if (!searching) searching = gri_idle_search_begin(&idle);
        if (take_work()) {
            if (searching && gri_idle_search_end(&idle) && gri_load_relaxed(&available) > 0) wake_one();
            searching = false;
            gri_add_acq_rel(&done, 1);
            continue;
        }
        gri_idle_announce(&idle, me, searching);
        if (gri_load_relaxed(&available) == 0 && gri_load_relaxed(&stop) == 0)
            (void)gri_parker_wait(&parkers[me], GRI_INSTANT_NEVER);
        searching = !gri_idle_cancel(&idle, me);
    }
    return NULL;
}

TEST(idle, no_wake_up_is_lost)
{
    gri_idle_init(&idle, WORKERS);
    pthread_t threads[WORKERS];
    for (uintptr_t i = 0; i < WORKERS; i++) {
        gri_parker_init(&parkers[i]);
        CHECK_OK(pthread_create(&threads[i], NULL, work, (void *)i));
    }
    for (unsigned i = 0; i < WORK; i++) {
        gri_add_relaxed(&available, 1);
        wake_one();
        /* let them fall asleep now and then: wait until this one is done */
        if (i % 8 == 0)
            while (gri_load_acquire(&done) < i + 1) sched_yield();
    }
    while (gri_load_acquire(&done) < WORK) sched_yield();
    gri_store_relaxed(&stop, 1);
    gri_fence_seq_cst();
    for (unsigned i = 0; i < WORKERS; i++) gri_parker_notify(&parkers[i]);
    for (unsigned i = 0; i < WORKERS; i++) CHECK_OK(pthread_join(threads[i], NULL));
}
