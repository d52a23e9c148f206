/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Calls: what is asked, every way it can be answered, and what both look like as JSON. */
#include "actor/call.h"
#include "support/harness.h"

/* Answers as the method says; "what" is told whom to ask about it. */
static void clerk(gr_self *self, gr_value args)
{
    (void)args;
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0; FREE(m)) {
        const char *method = gr_call_method(m);
        if (!method) continue;
        if (strcmp(method, "echo") == 0)
            CHECK_OK(gr_respond_value(self, m, gr_call_argument(m)));
        else if (strcmp(method, "format") == 0)
            CHECK_OK(gr_respond(self, m, "{s:s,s:i}", "is", "formatted", "n", 3));
        else if (strcmp(method, "nothing") == 0)
            CHECK_OK(gr_respond_value(self, m, (gr_value){NULL}));
        else if (strcmp(method, "refuse") == 0)
            CHECK_OK(gr_respond_exception(self, m, gr_call_argument(m)));
        else if (strcmp(method, "die") == 0)
            return;
        else if (strcmp(method, "raise") == 0)
            gr_raise(self, "clerk", "is ill");
        else if (strcmp(method, "ignore") != 0)
            CHECK_OK(gr_respond_invalid_method(self, m));
    }
}

static gr_address clerk_new(gr_self *self)
{
    gr_address address;
    CHECK_OK(gr_spawn(self, &address, clerk, "n"));
    return address;
}

/* Keeps calls and answers them when it is told to "answer", newest first. */
static void slow_clerk(gr_self *self, gr_value args)
{
    gr_message *kept[8], *m = NULL;
    size_t count = 0;
    while (gr_receive(self, &m, GR_FOREVER) == 0) {
        if (gr_is_call(m)) {
            kept[count++] = m;
            m = NULL;
            if (gr_type_of(args) == GR_ADDRESS) CHECK_OK(gr_cast(self, gr_address_in(args), "s", "called"));
            continue;
        }
        FREE(m);
        for (; count > 0; count--) {
            int code = gr_respond(self, kept[count - 1], "V", gr_call_argument(kept[count - 1]));
            CHECK(code == 0 || code == GR_EDEAD);
            FREE(kept[count - 1]);
        }
    }
}

TEST(call, is_answered_with_the_reply)
{
    gr_self *self = BEGIN();
    gr_address one = clerk_new(self);
    gr_message *reply = NULL;
    CHECK_OK(gr_call(self, &reply, one, "echo", SOON, "{s:i,s:[i,s]}", "a", 1, "b", 2, "c"));
    CHECK_VALUE(gr_body(reply), "{s:i,s:[i,s]}", "a", 1, "b", 2, "c");
    FREE(reply);
    CHECK_OK(gr_call(self, &reply, one, "format", SOON, "n"));
    CHECK_VALUE(gr_body(reply), "{s:s,s:i}", "is", "formatted", "n", 3);
    gr_value argument = gr_body(reply);
    gr_message *again = NULL;
    CHECK_OK(gr_call_value(self, &again, one, "echo", argument, SOON));
    CHECK(gr_equal(gr_body(again), argument));
    FREE(reply);
    FREE(again);
    CHECK_OK(gr_call(self, NULL, one, "echo", SOON, "i", 1)); /* nobody wants the reply */
    CHECK_OK(gr_call(self, &reply, one, "nothing", SOON, "i", 1));
    CHECK_VALUE(gr_body(reply), "n");
    FREE(reply);
    CHECK_OK(gr_call_value(self, &reply, one, "echo", (gr_value){NULL}, SOON));
    CHECK_VALUE(gr_body(reply), "n");
    FREE(reply);
    EXPECT_NOTHING(self);
    END(self);
}

TEST(call, to_what_has_no_such_method_is_emethod)
{
    gr_self *self = BEGIN();
    gr_message *reply = NULL;
    CHECK_EQ(gr_call(self, &reply, clerk_new(self), "fly", SOON, "n"), GR_EMETHOD);
    CHECK(reply == NULL);
    CHECK(strstr(gr_error_detail(self)->text, "fly"));
    END(self);
}

TEST(call, that_is_refused_gives_the_remote_exception)
{
    gr_self *self = BEGIN();
    gr_message *reply = NULL;
    CHECK_EQ(gr_call(self, &reply, clerk_new(self), "refuse", SOON, "{s:s}", "error", "closed on mondays"),
             GR_EEXCEPTION);
    CHECK_STR(harness_error(gr_body(reply)), "closed on mondays");
    FREE(reply);
    CHECK_EQ(gr_call(self, NULL, clerk_new(self), "refuse", SOON, "n"), GR_EEXCEPTION);
    END(self);
}

