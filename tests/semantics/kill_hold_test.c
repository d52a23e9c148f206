/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "support/harness.h"

static gr_self *start(void)
{
    gr_detail detail;
    gr_self *self = NULL;
    CHECK_OK(gr_start(NULL, &detail));
    CHECK_OK(gr_attach(&self));
    return self;
}

static void report(gr_self *self, gr_address to, int code)
{
    CHECK_OK(gr_cast(self, to, "i", code));
}

static int64_t next(gr_self *self)
{
    gr_message *m = NULL;
    CHECK_OK(gr_receive(self, &m, gr_after_s(60)));
    int64_t n = gr_int(gr_body(m), 1);
    gr_message_free(&m);
    return n;
}

/* Reports each step; the message it waits for is sent after the kill. */
static void holder(gr_self *self, gr_value args)
{
    gr_address parent = gr_address_in(args);
    gr_message *m = NULL;
    gr_kill_hold(self);
    gr_kill_hold(self);
    report(self, parent, 100);
    int code = gr_receive(self, &m, gr_after_s(60));
    gr_message_free(&m);
    report(self, parent, code);
    gr_kill_release(self);
    report(self, parent, gr_cooperate(self));
    report(self, parent, gr_killed(self));
    gr_kill_release(self);
    report(self, parent, gr_cooperate(self));
}

TEST(kill_hold, a_kill_waits_for_the_last_release)
{
    gr_self *self = start();
    gr_address a;
    CHECK_OK(gr_spawn(self, &a, holder, "A", gr_self_address(self)));
    CHECK_EQ(next(self), 100);
    CHECK_OK(gr_kill(a));
    CHECK_OK(gr_cast(self, a, "n"));
    CHECK_EQ(next(self), 0);
    CHECK_EQ(next(self), 0);
    CHECK_EQ(next(self), 1);
    CHECK_EQ(next(self), GR_EKILLED);
    CHECK_OK(gr_stop(gr_after_s(60)));
}

TEST(kill_hold, kill_now_does_not_wait)
{
    gr_self *self = start();
    gr_address a;
    gr_spawn_options options = {.retain = true};
    CHECK_OK(gr_spawn_with(self, &a, holder, &options, "A", gr_self_address(self)));
    CHECK_EQ(next(self), 100);
    CHECK_OK(gr_kill_now(a));
    CHECK_EQ(gr_wait(self, a, NULL, gr_after_s(60)), GR_EKILLED);
    gr_message *m = NULL;
    CHECK_EQ(gr_receive(self, &m, GR_NOW), GR_ETIMEOUT);
    CHECK_OK(gr_stop(gr_after_s(60)));
}

/* ---- sections that outlast the message they began in ---- */

static int hold_in_start(gr_self *self, void *state, gr_value args)
{
    (void)state, (void)args;
    gr_kill_hold(self);
    return 0;
}

static void hold_more(gr_self *self, void *state, gr_value argument)
{
    (void)state, (void)argument;
    gr_kill_hold(self);
}

static void release_one(gr_self *self, void *state, gr_value argument)
{
    (void)state, (void)argument;
    gr_kill_release(self);
}

static void hold_and_raise(gr_self *self, void *state, gr_value argument)
{
    (void)state, (void)argument;
    gr_kill_hold(self);
    gr_no_suspend_begin(self);
    gr_raise(self, "on_purpose", "with two sections open");
}

static void sleep_a_little(gr_self *self, void *state, gr_value argument)
{
    (void)state, (void)argument;
    CHECK_OK(gr_sleep(self, gr_after_us(10))); /* neither forbidden nor killed */
}

static const gr_method section_methods[] = {
    {"hold", hold_more}, {"release", release_one}, {"raise", hold_and_raise}, {"sleep", sleep_a_little}};
static const gr_server section_server = {.start = hold_in_start, .methods = section_methods, .method_count = 4};

TEST(kill_hold, a_raise_ends_the_sections_of_its_own_message_and_no_earlier_ones)
{
    static const char *const calls[] = {"hold", "raise", "sleep", "raise", "release"};
    gr_self *self = BEGIN();
    gr_address server;
    CHECK_OK(gr_spawn_server(self, &server, &section_server, OPTIONS(.link = GR_LINK), "n"));
    for (size_t i = 0; i < 5; i++)
        CHECK_EQ(gr_call(self, NULL, server, calls[i], SOON, "n"), strcmp(calls[i], "raise") == 0 ? GR_EEXCEPTION : 0);
    CHECK_OK(gr_call(self, NULL, server, "release", SOON, "n")); /* the one of start: one too many would be a panic */
    CHECK_OK(gr_kill(server));
    EXPECT_EXCEPTION(self, server, "killed");
    END(self);
}
