/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Kills: sticky until the end or taken back, raised where that was asked for, held during cleanups, never refused for good.
 * That they reach every kind of suspension point is in suspension_test.c. */
#include "support/harness.h"

#include "base/atomic.h"

static gr_address spawn_for(gr_self *self, gr_entry entry, const gr_spawn_options *options)
{
    gr_address address;
    CHECK_OK(gr_spawn_with(self, &address, entry, options, "A", gr_self_address(self)));
    return address;
}

static void tell(gr_self *self, gr_value args, const char *text)
{
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", text));
}

static void receive_in_vain(gr_self *self)
{
    gr_message *m = NULL;
    CHECK_EQ(gr_receive(self, &m, GR_FOREVER), GR_EKILLED);
}

/* ---- sticky ---- */

static void sees_it_again_and_again(gr_self *self, gr_value args)
{
    gr_message *m = NULL;
    tell(self, args, "up");
    CHECK_EQ(gr_receive(self, &m, GR_FOREVER), GR_EKILLED);
    CHECK(gr_killed(self));
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(gr_receive(self, &m, GR_NOW), GR_EKILLED);
        CHECK_EQ(gr_sleep(self, GR_FOREVER), GR_EKILLED);
        CHECK_EQ(gr_cooperate(self), GR_EKILLED);
        CHECK_EQ(gr_wait(self, gr_address_in(args), NULL, GR_FOREVER), GR_EKILLED);
        CHECK_EQ(gr_call(self, NULL, gr_address_in(args), "m", GR_FOREVER, "n"), GR_EKILLED);
    }
    tell(self, args, "casting is allowed");
}

TEST(kill, is_sticky)
{
    gr_self *self = BEGIN();
    gr_address one = spawn_for(self, sees_it_again_and_again, OPTIONS(.link = GR_LINK));
    EXPECT(self, "s", "up");
    CHECK_OK(gr_kill(one));
    EXPECT(self, "s", "casting is allowed");
    EXPECT_EXCEPTION(self, one, "killed");
    END(self);
}

static void takes_it_back(gr_self *self, gr_value args)
{
    gr_message *m = NULL;
    for (int i = 0; i < 3; i++) {
        tell(self, args, "up");
        CHECK_EQ(gr_receive(self, &m, GR_FOREVER), GR_EKILLED);
        gr_kill_clear(self);
        CHECK(!gr_killed(self));
        CHECK_EQ(gr_receive(self, &m, GR_NOW), GR_ETIMEOUT);
        CHECK_OK(gr_sleep(self, gr_after_us(10)));
    }
    CHECK_OK(gr_return(self, "s", "lived on"));
}

TEST(kill, is_taken_back_by_kill_clear)
{
    gr_self *self = BEGIN();
    gr_address one = spawn_for(self, takes_it_back, OPTIONS(.link = GR_LINK_TRAP_EXIT));
    for (int i = 0; i < 3; i++) {
        EXPECT(self, "s", "up");
        CHECK_OK(gr_kill(one));
    }
    EXPECT(self, "{s:A,s:s}", "address", one, "exit", "lived on");
    END(self);
}

static void is_killed_often(gr_self *self, gr_value args)
{
    for (int i = 0; i < 5; i++) CHECK_OK(gr_kill(gr_self_address(self)));
    CHECK_EQ(gr_cooperate(self), GR_EKILLED);
    CHECK_OK(gr_kill(gr_self_address(self)));
    gr_kill_clear(self); /* several kills are one */
    CHECK_OK(gr_cooperate(self));
    tell(self, args, "alive");
}

TEST(kill, is_idempotent)
{
    gr_self *self = BEGIN();
    gr_address one = spawn_for(self, is_killed_often, gr_spawn_link_options());
    EXPECT(self, "s", "alive");
    EXPECT(self, "{s:A,s:n}", "address", one, "exit");
    END(self);
}

TEST(kill, of_the_dead_is_edead)
{
    gr_self *self = BEGIN();
    gr_address one = spawn_for(self, harness_idle, NULL);
    CHECK_OK(gr_kill(one));
    WAIT_FOR(self, !gr_alive(one));
    CHECK_EQ(gr_kill(one), GR_EDEAD);
    CHECK_EQ(gr_kill_now(one), GR_EDEAD);
    CHECK_EQ(gr_kill(GR_DEAD_ADDRESS), GR_EDEAD);
    CHECK_EQ(gr_kill_now(GR_NO_ADDRESS), GR_EDEAD);
    END(self);
}

