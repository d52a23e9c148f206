/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Kept connections of the HTTP client. A socket in here belongs to nobody (GRI_SOCKET_KEPT is its holder) until somebody takes it
 * and adopts it. The newest is taken first, so that the others grow old; old ones go when somebody looks.
 *
 * Few enough for one list under one lock. Nobody listens to a kept connection: whether the server has closed it, or said what
 * nobody asked for, is seen when it is taken. */
#include "actor/runtime.h"
#include "io/fetch.h"
#include "io/socket.h"
#include "io/tls.h"
#include "os/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_MAX 256                /* guess */
#define KEPT_NS (30 * GRI_NS_PER_S) /* guess: servers keep theirs for 15 to 75 seconds */

typedef struct kept {
    gri_list link;
    gr_socket socket;
    gri_instant since;
    gr_tls *tls; /* a reference; NULL: the default, or none */
    bool is_tls;
    char address[]; /* gri_url.address */
} kept;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the rest */
static gri_list pool = GRI_LIST_EMPTY(pool);             /* oldest first */
static unsigned count;
static bool at_stop;

static void free_kept(kept *k)
{
    gr_tls_free(&k->tls);
    free(k);
}

static void remove_locked(kept *k)
{
    gri_list_remove(&k->link);
    count--;
}

static void close_kept(kept *k)
{
    gri_socket_kept_close(k->socket);
    free_kept(k);
}

static void expire_locked(gri_instant now)
{
    for (gri_list *link; (link = gri_list_first(&pool)) != NULL;) {
        kept *k = GRI_LIST_ENTRY(link, kept, link);
        if (count < KEPT_MAX && now - k->since < KEPT_NS) return;
        remove_locked(k);
        close_kept(k);
    }
}

void gr_fetch_forget(void)
{
    if (gri_runtime_forked()) return; /* they are the parent's, its poller included */
    pthread_mutex_lock(&lock);
    for (gri_list *link; (link = gri_list_first(&pool)) != NULL;) {
        kept *k = GRI_LIST_ENTRY(link, kept, link);
        remove_locked(k);
        close_kept(k);
    }
    pthread_mutex_unlock(&lock);
}

static kept *find_locked(const gri_url *url, const gr_tls *tls)
{
    for (gri_list *link = pool.prev; link != &pool; link = link->prev) {
        kept *k = GRI_LIST_ENTRY(link, kept, link);
        if (k->is_tls == url->tls && k->tls == tls && strcmp(k->address, url->address) == 0) return k;
    }
    return NULL;
}

/* Nothing has come and it has not ended. A layer may have bookkeeping of its own to read. */
static bool is_quiet(gr_self *self, gr_socket socket)
{
    gri_socket_record *record;
    gri_atomic_u32 *ready;
    char byte;
    int error = 0;
    if (gri_socket_begin(self, socket, &record) != 0) return false;
    bool quiet = gri_socket_receive(record, &byte, 1, &error, &ready) < 0 && error == EAGAIN;
    record->drained = false;
    return gri_socket_end(self, record, 0) == 0 && quiet;
}

bool gri_fetch_pool_take(gr_self *self, const gri_url *url, const gr_tls *tls, gr_socket *ret_socket)
{
    for (;;) {
        pthread_mutex_lock(&lock);
        expire_locked(gri_clock_now());
        kept *k = find_locked(url, tls);
        if (k) remove_locked(k);
        pthread_mutex_unlock(&lock);
        if (!k) return false;
        gr_socket socket = k->socket;
        bool mine = gr_socket_adopt(self, socket) == 0;
        if (mine)
            free_kept(k);
        else
            close_kept(k);
        if (mine && is_quiet(self, socket)) {
            *ret_socket = socket;
            return true;
        }
        if (mine) (void)gr_close(self, socket);
    }
}

void gri_fetch_pool_put(gr_self *self, const gri_url *url, gr_tls *tls, gr_socket socket)
{
    size_t bytes = strlen(url->address) + 1;
    kept *k = malloc(sizeof *k + bytes);
    if (!k || gri_socket_keep(self, socket) != 0) {
        free(k);
        (void)gr_close(self, socket);
        return;
    }
    *k = (kept){.socket = socket, .since = gri_clock_now(), .tls = tls ? gri_tls_ref(tls) : NULL, .is_tls = url->tls};
    memcpy(k->address, url->address, bytes);
    pthread_mutex_lock(&lock);
    if (!at_stop) gri_runtime_at_stop(gr_fetch_forget);
    at_stop = true;
    expire_locked(k->since);
    gri_list_push_back(&pool, &k->link);
    count++;
    pthread_mutex_unlock(&lock);
}

unsigned gri_fetch_pool_count(void)
{
    pthread_mutex_lock(&lock);
    unsigned now = count;
    pthread_mutex_unlock(&lock);
    return now;
}
