/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Simulation: the same runtime on one thread, with virtual time, and every choice made by a seed.
 *
 * There are as many workers as configured, with their slots, deques and wheels, but the thread that called gri_scheduler_start
 * runs them all, and only inside the suspending calls it makes as an attached thread: its task parks like any other, and the
 * next task may be any of any worker. Time stands still while something can run; when nothing can, it jumps to the earliest
 * timer. No pointer, thread id, address or clock reaches a decision, so the same seed gives the same run: every decision is
 * mixed into a hash that tests compare.
 *
 * With a plan of faults (base/fault.h) a task that is to run may be set aside for a while, and the layer above is asked at every
 * choice, so that it can kill. */
#include "schedule/scheduler.h"

#include "base/check.h"
#include "base/fault.h"
#include "os/clock.h"

#include <greenroom/error.h>
#include <stdlib.h>

#define SLICE_CHANCE 4       /* guess: one pick in so many ends at the first call that may give way */
#define BEGIN (GRI_NS_PER_S) /* not zero: deadlines before the start exist */
#define DELAY_NS_LEAST (100 * GRI_NS_PER_US)
#define DELAY_NS_MOST (10 * GRI_NS_PER_MS)

/* A task that a fault keeps from running. */
typedef struct delayed {
    gri_task *task;
    gri_instant until;
} delayed;

