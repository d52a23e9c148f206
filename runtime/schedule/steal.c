/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Looking for work elsewhere, going to sleep, being woken. The state machine of sleeping stands in sync/eventcount.h.
 *
 * A thief takes half of a victim's deque, never its slot: that holds what its running task has just spoken to, which will most
 * likely run there in a moment. If it does not within a slice, the monitor moves it to the common queue.
 *
 * Of the idle workers the first sleeps in the poller until the earliest timer of any worker, the others on their parkers
 * without limit. Whoever arms a timer earlier than that wakes the poller (gri_scheduler_arm). */
#include "schedule/scheduler.h"

#include "base/check.h"
#include "os/clock.h"

#define FIRE_LIMIT 64

static unsigned worker_count(gri_scheduler *scheduler)
{
    /* mo:workers.count acquire <- workers.add release: the new worker's fields */
    return gri_load_acquire(&scheduler->worker_count);
}

#define OVERFLOW_BATCH 32                     /* guess */
#define TIMER_SOON_NS (4 * GRI_WHEEL_TICK_NS) /* guess: a spin or two; what comes later may well be overtaken */

/* From a victim that does not get to what has overflowed there. */
static size_t steal_overflow(gri_worker *worker, gri_worker *victim, void **ret_first)
{
    gri_inject_node *nodes[OVERFLOW_BATCH];
    if (gri_inject_is_empty(&victim->overflow)) return 0;
    size_t count = gri_inject_pop_batch(&victim->overflow, nodes, OVERFLOW_BATCH);
    for (size_t i = 1; i < count; i++) gri_worker_push(worker, GRI_CONTAINER_OF(nodes[i], gri_task, link));
    if (count > 0) *ret_first = GRI_CONTAINER_OF(nodes[0], gri_task, link);
    return count;
}

/* The same of what has never run there. */
static size_t steal_fresh(gri_worker *worker, gri_worker *victim, void **ret_first)
{
    gri_task *tasks[OVERFLOW_BATCH];
    size_t count = gri_nursery_pop_batch(&victim->nursery, tasks, OVERFLOW_BATCH, true);
    for (size_t i = 1; i < count; i++) gri_worker_push(worker, tasks[i]);
    if (count > 0) *ret_first = tasks[0];
    return count;
}

static gri_task *steal_from(gri_worker *worker, gri_worker *victim)
{
    void *first = NULL;
    size_t count = gri_deque_steal_half(&victim->deque, &worker->deque, &first);
    if (count == 0) count = steal_overflow(worker, victim, &first);
    if (count == 0) count = steal_fresh(worker, victim, &first);
    if (count == 0) return NULL;
    /* relaxed, both: counters */
    gri_count_owner(&worker->counters.steals, 1u);
    gri_count_owner(&worker->counters.stolen, count);
    return first;
}

/* Nearest first: the victims of the topology, then the spares, which have no place. */
static gri_task *steal(gri_worker *worker, bool last_pass)
{
    gri_scheduler *scheduler = worker->scheduler;
    if (scheduler->config.steal == GRI_STEAL_NONE && !worker->spare && !last_pass) return NULL;
    unsigned base = scheduler->config.workers, count = worker_count(scheduler);
    unsigned victims = worker->spare ? base : base - 1;
    unsigned turn = scheduler->config.steal == GRI_STEAL_RANDOM || worker->spare
                        ? (unsigned)gri_rng_below(&worker->rng, victims ? victims : 1)
                        : 0;
    for (unsigned i = 0; i < victims; i++) {
        unsigned at = (i + turn) % victims;
        gri_worker *victim = &scheduler->workers[worker->spare ? at : worker->victims[at]];
        gri_task *task = steal_from(worker, victim);
        if (task) return task;
    }
    for (unsigned i = base; i < count; i++) {
        if (i == worker->index) continue;
        gri_task *task = steal_from(worker, &scheduler->workers[i]);
        if (task) return task;
    }
    return NULL;
}

/* Fires every wheel that is due, so that a sleeping or stuck worker's timers are not late. */
static void fire_all(gri_worker *worker)
{
    gri_scheduler *scheduler = worker->scheduler;
    unsigned count = worker_count(scheduler);
    gri_instant now = gri_clock_now();
    for (unsigned i = 0; i < count; i++) {
        gri_wheel *wheel = &scheduler->workers[(worker->index + i) % count].wheel;
        if (gri_wheel_earliest(wheel) > now) continue;
        unsigned fired = gri_wheel_fire(wheel, now, FIRE_LIMIT);
        gri_count_owner(&worker->counters.timers, fired); /* relaxed: a counter */
    }
}

