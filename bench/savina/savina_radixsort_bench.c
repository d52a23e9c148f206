/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Savina's Radix Sort: numbers flow through a chain of actors, one for each bit from the lowest to the highest: a number without
 * the bit is handed on at once, one with it when all have come. One operation is one number through one actor.
 *
 * Verified: what comes out is sorted and a permutation of what went in, as far as a sum of mixed numbers can tell. */
#include "savina.h"

#include <stdlib.h>

/* ---- one bit ---- */

typedef struct sorter {
    gr_address next;
    int64_t count, bit, arrived, kept;
    int64_t *with_bit;
} sorter;

static void set_up(gr_self *self, sorter *s, gr_value args)
{
    BENCH_OK(gr_unpack(args, NULL, "[A,I,I]", &s->next, &s->count, &s->bit));
    s->with_bit = gr_alloc(self, (size_t)s->count * sizeof *s->with_bit);
    if (!s->with_bit) bench_fail("no memory");
}

/* False: all have come. */
static bool pass(gr_self *self, sorter *s, gr_value body)
{
    int64_t number = gr_int(body, 0);
    if (number & s->bit)
        s->with_bit[s->kept++] = number;
    else
        BENCH_OK(gr_cast(self, s->next, "I", number));
    if (++s->arrived < s->count) return true;
    for (int64_t i = 0; i < s->kept; i++) BENCH_OK(gr_cast(self, s->next, "I", s->with_bit[i]));
    return false;
}

static void sorter_green(gr_self *self, gr_value args)
{
    sorter s = {.arrived = 0};
    set_up(self, &s, args);
    for (bool more = true; more;) {
        gr_message *m = savina_receive(self);
        more = pass(self, &s, gr_body(m));
        gr_message_free(&m);
    }
}

static int sorter_start(gr_self *self, void *state, gr_value args)
{
    set_up(self, state, args);
    return 0;
}

static void sorter_message(gr_self *self, void *state, gr_message *m)
{
    if (!pass(self, state, gr_body(m))) gr_server_end(self);
}

static const gr_server sorter_server = {
    .state_bytes = sizeof(sorter), .start = sorter_start, .on_message = sorter_message};

/* ---- both ends ---- */

/* The same for every order, another one, most likely, for other numbers. */
static uint64_t mixed(int64_t number)
{
    uint64_t x = (uint64_t)number;
    return savina_random(&x);
}

/* Its result is the mixed sum of what it sent. */
static void source(gr_self *self, gr_value args)
{
    gr_address first;
    int64_t count;
    uint64_t limit, random, sum = 0;
    BENCH_OK(gr_unpack(args, NULL, "[A,I,I,I]", &first, &count, &limit, &random));
    for (int64_t i = 0; i < count; i++) {
        int64_t number = (int64_t)savina_random_below(&random, limit);
        sum += mixed(number);
        BENCH_OK(gr_cast(self, first, "I", number));
        savina_give_way(self, i);
    }
    BENCH_OK(gr_return(self, "I", (int64_t)sum));
}

/* Its result is the mixed sum of what has come, which was sorted. */
static void validate(gr_self *self, gr_value args)
{
    uint64_t sum = 0;
    int64_t last = 0;
    for (int64_t left = gr_int(args, 0); left > 0; left--) {
        gr_message *m = savina_receive(self);
        int64_t number = gr_int(gr_body(m), -1);
        gr_message_free(&m);
        if (number < last) bench_fail("%lld after %lld", (long long)number, (long long)last);
        last = number;
        sum += mixed(number);
    }
    BENCH_OK(gr_return(self, "I", (int64_t)sum));
}

static uint64_t run(bench *b, const bench_parameter *p, bench_span *span)
{
    uint64_t count = p[0].value, bits = p[1].value;
    if (count < 1 || bits < 1 || bits > 62) bench_fail("one number or more, of 1 to 62 bits");
    gr_address end, begin, next;
    bench_span_begin(span);
    BENCH_OK(gr_spawn_with(b->self, &end, validate, &savina_kept, "I", (int64_t)count));
    next = end;
    for (uint64_t bit = bits; bit-- > 0;)
        savina_launch(b->self, &next, sorter_green, &sorter_server, "[A,I,I]", next, count, INT64_C(1) << bit);
    BENCH_OK(gr_spawn_with(b->self, &begin, source, &savina_kept, "[A,I,I,I]", next, count, UINT64_C(1) << bits,
                           p[2].value));
    int64_t sorted = savina_result(b->self, end);
    bench_span_end(span);
    bench_equal("sum of the numbers, mixed", (uint64_t)sorted, (uint64_t)savina_result(b->self, begin));
    return count * bits;
}

static const savina program = {.workload = "savina_radixsort",
                               .operation = "message",
                               .run = run,
                               .iterations = 3,
                               .parameters = {{"numbers", 100000, 300}, {"bits", 60, 10}, {"seed", 2048, 2048}},
                               .sweep = {{"numbers", 50000}, {"numbers", 200000}, {"bits", 15}, {"bits", 30}}};

int main(int argc, char **argv)
{
    return savina_main(&program, argc, argv);
}
