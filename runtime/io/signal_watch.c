/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Signals as messages (<greenroom/signal_watch.h>).
 *
 *     handler, any thread of the host       poller, some worker
 *       come[signal] += 1                     report for the eventfd
 *       write(eventfd)                        each come[signal]: to 0, a message to each watcher
 *
 * The handler touches two atomics and an eventfd. A handler and not signalfd: that needs the signal blocked in every thread of
 * the process, which a library cannot see to.
 *
 * The lists of watchers are under one lock, which the handler does not take. The eventfd is watched by the poller
 * while somebody watches signals, and open from then on: a handler that was interrupted on its way to the write must not find
 * the number given to somebody else's file. */
#include "io/signal_watch.h"

#include "actor/log.h"
#include "actor/runtime.h"
#include "base/list.h"
#include "io/socket.h"

#include <errno.h>
#include <greenroom/build.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SIGNALS (SIGRTMAX + 1)
#define SIGNALS_MAX 65

typedef struct watcher {
    gri_list link;
    gr_address actor;
} watcher;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the rest but the atomics */
static gri_list watchers[SIGNALS_MAX];
static struct sigaction before[SIGNALS_MAX];
static unsigned watcher_count;
static bool lists_made, polled;          /* polled: the poller has the eventfd */
static gri_atomic_u32 come[SIGNALS_MAX]; /* since the last delivery: the handler adds, the poller takes */
static gri_atomic_i64 event_fd = -1;     /* written once, under the lock; -1: not yet */

/* ---- the handler ---- */

static void handle(int number)
{
    const int saved = errno;
    const uint64_t one = 1;
    /* mo:signals.handle release -> signals.deliver acquire: nothing but the number */
    gri_add_acq_rel(&come[number], 1u);
    int fd = (int)gri_load_relaxed(&event_fd);                     /* relaxed: set before the handler was */
    if (fd >= 0 && write(fd, &one, sizeof one) < 0) errno = saved; /* full: it is readable already */
    errno = saved;
}

/* ---- delivering ---- */

static const char *name_of(int number, char text[24])
{
    const char *name = sigabbrev_np(number);
    if (name)
        snprintf(text, 24, "SIG%s", name);
    else if (number >= SIGRTMIN)
        snprintf(text, 24, "SIGRTMIN+%d", number - SIGRTMIN);
    else
        snprintf(text, 24, "SIG%d", number);
    return text;
}

static gr_message *message_new(int number, uint32_t times)
{
    char name[24];
    gr_builder b;
    gr_message *m = NULL;
    gr_build(&b);
    gr_put_object(&b);
    gr_put_key(&b, "signal"), gr_put_int(&b, number);
    gr_put_key(&b, "name"), gr_put_string(&b, name_of(number, name));
    gr_put_key(&b, "times"), gr_put_int(&b, times);
    gr_put_end(&b);
    return gr_build_message(&b, &m) == 0 ? m : NULL;
}

static void deliver_locked(int number, uint32_t times)
{
    GRI_LIST_EACH(link, &watchers[number])
    {
        gr_address actor = GRI_LIST_ENTRY(link, watcher, link)->actor;
        gr_message *m = message_new(number, times);
        if (!m) {
            gri_log(GR_LOG_ERROR, actor, "no memory to tell of signal %d", number);
            continue;
        }
        m->kind = GRI_MESSAGE_TIMER; /* as a timer's: nobody reserved a place for it in a bounded mailbox */
        m->tick = gri_runtime_tick();
        if (gri_push(actor, m, false) != 0) gr_message_free(&m); /* it ends at this moment */
    }
}

void gri_signals_deliver(void)
{
    pthread_mutex_lock(&lock);
    uint64_t count;
    int fd = (int)gri_load_relaxed(&event_fd); /* relaxed: under the lock */
    /* Emptied first: what comes from here on makes it readable again. */
    if (fd >= 0 && read(fd, &count, sizeof count) == sizeof count) {
        for (int number = 1; number < SIGNALS; number++) {
            if (!gri_load_relaxed(&come[number])) continue; /* relaxed: the exchange decides */
            /* mo:signals.deliver acquire <- signals.handle release */
            uint32_t times = gri_exchange_acquire(&come[number], 0u);
            if (times) deliver_locked(number, times);
        }
    }
    pthread_mutex_unlock(&lock);
}