TEST(call, that_nobody_answers_in_time_is_etimeout)
{
    gr_self *self = BEGIN();
    gr_address one;
    gr_message *reply = NULL;
    CHECK_OK(gr_spawn(self, &one, slow_clerk, "n"));
    CHECK_EQ(gr_call(self, &reply, one, "m", gr_after_ms(2), "i", 1), GR_ETIMEOUT);
    CHECK_EQ(gr_call(self, &reply, one, "m", GR_NOW, "i", 2), GR_ETIMEOUT);
    CHECK(reply == NULL);
    END(self);
}

TEST(call, to_the_dead_is_edead)
{
    gr_self *self = BEGIN();
    gr_address one = clerk_new(self);
    gr_message *reply = NULL;
    CHECK_OK(gr_kill(one));
    WAIT_FOR(self, !gr_alive(one));
    CHECK_EQ(gr_call(self, &reply, one, "echo", GR_FOREVER, "n"), GR_EDEAD);
    CHECK_EQ(gr_call(self, &reply, GR_DEAD_ADDRESS, "echo", GR_FOREVER, "n"), GR_EDEAD);
    CHECK_EQ(gr_call(self, &reply, GR_NO_ADDRESS, "echo", GR_FOREVER, "n"), GR_EDEAD);
    END(self);
}

TEST(call, is_edead_when_the_callee_dies_meanwhile)
{
    gr_self *self = BEGIN();
    CHECK_EQ(gr_call(self, NULL, clerk_new(self), "die", GR_FOREVER, "n"), GR_EDEAD);
    CHECK_EQ(gr_call(self, NULL, clerk_new(self), "raise", GR_FOREVER, "n"), GR_EDEAD);
    END(self);
}

static void call_forever(gr_self *self, gr_value args)
{
    int code = gr_call(self, NULL, gr_address_in(gr_get(args, "of")), "m", GR_FOREVER, "n");
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "to")), "{s:i}", "code", code));
}

TEST(call, that_waits_in_the_mailbox_of_one_that_dies_is_edead)
{
    gr_self *self = BEGIN();
    gr_address one, callers[3];
    CHECK_OK(gr_spawn(self, &one, slow_clerk, "A", gr_self_address(self)));
    for (int i = 0; i < 3; i++) {
        CHECK_OK(gr_spawn(self, &callers[i], call_forever, "{s:A,s:A}", "of", one, "to", gr_self_address(self)));
        EXPECT(self, "s", "called");
    }
    CHECK_OK(gr_kill(one)); /* holds three calls; more may be on their way */
    for (int i = 0; i < 3; i++) EXPECT(self, "{s:i}", "code", GR_EDEAD);
    END(self);
}

static void never_looks(gr_self *self, gr_value args)
{
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", "up"));
    CHECK_EQ(gr_sleep(self, GR_FOREVER), GR_EKILLED);
}

TEST(call, that_was_never_received_is_edead_when_the_callee_dies)
{
    gr_self *self = BEGIN();
    gr_address one, callers[5];
    CHECK_OK(gr_spawn(self, &one, never_looks, "A", gr_self_address(self)));
    EXPECT(self, "s", "up");
    for (int i = 0; i < 5; i++) {
        CHECK_OK(gr_spawn(self, &callers[i], call_forever, "{s:A,s:A}", "of", one, "to", gr_self_address(self)));
        WAIT_FOR(self, harness_waits(callers[i]));
    }
    CHECK_OK(gr_kill(one));
    for (int i = 0; i < 5; i++) EXPECT(self, "{s:i}", "code", GR_EDEAD);
    END(self);
}

TEST(call, to_the_overloaded_is_efull)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn_with(self, &one, never_looks, OPTIONS(.mailbox_max = 1), "A", gr_self_address(self)));
    EXPECT(self, "s", "up");
    CHECK_OK(gr_cast(self, one, "n"));
    CHECK_EQ(gr_call(self, NULL, one, "m", GR_FOREVER, "n"), GR_EFULL);
    END(self);
}

TEST(call, to_oneself_is_edeadlk)
{
    gr_self *self = BEGIN();
    CHECK_EQ(gr_call(self, NULL, gr_self_address(self), "m", GR_FOREVER, "n"), GR_EDEADLK);
    CHECK_EQ(gr_call_value(self, NULL, gr_self_address(self), "m", (gr_value){NULL}, GR_FOREVER), GR_EDEADLK);
    EXPECT_NOTHING(self);
    END(self);
}

