/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Giving way and sleeping; deadlines; who stays on one thread. */
#include "support/harness.h"

#include "base/atomic.h"

static gri_atomic_u32 turns;

static void take_turns(gr_self *self, gr_value args)
{
    uint32_t mine = (uint32_t)gr_int(gr_get(args, "id"), 0);
    for (uint32_t i = 0; i < 50; i++) {
        /* relaxed, both: one worker */
        while (gri_load_relaxed(&turns) % 3 != mine) CHECK_OK(gr_cooperate(self));
        gri_add_relaxed(&turns, 1u);
    }
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "to")), "s", "done"));
}

TEST(cooperate, lets_the_others_run)
{
    gr_self *self = BEGIN_WITH(.workers = 1, .fixed = GR_FIXED(workers));
    for (int i = 2; i >= 0; i--) {
        gr_address one;
        CHECK_OK(gr_spawn(self, &one, take_turns, "{s:A,s:i}", "to", gr_self_address(self), "id", i));
    }
    for (int i = 0; i < 3; i++) EXPECT(self, "s", "done");
    END(self);
}

static void cooperate_alone(gr_self *self, gr_value args)
{
    for (int i = 0; i < 1000; i++) CHECK_OK(gr_cooperate(self));
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", "alone"));
}

TEST(cooperate, returns_at_once_when_nobody_waits)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, cooperate_alone, "A", gr_self_address(self)));
    EXPECT(self, "s", "alone");
    for (int i = 0; i < 100; i++) CHECK_OK(gr_cooperate(self));
    END(self);
}

static void sleep_and_tell(gr_self *self, gr_value args)
{
    gr_deadline until = {gr_int(gr_get(args, "until"), 0)};
    CHECK_OK(gr_sleep(self, until));
    CHECK(gr_now_ns() >= until.ns);
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "to")), "V", gr_get(args, "id")));
}

TEST(sleep, lasts_until_the_deadline)
{
    gr_self *self = BEGIN();
    bool woke[30] = {false};
    for (int i = 0; i < 30; i++) {
        gr_address one;
        CHECK_OK(gr_spawn(self, &one, sleep_and_tell, "{s:A,s:i,s:I}", "to", gr_self_address(self), "id", i, "until",
                          gr_after_us(i % 7 * 400).ns));
    }
    for (int i = 0; i < 30; i++) {
        gr_message *m = RECEIVE(self);
        int64_t id = gr_int(gr_body(m), -1);
        CHECK(id >= 0 && id < 30 && !woke[id]);
        woke[id] = true;
        FREE(m);
    }
    CHECK_OK(gr_sleep(self, GR_NOW));
    CHECK_OK(gr_sleep(self, gr_after_ms(-5)));
    gr_deadline until = gr_after_ms(2);
    CHECK_OK(gr_sleep(self, until));
    CHECK(gr_now_ns() >= until.ns);
    END(self);
}

TEST(deadline, durations_are_absolute_points)
{
    gr_self *self = BEGIN();
    int64_t before = gr_now_ns();
    CHECK(gr_after_ms(5).ns >= before + 5000000);
    CHECK(gr_after_us(5).ns >= before + 5000);
    CHECK(gr_after_s(0.5).ns >= before + 500000000);
    CHECK(gr_after_ms(-5).ns <= gr_now_ns());
    CHECK(gr_after_s(-1).ns <= gr_now_ns());
    CHECK_EQ(gr_after_ms(INT64_MAX).ns, GR_FOREVER.ns);
    CHECK_EQ(gr_after_us(INT64_MAX).ns, GR_FOREVER.ns);
    CHECK_EQ(gr_after_s(1e300).ns, GR_FOREVER.ns);
    END(self);
}

/* A busy pair never stops talking; on one worker others run all the same, since the slice ends. */
static void talk(gr_self *self, gr_value args)
{
    gr_address partner = gr_address_in(args);
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0;) {
        gr_address to = gr_address_equal(partner, GR_NO_ADDRESS) ? gr_sender(m) : partner;
        int code = gr_send(self, to, &m);
        FREE(m);
        if (code != 0) return;
    }
}

TEST(slice, a_busy_pair_does_not_keep_others_from_running)
{
    gr_self *self = BEGIN_WITH(.workers = 1, .slice_us = 100, .fixed = GR_FIXED(workers) | GR_FIXED(slice_us));
    gr_address a, b, one;
    CHECK_OK(gr_spawn(self, &a, talk, "A", GR_NO_ADDRESS));
    CHECK_OK(gr_spawn(self, &b, talk, "A", a));
    CHECK_OK(gr_cast(self, b, "s", "ball"));
    for (int i = 0; i < 5; i++) {
        CHECK_OK(gr_spawn(self, &one, cooperate_alone, "A", gr_self_address(self)));
        EXPECT(self, "s", "alone");
    }
    CHECK_OK(gr_kill(a));
    CHECK_OK(gr_kill(b));
    END(self);
}

