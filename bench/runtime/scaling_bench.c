/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* scaling: what a message costs the scheduler as the workers grow in number, in counts and not in time: 1 to 128 workers as on a
 * machine of 2 nodes, 32 cores each, 2 threads each, however many processors there are. The lines' "per_operation" is what
 * matters: a number that grows with the workers there is a cost that does so. One line for each of
 *
 *     pairs    a pingpong a worker                              nothing should be queued, stolen or woken
 *     crowd    16 actors a worker, 5 pings each among all       as ubench
 *     fanout   one actor asks 4 a worker, all answer, again     queued once each; stolen in halves
 *     bursts   all asleep, then a message to one actor a worker, then all asleep again
 *     tree     skynet
 *
 * Law: as many messages as were to be sent have arrived; the tree's sum is right. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#define WORKERS_MAX 128
#define CROWD_EACH 16
#define PINGS 5
#define FANOUT_EACH 4
#define WIDTH 10

static bench_span span;
static gr_address *members; /* of the crowd: written before the first ping */
static uint32_t member_count;

static void spawn(bench *b, gr_self *self, gr_address *ret_address, gr_entry entry, const gr_server *server,
                  gr_value args)
{
    if (b->servers)
        BENCH_OK(gr_spawn_server_value(self, ret_address, server, NULL, args));
    else
        BENCH_OK(gr_spawn_value(self, ret_address, entry, NULL, args));
}

/* ---- who answers: the sender gets back what it sent; null ends it ---- */

static void green_echo(gr_self *self, gr_value args)
{
    (void)args;
    gr_message *m;
    for (bool more = true; more;) {
        BENCH_OK(gr_receive(self, &m, GR_FOREVER));
        more = gr_type_of(gr_body(m)) != GR_NULL;
        if (more) BENCH_OK(gr_send(self, gr_sender(m), &m));
        gr_message_free(&m);
    }
}

static void echo_on_message(gr_self *self, void *state, gr_message *m)
{
    (void)state;
    if (gr_type_of(gr_body(m)) == GR_NULL)
        gr_server_end(self);
    else
        BENCH_OK(gr_send(self, gr_sender(m), &m));
}

static const gr_server echo = {.on_message = echo_on_message};

/* ---- pairs, fanout and bursts: an asker sends to `count` echoes and waits for all answers, `rounds` times ---- */

typedef struct plan {
    bench *b;
    uint64_t count, rounds;
    int64_t pause_ns; /* asleep between two rounds */
} plan;

/* A green thread in both forms: it is those who answer that matter. args: main, and where the plan is. */
static void asker(gr_self *self, gr_value args)
{
    const plan *p;
    memcpy(&p, gr_bytes(gr_at(args, 1), NULL), sizeof p); /* bytes in a message are aligned to nothing */
    gr_address *echoes = gr_alloc(self, p->count * sizeof *echoes);
    if (!echoes) bench_fail("no memory");
    gr_value none = {NULL};
    for (uint64_t i = 0; i < p->count; i++) spawn(p->b, self, &echoes[i], green_echo, &echo, none);
    int64_t answers = 0;
    for (uint64_t round = 0; round < p->rounds; round++) {
        for (uint64_t i = 0; i < p->count; i++) BENCH_OK(gr_cast(self, echoes[i], "I", (int64_t)round));
        for (uint64_t i = 0; i < p->count; i++) {
            gr_message *m;
            BENCH_OK(gr_receive(self, &m, GR_FOREVER));
            answers += gr_int(gr_body(m), -1) == (int64_t)round;
            gr_message_free(&m);
        }
        if (p->pause_ns) BENCH_OK(gr_sleep(self, (gr_deadline){gr_now_ns() + p->pause_ns}));
    }
    for (uint64_t i = 0; i < p->count; i++) BENCH_OK(gr_cast(self, echoes[i], "n"));
    BENCH_OK(gr_cast(self, gr_address_in(gr_at(args, 0)), "I", answers));
}

