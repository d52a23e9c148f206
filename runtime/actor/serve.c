/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Servers: methods as plain calls on the worker's stack.
 *
 * An idle server is a control block and its state. When a message arrives its task runs: one frame for the batch, one method
 * after the other as plain calls, until the mailbox is empty and the word says WAIT_ANY again. A method that suspends makes
 * the stack it stands on the server's, this file's frames included, until it returns (schedule/task.h).
 *
 * The frame is a protect boundary: a raise lands in gri_serve_run, answers the call, and the batch goes on. What the batch has
 * to remember across that lives in gri_serving, not in registers. */
#include "actor/serve.h"

#include "actor/call.h"
#include "actor/finish.h"
#include "actor/letters.h"
#include "actor/runtime.h"
#include "actor/state.h"
#include "actor/trace.h"
#include "message/call_form.h"
#include "message/hold.h"

#include <greenroom/supervisor.h>
#include <string.h>

static gr_value args_of(gr_self *self)
{
    return self->args ? gr_body(self->args) : gri_runtime_null();
}

static GRI_NOINLINE void describe_now(gr_self *self)
{
    gr_builder b;
    gr_build(&b);
    self->serving->describing = &b;
    self->server->describe(self, self->state, &b);
    self->serving->describing = NULL;
    gr_message *m = NULL;
    int code = gr_build_message(&b, &m);
    if (code == 0) code = gri_state_publish(self, &m);
    if (code != 0) gr_log(GR_LOG_WARN, "a server's describe failed: %s", gr_error_text(code));
    gr_message_free(&m);
}

GRI_INLINE void describe(gr_self *self)
{
    if (self->server->describe) describe_now(self);
}

GRI_INLINE void drop_serving(gr_self *self, gri_serving *serving)
{
    if (GRI_UNLIKELY(serving->answer != NULL)) gr_message_free(&serving->answer);
    serving->is_call = serving->in_method = false;
    gr_message *m = serving->call;
    serving->call = NULL;
    if (!m) return;
    gri_unlist(self, m); /* a call was answered, or nobody waits */
    gri_message_release(m);
}

void gri_serve_unwound(gr_self *self)
{
    gri_serving *serving = self->serving;
    if (!serving || !serving->describing) return;
    gr_build_cancel(serving->describing);
    serving->describing = NULL;
}

/* Its frame will be gone: freed with what the actor has received. */
static void leave_to_the_end(gr_self *self, gr_message **message)
{
    if (!*message) return;
    (*message)->kind = GRI_MESSAGE_CAST;
    gri_hold(self, *message);
    *message = NULL;
}

void gri_serve_overflown(gr_self *self)
{
    gri_serving *serving = self->serving;
    self->serving = NULL;
    if (!serving) return;
    leave_to_the_end(self, &serving->answer);
    if (serving->describing) leave_to_the_end(self, &serving->describing->block);
}

bool gri_serve_is_serving(const gr_self *self, const gr_message *m)
{
    return self->serving && self->serving->call == m;
}

const gr_message *gri_serve_now(const gr_self *self)
{
    return (self->flags & GRI_SERVER) && self->serving ? self->serving->call : NULL;
}

void gri_serve_gone(gr_self *self, const gr_message *m)
{
    if (gri_serve_is_serving(self, m)) self->serving->call = NULL;
}

void gri_serve_again(gr_self *self, gr_message *m)
{
    self->serving->call = m;
}

static const gr_method *method_of(const gr_server *server, const char *name)
{
    for (size_t i = 0; i < server->method_count; i++)
        if (strcmp(server->methods[i].name, name) == 0) return &server->methods[i];
    return NULL;
}

static void serve_call(gr_self *self, gri_serving *serving)
{
    const char *name = gr_string(gri_request_method(serving->call), NULL);
    const gr_method *method = name ? method_of(self->server, name) : NULL;
    if (!method) {
        (void)gr_respond_invalid_method(self, serving->call); /* GR_EDEAD: the caller has gone */
        return;
    }
    serving->is_call = serving->in_method = true;
    method->run(self, self->state, gri_request_argument(serving->call));
    serving->in_method = false;
    if (GRI_UNLIKELY(self->flags & (GRI_KILLED | GRI_KILLED_NOW))) return; /* unanswered: finish says GR_EDEAD */
    describe(self);
    if (!serving->call) return; /* taken over */
    gr_message *answer = serving->answer;
    serving->answer = NULL;
    int code = 0;
    if (!answer) code = gri_answer_new(self, serving->call->reference, GRI_MESSAGE_REPLY, gri_runtime_null(), &answer);
    if (code == 0)
        GRI_IGNORE(gri_call_answer(self, serving->call, GRI_MESSAGE_REPLY, answer)); /* GR_EDEAD: the caller has gone */
}

static void serve_message(gr_self *self, gri_serving *serving)
{
    if (serving->call->kind == GRI_MESSAGE_CALL) {
        serve_call(self, serving);
    } else if (self->server->on_message) {
        self->server->on_message(self, self->state, serving->call);
        describe(self);
    } else {
        gri_runtime_count_dropped();
        gri_letter(GR_LETTER_UNWANTED, gri_actor_address(self), serving->call);
    }
}

