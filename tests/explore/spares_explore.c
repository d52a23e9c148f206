/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Workers that come and go: the start of the first ones, spare ones that the monitor puts in for one that is held, who is sent away
 * and called back; what they run is counted, what they arm fires, and the monitor does not sleep while anybody works. */
#include "explore/schedule_model.h"

static void run_arms(gri_task *t)
{
    (void)t;
    gri_scheduler_arm(&entry, model_now + GRI_NS_PER_MS);
}

/* Worker 0 is held by what it runs; a task waits in its queue. */
static void held(unsigned base, void (*run)(gri_task *))
{
    model_start(base, 1);
    gri_wheel_entry_init(&entry, &over_kind);
    task = (gri_task){.run = run};
    gri_atomic_init(&model_workers[0].phase, GRI_WORKER_BUSY);
    EXPLORE_CHECK(gri_deque_push_owner(&model_workers[0].deque, &task));
}

MODEL_THREAD(worker_1, model_run(1))
MODEL_THREAD(new_1, model_run_started(1))
MODEL_THREAD(new_2, model_run_started(2))

/* As often as the monitor looks, until one is in. */
static void put_in_one(void)
{
    for (;;) {
        put_spare_in(&model_monitor);
        if (gri_load_relaxed(&model_scheduler.rescues) > 0) return;
        model_pause();
    }
}
MODEL_THREAD(monitor_puts_in, put_in_one())

/* ---- a spare one that has been there before; descriptors are watched, and it is the only one who could look ---- */

static void queue_setup(void)
{
    held(1, run_is_over);
    gri_atomic_init(&model_scheduler.watched, 1);
    (void)model_spare(1);
}

/* ---- a new one: what it has ended is counted, gr_stop waits for that (actor/runtime.c) ---- */

static gri_atomic_bool stop_waits;
static gri_parker stopper;
static unsigned really_left; /* the model's own count */

/* gri_runtime_count_ended */
static void count_ended(gri_worker *worker)
{
    really_left--;
    gri_atomic_u64 *counter = &worker->upper[1];
    gri_store_release(counter, gri_load_relaxed(counter) + 1);
    gri_fence_light();
    if (gri_load_relaxed(&stop_waits)) gri_parker_notify(&stopper);
}

/* alive: ended first, then spawned */
static uint64_t alive(void)
{
    uint64_t ended = gri_scheduler_sum(offsetof(gri_worker, upper) + sizeof(gri_atomic_u64));
    return gri_scheduler_sum(offsetof(gri_worker, upper)) - ended;
}

/* drained */
static void stop(void)
{
    for (;;) {
        gri_store_relaxed(&stop_waits, true);
        (void)gri_fence_heavy();
        if (alive() == 0) break;
        gri_parker_wait(&stopper, GRI_INSTANT_NEVER);
    }
    EXPLORE_CHECK(really_left == 0);
    model_over();
}
MODEL_THREAD(stopping, stop())

static void run_ends(gri_task *t)
{
    count_ended(t->worker);
}

static void count_setup(unsigned actors)
{
    gri_atomic_init(&stop_waits, false);
    gri_parker_init(&stopper);
    really_left = actors;
    gri_atomic_init(&model_workers[0].upper[0], 1); /* the first one */
}

static void ended_setup(void)
{
    held(1, run_ends);
    count_setup(1);
}

/* A parent, on worker 0, has a child that runs elsewhere, and ends: nobody says too early that nobody is left. */
static void family_setup(void)
{
    model_start(2, 0);
    count_setup(2);
    task = (gri_task){.run = run_ends};
}

static void be_parent(void)
{
    gri_worker *worker = &model_workers[0];
    gri_store_relaxed(&worker->upper[0], gri_load_relaxed(&worker->upper[0]) + 1);
    EXPLORE_CHECK(gri_deque_push_owner(&worker->deque, &task));
    count_ended(worker);
}
MODEL_THREAD(parent, be_parent())

static void be_child(void)
{
    void *item[1];
    while (gri_deque_steal_array(&model_workers[0].deque, item, 1) == 0) model_pause();
    count_ended(&model_workers[1]);
}
MODEL_THREAD(child, be_child())

/* ---- a new one arms a timer and goes away; another worker sleeps in the poller ---- */

static void timer_setup(void)
{
    held(2, run_arms);
}

/* ---- it goes away, or is sent away, while work appears in the held one's queue ---- */

static bool pushed; /* the model's own: the monitor does not put one in for ever before that */

