/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* R9: waves of actors that are spawned, monitored and killed.
 *
 *     waves_stress [--actors N] [--waves N] [--workers N] [--green 0|1]
 *
 * Each wave: the main thread spawns so many servers (--green 1: green threads, and waits until all of them have parked) with a
 * monitor each, kills them all, and hears of each end once. Without arguments small enough for any run; the goal is --actors 1000000 --waves 10.
 *
 * Laws, exact: one message a monitor, each of a wave's own; nobody left; no block of message memory more than after the first
 * wave. And resident memory comes back: within ten seconds after a wave to 1 % above what it was after the first one (not under
 * sanitizers, and only for crowds that are large beside what the process has anyway: 100,000 and more). */
#include "stress/census.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t actors = GRI_TSAN ? 1000 : GRI_ASAN ? 4000 : 20000, waves = 4, workers = 2, green = 0;

static void waits(gr_self *self, gr_value args)
{
    (void)args;
    (void)gr_sleep(self, GR_FOREVER);
}

/* Who is killed before it has run never had a stack: waves would differ in how many there are at a time. */
static void wait_parked(gr_self *self)
{
    for (gr_counters c = {0}; c.stacks_live < actors;) {
        gr_sleep(self, gr_after_ms(1));
        MUST(gr_counters_read(&c));
    }
}

static const gr_server server = {.state_bytes = 0};

static void wave(gr_self *self, gr_address *all, unsigned char *heard, uint64_t *ret_first_ref)
{
    gr_monitor_ref ref = {0}, first = {0};
    for (uint64_t i = 0; i < actors; i++) {
        const gr_spawn_options options = {.monitor = &ref};
        MUST(green ? gr_spawn_with(self, &all[i], waits, &options, "n")
                   : gr_spawn_server(self, &all[i], &server, &options, "n"));
        if (i == 0) first = ref;
    }
    if (green) wait_parked(self);
    for (uint64_t i = 0; i < actors; i++) MUST(gr_kill(all[i]));
    memset(heard, 0, actors);
    for (uint64_t i = 0; i < actors; i++) {
        gr_message *m = NULL;
        MUST(gr_receive(self, &m, gr_after_s(120)));
        uint64_t at = (uint64_t)gr_int(gr_get(gr_body(m), "down"), 0) - first.id;
        if (at >= actors || heard[at]++) law("an end that was heard twice, or is another wave's", (int64_t)at, 0);
        gr_message_free(&m);
    }
    gr_message *m = NULL;
    law("and nothing more", gr_receive(self, &m, GR_NOW), GR_ETIMEOUT);
    *ret_first_ref = first.id;
}

static void wait_alone(gr_self *self)
{
    gr_counters c;
    do {
        gr_sleep(self, gr_after_ms(1));
        MUST(gr_counters_read(&c));
    } while (c.actors != 1);
}

/* What is resident once what nobody needs has gone back, which takes until somebody looks: ten seconds at most. */
static int64_t settled(gr_self *self, int64_t wanted)
{
    int64_t least = INT64_MAX;
    for (int i = 0; i < 100; i++) {
        gr_sleep(self, gr_after_ms(100));
        census_settle();
        int64_t now = census_now().resident;
        if (now < least) least = now;
        if (wanted ? least <= wanted : i >= 30) break;
    }
    return least;
}

int main(int argc, char **argv)
{
    const option options[] = {{"--actors", &actors}, {"--waves", &waves}, {"--workers", &workers}, {"--green", &green}};
    options_read(argc, argv, options, 4);
    gr_options with = {.workers = (int64_t)workers, .log = "error", .fixed = GR_FIXED(workers) | GR_FIXED(log)};
    gr_self *self;
    gr_address *all = malloc(actors * sizeof *all);
    unsigned char *heard = malloc(actors);
    if (!all || !heard) return 1;
    memset(all, 0, actors * sizeof *all); /* resident from the beginning on */
    MUST(gr_start(&with, NULL));
    MUST(gr_attach(&self));
    const int64_t before = census_now().resident;
    int64_t base = 0, last = 0, blocks = 0;
    const bool large = actors >= 100000;
    for (uint64_t i = 0; i < waves; i++) {
        uint64_t first;
        wave(self, all, heard, &first);
        wait_alone(self);
        last = settled(self, i == 0 ? 0 : large ? base + base / 100 : INT64_MAX);
        if (i == 0) base = last, blocks = blocks_now();
        law_soon_at_most("blocks", blocks_now, blocks);
#if !GRI_ASAN && !GRI_TSAN
        if (large) law_at_most("resident memory after a wave", (double)last, (double)base * 1.01);
#endif
        fprintf(stderr, "wave %llu: %lld KiB resident\n", (unsigned long long)i + 1, (long long)last >> 10);
    }
    printf("{\"stress\":\"waves\",\"form\":\"%s\",\"actors\":%llu,\"waves\":%llu,\"resident_before\":%lld,\"resident_"
           "first\":%lld,\"resident_"
           "last\":%lld,"
           "\"growth_percent\":%.2f}\n",
           green ? "green" : "server", (unsigned long long)actors, (unsigned long long)waves, (long long)before,
           (long long)base, (long long)last, 100.0 * (double)(last - base) / (double)base);
    gr_stop(GR_NOW);
    free(all);
    free(heard);
    return laws_broken != 0;
}