/* A method has raised: its caller learns why, and the server goes on, or ends with it. */
static void answer_raise(gr_self *self, gri_serving *serving)
{
    gr_message *report = gri_report_take(self, GRI_RAISED);
    if (serving->is_call && serving->call && serving->call->kind == GRI_MESSAGE_CALL && report)
        (void)gr_respond_exception(self, serving->call, gr_body(report)); /* GR_EDEAD: the caller has gone */
    if ((self->flags & GRI_ENDING) && self->more)
        self->more->report = report;
    else
        gr_message_free(&report);
}

static GRI_NOINLINE bool is_over_now(gr_self *self)
{
    gri_more *more = self->more;
    if ((self->flags & (GRI_ENDING | GRI_KILLED_NOW | GRI_OVERFLOWED)) || !more || !more->on_kill) return true;
    if (!more->kill_taken) {
        more->kill_taken = true;
        more->on_kill(self, self->state);
    }
    return (self->flags & GRI_ENDING) != 0;
}

/* True if the server has to end: killed inside a method (its caller gets GR_EDEAD), or by gr_server_end. */
GRI_INLINE bool is_over(gr_self *self)
{
    const uint16_t unusual = GRI_ENDING | GRI_KILLED | GRI_KILLED_NOW | GRI_OVERFLOWED;
    return GRI_UNLIKELY(self->flags & unusual) && is_over_now(self);
}

static void start(gr_self *self)
{
    if (self->server->start && self->server->start(self, self->state, args_of(self)) != 0)
        gr_raise(self, "start_failed", "the server's start function refused");
    self->flags |= GRI_STARTED;
    describe(self);
    if (self->more && self->more->ready_when_started) gr_ready(self);
}

/* The oldest message, but no call that nobody waits for any more: what took too long to get here is not worth the time. What a
 * waker has just handed over is not asked. */
GRI_INLINE gr_message *pop_awaited(gr_self *self)
{
    for (;;) {
        gr_message *m = gri_inbox_pop(self);
        if (GRI_LIKELY(!m || m->kind != GRI_MESSAGE_CALL || gri_call_is_awaited(m))) return m;
        gri_runtime_count_expired();
        gri_letter(GR_LETTER_EXPIRED, gri_actor_address(self), m);
        gr_message_free(&m);
    }
}

/* The next message; NULL: there is none, or the server has to end. */
GRI_INLINE gr_message *next_message(gr_self *self)
{
    gr_message *m = gri_inbox_take_handed(self);
    if (GRI_LIKELY(m != NULL)) return m;
    if (!self->inbox) {
        if (GRI_LIKELY(!self->handed && !gri_mailword_peek(&self->mailbox))) return NULL;
        gri_inbox_collect(self);
        if (is_over(self)) return NULL;
    }
    return pop_awaited(self);
}

static enum gri_outcome outcome_of(gr_self *self, enum gri_outcome outcome)
{
    if (self->flags & GRI_OVERFLOWED) return GRI_STACK_OVERFLOW;
    if (outcome != GRI_RETURNED) return outcome;
    return self->flags & (GRI_KILLED | GRI_KILLED_NOW) ? GRI_WAS_KILLED : GRI_RETURNED;
}

static void end(gr_self *self, gri_serving *serving, enum gri_outcome outcome)
{
    self->frame = NULL;
    self->serving = NULL;
    gr_message_free(&serving->answer);
    *serving = (gri_serving){0};
    /* An unanswered call is still held: finish answers it with GR_EDEAD. */
    gri_actor_finish(self, outcome_of(self, outcome));
}

/* It was killed while it served a call, or what it served belonged to a trace. True: it has ended. */
static GRI_NOINLINE bool ends_after_message(gr_self *self, gri_serving *serving)
{
    gri_trace_left(self);
    if (!(self->flags & GRI_KILLED) || !serving->call || serving->call->kind != GRI_MESSAGE_CALL) return false;
    end(self, serving, GRI_WAS_KILLED);
    return true;
}

/* What stays on the stack that serves: of one server after the other, until one of them suspends and takes it along. */
typedef struct batch {
    gr_self *self;
    gri_serving serving;
    gri_frame frame;
} batch;

/* serving is all zero: at first, and again when a server has parked or ended. */
GRI_INLINE void begin_batch(batch *b, gr_self *self)
{
    b->self = self;
    gri_frame_enter(self, &b->frame);
    self->serving = &b->serving;
}

