/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "schedule/scheduler.h"

#include "base/check.h"
#include "os/clock.h"

#include <greenroom/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

gri_scheduler *gri_scheduler_now;

static int allocate_workers(gri_scheduler *scheduler)
{
    unsigned count = scheduler->config.workers;
    scheduler->workers_max = scheduler->config.simulate ? count : count + GRI_SPARE_WORKERS_MAX;
    if (scheduler->workers_max > GRI_IDLE_WORKERS_MAX) scheduler->workers_max = GRI_IDLE_WORKERS_MAX;
    size_t bytes = scheduler->workers_max * sizeof *scheduler->workers;
    scheduler->workers = aligned_alloc(GRI_CACHE_LINE, bytes);
    if (!scheduler->workers) return GR_ENOMEM;
    memset(scheduler->workers, 0, bytes);
    /* From here on release() sees to them: zeroed ones need nothing. */
    gri_atomic_init(&scheduler->worker_count, count);
    for (unsigned i = 0; i < count; i++) {
        gri_worker *worker = &scheduler->workers[i];
        int code = gri_worker_init(worker, scheduler, i);
        if (code != 0) return code;
        worker->victims = calloc(count, sizeof *worker->victims);
        if (!worker->victims) return GR_ENOMEM;
        if (scheduler->config.topology) {
            gri_topology_victims(scheduler->config.topology, i, count, worker->victims);
        } else {
            for (unsigned j = 1; j < count; j++) worker->victims[j - 1] = (i + j) % count;
        }
    }
    return 0;
}

static void release(gri_scheduler *scheduler)
{
    unsigned count = scheduler->workers ? gri_load_relaxed(&scheduler->worker_count) : 0; /* relaxed: no other thread */
    for (unsigned i = 0; i < count; i++) {
        gri_worker_fini(&scheduler->workers[i]);
        free(scheduler->workers[i].victims);
    }
    free(scheduler->workers);
    gri_poller_close(&scheduler->poller);
    free(scheduler);
}

static void end_threads(gri_scheduler *scheduler, unsigned started, bool monitor)
{
    /* relaxed: nothing but the flag, and every thread is notified afterwards, which orders it */
    gri_store_relaxed(&scheduler->stopping, true);
    if (monitor) {
        gri_parker_notify(&scheduler->monitor_parker);
        gri_thread_join(scheduler->monitor);
    }
    unsigned count = gri_load_relaxed(&scheduler->worker_count); /* relaxed: the monitor, its only writer, has ended */
    for (unsigned i = 0; i < count; i++) gri_worker_unpark(&scheduler->workers[i]);
    for (unsigned i = 0; i < count; i++)
        if (i < started || scheduler->workers[i].spare) gri_thread_join(scheduler->workers[i].handle);
}

/* Until every worker's thread runs. Returns why one of them cannot go on. */
static int await_threads(gri_scheduler *scheduler)
{
    /* mo:workers.begun acquire <- workers.begin release: the refusal */
    while (gri_load_acquire(&scheduler->begun) < scheduler->config.workers)
        gri_parker_wait(&scheduler->begin_parker, GRI_INSTANT_NEVER);
    return (int)gri_load_relaxed(&scheduler->refusal); /* relaxed: published with the last of them */
}

static int start_threads(gri_scheduler *scheduler, char *ret_why, size_t why_bytes)
{
    const unsigned workers = scheduler->config.workers;
    unsigned started = 0;
    int code = 0;
    for (; started < workers && code == 0; started++) {
        gri_worker *worker = &scheduler->workers[started];
        char name[16] = "gr-worker";
        if (started < 1000) {
            name[9] = '-';
            name[10] = (char)('0' + started / 100);
            name[11] = (char)('0' + started / 10 % 10);
            name[12] = (char)('0' + started % 10);
            name[13] = '\0';
        }
        code = gri_thread_start(&worker->handle, name, 0, gri_worker_main, worker);
        if (code != 0) break;
    }
    if (code != 0) {
        snprintf(ret_why, why_bytes, "the system refuses the thread of worker %u of %u", started + 1, workers);
    } else if ((code = await_threads(scheduler)) != 0) {
        snprintf(ret_why, why_bytes, "a worker's thread cannot be prepared");
    } else if ((code = gri_thread_start(&scheduler->monitor, "gr-monitor", 0, gri_monitor_main, scheduler)) != 0) {
        snprintf(ret_why, why_bytes, "the system refuses the monitor's thread, after %u for workers", workers);
    }
    if (code != 0) end_threads(scheduler, started, false);
    return code;
}

