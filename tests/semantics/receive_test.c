/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Receiving: the oldest first, or the oldest that has a shape. */
#include "actor/actor.h"
#include "support/harness.h"

static const gr_value none = {NULL};

static void cast_ints(gr_self *self, int first, int beyond)
{
    for (int i = first; i < beyond; i++) CHECK_OK(gr_cast(self, gr_self_address(self), "i", i));
}

TEST(receive, takes_the_oldest)
{
    gr_self *self = BEGIN();
    cast_ints(self, 0, 10);
    for (int i = 0; i < 10; i++) EXPECT(self, "i", i);
    END(self);
}

TEST(receive, polls_with_gr_now)
{
    gr_self *self = BEGIN();
    gr_message *m = NULL;
    CHECK_EQ(gr_receive(self, &m, GR_NOW), GR_ETIMEOUT);
    CHECK(m == NULL);
    cast_ints(self, 0, 1);
    CHECK_OK(gr_receive(self, &m, GR_NOW));
    FREE(m);
    CHECK_EQ(gr_receive(self, &m, gr_after_ms(-5)), GR_ETIMEOUT);
    cast_ints(self, 1, 2);
    CHECK_OK(gr_receive(self, &m, gr_after_ms(-5))); /* what is there is received however late it is */
    CHECK_VALUE(gr_body(m), "i", 1);
    FREE(m);
    END(self);
}

TEST(receive, waits_until_the_deadline)
{
    gr_self *self = BEGIN();
    gr_message *m = NULL;
    gr_deadline deadline = gr_after_ms(3);
    CHECK_EQ(gr_receive(self, &m, deadline), GR_ETIMEOUT);
    CHECK(gr_now_ns() >= deadline.ns);
    CHECK_OK(gr_cast_after(self, NULL, gr_self_address(self), gr_after_ms(3), "s", "later"));
    EXPECT(self, "s", "later");
    END(self);
}

TEST(receive, says_who_sent_it)
{
    gr_self *self = BEGIN();
    cast_ints(self, 0, 1);
    gr_message *m = RECEIVE(self);
    CHECK(gr_address_equal(gr_sender(m), gr_self_address(self)));
    FREE(m);
    END(self);
}

static void count_to(gr_self *self, gr_value args)
{
    gr_address to = gr_address_in(gr_get(args, "to"));
    int64_t id = gr_int(gr_get(args, "id"), 0);
    for (int64_t i = 0; i < 2000; i++) CHECK_OK(gr_cast(self, to, "[I,I]", id, i));
}

TEST(receive, messages_of_one_sender_arrive_in_order)
{
    gr_self *self = BEGIN();
    enum { SENDERS = 4 };
    int64_t next[SENDERS] = {0};
    gr_address sender;
    for (int i = 0; i < SENDERS; i++)
        CHECK_OK(gr_spawn(self, &sender, count_to, "{s:A,s:i}", "to", gr_self_address(self), "id", i));
    for (int i = 0; i < SENDERS * 2000; i++) {
        gr_message *m = RECEIVE(self);
        int64_t id = gr_int(gr_at(gr_body(m), 0), -1);
        CHECK_EQ(gr_int(gr_at(gr_body(m), 1), -1), next[id]++);
        FREE(m);
    }
    EXPECT_NOTHING(self);
    END(self);
}

/* ---- selective receive ---- */

TEST(select, takes_the_oldest_message_first_then_the_first_shape)
{
    gr_self *self = BEGIN();
    gr_shape *number = harness_shape("number"), *integer = harness_shape("int"), *text = harness_shape("str");
    const gr_pattern patterns[] = {{.shape = text}, {.shape = number}, {.shape = integer}};
    gr_message *m = NULL;
    CHECK_OK(gr_cast(self, gr_self_address(self), "i", 1));
    CHECK_OK(gr_cast(self, gr_self_address(self), "s", "a"));
    CHECK_OK(gr_cast(self, gr_self_address(self), "f", 2.5));
    CHECK_EQ(gr_select(self, patterns, 3, &m, SOON),
             1); /* the oldest, though its shapes come later; of these the first */
    CHECK_VALUE(gr_body(m), "i", 1);
    FREE(m);
    CHECK_EQ(gr_select(self, patterns, 3, &m, SOON), 0);
    CHECK_VALUE(gr_body(m), "s", "a");
    FREE(m);
    CHECK_EQ(gr_select(self, patterns, 3, &m, SOON), 1);
    FREE(m);
    gr_shape_free(&number);
    gr_shape_free(&integer);
    gr_shape_free(&text);
    END(self);
}

