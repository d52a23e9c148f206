/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Supervisors: what is restarted when, in which order, how often, and how it ends. */
#include "support/family.h"

/* ---- order ---- */

TEST(supervisor, starts_in_order_and_stops_in_reverse)
{
    static const gr_child children[] = {CHILD("a"), SERVANT("b"), CHILD("c")};
    static const gr_supervisor table = TABLE(children);
    gr_self *self = BEGIN();
    gr_monitor_ref ref;
    gr_address tree = family_start(self, &table);
    TOLD("+a", "+b", "+c");
    CHECK_EQ(family_count(self, tree, "up"), 3);
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
    gr_address tree = family_start(self, &table);
    CHECK_OK(gr_link(self, tree, GR_LINK | GR_LINK_TRAP_EXIT));
    TOLD("+a", "+b");
    family_ask(self, tree, "shutdown");
    TOLD("-b", "-a");
    EXPECT(self, "{s:A,s:n}", "address", tree, "exit");
    END(self);
}

/* Is up when it is told to be. */
static void slow(gr_self *self, gr_value args)
{
    (void)args;
    family_tell(self, "start", "slow");
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
    CHECK_STR(family_look(self, tree, "b", NULL), "down");
    CHECK_OK(gr_cast(self, family_address(self, tree, "slow"), "s", "go"));
    family_ask(self, tree, "ready");
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
    gr_address tree = family_start(self, &table), before[3];
    for (int i = 0; i < 3; i++) before[i] = family_address(self, tree, children[i].id);
    TOLD("+a", "+b", "+c");
    end_child(self, before[1], how);
    TOLD("-b");
    if (again && strategy == GR_ONE_FOR_ALL)
        TOLD("-c", "-a", "+a", "+b", "+c");
    else if (again && strategy == GR_REST_FOR_ONE)
        TOLD("-c", "+b", "+c");
    else if (again)
        TOLD("+b");
    WAIT_FOR(self, strcmp(family_look(self, tree, "b", NULL), again                     ? "up"
                                                              : restart == GR_TEMPORARY ? ""
                                                                                        : "down") == 0);
    WAIT_FOR(self, family_count(self, tree, "up") == (again ? 3 : 2));
    for (int i = 0; i < 3; i += 2) {
        const bool moved = again && (strategy == GR_ONE_FOR_ALL || (strategy == GR_REST_FOR_ONE && i == 2));
        CHECK_EQ(gr_address_equal(family_address(self, tree, children[i].id), before[i]), !moved);
    }
    CHECK_EQ(family_count(self, tree, "restarts"), again);
    EXPECT_NOTHING(self);
    family_ask(self, tree, "shutdown"); /* the table is on this stack */
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

/* Asks whether all are up, and tells why not. args: whom. */
static void asks(gr_self *self, gr_value args)
{
    gr_message *report = NULL;
    CHECK_EQ(gr_call(self, &report, gr_address_in(args), "ready", SOON, "n"), GR_EEXCEPTION);
    family_tell(self, "answer", harness_error(gr_body(report)));
    FREE(report);
}

TEST(supervisor, a_child_that_never_starts_is_given_up)
{
    static const gr_child children[] = {
        {.id = "slow", .entry = slow, .says_ready = true},
        CHILD("a"),
        {.id = "b", .server = &family_servant, .arguments = "{\"id\": \"b\", \"refuse\": true}"}};
    static const gr_supervisor table = TABLE(children, .intensity = 2);
    gr_self *self = BEGIN();
    gr_address tree, one;
    gr_monitor_ref ref;
    CHECK_OK(gr_register(gr_self_address(self), "tester"));
    CHECK_OK(gr_spawn_supervisor(self, &tree, &table, &(gr_spawn_options){.monitor = &ref}));
    TOLD("+slow");
    CHECK_OK(gr_spawn(self, &one, asks, "A", tree));
    WAIT_FOR(self, harness_waits(one)); /* asked while it lives: "slow" keeps it from coming to b */
    CHECK_OK(gr_cast(self, family_address(self, tree, "slow"), "s", "go"));
    gr_shape *answer = harness_shape("{\"answer\":str}");
    gr_message *m = NULL;
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = answer}, 1, &m, SOON), 0);
    CHECK_VALUE(gr_body(m), "{s:s}", "answer", "ending");
    FREE(m);
    gr_shape_free(&answer);
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
    gr_address tree = family_start(self, &table);
    TOLD("+b");
    CHECK_STR(family_look(self, tree, "a", NULL), "");
    END(self);
}

