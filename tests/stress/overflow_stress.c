/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* R8: stack overflows, one after the other, in the actor's own code, inside the C library, and inside Greenroom's calls.
 *
 *     overflow_stress [--overflows N] [--workers N] [--mode 0|1|2] [--inside PERCENT] [--deep N]
 *
 * mode 1: guards by MADV_GUARD_INSTALL, 2: by PROT_NONE, 0: each in turn. So many of a hundred overflow inside one of 60 functions
 * of the C library and of Greenroom, each time with another amount of stack left (inside.h): the runtime steps from there back to
 * the actor's code, a trap an instruction, which is why places are taken that have 500 to go at most, those with few more often. Counted are those whose
 * faulting instruction was seen to be in there. `deep` more get there by recursion, wherever that overflows: 10 to 290 ms each.
 * Meanwhile two neighbours talk to each other all the time. Without arguments 600, ten of a hundred inside; the goal is
 * --overflows 1000000 --inside 50. Elsewhere than on x86-64 all are in the actor's own code (runtime/actor/overflow.c).
 *
 * Laws, exact: each ends one actor with "stack_overflow", whoever was spawned between them lives, and none was counted twice or
 * missed. From 100,000 on, resident memory grows by less than 1 % from the first tenth on. The neighbours' round trips are
 * printed: alone, among such actors that overflow nothing, and beside the overflows. The goal for the 99th of a hundred is twice
 * what it was among; alone it is what the caches of an idle machine make of it. */
#include "stress/census.h"

#include "base/atomic.h"
#include "stress/inside.h"

#include <stdlib.h>
#include <string.h>

#define SAMPLE 200000

static uint64_t overflows = GRI_TSAN ? 60 : 600, workers = 2, mode = 0, inside = 10, deep = 8;
static volatile int sink;
/* off -> on: main; on -> over: main; over -> off: the talker, which does not touch the sample from then on */
enum { OFF, ON, OVER };
/* what a victim does; LIVE: recurses and comes back */
enum { RECURSE, PRINT, CAST, PLACE, LIVE };
static gri_atomic_u32 measuring;
static int64_t sample[SAMPLE]; /* with samples: the talker's while it is on or over, main's while it is off */
static size_t samples, sampled;

static int recurse(int depth)
{
    volatile char room[200];
    room[0] = (char)depth;
    return depth < 0 ? 0 : recurse(depth + 1) + room[0];
}

static int recurse_to(int depth)
{
    volatile char room[200];
    room[0] = (char)depth;
    return depth == 0 ? 0 : recurse_to(depth - 1) + room[0];
}

static int print_deeper(int depth)
{
    char text[100];
    sink = snprintf(text, sizeof text, "%d %f %s", depth, 1.5 * depth, "deeper and deeper");
    return depth < 0 ? 0 : print_deeper(depth + 1) + text[0];
}

static int cast_deeper(gr_self *self, gr_address to, int depth)
{
    volatile char room[100];
    room[0] = (char)depth;
    sink = gr_cast(self, to, "{s:i, s:[i,i,i]}", "depth", depth, "more", 1, 2, 3);
    return depth < 0 ? 0 : cast_deeper(self, to, depth + 1) + room[0];
}

static void victim(gr_self *self, gr_value args)
{
    switch (gr_int(gr_at(args, 0), RECURSE)) {
    case PRINT: sink = print_deeper(0); break;
    case LIVE: sink = recurse_to(100); return;
    case CAST: sink = cast_deeper(self, gr_address_in(gr_at(args, 2)), 0); break;
    case PLACE: inside_call(self, (uint32_t)gr_int(gr_at(args, 1), 0)); break; /* it may have come back */
    default: break;
    }
    sink = recurse(0);
}

static void swallow(gr_self *self, gr_value args)
{
    (void)args;
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0;) gr_message_free(&m);
}

static void echo(gr_self *self, gr_value args)
{
    (void)args;
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0; gr_message_free(&m))
        (void)gr_cast(self, gr_sender(m), "V", gr_body(m)); /* GR_EDEAD: at the end */
}