static void kills_itself(gr_self *self, gr_value args)
{
    CHECK(!gr_killed(self));
    CHECK_OK(gr_kill(gr_self_address(self)));
    tell(self, args, "goes on until it suspends");
    CHECK_EQ(gr_cooperate(self), GR_EKILLED);
    gr_kill_clear(self);
    CHECK_OK(gr_cooperate(self));
    CHECK_OK(gr_kill_now(gr_self_address(self)));
    tell(self, args, "again");
    (void)gr_cooperate(self);
    tell(self, args, "never");
}

TEST(kill, of_oneself_takes_effect_at_the_next_suspending_call)
{
    gr_self *self = BEGIN();
    gr_address one = spawn_for(self, kills_itself, OPTIONS(.link = GR_LINK));
    EXPECT(self, "s", "goes on until it suspends");
    EXPECT(self, "s", "again");
    EXPECT_EXCEPTION(self, one, "killed");
    EXPECT_NOTHING(self);
    END(self);
}

TEST(kill, reaches_one_that_has_not_run_yet)
{
    gr_self *self = BEGIN();
    for (int i = 0; i < 20; i++) {
        gr_address one;
        CHECK_OK(gr_spawn_link(self, &one, harness_idle, "n"));
        CHECK_OK(i % 2 ? gr_kill(one) : gr_kill_now(one));
        EXPECT_EXCEPTION(self, one, "killed");
    }
    END(self);
}

/* ---- patience ---- */

static void ignores_it(gr_self *self, gr_value args)
{
    tell(self, args, "up");
    gr_message *m = NULL;
    int returns = 0;
    while (gr_receive(self, &m, GR_FOREVER) == GR_EKILLED) {
        returns++;
        if (returns == GR_KILL_PATIENCE) tell(self, args, "patience is at its end");
        CHECK(returns <= GR_KILL_PATIENCE);
    }
}

TEST(kill, one_that_ignores_it_is_ended_after_a_bounded_number_of_returns)
{
    gr_self *self = BEGIN();
    gr_address one = spawn_for(self, ignores_it, OPTIONS(.link = GR_LINK));
    EXPECT(self, "s", "up");
    CHECK_OK(gr_kill(one));
    EXPECT(self, "s", "patience is at its end");
    EXPECT_EXCEPTION(self, one, "killed");
    END(self);
}

static void patience_is_renewed(gr_self *self, gr_value args)
{
    gr_message *m = NULL;
    for (int round = 0; round < 3; round++) {
        CHECK_OK(gr_kill(gr_self_address(self)));
        for (int i = 0; i < GR_KILL_PATIENCE; i++) CHECK_EQ(gr_receive(self, &m, GR_NOW), GR_EKILLED);
        gr_kill_clear(self);
    }
    tell(self, args, "alive");
}

TEST(kill, patience_is_per_kill)
{
    gr_self *self = BEGIN();
    spawn_for(self, patience_is_renewed, NULL);
    EXPECT(self, "s", "alive");
    END(self);
}

/* ---- kill now ---- */

static void never_goes_on(gr_self *self, gr_value args)
{
    tell(self, args, "up");
    receive_in_vain(self);
    tell(self, args, "never");
}

static void cannot_be_protected(gr_self *self, void *arg)
{
    never_goes_on(self, *(gr_value *)arg);
}

static void protects(gr_self *self, gr_value args)
{
    int code = gr_protect(self, cannot_be_protected, &args, NULL);
    CHECK_OK(gr_cast(self, gr_address_in(args), "{s:i}", "protect", code));
}

TEST(kill_now, ends_it_at_its_next_suspension_point)
{
    gr_self *self = BEGIN();
    const gr_entry entries[] = {never_goes_on, protects};
    for (int i = 0; i < 2; i++) {
        gr_address one = spawn_for(self, entries[i], OPTIONS(.link = GR_LINK));
        EXPECT(self, "s", "up");
        CHECK_OK(gr_kill_now(one));
        EXPECT_EXCEPTION(self, one, "killed");
        EXPECT_NOTHING(self);
    }
    END(self);
}

static void tries_to_take_it_back(gr_self *self, gr_value args)
{
    CHECK_OK(gr_kill_now(gr_self_address(self)));
    gr_kill_clear(self);
    CHECK(gr_killed(self));
    tell(self, args, "still killed");
    (void)gr_cooperate(self);
    tell(self, args, "never");
}

