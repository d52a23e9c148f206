/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Looking at a runtime: what observe.h promises. */
#include "support/desk.h"

#include <greenroom/observe.h>
#include <greenroom/supervisor.h>
#include <sched.h>

static gr_message *stats(void)
{
    gr_message *m = NULL;
    CHECK_OK(gr_observe_stats(&m));
    return m;
}

static gr_message *about(gr_address address)
{
    gr_message *m = NULL;
    CHECK_OK(gr_observe_actor(address, &m));
    return m;
}

static int64_t number(gr_value object, const char *group, const char *key)
{
    return gr_int(gr_get(group ? gr_get(object, group) : object, key), -1);
}

static const char *text_of(gr_address address)
{
    static char text[GR_ADDRESS_TEXT_BYTES];
    return gr_address_print(address, text);
}

/* ---- figures ---- */

TEST(observe, stats_count_what_happens)
{
    gr_self *self = BEGIN_WITH(.workers = 2);
    gr_address desk = desk_new(self);
    gr_message *before = stats();
    for (int i = 0; i < 10; i++) CALL_GIVES(self, desk, "add", 1, "i", 11 + i);
    /* The last answer is counted when it has been sent, which may be after it was received. */
    const uint64_t sent_before = (uint64_t)number(gr_body(before), "messages", "sent");
    WAIT_FOR(self, harness_counters().messages == sent_before + 20);
    gr_message *after = stats();
    CHECK_EQ(number(gr_body(after), "actors", "live"), 2);
    CHECK_EQ(number(gr_body(after), "actors", "spawned"), 2);
    CHECK_EQ(number(gr_body(after), "actors", "ended"), 0);
    CHECK_EQ(number(gr_body(after), "messages", "sent") - number(gr_body(before), "messages", "sent"), 20);
    gr_value workers = gr_get(gr_body(after), "workers");
    CHECK(gr_count(workers) >= 2);
    int64_t sent = 0;
    for (size_t i = 0; i < gr_count(workers); i++) {
        gr_value worker = gr_at(workers, i);
        CHECK_EQ(gr_int(gr_get(worker, "id"), -1), (int64_t)i);
        double load = gr_double(gr_get(worker, "load"), -1);
        CHECK(load >= 0 && load <= 1);
        CHECK(gr_string(gr_get(worker, "state"), NULL));
        sent += gr_int(gr_get(worker, "messages"), 0);
    }
    CHECK(sent >= 10); /* the desk's answers */
    CHECK_STR(gr_string(gr_get(gr_body(after), "version"), NULL), gr_version());
    CHECK(gr_double(gr_get(gr_body(after), "uptime"), -1) >= 0);
    CHECK(number(gr_body(after), "memory", "resident") > 1000000);
    CHECK(number(gr_body(after), "memory", "messages") > 0);
    CHECK(number(gr_body(after), "mailbox", "time_us") == -1); /* an object */
    CHECK(number(gr_get(gr_body(after), "mailbox"), "depth", "max") >= 0);
    FREE(before);
    FREE(after);
    END(self);
    gr_message *none = NULL;
    CHECK_EQ(gr_observe_stats(&none), GR_ENOTRUNNING);
}

static void deaf(gr_self *self, gr_value args)
{
    (void)args;
    (void)gr_sleep(self, GR_FOREVER);
}

TEST(observe, a_mailbox_is_as_deep_as_what_waits_in_it)
{
    gr_self *self = BEGIN();
    gr_address address;
    gr_actor_info info;
    CHECK_OK(gr_spawn(self, &address, deaf, "n"));
    WAIT_FOR(self, harness_waits(address));
    for (int64_t i = 0; i < 1000; i++) {
        CHECK_OK(gr_inspect(address, &info));
        CHECK_EQ(info.mailbox, i);
        CHECK_OK(gr_cast(self, address, "i", 1));
    }
    gr_message *m = about(address), *figures = stats();
    CHECK_EQ(number(gr_body(m), NULL, "mailbox"), 1000);
    CHECK_EQ(number(gr_body(m), NULL, "mailbox_max"), 0);
    CHECK(number(gr_get(gr_body(figures), "mailbox"), "depth", "max") == 1000);
    FREE(m);
    FREE(figures);
    END(self);
}

