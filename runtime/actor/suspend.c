/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Waiting: parking a green thread or blocking an attached one, deadlines, and what a kill does to it.
 *
 * An actor has one deadline at a time, since it waits for one thing at a time; its wheel entry stays in the wheel when the
 * wait ends early and is only moved when a later wait ends sooner than it would fire. A call with a timeout that is
 * answered thus costs a store, not two wheel operations. An entry that fires finds the deadline of the moment: none, and it
 * does nothing; any, and it wakes the actor, which looks at the clock and arms again if it was early. */
#include "actor/attach.h"
#include "actor/casualty.h"
#include "actor/deadline.h"
#include "actor/finish.h"
#include "actor/overflow.h"
#include "actor/registry.h"
#include "actor/runtime.h"
#include "actor/waiting.h"
#include "base/fault.h"
#include "os/clock.h"

#include <errno.h>

gr_deadline gr_after_us(int64_t us)
{
    return (gr_deadline){gri_instant_add(gri_clock_now(), gri_ns_from_us(us))};
}

gr_deadline gr_after_ms(int64_t ms)
{
    return (gr_deadline){gri_instant_add(gri_clock_now(), gri_ns_from_ms(ms))};
}

gr_deadline gr_after_s(double s)
{
    if (!(s > 0)) return (gr_deadline){gri_clock_now()};
    if (s >= 9e9) return GR_FOREVER;
    return (gr_deadline){gri_instant_add(gri_clock_now(), (int64_t)(s * 1e9))};
}

int64_t gr_now_ns(void)
{
    return gri_clock_now();
}

int gr_errno(void)
{
    __asm__ volatile("" ::: "memory"); /* out of line, and not to be merged with an earlier call on another thread */
    return errno;
}

/* ---- deadlines ---- */

static void deadline_fire(gri_wheel_entry *entry, gri_instant now)
{
    (void)now;
    gri_deadline *deadline = GRI_CONTAINER_OF(entry, gri_deadline, entry);
    /* mo:deadline.fire seq_cst <-> actor.arm seq_cst: the entry left the wheel before this load; an owner that saw it in the
     * wheel stored its deadline before that */
    if (gri_load_seq_cst(&deadline->at) == GRI_INSTANT_NEVER) return;
    gri_actor_notify(deadline->actor);
}

static void deadline_soon(const gri_wheel_entry *entry)
{
    gri_actor_prefetch(GRI_CONTAINER_OF(entry, const gri_deadline, entry)->actor);
}

static const gri_wheel_kind deadline_kind = {.fire = deadline_fire, .soon = deadline_soon};

static int deadline_arm(gr_self *self, gri_instant at)
{
    gri_more *more = gri_actor_more(self);
    if (!more) return GR_ENOMEM;
    gri_deadline *deadline = more->deadline;
    if (GRI_UNLIKELY(!deadline)) {
        deadline = gri_block_alloc(sizeof *deadline);
        if (!deadline) return GR_ENOMEM;
        gri_wheel_entry_init(&deadline->entry, &deadline_kind);
        gri_atomic_init(&deadline->at, GRI_INSTANT_NEVER);
        deadline->actor = gri_actor_address(self);
        more->deadline = deadline;
    }
    /* mo:actor.arm seq_cst <-> wheel.unlink seq_cst: store the deadline, then look whether the entry is in a wheel; firing
     * takes the entry out, then looks at the deadline: one sees the other
     * mo:actor.arm seq_cst <-> deadline.fire seq_cst: see above */
    gri_store_seq_cst(&deadline->at, at);
    /* mo:actor.arm seq_cst <-> wheel.unlink seq_cst: see above */
    bool linked = gri_load_seq_cst(&deadline->entry.wheel) != NULL;
    /* relaxed: when was written by this owner's insertion */
    if (!linked || gri_load_relaxed(&deadline->entry.when) > at) gri_scheduler_arm(&deadline->entry, at);
    return 0;
}

