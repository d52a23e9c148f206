/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Names and behaviours with actors that live and die: what registry.h promises. */
#include "support/harness.h"

#include <pthread.h>

/* Ends at its first message. */
static void waits(gr_self *self, gr_value args)
{
    (void)args;
    gr_message *m;
    if (gr_receive(self, &m, SOON) == 0) gr_message_free(&m);
}

static gr_address found(const char *name)
{
    gr_address address;
    return gr_lookup(name, &address) == 0 ? address : GR_NO_ADDRESS;
}

static void wait_down(gr_self *self, gr_address address)
{
    gr_monitor_ref ref;
    gr_message *m;
    CHECK_OK(gr_monitor(self, address, &ref));
    CHECK_OK(gr_receive(self, &m, SOON));
    gr_message_free(&m);
}

TEST(registry, names_are_given_found_and_taken_away)
{
    gr_self *self = BEGIN();
    gr_address a, b;
    CHECK_OK(gr_spawn(self, &a, waits, "n"));
    CHECK_OK(gr_spawn(self, &b, waits, "n"));
    CHECK_OK(gr_register(a, "one"));
    CHECK_OK(gr_register(a, "one/more"));
    CHECK_OK(gr_register(b, "two"));
    CHECK(gr_address_equal(found("one"), a));
    CHECK(gr_address_equal(found("one/more"), a));
    CHECK(gr_address_equal(found("two"), b));
    CHECK_EQ(gr_register(b, "one"), GR_EEXISTS);
    CHECK_EQ(gr_register(a, "one"), GR_EEXISTS);
    CHECK_STR(gr_error_detail(self)->text, "name one: exists already");
    CHECK_EQ(gr_register(b, "bad//name"), GR_EINVAL);
    CHECK(strstr(gr_error_detail(self)->text, "no empty segments"));
    CHECK_EQ(gr_register(GR_DEAD_ADDRESS, "three"), GR_EDEAD);
    CHECK_EQ(gr_register(GR_NO_ADDRESS, "three"), GR_EDEAD);
    gr_address unused;
    CHECK_EQ(gr_lookup("three", &unused), GR_ENOTFOUND);
    CHECK_EQ(gr_lookup("", &unused), GR_ENOTFOUND);
    CHECK_EQ(gr_lookup("on", &unused), GR_ENOTFOUND);
    CHECK_OK(gr_unregister("one"));
    CHECK_EQ(gr_unregister("one"), GR_ENOTFOUND);
    CHECK_EQ(gr_lookup("one", &unused), GR_ENOTFOUND);
    CHECK(gr_address_equal(found("one/more"), a));
    CHECK_OK(gr_register(b, "one"));
    CHECK(gr_address_equal(found("one"), b));
    CHECK_OK(gr_kill(a));
    CHECK_OK(gr_kill(b));
    END(self);
}

TEST(registry, address_texts_are_looked_up)
{
    gr_self *self = BEGIN();
    gr_address a;
    char text[GR_ADDRESS_TEXT_BYTES];
    CHECK_OK(gr_spawn(self, &a, waits, "n"));
    gr_address_print(a, text);
    CHECK(gr_address_equal(found(text), a));
    CHECK_EQ(gr_register(a, text), GR_EINVAL);
    CHECK_OK(gr_cast(self, a, "n"));
    wait_down(self, a);
    gr_address unused;
    CHECK_EQ(gr_lookup(text, &unused), GR_ENOTFOUND);
    text[3] = text[3] == 'a' ? 'b' : 'a';
    CHECK_EQ(gr_lookup(text, &unused), GR_ENOTFOUND);
    END(self);
}

TEST(registry, names_are_gone_when_links_learn_of_the_death)
{
    static const gr_spawn_options options = {.name = "short-lived", .link = GR_LINK | GR_LINK_TRAP_EXIT};
    gr_self *self = BEGIN();
    for (int i = 0; i < 500; i++) {
        gr_address a;
        gr_message *m;
        CHECK_OK(gr_spawn_with(self, &a, waits, &options, "n"));
        CHECK_OK(gr_register(a, "short-lived/too"));
        CHECK_OK(gr_cast(self, found("short-lived"), "n"));
        CHECK_OK(gr_receive(self, &m, SOON));
        gr_message_free(&m);
        gr_address unused;
        CHECK_EQ(gr_lookup("short-lived", &unused), GR_ENOTFOUND);
        CHECK_EQ(gr_lookup("short-lived/too", &unused), GR_ENOTFOUND);
        CHECK_EQ(gr_register(a, "late"), GR_EDEAD);
    }
    END(self);
}

