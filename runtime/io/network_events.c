/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What is on its way in the simulated network. See network.h. */
#include "io/network.h"

#include "actor/runtime.h"
#include "base/fault.h"
#include "os/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LATENCY_NS_LEAST (20 * GRI_NS_PER_US)
#define LATENCY_NS_MOST (2 * GRI_NS_PER_MS)
#define HELD_UP_NS (20 * GRI_NS_PER_MS)
#define ASK_AGAIN_NS (1 * GRI_NS_PER_S)

/* A binary heap, the earliest on top. */
static gri_sim_event *queue;
static size_t queued, room;
static uint64_t numbers;

static bool is_before(const gri_sim_event *a, const gri_sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->number < b->number;
}

static void swap(size_t i, size_t j)
{
    gri_sim_event kept = queue[i];
    queue[i] = queue[j];
    queue[j] = kept;
}

bool gri_sim_send(const gri_sim_event *event, gri_instant at)
{
    if (queued == room) {
        size_t more = 2 * room + 16;
        gri_sim_event *grown = realloc(queue, more * sizeof *grown);
        if (!grown) return false;
        queue = grown;
        room = more;
    }
    queue[queued] = *event;
    queue[queued].at = at;
    queue[queued].number = ++numbers;
    for (size_t i = queued++; i > 0 && is_before(&queue[i], &queue[(i - 1) / 2]); i = (i - 1) / 2) swap(i, (i - 1) / 2);
    return true;
}

static gri_sim_event take_first(void)
{
    gri_sim_event first = queue[0];
    queue[0] = queue[--queued];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < queued; child++)
            if (is_before(&queue[child], &queue[least])) least = child;
        if (least == i) return first;
        swap(i, least);
        i = least;
    }
}

gri_instant gri_sim_soon(void)
{
    return gri_instant_add(gri_clock_now(),
                           LATENCY_NS_LEAST + (int64_t)gri_simulation_below(LATENCY_NS_MOST - LATENCY_NS_LEAST));
}

gri_instant gri_sim_arrival(gri_sim_socket *from)
{
    gri_instant at = gri_sim_soon();
    from->arrives = GRI_MAX(from->arrives, at);
    return from->arrives;
}

/* ---- telling ---- */

bool gri_sim_is_writable(gri_sim_socket *s)
{
    if (s->type == SOCK_DGRAM) return true;
    if (s->state == GRI_SIM_BROKEN) return true;
    if (s->state != GRI_SIM_CONNECTED) return false;
    return s->write_ended || s->unread < s->window;
}

void gri_sim_report(gri_sim_socket *s, bool readable, bool writable, bool hangup)
{
    if (s->watched && gri_poll_reporter) gri_poll_reporter(NULL, s->cookie, readable, writable, hangup);
}

static void look(gri_sim_socket *s)
{
    bool hangup = s->read_ended || s->state == GRI_SIM_BROKEN;
    bool readable = hangup || s->first || s->waiting_count > 0;
    bool writable = gri_sim_is_writable(s);
    if (readable || writable) gri_sim_report(s, readable, writable, hangup);
}

/* ---- arrivals ---- */

/* A request for a connection has come to an address. */
static void asked(gri_sim_event *event)
{
    gri_sim_socket *client = gri_sim_find(event->from);
    if (!client || client->state != GRI_SIM_CONNECTING) return;
    gri_sim_socket *listener = gri_sim_at(&event->address, SOCK_STREAM);
    const bool lost = gri_fault(GRI_FAULT_DROP);
    if (lost || (listener && (int)listener->waiting_count > listener->backlog)) { /* it is asked again */
        (void)gri_sim_send(event, gri_instant_add(gri_clock_now(), ASK_AGAIN_NS));
        return;
    }
    gri_sim_event answer = {.kind = GRI_SIM_ANSWERED, .to = event->from, .error = ECONNREFUSED};
    gri_sim_socket *made = listener ? gri_sim_accepting(listener, client) : NULL;
    if (made) {
        answer.error = 0;
        answer.from = made->self;
        gri_sim_report(listener, true, false, false);
        made->arrives = gri_sim_soon();
        (void)gri_sim_send(&answer, made->arrives);
        return;
    }
    (void)gri_sim_send(&answer, gri_sim_soon());
}

