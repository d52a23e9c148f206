/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Bodies that handle every error: whatever fails, each answer is a documented one, what was sent is received or refused,
 * whoever ends is told once, and nothing is left. They run with --strict: a check that fails is a finding. */
#include "inject/injected.h"
#include "support/harness.h"

#include "base/atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <greenroom/blocking.h>
#include <greenroom/io.h>
#include <greenroom/jansson.h>
#include <greenroom/observe.h>
#include <greenroom/shape.h>
#include <greenroom/supervisor.h>
#include <unistd.h>

/* May a call that needs memory or the system answer this? */
static bool may_fail_with(int code)
{
    return code == GR_ENOMEM || code == GR_ESYSTEM || code == GR_EFULL;
}

/* 0, or one of those; true if it is 0. */
#define TRY(call) try((call), #call, __LINE__)
static bool try(int code, const char *call, int line)
{
    if (code == 0) return true;
    if (!may_fail_with(code)) TEST_FAIL("line %d: %s answers %s", line, call, gr_error_name(code));
    return false;
}

/* The runtime and this thread as an actor, or NULL. */
static gr_self *begin(void)
{
    gr_self *self = NULL;
    gr_detail detail = {.text = ""};
    int code = gr_start(NULL, &detail);
    if (code != 0 && detail.text[0] == '\0') TEST_FAIL("gr_start answers %s and does not say why", gr_error_name(code));
    if (!TRY(code)) return NULL;
    return TRY(gr_attach(&self)) ? self : NULL;
}

static void end(void)
{
    int code = gr_stop(GR_NOW);
    if (code != 0 && code != GR_ENOTRUNNING && code != GR_ETIMEOUT) /* those who wait for ever are killed */
        TEST_FAIL("gr_stop answers %s", gr_error_name(code));
}

/* Until the number is reached. Waiting needs no memory; but where memory is gone for good, who was spawned may never get the
 * stack that it would run on: then it is no more than that number. */
static void await(gr_self *self, gri_atomic_u32 *number, uint32_t expected)
{
    bool for_good = fault_now && fault_now->mode == FAULT_ONWARDS;
    for (gr_deadline patience = for_good ? gr_after_ms(300) : gr_after_s(60); gri_load_relaxed(number) != expected;) {
        if (gr_now_ns() >= patience.ns && for_good && gri_load_relaxed(number) < expected) return;
        if (gr_now_ns() >= patience.ns)
            TEST_FAIL("waited in vain for %u, there are %u", expected, gri_load_relaxed(number));
        CHECK_OK(gr_sleep(self, gr_after_us(100)));
    }
}

/* ---- messages ---- */

static gri_atomic_u32 received;

static void count_messages(gr_self *self, gr_value args)
{
    (void)args;
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0; gr_message_free(&m))
        gri_add_relaxed(&received, 1u);
}

TEST(errors, what_was_sent_is_received)
{
    gr_self *self = begin();
    gr_address to;
    uint32_t sent = 0;
    static char large[3000];
    memset(large, 'x', sizeof large - 1);
    if (self && TRY(gr_spawn(self, &to, count_messages, "n"))) {
        for (int i = 0; i < 60; i++) {
            sent += TRY(gr_cast(self, to, "{s:i,s:s}", "n", i, "text", i % 10 ? "short" : large));
            gr_message *m = NULL;
            if (!TRY(gr_pack(&m, "[i,s]", i, "packed"))) continue;
            bool went = TRY(gr_send(self, to, &m));
            CHECK(went ? m == NULL : m != NULL); /* sending moves; not sending does not */
            gr_message_free(&m);
            sent += went;
        }
        gr_timer timer;
        for (int i = 0; i < 10; i++) sent += TRY(gr_cast_after(self, &timer, to, gr_after_us(10 * i), "i", i));
        await(self, &received, sent);
        CHECK_OK(gr_kill_now(to));
    }
    end();
}

static void forward(gr_self *self, gr_value args)
{
    gr_address to = gr_address_in(gr_get(args, "to"));
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0; gr_message_free(&m)) {
        while (m && gr_send(self, to, &m) != 0) CHECK_OK(gr_cooperate(self));
    }
}

/* Through a chain of actors, each of which tries again until it succeeds: for single failures and lasting ones alike, since
 * what is passed on is there already. */
