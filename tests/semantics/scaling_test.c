/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What 128 workers cost the scheduler, in counts: on a topology that is made up, on however few processors there are. A cost that
 * grows with the number of workers would be a hundred times what it is with one, so the bounds are loose: a busy machine, on which
 * slices end more often and workers fall asleep in between, stays far below them (bench/runtime/scaling_bench.c measures). */
#include "support/harness.h"

#include "base/compiler.h"

#include <stdlib.h>

#define WORKERS 128
#define MESSAGES (GRI_ASAN || GRI_TSAN ? 40000 : 200000)
#define MEMBERS (8 * WORKERS)
#define PINGS 4
#define WIDTH 10

static gr_self *begin(void)
{
    setenv("HWLOC_SYNTHETIC", "numa:2 core:32 pu:2", 1);
    return BEGIN_WITH(.workers = WORKERS, .bind = "none", .stuck_ms = 60000,
                      .fixed = GR_FIXED(workers) | GR_FIXED(bind) | GR_FIXED(stuck_ms));
}

static gr_counters counters(void)
{
    gr_counters c;
    CHECK_OK(gr_counters_read(&c));
    return c;
}

static int64_t receive_int(gr_self *self)
{
    gr_message *m = NULL;
    CHECK_OK(gr_receive(self, &m, SOON));
    int64_t n = gr_int(gr_body(m), INT64_MIN);
    gr_message_free(&m);
    return n;
}

