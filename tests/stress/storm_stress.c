/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Everything to everybody: actors, servers and host threads that make random calls of the whole public interface at each other.
 *
 *     storm_stress [--seed N] [--rounds N] [--steps N] [--workers N]
 *
 * Each round starts the runtime, fills a small world, so that many know each other, and keeps it full while its inhabitants
 * send, call, wait, link, monitor, select, raise, protect, overflow their stacks, forward, arm, cancel, rename, publish, talk
 * over sockets, kill, and are killed; host threads attach, do the same, and end with and without detaching; then it stops in
 * the middle of all that.
 *
 * Laws: it ends; nothing breaks (run it under sanitizers); no actor and no block of message memory is left.
 * What it cannot see: wrong results. conservation_stress counts. */
#include "base/atomic.h"
#include "memory/heap.h"

#include <greenroom.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACES 200
#define HOSTS 2
#define OPS 40

static uint64_t seed = 1, rounds = 4, steps = 1500, workers = 6;
static gri_atomic_u64 world[PLACES], sockets[PLACES]; /* relaxed: numbers; what they name is looked up safely */
static gri_atomic_u64 done, sunk;                     /* relaxed: counters */
static gri_atomic_bool going;                         /* relaxed: seen late is fine */
static gr_shape *any_int, *any_op;
static char listening[GR_SOCKET_TEXT_BYTES];
static gri_atomic_bool open_now; /* mo:storm.open release -> storm.look acquire: listening */

typedef struct walk {
    uint64_t random;
    gr_timer timer;
    gr_monitor_ref monitor;
    gr_message *kept;
    gr_socket socket;
    unsigned depth;
    bool green; /* stands on a stack that may overflow */
} walk;

