/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/shared.h"

#include <string.h>

void gri_shared_init(gri_shared *shared, unsigned streams_max, uint32_t beat_ms)
{
    *shared = (gri_shared){.streams_max = streams_max, .beat_ms = beat_ms};
    pthread_mutex_init(&shared->lock, NULL); /* cannot fail without attributes on Linux */
    gri_retries_init(&shared->retries);
}

void gri_shared_fini(gri_shared *shared)
{
    gri_retries_fini(&shared->retries);
    pthread_mutex_destroy(&shared->lock);
}

/* Also when the actor is ended in the middle. */
static void leave(gr_self *self, void *arg)
{
    gri_stay *stay = arg;
    gri_shared *shared = stay->shared;
    (void)self;
    pthread_mutex_lock(&shared->lock);
    if (stay->prev)
        stay->prev->next = stay->next;
    else
        shared->stays = stay->next;
    if (stay->next) stay->next->prev = stay->prev;
    shared->streams -= stay->streams;
    pthread_mutex_unlock(&shared->lock);
}

static int enter(gri_shared *shared, gri_stay *stay)
{
    int code = 0;
    pthread_mutex_lock(&shared->lock);
    if (shared->draining) {
        code = GR_ENOTRUNNING;
    } else if (stay->streams && shared->streams >= shared->streams_max) {
        code = GR_EFULL;
    } else {
        stay->next = shared->stays;
        if (stay->next) stay->next->prev = stay;
        shared->stays = stay;
        shared->streams += stay->streams;
    }
    pthread_mutex_unlock(&shared->lock);
    return code;
}

int gri_stay_begin(gri_shared *shared, gr_self *self, bool streams, gri_stay **ret_stay)
{
    gri_stay *stay = gr_alloc(self, sizeof *stay);
    if (!stay) return GR_ENOMEM;
    *stay = (gri_stay){.shared = shared, .actor = gr_self_address(self), .streams = streams};
    int code = enter(shared, stay);
    if (code == 0 && gr_defer(self, leave, stay) != 0) {
        leave(self, stay);
        code = GR_ENOMEM;
    }
    if (code == 0)
        *ret_stay = stay;
    else
        gr_free(self, stay);
    return code;
}

void gri_stay_end(gr_self *self, gri_stay *stay)
{
    leave(self, stay);
    (void)gr_defer_cancel(self, leave, stay);
    gr_free(self, stay);
}

void gri_shared_drain(gri_shared *shared)
{
    pthread_mutex_lock(&shared->lock);
    shared->draining = true;
    for (gri_stay *stay = shared->stays; stay; stay = stay->next) (void)gr_kill(stay->actor);
    pthread_mutex_unlock(&shared->lock);
}

unsigned gri_shared_streams(gri_shared *shared)
{
    pthread_mutex_lock(&shared->lock);
    unsigned streams = shared->streams;
    pthread_mutex_unlock(&shared->lock);
    return streams;
}

bool gri_shared_ready(gri_shared *shared, char why[GRI_READY_WHY_BYTES])
{
    pthread_mutex_lock(&shared->lock);
    bool ready = !shared->unready;
    memcpy(why, shared->why, GRI_READY_WHY_BYTES);
    pthread_mutex_unlock(&shared->lock);
    return ready;
}
