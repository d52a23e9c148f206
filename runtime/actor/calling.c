/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "actor/call.h"

#include "actor/attach.h"
#include "actor/bound.h"
#include "actor/deadlock.h"
#include "actor/finish.h"
#include "actor/letters.h"
#include "actor/remote.h"
#include "actor/runtime.h"
#include "actor/serve.h"
#include "actor/waiting.h"
#include "actor/watch.h"
#include "message/call_form.h"
#include "message/copy.h"
#include "message/hold.h"
#include "message/plan.h"
#include "message/utf8.h"
#include "message/value.h"

#include <string.h>

/* ---- asking ---- */

/* The usual case of collecting: the answer alone was handed over, nothing else is there, no kill either. */
GRI_INLINE bool take_answer(gr_self *self)
{
    gr_message *m = self->handed;
    if (!m || m->node.link || m->reference != self->awaited || m->kind < GRI_MESSAGE_REPLY ||
        m->kind > GRI_MESSAGE_REPLY_DEAD || gri_mailword_peek(&self->mailbox))
        return false;
    self->handed = NULL;
    self->reply = m;
    return true;
}

/* woken: what is there was not asked for a cycle yet, or it has been asked to look (deadlock.h). */
GRI_INLINE int await(gr_self *self, bool woken, gr_deadline deadline, gr_message **ret_reply)
{
    int code;
    for (bool decides = false;;) {
        bool disturbed = false;
        if (!take_answer(self) && (woken || self->handed || gri_mailword_peek(&self->mailbox))) {
            decides |= woken || gri_mailword_flags(&self->mailbox) & GRI_MAIL_NOTIFY;
            gri_inbox_collect(self);
            disturbed = true;
        }
        code = gri_kill_check_keeping(self);
        if (self->reply || code != 0) break;
        if (GRI_UNLIKELY(disturbed)) {
            code = gri_deadlock_check(self, deadline, decides);
            woken = code == GRI_WOKEN;
            if (code != 0 && !woken) break;
            if (woken || self->handed || gri_mailword_peek(&self->mailbox)) continue;
        }
        code = gri_suspend_here(self, GRI_MAIL_WAIT_URGENT, deadline);
        if (GRI_UNLIKELY(code != 0)) {
            gri_inbox_collect(self); /* an answer that came while the deadline passed is not late */
            break;
        }
        woken = true;
    }
    self->awaited = 0;
    *ret_reply = self->reply;
    self->reply = NULL;
    if (GRI_LIKELY(*ret_reply && code != GR_EKILLED)) return 0;
    return code == GR_ETIMEOUT ? gri_fail(self, GR_ETIMEOUT, "no answer before the deadline") : code;
}

int gri_await(gr_self *self, gr_deadline deadline, gr_message **ret_reply)
{
    return await(self, true, deadline, ret_reply);
}

int gri_await_end(gr_self *self, int code)
{
    if (code != GR_EKILLED) return code;
    int killed = gri_kill_check(self);
    return killed != 0 ? killed : code;
}

int gri_await_end_with(gr_self *self, int code, gr_message *m)
{
    if (code != GR_EKILLED) return code;
    const bool held = m->flags & GRI_MESSAGE_HELD;
    if (!held) gri_hold(self, m);
    code = gri_await_end(self, code);
    if (!held) gri_unhold(self, m);
    return code;
}

/* Takes the value out of an answer {"response", "message" or "exception"}. */
static int open_answer(gr_self *self, gr_message *answer, gr_message **ret_reply)
{
    int code = 0;
    const enum gri_message_kind kind = answer->kind;
    bool has_value = true;
    switch (kind) {
    case GRI_MESSAGE_REPLY: break;
    case GRI_MESSAGE_REPLY_EXCEPTION: code = GR_EEXCEPTION; break;
    case GRI_MESSAGE_REPLY_INVALID_METHOD:
        code = gri_fail(self, GR_EMETHOD, "the receiver has no method \"%s\"",
                        gr_string(gri_answer_value(answer, kind), "?"));
        has_value = false;
        break;
    case GRI_MESSAGE_REPLY_FULL:
        code = gri_fail(self, GR_EFULL, "the receiver's full mailbox has dropped the call");
        has_value = false;
        break;
    default: code = gri_fail(self, GR_EDEAD, "the receiver died before it answered"), has_value = false; break;
    }
    if (has_value && ret_reply) {
        gri_message_narrow(answer, gri_answer_value(answer, kind));
        answer->kind = GRI_MESSAGE_CAST;
        gri_hold(self, answer);
        *ret_reply = answer;
        return code;
    }
    gr_message_free(&answer);
    return code;
}

