/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A server-sent event stream: an answer without end, https://html.spec.whatwg.org/multipage/server-sent-events.html.
 *
 * While one runs, kills of the connection are let through: a drain ends it at once, in the middle of a wait or of a write. Who
 * does not read for write_ms is dropped; what an event is made from is not kept, so a stream's memory is one event. */
#ifndef GRI_REST_EVENT_STREAM_H
#define GRI_REST_EVENT_STREAM_H

#include "rest/actors_app.h"
#include "rest/buffer.h"

enum {
    GRI_STREAM_BEAT_MS = 15000, /* proxies and clients give up on silence */
    GRI_STREAM_BEAT_MS_MIN = 10,
    GRI_STREAM_BEAT_MS_MAX = 3600000,
    GRI_STREAM_TICK_MS = 2000, /* how often a silent stream looks whether its client is still there */
    GRI_STREAM_RETRY_MS = 2000 /* what clients are told to wait before they connect again */
};

typedef struct gri_stream {
    const gri_request *request;
    gr_deadline beat; /* when a comment is due */
    gri_buffer text;
} gri_stream;

/* Answers and runs `follow` until it returns: 0: the stream ends; GR_EKILLED and GR_ECLOSED: so has the connection. To HEAD
 * only the head; 503 when there are too many streams. */
int gri_stream_run(const gri_request *request, int (*follow)(gri_stream *stream, void *arg), void *arg);
/* Sends one event; without an id if that is NULL. */
int gri_stream_event(gri_stream *stream, const char *name, const char *id, gr_value data);
/* Until when something else may be waited for; then gri_stream_tick is due. */
gr_deadline gri_stream_due(const gri_stream *stream);
/* Is the client there, has it heard from us lately? 0, GR_ECLOSED, or GR_EKILLED. */
int gri_stream_tick(gri_stream *stream);
/* Sleeps, and looks after the client meanwhile. The same. */
int gri_stream_sleep(gri_stream *stream, int64_t ms);

#endif
