/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* pingpong: two actors throw a counting message to and fro. One operation is one message; a round trip is two.
 *
 * Law: each message says how many were sent before it, and each side has received exactly as many as there were round
 * trips. */
#include "bench.h"

typedef struct player {
    gr_address other, main;
    int64_t round_trips, received;
    int64_t sampled_ns; /* when the message that is being timed was sent; 0: none */
    bool first;
} player;

static bench_span span;

/* The message that is number n; samples the round trips of the player who began. */
static void play(gr_self *self, player *p, int64_t n)
{
    if (n != 2 * p->received + (p->first ? 1 : 0)) bench_fail("pingpong: message %lld at the wrong time", (long long)n);
    p->received++;
    if (p->first) {
        if (p->sampled_ns) {
            bench_sample(gr_now_ns() - p->sampled_ns);
            p->sampled_ns = 0;
        }
        if (p->received % BENCH_SAMPLE_EVERY == 0) p->sampled_ns = gr_now_ns();
        if (p->received == p->round_trips) return;
    }
    BENCH_OK(gr_cast(self, p->other, "I", n + 1));
}

static bool is_over(const player *p)
{
    return p->received == p->round_trips;
}

static void finish(gr_self *self, const player *p)
{
    if (p->first) bench_span_end(&span);
    BENCH_OK(gr_cast(self, p->main, "I", p->received));
}

static void read_arguments(player *p, gr_value args)
{
    int first = 0;
    *p = (player){0};
    BENCH_OK(gr_unpack(args, NULL, "{s:A,s:I,s:b,s?:A}", "main", &p->main, "round_trips", &p->round_trips, "first",
                       &first, "other", &p->other));
    p->first = first;
}

static void serve(gr_self *self, player *p)
{
    if (!p->first) return;
    bench_span_begin(&span);
    BENCH_OK(gr_cast(self, p->other, "I", INT64_C(0)));
}

static void green(gr_self *self, gr_value args)
{
    player p;
    read_arguments(&p, args);
    serve(self, &p);
    while (!is_over(&p)) {
        gr_message *m;
        BENCH_OK(gr_receive(self, &m, GR_FOREVER));
        if (!p.other.id) p.other = gr_sender(m);
        int64_t n = gr_int(gr_body(m), -1);
        gr_message_free(&m);
        play(self, &p, n);
    }
    finish(self, &p);
}

static int start(gr_self *self, void *state, gr_value args)
{
    read_arguments(state, args);
    serve(self, state);
    return 0;
}

static void on_message(gr_self *self, void *state, gr_message *m)
{
    player *p = state;
    if (!p->other.id) p->other = gr_sender(m);
    play(self, p, gr_int(gr_body(m), -1));
    if (!is_over(p)) return;
    finish(self, p);
    gr_server_end(self);
}

static const gr_server server = {.state_bytes = sizeof(player), .start = start, .on_message = on_message};

static void run(bench *b, uint64_t round_trips)
{
    gr_address second, me = gr_self_address(b->self);
    int64_t count = (int64_t)round_trips;
    if (b->servers) {
        BENCH_OK(gr_spawn_server(b->self, &second, &server, NULL, "{s:A,s:I,s:b}", "main", me, "round_trips", count,
                                 "first", false));
        BENCH_OK(gr_spawn_server(b->self, NULL, &server, NULL, "{s:A,s:I,s:b,s:A}", "main", me, "round_trips", count,
                                 "first", true, "other", second));
    } else {
        BENCH_OK(gr_spawn(b->self, &second, green, "{s:A,s:I,s:b}", "main", me, "round_trips", count, "first", false));
        BENCH_OK(gr_spawn(b->self, NULL, green, "{s:A,s:I,s:b,s:A}", "main", me, "round_trips", count, "first", true,
                          "other", second));
    }
    for (int i = 0; i < 2; i++) bench_equal("messages received by a side", (uint64_t)bench_receive_int(b), round_trips);
}

int main(int argc, char **argv)
{
    bench_parameter parameters[] = {{"round-trips", 2000000, 1000}};
    bench b = {.workload = "pingpong", .parameters = parameters, .parameter_count = 1};
    bench_begin(&b, argc, argv);
    run(&b, parameters[0].value / 20 + 1);
    bench_samples_clear();
    run(&b, parameters[0].value);
    return bench_end(&b, span, 2 * parameters[0].value, "message");
}