static void fussy(gr_self *self, gr_value args)
{
    (void)args;
    gr_message *m;
    gr_shape *shape = harness_shape("{\"go\":any}");
    gr_pattern pattern = {.shape = shape};
    while (gr_select(self, &pattern, 1, &m, GR_FOREVER) >= 0) gr_message_free(&m);
    gr_shape_free(&shape);
}

TEST(observe, what_select_has_passed_over_still_waits)
{
    gr_self *self = BEGIN();
    gr_address free_one, bounded;
    gr_actor_info info;
    CHECK_OK(gr_spawn(self, &free_one, fussy, "n"));
    CHECK_OK(gr_spawn_with(self, &bounded, fussy, OPTIONS(.mailbox_max = 100), "n"));
    for (int i = 0; i < 5; i++) {
        CHECK_OK(gr_cast(self, free_one, "i", i));
        CHECK_OK(gr_cast(self, bounded, "i", i));
    }
    CHECK_OK(gr_cast(self, free_one, "{s:n}", "go"));
    CHECK_OK(gr_cast(self, bounded, "{s:n}", "go"));
    WAIT_FOR(self, gr_inspect(free_one, &info) == 0 && info.messages == 1 && harness_waits(free_one));
    CHECK_OK(gr_inspect(free_one, &info)); /* now that it waits: it may have run while we looked */
    CHECK_EQ(info.mailbox, 5);
    WAIT_FOR(self, gr_inspect(bounded, &info) == 0 && info.messages == 1 && harness_waits(bounded));
    CHECK_OK(gr_inspect(bounded, &info)); /* now that it waits: it may have run while we looked */
    CHECK_EQ(info.mailbox, 5);
    END(self);
}

static void holds(gr_self *self, gr_value args)
{
    void *kept = gr_alloc(self, (size_t)gr_int(args, 0)), *given_back = gr_alloc(self, 50000);
    gr_free(self, given_back);
    (void)gr_sleep(self, kept ? GR_FOREVER : GR_NOW);
}

TEST(observe, memory_is_what_the_actor_has_allocated)
{
    gr_self *self = BEGIN();
    gr_address small, large;
    gr_actor_info a, b;
    CHECK_OK(gr_spawn(self, &small, holds, "i", 1000));
    CHECK_OK(gr_spawn(self, &large, holds, "i", 1001000));
    WAIT_FOR(self, harness_waits(small) && harness_waits(large));
    CHECK_OK(gr_inspect(small, &a));
    CHECK_OK(gr_inspect(large, &b));
    CHECK_EQ(b.memory - a.memory, 1000000);
    CHECK(a.memory > 1000 + 4096 && a.memory < 50000); /* and its stack's page, and not what it gave back */
    END(self);
}

/* ---- one actor ---- */

