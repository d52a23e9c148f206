/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* R17: the runtime is started and stopped again and again in one process.
 *
 *     restart_stress [--cycles N] [--workers N] [--warm N]
 *
 * Each cycle starts it, attaches this thread, spawns a server with a name, a monitor, published state and a timer, a green thread and a
 * supervisor, calls the server, and stops. Without arguments 300 cycles; the goal is --cycles 100000.
 *
 * Laws: after `warm` cycles nothing grows any more until the last one: no descriptor, thread or block of message memory; and, but
 * for sanitizers, which have their own, no map entry, and anonymous memory by at most 64 KiB, some pages that are touched late. No
 * worker is ever taken for stuck: the C library keeps the stack of the spare one that would come, with two map entries or four. */
#include "stress/census.h"

#include <stdlib.h>
#include <string.h>

static uint64_t cycles = GRI_TSAN ? 30 : 300, workers = 2, warm = GRI_TSAN ? 10 : 100;

static void echo(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    (void)gr_reply(self, "V", argument);
}

static void describe(gr_self *self, void *state, gr_builder *b)
{
    (void)self, (void)state;
    gr_put_string(b, "here");
}

static const gr_method methods[] = {{"echo", echo}};
static const gr_server server = {.methods = methods, .method_count = 1, .describe = describe};
static const gr_child children[] = {{.id = "a", .server = &server}, {.id = "b", .server = &server}};
static const gr_supervisor tree = {.children = children, .child_count = 2};

static void green(gr_self *self, gr_value args)
{
    (void)args;
    (void)gr_sleep(self, GR_FOREVER);
}

static void cycle(void)
{
    gr_options options = {.workers = (int64_t)workers, .log = "error", .stuck_ms = 60000};
    options.fixed = GR_FIXED(workers) | GR_FIXED(log) | GR_FIXED(stuck_ms);
    gr_self *self;
    gr_address one;
    gr_monitor_ref ref;
    gr_message *reply = NULL;
    MUST(gr_start(&options, NULL));
    MUST(gr_attach(&self));
    MUST(gr_spawn_server(self, &one, &server, (&(gr_spawn_options){.name = "echo", .monitor = &ref}), "n"));
    MUST(gr_cast_after(self, NULL, one, gr_after_s(100), "s", "never"));
    MUST(gr_call(self, &reply, one, "echo", GR_FOREVER, "{s:i}", "x", 1));
    gr_message_free(&reply);
    MUST(gr_spawn(self, &one, green, "n"));
    MUST(gr_spawn_supervisor(self, &one, &tree, NULL));
    MUST(gr_call(self, NULL, one, "ready", GR_FOREVER, "n"));
    gr_stop(GR_NOW);
}

int main(int argc, char **argv)
{
    const option options[] = {{"--cycles", &cycles}, {"--workers", &workers}, {"--warm", &warm}};
    options_read(argc, argv, options, 3);
    for (uint64_t i = 0; i < warm; i++) cycle();
    census_settle();
    const census before = census_now();
    for (uint64_t i = warm; i < cycles; i++) cycle();
    census_settle();
    const int64_t threads = law_soon_at_most("threads", threads_now, before.threads);
    const census after = census_now();
    law("descriptors", after.fds, before.fds);
    law("blocks", after.blocks, before.blocks);
#if !GRI_ASAN && !GRI_TSAN
    law("maps", after.maps, before.maps);
    law_at_most("growth of resident memory", (double)(after.resident - before.resident), 1 << 16);
#endif
    printf("{\"stress\":\"restart\",\"cycles\":%llu,\"workers\":%llu,\"fds\":%lld,\"threads\":%lld,\"maps\":%lld,"
           "\"blocks\":%lld,"
           "\"resident\":%lld,\"growth\":%lld}\n",
           (unsigned long long)cycles, (unsigned long long)workers, (long long)(after.fds - before.fds),
           (long long)(threads - before.threads), (long long)(after.maps - before.maps),
           (long long)(after.blocks - before.blocks), (long long)before.resident,
           (long long)(after.resident - before.resident));
    return laws_broken != 0;
}
