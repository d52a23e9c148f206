/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See <greenroom/blocking.h>. One queue, one lock, threads that take jobs from it.
 *
 *   job:   WAITING --a thread takes it--> RUNNING --fn returned--> DONE           freed by the actor
 *             |                              |
 *             | the actor gives up           | the actor gives up (it has a drop)
 *             v                              v
 *          taken out, dropped, freed      ABANDONED --fn returned--> dropped, freed by the thread
 *
 * All states change under the lock, which is held for a few instructions (starting a thread excepted) and never across a
 * switch. Lock order: this lock, then nothing; actors are notified after it is released. The actor waits as for a socket: it
 * looks at its job's state and parks; a notification that comes in between makes the park fail. */
#include "io/blocking.h"

#include "actor/attach.h"
#include "actor/log.h"
#include "actor/runtime.h"
#include "actor/waiting.h"
#include "base/list.h"
#include "os/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#if GRI_SMALL
#define QUEUE_MAX 4
#else
#define QUEUE_MAX GR_BLOCKING_QUEUE_MAX
#endif
#define IDLE_NS (5 * GRI_NS_PER_S)      /* guess: a thread costs 20 µs to start and 20 KiB to keep */
#define PATIENCE_NS (10 * GRI_NS_PER_S) /* between two lines about a stop that waits */

enum job_state { WAITING, RUNNING, DONE, ABANDONED };

typedef struct job {
    gri_list link; /* in `queue` while WAITING */
    enum job_state state;
    gr_address actor;
    void (*fn)(void *arg);
    void *arg;
    void (*drop)(void *arg);
} job;

typedef struct pool_thread {
    gri_list link; /* in `threads`, then in `ended` */
    gri_thread handle;
} pool_thread;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards everything below */
static pthread_cond_t work,
    quiet; /* something to do; a thread has ended. Made with the first thread: monotonic clock */
static bool conditions_made;
static gri_list queue = GRI_LIST_EMPTY(queue), threads = GRI_LIST_EMPTY(threads), ended = GRI_LIST_EMPTY(ended);
static unsigned waiting, thread_count, idle, running;
static bool stopping;

static void drop_arg(void (*drop)(void *arg), void *arg)
{
    if (drop) drop(arg);
}

/* ---- the threads ---- */

static bool wait_until(pthread_cond_t *condition, gri_instant deadline)
{
    struct timespec at = {deadline / GRI_NS_PER_S, deadline % GRI_NS_PER_S};
    return pthread_cond_timedwait(condition, &lock, &at) != ETIMEDOUT;
}

/* The next job; NULL: this thread is to end. Under the lock. */
static job *next_locked(void)
{
    gri_instant end = gri_instant_add(gri_clock_monotonic(), IDLE_NS);
    while (gri_list_is_empty(&queue)) {
        if (stopping) return NULL;
        idle++;
        bool woken = wait_until(&work, end);
        idle--;
        if (!woken && gri_list_is_empty(&queue)) return NULL;
    }
    waiting--;
    return GRI_LIST_ENTRY(gri_list_pop_front(&queue), job, link);
}

/* Runs fn without the lock; comes back with it. */
static void run_locked(job *j)
{
    j->state = RUNNING;
    running++;
    pthread_mutex_unlock(&lock);
    j->fn(j->arg);
    pthread_mutex_lock(&lock);
    running--;
    gr_address actor = j->actor;
    bool abandoned = j->state == ABANDONED;
    if (!abandoned) j->state = DONE; /* from here on the actor may free it */
    pthread_mutex_unlock(&lock);
    if (abandoned) {
        drop_arg(j->drop, j->arg);
        free(j);
    } else {
        gri_actor_notify(actor);
    }
    gr_self *left = gri_attached_here();
    gr_detach(&left);
    pthread_mutex_lock(&lock);
}

static void thread_main(void *arg)
{
    pool_thread *me = arg;
    pthread_mutex_lock(&lock);
    for (job *j; (j = next_locked()) != NULL;) run_locked(j);
    thread_count--;
    gri_list_remove(&me->link);
    gri_list_push_back(&ended, &me->link);
    pthread_cond_signal(&quiet);
    pthread_mutex_unlock(&lock);
}

/* Joins threads that have ended: they have nothing left to do but to return. */
static void join_ended_locked(void)
{
    for (gri_list *link; (link = gri_list_pop_front(&ended)) != NULL;) {
        pool_thread *t = GRI_LIST_ENTRY(link, pool_thread, link);
        gri_thread_join(t->handle);
        free(t);
    }
}

/* ---- stopping ---- */

/* No actor is left, so nothing is waiting; what was abandoned may still run. */
static void stop(void)
{
    pthread_mutex_lock(&lock);
    stopping = true;
    if (conditions_made) pthread_cond_broadcast(&work);
    gri_instant patience = gri_instant_add(gri_clock_monotonic(), PATIENCE_NS);
    while (thread_count > 0) {
        if (wait_until(&quiet, patience)) continue;
        gri_log(GR_LOG_ERROR, GR_NO_ADDRESS, "gr_stop waits for %u blocking calls that do not return", running);
        patience = gri_instant_add(gri_clock_monotonic(), PATIENCE_NS);
    }
    join_ended_locked();
    stopping = false;
    pthread_mutex_unlock(&lock);
}

