/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See socket.h. The table lives as long as the process: its address space is reserved once, whatever starts and stops. */
#include "io/socket.h"

#include "actor/runtime.h"
#include "actor/waiting.h"
#include "io/active.h"
#include "io/net.h"
#include "io/signal_watch.h"
#include "os/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GENERATION_LAST UINT32_C(0x7fffffff) /* the slot is not used again */

static pthread_mutex_t start_lock = PTHREAD_MUTEX_INITIALIZER;
static gri_table table;
static gri_atomic_bool started;   /* written under the lock */
static gri_atomic_u32 open_count; /* a counter */
static gri_spinlock links_lock;   /* guards all `link`s and the lists they are in */

/* ---- records ---- */

static gri_socket_record *record_at(uint32_t index)
{
    return gri_table_at(&table, index);
}

gr_socket gri_socket_id(const gri_socket_record *record)
{
    /* relaxed: constant while the caller has it */
    uint32_t generation = gri_load_relaxed(&((gri_socket_record *)(uintptr_t)record)->generation);
    return (gr_socket){(uint64_t)generation << 32 | record->index};
}

/* The record of that very life, at this moment. */
static gri_socket_record *find(gr_socket socket)
{
    uint32_t index = (uint32_t)socket.id, generation = (uint32_t)(socket.id >> 32);
    /* mo:socket.find acquire <- socket.start release */
    if (!(generation & 1) || !gri_load_acquire(&started) || !gri_table_has(&table, index)) return NULL;
    gri_socket_record *record = record_at(index);
    /* relaxed: acting on it goes through holder, or is harmless if late */
    return gri_load_relaxed(&record->generation) == generation ? record : NULL;
}

static void set_ready(gri_atomic_u32 *ready)
{
    /* mo:socket.report seq_cst <-> socket.wait seq_cst: ready is set, then the waiter looked at; he says that he waits, then
     * looks whether it is ready
     * mo:socket.report seq_cst <-> active.install seq_cst: the same with the token of an active socket
     * mo:socket.report release -> socket.expect acquire: what made it ready, and hungup */
    gri_store_seq_cst(ready, 1u);
}

static void report(void *arg, uint64_t cookie, bool readable, bool writable, bool hangup)
{
    (void)arg;
    if (GRI_UNLIKELY(cookie == GRI_COOKIE_SIGNALS)) {
        gri_signals_deliver();
        return;
    }
    gri_socket_record *record = find((gr_socket){cookie});
    if (!record) return;
    if (hangup) gri_store_relaxed(&record->hungup, 1u); /* relaxed: published by readable, which comes with it */
    if (readable) set_ready(&record->readable);
    if (writable) set_ready(&record->writable);
    /* mo:socket.report seq_cst <-> socket.wait seq_cst: see set_ready */
    uint64_t waiter = gri_load_seq_cst(&record->waiter);
    if (waiter) gri_actor_notify((gr_address){waiter});
    if (readable) gri_active_ready(record);
}

int gri_io_start(void)
{
    /* mo:socket.find acquire <- socket.start release */
    if (gri_load_acquire(&started)) return 0;
    pthread_mutex_lock(&start_lock);
    int code = 0;
    if (!gri_load_relaxed(&started)) { /* relaxed: under the lock */
        code = gri_table_start(&table, sizeof(gri_socket_record), GRI_SOCKETS_MAX);
        if (code == 0) {
            gri_poll_reporter = report;
            gri_control_arrived = gri_active_arrived;
            /* mo:socket.start release -> socket.find acquire: the table */
            gri_store_release(&started, true);
        }
    }
    pthread_mutex_unlock(&start_lock);
    return code;
}