static void ask(bench *b, const char *name, uint64_t askers, uint64_t count, uint64_t rounds, int64_t pause_ns)
{
    const plan p = {b, count, rounds, pause_ns}, *at = &p;
    bench_span_begin(&span);
    for (uint64_t i = 0; i < askers; i++)
        BENCH_OK(gr_spawn(b->self, NULL, asker, "[A,B]", gr_self_address(b->self), (const void *)&at, sizeof at));
    uint64_t answers = 0;
    for (uint64_t i = 0; i < askers; i++) answers += (uint64_t)bench_receive_int(b);
    bench_span_end(&span);
    bench_equal("answers", answers, askers * count * rounds);
    if (name) bench_case(b, name, span, 2 * answers, "message");
}

/* ---- the crowd: a ping says how often it will be sent on ---- */

typedef struct member {
    gr_address main;
    uint32_t number, random;
    int64_t received;
} member;

static gr_address another(member *p)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 17;
    p->random ^= p->random << 5;
    uint32_t at = (uint32_t)((uint64_t)p->random * (member_count - 1) >> 32);
    return members[at + (at >= p->number)];
}

static void member_init(member *p, gr_value args)
{
    int64_t number = gr_int(gr_at(args, 1), 0);
    *p = (member){gr_address_in(gr_at(args, 0)), (uint32_t)number, (uint32_t)number * 2654435761u + 1, 0};
}

/* True if it was told to end. A ping that has come to its end is reported. */
static bool take(gr_self *self, member *p, gr_value body)
{
    int64_t left = gr_int(body, -1);
    if (left < 0) {
        BENCH_OK(gr_cast(self, p->main, "I", p->received));
        return true;
    }
    p->received++;
    BENCH_OK(gr_cast(self, left > 0 ? another(p) : p->main, "I", left - 1));
    return false;
}

static void green_member(gr_self *self, gr_value args)
{
    member p;
    member_init(&p, args);
    for (bool over = false; !over;) {
        gr_message *m;
        BENCH_OK(gr_receive(self, &m, GR_FOREVER));
        over = take(self, &p, gr_body(m));
        gr_message_free(&m);
    }
}

static int member_start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    member_init(state, args);
    return 0;
}

static void member_on_message(gr_self *self, void *state, gr_message *m)
{
    if (take(self, state, gr_body(m))) gr_server_end(self);
}

static const gr_server member_server = {
    .state_bytes = sizeof(member), .start = member_start, .on_message = member_on_message};

/* Casts the number to each member `times` times: from within, so that it is no foreign thread that fills the queues. */
static void telling(gr_self *self, gr_value args)
{
    int64_t number = gr_int(gr_at(args, 0), 0), times = gr_int(gr_at(args, 1), 0);
    for (int64_t k = 0; k < times; k++)
        for (uint32_t i = 0; i < member_count; i++) BENCH_OK(gr_cast(self, members[i], "I", number));
}

static void crowd(bench *b, const char *name, uint64_t messages)
{
    member_count = b->workers * CROWD_EACH;
    members = calloc(member_count, sizeof *members);
    if (!members) bench_fail("no memory");
    for (uint32_t i = 0; i < member_count; i++) {
        gr_message *args;
        BENCH_OK(gr_pack(&args, "[A,I]", gr_self_address(b->self), (int64_t)i));
        spawn(b, b->self, &members[i], green_member, &member_server, gr_body(args));
        gr_message_free(&args);
    }
    uint64_t pings = (uint64_t)member_count * PINGS, times = messages / pings + 1, received = 0;
    bench_span_begin(&span);
    BENCH_OK(gr_spawn(b->self, NULL, telling, "[I,I]", (int64_t)times - 1, (int64_t)PINGS));
    for (uint64_t i = 0; i < pings; i++) (void)bench_receive_int(b);
    bench_span_end(&span);
    BENCH_OK(gr_spawn(b->self, NULL, telling, "[I,I]", INT64_C(-1), INT64_C(1)));
    for (uint32_t i = 0; i < member_count; i++) received += (uint64_t)bench_receive_int(b);
    bench_equal("pings received", received, pings * times);
    free(members);
    if (name) bench_case(b, name, span, received, "message");
}

/* ---- the tree ---- */

typedef struct node {
    gr_address parent;
    int64_t number, leaves, sum;
    int heard;
} node;

static void read_node(node *n, gr_value args)
{
    *n = (node){gr_address_in(gr_at(args, 0)), gr_int(gr_at(args, 1), 0), gr_int(gr_at(args, 2), 0), 0, 0};
}

