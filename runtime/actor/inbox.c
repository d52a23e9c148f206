/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The owner's side of the mailbox: taking, sorting, receiving.
 *
 * What arrives is a chain, newest first. It is reversed once, and on the way kills and the awaited reply act at once, replies
 * that nobody awaits any more are dropped, and the rest joins the inbox in the order it was sent. A long chain is worked off
 * in pieces: between them others may run. */
#include "actor/actor.h"
#include "actor/bound.h"
#include "actor/call.h"
#include "actor/letters.h"
#include "actor/runtime.h"
#include "actor/trace.h"
#include "actor/waiting.h"
#include "actor/watch.h"
#include "message/hold.h"
#include "message/shape.h"
#include "message/value.h"

#include <stdlib.h>

#define PIECE 4096

/* ---- arriving ---- */

void (*gri_control_arrived)(gr_self *self, gr_message *m);

static bool is_reply(const gr_message *m)
{
    return m->kind >= GRI_MESSAGE_REPLY && m->kind <= GRI_MESSAGE_REPLY_DEAD;
}

GRI_COLD static void answer_is_late(gr_self *self, const gr_message *m)
{
    gri_runtime_count_dead_letter();
    gri_letter(GR_LETTER_LATE, gri_actor_address(self), m);
}

/* True if the message was dealt with at once; the rest goes to the inbox in order. */
static bool act_at_once(gr_self *self, gr_message *m)
{
    if (GRI_LIKELY(!is_reply(m))) return false;
    if (self->awaited != 0 && m->reference == self->awaited && !self->reply) {
        self->reply = m;
    } else {
        if (m->flags & GRI_MESSAGE_EMBEDDED)
            gri_watch_late(m); /* of a wait that was given up */
        else
            answer_is_late(self, m);
        gr_message_free(&m);
    }
    return true;
}

void gri_inbox_append(gr_self *self, gr_message *m)
{
    m->node.link = NULL;
    if (self->inbox)
        self->inbox_last->node.link = &m->node;
    else
        self->inbox = m;
    self->inbox_last = m;
    /* relaxed: a count for who looks on. Of a bounded mailbox the senders have counted it */
    if (GRI_LIKELY(!(self->flags & GRI_BOUNDED))) gri_count_owner(&self->queued, 1u);
}

static void arrive(gr_self *self, gr_message *oldest)
{
    unsigned left = PIECE;
    while (oldest) {
        gr_message *m = oldest;
        oldest = m->node.link ? gri_message_of_node(m->node.link) : NULL;
        if ((m->kind == GRI_MESSAGE_EXIT || m->kind == GRI_MESSAGE_DOWN) && !gri_watch_arrived(self, m)) continue;
        if (GRI_UNLIKELY(m->kind >= GRI_MESSAGE_CONTROL)) { /* may put messages into the inbox in its stead */
            if (m->kind == GRI_MESSAGE_BELL)
                gri_bound_drain(self);
            else
                gri_control_arrived(self, m);
            continue;
        }
        gri_inbox_append(self, m);
        if (--left == 0) left = PIECE;
    }
}

static void sort(gr_self *self, gri_mailnode *newest)
{
    gr_message *oldest = NULL;
    unsigned left = PIECE;
    while (newest) {
        gr_message *m = gri_message_of_node(newest);
        newest = newest->link;
        if (act_at_once(self, m)) continue;
        m->node.link = oldest ? &oldest->node : NULL;
        oldest = m;
        if (GRI_UNLIKELY(--left == 0)) {
            left = PIECE;
            /* Nobody else can see the two halves of the chain: they are on this stack. */
            gri_give_way(self);
        }
    }
    arrive(self, oldest);
}

