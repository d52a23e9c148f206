/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* R15: one actor that computes without end, and one that blocks its thread, per worker, beside two that talk to each other.
 *
 *     rescue_stress [--seconds N] [--workers N] [--goal 0|1]
 *
 * The offenders begin together and hold their workers all the time; the log's sink notes when each is named. Without arguments half
 * a second; --seconds 10 --goal 1 on a machine that is otherwise quiet is the goal.
 *
 * Laws: the two go on talking, all offenders are named, by their names. With --goal 1 also: 99 of 100 round trips take at most 10 ms, and
 * each offender is named at most 100 ms after it began (printed in any case). */
#include "stress/census.h"

#include "base/atomic.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define OFFENDERS_MAX 64
#define SAMPLE 1000000

static uint64_t seconds = 0, workers = 2, goal = 0;
static gri_atomic_bool going; /* relaxed: seen late is fine */
static gri_atomic_i64 began[OFFENDERS_MAX],
    named[OFFENDERS_MAX];      /* ns; relaxed: each is written once, and looked at until it is */
static int64_t sample[SAMPLE]; /* the talker's, until it has told main that it is done */
static size_t samples;
static gri_atomic_bool talking; /* relaxed: seen late is fine */

/* The first log line about each. */
static void sink(void *arg, enum gr_log_level level, gr_address subject, const char *line)
{
    (void)arg, (void)level, (void)subject;
    const char *name = strstr(line, "offender");
    unsigned at;
    if (!name || sscanf(name, "offender%u", &at) != 1 || at >= OFFENDERS_MAX) return;
    int64_t none = 0;
    gri_cas_strong_relaxed(&named[at], &none, gr_now_ns());
}

static void offender(gr_self *self, gr_value args)
{
    int64_t at = gr_int(args, 0);
    (void)self;
    gri_store_relaxed(&began[at], gr_now_ns());
    while (gri_load_relaxed(&going)) {
        if (at % 2) (void)poll(NULL, 0, 5);
    }
}

static void echo(gr_self *self, gr_value args)
{
    (void)args;
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0; gr_message_free(&m))
        (void)gr_cast(self, gr_sender(m), "V", gr_body(m)); /* GR_EDEAD: at the end */
}

static void talker(gr_self *self, gr_value args)
{
    gr_address to = gr_address_in(gr_at(args, 0)), main = gr_address_in(gr_at(args, 1));
    gr_deadline next = gr_after_us(500);
    for (gr_message *m = NULL; gri_load_relaxed(&going);) {
        if (gr_sleep(self, next) != 0) break; /* how late it wakes counts, too */
        if (gr_cast(self, to, "i", 1) != 0 || gr_receive(self, &m, GR_FOREVER) != 0) break;
        gr_message_free(&m);
        if (samples < SAMPLE) sample[samples++] = gr_now_ns() - next.ns;
        gri_store_relaxed(&talking, true);
        next = gr_after_us(500);
    }
    (void)gr_cast(self, main, "s", "done");
}

int main(int argc, char **argv)
{
    const option options[] = {{"--seconds", &seconds}, {"--workers", &workers}, {"--goal", &goal}};
    options_read(argc, argv, options, 3);
    memset(sample, 1, sizeof sample); /* no faults later */
    const uint64_t offenders = 2 * workers < OFFENDERS_MAX ? 2 * workers : OFFENDERS_MAX;
    gr_options with = {.workers = (int64_t)workers, .log = "warn", .fixed = GR_FIXED(workers) | GR_FIXED(log)};
    gr_self *self;
    gr_address to, one;
    gr_log_sink_set(sink, NULL, NULL);
    gri_store_relaxed(&going, true);
    MUST(gr_start(&with, NULL));
    MUST(gr_attach(&self));
    MUST(gr_spawn(self, &to, echo, "n"));
    for (uint64_t i = 0; i < offenders; i++) {
        char name[32];
        snprintf(name, sizeof name, "offender%llu", (unsigned long long)i);
        MUST(gr_spawn_with(self, &one, offender, (&(gr_spawn_options){.name = name}), "I", (int64_t)i));
    }
    MUST(gr_spawn(self, &one, talker, "[A,A]", to, gr_self_address(self)));
    gr_sleep(self, gr_after_ms(seconds ? (int64_t)seconds * 1000 : 500));
    /* However busy the machine is: all of them get to run, and are named. */
    int64_t slowest = 0;
    gr_deadline patience = gr_after_s(120);
    for (uint64_t i = 0; i < offenders; i++) {
        while (gri_load_relaxed(&named[i]) == 0 && gr_now_ns() < patience.ns) gr_sleep(self, gr_after_ms(1));
        if (gri_load_relaxed(&named[i]) == 0) law("an offender that was not named", (int64_t)i, -1);
        int64_t took = gri_load_relaxed(&named[i]) - gri_load_relaxed(&began[i]);
        if (took > slowest) slowest = took;
    }
    while (!gri_load_relaxed(&talking) && gr_now_ns() < patience.ns) gr_sleep(self, gr_after_ms(1));
    if (!gri_load_relaxed(&talking)) law("round trips beside the offenders", 0, 1);
    gri_store_relaxed(&going, false);
    gr_message *m = NULL;
    MUST(gr_receive(self, &m, gr_after_s(120)));
    gr_message_free(&m);
    gr_counters c;
    MUST(gr_counters_read(&c));
    const size_t trips = samples;
    const double p50 = (double)percentile(sample, trips, 50) / 1e6, p99 = (double)percentile(sample, trips, 99) / 1e6,
                 most = (double)percentile(sample, trips, 100) / 1e6;
    if (goal) law_at_most("99th of a hundred round trips, ms", p99, 10);
    if (goal) law_at_most("named after, ms", (double)slowest / 1e6, 100);
    printf("{\"stress\":\"rescue\",\"workers\":%llu,\"offenders\":%llu,\"round_trips\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%"
           ".3f,\"max_ms\":%.3f,"
           "\"named_ms\":%.1f,\"rescues\":%llu}\n",
           (unsigned long long)workers, (unsigned long long)offenders, trips, p50, p99, most, (double)slowest / 1e6,
           (unsigned long long)c.rescues);
    gr_stop(GR_NOW);
    gr_log_sink_set(NULL, NULL, NULL);
    return laws_broken != 0;
}
