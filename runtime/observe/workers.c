/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "observe/workers.h"

#include "actor/runtime.h"
#include "os/clock.h"

#include <pthread.h>

#define APART_NS (100 * GRI_NS_PER_MS) /* looks that are closer see the same load */

/* CPU times at the last look but one and what came of them, so that several who look do not disturb each other. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the rest */
static gri_instant measured;                             /* 0: not yet */
static const gri_scheduler *measured_of;
static int64_t used[GRI_IDLE_WORKERS_MAX];
static float loads[GRI_IDLE_WORKERS_MAX];

static gri_worker *worker_at(unsigned id)
{
    return &gri_scheduler_now->workers[id];
}

unsigned gri_workers_now(void)
{
    gri_scheduler *scheduler = gri_scheduler_now;
    /* mo:workers.count acquire <- workers.add release: the spares' fields */
    return scheduler ? gri_load_acquire(&scheduler->worker_count) : 0;
}

static int64_t cpu_ns(gri_worker *worker)
{
    int64_t ns;
    uint32_t id = gri_load_relaxed(&worker->thread_id); /* relaxed: a number */
    return id && gri_thread_cpu_ns(id, &ns) == 0 ? ns : 0;
}

static void measure_locked(unsigned count)
{
    gri_instant now = gri_clock_monotonic();
    bool first = measured_of != gri_scheduler_now || measured == 0;
    if (!first && now - measured < APART_NS) return;
    /* The first look is about the time since the start. */
    int64_t passed = first ? now - gri_runtime_now.started : now - measured;
    for (unsigned i = 0; i < count; i++) {
        int64_t ns = cpu_ns(worker_at(i)), before = first ? 0 : used[i];
        float load = passed > 0 ? (float)(ns - before) / (float)passed : 0;
        loads[i] = load < 0 ? 0 : load > 1 ? 1 : load;
        used[i] = ns;
    }
    for (unsigned i = count; i < GRI_IDLE_WORKERS_MAX; i++) used[i] = 0; /* spares to come begin at nothing */
    measured = now;
    measured_of = gri_scheduler_now;
}

static uint64_t queue_of(gri_worker *worker)
{
    /* What stands in the two queues that are not counted counts as one each. */
    return gri_deque_count(&worker->deque) + !gri_slot_is_empty(&worker->slot) +
           !gri_inject_is_empty(&worker->overflow) + !gri_nursery_is_empty(&worker->nursery) +
           !gri_inject_is_empty(&worker->pinned);
}

static const char *state_of(gri_worker *worker, const gri_task *task)
{
    uint32_t phase = gri_load_relaxed(&worker->phase); /* relaxed, here and below: a moment's picture */
    if (phase == GRI_WORKER_ABSENT) return "spare";
    if (phase == GRI_WORKER_ASLEEP || (!task && phase == GRI_WORKER_SEARCHING)) return "idle";
    return gri_load_relaxed(&worker->stuck) ? "stuck" : "running";
}

static int64_t place_of(unsigned id)
{
    const gri_topology *topology = gri_scheduler_now->config.topology;
    if (!topology || id >= topology->workers || topology->synthetic) return -1;
    const gri_place *place = &topology->places[id];
    return place->bound && place->pu_count == 1 ? (int64_t)topology->pus[place->pu_first].os_index : -1;
}

bool gri_worker_look_at(unsigned id, gri_worker_look *ret_look)
{
    unsigned count = gri_workers_now();
    if (id >= count) return false;
    pthread_mutex_lock(&lock);
    measure_locked(count);
    double load = (double)loads[id];
    pthread_mutex_unlock(&lock);
    gri_worker *worker = worker_at(id);
    gri_task *task = gri_load_relaxed(&worker->current); /* relaxed, all: counters and a moment's picture */
    const gri_worker_counters *c = &worker->counters;
#define READ(counter) gri_load_relaxed((gri_atomic_u64 *)(uintptr_t) & (counter))
    *ret_look = (gri_worker_look){
        .id = id,
        .cpu = place_of(id),
        .load = load,
        .cpu_ns = (uint64_t)cpu_ns(worker),
        .queue = queue_of(worker),
        .messages = READ(worker->upper[GRI_UPPER_MESSAGES]),
        .switches = READ(c->switches),
        .runs = READ(c->runs),
        .steals = READ(c->steals),
        .stolen = READ(c->stolen),
        .parks = READ(c->parks),
        .wakes = READ(c->wakes),
        .state = state_of(worker, task),
        .is_running = task != NULL,
        .task = task ? gri_load_relaxed(&task->id) : 0,
    };
#undef READ
    return true;
}

uint64_t gri_tasks_waiting(void)
{
    gri_scheduler *scheduler = gri_scheduler_now;
    unsigned count = gri_workers_now();
    uint64_t waiting = count ? !gri_inject_is_empty(&scheduler->inject) : 0;
    for (unsigned i = 0; i < count; i++) waiting += queue_of(worker_at(i));
    return waiting;
}
