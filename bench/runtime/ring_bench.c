/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* ring: actors in a circle hand tokens on. One operation is one hop.
 *
 * Law: a token carries the hops it has left; the hops that the actors have counted are those that the tokens have made. */
#include "bench.h"

#include <stdlib.h>

#define STOP (-1)

typedef struct station {
    gr_address next, main;
    int64_t hops;
} station;

/* The first message is the address of the next station. */
static void arrive(gr_self *self, station *s, gr_message *m)
{
    gr_value body = gr_body(m);
    if (gr_type_of(body) == GR_ADDRESS) {
        s->next = gr_address_in(body);
        s->main = gr_sender(m);
        return;
    }
    s->hops++;
    int64_t left = gr_int(body, 0);
    BENCH_OK(gr_cast(self, left > 1 ? s->next : s->main, "I", left - 1));
}

static void green(gr_self *self, gr_value args)
{
    (void)args;
    station s = {.hops = 0};
    for (;;) {
        gr_message *m;
        BENCH_OK(gr_receive(self, &m, GR_FOREVER));
        bool over = gr_int(gr_body(m), 0) == STOP;
        if (!over) arrive(self, &s, m);
        gr_message_free(&m);
        if (over) break;
    }
    BENCH_OK(gr_cast(self, s.main, "I", s.hops));
}

static void on_message(gr_self *self, void *state, gr_message *m)
{
    station *s = state;
    if (gr_int(gr_body(m), 0) != STOP) {
        arrive(self, s, m);
        return;
    }
    BENCH_OK(gr_cast(self, s->main, "I", s->hops));
    gr_server_end(self);
}

static const gr_server server = {.state_bytes = sizeof(station), .on_message = on_message};

/* Puts the tokens in, spread over the circle, from within: an actor's casts stay on its worker. */
static void begin(gr_self *self, gr_value args)
{
    int64_t hops, tokens, count;
    gr_value ring;
    BENCH_OK(
        gr_unpack(args, NULL, "{s:I,s:I,s:I,s:V}", "hops", &hops, "tokens", &tokens, "count", &count, "ring", &ring));
    const gr_address *stations = gr_bytes(ring, NULL);
    for (int64_t i = 0; i < tokens; i++) BENCH_OK(gr_cast(self, stations[i * count / tokens], "I", hops / tokens));
}

static bench_span run(bench *b, uint64_t actors, uint64_t tokens, uint64_t hops)
{
    gr_address *stations = calloc(actors, sizeof *stations);
    if (!stations) bench_fail("no memory");
    gr_value none = {NULL};
    for (uint64_t i = 0; i < actors; i++) {
        if (b->servers)
            BENCH_OK(gr_spawn_server_value(b->self, &stations[i], &server, NULL, none));
        else
            BENCH_OK(gr_spawn_value(b->self, &stations[i], green, NULL, none));
    }
    for (uint64_t i = 0; i < actors; i++) BENCH_OK(gr_cast(b->self, stations[i], "A", stations[(i + 1) % actors]));
    bench_span span;
    bench_span_begin(&span);
    BENCH_OK(gr_spawn(b->self, NULL, begin, "{s:I,s:I,s:I,s:B}", "hops", (int64_t)hops, "tokens", (int64_t)tokens,
                      "count", (int64_t)actors, "ring", (const void *)stations, actors * sizeof *stations));
    for (uint64_t i = 0; i < tokens; i++) bench_equal("hops a token has left", (uint64_t)bench_receive_int(b), 0);
    bench_span_end(&span);
    uint64_t made = 0;
    for (uint64_t i = 0; i < actors; i++) BENCH_OK(gr_cast(b->self, stations[i], "I", (int64_t)STOP));
    for (uint64_t i = 0; i < actors; i++) made += (uint64_t)bench_receive_int(b);
    bench_equal("hops counted by the actors", made, hops / tokens * tokens);
    free(stations);
    return span;
}

int main(int argc, char **argv)
{
    bench_parameter parameters[] = {{"actors", 1000, 10}, {"tokens", 1, 1}, {"hops", 2000000, 1000}};
    bench b = {.workload = "ring", .parameters = parameters, .parameter_count = 3};
    bench_begin(&b, argc, argv);
    uint64_t actors = parameters[0].value, tokens = parameters[1].value, hops = parameters[2].value;
    if (actors < 1 || actors > 1000000 || tokens < 1 || hops < 2 * tokens)
        bench_fail("ring: 1 to 1000000 actors, 1 token or more, 2 hops a token or more");
    run(&b, actors, tokens, hops / 20 > tokens ? hops / 20 : hops);
    return bench_end(&b, run(&b, actors, tokens, hops), hops / tokens * tokens, "hop");
}
