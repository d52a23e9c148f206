/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Savina's PingPong: one actor pings another and waits for its pong before it pings again. One operation is one message.
 *
 * Verified: each pong carries the number of its ping; the other has answered as many as were sent. */
#include "savina.h"

typedef struct ping {
    gr_address pong;
    int64_t sent, pings;
} ping;

/* ---- the one that pings ---- */

static void ping_green(gr_self *self, gr_value args)
{
    ping p = {.sent = 0};
    BENCH_OK(gr_unpack(args, NULL, "[A,I]", &p.pong, &p.pings));
    for (; p.sent < p.pings; p.sent++) {
        BENCH_OK(gr_cast(self, p.pong, "I", p.sent));
        gr_message *m = savina_receive(self);
        bench_equal("number of a pong", (uint64_t)gr_int(gr_body(m), -1), (uint64_t)p.sent);
        gr_message_free(&m);
    }
    BENCH_OK(gr_cast(self, p.pong, "n")); /* no more */
    BENCH_OK(gr_return(self, "I", p.sent));
}

static void ping_next(gr_self *self, ping *p)
{
    if (p->sent < p->pings) {
        BENCH_OK(gr_cast(self, p->pong, "I", p->sent));
        return;
    }
    BENCH_OK(gr_cast(self, p->pong, "n"));
    BENCH_OK(gr_return(self, "I", p->sent));
    gr_server_end(self);
}

static int ping_start(gr_self *self, void *state, gr_value args)
{
    ping *p = state;
    BENCH_OK(gr_unpack(args, NULL, "[A,I]", &p->pong, &p->pings));
    ping_next(self, p);
    return 0;
}

static void ping_message(gr_self *self, void *state, gr_message *m)
{
    ping *p = state;
    bench_equal("number of a pong", (uint64_t)gr_int(gr_body(m), -1), (uint64_t)p->sent);
    p->sent++;
    ping_next(self, p);
}

static const gr_server ping_server = {.state_bytes = sizeof(ping), .start = ping_start, .on_message = ping_message};

/* ---- the one that answers ---- */

/* False: there will be no more. */
static bool answer(gr_self *self, gr_message *m, int64_t *answered)
{
    if (gr_type_of(gr_body(m)) == GR_NULL) {
        BENCH_OK(gr_return(self, "I", *answered));
        return false;
    }
    BENCH_OK(gr_cast(self, gr_sender(m), "V", gr_body(m)));
    ++*answered;
    return true;
}

static void pong_green(gr_self *self, gr_value args)
{
    (void)args;
    int64_t answered = 0;
    for (bool more = true; more;) {
        gr_message *m = savina_receive(self);
        more = answer(self, m, &answered);
        gr_message_free(&m);
    }
}

static void pong_message(gr_self *self, void *state, gr_message *m)
{
    if (!answer(self, m, state)) gr_server_end(self);
}

static const gr_server pong_server = {.state_bytes = sizeof(int64_t), .on_message = pong_message};

static uint64_t run(bench *b, const bench_parameter *p, bench_span *span)
{
    uint64_t pings = p[0].value;
    gr_address first, second;
    bench_span_begin(span);
    savina_spawn(b->self, &second, pong_green, &pong_server, "n");
    savina_spawn(b->self, &first, ping_green, &ping_server, "[A,I]", second, (int64_t)pings);
    bench_equal("pings", (uint64_t)savina_result(b->self, first), pings);
    bench_equal("pongs", (uint64_t)savina_result(b->self, second), pings);
    bench_span_end(span);
    return 2 * pings;
}

static const savina program = {.workload = "savina_pingpong",
                               .operation = "message",
                               .run = run,
                               .iterations = 20,
                               .parameters = {{"pings", 40000, 200}},
                               .sweep = {{"pings", 20000}, {"pings", 80000}, {"pings", 1000000}}};

int main(int argc, char **argv)
{
    return savina_main(&program, argc, argv);
}