/* Serves what is there, until the server waits, gives way or ends: it is not ours any more. */
GRI_INLINE void serve_all(gr_self *self, gri_serving *serving)
{
    if (GRI_UNLIKELY(!(self->flags & GRI_STARTED))) start(self);
    for (;;) {
        bool slice_is_over = false;
        while (!slice_is_over && !is_over(self)) {
            gr_message *m = next_message(self);
            if (!m) break;
            gri_hold(self, m);
            serving->call = m;
            serve_message(self, serving);
            if (GRI_UNLIKELY(self->flags & (GRI_KILLED | GRI_TRACED)) && ends_after_message(self, serving)) return;
            gri_worker *worker = gri_worker_here();
            if (GRI_UNLIKELY(!worker)) gri_runtime_end_child();
            drop_serving(self, serving);
            gri_attention(self);
            slice_is_over = gri_worker_slice_is_over(worker);
        }
        if (GRI_UNLIKELY(is_over(self))) {
            end(self, serving, GRI_RETURNED);
            return;
        }
        gri_frame *frame = self->frame;
        self->frame = NULL;
        /* In the place of `serving`, for who looks at an idle server. relaxed: ours */
        gri_worker *worker = self->task.worker;
        self->idle.number = (uint32_t)gri_load_relaxed(&worker->counters.runs);
        self->idle.ms = gri_load_relaxed(&worker->tick_ms);
        const bool any = self->inbox || self->handed;
        if (GRI_LIKELY(!any) && gri_worker_park_idle(worker, &self->mailbox)) return;
        if (any || slice_is_over) {
            gri_task_ready_last(&self->task);
            return;
        }
        self->frame = frame;
        self->serving = serving;
    }
}

/* One server, and those that are to run next, as long as these are servers too: what leads from one to the other is not the
 * worker's loop and another mark, but a few instructions. Not in gri_serve_run: what is live across a mark is kept in memory. */
GRI_NOINLINE static void serve_batches(batch *b)
{
    for (;;) {
        serve_all(b->self, &b->serving);
        gri_task *next = gri_task_next_like(gri_serve_run);
        if (!next) return;
        begin_batch(b, gri_actor_of_task(next));
    }
}

/* The frame of a batch: what raises lands here, and the next message is served. */
void gri_serve_run(gri_task *task)
{
    batch b;
    b.serving = (gri_serving){0};
    begin_batch(&b, gri_actor_of_task(task));
    if (GRI_UNLIKELY(gri_jump_mark(&b.frame.jump) != 0)) {
        gr_self *self = b.self;
        if (b.frame.outcome != GRI_RAISED || !(self->flags & GRI_STARTED)) {
            end(self, &b.serving, b.frame.outcome);
            return;
        }
        answer_raise(self, &b.serving);
        if (self->flags & GRI_ENDING) { /* raised after gr_server_end */
            end(self, &b.serving, GRI_RAISED);
            return;
        }
        b.frame.outcome = GRI_RETURNED;
        drop_serving(self, &b.serving);
        if (self->flags & GRI_TRACED) gri_trace_left(self);
        gri_inbox_collect(self); /* a kill that came meanwhile */
    }
    serve_batches(&b);
}

void gri_serve_stop(gr_self *self)
{
    if (!(self->flags & GRI_SERVER) || !(self->flags & GRI_STARTED)) return;
    self->flags &= (uint16_t)~GRI_STARTED;
    if (!self->server->stop) return;
    void (*stop)(gr_self *, void *) = self->server->stop;
    if (gri_protected(self, stop, self->state) == GRI_RAISED) {
        gr_message *report = gri_report_take(self, GRI_RAISED);
        gr_message_free(&report);
    }
}

void gri_serve_release(gr_self *self)
{
    if (!(self->flags & GRI_SERVER)) return;
    gri_block_free(self->state);
    self->state = NULL;
}

/* ---- public ---- */

int gr_reply_site(gr_self *self, gr_site *site, const char *format, ...)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    gri_serving *serving = self->serving;
    if (!serving || !serving->in_method || !serving->call)
        return gri_fail(self, GR_ENOTCALL, "gr_reply outside a method, or after gr_call_take");
    gr_message *answer = NULL;
    va_list args;
    va_start(args, format);
    code = gri_answer_format(self, serving->call->reference, site, format, args, &answer);
    va_end(args);
    if (code != 0) return code;
    gr_message_free(&serving->answer);
    serving->answer = answer;
    return 0;
}

int gr_reply_value(gr_self *self, gr_value value)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    gri_serving *serving = self->serving;
    if (!serving || !serving->in_method || !serving->call)
        return gri_fail(self, GR_ENOTCALL, "gr_reply outside a method, or after gr_call_take");
    gr_message *answer = NULL;
    code = gri_answer_new(self, serving->call->reference, GRI_MESSAGE_REPLY, value, &answer);
    if (code != 0) return code;
    gr_message_free(&serving->answer);
    serving->answer = answer;
    return 0;
}

gr_message *gr_call_take(gr_self *self)
{
    gri_serving *serving = self->serving;
    if (!serving || !serving->in_method) return NULL;
    gr_message *m = serving->call;
    serving->call = NULL;
    gr_message_free(&serving->answer);
    return m;
}

void gr_server_end(gr_self *self)
{
    if (self->flags & GRI_SERVER) self->flags |= GRI_ENDING;
}
