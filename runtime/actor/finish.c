/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Raising and protecting, and the end of an actor.
 *
 * The end, in this order: kills are held; cleanups, newest first; a server's stop; sockets; names; its own watches (nobody will tell
 * it anything); the mailbox is closed (senders get GR_EDEAD from here on) and every call in it answered GR_EDEAD; its
 * watchers are told; memory; the slot, unless it is retained.
 *
 * If a cleanup overflows the stack, gri_actor_finish begins again at the top of it, with what is left to clean up: until the last
 * cleanup has returned, what the end owns hangs on the actor, not on its frame. */
#include "actor/finish.h"

#include "actor/bound.h"
#include "actor/call.h"
#include "actor/deadline.h"
#include "actor/exits.h"
#include "actor/letters.h"
#include "actor/log.h"
#include "actor/registry.h"
#include "actor/runtime.h"
#include "actor/serve.h"
#include "actor/state.h"
#include "actor/trace.h"
#include "actor/waiting.h"
#include "actor/watch.h"

#include <stdio.h>

/* ---- unwinding ---- */

/* Ends the sections of gr_no_suspend_begin and gr_kill_hold that are jumped out of, and goes on with those that were ended
 * in there. */
static void leave_sections(gr_self *self, uint16_t no_suspend, uint16_t kill_holds)
{
    gri_more *more = self->more;
    if (!more) return;
    more->no_suspend = no_suspend;
    more->kill_holds = kill_holds;
    self->flags &= (uint16_t) ~(GRI_NO_SUSPEND | GRI_KILL_WAITS);
    self->flags |= (uint16_t)((no_suspend ? GRI_NO_SUSPEND : 0) | (kill_holds ? GRI_KILL_WAITS : 0));
}

void gri_unwind(gr_self *self, enum gri_outcome outcome)
{
    gri_frame *frame = self->frame;
    if (!frame)
        gri_panic("%s on an attached thread outside gr_protect",
                  outcome == GRI_RAISED ? "gr_raise" : "an unwinding kill");
    frame->outcome = outcome;
    gri_waiting_set(self, NULL); /* of what is jumped over */
    if (frame->outer || !(self->flags & GRI_SERVER))
        leave_sections(self, frame->no_suspend, frame->kill_holds);
    else if (self->more && self->more->sections_message == self->received + 1) /* else an earlier message's stay */
        leave_sections(self, self->more->no_suspend_before, self->more->kill_holds_before);
    if (!frame->outer) gri_serve_unwound(self);
    gri_jump_to(&frame->jump, 1);
}

void gri_unwind_all(gr_self *self, enum gri_outcome outcome)
{
    while (self->frame && self->frame->outer) self->frame = self->frame->outer;
    gri_unwind(self, outcome);
}

GRI_NOINLINE enum gri_outcome gri_protected(gr_self *self, void (*fn)(gr_self *self, void *arg), void *arg)
{
    gri_frame frame;
    gri_frame_enter(self, &frame);
    if (gri_jump_mark(&frame.jump) == 0) fn(self, arg);
    self->frame = frame.outer;
    return frame.outcome;
}

static void keep_report(gr_self *self, gr_message *report)
{
    gri_more *more = gri_actor_more(self);
    if (!more) {
        gr_message_free(&report);
        return;
    }
    gr_message_free(&more->report);
    more->report = report;
}

gr_message *gri_report_take(gr_self *self, enum gri_outcome outcome)
{
    gr_message *report = self->more ? self->more->report : NULL;
    if (self->more) self->more->report = NULL;
    if (outcome == GRI_RAISED && report) return report;
    gr_message_free(&report);
    switch (outcome) {
    case GRI_WAS_KILLED: return gri_report_new(NULL, "killed", (gr_value){NULL}, "the actor was killed", false);
    case GRI_STACK_OVERFLOW:
        return gri_report_new(NULL, "stack_overflow", (gr_value){NULL}, "the actor's stack was too small", false);
    default:
        return gri_report_new(NULL, "no_memory", (gr_value){NULL}, "it raised, but there was no memory for the report",
                              false);
    }
}

void gr_raise_value(gr_self *self, const char *error, gr_value description)
{
    if (!gri_self_is_here(self)) gri_panic("gr_raise for an actor that does not run here");
    char text[256];
    snprintf(text, sizeof text, "%s", gr_string(description, "raised with a value"));
    keep_report(self, gri_report_new(self, error ? error : "error", description, text, true));
    gri_unwind(self, GRI_RAISED);
}

void gr_raise(gr_self *self, const char *error, const char *format, ...)
{
    if (!gri_self_is_here(self)) gri_panic("gr_raise for an actor that does not run here");
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    keep_report(self, gri_report_new(self, error ? error : "error", (gr_value){NULL}, text, true));
    gri_unwind(self, GRI_RAISED);
}

int gr_protect(gr_self *self, void (*fn)(gr_self *self, void *arg), void *arg, gr_message **ret_report)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    enum gri_outcome outcome = gri_protected(self, fn, arg);
    if (outcome == GRI_RETURNED) return 0;
    if (outcome == GRI_WAS_KILLED) return GR_EKILLED;
    gr_message *report = gri_report_take(self, outcome);
    if (ret_report && report) {
        gri_hold(self, report);
        *ret_report = report;
    } else {
        if (ret_report) *ret_report = NULL;
        gr_message_free(&report);
    }
    return GR_EEXCEPTION;
}

/* ---- cleanups ---- */

