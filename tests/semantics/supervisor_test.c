/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Supervisors: what is restarted when, in which order, how often, and how it ends.
 *
 * The children tell the test's thread, named "tester", what happens to them: {"start": id}, {"stop": id}. */
#include "support/harness.h"

#include "base/atomic.h"

#include <greenroom/supervisor.h>
#include <stdarg.h>

#define SIZE(array) (sizeof(array) / sizeof *(array))

/* ---- children ---- */

static void tell(gr_self *self, const char *what, const char *id)
{
    gr_address tester;
    if (gr_lookup("tester", &tester) == 0) (void)gr_cast(self, tester, "{s:s}", what, id);
}

/* In which order they stopped: the first letters of their ids. */
static char stopped[8];
static gri_atomic_u32 stopped_count;

static void tell_stop(gr_self *self, void *arg)
{
    stopped[gri_add_relaxed(&stopped_count, 1u) % sizeof stopped] = *(const char *)arg;
    tell(self, "stop", arg);
}

/* Goes down until the stack ends. */
static __attribute__((noinline)) int overflow(int depth)
{
    volatile char room[1024];
    room[0] = (char)depth;
    return depth > 1000000 ? 0 : overflow(depth + 1) + room[0];
}

/* Ends as it is told to. args: its id. */
static void child(gr_self *self, gr_value args)
{
    const char *id = gr_string(args, "?");
    CHECK_OK(gr_defer(self, tell_stop, (void *)(uintptr_t)id));
    tell(self, "start", id);
    gr_ready(self);
    gr_message *m = NULL;
    if (gr_receive(self, &m, GR_FOREVER) != 0) return;
    const char *how = gr_string(gr_body(m), "");
    if (strcmp(how, "raise") == 0) gr_raise(self, "on_purpose", "told to");
    if (strcmp(how, "overflow") == 0) overflow(0);
    gr_message_free(&m);
}

typedef struct servant {
    gr_value id;
} servant;

/* args: its id, or {"id", "refuse": true}. */
static int servant_start(gr_self *self, void *state, gr_value args)
{
    servant *s = state;
    s->id = gr_type_of(args) == GR_STRING ? args : gr_get(args, "id");
    tell(self, "start", gr_string(s->id, "?"));
    return gr_bool(gr_get(args, "refuse"), false);
}

static void servant_stop(gr_self *self, void *state)
{
    tell(self, "stop", gr_string(((servant *)state)->id, "?"));
}

static void servant_message(gr_self *self, void *state, gr_message *m)
{
    (void)state;
    const char *how = gr_string(gr_body(m), "");
    gr_server_end(self);
    if (strcmp(how, "raise") == 0) gr_raise(self, "on_purpose", "told to");
}

static const gr_server servant_server = {
    .state_bytes = sizeof(servant), .start = servant_start, .stop = servant_stop, .on_message = servant_message};

#define CHILD(name, ...) \
    { \
        .id = name, .entry = child, .says_ready = true, .arguments = "\"" name "\"", __VA_ARGS__ \
    }
#define SERVANT(name, ...) \
    { \
        .id = name, .server = &servant_server, .arguments = "\"" name "\"", __VA_ARGS__ \
    }
#define TABLE(list, ...) \
    { \
        .children = list, .child_count = SIZE(list), __VA_ARGS__ \
    }

/* ---- asking ---- */

static gr_message *ask(gr_self *self, gr_address to, const char *method, gr_value argument)
{
    gr_message *reply = NULL;
    CHECK_OK(gr_call_value(self, &reply, to, method, argument, SOON));
    return reply;
}

static gr_message *ask_about(gr_self *self, gr_address to, const char *method, const char *id)
{
    gr_message *argument = NULL;
    CHECK_OK(gr_pack(&argument, "{s:s}", "id", id));
    gr_message *reply = ask(self, to, method, gr_body(argument));
    gr_message_free(&argument);
    return reply;
}

static void tell_to(gr_self *self, gr_address to, const char *method, const char *id)
{
    gr_message *reply = ask_about(self, to, method, id);
    gr_message_free(&reply);
}

static void ask_null(gr_self *self, gr_address to, const char *method)
{
    gr_message *reply = NULL;
    CHECK_OK(gr_call(self, &reply, to, method, SOON, "n"));
    gr_message_free(&reply);
}

