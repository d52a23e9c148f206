/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* spread: 64 actors are spawned by one, on its worker, and each works 20 µs a message, 500 times; each message is sent by the
 * actor to itself. One operation is one message. balanced_ms is the end of the first millisecond in which as many threads as
 * there are workers each did at least half of an equal share: how soon the load is spread.
 *
 * Law: each actor has done its messages, and each piece of work had the right result. */
#include "bench.h"

#include <stdlib.h>

#define NS_PER_MS 1000000

static bench_span span;
static uint64_t rounds, result; /* of one piece of work: constant while actors live */

/* ---- who does how much when: counts by thread and millisecond, only read at the end ---- */

static uint32_t *done; /* [millisecond][thread], with __atomic builtins as threads may share a line, not a word */
static uint32_t milliseconds, threads, threads_max;

/* The number of the thread this runs on. Not inlined: an actor may be on another one the next time. */
__attribute__((noinline)) static uint32_t thread_number(void)
{
    static _Thread_local uint32_t number;
    __asm__ volatile("" ::: "memory");
    if (number == 0) number = 1 + __atomic_fetch_add(&threads, 1, __ATOMIC_RELAXED);
    return number - 1;
}

static void note_work(void)
{
    int64_t at = (gr_now_ns() - span.begin_ns) / NS_PER_MS;
    uint32_t thread = thread_number();
    if (at < 0 || at >= milliseconds || thread >= threads_max) return;
    __atomic_fetch_add(&done[(size_t)at * threads_max + thread], 1, __ATOMIC_RELAXED);
}

/* -1: never. */
static double balanced_ms(unsigned workers)
{
    for (uint32_t at = 0; at < milliseconds; at++) {
        const uint32_t *row = &done[(size_t)at * threads_max];
        uint64_t sum = 0, sharing = 0;
        for (uint32_t i = 0; i < threads_max; i++) sum += row[i];
        for (uint32_t i = 0; i < threads_max; i++) sharing += row[i] > 0 && 2 * row[i] * (uint64_t)workers >= sum;
        if (sharing >= workers) return at + 1;
    }
    return -1;
}

/* ---- the actors ---- */

static void work(void)
{
    if (bench_work(rounds) != result) bench_fail("spread: a wrong result");
    note_work();
}

static void green(gr_self *self, gr_value args)
{
    gr_address main = gr_address_in(gr_at(args, 0)), me = gr_self_address(self);
    int64_t messages = gr_int(gr_at(args, 1), 0), got = 0;
    BENCH_OK(gr_cast(self, me, "n"));
    for (; got < messages; got++) {
        gr_message *m;
        BENCH_OK(gr_receive(self, &m, GR_FOREVER));
        gr_message_free(&m);
        work();
        if (got + 1 < messages) BENCH_OK(gr_cast(self, me, "n"));
    }
    BENCH_OK(gr_cast(self, main, "I", got));
}

typedef struct laborer {
    gr_address main;
    int64_t messages, got;
} laborer;

static int laborer_start(gr_self *self, void *state, gr_value args)
{
    laborer *l = state;
    l->main = gr_address_in(gr_at(args, 0));
    l->messages = gr_int(gr_at(args, 1), 0);
    return gr_cast(self, gr_self_address(self), "n");
}

static void laborer_on_message(gr_self *self, void *state, gr_message *m)
{
    (void)m;
    laborer *l = state;
    work();
    if (++l->got < l->messages) {
        BENCH_OK(gr_cast(self, gr_self_address(self), "n"));
    } else {
        BENCH_OK(gr_cast(self, l->main, "I", l->got));
        gr_server_end(self);
    }
}

static const gr_server laboring = {
    .state_bytes = sizeof(laborer), .start = laborer_start, .on_message = laborer_on_message};

/* On one worker: what an actor spawns begins there. */
static void spawner(gr_self *self, gr_value args)
{
    gr_address main;
    int64_t actors, messages, servers;
    BENCH_OK(gr_unpack(args, NULL, "[A,I,I,I]", &main, &actors, &messages, &servers));
    bench_span_begin(&span);
    for (int64_t i = 0; i < actors; i++) {
        if (servers)
            BENCH_OK(gr_spawn_server(self, NULL, &laboring, NULL, "[A,I]", main, messages));
        else
            BENCH_OK(gr_spawn(self, NULL, green, "[A,I]", main, messages));
    }
}

static void run(bench *b, int64_t actors, int64_t messages)
{
    BENCH_OK(
        gr_spawn(b->self, NULL, spawner, "[A,I,I,I]", gr_self_address(b->self), actors, messages, (int64_t)b->servers));
    int64_t got = 0;
    for (int64_t i = 0; i < actors; i++) got += bench_receive_int(b);
    bench_span_end(&span);
    bench_equal("messages", (uint64_t)got, (uint64_t)(actors * messages));
}

int main(int argc, char **argv)
{
    bench_parameter parameters[] = {{"actors", 64, 8}, {"messages", 500, 20}, {"microseconds", 20, 20}};
    bench b = {.workload = "spread", .parameters = parameters, .parameter_count = 3};
    bench_begin(&b, argc, argv);
    int64_t actors = (int64_t)parameters[0].value, messages = (int64_t)parameters[1].value;
    if (actors < 1 || messages < 1 || actors > 1000000 || messages > 1000000)
        bench_fail("spread: 1 to 1000000 actors and messages");
    rounds = (uint64_t)(bench_rounds_per_us() * (double)parameters[2].value) + 1;
    result = bench_work(rounds);
    threads_max = b.workers + 64;
    run(&b, actors, 1 + messages / 50);
    milliseconds = 1000;
    done = calloc((size_t)milliseconds * threads_max, sizeof *done);
    if (!done) bench_fail("no memory");
    BENCH_OK(gr_sleep(b.self, gr_after_ms(20))); /* everybody asleep: the load comes out of nowhere */
    run(&b, actors, messages);
    bench_note(&b, "\"balanced_ms\":%.0f", balanced_ms(b.workers));
    int code = bench_end(&b, span, (uint64_t)(actors * messages), "message");
    free(done);
    return code;
}
