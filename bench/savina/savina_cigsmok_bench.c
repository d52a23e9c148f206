/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Savina's Cigarette Smokers: an arbiter puts on the table what a random one of the smokers lacks; that one takes it, tells the
 * arbiter and smokes, which is a random number of steps of arithmetic; the arbiter goes on meanwhile. One operation is one round.
 * The form is that of arbiter and smokers.
 *
 * Verified: as many cigarettes were smoked as there were rounds, each by the one it was meant for. */
#include "savina.h"

#include <stdlib.h>

#define STEPS_MIN 10

/* ---- a smoker: ints are steps to smoke, null is the end ---- */

typedef struct smoker {
    int64_t smoked;
    uint64_t random;
} smoker;

static bool smoke(gr_self *self, smoker *s, gr_message *m)
{
    if (gr_type_of(gr_body(m)) == GR_NULL) {
        BENCH_OK(gr_return(self, "I", s->smoked));
        return false;
    }
    BENCH_OK(gr_cast(self, gr_sender(m), "b", true)); /* the table is free */
    savina_work(&s->random, (uint64_t)gr_int(gr_body(m), 0));
    s->smoked++;
    return true;
}

static void smoker_green(gr_self *self, gr_value args)
{
    (void)args;
    smoker s = {.smoked = 0};
    for (bool more = true; more;) {
        gr_message *m = savina_receive(self);
        more = smoke(self, &s, m);
        gr_message_free(&m);
    }
}

static void smoker_message(gr_self *self, void *state, gr_message *m)
{
    if (!smoke(self, state, m)) gr_server_end(self);
}

static const gr_server smoker_server = {.state_bytes = sizeof(smoker), .on_message = smoker_message};

/* ---- the arbiter; its result is how many were smoked ---- */

typedef struct arbiter {
    gr_address *smokers;
    uint64_t count, rounds, steps_max, random;
    uint64_t chosen;     /* whose turn it is */
    int64_t *cigarettes; /* for each smoker */
} arbiter;

/* Puts the next things on the table; after the last round all smokers are told to end. */
static bool next_round(gr_self *self, arbiter *a)
{
    if (a->rounds-- > 0) {
        a->chosen = savina_random_below(&a->random, a->count);
        a->cigarettes[a->chosen]++;
        BENCH_OK(gr_cast(self, a->smokers[a->chosen], "I", STEPS_MIN + savina_random_below(&a->random, a->steps_max)));
        return true;
    }
    for (uint64_t i = 0; i < a->count; i++) BENCH_OK(gr_cast(self, a->smokers[i], "n"));
    return false;
}

static void set_up(gr_self *self, arbiter *a, gr_value args)
{
    BENCH_OK(gr_unpack(args, NULL, "[I,I,I]", &a->rounds, &a->count, &a->steps_max));
    a->smokers = gr_alloc(self, a->count * sizeof *a->smokers);
    a->cigarettes = gr_alloc(self, a->count * sizeof *a->cigarettes);
    if (!a->smokers || !a->cigarettes) bench_fail("no memory");
    for (uint64_t i = 0; i < a->count; i++) savina_spawn(self, &a->smokers[i], smoker_green, &smoker_server, "n");
    next_round(self, a);
}

static void check_sender(const arbiter *a, gr_message *m)
{
    if (!gr_address_equal(gr_sender(m), a->smokers[a->chosen])) bench_fail("a smoker took what was not for him");
}

static void settle(gr_self *self, const arbiter *a)
{
    int64_t smoked = 0;
    for (uint64_t i = 0; i < a->count; i++) {
        int64_t his = savina_result(self, a->smokers[i]);
        bench_equal("cigarettes of a smoker", (uint64_t)his, (uint64_t)a->cigarettes[i]);
        smoked += his;
    }
    BENCH_OK(gr_return(self, "I", smoked));
}

static void arbiter_green(gr_self *self, gr_value args)
{
    arbiter a = {.count = 0};
    set_up(self, &a, args);
    for (bool more = true; more;) {
        gr_message *m = savina_receive(self);
        check_sender(&a, m);
        gr_message_free(&m);
        more = next_round(self, &a);
    }
    settle(self, &a);
}

static int arbiter_start(gr_self *self, void *state, gr_value args)
{
    set_up(self, state, args);
    return 0;
}

static void arbiter_message(gr_self *self, void *state, gr_message *m)
{
    check_sender(state, m);
    if (next_round(self, state)) return;
    settle(self, state);
    gr_server_end(self);
}

static const gr_server arbiter_server = {
    .state_bytes = sizeof(arbiter), .start = arbiter_start, .on_message = arbiter_message};

static uint64_t run(bench *b, const bench_parameter *p, bench_span *span)
{
    uint64_t rounds = p[0].value, smokers = p[1].value, steps = p[2].value;
    if (rounds < 1 || smokers < 1 || steps < 1) bench_fail("one round, one smoker and one step or more");
    gr_address all;
    bench_span_begin(span);
    savina_spawn(b->self, &all, arbiter_green, &arbiter_server, "[I,I,I]", rounds, smokers, steps);
    bench_equal("cigarettes smoked", (uint64_t)savina_result(b->self, all), rounds);
    bench_span_end(span);
    return rounds;
}

static const savina program = {
    .workload = "savina_cigsmok",
    .operation = "round",
    .run = run,
    .iterations = 20,
    .parameters = {{"rounds", 1000, 50}, {"smokers", 200, 5}, {"steps", 1000, 100}},
    .sweep = {{"rounds", 500}, {"rounds", 2000}, {"rounds", 50000}, {"smokers", 3}, {"steps", 10000}}};

int main(int argc, char **argv)
{
    return savina_main(&program, argc, argv);
}
