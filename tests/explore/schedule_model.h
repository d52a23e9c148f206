/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The scheduler's own sources (schedule/steal.c, monitor.c, scheduler.c, worker.c, wheel.c, os/park.c) over a modelled kernel and
 * without stacks: tasks run on their worker's thread from beginning to end. Included by a program, once.
 *
 *   the poller     a flag that a wake sets and a wait takes, and one descriptor that becomes ready once. A wait with a time limit
 *                  ends at once, and the clock has moved there: time passes when nothing else has to happen, or before
 *   threads        gri_thread_start lets the program's thread of that worker begin
 *   the end        model_over: threads that wait then, or look at the clock, are gone
 * Memory, simulation and topology are not there. */
#ifndef GR_TESTS_EXPLORE_SCHEDULE_MODEL_H
#define GR_TESTS_EXPLORE_SCHEDULE_MODEL_H

#undef _FORTIFY_SOURCE /* its longjmp does not know the explorer's stacks */
#include "explore/explorer.h"

#include <setjmp.h>

/* The end of a program ------------------------------------------------------------------------------------------------ */

static bool model_is_over;
static jmp_buf model_ends[EXPLORE_THREADS_MAX];

static void model_look_at_end(void)
{
    if (model_is_over && explore_self() < EXPLORE_THREADS_MAX) _longjmp(model_ends[explore_self()], 1);
}

static void model_pause(void)
{
    explore_wait();
    model_look_at_end();
}

static void model_over(void)
{
    model_is_over = true;
    explore_hand_over(&model_is_over);
}

#define MODEL_THREAD(name, body) \
    static void name(void) \
    { \
        if (_setjmp(model_ends[explore_self()]) == 0) body; \
    }

#define FUTEX_PAUSE() model_pause()
#include "explore/futex.h"

/* The kernel and memory ------------------------------------------------------------------------------------------------ */

#include "os/clock.h"
#include "schedule/scheduler.h"

#include <stdlib.h>
#include <string.h>

enum { MODEL_WORKERS = 3 };

static gri_worker *model_worker_of[EXPLORE_THREADS_MAX]; /* whose thread each is; NULL: a foreign one */
static gri_instant model_now;
static bool model_poller_woken, model_descriptor_is_ready;
static void (*model_on_descriptor)(void);
static bool model_started[MODEL_WORKERS]; /* spare threads */

static gri_worker *model_here(void)
{
    return explore_self() < EXPLORE_THREADS_MAX ? model_worker_of[explore_self()] : NULL;
}
#define gri_worker_here() model_here()

/* Counters order nothing, and each would be two steps. */
#undef gri_count_owner
#define gri_count_owner(a, v) ((void)(a), (void)(v))

gri_instant gri_clock_now(void)
{
    model_look_at_end();
    return model_now;
}

gri_instant gri_clock_monotonic(void)
{
    return gri_clock_now();
}

void gri_poller_wake(gri_poller *poller)
{
    explore_hand_over(poller);
    model_poller_woken = true;
}

/* From another process, say: a descriptor is ready. */
GRI_UNUSED static void model_descriptor_ready(void)
{
    explore_hand_over(&model_descriptor_is_ready);
    model_descriptor_is_ready = true;
}

int gri_poller_wait(gri_poller *poller, int64_t timeout_ns, gri_poller_report *report, void *arg)
{
    (void)report, (void)arg;
    for (;;) {
        if (model_descriptor_is_ready) {
            model_descriptor_is_ready = false;
            explore_take_over(&model_descriptor_is_ready);
            model_on_descriptor();
            return 1;
        }
        if (model_poller_woken) {
            model_poller_woken = false;
            explore_take_over(poller);
            return 0;
        }
        if (timeout_ns >= 0) {
            model_now += timeout_ns;
            return 0;
        }
        model_pause();
    }
}

/* Not inlined: gri_scheduler_start, which nobody calls here, gives it what is no worker. */
GRI_NOINLINE int gri_thread_start(gri_thread *ret_thread, const char *name, size_t stack_bytes, void (*fn)(void *),
                                  void *arg)
{
    (void)ret_thread, (void)name, (void)stack_bytes, (void)fn;
    const gri_worker *worker = arg;
    explore_hand_over(&model_started[worker->index]);
    model_started[worker->index] = true;
    return 0;
}

void gri_thread_yield(void)
{
    model_pause();
}

static bool model_ended[EXPLORE_THREADS_MAX]; /* threads that gri_thread_join waits for: by their workers' numbers */

void gri_thread_join(gri_thread thread)
{
    const unsigned worker = (unsigned)thread.handle;
    while (!model_ended[worker]) explore_wait();
    explore_take_over(&model_ended[worker]);
}

static void model_thread_ends(unsigned worker)
{
    model_ended[worker] = true;
    explore_hand_over(&model_ended[worker]);
}

static gri_stack model_nothing; /* the address of what is never looked into */

gri_heap *gri_heap_new(unsigned node)
{
    (void)node;
    return (gri_heap *)(void *)&model_nothing;
}

gri_stack *gri_stack_take(gri_stack_cache *cache, unsigned size_class)
{
    (void)cache, (void)size_class;
    return &model_nothing;
}

void gri_stack_give(gri_stack_cache *cache, gri_stack *stack)
{
    (void)cache, (void)stack;
}

void gri_stack_cache_init(gri_stack_cache *cache, uint32_t capacity)
{
    (void)cache, (void)capacity;
}

void gri_stack_cache_spill(gri_stack_cache *cache)
{
    (void)cache;
}

void gri_heap_bind(gri_heap *heap)
{
    (void)heap;
}