TEST(kill_now, is_not_to_be_caught)
{
    gr_self *self = BEGIN();
    gr_address one = spawn_for(self, tries_to_take_it_back, OPTIONS(.link = GR_LINK));
    EXPECT(self, "s", "still killed");
    EXPECT_EXCEPTION(self, one, "killed");
    EXPECT_NOTHING(self);
    END(self);
}

static void waits_after_a_kill(gr_self *self, gr_value args)
{
    gr_message *m = NULL;
    tell(self, args, "up");
    CHECK_EQ(gr_receive(self, &m, GR_FOREVER), GR_EKILLED);
    gr_kill_clear(self);
    tell(self, args, "cleared");
    receive_in_vain(self);
    tell(self, args, "never");
}

TEST(kill_now, works_after_a_kill_was_taken_back)
{
    gr_self *self = BEGIN();
    gr_address one = spawn_for(self, waits_after_a_kill, OPTIONS(.link = GR_LINK));
    EXPECT(self, "s", "up");
    CHECK_OK(gr_kill(one));
    EXPECT(self, "s", "cleared");
    CHECK_OK(gr_kill_now(one));
    EXPECT_EXCEPTION(self, one, "killed");
    EXPECT_NOTHING(self);
    END(self);
}

/* ---- raising kills ---- */

TEST(kill_raises, unwinds_to_the_end_without_a_protect)
{
    gr_self *self = BEGIN();
    gr_address one = spawn_for(self, never_goes_on, OPTIONS(.kill = GR_KILL_RAISES, .link = GR_LINK));
    EXPECT(self, "s", "up");
    CHECK_OK(gr_kill(one));
    EXPECT_EXCEPTION(self, one, "killed");
    EXPECT_NOTHING(self);
    END(self);
}

static void protects_twice(gr_self *self, gr_value args)
{
    gr_message *report = NULL;
    CHECK_EQ(gr_protect(self, cannot_be_protected, &args, &report), GR_EKILLED);
    CHECK(report == NULL);
    CHECK(gr_killed(self)); /* sticky: the next suspending call would unwind again */
    gr_kill_clear(self);
    CHECK_OK(gr_sleep(self, gr_after_us(10)));
    CHECK_EQ(gr_protect(self, cannot_be_protected, &args, NULL), GR_EKILLED);
    tell(self, args, "caught twice");
    (void)gr_cooperate(self);
    tell(self, args, "never");
}

TEST(kill_raises, unwinds_to_the_nearest_protect)
{
    gr_self *self = BEGIN();
    gr_address one = spawn_for(self, protects_twice, OPTIONS(.kill = GR_KILL_RAISES, .link = GR_LINK));
    EXPECT(self, "s", "up");
    CHECK_OK(gr_kill(one));
    EXPECT(self, "s", "up");
    CHECK_OK(gr_kill(one));
    EXPECT(self, "s", "caught twice");
    EXPECT_EXCEPTION(self, one, "killed");
    EXPECT_NOTHING(self);
    END(self);
}

/* ---- cleanups ---- */

static void cleanup(gr_self *self, void *arg)
{
    CHECK_OK(gr_cast(self, (gr_address){*(uint64_t *)arg}, "s", "cancelled"));
}

static void *keep_address(gr_self *self, gr_value args)
{
    uint64_t *kept = gr_alloc(self, sizeof *kept);
    CHECK(kept);
    *kept = gr_address_in(args).id;
    return kept;
}

static void cleanup_first(gr_self *self, void *arg)
{
    CHECK_OK(gr_cast(self, (gr_address){*(uint64_t *)arg}, "s", "first deferred"));
}

static void cleanup_second(gr_self *self, void *arg)
{
    CHECK_OK(gr_cast(self, (gr_address){*(uint64_t *)arg}, "s", "second deferred"));
}

static void end_as(gr_self *self, gr_value args, const char *how)
{
    void *kept = keep_address(self, args);
    CHECK_OK(gr_defer(self, cleanup_first, kept));
    CHECK_OK(gr_defer(self, cleanup, kept));
    CHECK_OK(gr_defer(self, cleanup_second, kept));
    CHECK_OK(gr_defer_cancel(self, cleanup, kept));
    tell(self, args, "up");
    if (strcmp(how, "raise") == 0) gr_raise(self, "so", "be it");
    if (strcmp(how, "wait") == 0) receive_in_vain(self);
    if (strcmp(how, "ignore") == 0) ignores_it(self, args);
}