TEST(errors, messages_are_passed_on_without_memory)
{
    gr_self *self = begin();
    gr_address to;
    uint32_t sent = 0;
    if (self && TRY(gr_spawn(self, &to, count_messages, "n"))) {
        for (int i = 0; i < 3; i++) {
            gr_address next;
            if (TRY(gr_spawn(self, &next, forward, "{s:A}", "to", to))) to = next;
        }
        for (int i = 0; i < 50; i++) sent += TRY(gr_cast(self, to, "{s:i}", "n", i));
        /* An actor may be refused the stack it would run on only after it was spawned: then it has not begun, and waits. */
        await(self, &received, sent);
    }
    end();
}

/* ---- who ends is told once ---- */

static void ends(gr_self *self, gr_value args)
{
    if (gr_bool(gr_get(args, "raise"), false)) gr_raise(self, "on_purpose", "told to");
    gr_message *m = NULL;
    if (gr_receive(self, &m, GR_FOREVER) == 0) gr_message_free(&m);
}

TEST(errors, one_message_for_each_end)
{
    gr_self *self = begin();
    uint32_t expected = 0, told = 0;
    for (int i = 0; self && i < 12; i++) {
        gr_address child;
        gr_monitor_ref down;
        bool raises = i % 3 == 0, spawned;
        const gr_spawn_options options = {.monitor = &down};
        spawned = TRY(gr_spawn_with(self, &child, ends, &options, "{s:b}", "raise", raises));
        if (!spawned) continue;
        expected++;
        gr_monitor_ref more;
        expected += TRY(gr_monitor(self, child, &more));
        int code = gr_link(self, child, GR_LINK_TRAP_EXIT);
        expected += code != GR_EDEAD && TRY(code);
        code = gr_kill(child);
        CHECK(code == 0 || code == GR_EDEAD);
    }
    for (gr_message *m = NULL; told < expected; told++) {
        CHECK_OK(gr_receive(self, &m, gr_after_s(60)));
        gr_message_free(&m);
    }
    gr_message *none = NULL;
    if (self) CHECK_EQ(gr_receive(self, &none, gr_after_ms(1)), GR_ETIMEOUT);
    end();
}

/* ---- calls, servers, supervisors ---- */

typedef struct tally {
    int64_t sum;
} tally;

static void add(gr_self *self, void *state, gr_value args)
{
    tally *t = state;
    t->sum += gr_int(args, 0);
    (void)gr_reply(self, "I", t->sum);
}

static const gr_method tally_methods[] = {{"add", add}};
static const gr_server tally_server = {.state_bytes = sizeof(tally), .methods = tally_methods, .method_count = 1};

TEST(errors, calls_are_answered)
{
    gr_self *self = begin();
    gr_address server;
    if (self && TRY(gr_spawn_server(self, &server, &tally_server, NULL, "n"))) {
        for (int i = 0; i < 20; i++) {
            gr_message *reply = NULL;
            int code = gr_call(self, &reply, server, "add", gr_after_s(60), "i", 1);
            /* Without memory for the answer the caller is told so, as an exception or as null. */
            if (code != GR_EEXCEPTION) TRY(code);
            gr_message_free(&reply);
        }
        CHECK(gr_alive(server));
    }
    end();
}

static gri_atomic_u32 children;

static void child(gr_self *self, gr_value args)
{
    (void)args;
    gri_add_relaxed(&children, 1u);
    gr_ready(self);
    gr_message *m = NULL;
    if (gr_receive(self, &m, GR_FOREVER) == 0) gr_message_free(&m);
}

TEST(errors, supervisors_start_or_say_why)
{
    static const gr_child table[] = {{.id = "one", .entry = child}, {.id = "two", .entry = child}};
    static const gr_supervisor supervisor = {.children = table, .child_count = 2};
    gr_self *self = begin();
    gr_address top;
    if (self) {
        int code = gr_spawn_supervisor(self, &top, &supervisor, NULL);
        if (TRY(code)) {
            gr_message *which = NULL;
            code = gr_call(self, &which, top, "children", gr_after_s(60), "n");
            if (code != GR_EEXCEPTION && code != GR_EDEAD && code != GR_EMETHOD) TRY(code);
            gr_message_free(&which);
        }
    }
    end();
}

/* ---- names, states, values ---- */

