/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "actor/call.h"

#include "actor/attach.h"
#include "actor/finish.h"
#include "actor/runtime.h"
#include "actor/serve.h"
#include "actor/watch.h"
#include "message/copy.h"
#include "message/plan.h"

#include <string.h>

/* ---- asking ---- */

static void begin_request(gr_builder *b, uint64_t reference, const char *method, gr_address caller)
{
    gr_build(b);
    gr_put_object(b);
    gr_put_key(b, "call"), gr_put_int(b, (int64_t)reference);
    gr_put_key(b, "method"), gr_put_string(b, method);
    gr_put_key(b, "address"), gr_put_address(b, caller);
    gr_put_key(b, "message");
}

int gri_await(gr_self *self, gr_deadline deadline, gr_message **ret_reply)
{
    int code;
    for (;;) {
        gri_inbox_collect(self);
        code = gri_kill_check_keeping(self);
        if (self->reply || code != 0) break;
        code = gri_suspend(self, GRI_MAIL_WAIT_URGENT, deadline);
        if (code != 0) {
            gri_inbox_collect(self); /* an answer that came while the deadline passed is not late */
            break;
        }
    }
    self->awaited = 0;
    *ret_reply = self->reply;
    self->reply = NULL;
    if (*ret_reply && code != GR_EKILLED) return 0;
    return code == GR_ETIMEOUT ? gri_fail(self, GR_ETIMEOUT, "no answer before the deadline") : code;
}

int gri_await_end(gr_self *self, int code)
{
    if (code != GR_EKILLED) return code;
    int killed = gri_kill_check(self);
    return killed != 0 ? killed : code;
}

/* Takes the value out of an answer {"response", "message" or "exception"}. */
static int open_answer(gr_self *self, gr_message *answer, gr_message **ret_reply)
{
    int code = 0;
    const char *key = "message";
    switch (answer->kind) {
    case GRI_MESSAGE_REPLY: break;
    case GRI_MESSAGE_REPLY_EXCEPTION: code = GR_EEXCEPTION, key = "exception"; break;
    case GRI_MESSAGE_REPLY_INVALID_METHOD:
        code = gri_fail(self, GR_EMETHOD, "the receiver has no method \"%s\"",
                        gr_string(gr_get(gr_body(answer), "invalid_method"), "?"));
        key = NULL;
        break;
    default: code = gri_fail(self, GR_EDEAD, "the receiver died before it answered"), key = NULL; break;
    }
    if (key && ret_reply) {
        gri_message_narrow(answer, gr_get(gr_body(answer), key));
        answer->kind = GRI_MESSAGE_CAST;
        gri_hold(self, answer);
        *ret_reply = answer;
        return code;
    }
    gr_message_free(&answer);
    return code;
}

static int ask(gr_self *self, gr_address to, gr_message **request, uint64_t reference, gr_deadline deadline,
               gr_message **ret_reply)
{
    gr_message *m = *request;
    m->kind = GRI_MESSAGE_CALL;
    m->reference = reference;
    self->awaited = reference;
    int code = gri_deliver(self, to, request);
    if (code != 0) {
        self->awaited = 0;
        gr_message_free(request);
        return code;
    }
    gr_message *answer;
    code = gri_await(self, deadline, &answer);
    if (code == 0) return open_answer(self, answer, ret_reply);
    gr_message_free(&answer);
    return gri_await_end(self, code);
}

static int may_ask(gr_self *self, gr_address to, const char *method)
{
    int code = gri_suspend_enter(self);
    if (code != 0) return code;
    if (!method) return gri_fail(self, GR_EINVAL, "a call needs a method name");
    if (gr_address_equal(to, gri_actor_address(self)))
        return gri_fail(self, GR_EDEADLK, "an actor cannot call itself: it could never answer");
    return 0;
}

int gr_call_site(gr_self *self, gr_message **ret_reply, gr_address to, const char *method, gr_deadline deadline,
                 gr_site *site, const char *format, ...)
{
    int code = may_ask(self, to, method);
    if (GRI_UNLIKELY(code != 0)) return code;
    uint64_t reference = gri_actor_reference(self);
    if (reference == 0) return gri_fail(self, GR_ENOMEM, "no memory for a call");
    gr_builder b;
    gr_detail detail;
    begin_request(&b, reference, method, gri_actor_address(self));
    va_list args;
    va_start(args, format);
    code = gri_plan_run(&b, site, format, args, &detail);
    va_end(args);
    if (GRI_UNLIKELY(code != 0)) {
        gr_build_cancel(&b);
        return gri_fail_detail(self, code, &detail);
    }
    gr_put_end(&b);
    gr_message *request = NULL;
    code = gr_build_message(&b, &request);
    if (GRI_UNLIKELY(code != 0)) return gri_fail(self, code, "the call could not be built: %s", gr_error_text(code));
    return ask(self, to, &request, reference, deadline, ret_reply);
}

