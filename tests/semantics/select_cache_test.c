/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What select remembers of its vain looks stays right when messages leave the mailbox by other ways. */
#include "support/test.h"

#include <greenroom.h>

static gr_self *start(void)
{
    gr_detail detail;
    gr_self *self = NULL;
    CHECK_OK(gr_start(NULL, &detail));
    CHECK_OK(gr_attach(&self));
    return self;
}

static gr_shape *shape(const char *text)
{
    gr_shape *s = NULL;
    CHECK_OK(gr_shape_compile(text, &s, NULL));
    return s;
}

static int64_t number(gr_message *m)
{
    return gr_int(gr_get(gr_body(m), "n"), -1);
}

static void nothing(gr_self *self, gr_value args)
{
    (void)self, (void)args;
}

static void wait_for_downs(gr_self *self, const gr_pattern *down, int count)
{
    gr_message *m = NULL;
    for (int i = 0; i < count; i++) {
        CHECK_EQ(gr_select(self, down, 1, &m, gr_after_s(60)), 0);
        gr_message_free(&m);
    }
}

/* The message that the last vain look ended at is flushed away; the next look must not start from it. */
TEST(select_cache, flushed_message_was_the_last_one_looked_at)
{
    gr_self *self = start();
    gr_shape *wanted = shape("{\"n\": 9}"), *other = shape("{\"n\": int}"), *down = shape("{\"down\": int}");
    gr_pattern want = {.shape = wanted}, any = {.shape = other}, downs = {.shape = down};
    gr_address a, b;
    gr_monitor_ref flushed, kept;
    gr_message *m = NULL;
    CHECK_OK(gr_cast(self, gr_self_address(self), "{s:i}", "n", 1));
    CHECK_OK(gr_spawn(self, &a, nothing, "n"));
    CHECK_OK(gr_monitor(self, a, &flushed));
    CHECK_OK(gr_spawn(self, &b, nothing, "n"));
    CHECK_OK(gr_monitor(self, b, &kept));
    while (gr_alive(a) || gr_alive(b)) CHECK_OK(gr_cooperate(self));
    CHECK_EQ(gr_select(self, &want, 1, &m, gr_after_ms(1)), GR_ETIMEOUT);
    CHECK_OK(gr_demonitor(self, flushed, true));
    CHECK_OK(gr_cast(self, gr_self_address(self), "{s:i}", "n", 9));
    CHECK_EQ(gr_select(self, &want, 1, &m, gr_after_s(60)), 0);
    CHECK_EQ(number(m), 9);
    gr_message_free(&m);
    wait_for_downs(self, &downs, 1);
    CHECK_EQ(gr_select(self, &any, 1, &m, GR_NOW), 0);
    CHECK_EQ(number(m), 1);
    gr_message_free(&m);
    CHECK_EQ(gr_receive(self, &m, GR_NOW), GR_ETIMEOUT);
    gr_shape_free(&wanted);
    gr_shape_free(&other);
    gr_shape_free(&down);
    CHECK_OK(gr_stop(gr_after_s(60)));
}

/* gr_receive takes what was looked at; what select has seen in vain behind it is still seen. */
TEST(select_cache, receive_in_between_keeps_the_rest_in_order)
{
    gr_self *self = start();
    gr_shape *nine = shape("{\"n\": 9}");
    gr_pattern want = {.shape = nine};
    gr_message *m = NULL;
    for (int i = 0; i < 5; i++) CHECK_OK(gr_cast(self, gr_self_address(self), "{s:i}", "n", i));
    CHECK_EQ(gr_select(self, &want, 1, &m, GR_NOW), GR_ETIMEOUT);
    for (int i = 0; i < 5; i++) {
        CHECK_OK(gr_receive(self, &m, GR_NOW));
        CHECK_EQ(number(m), i);
        gr_message_free(&m);
        CHECK_EQ(gr_select(self, &want, 1, &m, GR_NOW), GR_ETIMEOUT);
    }
    CHECK_OK(gr_cast(self, gr_self_address(self), "{s:i}", "n", 9));
    CHECK_EQ(gr_select(self, &want, 1, &m, GR_NOW), 0);
    gr_message_free(&m);
    gr_shape_free(&nine);
    CHECK_OK(gr_stop(gr_after_s(60)));
}