/* Of a long run each one has the same chance to stay. */
static void sample_add(int64_t ns)
{
    size_t at = sampled++;
    if (samples < SAMPLE)
        samples++;
    else
        at = (size_t)(((uint64_t)at * UINT64_C(0x9e3779b97f4a7c15) >> 20) % sampled);
    if (at < SAMPLE) sample[at] = ns;
}

/* Talks to the echo; keeps how long each round trip took while it is measured. */
static void talker(gr_self *self, gr_value args)
{
    gr_address to = gr_address_in(args);
    for (gr_message *m = NULL;;) {
        int64_t from = gr_now_ns();
        if (gr_cast(self, to, "i", 1) != 0 || gr_receive(self, &m, GR_FOREVER) != 0) return;
        gr_message_free(&m);
        /* mo:overflow_stress.talk acquire <- overflow_stress.measure release */
        uint32_t now = gri_load_acquire(&measuring);
        if (now == ON) sample_add(gr_now_ns() - from);
        /* mo:overflow_stress.talk release -> overflow_stress.measure acquire: the sample */
        if (now == OVER) gri_store_release(&measuring, OFF);
        if (gr_sleep(self, gr_after_us(200)) != 0) return;
    }
}

static void measure(void)
{
    samples = sampled = 0;
    /* mo:overflow_stress.measure release -> overflow_stress.talk acquire: the empty sample */
    gri_store_release(&measuring, ON);
}

static int64_t measured(gr_self *self)
{
    gri_store_relaxed(&measuring, OVER); /* relaxed: publishes nothing */
    /* mo:overflow_stress.measure acquire <- overflow_stress.talk release */
    while (gri_load_acquire(&measuring) != OFF) MUST(gr_sleep(self, gr_after_us(200)));
    return percentile(sample, samples, 99);
}

/* Of this run. */
static struct {
    size_t places;
    uint64_t wanted, seen, deep,
        random; /* inside: at least so many; so many were seen there; still to come, by recursion */
} plan;

static bool places_left(uint64_t done)
{
    return plan.places != 0 && plan.seen < plan.wanted && done < UINT64_MAX;
}

static void places_begin(gr_self *self, gr_address drain, uint64_t count)
{
    plan.places = inside_learn(self, drain);
    plan.wanted = plan.places ? count * inside / 100 : 0;
    plan.deep = INSIDE ? deep : 0;
    plan.seen = 0;
    inside_watch(true);
}

/* Inside, if there are fewer of those among the first i than there should be. */
static void overflow_one(gr_self *self, gr_address drain, uint64_t i)
{
    gr_address one;
    gr_message *report = NULL;
    int64_t kind = RECURSE;
    if (plan.seen < plan.wanted && plan.seen * 100 < (i + 1) * inside)
        kind = PLACE;
    else if (plan.deep)
        kind = plan.deep-- % 2 ? PRINT : CAST;
    plan.random = plan.random * UINT64_C(6364136223846793005) + 1;
    MUST(gr_spawn_with(self, &one, victim, (&(gr_spawn_options){.retain = true}), "[I,I,A]", kind,
                       (int64_t)(plan.random >> 32), drain));
    law("how it ended", gr_wait(self, one, &report, gr_after_s(60)), GR_EEXCEPTION);
    if (strcmp(gr_string(gr_get(gr_body(report), "error"), "?"), "stack_overflow") != 0) law("why it ended", 0, 1);
    gr_message_free(&report);
    const inside_where where = inside_ended();
    if (kind == PLACE && (where == INSIDE_LIBC || where == INSIDE_GREENROOM)) plan.seen++;
}

