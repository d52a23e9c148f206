/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Calls over HTTP, in python-actors' form and in ours. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <greenroom/call.h>
#include <greenroom/link.h>
#include <greenroom/text.h>

#include "rest/requests.h"

#define FOREVER_S 1e10 /* gr_after_s: for ever */

bool gri_is_remotecall(gr_value value)
{
    gr_type id = gr_type_of(gr_get(value, "remotecall")); /* python-actors' own client sends a UUID, others count */
    return (id == GR_STRING || id == GR_INT) && gr_type_of(gr_get(value, "method")) == GR_STRING &&
           gr_type_of(gr_get(value, "message")) != GR_MISSING && gr_type_of(gr_get(value, "timeout")) != GR_MISSING;
}

/* Makes one call for a connection and returns {"code", "reply"}; dies with it. */
static void caller_run(gr_self *self, gr_value args)
{
    gr_message *reply = NULL;
    if (gr_link(self, gr_address_in(gr_get(args, "for")), GR_LINK | GR_LINK_PROPAGATE) != 0) return;
    (void)gri_trace_follow(self, gr_string(gr_get(args, "trace"), NULL)); /* false: there is none */
    int code = gr_call_value(self, &reply, gr_address_in(gr_get(args, "to")), gr_string(gr_get(args, "method"), ""),
                             gr_get(args, "message"), GR_FOREVER);
    if (reply) {
        (void)gr_return(self, "{s:i, s:V}", "code", code, "reply", gr_body(reply));
    } else {
        (void)gr_return(self, "{s:i}", "code", code);
    }
    gr_message_free(&reply);
}

/* Until the caller has an answer, the deadline passes, or the client has gone (GR_ECLOSED). */
static int wait_for_caller(const gri_request *r, gr_address caller, gr_deadline deadline, gr_message **ret_result)
{
    for (;;) {
        gr_deadline tick = gr_after_ms(GRI_GONE_TICK_MS);
        bool last = tick.ns >= deadline.ns;
        int code = gr_wait(r->env->self, caller, ret_result, last ? deadline : tick);
        if (code != GR_ETIMEOUT || last) return code;
        if (gr_response_gone(r->respond)) return GR_ECLOSED;
    }
}

/* A call that may take long: somebody else makes it, so that this actor can look after its client meanwhile. */
static int call_until_gone(const gri_request *r, gr_address to, const char *method, gr_value message,
                           gr_deadline deadline, gr_message **ret_reply)
{
    gr_self *self = r->env->self;
    gr_address caller;
    gr_message *result = NULL;
    gr_spawn_options options = {.retain = true};
    const char *trace = gr_environ_header(r->env, "traceparent");
    int code =
        gr_spawn_with(self, &caller, caller_run, &options, "{s:A, s:A, s:s, s:V, s:s}", "for", gr_self_address(self),
                      "to", to, "method", method, "message", message, "trace", gri_trace_is_text(trace) ? trace : "");
    if (code != 0) return code;
    code = wait_for_caller(r, caller, deadline, &result);
    if (code != 0) {
        (void)gr_kill(caller);
        (void)gr_forget(caller);
        return code == GR_ECLOSED || code == GR_EKILLED || code == GR_ETIMEOUT ? code : GR_EDEAD;
    }
    code = (int)gr_int(gr_get(gr_body(result), "code"), GR_EDEAD);
    gr_value reply = gr_get(gr_body(result), "reply");
    if (gr_type_of(reply) != GR_MISSING) {
        int copied = gr_message_copy(reply, ret_reply);
        if (copied != 0) code = copied;
    }
    gr_message_free(&result);
    return code;
}

/* A short call is made here: one that outlives its client by less than this is not worth an actor. */
static int call(const gri_request *r, gr_address to, const char *method, gr_value message, double seconds,
                gr_message **ret_reply)
{
    if (seconds <= GRI_CALL_WAIT_S)
        return gr_call_value(r->env->self, ret_reply, to, method, message, gr_after_s(seconds));
    return call_until_gone(r, to, method, message, gr_after_s(seconds), ret_reply);
}

static int dead_report(gr_message **ret_report)
{
    return gr_pack(ret_report, "{s:s, s:s, s:s, s:[]}", "error", "dead", "description",
                   "the actor died during the call", "text-exception", "dead: the actor died during the call",
                   "stack-trace");
}

/* {"response": id, key: value}; dead: and "dead": true, which tells an end of the actor from an exception of that name. */
static int answer_remotecall(const gri_request *r, int status, gr_value id, const char *key, gr_value value, bool dead)
{
    gr_message *answer = NULL;
    int code = dead ? gr_pack(&answer, "{s:V, s:V, s:b}", "response", id, key, value, "dead", true)
                    : gr_pack(&answer, "{s:V, s:V}", "response", id, key, value);
    if (code == 0) code = gri_answer_json(r->env, r->respond, status, GRI_JSON, gr_body(answer), NULL, 0);
    gr_message_free(&answer);
    return code;
}

