/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Sending. The path of a cast between two actors of one worker: build the message, find the block (no lock), one
 * compare-and-swap on its word, and if that woke it, one store into the worker's slot. */
#include "actor/actor.h"
#include "actor/bound.h"
#include "actor/call.h"
#include "actor/deadlock.h"
#include "actor/letters.h"
#include "actor/remote.h"
#include "actor/runtime.h"
#include "actor/serve.h"
#include "actor/trace.h"
#include "message/copy.h"
#include "message/plan_line.h"

#include <stdarg.h>

/* gri_mailword_push, to an actor whose park may not be published yet. */
GRI_INLINE gri_mail push(gri_worker *worker, gr_self *target, gr_message *m, bool urgent, gri_mailnode **ret_chain)
{
    if (worker && gri_worker_take_unpublished(worker, &target->mailbox, m->generation)) {
        gri_plain_write(&m->node.link, NULL);
        *ret_chain = &m->node;
        return GRI_MAIL_WOKE;
    }
    return gri_mailword_push(&target->mailbox, m->generation, &m->node, urgent, ret_chain);
}

int gri_push(gr_address to, gr_message *m, bool urgent)
{
    gr_self *target = gri_actor_find(to);
    if (GRI_UNLIKELY(!target)) return GR_EDEAD;
    m->generation = (uint32_t)(to.id >> 32);
    gri_mailnode *chain = NULL;
    switch (push(gri_worker_here(), target, m, urgent, &chain)) {
    case GRI_MAIL_QUEUED:
    case GRI_MAIL_WAITS: return 0;
    case GRI_MAIL_WOKE: gri_actor_woken(target, chain); return 0;
    default: return GR_EDEAD;
    }
}

/* Counts the message against the receiver's bound: 1 counted, 0 it has none, GR_EFULL no room. The block may change hands
 * meanwhile, so that a place is taken in one life's count and given back in the next one's, which then stands one below what
 * is there: below zero is room. Rare enough for a bound that is off by one. */
static int reserve(gr_self *target)
{
    uint32_t max = gri_load_relaxed(&target->mailbox_max); /* relaxed: constant while alive */
    if (GRI_LIKELY(max == 0)) return 0;
    /* relaxed: counts, publishes nothing. Two senders that both find the last place free both take it back or one stays. */
    uint32_t queued = gri_add_relaxed(&target->queued, 1u);
    if ((int32_t)queued < 0 || queued < max) return 1;
    gri_sub_relaxed(&target->queued, 1u); /* relaxed: as above */
    return GR_EFULL;
}

/* gri_actor_woken, the short way if there is one. */
GRI_INLINE void woken_by(gri_worker *worker, gr_self *target, gri_mailnode *chain)
{
    if (GRI_UNLIKELY(!worker || target->task.home || target->task.foreign)) {
        gri_actor_woken(target, chain);
        return;
    }
    gri_actor_take_chain(target, chain);
    gri_worker_ready(worker, &target->task);
}

int gri_message_prepare(gr_self *from, gr_message **message)
{
    gr_message *m = *message;
    if (GRI_UNLIKELY(m->flags & GRI_MESSAGE_HELD)) {
        if (!from || !gri_self_is_here(from)) return GR_ECONTEXT;
        gri_call_abandon(from, m);
    }
    gri_copy_mode mode = gri_runtime_copy_mode();
    if (GRI_LIKELY(mode == GRI_COPY_PACKED)) return 0;
    int code = gri_copy_through(mode, message);
    return code == 0 ? 0 : gri_fail(from, code, "copying the message through JSON failed: %s", gr_error_text(code));
}

GRI_COLD static int dead_letter(gr_self *from, gr_address to, const gr_message *m)
{
    gri_runtime_count_dead_letter();
    gri_letter(GR_LETTER_DEAD, to, m);
    return gri_fail(from, GR_EDEAD, "the receiver is dead");
}

/* To a receiver with a bound: 0, GR_EDEAD, GR_EFULL, GRI_MUST_WAIT. */
static GRI_NOINLINE int post_bounded(gri_worker *worker, gr_self *target, gr_address to, gr_message *m)
{
    /* relaxed: constant while alive */
    if (gri_load_relaxed(&target->mailbox_max) & GRI_BOUND_RECORD) return gri_bound_post(target, to, &m);
    int counted = reserve(target);
    if (GRI_UNLIKELY(counted < 0)) return GR_EFULL;
    gri_mailnode *chain = NULL;
    gri_mail mail = gri_mailword_push(&target->mailbox, m->generation, &m->node, false, &chain);
    if (GRI_LIKELY(mail != GRI_MAIL_DEAD)) {
        if (mail == GRI_MAIL_WOKE) woken_by(worker, target, chain);
        return 0;
    }
    if (counted) gri_sub_relaxed(&target->queued, 1u); /* relaxed: see reserve */
    return GR_EDEAD;
}

