/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* skynet: an actor spawns ten, each of them ten, and so on down to a million leaves; a leaf sends its number to its parent,
 * everybody else the sum of what its ten children sent. One operation is one actor's life.
 *
 * Law: the sum is that of all numbers; as many actors were spawned and have ended as the tree has. */
#include "bench.h"

#define WIDTH 10

typedef struct node {
    gr_address parent;
    int64_t number, leaves; /* the first leaf below, and how many */
    int64_t sum;
    int heard;
} node;

/* Three readings instead of an unpack: it needs less stack, and most actors here do nothing else. */
static void read_node(node *n, gr_value args)
{
    *n = (node){.parent = gr_address_in(gr_at(args, 0)),
                .number = gr_int(gr_at(args, 1), -1),
                .leaves = gr_int(gr_at(args, 2), -1)};
}

static bool hear(node *n, gr_value body)
{
    n->sum += gr_int(body, INT64_MIN);
    return ++n->heard == WIDTH;
}

/* ---- green threads ---- */

static void green(gr_self *self, gr_value args)
{
    node n;
    read_node(&n, args);
    if (n.leaves == 1) {
        BENCH_OK(gr_cast(self, n.parent, "I", n.number));
        return;
    }
    gr_address me = gr_self_address(self);
    int64_t each = n.leaves / WIDTH;
    for (int64_t i = 0; i < WIDTH; i++) BENCH_OK(gr_spawn(self, NULL, green, "[A,I,I]", me, n.number + i * each, each));
    for (bool over = false; !over;) {
        gr_message *m;
        BENCH_OK(gr_receive(self, &m, GR_FOREVER));
        over = hear(&n, gr_body(m));
        gr_message_free(&m);
    }
    BENCH_OK(gr_cast(self, n.parent, "I", n.sum));
}

/* ---- servers: leaves and inner nodes are different ones, so that a leaf has no state ---- */

static int leaf_start(gr_self *self, void *state, gr_value args)
{
    (void)state;
    node n;
    read_node(&n, args);
    BENCH_OK(gr_cast(self, n.parent, "I", n.number));
    gr_server_end(self);
    return 0;
}

static const gr_server leaf = {.start = leaf_start};
static const gr_server inner;

static int inner_start(gr_self *self, void *state, gr_value args)
{
    node *n = state;
    read_node(n, args);
    gr_address me = gr_self_address(self);
    int64_t each = n->leaves / WIDTH;
    for (int64_t i = 0; i < WIDTH; i++)
        BENCH_OK(
            gr_spawn_server(self, NULL, each == 1 ? &leaf : &inner, NULL, "[A,I,I]", me, n->number + i * each, each));
    return 0;
}

static void inner_on_message(gr_self *self, void *state, gr_message *m)
{
    node *n = state;
    if (!hear(n, gr_body(m))) return;
    BENCH_OK(gr_cast(self, n->parent, "I", n->sum));
    gr_server_end(self);
}

static const gr_server inner = {.state_bytes = sizeof(node), .start = inner_start, .on_message = inner_on_message};

/* ---- the tree ---- */

static uint64_t actors_of(uint64_t leaves)
{
    return leaves == 1 ? 1 : 1 + WIDTH * actors_of(leaves / WIDTH);
}

static bench_span run(bench *b, uint64_t leaves)
{
    gr_address me = gr_self_address(b->self);
    gr_counters before, after;
    BENCH_OK(gr_counters_read(&before));
    bench_span span;
    bench_span_begin(&span);
    if (b->servers)
        BENCH_OK(gr_spawn_server(b->self, NULL, &inner, NULL, "[A,I,I]", me, INT64_C(0), (int64_t)leaves));
    else
        BENCH_OK(gr_spawn(b->self, NULL, green, "[A,I,I]", me, INT64_C(0), (int64_t)leaves));
    int64_t sum = bench_receive_int(b);
    bench_span_end(&span);
    bench_equal("sum of the leaves' numbers", (uint64_t)sum, leaves * (leaves - 1) / 2);
    do BENCH_OK(gr_counters_read(&after));
    while (after.actors > 1);
    bench_equal("actors spawned", after.spawned - before.spawned, actors_of(leaves));
    bench_equal("actors ended", after.ended - before.ended, actors_of(leaves));
    return span;
}

int main(int argc, char **argv)
{
    bench_parameter parameters[] = {{"leaves", 1000000, 1000}};
    bench b = {.workload = "skynet", .parameters = parameters, .parameter_count = 1};
    bench_begin(&b, argc, argv);
    uint64_t leaves = parameters[0].value, power = WIDTH;
    while (power < leaves) power *= WIDTH;
    if (power != leaves || leaves > 100000000) bench_fail("skynet: the leaves are a power of ten up to 100000000");
    run(&b, leaves > 10000 ? leaves / 10 : leaves);
    bench_span span = run(&b, leaves);
    return bench_end(&b, span, actors_of(leaves), "life");
}
