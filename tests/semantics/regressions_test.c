/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What once went wrong. Each of these failed before it was mended; what the rule is says the file of its subject. */
#include "support/harness.h"

#include "base/atomic.h"
#include "memory/heap.h"

#include <sys/wait.h>
#include <unistd.h>

/* One worker, and no spare beside it: what is made ready last runs first, so who sees what when is known. */
#define BEGIN_ALONE() \
    BEGIN_WITH(.workers = 1, .bind = "none", .stuck_ms = 60000, \
               .fixed = GR_FIXED(workers) | GR_FIXED(bind) | GR_FIXED(stuck_ms))

static void tell(gr_self *self, gr_value args, const char *text)
{
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "to")), "s", text));
}

/* ---- waiting ---- */

static void waits(gr_self *self, gr_value args)
{
    CHECK_EQ(gr_wait(self, gr_address_in(gr_get(args, "for")), NULL, GR_FOREVER), GR_EKILLED);
    tell(self, args, "killed");
    gr_kill_clear(self);
    /* The record of that wait is gone: no list may lead to it. */
    gr_monitor_ref ref;
    for (int i = 0; i < 3; i++) {
        CHECK_OK(gr_monitor(self, gr_address_in(gr_get(args, "to")), &ref));
        CHECK_OK(gr_demonitor(self, ref, true));
    }
}

/* Kills who waits and whom it waits for, in one go: the kill and the answer are there when the waiter looks. */
static void kills_both(gr_self *self, gr_value args)
{
    gr_address waiter = gr_address_in(gr_get(args, "waiter")), other = gr_address_in(gr_get(args, "other"));
    WAIT_FOR(self, harness_waits(waiter) && harness_waits(other));
    CHECK_OK(gr_kill(waiter));
    CHECK_OK(gr_kill_now(other));
}

TEST(regressions, an_exit_and_a_kill_reach_who_waits_at_once)
{
    if (harness_simulated()) return;
    for (int i = 0; i < 2; i++) {
        gr_self *self = BEGIN_ALONE();
        gr_address other, waiter, killer;
        CHECK_OK(gr_spawn(self, &other, harness_idle, "n"));
        CHECK_OK(gr_spawn_with(self, &waiter, waits, OPTIONS(.kill = i ? GR_KILL_RAISES : GR_KILL_RETURNS), "{s:A,s:A}",
                               "to", gr_self_address(self), "for", other));
        CHECK_OK(gr_spawn(self, &killer, kills_both, "{s:A,s:A}", "waiter", waiter, "other", other));
        if (i == 0) EXPECT(self, "s", "killed");
        WAIT_GONE(self, waiter);
        WAIT_GONE(self, other);
        END(self);
    }
}

/* ---- unwinding ---- */

static void raises_where_it_must_not_suspend(gr_self *self, void *arg)
{
    (void)arg;
    gr_no_suspend_begin(self);
    gr_kill_hold(self);
    gr_raise(self, "torn", "in the middle of it");
}

static void is_torn_out(gr_self *self, gr_value args)
{
    gr_message *report = NULL;
    CHECK_EQ(gr_protect(self, raises_where_it_must_not_suspend, NULL, &report), GR_EEXCEPTION);
    gr_message_free(&report);
    CHECK_OK(gr_sleep(self, gr_after_us(1)));
    tell(self, args, "may suspend again");
    gr_message *m = NULL;
    CHECK_EQ(gr_receive(self, &m, SOON), GR_EKILLED);
}

TEST(regressions, a_raise_ends_what_it_leaves)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn_with(self, &one, is_torn_out, OPTIONS(.link = GR_LINK), "{s:A}", "to", gr_self_address(self)));
    EXPECT(self, "s", "may suspend again");
    CHECK_OK(gr_kill(one));
    EXPECT_EXCEPTION(self, one, "killed");
    END(self);
}

static void ends_what_is_not_its_own_and_raises(gr_self *self, void *arg)
{
    (void)arg;
    gr_no_suspend_end(self);
    gr_raise(self, "torn", "after it");
}

TEST(regressions, a_raise_puts_back_what_was_begun_before)
{
    gr_self *self = BEGIN();
    gr_message *report = NULL;
    gr_no_suspend_begin(self);
    CHECK_EQ(gr_protect(self, ends_what_is_not_its_own_and_raises, NULL, &report), GR_EEXCEPTION);
    gr_message_free(&report);
    CHECK_EQ(gr_sleep(self, GR_NOW), GR_ESUSPEND);
    gr_no_suspend_end(self);
    CHECK_OK(gr_sleep(self, GR_NOW));
    END(self);
}

static void method_torn(gr_self *self, void *state, gr_value argument)
{
    (void)state, (void)argument;
    raises_where_it_must_not_suspend(self, NULL);
}

