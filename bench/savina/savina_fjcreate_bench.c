/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Savina's Fork-Join (creation): spawn an actor, send it a message for which it does a bit of arithmetic and ends; many times,
 * without waiting. One operation is one such life.
 *
 * Verified: as many actors have ended as were spawned, and none left its message behind. */
#include "savina.h"

#include <math.h>

static void compute(gr_message *m)
{
    double sine = sin(gr_double(gr_body(m), 0));
    volatile double square = sine * sine;
    (void)square;
}

static void child_green(gr_self *self, gr_value args)
{
    (void)args;
    gr_message *m = savina_receive(self);
    compute(m);
    gr_message_free(&m);
}

static void child_message(gr_self *self, void *state, gr_message *m)
{
    (void)state;
    compute(m);
    gr_server_end(self);
}

static const gr_server child_server = {.on_message = child_message};

static void master(gr_self *self, gr_value args)
{
    int64_t actors = gr_int(args, 0);
    for (int64_t i = 0; i < actors; i++) {
        gr_address child;
        savina_launch(self, &child, child_green, &child_server, "n");
        BENCH_OK(gr_cast(self, child, "f", 37.2));
        savina_give_way(self, i);
    }
    BENCH_OK(gr_return(self, "I", actors));
}

static uint64_t run(bench *b, const bench_parameter *p, bench_span *span)
{
    uint64_t actors = p[0].value;
    gr_address all;
    gr_counters before, after;
    BENCH_OK(gr_counters_read(&before));
    bench_span_begin(span);
    BENCH_OK(gr_spawn_with(b->self, &all, master, &savina_kept, "I", (int64_t)actors));
    bench_equal("actors spawned", (uint64_t)savina_result(b->self, all), actors);
    for (;;) { /* nobody tells anybody that it ends: so the definition */
        BENCH_OK(gr_counters_read(&after));
        if (after.ended - before.ended > actors) break;
        BENCH_OK(gr_sleep(b->self, gr_after_us(50)));
    }
    bench_span_end(span);
    bench_equal("actors ended", after.ended - before.ended, actors + 1);
    return actors;
}

static const savina program = {.workload = "savina_fjcreate",
                               .operation = "life",
                               .run = run,
                               .iterations = 10,
                               .parameters = {{"actors", 40000, 200}},
                               .sweep = {{"actors", 20000}, {"actors", 80000}, {"actors", 400000}}};

int main(int argc, char **argv)
{
    return savina_main(&program, argc, argv);
}