/* The call is answered with this exception. */
static void refused(gr_self *self, gr_address to, const char *method, const char *error, const char *json)
{
    gr_message *argument = NULL, *report = NULL;
    CHECK_OK(gr_parse(json, strlen(json), NULL, &argument, NULL));
    CHECK_EQ(gr_call_value(self, &report, to, method, gr_body(argument), SOON), GR_EEXCEPTION);
    CHECK_STR(harness_error(gr_body(report)), error);
    gr_message_free(&argument);
    gr_message_free(&report);
}

static int64_t counted(gr_self *self, gr_address to, const char *what)
{
    gr_message *reply = NULL;
    CHECK_OK(gr_call(self, &reply, to, "count", SOON, "n"));
    int64_t count = gr_int(gr_get(gr_body(reply), what), -1);
    gr_message_free(&reply);
    return count;
}

/* The entry of one child in which_children: its state, "" if it is not there, and its address. */
static const char *look(gr_self *self, gr_address to, const char *id, gr_address *ret_address)
{
    static char state[16];
    gr_message *reply = NULL;
    CHECK_OK(gr_call(self, &reply, to, "which_children", SOON, "n"));
    *state = '\0';
    if (ret_address) *ret_address = GR_NO_ADDRESS;
    for (gr_iter it = gr_iterate(gr_body(reply)); gr_next(&it);) {
        if (strcmp(gr_string(gr_get(it.value, "id"), ""), id) != 0) continue;
        snprintf(state, sizeof state, "%s", gr_string(gr_get(it.value, "state"), "?"));
        if (ret_address) *ret_address = gr_address_in(gr_get(it.value, "address"));
    }
    gr_message_free(&reply);
    return state;
}

static gr_address address_of(gr_self *self, gr_address to, const char *id)
{
    gr_address address;
    (void)look(self, to, id, &address);
    return address;
}

static gr_address start_tree(gr_self *self, const gr_supervisor *table)
{
    gr_address tree;
    CHECK_OK(gr_register(gr_self_address(self), "tester"));
    CHECK_OK(gr_spawn_supervisor(self, &tree, table, NULL));
    ask_null(self, tree, "ready");
    return tree;
}

/* The next things that the children tell: "+a" is {"start": "a"}, "-a" {"stop": "a"}. */
static void expect(gr_self *self, const char *first, ...)
{
    va_list rest;
    va_start(rest, first);
    for (const char *what = first; what; what = va_arg(rest, const char *))
        EXPECT(self, "{s:s}", *what == '+' ? "start" : "stop", what + 1);
    va_end(rest);
}
#define TOLD(...) expect(self, __VA_ARGS__, NULL)

/* ---- order ---- */

TEST(supervisor, starts_in_order_and_stops_in_reverse)
{
    static const gr_child children[] = {CHILD("a"), SERVANT("b"), CHILD("c")};
    static const gr_supervisor table = TABLE(children);
    gr_self *self = BEGIN();
    gr_monitor_ref ref;
    gr_address tree = start_tree(self, &table);
    TOLD("+a", "+b", "+c");
    CHECK_EQ(counted(self, tree, "up"), 3);
    CHECK_OK(gr_monitor(self, tree, &ref));
    CHECK_OK(gr_kill(tree));
    TOLD("-c", "-b", "-a");
    gr_message *down = RECEIVE(self);
    CHECK_STR(harness_error(gr_get(gr_body(down), "exception")), "killed");
    FREE(down);
    END(self);
}

TEST(supervisor, shutdown_ends_it_normally)
{
    static const gr_child children[] = {SERVANT("a"), SERVANT("b")};
    static const gr_supervisor table = TABLE(children);
    gr_self *self = BEGIN();
    gr_address tree = start_tree(self, &table);
    CHECK_OK(gr_link(self, tree, GR_LINK | GR_LINK_TRAP_EXIT));
    TOLD("+a", "+b");
    ask_null(self, tree, "shutdown");
    TOLD("-b", "-a");
    EXPECT(self, "{s:A,s:n}", "address", tree, "exit");
    END(self);
}

