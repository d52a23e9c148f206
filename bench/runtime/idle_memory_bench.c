/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* idle memory: resident bytes per actor once each has handled one message and waits for the next.
 *
 *     --form green              parked in receive; with --more 1 each has called snprintf before
 *     --form server             no state, no name; with --more 1 each has a name, a monitor on it, and published state
 *
 * Messages go out in batches, so that what is measured is the actors and not their mail: a first batch goes to one actor before
 * anything is measured, and what heaps keep of it is there before. Page tables are told apart: they are the kernel's. Law: every actor answers once while all are alive. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 10000

static bool more;

/* snprintf's own frames are the point: with %g they are the deepest that ordinary code has. */
static void print_something(int64_t n)
{
    char text[200];
    int length = snprintf(text, sizeof text, "%lld %s %g", (long long)n, "something to be formatted", (double)n / 3);
    if (length < 0) bench_fail("snprintf");
}

static void green(gr_self *self, gr_value args)
{
    (void)args;
    gr_message *m;
    while (gr_receive(self, &m, GR_FOREVER) == 0) {
        if (more) print_something(gr_int(gr_body(m), 0));
        BENCH_OK(gr_cast(self, gr_sender(m), "I", gr_int(gr_body(m), 0)));
        gr_message_free(&m);
    }
}

static void on_message(gr_self *self, void *state, gr_message *m)
{
    (void)state;
    BENCH_OK(gr_cast(self, gr_sender(m), "I", gr_int(gr_body(m), 0)));
}

static void describe(gr_self *self, void *state, gr_builder *builder)
{
    (void)self;
    (void)state;
    gr_put_object(builder);
    gr_put_key(builder, "count"), gr_put_int(builder, 7);
    gr_put_end(builder);
}

static const gr_server bare = {.on_message = on_message};
static const gr_server full = {.on_message = on_message, .describe = describe};

/* ---- what the system says ---- */

typedef struct memory {
    int64_t resident, tables, maps;
} memory;

static memory memory_now(void)
{
    memory now = {0};
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file)) {
        long long kb;
        if (sscanf(line, "VmRSS: %lld", &kb) == 1) now.resident = kb * 1024;
        if (sscanf(line, "VmPTE: %lld", &kb) == 1) now.tables = kb * 1024;
    }
    if (file) fclose(file);
    file = fopen("/proc/self/maps", "r");
    while (file && fgets(line, sizeof line, file)) now.maps += strchr(line, '\n') != NULL;
    if (file) fclose(file);
    return now;
}

/* ---- the crowd ---- */

static void spawn_one(bench *b, gr_address *ret_address, uint64_t number)
{
    gr_value none = {NULL};
    if (!b->servers) {
        BENCH_OK(gr_spawn_value(b->self, ret_address, green, NULL, none));
    } else if (!more) {
        BENCH_OK(gr_spawn_server_value(b->self, ret_address, &bare, NULL, none));
    } else {
        char name[32];
        snprintf(name, sizeof name, "server/%07llu", (unsigned long long)number);
        gr_monitor_ref ref;
        gr_spawn_options options = {.name = name, .monitor = &ref};
        BENCH_OK(gr_spawn_server_value(b->self, ret_address, &full, &options, none));
    }
}

/* One message to each and one back, a batch at a time. */
static void visit(bench *b, const gr_address *actors, uint64_t count)
{
    for (uint64_t done = 0; done < count;) {
        uint64_t end = done + BATCH < count ? done + BATCH : count, sum = 0, want = 0;
        for (uint64_t i = done; i < end; i++) {
            BENCH_OK(gr_cast(b->self, actors[i], "I", (int64_t)i));
            want += i;
        }
        for (; done < end; done++) sum += (uint64_t)bench_receive_int(b);
        bench_equal("sum of the answers", sum, want);
    }
}

/* Heaps come to keep what they keep of a batch of mail. */
static void warm_up(bench *b)
{
    gr_value none = {NULL};
    gr_address actor, same[BATCH];
    BENCH_OK(gr_spawn_server_value(b->self, &actor, &bare, NULL, none));
    for (int i = 0; i < BATCH; i++) same[i] = actor;
    visit(b, same, BATCH);
    BENCH_OK(gr_kill_now(actor));
    BENCH_OK(gr_sleep(b->self, gr_after_ms(500)));
}

int main(int argc, char **argv)
{
    bench_parameter parameters[] = {{"actors", 1000000, 2000}, {"more", 0, 0}};
    bench b = {.workload = "idle_memory", .parameters = parameters, .parameter_count = 2};
    bench_begin(&b, argc, argv);
    uint64_t count = parameters[0].value;
    more = parameters[1].value != 0;
    if (count < 1 || count > 10000000) bench_fail("idle_memory: 1 to 10000000 actors");
    gr_address *actors = malloc(count * sizeof *actors);
    if (!actors) bench_fail("no memory");
    memset(actors, 1, count * sizeof *actors); /* resident before the first look */
    warm_up(&b);
    memory before = memory_now();
    bench_span span;
    bench_span_begin(&span);
    for (uint64_t begin = 0; begin < count; begin += BATCH) {
        uint64_t end = begin + BATCH < count ? begin + BATCH : count;
        for (uint64_t i = begin; i < end; i++) spawn_one(&b, &actors[i], i);
        visit(&b, actors + begin, end - begin);
    }
    bench_span_end(&span);
    gr_counters c;
    BENCH_OK(gr_counters_read(&c));
    bench_equal("actors alive", c.actors - 1, count);
    BENCH_OK(gr_sleep(b.self, gr_after_ms(500))); /* workers go to sleep and give back what they keep warm */
    memory after = memory_now();
    char line[512];
    snprintf(
        line, sizeof line,
        "\"ops\":%llu,\"seconds\":%.3f,\"bytes_per_actor\":%.1f,\"table_bytes_per_actor\":%.1f,\"map_entries\":%lld,"
        "\"stacks_live\":%llu,\"slab_bytes_per_actor\":%.1f",
        (unsigned long long)count, (double)(span.end_ns - span.begin_ns) * 1e-9,
        (double)(after.resident - before.resident) / (double)count,
        (double)(after.tables - before.tables) / (double)count, (long long)after.maps,
        (unsigned long long)c.stacks_live, (double)c.message_bytes / (double)count);
    visit(&b, actors, count); /* all of them are there still */
    for (uint64_t i = 0; i < count; i++) BENCH_OK(gr_kill_now(actors[i]));
    free(actors);
    return bench_end_with(&b, line);
}
