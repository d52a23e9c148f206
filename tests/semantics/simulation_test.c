/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Simulation: one thread, virtual time, a seed that decides. That the whole suite runs the same twice is simulate/twice. */
#include "support/harness.h"

#include "os/thread.h"

#define BEGIN_SIMULATED(seed) BEGIN_WITH(.simulate = (seed), .fixed = GR_FIXED(simulate))

static void chatter(gr_self *self, gr_value args)
{
    gr_address host = gr_address_in(gr_get(args, "host"));
    for (int64_t i = 0; i < 20; i++) {
        if (gr_sleep(self, gr_after_us(100 * (i % 3))) != 0 || gr_cooperate(self) != 0) return;
        CHECK_OK(gr_cast(self, host, "[I,I]", gr_int(gr_get(args, "id"), 0), i));
    }
}

/* The order in which a crowd is heard, as a number, and the trace hash. */
static uint64_t run(const char *seed, uint64_t *ret_order)
{
    gr_self *self = BEGIN_SIMULATED(seed);
    uint64_t order = 0;
    for (int i = 0; i < 10; i++) {
        gr_address one;
        CHECK_OK(gr_spawn(self, &one, chatter, "{s:A,s:i}", "host", gr_self_address(self), "id", i));
    }
    for (int i = 0; i < 200; i++) {
        gr_message *m = RECEIVE(self);
        order = order * 31 + (uint64_t)(gr_int(gr_at(gr_body(m), 0), 0) * 100 + gr_int(gr_at(gr_body(m), 1), 0));
        FREE(m);
    }
    uint64_t hash = gr_trace_hash();
    CHECK(hash != 0);
    CHECK_EQ(gr_stop(GR_NOW), 0);
    *ret_order = order;
    return hash;
}

TEST(simulation, the_same_seed_gives_the_same_run)
{
    static const char *const seeds[] = {"1", "2", "18446744073709551615"};
    uint64_t hashes[3], orders[3], order;
    for (int i = 0; i < 3; i++) hashes[i] = run(seeds[i], &orders[i]);
    for (int i = 2; i >= 0; i--) {
        CHECK(run(seeds[i], &order) == hashes[i]);
        CHECK(order == orders[i]);
    }
    CHECK(hashes[0] != hashes[1] && hashes[1] != hashes[2] && hashes[0] != hashes[2]);
    CHECK(orders[0] != orders[1] || orders[1] != orders[2]);
}

TEST(simulation, time_is_virtual)
{
    gr_self *self = BEGIN_SIMULATED("5");
    int64_t before = gr_now_ns();
    CHECK_OK(gr_sleep(self, gr_after_s(1e6)));
    CHECK(gr_now_ns() >= before + INT64_C(1000000) * 1000000000);
    before = gr_now_ns();
    for (volatile int i = 0; i < 1000000; i++) continue;
    CHECK_EQ(gr_now_ns(), before); /* it stands still while something can run */
    gr_message *m = NULL;
    CHECK_EQ(gr_receive(self, &m, gr_after_s(3600)), GR_ETIMEOUT);
    END(self);
}

TEST(simulation, a_wait_that_can_never_end_is_edeadlk)
{
    gr_self *self = BEGIN_SIMULATED("6");
    gr_message *m = NULL;
    gr_address one;
    CHECK_EQ(gr_receive(self, &m, GR_FOREVER), GR_EDEADLK);
    CHECK_OK(gr_spawn(self, &one, harness_idle, "n"));
    CHECK_EQ(gr_wait(self, one, NULL, GR_FOREVER), GR_EDEADLK);
    CHECK_OK(gr_cast(self, gr_self_address(self), "i", 1)); /* and it goes on */
    EXPECT(self, "i", 1);
    CHECK_OK(gr_kill(one));
    END(self);
}

static void attach_elsewhere(void *arg)
{
    gr_self *self = NULL;
    *(int *)arg = gr_attach(&self);
}

TEST(simulation, has_one_host_thread)
{
    gr_self *self = BEGIN_SIMULATED("7");
    gri_thread thread;
    int code = 0;
    CHECK_OK(gri_thread_start(&thread, "other", 0, attach_elsewhere, &code));
    gri_thread_join(thread);
    CHECK_EQ(code, GR_ECONTEXT);
    END(self);
}

TEST(simulation, there_is_no_hash_without_it)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    CHECK_EQ(gr_trace_hash(), 0);
    END(self);
}