/* Into the mailbox, and counts: 0, GR_EDEAD, GR_EFULL; GRI_MAY_DEADLOCK; GRI_MUST_WAIT. */
GRI_INLINE int post(gr_self *from, gri_worker *worker, gr_address to, gr_message *m)
{
    int queued = 0;
    gr_self *target = gri_actor_find(to);
    if (GRI_UNLIKELY(!target)) return GR_EDEAD;
    m->generation = (uint32_t)(to.id >> 32);
    if (GRI_UNLIKELY(gri_load_relaxed(&target->mailbox_max) != 0)) { /* relaxed: constant while alive */
        int code = post_bounded(worker, target, to, m);
        if (code != 0) return code;
        if (from && from->awaited != 0) queued = gri_deadlock_may_be(target);
    } else {
        gri_mailnode *chain = NULL;
        gri_mail mail = push(worker, target, m, false, &chain);
        if (mail == GRI_MAIL_WOKE)
            woken_by(worker, target, chain);
        else if (GRI_UNLIKELY(mail == GRI_MAIL_DEAD))
            return GR_EDEAD;
        else if (mail == GRI_MAIL_WAITS && from && GRI_UNLIKELY(from->awaited != 0))
            queued = GRI_MAY_DEADLOCK;
    }
    gri_runtime_count_message(worker);
    return queued;
}

/* How long the sender is ready to wait: as it has said (gr_send_wait), else as the mailbox says. */
static gr_deadline wait_until(gr_self *from, gr_address to)
{
    gri_more *more = from ? from->more : NULL;
    gr_deadline until = more && more->send_until.ns ? more->send_until : gri_bound_deadline(to);
    if (more) more->send_until.ns = 0;
    return until;
}

GRI_COLD static int not_posted(gr_self *from, gr_address to, gr_message **message, int code)
{
    if (code == GRI_MAY_DEADLOCK) {
        *message = NULL;
        return code;
    }
    if (gri_address_is_remote(to)) {
        code = gri_remote_deliver(from, to, message);
        if (code != GR_EDEAD) return code;
    }
    if (code == GRI_MUST_WAIT) {
        if ((*message)->kind == GRI_MESSAGE_CALL) return code; /* who asks knows until when */
        code = gri_bound_wait(from, to, message, wait_until(from, to));
        if (code == 0) gri_runtime_count_message(gri_worker_of_sender(from));
    }
    if (code == GR_EDEAD) return dead_letter(from, to, *message);
    if (code != GR_EFULL) return code;
    gri_runtime_count_rejected();
    return gri_fail(from, GR_EFULL, "the receiver's mailbox bound is reached");
}

/* What comes from no worker, was received, goes through JSON, belongs to a trace, or is one of the sample. */
static GRI_NOINLINE int deliver_specially(gri_worker *worker, gr_self *from, gr_address to, gr_message **message)
{
    int code = gri_message_prepare(from, message);
    if (code != 0) return code;
    const bool sampled = gri_sample_is_due(worker);
    if (from && (from->flags & GRI_TRACED))
        gri_trace_attach(from, message);
    else if (sampled && gri_trace_samples)
        gri_trace_begin(message);
    gr_message *m = *message;
    m->sender = from ? gri_actor_address(from) : GR_NO_ADDRESS;
    m->tick = gri_runtime_tick();
    if (sampled) gri_sample_time(m);
    code = post(from, worker, to, m);
    if (code != 0) {
        if (code != GRI_MAY_DEADLOCK) m->flags &= (uint8_t)~GRI_MESSAGE_TIMED; /* else it is not ours any more */
        return not_posted(from, to, message, code);
    }
    *message = NULL;
    return 0;
}

