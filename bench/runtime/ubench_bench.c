/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* ubench: actors that have five pings each send every ping they receive on to a pseudo-random other, until they are told to
 * stop. One operation is one ping received. A ping is sent on as it is: nothing is built, nothing freed.
 *
 * Law: once all have stopped sending, the pings that are left are as many as there were at the beginning, and as many have
 * been received as were sent. */
#include "bench.h"

#define PINGERS_MAX 4096

enum what { PING, BEGIN, STOP, END };

/* Everybody's addresses: written before anybody is told to begin, read only from then on. */
static gr_address pingers[PINGERS_MAX];
static uint32_t pinger_count, pings_each;

typedef struct pinger {
    uint32_t number, random;
    bool stopped;
    int64_t sent, received, left;
} pinger;

static int64_t read_number(gr_value args)
{
    return gr_int(args, 0);
}

static void pinger_init(pinger *p, int64_t number)
{
    *p = (pinger){.number = (uint32_t)number, .random = (uint32_t)number * 2654435761u + 1};
}

/* xorshift32, scaled to the others. */
static gr_address another(pinger *p)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 17;
    p->random ^= p->random << 5;
    uint32_t at = (uint32_t)((uint64_t)p->random * (pinger_count - 1) >> 32);
    return pingers[at + (at >= p->number)];
}

static void take_ping(gr_self *self, pinger *p, gr_message **ping)
{
    p->received++;
    if (p->stopped) {
        p->left++;
        return;
    }
    p->sent++;
    BENCH_OK(gr_send(self, another(p), ping));
}

/* Everything but a ping. True if it was the last. */
static bool take_order(gr_self *self, pinger *p, const gr_message *m)
{
    switch (gr_int(gr_body(m), END)) {
    case BEGIN:
        for (uint32_t i = 0; i < pings_each; i++, p->sent++) BENCH_OK(gr_cast(self, another(p), "I", (int64_t)PING));
        return false;
    case STOP:
        p->stopped = true;
        BENCH_OK(gr_cast(self, gr_sender(m), "I", p->received));
        return false;
    default:
        BENCH_OK(
            gr_cast(self, gr_sender(m), "{s:I,s:I,s:I}", "sent", p->sent, "received", p->received, "left", p->left));
        return true;
    }
}

static void green(gr_self *self, gr_value args)
{
    pinger p;
    pinger_init(&p, read_number(args));
    for (bool over = false; !over;) {
        gr_message *m;
        BENCH_OK(gr_receive(self, &m, GR_FOREVER));
        if (gr_int(gr_body(m), END) == PING)
            take_ping(self, &p, &m);
        else
            over = take_order(self, &p, m);
        gr_message_free(&m);
    }
}

static int start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    pinger_init(state, read_number(args));
    return 0;
}

static void on_message(gr_self *self, void *state, gr_message *m)
{
    if (gr_int(gr_body(m), END) == PING)
        take_ping(self, state, &m);
    else if (take_order(self, state, m))
        gr_server_end(self);
}

static const gr_server server = {.state_bytes = sizeof(pinger), .start = start, .on_message = on_message};

static void tell_all(bench *b, enum what what)
{
    gr_message *m;
    BENCH_OK(gr_pack(&m, "I", (int64_t)what));
    bench_equal("pingers told", (uint64_t)gr_multicast(b->self, pingers, pinger_count, &m), pinger_count);
}

static uint64_t member(const gr_message *m, const char *key)
{
    return (uint64_t)gr_int(gr_get(gr_body(m), key), -1);
}

/* How many pings were received in the span. */
static uint64_t run(bench *b, bench_span *span, uint64_t milliseconds)
{
    for (uint32_t i = 0; i < pinger_count; i++) {
        if (b->servers)
            BENCH_OK(gr_spawn_server(b->self, &pingers[i], &server, NULL, "I", (int64_t)i));
        else
            BENCH_OK(gr_spawn(b->self, &pingers[i], green, "I", (int64_t)i));
    }
    bench_span_begin(span);
    tell_all(b, BEGIN);
    BENCH_OK(gr_sleep(b->self, gr_after_ms((int64_t)milliseconds)));
    bench_span_end(span);
    tell_all(b, STOP);
    uint64_t in_time = 0, sent = 0, received = 0, left = 0;
    for (uint32_t i = 0; i < pinger_count; i++) in_time += (uint64_t)bench_receive_int(b);
    tell_all(b, END); /* behind every ping: nobody sends any more */
    for (uint32_t i = 0; i < pinger_count; i++) {
        gr_message *m = bench_receive(b);
        sent += member(m, "sent");
        received += member(m, "received");
        left += member(m, "left");
        gr_message_free(&m);
    }
    bench_equal("pings received", received, sent);
    bench_equal("pings left", left, (uint64_t)pinger_count * pings_each);
    return in_time;
}

int main(int argc, char **argv)
{
    bench_parameter parameters[] = {{"actors", 256, 16}, {"pings", 5, 5}, {"milliseconds", 3000, 50}};
    bench b = {.workload = "ubench", .parameters = parameters, .parameter_count = 3};
    bench_begin(&b, argc, argv);
    if (parameters[0].value < 2 || parameters[0].value > PINGERS_MAX || parameters[1].value > 1000)
        bench_fail("ubench: 2 to %d actors, at most 1000 pings each", PINGERS_MAX);
    pinger_count = (uint32_t)parameters[0].value;
    pings_each = (uint32_t)parameters[1].value;
    bench_span span;
    run(&b, &span, parameters[2].value / 10 + 1);
    uint64_t pings = run(&b, &span, parameters[2].value);
    return bench_end(&b, span, pings, "ping");
}
