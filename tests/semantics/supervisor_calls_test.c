/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Supervisors: children by calls, dynamic ones, what they show, how they are seen from outside. */
#include "support/family.h"

/* ---- calls ---- */

static const gr_behaviour by_name = {.name = "supervisor.test.servant", .server = &family_servant};

TEST(supervisor, children_are_started_stopped_restarted_and_deleted_by_calls)
{
    static const gr_supervisor table = {0};
    gr_self *self = BEGIN();
    gr_address tree = family_start(self, &table);
    CHECK_OK(gr_behaviour_register(&by_name, NULL));
    gr_message *argument = NULL, *reply = NULL;
    CHECK_OK(
        gr_pack(&argument, "{s:s,s:s,s:s,s:s}", "behaviour", by_name.name, "id", "x", "args", "x", "name", "the/x"));
    CHECK_OK(gr_call_value(self, &reply, tree, "start_child", gr_body(argument), SOON));
    TOLD("+x");
    gr_address x = gr_address_in(gr_get(gr_body(reply), "address")), found;
    CHECK_STR(gr_string(gr_get(gr_body(reply), "id"), ""), "x");
    CHECK_OK(gr_lookup("the/x", &found));
    CHECK_EQ(found.id, x.id);
    FREE(reply);
    CHECK_EQ(gr_call_value(self, &reply, tree, "start_child", gr_body(argument), SOON), GR_EEXCEPTION);
    CHECK_STR(harness_error(gr_body(reply)), "exists");
    FREE(reply);
    FREE(argument);
    family_refuses(self, tree, "restart_child", "running", "{\"id\": \"x\"}");
    family_refuses(self, tree, "delete_child", "running", "{\"id\": \"x\"}");
    family_order(self, tree, "terminate_child", "x");
    TOLD("-x");
    CHECK_STR(family_look(self, tree, "x", NULL), "down");
    family_order(self, tree, "restart_child", "x");
    TOLD("+x");
    CHECK_OK(gr_kill(family_address(self, tree, "x"))); /* permanent: comes back by itself, under its name */
    TOLD("-x", "+x");
    WAIT_FOR(self, gr_lookup("the/x", &found) == 0);
    family_order(self, tree, "terminate_child", "x");
    TOLD("-x");
    family_order(self, tree, "delete_child", "x");
    CHECK_EQ(family_count(self, tree, "children"), 0);
    family_refuses(self, tree, "terminate_child", "no_such_child", "{\"id\": \"x\"}");
    END(self);
}

TEST(supervisor, bad_calls_are_answered)
{
    static const gr_supervisor table = {0};
    gr_self *self = BEGIN();
    gr_address tree = family_start(self, &table);
    family_refuses(self, tree, "start_child", "bad_argument", "null");
    family_refuses(self, tree, "start_child", "bad_argument", "{\"behaviour\": 7}");
    family_refuses(self, tree, "start_child", "bad_argument", "{\"behaviour\": \"b\", \"restart\": \"always\"}");
    family_refuses(self, tree, "start_child", "bad_argument", "{\"behaviour\": \"b\", \"id\": \"\"}");
    family_refuses(self, tree, "start_child", "bad_argument", "{\"behaviour\": \"b\", \"id\": \"a\\u0000b\"}");
    family_refuses(self, tree, "start_child", "bad_argument", "{\"behaviour\": \"b\", \"shutdown_ms\": -3}");
    family_refuses(self, tree, "start_child", "start_failed", "{\"behaviour\": \"no.such\"}");
    family_refuses(self, tree, "delete_child", "bad_argument", "{}");
    family_refuses(self, tree, "which_children", "bad_argument", "{\"limit\": -1}");
    CHECK_EQ(family_count(self, tree, "children"), 0);
    uint64_t dropped = harness_counters().dropped;
    CHECK_OK(gr_cast(self, tree, "{s:s,s:i}", "id", "x", "serial", 0));
    WAIT_FOR(self, harness_counters().dropped == dropped + 1);
    END(self);
}

