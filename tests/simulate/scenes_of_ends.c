/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Scenes of lives and deaths: links, waits, supervisors, clean-ups. scenes.h says what holds. */
#include "simulate/scenes.h"

#include <string.h>

static void idle_run(gr_self *self, gr_value args)
{
    gr_message *m = NULL;
    (void)args;
    while (gr_receive(self, &m, GR_FOREVER) == 0) gr_message_free(&m);
}

/* ---- ends: a chain of links, names, exit records ---- */

static void brief_run(gr_self *self, gr_value args)
{
    int64_t how = gr_int(args, 0);
    if (EXCUSED(gr_sleep(self, gr_after_us(200 * how))) != 0) gr_raise(self, "sleepless", "no result");
    if (how % 3 == 1) gr_raise(self, "brief", "number %d", (int)how);
    if (EXCUSED(gr_return(self, "I", how)) != 0) gr_raise(self, "memory", "no result"); /* which would be null */
}

static void parent_run(gr_self *self, gr_value args)
{
    gr_address children[4], found;
    bool there[4] = {false};
    (void)args;
    for (int i = 0; i < 4; i++)
        there[i] = EXCUSED(gr_spawn_with(self, &children[i], brief_run, (&(gr_spawn_options){.retain = i % 2 == 0}),
                                         "i", i)) == 0;
    for (int i = 0; i < 4; i++) {
        if (!there[i]) continue;
        gr_message *result = NULL;
        gr_monitor_ref ref;
        if (i == 3 && EXCUSED(gr_monitor(self, children[i], &ref)) == 0) (void)gr_demonitor(self, ref, true);
        if (i == 2 && EXCUSED(gr_link(self, children[i], GR_LINK)) == 0) (void)gr_unlink(self, children[i]);
        int code = gr_register(children[i], i == 0 ? "zero" : i == 1 ? "one" : "more");
        GR_TEST_CHECK(code == 0 || code == GR_EEXISTS || is_excuse(code));
        if (gr_lookup("one", &found) == 0) GR_TEST_CHECK(gr_address_equal(found, children[1]));
        code = gr_wait(self, children[i], &result, gr_after_ms(20));
        /* null: there was no memory to keep the result in */
        if (code == 0) GR_TEST_CHECK(gr_int(gr_body(result), -1) == i || gr_type_of(gr_body(result)) == GR_NULL);
        GR_TEST_CHECK(code == 0 || code == GR_EEXCEPTION || is_excuse(code));
        gr_message_free(&result);
        if (code == GR_EKILLED) gr_kill_clear(self);
        (void)gr_forget(children[i]);
    }
    gr_message *all = NULL;
    gr_address two[2];
    int some = 0;
    for (int i = 0; i < 2; i++) some += EXCUSED(gr_spawn(self, &two[some], brief_run, "i", 3 * i)) == 0;
    int code = some > 0 ? gr_wait_all(self, two, (size_t)some, &all, gr_after_ms(50)) : 0;
    GR_TEST_CHECK(code == 0 || is_excuse(code));
    gr_message_free(&all);
    for (int i = 0; i < some; i++) (void)gr_kill(two[i]);
    for (int i = 0; i < 4; i++)
        if (there[i]) (void)gr_kill_now(children[i]);
}

static gr_address chain[5];

static void chain_run(gr_self *self, gr_value args)
{
    int64_t me = gr_int(args, 0);
    gr_message *m = NULL;
    if (me > 0 && EXCUSED(gr_link(self, chain[me - 1], GR_LINK_PROPAGATE)) != 0) return;
    char name[16] = "chain-0";
    name[6] = (char)('0' + me);
    int code = gr_rename(self, name);
    GR_TEST_CHECK(code == 0 || is_excuse(code));
    while (gr_receive(self, &m, me == 0 ? gr_after_ms(5) : GR_FOREVER) == 0) gr_message_free(&m);
    if (me == 0) gr_raise(self, "chain", "the first one");
}

int scene_ends(gr_self *self, void *arg)
{
    gr_message *m = NULL;
    gr_address address;
    (void)arg;
    crew_spawn(self, &address, parent_run, NULL, (gr_value){NULL});
    for (int i = 0; i < 5; i++) {
        GR_TEST_CHECK(gr_pack(&m, "i", i) == 0);
        crew_spawn(self, &chain[i], chain_run, NULL, gr_body(m));
        gr_message_free(&m);
    }
    crew_dismiss(self, 500);
    GR_TEST_CHECK(gr_lookup("chain-1", &address) == GR_ENOTFOUND);
    GR_TEST_CHECK(gr_lookup("one", &address) == GR_ENOTFOUND || gr_alive(address));
    return 0;
}

/* ---- waits: state, selective receive, timers, blocking calls ---- */

