/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Servers: methods, what is no call, state, and every way they end. */
#include "support/harness.h"

#include "base/atomic.h"

/* A server that tells the test what happens to it. */
typedef struct desk {
    gr_address host;
    int64_t count;
    bool stop_raises;
    gr_message *taken;
} desk;

static void tell(gr_self *self, const desk *d, const char *text)
{
    int code = gr_cast(self, d->host, "s", text);
    CHECK(code == 0 || code == GR_EDEAD); /* the test has ended */
}

static int desk_start(gr_self *self, void *state, gr_value args)
{
    desk *d = state;
    CHECK_EQ((uintptr_t)state % 16, 0);
    CHECK_EQ(d->count, 0);
    CHECK(d->taken == NULL);
    d->host = gr_address_in(gr_get(args, "host"));
    d->count = gr_int(gr_get(args, "start"), 0);
    d->stop_raises = gr_bool(gr_get(args, "stop_raises"), false);
    if (gr_bool(gr_get(args, "refuse"), false)) return GR_EINVAL;
    if (gr_bool(gr_get(args, "raise"), false)) gr_raise(self, "in_start", "raised");
    if (gr_bool(gr_get(args, "wait"), false)) (void)gr_sleep(self, gr_after_ms(1));
    return 0;
}

static void desk_stop(gr_self *self, void *state)
{
    desk *d = state;
    tell(self, d, "stop");
    if (d->stop_raises) gr_raise(self, "in_stop", "raised");
}

static void add(gr_self *self, void *state, gr_value argument)
{
    desk *d = state;
    d->count += gr_int(argument, 0);
    CHECK_OK(gr_reply(self, "I", d->count));
}

static void add_slowly(gr_self *self, void *state, gr_value argument)
{
    desk *d = state;
    CHECK_OK(gr_sleep(self, gr_after_us(500)));
    d->count += gr_int(argument, 0);
    CHECK_OK(gr_cooperate(self));
    CHECK_OK(gr_reply(self, "I", d->count));
}

static void get(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    CHECK_OK(gr_reply(self, "I", ((desk *)state)->count));
}

static void say_nothing(gr_self *self, void *state, gr_value argument)
{
    (void)self, (void)state, (void)argument;
}

static void echo(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    CHECK_OK(gr_reply_value(self, argument));
}

static void reply_thrice(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    CHECK_OK(gr_reply(self, "s", "first"));
    CHECK_OK(gr_reply_value(self, argument));
    CHECK_OK(gr_reply(self, "s", "last"));
    CHECK_EQ(gr_reply(self, "I", 1), GR_EFORMAT); /* and changes nothing */
}

static void fail(gr_self *self, void *state, gr_value argument)
{
    ((desk *)state)->count++;
    CHECK_OK(gr_reply(self, "s", "not sent"));
    gr_raise_value(self, "failed", argument);
}

static void fail_late(gr_self *self, void *state, gr_value argument)
{
    CHECK_OK(gr_sleep(self, gr_after_us(500)));
    fail(self, state, argument);
}

static void hang(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    tell(self, state, "hanging");
    CHECK_EQ(gr_sleep(self, GR_FOREVER), GR_EKILLED);
    CHECK_OK(gr_reply(self, "s", "not sent either"));
}

static void hang_and_live(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    tell(self, state, "hanging");
    CHECK_EQ(gr_sleep(self, GR_FOREVER), GR_EKILLED);
    gr_kill_clear(self);
    CHECK_OK(gr_reply(self, "s", "lived on"));
}

static void hang_in_protect(gr_self *self, void *arg)
{
    tell(self, arg, "hanging");
    (void)gr_sleep(self, GR_FOREVER);
    tell(self, arg, "never");
}

static void hang_protected(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    CHECK_EQ(gr_protect(self, hang_in_protect, state, NULL), GR_EKILLED);
    gr_kill_clear(self);
    CHECK_OK(gr_reply(self, "s", "caught"));
}

static int deeper(int depth)
{
    volatile char room[512];
    room[0] = (char)depth;
    return depth < 0 ? 0 : deeper(depth + 1) + room[0];
}

static void overflow(gr_self *self, void *state, gr_value argument)
{
    (void)state, (void)argument;
    CHECK_OK(gr_reply(self, "i", deeper(0)));
}

static void use_a_megabyte(gr_self *self, void *state, gr_value argument)
{
    (void)state, (void)argument;
    volatile char room[1 << 20];
    for (size_t i = 0; i < sizeof room; i += 512) room[i] = (char)i;
    CHECK_OK(gr_reply(self, "i", (int)room[512] + 1));
}

static void end(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    gr_server_end(self);
    CHECK_OK(gr_return_value(self, argument));
    CHECK_OK(gr_reply(self, "s", "goodbye"));
}

static void take(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    desk *d = state;
    CHECK(d->taken == NULL);
    d->taken = gr_call_take(self);
    CHECK(gr_is_call(d->taken));
    CHECK(gr_call_take(self) == NULL); /* it is taken */
    CHECK_EQ(gr_reply(self, "n"), GR_ENOTCALL);
    tell(self, d, "taken");
}

static void call_myself(gr_self *self, void *state, gr_value argument)
{
    (void)state, (void)argument;
    CHECK_OK(gr_reply(self, "i", gr_call(self, NULL, gr_self_address(self), "get", GR_FOREVER, "n")));
}

