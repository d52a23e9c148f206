/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The scheduler by itself: tasks that are not actors. */
#include "schedule/scheduler.h"

#include "base/atomic.h"
#include "os/clock.h"
#include "os/thread.h"
#include "support/test.h"

#define TASKS 1000

typedef struct job {
    gri_task task;
    unsigned rounds;
    uint32_t ran_on; /* a bit per worker */
} job;

static job jobs[TASKS];
static gri_atomic_u32 finished; /* relaxed but for the last one, which the parker orders */
static gri_parker all_done;

static void run(gri_task *task)
{
    job *j = GRI_CONTAINER_OF(task, job, task);
    while (j->rounds-- > 0) {
        j->ran_on |= 1u << task->worker->index;
        CHECK_OK(gri_task_park(task, NULL, 0));
    }
    /* mo:test.finish acq_rel <-> test.finish acq_rel: what all of them did, for whoever is last */
    if (gri_add_acq_rel(&finished, 1u) + 1 == TASKS) gri_parker_notify(&all_done);
}

static void start_sliced(unsigned workers, unsigned (*usable)(void), int64_t slice_ns)
{
    CHECK_OK(gri_stacks_start(NULL));
    gri_schedule_config config = {.workers = workers,
                                  .spin_ns = 20000,
                                  .slice_ns = slice_ns,
                                  .stuck_ns = 60 * GRI_NS_PER_S,
                                  .stack_class = (unsigned)gri_stack_class(GRI_STACK_BYTES_DEFAULT),
                                  .usable = usable};
    CHECK_OK(gri_scheduler_start(&config, NULL, 0));
    gri_parker_init(&all_done);
}

static void start(unsigned workers, unsigned (*usable)(void))
{
    start_sliced(workers, usable, GRI_NS_PER_MS);
}

static void stop(void)
{
    gri_scheduler_stop();
    CHECK_OK(gri_stacks_stop());
}

static void run_all(unsigned rounds, unsigned home_of_all)
{
    gri_store_relaxed(&finished, 0u); /* relaxed: published with the first task */
    for (unsigned i = 0; i < TASKS; i++) {
        jobs[i] = (job){.task = {.run = run, .id = i, .home = (uint16_t)home_of_all}, .rounds = rounds};
        gri_task_ready(&jobs[i].task);
    }
    CHECK(gri_parker_wait(&all_done, gri_instant_add(gri_clock_monotonic(), 60 * GRI_NS_PER_S)));
}

TEST(scheduler, every_task_runs_to_its_end)
{
    start(4, NULL);
    run_all(50, 0);
    for (unsigned i = 0; i < TASKS; i++) CHECK(jobs[i].ran_on != 0);
    stop();
}

TEST(scheduler, pinned_tasks_stay_at_home)
{
    start(3, NULL);
    run_all(20, 2);
    for (unsigned i = 0; i < TASKS; i++) CHECK_EQ(jobs[i].ran_on, 1u << 1);
    stop();
}

TEST(scheduler, starts_again_after_stop)
{
    for (int i = 0; i < 5; i++) {
        start(2, NULL);
        run_all(3, 0);
        stop();
    }
}

/* ---- the quota ---- */

static gri_atomic_u32 usable; /* relaxed: a number */

static unsigned usable_now(void)
{
    return gri_load_relaxed(&usable);
}

static bool away(unsigned worker)
{
    return gri_load_relaxed(&gri_scheduler_now->workers[worker].phase) == GRI_WORKER_ABSENT; /* relaxed: a picture */
}

static void wait_for(bool want, unsigned worker)
{
    gri_instant end = gri_instant_add(gri_clock_monotonic(), 60 * GRI_NS_PER_S);
    while (away(worker) != want) {
        run_all(1, 0); /* keeps the monitor awake: it asks only while there is something to do */
        CHECK(gri_clock_monotonic() < end);
    }
}

TEST(scheduler, workers_beyond_the_quota_wait_and_come_back)
{
    gri_store_relaxed(&usable, 2u); /* relaxed: a number */
    start(4, usable_now);
    wait_for(true, 3);
    wait_for(true, 2);
    CHECK(!away(0) && !away(1));
    run_all(20, 0);
    for (unsigned i = 0; i < TASKS; i++) CHECK((jobs[i].ran_on & 0xcu) == 0);
    /* What is pinned to one that is away still runs there. */
    run_all(5, 4);
    for (unsigned i = 0; i < TASKS; i++) CHECK_EQ(jobs[i].ran_on, 1u << 3);
    gri_store_relaxed(&usable, 4u); /* relaxed: a number */
    wait_for(false, 2);
    wait_for(false, 3);
    run_all(20, 0);
    stop();
}

static gri_atomic_u32 too_late; /* relaxed: published with the end of the last task */

/* Passes its turn on and on until the worker that has to leave has left. */
static void run_until_away(gri_task *task)
{
    gri_instant end = gri_instant_add(gri_clock_monotonic(), 60 * GRI_NS_PER_S);
    while (!away(1) && gri_clock_monotonic() < end) gri_task_yield(task);
    if (!away(1)) gri_add_relaxed(&too_late, 1u); /* relaxed: see there */
    /* mo:test.finish acq_rel <-> test.finish acq_rel: as above */
    if (gri_sub_acq_rel(&finished, 1u) == 1) gri_parker_notify(&all_done);
}

