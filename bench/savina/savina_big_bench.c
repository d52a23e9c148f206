/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Savina's Big: every actor pings a random one of all, itself included, waits for the pong and pings again, while it answers the
 * pings of others. One operation is one ping with its pong.
 *
 * Verified: a pong comes from the one that was pinged last; all have sent all their pings; and together they answered as many. */
#include "savina.h"

#include <stdlib.h>

typedef struct node {
    gr_address *all, main, pinged;
    uint64_t count, random;
    int64_t left, answered;
} node;

static void ping(gr_self *self, node *n)
{
    n->left--;
    n->pinged = n->all[savina_random_below(&n->random, n->count)];
    BENCH_OK(gr_cast(self, n->pinged, "s", "ping"));
}

/* The first message: the addresses of all. Pings wait until everybody has it: the second one, "begin", is sent after that. */
static void meet(gr_self *self, node *n, gr_value all)
{
    n->count = gr_count(all);
    n->all = gr_alloc(self, n->count * sizeof *n->all);
    if (!n->all) bench_fail("no memory");
    size_t i = 0;
    for (gr_iter it = gr_iterate(all); gr_next(&it);) n->all[i++] = gr_address_in(it.value);
}

/* False: all of them are through. */
static bool handle(gr_self *self, node *n, gr_message *m)
{
    if (!n->all) {
        meet(self, n, gr_body(m));
        return true;
    }
    switch (gr_string(gr_body(m), "?")[1]) {
    case 'e': ping(self, n); return true;
    case 'i':
        n->answered++;
        BENCH_OK(gr_cast(self, gr_sender(m), "s", "pong"));
        return true;
    case 'o':
        if (!gr_address_equal(gr_sender(m), n->pinged)) bench_fail("a pong of somebody who was not pinged");
        if (n->left > 0)
            ping(self, n);
        else
            BENCH_OK(gr_cast(self, n->main, "s", "through"));
        return true;
    default: /* "end" */ BENCH_OK(gr_return(self, "I", n->answered)); return false;
    }
}

static void read_args(node *n, gr_value args)
{
    BENCH_OK(gr_unpack(args, NULL, "[A,I,I]", &n->main, &n->left, &n->random));
}

static void green(gr_self *self, gr_value args)
{
    node n = {.all = NULL};
    read_args(&n, args);
    for (bool more = true; more;) {
        gr_message *m = savina_receive(self);
        more = handle(self, &n, m);
        gr_message_free(&m);
    }
}

static int start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    read_args(state, args);
    return 0;
}

static void on_message(gr_self *self, void *state, gr_message *m)
{
    if (!handle(self, state, m)) gr_server_end(self);
}

static const gr_server server = {.state_bytes = sizeof(node), .start = start, .on_message = on_message};

/* One body for all: the list is built once. */
static void introduce(bench *b, const gr_address *all, size_t count)
{
    gr_message *list;
    gr_builder builder;
    gr_build(&builder);
    gr_put_array(&builder);
    for (size_t i = 0; i < count; i++) gr_put_address(&builder, all[i]);
    gr_put_end(&builder);
    BENCH_OK(gr_build_message(&builder, &list));
    bench_equal("actors that got the list", (uint64_t)gr_multicast(b->self, all, count, &list), count);
}

static uint64_t run(bench *b, const bench_parameter *p, bench_span *span)
{
    uint64_t actors = p[0].value, pings = p[1].value;
    if (actors < 1 || actors > 100000 || pings < 1) bench_fail("1 to 100000 actors, one ping or more");
    gr_address *all = savina_array(actors, sizeof *all), me = gr_self_address(b->self);
    bench_span_begin(span);
    for (uint64_t i = 0; i < actors; i++) savina_spawn(b->self, &all[i], green, &server, "[A,I,I]", me, pings, i);
    introduce(b, all, actors);
    for (uint64_t i = 0; i < actors; i++) BENCH_OK(gr_cast(b->self, all[i], "s", "begin"));
    for (uint64_t i = 0; i < actors; i++) {
        gr_message *m = bench_receive(b); /* "through" */
        gr_message_free(&m);
    }
    bench_span_end(span);
    for (uint64_t i = 0; i < actors; i++) BENCH_OK(gr_cast(b->self, all[i], "s", "end"));
    bench_equal("pings answered", (uint64_t)savina_results(b->self, all, actors), actors * pings);
    free(all);
    return actors * pings;
}

static const savina program = {.workload = "savina_big",
                               .operation = "ping",
                               .run = run,
                               .iterations = 3,
                               .parameters = {{"actors", 120, 8}, {"pings", 20000, 50}},
                               .sweep = {{"pings", 10000}, {"pings", 40000}, {"actors", 8}, {"actors", 480}}};

int main(int argc, char **argv)
{
    return savina_main(&program, argc, argv);
}