static int make_conditions(void)
{
    pthread_condattr_t attributes;
    if (conditions_made) return 0;
    if (pthread_condattr_init(&attributes) != 0) return GR_ENOMEM;
    bool made = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                pthread_cond_init(&work, &attributes) == 0 && pthread_cond_init(&quiet, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    if (!made) return GR_ENOMEM;
    conditions_made = true;
    gri_runtime_at_stop(stop);
    return 0;
}

/* Sees to it that somebody takes what is in the queue. GR_ESYSTEM, GR_ENOMEM: nobody will. */
static int staff_locked(void)
{
    if (waiting <= idle) {
        pthread_cond_signal(&work);
        return 0;
    }
    if (thread_count >= (unsigned)gri_runtime_now.settings.blocking_threads) return 0;
    join_ended_locked();
    pool_thread *t = malloc(sizeof *t);
    int code = t ? gri_thread_start(&t->handle, "gr-blocking", 0, thread_main, t) : GR_ENOMEM;
    if (code == 0) {
        gri_list_push_back(&threads, &t->link);
        thread_count++;
        return 0;
    }
    free(t);
    return thread_count > 0 ? 0 : code; /* later, when one of them has time */
}

/* ---- the actor's side ---- */

static int submit(job *j)
{
    pthread_mutex_lock(&lock);
    int code = waiting >= QUEUE_MAX ? GR_EFULL : make_conditions();
    if (code == 0) {
        j->state = WAITING;
        gri_list_push_back(&queue, &j->link);
        waiting++;
        code = staff_locked();
        if (code != 0) {
            gri_list_remove(&j->link);
            waiting--;
        }
    }
    pthread_mutex_unlock(&lock);
    return code;
}

static bool is_done(job *j)
{
    pthread_mutex_lock(&lock);
    bool done = j->state == DONE;
    pthread_mutex_unlock(&lock);
    return done;
}

/* The actor does not want it any more: true if the job is out of everybody's hands, false if it runs and is waited for. */
static bool give_up(job *j)
{
    pthread_mutex_lock(&lock);
    enum job_state state = j->state;
    bool has_drop = j->drop != NULL;
    if (state == WAITING) {
        gri_list_remove(&j->link);
        waiting--;
    } else if (state == RUNNING && has_drop) {
        j->state = ABANDONED; /* the thread's to free, which may happen at once */
    }
    pthread_mutex_unlock(&lock);
    if (state == RUNNING) return has_drop;
    drop_arg(j->drop, j->arg);
    free(j);
    return true;
}

static void wait_for_return(gr_self *self, job *j)
{
    const gri_waiting wait = {.kind = GRI_WAITING_BLOCKING, .what = (const void *)(uintptr_t)j->fn};
    while (!is_done(j)) {
        gri_waiting_set(self, &wait);
        if (gri_suspend(self, GRI_MAIL_WAIT_URGENT, GR_FOREVER) != 0)
            gri_thread_yield(); /* no memory to wait properly */
        gri_waiting_set(self, NULL);
        gri_inbox_collect(self);
    }
    free(j);
}

/* Until it has returned, or there is a reason not to wait any longer. j is gone afterwards. */
static int await(gr_self *self, job *j, gr_deadline deadline)
{
    const gri_waiting wait = {.kind = GRI_WAITING_BLOCKING, .what = (const void *)(uintptr_t)j->fn};
    for (;;) {
        gri_waiting_set(self, &wait);
        int code = gri_suspend(self, GRI_MAIL_WAIT_URGENT, deadline);
        gri_waiting_set(self, NULL);
        gri_inbox_collect(self);
        int killed = gri_kill_check_keeping(self);
        if (killed != 0) code = killed;
        if (code == 0 || code == GR_ETIMEOUT) {
            if (is_done(j)) {
                free(j);
                return 0;
            }
            if (code == 0) continue;
        }
        if (!give_up(j)) wait_for_return(self, j);
        return code == GR_ETIMEOUT ? gri_fail(self, code, "the deadline passed") : code;
    }
}

/* As gri_suspend_enter, but a kill is only told, so that arg can be dropped before it unwinds. */
static int enter(gr_self *self)
{
    if (gri_acting(self) != 0 || (self->more && self->more->no_suspend)) return gri_suspend_enter(self);
    gri_attention(self);
    return gri_kill_check_keeping(self);
}

static int finish(gr_self *self, int code)
{
    if (code != GR_EKILLED) return code;
    int killed = gri_kill_check(self);
    return killed != 0 ? killed : code;
}

int gr_blocking(gr_self *self, void (*fn)(void *arg), void *arg, void (*drop)(void *arg), gr_deadline deadline)
{
    int code = enter(self);
    if (code == 0 && !fn) code = gri_fail(self, GR_EINVAL, "gr_blocking needs a function");
    if (code == 0 && deadline.ns == GRI_INSTANT_PAST) code = gri_fail(self, GR_ETIMEOUT, "the deadline passed");
    if (code == 0 && gri_scheduler_now->simulation) {
        fn(arg);
        return 0;
    }
    job *j = NULL;
    if (code == 0 && !(j = malloc(sizeof *j))) code = gri_fail(self, GR_ENOMEM, "no memory for a blocking call");
    if (code == 0) {
        *j = (job){.actor = gri_actor_address(self), .fn = fn, .arg = arg, .drop = drop};
        code = submit(j);
        if (code == 0) return finish(self, await(self, j, deadline));
        free(j);
        code = gri_fail(self, code,
                        code == GR_EFULL ? "too many blocking calls are waiting" : "no thread for a blocking call");
    }
    drop_arg(drop, arg);
    return finish(self, code);
}

void gri_blocking_count(gri_blocking_counts *ret)
{
    pthread_mutex_lock(&lock);
    *ret = (gri_blocking_counts){thread_count, idle, running, waiting};
    pthread_mutex_unlock(&lock);
}