static gri_instant earliest_of_all(gri_scheduler *scheduler)
{
    unsigned count = worker_count(scheduler);
    gri_instant earliest = GRI_INSTANT_NEVER;
    for (unsigned i = 0; i < count; i++) {
        gri_instant at = gri_wheel_earliest(&scheduler->workers[i].wheel);
        if (at < earliest) earliest = at;
    }
    return earliest;
}

static gri_task *look_everywhere(gri_worker *worker, bool last_pass)
{
    fire_all(worker);
    gri_worker_housekeeping(worker);
    gri_task *task = gri_worker_next_local(worker);
    return task ? task : steal(worker, last_pass);
}

static bool backlog(gri_scheduler *scheduler)
{
    if (!gri_inject_is_empty(&scheduler->inject)) return true;
    unsigned count = worker_count(scheduler);
    for (unsigned i = 0; i < count; i++)
        if (gri_worker_has_backlog(&scheduler->workers[i])) return true;
    return false;
}

static void stop_searching(gri_worker *worker)
{
    if (!worker->searching) return;
    worker->searching = false;
    if (gri_idle_search_end(&worker->scheduler->idle) && backlog(worker->scheduler)) gri_scheduler_wake_one();
}

/* Is there nobody who could hand work over soon? Approximate. */
static bool nobody_is_busy(gri_scheduler *scheduler)
{
    return gri_idle_asleep_count(&scheduler->idle) + gri_idle_searching_count(&scheduler->idle) >=
           scheduler->config.workers;
}

/* Then, where descriptors are watched, work comes from one of them, a timer or another thread, each of which wakes the worker in the
 * poller, and spinning, with a system call in each turn, costs more than that: an HTTP server with one worker spent 0.6 of 4.0 us a
 * request on it. */
static bool only_the_poller_is_left(gri_scheduler *scheduler)
{
    return gri_load_relaxed(&scheduler->watched) > 0 && nobody_is_busy(scheduler); /* relaxed: a hint */
}

/* And a timer that is due soon is waited for asleep: it is what will come, and it wakes on time (timers, servers: 0.76 s CPU -> 0.69
 * on one worker, 1.19 -> 1.00 on two). */
static bool only_a_timer_is_left(gri_scheduler *scheduler, gri_instant now)
{
    return nobody_is_busy(scheduler) && earliest_of_all(scheduler) < gri_instant_add(now, TIMER_SOON_NS);
}

static gri_task *search(gri_worker *worker)
{
    gri_scheduler *scheduler = worker->scheduler;
    if (!worker->searching) worker->searching = gri_idle_search_begin(&scheduler->idle);
    if (!worker->searching || only_the_poller_is_left(scheduler)) return NULL; /* it looks once more before it sleeps */
    gri_instant now = gri_clock_now();
    const gri_instant until = gri_instant_add(now, scheduler->config.spin_ns);
    if (only_a_timer_is_left(scheduler, now)) return NULL;
    /* relaxed: the monitor's picture */
    gri_store_relaxed(&worker->phase, GRI_WORKER_SEARCHING);
    do {
        gri_task *task = look_everywhere(worker, false);
        if (task) return task;
        for (int i = 0; i < 32; i++) gri_cpu_relax();
        now = gri_clock_now();
    } while (now < until && !only_a_timer_is_left(scheduler, now));
    return NULL;
}

void gri_worker_unpark(gri_worker *worker)
{
    gri_parker_notify(&worker->parker);
    /* mo:worker.unpark seq_cst <-> worker.sleep seq_cst: the notifier's token comes before this load, the sleeper's mark
     * before its look at the token: one of them sees the other */
    gri_fence_seq_cst();
    if (gri_load_relaxed(&worker->in_poller)) /* relaxed: the fence orders it */
        gri_poller_wake(&worker->scheduler->poller);
}

/* Sleeps in the poller, as the only one. */
static void sleep_in_poller(gri_worker *worker)
{
    gri_scheduler *scheduler = worker->scheduler;
    gri_instant until = earliest_of_all(scheduler);
    gri_store_relaxed(&worker->in_poller, true); /* relaxed, both: the fence orders them */
    gri_store_relaxed(&scheduler->poll_deadline, until);
    /* mo:worker.sleep seq_cst <-> worker.unpark seq_cst: see there
     * mo:poller.deadline seq_cst <-> scheduler.arm seq_cst: either the armer sees that we sleep longer and wakes us, or we
     * see its timer in the second look */
    gri_fence_seq_cst();
    gri_instant again = earliest_of_all(scheduler);
    if (again < until) until = again;
    if (!gri_parker_wait(&worker->parker, GRI_INSTANT_PAST)) {
        int64_t timeout = until == GRI_INSTANT_NEVER ? -1 : gri_instant_until(gri_clock_now(), until);
        if (timeout != 0)
            gri_poller_wait(&scheduler->poller, timeout, scheduler->config.poll_report, scheduler);
        else
            gri_thread_yield(); /* a timer is due that somebody is just firing */
    }
    /* relaxed, both: seen late, they cost a needless wake */
    gri_store_relaxed(&scheduler->poll_deadline, GRI_INSTANT_PAST);
    gri_store_relaxed(&worker->in_poller, false);
}

