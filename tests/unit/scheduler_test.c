/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The scheduler by itself: tasks that are not actors. */
#include "schedule/scheduler.h"

#include "base/atomic.h"
#include "os/clock.h"
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

static bool again(gri_task *task)
{
    (void)task;
    return false;
}

static void run(gri_task *task)
{
    job *j = GRI_CONTAINER_OF(task, job, task);
    while (j->rounds-- > 0) {
        j->ran_on |= 1u << task->worker->index;
        CHECK_OK(gri_task_park(task, again));
    }
    /* mo:test.finish acq_rel <-> test.finish acq_rel: what all of them did, for whoever is last */
    if (gri_add_acq_rel(&finished, 1u) + 1 == TASKS) gri_parker_notify(&all_done);
}

static void start(unsigned workers, unsigned (*usable)(void))
{
    CHECK_OK(gri_stacks_start(NULL));
    gri_schedule_config config = {.workers = workers,
                                  .spin_ns = 20000,
                                  .slice_ns = GRI_NS_PER_MS,
                                  .stuck_ns = 60 * GRI_NS_PER_S,
                                  .stack_class = (unsigned)gri_stack_class(GRI_STACK_BYTES_DEFAULT),
                                  .usable = usable};
    CHECK_OK(gri_scheduler_start(&config));
    gri_parker_init(&all_done);
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