TEST(errors, names_and_states)
{
    gr_self *self = begin();
    for (int i = 0; self && i < 8; i++) {
        char name[16];
        gr_address found;
        snprintf(name, sizeof name, "name-%d", i);
        bool registered = TRY(gr_register(gr_self_address(self), name));
        CHECK_EQ(gr_lookup(name, &found), registered ? 0 : GR_ENOTFOUND);
        bool published = TRY(gr_publish(self, "{s:s,s:i}", "name", name, "n", i));
        gr_message *state = NULL;
        uint64_t version;
        int code = gr_state(gr_self_address(self), &state, &version);
        if (code == GR_ENOTFOUND) CHECK(!published); /* nothing is published yet */
        if (code != GR_ENOTFOUND && TRY(code) && published) CHECK_EQ(gr_int(gr_get(gr_body(state), "n"), -1), i);
        gr_message_free(&state);
        if (registered) CHECK_OK(gr_unregister(name));
    }
    end();
}

TEST(errors, values_to_and_fro)
{
    static const char text[] = "{\"a\": [1, 2.5, \"three\", null, true], \"b\": {\"c\": \"d\"}}";
    gr_detail detail;
    for (int i = 0; i < 3; i++) {
        gr_message *parsed = NULL, *merged = NULL, *back = NULL;
        gr_shape *shape = NULL, *of = NULL;
        json_t *json = NULL;
        if (TRY(gr_parse(text, sizeof text - 1, NULL, &parsed, &detail))) {
            gr_value value = gr_body(parsed);
            const gr_print_options options = {.sorted = true};
            char *printed = gr_print_new(value, &options, NULL); /* NULL: no memory */
            if (printed) CHECK(strstr(printed, "three"));
            free(printed);
            if (TRY(gr_merge_deep(value, value, &merged))) CHECK(gr_equal(value, gr_body(merged)));
            if (TRY(gr_to_json(value, &json)) && TRY(gr_from_json(json, &back, &detail)))
                CHECK(gr_equal(value, gr_body(back)));
            int code = gr_shape_of(gr_get(value, "b"), &of, &detail);
            if (TRY(code)) CHECK(gr_shape_match(of, gr_get(value, "b"), (gr_value){0}));
        }
        if (TRY(gr_shape_compile("{\"a\": any, \"b\": {\"c\": str}}", &shape, &detail)) && parsed)
            CHECK(gr_shape_match(shape, gr_body(parsed), (gr_value){0}));
        json_decref(json);
        gr_shape_free(&shape);
        gr_shape_free(&of);
        gr_message_free(&parsed);
        gr_message_free(&merged);
        gr_message_free(&back);
    }
}

static void raise_deep(gr_self *self, void *arg)
{
    gr_raise(self, "on_purpose", "because of %s", (const char *)arg);
}

TEST(errors, exceptions_are_caught)
{
    gr_self *self = begin();
    for (int i = 0; self && i < 5; i++) {
        gr_message *report = NULL;
        CHECK_EQ(gr_protect(self, raise_deep, "a reason", &report), GR_EEXCEPTION);
        if (report) CHECK(gr_type_of(gr_body(report)) == GR_OBJECT); /* without memory there is none */
        gr_message_free(&report);
    }
    end();
}

/* ---- looking ---- */

static int swallow(void *arg, const char *text, size_t bytes)
{
    (void)text;
    *(size_t *)arg += bytes;
    return 0;
}

TEST(errors, looking_at_it)
{
    gr_self *self = begin();
    gr_address to;
    if (self && TRY(gr_spawn(self, &to, count_messages, "n"))) {
        gr_message *m = NULL;
        char *text = NULL;
        size_t bytes = 0;
        if (TRY(gr_observe_stats(&m))) gr_message_free(&m);
        if (TRY(gr_observe_actor(to, &m))) gr_message_free(&m);
        if (TRY(gr_observe_exits(10, &m))) gr_message_free(&m);
        if (TRY(gr_metrics(&text, &bytes))) CHECK(bytes > 100);
        free(text);
        TRY(gr_dump_to(swallow, &bytes));
    }
    end();
}

/* ---- the system ---- */

static void echo(gr_self *self, gr_value args)
{
    gr_socket socket = {(uint64_t)gr_int(args, 0)};
    char buffer[512];
    if (gr_socket_adopt(self, socket) != 0) return;
    for (size_t n; gr_read(self, socket, buffer, sizeof buffer, &n, gr_after_s(20)) == 0 && n > 0;)
        if (gr_write(self, socket, buffer, n, gr_after_s(20)) != 0) return;
}

static void accept_all(gr_self *self, gr_value args)
{
    gr_socket listener = {(uint64_t)gr_int(args, 0)}, connection;
    if (gr_socket_adopt(self, listener) != 0) return;
    while (gr_accept(self, listener, &connection, GR_FOREVER) == 0)
        if (gr_spawn(self, NULL, echo, "I", (int64_t)connection.id) != 0) (void)gr_close(self, connection);
}

