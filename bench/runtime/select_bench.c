/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* select: an actor in whose mailbox 1,000 messages wait that it does not want makes 100,000 calls. One operation is one
 * call. A call's answer never passes through the mailbox, so what waits there costs it nothing.
 *
 * The green form's callee is a green thread that receives and responds; the server form's is a method, and its caller a
 * server that blocks in its start.
 *
 * Law: each call gets its own answer; at the end all that waited is there, in order. */
#include "bench.h"

static bench_span span;

/* ---- the callee: one more than what it was given ---- */

static void green_callee(gr_self *self, gr_value args)
{
    (void)args;
    for (;;) {
        gr_message *m;
        BENCH_OK(gr_receive(self, &m, GR_FOREVER));
        bool call = gr_is_call(m);
        if (call) BENCH_OK(gr_respond(self, m, "I", gr_int(gr_call_argument(m), -1) + 1));
        gr_message_free(&m);
        if (!call) return;
    }
}

static void next(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    BENCH_OK(gr_reply(self, "I", gr_int(argument, -1) + 1));
}

static void callee_on_message(gr_self *self, void *state, gr_message *m)
{
    (void)state, (void)m;
    gr_server_end(self);
}

static const gr_method methods[] = {{"next", next}};
static const gr_server callee = {.methods = methods, .method_count = 1, .on_message = callee_on_message};

/* ---- the caller ---- */

static void call_all(gr_self *self, gr_address to, int64_t calls)
{
    for (int64_t i = 0; i < calls; i++) {
        bool sampled = i % BENCH_SAMPLE_EVERY == 0;
        int64_t began = sampled ? gr_now_ns() : 0;
        gr_message *answer;
        BENCH_OK(gr_call(self, &answer, to, "next", GR_FOREVER, "I", i));
        if (sampled) bench_sample(gr_now_ns() - began);
        if (gr_int(gr_body(answer), -1) != i + 1) bench_fail("select: the answer to another call");
        gr_message_free(&answer);
    }
}

static void green_caller(gr_self *self, gr_value args)
{
    gr_address to, main;
    int64_t waiting, calls;
    BENCH_OK(gr_unpack(args, NULL, "[A,A,I,I]", &to, &main, &waiting, &calls));
    for (int64_t i = 0; i < waiting; i++)
        BENCH_OK(gr_cast(self, gr_self_address(self), "{s:s,s:I}", "tag", "noise", "number", i));
    bench_span_begin(&span);
    call_all(self, to, calls);
    bench_span_end(&span);
    for (int64_t i = 0; i < waiting; i++) {
        gr_message *m;
        BENCH_OK(gr_receive(self, &m, GR_NOW));
        if (gr_int(gr_get(gr_body(m), "number"), -1) != i) bench_fail("select: what waited is out of order");
        gr_message_free(&m);
    }
    BENCH_OK(gr_cast(self, to, "n"));
    BENCH_OK(gr_cast(self, main, "I", calls));
}

static int caller_start(gr_self *self, void *state, gr_value args)
{
    (void)state;
    green_caller(self, args);
    gr_server_end(self);
    return 0;
}

static const gr_server caller = {.start = caller_start};

static void run(bench *b, uint64_t waiting, uint64_t calls)
{
    gr_address to, me = gr_self_address(b->self);
    gr_value none = {NULL};
    if (b->servers) {
        BENCH_OK(gr_spawn_server_value(b->self, &to, &callee, NULL, none));
        BENCH_OK(gr_spawn_server(b->self, NULL, &caller, NULL, "[A,A,I,I]", to, me, (int64_t)waiting, (int64_t)calls));
    } else {
        BENCH_OK(gr_spawn_value(b->self, &to, green_callee, NULL, none));
        BENCH_OK(gr_spawn(b->self, NULL, green_caller, "[A,A,I,I]", to, me, (int64_t)waiting, (int64_t)calls));
    }
    bench_equal("calls", (uint64_t)bench_receive_int(b), calls);
}

int main(int argc, char **argv)
{
    bench_parameter parameters[] = {{"waiting", 1000, 100}, {"calls", 100000, 1000}};
    bench b = {.workload = "select", .parameters = parameters, .parameter_count = 2};
    bench_begin(&b, argc, argv);
    run(&b, parameters[0].value, parameters[1].value / 10 + 1);
    bench_samples_clear();
    run(&b, parameters[0].value, parameters[1].value);
    return bench_end(&b, span, parameters[1].value, "call");
}