TEST(supervisor, a_child_that_fails_to_start_is_not_kept)
{
    static const gr_child dynamic = {.server = &family_servant};
    static const gr_supervisor table = {.dynamic = &dynamic, .intensity = GR_INTENSITY_NONE};
    gr_self *self = BEGIN();
    gr_address tree = family_start(self, &table);
    family_refuses(self, tree, "start_child", "start_failed", "{\"args\": {\"id\": \"x\", \"refuse\": true}}");
    TOLD("+x");
    CHECK_EQ(family_count(self, tree, "children"), 0);
    CHECK(gr_alive(tree));
    END(self);
}

/* ---- dynamic ones ---- */

static gr_address start_dynamic(gr_self *self, gr_address tree, const char *args)
{
    gr_message *reply = NULL;
    CHECK_OK(gr_call(self, &reply, tree, "start_child", SOON, "{s:s}", "args", args));
    gr_address address = gr_address_in(gr_get(gr_body(reply), "address"));
    FREE(reply);
    return address;
}

TEST(supervisor, dynamic_children_come_and_go)
{
    static const gr_child dynamic = {.entry = family_child, .says_ready = true, .restart = GR_TRANSIENT};
    static const gr_supervisor table = {.strategy = GR_ONE_FOR_ALL, .dynamic = &dynamic};
    gr_self *self = BEGIN();
    gr_address tree = family_start(self, &table);
    gr_address x = start_dynamic(self, tree, "x"), y = start_dynamic(self, tree, "y");
    TOLD("+x", "+y");
    CHECK_OK(gr_cast(self, x, "s", "return"));
    TOLD("-x");
    WAIT_FOR(self, family_count(self, tree, "children") == 1); /* transient, returned: forgotten */
    CHECK_OK(gr_kill(y));
    TOLD("-y", "+y"); /* and no sibling with it */
    CHECK_EQ(gr_address_equal(family_address(self, tree, "2"), y), false);
    family_order(self, tree, "terminate_child", "2");
    TOLD("-y");
    CHECK_EQ(family_count(self, tree, "children"), 0);
    END(self);
}

/* They crash as fast as they can; every one comes back until it has crashed ten times, and none is lost. */
#define STORM (GRI_ASAN || GRI_TSAN || GRI_INVARIANTS ? 40 : 400)
#define CRASHES 10

static void crasher(gr_self *self, gr_value args)
{
    static _Atomic uint32_t lives[STORM];
    uint32_t life = lives[gr_int(args, 0)]++ % (CRASHES + 1);
    if (life < CRASHES) gr_raise(self, "storm", "life %u", life);
    harness_idle(self, args);
}

TEST(supervisor, storms_of_crashes)
{
    static const gr_child dynamic = {.entry = crasher};
    static const gr_supervisor table = {
        .dynamic = &dynamic, .intensity = STORM * CRASHES, .backoff_ms = 1, .backoff_max_ms = 4};
    gr_self *self = BEGIN_WITH(.log = "off");
    gr_address tree = family_start(self, &table);
    for (int i = 0; i < STORM; i++) {
        gr_message *reply = NULL;
        CHECK_OK(gr_call(self, &reply, tree, "start_child", SOON, "{s:i}", "args", i));
        FREE(reply);
    }
    WAIT_FOR(self, family_count(self, tree, "restarts") == STORM * CRASHES);
    WAIT_FOR(self, family_count(self, tree, "up") == STORM);
    WAIT_FOR(self,
             harness_counters().actors == STORM + 2); /* who is up again is told before who has ended is counted */
    gr_message *reply = NULL;
    CHECK_OK(gr_call(self, &reply, tree, "which_children", SOON, "{s:i,s:i}", "offset", STORM - 5, "limit", 100));
    CHECK_EQ(gr_count(gr_body(reply)), 5);
    FREE(reply);
    CHECK_OK(gr_kill(tree));
    WAIT_FOR(self, harness_counters().actors == 1);
    END(self);
}

/* ---- what it shows ---- */