void gri_inbox_collect(gr_self *self)
{
    while (self->handed || gri_mailword_peek(&self->mailbox)) {
        /* What was handed over is older than what is in the word now. */
        gr_message *handed = self->handed;
        self->handed = NULL;
        if (handed) {
            if (GRI_LIKELY(!handed->node.link && handed->kind <= GRI_MESSAGE_CALL))
                gri_inbox_append(self, handed);
            else
                sort(self, &handed->node);
        }
        gri_mail_taken taken = gri_mailword_take(&self->mailbox);
        if (GRI_UNLIKELY(taken.flags & (GRI_MAIL_KILL | GRI_MAIL_KILL_NOW))) {
            self->flags |= GRI_KILLED;
            if (taken.flags & GRI_MAIL_KILL_NOW) self->flags |= GRI_KILLED_NOW;
        }
        if (taken.chain) sort(self, taken.chain);
    }
}

/* ---- receiving ---- */

/* m is about to leave: searches that ended at it ended at the one before it. */
static GRI_NOINLINE void scans_step_back(gri_scans *scans, const gr_message *before, const gr_message *m)
{
    for (unsigned i = 0; i < GRI_SCANS; i++)
        if (scans->at[i].last == m) scans->at[i].last = (gr_message *)(uintptr_t)before;
}

/* The oldest of the inbox, with nothing told to the searches or the bound. */
GRI_INLINE void take_first(gr_self *self, gr_message *m)
{
    self->inbox = m->node.link ? gri_message_of_node(m->node.link) : NULL;
    if (self->inbox_last == m) self->inbox_last = NULL;
    m->node.link = NULL;
    self->received++;
}

GRI_INLINE gr_message *take_out(gr_self *self, gr_message *before, gr_message *m)
{
    gr_message *next = m->node.link ? gri_message_of_node(m->node.link) : NULL;
    if (before)
        before->node.link = m->node.link;
    else
        self->inbox = next;
    if (self->inbox_last == m) self->inbox_last = before;
    if (GRI_UNLIKELY(self->more && self->more->scans)) scans_step_back(self->more->scans, before, m);
    m->node.link = NULL;
    self->received++;
    /* relaxed: the bound counts, it does not publish; senders may see it late and refuse one more */
    if (GRI_LIKELY(!(self->flags & GRI_BOUNDED)))
        gri_count_owner(&self->queued, UINT32_MAX); /* relaxed: ours alone; see gri_inbox_append */
    else if (gri_counts_for_bound(m))
        gri_bound_taken(self, m);
    return m;
}

/* Out of line, so that the usual message costs nothing but the look at its flags. */
static GRI_NOINLINE gr_message *take_out_special(gr_self *self, gr_message *before, gr_message *m)
{
    take_out(self, before, m);
    gri_trace_taken(self, m);
    return m;
}

gr_message *gri_inbox_take_out(gr_self *self, gr_message *before, gr_message *m)
{
    if (GRI_UNLIKELY(gri_message_is_special(m))) return take_out_special(self, before, m);
    return take_out(self, before, m);
}

gr_message *gri_inbox_pop(gr_self *self)
{
    return self->inbox ? gri_inbox_take_out(self, NULL, self->inbox) : NULL;
}

static int received(gr_self *self, gr_message *m, gr_message **ret_message)
{
    gri_hold(self, m);
    gri_give_way(self);
    *ret_message = m;
    return 0;
}