static bool hear(node *n, gr_value body)
{
    n->sum += gr_int(body, 0);
    return ++n->heard == WIDTH;
}

static void green_node(gr_self *self, gr_value args)
{
    node n;
    read_node(&n, args);
    int64_t each = n.leaves / WIDTH;
    for (int64_t i = 0; each > 0 && i < WIDTH; i++)
        BENCH_OK(gr_spawn(self, NULL, green_node, "[A,I,I]", gr_self_address(self), n.number + i * each, each));
    for (bool over = each == 0; !over;) {
        gr_message *m;
        BENCH_OK(gr_receive(self, &m, GR_FOREVER));
        over = hear(&n, gr_body(m));
        gr_message_free(&m);
    }
    BENCH_OK(gr_cast(self, n.parent, "I", each > 0 ? n.sum : n.number));
}

static const gr_server node_server;

static int node_start(gr_self *self, void *state, gr_value args)
{
    node *n = state;
    read_node(n, args);
    int64_t each = n->leaves / WIDTH;
    for (int64_t i = 0; each > 0 && i < WIDTH; i++)
        BENCH_OK(gr_spawn_server(self, NULL, &node_server, NULL, "[A,I,I]", gr_self_address(self), n->number + i * each,
                                 each));
    if (each > 0) return 0;
    BENCH_OK(gr_cast(self, n->parent, "I", n->number));
    gr_server_end(self);
    return 0;
}

static void node_on_message(gr_self *self, void *state, gr_message *m)
{
    node *n = state;
    if (!hear(n, gr_body(m))) return;
    BENCH_OK(gr_cast(self, n->parent, "I", n->sum));
    gr_server_end(self);
}

static const gr_server node_server = {.state_bytes = sizeof(node), .start = node_start, .on_message = node_on_message};

static void tree(bench *b, const char *name, int64_t leaves)
{
    gr_address me = gr_self_address(b->self);
    gr_counters now;
    bench_span_begin(&span);
    if (b->servers)
        BENCH_OK(gr_spawn_server(b->self, NULL, &node_server, NULL, "[A,I,I]", me, INT64_C(0), leaves));
    else
        BENCH_OK(gr_spawn(b->self, NULL, green_node, "[A,I,I]", me, INT64_C(0), leaves));
    int64_t sum = bench_receive_int(b);
    do BENCH_OK(gr_counters_read(&now)); /* until all have ended, too */
    while (now.actors > 1);
    bench_span_end(&span);
    bench_equal("sum of the leaves' numbers", (uint64_t)sum, (uint64_t)(leaves * (leaves - 1) / 2));
    if (name) bench_case(b, name, span, span.after.spawned - span.before.spawned, "life");
}

/* ---- together ---- */

static void run(bench *b, uint64_t messages, int64_t leaves, bool counts)
{
    unsigned workers = b->workers;
    ask(b, counts ? "pairs" : NULL, workers, 1, messages / (2 * workers) + 1, 0);
    crowd(b, counts ? "crowd" : NULL, messages);
    ask(b, counts ? "fanout" : NULL, 1, FANOUT_EACH * workers, messages / (2 * FANOUT_EACH * workers) + 1, 0);
    ask(b, counts ? "bursts" : NULL, 1, workers, messages / 10000 + 1, 3000000);
    tree(b, counts ? "tree" : NULL, leaves);
}

int main(int argc, char **argv)
{
    bench_parameter parameters[] = {{"messages", 500000, 5000}, {"leaves", 100000, 1000}};
    bench b = {.workload = "scaling", .parameters = parameters, .parameter_count = 2};
    if (setenv("HWLOC_SYNTHETIC", "numa:2 core:32 pu:2", 1) != 0 || setenv("GREENROOM_BIND", "none", 1) != 0)
        bench_fail("no environment");
    bench_begin(&b, argc, argv);
    uint64_t messages = parameters[0].value, leaves = parameters[1].value, power = WIDTH;
    while (power < leaves) power *= WIDTH;
    if (messages < 1 || power != leaves || b.workers > WORKERS_MAX)
        bench_fail("scaling: 1 message or more, a power of ten of leaves, 1 to %d workers", WORKERS_MAX);
    run(&b, messages / 10 + 1, WIDTH, false);
    run(&b, messages, (int64_t)leaves, true);
    return bench_stop(&b);
}