TEST(call, that_is_badly_formed_is_refused_and_not_sent)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, slow_clerk, "A", gr_self_address(self)));
    CHECK_EQ(gr_call(self, NULL, one, "m", GR_FOREVER, "{s:I}", "n", 3), GR_EFORMAT);
    CHECK(strstr(gr_error_detail(self)->text, "argument 2"));
    CHECK_EQ(gr_call(self, NULL, one, NULL, GR_FOREVER, "n"), GR_EINVAL);
    CHECK_EQ(gr_call(self, NULL, one, "\xff", GR_FOREVER, "n"), GR_EINVAL);
    CHECK_EQ(gr_call(self, NULL, one, "m", gr_after_ms(1), "n"), GR_ETIMEOUT);
    EXPECT(self, "s", "called");
    EXPECT_NOTHING(self);
    END(self);
}

TEST(call, a_late_reply_never_reaches_the_mailbox)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, slow_clerk, "n"));
    for (int i = 0; i < 3; i++) CHECK_EQ(gr_call(self, NULL, one, "m", gr_after_ms(1), "i", i), GR_ETIMEOUT);
    uint64_t before = harness_counters().dead_letters;
    CHECK_OK(gr_cast(self, one, "s", "answer"));
    /* The late ones are taken up and counted by whatever looks into the mailbox next, a call for instance. */
    CHECK_OK(gr_call(self, NULL, clerk_new(self), "echo", SOON, "n"));
    WAIT_FOR(self, harness_counters().dead_letters == before + 3);
    EXPECT_NOTHING(self);
    END(self);
}

TEST(call, a_late_reply_does_not_answer_the_next_call)
{
    gr_self *self = BEGIN();
    gr_address one;
    gr_message *reply = NULL;
    CHECK_OK(gr_spawn(self, &one, slow_clerk, "A", gr_self_address(self)));
    CHECK_EQ(gr_call(self, NULL, one, "m", gr_after_ms(1), "s", "first"), GR_ETIMEOUT);
    /* Again and again: the first may come before the call. */
    for (int64_t ms = 5; ms <= 30000; ms *= 4) CHECK_OK(gr_cast_after(self, NULL, one, gr_after_ms(ms), "s", "answer"));
    CHECK_OK(gr_call(self, &reply, one, "m", SOON, "s", "second"));
    CHECK_VALUE(gr_body(reply), "s", "second");
    FREE(reply);
    EXPECT(self, "s", "called");
    EXPECT(self, "s", "called");
    EXPECT_NOTHING(self);
    END(self);
}

TEST(call, leaves_the_mailbox_alone)
{
    gr_self *self = BEGIN();
    gr_address one = clerk_new(self);
    for (int i = 0; i < 3; i++) CHECK_OK(gr_cast(self, gr_self_address(self), "i", i));
    CHECK_OK(gr_call(self, NULL, one, "echo", SOON, "n"));
    for (int i = 3; i < 6; i++) CHECK_OK(gr_cast(self, gr_self_address(self), "i", i));
    CHECK_OK(gr_call(self, NULL, one, "echo", SOON, "n"));
    for (int i = 0; i < 6; i++) EXPECT(self, "i", i);
    EXPECT_NOTHING(self);
    END(self);
}

static void caller(gr_self *self, gr_value args)
{
    int code = gr_call(self, NULL, gr_address_in(args), "add", SOON, "{s:i}", "n", 5);
    CHECK(code == 0 || code == GR_EKILLED); /* the test may end first */
}

TEST(call, looks_as_json_as_on_the_wire)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, caller, "A", gr_self_address(self)));
    gr_message *m = RECEIVE(self);
    gr_value body = gr_body(m);
    CHECK_EQ(gr_count(body), 4);
    CHECK_EQ(gr_type_of(gr_get(body, "call")), GR_INT);
    CHECK_STR(gr_string(gr_get(body, "method"), ""), "add");
    CHECK(gr_address_equal(gr_address_in(gr_get(body, "address")), one));
    CHECK_VALUE(gr_get(body, "message"), "{s:i}", "n", 5);
    CHECK(gr_is_call(m));
    CHECK_STR(gr_call_method(m), "add");
    CHECK_VALUE(gr_call_argument(m), "{s:i}", "n", 5);
    CHECK(gr_address_equal(gr_sender(m), one));
    CHECK_OK(gr_respond(self, m, "n"));
    FREE(m);
    END(self);
}

