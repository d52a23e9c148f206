/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* spawn: one parent spawns many children; each sends it one message and ends. One operation is one life. The parent gives way
 * now and then, as one that is preempted would: else it holds its worker for so long that a spare one is put in beside it,
 * and "1 worker" is two.
 *
 * Law: the parent hears each number once: count and sum are right, and as many actors have ended as were spawned. */
#include "bench.h"

#define GIVE_WAY_EVERY 1000

typedef struct parent {
    gr_address main;
    int64_t children, heard, sum;
} parent;

static bench_span span;

static void tell(gr_self *self, gr_value args)
{
    gr_address to;
    int64_t number;
    BENCH_OK(gr_unpack(args, NULL, "[A,I]", &to, &number));
    BENCH_OK(gr_cast(self, to, "I", number));
}

static int child_start(gr_self *self, void *state, gr_value args)
{
    (void)state;
    tell(self, args);
    gr_server_end(self);
    return 0;
}

static const gr_server child_server = {.start = child_start};

static void begin(parent *p, gr_value args)
{
    *p = (parent){0};
    BENCH_OK(gr_unpack(args, NULL, "{s:A,s:I}", "main", &p->main, "children", &p->children));
    bench_span_begin(&span);
}

static void give_way(gr_self *self, int64_t spawned)
{
    if (spawned % GIVE_WAY_EVERY == GIVE_WAY_EVERY - 1) BENCH_OK(gr_cooperate(self));
}

static bool hear(parent *p, gr_value body)
{
    p->sum += gr_int(body, -1);
    return ++p->heard == p->children;
}

static void finish(gr_self *self, const parent *p)
{
    bench_span_end(&span);
    BENCH_OK(gr_cast(self, p->main, "I", p->sum));
}

static void green_parent(gr_self *self, gr_value args)
{
    parent p;
    begin(&p, args);
    gr_address me = gr_self_address(self);
    for (int64_t i = 0; i < p.children; i++) {
        BENCH_OK(gr_spawn(self, NULL, tell, "[A,I]", me, i));
        give_way(self, i);
    }
    for (bool over = p.children == 0; !over;) {
        gr_message *m;
        BENCH_OK(gr_receive(self, &m, GR_FOREVER));
        over = hear(&p, gr_body(m));
        gr_message_free(&m);
    }
    finish(self, &p);
}

static int parent_start(gr_self *self, void *state, gr_value args)
{
    parent *p = state;
    begin(p, args);
    gr_address me = gr_self_address(self);
    for (int64_t i = 0; i < p->children; i++) {
        BENCH_OK(gr_spawn_server(self, NULL, &child_server, NULL, "[A,I]", me, i));
        give_way(self, i);
    }
    return 0;
}

static void parent_on_message(gr_self *self, void *state, gr_message *m)
{
    if (!hear(state, gr_body(m))) return;
    finish(self, state);
    gr_server_end(self);
}

static const gr_server parent_server = {
    .state_bytes = sizeof(parent), .start = parent_start, .on_message = parent_on_message};

static void run(bench *b, uint64_t children)
{
    gr_address me = gr_self_address(b->self);
    gr_counters before, after;
    BENCH_OK(gr_counters_read(&before));
    if (b->servers)
        BENCH_OK(gr_spawn_server(b->self, NULL, &parent_server, NULL, "{s:A,s:I}", "main", me, "children",
                                 (int64_t)children));
    else
        BENCH_OK(gr_spawn(b->self, NULL, green_parent, "{s:A,s:I}", "main", me, "children", (int64_t)children));
    bench_equal("sum of the children's numbers", (uint64_t)bench_receive_int(b), children * (children - 1) / 2);
    do BENCH_OK(gr_counters_read(&after));
    while (after.actors > 1);
    bench_equal("actors spawned", after.spawned - before.spawned, children + 1);
    bench_equal("actors ended", after.ended - before.ended, children + 1);
}

int main(int argc, char **argv)
{
    bench_parameter parameters[] = {{"children", 1000000, 2000}};
    bench b = {.workload = "spawn", .parameters = parameters, .parameter_count = 1};
    bench_begin(&b, argc, argv);
    if (parameters[0].value < 1 || parameters[0].value > 10000000) bench_fail("spawn: 1 to 10000000 children");
    run(&b, parameters[0].value / 20 + 1);
    run(&b, parameters[0].value);
    return bench_end(&b, span, parameters[0].value, "life");
}
