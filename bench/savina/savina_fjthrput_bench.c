/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Savina's Fork-Join (throughput): some actors get many messages each, in turn, and do a bit of arithmetic for every one. One
 * operation is one message.
 *
 * Verified: each actor has received all of its messages. */
#include "savina.h"

#include <math.h>
#include <stdlib.h>

typedef struct runner {
    int64_t messages, received;
} runner;

/* True if it was the last one. */
static bool compute(gr_self *self, runner *r, gr_message *m)
{
    double sine = sin(gr_double(gr_body(m), 0));
    volatile double square = sine * sine;
    (void)square;
    if (++r->received < r->messages) return false;
    BENCH_OK(gr_return(self, "I", r->received));
    return true;
}

static void runner_green(gr_self *self, gr_value args)
{
    runner r = {.messages = gr_int(args, 0)};
    for (bool over = false; !over;) {
        gr_message *m = savina_receive(self);
        over = compute(self, &r, m);
        gr_message_free(&m);
    }
}

static int runner_start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    ((runner *)state)->messages = gr_int(args, 0);
    return 0;
}

static void runner_message(gr_self *self, void *state, gr_message *m)
{
    if (compute(self, state, m)) gr_server_end(self);
}

static const gr_server runner_server = {
    .state_bytes = sizeof(runner), .start = runner_start, .on_message = runner_message};

/* Spawns the others and sends to all of them in turn. Its result is what they have received together. */
static void master(gr_self *self, gr_value args)
{
    int64_t actors, messages;
    BENCH_OK(gr_unpack(args, NULL, "[I,I]", &actors, &messages));
    gr_address *runners = gr_alloc(self, (size_t)actors * sizeof *runners);
    if (!runners) bench_fail("no memory");
    for (int64_t i = 0; i < actors; i++) savina_spawn(self, &runners[i], runner_green, &runner_server, "I", messages);
    for (int64_t i = 0; i < messages * actors; i++) {
        BENCH_OK(gr_cast(self, runners[i % actors], "f", 37.2));
        savina_give_way(self, i);
    }
    BENCH_OK(gr_return(self, "I", savina_results(self, runners, (size_t)actors)));
}

static uint64_t run(bench *b, const bench_parameter *p, bench_span *span)
{
    uint64_t actors = p[0].value, messages = p[1].value;
    if (actors < 1 || messages < 1) bench_fail("one actor and one message or more");
    gr_address all;
    bench_span_begin(span);
    BENCH_OK(gr_spawn_with(b->self, &all, master, &savina_kept, "[I,I]", (int64_t)actors, (int64_t)messages));
    bench_equal("messages received", (uint64_t)savina_result(b->self, all), actors * messages);
    bench_span_end(span);
    return actors * messages;
}

static const savina program = {.workload = "savina_fjthrput",
                               .operation = "message",
                               .run = run,
                               .iterations = 5,
                               .parameters = {{"actors", 60, 6}, {"messages", 10000, 100}},
                               .sweep = {{"messages", 5000}, {"messages", 20000}, {"actors", 6}, {"actors", 600}}};

int main(int argc, char **argv)
{
    return savina_main(&program, argc, argv);
}