static void deadline_disarm(gr_self *self)
{
    gri_deadline *deadline = self->more ? self->more->deadline : NULL;
    /* relaxed: a fire that still sees the old one wakes for nothing, which every wait allows */
    if (deadline) gri_store_relaxed(&deadline->at, GRI_INSTANT_NEVER);
}

void gri_deadline_release(gr_self *self)
{
    gri_deadline *deadline = self->more ? self->more->deadline : NULL;
    if (!deadline) return;
    self->more->deadline = NULL;
    gri_wheel_quiesce(&deadline->entry);
    gri_block_free(deadline);
}

/* ---- waking ---- */

void gri_actor_woken(gr_self *self, gri_mailnode *chain)
{
    gri_actor_take_chain(self, chain);
    if (GRI_UNLIKELY(self->task.foreign) && !gri_scheduler_now->simulation)
        gri_attached_wake(self);
    else
        gri_task_ready(&self->task);
}

bool gri_actor_notify(gr_address address)
{
    gr_self *self = gri_actor_find(address);
    if (!self) return false;
    gri_mailnode *chain = NULL;
    gri_mail mail = gri_mailword_notify(&self->mailbox, (uint32_t)(address.id >> 32), &chain);
    if (mail == GRI_MAIL_WOKE) gri_actor_woken(self, chain);
    return mail != GRI_MAIL_DEAD;
}

/* ---- parking ---- */

bool gri_self_is_attached_here(const gr_self *self)
{
    return self && gri_attached_here() == self && !gri_runtime_forked();
}

GRI_COLD static int refuse(gr_self *self)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    return gri_fail(self, GR_ESUSPEND, "a call that suspends, between gr_no_suspend_begin and gr_no_suspend_end");
}

/* Is there a kill, or an overflow, that a suspending call has to act on? */
static bool is_due(const gr_self *self)
{
    if (GRI_LIKELY(!(self->flags & (GRI_KILLED | GRI_KILLED_NOW | GRI_OVERFLOWED)))) return false;
    if (self->flags & GRI_KILL_HELD) return false;
    return (self->flags & (GRI_KILLED_NOW | GRI_OVERFLOWED)) || !(self->flags & GRI_KILL_WAITS);
}

int gri_kill_check_keeping(const gr_self *self)
{
    return is_due(self) ? GR_EKILLED : 0;
}

int gri_kill_act(gr_self *self)
{
    if (GRI_LIKELY(!is_due(self))) return 0;
    if (self->flags & GRI_ATTACHED) return GR_EKILLED;
    if (self->flags & GRI_OVERFLOWED) {
        gri_overflow_step_end();
        gri_unwind_all(self, GRI_STACK_OVERFLOW);
    }
    if (self->flags & GRI_KILLED_NOW) gri_unwind_all(self, GRI_WAS_KILLED);
    if (self->flags & GRI_KILL_RAISING) gri_unwind(self, GRI_WAS_KILLED);
    if (++self->kill_returns > GR_KILL_PATIENCE) gri_unwind_all(self, GRI_WAS_KILLED);
    return GR_EKILLED;
}

void gri_attention_take(gr_self *self)
{
    /* An exchange, so that the word is not looked at before the flag is down: it was set after the word.
     * mo:attention.take acquire <- attention.set release */
    (void)gri_exchange_acquire(&self->attention, 0u);
    if (GRI_UNLIKELY(gri_faults_on)) gri_casualty_in_call(self);
    gri_inbox_collect(self);
}

int gri_suspend_enter_slow(gr_self *self)
{
    if (GRI_UNLIKELY(!gri_self_is_here(self) || (self->flags & GRI_NO_SUSPEND))) return refuse(self);
    gri_attention(self);
    return gri_kill_check(self);
}

