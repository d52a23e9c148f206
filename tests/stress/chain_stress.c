/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Exits travel along chains without a frame a link.
 *
 *     chain_stress [--links N] [--levels N] [--stack-kb N]
 *
 * A chain of servers, each linked to the next with GR_LINK_PROPAGATE: the last one is killed, and all go. Then a chain of
 * supervisors, each the only child of the one before: the first one is killed, and all go, the deepest first. Green threads and
 * worker loops have the smallest stacks there are. Without arguments 1,000,000 links and 100,000 levels in release.
 *
 * Laws: everybody has ended, each once; no block of message memory is left. */
#include "stress/census.h"

#include "base/atomic.h"

#include <stdlib.h>

#define SLOW (GRI_ASAN || GRI_TSAN || GRI_INVARIANTS)

static uint64_t links = SLOW ? 20000 : 1000000, levels = SLOW ? 2000 : 100000, stack_kb = SLOW ? 64 : 16;
static gri_atomic_u64 stopped; /* relaxed: a count */

static int start(gr_self *self, void *state, gr_value next)
{
    (void)state;
    return gr_type_of(next) == GR_ADDRESS ? gr_link(self, gr_address_in(next), GR_LINK_PROPAGATE) : 0;
}

static void stop(gr_self *self, void *state)
{
    (void)self, (void)state;
    gri_add_relaxed(&stopped, 1u);
}

static const gr_server link_server = {.start = start, .stop = stop};

static gr_self *begin(void)
{
    gr_options options = {.workers = 2,
                          .stack_kb = (int64_t)stack_kb,
                          .log = "error",
                          .fixed = GR_FIXED(workers) | GR_FIXED(stack_kb) | GR_FIXED(log)};
    gr_self *self;
    MUST(gr_start(&options, NULL));
    MUST(gr_attach(&self));
    return self;
}

static uint64_t alive(void)
{
    gr_counters c;
    MUST(gr_counters_read(&c));
    return c.actors;
}

/* Until so many are alive; a minute without any going ends the program. */
static void wait_alive(gr_self *self, uint64_t wanted)
{
    uint64_t before = alive();
    for (gr_deadline patience = gr_after_s(60); before != wanted; gr_sleep(self, gr_after_ms(1))) {
        uint64_t now = alive();
        if (now != before) patience = gr_after_s(60);
        before = now;
        if (gr_now_ns() < patience.ns) continue;
        law("alive, for ever", (int64_t)now, (int64_t)wanted);
        exit(1);
    }
}

static void run_links(void)
{
    gr_self *self = begin();
    gr_sleep(self, gr_after_ms(1)); /* what this thread needs for itself it has */
    law("a call of oneself", gr_call(self, NULL, gr_self_address(self), "none", GR_NOW, "n"), GR_EDEADLK);
    int64_t blocks = blocks_now();
    gr_address next = GR_NO_ADDRESS, last = GR_NO_ADDRESS;
    gri_store_relaxed(&stopped, 0);
    for (uint64_t i = 0; i < links; i++) {
        gr_message *args = NULL;
        MUST(next.id ? gr_pack(&args, "A", next) : gr_pack(&args, "n"));
        MUST(gr_spawn_server_value(self, &next, &link_server, NULL, gr_body(args)));
        gr_message_free(&args);
        if (i == 0) last = next;
        while (i % 1000 == 0 && gr_cooperate(self) == 0 && alive() != i + 2) continue;
    }
    /* Every start has run when the last one spawned answers. */
    int code = gr_call(self, NULL, next, "none", gr_after_s(60), "n");
    law("the call of a method that is not there", code, GR_EMETHOD);
    for (gr_counters c = {0};;) { /* and all the others wait for messages */
        MUST(gr_counters_read(&c));
        if (c.actors == links + 1) break;
    }
    int64_t from = gr_now_ns();
    MUST(gr_kill(last));
    wait_alive(self, 1);
    double s = (double)(gr_now_ns() - from) / 1e9;
    law("ended", (int64_t)gri_load_relaxed(&stopped), (int64_t)links);
    law_soon_at_most("blocks", blocks_now, blocks);
    printf("{\"stress\":\"chain\",\"links\":%llu,\"stack_kb\":%llu,\"seconds\":%.3f,\"ns_a_link\":%.0f}\n",
           (unsigned long long)links, (unsigned long long)stack_kb, s, s * 1e9 / (double)links);
    gr_stop(GR_NOW);
}

static void run_levels(void)
{
    gr_supervisor *tables = calloc(levels, sizeof *tables);
    gr_child *children = calloc(levels, sizeof *children);
    if (!tables || !children) exit(1);
    for (uint64_t i = 0; i < levels; i++) {
        children[i] = i + 1 < levels ? (gr_child){.id = "next", .supervisor = &tables[i + 1]}
                                     : (gr_child){.id = "last", .server = &link_server};
        tables[i] = (gr_supervisor){.children = &children[i], .child_count = 1};
    }
    gr_self *self = begin();
    gr_address tree;
    gri_store_relaxed(&stopped, 0);
    MUST(gr_spawn_supervisor(self, &tree, tables, NULL));
    int64_t from = gr_now_ns();
    MUST(gr_call(self, NULL, tree, "ready", GR_FOREVER, "n"));
    law("up", (int64_t)alive(), (int64_t)levels + 2);
    double up = (double)(gr_now_ns() - from) / 1e9;
    from = gr_now_ns();
    MUST(gr_kill(tree));
    wait_alive(self, 1);
    double down = (double)(gr_now_ns() - from) / 1e9;
    law("the last one ended", (int64_t)gri_load_relaxed(&stopped), 1);
    printf("{\"stress\":\"chain\",\"supervisors\":%llu,\"stack_kb\":%llu,\"up_s\":%.3f,\"down_s\":%.3f}\n",
           (unsigned long long)levels, (unsigned long long)stack_kb, up, down);
    gr_stop(GR_NOW);
    free(tables);
    free(children);
}

int main(int argc, char **argv)
{
    const option options[] = {{"--links", &links}, {"--levels", &levels}, {"--stack-kb", &stack_kb}};
    options_read(argc, argv, options, 3);
    run_links();
    run_levels();
    return laws_broken != 0;
}