/* What comes back is what went out, as far as it comes. */
static void converse(gr_self *self, gr_socket socket)
{
    char out[900], in[900];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof out; i++) out[i] = (char)(i * 7 + (size_t)round);
        if (gr_write(self, socket, out, sizeof out, gr_after_s(5)) != 0) return;
        for (size_t have = 0, n; have < sizeof in; have += n) {
            int code = gr_read(self, socket, in + have, sizeof in - have, &n, gr_after_s(5));
            if (code != 0 || n == 0) return;
            CHECK(memcmp(in + have, out + have, n) == 0);
        }
    }
}

static void echo_at(const char *address)
{
    gr_self *self = begin();
    gr_socket listener, socket;
    gr_address to;
    char text[GR_SOCKET_TEXT_BYTES];
    if (self && gr_listen(self, &listener, address, NULL) == 0) {
        bool named = gr_socket_local(self, listener, text) == 0;
        if (TRY(gr_spawn(self, &to, accept_all, "I", (int64_t)listener.id))) {
            for (int i = 0; named && i < 2; i++) {
                if (gr_connect(self, &socket, text, gr_after_s(5)) != 0) continue;
                converse(self, socket);
                (void)gr_close(self, socket);
            }
            (void)gr_kill_now(to);
        }
    }
    end();
}

TEST(errors, streams_are_whole_over_tcp)
{
    echo_at("127.0.0.1:0");
}

TEST(errors, streams_are_whole_over_unix_sockets)
{
    char path[64];
    snprintf(path, sizeof path, "unix:/tmp/greenroom-inject-%d.sock", (int)getpid());
    echo_at(path);
    (void)unlink(path + 5);
}

TEST(errors, datagrams)
{
    gr_self *self = begin();
    gr_socket a, b;
    char text[GR_SOCKET_TEXT_BYTES], from[GR_SOCKET_TEXT_BYTES], buffer[64];
    size_t bytes;
    if (self && gr_udp_open(self, &a, "127.0.0.1:0", NULL) == 0) {
        if (gr_udp_open(self, &b, "127.0.0.1:0", NULL) == 0) {
            for (int i = 0; i < 3 && gr_socket_local(self, b, text) == 0; i++) {
                if (gr_udp_send(self, a, "datagram", 8, text, gr_after_s(5)) != 0) continue;
                if (gr_udp_receive(self, b, buffer, sizeof buffer, &bytes, from, gr_after_s(5)) == 0)
                    CHECK(bytes == 8 && memcmp(buffer, "datagram", 8) == 0);
            }
            (void)gr_close(self, b);
        }
        (void)gr_close(self, a);
    }
    end();
}

static void work(void *arg)
{
    gri_add_relaxed((gri_atomic_u32 *)arg, 1u);
}

TEST(errors, blocking_runs_once_or_not_at_all)
{
    static gri_atomic_u32 ran;
    gr_self *self = begin();
    uint32_t expected = 0;
    for (int i = 0; self && i < 6; i++) {
        expected += TRY(gr_blocking(self, work, &ran, NULL, GR_FOREVER));
        CHECK_EQ(gri_load_relaxed(&ran), expected);
    }
    end();
}

TEST(errors, names_of_hosts)
{
    gr_self *self = begin();
    char texts[2][GR_SOCKET_TEXT_BYTES];
    size_t count;
    for (int i = 0; self && i < 2; i++) {
        int code = gr_resolve(self, "localhost:80", texts, 2, &count, gr_after_s(20));
        if (code == 0) CHECK(count > 0);
        if (code != 0 && code != GR_ENOTFOUND && code != GR_ETIMEOUT) TRY(code);
    }
    end();
}

/* ---- starting ---- */

TEST(errors, a_start_that_fails_can_be_made_again)
{
    for (int i = 0; i < 2; i++) {
        (void)begin();
        end();
    }
}

/* All that is simulated runs on the stop's own thread: without a stack for the others no time passes, and nobody ends. */
TEST(errors, a_simulation_stops_without_memory)
{
    gr_self *self = NULL;
    gr_address to;
    if (TRY(gr_start(&(gr_options){.simulate = "1", .fixed = GR_FIXED(simulate)}, NULL)) && TRY(gr_attach(&self)) &&
        TRY(gr_spawn(self, &to, count_messages, "n")))
        (void)TRY(gr_cast(self, to, "n"));
    end();
}