static void end_returning(gr_self *self, gr_value args)
{
    end_as(self, args, "return");
}

static void end_raising(gr_self *self, gr_value args)
{
    end_as(self, args, "raise");
}

static void end_waiting(gr_self *self, gr_value args)
{
    end_as(self, args, "wait");
}

static void end_ignoring(gr_self *self, gr_value args)
{
    end_as(self, args, "ignore");
}

static int overflow(int depth)
{
    volatile char room[512];
    room[0] = (char)depth;
    return depth < 0 ? 0 : overflow(depth + 1) + room[0];
}

static void end_overflowing(gr_self *self, gr_value args)
{
    end_as(self, args, "return");
    CHECK_OK(gr_return(self, "i", overflow(0)));
}

static void expect_cleanups(gr_self *self, gr_address one, const char *error)
{
    EXPECT(self, "s", "second deferred");
    EXPECT(self, "s", "first deferred");
    if (error)
        EXPECT_EXCEPTION(self, one, error);
    else
        EXPECT(self, "{s:A,s:n}", "address", one, "exit");
    EXPECT_NOTHING(self);
}

TEST(defer, runs_in_reverse_and_once_on_every_death)
{
    gr_self *self = BEGIN();
    gr_address one = spawn_for(self, end_returning, gr_spawn_link_options());
    EXPECT(self, "s", "up");
    expect_cleanups(self, one, NULL);
    one = spawn_for(self, end_raising, gr_spawn_link_options());
    EXPECT(self, "s", "up");
    expect_cleanups(self, one, "so");
    for (int mode = 0; mode < 2; mode++) {
        for (int now = 0; now < 2; now++) {
            one = spawn_for(self, end_waiting, OPTIONS(.link = GR_LINK_TRAP_EXIT, .kill = (enum gr_kill_mode)mode));
            EXPECT(self, "s", "up");
            CHECK_OK(now ? gr_kill_now(one) : gr_kill(one));
            expect_cleanups(self, one, "killed");
        }
    }
    one = spawn_for(self, end_ignoring, gr_spawn_link_options());
    EXPECT(self, "s", "up");
    EXPECT(self, "s", "up");
    CHECK_OK(gr_kill(one));
    EXPECT(self, "s", "patience is at its end");
    expect_cleanups(self, one, "killed");
    one = spawn_for(self, end_overflowing, gr_spawn_link_options());
    EXPECT(self, "s", "up");
    expect_cleanups(self, one, "stack_overflow");
    END(self);
}

static gri_atomic_u32 cleanups_run;

static void count_cleanup(gr_self *self, void *arg)
{
    (void)self, (void)arg;
    gri_add_relaxed(&cleanups_run, 1u); /* relaxed: gr_stop orders it */
}

static void defers_and_waits(gr_self *self, gr_value args)
{
    CHECK_OK(gr_defer(self, count_cleanup, NULL));
    tell(self, args, "up");
    receive_in_vain(self);
}

TEST(defer, runs_when_the_runtime_stops)
{
    gr_self *self = BEGIN();
    for (int i = 0; i < 5; i++) {
        spawn_for(self, defers_and_waits, NULL);
        EXPECT(self, "s", "up");
    }
    CHECK_OK(gr_defer(self, count_cleanup, NULL)); /* an attached thread has cleanups, too */
    END(self);
    CHECK_EQ(gri_load_relaxed(&cleanups_run), 6); /* relaxed: as above */
}

/* ---- kills are held during cleanups ---- */

static void slow_cleanup(gr_self *self, void *arg)
{
    gr_address to = {*(uint64_t *)arg};
    CHECK_OK(gr_cast(self, to, "s", "cleaning"));
    gr_message *m = NULL;
    for (int i = 0; i < 3; i++) {
        CHECK_OK(gr_receive(self, &m, SOON)); /* not GR_EKILLED */
        FREE(m);
        CHECK_OK(gr_cooperate(self));
        CHECK_OK(gr_sleep(self, gr_after_us(10)));
        CHECK_OK(gr_cast(self, to, "s", "more"));
    }
    CHECK_OK(gr_cast(self, to, "s", "clean"));
}

static void cleans_slowly(gr_self *self, gr_value args)
{
    CHECK_OK(gr_defer(self, slow_cleanup, keep_address(self, args)));
    never_goes_on(self, args);
}

