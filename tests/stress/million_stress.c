/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A million actors alive at once, first as green threads, then as servers.
 *
 *     million_stress [--actors N] [--workers N] [--form green|server]
 *
 * All are spawned; each runs, says that it is up, and waits in receive (a server: in its mailbox). When all are up each is
 * spoken to and answers once, and then sits there again while memory is measured; a last message ends it. Without arguments
 * the crowd is small enough for any test run; `million_stress --actors 1000000` is the real thing, and needs neither a
 * sysctl nor more than 5 GB.
 *
 * Laws, checked exactly: every number is heard once in each round; as many are alive as were spawned while they wait, and
 * none afterwards; green threads have a stack each, idle servers none but those of workers and caches; afterwards no stack
 * is live but those. Bytes per actor are printed beside their targets, resident memory before and after; they are no test,
 * since a sanitizer's memory counts, too. */
#include "base/compiler.h"
#include "stress/census.h"

#include <greenroom.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STACKS_BESIDE 256 /* of workers, spares and their caches, generously */
#define PATIENCE gr_after_s(300)

static uint64_t actors = GRI_TSAN ? 1000 : GRI_ASAN ? 4000 : 20000, workers = 2;
static unsigned wrong;

static void complain(const char *what, uint64_t have, uint64_t want)
{
    if (have == want) return;
    wrong++;
    fprintf(stderr, "%s: %llu, expected %llu\n", what, (unsigned long long)have, (unsigned long long)want);
}

/* ---- the crowd ---- */

static void green(gr_self *self, gr_value args)
{
    gr_address main = gr_address_in(gr_at(args, 0)); /* not gr_unpack: its frames would need a second page */
    int64_t number = gr_int(gr_at(args, 1), -1);
    MUST(gr_cast(self, main, "I", number));
    for (bool over = false; !over;) {
        gr_message *m;
        MUST(gr_receive(self, &m, GR_FOREVER));
        over = gr_type_of(gr_body(m)) == GR_NULL;
        gr_message_free(&m);
        MUST(gr_cast(self, main, "I", number));
    }
}

typedef struct member {
    gr_address main;
    int64_t number;
} member;

static int start(gr_self *self, void *state, gr_value args)
{
    member *m = state;
    MUST(gr_unpack(args, NULL, "[A,I]", &m->main, &m->number));
    MUST(gr_cast(self, m->main, "I", m->number));
    return 0;
}

static void on_message(gr_self *self, void *state, gr_message *message)
{
    member *m = state;
    MUST(gr_cast(self, m->main, "I", m->number));
    if (gr_type_of(gr_body(message)) == GR_NULL) gr_server_end(self);
}

static const gr_server server = {.state_bytes = sizeof(member), .start = start, .on_message = on_message};

/* ---- what the system says ---- */

typedef struct memory {
    int64_t resident, tables;
    uint64_t map_entries;
} memory;

static memory memory_now(void)
{
    memory now = {0};
    char line[512];
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file)) {
        long long kb;
        if (sscanf(line, "VmRSS: %lld", &kb) == 1) now.resident = kb * 1024;
        if (sscanf(line, "VmPTE: %lld", &kb) == 1) now.tables = kb * 1024;
    }
    if (file) fclose(file);
    file = fopen("/proc/self/maps", "r");
    while (file && fgets(line, sizeof line, file)) now.map_entries += strchr(line, '\n') != NULL;
    if (file) fclose(file);
    return now;
}

static uint64_t map_entries_max(void)
{
    unsigned long long max = 0;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
    if (!file) return 0;
    if (fscanf(file, "%llu", &max) != 1) max = 0;
    fclose(file);
    return max;
}

/* ---- the main thread ---- */

/* Hears every number once. */
static void hear_all(gr_self *self, unsigned char *heard, const char *when)
{
    memset(heard, 0, actors);
    uint64_t different = 0;
    for (uint64_t i = 0; i < actors; i++) {
        gr_message *m;
        MUST(gr_receive(self, &m, PATIENCE));
        uint64_t number = (uint64_t)gr_int(gr_body(m), -1);
        gr_message_free(&m);
        if (number >= actors || heard[number]) continue;
        heard[number] = 1;
        different++;
    }
    complain(when, different, actors);
}

static gr_counters counters(void)
{
    gr_counters c;
    MUST(gr_counters_read(&c));
    return c;
}

static void spawn_all(gr_self *self, gr_address *addresses, bool servers)
{
    gr_address me = gr_self_address(self);
    for (uint64_t i = 0; i < actors; i++) {
        if (servers)
            MUST(gr_spawn_server(self, &addresses[i], &server, NULL, "[A,I]", me, (int64_t)i));
        else
            MUST(gr_spawn(self, &addresses[i], green, "[A,I]", me, (int64_t)i));
    }
}

