/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The monitor thread: one look at all workers per slice while any of them is busy, none while all sleep.
 *
 *   - a worker that ran through a whole tick gets its yield flag: the running task gives way at its next suspending call
 *   - a worker that has held one task for stuck_ns, and was not kept off its CPU meanwhile, is stuck: a spare worker is put in
 *     for it if nobody sleeps who could take its queue, and if it lasts, it is reported. When the stuck worker lets go, one
 *     spare is sent away
 *   - twice a second: more workers than the CPU mask and quota have room for are sent away, or called back
 *   - backlog beside a sleeper means that a cheap wake-up hint was missed: the sleeper is woken
 *   - timers that are due and a poller nobody looks at, beside a worker that does not get to its housekeeping: likewise; when
 *     nobody sleeps, the monitor fires such timers itself
 *
 * Everything it reads is a moment's picture. */
#include "schedule/scheduler.h"

#include "os/clock.h"

#define REPORT_AFTER 4                /* times stuck_ns: guess */
#define QUOTA_NS (GRI_NS_PER_S / 2)   /* how often CPU mask and quota are read again: 0.1 ms each time */
#define TRIM_NS (100 * GRI_NS_PER_MS) /* how often memory that went unused goes back to the system: guess */
/* Stacks every tenth time only: they come back one by one as actors end, so each is a call of its own, which interrupts every CPU
 * that runs a thread of ours. 100,000 green threads that sleep ten times and end: 2,674 ns CPU a sleep, now 1,519. */
#define STACK_TRIMS 10
#define FIRE_LIMIT 1024 /* guess: a wheel's lock is held meanwhile */
#define IDLE_TICKS_BEFORE_SLEEP \
    200 /* guess: two trims after the last work, and no sleep between two requests of a service */

typedef struct watch {
    uint64_t epoch;
    gri_instant since; /* when this epoch was first seen while busy; 0: never looked at */
    gri_instant held;  /* the same, whatever was excused since */
    gri_instant asked; /* when `waited_ns` was read, half-way to being stuck; GRI_INSTANT_PAST: not yet */
    int64_t waited_ns; /* how long the thread had been kept off its CPU by then; -1: nobody knows */
    bool stuck, reported;
} watch;

typedef struct monitor {
    gri_scheduler *scheduler;
    watch watches[GRI_IDLE_WORKERS_MAX];
    unsigned spares_in, stuck;
} monitor;

static bool is_busy(gri_worker *worker)
{
    return gri_load_relaxed(&worker->phase) == GRI_WORKER_BUSY; /* relaxed: a moment's picture */
}

/* From now on it looks for work. */
static void put_in(gri_scheduler *scheduler, gri_worker *spare)
{
    /* mo:monitor.put_in release -> worker.busy seq_cst: that it is counted; it may see this before it ever waits for the token */
    gri_store_release(&spare->retire, false);
    gri_parker_notify(&spare->parker);
    gri_add_relaxed(&scheduler->rescues, 1u); /* relaxed: a counter */
}

static void put_spare_in(monitor *m)
{
    gri_scheduler *scheduler = m->scheduler;
    unsigned count = gri_load_relaxed(&scheduler->worker_count); /* relaxed: only the monitor changes it */
    for (unsigned i = scheduler->config.workers; i < count; i++) {
        gri_worker *spare = &scheduler->workers[i];
        /* relaxed, both: nothing of it is touched here. If it is not there yet, or no more, it looks once more for nothing */
        if (gri_load_relaxed(&spare->phase) != GRI_WORKER_ABSENT || !gri_load_relaxed(&spare->retire)) continue;
        put_in(scheduler, spare);
        return;
    }
    if (count == scheduler->workers_max) return;
    gri_worker *spare = &scheduler->workers[count];
    spare->spare = true;
    if (gri_worker_init(spare, scheduler, count) != 0) return;
    /* Its thread begins as one that was sent away: before it is counted it runs nothing, for nobody would see its wheel, its queue
     * and what it counts. relaxed: the thread's start orders it */
    gri_store_relaxed(&spare->retire, true);
    if (gri_thread_start(&spare->handle, "gr-spare", 0, gri_worker_main, spare) != 0) {
        gri_worker_fini(spare);
        return;
    }
    /* mo:workers.add release -> workers.count acquire: the spare's fields */
    gri_store_release(&scheduler->worker_count, count + 1);
    put_in(scheduler, spare);
}