/* ---- watching ---- */

static bool may_be_watched(int number)
{
    static const int refused[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    if (number < 1 || number >= SIGNALS || number >= SIGNALS_MAX) return false;
    for (size_t i = 0; i < GRI_ARRAY_COUNT(refused); i++)
        if (number == refused[i]) return false;
    return number < 32 || number >= SIGRTMIN; /* between them are the C library's own */
}

static int open_locked(void)
{
    if (!lists_made)
        for (size_t i = 0; i < SIGNALS_MAX; i++) gri_list_init(&watchers[i]);
    lists_made = true;
    if (polled) return 0;
    int fd = (int)gri_load_relaxed(&event_fd); /* relaxed: under the lock */
    if (fd < 0) fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) return GR_ESYSTEM;
    gri_store_relaxed(&event_fd, fd); /* relaxed: the handler is set after it */
    int code = gri_scheduler_watch(fd, GRI_COOKIE_SIGNALS);
    polled = code == 0;
    return code;
}

static void close_locked(void)
{
    if (watcher_count > 0 || !polled) return;
    gri_scheduler_unwatch((int)gri_load_relaxed(&event_fd)); /* relaxed: under the lock */
    polled = false;
}

static watcher *find_locked(int number, gr_address actor)
{
    if (!lists_made) return NULL;
    GRI_LIST_EACH(link, &watchers[number])
    {
        watcher *w = GRI_LIST_ENTRY(link, watcher, link);
        if (gr_address_equal(w->actor, actor)) return w;
    }
    return NULL;
}

static int add_locked(int number, gr_address actor)
{
    int code = open_locked();
    watcher *w = code == 0 ? malloc(sizeof *w) : NULL;
    if (code == 0 && !w) code = GR_ENOMEM;
    if (code == 0 && gri_list_is_empty(&watchers[number])) {
        struct sigaction ours = {.sa_handler = handle, .sa_flags = SA_RESTART};
        sigfillset(&ours.sa_mask);
        gri_store_relaxed(&come[number], 0u); /* relaxed: nobody handles it yet */
        if (sigaction(number, &ours, &before[number]) != 0) code = GR_ESYSTEM;
    }
    if (code != 0) {
        free(w);
        close_locked();
        return code;
    }
    w->actor = actor;
    gri_list_push_back(&watchers[number], &w->link);
    watcher_count++;
    return 0;
}

static void remove_locked(int number, watcher *w)
{
    gri_list_remove(&w->link);
    free(w);
    watcher_count--;
    if (gri_list_is_empty(&watchers[number])) (void)sigaction(number, &before[number], NULL);
    close_locked();
}

int gr_signal_watch(gr_self *self, int number)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    if (!may_be_watched(number)) return gri_fail(self, GR_EINVAL, "signal %d cannot be watched", number);
    if (gri_scheduler_now->simulation) return gri_fail(self, GR_EUNSUPPORTED, "signals are not simulated");
    gri_more *more = gri_actor_more(self);
    code = more ? gri_io_start() : GR_ENOMEM;
    if (code != 0) return gri_fail(self, code, "no memory to watch a signal");
    gr_address me = gri_actor_address(self);
    pthread_mutex_lock(&lock);
    if (!find_locked(number, me)) code = add_locked(number, me);
    pthread_mutex_unlock(&lock);
    if (code != 0) return gri_fail(self, code, "signal %d could not be watched: %s", number, gr_error_text(code));
    more->sockets_close = gri_io_end;
    return 0;
}

int gr_signal_unwatch(gr_self *self, int number)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    pthread_mutex_lock(&lock);
    watcher *w = may_be_watched(number) ? find_locked(number, gri_actor_address(self)) : NULL;
    if (w) remove_locked(number, w);
    pthread_mutex_unlock(&lock);
    return w ? 0 : gri_fail(self, GR_ENOTFOUND, "this actor does not watch signal %d", number);
}

void gri_signals_forget(gr_self *self)
{
    pthread_mutex_lock(&lock);
    for (int number = 1; watcher_count > 0 && number < SIGNALS && number < SIGNALS_MAX; number++) {
        watcher *w = find_locked(number, gri_actor_address(self));
        if (w) remove_locked(number, w);
    }
    pthread_mutex_unlock(&lock);
}