void gri_heap_flush(void)
{
}

bool gri_faults_on;

/* What these programs never come to: an address of 0. */
#pragma weak gri_context_fini
#pragma weak gri_context_from_thread
#pragma weak gri_context_prepare
#if GRI_CONTEXT_WRAPPED
#pragma weak gri_context_abandon
#pragma weak gri_context_switch_passing
#else
#pragma weak gri_context_abandon_raw
#pragma weak gri_context_switch_raw
#endif
#pragma weak gri_fault_due
#pragma weak gri_heap_retire
#pragma weak gri_heap_trim
#pragma weak gri_poller_add
#pragma weak gri_poller_close
#pragma weak gri_poller_open
#pragma weak gri_poller_remove
#pragma weak gri_simulation_next
#pragma weak gri_simulation_note
#pragma weak gri_simulation_start
#pragma weak gri_simulation_stop
#pragma weak gri_stack_cache_fini
#pragma weak gri_stack_trim
#pragma weak gri_table_cache_flush
#pragma weak gri_table_trim
#pragma weak gri_thread_id_self
#pragma weak gri_thread_waited_ns
#pragma weak gri_topology_bind
#pragma weak gri_topology_victims

/* The sources ----------------------------------------------------------------------------------------------------------- */

#include "schedule/nursery.c"
#include "schedule/wheel.c"

#include "schedule/steal.c"
#undef FIRE_LIMIT
#define monitor monitor_state
#include "schedule/monitor.c"
#undef monitor
#undef FIRE_LIMIT
#define is_busy worker_is_busy
#include "schedule/worker.c"
#undef is_busy
#include "schedule/scheduler.c"

/* What a program begins with -------------------------------------------------------------------------------------------- */

static gri_scheduler model_scheduler;
static gri_worker model_workers[MODEL_WORKERS];
static uint32_t model_victims[MODEL_WORKERS][MODEL_WORKERS];
static monitor_state model_monitor;

/* In setup: `base` workers that nobody runs yet, and room for `spares`. As gri_scheduler_start, but for the threads. */
static void model_start(unsigned base, unsigned spares)
{
    gri_scheduler *scheduler = &model_scheduler;
    memset(scheduler, 0, sizeof *scheduler);
    memset(model_workers, 0, sizeof model_workers);
    scheduler->config.workers = base;
    scheduler->config.steal = GRI_STEAL_NONE;
    scheduler->config.slice_ns = scheduler->config.stuck_ns = GRI_NS_PER_MS;
    scheduler->workers = model_workers;
    scheduler->workers_max = base + spares;
    gri_atomic_init(&scheduler->worker_count, base);
    gri_inject_init(&scheduler->inject);
    gri_spinlock_init(&scheduler->poller_lock);
    gri_atomic_init(&scheduler->poll_deadline, GRI_INSTANT_PAST);
    gri_parker_init(&scheduler->monitor_parker);
    gri_parker_init(&scheduler->begin_parker);
    gri_idle_init(&scheduler->idle, base + spares);
    gri_scheduler_now = scheduler;
    model_monitor.scheduler = scheduler;
    model_monitor.stuck = model_monitor.spares_in = 0;
    memset(model_monitor.watches, 0, MODEL_WORKERS * sizeof *model_monitor.watches);
    model_is_over = model_poller_woken = model_descriptor_is_ready = false;
    model_on_descriptor = NULL;
    model_now = GRI_NS_PER_S;
    memset(model_started, 0, sizeof model_started);
    memset(model_ended, 0, sizeof model_ended);
    memset(model_worker_of, 0, sizeof model_worker_of);
    futex_begin(0);
    for (unsigned i = 0; i < base; i++) {
        if (gri_worker_init(&model_workers[i], scheduler, i) != 0) abort();
        model_workers[i].victims = model_victims[i];
        for (unsigned j = 1; j < base; j++) model_victims[i][j - 1] = (i + j) % base;
    }
}

/* In setup: a spare worker that was put in before and has gone away, its thread still to run. */
GRI_UNUSED static gri_worker *model_spare(unsigned index)
{
    gri_worker *spare = &model_workers[index];
    spare->spare = true;
    if (gri_worker_init(spare, &model_scheduler, index) != 0) abort();
    gri_atomic_init(&spare->retire, true);
    gri_atomic_init(&model_scheduler.worker_count, index + 1);
    return spare;
}

/* gri_worker_loop without its stacks. */
static void model_run(unsigned index)
{
    gri_worker *worker = &model_workers[index];
    model_worker_of[explore_self()] = worker;
    for (gri_task *task; (task = gri_worker_next(worker)) != NULL;) {
        task->worker = worker;
        task->run(task);
    }
    model_thread_ends(index);
}

/* gri_worker_main of a spare worker: its thread begins when the monitor starts it. */
GRI_UNUSED static void model_run_started(unsigned index)
{
    while (!model_started[index]) model_pause();
    explore_take_over(&model_started[index]);
    (void)begin_thread(&model_workers[index]);
    model_run(index);
}

/* ---- what the programs are about: one task and one timer, each of which ends them ---- */

GRI_UNUSED static gri_task task;
GRI_UNUSED static gri_wheel_entry entry;

GRI_UNUSED static void run_is_over(gri_task *t)
{
    (void)t;
    model_over();
}

static void fire_is_over(gri_wheel_entry *e, gri_instant now)
{
    (void)e;
    EXPLORE_CHECK(now >= gri_load_relaxed(&e->when));
    model_over();
}
static const gri_wheel_kind over_kind = {.fire = fire_is_over};

#endif
