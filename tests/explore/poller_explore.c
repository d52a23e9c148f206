/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Who sleeps in the poller, who sleeps elsewhere and relies on that one, who goes away: work, timers and descriptors always find
 * somebody. Without a monitor: it is the last resort, and itself asleep when all workers are. */
#include "explore/schedule_model.h"

static void start(unsigned base, unsigned spares)
{
    model_start(base, spares);
    task = (gri_task){.run = run_is_over};
    gri_wheel_entry_init(&entry, &over_kind);
}

MODEL_THREAD(worker_0, model_run(0))
MODEL_THREAD(worker_1, model_run(1))

/* ---- another thread has work, for anybody or for one worker ---- */

static void one_setup(void)
{
    start(1, 0);
}

static void two_setup(void)
{
    start(2, 0);
}

static void pinned_setup(void)
{
    start(2, 0);
    task.home = 2;
}

MODEL_THREAD(foreign_ready, gri_task_ready(&task))

/* A worker sent away, with a task that only it may run. */
static void absent_setup(void)
{
    start(2, 0);
    task.home = 2;
    gri_atomic_init(&model_workers[1].retire, true);
}

/* ---- a worker that goes on computing has armed a timer ---- */

static void arm_and_compute(void)
{
    model_worker_of[explore_self()] = &model_workers[1];
    gri_scheduler_arm(&entry, model_now + 5 * GRI_NS_PER_MS);
    for (;;) model_pause();
}
MODEL_THREAD(busy_worker, arm_and_compute())

/* ---- descriptors: one becomes ready at any time, and all but one of the workers are sent away ---- */

static void descriptor_setup(unsigned base, unsigned spares)
{
    start(base, spares);
    model_on_descriptor = model_over;
    gri_atomic_init(&model_scheduler.watched, 1);
}

static void quota_setup(void)
{
    descriptor_setup(2, 0);
}

static unsigned one_is_usable(void)
{
    return 1;
}

static void follow(void)
{
    model_scheduler.config.usable = one_is_usable;
    follow_quota(&model_monitor);
}
MODEL_THREAD(quota, follow())
MODEL_THREAD(descriptor, model_descriptor_ready())

/* A spare worker that has nothing to do goes away by itself. */
static void spare_setup(void)
{
    descriptor_setup(1, 1);
    gri_atomic_init(&model_spare(1)->retire, false);
}

/* ---- the end of all ---- */

static void end_all(void)
{
    for (unsigned i = 0; i < 2; i++) model_workers[i].handle.handle = i;
    end_threads(&model_scheduler, 2, false);
}
MODEL_THREAD(stopper, end_all())

static void sent_away_setup(void)
{
    start(2, 0);
    gri_atomic_init(&model_workers[1].retire, true);
}

int main(int argc, char **argv)
{
    static const explore_program programs[] = {
        {"work", one_setup, {worker_0, foreign_ready}, NULL, NULL, 2, 1, 0},
        {"work_for_two", two_setup, {worker_0, worker_1, foreign_ready}, NULL, NULL, 1, 1, 0},
        {"pinned", pinned_setup, {worker_0, worker_1, foreign_ready}, NULL, NULL, 1, 1, 0},
        {"absent", absent_setup, {worker_1, foreign_ready}, NULL, NULL, 2, 1, 0},
        {"absent_polled", absent_setup, {worker_0, worker_1, foreign_ready}, NULL, NULL, 1, 1, 0},
        {"timer", two_setup, {worker_0, busy_worker}, NULL, NULL, 2, 1, 0},
        {"quota", quota_setup, {worker_0, worker_1, quota, descriptor}, NULL, NULL, 1, 0, 0},
        {"spare", spare_setup, {worker_0, worker_1, descriptor}, NULL, NULL, 1, 1, 0},
        {"away", quota_setup, {worker_0, worker_1, quota, foreign_ready}, NULL, NULL, 1, 0, 0},
        {"spare_away", spare_setup, {worker_0, worker_1, foreign_ready}, NULL, NULL, 1, 1, 0},
        {"stop", two_setup, {worker_0, worker_1, stopper}, NULL, NULL, 1, 1, 0},
        {"stop_away", sent_away_setup, {worker_0, worker_1, stopper}, NULL, NULL, 1, 1, 0},
        {NULL, NULL, {NULL}, NULL, NULL, 0, 0, 0},
    };
    return explore_main(argc, argv, programs);
}
