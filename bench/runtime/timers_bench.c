/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* timers: 100,000 actors each sleep ten times, 1 to 100 ms by a seeded choice. One operation is one sleep. A green thread
 * sleeps; a server sends itself a message for later, which is how servers wait. What counts is the time beside the longest
 * chain of sleeps (floor_seconds), which nobody can beat, and the processor time.
 *
 * Law: every actor has slept ten times and was never woken early. */
#include "bench.h"

#define NS_PER_MS INT64_C(1000000)
#define SLEEPS_MAX 1000

static bench_span span;
static int64_t sleeps; /* of each: constant while actors live */

/* Sleep number `which` of actor `number`, 1 to 100 ms: the same in every run. */
static int64_t nap_ms(int64_t number, int64_t which)
{
    uint64_t x = (uint64_t)(number * SLEEPS_MAX + which) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return 1 + (int64_t)((x >> 33) % 100);
}

static int64_t not_early(int64_t due_ns)
{
    int64_t now_ns = gr_now_ns();
    if (now_ns < due_ns) bench_fail("timers: woken %lld ns early", (long long)(due_ns - now_ns));
    return now_ns;
}

/* ---- who counts: an actor, as the others' messages stay among workers then ---- */

typedef struct counter {
    gr_address main;
    int64_t actors, slept;
} counter;

static int counter_start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    counter *c = state;
    return gr_unpack(args, NULL, "[A,I]", &c->main, &c->actors);
}

static void counter_on_message(gr_self *self, void *state, gr_message *m)
{
    counter *c = state;
    c->slept += gr_int(gr_body(m), 0);
    if (--c->actors > 0) return;
    bench_span_end(&span);
    BENCH_OK(gr_cast(self, c->main, "I", c->slept));
    gr_server_end(self);
}

static const gr_server counting = {
    .state_bytes = sizeof(counter), .start = counter_start, .on_message = counter_on_message};

/* ---- who sleeps ---- */

static void green(gr_self *self, gr_value args)
{
    gr_address to = gr_address_in(gr_at(args, 0));
    int64_t number = gr_int(gr_at(args, 1), 0), slept = 0;
    for (int64_t now_ns = gr_now_ns(); slept < sleeps; slept++) {
        gr_deadline due = {now_ns + nap_ms(number, slept) * NS_PER_MS};
        BENCH_OK(gr_sleep(self, due));
        now_ns = not_early(due.ns);
    }
    BENCH_OK(gr_cast(self, to, "I", slept));
}

typedef struct sleeper {
    gr_address counter;
    int64_t number, slept, due_ns;
} sleeper;

static void sleep_on(gr_self *self, sleeper *s, int64_t now_ns)
{
    s->due_ns = now_ns + nap_ms(s->number, s->slept) * NS_PER_MS;
    BENCH_OK(gr_cast_after(self, NULL, gr_self_address(self), (gr_deadline){s->due_ns}, "n"));
}

static int sleeper_start(gr_self *self, void *state, gr_value args)
{
    sleeper *s = state;
    s->counter = gr_address_in(gr_at(args, 0));
    s->number = gr_int(gr_at(args, 1), 0);
    sleep_on(self, s, gr_now_ns());
    return 0;
}

static void sleeper_on_message(gr_self *self, void *state, gr_message *m)
{
    (void)m;
    sleeper *s = state;
    int64_t now_ns = not_early(s->due_ns);
    if (++s->slept < sleeps) {
        sleep_on(self, s, now_ns);
        return;
    }
    BENCH_OK(gr_cast(self, s->counter, "I", s->slept));
    gr_server_end(self);
}

static const gr_server sleeping = {
    .state_bytes = sizeof(sleeper), .start = sleeper_start, .on_message = sleeper_on_message};

static void run(bench *b, int64_t actors, int64_t each)
{
    sleeps = each;
    gr_address to;
    BENCH_OK(gr_spawn_server(b->self, &to, &counting, NULL, "[A,I]", gr_self_address(b->self), actors));
    bench_span_begin(&span);
    for (int64_t i = 0; i < actors; i++) {
        if (b->servers)
            BENCH_OK(gr_spawn_server(b->self, NULL, &sleeping, NULL, "[A,I]", to, i));
        else
            BENCH_OK(gr_spawn(b->self, NULL, green, "[A,I]", to, i));
    }
    bench_equal("sleeps", (uint64_t)bench_receive_int(b), (uint64_t)(actors * each));
}

static double floor_seconds(int64_t actors, int64_t each)
{
    int64_t longest_ms = 0;
    for (int64_t i = 0; i < actors; i++) {
        int64_t sum_ms = 0;
        for (int64_t k = 0; k < each; k++) sum_ms += nap_ms(i, k);
        if (sum_ms > longest_ms) longest_ms = sum_ms;
    }
    return (double)longest_ms * 1e-3;
}

int main(int argc, char **argv)
{
    bench_parameter parameters[] = {{"actors", 100000, 500}, {"sleeps", 10, 2}};
    bench b = {.workload = "timers", .parameters = parameters, .parameter_count = 2};
    bench_begin(&b, argc, argv);
    int64_t actors = (int64_t)parameters[0].value, each = (int64_t)parameters[1].value;
    if (actors < 1 || actors > 10000000 || each < 1 || each > SLEEPS_MAX)
        bench_fail("timers: 1 to 10000000 actors, 1 to %d sleeps", SLEEPS_MAX);
    run(&b, actors / 10 + 1, 1);
    run(&b, actors, each);
    bench_note(&b, "\"floor_seconds\":%.3f", floor_seconds(actors, each));
    return bench_end(&b, span, (uint64_t)(actors * each), "sleep");
}