static int new_record(gr_self *self, int fd, bool is_unix, gri_socket_record **ret_record)
{
    gri_more *more = gri_actor_more(self);
    uint32_t index;
    int code = gri_io_start();
    if (code == 0 && !more) code = GR_ENOMEM;
    if (code == 0) code = gri_table_take(&table, NULL, &index);
    if (code != 0) return gri_fail(self, code, "no memory for a socket");
    gri_socket_record *record = record_at(index);
    record->fd = fd;
    record->index = index;
    record->watched = record->drained = record->is_listener = record->is_datagram = false;
    record->is_unix = is_unix;
    record->layer = NULL;
    record->layer_state = NULL;
    record->active = NULL;
    record->unlink_path = NULL;
    /* relaxed, all: published with the id */
    gri_store_relaxed(&record->readable, 0);
    gri_store_relaxed(&record->writable, 0);
    gri_store_relaxed(&record->hungup, 0);
    gri_store_relaxed(&record->waiter, 0);
    gri_store_relaxed(&record->token, NULL);
    gri_store_relaxed(&record->holder, gri_actor_address(self).id | GRI_SOCKET_BUSY);
    gri_store_relaxed(&record->generation, gri_load_relaxed(&record->generation) + 1);
    more->sockets_close = gri_io_end;
    gri_spinlock_lock(&links_lock);
    gri_list_push_back(&more->sockets, &record->link);
    gri_spinlock_unlock(&links_lock);
    gri_add_relaxed(&open_count, 1u); /* relaxed: a counter */
    *ret_record = record;
    return 0;
}

int gri_socket_new(gr_self *self, int fd, bool is_unix, gri_socket_record **ret_record)
{
    int code = new_record(self, fd, is_unix, ret_record);
    if (code != 0) (void)gri_net_now()->close(fd);
    return code;
}

unsigned gri_sockets_open(void)
{
    return gri_load_relaxed(&open_count); /* relaxed: a counter */
}

/* ---- closing ---- */

static void remove_path(gri_socket_record *record)
{
    struct stat status;
    if (!record->unlink_path) return;
    if (lstat(record->unlink_path, &status) == 0 && status.st_ino == record->unlink_inode) unlink(record->unlink_path);
    free(record->unlink_path);
    record->unlink_path = NULL;
}

/* The record is in no list any more and held by the caller. */
static void destroy(gri_socket_record *record)
{
    remove_path(record);
    gri_active_release(record);
    if (record->layer) record->layer->close(record);
    record->layer = NULL;
    if (record->watched) gri_net_now()->unwatch(record->fd);
    /* Before the peer can see the end: whoever hears of that finds the socket closed here, too. */
    uint32_t generation = gri_load_relaxed(&record->generation); /* relaxed: ours */
    gri_store_relaxed(&record->generation, generation + 1);      /* relaxed: late finders do nothing harmful */
    (void)gri_net_now()->close(record->fd);
    record->fd = -1;
    gri_sub_relaxed(&open_count, 1u); /* relaxed: a counter */
    if (generation != GENERATION_LAST) gri_table_give(&table, NULL, record->index);
}

void gri_socket_destroy(gr_self *self, gri_socket_record *record)
{
    (void)self;
    gri_spinlock_lock(&links_lock);
    gri_list_remove(&record->link);
    gri_spinlock_unlock(&links_lock);
    destroy(record);
}

/* Makes the record the dying owner's for good; false if somebody has just adopted it. */
static bool claim(gri_socket_record *record, uint64_t me)
{
    uint64_t seen = me;
    /* mo:socket.claim acquire <- socket.end release */
    if (gri_cas_strong_acquire(&record->holder, &seen, me | GRI_SOCKET_BUSY)) return true;
    return seen == (me | GRI_SOCKET_BUSY);
}

/* The owner ends. */
static void sockets_close(gr_self *self)
{
    const uint64_t me = gri_actor_address(self).id;
    for (;;) {
        gri_spinlock_lock(&links_lock);
        gri_list *link = gri_list_pop_front(&self->more->sockets);
        gri_spinlock_unlock(&links_lock);
        if (!link) return;
        gri_socket_record *record = GRI_LIST_ENTRY(link, gri_socket_record, link);
        if (claim(record, me)) destroy(record);
    }
}

void gri_io_end(gr_self *self)
{
    sockets_close(self);
    gri_signals_forget(self);
}

/* ---- calls ---- */

int gri_socket_begin(gr_self *self, gr_socket socket, gri_socket_record **ret_record)
{
    gri_socket_record *record = find(socket);
    if (!record) return gri_fail(self, GR_ECLOSED, "the socket is closed");
    const uint64_t me = gri_actor_address(self).id;
    if (!claim(record, me)) return gri_fail(self, GR_ECONTEXT, "the socket belongs to another actor: adopt it first");
    if (find(socket) != record) { /* ours, but another one that got the slot meanwhile: it is idle, we are here */
        gri_socket_end(self, record, 0);
        return gri_fail(self, GR_ECLOSED, "the socket is closed");
    }
    *ret_record = record;
    return 0;
}