/* Is up when it is told to be. */
static void slow(gr_self *self, gr_value args)
{
    (void)args;
    tell(self, "start", "slow");
    gr_message *m = NULL;
    while (gr_receive(self, &m, GR_FOREVER) == 0) {
        gr_message_free(&m);
        gr_ready(self);
        gr_ready(self); /* twice is once */
    }
}

TEST(supervisor, the_next_child_waits_until_the_one_before_says_ready)
{
    static const gr_child children[] = {{.id = "slow", .entry = slow, .says_ready = true}, CHILD("b")};
    static const gr_supervisor table = TABLE(children);
    gr_self *self = BEGIN();
    gr_address tree;
    CHECK_OK(gr_register(gr_self_address(self), "tester"));
    CHECK_OK(gr_spawn_supervisor(self, &tree, &table, NULL));
    TOLD("+slow");
    gr_message *reply = NULL;
    CHECK_EQ(gr_call(self, &reply, tree, "ready", gr_after_ms(20), "n"), GR_ETIMEOUT);
    CHECK_STR(look(self, tree, "b", NULL), "down");
    CHECK_OK(gr_cast(self, address_of(self, tree, "slow"), "s", "go"));
    ask_null(self, tree, "ready");
    TOLD("+b");
    END(self);
}

TEST(supervisor, a_child_that_takes_too_long_to_start_is_stopped_and_started_again)
{
    static const gr_child children[] = {{.id = "slow", .entry = slow, .says_ready = true, .start_ms = 10}};
    static const gr_supervisor table = TABLE(children, .intensity = 2);
    gr_self *self = BEGIN();
    gr_address tree;
    gr_monitor_ref ref;
    CHECK_OK(gr_register(gr_self_address(self), "tester"));
    CHECK_OK(gr_spawn_supervisor(self, &tree, &table, NULL));
    CHECK_OK(gr_monitor(self, tree, &ref));
    TOLD("+slow", "+slow", "+slow");
    gr_message *down = RECEIVE(self);
    CHECK_STR(harness_error(gr_get(gr_body(down), "exception")), "restart_intensity");
    FREE(down);
    END(self);
}

/* ---- the table: strategy x restart x how it ended ---- */

static void end_child(gr_self *self, gr_address address, const char *how)
{
    if (strcmp(how, "kill") == 0)
        CHECK_OK(gr_kill(address));
    else
        CHECK_OK(gr_cast(self, address, "s", how));
}

static void one_case(gr_self *self, enum gr_strategy strategy, enum gr_restart restart, const char *how)
{
    const gr_child children[] = {CHILD("a"), CHILD("b", .restart = restart), CHILD("c")};
    const gr_supervisor table = TABLE(children, .strategy = strategy);
    const bool again = restart == GR_PERMANENT || (restart == GR_TRANSIENT && strcmp(how, "return") != 0);
    gr_address tree = start_tree(self, &table), before[3];
    for (int i = 0; i < 3; i++) before[i] = address_of(self, tree, children[i].id);
    TOLD("+a", "+b", "+c");
    end_child(self, before[1], how);
    TOLD("-b");
    if (again && strategy == GR_ONE_FOR_ALL)
        TOLD("-c", "-a", "+a", "+b", "+c");
    else if (again && strategy == GR_REST_FOR_ONE)
        TOLD("-c", "+b", "+c");
    else if (again)
        TOLD("+b");
    WAIT_FOR(self, strcmp(look(self, tree, "b", NULL), again ? "up" : restart == GR_TEMPORARY ? "" : "down") == 0);
    WAIT_FOR(self, counted(self, tree, "up") == (again ? 3 : 2));
    for (int i = 0; i < 3; i += 2) {
        const bool moved = again && (strategy == GR_ONE_FOR_ALL || (strategy == GR_REST_FOR_ONE && i == 2));
        CHECK_EQ(gr_address_equal(address_of(self, tree, children[i].id), before[i]), !moved);
    }
    CHECK_EQ(counted(self, tree, "restarts"), again);
    EXPECT_NOTHING(self);
    ask_null(self, tree, "shutdown"); /* the table is on this stack */
    WAIT_GONE(self, tree);
    for (int stops = again ? 3 : 2; stops > 0; stops--) {
        gr_message *m = RECEIVE(self);
        FREE(m);
    }
    CHECK_OK(gr_unregister("tester"));
}