TEST(call, is_seen_by_shapes_as_its_json)
{
    gr_self *self = BEGIN();
    gr_address one;
    gr_shape *add, *other, *any;
    CHECK_OK(gr_shape_call("add", &add));
    CHECK_OK(gr_shape_call("subtract", &other));
    CHECK_OK(gr_shape_call(NULL, &any));
    CHECK_STR(gr_shape_text(add), "{\"call\":int,\"method\":\"add\",\"address\":address,\"message\":any}");
    CHECK_OK(gr_cast(self, gr_self_address(self), "{s:s}", "method", "add"));
    CHECK_OK(gr_spawn(self, &one, caller, "A", gr_self_address(self)));
    gr_message *m = NULL;
    const gr_pattern patterns[] = {{.shape = other}, {.shape = add}, {.shape = any}};
    CHECK_EQ(gr_select(self, patterns, 3, &m, SOON), 1);
    CHECK_STR(gr_call_method(m), "add");
    CHECK(gr_shape_match(any, gr_body(m), (gr_value){NULL}));
    CHECK_OK(gr_respond(self, m, "n"));
    FREE(m);
    EXPECT(self, "{s:s}", "method", "add");
    gr_shape_free(&add);
    gr_shape_free(&other);
    gr_shape_free(&any);
    END(self);
}

/* What only looks like a call is none: nobody could be answered by it. */
TEST(respond, to_what_is_no_call_is_enotcall)
{
    gr_self *self = BEGIN();
    CHECK_OK(gr_cast(self, gr_self_address(self), "{s:i,s:s,s:A,s:n}", "call", 1, "method", "m", "address",
                     gr_self_address(self), "message"));
    gr_message *m = RECEIVE(self);
    CHECK(!gr_is_call(m));
    CHECK(gr_call_method(m) == NULL);
    CHECK_EQ(gr_type_of(gr_call_argument(m)), GR_MISSING);
    CHECK_EQ(gr_respond(self, m, "n"), GR_ENOTCALL);
    CHECK_EQ(gr_respond_value(self, m, gr_body(m)), GR_ENOTCALL);
    CHECK_EQ(gr_respond_exception(self, m, gr_body(m)), GR_ENOTCALL);
    CHECK_EQ(gr_respond_invalid_method(self, m), GR_ENOTCALL);
    FREE(m);
    CHECK_EQ(gr_respond(self, NULL, "n"), GR_ENOTCALL);
    CHECK(!gr_is_call(NULL));
    END(self);
}

static void call_and_tell(gr_self *self, gr_value args)
{
    gr_address host = gr_address_in(args);
    gr_message *reply = NULL;
    int code = gr_call(self, &reply, host, "m", SOON, "n");
    CHECK_OK(code);
    CHECK_OK(gr_cast(self, host, "{s:i,s:V}", "code", code, "reply", gr_body(reply)));
    FREE(reply);
}

static void call_and_tell_code(gr_self *self, gr_value args)
{
    gr_address host = gr_address_in(args);
    CHECK_OK(gr_cast(self, host, "{s:i}", "code", gr_call(self, NULL, host, "m", SOON, "n")));
}

TEST(respond, answers_once)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, call_and_tell, "A", gr_self_address(self)));
    gr_message *m = RECEIVE(self);
    CHECK_EQ(gr_respond(self, m, "I", 1), GR_EFORMAT); /* sends nothing: the call is still open */
    CHECK(gr_is_call(m));
    CHECK_OK(gr_respond(self, m, "s", "once"));
    CHECK_EQ(gr_respond(self, m, "s", "twice"), GR_ENOTCALL);
    CHECK_EQ(gr_respond_invalid_method(self, m), GR_ENOTCALL);
    CHECK(!gr_is_call(m));
    EXPECT(self, "{s:i,s:s}", "code", 0, "reply", "once");
    FREE(m);
    END(self);
}

TEST(respond, to_a_caller_that_has_gone_is_edead)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, call_and_tell, "A", gr_self_address(self)));
    gr_message *m = RECEIVE(self);
    CHECK_OK(gr_kill_now(one));
    WAIT_FOR(self, !gr_alive(one));
    CHECK_EQ(gr_respond(self, m, "n"), GR_EDEAD);
    FREE(m);
    END(self);
}

TEST(respond, a_call_freed_unanswered_is_answered_with_an_exception)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, call_and_tell_code, "A", gr_self_address(self)));
    gr_message *m = RECEIVE(self);
    FREE(m);
    EXPECT(self, "{s:i}", "code", GR_EEXCEPTION);
    END(self);
}