TEST(observe, an_actor_is_described)
{
    gr_self *self = BEGIN();
    gr_address desk = desk_new(self), thread;
    gr_monitor_ref monitor;
    CHECK_OK(gr_spawn(self, &thread, harness_idle, "n"));
    CHECK_OK(gr_register(desk, "one"));
    CHECK_OK(gr_register(desk, "two"));
    CHECK_OK(gr_monitor(self, desk, &monitor));
    WAIT_FOR(self, harness_waits(desk) && harness_waits(thread));
    gr_message *m = about(desk);
    gr_value info = gr_body(m);
    CHECK_STR(gr_string(gr_get(info, "address"), NULL), text_of(desk));
    CHECK_VALUE(gr_get(info, "names"), "[s,s]", "one", "two");
    CHECK_STR(gr_string(gr_get(info, "kind"), NULL), "server");
    CHECK_STR(gr_string(gr_get(info, "state"), NULL), "waiting");
    CHECK_EQ(gr_type_of(gr_get(info, "behaviour")), GR_NULL);
    CHECK_VALUE(gr_get(info, "links"), "[s]", text_of(gr_self_address(self)));
    CHECK_EQ(number(info, NULL, "monitors"), 1);
    CHECK_EQ(number(info, NULL, "stack"), 0);
    CHECK_EQ(gr_type_of(gr_get(info, "worker")), GR_NULL);
    FREE(m);
    m = about(thread);
    CHECK_STR(gr_string(gr_get(gr_body(m), "kind"), NULL), "thread");
    CHECK(number(gr_body(m), NULL, "stack") >= 4096);
    FREE(m);
    m = about(gr_self_address(self));
    CHECK_STR(gr_string(gr_get(gr_body(m), "kind"), NULL), "attached");
    FREE(m);
    CHECK_OK(gr_kill(thread));
    WAIT_GONE(self, thread);
    CHECK_EQ(gr_observe_actor(thread, &m), GR_EDEAD);
    END(self);
}

/* ---- ends ---- */

static void raises(gr_self *self, gr_value args)
{
    gr_raise(self, "out_of_luck", "number %lld", (long long)gr_int(args, 0));
}

static void returns(gr_self *self, gr_value args)
{
    (void)self, (void)args;
}

TEST(exits, of_actors_that_did_not_return_are_kept)
{
    gr_self *self = BEGIN();
    gr_address killed, raised, returned;
    CHECK_OK(gr_spawn(self, &returned, returns, "n"));
    WAIT_GONE(self, returned);
    CHECK_OK(gr_spawn_with(self, &killed, harness_idle, OPTIONS(.name = "victim"), "n"));
    CHECK_OK(gr_kill(killed));
    WAIT_GONE(self, killed);
    CHECK_OK(gr_spawn(self, &raised, raises, "i", 7));
    WAIT_GONE(self, raised);
    gr_message *m = NULL;
    CHECK_OK(gr_observe_exits(10, &m));
    CHECK_EQ(gr_count(gr_body(m)), 2);
    gr_value newest = gr_at(gr_body(m), 0), older = gr_at(gr_body(m), 1);
    CHECK_STR(gr_string(gr_get(newest, "how"), NULL), "exception");
    CHECK_STR(gr_string(gr_get(newest, "address"), NULL), text_of(raised));
    gr_value report = gr_get(newest, "report");
    CHECK_STR(gr_string(gr_get(report, "error"), NULL), "out_of_luck");
    CHECK_STR(gr_string(gr_get(report, "description"), NULL), "number 7");
    CHECK(strstr(gr_string(gr_get(report, "text-exception"), ""), "out_of_luck: number 7"));
    CHECK_STR(gr_string(gr_get(older, "how"), NULL), "killed");
    CHECK_STR(gr_string(gr_get(older, "name"), NULL), "victim");
    CHECK_EQ(gr_type_of(gr_get(older, "report")), GR_NULL);
    CHECK(gr_double(gr_get(newest, "time"), 0) >= gr_double(gr_get(older, "time"), 1));
    const int64_t number = gr_int(gr_get(older, "number"), 0);
    CHECK(number > 0);
    CHECK_EQ(gr_int(gr_get(newest, "number"), 0), number + 1);
    FREE(m);
    CHECK_OK(gr_observe_exits(1, &m));
    CHECK_EQ(gr_count(gr_body(m)), 1);
    FREE(m);
    for (int64_t i = 0; i < 3; i++) {
        CHECK_OK(gr_observe_exits_after((uint64_t)(number - 1 + i), 10, &m));
        CHECK_EQ(gr_count(gr_body(m)), (size_t)(2 - i));
        if (i < 2) CHECK_EQ(gr_int(gr_get(gr_at(gr_body(m), 0), "number"), 0), number + 1);
        FREE(m);
    }
    END(self);
    self = BEGIN(); /* those of an earlier run are gone */
    CHECK_OK(gr_observe_exits(10, &m));
    CHECK_EQ(gr_count(gr_body(m)), 0);
    FREE(m);
    END(self);
}