static void sleep_a_little(gr_self *self, gr_value args)
{
    CHECK_OK(gr_sleep(self, gr_after_ms(2)));
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", "slept"));
}

/* Those two hand the worker over to each other; its timers fire all the same. */
TEST(slice, a_busy_pair_does_not_keep_timers_from_firing)
{
    if (harness_simulated()) return; /* virtual time stands still while anybody can run */
    gr_self *self = BEGIN_WITH(.workers = 1, .stuck_ms = 60000, .fixed = GR_FIXED(workers) | GR_FIXED(stuck_ms));
    gr_address a, b, one;
    CHECK_OK(gr_spawn(self, &a, talk, "A", GR_NO_ADDRESS));
    CHECK_OK(gr_spawn(self, &b, talk, "A", a));
    CHECK_OK(gr_cast(self, b, "s", "ball"));
    for (int i = 0; i < 5; i++) {
        CHECK_OK(gr_spawn(self, &one, sleep_a_little, "A", gr_self_address(self)));
        EXPECT(self, "s", "slept");
    }
    CHECK_OK(gr_kill(a));
    CHECK_OK(gr_kill(b));
    END(self);
}

static gri_atomic_bool computing, heard;

/* Echoes, until it is told 0: then it computes, calling nothing, until the one that it echoed to has heard of somebody else. */
static void compute_when_told(gr_self *self, gr_value args)
{
    (void)args;
    gr_message *m = NULL;
    for (int64_t n = 1; n != 0; FREE(m)) {
        CHECK_OK(gr_receive(self, &m, GR_FOREVER));
        n = gr_int(gr_body(m), 0);
        if (n != 0) CHECK_OK(gr_cast(self, gr_sender(m), "I", n));
    }
    gri_store_release(&computing, true);
    while (!gri_load_acquire(&heard)) continue;
}

static void speak_to_who_computes(gr_self *self, gr_value args)
{
    const gr_address to = gr_address_in(gr_get(args, "echo"));
    gr_message *m = NULL;
    for (int i = 300; i >= 0; i--) {
        CHECK_OK(gr_cast(self, to, "i", i));
        CHECK_OK(gr_receive(self, &m, GR_FOREVER));
        if (i > 0) CHECK_EQ(gr_int(gr_body(m), 0), i);
        FREE(m);
    }
    gri_store_release(&heard, true);
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "to")), "s", "heard"));
}

/* Whoever was spoken to has always answered at once; this time it does not. */
TEST(slice, who_has_parked_for_one_that_computes_hears_others)
{
    if (harness_simulated()) return;
    gri_store_relaxed(&computing, false); /* relaxed, both: nobody else is there yet */
    gri_store_relaxed(&heard, false);
    gr_self *self = BEGIN_WITH(.workers = 2, .fixed = GR_FIXED(workers));
    gr_address echo, asks;
    CHECK_OK(gr_spawn(self, &echo, compute_when_told, "n"));
    CHECK_OK(gr_spawn(self, &asks, speak_to_who_computes, "{s:A,s:A}", "echo", echo, "to", gr_self_address(self)));
    WAIT_FOR(self, gri_load_acquire(&computing));
    CHECK_OK(gr_cast(self, asks, "i", 1));
    EXPECT(self, "s", "heard");
    END(self);
}

static _Thread_local int on_this_thread;

/* Out of line: the compiler must not keep the address of a thread-local across a suspend. */
__attribute__((noinline)) static int *thread_mark(void)
{
    __asm__ volatile("" ::: "memory");
    return &on_this_thread;
}

static void stays(gr_self *self, gr_value args)
{
    const int *mark = thread_mark();
    for (int i = 0; i < 200; i++) {
        CHECK_OK(i % 10 ? gr_cooperate(self) : gr_sleep(self, gr_after_us(50)));
        CHECK(thread_mark() == mark);
    }
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", "stayed"));
}

TEST(pinned, actors_stay_on_one_thread)
{
    gr_self *self = BEGIN_WITH(.workers = 4, .fixed = GR_FIXED(workers));
    gr_address one;
    for (int i = 0; i < 16; i++)
        CHECK_OK(gr_spawn_with(self, &one, stays, OPTIONS(.pinned = true), "A", gr_self_address(self)));
    for (int i = 0; i < 16; i++) EXPECT(self, "s", "stayed");
    END(self);
}