typedef struct gri_simulation {
    gri_rng rng;
    gri_instant now;
    uint64_t hash;
    gri_task *thread; /* of the attached thread that everything runs in */
    delayed *delayed;
    size_t delayed_count, delayed_room;
    gri_instant (*events_earliest)(void); /* NULL: no other events */
    void (*events_happen)(gri_instant now);
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

uint64_t gri_simulation_below(uint64_t n)
{
    return gri_rng_below(&gri_scheduler_now->simulation->rng, n);
}

void gri_simulation_events(gri_instant (*earliest)(void), void (*happen)(gri_instant now))
{
    gri_simulation *sim = gri_scheduler_now->simulation;
    sim->events_earliest = earliest;
    sim->events_happen = happen;
}

int64_t gri_simulation_ns(void)
{
    gri_scheduler *scheduler = gri_scheduler_now;
    return scheduler && scheduler->simulation ? scheduler->simulation->now - BEGIN : 0;
}

int gri_simulation_start(gri_scheduler *scheduler)
{
    gri_simulation *sim = calloc(1, sizeof *sim);
    if (!sim) return GR_ENOMEM;
    gri_rng_seed(&sim->rng, scheduler->config.seed);
    sim->now = BEGIN;
    gri_scheduler_tick_set(scheduler, sim->now);
    sim->hash = UINT64_C(0xcbf29ce484222325);
    scheduler->simulation = sim;
    gri_clock_replace(gri_simulation_clock, sim);
    for (unsigned i = 0; i < scheduler->config.workers; i++) gri_wheel_init(&scheduler->workers[i].wheel, sim->now);
    gri_worker *first = &scheduler->workers[0];
    gri_worker_here_set(first);
    /* Without a heap every block is asked for the long way, where a fault can refuse it. */
    if (!gri_faults_have(GRI_FAULT_ALLOCATE)) gri_heap_bind(first->heap);
    return 0;
}

void gri_simulation_stop(gri_scheduler *scheduler)
{
    gri_heap_flush();
    gri_heap_bind(NULL);
    gri_worker_here_set(NULL);
    gri_clock_replace(NULL, NULL);
    free(scheduler->simulation->delayed);
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

/* ---- faults ---- */

/* Is a fault to keep the task from running for a while? Then it has been set aside. */
static bool set_aside(gri_simulation *sim, gri_task *task)
{
    gri_faults_quiet = task->foreign;
    if (!gri_fault_due(GRI_FAULT_DELAY)) return false;
    if (sim->delayed_count == sim->delayed_room) {
        size_t room = 2 * sim->delayed_room + 8;
        delayed *grown = realloc(sim->delayed, room * sizeof *grown);
        if (!grown) return false;
        sim->delayed = grown;
        sim->delayed_room = room;
    }
    int64_t ns = DELAY_NS_LEAST + (int64_t)gri_fault_choice(GRI_FAULT_DELAY, DELAY_NS_MOST - DELAY_NS_LEAST);
    sim->delayed[sim->delayed_count++] = (delayed){task, gri_instant_add(sim->now, ns)};
    gri_simulation_note((uint64_t)ns);
    return true;
}

static void bring_back(gri_simulation *sim)
{
    size_t kept = 0;
    for (size_t i = 0; i < sim->delayed_count; i++) {
        if (sim->delayed[i].until <= sim->now)
            gri_task_ready_last(sim->delayed[i].task);
        else
            sim->delayed[kept++] = sim->delayed[i];
    }
    sim->delayed_count = kept;
}

/* The layer above may kill now. */
static void ask_above(gri_scheduler *scheduler, gri_task *task)
{
    if (!scheduler->config.about_to_run) return;
    gri_faults_quiet = false;
    scheduler->config.about_to_run(task);
    gri_faults_quiet = task && task->foreign;
}

/* ---- time ---- */

static gri_instant earliest_of_all(gri_scheduler *scheduler)
{
    gri_simulation *sim = scheduler->simulation;
    gri_instant earliest = sim->events_earliest ? sim->events_earliest() : GRI_INSTANT_NEVER;
    for (size_t i = 0; i < sim->delayed_count; i++) earliest = GRI_MIN(earliest, sim->delayed[i].until);
    for (unsigned i = 0; i < scheduler->config.workers; i++) {
        gri_instant at = gri_wheel_earliest(&scheduler->workers[i].wheel);
        if (at < earliest) earliest = at;
    }
    return earliest;
}

static bool pass_time(gri_scheduler *scheduler)
{
    gri_simulation *sim = scheduler->simulation;
    gri_instant earliest = earliest_of_all(scheduler);
    if (earliest == GRI_INSTANT_NEVER) return false;
    if (earliest > sim->now) sim->now = earliest;
    gri_scheduler_tick_set(scheduler, sim->now);
    gri_simulation_note((uint64_t)sim->now);
    for (unsigned i = 0; i < scheduler->config.workers; i++) {
        unsigned fired = gri_wheel_fire(&scheduler->workers[i].wheel, sim->now, UINT32_MAX);
        gri_count_owner(&scheduler->workers[i].counters.timers, fired); /* relaxed: a counter */
    }
    if (sim->delayed_count > 0) bring_back(sim);
    if (sim->events_happen) {
        gri_faults_quiet = false;
        sim->events_happen(sim->now);
    }
    return true;
}

static bool anybody_ready(gri_scheduler *scheduler)
{
    if (!gri_inject_is_empty(&scheduler->inject)) return true;
    for (unsigned i = 0; i < scheduler->config.workers; i++) {
        gri_worker *worker = &scheduler->workers[i];
        if (!gri_slot_is_empty(&worker->slot) || gri_worker_has_backlog(worker) ||
            !gri_inject_is_empty(&worker->pinned))
            return true;
    }
    return false;
}

/* Any worker's next task; NULL: nobody has one. The worker it is to run on is this thread's afterwards, and *ret_worker. */
static gri_task *choose(gri_worker **ret_worker)
{
    gri_worker *from = *ret_worker;
    gri_scheduler *scheduler = from->scheduler;
    unsigned count = scheduler->config.workers;
    unsigned start = (unsigned)gri_rng_below(&scheduler->simulation->rng, count);
    for (unsigned i = 0; i < count; i++) {
        gri_worker *worker = &scheduler->workers[(start + i) % count];
        gri_task *task = take_from(scheduler, worker);
        if (!task) continue;
        if (GRI_UNLIKELY(gri_faults_on) && set_aside(scheduler->simulation, task)) continue;
        if (worker != from) {
            worker->stack = from->stack;
            from->stack = NULL;
            gri_worker_here_set(worker);
            *ret_worker = worker;
        }
        return task;
    }
    return NULL;
}

gri_task *gri_simulation_next(gri_worker **ret_worker, bool advance)
{
    gri_scheduler *scheduler = (*ret_worker)->scheduler;
    for (;;) {
        gri_task *task = choose(ret_worker);
        if (task) {
            gri_worker *worker = *ret_worker;
            if (GRI_UNLIKELY(gri_faults_on)) ask_above(scheduler, task);
            gri_simulation_note(worker->index);
            /* The slice: now and then the task has to give way at its first suspending call. */
            gri_store_relaxed(&worker->yield,
                              gri_rng_one_in(&scheduler->simulation->rng, SLICE_CHANCE)); /* relaxed: one thread */
            return task;
        }
        if (!advance) return NULL;
        if (GRI_UNLIKELY(gri_faults_on)) {
            ask_above(scheduler, NULL);
            if (anybody_ready(scheduler)) continue;
        }
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