static void method_sleeps(gr_self *self, void *state, gr_value argument)
{
    (void)state, (void)argument;
    CHECK_OK(gr_sleep(self, gr_after_us(1)));
}

static const gr_method torn_methods[] = {{"torn", method_torn}, {"sleeps", method_sleeps}};
static const gr_server torn_server = {.methods = torn_methods, .method_count = 2};

TEST(regressions, a_raise_in_a_method_ends_what_it_leaves)
{
    gr_self *self = BEGIN();
    gr_address one;
    gr_message *reply = NULL;
    CHECK_OK(gr_spawn_server(self, &one, &torn_server, OPTIONS(.link = GR_LINK), "n"));
    CHECK_EQ(gr_call(self, &reply, one, "torn", SOON, "n"), GR_EEXCEPTION);
    gr_message_free(&reply);
    CHECK_OK(gr_call(self, &reply, one, "sleeps", SOON, "n"));
    gr_message_free(&reply);
    CHECK_OK(gr_kill(one));
    EXPECT_EXCEPTION(self, one, "killed");
    END(self);
}

static void suspends(gr_self *self, void *arg)
{
    CHECK_OK(gr_sleep(self, gr_after_us(1)));
    CHECK_OK(gr_cast(self, *(gr_address *)arg, "s", "cleaned up"));
}

static void dies_where_it_must_not_suspend(gr_self *self, gr_value args)
{
    static gr_address to;
    to = gr_address_in(args);
    CHECK_OK(gr_defer(self, suspends, &to));
    gr_no_suspend_begin(self);
    gr_raise(self, "torn", "in the middle of it");
}

TEST(regressions, cleanups_may_suspend_wherever_the_actor_died)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, dies_where_it_must_not_suspend, "A", gr_self_address(self)));
    EXPECT(self, "s", "cleaned up");
    END(self);
}

/* ---- giving way ---- */

static gri_atomic_bool others_ran; /* relaxed: a flag */

static void runs_once(gr_self *self, gr_value args)
{
    (void)self, (void)args;
    gri_store_relaxed(&others_ran, true);
}

/* Never without a message: it sends itself the next one before it takes one out. */
static void selects_for_ever(gr_self *self, gr_value args)
{
    gr_shape *shape = harness_shape("int");
    gr_pattern pattern = {.shape = shape};
    gr_address other;
    bool polls = gr_bool(args, false);
    CHECK_OK(gr_spawn(self, &other, runs_once, "n"));
    uint64_t rescues = harness_counters().rescues;
    while (!gri_load_relaxed(&others_ran) && !gr_killed(self)) {
        gr_message *m = NULL;
        if (polls) {
            GRI_IGNORE(gr_receive(self, &m, GR_NOW));
            GRI_IGNORE(gr_select(self, &pattern, 1, &m, GR_NOW));
            (void)gr_sleep(self, GR_NOW);
        } else {
            CHECK_OK(gr_cast(self, gr_self_address(self), "i", 1));
            CHECK_EQ(gr_select(self, &pattern, 1, &m, GR_FOREVER), 0);
        }
        gr_message_free(&m);
    }
    CHECK_EQ(harness_counters().rescues, rescues);
    gr_shape_free(&shape);
}

TEST(regressions, who_selects_or_polls_without_end_gives_way)
{
    if (harness_simulated()) return; /* slices are the monitor's */
    for (int polls = 0; polls < 2; polls++) {
        gri_store_relaxed(&others_ran, false);
        gr_self *self = BEGIN_WITH(.workers = 1, .bind = "none", .stuck_ms = 20000,
                                   .fixed = GR_FIXED(workers) | GR_FIXED(bind) | GR_FIXED(stuck_ms));
        gr_address one;
        CHECK_OK(gr_spawn(self, &one, selects_for_ever, "b", polls));
        WAIT_GONE(self, one);
        CHECK(gri_load_relaxed(&others_ran));
        END(self);
    }
}

/* ---- servers and their messages ---- */

typedef struct forwarding {
    gr_address to;
} forwarding;

static int forward_start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    ((forwarding *)state)->to = gr_address_in(args);
    return 0;
}

static void forward_message(gr_self *self, void *state, gr_message *m)
{
    if (gr_int(gr_body(m), 0) % 3 == 0)
        gr_message_free(&m);
    else
        CHECK_OK(gr_send(self, ((forwarding *)state)->to, &m));
}

static void method_frees(gr_self *self, void *state, gr_value argument)
{
    (void)self, (void)state, (void)argument;
}

static const gr_method forward_methods[] = {{"frees", method_frees}};
static const gr_server forward_server = {.state_bytes = sizeof(forwarding),
                                         .start = forward_start,
                                         .on_message = forward_message,
                                         .methods = forward_methods,
                                         .method_count = 1};