TEST(select, leaves_what_does_not_match_in_order)
{
    gr_self *self = BEGIN();
    gr_shape *text = harness_shape("str");
    gr_message *m = NULL;
    cast_ints(self, 0, 3);
    CHECK_OK(gr_cast(self, gr_self_address(self), "s", "x"));
    cast_ints(self, 3, 5);
    CHECK_OK(gr_cast(self, gr_self_address(self), "s", "y"));
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = text}, 1, &m, SOON), 0);
    CHECK_VALUE(gr_body(m), "s", "x");
    FREE(m);
    EXPECT(self, "i", 0);
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = text}, 1, &m, SOON), 0);
    CHECK_VALUE(gr_body(m), "s", "y");
    FREE(m);
    cast_ints(self, 5, 6);
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = text}, 1, &m, GR_NOW), GR_ETIMEOUT);
    for (int i = 1; i < 6; i++) EXPECT(self, "i", i);
    EXPECT_NOTHING(self);
    gr_shape_free(&text);
    END(self);
}

TEST(select, polls_with_gr_now_and_times_out)
{
    gr_self *self = BEGIN();
    gr_shape *text = harness_shape("str");
    const gr_pattern pattern = {.shape = text};
    gr_message *m = NULL;
    CHECK_EQ(gr_select(self, &pattern, 1, &m, GR_NOW), GR_ETIMEOUT);
    cast_ints(self, 0, 2);
    CHECK_EQ(gr_select(self, &pattern, 1, &m, GR_NOW), GR_ETIMEOUT);
    CHECK_EQ(gr_select(self, &pattern, 1, &m, gr_after_ms(2)), GR_ETIMEOUT);
    CHECK(m == NULL);
    CHECK_OK(gr_cast(self, gr_self_address(self), "s", "now"));
    CHECK_EQ(gr_select(self, &pattern, 1, &m, GR_NOW), 0);
    FREE(m);
    EXPECT(self, "i", 0);
    EXPECT(self, "i", 1);
    gr_shape_free(&text);
    END(self);
}

TEST(select, waits_for_one_that_matches)
{
    gr_self *self = BEGIN();
    gr_shape *text = harness_shape("str");
    gr_message *m = NULL;
    for (int i = 0; i < 3; i++) CHECK_OK(gr_cast_after(self, NULL, gr_self_address(self), gr_after_ms(i), "i", i));
    CHECK_OK(gr_cast_after(self, NULL, gr_self_address(self), gr_after_ms(9), "s", "at last"));
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = text}, 1, &m, SOON), 0);
    CHECK_VALUE(gr_body(m), "s", "at last");
    FREE(m);
    int64_t sum = 0; /* in the order of their deadlines, unless those had passed when they were sent */
    for (int i = 0; i < 3; i++) {
        m = RECEIVE(self);
        sum += INT64_C(1) << gr_int(gr_body(m), 9);
        FREE(m);
    }
    CHECK_EQ(sum, 7);
    EXPECT_NOTHING(self);
    gr_shape_free(&text);
    END(self);
}

TEST(select, binds_parameters_when_it_is_called)
{
    gr_self *self = BEGIN();
    gr_shape *shape = harness_shape("{\"id\":$1,\"from\":$2}");
    unsigned char storage[3][64];
    gr_value params[3];
    gr_address me = gr_self_address(self);
    for (int i = 0; i < 3; i++) CHECK_OK(gr_pack_into(storage[i], sizeof storage[i], &params[i], "[i,A]", 3 - i, me));
    for (int i = 1; i <= 3; i++) CHECK_OK(gr_cast(self, me, "{s:i,s:A,s:s}", "id", i, "from", me, "more", "of it"));
    CHECK_OK(gr_cast(self, me, "{s:f,s:A}", "id", 3.0, "from", me)); /* an int matches no double */
    for (int i = 0; i < 3; i++) {
        gr_message *m = NULL;
        CHECK_EQ(gr_select(self, &(gr_pattern){shape, params[i]}, 1, &m, SOON), 0);
        CHECK_EQ(gr_int(gr_get(gr_body(m), "id"), 0), 3 - i);
        FREE(m);
        CHECK_EQ(gr_select(self, &(gr_pattern){shape, params[i]}, 1, &m, GR_NOW), GR_ETIMEOUT);
    }
    gr_message *m = NULL;
    CHECK_EQ(gr_select(self, &(gr_pattern){shape, none}, 1, &m, GR_NOW),
             GR_ETIMEOUT); /* nothing is bound: nothing matches */
    EXPECT(self, "{s:f,s:A}", "id", 3.0, "from", me);
    gr_shape_free(&shape);
    END(self);
}