static gr_address teller, keeper;
static int dropped, called;

static void keeper_run(gr_self *self, gr_value args)
{
    (void)args;
    for (int i = 0; i < 8; i++) {
        EXCUSED(gr_publish(self, "{s:i,s:s}", "version", i, "text", "what the keeper says"));
        if (EXCUSED(gr_sleep(self, gr_after_us(150))) == GR_EKILLED) return;
        gr_timer timer;
        int code = gr_cast_after(self, &timer, teller, gr_after_us(100 * i), "{s:i}", "late", i);
        if (EXCUSED(code) == 0 && i % 2) (void)gr_cancel(self, timer);
        EXCUSED(i % 2 ? gr_cast(self, teller, "{s:i}", "odd", i) : gr_cast(self, teller, "{s:i}", "even", i));
    }
}

static void teller_run(gr_self *self, gr_value args)
{
    gr_detail detail;
    gr_shape *odd = NULL, *late = NULL;
    gr_message *m = NULL;
    uint64_t version = 0;
    int64_t last_odd = -1;
    (void)args;
    if (EXCUSED(gr_shape_compile("{\"odd\":int}", &odd, &detail)) != 0) return;
    if (EXCUSED(gr_shape_compile("{\"late\":int}", &late, &detail)) != 0) {
        gr_shape_free(&odd);
        return;
    }
    for (int i = 0; i < 12; i++) {
        const gr_pattern patterns[] = {{.shape = i % 2 ? odd : late}};
        int code = EXCUSED(gr_select(self, patterns, 1, &m, gr_after_us(200)));
        if (code == 0 && i % 2) {
            GR_TEST_CHECK(gr_int(gr_get(gr_body(m), "odd"), -1) > last_odd);
            last_odd = gr_int(gr_get(gr_body(m), "odd"), -1);
        }
        gr_message_free(&m);
        if (code == GR_EKILLED) break;
        if (EXCUSED(gr_state_wait(self, keeper, &version, gr_after_us(300))) == GR_EKILLED) break;
        if (gr_state(keeper, &m, NULL) == 0) GR_TEST_CHECK(gr_type_of(gr_body(m)) == GR_OBJECT);
        gr_message_free(&m);
    }
    gr_shape_free(&odd);
    gr_shape_free(&late);
}

static void called_fn(void *arg)
{
    (void)arg;
    called++;
}

static void dropped_fn(void *arg)
{
    (void)arg;
    dropped++;
}

static int given;

static void blocker_run(gr_self *self, gr_value args)
{
    (void)args;
    for (int i = 0; i < 4; i++) {
        int code = EXCUSED(gr_blocking(self, called_fn, NULL, NULL, gr_after_ms(5)));
        if (code == GR_EKILLED) return;
        given++;
        code = EXCUSED(gr_blocking(self, called_fn, NULL, dropped_fn, gr_after_ms(5)));
        if (code == 0) given--;
        if (code == GR_EKILLED) return;
        if (EXCUSED(gr_cooperate(self)) != 0) return;
    }
}

int scene_waits(gr_self *self, void *arg)
{
    gr_address address;
    (void)arg;
    crew_spawn(self, &teller, teller_run, NULL, (gr_value){NULL});
    crew_spawn(self, &keeper, keeper_run, NULL, (gr_value){NULL});
    crew_spawn(self, &address, blocker_run, &(gr_spawn_options){.kill = GR_KILL_RETURNS}, (gr_value){NULL});
    crew_dismiss(self, 500);
    GR_TEST_CHECK(dropped <= given);
    return 0;
}

/* ---- supervisors: a tree, asked while it is being shaken ---- */

static int up;

static void child_gone(gr_self *self, void *arg)
{
    (void)self, (void)arg;
    up--;
}

static void child_run(gr_self *self, gr_value args)
{
    up++;
    if (gr_defer(self, child_gone, NULL) != 0) {
        up--;
        return;
    }
    idle_run(self, args);
}

static void ready_run(gr_self *self, gr_value args)
{
    if (EXCUSED(gr_sleep(self, gr_after_us(300))) != 0) return;
    gr_ready(self);
    child_run(self, args);
}

static const gr_child leaves[] = {{.id = "a", .entry = child_run, .shutdown_ms = 50},
                                  {.id = "b", .entry = ready_run, .shutdown_ms = 50, .says_ready = true}};
static const gr_supervisor branch = {.strategy = GR_ONE_FOR_ALL, .intensity = 2, .children = leaves, .child_count = 2};
static const gr_child any_more = {.entry = child_run, .restart = GR_TRANSIENT, .shutdown_ms = 50};
static const gr_child parts[] = {{.id = "first", .entry = child_run, .shutdown_ms = 50},
                                 {.id = "branch", .supervisor = &branch},
                                 {.id = "last", .entry = child_run, .restart = GR_TRANSIENT, .shutdown_ms = 50}};