TEST(supervisor, strategy_by_restart_by_how_it_ended)
{
    static const char *const hows[] = {"return", "raise", "kill", "overflow"};
    gr_self *self = BEGIN();
    for (int strategy = GR_ONE_FOR_ONE; strategy <= GR_REST_FOR_ONE; strategy++) {
        for (int restart = GR_PERMANENT; restart <= GR_TEMPORARY; restart++) {
            for (size_t how = 0; how < SIZE(hows); how++) {
                if (GRI_ASAN || GRI_TSAN)
                    if (strcmp(hows[how], "overflow") == 0) continue; /* stacks have no guards there */
                one_case(self, (enum gr_strategy)strategy, (enum gr_restart)restart, hows[how]);
            }
        }
    }
    END(self);
}

/* ---- failing to start ---- */

TEST(supervisor, a_child_that_never_starts_is_given_up)
{
    static const gr_child children[] = {
        CHILD("a"), {.id = "b", .server = &servant_server, .arguments = "{\"id\": \"b\", \"refuse\": true}"}};
    static const gr_supervisor table = TABLE(children, .intensity = 2);
    gr_self *self = BEGIN();
    gr_address tree;
    gr_monitor_ref ref;
    CHECK_OK(gr_register(gr_self_address(self), "tester"));
    CHECK_OK(gr_spawn_supervisor(self, &tree, &table, &(gr_spawn_options){.monitor = &ref}));
    gr_message *report = NULL;
    CHECK_EQ(gr_call(self, &report, tree, "ready", SOON, "n"), GR_EEXCEPTION);
    CHECK_STR(harness_error(gr_body(report)), "ending");
    FREE(report);
    TOLD("+a", "+b", "+b", "+b", "-a");
    gr_message *down = RECEIVE(self);
    gr_value exception = gr_get(gr_body(down), "exception");
    CHECK_STR(harness_error(exception), "restart_intensity");
    CHECK_STR(gr_string(gr_get(gr_get(exception, "description"), "child"), "?"), "b");
    CHECK_STR(gr_string(gr_get(gr_get(exception, "description"), "error"), "?"), "start_failed");
    FREE(down);
    END(self);
}

TEST(supervisor, one_that_cannot_be_spawned_is_a_failed_start)
{
    static const gr_child wrong[] = {{.id = "a", .behaviour = "no.such.behaviour", .restart = GR_TEMPORARY},
                                     CHILD("b")};
    static const gr_supervisor table = TABLE(wrong);
    gr_self *self = BEGIN();
    gr_address tree = start_tree(self, &table);
    TOLD("+b");
    CHECK_STR(look(self, tree, "a", NULL), "");
    END(self);
}

TEST(supervisor, bad_tables_are_refused_and_named)
{
    static const gr_spawn_options link_options = {.link = GR_LINK};
    static const gr_child none[] = {{.id = "a"}}, twice[] = {CHILD("a"), CHILD("a")}, unnamed[] = {{.entry = child}},
                          linked[] = {CHILD("a", .options = &link_options)};
    const struct {
        gr_supervisor table;
        const char *why;
    } bad[] = {
        {TABLE(none), "child a: exactly one of entry, server, supervisor and behaviour must be set"},
        {TABLE(twice), "two children have the id a"},
        {TABLE(unnamed), "child 0: an id has 1 to 255 bytes"},
        {TABLE(linked), "child a: options.link and monitor must be zero"},
        {{.period_ms = -1}, "a supervisor's times must not be negative"},
        {{.strategy = (enum gr_strategy)7}, "strategy = 7: allowed are one_for_one, one_for_all and rest_for_one"},
        {{.intensity = 2000000}, "intensity = 2000000: at most 1000000, or GR_INTENSITY_NONE"},
    };
    gr_self *self = BEGIN();
    for (size_t i = 0; i < SIZE(bad); i++) {
        gr_address tree;
        CHECK_EQ(gr_spawn_supervisor(self, &tree, &bad[i].table, NULL), GR_EINVAL);
        CHECK_STR(gr_error_detail(self)->text, bad[i].why);
    }
    CHECK_EQ(gr_spawn_supervisor(self, &(gr_address){0}, NULL, NULL), GR_EINVAL);
    END(self);
}

/* ---- intensity and back-off ---- */