int gri_deliver(gr_self *from, gr_address to, gr_message **message)
{
    gri_worker *worker = gri_worker_of_sender(from);
    gr_message *m = *message;
    /* relaxed: this worker's own, or a request */
    if (GRI_UNLIKELY(!worker) || GRI_UNLIKELY(gri_load_relaxed(&worker->send_specially)) ||
        GRI_UNLIKELY(m->flags & GRI_MESSAGE_HELD) || GRI_UNLIKELY(from->flags & GRI_TRACED))
        return deliver_specially(worker, from, to, message);
    m->sender = gri_actor_address(from);
    m->tick = gri_load_relaxed(&worker->tick_ms); /* relaxed: coarse time */
    int code = post(from, worker, to, m);
    if (GRI_UNLIKELY(code != 0)) return not_posted(from, to, message, code);
    *message = NULL;
    return 0;
}

/* A message that was received as something else (a call, an exit) travels on as what its body says. */
static int as_cast(gr_self *self, gr_message **message)
{
    gr_message *m = *message;
    if (GRI_LIKELY(m->kind == GRI_MESSAGE_CAST)) return 0;
    gr_message *copy = NULL;
    int code = gr_message_copy(gr_body(m), &copy);
    if (code != 0) return gri_fail(self, code, "no memory to forward the message");
    gr_message_free(message);
    *message = copy;
    return 0;
}

gri_custody gri_custody_of(gr_self *self, const gr_message *m)
{
    const bool held = m->flags & GRI_MESSAGE_HELD;
    return (gri_custody){held, held && gri_serve_is_serving(self, m)};
}

void gri_custody_return(gr_self *self, gri_custody custody, gr_message *m)
{
    if (!custody.held || (m->flags & GRI_MESSAGE_HELD)) return;
    gri_hold(self, m);
    if (custody.served) gri_serve_again(self, m);
}

int gri_deliver_report(gr_address to, gr_message **message)
{
    gr_self *target = gri_actor_find(to);
    if (!target) return GR_EDEAD;
    gr_message *m = *message;
    m->generation = (uint32_t)(to.id >> 32);
    m->tick = gri_runtime_tick();
    /* relaxed: constant while alive */
    if (gri_load_relaxed(&target->mailbox_max) & GRI_BOUND_RECORD) return gri_bound_post(target, to, message);
    int counted = reserve(target);
    if (counted < 0) return counted;
    int code = gri_push(to, m, false);
    if (code == 0)
        *message = NULL;
    else if (counted)
        gri_sub_relaxed(&target->queued, 1u); /* relaxed: see reserve */
    return code;
}

static GRI_NOINLINE int send_any(gr_self *self, gr_address to, gr_message **message)
{
    int code = gri_acting(self);
    if (GRI_UNLIKELY(code != 0)) return code;
    if (GRI_UNLIKELY(!message || !*message)) return gri_fail(self, GR_EINVAL, "gr_send needs a message");
    const gri_custody custody = gri_custody_of(self, *message);
    if (GRI_LIKELY(custody.held && (*message)->kind == GRI_MESSAGE_CAST)) { /* passed on as it came: the short way */
        gri_unhold(self, *message);
        if (custody.served) gri_serve_gone(self, *message);
    } else {
        code = as_cast(self, message);
    }
    if (code == 0) code = gri_deliver(self, to, message);
    if (GRI_UNLIKELY(code != 0)) {
        gri_custody_return(self, custody, *message);
        code = gri_await_end_with(self, code, *message);
    }
    return code;
}

/* gri_suspend_enter, which may unwind, with a message of the caller's in hand. */
static int enter_with(gr_self *self, gr_message *m)
{
    if (!m || (m->flags & GRI_MESSAGE_HELD) || !gri_self_is_here(self)) return gri_suspend_enter(self);
    gri_hold(self, m);
    int code = gri_suspend_enter(self);
    gri_unhold(self, m);
    return code;
}

int gr_send_wait(gr_self *self, gr_address to, gr_message **message, gr_deadline deadline)
{
    int code = enter_with(self, message ? *message : NULL);
    if (code != 0) return code;
    gri_more *more = gri_actor_more(self);
    if (!more) return gri_fail(self, GR_ENOMEM, "no memory to wait");
    more->send_until.ns = deadline.ns ? deadline.ns : -1; /* 0: none was given */
    code = gr_send(self, to, message);
    more->send_until.ns = 0;
    return code;
}

