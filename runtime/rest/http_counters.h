/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What a server has done so far, in numbers (gr_http_counters).
 *
 * Connections add to one of a few slots, chosen by their actor, under the slot's lock: one lock without contention per request,
 * and hardly ever two workers at one cache line. The listener has one of its own. Any thread reads them all. They only grow: a
 * connection begins and ends in the same slot, so that no sum of them says there are fewer than none. */
#ifndef GRI_REST_HTTP_COUNTERS_H
#define GRI_REST_HTTP_COUNTERS_H

#include <pthread.h>

#include <greenroom/wsgi.h>

enum { GRI_HTTP_SLOTS = 32 };

typedef struct gri_http_slot {
    _Alignas(64) pthread_mutex_t lock; /* held for a few additions, never across a suspending call */
    gr_http_counters sum;              /* without `connections` */
    uint64_t ended;
} gri_http_slot;

typedef struct gri_http_tally {
    gri_http_slot slots[GRI_HTTP_SLOTS];
    gri_http_slot listener;
} gri_http_tally;

/* Something that happened to a connection; zero is nothing. */
typedef struct gri_http_count {
    bool begins, ends;
    int status; /* of an answer */
    bool unanswered, timed_out, handshake_failed;
    uint64_t bytes_received, bytes_sent; /* since the last count */
    int64_t duration_ns;                 /* of what has a status */
} gri_http_count;

enum gri_http_admission { GRI_HTTP_ACCEPTED, GRI_HTTP_OVER_LIMIT, GRI_HTTP_OVER_ADDRESS_LIMIT, GRI_HTTP_DROPPED };

void gri_http_tally_init(gri_http_tally *tally);
void gri_http_tally_fini(gri_http_tally *tally);
void gri_http_tally_add(gri_http_tally *tally, gr_self *self, const gri_http_count *count);
/* By the listener: whom it has turned away. */
void gri_http_tally_refuse(gri_http_tally *tally, enum gri_http_admission admission);
void gri_http_tally_read(gri_http_tally *tally, gr_http_counters *ret_counters);

#endif
