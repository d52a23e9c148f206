/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* How servers start, and every way they end; what they do meanwhile: server_test.c. */
#include "base/atomic.h"
#include "support/desk.h"

/* ---- starting ---- */

TEST(server, that_refuses_to_start_ends_with_start_failed_and_does_not_stop)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn_server(self, &one, &desk_server, gr_spawn_link_options(), "{s:A,s:b}", "host",
                             gr_self_address(self), "refuse", true));
    EXPECT_EXCEPTION(self, one, "start_failed");
    EXPECT_NOTHING(self);
    CHECK_OK(gr_spawn_server(self, &one, &desk_server, gr_spawn_link_options(), "{s:A,s:b}", "host",
                             gr_self_address(self), "raise", true));
    EXPECT_EXCEPTION(self, one, "in_start");
    EXPECT_NOTHING(self);
    END(self);
}

TEST(server, calls_to_one_that_refuses_to_start_are_edead)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(
        gr_spawn_server(self, &one, &desk_server, NULL, "{s:A,s:b}", "host", gr_self_address(self), "refuse", true));
    CHECK_EQ(gr_call(self, NULL, one, "get", GR_FOREVER, "n"), GR_EDEAD);
    END(self);
}

TEST(server, may_wait_while_it_starts)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn_server(self, &one, &desk_server, NULL, "{s:A,s:b,s:i}", "host", gr_self_address(self), "wait",
                             true, "start", 3));
    CALL_GIVES(self, one, "add", 1, "i", 4);
    END(self);
}

TEST(server, spawning_can_be_refused)
{
    gr_self *self = BEGIN();
    gr_address one = GR_NO_ADDRESS;
    CHECK_EQ(gr_spawn_server(self, &one, NULL, NULL, "n"), GR_EINVAL);
    CHECK_EQ(gr_spawn_server(self, &one, &desk_server, NULL, "I", 1), GR_EFORMAT);
    CHECK(gr_address_equal(one, GR_NO_ADDRESS));
    END(self);
}

/* ---- ending ---- */

TEST(server, ends_normally_by_server_end_and_the_caller_is_answered)
{
    gr_self *self = BEGIN();
    gr_address one = desk_new(self);
    CALL_GIVES(self, one, "end", 7, "s", "goodbye");
    EXPECT(self, "s", "stop");
    EXPECT(self, "{s:A,s:i}", "address", one, "exit", 7);
    CHECK_EQ(gr_call(self, NULL, one, "get", SOON, "n"), GR_EDEAD);
    one = desk_new(self);
    CHECK_OK(gr_cast(self, one, "s", "end"));
    EXPECT(self, "s", "stop");
    EXPECT(self, "{s:A,s:n}", "address", one, "exit");
    END(self);
}

TEST(server, a_kill_while_idle_ends_it_and_stop_runs)
{
    gr_self *self = BEGIN();
    for (int now = 0; now < 2; now++) {
        for (int mode = 0; mode < 2; mode++) {
            gr_address one = desk_with(self, OPTIONS(.link = GR_LINK, .kill = (enum gr_kill_mode)mode));
            CALL_GIVES(self, one, "get", 0, "i", 10);
            WAIT_FOR(self, harness_waits(one));
            CHECK_OK(now ? gr_kill_now(one) : gr_kill(one));
            EXPECT(self, "s", "stop");
            EXPECT_EXCEPTION(self, one, "killed");
            EXPECT_NOTHING(self);
        }
    }
    END(self);
}

/* The caller's message and the server's, in any order; the server's own in theirs. */
static void expect_death_in_method(gr_self *self, gr_address one, const char *error)
{
    bool dead = false;
    for (int i = 0; i < 3; i++) {
        gr_message *m = RECEIVE(self);
        if (gr_type_of(gr_get(gr_body(m), "code")) == GR_INT) {
            CHECK_EQ(gr_int(gr_get(gr_body(m), "code"), 0), GR_EDEAD);
            dead = true;
        } else if (i == (dead ? 1 : 0)) {
            CHECK_VALUE(gr_body(m), "s", "stop");
        } else {
            CHECK(gr_address_equal(gr_address_in(gr_get(gr_body(m), "address")), one));
            CHECK_STR(harness_error(gr_get(gr_body(m), "exception")), error);
        }
        FREE(m);
    }
    CHECK(dead);
    EXPECT_NOTHING(self);
}

TEST(server, a_kill_inside_a_method_ends_it_and_the_caller_gets_edead)
{
    gr_self *self = BEGIN();
    for (int now = 0; now < 2; now++) {
        for (int mode = 0; mode < 2; mode++) {
            gr_address one = desk_with(self, OPTIONS(.link = GR_LINK, .kill = (enum gr_kill_mode)mode));
            call_from_elsewhere(self, one, "hang");
            EXPECT(self, "s", "hanging");
            CHECK_OK(now ? gr_kill_now(one) : gr_kill(one));
            expect_death_in_method(self, one, "killed");
        }
    }
    END(self);
}