static int answer_timeout(const gri_request *r, gr_value timeout)
{
    unsigned char storage[64];
    gr_value answer;
    int code = gr_pack_into(storage, sizeof storage, &answer, "{s:V}", "timeout", timeout);
    return code != 0 ? code : gri_answer_json(r->env, r->respond, 408, GRI_JSON, answer, NULL, 0);
}

int gri_remotecall(const gri_request *r, gr_address address, gr_value body)
{
    const gr_value method = gr_get(body, "method");
    gr_value id = gr_get(body, "remotecall"), message = gr_get(body, "message"), timeout = gr_get(body, "timeout");
    gr_message *reply = NULL;
    bool forever = gr_type_of(timeout) == GR_NULL;
    int code;
    bool number = gr_type_of(timeout) == GR_INT || gr_type_of(timeout) == GR_DOUBLE;
    if (!forever && !(number && gr_double(timeout, -1) >= 0)) /* as /-/wait answers it */
        return gr_response_problem(r->respond, 400, "timeout: a number of seconds, 0 or more, or null");
    code = gri_is_c_string(method)
               ? call(r, address, gr_string(method, ""), message, forever ? FOREVER_S : gr_double(timeout, 0), &reply)
               : GR_EMETHOD;
    const bool dead = code == GR_EDEAD;
    if (dead && dead_report(&reply) == 0) code = GR_EEXCEPTION;
    switch (code) {
    case 0: code = answer_remotecall(r, 202, id, "message", gr_body(reply), false); break;
    case GR_EEXCEPTION: code = answer_remotecall(r, 406, id, "exception", gr_body(reply), dead); break;
    case GR_EMETHOD: code = answer_remotecall(r, 404, id, "invalid_method", method, false); break;
    case GR_ETIMEOUT: code = answer_timeout(r, timeout); break;
    default: code = gri_answer_refused(r, address, code, "the call was not taken");
    }
    gr_message_free(&reply);
    return code;
}

/* Seconds of wait=N in a field Prefer, or -1 without one that can be read. */
static long wait_of(const char *at)
{
    for (; at && *at; at += strcspn(at, ",;"), at += strspn(at, ",; \t")) {
        char *end = NULL;
        if (strncasecmp(at, "wait=", 5) != 0 || at[5] < '0' || at[5] > '9') continue;
        long seconds = strtol(at + 5, &end, 10);
        if (*end == '\0' || strchr(",; \t", *end)) return seconds > GRI_CALL_WAIT_S_MAX ? GRI_CALL_WAIT_S_MAX : seconds;
    }
    return -1;
}

static long preferred_wait(const gr_environ *env)
{
    long wait = -1;
    for (size_t i = 0; i < env->header_count && wait < 0; i++)
        if (strcasecmp(env->headers[i].name, "prefer") == 0) wait = wait_of(env->headers[i].value);
    return wait;
}

static int answer_call(const gri_request *r, gr_address address, int code, gr_value reply, long wait)
{
    char applied[32];
    gr_header header = {"Preference-Applied", applied};
    gr_value none = {NULL};
    if (wait >= 0) snprintf(applied, sizeof applied, "wait=%ld", wait);
    switch (code) {
    case 0: return gri_answer_json(r->env, r->respond, 200, GRI_JSON, reply, &header, wait >= 0);
    case GR_EEXCEPTION:
        return gri_answer_problem(r->env, r->respond, 422, NULL, reply, "%s raised %s", r->parameter,
                                  gr_string(gr_get(reply, "error"), "an exception"));
    case GR_EMETHOD:
        return gri_answer_problem(r->env, r->respond, 404, NULL, none, "%s has no method %s", r->name, r->parameter);
    case GR_ETIMEOUT:
        return gri_answer_problem(r->env, r->respond, 504, NULL, none, "no answer within %ld s",
                                  wait < 0 ? (long)GRI_CALL_WAIT_S : wait);
    default: return gri_answer_refused(r, address, code, "the call was not taken");
    }
}

int gri_call_actor(const gri_request *r)
{
    gr_address address;
    gr_message *argument = NULL, *reply = NULL;
    int code = gri_request_actor(r, &address);
    if (code == 0) code = gri_request_json(r, true, &argument);
    if (code != 0) return gri_answered(code);
    long wait = preferred_wait(r->env);
    code = call(r, address, r->parameter, gr_body(argument), wait < 0 ? GRI_CALL_WAIT_S : (double)wait, &reply);
    gr_message_free(&argument);
    if (code == GR_EDEAD && dead_report(&reply) == 0) code = GR_EEXCEPTION;
    code = answer_call(r, address, code, gr_body(reply), wait);
    gr_message_free(&reply);
    return code;
}
