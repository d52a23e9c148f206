/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Savina's ThreadRing: actors in a circle hand on a number that each makes smaller by one. One operation is one hop.
 *
 * Verified: the hops that the actors have counted are as many as the number said, and it came to rest where it must. */
#include "savina.h"

#include <stdlib.h>

typedef struct station {
    gr_address next;
    int64_t hops;
    bool last; /* the number came to rest here */
} station;

/* An address: that of the next station. A number above 0: hops left; 0: it rests here; below: stations that must still hear that
 * all is over. False: over. */
static bool arrive(gr_self *self, station *s, gr_value body)
{
    if (gr_type_of(body) == GR_ADDRESS) {
        s->next = gr_address_in(body);
        return true;
    }
    int64_t n = gr_int(body, 0);
    if (n > 0) {
        s->hops++;
        BENCH_OK(gr_cast(self, s->next, "I", n - 1));
        return true;
    }
    if (n == 0) {
        s->last = true;
        BENCH_OK(gr_cast(self, s->next, "I", INT64_C(-1)));
        return true;
    }
    if (!s->last) BENCH_OK(gr_cast(self, s->next, "I", n));
    BENCH_OK(gr_return(self, "[I,b]", s->hops, s->last));
    return false;
}

static void green(gr_self *self, gr_value args)
{
    (void)args;
    station s = {.hops = 0};
    for (bool more = true; more;) {
        gr_message *m = savina_receive(self);
        more = arrive(self, &s, gr_body(m));
        gr_message_free(&m);
    }
}

static void on_message(gr_self *self, void *state, gr_message *m)
{
    if (!arrive(self, state, gr_body(m))) gr_server_end(self);
}

static const gr_server server = {.state_bytes = sizeof(station), .on_message = on_message};

static uint64_t run(bench *b, const bench_parameter *p, bench_span *span)
{
    uint64_t actors = p[0].value, hops = p[1].value, counted = 0;
    if (actors < 1) bench_fail("one actor or more");
    gr_address *ring = savina_array(actors, sizeof *ring);
    bench_span_begin(span);
    for (uint64_t i = 0; i < actors; i++) savina_spawn(b->self, &ring[i], green, &server, "n");
    for (uint64_t i = 0; i < actors; i++) BENCH_OK(gr_cast(b->self, ring[i], "A", ring[(i + 1) % actors]));
    BENCH_OK(gr_cast(b->self, ring[0], "I", (int64_t)hops));
    for (uint64_t i = 0; i < actors; i++) {
        gr_message *result;
        int64_t some;
        bool last;
        BENCH_OK(gr_wait(b->self, ring[i], &result, GR_FOREVER));
        BENCH_OK(gr_unpack(gr_body(result), NULL, "[I,b]", &some, &last));
        gr_message_free(&result);
        counted += (uint64_t)some;
        bench_equal("the number rests here", last, i == hops % actors);
    }
    bench_span_end(span);
    bench_equal("hops", counted, hops);
    free(ring);
    return hops;
}

static const savina program = {.workload = "savina_threadring",
                               .operation = "hop",
                               .run = run,
                               .iterations = 20,
                               .parameters = {{"actors", 100, 10}, {"hops", 100000, 501}},
                               .sweep = {{"hops", 50000}, {"hops", 200000}, {"actors", 10}, {"actors", 10000}}};

int main(int argc, char **argv)
{
    return savina_main(&program, argc, argv);
}
