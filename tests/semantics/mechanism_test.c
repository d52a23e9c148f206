/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The mechanisms are the real ones: what the runtime does inside, asserted by its counters. */
#include "support/harness.h"
#include "support/test.h"

#include "actor/runtime.h"
#include "base/atomic.h"
#include "sync/spinlock.h"

#include <dlfcn.h>
#include <greenroom.h>
#include <pthread.h>
#include <unistd.h>

/* ---- counting what the process does: malloc and mutexes are interposed, except where a sanitizer does that itself ---- */

static gri_atomic_u64 mallocs, mutexes; /* relaxed: counts */
static gri_atomic_bool counting;        /* relaxed: the edges do not matter */
static GRI_THREAD_LOCAL bool sends;     /* the pair is at it on this thread */

#if !GRI_ASAN && !GRI_TSAN
#define INTERPOSED 1
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

__attribute__((visibility("default"))) void *malloc(size_t bytes)
{
    if (gri_load_relaxed(&counting)) (void)gri_add_relaxed(&mallocs, 1u);
    return __libc_malloc(bytes);
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t bytes)
{
    if (gri_load_relaxed(&counting)) (void)gri_add_relaxed(&mallocs, 1u);
    return __libc_calloc(count, bytes);
}

__attribute__((visibility("default"))) void *realloc(void *old, size_t bytes)
{
    if (gri_load_relaxed(&counting)) (void)gri_add_relaxed(&mallocs, 1u);
    return __libc_realloc(old, bytes);
}

__attribute__((visibility("default"))) int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static int (*real)(pthread_mutex_t *);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pthread_mutex_lock");
    if (sends && gri_load_relaxed(&counting)) (void)gri_add_relaxed(&mutexes, 1u);
    return real(mutex);
}
#else
#define INTERPOSED 0
#endif

/* stuck_ms: the tests of counters want no spare workers, which a busy machine would get them. */
static gr_self *start_stuck(unsigned workers, int64_t stuck_ms)
{
    gr_detail detail;
    gr_options options = {.workers = workers,
                          .bind = "none",
                          .stuck_ms = stuck_ms,
                          .fixed = GR_FIXED(workers) | GR_FIXED(bind) | GR_FIXED(stuck_ms)};
    if (gr_start(&options, &detail) != 0) TEST_FAIL("gr_start: %s", detail.text);
    gr_self *self = NULL;
    CHECK_OK(gr_attach(&self));
    return self;
}

static gr_self *start(unsigned workers)
{
    return start_stuck(workers, 60000);
}

static gr_counters counters(void)
{
    gr_counters c;
    CHECK_OK(gr_counters_read(&c));
    return c;
}

static int64_t receive_int(gr_self *self)
{
    gr_message *m = NULL;
    CHECK_OK(gr_receive(self, &m, gr_after_s(60)));
    int64_t n = gr_int(gr_body(m), -1);
    gr_message_free(&m);
    return n;
}

/* ---- a pair that counts to a limit and reports to `parent` then ---- */

static void count_up(gr_self *self, gr_address parent, int64_t limit)
{
    sends = true; /* with one worker both are on the same thread */
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0;) {
        int64_t n = gr_int(gr_body(m), 0) + 1;
        gr_address other = gr_sender(m);
        gr_message_free(&m);
        if (n == limit) sends = false; /* what an idle worker tidies up has nothing to do with sending */
        if (n == limit) GRI_IGNORE(gr_cast(self, parent, "I", n));
        if (n >= limit + 1 || gr_cast(self, other, "I", n) != 0 || n == limit) break;
    }
}

static void counter(gr_self *self, gr_value args)
{
    count_up(self, gr_address_in(gr_at(args, 0)), gr_int(gr_at(args, 1), 0));
}

static void counter_first(gr_self *self, gr_value args)
{
    CHECK_OK(gr_cast(self, gr_address_in(gr_at(args, 2)), "I", INT64_C(0)));
    counter(self, args);
}

#define WARM INT64_C(20000)

/* Is a message copied once, packed? Through JSON it costs what the printer, the parser and jansson take. */
static bool packed(void)
{
    const char *copy = getenv("GREENROOM_COPY");
    return !copy || strcmp(copy, "packed") == 0;
}

static int64_t many(void)
{
    return GRI_TSAN || GRI_ASAN || GRI_INVARIANTS || !packed() ? 200000 : 1000000;
}

static void count_to(gr_self *self, int64_t limit)
{
    gr_address a, b, me = gr_self_address(self);
    CHECK_OK(gr_spawn(self, &a, counter, "[A,I]", me, limit));
    CHECK_OK(gr_spawn(self, &b, counter_first, "[A,I,A]", me, limit, a));
    CHECK_EQ(receive_int(self), limit);
}

