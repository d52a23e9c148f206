/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* R8: stack overflows, one after the other, in the actor's own code, inside the C library, and inside Greenroom's calls.
 *
 *     overflow_stress [--overflows N] [--workers N] [--mode 0|1|2] [--inside PERCENT]
 *
 * mode 1: guards by MADV_GUARD_INSTALL, 2: by PROT_NONE, 0: each in turn. So many of a hundred are not in the actor's own code:
 * those are told from a bug by stepping back to it, a trap an instruction, which costs a virtual machine a tenth of a second.
 * Meanwhile two neighbours talk to each other all the time. Without arguments 600, five of a hundred inside; the goal is
 * --overflows 1000000 --inside 50. Elsewhere than on x86-64 all are in the actor's own code (runtime/actor/overflow.c).
 *
 * Laws, exact: each ends one actor with "stack_overflow", whoever was spawned between them lives, and none was counted twice or
 * missed. Resident memory grows by less than 1 % from the first tenth on. The neighbours' round trips, alone and beside the
 * overflows, are printed: the goal for the 99th of a hundred is twice what it was. */
#include "stress/census.h"

#include "base/atomic.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && !GRI_ASAN && !GRI_TSAN
#define INSIDE 1
#else
#define INSIDE 0
#endif
#define SAMPLE 200000

static uint64_t overflows = GRI_TSAN ? 60 : 600, workers = 2, mode = 0, inside = 5;
static volatile int sink;
/* off -> on: main; on -> over: main; over -> off: the talker, which does not touch the sample from then on */
enum { OFF, ON, OVER };
static gri_atomic_u32 measuring;
static int64_t sample[SAMPLE]; /* with samples: the talker's while it is on or over, main's while it is off */
static size_t samples;

static int recurse(int depth)
{
    volatile char room[200];
    room[0] = (char)depth;
    return depth < 0 ? 0 : recurse(depth + 1) + room[0];
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
    switch (gr_int(gr_at(args, 0), 0)) {
    case 0: sink = recurse(0); break;
    case 1: sink = print_deeper(0); break;
    default: sink = cast_deeper(self, gr_address_in(gr_at(args, 1)), 0);
    }
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
        if (now == ON && samples < SAMPLE) sample[samples++] = gr_now_ns() - from;
        /* mo:overflow_stress.talk release -> overflow_stress.measure acquire: the sample */
        if (now == OVER) gri_store_release(&measuring, OFF);
        if (gr_sleep(self, gr_after_us(200)) != 0) return;
    }
}

static void measure(void)
{
    samples = 0;
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

static void run(const char *guard, uint64_t count)
{
    gr_options options = {.workers = (int64_t)workers,
                          .log = "off",
                          .guard = guard,
                          .fixed = GR_FIXED(workers) | GR_FIXED(guard) | GR_FIXED(log)};
    gr_self *self;
    gr_address neighbour, other, drain, one;
    MUST(gr_start(&options, NULL));
    MUST(gr_attach(&self));
    MUST(gr_spawn(self, &neighbour, echo, "n"));
    MUST(gr_spawn(self, &other, talker, "A", neighbour));
    MUST(gr_spawn(self, &drain, swallow, "n"));
    measure();
    gr_sleep(self, gr_after_ms(count > 10000 ? 1000 : 100));
    int64_t alone = measured(self), first = 0, from = gr_now_ns();
    measure();
    for (uint64_t i = 0; i < count; i++) {
        gr_message *report = NULL;
        MUST(gr_spawn_with(self, &one, victim, (&(gr_spawn_options){.retain = true}), "[I,A]",
                           (int64_t)(INSIDE && i % 100 < inside ? 1 + i % 2 : 0), drain));
        law("how it ended", gr_wait(self, one, &report, gr_after_s(60)), GR_EEXCEPTION);
        if (strcmp(gr_string(gr_get(gr_body(report), "error"), "?"), "stack_overflow") != 0) law("why it ended", 0, 1);
        gr_message_free(&report);
        if (i == count / 10) first = census_now().resident;
    }
    const double us = (double)(gr_now_ns() - from) / 1e3 / (double)count;
    int64_t beside = measured(self), last = census_now().resident;
    gr_counters counters;
    do {
        MUST(gr_counters_read(&counters));
    } while (counters.actors > 4 && gr_cooperate(self) == 0);
    law("overflows counted", (int64_t)counters.overflows, (int64_t)count);
    law("alive", (int64_t)counters.actors, 4);
#if !GRI_ASAN && !GRI_TSAN
    if (count >= 10000) law_at_most("resident memory", (double)last, (double)first * 1.01);
#endif
    printf("{\"stress\":\"overflow\",\"guard\":\"%s\",\"overflows\":%llu,\"inside_percent\":%llu,\"us_each\":%.1f,"
           "\"resident_first\":%lld,"
           "\"resident_last\":%lld,\"p99_us_alone\":%.1f,\"p99_us_beside\":%.1f}\n",
           guard, (unsigned long long)count, (unsigned long long)(INSIDE ? inside : 0), us, (long long)first,
           (long long)last, (double)alone / 1e3, (double)beside / 1e3);
    gr_stop(GR_NOW);
}

int main(int argc, char **argv)
{
    const option options[] = {
        {"--overflows", &overflows}, {"--workers", &workers}, {"--mode", &mode}, {"--inside", &inside}};
    options_read(argc, argv, options, 4);
    memset(sample, 1, sizeof sample); /* resident from the beginning on */
    if (mode != 2) run("install", mode == 0 ? overflows / 2 : overflows);
    if (mode != 1) run("protect", mode == 0 ? overflows / 2 : overflows);
    return laws_broken != 0;
}
