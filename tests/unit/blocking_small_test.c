/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The pool of gr_blocking with room for four: what happens beyond. */
#include "support/harness.h"

#include "io/blocking.h"

#include <semaphore.h>

static sem_t begun, go;

static void wait_for_go(void *arg)
{
    (void)arg;
    sem_post(&begun);
    while (sem_wait(&go) != 0) continue;
}

static void block(gr_self *self, gr_value args)
{
    int code = gr_blocking(self, wait_for_go, NULL, NULL, GR_FOREVER);
    CHECK_OK(gr_cast(self, gr_address_in(args), "i", code));
}

static unsigned waiting(void)
{
    gri_blocking_counts counts;
    gri_blocking_count(&counts);
    return counts.waiting;
}

TEST(blocking_small, a_full_queue_refuses)
{
    CHECK_OK(sem_init(&begun, 0, 0));
    CHECK_OK(sem_init(&go, 0, 0));
    gr_self *self = BEGIN_WITH(.blocking_threads = 1, .fixed = GR_FIXED(blocking_threads));
    CHECK_OK(gr_spawn(self, NULL, block, "A", gr_self_address(self)));
    while (sem_wait(&begun) != 0) continue;
    for (unsigned i = 0; i < 4; i++) CHECK_OK(gr_spawn(self, NULL, block, "A", gr_self_address(self)));
    WAIT_FOR(self, waiting() == 4);
    CHECK_EQ(gr_blocking(self, wait_for_go, NULL, NULL, SOON), GR_EFULL);
    for (unsigned i = 0; i < 5; i++) sem_post(&go);
    for (unsigned i = 0; i < 5; i++) EXPECT(self, "i", 0);
    sem_post(&go);
    CHECK_OK(gr_blocking(self, wait_for_go, NULL, NULL, SOON));
    END(self);
}