TEST(supervisor, bad_tables_are_refused_and_named)
{
    static const gr_spawn_options link_options = {.link = GR_LINK};
    static const gr_child none[] = {{.id = "a"}}, twice[] = {CHILD("a"), CHILD("a")},
                          unnamed[] = {{.entry = family_child}}, linked[] = {CHILD("a", .options = &link_options)};
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
    gr_address tree = family_start(self, &table);
    gr_monitor_ref ref;
    CHECK_OK(gr_monitor(self, tree, &ref));
    TOLD("+a", "+b", "+c");
    for (int i = 0; i < 2; i++) {
        CHECK_OK(gr_cast(self, family_address(self, tree, "b"), "s", "raise"));
        TOLD("-b", "+b");
    }
    CHECK_OK(gr_cast(self, family_address(self, tree, "b"), "s", "raise"));
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
    gr_address tree = family_start(self, &table);
    TOLD("+a");
    CHECK_OK(gr_kill(family_address(self, tree, "a")));
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
    gr_address tree = family_start(self, &table);
    int64_t exact = 0;
    TOLD("+a");
    for (int i = 0; i < 8; i++) {
        CHECK_OK(gr_kill(family_address(self, tree, "a")));
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
    gr_address tree = family_start(self, &table);
    TOLD("+a");
    for (int i = 0; i < 5; i++) {
        CHECK_OK(gr_sleep(self, gr_after_ms(1100)));
        CHECK_OK(gr_kill(family_address(self, tree, "a")));
        TOLD("-a");
        int64_t from = gr_now_ns();
        TOLD("+a");
        CHECK(gr_now_ns() - from < 3000000);
    }
    CHECK_EQ(family_count(self, tree, "restarts"), 5);
    END(self);
}

/* ---- stopping ---- */

/* Ignores kills for ever, but lets them know. */
static void stubborn(gr_self *self, gr_value args)
{
    (void)args;
    CHECK_OK(gr_defer(self, family_tell_stop, (void *)(uintptr_t) "stubborn"));
    family_tell(self, "start", "stubborn");
    gr_ready(self);
    for (;;) {
        if (gr_sleep(self, gr_after_s(3600)) == GR_EKILLED) family_tell(self, "kill", "stubborn");
        gr_kill_clear(self);
    }
}

TEST(supervisor, one_that_ignores_the_kill_is_killed_now_after_its_deadline)
{
    gr_self *self = BEGIN();
    bool has_heard = false;
    for (int64_t ms = 30; !has_heard; ms *= 4) { /* once more, with more time, if it had no CPU to hear of the kill */
        const gr_child children[] = {{.id = "stubborn", .says_ready = true, .entry = stubborn, .shutdown_ms = ms},
                                     CHILD("b")};
        const gr_supervisor table = TABLE(children);
        gr_address tree = family_start(self, &table);
        TOLD("+stubborn", "+b");
        CHECK_OK(gr_kill(tree));
        TOLD("-b");
        gr_message *m = RECEIVE(self);
        has_heard = gr_get(gr_body(m), "kill").at != NULL;
        int64_t from = gr_now_ns();
        if (has_heard) TOLD("-stubborn");
        if (harness_simulated()) CHECK(has_heard && gr_now_ns() - from >= 25000000 && gr_now_ns() - from < 60000000);
        FREE(m);
        WAIT_GONE(self, tree); /* the table is on this stack */
        CHECK_OK(gr_unregister("tester"));
    }
    END(self);
}

TEST(supervisor, shutdown_now_does_not_ask)
{
    static const gr_child children[] = {
        {.id = "stubborn", .says_ready = true, .entry = stubborn, .shutdown_ms = GR_SHUTDOWN_NOW}};
    static const gr_supervisor table = TABLE(children);
    gr_self *self = BEGIN();
    gr_address tree = family_start(self, &table);
    TOLD("+stubborn");
    family_ask(self, tree, "shutdown");
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
    gr_address tree = family_start(self, &table), below = family_address(self, tree, "inner");
    gr_address a = family_address(self, tree, "a"), last = family_address(self, below, "stubborn");
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
    gri_store_relaxed(&family_stopped_count, 0); /* relaxed: before they stop */
    (void)family_start(self, &table);
    TOLD("+a", "+b", "+c");
    END(self);
    CHECK_EQ(gri_load_relaxed(&family_stopped_count), 3); /* relaxed: after they have stopped */
    CHECK(strncmp(family_stopped, "cba", 3) == 0);
}

/* ---- trees ---- */

TEST(supervisor, supervisors_are_supervised_and_escalate)
{
    static const gr_child inner[] = {CHILD("x"), CHILD("y")};
    static const gr_supervisor inner_table = TABLE(inner, .intensity = 1);
    static const gr_child children[] = {CHILD("a"), {.id = "inner", .supervisor = &inner_table}};
    static const gr_supervisor table = TABLE(children, .strategy = GR_ONE_FOR_ALL);
    gr_self *self = BEGIN();
    gr_address tree = family_start(self, &table), below = family_address(self, tree, "inner");
    TOLD("+a", "+x", "+y");
    CHECK_OK(gr_kill(family_address(self, below, "x")));
    TOLD("-x", "+x");
    CHECK_OK(gr_kill(family_address(self, below, "x")));
    TOLD("-x", "-y", "-a", "+a", "+x", "+y");
    CHECK_EQ(family_count(self, tree, "supervisors"), 1);
    WAIT_FOR(self, strcmp(family_look(self, tree, "inner", NULL), "up") == 0);
    CHECK(!gr_address_equal(below, family_address(self, tree, "inner")));
    END(self);
}

TEST(supervisor, gr_supervisor_of_says_whose_child_it_is)
{
    static const gr_child inner[] = {SERVANT("x")};
    static const gr_supervisor inner_table = TABLE(inner);
    static const gr_child children[] = {{.id = "inner", .supervisor = &inner_table}};
    static const gr_supervisor table = TABLE(children);
    gr_self *self = BEGIN();
    gr_address tree = family_start(self, &table), below = family_address(self, tree, "inner");
    gr_address x = family_address(self, below, "x");
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
    gr_address tree = family_start(self, tables);
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
