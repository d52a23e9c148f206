/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Savina's Counting: a producer sends increments to a counter, as fast as it can, then asks it for the sum. One operation is
 * one increment.
 *
 * Verified: the sum. */
#include "savina.h"

/* ---- the counter: casts are increments, the call "sum" ends it ---- */

static void counter_green(gr_self *self, gr_value args)
{
    (void)args;
    int64_t sum = 0;
    for (bool over = false; !over;) {
        gr_message *m = savina_receive(self);
        over = gr_is_call(m);
        if (over)
            BENCH_OK(gr_respond(self, m, "I", sum));
        else
            sum += gr_int(gr_body(m), 0);
        gr_message_free(&m);
    }
}

static void counter_message(gr_self *self, void *state, gr_message *m)
{
    (void)self;
    *(int64_t *)state += gr_int(gr_body(m), 0);
}

static void counter_sum(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    BENCH_OK(gr_reply(self, "I", *(int64_t *)state));
    gr_server_end(self);
}

static const gr_method counter_methods[] = {{"sum", counter_sum}};
static const gr_server counter_server = {
    .state_bytes = sizeof(int64_t), .methods = counter_methods, .method_count = 1, .on_message = counter_message};

/* ---- the producer ---- */

static void produce(gr_self *self, gr_value args)
{
    gr_address counter;
    int64_t messages;
    BENCH_OK(gr_unpack(args, NULL, "[A,I]", &counter, &messages));
    for (int64_t i = 0; i < messages; i++) {
        BENCH_OK(gr_cast(self, counter, "i", 1));
        savina_give_way(self, i);
    }
    gr_message *sum;
    BENCH_OK(gr_call(self, &sum, counter, "sum", GR_FOREVER, "n"));
    BENCH_OK(gr_return(self, "V", gr_body(sum)));
    gr_message_free(&sum);
}

static int producer_start(gr_self *self, void *state, gr_value args)
{
    (void)state;
    produce(self, args);
    gr_server_end(self);
    return 0;
}

static const gr_server producer_server = {.start = producer_start};

static uint64_t run(bench *b, const bench_parameter *p, bench_span *span)
{
    uint64_t messages = p[0].value;
    gr_address counter, producer;
    bench_span_begin(span);
    savina_launch(b->self, &counter, counter_green, &counter_server, "n");
    savina_spawn(b->self, &producer, produce, &producer_server, "[A,I]", counter, (int64_t)messages);
    bench_equal("sum", (uint64_t)savina_result(b->self, producer), messages);
    bench_span_end(span);
    return messages;
}

static const savina program = {.workload = "savina_count",
                               .operation = "message",
                               .run = run,
                               .iterations = 5,
                               .parameters = {{"messages", 1000000, 1000}},
                               .sweep = {{"messages", 500000}, {"messages", 2000000}}};

int main(int argc, char **argv)
{
    return savina_main(&program, argc, argv);
}