static void finds_itself(gr_self *self, gr_value args)
{
    gr_address a = GR_NO_ADDRESS;
    CHECK_OK(gr_lookup(gr_string(args, ""), &a));
    CHECK(gr_address_equal(a, gr_self_address(self)));
    CHECK_OK(gr_rename(self, "renamed"));
    CHECK_OK(gr_lookup("renamed", &a));
    CHECK(gr_address_equal(a, gr_self_address(self)));
    CHECK_EQ(gr_lookup(gr_string(args, ""), &a), GR_ENOTFOUND);
    CHECK_OK(gr_register(gr_self_address(self), "renamed/two"));
    CHECK_OK(gr_rename(self, "renamed/two"));
    CHECK_EQ(gr_lookup("renamed", &a), GR_ENOTFOUND);
    CHECK_OK(gr_rename(self, "renamed/two"));
    CHECK_EQ(gr_rename(self, "taken"), GR_EEXISTS);
    CHECK_OK(gr_lookup("renamed/two", &a));
    CHECK_EQ(gr_rename(self, "-"), GR_EINVAL);
    CHECK(strstr(gr_error_detail(self)->text, "is no segment of a name"));
    gr_actor_info info;
    CHECK_OK(gr_inspect(gr_self_address(self), &info));
    CHECK_STR(info.name, "renamed/two");
}

TEST(registry, spawned_under_a_name_and_renamed)
{
    gr_self *self = BEGIN();
    gr_address a;
    CHECK_OK(gr_register(gr_self_address(self), "taken"));
    CHECK_EQ(gr_spawn_with(self, &a, finds_itself, &(gr_spawn_options){.name = "taken"}, "s", "taken"), GR_EEXISTS);
    CHECK_EQ(gr_spawn_with(self, &a, finds_itself, &(gr_spawn_options){.name = "a/../b"}, "s", ""), GR_EINVAL);
    static const gr_spawn_options options = {.name = "given", .retain = true};
    CHECK_OK(gr_spawn_with(self, &a, finds_itself, &options, "s", "given"));
    CHECK_OK(gr_wait(self, a, NULL, SOON));
    END(self);
}

TEST(registry, many_names)
{
    gr_self *self = BEGIN();
    enum { COUNT = 3000 };
    char name[40];
    gr_address a;
    CHECK_OK(gr_spawn(self, &a, waits, "n"));
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "many/%d", i);
        CHECK_OK(gr_register(i % 3 ? gr_self_address(self) : a, name));
    }
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "many/%d", i);
        CHECK(gr_address_equal(found(name), i % 3 ? gr_self_address(self) : a));
    }
    CHECK_OK(gr_cast(self, a, "n"));
    wait_down(self, a);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "many/%d", i);
        CHECK(gr_address_equal(found(name), i % 3 ? gr_self_address(self) : GR_NO_ADDRESS));
    }
    END(self);
}

static void dies(gr_self *self, void *state, gr_value argument)
{
    (void)state, (void)argument;
    CHECK_OK(gr_kill(gr_self_address(self)));
    CHECK_EQ(gr_cooperate(self), GR_EKILLED);
}

static const gr_method deadly_methods[] = {{"die", dies}};
static const gr_server deadly = {.methods = deadly_methods, .method_count = 1};

TEST(registry, names_are_gone_when_callers_learn_of_the_death)
{
    gr_self *self = BEGIN();
    for (int i = 0; i < 500; i++) {
        gr_address a, unused;
        CHECK_OK(gr_spawn_server(self, &a, &deadly, OPTIONS(.name = "deadly"), "n"));
        CHECK_EQ(gr_call(self, NULL, a, "die", SOON, "n"), GR_EDEAD);
        CHECK_EQ(gr_lookup("deadly", &unused), GR_ENOTFOUND);
    }
    END(self);
}

/* ---- races ---- */

typedef struct registrar {
    gr_address victim;
    int round, count;
} registrar;

/* Gives the victim names until it is dead. */
static void *registers(void *arg)
{
    registrar *r = arg;
    for (int code = 0; code == 0; r->count++) {
        char name[40];
        snprintf(name, sizeof name, "race/%d/%d", r->round, r->count);
        code = gr_register(r->victim, name);
        CHECK(code == 0 || code == GR_EDEAD);
    }
    return NULL;
}

static void check_all_gone(const registrar *r)
{
    for (int i = 0; i < r->count; i++) {
        char name[40];
        gr_address unused;
        snprintf(name, sizeof name, "race/%d/%d", r->round, i);
        CHECK_EQ(gr_lookup(name, &unused), GR_ENOTFOUND);
    }
}