/* One that takes calls over for another must answer them; the message that goes on is no call. */
static void say_what_it_got(gr_self *self, gr_value args)
{
    gr_message *m = NULL;
    CHECK_OK(gr_receive(self, &m, SOON));
    CHECK_OK(gr_cast(self, gr_address_in(args), "{s:b,s:V}", "is_call", gr_is_call(m), "method",
                     gr_get(gr_body(m), "method")));
    FREE(m);
}

TEST(respond, a_call_that_is_sent_on_is_no_call_any_more)
{
    gr_self *self = BEGIN();
    gr_address one, other;
    CHECK_OK(gr_spawn(self, &other, say_what_it_got, "A", gr_self_address(self)));
    CHECK_OK(gr_spawn(self, &one, call_and_tell_code, "A", gr_self_address(self)));
    gr_message *m = RECEIVE(self);
    CHECK_OK(gr_send(self, other, &m));
    CHECK(m == NULL);
    gr_message *first = RECEIVE(self), *second = RECEIVE(self); /* in any order */
    gr_message *told = gr_type_of(gr_get(gr_body(first), "code")) == GR_INT ? first : second;
    CHECK_VALUE(gr_body(told), "{s:i}", "code", GR_EEXCEPTION);
    CHECK_VALUE(gr_body(told == first ? second : first), "{s:b,s:s}", "is_call", false, "method", "m");
    FREE(first);
    FREE(second);
    END(self);
}

/* ---- what answers look like ---- */

/* No receive sees an answer, so this looks at what is pushed. */
TEST(respond, answers_look_as_on_the_wire)
{
    gr_self *self = BEGIN();
    gr_message *m = NULL;
    gr_value value, name;
    unsigned char storage[2][64];
    CHECK_OK(gr_pack_into(storage[0], sizeof storage[0], &value, "{s:i}", "x", 1));
    CHECK_OK(gr_pack_into(storage[1], sizeof storage[1], &name, "s", "fly"));
    CHECK_OK(gri_answer_new(self, 7, GRI_MESSAGE_REPLY, value, &m));
    CHECK_VALUE(gr_body(m), "{s:i,s:{s:i}}", "response", 7, "message", "x", 1);
    FREE(m);
    CHECK_OK(gri_answer_new(self, 7, GRI_MESSAGE_REPLY_EXCEPTION, value, &m));
    CHECK_VALUE(gr_body(m), "{s:i,s:{s:i}}", "response", 7, "exception", "x", 1);
    FREE(m);
    CHECK_OK(gri_answer_new(self, 7, GRI_MESSAGE_REPLY_INVALID_METHOD, name, &m));
    CHECK_VALUE(gr_body(m), "{s:i,s:s}", "response", 7, "invalid_method", "fly");
    FREE(m);
    END(self);
}

static void call_three_ways(gr_self *self, gr_value args)
{
    gr_address of = gr_address_in(gr_get(args, "of")), to = gr_address_in(gr_get(args, "to"));
    gr_message *reply = NULL;
    CHECK_OK(gr_call(self, &reply, of, "echo", SOON, "A", to)); /* addresses and bytes go through calls as they are */
    CHECK(gr_address_equal(gr_address_in(gr_body(reply)), to));
    FREE(reply);
    CHECK_OK(gr_call(self, &reply, of, "echo", SOON, "B", "\0\1\2", (size_t)3));
    CHECK_VALUE(gr_body(reply), "B", "\0\1\2", (size_t)3);
    FREE(reply);
    CHECK_OK(gr_cast(self, to, "s", "done"));
}

TEST(call, carries_every_type)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, call_three_ways, "{s:A,s:A}", "of", clerk_new(self), "to", gr_self_address(self)));
    EXPECT(self, "s", "done");
    END(self);
}

static void ask_many(gr_self *self, gr_value args)
{
    gr_address of = gr_address_in(gr_get(args, "of"));
    for (int64_t i = 0; i < 200; i++) {
        gr_message *reply = NULL;
        CHECK_OK(gr_call(self, &reply, of, "echo", SOON, "I", i));
        CHECK_EQ(gr_int(gr_body(reply), -1), i);
        FREE(reply);
    }
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "to")), "s", "done"));
}

TEST(call, each_of_many_callers_gets_its_own_answers)
{
    gr_self *self = BEGIN();
    gr_address one = clerk_new(self), other;
    for (int i = 0; i < 20; i++)
        CHECK_OK(gr_spawn(self, &other, ask_many, "{s:A,s:A}", "of", one, "to", gr_self_address(self)));
    for (int i = 0; i < 20; i++) EXPECT(self, "s", "done");
    END(self);
}
