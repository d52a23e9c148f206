/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* echo: what a call can come to. It answers, raises, or takes its time. */
#include "demos/demos.h"

enum { SLEEP_MS_MAX = 24 * 60 * 60 * 1000 };

static void echo(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    if (gr_reply_value(self, argument) != 0) gr_raise(self, "no_memory", "the argument could not be copied");
}

static void fail(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    gr_raise_value(self, "failed", argument);
}

/* The method suspends: this server gets a stack of its own until it returns, and its worker goes on with others. */
static void sleep_for(gr_self *self, void *state, gr_value argument)
{
    int64_t ms = gr_int(gr_get(argument, "ms"), -1);
    (void)state;
    if (ms < 0 || ms > SLEEP_MS_MAX) gr_raise(self, "bad_argument", "sleep takes {\"ms\": 0 to %d}", SLEEP_MS_MAX);
    if (gr_sleep(self, gr_after_ms(ms)) != 0) return; /* killed: the caller learns that this actor is dead */
    (void)gr_reply(self, "{s:I}", "slept", ms);
}

static const gr_method methods[] = {{"echo", echo}, {"fail", fail}, {"sleep", sleep_for}};

static const gr_server server = {.methods = methods, .method_count = sizeof methods / sizeof *methods};

const gr_behaviour demo_echo = {
    .name = "echo",
    .server = &server,
    .text = "answers: call echo, fail (raises its argument), sleep {\"ms\": n}",
};