/* Counters around many messages, after everything is warm. */
static void run_pair(gr_self *self, gr_counters *ret_before, gr_counters *ret_after)
{
    count_to(self, WARM);
    *ret_before = counters();
    gri_store_relaxed(&counting, true);
    count_to(self, many());
    gri_store_relaxed(&counting, false);
    *ret_after = counters();
}

TEST(mechanism, no_allocation_per_message)
{
    gr_self *self = start(1);
    gr_counters before, after;
    run_pair(self, &before, &after);
    CHECK(after.messages - before.messages > 100000);
    if (packed()) CHECK_EQ(after.system_allocations, before.system_allocations);
    /* The messages of this thread and its wait cost a few, all others nothing. */
    if (INTERPOSED && packed()) CHECK(gri_load_relaxed(&mallocs) < 20);
    CHECK_OK(gr_stop(gr_after_s(60)));
}

TEST(mechanism, no_lock_per_message)
{
    gr_self *self = start(1);
    gr_counters before, after;
#if GRI_INVARIANTS >= 1
    uint64_t locks = gri_load_relaxed(&gri_spinlocks_taken);
#endif
    run_pair(self, &before, &after);
    if (INTERPOSED) CHECK_EQ(gri_load_relaxed(&mutexes), 0);
#if GRI_INVARIANTS >= 1
    /* Spawning, the heap's first chunks and the main thread's few messages take some. */
    CHECK(gri_load_relaxed(&gri_spinlocks_taken) - locks < 1000);
#endif
    CHECK_OK(gr_stop(gr_after_s(60)));
}

TEST(mechanism, local_messages_wake_no_thread)
{
    gr_self *self = start(2);
    gr_counters before, after;
    run_pair(self, &before, &after);
    uint64_t messages = after.messages - before.messages;
    CHECK(messages > 100000);
    /* A million must do with ten, in which starting and ending the pair is included. */
    CHECK(after.wakes - before.wakes <= 10 * messages / 1000000 + (messages < 1000000 ? 2 : 0));
    CHECK_OK(gr_stop(gr_after_s(60)));
}

/* Some microseconds. */
static void compute(void)
{
    volatile unsigned x = 1;
    for (int i = 0; i < 20000; i++) x = x * 1664525u + 1013904223u;
}

/* ---- idle servers hold no stacks; those that block get some and give them back ---- */

static gri_atomic_u32 moved;  /* relaxed: how many came out of their wait on another worker than they went into it on */
static gri_atomic_u32 napped; /* relaxed: how many have come to their wait */

static void nap(gr_self *self, void *state, gr_value argument)
{
    (void)state, (void)argument;
    gr_message *m = NULL;
    gri_worker *here = self->task.worker;
    (void)gri_add_relaxed(&napped, 1u); /* relaxed: as above */
    int code = gr_receive(self, &m, GR_FOREVER);
    gr_message_free(&m);
    if (self->task.worker != here) (void)gri_add_relaxed(&moved, 1u); /* relaxed: as above */
    compute();
    if (code == 0) GRI_IGNORE(gr_reply(self, "i", 1));
}

static void note(gr_self *self, void *state, gr_message *m)
{
    (void)state;
    gr_address parent = gr_address_in(gr_body(m));
    GRI_IGNORE(gr_cast(self, parent, "i", 1));
}

static const gr_method napping[] = {{"nap", nap}};
static const gr_server sleeper = {.methods = napping, .method_count = 1, .on_message = note};

static void caller(gr_self *self, gr_value args)
{
    gr_message *reply = NULL;
    int code = gr_call(self, &reply, gr_address_in(gr_at(args, 1)), "nap", GR_FOREVER, "n");
    gr_message_free(&reply);
    GRI_IGNORE(gr_cast(self, gr_address_in(gr_at(args, 0)), "i", code));
}

#define BLOCKED 1000
#define KILLED ((BLOCKED + 2) / 3)

static const gr_address *nappers; /* of one round; set before the waker is spawned */

/* All of them become ready on the waker's worker: what others run of it they have stolen. A third is killed instead. */
static void waker(gr_self *self, gr_value args)
{
    (void)args;
    for (int i = 0; i < BLOCKED; i++) CHECK_OK(i % 3 == 0 ? gr_kill(nappers[i]) : gr_cast(self, nappers[i], "n"));
}