static bool all_work_is_gone(gri_worker *worker, gri_task **ret_task)
{
    *ret_task = look_everywhere(worker, true);
    /* The slot and the overflow: somebody may be at them who leaves something there. */
    return *ret_task == NULL && gri_slot_is_empty(&worker->slot) && gri_inject_is_empty(&worker->overflow) &&
           gri_nursery_is_empty(&worker->nursery) && gri_inject_is_empty(&worker->scheduler->inject) &&
           gri_inject_is_empty(&worker->pinned);
}

/* Announces sleep, looks once more, sleeps. Returns a task if the last look found one. */
static gri_task *sleep_until_woken(gri_worker *worker)
{
    gri_scheduler *scheduler = worker->scheduler;
    gri_idle_announce(&scheduler->idle, worker->index, worker->searching);
    worker->searching = false;
    /* relaxed: the monitor's picture */
    gri_store_relaxed(&worker->phase, GRI_WORKER_ASLEEP);
    gri_task *task;
    /* relaxed: nothing but the flag; who sets it unparks us afterwards */
    if (all_work_is_gone(worker, &task) && !gri_load_relaxed(&scheduler->stopping)) {
        gri_count_owner(&worker->counters.parks, 1u); /* relaxed: a counter */
        gri_heap_bind(NULL);                          /* flushes, and lets others trim it while we sleep */
        /* Not trimmed: that is the monitor's, when it stays quiet. A trim here cost 2 us a stack, before each sleep, and as
         * much again when work came (fib of 15 to 20 with green threads took 2.5 to 3.7 times as long). */
        gri_stack_cache_spill(&worker->stacks);
        if (gri_spinlock_try(&scheduler->poller_lock)) {
            sleep_in_poller(worker);
            gri_spinlock_unlock(&scheduler->poller_lock);
        } else {
            gri_parker_wait(&worker->parker, GRI_INSTANT_NEVER);
        }
        gri_heap_bind(worker->heap);
    } else if (!task) {
        gri_thread_yield(); /* somebody is at what is left, and may wait for this very CPU */
    }
    if (!gri_idle_cancel(&scheduler->idle, worker->index)) worker->searching = true;
    return task;
}

/* Wakes the monitor if it sleeps: there is something to watch again. */
static void become_busy(gri_worker *worker)
{
    gri_store_relaxed(&worker->phase, GRI_WORKER_BUSY); /* relaxed: the fence orders it */
    /* mo:worker.busy seq_cst <-> monitor.sleep seq_cst: the monitor sees a busy worker, or the worker a sleeping monitor
     * mo:worker.busy seq_cst <- monitor.put_in release: a spare that has seen that it is wanted, perhaps without ever waiting for the
     * token, is counted before what it runs is seen */
    gri_fence_seq_cst();
    if (GRI_LIKELY(!gri_load_relaxed(&worker->scheduler->monitor_asleep))) return; /* relaxed: the fence orders it */
    gri_scheduler_tick_set(worker->scheduler, gri_clock_monotonic());              /* which has stood still meanwhile */
    gri_parker_notify(&worker->scheduler->monitor_parker);
}

/* Somebody who sleeps, if any does, looks after timers and descriptors. Whoever went to sleep while this worker was at the poller
 * relied on it; it had announced its sleep before it found the lock taken, so that the fence in the wake shows it here. */
static void leave_the_poller(gri_scheduler *scheduler)
{
    /* relaxed: who just leaves it polls on */
    if (gri_load_relaxed(&scheduler->poll_deadline) != GRI_INSTANT_PAST) return;
    int sleeper = gri_idle_wake_any(&scheduler->idle);
    if (sleeper >= 0) gri_worker_unpark(&scheduler->workers[sleeper]);
}

/* A worker that was sent away, and a spare that has nothing to do, wait outside the idle protocol until the monitor wants
 * them again. What they hold goes to the common queue first; only tasks pinned to it bring a worker back for a moment. */