TEST(supervisor, gives_up_after_more_restarts_than_allowed_and_stops_the_others)
{
    static const gr_child children[] = {CHILD("a"), CHILD("b"), CHILD("c")};
    static const gr_supervisor table = TABLE(children, .intensity = 2);
    gr_self *self = BEGIN();
    gr_address tree = start_tree(self, &table);
    gr_monitor_ref ref;
    CHECK_OK(gr_monitor(self, tree, &ref));
    TOLD("+a", "+b", "+c");
    for (int i = 0; i < 2; i++) {
        CHECK_OK(gr_cast(self, address_of(self, tree, "b"), "s", "raise"));
        TOLD("-b", "+b");
    }
    CHECK_OK(gr_cast(self, address_of(self, tree, "b"), "s", "raise"));
    TOLD("-b", "-c", "-a");
    gr_message *down = RECEIVE(self);
    gr_value exception = gr_get(gr_body(down), "exception");
    CHECK_STR(harness_error(exception), "restart_intensity");
    CHECK_STR(gr_string(gr_get(gr_get(exception, "description"), "error"), "?"), "on_purpose");
    CHECK_EQ(gr_int(gr_get(gr_get(exception, "description"), "restarts"), 0), 2);
    FREE(down);
    END(self);
}

TEST(supervisor, none_is_no_restart_at_all)
{
    static const gr_child children[] = {CHILD("a")};
    static const gr_supervisor table = TABLE(children, .intensity = GR_INTENSITY_NONE);
    gr_self *self = BEGIN();
    gr_address tree = start_tree(self, &table);
    TOLD("+a");
    CHECK_OK(gr_kill(address_of(self, tree, "a")));
    TOLD("-a");
    WAIT_GONE(self, tree);
    END(self);
}

/* Virtual time: how long each restart has waited. */
TEST(supervisor, restarts_wait_longer_each_time_with_jitter)
{
    static const gr_child children[] = {CHILD("a")};
    static const gr_supervisor table =
        TABLE(children, .intensity = 100, .period_ms = 100000, .backoff_ms = 100, .backoff_max_ms = 1000);
    if (!harness_simulated()) return;
    gr_self *self = BEGIN();
    gr_address tree = start_tree(self, &table);
    int64_t exact = 0;
    TOLD("+a");
    for (int i = 0; i < 8; i++) {
        CHECK_OK(gr_kill(address_of(self, tree, "a")));
        TOLD("-a");
        int64_t from = gr_now_ns();
        TOLD("+a");
        int64_t waited_us = (gr_now_ns() - from) / 1000, whole = i == 0 ? 0 : 100000LL << (i - 1);
        if (whole > 1000000) whole = 1000000;
        CHECK(waited_us >= whole / 2 - 2000 && waited_us <= whole + 2000); /* the wheel ticks in milliseconds */
        exact += i > 0 && (waited_us + 1000 >= whole || waited_us <= whole / 2 + 1000);
    }
    CHECK(exact < 7); /* they are not all at the ends of their ranges */
    END(self);
}

TEST(supervisor, who_has_lasted_a_period_begins_anew)
{
    static const gr_child children[] = {CHILD("a")};
    static const gr_supervisor table = TABLE(children, .intensity = 1, .period_ms = 1000, .backoff_ms = 500);
    if (!harness_simulated()) return;
    gr_self *self = BEGIN();
    gr_address tree = start_tree(self, &table);
    TOLD("+a");
    for (int i = 0; i < 5; i++) {
        CHECK_OK(gr_sleep(self, gr_after_ms(1100)));
        CHECK_OK(gr_kill(address_of(self, tree, "a")));
        TOLD("-a");
        int64_t from = gr_now_ns();
        TOLD("+a");
        CHECK(gr_now_ns() - from < 3000000);
    }
    CHECK_EQ(counted(self, tree, "restarts"), 5);
    END(self);
}

/* ---- stopping ---- */

/* Ignores kills for ever, but lets them know. */
static void stubborn(gr_self *self, gr_value args)
{
    (void)args;
    CHECK_OK(gr_defer(self, tell_stop, (void *)(uintptr_t) "stubborn"));
    tell(self, "start", "stubborn");
    gr_ready(self);
    for (;;) {
        if (gr_sleep(self, gr_after_s(3600)) == GR_EKILLED) tell(self, "kill", "stubborn");
        gr_kill_clear(self);
    }
}