TEST(regressions, a_server_may_send_on_or_free_what_it_got)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn_server(self, &one, &forward_server, NULL, "A", gr_self_address(self)));
    for (int i = 0; i < 30; i++) CHECK_OK(gr_cast(self, one, "i", i));
    for (int i = 0; i < 30; i++)
        if (i % 3 != 0) EXPECT(self, "i", i);
    CHECK_OK(gr_call(self, NULL, one, "frees", SOON, "n"));
    EXPECT_NOTHING(self);
    END(self);
}

static void sends_on_in_vain(gr_self *self, void *state, gr_message *m)
{
    gr_address here = gr_self_address(self);
    gr_address dead = {here.id - (UINT64_C(2) << 32)}; /* an earlier life of this slot, or of none */
    (void)state;
    for (int i = 0; i < 3; i++) CHECK_EQ(gr_send(self, dead, &m), GR_EDEAD);
    CHECK(m != NULL);
}

static const gr_server vain_server = {.on_message = sends_on_in_vain};

static uint64_t blocks_live(void)
{
    gri_heap_counts heaps;
    gri_chunk_counts chunks;
    gri_heap_count_all(&heaps, &chunks);
    return heaps.blocks_allocated - heaps.blocks_freed;
}

TEST(regressions, what_could_not_be_sent_on_is_freed_with_the_rest)
{
    uint64_t before = blocks_live();
    gr_self *self = BEGIN();
    gr_address one, two;
    gr_message *m = NULL;
    CHECK_OK(gr_spawn_server(self, &one, &vain_server, NULL, "n"));
    CHECK_OK(gr_spawn_link(self, &two, harness_idle, "n"));
    for (int i = 0; i < 30; i++)
        CHECK_OK(gr_cast(self, one, "{s:i,s:s}", "i", i, "text", "outside of the envelope, all of it"));
    CHECK_OK(gr_kill(two));
    CHECK_OK(gr_receive(self, &m, SOON));
    CHECK_EQ(gr_send(self, two, &m), GR_EDEAD); /* a copy by now: an exit message travels on as a cast */
    m = NULL;                                   /* forgotten, and freed all the same: it was received */
    END(self);
    CHECK_EQ(blocks_live(), before);
}

/* ---- stopping ---- */

static void returns_much(gr_self *self, gr_value args)
{
    (void)args;
    char *text = gr_alloc(self, 20000);
    CHECK(text);
    memset(text, 'x', 20000 - 1);
    CHECK_OK(gr_return(self, "s", (const char *)text));
}

TEST(regressions, records_nobody_waited_for_go_with_the_runtime)
{
    uint64_t first = 0;
    for (int i = 0; i < 12; i++) {
        gr_self *self = BEGIN();
        if (i == 2) first = harness_counters().message_bytes;
        if (i > 2) CHECK(harness_counters().message_bytes <= first + (1 << 20));
        gr_address one[100];
        for (int k = 0; k < 100; k++)
            CHECK_OK(gr_spawn_with(self, &one[k], returns_much, OPTIONS(.retain = true), "n"));
        for (int k = 0; k < 100; k++) WAIT_GONE(self, one[k]);
        END(self);
    }
}

/* ---- pinned ---- */

static void cooperates(gr_self *self, gr_value args)
{
    gr_address other;
    (void)args;
    CHECK_OK(gr_spawn_with(self, &other, runs_once, OPTIONS(.pinned = true), "n"));
    for (int i = 0; i < 1000 && !gri_load_relaxed(&others_ran); i++) CHECK_OK(gr_cooperate(self));
    CHECK(gri_load_relaxed(&others_ran));
}

TEST(regressions, who_cooperates_lets_pinned_ones_run)
{
    gri_store_relaxed(&others_ran, false);
    gr_self *self = BEGIN_ALONE();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, cooperates, "n"));
    WAIT_GONE(self, one);
    END(self);
}

/* ---- runs and processes ---- */

TEST(regressions, handles_of_timers_mean_nothing_in_the_next_run)
{
    gr_timer old, timer;
    for (int i = 0; i < 2; i++) {
        gr_self *self = BEGIN();
        CHECK_OK(gr_cast_after(self, &timer, gr_self_address(self), gr_after_s(1000), "n"));
        if (i == 0)
            old = timer;
        else
            CHECK_EQ(gr_cancel(self, old), GR_ENOTFOUND);
        if (i == 1) CHECK_OK(gr_cancel(self, timer));
        END(self);
    }
}

static void leaves_the_child(gr_self *self, void *arg)
{
    (void)self;
    if (getpid() != *(pid_t *)arg) _exit(1);
}

TEST(regressions, cleanups_are_the_parents_after_a_fork)
{
    if (harness_simulated()) return;
    pid_t parent = getpid();
    gr_self *self = BEGIN();
    CHECK_OK(gr_defer(self, leaves_the_child, &parent));
    pid_t child = fork();
    if (child == 0) {
        gr_detach(&self);
        _exit(self ? 2 : 0);
    }
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
    END(self);
}