static void be_absent(gri_worker *worker)
{
    gri_scheduler *scheduler = worker->scheduler;
    stop_searching(worker);
    gri_worker_give_up(worker);
    /* What it gave up while it searched itself: nobody was woken for that. */
    if (!gri_inject_is_empty(&scheduler->inject)) gri_scheduler_wake_one();
    gri_heap_bind(NULL);
    gri_stack_cache_spill(&worker->stacks);
    gri_store_relaxed(&worker->phase, GRI_WORKER_ABSENT); /* relaxed: the fence orders it; to the monitor a picture */
    /* mo:worker.absent seq_cst <-> idle.wake_worker seq_cst: who pins a task to it sees that it is absent, or it sees the task */
    gri_fence_seq_cst();
    leave_the_poller(scheduler);
    /* relaxed, both: nothing but the flag, a request; whoever sets them unparks us afterwards */
    while (!gri_load_relaxed(&scheduler->stopping) && gri_inject_is_empty(&worker->pinned) &&
           gri_load_relaxed(&worker->retire))
        gri_parker_wait(&worker->parker, GRI_INSTANT_NEVER);
    gri_heap_bind(worker->heap);
}

void gri_worker_give_up(gri_worker *worker)
{
    gri_task *task;
    while (!(task = gri_slot_take_owner(&worker->slot)) && !gri_slot_is_empty(&worker->slot))
        gri_thread_yield(); /* the monitor is at it */
    bool any = task != NULL;
    if (!task) task = gri_worker_pop(worker);
    for (; task || !gri_inject_is_empty(&worker->overflow) || !gri_nursery_is_empty(&worker->nursery);
         task = gri_worker_pop(worker)) {
        if (task)
            gri_inject_push(&worker->scheduler->inject, &task->link);
        else
            gri_thread_yield(); /* a thief is at it */
        any |= task != NULL;
    }
    if (any) gri_scheduler_wake_one();
}

gri_task *gri_worker_next(gri_worker *worker)
{
    for (;;) {
        gri_worker_publish(worker);
        /* relaxed: a request; what the monitor says with it (put_in) the fence in become_busy orders before the first task */
        if (gri_load_relaxed(&worker->retire)) be_absent(worker);
        gri_task *task = gri_worker_next_local(worker);
        if (task && !worker->searching) { /* the common case: it was busy before */
            if (gri_load_relaxed(&worker->phase) != GRI_WORKER_BUSY) become_busy(worker); /* relaxed: own writes */
            return task;
        }
        if (!task) task = search(worker);
        if (!task) {
            if (gri_load_relaxed(&worker->scheduler->stopping)) { /* relaxed: nothing but the flag */
                stop_searching(worker);
                return NULL;
            }
            /* A spare one was put in for somebody who does not get to what is there: it never goes without a look. */
            task = worker->spare ? look_everywhere(worker, true) : sleep_until_woken(worker);
            if (worker->spare && !task) {
                gri_store_relaxed(&worker->retire, true); /* relaxed: read by itself; the monitor clears it */
                continue;
            }
        }
        if (task) {
            stop_searching(worker);
            become_busy(worker);
            return task;
        }
    }
}

void gri_scheduler_wake_one(void)
{
    gri_scheduler *scheduler = gri_scheduler_now;
    int sleeper = gri_idle_wake_one(&scheduler->idle);
    if (sleeper < 0) return;
    gri_worker *worker = gri_worker_here();
    if (worker) gri_count_owner(&worker->counters.wakes, 1u); /* relaxed: a counter */
    gri_worker_unpark(&scheduler->workers[sleeper]);
}

void gri_scheduler_arm(gri_wheel_entry *entry, gri_instant when)
{
    gri_scheduler *scheduler = gri_scheduler_now;
    gri_worker *worker = gri_worker_here();
    gri_wheel *wheel = worker ? &worker->wheel : &scheduler->workers[0].wheel;
    if (!gri_wheel_arm(wheel, entry, when)) return;
    /* mo:scheduler.arm seq_cst <-> poller.deadline seq_cst: see sleep_in_poller */
    gri_fence_seq_cst();
    gri_instant sleeping_until = gri_load_relaxed(&scheduler->poll_deadline); /* relaxed: the fence orders it */
    if (sleeping_until != GRI_INSTANT_PAST && when < sleeping_until) gri_poller_wake(&scheduler->poller);
}

int gri_scheduler_watch(int fd, uint64_t cookie)
{
    gri_scheduler *scheduler = gri_scheduler_now;
    gri_add_relaxed(&scheduler->watched, 1u); /* relaxed: a hint for pollers; the next line may wake one */
    int code = gri_poller_add(&scheduler->poller, fd, cookie);
    if (code != 0) gri_sub_relaxed(&scheduler->watched, 1u); /* relaxed: as above */
    return code;
}

void gri_scheduler_unwatch(int fd)
{
    gri_poller_remove(&gri_scheduler_now->poller, fd);
    gri_sub_relaxed(&gri_scheduler_now->watched, 1u); /* relaxed: a hint for pollers */
}