bool gri_socket_hold(gr_self *self, gr_socket socket, gri_socket_record **ret_record, bool *ret_outer)
{
    gri_socket_record *record = find(socket);
    const uint64_t me = gri_actor_address(self).id;
    uint64_t seen = me;
    if (!record) return false;
    /* mo:socket.claim acquire <- socket.end release */
    bool fresh = gri_cas_strong_acquire(&record->holder, &seen, me | GRI_SOCKET_BUSY);
    if (!fresh && seen != (me | GRI_SOCKET_BUSY)) return false;
    *ret_outer = !fresh;
    if (find(socket) == record) {
        *ret_record = record;
        return true;
    }
    gri_socket_release(self, record, !fresh);
    return false;
}

void gri_socket_release(gr_self *self, gri_socket_record *record, bool outer)
{
    /* mo:socket.end release -> socket.claim acquire: the record as it is left
     * mo:socket.end release -> socket.adopt acquire: the record as it is left */
    if (!outer) gri_store_release(&record->holder, gri_actor_address(self).id);
}

int gri_socket_descriptor(gr_socket socket)
{
    gri_socket_record *record = find(socket);
    return record ? record->fd : -1;
}

int gri_socket_begin_suspending(gr_self *self, gr_socket socket, gri_socket_record **ret_record)
{
    int code = gri_suspend_enter(self);
    if (code != 0) return code;
    gri_give_way(self);
    return gri_socket_begin(self, socket, ret_record);
}

int gri_socket_fail(gr_self *self, const char *what, int error)
{
    const char *text = strerrordesc_np(error);
    return gri_fail(self, error == ENOMEM ? GR_ENOMEM : GR_ESYSTEM, "%s: %s", what, text ? text : "unknown error");
}

int gri_socket_end(gr_self *self, gri_socket_record *record, int code)
{
    gri_store_relaxed(&record->waiter, 0); /* relaxed: a late notification wakes for nothing, which every wait allows */
    /* mo:socket.end release -> socket.claim acquire: the record as the call left it
     * mo:socket.end release -> socket.adopt acquire: the record as the call left it */
    gri_store_release(&record->holder, gri_actor_address(self).id);
    if (code != GR_EKILLED) return code;
    int killed = gri_kill_check(self);
    return killed != 0 ? killed : GR_EKILLED;
}

void gri_socket_expect(gri_atomic_u32 *ready)
{
    /* An exchange, so that the system call that follows is not done before it.
     * mo:socket.expect acquire <- socket.report release */
    (void)gri_exchange_acquire(ready, 0u);
}

int gri_socket_watch(gr_self *self, gri_socket_record *record)
{
    if (record->watched) return 0;
    int code = gri_net_now()->watch(record->fd, gri_socket_id(record).id);
    if (code != 0) return gri_fail(self, code, "the poller takes no more descriptors");
    record->watched = true;
    return 0;
}

int gri_socket_wait(gr_self *self, gri_socket_record *record, gri_atomic_u32 *ready, gr_deadline deadline)
{
    int code = gri_socket_watch(self, record);
    if (code != 0) return code;
    /* mo:socket.wait seq_cst <-> socket.report seq_cst: see there */
    gri_store_seq_cst(&record->waiter, gri_actor_address(self).id);
    const gri_waiting waiting = {.kind = GRI_WAITING_SOCKET,
                                 .number = record->fd,
                                 .what = ready == &record->writable ? "write"
                                         : record->is_listener      ? "accept"
                                                                    : "read"};
    /* mo:socket.wait seq_cst <-> socket.report seq_cst: see there */
    while (!gri_load_seq_cst(ready)) {
        if (deadline.ns == GRI_INSTANT_PAST) return GR_ETIMEOUT;
        gri_waiting_set(self, &waiting);
        code = gri_suspend(self, GRI_MAIL_WAIT_URGENT, deadline);
        gri_waiting_set(self, NULL);
        gri_inbox_collect(self);
        if (gri_kill_check_keeping(self) != 0) return GR_EKILLED;
        /* relaxed: a report that this misses comes after the deadline, or the kill; one that it sees is looked at again above */
        if (code != 0 && !gri_load_relaxed(ready))
            return code == GR_ETIMEOUT ? gri_fail(self, code, "the deadline passed") : code;
    }
    return 0;
}