TEST(select, needs_patterns_with_shapes)
{
    gr_self *self = BEGIN();
    gr_message *m = NULL;
    CHECK_EQ(gr_select(self, NULL, 0, &m, GR_NOW), GR_EINVAL);
    CHECK_EQ(gr_select(self, &(gr_pattern){NULL, none}, 1, &m, GR_NOW), GR_EINVAL);
    CHECK(strstr(gr_error_detail(self)->text, "pattern 0"));
    END(self);
}

TEST(select, sees_links_monitors_and_timers_as_what_they_say)
{
    gr_self *self = BEGIN();
    gr_address one;
    gr_monitor_ref ref;
    gr_message *m = NULL;
    gr_shape *exit = harness_shape("{\"address\":$1,\"exception\":{\"error\":\"killed\",\"stack-trace\":[]}}");
    gr_shape *down = harness_shape("{\"down\":$1,\"address\":$2}");
    unsigned char storage[2][64];
    gr_value who, which;
    CHECK_OK(gr_spawn_link(self, &one, harness_idle, "n"));
    CHECK_OK(gr_monitor(self, one, &ref));
    CHECK_OK(gr_pack_into(storage[0], sizeof storage[0], &who, "[A]", one));
    CHECK_OK(gr_pack_into(storage[1], sizeof storage[1], &which, "[I,A]", (int64_t)ref.id, one));
    cast_ints(self, 0, 2);
    CHECK_OK(gr_kill(one));
    CHECK_EQ(gr_select(self, &(gr_pattern){down, which}, 1, &m, SOON), 0);
    FREE(m);
    CHECK_EQ(gr_select(self, &(gr_pattern){exit, who}, 1, &m, SOON), 0);
    FREE(m);
    gr_shape_free(&exit);
    gr_shape_free(&down);
    END(self);
}

/* ---- nothing is looked at twice ---- */

enum { MANY = 20000 };

/* The message at which the last look of gr_select ended. */
static gr_message *newest_scan(gr_self *self)
{
    const gri_scans *scans = self->more->scans;
    return scans->at[scans->newest].last;
}

/* By turns, for more things than are remembered, too: each finds its own, and what waits stays in order. */
TEST(select, looks_by_turns_each_where_its_own_look_ended)
{
    enum { KINDS = GRI_SCANS + 3, WAITING = 50 };
    gr_self *self = BEGIN();
    gr_shape *shape = harness_shape("{\"k\":$1,\"n\":int}");
    gr_message *m = NULL;
    unsigned char storage[KINDS][32];
    gr_value params[KINDS];
    for (int i = 0; i < KINDS; i++) CHECK_OK(gr_pack_into(storage[i], sizeof storage[i], &params[i], "[i]", i));
    cast_ints(self, 0, WAITING);
    for (int used = 1; used <= KINDS; used++) {
        for (int round = 0; round < 3 * used; round++) {
            gr_pattern pattern = {shape, params[round % used]};
            CHECK_EQ(gr_select(self, &pattern, 1, &m, GR_NOW), GR_ETIMEOUT);
            CHECK(newest_scan(self) == self->inbox_last);
            CHECK_OK(gr_cast(self, gr_self_address(self), "{s:i,s:i}", "k", round % used, "n", round));
            CHECK_OK(gr_cast(self, gr_self_address(self), "{s:i,s:i}", "k", -1, "n", round)); /* is left behind it */
            CHECK_EQ(gr_select(self, &pattern, 1, &m, GR_NOW), 0);
            CHECK_VALUE(gr_body(m), "{s:i,s:i}", "k", round % used, "n", round);
            FREE(m);
        }
        if (used <= GRI_SCANS) /* another search has not made this one forget */
            for (int i = 0; i < used; i++)
                CHECK(self->more->scans->at[i].last != NULL || self->more->scans->at[i].wanted == 0);
    }
    for (int i = 0; i < WAITING; i++) {
        CHECK_OK(gr_receive(self, &m, GR_NOW));
        CHECK_VALUE(gr_body(m), "i", i);
        FREE(m);
    }
    gr_shape_free(&shape);
    END(self);
}