TEST(server, a_kill_inside_a_method_may_be_taken_back)
{
    gr_self *self = BEGIN();
    gr_address one = desk_new(self);
    call_from_elsewhere(self, one, "hang_and_live");
    EXPECT(self, "s", "hanging");
    CHECK_OK(gr_kill(one));
    EXPECT(self, "{s:i,s:s}", "code", 0, "reply", "lived on");
    CALL_GIVES(self, one, "get", 0, "i", 10);
    one = desk_with(self, OPTIONS(.kill = GR_KILL_RAISES));
    call_from_elsewhere(self, one, "hang_protected");
    EXPECT(self, "s", "hanging");
    CHECK_OK(gr_kill(one));
    EXPECT(self, "{s:i,s:s}", "code", 0, "reply", "caught");
    CALL_GIVES(self, one, "get", 0, "i", 10);
    END(self);
}

TEST(server, a_stack_overflow_in_a_method_ends_it_alone)
{
    gr_self *self = BEGIN();
    for (int i = 0; i < 3; i++) {
        gr_address other = desk_new(self), one = desk_new(self);
        call_from_elsewhere(self, one, "overflow");
        expect_death_in_method(self, one, "stack_overflow");
        CALL_GIVES(self, other, "add_slowly", 1, "i", 11);
    }
    END(self);
}

TEST(server, calls_behind_the_one_that_ends_it_are_edead)
{
    gr_self *self = BEGIN();
    gr_address one = desk_with(self, NULL);
    call_from_elsewhere(self, one, "hang");
    EXPECT(self, "s", "hanging");
    for (int i = 0; i < 3; i++) {
        gr_address caller = call_from_elsewhere(self, one, "get");
        WAIT_FOR(self, harness_waits(caller));
    }
    CHECK_OK(gr_kill(one));
    int dead = 0, stops = 0;
    for (int i = 0; i < 5; i++) {
        gr_message *m = RECEIVE(self);
        dead += gr_int(gr_get(gr_body(m), "code"), 0) == GR_EDEAD;
        stops += strcmp(gr_string(gr_body(m), ""), "stop") == 0;
        FREE(m);
    }
    CHECK_EQ(dead, 4);
    CHECK_EQ(stops, 1);
    END(self);
}

TEST(server, an_exception_in_stop_changes_nothing)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn_server(self, &one, &desk_server, gr_spawn_link_options(), "{s:A,s:b}", "host",
                             gr_self_address(self), "stop_raises", true));
    CALL_GIVES(self, one, "end", 1, "s", "goodbye");
    EXPECT(self, "s", "stop");
    EXPECT(self, "{s:A,s:i}", "address", one, "exit", 1);
    END(self);
}

static void last_words(gr_self *self, void *arg)
{
    CHECK_OK(gr_cast(self, (gr_address){*(uint64_t *)arg}, "s", "deferred by stop"));
}

static int keep_host(gr_self *self, void *state, gr_value args)
{
    (void)self;
    *(uint64_t *)state = gr_address_in(args).id;
    return 0;
}

static void defer_last_words(gr_self *self, void *state)
{
    CHECK_OK(gr_defer(self, last_words, state));
}

TEST(server, what_stop_defers_runs)
{
    static const gr_server server = {.state_bytes = sizeof(uint64_t), .start = keep_host, .stop = defer_last_words};
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn_server(self, &one, &server, gr_spawn_link_options(), "A", gr_self_address(self)));
    CHECK_EQ(gr_call(self, NULL, one, "get", SOON, "n"), GR_EMETHOD);
    CHECK_OK(gr_kill(one));
    EXPECT(self, "s", "deferred by stop");
    EXPECT_EXCEPTION(self, one, "killed");
    END(self);
}

/* ---- the runtime stops ---- */

static gri_atomic_u32 stops_run;

static void count_stop(gr_self *self, void *state)
{
    (void)self, (void)state;
    gri_add_relaxed(&stops_run, 1u); /* relaxed: gr_stop orders it */
}

static void wait_long(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    CHECK_OK(gr_cast(self, gr_address_in(argument), "s", "waiting"));
    CHECK_EQ(gr_sleep(self, GR_FOREVER), GR_EKILLED);
}

/* Leaves the server in wait_long: a call that is served late is not served at all, so with more time from try to try. */
static void call_in_vain(gr_self *self, gr_address one)
{
    gr_message *m = NULL;
    for (int64_t ms = 1; !m; ms *= 2) {
        CHECK_EQ(gr_call(self, NULL, one, "wait_long", gr_after_ms(ms), "A", gr_self_address(self)), GR_ETIMEOUT);
        int code = gr_receive(self, &m, gr_after_ms(ms));
        CHECK(code == 0 || code == GR_ETIMEOUT);
    }
    CHECK_STR(gr_string(gr_body(m), ""), "waiting");
    gr_message_free(&m);
}

TEST(server, stop_runs_when_the_runtime_stops)
{
    static const gr_method wait_methods[] = {{"wait_long", wait_long}};
    static const gr_server counted = {.methods = wait_methods, .method_count = 1, .stop = count_stop};
    gr_self *self = BEGIN();
    gr_address one;
    for (int i = 0; i < 6; i++) {
        CHECK_OK(gr_spawn_server(self, &one, &counted, NULL, "n"));
        CHECK_EQ(gr_call(self, NULL, one, "get", SOON, "n"), GR_EMETHOD); /* it has started */
        if (i % 2) call_in_vain(self, one);
    }
    END(self);
    CHECK_EQ(gri_load_relaxed(&stops_run), 6); /* relaxed: as above */
}