static void send_spare_away(monitor *m)
{
    gri_scheduler *scheduler = m->scheduler;
    unsigned count = gri_load_relaxed(&scheduler->worker_count); /* relaxed: only the monitor changes it */
    for (unsigned i = count; i-- > scheduler->config.workers;) {
        gri_worker *spare = &scheduler->workers[i];
        if (gri_load_relaxed(&spare->retire)) continue; /* relaxed: a request */
        gri_store_relaxed(&spare->retire, true);        /* relaxed: a request */
        return;
    }
}

static unsigned spares_at_work(gri_scheduler *scheduler)
{
    unsigned count = gri_load_relaxed(&scheduler->worker_count), in = 0; /* relaxed: only the monitor changes it */
    for (unsigned i = scheduler->config.workers; i < count; i++)
        in += !gri_load_relaxed(&scheduler->workers[i].retire); /* relaxed: a request */
    return in;
}

/* Sends the highest base workers away, or lets them come back, so that no more run than may. */
static void follow_quota(monitor *m)
{
    gri_scheduler *scheduler = m->scheduler;
    unsigned usable = scheduler->config.usable();
    for (unsigned i = 1; i < scheduler->config.workers; i++) {
        gri_worker *worker = &scheduler->workers[i];
        bool away = i >= usable;
        if (gri_load_relaxed(&worker->retire) == away) continue; /* relaxed, both: a request */
        gri_store_relaxed(&worker->retire, away);
        gri_worker_unpark(worker);
    }
}

static void watch_anew(watch *w, uint64_t epoch, gri_instant now)
{
    *w = (watch){.epoch = epoch, .since = now, .held = now, .asked = GRI_INSTANT_PAST, .waited_ns = -1};
}

static int64_t waited_ns(gri_worker *worker)
{
    int64_t ns;
    uint32_t id = gri_load_relaxed(&worker->thread_id); /* relaxed: a number */
    return id && gri_thread_waited_ns(id, &ns) == 0 ? ns : -1;
}

/* A thread that others keep off its CPU is not stuck, and a spare one would get no CPU either: most of the second half of the
 * time it was ready to run. Who blocks is not, who spins gets a share. */
static bool lacks_cpu(gri_worker *worker, const watch *w, gri_instant now)
{
    if (w->asked == GRI_INSTANT_PAST || w->waited_ns < 0) return false;
    int64_t waited = waited_ns(worker) - w->waited_ns;
    return waited > (now - w->asked) / 4 * 3;
}

static void say_stuck(gri_worker *worker, bool stuck)
{
    /* relaxed, both: for reports, and only we write it */
    if (gri_load_relaxed(&worker->stuck) != stuck) gri_store_relaxed(&worker->stuck, stuck);
}

