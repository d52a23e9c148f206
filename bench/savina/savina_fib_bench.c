/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Savina's Recursive Fibonacci: an actor for each call of fib; it spawns two for the smaller numbers and adds up what they send.
 * One operation is one actor.
 *
 * Verified: the number, and how many actors it took. */
#include "savina.h"

#define N_MAX 40

typedef struct call {
    gr_address parent;
    int64_t sum;
    int answers;
} call;

static void child_green(gr_self *self, gr_value args);
static const gr_server child_server;

/* Asks two children, or answers at once. True: it has answered. */
static bool begin(gr_self *self, call *c, gr_value args)
{
    int64_t n;
    BENCH_OK(gr_unpack(args, NULL, "[A,I]", &c->parent, &n));
    if (n <= 2) {
        BENCH_OK(gr_cast(self, c->parent, "i", 1));
        return true;
    }
    for (int64_t smaller = n - 2; smaller < n; smaller++) {
        gr_address me = gr_self_address(self);
        savina_launch(self, NULL, child_green, &child_server, "[A,I]", me, smaller);
    }
    return false;
}

static bool add(gr_self *self, call *c, gr_message *m)
{
    c->sum += gr_int(gr_body(m), 0);
    if (++c->answers < 2) return false;
    BENCH_OK(gr_cast(self, c->parent, "I", c->sum));
    return true;
}

static void child_green(gr_self *self, gr_value args)
{
    call c = {.sum = 0};
    for (bool over = begin(self, &c, args); !over;) {
        gr_message *m = savina_receive(self);
        over = add(self, &c, m);
        gr_message_free(&m);
    }
}

static int child_start(gr_self *self, void *state, gr_value args)
{
    if (begin(self, state, args)) gr_server_end(self);
    return 0;
}

static void child_message(gr_self *self, void *state, gr_message *m)
{
    if (add(self, state, m)) gr_server_end(self);
}

static const gr_server child_server = {.state_bytes = sizeof(call), .start = child_start, .on_message = child_message};

static uint64_t run(bench *b, const bench_parameter *p, bench_span *span)
{
    uint64_t n = p[0].value, last = 0, want = 1;
    if (n < 1 || n > N_MAX) bench_fail("fib of 1 to %d", N_MAX);
    for (uint64_t i = 1; i < n; i++) {
        uint64_t next = last + want;
        last = want;
        want = next;
    }
    gr_counters before, after;
    gr_address me = gr_self_address(b->self);
    BENCH_OK(gr_counters_read(&before));
    bench_span_begin(span);
    savina_launch(b->self, NULL, child_green, &child_server, "[A,I]", me, n);
    bench_equal("fib", (uint64_t)bench_receive_int(b), want);
    bench_span_end(span);
    BENCH_OK(gr_counters_read(&after));
    bench_equal("actors", after.spawned - before.spawned, 2 * want - 1);
    return 2 * want - 1;
}

static const savina program = {.workload = "savina_fib",
                               .operation = "actor",
                               .run = run,
                               .iterations = 5,
                               .parameters = {{"n", 25, 12}},
                               .sweep = {{"n", 20}, {"n", 23}, {"n", 27}}};

int main(int argc, char **argv)
{
    return savina_main(&program, argc, argv);
}