int gr_defer(gr_self *self, void (*fn)(gr_self *self, void *arg), void *arg)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    if (!fn) return gri_fail(self, GR_EINVAL, "gr_defer needs a function");
    gri_more *more = gri_actor_more(self);
    gri_defer *defer = more ? gri_block_alloc(sizeof *defer) : NULL;
    if (!defer) return gri_fail(self, GR_ENOMEM, "no memory for a cleanup");
    *defer = (gri_defer){.older = more->defers, .fn = fn, .arg = arg};
    more->defers = defer;
    return 0;
}

int gr_defer_cancel(gr_self *self, void (*fn)(gr_self *self, void *arg), void *arg)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    for (gri_defer **at = self->more ? &self->more->defers : NULL; at && *at; at = &(*at)->older) {
        gri_defer *defer = *at;
        if (defer->fn != fn || defer->arg != arg) continue;
        *at = defer->older;
        gri_block_free(defer);
        return 0;
    }
    return gri_fail(self, GR_ENOTFOUND, "there is no such cleanup");
}

static void run_defers(gr_self *self)
{
    while (self->more && self->more->defers) {
        gri_defer *defer = self->more->defers;
        void (*fn)(gr_self *, void *) = defer->fn;
        void *arg = defer->arg;
        self->more->defers = defer->older;
        gri_block_free(defer);
        if (gri_protected(self, fn, arg) == GRI_RAISED) {
            gr_message *report = gri_report_take(self, GRI_RAISED);
            gr_message_free(&report); /* logged when it was made; a cleanup's exception changes nothing */
        }
    }
}

/* ---- the end ---- */

/* Returns how many of them were messages that nobody will answer for. */
static uint64_t bury_chain(gr_address self, gri_mailnode *chain)
{
    uint64_t messages = 0;
    while (chain) {
        gr_message *m = gri_message_of_node(chain);
        chain = chain->link;
        messages += m->kind == GRI_MESSAGE_CAST || m->kind == GRI_MESSAGE_TIMER;
        if (m->kind <= GRI_MESSAGE_CALL || m->kind == GRI_MESSAGE_TIMER) gri_letter(GR_LETTER_DISCARDED, self, m);
        gri_call_bury(m);
    }
    return messages;
}

static void close_mailbox(gr_self *self)
{
    while (self->held) { /* received and never freed: their calls are open still */
        gr_message *m = self->held;
        gri_unhold(self, m);
        gri_call_bury(m);
    }
    gr_message_free(&self->reply);
    gri_mail_taken taken = gri_mailword_close(&self->mailbox);
    gri_registry_release_last(self); /* names that others gave it meanwhile */
    gr_message *inbox = self->inbox, *handed = self->handed;
    self->inbox = self->inbox_last = self->handed = NULL;
    const gr_address address = gri_actor_address(self);
    uint64_t discarded = bury_chain(address, taken.chain);
    if (inbox) discarded += bury_chain(address, &inbox->node);
    if (handed) discarded += bury_chain(address, &handed->node);
    if (self->flags & GRI_BOUNDED) discarded += gri_bound_close(self);
    if (discarded) gri_runtime_count_discarded(discarded);
}

static void release_memory(gr_self *self)
{
    gri_deadline_release(self);
    gri_state_release(self);
    gr_message_free(&self->args);
    gri_serve_release(self);
    gri_more *more = self->more;
    if (!more) return;
    gri_own_release(self);
    gr_message_free(&more->report);
    gr_message_free(&more->ready);
    gri_block_free(more->detail);
    gri_block_free(more->scans);
    gri_trace_release(self);
    self->more = NULL;
    gri_block_free(more);
}

/* Nobody caught it. Where it was raised has been logged at level info. */
static void log_end(gr_self *self, gr_value report)
{
    gr_value description = gr_get(report, "description");
    gri_log(GR_LOG_WARN, gri_actor_address(self), "actor #%u ended with the exception %s: %s",
            gri_load_relaxed(&self->task.id), /* relaxed: constant */
            gr_string(gr_get(report, "error"), "no_memory"), gr_string(description, "see its value"));
}

void gri_actor_finish(gr_self *self, enum gri_outcome outcome)
{
    self->flags |= GRI_ENDING | GRI_KILL_HELD;
    self->frame = NULL;
    self->serving = NULL; /* after an overflow its stack is gone */
    gri_waiting_set(self, NULL);
    leave_sections(self, 0, 0);
    gri_heap_beyond_limit(true); /* whoever watches it learns how it ended, however much is on its way */
    gr_message *report = outcome == GRI_RETURNED ? NULL : gri_report_take(self, outcome);
    gri_heap_beyond_limit(false);
    if (outcome == GRI_RAISED || outcome == GRI_STACK_OVERFLOW) log_end(self, gr_body(report));
    if (outcome != GRI_RETURNED)
        gri_exits_note(self, outcome, outcome == GRI_WAS_KILLED ? (gr_value){NULL} : gr_body(report));
    if (report) gri_hold(self, report); /* a cleanup that overflows the stack begins the end anew, without this frame */
    run_defers(self);
    gri_serve_stop(self);
    run_defers(self); /* what stop has deferred */
    if (report) gri_unhold(self, report);
    gri_inbox_collect(self);
    self->flags |= GRI_FINISHING;
    if (self->more && self->more->sockets_close) self->more->sockets_close(self);
    if (self->flags & GRI_TRACED) gri_trace_left(self);
    gri_registry_release_all(self);
    gri_watch_remove_all(self);
    close_mailbox(self);
    gr_value value = outcome != GRI_RETURNED ? gr_body(report)
                     : self->result          ? gr_body(self->result)
                                             : gri_runtime_null();
    gri_heap_beyond_limit(true);
    gri_watch_tell_all(self, outcome, value);
    gri_heap_beyond_limit(false);
    gr_message_free(&report);
    release_memory(self);
    gri_actor_end(self);
}