TEST(supervisor, one_that_ignores_the_kill_is_killed_now_after_its_deadline)
{
    static const gr_child children[] = {{.id = "stubborn", .says_ready = true, .entry = stubborn, .shutdown_ms = 30},
                                        CHILD("b")};
    static const gr_supervisor table = TABLE(children);
    gr_self *self = BEGIN();
    gr_address tree = start_tree(self, &table);
    TOLD("+stubborn", "+b");
    CHECK_OK(gr_kill(tree));
    TOLD("-b");
    EXPECT(self, "{s:s}", "kill", "stubborn");
    int64_t from = gr_now_ns();
    TOLD("-stubborn");
    if (harness_simulated()) CHECK(gr_now_ns() - from >= 25000000 && gr_now_ns() - from < 60000000);
    WAIT_GONE(self, tree);
    END(self);
}

TEST(supervisor, shutdown_now_does_not_ask)
{
    static const gr_child children[] = {
        {.id = "stubborn", .says_ready = true, .entry = stubborn, .shutdown_ms = GR_SHUTDOWN_NOW}};
    static const gr_supervisor table = TABLE(children);
    gr_self *self = BEGIN();
    gr_address tree = start_tree(self, &table);
    TOLD("+stubborn");
    ask_null(self, tree, "shutdown");
    TOLD("-stubborn");
    EXPECT_NOTHING(self);
    END(self);
}

TEST(supervisor, killed_now_takes_its_children_with_it)
{
    static const gr_child inner[] = {{.id = "stubborn", .says_ready = true, .entry = stubborn}};
    static const gr_supervisor inner_table = TABLE(inner);
    static const gr_child children[] = {CHILD("a"), {.id = "inner", .supervisor = &inner_table}};
    static const gr_supervisor table = TABLE(children);
    gr_self *self = BEGIN();
    gr_address tree = start_tree(self, &table), below = address_of(self, tree, "inner");
    gr_address a = address_of(self, tree, "a"), last = address_of(self, below, "stubborn");
    CHECK_OK(gr_kill_now(tree));
    WAIT_GONE(self, tree);
    WAIT_GONE(self, below);
    WAIT_GONE(self, a);
    WAIT_GONE(self, last);
    END(self);
}

TEST(supervisor, gr_stop_takes_trees_down_in_order)
{
    static const gr_child children[] = {CHILD("a"), CHILD("b"), CHILD("c")};
    static const gr_supervisor table = TABLE(children);
    gr_self *self = BEGIN();
    gri_store_relaxed(&stopped_count, 0); /* relaxed: before they stop */
    (void)start_tree(self, &table);
    TOLD("+a", "+b", "+c");
    END(self);
    CHECK_EQ(gri_load_relaxed(&stopped_count), 3); /* relaxed: after they have stopped */
    CHECK(strncmp(stopped, "cba", 3) == 0);
}

/* ---- trees ---- */

TEST(supervisor, supervisors_are_supervised_and_escalate)
{
    static const gr_child inner[] = {CHILD("x"), CHILD("y")};
    static const gr_supervisor inner_table = TABLE(inner, .intensity = 1);
    static const gr_child children[] = {CHILD("a"), {.id = "inner", .supervisor = &inner_table}};
    static const gr_supervisor table = TABLE(children, .strategy = GR_ONE_FOR_ALL);
    gr_self *self = BEGIN();
    gr_address tree = start_tree(self, &table), below = address_of(self, tree, "inner");
    TOLD("+a", "+x", "+y");
    CHECK_OK(gr_kill(address_of(self, below, "x")));
    TOLD("-x", "+x");
    CHECK_OK(gr_kill(address_of(self, below, "x")));
    TOLD("-x", "-y", "-a", "+a", "+x", "+y");
    CHECK_EQ(counted(self, tree, "supervisors"), 1);
    WAIT_FOR(self, strcmp(look(self, tree, "inner", NULL), "up") == 0);
    CHECK(!gr_address_equal(below, address_of(self, tree, "inner")));
    END(self);
}