/* Returns whether the worker is busy. */
static bool watch_worker(monitor *m, unsigned index, gri_instant now)
{
    gri_scheduler *scheduler = m->scheduler;
    gri_worker *worker = &scheduler->workers[index];
    watch *w = &m->watches[index];
    uint64_t epoch = gri_worker_epoch(worker);
    gri_task *task =
        gri_load_relaxed(&worker->current); /* relaxed: tasks are type-stable, only the constant id is read */
    if (!is_busy(worker) || !task) {
        watch_anew(w, epoch, now);
        say_stuck(worker, false);
        return is_busy(worker);
    }
    gri_store_relaxed(&worker->yield, true); /* relaxed, both: a hint, a request */
    gri_store_relaxed(&worker->send_specially, (uint8_t)(scheduler->config.send_specially | 1));
    if (epoch != w->epoch || w->since == 0) {
        watch_anew(w, epoch, now);
    } else if (now - w->since < scheduler->config.stuck_ns) {
        if (w->asked != GRI_INSTANT_PAST || now - w->since < scheduler->config.stuck_ns / 2) return true;
        w->asked = now;
        w->waited_ns = waited_ns(worker);
    } else if (!w->stuck && now - w->held < REPORT_AFTER * scheduler->config.stuck_ns && lacks_cpu(worker, w, now)) {
        const gri_instant held = w->held; /* not for ever: whoever waits for its worker has waited all the same */
        watch_anew(w, epoch, now);
        w->held = held;
    } else {
        if (!w->stuck) gri_add_relaxed(&scheduler->stuck, 1u); /* relaxed: a counter */
        w->stuck = true;
        if (!w->reported && scheduler->config.stuck && now - w->held >= REPORT_AFTER * scheduler->config.stuck_ns) {
            w->reported = true;
            scheduler->config.stuck(index, gri_load_relaxed(&task->id), now - w->held); /* relaxed: a number */
        }
    }
    m->stuck += w->stuck;
    say_stuck(worker, w->stuck);
    return true;
}

/* What a worker's running task has spoken to waits no longer than a slice: the others may have it. And who has parked to let it run
 * is published. */
static void drain_slot(monitor *m, unsigned index, gri_instant now)
{
    gri_scheduler *scheduler = m->scheduler;
    gri_worker *worker = &scheduler->workers[index];
    if (!is_busy(worker) || now - m->watches[index].since < scheduler->config.slice_ns) return;
    gri_task *task = gri_slot_steal(&worker->slot);
    if (task) gri_inject_push(&scheduler->inject, &task->link);
    gri_mailword *word = gri_slot_steal(&worker->unpublished);
    if (word) gri_park_publish(scheduler, word);
}

/* Is there something to do that the workers who are awake do not get to? */
static bool nobody_attends(monitor *m, gri_instant now)
{
    gri_scheduler *scheduler = m->scheduler;
    unsigned count = gri_load_relaxed(&scheduler->worker_count); /* relaxed: only the monitor changes it */
    bool polled = gri_load_relaxed(&scheduler->poll_deadline) != GRI_INSTANT_PAST; /* relaxed: a moment's picture */
    for (unsigned i = 0; i < count; i++) {
        gri_worker *worker = &scheduler->workers[i];
        bool held = is_busy(worker) && now - m->watches[i].since >= scheduler->config.slice_ns;
        if (gri_worker_has_backlog(worker)) return true;
        if (polled) continue; /* who sleeps in the poller looks after timers and descriptors */
        if (gri_wheel_earliest(&worker->wheel) < now - scheduler->config.slice_ns) return true;
        if (held && gri_load_relaxed(&scheduler->watched) > 0) return true; /* relaxed: a hint */
    }
    return !gri_inject_is_empty(&scheduler->inject);
}

/* Fires timers that nobody gets to: of a stuck worker, or of a spare one that was sent away, while the others are busy and only
 * look after their own. */
static void fire_late(monitor *m, unsigned count, gri_instant now)
{
    gri_scheduler *scheduler = m->scheduler;
    for (unsigned i = 0; i < count; i++) {
        gri_worker *worker = &scheduler->workers[i];
        gri_wheel *wheel = &worker->wheel;
        if (gri_wheel_earliest(wheel) >= now - scheduler->config.slice_ns) continue;
        if (is_busy(worker) && now - m->watches[i].since < scheduler->config.slice_ns) continue; /* it will get to it */
        gri_add_relaxed(&scheduler->timers, gri_wheel_fire(wheel, now, FIRE_LIMIT)); /* relaxed: a counter */
    }
}

