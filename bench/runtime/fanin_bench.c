/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* fanin: some producers send small messages to one consumer whose mailbox has no bound. One operation is one message.
 *
 * Law: the consumer sees the messages of each producer in order and without a gap, and all of them. A producer of the
 * server form sends its messages in one method; it is stopped by its slice as a green thread is, when it gives way. */
#include "bench.h"

#define PRODUCERS_MAX 16
/* A producer asks that often whether its slice is over: a sender never suspends by itself. */
#define GIVE_WAY_EVERY 1000

typedef struct consumer {
    gr_address main;
    int64_t producers, each, received;
    int64_t next[PRODUCERS_MAX];
} consumer;

static bench_span span;

/* The message is producer + PRODUCERS_MAX * number. True if it was the last. */
static bool consume(consumer *c, gr_value body)
{
    int64_t message = gr_int(body, -1), producer = message % PRODUCERS_MAX;
    if (message < 0 || producer >= c->producers || message / PRODUCERS_MAX != c->next[producer])
        bench_fail("fanin: message %lld of producer %lld at the wrong time", (long long)(message / PRODUCERS_MAX),
                   (long long)producer);
    c->next[producer]++;
    return ++c->received == c->producers * c->each;
}

static void read_consumer(consumer *c, gr_value args)
{
    BENCH_OK(gr_unpack(args, NULL, "{s:A,s:I,s:I}", "main", &c->main, "producers", &c->producers, "each", &c->each));
}

static void finish(gr_self *self, const consumer *c)
{
    bench_span_end(&span);
    BENCH_OK(gr_cast(self, c->main, "I", c->received));
}

static void green_consumer(gr_self *self, gr_value args)
{
    consumer c = {.received = 0};
    read_consumer(&c, args);
    for (bool over = false; !over;) {
        gr_message *m;
        BENCH_OK(gr_receive(self, &m, GR_FOREVER));
        over = consume(&c, gr_body(m));
        gr_message_free(&m);
    }
    finish(self, &c);
}

static int consumer_start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    read_consumer(state, args);
    return 0;
}

static void consumer_on_message(gr_self *self, void *state, gr_message *m)
{
    if (!consume(state, gr_body(m))) return;
    finish(self, state);
    gr_server_end(self);
}

static const gr_server consumer_server = {
    .state_bytes = sizeof(consumer), .start = consumer_start, .on_message = consumer_on_message};

static void produce(gr_self *self, gr_value args)
{
    gr_address to;
    int64_t number, each;
    BENCH_OK(gr_unpack(args, NULL, "{s:A,s:I,s:I}", "to", &to, "number", &number, "each", &each));
    for (int64_t i = 0; i < each; i++) {
        BENCH_OK(gr_cast(self, to, "I", number + PRODUCERS_MAX * i));
        if (i % GIVE_WAY_EVERY == GIVE_WAY_EVERY - 1) BENCH_OK(gr_cooperate(self));
    }
}

static int producer_start(gr_self *self, void *state, gr_value args)
{
    (void)state;
    produce(self, args);
    gr_server_end(self);
    return 0;
}

static const gr_server producer_server = {.start = producer_start};

static void spawn_producer(bench *b, gr_address to, int64_t number, int64_t each)
{
    if (b->servers)
        BENCH_OK(gr_spawn_server(b->self, NULL, &producer_server, NULL, "{s:A,s:I,s:I}", "to", to, "number", number,
                                 "each", each));
    else
        BENCH_OK(gr_spawn(b->self, NULL, produce, "{s:A,s:I,s:I}", "to", to, "number", number, "each", each));
}

static void run(bench *b, int64_t producers, int64_t each)
{
    gr_address to, me = gr_self_address(b->self);
    if (b->servers)
        BENCH_OK(gr_spawn_server(b->self, &to, &consumer_server, NULL, "{s:A,s:I,s:I}", "main", me, "producers",
                                 producers, "each", each));
    else
        BENCH_OK(
            gr_spawn(b->self, &to, green_consumer, "{s:A,s:I,s:I}", "main", me, "producers", producers, "each", each));
    bench_span_begin(&span);
    for (int64_t i = 0; i < producers; i++) spawn_producer(b, to, i, each);
    bench_equal("messages received", (uint64_t)bench_receive_int(b), (uint64_t)(producers * each));
}

int main(int argc, char **argv)
{
    bench_parameter parameters[] = {{"producers", 4, 4}, {"each", 1000000, 2000}};
    bench b = {.workload = "fanin", .parameters = parameters, .parameter_count = 2};
    bench_begin(&b, argc, argv);
    int64_t producers = (int64_t)parameters[0].value, each = (int64_t)parameters[1].value;
    if (producers < 1 || producers > PRODUCERS_MAX || each < 1)
        bench_fail("fanin: 1 to %d producers, 1 message or more", PRODUCERS_MAX);
    run(&b, producers, each / 20 + 1);
    run(&b, producers, each);
    return bench_end(&b, span, (uint64_t)(producers * each), "message");
}