int gri_scheduler_start(const gri_schedule_config *config, char *ret_why, size_t why_bytes)
{
    char scratch[1];
    if (!ret_why) ret_why = scratch, why_bytes = sizeof scratch;
    ret_why[0] = '\0';
    GRI_ASSERT(!gri_scheduler_now);
    gri_scheduler *scheduler =
        aligned_alloc(GRI_CACHE_LINE, (sizeof *scheduler + GRI_CACHE_LINE - 1) & ~(size_t)(GRI_CACHE_LINE - 1));
    if (!scheduler) return GR_ENOMEM;
    memset(scheduler, 0, sizeof *scheduler);
    scheduler->config = *config;
    gri_atomic_init(&scheduler->tick_ms, (uint32_t)(gri_clock_now() / GRI_NS_PER_MS));
    gri_inject_init(&scheduler->inject);
    gri_spinlock_init(&scheduler->poller_lock);
    gri_atomic_init(&scheduler->poll_deadline, GRI_INSTANT_PAST);
    gri_parker_init(&scheduler->monitor_parker);
    gri_parker_init(&scheduler->begin_parker);
    int code = gri_poller_open(&scheduler->poller);
    if (code != 0) {
        free(scheduler);
        return code;
    }
    code = allocate_workers(scheduler);
    gri_idle_init(&scheduler->idle, scheduler->workers_max);
    gri_scheduler_now = scheduler;
    if (code == 0)
        code = config->simulate ? gri_simulation_start(scheduler) : start_threads(scheduler, ret_why, why_bytes);
    if (code != 0) {
        gri_scheduler_now = NULL;
        release(scheduler);
    }
    return code;
}

void gri_scheduler_stop(void)
{
    gri_scheduler *scheduler = gri_scheduler_now;
    if (scheduler->simulation)
        gri_simulation_stop(scheduler);
    else
        end_threads(scheduler, scheduler->config.workers, true);
    gri_scheduler_now = NULL;
    release(scheduler);
}

uint16_t gri_scheduler_home(void)
{
    gri_worker *worker = gri_worker_here();
    unsigned workers = gri_scheduler_now->config.workers;
    if (worker && worker->index < workers) return (uint16_t)(worker->index + 1);
    uint32_t turn = gri_add_relaxed(&gri_scheduler_now->next_home, 1u); /* relaxed: any order will do */
    return (uint16_t)(turn % workers + 1);
}

void gri_scheduler_tick_set(gri_scheduler *scheduler, gri_instant now)
{
    const uint32_t tick = (uint32_t)(now / GRI_NS_PER_MS);
    gri_store_relaxed(&scheduler->tick_ms, tick); /* relaxed, both: coarse time */
    /* mo:workers.count acquire <- workers.add release: the spares' fields */
    unsigned count = gri_load_acquire(&scheduler->worker_count);
    for (unsigned i = 0; i < count; i++) gri_store_relaxed(&scheduler->workers[i].tick_ms, tick);
}

uint64_t gri_scheduler_sum(size_t offset)
{
    gri_scheduler *scheduler = gri_scheduler_now;
    uint64_t sum = 0;
    /* relaxed: counters are zero before their worker is counted. What was run elsewhere is missed only by who has not fenced, or read
     * something that it counted */
    unsigned count = gri_load_relaxed(&scheduler->worker_count);
    for (unsigned i = 0; i < count; i++) {
        gri_atomic_u64 *counter = (gri_atomic_u64 *)(void *)((char *)&scheduler->workers[i] + offset);
        /* mo:scheduler.sum acquire <- runtime.count_ended release: one sum is not older than another that was read before */
        sum += gri_load_acquire(counter);
    }
    return sum;
}