/* What a received cast passed on does most: the receiver has no bound, and the message is the one that was received last. */
int gr_send(gr_self *self, gr_address to, gr_message **message)
{
    gri_worker *worker = gri_worker_running(self);
    gr_message *m;
    if (GRI_UNLIKELY(!worker || !message || (m = *message) == NULL) || m->kind != GRI_MESSAGE_CAST ||
        (m->flags & ~GRI_MESSAGE_OUTSIDE) != GRI_MESSAGE_HELD || m != self->held)
        return send_any(self, to, message);
    /* relaxed: a request */
    if (GRI_UNLIKELY(gri_load_relaxed(&worker->send_specially)) || GRI_UNLIKELY(self->flags & GRI_TRACED))
        return send_any(self, to, message);
    gr_self *target = gri_actor_find_unbounded(to);
    if (GRI_UNLIKELY(!target)) return send_any(self, to, message);
    const bool served = self->serving && self->serving->call == m;
    gri_unhold(self, m);
    if (served) self->serving->call = NULL;
    m->sender = gri_actor_address(self);
    m->tick = gri_load_relaxed(&worker->tick_ms); /* relaxed: coarse time */
    m->generation = (uint32_t)(to.id >> 32);
    gri_mailnode *chain = &m->node;
    if (gri_worker_take_unpublished(worker, &target->mailbox, m->generation)) {
        gri_plain_write(&m->node.link, NULL);
    } else if (!gri_mailword_wake(&target->mailbox, m->generation, &m->node)) {
        gri_mail mail = gri_mailword_push(&target->mailbox, m->generation, &m->node, false, &chain);
        if (GRI_UNLIKELY(mail == GRI_MAIL_DEAD)) {
            gri_custody_return(self, (gri_custody){true, served}, m);
            return send_any(self, to, message);
        }
        if (mail != GRI_MAIL_WOKE) chain = NULL;
    }
    *message = NULL;
    gri_runtime_count_message(worker);
    if (chain) woken_by(worker, target, chain);
    return 0;
}

static GRI_NOINLINE int cast_any(gr_self *self, gr_address to, gr_site *site, const char *format, va_list args)
{
    int code = gri_acting(self);
    if (GRI_UNLIKELY(code != 0)) return code;
    gr_message *m = NULL;
    code = gri_pack_for(self, &m, site, format, args);
    if (GRI_UNLIKELY(code != 0)) return code;
    code = gri_deliver(self, to, &m);
    if (GRI_UNLIKELY(code != 0)) {
        gr_message_free(&m);
        code = gri_await_end(self, code);
    }
    return code;
}

/* A message that did not get there. */
GRI_COLD static int cast_failed(gr_self *self, gr_self *target, gr_message *m)
{
    const uint32_t index = gri_load_relaxed(&target->task.id); /* relaxed: constant */
    const int code = dead_letter(self, (gr_address){(uint64_t)m->generation << 32 | index}, m);
    gr_message_free(&m);
    return code;
}

/* What woken_by does where the short way is not for that actor. */
static GRI_NOINLINE int ready_specially(gr_self *target, gr_message *m)
{
    gri_actor_woken(target, &m->node);
    return 0;
}

/* The receiver does not wait, or not for anything. */
static GRI_NOINLINE int post_busy(gri_worker *worker, gr_self *target, gr_message *m)
{
    gri_mailnode *chain = NULL;
    gri_mail mail = gri_mailword_push(&target->mailbox, m->generation, &m->node, false, &chain);
    if (mail == GRI_MAIL_DEAD)
        return cast_failed(gri_actor_of_task(gri_load_relaxed(&worker->current)), target, m); /* relaxed: own write */
    if (mail == GRI_MAIL_WOKE) woken_by(worker, target, chain);
    gri_runtime_count_message(worker);
    return 0;
}

static GRI_NOINLINE int push_displaced(gri_worker *worker, gri_task *task)
{
    gri_worker_push(worker, task);
    return 0;
}

