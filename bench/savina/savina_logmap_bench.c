/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Savina's Logistic Map Series: for each series x' = r x (1 - x) there is an actor that keeps its newest term and one that knows
 * its rate and computes; a master asks each series for so many terms, without waiting, and for the last one at the end. A series
 * handles nothing else until its term has come. One operation is one term.
 *
 * Both forms call the computer's method and are blocked until it answers: the green series in its own loop, the server in
 * on_message, while what arrives waits.
 * Verified: the last terms are, bit for bit, those of the same computation in one loop. */
#include "savina.h"

#include <stdlib.h>

static double first_term(uint64_t series)
{
    return (double)series * 0.0025;
}

static double rate_of(uint64_t series)
{
    return 3.46 + (double)series * 0.0025;
}

static double next_term(double rate, double term)
{
    return rate * term * (1 - term);
}

/* ---- the computer of a series ---- */

static int computer_start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    *(double *)state = gr_double(args, 0);
    return 0;
}

static void computer_compute(gr_self *self, void *state, gr_value term)
{
    BENCH_OK(gr_reply(self, "f", next_term(*(double *)state, gr_double(term, 0))));
}

static void computer_message(gr_self *self, void *state, gr_message *m)
{
    (void)state;
    (void)m;
    gr_server_end(self);
}

static const gr_method computer_methods[] = {{"compute", computer_compute}};
static const gr_server computer_server = {.state_bytes = sizeof(double),
                                          .start = computer_start,
                                          .methods = computer_methods,
                                          .method_count = 1,
                                          .on_message = computer_message};

/* ---- a series ---- */

typedef struct series {
    gr_address computer;
    double term;
} series;

static void begin(series *s, gr_value args)
{
    BENCH_OK(gr_unpack(args, NULL, "[A,f]", &s->computer, &s->term));
}

/* True: one more term. Null: the last one is the result. */
static bool handle(gr_self *self, series *s, gr_message *m)
{
    if (gr_type_of(gr_body(m)) == GR_NULL) {
        BENCH_OK(gr_cast(self, s->computer, "n"));
        BENCH_OK(gr_return(self, "f", s->term));
        return false;
    }
    gr_message *term;
    BENCH_OK(gr_call(self, &term, s->computer, "compute", GR_FOREVER, "f", s->term));
    s->term = gr_double(gr_body(term), -1);
    gr_message_free(&term);
    return true;
}

static void series_green(gr_self *self, gr_value args)
{
    series s;
    begin(&s, args);
    for (bool more = true; more;) {
        gr_message *m = savina_receive(self);
        more = handle(self, &s, m);
        gr_message_free(&m);
    }
}

static int series_start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    begin(state, args);
    return 0;
}

static void series_message(gr_self *self, void *state, gr_message *m)
{
    if (!handle(self, state, m)) gr_server_end(self);
}

static const gr_server series_server = {
    .state_bytes = sizeof(series), .start = series_start, .on_message = series_message};

/* ---- the master: its result is an array of the last terms ---- */

static void collect(gr_self *self, const gr_address *all, uint64_t count)
{
    gr_builder builder;
    gr_build(&builder);
    gr_put_array(&builder);
    for (uint64_t i = 0; i < count; i++) {
        gr_message *term;
        BENCH_OK(gr_wait(self, all[i], &term, GR_FOREVER));
        gr_put_value(&builder, gr_body(term));
        gr_message_free(&term);
    }
    gr_put_end(&builder);
    gr_message *terms;
    BENCH_OK(gr_build_message(&builder, &terms));
    BENCH_OK(gr_return(self, "V", gr_body(terms)));
    gr_message_free(&terms);
}

static void master(gr_self *self, gr_value args)
{
    uint64_t count;
    int64_t terms;
    BENCH_OK(gr_unpack(args, NULL, "[I,I]", &count, &terms));
    gr_address computer, *all = gr_alloc(self, count * sizeof *all);
    if (!all) bench_fail("no memory");
    for (uint64_t i = 0; i < count; i++) {
        BENCH_OK(gr_spawn_server(self, &computer, &computer_server, NULL, "f", rate_of(i)));
        savina_spawn(self, &all[i], series_green, &series_server, "[A,f]", computer, first_term(i));
    }
    for (int64_t t = 0; t < terms; t++) {
        for (uint64_t i = 0; i < count; i++) BENCH_OK(gr_cast(self, all[i], "b", true));
        savina_give_way(self, t);
    }
    for (uint64_t i = 0; i < count; i++) BENCH_OK(gr_cast(self, all[i], "n"));
    collect(self, all, count);
}

static uint64_t run(bench *b, const bench_parameter *p, bench_span *span)
{
    uint64_t terms = p[0].value, count = p[1].value;
    if (count > 10000) bench_fail("10000 series or less");
    gr_address all;
    gr_message *result;
    bench_span_begin(span);
    BENCH_OK(gr_spawn_with(b->self, &all, master, &savina_kept, "[I,I]", count, (int64_t)terms));
    BENCH_OK(gr_wait(b->self, all, &result, GR_FOREVER));
    bench_span_end(span);
    for (uint64_t i = 0; i < count; i++) {
        double want = first_term(i), have = gr_double(gr_at(gr_body(result), i), -1);
        for (uint64_t t = 0; t < terms; t++) want = next_term(rate_of(i), want);
        if (have != want) bench_fail("series %llu ended with %.17g, expected %.17g", (unsigned long long)i, have, want);
    }
    gr_message_free(&result);
    return terms * count;
}

static const savina program = {.workload = "savina_logmap",
                               .operation = "term",
                               .run = run,
                               .iterations = 5,
                               .parameters = {{"terms", 25000, 100}, {"series", 10, 4}},
                               .sweep = {{"terms", 12500}, {"terms", 50000}, {"series", 2}, {"series", 100}}};

int main(int argc, char **argv)
{
    return savina_main(&program, argc, argv);
}