/* After a vain look at MANY messages, as many more looks as there are messages: quadratic work would take minutes. That the
 * look begins behind what was seen is checked as such, too. */
TEST(select, does_not_look_again_at_what_it_saw_in_vain)
{
    gr_self *self = BEGIN();
    gr_shape *text = harness_shape("{\"s\":str}");
    gr_pattern pattern = {.shape = text};
    gr_message *m = NULL;
    cast_ints(self, 0, MANY);
    CHECK_EQ(gr_select(self, &pattern, 1, &m, GR_NOW), GR_ETIMEOUT);
    gr_message *last = self->inbox_last;
    CHECK(newest_scan(self) == last);
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(gr_select(self, &pattern, 1, &m, GR_NOW), GR_ETIMEOUT);
        CHECK(newest_scan(self) == self->inbox_last);
        if (i % 4 == 0) cast_ints(self, MANY + i / 4, MANY + i / 4 + 1);
    }
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(gr_cast(self, gr_self_address(self), "{s:s}", "s", "hit"));
        CHECK_EQ(gr_select(self, &pattern, 1, &m, GR_NOW), 0);
        FREE(m);
    }
    for (int i = 0; i < MANY + MANY / 4; i++) EXPECT(self, "i", i);
    EXPECT_NOTHING(self);
    gr_shape_free(&text);
    END(self);
}

/* The same without a clock: what was seen is changed behind its back into what is looked for, and is not seen. */
TEST(select, begins_behind_what_it_saw_in_vain)
{
    gr_self *self = BEGIN();
    gr_shape *seven = harness_shape("7"), *number = harness_shape("7.5");
    gr_message *m = NULL;
    cast_ints(self, 1, 4);
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = seven}, 1, &m, GR_NOW), GR_ETIMEOUT);
    const int64_t value = 7;
    memcpy((unsigned char *)(uintptr_t)gr_body(self->inbox).at + 1, &value, sizeof value); /* tag, then int64 */
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = seven}, 1, &m, GR_NOW), GR_ETIMEOUT);
    cast_ints(self, 7, 8);
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = seven}, 1, &m, GR_NOW), 0); /* the new one, not the oldest */
    CHECK(self->inbox && gr_int(gr_body(self->inbox), 0) == 7);
    FREE(m);
    for (int i = 0; i < 3 * GRI_SCANS; i++) {
        char text[8];
        snprintf(text, sizeof text, "%d.5", i);
        gr_shape *other = harness_shape(text);
        CHECK_EQ(gr_select(self, &(gr_pattern){.shape = other}, 1, &m, GR_NOW),
                 GR_ETIMEOUT); /* looks for something else */
        CHECK_EQ(gr_select(self, &(gr_pattern){.shape = number}, 1, &m, GR_NOW), GR_ETIMEOUT);
        gr_shape_free(&other);
        if (i < GRI_SCANS - 2) /* what is used by turns is remembered */
            CHECK_EQ(gr_select(self, &(gr_pattern){.shape = seven}, 1, &m, GR_NOW), GR_ETIMEOUT);
    }
    for (int i = 0; i < GRI_SCANS; i++) CHECK(self->more->scans->at[i].wanted != 0);
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = seven}, 1, &m, GR_NOW), 0); /* forgotten among many: begins anew */
    FREE(m);
    EXPECT(self, "i", 2);
    EXPECT(self, "i", 3);
    gr_shape_free(&seven);
    gr_shape_free(&number);
    END(self);
}

/* A look for something else starts over, also with the same shape and other parameters, and with equal parameters at another
 * place in memory it does not. */
