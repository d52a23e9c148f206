/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Actors for programs over the sources of actor/ and io/: blocks as in the runtime's table, found as there; no stacks, no workers.
 * Included by a program, once, before the sources.
 *
 *   parking      on the mailbox word, as gri_task_park; who has woken a task makes it ready here, and its thread goes on
 *   messages     are the program's; whoever frees one writes to all of it, so a reader that is not done is a race
 *   deadlines    one wheel, fired by whom the program says
 * What is left out is in the program's own functions of those names. */
#ifndef GR_TESTS_EXPLORE_ACTOR_MODEL_H
#define GR_TESTS_EXPLORE_ACTOR_MODEL_H

#include "explore/accesses.h"
#include "explore/explorer.h"

#include "actor/registry.h"
#include "actor/runtime.h"
#include "actor/waiting.h"
#include "actor/watch.h"
#include "os/clock.h"
#include "os/thread.h"

#include <string.h>

enum { MODEL_ACTORS = 3, MODEL_MESSAGES = 8, MODEL_GENERATION = 1 };

gri_runtime gri_runtime_now;
static gr_self model_actors[MODEL_ACTORS];
static gri_atomic_u32 model_ready[MODEL_ACTORS]; /* the run queue */
static gri_more model_more[MODEL_ACTORS];
static gri_scheduler model_scheduler;
static gri_worker model_workers[MODEL_ACTORS]; /* one each, for what an actor says that it waits for */
static gri_stack model_stacks[MODEL_ACTORS];
static gri_instant model_now;

UNSEEN static void model_actor_init(unsigned index)
{
    gr_self *self = &model_actors[index];
    memset((void *)self, 0, sizeof *self);
    gri_atomic_init(&self->mailbox.word, 0);
    gri_mailword_init(&self->mailbox, MODEL_GENERATION);
    gri_atomic_init(&self->generation, MODEL_GENERATION);
    gri_atomic_init(&self->task.id, index);
    gri_atomic_init(&self->published, 0);
    gri_atomic_init(&self->attention, 0);
    gri_atomic_init(&self->queued, 0);
    gri_atomic_init(&model_ready[index], 0);
    memset((void *)&model_more[index], 0, sizeof model_more[index]);
    gri_list_init(&model_more[index].watching);
    gri_list_init(&model_more[index].sockets);
    self->more = &model_more[index];
    memset((void *)&model_workers[index], 0, sizeof model_workers[index]);
    memset((void *)&model_stacks[index], 0, sizeof model_stacks[index]);
    gri_atomic_init(&model_stacks[index].waiting, NULL);
    model_workers[index].stack = &model_stacks[index];
    self->task.worker = &model_workers[index];
}

/* In setup. */
UNSEEN static void model_begin_actors(void)
{
    gri_runtime_now.actors.base = (char *)model_actors;
    gri_atomic_init(&gri_runtime_now.actor_limit, MODEL_ACTORS);
    model_now = GRI_NS_PER_S;
    for (unsigned i = 0; i < MODEL_ACTORS; i++) model_actor_init(i);
    gri_scheduler_now = &model_scheduler;
}

GRI_UNUSED static gr_address model_address(unsigned index)
{
    return (gr_address){UINT64_C(1) << 32 | index};
}

/* ---- what the sources call ---- */

#define gri_worker_here() ((gri_worker *)NULL)

gri_scheduler *gri_scheduler_now;
bool gri_faults_on;
gri_atomic_bool gri_runtime_in_child;

UNSEEN gri_instant gri_clock_now(void)
{
    return model_now;
}

bool gri_registry_is_reading(void)
{
    return false;
}

void gri_thread_yield(void)
{
    explore_wait();
}

bool gri_remote_is_known(gr_address address)
{
    (void)address;
    return false;
}

/* As worker.c, in what it promises: the registers are saved before, and read after. */
int gri_task_park(gri_task *task, gri_mailword *mailbox, uint64_t wait)
{
    const unsigned index = gri_load_relaxed(&task->id);
    if (!gri_mailword_park(mailbox, wait)) return 0;
    while (gri_exchange_acquire(&model_ready[index], 0u) == 0) explore_wait();
    return 0;
}

void gri_task_ready(gri_task *task)
{
    EXPLORE_CHECK(gri_exchange_release(&model_ready[gri_load_relaxed(&task->id)], 1u) == 0); /* else scheduled twice */
}

#endif
