/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The little that the requests of one gr_rest share: whether it is ready, which of them wait long, and what refused sends have
 * shown about the actors that refused them (retry_after.h, with a lock of its own). The rest is under one lock that nobody holds
 * while suspended; requests that do not wait long do not take it. */
#ifndef GRI_REST_SHARED_H
#define GRI_REST_SHARED_H

#include <pthread.h>

#include <greenroom/actor.h>

#include "rest/retry_after.h"

enum { GRI_READY_WHY_BYTES = 128 };

/* A request that may wait long, an event stream or a long poll; in its connection's memory. */
typedef struct gri_stay {
    struct gri_stay *next, *prev;
    struct gri_shared *shared;
    gr_address actor;
    bool streams;
} gri_stay;

typedef struct gri_shared {
    pthread_mutex_t lock;
    gri_stay *stays;
    unsigned streams, streams_max;
    uint32_t beat_ms; /* constant: of event streams (event_stream.h) */
    bool unready, draining;
    char why[GRI_READY_WHY_BYTES];
    gri_retries retries;
} gri_shared;

void gri_shared_init(gri_shared *shared, unsigned streams_max, uint32_t beat_ms);
void gri_shared_fini(gri_shared *shared);

/* Enters a request that may wait long: from here to gri_stay_end a drain kills its actor, which lets kills through where it
 * waits. Ends with the actor at the latest. Errors: GR_EFULL (too many streams), GR_ENOTRUNNING (draining), GR_ENOMEM. */
int gri_stay_begin(gri_shared *shared, gr_self *self, bool streams, gri_stay **ret_stay);
void gri_stay_end(gr_self *self, gri_stay *stay);
/* Kills all that are entered; nobody is entered any more. */
void gri_shared_drain(gri_shared *shared);
unsigned gri_shared_streams(gri_shared *shared); /* at this moment */

/* Ready as far as was said (gr_rest_ready); if not, why. */
bool gri_shared_ready(gri_shared *shared, char why[GRI_READY_WHY_BYTES]);

#endif