/* Waits for {"go": …} and tells what it was; what comes meanwhile is none of its business. */
static void select_go(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    gr_shape *go = harness_shape("{\"go\":any}");
    gr_message *m = NULL;
    tell(self, state, "selecting");
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = go}, 1, &m, SOON), 0);
    CHECK_OK(gr_reply_value(self, gr_get(gr_body(m), "go")));
    FREE(m);
    gr_shape_free(&go);
}

static void receive_two(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    tell(self, state, "receiving");
    gr_message *a = RECEIVE(self), *b = RECEIVE(self);
    CHECK_OK(gr_reply(self, "[V,V]", gr_body(a), gr_body(b)));
    FREE(a);
    FREE(b);
}

static void desk_message(gr_self *self, void *state, gr_message *m)
{
    desk *d = state;
    const char *text = gr_string(gr_body(m), "");
    CHECK_EQ(gr_reply(self, "n"), GR_ENOTCALL);
    CHECK(gr_call_take(self) == NULL);
    if (strcmp(text, "raise") == 0) gr_raise(self, "in_message", "raised");
    if (strcmp(text, "answer") == 0) {
        CHECK_OK(gr_respond(self, d->taken, "{s:I}", "count", d->count));
        FREE(d->taken);
        return;
    }
    if (strcmp(text, "end") == 0) {
        gr_server_end(self);
        return;
    }
    d->count++;
    CHECK_OK(gr_cast(self, d->host, "{s:V}", "message", gr_body(m)));
}

static void desk_describe(gr_self *self, void *state, gr_builder *b)
{
    (void)self;
    gr_put_object(b);
    gr_put_key(b, "count"), gr_put_int(b, ((desk *)state)->count);
    gr_put_end(b);
}

static const gr_method methods[] = {
    {"add", add},
    {"add_slowly", add_slowly},
    {"get", get},
    {"say_nothing", say_nothing},
    {"echo", echo},
    {"reply_thrice", reply_thrice},
    {"fail", fail},
    {"fail_late", fail_late},
    {"hang", hang},
    {"hang_and_live", hang_and_live},
    {"hang_protected", hang_protected},
    {"overflow", overflow},
    {"use_a_megabyte", use_a_megabyte},
    {"end", end},
    {"take", take},
    {"call_myself", call_myself},
    {"select_go", select_go},
    {"receive_two", receive_two},
};

static const gr_server desk_server = {
    .state_bytes = sizeof(desk),
    .start = desk_start,
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .on_message = desk_message,
    .describe = desk_describe,
    .stop = desk_stop,
};

static gr_address desk_with(gr_self *self, const gr_spawn_options *options)
{
    gr_address address;
    CHECK_OK(gr_spawn_server(self, &address, &desk_server, options, "{s:A,s:i}", "host", gr_self_address(self), "start",
                             10));
    return address;
}

static gr_address desk_new(gr_self *self)
{
    return desk_with(self, gr_spawn_link_options());
}

#define CALL_GIVES(self, to, method, argument, ...) \
    do { \
        gr_message *gr_reply_ = NULL; \
        CHECK_OK(gr_call((self), &gr_reply_, (to), (method), SOON, "i", (argument))); \
        CHECK_VALUE(gr_body(gr_reply_), __VA_ARGS__); \
        FREE(gr_reply_); \
    } while (0)

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

static const gr_method only_get[] = {{"get", get}};
static const gr_server mute_server = {.state_bytes = sizeof(desk), .methods = only_get, .method_count = 1};

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

static void call_and_tell(gr_self *self, gr_value args)
{
    gr_message *reply = NULL;
    gr_address to = gr_address_in(gr_get(args, "to"));
    int code = gr_call(self, &reply, gr_address_in(gr_get(args, "of")), gr_string(gr_get(args, "method"), ""),
                       GR_FOREVER, "n");
    if (reply)
        CHECK_OK(gr_cast(self, to, "{s:i,s:V}", "code", code, "reply", gr_body(reply)));
    else
        CHECK_OK(gr_cast(self, to, "{s:i}", "code", code));
    FREE(reply);
}

static gr_address call_from_elsewhere(gr_self *self, gr_address of, const char *method)
{
    gr_address caller;
    CHECK_OK(gr_spawn(self, &caller, call_and_tell, "{s:A,s:A,s:s}", "to", gr_self_address(self), "of", of, "method",
                      method));
    return caller;
}

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

TEST(server, stop_runs_when_the_runtime_stops)
{
    static const gr_method wait_methods[] = {{"wait_long", wait_long}};
    static const gr_server counted = {.methods = wait_methods, .method_count = 1, .stop = count_stop};
    gr_self *self = BEGIN();
    gr_address one;
    for (int i = 0; i < 6; i++) {
        CHECK_OK(gr_spawn_server(self, &one, &counted, NULL, "n"));
        CHECK_EQ(gr_call(self, NULL, one, "get", SOON, "n"), GR_EMETHOD); /* it has started */
        if (i % 2)
            CHECK_EQ(gr_call(self, NULL, one, "wait_long", gr_after_ms(1), "A", gr_self_address(self)), GR_ETIMEOUT);
        if (i % 2) EXPECT(self, "s", "waiting");
    }
    END(self);
    CHECK_EQ(gri_load_relaxed(&stops_run), 6); /* relaxed: as above */
}