/* A thousand block inside a method, each called by a green thread, and get what they wait for, or die; the stacks return. */
static void block_in_methods(gr_self *self, unsigned workers)
{
    gr_address a, me = gr_self_address(self);
    const uint32_t napped_before = gri_load_relaxed(&napped); /* relaxed, both: a number */
    for (int i = 0; i < BLOCKED; i++) CHECK_OK(gr_spawn(self, &a, caller, "[A,A]", me, nappers[i]));
    /* All of them: what the waker sends to one that has not been called yet would be no message to nap. */
    while (gri_load_relaxed(&napped) - napped_before < BLOCKED) CHECK_OK(gr_cooperate(self));
    while (counters().stacks_live < 2 * BLOCKED + workers) CHECK_OK(gr_cooperate(self));
    CHECK_OK(gr_spawn(self, &a, waker, "n"));
    int dead = 0, answered = 0;
    for (int i = 0; i < BLOCKED; i++) {
        int64_t code = receive_int(self);
        dead += code == GR_EDEAD;
        answered += code == 0;
    }
    CHECK_EQ(dead, KILLED);
    CHECK_EQ(answered, BLOCKED - KILLED);
    while (counters().stacks_live > workers + 1) CHECK_OK(gr_cooperate(self));
}

TEST(mechanism, idle_servers_hold_no_stacks)
{
    int64_t count = GRI_ASAN || GRI_TSAN || GRI_INVARIANTS ? 20000 : 1000000;
    unsigned workers = 4;
    gr_self *self = start(workers);
    gr_address *servers = calloc((size_t)count, sizeof *servers), me = gr_self_address(self);
    CHECK(servers != NULL);
    for (int64_t i = 0; i < count; i++) CHECK_OK(gr_spawn_server(self, &servers[i], &sleeper, NULL, "n"));
    for (int64_t i = 0; i < count; i++) CHECK_OK(gr_cast(self, servers[i], "A", me));
    for (int64_t i = 0; i < count; i++) CHECK_EQ(receive_int(self), 1);
    gr_counters idle = counters();
    CHECK_EQ(idle.actors, (uint64_t)count + 1);
    CHECK(idle.stacks_live <= workers + 1);
    uint64_t dead = 0;
    for (int64_t round = 0; dead == 0 || gri_load_relaxed(&moved) == 0; round++) { /* relaxed: a number */
        CHECK(round < count / BLOCKED); /* on a busy machine the thieves may get no processor in time */
        nappers = servers + round * BLOCKED;
        block_in_methods(self, workers);
        dead += KILLED;
    }
    CHECK(counters().steals > idle.steals);
    while (counters().actors != (uint64_t)count + 1 - dead) CHECK_OK(gr_cooperate(self));
    free(servers);
    CHECK_EQ(gr_stop(GR_NOW), GR_ETIMEOUT);
}

/* ---- stealing ---- */

static void work(gr_self *self, gr_value args)
{
    compute();
    GRI_IGNORE(gr_cast(self, gr_address_in(args), "i", 1));
}

static void spawner(gr_self *self, gr_value args)
{
    gr_address child, parent = gr_address_in(args);
    for (int i = 0; i < 4000; i++) CHECK_OK(gr_spawn(self, &child, work, "A", parent));
}

TEST(mechanism, thieves_take_many)
{
    gr_self *self = start(4);
    gr_counters before = counters();
    /* On a busy machine the thieves may get no processor in time, or only when there is next to nothing left. */
    bool many_taken = false;
    for (gr_deadline patience = SOON; !many_taken;) {
        gr_address a;
        CHECK(gr_now_ns() < patience.ns);
        CHECK_OK(gr_spawn(self, &a, spawner, "A", gr_self_address(self)));
        for (int i = 0; i < 4000; i++) CHECK_EQ(receive_int(self), 1);
        gr_counters after = counters();
        const uint64_t steals = after.steals - before.steals;
        many_taken = steals > 0 && after.stolen - before.stolen >= 2 * steals;
        before = after;
    }
    CHECK_OK(gr_stop(gr_after_s(60)));
}

TEST(mechanism, victims_in_order_of_the_synthetic_topology)
{
    setenv("HWLOC_SYNTHETIC", "numa:2 core:4 pu:2", 1);
    gr_detail detail;
    CHECK_OK(
        gr_start(&(gr_options){.workers = 16, .bind = "pu", .fixed = GR_FIXED(workers) | GR_FIXED(bind)}, &detail));
    gri_scheduler *scheduler = gri_scheduler_now;
    for (unsigned w = 0; w < 16; w++) {
        unsigned distance = 0;
        for (unsigned v = 0; v < 15; v++) {
            unsigned now =
                (unsigned)gri_topology_distance(scheduler->config.topology, w, scheduler->workers[w].victims[v]);
            CHECK(now >= distance);
            distance = now;
        }
        CHECK(distance >
              (unsigned)gri_topology_distance(scheduler->config.topology, w, scheduler->workers[w].victims[0]));
    }
    CHECK_OK(gr_stop(gr_after_s(60)));
    unsetenv("HWLOC_SYNTHETIC");
}

