/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* json call: pairs of a caller and a callee; request {"op":"add","id":…,"args":[1,2,3],"name":24 characters}, reply
 * {"id":…,"sum":6}. One operation is one call, request and reply together.
 *
 * The green form's callee is a green thread that receives and responds; the server form's is a method, and its caller a
 * server that blocks in one.
 *
 * Law: every call is answered once, by the answer to it; the callees have counted as many as the callers. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME "abcdefghijklmnopqrstuvwx"

static bench_span span;

/* ---- the callee ---- */

static int64_t sum_of(gr_value request, int64_t *ret_id)
{
    const char *op, *name;
    int a, b, c;
    BENCH_OK(gr_unpack(request, NULL, "{s:s,s:I,s:[i,i,i],s:s}", "op", &op, "id", ret_id, "args", &a, &b, &c, "name",
                       &name));
    if (strcmp(op, "add") != 0 || strlen(name) != sizeof NAME - 1) bench_fail("json call: a request that was not sent");
    return a + b + c;
}

static void green_callee(gr_self *self, gr_value args)
{
    gr_address main = gr_address_in(args);
    for (int64_t answered = 0;; answered++) {
        gr_message *m;
        BENCH_OK(gr_receive(self, &m, GR_FOREVER));
        if (!gr_is_call(m)) {
            gr_message_free(&m);
            BENCH_OK(gr_cast(self, main, "{s:I}", "answered", answered));
            return;
        }
        int64_t id, sum = sum_of(gr_call_argument(m), &id);
        BENCH_OK(gr_respond(self, m, "{s:I,s:I}", "id", id, "sum", sum));
        gr_message_free(&m);
    }
}

typedef struct callee {
    int64_t answered;
    gr_address main;
} callee;

static int callee_start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    ((callee *)state)->main = gr_address_in(args);
    return 0;
}

static void callee_add(gr_self *self, void *state, gr_value argument)
{
    int64_t id, sum = sum_of(argument, &id);
    BENCH_OK(gr_reply(self, "{s:I,s:I}", "id", id, "sum", sum));
    ((callee *)state)->answered++;
}

static void callee_on_message(gr_self *self, void *state, gr_message *m)
{
    (void)m;
    BENCH_OK(gr_cast(self, ((callee *)state)->main, "{s:I}", "answered", ((callee *)state)->answered));
    gr_server_end(self);
}

static const gr_method methods[] = {{"add", callee_add}};
static const gr_server callee_server = {.state_bytes = sizeof(callee),
                                        .start = callee_start,
                                        .methods = methods,
                                        .method_count = 1,
                                        .on_message = callee_on_message};

/* ---- the caller ---- */

static void call_all(gr_self *self, gr_value args)
{
    gr_address to, main;
    int64_t calls;
    BENCH_OK(gr_unpack(args, NULL, "{s:A,s:A,s:I}", "to", &to, "main", &main, "calls", &calls));
    for (int64_t id = 0; id < calls; id++) {
        bool sampled = id % BENCH_SAMPLE_EVERY == 0;
        int64_t began = sampled ? gr_now_ns() : 0, answered_id, sum;
        gr_message *reply;
        BENCH_OK(gr_call(self, &reply, to, "add", GR_FOREVER, "{s:s,s:I,s:[i,i,i],s:s}", "op", "add", "id", id, "args",
                         1, 2, 3, "name", NAME));
        BENCH_OK(gr_unpack(gr_body(reply), NULL, "{s:I,s:I}", "id", &answered_id, "sum", &sum));
        gr_message_free(&reply);
        if (sampled) bench_sample(gr_now_ns() - began);
        if (answered_id != id || sum != 6) bench_fail("json call: the answer to another call");
    }
    BENCH_OK(gr_cast(self, to, "n"));
    BENCH_OK(gr_cast(self, main, "{s:I}", "called", calls));
}

static int caller_start(gr_self *self, void *state, gr_value args)
{
    (void)state;
    call_all(self, args);
    gr_server_end(self);
    return 0;
}

static const gr_server caller_server = {.start = caller_start};

/* ---- pairs ---- */

static void spawn_pair(bench *b, int64_t calls)
{
    gr_address to, me = gr_self_address(b->self);
    if (b->servers) {
        BENCH_OK(gr_spawn_server(b->self, &to, &callee_server, NULL, "A", me));
        BENCH_OK(gr_spawn_server(b->self, NULL, &caller_server, NULL, "{s:A,s:A,s:I}", "to", to, "main", me, "calls",
                                 calls));
    } else {
        BENCH_OK(gr_spawn(b->self, &to, green_callee, "A", me));
        BENCH_OK(gr_spawn(b->self, NULL, call_all, "{s:A,s:A,s:I}", "to", to, "main", me, "calls", calls));
    }
}

static void run(bench *b, uint64_t pairs, uint64_t calls)
{
    uint64_t called = 0, answered = 0, each = calls / pairs;
    bench_span_begin(&span);
    for (uint64_t i = 0; i < pairs; i++) spawn_pair(b, (int64_t)each);
    for (uint64_t i = 0; i < 2 * pairs; i++) {
        gr_message *m = bench_receive(b);
        called += (uint64_t)gr_int(gr_get(gr_body(m), "called"), 0);
        answered += (uint64_t)gr_int(gr_get(gr_body(m), "answered"), 0);
        gr_message_free(&m);
    }
    bench_span_end(&span);
    bench_equal("calls", called, each * pairs);
    bench_equal("calls answered", answered, each * pairs);
}

int main(int argc, char **argv)
{
    bench_parameter parameters[] = {{"pairs", 1, 2}, {"calls", 500000, 1000}};
    bench b = {.workload = "json_call", .parameters = parameters, .parameter_count = 2};
    bench_begin(&b, argc, argv);
    uint64_t pairs = parameters[0].value, calls = parameters[1].value;
    if (pairs < 1 || pairs > 100000 || calls < pairs)
        bench_fail("json_call: 1 to 100000 pairs, one call a pair or more");
    run(&b, pairs, calls / 20 > pairs ? calls / 20 : pairs);
    bench_samples_clear();
    run(&b, pairs, calls);
    return bench_end(&b, span, calls / pairs * pairs, "call");
}