/* What a request is made of beside its argument. */
typedef struct asking {
    const char *method;
    size_t method_bytes, before;
    uint64_t reference;
} asking;

/* The request cannot just be sent: it is there, but may close a cycle; or there is no room for it yet. */
GRI_COLD static int send_hindered(gr_self *self, gr_address to, gr_message **request, int code, gr_deadline deadline)
{
    if (code == GRI_MUST_WAIT) {
        gri_instant until = gri_bound_deadline(to).ns;
        code = gri_bound_wait(self, to, request, (gr_deadline){GRI_MIN(until, deadline.ns)});
        if (code == GR_EFULL) gri_runtime_count_rejected();
        if (code == GR_EFULL) return gri_fail(self, code, "the receiver's mailbox bound is reached");
        if (code != 0) return code;
        gri_runtime_count_message(gri_worker_of_sender(self));
    }
    return 0;
}

/* Sends the request, whose argument is there, and waits for the answer. */
GRI_INLINE int ask(gr_self *self, gr_address to, gr_message *request, const asking *a, gr_deadline deadline,
                   gr_message **ret_reply)
{
    gri_request_write(request, a->reference, a->method, a->method_bytes, gri_actor_address(self));
    request->kind = GRI_MESSAGE_CALL;
    request->reference = a->reference;
    self->awaited = a->reference;
    const gri_waiting waiting = {.kind = GRI_WAITING_CALL, .reference = a->reference, .address = to, .what = a->method};
    gri_waiting_set(self, &waiting);
    int code = gri_deliver(self, to, &request);
    const bool hindered = code > GRI_IS_REMOTE;
    if (GRI_UNLIKELY(hindered)) code = send_hindered(self, to, &request, code, deadline);
    if (GRI_UNLIKELY(code != 0)) {
        self->awaited = 0;
        if (code == GRI_IS_REMOTE) return gri_remote_call(self, to, &request, deadline, ret_reply);
        gr_message_free(&request);
        return gri_await_end(self, code);
    }
    gr_message *answer;
    code = await(self, hindered, deadline, &answer);
    if (GRI_LIKELY(code == 0)) return open_answer(self, answer, ret_reply);
    gr_message_free(&answer);
    return gri_await_end(self, code);
}

static int may_ask(gr_self *self, gr_address to, const char *method, asking *ret_asking)
{
    int code = gri_suspend_enter(self);
    if (GRI_UNLIKELY(code != 0)) return code;
    if (GRI_UNLIKELY(!method)) return gri_fail(self, GR_EINVAL, "a call needs a method name");
    if (GRI_UNLIKELY(gr_address_equal(to, gri_actor_address(self))))
        return gri_fail(self, GR_EDEADLK, "an actor cannot call itself: it could never answer");
    size_t bytes = strlen(method);
    if (GRI_UNLIKELY(!gri_is_ascii(method, bytes)) && !gri_utf8_valid(method, bytes))
        return gri_fail(self, GR_EINVAL, "the method's name is not valid UTF-8");
    if (GRI_UNLIKELY(bytes > GRI_VALUE_BYTES_MAX / 2))
        return gri_fail(self, GR_ETOOBIG, "the method's name is too big");
    uint64_t reference = gri_actor_reference(self);
    if (GRI_UNLIKELY(reference == 0)) return gri_fail(self, GR_ENOMEM, "no memory for a call");
    *ret_asking = (asking){method, bytes, gri_request_before(bytes), reference};
    return 0;
}

int gr_call_site(gr_self *self, gr_message **ret_reply, gr_address to, const char *method, gr_deadline deadline,
                 gr_site *site, const char *format, ...)
{
    asking a;
    int code = may_ask(self, to, method, &a);
    if (GRI_UNLIKELY(code != 0)) return code;
    gr_message *request = NULL;
    gr_detail detail;
    va_list args;
    va_start(args, format);
    code = gri_pack_inside(site, format, args, a.before, &request, &detail);
    va_end(args);
    if (GRI_UNLIKELY(code != 0)) return gri_fail_detail(self, code, &detail);
    return ask(self, to, request, &a, deadline, ret_reply);
}

