/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Servers: methods, what is no call, calls taken over, state. How they start and end: server_life_test.c. */
#include "support/desk.h"

/* ---- methods ---- */

TEST(server, serves_methods_and_keeps_state)
{
    gr_self *self = BEGIN();
    gr_address one = desk_new(self), other = desk_new(self);
    CALL_GIVES(self, one, "add", 5, "i", 15);
    CALL_GIVES(self, one, "add_slowly", 5, "i", 20);
    CALL_GIVES(self, one, "get", 0, "i", 20);
    CALL_GIVES(self, other, "get", 0, "i", 10); /* one description, several servers */
    CALL_GIVES(self, one, "echo", 3, "i", 3);
    END(self);
}

TEST(server, without_a_reply_the_answer_is_null_and_the_last_reply_counts)
{
    gr_self *self = BEGIN();
    gr_address one = desk_new(self);
    CALL_GIVES(self, one, "say_nothing", 0, "n");
    CALL_GIVES(self, one, "reply_thrice", 0, "s", "last");
    END(self);
}

TEST(server, answers_an_unknown_method_and_goes_on)
{
    gr_self *self = BEGIN();
    gr_address one = desk_new(self);
    CHECK_EQ(gr_call(self, NULL, one, "fly", SOON, "n"), GR_EMETHOD);
    CHECK_EQ(gr_call(self, NULL, one, "", SOON, "n"), GR_EMETHOD);
    CALL_GIVES(self, one, "get", 0, "i", 10);
    END(self);
}

TEST(server, answers_a_raised_exception_and_goes_on)
{
    gr_self *self = BEGIN();
    gr_address one = desk_new(self);
    const char *const names[] = {"fail", "fail_late"};
    for (int i = 0; i < 10; i++) {
        gr_message *report = NULL;
        CHECK_EQ(gr_call(self, &report, one, names[i % 2], SOON, "{s:i}", "why", i), GR_EEXCEPTION);
        CHECK_STR(harness_error(gr_body(report)), "failed");
        CHECK_VALUE(gr_get(gr_body(report), "description"), "{s:i}", "why", i);
        FREE(report);
        CALL_GIVES(self, one, "get", 0, "i", 11 + i);
    }
    EXPECT_NOTHING(self);
    END(self);
}

TEST(server, goes_on_after_an_exception_in_on_message)
{
    gr_self *self = BEGIN();
    gr_address one = desk_new(self);
    CHECK_OK(gr_cast(self, one, "s", "raise"));
    CHECK_OK(gr_cast(self, one, "i", 1));
    EXPECT(self, "{s:i}", "message", 1);
    CALL_GIVES(self, one, "get", 0, "i", 11);
    END(self);
}

TEST(server, a_call_to_itself_is_edeadlk)
{
    gr_self *self = BEGIN();
    CALL_GIVES(self, desk_new(self), "call_myself", 0, "i", GR_EDEADLK);
    END(self);
}

TEST(server, may_have_another_stack_size)
{
    gr_self *self = BEGIN();
    gr_address one = desk_with(self, OPTIONS(.stack_bytes = 4 << 20));
    for (int i = 0; i < 5; i++) {
        CALL_GIVES(self, one, "use_a_megabyte", 0, "i", 1);
        CALL_GIVES(self, one, "add_slowly", 1, "i", 11 + i);
    }
    END(self);
}

TEST(server, reply_and_take_belong_into_methods)
{
    gr_self *self = BEGIN();
    CHECK_EQ(gr_reply(self, "n"), GR_ENOTCALL);
    CHECK_EQ(gr_reply_value(self, (gr_value){NULL}), GR_ENOTCALL);
    CHECK(gr_call_take(self) == NULL);
    END(self);
}

/* ---- what is no call ---- */

TEST(server, on_message_gets_what_is_no_call)
{
    gr_self *self = BEGIN();
    gr_address one = desk_new(self), other;
    CHECK_OK(gr_cast(self, one, "{s:i}", "x", 1));
    EXPECT(self, "{s:{s:i}}", "message", "x", 1);
    CHECK_OK(gr_spawn(self, &other, harness_idle, "n"));
    CALL_GIVES(self, one, "get", 0, "i", 11);
    END(self);
}

static void get(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    CHECK_OK(gr_reply(self, "I", *(int64_t *)state)); /* zeroed: nobody starts it */
}

static const gr_method only_get[] = {{"get", get}};
static const gr_server mute_server = {.state_bytes = sizeof(int64_t), .methods = only_get, .method_count = 1};

TEST(server, without_on_message_it_is_counted_and_dropped)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn_server(self, &one, &mute_server, NULL, "n"));
    uint64_t before = harness_counters().dropped;
    for (int i = 0; i < 7; i++) CHECK_OK(gr_cast(self, one, "i", i));
    CALL_GIVES(self, one, "get", 0, "i", 0);
    CHECK_EQ(harness_counters().dropped, before + 7);
    END(self);
}

TEST(server, functions_may_be_missing)
{
    gr_self *self = BEGIN();
    static const gr_server nothing;
    gr_address one;
    CHECK_OK(gr_spawn_server(self, &one, &nothing, gr_spawn_link_options(), "n"));
    CHECK_EQ(gr_call(self, NULL, one, "get", SOON, "n"), GR_EMETHOD);
    CHECK_OK(gr_cast(self, one, "n"));
    CHECK_OK(gr_kill(one));
    EXPECT_EXCEPTION(self, one, "killed");
    CHECK_OK(gr_spawn_server_value(self, &one, &mute_server, NULL, (gr_value){NULL}));
    CALL_GIVES(self, one, "get", 0, "i", 0);
    END(self);
}

