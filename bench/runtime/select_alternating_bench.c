/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* select_alternating: an actor in whose mailbox 1,000 messages wait that match nothing receives 100,000 others, by turns with one
 * pattern and with another. One operation is one receive: the other side is asked, sends one message, and that is taken out
 * from behind what waits.
 *
 * In both forms the selecting side is a blocking loop, in a green thread or in the start of a server; the other side is a green
 * thread or a server with on_message.
 *
 * Law: each receive gets the message it is for; at the end all that waited is there, in order. */
#include "bench.h"

static bench_span span;
static gr_shape *shapes[2]; /* compiled once, by main; they never change */

/* ---- the other side: answers number n with tag "a" or "b" ---- */

static bool answer(gr_self *self, gr_message *m)
{
    int64_t n = gr_int(gr_body(m), -1);
    if (n < 0) return false;
    BENCH_OK(gr_cast(self, gr_sender(m), "{s:s,s:I}", "tag", n % 2 == 0 ? "a" : "b", "number", n));
    return true;
}

static void green_other(gr_self *self, gr_value args)
{
    (void)args;
    for (bool more = true; more;) {
        gr_message *m;
        BENCH_OK(gr_receive(self, &m, GR_FOREVER));
        more = answer(self, m);
        gr_message_free(&m);
    }
}

static void other_on_message(gr_self *self, void *state, gr_message *m)
{
    (void)state;
    if (!answer(self, m)) gr_server_end(self);
}

static const gr_server other = {.on_message = other_on_message};

/* ---- the side that selects ---- */

static void select_all(gr_self *self, gr_address other_side, int64_t receives)
{
    for (int64_t i = 0; i < receives; i++) {
        bool sampled = i % BENCH_SAMPLE_EVERY == 0;
        int64_t began = sampled ? gr_now_ns() : 0;
        gr_pattern pattern = {.shape = shapes[i % 2]};
        gr_message *m;
        BENCH_OK(gr_cast(self, other_side, "I", i));
        BENCH_OK(gr_select(self, &pattern, 1, &m, GR_FOREVER));
        if (sampled) bench_sample(gr_now_ns() - began);
        if (gr_int(gr_get(gr_body(m), "number"), -1) != i)
            bench_fail("select_alternating: another message than was asked for");
        gr_message_free(&m);
    }
}

static void green_selecting(gr_self *self, gr_value args)
{
    gr_address to, main;
    int64_t waiting, receives;
    BENCH_OK(gr_unpack(args, NULL, "[A,A,I,I]", &to, &main, &waiting, &receives));
    for (int64_t i = 0; i < waiting; i++)
        BENCH_OK(gr_cast(self, gr_self_address(self), "{s:s,s:I}", "tag", "noise", "number", i));
    bench_span_begin(&span);
    select_all(self, to, receives);
    bench_span_end(&span);
    for (int64_t i = 0; i < waiting; i++) {
        gr_message *m;
        BENCH_OK(gr_receive(self, &m, GR_NOW));
        if (gr_int(gr_get(gr_body(m), "number"), -1) != i)
            bench_fail("select_alternating: what waited is out of order");
        gr_message_free(&m);
    }
    BENCH_OK(gr_cast(self, to, "I", INT64_C(-1)));
    BENCH_OK(gr_cast(self, main, "I", receives));
}

static int selecting_start(gr_self *self, void *state, gr_value args)
{
    (void)state;
    green_selecting(self, args);
    gr_server_end(self);
    return 0;
}

static const gr_server selecting = {.start = selecting_start};

static void run(bench *b, uint64_t waiting, uint64_t receives)
{
    gr_address to, me = gr_self_address(b->self);
    gr_value none = {NULL};
    if (b->servers) {
        BENCH_OK(gr_spawn_server_value(b->self, &to, &other, NULL, none));
        BENCH_OK(
            gr_spawn_server(b->self, NULL, &selecting, NULL, "[A,A,I,I]", to, me, (int64_t)waiting, (int64_t)receives));
    } else {
        BENCH_OK(gr_spawn_value(b->self, &to, green_other, NULL, none));
        BENCH_OK(gr_spawn(b->self, NULL, green_selecting, "[A,A,I,I]", to, me, (int64_t)waiting, (int64_t)receives));
    }
    bench_equal("receives", (uint64_t)bench_receive_int(b), receives);
}

int main(int argc, char **argv)
{
    bench_parameter parameters[] = {{"waiting", 1000, 100}, {"receives", 100000, 1000}};
    bench b = {.workload = "select_alternating", .parameters = parameters, .parameter_count = 2};
    bench_begin(&b, argc, argv);
    BENCH_OK(gr_shape_compile("{\"tag\": \"a\", \"number\": int}", &shapes[0], NULL));
    BENCH_OK(gr_shape_compile("{\"tag\": \"b\", \"number\": int}", &shapes[1], NULL));
    run(&b, parameters[0].value, parameters[1].value / 10 + 1);
    bench_samples_clear();
    run(&b, parameters[0].value, parameters[1].value);
    int code = bench_end(&b, span, parameters[1].value, "receive");
    for (int i = 0; i < 2; i++) gr_shape_free(&shapes[i]);
    return code;
}