TEST(supervisor, gr_supervisor_of_says_whose_child_it_is)
{
    static const gr_child inner[] = {SERVANT("x")};
    static const gr_supervisor inner_table = TABLE(inner);
    static const gr_child children[] = {{.id = "inner", .supervisor = &inner_table}};
    static const gr_supervisor table = TABLE(children);
    gr_self *self = BEGIN();
    gr_address tree = start_tree(self, &table), below = address_of(self, tree, "inner");
    gr_address x = address_of(self, below, "x");
    CHECK_EQ(gr_supervisor_of(x).id, below.id);
    CHECK_EQ(gr_supervisor_of(below).id, tree.id);
    CHECK_EQ(gr_supervisor_of(tree).id, 0);
    CHECK_OK(gr_kill(tree));
    WAIT_GONE(self, tree);
    CHECK_EQ(gr_supervisor_of(x).id, 0);
    END(self);
}

/* A chain of supervisors, each the only child of the one before, is taken down from the bottom without a frame a level. */
#define LEVELS (GRI_ASAN || GRI_TSAN || GRI_INVARIANTS ? 300 : 3000)

TEST(supervisor, long_chains_come_up_and_go_down)
{
    gr_self *self = BEGIN();
    gr_supervisor *tables = calloc(LEVELS, sizeof *tables);
    gr_child *links = calloc(LEVELS, sizeof *links);
    const gr_child last = SERVANT("last");
    for (int i = 0; i < LEVELS; i++) {
        links[i] = i + 1 < LEVELS ? (gr_child){.id = "next", .supervisor = &tables[i + 1]} : last;
        tables[i] = (gr_supervisor){.children = &links[i], .child_count = 1};
    }
    gr_address tree = start_tree(self, tables);
    TOLD("+last");
    CHECK_EQ(harness_counters().actors, LEVELS + 2);
    CHECK_OK(gr_kill(tree));
    TOLD("-last");
    WAIT_GONE(self, tree);
    WAIT_FOR(self, harness_counters().actors == 1);
    END(self);
    free(tables);
    free(links);
}

/* ---- calls ---- */

static const gr_behaviour by_name = {.name = "supervisor.test.servant", .server = &servant_server};

TEST(supervisor, children_are_started_stopped_restarted_and_deleted_by_calls)
{
    static const gr_supervisor table = {0};
    gr_self *self = BEGIN();
    gr_address tree = start_tree(self, &table);
    CHECK_OK(gr_behaviour_register(&by_name, NULL));
    gr_message *argument = NULL, *reply = NULL;
    CHECK_OK(
        gr_pack(&argument, "{s:s,s:s,s:s,s:s}", "behaviour", by_name.name, "id", "x", "args", "x", "name", "the/x"));
    reply = ask(self, tree, "start_child", gr_body(argument));
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
    refused(self, tree, "restart_child", "running", "{\"id\": \"x\"}");
    refused(self, tree, "delete_child", "running", "{\"id\": \"x\"}");
    tell_to(self, tree, "terminate_child", "x");
    TOLD("-x");
    CHECK_STR(look(self, tree, "x", NULL), "down");
    tell_to(self, tree, "restart_child", "x");
    TOLD("+x");
    CHECK_OK(gr_kill(address_of(self, tree, "x"))); /* permanent: comes back by itself, under its name */
    TOLD("-x", "+x");
    WAIT_FOR(self, gr_lookup("the/x", &found) == 0);
    tell_to(self, tree, "terminate_child", "x");
    TOLD("-x");
    tell_to(self, tree, "delete_child", "x");
    CHECK_EQ(counted(self, tree, "children"), 0);
    refused(self, tree, "terminate_child", "no_such_child", "{\"id\": \"x\"}");
    END(self);
}

TEST(supervisor, bad_calls_are_answered)
{
    static const gr_supervisor table = {0};
    gr_self *self = BEGIN();
    gr_address tree = start_tree(self, &table);
    refused(self, tree, "start_child", "bad_argument", "null");
    refused(self, tree, "start_child", "bad_argument", "{\"behaviour\": 7}");
    refused(self, tree, "start_child", "bad_argument", "{\"behaviour\": \"b\", \"restart\": \"always\"}");
    refused(self, tree, "start_child", "bad_argument", "{\"behaviour\": \"b\", \"id\": \"\"}");
    refused(self, tree, "start_child", "bad_argument", "{\"behaviour\": \"b\", \"id\": \"a\\u0000b\"}");
    refused(self, tree, "start_child", "bad_argument", "{\"behaviour\": \"b\", \"shutdown_ms\": -3}");
    refused(self, tree, "start_child", "start_failed", "{\"behaviour\": \"no.such\"}");
    refused(self, tree, "delete_child", "bad_argument", "{}");
    refused(self, tree, "which_children", "bad_argument", "{\"limit\": -1}");
    CHECK_EQ(counted(self, tree, "children"), 0);
    uint64_t dropped = harness_counters().dropped;
    CHECK_OK(gr_cast(self, tree, "{s:s,s:i}", "id", "x", "serial", 0));
    WAIT_FOR(self, harness_counters().dropped == dropped + 1);
    END(self);
}