/* Written so that the usual way has no call before its last instruction, and so nothing to save: what calls is elsewhere. */
int gr_cast_site(gr_self *self, gr_address to, gr_site *site, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    gri_worker *worker = gri_worker_here();
    /* relaxed: this thread's own write */
    if (GRI_UNLIKELY(!worker) || GRI_UNLIKELY(gri_load_relaxed(&worker->current) != gri_task_of(self))) goto any;
    const gri_plan *plan = gri_line_plan(site);
    /* relaxed: a request */
    if (GRI_UNLIKELY(!plan) || GRI_UNLIKELY(gri_load_relaxed(&worker->send_specially)) ||
        GRI_UNLIKELY(self->flags & GRI_TRACED))
        goto any;
    gr_self *target = gri_actor_find_unbounded(to);
    if (GRI_UNLIKELY(!target)) goto any;
    gr_message *m = gri_block_line_at_hand();
    if (GRI_UNLIKELY(!m)) goto any;
    gri_line_write(m, plan, GRI_ARGUMENTS_AT(args), 4, gri_actor_address(self),
                   gri_load_relaxed(&worker->tick_ms)); /* relaxed: coarse time */
    va_end(args);
    m->generation = (uint32_t)(to.id >> 32);
    if (gri_worker_take_unpublished(worker, &target->mailbox, m->generation))
        gri_plain_write(&m->node.link, NULL);
    else if (!gri_mailword_wake(&target->mailbox, m->generation, &m->node))
        return post_busy(worker, target, m);
    gri_runtime_count_message(worker);
    if (GRI_UNLIKELY(target->task.home || target->task.foreign)) return ready_specially(target, m);
    gri_actor_take_chain(target, &m->node);
    gri_task *displaced = gri_worker_ready_first(worker, &target->task);
    return GRI_LIKELY(!displaced) ? 0 : push_displaced(worker, displaced);
any:;
    int code = cast_any(self, to, site, format, args);
    va_end(args);
    return code;
}

int gr_cast_value(gr_self *self, gr_address to, gr_value value)
{
    int code = gri_acting(self);
    if (GRI_UNLIKELY(code != 0)) return code;
    gr_message *m = NULL;
    code = gr_message_copy(value, &m);
    if (code != 0)
        return gri_fail(self, code, code == GR_EINVAL ? "there is no value to send" : "no memory for the message");
    code = gri_deliver(self, to, &m);
    gr_message_free(&m);
    return gri_await_end(self, code);
}

int gr_multicast(gr_self *self, const gr_address *to, size_t count, gr_message **message)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    if (!message || !*message || (count > 0 && !to))
        return gri_fail(self, GR_EINVAL, "gr_multicast needs a message and addresses");
    gr_message *original = *message;
    const gri_custody custody = gri_custody_of(self, original);
    if (custody.held) gri_call_abandon(self, original);
    code = gri_message_share(message);
    if (code != 0) {
        gri_custody_return(self, custody, *message);
        return gri_fail(self, code, "no memory to share the message");
    }
    int sent = 0;
    for (size_t i = 0; i < count; i++) {
        gr_message *clone = NULL;
        code = gri_message_clone_envelope(*message, &clone);
        if (code == 0) code = gri_deliver(self, to[i], &clone);
        gr_message_free(&clone);
        if (code == 0) sent++;
    }
    if (sent == 0 && count > 0 && code != GR_EDEAD) {
        gri_custody_return(self, custody, *message);
        return gri_await_end_with(self, code, *message);
    }
    gr_message_free(message);
    return sent;
}

/* ---- kills ---- */

static int kill_with(gr_address address, uint64_t flags)
{
    if (gri_runtime_forked()) return GR_EFORKED;
    gr_self *target = gri_actor_find(address);
    if (!target) return gri_address_is_remote(address) ? gri_remote_kill(address) : GR_EDEAD;
    gri_mailnode *chain = NULL;
    gri_mail mail = gri_mailword_signal(&target->mailbox, (uint32_t)(address.id >> 32), flags, &chain);
    if (mail == GRI_MAIL_DEAD) return GR_EDEAD;
    /* mo:attention.set release -> attention.take acquire: the word above. If the slot has changed hands meanwhile, the
     * newcomer looks for nothing */
    gri_store_release(&target->attention, 1u);
    if (mail == GRI_MAIL_WOKE) gri_actor_woken(target, chain);
    return 0;
}

int gr_kill(gr_address address)
{
    return kill_with(address, GRI_MAIL_KILL);
}

int gr_kill_now(gr_address address)
{
    return kill_with(address, GRI_MAIL_KILL | GRI_MAIL_KILL_NOW);
}

bool gr_killed(gr_self *self)
{
    return (self->flags & GRI_KILLED) || (gri_mailword_flags(&self->mailbox) & GRI_MAIL_KILL);
}

void gr_kill_clear(gr_self *self)
{
    gri_inbox_collect(self);
    if (self->flags & GRI_KILLED_NOW) return; /* that one is not to be caught */
    self->flags &= (uint16_t)~GRI_KILLED;
    self->kill_returns = 0;
}