TEST(exits, are_as_many_as_the_ring_holds)
{
    gr_self *self = BEGIN();
    gr_address address;
    for (int64_t i = 0; i < GR_EXITS_MAX + 10; i++) {
        CHECK_OK(gr_spawn(self, &address, raises, "I", i));
        WAIT_GONE(self, address);
    }
    gr_message *m = NULL;
    CHECK_OK(gr_observe_exits(SIZE_MAX, &m));
    CHECK_EQ(gr_count(gr_body(m)), GR_EXITS_MAX);
    for (size_t i = 0; i < GR_EXITS_MAX; i++) {
        char text[32];
        snprintf(text, sizeof text, "number %d", (int)(GR_EXITS_MAX + 9 - i));
        CHECK_STR(gr_string(gr_get(gr_get(gr_at(gr_body(m), i), "report"), "description"), NULL), text);
    }
    FREE(m);
    END(self);
}

/* ---- metrics ---- */

TEST(metrics, say_what_the_counters_say)
{
    gr_self *self = BEGIN_WITH(.workers = 2);
    gr_address desk = desk_new(self);
    const uint64_t sent_before = harness_counters().messages;
    CALL_GIVES(self, desk, "add", 1, "i", 11);
    WAIT_FOR(self, harness_counters().messages == sent_before + 2); /* the answer is counted when it has been sent */
    char *text = NULL, line[128];
    size_t bytes = 0;
    gr_counters c = harness_counters();
    CHECK_OK(gr_metrics(&text, &bytes));
    CHECK_EQ(strlen(text), bytes);
    CHECK_EQ(text[bytes - 1], '\n');
    snprintf(line, sizeof line, "\ngreenroom_messages_sent_total %llu\n", (unsigned long long)c.messages);
    CHECK(strstr(text, line));
    CHECK(strstr(text, "\ngreenroom_actors_spawned_total 2\n"));
    CHECK(strstr(text, "\ngreenroom_worker_queue_length{worker=\"1\"} "));
    CHECK(strstr(text, "\ngreenroom_mailbox_time_seconds_bucket{le=\"+Inf\"} "));
    free(text);
    END(self);
    CHECK_EQ(gr_metrics(&text, &bytes), GR_ENOTRUNNING);
}

/* ---- what they wait for ---- */

/* What the actor waits for, to be freed; "" if it does not wait. */
static char *waits_for(gr_address address, int64_t *ret_since)
{
    gr_message *m = NULL;
    *ret_since = -1;
    if (gr_observe_actor(address, &m) != 0) return strdup("");
    char *text = strdup(gr_string(gr_get(gr_body(m), "waits_for"), ""));
    *ret_since = gr_int(gr_get(gr_body(m), "waits_since_ms"), -1);
    FREE(m);
    return text;
}

static bool waits_like(gr_address address, const char *begins, const char *contains)
{
    int64_t since = -1;
    char *text = waits_for(address, &since);
    bool like = strncmp(text, begins, strlen(begins)) == 0 && strstr(text, contains) && since >= 0;
    free(text);
    return like;
}

static void calls_out(gr_self *self, gr_value args)
{
    gr_message *reply = NULL;
    int code = gr_call(self, &reply, gr_address_in(gr_get(args, "to")), "no_hurry", gr_after_s(3600), "n");
    CHECK(code == GR_EKILLED || code == GR_EDEAD);
    gr_message_free(&reply);
}

static void waits_out(gr_self *self, gr_value args)
{
    if (gr_wait(self, gr_address_in(gr_get(args, "to")), NULL, GR_FOREVER) != GR_EKILLED) abort();
}