TEST(select, looks_again_for_other_patterns_and_parameters)
{
    gr_self *self = BEGIN();
    gr_shape *shape = harness_shape("$1"), *number = harness_shape("number");
    unsigned char storage[3][32];
    gr_value params[3];
    const int wanted[] = {100, 1, 100};
    for (int i = 0; i < 3; i++) CHECK_OK(gr_pack_into(storage[i], sizeof storage[i], &params[i], "[i]", wanted[i]));
    gr_message *m = NULL;
    cast_ints(self, 0, 5);
    CHECK_EQ(gr_select(self, &(gr_pattern){shape, params[0]}, 1, &m, GR_NOW), GR_ETIMEOUT);
    uint32_t first = self->more->scans->newest;
    CHECK_EQ(gr_select(self, &(gr_pattern){shape, params[2]}, 1, &m, GR_NOW), GR_ETIMEOUT);
    CHECK_EQ(self->more->scans->newest, first);
    CHECK_EQ(gr_select(self, &(gr_pattern){shape, params[1]}, 1, &m, GR_NOW), 0);
    CHECK_VALUE(gr_body(m), "i", 1);
    FREE(m);
    CHECK_EQ(gr_select(self, &(gr_pattern){shape, params[0]}, 1, &m, GR_NOW), GR_ETIMEOUT);
    CHECK_EQ(gr_select(self, &(gr_pattern){number, none}, 1, &m, GR_NOW), 0);
    CHECK_VALUE(gr_body(m), "i", 0);
    FREE(m);
    CHECK_EQ(gr_select(self, &(gr_pattern){shape, params[0]}, 1, &m, GR_NOW), GR_ETIMEOUT);
    for (int i = 2; i < 5; i++) EXPECT(self, "i", i);
    EXPECT_NOTHING(self);
    gr_shape_free(&shape);
    gr_shape_free(&number);
    END(self);
}

/* Freed shapes do not pass for new ones at the same place. */
TEST(select, a_new_shape_is_another_one)
{
    gr_self *self = BEGIN();
    gr_message *m = NULL;
    cast_ints(self, 0, 3);
    for (int i = 0; i < 20; i++) {
        gr_shape *text = harness_shape("str");
        CHECK_EQ(gr_select(self, &(gr_pattern){text, none}, 1, &m, GR_NOW), GR_ETIMEOUT);
        gr_shape_free(&text);
        gr_shape *two = harness_shape("2");
        CHECK_EQ(gr_select(self, &(gr_pattern){two, none}, 1, &m, GR_NOW), 0);
        gr_shape_free(&two);
        CHECK_OK(gr_send(self, gr_self_address(self), &m));
    }
    END(self);
}

/* ---- the reply of a call behind a full mailbox ---- */

static void answer(gr_self *self, gr_value args)
{
    (void)args;
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0; FREE(m)) CHECK_OK(gr_respond(self, m, "n"));
}

TEST(call, finds_its_reply_whatever_the_mailbox_holds)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, answer, "n"));
    cast_ints(self, 0, MANY);
    for (int i = 0; i < MANY / 4; i++) CHECK_OK(gr_call(self, NULL, one, "m", SOON, "n"));
    for (int i = 0; i < MANY; i++) EXPECT(self, "i", i);
    END(self);
}

/* ---- a chain of any length ---- */

static void late_reader(gr_self *self, gr_value args)
{
    gr_address to = gr_address_in(args);
    gr_message *m = NULL;
    CHECK_OK(gr_cast(self, to, "s", "up"));
    gr_shape *go = harness_shape("\"go\"");
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = go}, 1, &m, SOON), 0);
    gr_shape_free(&go);
    FREE(m);
    for (int i = 0; i < 3 * MANY; i++) EXPECT(self, "i", i);
    CHECK_OK(gr_cast(self, to, "s", "all there"));
}

TEST(receive, a_long_chain_keeps_its_order)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, late_reader, "A", gr_self_address(self)));
    EXPECT(self, "s", "up");
    for (int i = 0; i < 3 * MANY; i++) CHECK_OK(gr_cast(self, one, "i", i));
    CHECK_OK(gr_cast(self, one, "s", "go"));
    EXPECT(self, "s", "all there");
    END(self);
}
