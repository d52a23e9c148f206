/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Actors that watch each other and end at the same moment: each frees what the other could not take any more. */
#include <greenroom.h>

#include "support/test.h"

#include "base/compiler.h"

enum { ROUNDS = 60, PAIRS = 200 };

static void second(gr_self *self, gr_value args)
{
    GRI_IGNORE(gr_link(self, gr_address_in(args), GR_LINK | GR_LINK_PROPAGATE)); /* GR_EDEAD: killed before */
    (void)gr_sleep(self, GR_FOREVER);
}

static void first(gr_self *self, gr_value args)
{
    gr_address other;
    gr_monitor_ref ref;
    gr_spawn_options options = {.monitor = &ref};
    (void)args;
    if (gr_spawn_with(self, &other, second, &options, "A", gr_self_address(self)) != 0) return;
    (void)gr_cast(self, gr_address_in(args), "A", other);
    (void)gr_sleep(self, GR_FOREVER);
}

TEST(watch, both_ends_end_at_once)
{
    static gr_address firsts[PAIRS], seconds[PAIRS];
    gr_self *self;
    gr_message *m = NULL;
    CHECK_OK(gr_start(NULL, NULL));
    CHECK_OK(gr_attach(&self));
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < PAIRS; i++) CHECK_OK(gr_spawn(self, &firsts[i], first, "A", gr_self_address(self)));
        for (int i = 0; i < PAIRS; i++) {
            CHECK_OK(gr_receive(self, &m, GR_FOREVER));
            seconds[i] = gr_address_in(gr_body(m));
            gr_message_free(&m);
        }
        for (int i = 0; i < PAIRS; i++) (void)gr_kill(firsts[i]), (void)gr_kill(seconds[i]);
        for (int i = 0; i < PAIRS; i++)
            while (gr_alive(firsts[i]) || gr_alive(seconds[i])) CHECK_OK(gr_cooperate(self));
    }
    gr_detach(&self);
    CHECK_OK(gr_stop(GR_FOREVER));
}