static void watches_state(gr_self *self, gr_value args)
{
    uint64_t version = 0;
    int code = gr_state_wait(self, gr_address_in(gr_get(args, "to")), &version, GR_FOREVER);
    CHECK(code == GR_EKILLED || code == GR_EDEAD); /* a stop kills both, in any order */
}

static void sleeps(gr_self *self, gr_value args)
{
    (void)args;
    (void)gr_sleep(self, gr_after_s(7200));
}

TEST(waits, each_wait_is_told_in_words)
{
    gr_self *self = BEGIN();
    gr_address quiet, caller, waiter, watcher, selector, sleeper;
    gr_address desk = desk_new(self);
    CHECK_OK(gr_spawn_with(self, &quiet, deaf, OPTIONS(.name = "quiet"), "n"));
    CHECK_OK(gr_spawn(self, &caller, calls_out, "{s:A}", "to", quiet));
    CHECK_OK(gr_spawn(self, &waiter, waits_out, "{s:A}", "to", quiet));
    CHECK_OK(gr_spawn(self, &watcher, watches_state, "{s:A}", "to", quiet));
    CHECK_OK(gr_spawn(self, &selector, fussy, "n"));
    CHECK_OK(gr_spawn(self, &sleeper, sleeps, "n"));
    WAIT_FOR(self, waits_like(desk, "a message", ""));
    WAIT_FOR(self, waits_like(quiet, "time to pass", ""));
    WAIT_FOR(self, waits_like(caller, "the answer of ", " \"quiet\" to no_hurry, 3"));
    WAIT_FOR(self, waits_like(caller, "the answer of ", text_of(quiet)));
    WAIT_FOR(self, waits_like(waiter, "the end of ", " \"quiet\""));
    WAIT_FOR(self, waits_like(watcher, "the next publication of ", " \"quiet\""));
    WAIT_FOR(self, waits_like(selector, "a message like {\"go\":any}", ""));
    WAIT_FOR(self, waits_like(sleeper, "time to pass, 7", " ms more"));
    END(self);
}

static void looks_at_itself(gr_self *self, gr_value args)
{
    gr_message *m = NULL;
    CHECK_OK(gr_observe_actor(gr_self_address(self), &m));
    CHECK_OK(gr_cast_value(self, gr_address_in(gr_get(args, "to")), gr_body(m)));
    gr_message_free(&m);
}

TEST(waits, who_runs_does_not_wait)
{
    gr_self *self = BEGIN();
    gr_address address;
    CHECK_OK(gr_spawn(self, &address, looks_at_itself, "{s:A}", "to", gr_self_address(self)));
    gr_message *m = RECEIVE(self);
    CHECK_STR(gr_string(gr_get(gr_body(m), "state"), NULL), "running");
    CHECK_EQ(gr_type_of(gr_get(gr_body(m), "waits_for")), GR_NULL);
    CHECK_EQ(gr_type_of(gr_get(gr_body(m), "waits_since_ms")), GR_NULL);
    CHECK_EQ(gr_type_of(gr_get(gr_body(m), "worker")), GR_INT);
    FREE(m);
    END(self);
}

/* After a wait that was unwound, the next one is not mistaken for it. */
static void selects(gr_self *self, void *arg)
{
    gr_message *m;
    gr_pattern pattern = {.shape = arg};
    if (gr_select(self, &pattern, 1, &m, GR_FOREVER) >= 0) gr_message_free(&m);
}

static void receives_after_unwinding(gr_self *self, gr_value args)
{
    (void)args;
    gr_shape *shape = harness_shape("{\"go\":any}");
    int code = gr_protect(self, selects, shape, NULL);
    gr_shape_free(&shape);
    if (code != GR_EKILLED) return;
    gr_kill_clear(self);
    gr_message *m;
    if (gr_receive(self, &m, SOON) == 0) gr_message_free(&m);
}