static void leave_while_busy(unsigned tasks)
{
    gri_store_relaxed(&usable, 1u); /* relaxed: a number */
    start(2, usable_now);
    gri_store_relaxed(&finished, tasks); /* relaxed: published with the first task */
    for (unsigned i = 0; i < tasks; i++) {
        jobs[i] = (job){.task = {.run = run_until_away, .id = i}};
        gri_task_ready(&jobs[i].task);
    }
    (void)gri_parker_wait(&all_done, GRI_INSTANT_NEVER);
    CHECK_EQ(gri_load_relaxed(&too_late), 0); /* relaxed: see there */
    stop();
}

TEST(scheduler, a_worker_beyond_the_quota_leaves_though_there_is_work)
{
    leave_while_busy(40);
}

TEST(scheduler, a_worker_beyond_the_quota_leaves_its_only_task_to_others)
{
    leave_while_busy(2);
}

static void finish(gri_task *task)
{
    (void)task;
    gri_parker_notify(&all_done);
}

static void look_after_the_house(gri_task *task)
{
    gri_worker *worker = task->worker;
    gri_store_relaxed(&worker->retire, true); /* relaxed: a request */
    jobs[1] = (job){.task = {.run = finish}};
    gri_inject_push(&worker->scheduler->inject, &jobs[1].task.link);
    gri_worker_housekeeping(worker);
    CHECK(!gri_inject_is_empty(&worker->scheduler->inject));
    gri_store_relaxed(&worker->retire, false); /* relaxed: as above */
}

TEST(scheduler, who_has_to_leave_takes_nothing_more)
{
    start(1, NULL);
    jobs[0] = (job){.task = {.run = look_after_the_house}};
    gri_task_ready(&jobs[0].task);
    (void)gri_parker_wait(&all_done, GRI_INSTANT_NEVER);
    stop();
}

static bool sleeps_in_poller(unsigned worker)
{
    return gri_load_relaxed(&gri_scheduler_now->workers[worker].in_poller); /* relaxed: a picture */
}

#define WAIT_UNTIL(condition) \
    for (gri_instant end = gri_instant_add(gri_clock_monotonic(), 60 * GRI_NS_PER_S); !(condition);) { \
        CHECK(gri_clock_monotonic() < end); \
        gri_thread_yield(); \
    }

/* Or else timers and descriptors are nobody's. */
TEST(scheduler, who_leaves_the_poller_is_replaced)
{
    start(2, NULL);
    WAIT_UNTIL(gri_idle_asleep_count(&gri_scheduler_now->idle) == 2 && (sleeps_in_poller(0) || sleeps_in_poller(1)));
    const unsigned leaver = sleeps_in_poller(0) ? 0 : 1;
    gri_store_relaxed(&gri_scheduler_now->workers[leaver].retire, true); /* relaxed: a request */
    gri_worker_unpark(&gri_scheduler_now->workers[leaver]);
    WAIT_UNTIL(away(leaver));
    WAIT_UNTIL(sleeps_in_poller(1 - leaver));
    stop();
}

/* ---- who is stuck ---- */

static void yield_alone(gri_task *task)
{
    uint64_t before = gri_worker_epoch(task->worker);
    gri_task_yield(task);
    CHECK(gri_worker_epoch(task->worker) > before);
    gri_parker_notify(&all_done);
}

/* Or else the monitor takes it for stuck. */
TEST(scheduler, a_task_that_gives_way_while_nobody_else_wants_to_run_moves_on)
{
    start(1, NULL);
    jobs[0] = (job){.task = {.run = yield_alone}};
    gri_task_ready(&jobs[0].task);
    (void)gri_parker_wait(&all_done, GRI_INSTANT_NEVER);
    stop();
}

/* ---- an idle process ---- */

#define BLOCKS 4096

static void use_memory(gri_task *task)
{
    static void *blocks[BLOCKS];
    (void)task;
    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = gri_block_alloc(1000);
        CHECK(blocks[i] != NULL);
    }
    for (unsigned i = 0; i < BLOCKS; i++) gri_block_free(blocks[i]);
    gri_parker_notify(&all_done);
}

/* What heaps hold when the monitor has fallen asleep after a task that used some. */
static uint64_t bytes_kept(void)
{
    gri_heap_counts heaps;
    gri_chunk_counts chunks;
    start_sliced(1, NULL, 50 * GRI_NS_PER_US);
    jobs[0] = (job){.task = {.run = use_memory}};
    gri_task_ready(&jobs[0].task);
    (void)gri_parker_wait(&all_done, GRI_INSTANT_NEVER);
    while (!gri_load_relaxed(&gri_scheduler_now->monitor_asleep)) gri_thread_yield(); /* relaxed: counters follow */
    gri_heap_count_all(&heaps, &chunks);
    stop();
    return chunks.bytes + chunks.bytes_warm;
}

/* Nobody gives memory back once the monitor sleeps, however short the slices are that it counted before. A worker that gets no
 * CPU to fall asleep on keeps its own, and a monitor that gets none may have trimmed before: one in three decides. */
TEST(scheduler, memory_has_gone_back_when_the_monitor_sleeps)
{
    unsigned gone = 0;
    for (unsigned i = 0; i < 12; i++) gone += bytes_kept() == 0;
    CHECK(gone >= 4);
}