/* At most `part` of them, besides a constant a worker. */
#define CHECK_COUNT(before, after, name, part) \
    do { \
        uint64_t gr_more = (after).name - (before).name, gr_of = (after).messages - (before).messages; \
        if (gr_more > gr_of / (part) + 4 * WORKERS) \
            TEST_FAIL("%s: %llu for %llu messages", #name, (unsigned long long)gr_more, (unsigned long long)gr_of); \
    } while (0)

/* ---- a pair a worker: nothing of what they do concerns anybody else ---- */

static void answer(gr_self *self, gr_value args)
{
    (void)args;
    gr_message *m = NULL;
    for (bool more = true; more;) {
        CHECK_OK(gr_receive(self, &m, GR_FOREVER));
        more = gr_int(gr_body(m), 0) > 0;
        CHECK_OK(gr_send(self, gr_sender(m), &m));
    }
}

static void ask(gr_self *self, gr_value args)
{
    gr_address other, parent = gr_address_in(gr_at(args, 0));
    int64_t rounds = gr_int(gr_at(args, 1), 0), round = rounds;
    CHECK_OK(gr_spawn(self, &other, answer, "n"));
    for (; round >= 0; round--) {
        gr_message *m = NULL;
        CHECK_OK(gr_cast(self, other, "I", round));
        CHECK_OK(gr_receive(self, &m, GR_FOREVER));
        CHECK_EQ(gr_int(gr_body(m), -1), round);
        gr_message_free(&m);
    }
    GRI_IGNORE(gr_cast(self, parent, "I", rounds));
}

TEST(scaling, pairs_concern_nobody_else)
{
    if (harness_simulated()) return;
    gr_self *self = begin();
    int64_t rounds = MESSAGES / (2 * WORKERS);
    gr_counters before = counters();
    for (int i = 0; i < WORKERS; i++) CHECK_OK(gr_spawn(self, NULL, ask, "[A,I]", gr_self_address(self), rounds));
    for (int i = 0; i < WORKERS; i++) CHECK_EQ(receive_int(self), rounds);
    gr_counters after = counters();
    CHECK_COUNT(before, after, queued, 10);
    CHECK_COUNT(before, after, steals, 100);
    CHECK_COUNT(before, after, wakes, 100);
    CHECK_COUNT(before, after, parks, 100);
    END(self);
}

/* ---- a crowd whose messages go anywhere ---- */

static gr_address members[MEMBERS]; /* written before the first ping */

static void member(gr_self *self, gr_value args)
{
    gr_address parent = gr_address_in(gr_at(args, 0));
    uint64_t random = (uint64_t)gr_int(gr_at(args, 1), 0) + 1;
    int64_t received = 0;
    for (;; received++) {
        gr_message *m = NULL;
        CHECK_OK(gr_receive(self, &m, GR_FOREVER));
        int64_t left = gr_int(gr_body(m), -1);
        gr_message_free(&m);
        if (left < 0) break;
        random = random * UINT64_C(6364136223846793005) + 1;
        CHECK_OK(gr_cast(self, left > 0 ? members[(random >> 33) % MEMBERS] : parent, "I", left - 1));
    }
    GRI_IGNORE(gr_cast(self, parent, "I", received));
}

static void tell(gr_self *self, gr_value args)
{
    int64_t number = gr_int(gr_at(args, 0), 0), times = gr_int(gr_at(args, 1), 0);
    for (int64_t k = 0; k < times; k++)
        for (int i = 0; i < MEMBERS; i++) CHECK_OK(gr_cast(self, members[i], "I", number));
}

TEST(scaling, a_crowd_steals_and_wakes_little)
{
    if (harness_simulated()) return;
    gr_self *self = begin();
    int64_t hops = MESSAGES / (MEMBERS * PINGS), received = 0;
    for (int i = 0; i < MEMBERS; i++) CHECK_OK(gr_spawn(self, &members[i], member, "[A,i]", gr_self_address(self), i));
    gr_counters before = counters();
    CHECK_OK(gr_spawn(self, NULL, tell, "[I,i]", hops - 1, PINGS));
    for (int i = 0; i < MEMBERS * PINGS; i++) CHECK_EQ(receive_int(self), -1);
    gr_counters after = counters();
    CHECK_OK(gr_spawn(self, NULL, tell, "[I,i]", INT64_C(-1), 1));
    for (int i = 0; i < MEMBERS; i++) received += receive_int(self);
    CHECK_EQ(received, hops * MEMBERS * PINGS);
    CHECK_COUNT(before, after, queued, 1); /* each message makes one actor ready at most, which is queued once */
    CHECK_COUNT(before, after, steals, 10);
    CHECK_COUNT(before, after, wakes, 50);
    CHECK_COUNT(before, after, parks, 50);
    END(self);
}

/* ---- a tree: more actors than any queue holds ---- */

static void node(gr_self *self, gr_value args)
{
    gr_address parent = gr_address_in(gr_at(args, 0));
    int64_t number = gr_int(gr_at(args, 1), 0), each = gr_int(gr_at(args, 2), 0) / WIDTH, sum = each ? 0 : number;
    for (int i = 0; each && i < WIDTH; i++)
        CHECK_OK(gr_spawn(self, NULL, node, "[A,I,I]", gr_self_address(self), number + i * each, each));
    for (int i = 0; each && i < WIDTH; i++) {
        gr_message *m = NULL;
        CHECK_OK(gr_receive(self, &m, GR_FOREVER));
        sum += gr_int(gr_body(m), 0);
        gr_message_free(&m);
    }
    GRI_IGNORE(gr_cast(self, parent, "I", sum));
}

TEST(scaling, a_tree_is_queued_a_few_times)
{
    if (harness_simulated()) return;
    gr_self *self = begin();
    int64_t leaves = GRI_ASAN || GRI_TSAN ? 10000 : 100000;
    gr_counters before = counters();
    CHECK_OK(gr_spawn(self, NULL, node, "[A,I,I]", gr_self_address(self), INT64_C(0), leaves));
    CHECK_EQ(receive_int(self), leaves * (leaves - 1) / 2);
    gr_counters after = counters(); /* a message a life */
    CHECK((after.queued - before.queued) / 4 < after.messages - before.messages);
    CHECK_COUNT(before, after, steals, 2);
    CHECK_COUNT(before, after, wakes, 50);
    CHECK_COUNT(before, after, parks, 20);
    END(self);
}