TEST(waits, one_that_was_unwound_is_forgotten)
{
    gr_self *self = BEGIN();
    gr_address address;
    CHECK_OK(gr_spawn_with(self, &address, receives_after_unwinding, OPTIONS(.kill = GR_KILL_RAISES), "n"));
    WAIT_FOR(self, waits_like(address, "a message like", ""));
    CHECK_OK(gr_kill(address));
    WAIT_FOR(self, waits_like(address, "a message, ", " ms more"));
    END(self);
}

static void accepts(gr_self *self, gr_value args)
{
    gr_socket listener, socket;
    char text[GR_SOCKET_TEXT_BYTES], byte;
    CHECK_OK(gr_listen(self, &listener, "127.0.0.1:0", NULL));
    CHECK_OK(gr_socket_local(self, listener, text));
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "to")), "s", text));
    CHECK_OK(gr_accept(self, listener, &socket, GR_FOREVER));
    size_t bytes;
    int code = gr_read(self, socket, &byte, 1, &bytes, GR_FOREVER);
    CHECK(code == 0 || code == GR_EKILLED);
}

static void blocks(void *arg)
{
    while (!__atomic_load_n((bool *)arg, __ATOMIC_ACQUIRE)) sched_yield();
}

static void waits_blocking(gr_self *self, gr_value args)
{
    bool *done = (bool *)(uintptr_t)gr_int(args, 0);
    CHECK_OK(gr_blocking(self, blocks, done, NULL, GR_FOREVER));
}

TEST(waits, on_sockets_and_blocking_calls_are_told)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    gr_address server, blocked;
    static bool done;
    CHECK_OK(gr_spawn(self, &server, accepts, "{s:A}", "to", gr_self_address(self)));
    CHECK_OK(gr_spawn(self, &blocked, waits_blocking, "I", (int64_t)(uintptr_t)&done));
    gr_message *m = RECEIVE(self);
    const char *where = gr_string(gr_body(m), "");
    WAIT_FOR(self, waits_like(server, "accept at 127.0.0.1:", where));
    gr_socket socket;
    CHECK_OK(gr_connect(self, &socket, where, SOON));
    WAIT_FOR(self, waits_like(server, "read with 127.0.0.1:", " (descriptor "));
    WAIT_FOR(self, waits_like(blocked, "the blocking call of blocks", ""));
    __atomic_store_n(&done, true, __ATOMIC_RELEASE);
    WAIT_GONE(self, blocked);
    gr_close(self, socket);
    FREE(m);
    END(self);
}

/* ---- the dump ---- */

typedef struct pieces {
    char *text;
    size_t bytes, count;
} pieces;

static int collect(void *arg, const char *text, size_t bytes)
{
    pieces *p = arg;
    p->text = realloc(p->text, p->bytes + bytes + 1);
    CHECK(p->text);
    memcpy(p->text + p->bytes, text, bytes);
    p->bytes += bytes;
    p->text[p->bytes] = '\0';
    p->count++;
    return 0;
}

static int refuse(void *arg, const char *text, size_t bytes)
{
    (void)arg, (void)text, (void)bytes;
    return 17;
}