int gr_call_value(gr_self *self, gr_message **ret_reply, gr_address to, const char *method, gr_value message,
                  gr_deadline deadline)
{
    asking a;
    int code = may_ask(self, to, method, &a);
    if (GRI_UNLIKELY(code != 0)) return code;
    gr_message *request = NULL;
    code = gri_message_behind(a.before, message, &request);
    if (code != 0) return gri_fail(self, code, "the call could not be built: %s", gr_error_text(code));
    return ask(self, to, request, &a, deadline, ret_reply);
}

/* ---- being asked ---- */

bool gr_is_call(const gr_message *message)
{
    return message && message->kind == GRI_MESSAGE_CALL;
}

const char *gr_call_method(const gr_message *message)
{
    return gr_is_call(message) ? gr_string(gri_request_method(message), NULL) : NULL;
}

bool gr_call_waits(const gr_message *message)
{
    return gr_is_call(message) && gri_call_is_awaited(message);
}

gr_value gr_call_argument(const gr_message *message)
{
    return GRI_LIKELY(gr_is_call(message)) ? gri_request_argument(message) : (gr_value){NULL};
}

int gri_answer_new(gr_self *self, uint64_t reference, enum gri_message_kind kind, gr_value value, gr_message **ret)
{
    int code = gri_message_behind(gri_answer_before(kind), value, ret);
    if (code != 0) return gri_fail(self, code, "the answer could not be built: %s", gr_error_text(code));
    gri_answer_write(*ret, kind, reference);
    return 0;
}

int gri_call_answer(gr_self *self, gr_message *call, enum gri_message_kind kind, gr_message *answer)
{
    gr_address caller = call->sender;
    uint64_t reference = call->reference;
    gri_copy_mode mode = gri_runtime_copy_mode();
    int code = mode == GRI_COPY_PACKED ? 0 : gri_copy_through(mode, &answer);
    if (code == 0) {
        answer->kind = (uint8_t)kind;
        answer->reference = reference;
        answer->sender = self ? gri_actor_address(self) : GR_NO_ADDRESS;
        answer->tick = gri_runtime_tick();
        code = gri_push(caller, answer, true);
    }
    if (code != 0) {
        if (code == GR_EDEAD) gri_letter(GR_LETTER_DEAD, caller, answer);
        gr_message_free(&answer);
        if (code != GR_EDEAD) return gri_fail(self, code, "the answer could not be copied");
        gri_runtime_count_dead_letter();
        call->kind = GRI_MESSAGE_CAST;
        return gri_fail(self, GR_EDEAD, "the caller has gone");
    }
    gri_runtime_count_message(gri_worker_of_sender(self));
    call->kind = GRI_MESSAGE_CAST; /* answered: no second time */
    return 0;
}

int gri_answer_format(gr_self *self, uint64_t reference, gr_site *site, const char *format, va_list args,
                      gr_message **ret)
{
    gr_detail detail;
    int code = gri_pack_inside(site, format, args, gri_answer_before(GRI_MESSAGE_REPLY), ret, &detail);
    if (GRI_UNLIKELY(code != 0)) return gri_fail_detail(self, code, &detail);
    gri_answer_write(*ret, GRI_MESSAGE_REPLY, reference);
    return 0;
}

int gr_respond_site(gr_self *self, gr_message *call, gr_site *site, const char *format, ...)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    if (!gr_is_call(call)) return gri_fail(self, GR_ENOTCALL, "the message is no call, or was answered already");
    gr_message *answer = NULL;
    va_list args;
    va_start(args, format);
    code = gri_answer_format(self, call->reference, site, format, args, &answer);
    va_end(args);
    return code == 0 ? gri_call_answer(self, call, GRI_MESSAGE_REPLY, answer) : code;
}

