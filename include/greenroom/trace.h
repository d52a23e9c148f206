/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Tracing: which messages belong to one piece of work, through however many actors (W3C Trace Context).
 *
 * An actor may act within a trace. What it casts and calls then carries the trace, and whoever receives that acts within the
 * trace in turn, as a span of its own whose parent is the sender's span:
 *
 *     a green thread   from the message's receipt until its next gr_receive; a message that gr_select takes out begins a new span if
 *                      it carries a trace, and changes nothing if it carries none
 *     a server         from the call of the method or on_message until it returns
 *     either           from gr_trace_set until one of these, or gr_trace_set again
 *
 * Answers, exits and what is sent later by gr_send_after carry none. Spawned actors begin without one.
 *
 * With GREENROOM_TRACE=FILE each span becomes an event of the Chrome trace format, which Perfetto and others show; and messages
 * that are sent outside any trace begin one now and then (at most one a worker and millisecond), which ends after 256 hops.
 * A program that does not trace pays nothing for all this. */
#ifndef GR_TRACE_H
#define GR_TRACE_H

#include <greenroom/actor.h>

GR_BEGIN_DECLS

/* A place in a trace: the trace, and a span in it. No id is all zeros. */
typedef struct gr_trace {
    unsigned char trace_id[16], span_id[8];
    unsigned char flags; /* GR_TRACE_* and what others have put there */
} gr_trace;
#define GR_TRACE_SAMPLED 1 /* somebody records it */

/* A new trace, and its first span. GR_ESYSTEM: no random bytes. */
GR_ANY_THREAD GR_MUST_CHECK int gr_trace_new(gr_trace *ret_trace);

/* To and from the text of a traceparent header, "00-" + 32 hex digits + "-" + 16 + "-" + 2. Texts of later versions are read
 * as far as that. GR_ESYNTAX: it is none. */
#define GR_TRACE_TEXT_BYTES 56 /* with the NUL */
GR_ANY_THREAD GR_MUST_CHECK int gr_trace_parse(const char *text, size_t bytes, gr_trace *ret_trace);
GR_ANY_THREAD char *gr_trace_print(const gr_trace *trace, char text[GR_TRACE_TEXT_BYTES]);

/* This actor acts within the trace from now on, as a new span whose parent is `parent`; NULL: within none. Errors: GR_EINVAL (an
 * id of zeros), GR_ENOMEM. */
GR_IN_ACTOR GR_MUST_CHECK int gr_trace_set(gr_self *self, const gr_trace *parent);
/* Within which trace this actor acts, and as which span: what to send along when it asks somebody elsewhere. GR_ENOTFOUND: none. */
GR_IN_ACTOR GR_MUST_CHECK int gr_trace_get(gr_self *self, gr_trace *ret_trace);
/* The trace that a message carries, and the span that sent it. GR_ENOTFOUND: none. */
GR_ANY_THREAD GR_MUST_CHECK int gr_trace_of(const gr_message *message, gr_trace *ret_trace);

GR_END_DECLS

#endif