TEST(dump, has_a_line_for_each_actor)
{
    gr_self *self = BEGIN_WITH(.workers = 2);
    gr_address quiet, caller;
    char line[256];
    CHECK_OK(gr_spawn_with(self, &quiet, deaf, OPTIONS(.name = "quiet"), "n"));
    CHECK_OK(gr_register(quiet, "also"));
    CHECK_OK(gr_spawn(self, &caller, calls_out, "{s:A}", "to", quiet));
    WAIT_FOR(self, harness_waits(caller) && harness_waits(quiet));
    pieces p = {0};
    CHECK_OK(gr_dump_to(collect, &p));
    CHECK(strncmp(p.text, "greenroom 0.", 12) == 0);
    CHECK(strstr(p.text, "\nworker 0  ") && strstr(p.text, "\nworker 1  "));
    snprintf(line, sizeof line, "\nactor %s \"quiet\" \"also\", green thread, waits for time to pass, since ",
             text_of(quiet));
    CHECK(strstr(p.text, line));
    CHECK(strstr(p.text, "; 1 in the mailbox, 0 received, "));
    snprintf(line, sizeof line, "\nactor %s, green thread, waits for the answer of ", text_of(caller));
    CHECK(strstr(p.text, line));
    CHECK(strstr(p.text, "\n3 actors\n"));
    free(p.text);
    CHECK_EQ(gr_dump_to(refuse, NULL), 17);
    CHECK_EQ(gr_dump_to(NULL, NULL), GR_EINVAL);
    CHECK_EQ(gr_dump(-1), GR_ESYSTEM);
    END(self);
    CHECK_EQ(gr_dump(2), GR_ENOTRUNNING);
}

TEST(dump, comes_in_pieces)
{
    gr_self *self = BEGIN();
    gr_address address;
    for (int i = 0; i < 1000; i++)
        CHECK_OK(gr_spawn_server(self, &address, &desk_server, NULL, "{s:A}", "host", gr_self_address(self)));
    pieces p = {0};
    CHECK_OK(gr_dump_to(collect, &p));
    CHECK(strstr(p.text, "\n1001 actors\n"));
    CHECK(p.count > 1);
    free(p.text);
    END(self);
}

static const gr_child leaves[] = {{.id = "leaf", .entry = harness_idle}};
static const gr_supervisor branch = {.strategy = GR_ONE_FOR_ALL, .children = leaves, .child_count = 1};
static const gr_child branches[] = {{.id = "branch", .supervisor = &branch}, {.id = "twig", .entry = harness_idle}};
static const gr_supervisor root = {.children = branches, .child_count = 2};

TEST(dump, shows_whom_supervisors_supervise)
{
    gr_self *self = BEGIN();
    gr_address top, below;
    gr_message *m = NULL;
    char line[512], text[GR_ADDRESS_TEXT_BYTES];
    CHECK_OK(gr_spawn_supervisor(self, &top, &root, OPTIONS(.name = "top")));
    CHECK_OK(gr_call(self, &m, top, "ready", SOON, "n"));
    FREE(m);
    CHECK_OK(gr_call(self, &m, top, "which_children", SOON, "n"));
    below = gr_address_in(gr_get(gr_at(gr_body(m), 0), "address"));
    FREE(m);
    pieces p = {0};
    CHECK_OK(gr_dump_to(collect, &p));
    snprintf(line, sizeof line,
             "\nsupervisor %s \"top\", one_for_one, running: 2 of 2 up, 0 restarts\n  branch: %s, up, one_for_all, ",
             text_of(top), gr_address_print(below, text));
    if (!strstr(p.text, line)) TEST_FAIL("no %s in %s", line, p.text);
    CHECK(strstr(p.text, "\n    leaf: ") && strstr(p.text, "\n  twig: "));
    CHECK(strstr(p.text, "\n5 actors\n"));
    free(p.text);
    m = about(below);
    CHECK_STR(gr_string(gr_get(gr_body(m), "supervisor"), NULL), text_of(top));
    FREE(m);
    m = about(top);
    CHECK_EQ(gr_type_of(gr_get(gr_body(m), "supervisor")), GR_NULL);
    FREE(m);
    END(self);
}

/* ---- time in mailboxes ---- */

static int64_t timed(gr_self *self)
{
    (void)self;
    char *text = NULL;
    CHECK_OK(gr_metrics(&text, NULL));
    const char *at = strstr(text, "\ngreenroom_mailbox_time_seconds_count ");
    CHECK(at);
    int64_t count = strtoll(at + strlen("\ngreenroom_mailbox_time_seconds_count "), NULL, 10);
    free(text);
    return count;
}