int gr_call_value(gr_self *self, gr_message **ret_reply, gr_address to, const char *method, gr_value message,
                  gr_deadline deadline)
{
    int code = may_ask(self, to, method);
    if (code != 0) return code;
    uint64_t reference = gri_actor_reference(self);
    if (reference == 0) return gri_fail(self, GR_ENOMEM, "no memory for a call");
    gr_builder b;
    begin_request(&b, reference, method, gri_actor_address(self));
    if (message.at)
        gr_put_value(&b, message);
    else
        gr_put_null(&b);
    gr_put_end(&b);
    gr_message *request = NULL;
    code = gr_build_message(&b, &request);
    if (code != 0) return gri_fail(self, code, "the call could not be built: %s", gr_error_text(code));
    return ask(self, to, &request, reference, deadline, ret_reply);
}

/* ---- being asked ---- */

bool gr_is_call(const gr_message *message)
{
    return message && message->kind == GRI_MESSAGE_CALL;
}

const char *gr_call_method(const gr_message *message)
{
    return gr_is_call(message) ? gr_string(gr_get(gr_body(message), "method"), NULL) : NULL;
}

gr_value gr_call_argument(const gr_message *message)
{
    return gr_is_call(message) ? gr_get(gr_body(message), "message") : (gr_value){NULL};
}

static void begin_answer(gr_builder *b, uint64_t reference, const char *key)
{
    gr_build(b);
    gr_put_object(b);
    gr_put_key(b, "response"), gr_put_int(b, (int64_t)reference);
    gr_put_key(b, key);
}

static const char *answer_key(enum gri_message_kind kind)
{
    return kind == GRI_MESSAGE_REPLY ? "message" : kind == GRI_MESSAGE_REPLY_EXCEPTION ? "exception" : "invalid_method";
}

int gri_answer_new(gr_self *self, uint64_t reference, enum gri_message_kind kind, gr_value value, gr_message **ret)
{
    gr_builder b;
    begin_answer(&b, reference, answer_key(kind));
    if (value.at)
        gr_put_value(&b, value);
    else
        gr_put_null(&b);
    gr_put_end(&b);
    int code = gr_build_message(&b, ret);
    return code == 0 ? 0 : gri_fail(self, code, "the answer could not be built: %s", gr_error_text(code));
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
        gr_message_free(&answer);
        if (code != GR_EDEAD) return gri_fail(self, code, "the answer could not be copied");
        gri_runtime_count_dead_letter();
        call->kind = GRI_MESSAGE_CAST;
        return gri_fail(self, GR_EDEAD, "the caller has gone");
    }
    gri_runtime_count_message(self);
    call->kind = GRI_MESSAGE_CAST; /* answered: no second time */
    return 0;
}

int gri_answer_format(gr_self *self, uint64_t reference, gr_site *site, const char *format, va_list args,
                      gr_message **ret)
{
    gr_builder b;
    gr_detail detail;
    begin_answer(&b, reference, "message");
    int code = gri_plan_run(&b, site, format, args, &detail);
    if (code != 0) {
        gr_build_cancel(&b);
        return gri_fail_detail(self, code, &detail);
    }
    gr_put_end(&b);
    code = gr_build_message(&b, ret);
    return code == 0 ? 0 : gri_fail(self, code, "the answer could not be built: %s", gr_error_text(code));
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
    return respond_with(self, call, GRI_MESSAGE_REPLY_INVALID_METHOD, gr_get(gr_body(call), "method"));
}

/* ---- the unanswered ---- */

void gri_call_bury(gr_message *m)
{
    if (m->kind != GRI_MESSAGE_CALL) {
        gr_message_free(&m);
        return;
    }
    gr_address caller = m->sender;
    m->kind = GRI_MESSAGE_REPLY_DEAD;
    if (gri_push(caller, m, true) == 0) return;
    gri_runtime_count_dead_letter();
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

/* gr_message_free of a received message. */
bool gri_held_free(gr_message *m)
{
    gri_worker *worker = gri_worker_here();
    gri_task *task = worker ? gri_load_relaxed(&worker->current) : NULL; /* relaxed: this thread's own write */
    gr_self *self = GRI_LIKELY(task != NULL) ? gri_actor_of_task(task) : gri_attached_here();
    if (!self) gri_panic("a received message is freed outside the actor that received it");
    if (GRI_LIKELY(m->kind != GRI_MESSAGE_CALL && !self->serving))
        gri_unhold(self, m);
    else
        gri_call_abandon(self, m);
    return false;
}