/* ---- messages skipped in a method ---- */

TEST(server, messages_skipped_inside_a_method_are_dispatched_next_in_order)
{
    gr_self *self = BEGIN();
    gr_address one = desk_new(self);
    gr_shape *answered = harness_shape("{\"code\":0,\"reply\":\"on\"}");
    for (int round = 0; round < 3; round++) {
        call_from_elsewhere(self, one, "select_go");
        EXPECT(self, "s", "selecting");
        CHECK_OK(gr_cast(self, one, "i", 1));
        CHECK_OK(gr_cast(self, one, "i", 2));
        CHECK_OK(gr_cast(self, one, "{s:s}", "go", "on"));
        CHECK_OK(gr_cast(self, one, "i", 3));
        gr_message *m = NULL;
        CHECK_EQ(gr_select(self, &(gr_pattern){.shape = answered}, 1, &m, SOON), 0);
        FREE(m);
        for (int i = 1; i <= 3; i++) EXPECT(self, "{s:i}", "message", i);
    }
    gr_shape_free(&answered);
    END(self);
}

TEST(server, a_method_may_receive)
{
    gr_self *self = BEGIN();
    gr_address one = desk_new(self);
    gr_shape *answered = harness_shape("{\"code\":0,\"reply\":(1,2)}");
    gr_message *m = NULL;
    call_from_elsewhere(self, one, "receive_two");
    EXPECT(self, "s", "receiving");
    for (int i = 1; i <= 3; i++) CHECK_OK(gr_cast(self, one, "i", i));
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = answered}, 1, &m, SOON), 0);
    FREE(m);
    EXPECT(self, "{s:i}", "message", 3);
    gr_shape_free(&answered);
    END(self);
}

TEST(server, serves_one_message_at_a_time)
{
    gr_self *self = BEGIN();
    gr_address one = desk_new(self);
    call_from_elsewhere(self, one, "select_go");
    EXPECT(self, "s", "selecting");
    gr_address caller = call_from_elsewhere(self, one, "get"); /* waits until the method has returned */
    WAIT_FOR(self, harness_waits(caller));
    EXPECT_NOTHING(self);
    CHECK_OK(gr_cast(self, one, "{s:s}", "go", "on"));
    gr_message *first = RECEIVE(self), *second = RECEIVE(self); /* in any order: they come from two callers */
    bool on_first = gr_type_of(gr_get(gr_body(first), "reply")) == GR_STRING;
    CHECK_VALUE(gr_body(on_first ? first : second), "{s:i,s:s}", "code", 0, "reply", "on");
    CHECK_VALUE(gr_body(on_first ? second : first), "{s:i,s:i}", "code", 0, "reply", 10);
    FREE(first);
    FREE(second);
    END(self);
}

/* ---- calls taken over ---- */

TEST(server, a_call_may_be_taken_and_answered_later)
{
    gr_self *self = BEGIN();
    gr_address one = desk_new(self);
    call_from_elsewhere(self, one, "take");
    EXPECT(self, "s", "taken");
    CALL_GIVES(self, one, "add", 1, "i", 11); /* others are served meanwhile */
    CHECK_OK(gr_cast(self, one, "s", "answer"));
    EXPECT(self, "{s:i,s:{s:i}}", "code", 0, "reply", "count", 11);
    END(self);
}

TEST(server, a_taken_call_is_edead_when_the_server_ends)
{
    gr_self *self = BEGIN();
    gr_address one = desk_new(self);
    call_from_elsewhere(self, one, "take");
    EXPECT(self, "s", "taken");
    CHECK_OK(gr_cast(self, one, "s", "end"));
    EXPECT(self, "s", "stop");
    gr_message *first = RECEIVE(self), *second = RECEIVE(self); /* the caller's, and the exit: in any order */
    bool caller_first = gr_type_of(gr_get(gr_body(first), "code")) == GR_INT;
    CHECK_VALUE(gr_body(caller_first ? first : second), "{s:i}", "code", GR_EDEAD);
    CHECK_VALUE(gr_body(caller_first ? second : first), "{s:A,s:n}", "address", one, "exit");
    FREE(first);
    FREE(second);
    END(self);
}

/* ---- state ---- */

TEST(server, who_has_the_answer_reads_a_state_at_least_as_new)
{
    gr_self *self = BEGIN();
    gr_address one = desk_new(self);
    for (int i = 1; i <= 50; i++) {
        gr_message *state = NULL;
        uint64_t version = 0;
        CALL_GIVES(self, one, i % 2 ? "add" : "add_slowly", 1, "i", 10 + i);
        CHECK_OK(gr_state(one, &state, &version));
        CHECK_VALUE(gr_body(state), "{s:i}", "count", 10 + i);
        CHECK_EQ(version, i + 1); /* after start, and after every call */
        FREE(state);
    }
    CHECK_OK(gr_cast(self, one, "n"));
    EXPECT(self, "{s:n}", "message");
    WAIT_FOR(self, harness_waits(one));
    gr_message *state = NULL;
    CHECK_OK(gr_state(one, &state, NULL));
    CHECK_VALUE(gr_body(state), "{s:i}", "count", 61);
    FREE(state);
    END(self);
}

TEST(server, without_describe_there_is_no_state)
{
    gr_self *self = BEGIN();
    gr_address one;
    gr_message *state = NULL;
    CHECK_OK(gr_spawn_server(self, &one, &mute_server, NULL, "n"));
    CALL_GIVES(self, one, "get", 0, "i", 0);
    CHECK_EQ(gr_state(one, &state, NULL), GR_ENOTFOUND);
    END(self);
}