static void slow(gr_self *self, gr_value args)
{
    (void)args;
    gr_message *m;
    while (gr_receive(self, &m, GR_FOREVER) == 0) {
        gr_message_free(&m);
        if (gr_sleep(self, gr_after_ms(2)) != 0) return;
    }
}

/* Messages to somebody who sleeps two milliseconds for each: those of the sample have waited as long. */
TEST(observe, time_in_mailboxes_is_measured)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    gr_address address;
    CHECK_OK(gr_spawn(self, &address, slow, "n"));
    CHECK_EQ(timed(self), 0);
    for (int i = 0; timed(self) < 5 && i < 100000; i++) {
        for (int j = 0; j < 20; j++) CHECK_OK(gr_cast(self, address, "n"));
        CHECK_OK(gr_sleep(self, gr_after_ms(1)));
    }
    gr_message *m = stats();
    gr_value times = gr_get(gr_get(gr_body(m), "mailbox"), "time_us");
    CHECK(number(times, NULL, "max") >= 2000);
    CHECK(number(times, NULL, "p50") <= number(times, NULL, "p99"));
    CHECK(number(times, NULL, "p99") <= number(times, NULL, "max"));
    FREE(m);
    END(self);
}

/* ---- while everything moves ---- */

static void short_life(gr_self *self, gr_value args)
{
    gr_message *m = NULL;
    gr_address other = gr_address_in(args);
    void *memory = gr_alloc(self, 3000);
    for (int i = 0; i < 20; i++)
        if (gr_cast(self, other, "{s:i,s:s}", "n", i, "text",
                    "long enough for a block that is not the smallest of all blocks") != 0)
            break;
    if (gr_call(self, &m, other, "none", gr_after_ms(1), "n") == 0) gr_message_free(&m);
    gr_free(self, memory);
    if (gr_receive(self, &m, gr_after_ms(1)) == 0) gr_message_free(&m);
}

static bool churning(void *flag)
{
    return __atomic_load_n((bool *)flag, __ATOMIC_RELAXED);
}

/* Spawns actors that send to it, call it and die, and forgets what it gets. */
static void churns(gr_self *self, gr_value args)
{
    void *flag = (void *)(uintptr_t)gr_int(args, 0);
    while (churning(flag)) {
        gr_address child;
        gr_message *m;
        for (int i = 0; i < 10; i++)
            if (gr_spawn(self, &child, short_life, "A", gr_self_address(self)) != 0) return;
        while (gr_receive(self, &m, gr_after_ms(1)) == 0) gr_message_free(&m);
        if (gr_killed(self)) return;
    }
}

static int look_at_each(void *arg, gr_address address)
{
    gr_actor_info info;
    gr_message *m = NULL;
    int code = gr_inspect(address, &info);
    CHECK(code == 0 || code == GR_EDEAD);
    code = gr_observe_actor(address, &m);
    CHECK(code == 0 || code == GR_EDEAD);
    gr_message_free(&m);
    ++*(uint64_t *)arg;
    return 0;
}

/* Everything is looked at while actors begin, send, wait and end as fast as they can. */
TEST(observe, looking_is_safe_while_everything_moves)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN_WITH(.workers = 2);
    static bool on = true;
    gr_address churner;
    for (int i = 0; i < 3; i++) CHECK_OK(gr_spawn(self, &churner, churns, "I", (int64_t)(uintptr_t)&on));
    uint64_t looks = 0;
    for (int i = 0; i < 30 || looks < 500; i++) {
        pieces p = {0};
        char *text = NULL;
        CHECK_OK(gr_dump_to(collect, &p));
        free(p.text);
        CHECK_OK(gr_metrics(&text, NULL));
        free(text);
        gr_message *m = stats();
        FREE(m);
        CHECK_OK(gr_each(look_at_each, &looks));
    }
    __atomic_store_n(&on, false, __ATOMIC_RELAXED);
    END(self);
}