TEST(registry, registering_the_dying_leaves_nothing)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    for (int i = 0; i < 500; i++) {
        registrar r = {.round = i};
        pthread_t thread;
        gr_monitor_ref ref;
        CHECK_OK(gr_spawn(self, &r.victim, waits, "n"));
        CHECK_OK(gr_monitor(self, r.victim, &ref));
        CHECK_OK(pthread_create(&thread, NULL, registers, &r));
        CHECK_OK(gr_cast(self, r.victim, "n"));
        gr_message *m = RECEIVE(self);
        FREE(m);
        CHECK_OK(pthread_join(thread, NULL));
        check_all_gone(&r);
    }
    END(self);
}

static void looks(gr_self *self, gr_value args)
{
    (void)args;
    for (int i = 0; i < 3000; i++) {
        gr_address a;
        int code = gr_lookup("flicker", &a);
        CHECK(code == 0 || code == GR_ENOTFOUND);
        if (code == 0) (void)gr_alive(a);
        if (i % 100 == 0) CHECK_OK(gr_cooperate(self));
    }
}

TEST(registry, lookups_while_names_come_and_go)
{
    gr_self *self = BEGIN();
    gr_address lookers[4];
    for (int i = 0; i < 4; i++)
        CHECK_OK(gr_spawn_with(self, &lookers[i], looks, &(gr_spawn_options){.retain = true}, "n"));
    for (int i = 0; i < 3000; i++) {
        CHECK_OK(gr_register(gr_self_address(self), "flicker"));
        CHECK_OK(gr_unregister("flicker"));
    }
    for (int i = 0; i < 4; i++) CHECK_OK(gr_wait(self, lookers[i], NULL, SOON));
    END(self);
}

TEST(registry, before_start_and_after_stop)
{
    gr_address a;
    CHECK_EQ(gr_lookup("x", &a), GR_ENOTFOUND);
    CHECK_EQ(gr_unregister("x"), GR_ENOTFOUND);
    CHECK_EQ(gr_register((gr_address){1ull << 32}, "x"), GR_EDEAD);
    for (int i = 0; i < 3; i++) {
        gr_self *self = BEGIN();
        CHECK_OK(gr_register(gr_self_address(self), "again"));
        END(self);
        CHECK_EQ(gr_lookup("again", &a), GR_ENOTFOUND);
    }
}

/* ---- behaviours ---- */

static void adds(gr_self *self, gr_value args)
{
    CHECK_OK(gr_return(self, "I", gr_int(gr_get(args, "a"), 0) + gr_int(gr_get(args, "b"), 0)));
}

static void hello(gr_self *self, void *state, gr_value argument)
{
    (void)state, (void)argument;
    CHECK_OK(gr_reply(self, "s", "hello"));
}

static const gr_method methods[] = {{"hello", hello}};
static const gr_server greeter = {.methods = methods, .method_count = 1};
static const gr_behaviour add_behaviour = {
    .name = "add", .entry = adds, .arguments = "{\"a\": int, \"b\": int}", .text = "adds", .options = {.retain = true}};
static const gr_behaviour greet_behaviour = {.name = "greet-2.x_y", .server = &greeter};

TEST(registry, behaviours)
{
    gr_detail detail;
    CHECK_OK(gr_behaviour_register(&add_behaviour, &detail));
    CHECK_OK(gr_behaviour_register(&greet_behaviour, &detail));
    CHECK_EQ(gr_behaviour_register(&add_behaviour, &detail), GR_EEXISTS);
    CHECK_STR(detail.text, "there is a behaviour add already");
    CHECK(gr_behaviour_at(0) == &add_behaviour);
    CHECK(gr_behaviour_at(1) == &greet_behaviour);
    CHECK(gr_behaviour_at(2) == NULL);

    gr_self *self = BEGIN();
    gr_address a;
    gr_message *arguments, *result;
    CHECK_OK(gr_pack(&arguments, "{s:i, s:i}", "a", 2, "b", 3));
    CHECK_OK(gr_spawn_behaviour(self, &a, "add", NULL, gr_body(arguments)));
    CHECK_OK(gr_wait(self, a, &result, SOON));
    CHECK_EQ(gr_int(gr_body(result), 0), 5);
    gr_message_free(&result);
    gr_message_free(&arguments);
    CHECK_OK(gr_pack(&arguments, "{s:i, s:s}", "a", 2, "b", "x"));
    CHECK_EQ(gr_spawn_behaviour(self, &a, "add", NULL, gr_body(arguments)), GR_ETYPE);
    CHECK(strstr(gr_error_detail(self)->text, "arguments of add: at .b: "));
    gr_message_free(&arguments);
    CHECK_EQ(gr_spawn_behaviour(self, &a, "subtract", NULL, (gr_value){NULL}), GR_ENOTFOUND);
    CHECK_STR(gr_error_detail(self)->text, "there is no behaviour subtract");

    CHECK_OK(gr_spawn_behaviour(self, &a, "greet-2.x_y", &(gr_spawn_options){.name = "greeter"}, (gr_value){NULL}));
    CHECK_OK(gr_call(self, &result, found("greeter"), "hello", SOON, "n"));
    CHECK_STR(gr_string(gr_body(result), ""), "hello");
    gr_message_free(&result);
    gr_actor_info info;
    CHECK_OK(gr_inspect(a, &info));
    CHECK_STR(info.name, "greeter");
    CHECK_STR(info.behaviour, "greet-2.x_y");
    CHECK(info.is_server);
    CHECK(!info.has_state);
    CHECK_EQ(info.messages, 1);
    CHECK_OK(gr_kill(a));
    END(self);
}

