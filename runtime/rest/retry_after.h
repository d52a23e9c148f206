/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* When to come back to an actor whose mailbox is full: the messages that wait in it times what it takes for one.
 *
 * What it takes for one is seen from what it has received between two refusals. The first refusal, and one after a pause in
 * which the mailbox may have been empty, looks twice, GRI_RETRY_LOOK_NS apart. What counts are two windows, that up to now and
 * the one before; one ends no earlier than something has been taken in it. So for an actor that receives nothing the time it has
 * stood still counts, however often it is looked at: whoever asks again and again is not told "soon" for ever.
 *
 *     unknown --refusal--> window [begin, now] --taken something, GRI_RETRY_WINDOW_NS long--> becomes the one before; the next one
 *     window --taken something, but no refusal for GRI_RETRY_PAUSE_NS--> begins anew; the one before counts still
 *     --no refusal for GRI_RETRY_KEEP_NS--> unknown
 *
 * GRI_RETRY_ACTORS actors are remembered, each in whichever slot is free; the one that has refused longest ago gives way. One lock,
 * taken by refusals alone, never held while suspended. */
#ifndef GRI_REST_RETRY_AFTER_H
#define GRI_REST_RETRY_AFTER_H

#include <pthread.h>

#include <greenroom/actor.h>

enum { GRI_RETRY_ACTORS = 256, GRI_RETRY_S_MAX = 60 };

#define GRI_RETRY_LOOK_NS INT64_C(20000000) /* guess: some switches even of a busy machine, and nobody minds the wait */
#define GRI_RETRY_WINDOW_NS INT64_C(1000000000) /* guess: what happens within the smallest answer is of no interest */
#define GRI_RETRY_PAUSE_NS INT64_C(5000000000)  /* guess */
#define GRI_RETRY_KEEP_NS INT64_C(120000000000) /* twice the largest answer: who obeys that is still known */

/* An actor that has refused a message. */
typedef struct gri_refuser {
    uint64_t begin_messages; /* received by the beginning of the window */
    int64_t begin_ns, seen_ns;
    uint64_t before_taken; /* in the window before */
    int64_t before_ns;     /* its length; 0: there was none */
} gri_refuser;

typedef struct gri_retries {
    pthread_mutex_t lock;
    size_t count;
    uint64_t ids[GRI_RETRY_ACTORS]; /* of the addresses; apart, because all of them are compared */
    gri_refuser refusers[GRI_RETRY_ACTORS];
} gri_retries;

void gri_retries_init(gri_retries *retries);
void gri_retries_fini(gri_retries *retries);

/* In whole seconds, 1 to GRI_RETRY_S_MAX. 1 if the actor has died: whoever asks again hears it. Suspends, for GRI_RETRY_LOOK_NS at
 * most. */
unsigned gri_retry_after_s(gri_retries *retries, gr_self *self, gr_address address);

/* The same from what was seen: `messages` received so far, `waiting` ones. Returns 0 and *ret_s, or, if it is too soon to say,
 * in how many nanoseconds to look again; *ret_s is then what to say in want of better. */
int64_t gri_retry_look(gri_retries *retries, gr_address address, uint64_t messages, uint64_t waiting, int64_t now_ns,
                       unsigned *ret_s);
/* `waiting` messages of each_ns: whole seconds, within the limits. Pure. */
unsigned gri_retry_estimate_s(uint64_t waiting, int64_t each_ns);

#endif