int gri_socket_pause(gr_self *self, int64_t ns, gr_deadline deadline)
{
    gr_deadline end = {gri_instant_add(gri_clock_now(), ns)};
    bool beyond = end.ns >= deadline.ns;
    if (beyond) end = deadline;
    const gri_waiting waiting = {.kind = GRI_WAITING_OTHER, .what = "time to pass before the next try on a socket"};
    int code = 0;
    while (code == 0) {
        gri_waiting_set(self, &waiting);
        code = gri_suspend(self, GRI_MAIL_WAIT_URGENT, end);
        gri_waiting_set(self, NULL);
        gri_inbox_collect(self);
        if (gri_kill_check_keeping(self) != 0) return GR_EKILLED;
    }
    return code == GR_ETIMEOUT && !beyond ? 0 : code;
}

/* ---- changing hands ---- */

static gri_list kept_sockets = GRI_LIST_EMPTY(kept_sockets); /* under the lock of all links */

int gri_socket_keep(gr_self *self, gr_socket socket)
{
    gri_socket_record *record;
    int code = gri_socket_begin(self, socket, &record);
    if (code != 0) return code;
    gri_store_relaxed(&record->waiter, 0); /* relaxed: as in gri_socket_end */
    gri_spinlock_lock(&links_lock);
    gri_list_remove(&record->link);
    gri_list_push_back(&kept_sockets, &record->link);
    gri_spinlock_unlock(&links_lock);
    /* mo:socket.end release -> socket.adopt acquire: the record as the call left it */
    gri_store_release(&record->holder, GRI_SOCKET_KEPT);
    return 0;
}

void gri_socket_kept_close(gr_socket socket)
{
    gri_socket_record *record = find(socket);
    uint64_t seen = GRI_SOCKET_KEPT;
    /* relaxed: who kept it had the lock of the links before he said so, and we take it before we look at anything else */
    if (!record || !gri_cas_strong_relaxed(&record->holder, &seen, GRI_SOCKET_KEPT | GRI_SOCKET_BUSY)) return;
    gri_spinlock_lock(&links_lock);
    gri_list_remove(&record->link);
    gri_spinlock_unlock(&links_lock);
    destroy(record);
}

int gr_socket_adopt(gr_self *self, gr_socket socket)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    gri_more *more = gri_actor_more(self);
    if (!more) return gri_fail(self, GR_ENOMEM, "no memory for a socket");
    gri_socket_record *record = find(socket);
    if (!record) return gri_fail(self, GR_ECLOSED, "the socket is closed");
    const uint64_t me = gri_actor_address(self).id;
    uint64_t seen = gri_load_relaxed(&record->holder); /* relaxed: a guess that the swap checks */
    if ((seen & ~GRI_SOCKET_BUSY) == me) return find(socket) ? 0 : gri_fail(self, GR_ECLOSED, "the socket is closed");
    if (seen & GRI_SOCKET_BUSY)
        return gri_fail(self, find(socket) ? GR_EINUSE : GR_ECLOSED,
                        "the socket's owner is in a call on it, or it is closed");
    /* mo:socket.adopt acquire <- socket.end release */
    if (!gri_cas_strong_acquire(&record->holder, &seen, me | GRI_SOCKET_BUSY))
        return gri_fail(self, find(socket) ? GR_EINUSE : GR_ECLOSED,
                        "the socket was used or closed at the same moment");
    if (find(socket) != record) { /* the slot had a new owner already, and it is idle: give it back */
        /* mo:socket.end release -> socket.claim acquire: nothing was changed */
        gri_store_release(&record->holder, seen);
        return gri_fail(self, GR_ECLOSED, "the socket is closed");
    }
    code = gri_active_adopt(self, record);
    if (code != 0) {
        /* mo:socket.end release -> socket.claim acquire: nothing was changed */
        gri_store_release(&record->holder, seen);
        return gri_fail(self, code, "no memory for an active socket");
    }
    more->sockets_close = gri_io_end;
    gri_spinlock_lock(&links_lock);
    gri_list_remove(&record->link);
    gri_list_push_back(&more->sockets, &record->link);
    gri_spinlock_unlock(&links_lock);
    return gri_socket_end(self, record, 0);
}