/* ---- an actor that blocks its thread ---- */

static int gate[2];
static gri_atomic_u32 blocking; /* blockers that run: each has a worker of its own, which it does not give back */

static void blocker(gr_self *self, gr_value args)
{
    char byte;
    (void)gri_add_relaxed(&blocking, 1u);  /* relaxed: waited for as a number */
    ssize_t got = read(gate[0], &byte, 1); /* what actors must not do: the thread blocks in the kernel */
    GRI_IGNORE(gr_cast(self, gr_address_in(args), "i", (int)got + 100));
}

static void echo(gr_self *self, gr_value args)
{
    (void)args;
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0; gr_message_free(&m))
        GRI_IGNORE(gr_cast(self, gr_sender(m), "V", gr_body(m)));
}

static void blocked_worker(unsigned workers)
{
    CHECK(pipe(gate) == 0);
    gri_store_relaxed(&blocking, 0u); /* relaxed: nobody else is there yet; another test may have run in this process */
    gr_self *self = start_stuck(workers, 5);
    gr_address a, me = gr_self_address(self);
    for (unsigned i = 0; i < workers; i++) CHECK_OK(gr_spawn(self, &a, blocker, "A", me));
    WAIT_FOR(self,
             gri_load_relaxed(&blocking) == workers); /* relaxed: a number; from here on only a spare can run echo */
    CHECK_OK(gr_spawn(self, &a, echo, "n"));
    for (int i = 0; i < 10; i++) {
        CHECK_OK(gr_cast(self, a, "i", i));
        CHECK_EQ(receive_int(self), i);
    }
    WAIT_FOR(self, counters().rescues >= 1); /* the monitor counts after it has put one in */
    for (unsigned i = 0; i < workers; i++) CHECK(write(gate[1], "x", 1) == 1);
    for (unsigned i = 0; i < workers; i++) CHECK_EQ(receive_int(self), 101);
    CHECK_EQ(gr_stop(GR_NOW), GR_ETIMEOUT);
}

TEST(mechanism, a_blocked_worker_gets_a_spare)
{
    blocked_worker(1);
}

TEST(mechanism, all_workers_blocked_get_spares)
{
    blocked_worker(3);
}

TEST(mechanism, timers_of_a_blocked_worker_fire)
{
    CHECK(pipe(gate) == 0);
    gr_self *self = start_stuck(1, 5);
    gr_address a, me = gr_self_address(self);
    gr_message *m = NULL;
    CHECK_OK(gr_pack(&m, "i", 7));
    CHECK_OK(gr_send_after(self, NULL, me, &m, gr_after_ms(30)));
    CHECK_OK(gr_spawn(self, &a, blocker, "A", me));
    CHECK_EQ(receive_int(self), 7);
    CHECK(write(gate[1], "x", 1) == 1);
    CHECK_EQ(receive_int(self), 101);
    CHECK_OK(gr_stop(gr_after_s(60)));
}

static void arming(gr_self *self, gr_value args)
{
    gr_address parent = gr_address_in(args);
    GRI_IGNORE(gr_cast(self, parent, "i", 7)); /* first: it may be stopped on its way until the timer has fired */
    CHECK_OK(gr_cast_after(self, NULL, parent, gr_after_ms(200), "i", 8));
}

/* Two of these keep a worker from sleeping and from looking elsewhere, and it is not stuck: it runs them by turns. */
static void busy(gr_self *self, gr_value args)
{
    (void)args;
    while (gr_cooperate(self) == 0) continue;
}

static void blocker_then_busy(gr_self *self, gr_value args)
{
    blocker(self, args);
    CHECK_OK(gr_spawn(self, NULL, busy, "n"));
    busy(self, args);
}

/* The timer is on the wheel of the spare, which has left, and nobody is idle. */
TEST(mechanism, timers_of_a_spare_fire_beside_a_busy_worker)
{
    CHECK(pipe(gate) == 0);
    gr_self *self = start_stuck(1, 5);
    gr_address a, me = gr_self_address(self);
    CHECK_OK(gr_spawn(self, &a, blocker_then_busy, "A", me));
    WAIT_FOR(self, gri_load_relaxed(&blocking) == 1); /* relaxed: a number; from here on only a spare can run others */
    CHECK_OK(gr_spawn(self, &a, arming, "A", me));
    CHECK_EQ(receive_int(self), 7);
    CHECK(write(gate[1], "x", 1) == 1);
    const int64_t one = receive_int(self), other = receive_int(self); /* the blocker may be the later one */
    CHECK((one == 101 && other == 8) || (one == 8 && other == 101));
    CHECK_EQ(gr_stop(GR_NOW), GR_ETIMEOUT);
}