/* Lets the workers go idle and give back what they keep warm, a piece at a time, until it makes no difference any more. */
static memory settled(gr_self *self)
{
    memory now = memory_now(), last;
    do {
        last = now;
        MUST(gr_sleep(self, gr_after_ms(actors > 100000 ? 1000 : 250)));
        now = memory_now();
    } while (last.resident - now.resident > last.resident / 100);
    return now;
}

static void run(gr_self *self, gr_address *addresses, unsigned char *heard, bool servers)
{
    const char *form = servers ? "server" : "green thread";
    memory before = settled(self);
    int64_t began = gr_now_ns();
    spawn_all(self, addresses, servers);
    int64_t spawned = gr_now_ns();
    hear_all(self, heard, "numbers of those who came up");
    int64_t up = gr_now_ns();
    complain("alive when all are up", counters().actors, actors + 1);
    for (uint64_t i = 0; i < actors; i++) MUST(gr_cast(self, addresses[i], "i", 1));
    hear_all(self, heard, "numbers of those who answered");
    int64_t answered = gr_now_ns();
    memory full = settled(self);
    gr_counters c = counters();
    complain("alive when all have answered", c.actors, actors + 1);
    if (!servers && c.stacks_live < actors) complain("stacks of waiting green threads", c.stacks_live, actors);
    if (servers && c.stacks_live > STACKS_BESIDE) complain("stacks beside idle servers", c.stacks_live, 0);
    int64_t ending = gr_now_ns();
    for (uint64_t i = 0; i < actors; i++) MUST(gr_cast(self, addresses[i], "n"));
    hear_all(self, heard, "numbers of those who ended");
    gr_deadline patience = PATIENCE;
    while (counters().actors > 1 && gr_now_ns() < patience.ns) MUST(gr_cooperate(self));
    int64_t ended = gr_now_ns();
    complain("alive afterwards", counters().actors, 1);
    memory after = settled(self);
    c = counters();
    if (c.stacks_live > STACKS_BESIDE) complain("stacks afterwards", c.stacks_live, 0);
    printf("{\"stress\":\"million\",\"form\":\"%s\",\"actors\":%llu,\"workers\":%llu,\"bytes_per_actor\":%.1f,\"target_"
           "bytes\":%d,"
           "\"table_bytes_per_actor\":%.1f,\"map_entries\":%llu,\"max_map_count\":%llu,\"resident_before_kb\":%lld,"
           "\"resident_full_kb\":%lld,\"resident_after_kb\":%lld,\"spawn_s\":%.3f,\"up_s\":%.3f,\"answer_s\":%.3f,"
           "\"end_s\":%.3f,"
           "\"violations\":%u}\n",
           form, (unsigned long long)actors, (unsigned long long)workers,
           (double)(full.resident - before.resident) / (double)actors, servers ? 192 : 4600,
           (double)(full.tables - before.tables) / (double)actors, (unsigned long long)full.map_entries,
           (unsigned long long)map_entries_max(), (long long)before.resident / 1024, (long long)full.resident / 1024,
           (long long)after.resident / 1024, (double)(spawned - began) * 1e-9, (double)(up - began) * 1e-9,
           (double)(answered - up) * 1e-9, (double)(ended - ending) * 1e-9, wrong);
}

static int usage(const char *program)
{
    fprintf(stderr, "usage: %s [--actors N] [--workers N] [--form green|server]\n", program);
    return 2;
}

int main(int argc, char **argv)
{
    bool green_too = true, servers_too = true;
    for (int i = 1; i < argc; i++) {
        if (i + 1 == argc) return usage(argv[0]);
        const char *name = argv[i], *value = argv[++i];
        uint64_t number = *value >= '0' && *value <= '9' ? strtoull(value, NULL, 10) : 0;
        if (strcmp(name, "--actors") == 0 && number >= 1 && number <= 10000000) {
            actors = number;
        } else if (strcmp(name, "--workers") == 0 && number >= 1 && number <= 1024) {
            workers = number;
        } else if (strcmp(name, "--form") == 0 && (strcmp(value, "green") == 0 || strcmp(value, "server") == 0)) {
            green_too = *value == 'g';
            servers_too = !green_too;
        } else {
            return usage(argv[0]);
        }
    }
    gr_address *addresses = malloc(actors * sizeof *addresses);
    unsigned char *heard = malloc(actors);
    gr_detail detail;
    gr_options options = {.workers = (int64_t)workers, .fixed = GR_FIXED(workers)};
    gr_self *self;
    if (!addresses || !heard) return 1;
    memset(addresses, 1, actors * sizeof *addresses); /* resident from the start, as is heard */
    memset(heard, 1, actors);
    if (gr_start(&options, &detail) != 0) {
        fprintf(stderr, "gr_start: %s\n", detail.text);
        return 1;
    }
    MUST(gr_attach(&self));
    if (green_too) run(self, addresses, heard, false);
    if (servers_too) run(self, addresses, heard, true);
    gr_detach(&self);
    if (gr_stop(gr_after_s(60)) != 0) complain("gr_stop", 1, 0);
    free(addresses);
    free(heard);
    return wrong != 0;
}
