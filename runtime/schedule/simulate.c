/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Simulation: the same runtime on one thread, with virtual time, and every choice made by a seed.
 *
 * There are as many workers as configured, with their slots, deques and wheels, but the thread that called gri_scheduler_start
 * runs them all, and only inside the suspending calls it makes as an attached thread: its task parks like any other, and the
 * next task may be any of any worker. Time stands still while something can run; when nothing can, it jumps to the earliest
 * timer. No pointer, thread id, address or clock reaches a decision, so the same seed gives the same run: every decision is
 * mixed into a hash that tests compare. */
#include "schedule/scheduler.h"

#include "base/check.h"
#include "os/clock.h"

#include <greenroom/error.h>
#include <stdlib.h>

#define SLICE_CHANCE 4 /* guess: one pick in so many ends at the first call that may give way */

typedef struct gri_simulation {
    gri_rng rng;
    gri_instant now;
    uint64_t hash;
    gri_task *thread; /* of the attached thread that everything runs in */
} gri_simulation;

gri_instant gri_simulation_clock(void *arg)
{
    return ((gri_simulation *)arg)->now;
}

/* FNV-1a over the eight bytes at once, rotated: order matters, and that is all that is asked of it. */
void gri_simulation_note(uint64_t what)
{
    gri_simulation *sim = gri_scheduler_now->simulation;
    sim->hash = gri_rng_rotate_left((sim->hash ^ what) * UINT64_C(0x100000001b3), 23);
}

uint64_t gri_simulation_hash(void)
{
    gri_scheduler *scheduler = gri_scheduler_now;
    return scheduler && scheduler->simulation ? scheduler->simulation->hash : 0;
}

bool gri_simulation_one_in(unsigned n)
{
    return gri_rng_one_in(&gri_scheduler_now->simulation->rng, n);
}

int gri_simulation_start(gri_scheduler *scheduler)
{
    gri_simulation *sim = calloc(1, sizeof *sim);
    if (!sim) return GR_ENOMEM;
    gri_rng_seed(&sim->rng, scheduler->config.seed);
    sim->now = GRI_NS_PER_S; /* not zero: deadlines before the start exist */
    gri_scheduler_tick_set(scheduler, sim->now);
    sim->hash = UINT64_C(0xcbf29ce484222325);
    scheduler->simulation = sim;
    gri_clock_replace(gri_simulation_clock, sim);
    for (unsigned i = 0; i < scheduler->config.workers; i++) gri_wheel_init(&scheduler->workers[i].wheel, sim->now);
    gri_worker *first = &scheduler->workers[0];
    gri_worker_here_set(first);
    gri_heap_bind(first->heap);
    return 0;
}

void gri_simulation_stop(gri_scheduler *scheduler)
{
    gri_heap_flush();
    gri_heap_bind(NULL);
    gri_worker_here_set(NULL);
    gri_clock_replace(NULL, NULL);
    free(scheduler->simulation);
    scheduler->simulation = NULL;
}

static gri_task *take_from(gri_scheduler *scheduler, gri_worker *worker)
{
    gri_rng *rng = &scheduler->simulation->rng;
    bool slot_first = !gri_rng_one_in(rng, 4);
    gri_task *task = slot_first ? gri_slot_take_owner(&worker->slot) : NULL;
    if (!task) task = gri_worker_pop(worker);
    if (!task) task = gri_slot_take_owner(&worker->slot);
    if (!task) {
        gri_inject_node *node = gri_inject_pop(&worker->pinned);
        if (!node) node = gri_inject_pop(&scheduler->inject);
        if (node) task = GRI_CONTAINER_OF(node, gri_task, link);
    }
    if (!task && scheduler->config.workers > 1 && scheduler->config.steal != GRI_STEAL_NONE) {
        unsigned victim = (unsigned)gri_rng_below(rng, scheduler->config.workers - 1);
        void *first = NULL;
        gri_deque *from = &scheduler->workers[worker->victims[victim]].deque;
        size_t count = gri_deque_steal_half(from, &worker->deque, &first);
        if (count > 0) {
            gri_count_owner(&worker->counters.steals, 1u);    /* relaxed: a counter */
            gri_count_owner(&worker->counters.stolen, count); /* relaxed: a counter */
            task = first;
        }
    }
    return task;
}

static bool pass_time(gri_scheduler *scheduler)
{
    gri_simulation *sim = scheduler->simulation;
    gri_instant earliest = GRI_INSTANT_NEVER;
    for (unsigned i = 0; i < scheduler->config.workers; i++) {
        gri_instant at = gri_wheel_earliest(&scheduler->workers[i].wheel);
        if (at < earliest) earliest = at;
    }
    if (earliest == GRI_INSTANT_NEVER) return false;
    if (earliest > sim->now) sim->now = earliest;
    gri_scheduler_tick_set(scheduler, sim->now);
    gri_simulation_note((uint64_t)sim->now);
    for (unsigned i = 0; i < scheduler->config.workers; i++) {
        unsigned fired = gri_wheel_fire(&scheduler->workers[i].wheel, sim->now, UINT32_MAX);
        gri_count_owner(&scheduler->workers[i].counters.timers, fired); /* relaxed: a counter */
    }
    return true;
}

gri_task *gri_simulation_next(gri_worker **ret_worker, bool advance)
{
    gri_worker *from = *ret_worker;
    gri_scheduler *scheduler = from->scheduler;
    for (;;) {
        unsigned count = scheduler->config.workers;
        unsigned start = (unsigned)gri_rng_below(&scheduler->simulation->rng, count);
        for (unsigned i = 0; i < count; i++) {
            gri_worker *worker = &scheduler->workers[(start + i) % count];
            gri_task *task = take_from(scheduler, worker);
            if (!task) continue;
            if (worker != from) {
                worker->stack = from->stack;
                from->stack = NULL;
                gri_worker_here_set(worker);
                *ret_worker = worker;
            }
            gri_simulation_note(worker->index);
            /* The slice: now and then the task has to give way at its first suspending call. */
            gri_store_relaxed(&worker->yield,
                              gri_rng_one_in(&scheduler->simulation->rng, SLICE_CHANCE)); /* relaxed: one thread */
            return task;
        }
        if (!advance) return NULL;
        if (!pass_time(scheduler) && !(scheduler->config.deadlock && scheduler->config.deadlock()))
            gri_panic("simulation: every actor waits for ever and nobody is there to stop it");
    }
}

/* ---- the thread that everything runs in ---- */

bool gri_simulation_may_attach(void)
{
    return gri_worker_here() && !gri_scheduler_now->simulation->thread;
}

gri_task *gri_simulation_thread(void)
{
    return gri_scheduler_now->simulation->thread;
}

void gri_simulation_thread_enter(gri_task *task, gri_stack *stack)
{
    gri_worker *worker = gri_worker_here();
    gri_scheduler_now->simulation->thread = task;
    task->worker = worker;
    worker->stack = stack;
    gri_store_relaxed(&worker->current, task); /* relaxed: one thread */
}

void gri_simulation_thread_leave(gri_task *task)
{
    gri_scheduler *scheduler = gri_scheduler_now;
    if (!scheduler || !scheduler->simulation || scheduler->simulation->thread != task) return;
    scheduler->simulation->thread = NULL;
    task->worker->stack = NULL;
    gri_store_relaxed(&task->worker->current, NULL); /* relaxed: one thread */
}
