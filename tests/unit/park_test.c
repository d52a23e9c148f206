/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "os/park.h"

#include "os/clock.h"
#include "os/thread.h"
#include "support/test.h"

TEST(park, token_is_sticky_and_single)
{
    gri_parker parker = GRI_PARKER_INIT;
    CHECK(!gri_parker_wait(&parker, GRI_INSTANT_PAST));
    gri_parker_notify(&parker);
    gri_parker_notify(&parker);
    CHECK(gri_parker_wait(&parker, GRI_INSTANT_NEVER));
    CHECK(!gri_parker_wait(&parker, GRI_INSTANT_PAST));
}

TEST(park, deadline)
{
    gri_parker parker;
    gri_parker_init(&parker);
    CHECK(!gri_parker_wait(&parker, 0));
    CHECK(!gri_parker_wait(&parker, -5));
    gri_instant deadline = gri_clock_monotonic() + GRI_NS_PER_MS;
    CHECK(!gri_parker_wait(&parker, deadline));
    CHECK(gri_clock_monotonic() >= deadline);
    gri_parker_notify(&parker);
    CHECK(gri_parker_wait(&parker, 0));
}

typedef struct pair {
    gri_parker ping, pong;
    int value; /* plain on purpose: only the tokens order its accesses */
} pair;

enum { ROUNDS = 2000 };

static void answer(void *arg)
{
    pair *p = arg;
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(gri_parker_wait(&p->ping, GRI_INSTANT_NEVER));
        CHECK_EQ(p->value, 2 * i + 1);
        p->value++;
        gri_parker_notify(&p->pong);
    }
}

TEST(park, ping_pong_publishes)
{
    pair p = {.value = 0};
    gri_thread thread;
    CHECK_OK(gri_thread_start(&thread, "answer", 0, answer, &p));
    for (int i = 0; i < ROUNDS; i++) {
        p.value++;
        gri_parker_notify(&p.ping);
        CHECK(gri_parker_wait(&p.pong, GRI_INSTANT_NEVER));
        CHECK_EQ(p.value, 2 * i + 2);
    }
    gri_thread_join(thread);
}

typedef struct race {
    gri_parker parker;
    gri_atomic_u32 sent;
} race;

static void send_many(void *arg)
{
    race *r = arg;
    for (int i = 0; i < ROUNDS; i++) {
        /* mo:test.sent seq_cst <-> test.seen: a count that the token must not overtake */
        gri_add_seq_cst(&r->sent, 1u);
        gri_parker_notify(&r->parker);
    }
}

/* Waits with deadlines that often pass in the middle: no notification may be lost, whichever wins. */
TEST(park, notify_racing_the_deadline_is_not_lost)
{
    race r = {.sent = 0};
    gri_thread threads[3];
    for (int i = 0; i < 3; i++) CHECK_OK(gri_thread_start(&threads[i], "send", 0, send_many, &r));
    gri_instant deadline = GRI_INSTANT_PAST;
    /* mo:test.seen seq_cst <-> test.sent: see above */
    while (gri_load_seq_cst(&r.sent) < 3 * ROUNDS) {
        gri_parker_wait(&r.parker, deadline);
        deadline = deadline == GRI_INSTANT_PAST ? gri_clock_monotonic() + 20000 : GRI_INSTANT_PAST;
    }
    for (int i = 0; i < 3; i++) gri_thread_join(threads[i]);
    while (gri_parker_wait(&r.parker, GRI_INSTANT_PAST)) continue;
    CHECK_EQ(gri_load_relaxed(&r.parker.word), 0); /* everyone has been joined */
}

TEST(park, futex_wait_returns_when_the_value_differs)
{
    gri_atomic_u32 word = 5;
    CHECK(gri_futex_wait(&word, 4, GRI_INSTANT_NEVER));
    CHECK(!gri_futex_wait(&word, 5, gri_clock_monotonic()));
    CHECK_EQ(gri_futex_wake(&word, 1), 0);
}