static GRI_NOINLINE int receive_any(gr_self *self, gr_message **ret_message, gr_deadline deadline)
{
    int code = gri_suspend_enter(self);
    if (GRI_UNLIKELY(code != 0)) return code;
    if (GRI_UNLIKELY(self->flags & GRI_TRACED)) gri_trace_left(self); /* what it has received last has been handled */
    for (;;) {
        if (self->inbox) return received(self, gri_inbox_pop(self), ret_message);
        if (self->handed || gri_mailword_peek(&self->mailbox)) {
            gr_message *m = gri_inbox_take_handed(self);
            if (GRI_LIKELY(m != NULL)) return received(self, m, ret_message);
            gri_inbox_collect(self);
            code = gri_kill_check(self);
            if (GRI_UNLIKELY(code != 0)) return code;
            if (self->inbox) continue;
        }
        if (deadline.ns == GRI_INSTANT_PAST) {
            gri_give_way(self);
            return GR_ETIMEOUT;
        }
        code = gri_suspend_here(self, GRI_MAIL_WAIT_ANY, deadline);
        if (GRI_UNLIKELY(code != 0)) {
            if (code != GR_ETIMEOUT) return code;
            gri_inbox_collect(self); /* what came while the deadline passed is received, not refused */
            if (!self->inbox) deadline = GR_NOW;
        }
        gri_attention(self);
        code = gri_kill_check(self);
        if (GRI_UNLIKELY(code != 0)) return code;
    }
}

/* What gr_receive does not, once it knows that there is no deadline: nothing else of it has to outlive a park. */
static GRI_NOINLINE int receive_otherwise(gr_self *self, gr_message **ret_message)
{
    return receive_any(self, ret_message, GR_FOREVER);
}

/* The usual way: nothing is to be said about this actor, it waits without a deadline for whatever comes, and what comes is one
 * message. All else is receive_any's, a kill too, which is announced by `attention`. Nothing but self and ret_message is kept across a
 * call: a parked actor's frames come from far away. */
int gr_receive(gr_self *self, gr_message **ret_message, gr_deadline deadline)
{
    const uint16_t unusual = GRI_ATTACHED | GRI_KILLED | GRI_KILLED_NOW | GRI_OVERFLOWED | GRI_NO_SUSPEND |
                             GRI_ABORTED | GRI_BOUNDED | GRI_TRACED;
    gri_worker *worker = gri_worker_running(self);
    /* relaxed: a flag that comes later is seen at the next call, or makes the park fail */
    if (GRI_UNLIKELY(!worker) || GRI_UNLIKELY((self->flags & unusual) || gri_load_relaxed(&self->attention)) ||
        GRI_UNLIKELY(deadline.ns != INT64_MAX) || GRI_UNLIKELY(gri_worker_slice_is_over(worker)))
        return receive_any(self, ret_message, deadline);
    gr_message *m = self->inbox;
    if (m) {
        if (GRI_UNLIKELY(gri_message_is_special(m)) || GRI_UNLIKELY(self->more && self->more->scans))
            return receive_otherwise(self, ret_message);
        take_first(self, m);
        gri_count_owner(&self->queued, UINT32_MAX); /* relaxed: ours alone; see gri_inbox_append */
    } else {
        if (!self->handed) {
            if (gri_mailword_peek(&self->mailbox) || gri_task_park(&self->task, &self->mailbox, GRI_MAIL_WAIT_ANY) != 0)
                return receive_otherwise(self, ret_message);
        }
        m = self->handed;
        if (GRI_UNLIKELY(!m || m->node.link || !gri_message_is_usual(m) || gri_load_relaxed(&self->attention)))
            return receive_otherwise(self, ret_message);
        self->handed = NULL;
        self->received++;
    }
    gri_hold(self, m);
    *ret_message = m;
    return 0;
}

/* ---- selective receive ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash ^= value;
    hash *= UINT64_C(0x9fb21c651e98df25);
    return hash ^ (hash >> 32);
}

/* The same shapes in the same order with equal parameters have the same fingerprint. Parameters are hashed by their bytes:
 * equal bytes are equal values. Different ones may collide with chance 2^-64, and shapes by address only if one was freed
 * and another put in its place, so shapes carry a serial number. */
static uint64_t fingerprint(const gr_pattern *patterns, size_t count)
{
    uint64_t hash = count + 1;
    for (size_t i = 0; i < count; i++) {
        hash = mix(hash, gri_shape_serial(patterns[i].shape));
        hash = mix(hash, gri_value_hash(patterns[i].params));
    }
    return hash ? hash : 1;
}

