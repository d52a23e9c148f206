/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Trace context on its way: in a trailer of the message (GRI_MESSAGE_TRACED), and in the actor that handles it (GRI_TRACED,
 * more->tracing). Nobody looks for either but by these flags, on paths that are left for other reasons, too.
 *
 * Beside it, how long a sample of messages waits in mailboxes: a message that leaves with GRI_MESSAGE_TIMED. The monitor asks each
 * worker once a tick to time its next message (gri_worker.send_specially). */
#ifndef GRI_ACTOR_TRACE_H
#define GRI_ACTOR_TRACE_H

#include "actor/actor.h"
#include "base/histogram.h"

#include <greenroom/trace.h>

/* What gri_worker.send_specially says. */
enum gri_send_specially {
    GRI_SEND_SAMPLED = 1, /* time the next message */
    GRI_SEND_COPIED = 2,  /* always: GREENROOM_COPY is not packed */
};

typedef struct gri_tracing {
    gr_trace now; /* this actor's span */
    unsigned char parent[8];
    uint32_t hops; /* left until a sampled trace ends; 0: it is none, and does not end */
    bool is_open;  /* the span has begun */
    bool is_known; /* whoever records them knows the actor's name */
    gr_address sender;
    gri_instant start;
    char what[40]; /* a call's method; "" */
    uint8_t kind;  /* of the message */
} gri_tracing;

/* A span that is over, for whoever records them. */
typedef struct gri_span {
    gri_tracing tracing;
    gr_address actor;
    gri_instant end;
    uint32_t worker; /* UINT32_MAX: an attached thread */
} gri_span;

/* Set by observe/ before the first worker starts, and put back after the last has ended; NULL: nobody records. Called in the
 * actor whose span is over; must not suspend. */
extern void (*gri_span_over)(const gri_span *span);
/* Messages that are sampled begin a trace if they are in none. Set with it. */
extern bool gri_trace_samples;

/* ---- sending ---- */

/* Gives *message the trace that `from` acts within. On failure it leaves without. */
void gri_trace_attach(gr_self *from, gr_message **message);
/* Gives it a new trace of its own. */
void gri_trace_begin(gr_message **message);
/* Is this message one of the sample? Takes the request off. */
bool gri_sample_is_due(gri_worker *worker);
void gri_sample_time(gr_message *m);

/* ---- receiving ---- */

/* A message with GRI_MESSAGE_TIMED or _TRACED has been taken out. */
void gri_trace_taken(gr_self *self, gr_message *m);
/* The actor does not act within a trace any more. */
void gri_trace_left(gr_self *self);
/* The same at its end. */
void gri_trace_release(gr_self *self);

/* Microseconds in mailboxes, and messages behind the sampled one, since gr_start. */
extern gri_histogram gri_mailbox_times, gri_mailbox_depths;
void gri_trace_start(uint64_t seed);

#endif