static int respond_with(gr_self *self, gr_message *call, enum gri_message_kind kind, gr_value value)
{
    if (!gr_is_call(call)) return gri_fail(self, GR_ENOTCALL, "the message is no call, or was answered already");
    gr_message *answer = NULL;
    int code = gri_answer_new(self, call->reference, kind, value, &answer);
    return code == 0 ? gri_call_answer(self, call, kind, answer) : code;
}

int gr_respond_value(gr_self *self, gr_message *call, gr_value value)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    return respond_with(self, call, GRI_MESSAGE_REPLY, value);
}

int gr_respond_exception(gr_self *self, gr_message *call, gr_value report)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    return respond_with(self, call, GRI_MESSAGE_REPLY_EXCEPTION, report);
}

int gr_respond_invalid_method(gr_self *self, gr_message *call)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    if (!gr_is_call(call)) return gri_fail(self, GR_ENOTCALL, "the message is no call, or was answered already");
    return respond_with(self, call, GRI_MESSAGE_REPLY_INVALID_METHOD, gri_request_method(call));
}

/* ---- the unanswered ---- */

/* The caller's own, looked at from outside: a moment's picture, so the race is meant. What it shows is at least as new as the
 * call, which came by way of the mailbox; references are not used again. */
#if GRI_TSAN
__attribute__((no_sanitize("thread")))
#endif
GRI_NOINLINE bool
gri_call_is_awaited(const gr_message *call)
{
    if (call->sender.id == 0) return true;
    const volatile gr_self *caller = gri_actor_find(call->sender);
    return caller ? caller->awaited == call->reference : gri_address_is_remote(call->sender);
}

void gri_call_refuse(gr_message *m, enum gri_message_kind kind)
{
    gr_address caller = m->sender;
    m->kind = (uint8_t)kind;
    if (gri_push(caller, m, true) == 0) return;
    gri_runtime_count_dead_letter();
    gri_letter(GR_LETTER_DEAD, caller, m);
    gr_message_free(&m);
}

void gri_call_bury(gr_message *m)
{
    if (m->kind == GRI_MESSAGE_CALL)
        gri_call_refuse(m, GRI_MESSAGE_REPLY_DEAD);
    else
        gr_message_free(&m);
}

void gri_call_abandon(gr_self *self, gr_message *m)
{
    gri_unhold(self, m);
    if (self->serving) gri_serve_gone(self, m);
    if (m->kind != GRI_MESSAGE_CALL) return;
    gr_message *report =
        gri_report_new(NULL, "unanswered", (gr_value){NULL}, "the call was given away without an answer", false);
    if (report) (void)gr_respond_exception(self, m, gr_body(report)); /* GR_EDEAD: nobody waits */
    gr_message_free(&report);
    m->kind = GRI_MESSAGE_CAST;
}

/* Whose message it is, if that cannot be told from the worker. */
GRI_COLD static gr_self *holder(void)
{
    if (gri_runtime_forked()) return NULL; /* in simulation the thread is attached, and an actor may have forked */
    gr_self *self = gri_attached_here();
    if (!self) gri_panic("a received message is freed outside the actor that received it");
    return self;
}

/* A call, which is answered now, or what a server is serving. */
GRI_NOINLINE static void free_specially(gr_self *self, gr_message *m)
{
    gri_call_abandon(self, m);
    gri_message_release(m);
}

GRI_INLINE void free_of(gr_self *self, gr_message *m)
{
    if (GRI_LIKELY(m->kind != GRI_MESSAGE_CALL && (!self->serving || self->serving->call != m))) {
        gri_unlist(self, m);
        gri_message_release(m);
    } else {
        free_specially(self, m);
    }
}

/* Not inlined, so that the usual way has no frame. */
GRI_NOINLINE static void free_elsewhere(gr_message *m)
{
    gr_self *self = holder();
    /* In a child after fork it is the parent's; a lock that freeing takes may be held by a thread that is not here. */
    if (GRI_LIKELY(self != NULL)) free_of(self, m);
}

/* gr_message_free of a received message. */
void gri_held_free(gr_message *m)
{
    gri_worker *worker = gri_worker_here();
    gri_task *task = worker ? gri_load_relaxed(&worker->current) : NULL; /* relaxed: this thread's own write */
    if (GRI_LIKELY(task != NULL))
        free_of(gri_actor_of_task(task), m);
    else
        free_elsewhere(m);
}