static int match(const gr_pattern *patterns, size_t count, gr_value body)
{
    for (size_t i = 0; i < count; i++)
        if (gr_shape_match(patterns[i].shape, body, patterns[i].params)) return (int)i;
    return -1;
}

/* Where the last searches for the same ended, or, in place of the oldest but the one just used, a new one. */
static unsigned scan_of(gri_scans *scans, uint64_t wanted)
{
    for (unsigned i = 0; i < GRI_SCANS; i++)
        if (scans->at[i].wanted == wanted) return i;
    if (scans->next == scans->newest) scans->next = (scans->next + 1) % GRI_SCANS;
    unsigned oldest = scans->next;
    scans->next = (oldest + 1) % GRI_SCANS;
    scans->at[oldest].last = NULL;
    scans->at[oldest].wanted = wanted;
    return oldest;
}

static gri_scans *scans_of(gr_self *self)
{
    gri_more *more = gri_actor_more(self);
    if (!more || GRI_LIKELY(more->scans != NULL)) return more ? more->scans : NULL;
    more->scans = gri_block_alloc(sizeof *more->scans);
    if (more->scans) memset(more->scans, 0, sizeof *more->scans);
    return more->scans;
}

/* Looks from where the last vain look for the same ended. Returns the pattern or -1. */
static int scan(gr_self *self, const gr_pattern *patterns, size_t count, uint64_t wanted, gr_message **ret_message)
{
    gri_scans *scans = self->more->scans;
    unsigned mine = scans->newest = scan_of(scans, wanted);
    gr_message *before = scans->at[mine].last;
    gr_message *m = before ? (before->node.link ? gri_message_of_node(before->node.link) : NULL) : self->inbox;
    while (m) {
        int which = match(patterns, count, gr_body(m));
        if (which >= 0) {
            scans->at[mine].last = before; /* those stay looked at for these patterns */
            *ret_message = gri_inbox_take_out(self, before, m);
            return which;
        }
        before = m;
        m = m->node.link ? gri_message_of_node(m->node.link) : NULL;
    }
    scans->at[mine].last = before;
    return -1;
}

int gr_select(gr_self *self, const gr_pattern *patterns, size_t count, gr_message **ret_message, gr_deadline deadline)
{
    int code = gri_suspend_enter(self);
    if (code != 0) return code;
    if (count == 0 || count > INT32_MAX || !patterns)
        return gri_fail(self, GR_EINVAL, "gr_select needs at least one pattern");
    for (size_t i = 0; i < count; i++)
        if (!patterns[i].shape) return gri_fail(self, GR_EINVAL, "pattern %zu has no shape", i);
    if (!scans_of(self)) return gri_fail(self, GR_ENOMEM, "no memory to remember what was looked at");
    const gri_waiting waiting = {.kind = GRI_WAITING_SELECT, .number = (int32_t)count, .what = patterns};
    uint64_t wanted = fingerprint(patterns, count);
    for (;;) {
        gri_inbox_collect(self);
        code = gri_kill_check(self);
        if (code != 0) return code;
        gr_message *m;
        int which = scan(self, patterns, count, wanted, &m);
        if (which >= 0) {
            gri_hold(self, m);
            gri_give_way(self);
            *ret_message = m;
            return which;
        }
        if (deadline.ns == GRI_INSTANT_PAST) {
            gri_give_way(self);
            return GR_ETIMEOUT;
        }
        gri_waiting_set(self, &waiting);
        code = gri_suspend_here(self, GRI_MAIL_WAIT_ANY, deadline);
        gri_waiting_set(self, NULL);
        if (code == GR_ETIMEOUT && (self->handed || gri_mailword_peek(&self->mailbox))) {
            /* Looks at what came meanwhile once more, without waiting again. */
            deadline = GR_NOW;
            continue;
        }
        if (code != 0) return code;
    }
}