TEST(supervisor, publishes_its_tree)
{
    static const gr_child children[] = {CHILD("a", .restart = GR_TRANSIENT), SERVANT("b")};
    static const gr_supervisor table = TABLE(children, .strategy = GR_REST_FOR_ONE);
    gr_self *self = BEGIN();
    gr_address tree = family_start(self, &table);
    gr_message *state = NULL;
    gr_address a = family_address(self, tree, "a"), b = family_address(self, tree, "b");
    CHECK_OK(gr_state(tree, &state, NULL));
    CHECK_VALUE(gr_body(state), "{s:b,s:s,s:s,s:i,s:i,s:i,s:[{s:s,s:A,s:s,s:s,s:s,s:i},{s:s,s:A,s:s,s:s,s:s,s:i}]}",
                "supervisor", true, "strategy", "rest_for_one", "phase", "running", "restarts", 0, "count", 2, "up", 2,
                "children", "id", "a", "address", a, "state", "up", "kind", "thread", "restart", "transient",
                "restarts", 0, "id", "b", "address", b, "state", "up", "kind", "server", "restart", "permanent",
                "restarts", 0);
    FREE(state);
    END(self);
}

/* Started when the supervisor "branch" is up: tells the phase that this one shows, "" for none. */
static void looks_at_the_branch(gr_self *self, gr_value args)
{
    (void)args;
    gr_address branch;
    gr_message *state = NULL;
    CHECK_OK(gr_lookup("branch", &branch));
    const int code = gr_state(branch, &state, NULL);
    family_tell(self, "phase", code == 0 ? gr_string(gr_get(gr_body(state), "phase"), "") : "");
    gr_message_free(&state);
}

/* Is up, and keeps its supervisor busy with what that one does not know. */
static void chatters(gr_self *self, gr_value args)
{
    (void)args;
    const gr_address supervisor = gr_supervisor_of(gr_self_address(self));
    gr_ready(self);
    for (int i = 0; i < 100000; i++) (void)gr_cast(self, supervisor, "n"); /* GR_EDEAD: it has ended */
    (void)gr_sleep(self, GR_FOREVER);
}

TEST(supervisor, has_published_when_it_says_that_it_is_up)
{
    static const gr_child leaves[] = {{.id = "leaf", .entry = chatters, .says_ready = true}};
    static const gr_supervisor branch = TABLE(leaves);
    static const gr_spawn_options named = {.name = "branch"};
    static const gr_child children[] = {
        {.id = "branch", .supervisor = &branch, .options = &named},
        {.id = "looks", .entry = looks_at_the_branch, .restart = GR_TEMPORARY},
    };
    static const gr_supervisor table = TABLE(children);
    gr_self *self = BEGIN_WITH(.workers = 1, .slice_us = 50, .fixed = GR_FIXED(workers) | GR_FIXED(slice_us));
    gr_address tree;
    CHECK_OK(gr_register(gr_self_address(self), "tester"));
    CHECK_OK(gr_spawn_supervisor(self, &tree, &table, NULL));
    EXPECT(self, "{s:s}", "phase", "running");
    END(self);
}

/* ---- from the outside ---- */

TEST(supervisor, may_be_a_behaviour_and_bounded)
{
    static const gr_child children[] = {SERVANT("a")};
    static const gr_supervisor table = TABLE(children);
    static const gr_behaviour tree_behaviour = {
        .name = "supervisor.test.tree", .supervisor = &table, .options = {.mailbox_max = 1}};
    gr_self *self = BEGIN();
    gr_address tree;
    CHECK_OK(gr_register(gr_self_address(self), "tester"));
    CHECK_OK(gr_behaviour_register(&tree_behaviour, NULL));
    CHECK_OK(gr_spawn_behaviour(self, &tree, tree_behaviour.name, NULL, (gr_value){NULL}));
    family_ask(self, tree, "ready"); /* what children say passes the bound */
    TOLD("+a");
    END(self);
}

TEST(supervisor, a_raise_after_server_end_ends_the_server_with_it)
{
    gr_self *self = BEGIN();
    gr_address server;
    CHECK_OK(gr_register(gr_self_address(self), "tester"));
    CHECK_OK(gr_spawn_server(self, &server, &family_servant, OPTIONS(.link = GR_LINK), "s", "s"));
    CHECK_OK(gr_cast(self, server, "s", "raise"));
    TOLD("+s", "-s");
    EXPECT_EXCEPTION(self, server, "on_purpose");
    END(self);
}