static uint64_t next(walk *w)
{
    uint64_t z = (w->random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static gr_address somebody(walk *w)
{
    return (gr_address){gri_load_relaxed(&world[next(w) % PLACES])};
}

static gr_deadline shortly(walk *w)
{
    uint64_t dice = next(w) % 8;
    return dice == 0 ? GR_NOW : gr_after_us((int64_t)(dice * 300));
}

static void spawn_somebody(gr_self *self, walk *w, unsigned place);
static void step(gr_self *self, walk *w);

/* ---- what they do ---- */

static void keep(walk *w, gr_message *m)
{
    gr_message_free(&w->kept);
    w->kept = m;
}

static void do_receive(gr_self *self, walk *w)
{
    gr_message *m = NULL;
    gr_pattern patterns[] = {{.shape = any_int}, {.shape = any_op}};
    if (next(w) % 2)
        (void)!gr_receive(self, &m, shortly(w));
    else
        (void)!gr_select(self, patterns, 1 + next(w) % 2, &m, shortly(w));
    keep(w, m);
}

static void do_something_with_kept(gr_self *self, walk *w)
{
    gr_address to[3] = {somebody(w), somebody(w), somebody(w)};
    switch (next(w) % 7) {
    case 0: (void)!gr_send(self, to[0], &w->kept); break;
    case 1: (void)!gr_multicast(self, to, 3, &w->kept); break;
    case 2: (void)!gr_send_after(self, &w->timer, to[0], &w->kept, shortly(w)); break;
    case 3: (void)gr_respond(self, w->kept, "i", 1); break;
    case 4:
        if (w->kept) (void)gr_respond_exception(self, w->kept, gr_body(w->kept));
        break;
    case 5: (void)gr_respond_invalid_method(self, w->kept); break;
    default: break;
    }
    gr_message_free(&w->kept);
}

static void do_call(gr_self *self, walk *w)
{
    static const char *const methods[] = {"op", "take", "raise", "block", "end", "none", "op"};
    gr_message *reply = NULL;
    (void)!gr_call(self, &reply, somebody(w), methods[next(w) % 7], shortly(w), "I", (int64_t)(next(w) >> 1));
    keep(w, reply);
}

static void do_wait(gr_self *self, walk *w)
{
    gr_message *result = NULL;
    gr_address to[2] = {somebody(w), somebody(w)};
    if (next(w) % 4)
        (void)!gr_wait(self, to[0], &result, shortly(w));
    else
        (void)!gr_wait_all(self, to, 2, &result, shortly(w));
    keep(w, result);
}

static void raising(gr_self *self, void *arg)
{
    walk *w = arg;
    if (next(w) % 2) gr_no_suspend_begin(self);
    if (next(w) % 2) gr_kill_hold(self);
    if (next(w) % 2) step(self, w);
    gr_raise(self, "storm", "on purpose");
}

static void stepping(gr_self *self, void *arg)
{
    step(self, arg);
}

static void do_protect(gr_self *self, walk *w)
{
    gr_message *report = NULL;
    if (w->depth >= 3) return;
    w->depth++;
    (void)!gr_protect(self, next(w) % 2 ? raising : stepping, w, next(w) % 2 ? &report : NULL);
    w->depth--;
    keep(w, report);
}

static void cleaning(gr_self *self, void *arg)
{
    walk w = {.random = (uint64_t)(uintptr_t)arg, .depth = 3};
    for (int i = 0; i < 2; i++) step(self, &w);
    gr_message_free(&w.kept);
    if (next(&w) % 4 == 0) gr_raise(self, "cleanup", "fails as well");
}

static void do_name(gr_self *self, walk *w)
{
    char name[16];
    gr_address found;
    snprintf(name, sizeof name, "n%u", (unsigned)(next(w) % 20));
    switch (next(w) % 4) {
    case 0: (void)!gr_register(somebody(w), name); break;
    case 1: (void)gr_unregister(name); break;
    case 2: (void)!gr_rename(self, name); break;
    default:
        if (gr_lookup(name, &found) == 0) (void)gr_cast(self, found, "{s:i}", "op", 1);
    }
}

static void do_state(gr_self *self, walk *w)
{
    gr_message *state = NULL;
    gr_actor_info info;
    if (next(w) % 2)
        (void)gr_publish(self, "{s:I,s:s}", "n", (int64_t)(next(w) >> 1), "text", "something longer than a line");
    (void)!gr_state(somebody(w), &state, NULL);
    (void)!gr_inspect(somebody(w), &info);
    gr_message_free(&state);
}

static void do_socket(gr_self *self, walk *w)
{
    char bytes[64];
    size_t got;
    gr_socket s = {gri_load_relaxed(&sockets[next(w) % PLACES])};
    switch (next(w) % 6) {
    case 0:
        if (gr_connect(self, &w->socket, listening, shortly(w)) == 0)
            gri_store_relaxed(&sockets[next(w) % PLACES], w->socket.id);
        break;
    case 1: (void)!gr_read(self, w->socket, bytes, sizeof bytes, &got, shortly(w)); break;
    case 2: (void)!gr_write(self, w->socket, "some bytes", 10, shortly(w)); break;
    case 3:
        if (gr_socket_adopt(self, s) == 0) w->socket = s;
        break;
    case 4: (void)gr_close(self, w->socket); break;
    default: (void)gr_shutdown(self, w->socket); break;
    }
}

static void do_kill(gr_self *self, walk *w)
{
    uint64_t dice = next(w) % 16;
    if (dice == 0)
        (void)gr_kill_now(somebody(w));
    else if (dice < 3)
        (void)gr_kill(somebody(w));
    else if (dice < 8)
        gr_kill_clear(self);
}

static void do_watch(gr_self *self, walk *w)
{
    gr_address to = somebody(w);
    switch (next(w) % 8) {
    case 0: (void)!gr_link(self, to, GR_LINK); break;
    case 1: (void)!gr_link(self, to, GR_LINK | GR_LINK_TRAP_EXIT); break;
    case 2:
        if (next(w) % 4 == 0) (void)!gr_link(self, to, GR_LINK | GR_LINK_PROPAGATE);
        break;
    case 3: (void)gr_unlink(self, to); break;
    case 4: (void)!gr_monitor(self, to, &w->monitor); break;
    case 5: (void)!gr_monitor(self, to, &w->monitor); break;
    default: (void)gr_demonitor(self, w->monitor, next(w) % 2); break;
    }
}

/* Goes down until the stack ends. */
static __attribute__((noinline)) uint64_t overflow(uint64_t depth)
{
    volatile char room[1024];
    room[0] = (char)depth;
    uint64_t deeper = depth > 1000000 ? 0 : overflow(depth + 1);
    return deeper + (uint64_t)room[0];
}

static void step(gr_self *self, walk *w)
{
    (void)gri_add_relaxed(&done, 1u);
    uint64_t dice = next(w) % OPS;
    if (dice < 8)
        do_receive(self, w);
    else if (dice < 12)
        (void)gr_cast(self, somebody(w), "{s:I}", "op", (int64_t)(next(w) >> 1));
    else if (dice < 14)
        (void)gr_cast(self, somebody(w), "i", 7);
    else if (dice < 17)
        do_something_with_kept(self, w);
    else if (dice < 20)
        do_call(self, w);
    else if (dice < 22)
        do_wait(self, w);
    else if (dice < 26)
        do_watch(self, w);
    else if (dice < 28)
        (void)!gr_cast_after(self, &w->timer, somebody(w), shortly(w), "{s:i}", "op", 3);
    else if (dice < 29)
        (void)gr_cancel(self, w->timer);
    else if (dice < 30)
        do_protect(self, w);
    else if (dice < 31)
        (void)!gr_defer(self, cleaning, (void *)(uintptr_t)next(w));
    else if (dice < 33)
        do_name(self, w);
    else if (dice < 34)
        do_state(self, w);
    else if (dice < 35)
        do_socket(self, w);
    else if (dice < 36)
        do_kill(self, w);
    else if (dice < 37)
        (void)gr_forget(somebody(w));
    else if (dice < 38)
        (void)gr_sleep(self, shortly(w));
    else if (dice < 39)
        (void)gr_return(self, "{s:s}", "result", "a text that takes more room than an envelope has");
    else if (w->green && next(w) % 256 == 0)
        gri_store_relaxed(&sunk, overflow(0));
    else
        (void)gr_cooperate(self);
}

/* ---- who they are ---- */

static void wanderer(gr_self *self, gr_value args)
{
    walk *w = gr_alloc(self, sizeof *w);
    if (!w) return;
    w->green = true;
    w->random = (uint64_t)gr_int(args, 1);
    for (uint64_t left = next(w) % steps; left > 0 && gri_load_relaxed(&going); left--) step(self, w);
    if (next(w) % 8 == 0) gr_raise(self, "storm", "the end of %s", "it");
}

static int server_start(gr_self *self, void *state, gr_value args)
{
    walk *w = state;
    w->green = true;
    w->random = (uint64_t)gr_int(args, 1);
    step(self, w);
    return next(w) % 32 == 0;
}

static void server_op(gr_self *self, void *state, gr_value argument)
{
    walk *w = state;
    (void)gr_reply(self, "V", argument);
    for (uint64_t left = next(w) % 3; left > 0; left--) step(self, w);
}

static void server_take(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    keep(state, gr_call_take(self));
}

static void server_raise(gr_self *self, void *state, gr_value argument)
{
    (void)gr_reply(self, "V", argument);
    raising(self, state);
}

static void server_block(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    (void)gr_sleep(self, shortly(state));
}

static void server_end(gr_self *self, void *state, gr_value argument)
{
    (void)state, (void)argument;
    gr_server_end(self);
}

static void server_message(gr_self *self, void *state, gr_message *m)
{
    walk *w = state;
    if (next(w) % 8 == 0) {
        (void)!gr_send(self, somebody(w), &m);
        return;
    }
    if (next(w) % 64 == 0) gr_server_end(self);
    step(self, w);
}

static void server_describe(gr_self *self, void *state, gr_builder *b)
{
    walk *w = state;
    gr_put_object(b);
    for (int i = 0; i < 8; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", i);
        gr_put_key(b, key), gr_put_string(b, "a text that makes the state larger than what a builder has on the stack");
    }
    if (next(w) % 64 == 0) gr_raise(self, "describe", "fails");
    gr_put_end(b);
}

static void server_stop(gr_self *self, void *state)
{
    walk *w = state;
    step(self, w);
    gr_message_free(&w->kept);
    if (next(w) % 4 == 0) gr_raise(self, "stop", "fails");
}

static const gr_method methods[] = {
    {"op", server_op}, {"take", server_take}, {"raise", server_raise}, {"block", server_block}, {"end", server_end}};
static const gr_server servant = {.state_bytes = sizeof(walk),
                                  .start = server_start,
                                  .methods = methods,
                                  .method_count = 5,
                                  .on_message = server_message,
                                  .describe = server_describe,
                                  .stop = server_stop};

static void spawn_somebody(gr_self *self, walk *w, unsigned place)
{
    gr_address address;
    uint64_t dice = next(w);
    gr_spawn_options options = {.retain = dice % 4 == 0,
                                .pinned = dice / 4 % 8 == 0,
                                .kill = dice / 32 % 2 ? GR_KILL_RAISES : GR_KILL_RETURNS,
                                .mailbox_max = dice / 64 % 4 == 0 ? 8 : 0,
                                .stack_bytes = dice / 256 % 8 == 0 ? 256 << 10 : 0};
    int64_t random = (int64_t)(next(w) >> 1);
    int code = dice / 4096 % 3 == 0 ? gr_spawn_server(self, &address, &servant, &options, "I", random)
                                    : gr_spawn_with(self, &address, wanderer, &options, "I", random);
    if (code == 0) gri_store_relaxed(&world[place], address.id);
}

/* Accepts, and talks a little to whoever comes. */
static void greeter(gr_self *self, gr_value args)
{
    gr_socket listener, s;
    walk w = {.random = (uint64_t)gr_int(args, 1)};
    if (gr_listen(self, &listener, "127.0.0.1:0", NULL) != 0) return;
    if (gr_socket_local(self, listener, listening) != 0) return;
    gri_store_release(&open_now, true);
    while (gr_accept(self, listener, &s, GR_FOREVER) == 0) {
        (void)!gr_write(self, s, "hello", 5, gr_after_ms(1));
        if (next(&w) % 2)
            gri_store_relaxed(&sockets[next(&w) % PLACES], s.id);
        else
            (void)gr_close(self, s);
    }
}

/* ---- hosts ---- */

static void *host(void *arg)
{
    walk w = {.random = seed + (uint64_t)(uintptr_t)arg, .depth = 3};
    while (gri_load_relaxed(&going)) {
        gr_self *self;
        if (gr_attach(&self) != 0) break;
        w.timer = (gr_timer){0};
        for (int i = 0; i < 100 && gri_load_relaxed(&going); i++) {
            step(self, &w);
            gr_kill_clear(self);
            if (gr_killed(self)) break; /* gr_kill_now is not taken back */
        }
        gr_message_free(&w.kept);
        if (next(&w) % 4 == 0) return NULL; /* without detaching */
        gr_detach(&self);
    }
    return NULL;
}

/* Blocks of message memory that nobody has given back. */
static uint64_t blocks_live(void)
{
    gri_heap_counts heaps;
    gri_chunk_counts chunks;
    gri_heap_count_all(&heaps, &chunks);
    return heaps.blocks_allocated - heaps.blocks_freed;
}

static int run_round(uint64_t round)
{
    uint64_t blocks = blocks_live();
    gr_detail detail;
    gr_options options = {.workers = (unsigned)workers,
                          .bind = "none",
                          .stuck_ms = 50,
                          .log = "error",
                          .fixed = GR_FIXED(workers) | GR_FIXED(bind) | GR_FIXED(stuck_ms)};
    if (gr_start(&options, &detail) != 0) {
        fprintf(stderr, "gr_start: %s\n", detail.text);
        return 1;
    }
    gr_self *self;
    if (gr_attach(&self) != 0) return 1;
    walk w = {.random = seed * 1000003 + round, .depth = 3};
    gr_address door;
    gri_store_relaxed(&open_now, false); /* relaxed: before the actor that sets it */
    gri_store_relaxed(&going, true);
    if (gr_spawn(self, &door, greeter, "I", (int64_t)(seed >> 1)) != 0) return 1;
    while (!gri_load_acquire(&open_now)) {
        if (!gr_alive(door)) return 1;
        (void)gr_sleep(self, gr_after_ms(1));
    }
    pthread_t threads[HOSTS];
    bool joined[HOSTS] = {false};
    for (uintptr_t i = 0; i < HOSTS; i++)
        joined[i] = pthread_create(&threads[i], NULL, host, (void *)(round * 16 + i + 1)) != 0;
    for (uint64_t turn = 0; turn < 100; turn++) {
        for (unsigned i = 0; i < PLACES; i++)
            if (!gr_alive((gr_address){gri_load_relaxed(&world[i])})) spawn_somebody(self, &w, i);
        for (int i = 0; i < 5; i++) step(self, &w);
        (void)gr_sleep(self, gr_after_ms(1));
        gr_kill_clear(self);
        if (gr_killed(self)) { /* gr_kill_now by somebody: a new life */
            gr_message_free(&w.kept);
            gr_detach(&self);
            if (gr_attach(&self) != 0) return 1;
        }
    }
    gr_message_free(&w.kept);
    gri_store_relaxed(&going, false);
    for (uintptr_t i = 0; i < HOSTS; i++)
        if (!joined[i]) pthread_join(threads[i], NULL);
    gr_counters c;
    if (gr_counters_read(&c) != 0) return 1;
    int code = gr_stop(gr_after_ms((int64_t)(next(&w) % 20)));
    printf("{\"stress\":\"storm\",\"seed\":%llu,\"round\":%llu,\"steps\":%llu,\"spawned\":%llu,\"ended\":%llu,"
           "\"messages\":%llu,"
           "\"steals\":%llu,\"rescues\":%llu,\"overflows\":%llu,\"message_bytes\":%llu,\"stop\":\"%s\"}\n",
           (unsigned long long)seed, (unsigned long long)round, (unsigned long long)gri_load_relaxed(&done),
           (unsigned long long)c.spawned, (unsigned long long)c.ended, (unsigned long long)c.messages,
           (unsigned long long)c.steals, (unsigned long long)c.rescues, (unsigned long long)c.overflows,
           (unsigned long long)c.message_bytes, gr_error_name(code));
    fflush(stdout);
    int64_t more = (int64_t)(blocks_live() - blocks);
    if (more != 0) {
        fprintf(stderr, "VIOLATION blocks of memory: %lld more than before\n", (long long)more);
        code = GR_ENOMEM;
    }
    return code != 0 && code != GR_ETIMEOUT;
}

int main(int argc, char **argv)
{
    struct {
        const char *name;
        uint64_t *value;
    } options[] = {{"--seed", &seed}, {"--rounds", &rounds}, {"--steps", &steps}, {"--workers", &workers}};
    for (int i = 1; i < argc; i += 2) {
        size_t at = 0;
        while (at < 4 && strcmp(argv[i], options[at].name) != 0) at++;
        char *end = NULL;
        if (at == 4 || i + 1 == argc || (*options[at].value = strtoull(argv[i + 1], &end, 10), *end) ||
            *options[at].value == 0) {
            fprintf(stderr, "usage: %s [--seed N] [--rounds N] [--steps N] [--workers N]\n", argv[0]);
            return 2;
        }
    }
    if (gr_shape_compile("int", &any_int, NULL) != 0 || gr_shape_compile("{\"op\": int}", &any_op, NULL) != 0) return 1;
    int code = 0;
    for (uint64_t round = 0; round < rounds && code == 0; round++) code = run_round(round);
    gr_shape_free(&any_int);
    gr_shape_free(&any_op);
    return code;
}