TEST(registry, bad_behaviours)
{
    gr_detail detail;
    CHECK_EQ(gr_behaviour_register(&(gr_behaviour){.name = "a b", .entry = adds}, &detail), GR_EINVAL);
    CHECK_STR(detail.text, "a behaviour's name has letters, digits, '_', '-' and '.': byte 1 is none");
    CHECK_EQ(gr_behaviour_register(&(gr_behaviour){.name = "", .entry = adds}, &detail), GR_EINVAL);
    CHECK_EQ(gr_behaviour_register(&(gr_behaviour){.entry = adds}, &detail), GR_EINVAL);
    CHECK_EQ(gr_behaviour_register(&(gr_behaviour){.name = "x"}, &detail), GR_EINVAL);
    CHECK_EQ(gr_behaviour_register(&(gr_behaviour){.name = "x", .entry = adds, .server = &greeter}, &detail),
             GR_EINVAL);
    CHECK_EQ(gr_behaviour_register(&(gr_behaviour){.name = "x", .entry = adds, .options = {.name = "n"}}, &detail),
             GR_EINVAL);
    CHECK_EQ(gr_behaviour_register(&(gr_behaviour){.name = "x", .entry = adds, .arguments = "{\"a\": }"}, &detail),
             GR_ESYNTAX);
    CHECK_EQ(gr_behaviour_register(NULL, NULL), GR_EINVAL);
    CHECK(gr_behaviour_at(0) == NULL);
}

/* ---- looking ---- */

typedef struct seen {
    gr_address wanted[3];
    int count[3], all;
} seen;

static int see(void *arg, gr_address address)
{
    seen *s = arg;
    s->all++;
    for (int i = 0; i < 3; i++) s->count[i] += gr_address_equal(address, s->wanted[i]);
    return 0;
}

static int stop_at_once(void *arg, gr_address address)
{
    (void)address;
    ++*(int *)arg;
    return 42;
}

TEST(registry, each_and_inspect)
{
    CHECK_EQ(gr_each(see, NULL), GR_ENOTRUNNING);
    gr_self *self = BEGIN();
    seen s = {.wanted = {gr_self_address(self)}};
    for (int i = 1; i < 3; i++) CHECK_OK(gr_spawn(self, &s.wanted[i], waits, "n"));
    CHECK_OK(gr_each(see, &s));
    for (int i = 0; i < 3; i++) CHECK_EQ(s.count[i], 1);
    CHECK_EQ(s.all, 3);
    int calls = 0;
    CHECK_EQ(gr_each(stop_at_once, &calls), 42);
    CHECK_EQ(calls, 1);
    gr_actor_info info;
    CHECK_OK(gr_inspect(gr_self_address(self), &info));
    CHECK_STR(info.state, "attached");
    CHECK_STR(info.name, "");
    CHECK(!info.is_server);
    WAIT_FOR(self, harness_waits(s.wanted[1]));
    CHECK_OK(gr_inspect(s.wanted[1], &info));
    CHECK_STR(info.state, "waiting");
    CHECK_OK(gr_cast(self, s.wanted[1], "n"));
    wait_down(self, s.wanted[1]);
    CHECK_EQ(gr_inspect(s.wanted[1], &info), GR_EDEAD);
    s.all = 0;
    CHECK_OK(gr_each(see, &s));
    CHECK_EQ(s.all, 2);
    CHECK_OK(gr_kill(s.wanted[2]));
    END(self);
}