int gri_suspend(gr_self *self, uint64_t wait, gr_deadline deadline)
{
    GRI_DEBUG_ASSERT(!gri_registry_is_reading());
    if (GRI_LIKELY(deadline.ns == GRI_INSTANT_NEVER && !(self->flags & (GRI_ABORTED | GRI_ATTACHED)))) {
        int code = gri_task_park(&self->task, &self->mailbox, wait);
        return GRI_LIKELY(code == 0) ? 0 : gri_fail(self, code, "no memory for another stack");
    }
    if (deadline.ns != GRI_INSTANT_NEVER && gri_clock_now() >= deadline.ns) return GR_ETIMEOUT;
    if (GRI_UNLIKELY(self->flags & GRI_ABORTED)) {
        self->flags &= (uint16_t)~GRI_ABORTED;
        return gri_fail(self, GR_EDEADLK, "simulation: every actor waits for ever");
    }
    if (GRI_UNLIKELY(self->task.foreign) && !gri_scheduler_now->simulation) {
        gri_attached_wait(self, wait, deadline.ns);
    } else {
        if (deadline.ns != GRI_INSTANT_NEVER) {
            int code = deadline_arm(self, deadline.ns);
            if (code != 0) return gri_fail(self, code, "no memory for a deadline");
        }
        int code = gri_task_park(&self->task, &self->mailbox, wait);
        if (deadline.ns != GRI_INSTANT_NEVER) deadline_disarm(self);
        if (code != 0) return gri_fail(self, code, "no memory for another stack");
    }
    return 0;
}

int gr_cooperate(gr_self *self)
{
    int code = gri_suspend_enter(self);
    if (code != 0) return code;
    if (self->flags & GRI_ATTACHED) {
        if (gri_scheduler_now->simulation)
            gri_task_yield(&self->task);
        else
            gri_thread_yield();
    } else {
        gri_task_yield(&self->task);
    }
    gri_inbox_collect(self);
    return gri_kill_check(self);
}

int gr_sleep(gr_self *self, gr_deadline deadline)
{
    int code = gri_suspend_enter(self);
    const gri_waiting waiting = {.kind = GRI_WAITING_SLEEP};
    if (code == 0) gri_give_way(self);
    while (code == 0) {
        gri_waiting_set(self, &waiting);
        code = gri_suspend(self, GRI_MAIL_WAIT_URGENT, deadline);
        gri_waiting_set(self, NULL);
        gri_inbox_collect(self);
        int killed = gri_kill_check(self);
        if (killed != 0) return killed;
    }
    return code == GR_ETIMEOUT ? 0 : code;
}

/* A section is begun or ended: remembers what a raise out of this message goes back to. */
static void note_sections(gr_self *self, gri_more *more)
{
    if (more->sections_message == self->received + 1) return;
    more->sections_message = self->received + 1;
    more->no_suspend_before = more->no_suspend;
    more->kill_holds_before = more->kill_holds;
}

void gr_kill_hold(gr_self *self)
{
    gri_more *more = gri_actor_more(self);
    if (!more) return; /* no memory: kills are not held, which every caller has to expect of gr_kill_now, too */
    note_sections(self, more);
    more->kill_holds++;
    self->flags |= GRI_KILL_WAITS;
}

void gr_kill_release(gr_self *self)
{
    gri_more *more = self->more;
    if (!more || more->kill_holds == 0) gri_panic("gr_kill_release without gr_kill_hold");
    note_sections(self, more);
    if (--more->kill_holds == 0) self->flags &= (uint16_t)~GRI_KILL_WAITS;
}

void gr_no_suspend_begin(gr_self *self)
{
    gri_more *more = gri_actor_more(self);
    if (!more) return;
    note_sections(self, more);
    more->no_suspend++;
    self->flags |= GRI_NO_SUSPEND;
}

void gr_no_suspend_end(gr_self *self)
{
    gri_more *more = self->more;
    if (!more || more->no_suspend == 0) gri_panic("gr_no_suspend_end without gr_no_suspend_begin");
    note_sections(self, more);
    if (--more->no_suspend == 0) self->flags &= (uint16_t)~GRI_NO_SUSPEND;
}
