/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "support/desk.h"

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

const gr_server desk_server = {
    .state_bytes = sizeof(desk),
    .start = desk_start,
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .on_message = desk_message,
    .describe = desk_describe,
    .stop = desk_stop,
};

gr_address desk_with(gr_self *self, const gr_spawn_options *options)
{
    gr_address address;
    CHECK_OK(gr_spawn_server(self, &address, &desk_server, options, "{s:A,s:i}", "host", gr_self_address(self), "start",
                             10));
    return address;
}

gr_address desk_new(gr_self *self)
{
    return desk_with(self, gr_spawn_link_options());
}

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

gr_address call_from_elsewhere(gr_self *self, gr_address of, const char *method)
{
    gr_address caller;
    CHECK_OK(gr_spawn(self, &caller, call_and_tell, "{s:A,s:A,s:s}", "to", gr_self_address(self), "of", of, "method",
                      method));
    return caller;
}