/* The same actors, one after the other, who overflow nothing: what they cost the neighbours' caches. */
static void live_ordinarily(gr_self *self, int64_t ms)
{
    for (const int64_t end = gr_now_ns() + ms * 1000000; gr_now_ns() < end;) {
        gr_address one;
        gr_message *report = NULL;
        MUST(gr_spawn_with(self, &one, victim, (&(gr_spawn_options){.retain = true}), "[i]", LIVE));
        law("how one ended that did not overflow", gr_wait(self, one, &report, gr_after_s(60)), 0);
        gr_message_free(&report);
    }
}

/* Without what the C library keeps of sorting samples. */
static int64_t settled(void)
{
    census_settle();
    return census_now().resident;
}

static void run(const char *guard, uint64_t count)
{
    gr_options options = {.workers = (int64_t)workers,
                          .log = "off",
                          .guard = guard,
                          .fixed = GR_FIXED(workers) | GR_FIXED(guard) | GR_FIXED(log)};
    gr_self *self;
    gr_address neighbour, other, drain;
    MUST(gr_start(&options, NULL));
    MUST(gr_attach(&self));
    MUST(gr_spawn(self, &neighbour, echo, "n"));
    MUST(gr_spawn(self, &other, talker, "A", neighbour));
    MUST(gr_spawn(self, &drain, swallow, "n"));
    measure();
    gr_sleep(self, gr_after_ms(count > 10000 ? 1000 : 100));
    const int64_t alone = measured(self);
    measure();
    live_ordinarily(self, count > 10000 ? 1000 : 100);
    const int64_t among = measured(self);
    int64_t first = 0, from;
    uint64_t done = 0;
    places_begin(self, drain, count);
    from = gr_now_ns();
    measure();
    for (uint64_t i = 0; i < count || places_left(i); i++) {
        overflow_one(self, drain, i);
        if (i == count / 10) first = settled();
        done = i + 1;
    }
    const double us = (double)(gr_now_ns() - from) / 1e3 / (double)done;
    const int64_t last = settled(), beside = measured(self);
    gr_counters counters;
    do {
        MUST(gr_counters_read(&counters));
    } while (counters.actors > 4 && gr_cooperate(self) == 0);
    inside_watch(false);
    law("overflows counted", (int64_t)counters.overflows, (int64_t)done);
    law("alive", (int64_t)counters.actors, 4);
#if !GRI_ASAN && !GRI_TSAN
    if (count >= 100000) law_at_most("resident memory", (double)last, (double)first * 1.01);
#endif
    const inside_counts libc = inside_counted(INSIDE_LIBC), ours = inside_counted(INSIDE_GREENROOM);
    printf("{\"stress\":\"overflow\",\"guard\":\"%s\",\"overflows\":%llu,\"inside\":%llu,\"places\":%zu,"
           "\"libc_so_far\":%llu,\"libc_instructions\":%llu,\"greenroom_so_far\":%llu,\"greenroom_instructions\":%llu,"
           "\"us_each\":%.1f,\"resident_first\":%lld,\"resident_last\":%lld,\"p99_us_alone\":%.1f,"
           "\"p99_us_among\":%.1f,\"p99_us_beside\":%.1f}\n",
           guard, (unsigned long long)done, (unsigned long long)plan.seen, plan.places, (unsigned long long)libc.faults,
           (unsigned long long)libc.instructions, (unsigned long long)ours.faults,
           (unsigned long long)ours.instructions, us, (long long)first, (long long)last, (double)alone / 1e3,
           (double)among / 1e3, (double)beside / 1e3);
    gr_stop(GR_NOW);
}

int main(int argc, char **argv)
{
    const option options[] = {{"--overflows", &overflows},
                              {"--workers", &workers},
                              {"--mode", &mode},
                              {"--inside", &inside},
                              {"--deep", &deep}};
    options_read(argc, argv, options, GRI_ARRAY_COUNT(options));
    if (inside > 100) inside = 100;
    memset(sample, 1, sizeof sample); /* resident from the beginning on */
    if (mode != 2) run("install", mode == 0 ? overflows / 2 : overflows);
    if (mode != 1) run("protect", mode == 0 ? overflows / 2 : overflows);
    return laws_broken != 0;
}