static void answered(const gri_sim_event *event)
{
    gri_sim_socket *s = gri_sim_find(event->to);
    gri_sim_socket *made = gri_sim_find(event->from);
    if (!s || s->state != GRI_SIM_CONNECTING) return;
    if (event->error) {
        gri_sim_break(s, event->error);
        return;
    }
    s->state = GRI_SIM_CONNECTED;
    s->other = event->from;
    if (!made) s->read_ended = true; /* accepted, or not even that, and closed */
    gri_sim_report(s, false, true, false);
}

static void append(gri_sim_socket *s, gri_sim_piece *piece)
{
    piece->next = NULL;
    if (s->last)
        s->last->next = piece;
    else
        s->first = piece;
    s->last = piece;
}

/* Somebody who is not there any more is written to: that is told. */
static void bounce(gri_sim_ref sender)
{
    const gri_sim_event reset = {.kind = GRI_SIM_RESET, .to = sender, .error = ECONNRESET};
    (void)gri_sim_send(&reset, gri_sim_soon());
}

static void arrived(const gri_sim_event *event)
{
    gri_sim_socket *sender = gri_sim_find(event->from);
    gri_sim_socket *s = event->address.bytes > 0 ? gri_sim_at(&event->address, SOCK_DGRAM) : gri_sim_find(event->to);
    const bool datagram = event->address.bytes > 0;
    const bool lost = gri_fault(GRI_FAULT_DROP);
    if (datagram) {
        /* A socket with a peer takes nothing from others. */
        if (s && s->far.bytes > 0 && gri_endpoint_port(&s->far) != gri_endpoint_port(&event->piece->from)) s = NULL;
    } else if (lost) {
        if (s) gri_sim_break(s, ECONNRESET);
        if (sender) gri_sim_break(sender, ECONNRESET);
        s = NULL;
    } else if (!s || s->state == GRI_SIM_BROKEN) {
        bounce(event->from);
        s = NULL;
    }
    if (!s || (datagram && lost)) {
        free(event->piece);
        return;
    }
    append(s, event->piece);
    gri_sim_report(s, true, false, false);
}

static void happen(gri_sim_event *event)
{
    gri_sim_socket *s = gri_sim_find(event->to);
    gri_simulation_note((uint64_t)event->kind << 56 ^ (event->piece ? event->piece->bytes : 0));
    switch (event->kind) {
    case GRI_SIM_ASKED: asked(event); break;
    case GRI_SIM_ANSWERED: answered(event); break;
    case GRI_SIM_ARRIVED: arrived(event); break;
    case GRI_SIM_ENDED:
        if (!s) break;
        s->read_ended = true;
        gri_sim_report(s, true, s->write_ended, true);
        break;
    case GRI_SIM_RESET:
        if (s) gri_sim_break(s, event->error);
        break;
    case GRI_SIM_ROOM:
        if (s && s->was_full && gri_sim_is_writable(s)) {
            s->was_full = false;
            gri_sim_report(s, false, true, false);
        }
        break;
    case GRI_SIM_LOOK:
        if (s) look(s);
        break;
    }
}

/* ---- when ---- */

static gri_instant earliest(void)
{
    return queued > 0 ? queue[0].at : GRI_INSTANT_NEVER;
}

static void happen_until(gri_instant now)
{
    while (queued > 0 && queue[0].at <= now) {
        gri_sim_event event = take_first();
        happen(&event);
    }
}

void gri_sim_events_begin(void)
{
    gri_simulation_events(earliest, happen_until);
}

void gri_sim_events_end(void)
{
    for (size_t i = 0; i < queued; i++) free(queue[i].piece);
    free(queue);
    queue = NULL;
    queued = room = 0;
    numbers = 0;
}