TEST(defer, further_kills_are_held_meanwhile)
{
    gr_self *self = BEGIN();
    for (int mode = 0; mode < 2; mode++) {
        gr_address one = spawn_for(self, cleans_slowly, OPTIONS(.link = GR_LINK, .kill = (enum gr_kill_mode)mode));
        EXPECT(self, "s", "up");
        CHECK_OK(gr_kill_now(one));
        EXPECT(self, "s", "cleaning");
        for (int i = 0; i < 3; i++) {
            CHECK_OK(i % 2 ? gr_kill(one) : gr_kill_now(one));
            CHECK_OK(gr_cast(self, one, "n"));
            EXPECT(self, "s", "more");
        }
        EXPECT(self, "s", "clean");
        EXPECT_EXCEPTION(self, one, "killed");
    }
    END(self);
}

static void raising_cleanup(gr_self *self, void *arg)
{
    CHECK_OK(gr_cast(self, (gr_address){*(uint64_t *)arg}, "s", "raises"));
    gr_raise(self, "cleanup", "raised");
}

static void raises_in_cleanup(gr_self *self, gr_value args)
{
    void *kept = keep_address(self, args);
    CHECK_OK(gr_defer(self, cleanup_first, kept));
    CHECK_OK(gr_defer(self, raising_cleanup, kept));
    CHECK_OK(gr_return(self, "s", "result"));
}

TEST(defer, an_exception_in_a_cleanup_changes_nothing)
{
    gr_self *self = BEGIN();
    gr_address one = spawn_for(self, raises_in_cleanup, gr_spawn_link_options());
    EXPECT(self, "s", "raises");
    EXPECT(self, "s", "first deferred");
    EXPECT(self, "{s:A,s:s}", "address", one, "exit", "result");
    END(self);
}

static void defers_more(gr_self *self, void *arg)
{
    CHECK_OK(gr_cast(self, (gr_address){*(uint64_t *)arg}, "s", "defers"));
    CHECK_OK(gr_defer(self, cleanup_second, arg));
}

static void defers_while_cleaning(gr_self *self, gr_value args)
{
    void *kept = keep_address(self, args);
    CHECK_OK(gr_defer(self, cleanup_first, kept));
    CHECK_OK(gr_defer(self, defers_more, kept));
}

TEST(defer, what_a_cleanup_defers_runs_next)
{
    gr_self *self = BEGIN();
    gr_address one = spawn_for(self, defers_while_cleaning, gr_spawn_link_options());
    EXPECT(self, "s", "defers");
    EXPECT(self, "s", "second deferred");
    EXPECT(self, "s", "first deferred");
    EXPECT(self, "{s:A,s:n}", "address", one, "exit");
    END(self);
}

static void cancels(gr_self *self, gr_value args)
{
    void *kept = keep_address(self, args);
    CHECK_EQ(gr_defer_cancel(self, cleanup_first, kept), GR_ENOTFOUND);
    CHECK_EQ(gr_defer(self, NULL, kept), GR_EINVAL);
    CHECK_OK(gr_defer(self, cleanup_first, kept));
    CHECK_OK(gr_defer(self, cleanup_second, kept));
    CHECK_OK(gr_defer(self, cleanup_first, kept));
    CHECK_EQ(gr_defer_cancel(self, cleanup_first, NULL), GR_ENOTFOUND);
    CHECK_OK(gr_defer_cancel(self, cleanup_first, kept)); /* the latest of the two */
}

TEST(defer, cancel_takes_back_the_latest)
{
    gr_self *self = BEGIN();
    gr_address one = spawn_for(self, cancels, gr_spawn_link_options());
    EXPECT(self, "s", "second deferred");
    EXPECT(self, "s", "first deferred");
    EXPECT(self, "{s:A,s:n}", "address", one, "exit");
    END(self);
}

/* ---- an attached thread ---- */

TEST(kill, of_an_attached_thread_only_returns_codes)
{
    gr_self *self = BEGIN();
    gr_message *m = NULL;
    CHECK_OK(gr_kill(gr_self_address(self)));
    for (int i = 0; i < GR_KILL_PATIENCE + 10; i++) CHECK_EQ(gr_receive(self, &m, GR_FOREVER), GR_EKILLED);
    gr_kill_clear(self);
    CHECK_OK(gr_sleep(self, gr_after_us(10)));
    CHECK_OK(gr_kill_now(gr_self_address(self)));
    CHECK_EQ(gr_sleep(self, GR_FOREVER), GR_EKILLED);
    CHECK_EQ(gr_cooperate(self), GR_EKILLED);
    END(self);
}