static void leaving_setup(void)
{
    held(1, run_is_over);
    pushed = false;
    EXPLORE_CHECK(gri_deque_pop_owner(&model_workers[0].deque) == &task);
    gri_atomic_init(&model_spare(1)->retire, false);
}

static void push_while_held(void)
{
    EXPLORE_CHECK(gri_deque_push_owner(&model_workers[0].deque, &task));
    pushed = true;
    explore_hand_over(&pushed);
    for (;;) model_pause();
}
MODEL_THREAD(held_worker, push_while_held())

static void send_and_put_in(void)
{
    if (explore_choose(2) == 1) send_spare_away(&model_monitor);
    for (unsigned looks = 0;; looks++) {
        while (looks >= 2 && !pushed) model_pause();
        put_spare_in(&model_monitor);
        model_pause();
    }
}
MODEL_THREAD(monitor_sends, send_and_put_in())

/* ---- the quota sends a base worker away and calls it back ---- */

static unsigned usable_now;

static unsigned usable(void)
{
    return usable_now;
}

static void back_setup(void)
{
    held(2, run_is_over);
    EXPLORE_CHECK(gri_deque_pop_owner(&model_workers[0].deque) == &task);
    model_scheduler.config.usable = usable;
}

static void send_and_call_back(void)
{
    for (usable_now = 1; usable_now <= 2; usable_now++) follow_quota(&model_monitor);
    gri_task_ready(&task);
}
MODEL_THREAD(monitor_calls_back, send_and_call_back())

/* ---- the monitor goes to sleep while a worker gets something to do ---- */

static void sleep_setup(void)
{
    model_start(1, 0);
}

static void work_on(void)
{
    model_worker_of[explore_self()] = &model_workers[0];
    become_busy(&model_workers[0]);
    for (;;) model_pause();
}
MODEL_THREAD(busy_worker, work_on())

static void sleep_as_monitor(void)
{
    sleep_until_busy(&model_monitor);
    model_over();
}
MODEL_THREAD(monitor_sleeps, sleep_as_monitor())

/* It has woken just now, and puts a new one in: what the worker sets for all workers. */
static void woken_setup(void)
{
    model_start(1, 1);
    gri_atomic_init(&model_scheduler.monitor_asleep, true);
}

static void wake_up(void)
{
    gri_store_relaxed(&model_scheduler.monitor_asleep, false);
    put_spare_in(&model_monitor);
    model_over();
}
MODEL_THREAD(monitor_wakes, wake_up())

/* ---- the start: it learns of a thread that cannot go on ---- */

static unsigned refusing; /* 1 + worker; 0: none */

static int begin(void *room)
{
    return refusing && room == &model_workers[refusing - 1] ? GR_ESYSTEM : 0;
}

static void begin_setup(void)
{
    model_start(2, 0);
    model_scheduler.config.thread_begin = begin;
    for (unsigned i = 0; i < 2; i++) model_workers[i].room = &model_workers[i];
    refusing = 0;
}

static void begin_0(void)
{
    if (explore_choose(2) == 1) refusing = 1;
    (void)begin_thread(&model_workers[0]);
}

static void begin_1(void)
{
    (void)begin_thread(&model_workers[1]);
}

static void begin_all(void)
{
    EXPLORE_CHECK(await_threads(&model_scheduler) == (refusing ? GR_ESYSTEM : 0));
}

int main(int argc, char **argv)
{
    static const explore_program programs[] = {
        {"queue", queue_setup, {worker_1, monitor_puts_in}, NULL, NULL, 2, 1, 0},
        {"ended", ended_setup, {new_1, monitor_puts_in, stopping}, NULL, NULL, 1, 1, 0},
        {"family", family_setup, {parent, child, stopping}, NULL, NULL, 1, 1, 0},
        {"timer", timer_setup, {worker_1, new_2, monitor_puts_in}, NULL, NULL, 1, 1, 0},
        {"leaving", leaving_setup, {held_worker, worker_1, monitor_sends}, NULL, NULL, 1, 1, 0},
        {"back", back_setup, {worker_1, monitor_calls_back}, NULL, NULL, 2, 1, 0},
        {"sleep", sleep_setup, {busy_worker, monitor_sleeps}, NULL, NULL, 2, 1, 0},
        {"woken", woken_setup, {busy_worker, monitor_wakes}, NULL, NULL, 2, 1, 0},
        {"begin", begin_setup, {begin_0, begin_1, begin_all}, NULL, NULL, 3, 2, 0},
        {NULL, NULL, {NULL}, NULL, NULL, 0, 0, 0},
    };
    return explore_main(argc, argv, programs);
}