static const gr_supervisor root = {
    .strategy = GR_REST_FOR_ONE, .intensity = 3, .children = parts, .child_count = 3, .dynamic = &any_more};

static void shaker_run(gr_self *self, gr_value args)
{
    static const char *const asked[] = {"ready",           "which_children", "count",       "start_child",
                                        "terminate_child", "restart_child",  "delete_child"};
    gr_address tree = gr_address_in(args);
    for (int i = 0; i < 7; i++) {
        gr_message *reply = NULL;
        int code = i < 4 ? gr_call(self, &reply, tree, asked[i], gr_after_ms(200), "n")
                         : gr_call(self, &reply, tree, asked[i], gr_after_ms(200), "{s:s}", "id", "last");
        GR_TEST_CHECK(code == 0 || code == GR_EEXCEPTION || code == GR_EMETHOD || is_excuse(code));
        gr_message_free(&reply);
        if (code == GR_EKILLED) return;
    }
}

int scene_supervisors(gr_self *self, void *arg)
{
    gr_address tree, address;
    gr_message *m = NULL;
    (void)arg;
    GR_TEST_CHECK(gr_spawn_supervisor(self, &tree, &root, NULL) == 0);
    crew_watch(self, tree);
    GR_TEST_CHECK(gr_pack(&m, "A", tree) == 0);
    crew_spawn(self, &address, shaker_run, NULL, gr_body(m));
    gr_message_free(&m);
    GR_TEST_CHECK(gr_sleep(self, gr_after_ms(1000)) == 0);
    crew_dismiss(self, 0);
    GR_TEST_CHECK(up == 0); /* nobody survives the supervisor */
    return 0;
}

/* ---- clean-ups: defers, protects, holds, memory of their own ---- */

static struct {
    int defers, ran, protects;
} cleanups;

static void ran(gr_self *self, void *arg)
{
    (void)arg;
    cleanups.ran++;
    EXCUSED(gr_cooperate(self));
    EXCUSED(gr_sleep(self, gr_after_us(20)));
}

static bool defer(gr_self *self)
{
    if (EXCUSED(gr_defer(self, ran, NULL)) != 0) return false;
    cleanups.defers++;
    return true;
}

static void risky(gr_self *self, void *arg)
{
    int64_t how = *(int64_t *)arg;
    cleanups.protects++;
    char *memory = gr_alloc(self, 1000);
    if (memory) memset(memory, 1, 1000);
    int code = EXCUSED(gr_sleep(self, gr_after_us(100)));
    if (code == 0 && how == 1) gr_raise(self, "risky", "as planned");
    gr_free(self, memory);
}

static void careful_run(gr_self *self, gr_value args)
{
    int64_t how = gr_int(gr_get(args, "how"), 0);
    gr_value kept = gr_value_keep(self, args);
    if (!defer(self) || !defer(self)) return;
    gr_message *report = NULL;
    int code = gr_protect(self, risky, &how, &report);
    GR_TEST_CHECK(code == 0 || code == GR_EEXCEPTION || is_excuse(code));
    gr_message_free(&report);
    gr_kill_hold(self);
    EXCUSED(gr_sleep(self, gr_after_us(200)));
    gr_kill_release(self);
    gr_no_suspend_begin(self);
    code = gr_cooperate(self);
    GR_TEST_CHECK(code == GR_ESUSPEND || is_excuse(code) || code == 0); /* 0: no memory to note it */
    gr_no_suspend_end(self);
    if (gr_killed(self)) gr_kill_clear(self);
    EXCUSED(gr_cooperate(self));
    if (gr_int(gr_get(kept, "how"), how) != how) gr_test_fail(__FILE__, __LINE__, "what was kept has changed");
    if (defer(self)) {
        (void)gr_defer_cancel(self, ran, NULL);
        cleanups.defers--;
    }
    EXCUSED(gr_sleep(self, gr_after_us(100)));
}

int scene_cleanups(gr_self *self, void *arg)
{
    gr_message *m = NULL;
    gr_address address;
    (void)arg;
    for (int i = 0; i < 4; i++) {
        GR_TEST_CHECK(gr_pack(&m, "{s:i}", "how", i % 2) == 0);
        crew_spawn(self, &address, careful_run, &(gr_spawn_options){.kill = i < 2 ? GR_KILL_RETURNS : GR_KILL_RAISES},
                   gr_body(m));
        gr_message_free(&m);
    }
    crew_dismiss(self, 500);
    GR_TEST_CHECK(cleanups.ran == cleanups.defers);
    return 0;
}