TEST(supervisor, a_child_that_fails_to_start_is_not_kept)
{
    static const gr_child dynamic = {.server = &servant_server};
    static const gr_supervisor table = {.dynamic = &dynamic, .intensity = GR_INTENSITY_NONE};
    gr_self *self = BEGIN();
    gr_address tree = start_tree(self, &table);
    refused(self, tree, "start_child", "start_failed", "{\"args\": {\"id\": \"x\", \"refuse\": true}}");
    TOLD("+x");
    CHECK_EQ(counted(self, tree, "children"), 0);
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
    static const gr_child dynamic = {.entry = child, .says_ready = true, .restart = GR_TRANSIENT};
    static const gr_supervisor table = {.strategy = GR_ONE_FOR_ALL, .dynamic = &dynamic};
    gr_self *self = BEGIN();
    gr_address tree = start_tree(self, &table);
    gr_address x = start_dynamic(self, tree, "x"), y = start_dynamic(self, tree, "y");
    TOLD("+x", "+y");
    CHECK_OK(gr_cast(self, x, "s", "return"));
    TOLD("-x");
    WAIT_FOR(self, counted(self, tree, "children") == 1); /* transient, returned: forgotten */
    CHECK_OK(gr_kill(y));
    TOLD("-y", "+y"); /* and no sibling with it */
    CHECK_EQ(gr_address_equal(address_of(self, tree, "2"), y), false);
    tell_to(self, tree, "terminate_child", "2");
    TOLD("-y");
    CHECK_EQ(counted(self, tree, "children"), 0);
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
    gr_address tree = start_tree(self, &table);
    for (int i = 0; i < STORM; i++) {
        gr_message *reply = NULL;
        CHECK_OK(gr_call(self, &reply, tree, "start_child", SOON, "{s:i}", "args", i));
        FREE(reply);
    }
    WAIT_FOR(self, counted(self, tree, "restarts") == STORM * CRASHES);
    WAIT_FOR(self, counted(self, tree, "up") == STORM);
    CHECK_EQ(harness_counters().actors, STORM + 2);
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
    gr_address tree = start_tree(self, &table);
    gr_message *state = NULL;
    gr_address a = address_of(self, tree, "a"), b = address_of(self, tree, "b");
    CHECK_OK(gr_state(tree, &state, NULL));
    CHECK_VALUE(gr_body(state), "{s:b,s:s,s:s,s:i,s:i,s:i,s:[{s:s,s:A,s:s,s:s,s:s,s:i},{s:s,s:A,s:s,s:s,s:s,s:i}]}",
                "supervisor", true, "strategy", "rest_for_one", "phase", "running", "restarts", 0, "count", 2, "up", 2,
                "children", "id", "a", "address", a, "state", "up", "kind", "thread", "restart", "transient",
                "restarts", 0, "id", "b", "address", b, "state", "up", "kind", "server", "restart", "permanent",
                "restarts", 0);
    FREE(state);
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
    ask_null(self, tree, "ready"); /* what children say passes the bound */
    TOLD("+a");
    END(self);
}

TEST(supervisor, a_raise_after_server_end_ends_the_server_with_it)
{
    gr_self *self = BEGIN();
    gr_address server;
    CHECK_OK(gr_register(gr_self_address(self), "tester"));
    CHECK_OK(gr_spawn_server(self, &server, &servant_server, OPTIONS(.link = GR_LINK), "s", "s"));
    CHECK_OK(gr_cast(self, server, "s", "raise"));
    TOLD("+s", "-s");
    EXPECT_EXCEPTION(self, server, "on_purpose");
    END(self);
}