/* Returns whether any worker is busy. */
static bool tick(monitor *m, gri_instant now)
{
    gri_scheduler *scheduler = m->scheduler;
    unsigned count = gri_load_relaxed(&scheduler->worker_count); /* relaxed: only the monitor changes it */
    bool busy = false;
    m->stuck = 0;
    for (unsigned i = 0; i < count; i++) {
        busy |= watch_worker(m, i, now);
        drain_slot(m, i, now);
    }
    unsigned in = spares_at_work(scheduler);
    bool sleepers = gri_idle_asleep_count(&scheduler->idle) > 0;
    if (sleepers && nobody_attends(m, now)) {
        int sleeper = gri_idle_wake_any(&scheduler->idle);
        if (sleeper >= 0) gri_worker_unpark(&scheduler->workers[sleeper]);
    } else if (!sleepers) {
        fire_late(m, count, now);
        if (m->stuck > in) put_spare_in(m);
    }
    if (in > m->stuck) send_spare_away(m);
    return busy;
}

/* Nobody does while we sleep, and with a short slice the ticks before were no two trims. Three times: the first one learns who rests,
 * the second one takes from them, the third one finds what is not used. */
static void trim_before_sleep(gri_scheduler *scheduler)
{
    for (int i = 0; i < 3; i++) {
        gri_heap_trim(false);
        if (scheduler->config.slots) gri_table_trim(scheduler->config.slots, false);
    }
    gri_stack_trim(true);
}

/* Announce, look again, sleep: a worker that becomes busy in between sees the announcement or is seen. */
static void sleep_until_busy(monitor *m)
{
    gri_scheduler *scheduler = m->scheduler;
    gri_store_relaxed(&scheduler->monitor_asleep, true); /* relaxed: the fence orders it */
    /* mo:monitor.sleep seq_cst <-> worker.busy seq_cst: the flag before the look */
    gri_fence_seq_cst();
    if (!tick(m, gri_clock_monotonic())) gri_parker_wait(&scheduler->monitor_parker, GRI_INSTANT_NEVER);
    gri_store_relaxed(&scheduler->monitor_asleep, false); /* relaxed: at worst one needless notify */
}

void gri_monitor_main(void *arg)
{
    gri_scheduler *scheduler = arg;
    static monitor state; /* one runtime at a time; too large for a small thread stack */
    monitor *m = &state;
    *m = (monitor){.scheduler = scheduler};
    unsigned idle_ticks = 0, trims = 0;
    gri_instant trimmed = gri_clock_monotonic(), asked = trimmed, last = trimmed;
    while (!gri_load_relaxed(&scheduler->stopping)) { /* relaxed: nothing but the flag; the parker's token brings it */
        gri_instant now = gri_clock_monotonic();
        /* The whole process was stopped (SIGSTOP, a suspended machine), or nobody gave this thread a CPU: what it has not seen it
         * does not judge. */
        if (now - last >= REPORT_AFTER * scheduler->config.stuck_ns)
            for (unsigned i = 0; i < GRI_IDLE_WORKERS_MAX; i++)
                if (!m->watches[i].stuck) m->watches[i].since = 0;
        last = now;
        idle_ticks = tick(m, now) ? 0 : idle_ticks + 1;
        gri_scheduler_tick_set(scheduler, now);
        if (scheduler->config.usable && now - asked >= QUOTA_NS) {
            asked = now;
            follow_quota(m);
        }
        if (now - trimmed >= TRIM_NS) {
            trimmed = now;
            gri_heap_trim(false);
            if (++trims % STACK_TRIMS == 0) gri_stack_trim(false);
            if (scheduler->config.slots) gri_table_trim(scheduler->config.slots, false);
        }
        if (idle_ticks <= IDLE_TICKS_BEFORE_SLEEP) {
            gri_parker_wait(&scheduler->monitor_parker, gri_instant_add(now, scheduler->config.slice_ns));
            continue;
        }
        trim_before_sleep(scheduler);
        sleep_until_busy(m);
        idle_ticks = 0;
    }
}
