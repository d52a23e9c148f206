/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What the calling actor waits for itself: calls, ends, lookups, kills with an answer, spawning. One HTTP request each (a wait:
 * one a round), and a table from status to code.
 *
 * Whatever must outlive a suspension is the actor's (gr_alloc, held messages): gr_kill_now ends it in the middle. Unwinding kills
 * come as GR_EKILLED down here, and act when all is in order. */
#include "actor/call.h"
#include "actor/runtime.h"
#include "io/fetch.h"
#include "io/remote_http.h"
#include "message/call_form.h"
#include "message/plan.h"
#include "os/clock.h"

#include <greenroom/build.h>
#include <greenroom/text.h>
#include <stdio.h>
#include <string.h>

#define WAIT_ROUND_S \
    30 /* a question of a long poll; guess: below what proxies cut (60); who cuts sooner gets shorter ones */
#define WAIT_GRACE_S 15 /* later than that, the other side has gone silent */

/* ---- requests ---- */

int gri_remote_print(gr_self *self, gr_value value, char **ret_text, size_t *ret_bytes)
{
    const gr_print_options options = {.addresses = gr_remote_form()};
    size_t bytes = 0;
    int code = gr_print(value, &options, NULL, 0, &bytes);
    char *text = NULL;
    /* What is printed may change in between: a public URL, an address that dies. */
    while (code == GR_ETOOBIG) {
        const size_t room = bytes + 1;
        gr_free(self, text);
        text = gr_alloc(self, room);
        code = text ? gr_print(value, &options, text, room, &bytes) : GR_ENOMEM;
    }
    if (code == 0) {
        *ret_text = text;
        *ret_bytes = bytes;
        return 0;
    }
    gr_free(self, text);
    return gri_fail(self, code, "the message could not be written as JSON: %s", gr_error_text(code));
}

/* What gr_fetch says, said of remote addresses. */
static int explain(gr_self *self, int code, bool reached)
{
    char why[sizeof((gr_detail *)NULL)->text];
    if (code != GR_ESYSTEM && code != GR_ENOTFOUND && code != GR_ECLOSED) return code;
    snprintf(why, sizeof why, "%s", gr_error_detail(self)->text);
    if (!reached) return gri_fail(self, GR_EUNREACHABLE, "%s", why);
    return gri_fail(self, GR_ECLOSED, "the connection was lost before the answer: %s", why);
}

/* The traceparent field: of the message that is carried, or of the actor that asks. */
static bool print_trace(gr_self *self, const gri_remote_request *request, char text[GR_TRACE_TEXT_BYTES])
{
    gr_trace trace;
    bool traced = request->carried ? gr_trace_of(request->carried, &trace) == 0
                                   : (self->flags & GRI_TRACED) && gr_trace_get(self, &trace) == 0;
    if (traced) gr_trace_print(&trace, text);
    return traced;
}

int gri_remote_fetch(gr_self *self, gr_response **ret_response, const gri_remote_request *request, gr_deadline deadline)
{
    char url[GR_REMOTE_URL_BYTES + 64], bearer[GRI_REMOTE_TOKEN_BYTES + 8], trace[GR_TRACE_TEXT_BYTES];
    gr_fetch_header headers[4] = {{"Accept", "application/json"}};
    size_t count = 1;
    snprintf(url, sizeof url, "%s%s", request->url, request->suffix ? request->suffix : "");
    if (request->body) headers[count++] = (gr_fetch_header){"Content-Type", "application/json"};
    memcpy(bearer, "Bearer ", 7);
    if (gri_remote_token_for(request->url, bearer + 7)) headers[count++] = (gr_fetch_header){"Authorization", bearer};
    if (print_trace(self, request, trace)) headers[count++] = (gr_fetch_header){"traceparent", trace};
    const gr_fetch_request fetch = {
        .url = url,
        .method = request->method,
        .headers = headers,
        .header_count = count,
        .body = request->body,
        .body_bytes = request->body_bytes,
        .tls = gri_remote_tls(),
        .own_connection = request->own_connection,
    };
    const uint16_t raising = self->flags & GRI_KILL_RAISING;
    bool reached;
    self->flags &= (uint16_t)~GRI_KILL_RAISING;
    int code = gri_fetch(self, ret_response, &fetch, deadline, &reached);
    self->flags |= raising;
    return code == 0 ? 0 : explain(self, code, reached);
}

/* ---- answers ---- */

/* The body of an answer as a value, held by self. Codes of gr_parse. */
static int read_body(gr_self *self, const char *url, const gr_response *response, gr_message **ret_message)
{
    const gri_answer_form form = gri_remote_answer_form(url);
    const gr_parse_options options = {.addresses = &form.form};
    size_t bytes = 0;
    const char *text = gr_response_body(response, &bytes);
    gr_detail detail;
    gr_message *m = NULL;
    int code = gr_parse(text, bytes, &options, &m, &detail);
    if (code != 0) return gri_fail(self, code, "the answer: %s", detail.text);
    gri_hold(self, m);
    *ret_message = m;
    return 0;
}

/* Why, in the words of a problem report. */
static const char *words_of(const gr_response *response, char text[160])
{
    const char *type = gr_response_header(response, "content-type");
    size_t bytes = 0;
    const char *body = gr_response_body(response, &bytes);
    gr_message *problem = NULL;
    snprintf(text, 160, "status %d", gr_response_status(response));
    if (type && strncmp(type, "application/problem+json", 24) == 0 && gr_parse(body, bytes, NULL, &problem, NULL) == 0)
        snprintf(text, 160, "%s", gr_string(gr_get(gr_body(problem), "detail"), text));
    gr_message_free(&problem);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ') *c = ' ';
    return text;
}

int gri_remote_refused(gr_self *self, const gr_response *response)
{
    char text[160];
    const char *why = words_of(response, text);
    switch (gr_response_status(response)) {
    case 404: return gri_fail(self, GR_EDEAD, "no actor answers there");
    case 401:
    case 403:
    case 421: return gri_fail(self, GR_EDENIED, "the other side refuses: %s", why);
    case 408:
    case 504: return gri_fail(self, GR_ETIMEOUT, "the other side was too slow: %s", why);
    case 413: return gri_fail(self, GR_ETOOBIG, "the other side refuses: %s", why);
    case 429:
    case 503: return gri_fail(self, GR_EFULL, "the other side is full: %s", why);
    case 400:
    case 406:
    case 415:
    case 422: return gri_fail(self, GR_EINVAL, "the other side refuses: %s", why);
    case 405:
    case 501: return gri_fail(self, GR_EUNSUPPORTED, "the other side cannot do that: %s", why);
    default: return gri_fail(self, GR_ESYNTAX, "the other side does not answer as a server of actors does: %s", why);
    }
}

/* greenroom-rest and nothing else answers so for an actor, be it there or not. */
static bool is_greenroom(const gr_response *response)
{
    const char *type = gr_response_header(response, "content-type");
    if (gr_response_status(response) == 200) return gr_response_header(response, "etag") != NULL;
    return type && strncmp(type, "application/problem+json", 24) == 0;
}

static int not_greenroom(gr_self *self, const char *what)
{
    return gri_fail(self, GR_EUNSUPPORTED, "the other side is no Greenroom server: it cannot %s", what);
}

/* ---- calls ---- */

/* {"remotecall": id, "method": …, "message": …, "timeout": seconds or null} as text of gr_alloc. */
static int print_request(gr_self *self, const gr_message *request, gr_deadline deadline, char **ret_text,
                         size_t *ret_bytes)
{
    char id[32];
    gr_builder b;
    gr_message *m = NULL;
    snprintf(id, sizeof id, "greenroom-%llu", (unsigned long long)request->reference);
    gr_build(&b);
    gr_put_object(&b);
    gr_put_key(&b, "remotecall"), gr_put_string(&b, id);
    gr_put_key(&b, "method"), gr_put_value(&b, gri_request_method(request));
    gr_put_key(&b, "message"), gr_put_value(&b, gri_request_argument(request));
    gr_put_key(&b, "timeout");
    if (deadline.ns == GRI_INSTANT_NEVER) {
        gr_put_null(&b);
    } else {
        const gri_instant now = gri_clock_now();
        gr_put_double(&b, deadline.ns > now ? (double)(deadline.ns - now) / 1e9 : 0.0);
    }
    gr_put_end(&b);
    int code = gr_build_message(&b, &m);
    if (code != 0) return gri_fail(self, code, "the call could not be built: %s", gr_error_text(code));
    code = gri_remote_print(self, gr_body(m), ret_text, ret_bytes);
    gr_message_free(&m);
    return code;
}

/* Makes the member the whole answer. */
static void give(gr_message **answer, gr_value member, gr_message **ret_reply)
{
    gri_message_narrow(*answer, member);
    *ret_reply = *answer;
    *answer = NULL;
}

static int read_answer(gr_self *self, const char *url, const gr_response *response, gr_message **ret_reply)
{
    const int status = gr_response_status(response);
    gr_message *answer = NULL;
    int code = 0;
    if (status == 200 || status == 202 || status == 404 || status == 406)
        code = read_body(self, url, response, &answer);
    const bool success = status == 200 || status == 202;
    if (code == GR_EDENIED || code == GR_ENOMEM || code == GR_EFULL) return code;
    if (success && code != 0) return gri_fail(self, GR_ESYNTAX, "the other side answers what is no acceptable JSON");
    const gr_value message = gr_get(gr_body(answer), "message"), report = gr_get(gr_body(answer), "exception"),
                   method = gr_get(gr_body(answer), "invalid_method");
    if (success && message.at) {
        give(&answer, message, ret_reply);
    } else if (success) {
        code = gri_fail(self, GR_ESYNTAX, "the other side took the call for a message");
    } else if (status == 404 && method.at) {
        code = gri_fail(self, GR_EMETHOD, "the receiver has no method \"%s\"", gr_string(method, "?"));
    } else if (status == 406 && report.at && gr_bool(gr_get(gr_body(answer), "dead"), false)) {
        code = gri_fail(self, GR_EDEAD, "the receiver died before it answered");
    } else if (status == 406 && report.at) {
        give(&answer, report, ret_reply);
        code = gri_fail(self, GR_EEXCEPTION, "the receiver raised an exception");
    } else {
        code = gri_remote_refused(self, response);
    }
    gr_message_free(&answer);
    return code;
}

int gri_remote_ask_call(gr_self *self, const char *url, gr_message **request, gr_deadline deadline,
                        gr_message **ret_reply)
{
    char *text = NULL;
    size_t bytes = 0;
    int code = print_request(self, *request, deadline, &text, &bytes);
    gr_message_free(request); /* nobody would free it if this actor ended meanwhile */
    if (code != 0) return code;
    gr_response *response = NULL;
    const gri_remote_request post = {.method = "POST", .url = url, .body = text, .body_bytes = bytes};
    code = gri_remote_fetch(self, &response, &post, deadline);
    gr_free(self, text);
    if (code == 0) code = read_answer(self, url, response, ret_reply);
    gr_response_free(self, &response);
    return code;
}

/* ---- waiting for an end ---- */

static int read_end(gr_self *self, const char *url, const gr_response *response, enum gri_outcome *ret_outcome,
                    gr_message **ret_value)
{
    gr_message *answer = NULL;
    int code = read_body(self, url, response, &answer);
    if (code != 0) return code;
    const gr_value exit = gr_get(gr_body(answer), "exit"), report = gr_get(gr_body(answer), "exception");
    if (gr_bool(gr_get(gr_body(answer), "killed"), false)) {
        *ret_outcome = GRI_WAS_KILLED;
    } else if (exit.at || report.at) {
        *ret_outcome = exit.at ? GRI_RETURNED : GRI_RAISED;
        give(&answer, exit.at ? exit : report, ret_value);
    } else {
        code = not_greenroom(self, "tell of an actor's end");
    }
    gr_message_free(&answer);
    return code;
}

int gri_remote_ask_wait(gr_self *self, const char *url, gr_deadline deadline, enum gri_outcome *ret_outcome,
                        gr_message **ret_value)
{
    char suffix[48];
    int64_t most = WAIT_ROUND_S;
    for (unsigned round = 0;; round++) {
        const gri_instant now = gri_clock_now();
        const int64_t left = deadline.ns == GRI_INSTANT_NEVER ? INT64_MAX : deadline.ns > now ? deadline.ns - now : 0;
        const int64_t seconds = left >= most * GRI_NS_PER_S ? most : left / GRI_NS_PER_S + 1;
        const gr_deadline patience = {gri_instant_add(now, (seconds + WAIT_GRACE_S) * GRI_NS_PER_S)};
        const bool last = deadline.ns <= patience.ns;
        gr_response *response = NULL;
        snprintf(suffix, sizeof suffix, "/-/wait?timeout=%lld", (long long)seconds);
        const gri_remote_request get = {.method = "GET", .url = url, .suffix = suffix};
        int code = gri_remote_fetch(self, &response, &get, last ? deadline : patience);
        if (code == GR_ETIMEOUT && !last)
            return gri_fail(self, GR_ECLOSED, "the other side has not said anything for %d s", WAIT_GRACE_S);
        if (code != 0) return code;
        const int status = gr_response_status(response);
        const bool cut = (status == 504 || status == 408) && most > 1; /* by a proxy in between: it has not ended yet */
        if (status == 200)
            code = read_end(self, url, response, ret_outcome, ret_value);
        else if (status == 404 && !is_greenroom(response))
            code = not_greenroom(self, "tell of an actor's end");
        else if (status == 404)
            code = gri_fail(self, GR_EDEAD,
                            round == 0 ? "it is dead and was not retained"
                                       : "it has ended between two questions, and was not retained");
        else if (cut)
            most /= 2; /* 30, 15, 7, 3, 1: then it is that proxy's own trouble */
        else if (status != 204)
            code = gri_remote_refused(self, response);
        gr_response_free(self, &response);
        if (status != 204 && !cut) return code;
        if (gri_clock_now() >= deadline.ns) return gri_fail(self, GR_ETIMEOUT, "it has not ended before the deadline");
    }
}

/* ---- public ---- */

/* The URL in normal form, and the beginning of every call here. */
static int begin(gr_self *self, const char *text, char url[GR_REMOTE_URL_BYTES])
{
    const char *why = "there is none";
    int code = gri_suspend_enter(self);
    if (code != 0) return code;
    gri_remote_http_use();
    if (!text || gri_remote_url_normal(text, strlen(text), false, url, &why) != 0)
        return gri_fail(self, GR_EINVAL, "URL \"%.120s\": %s", text ? text : "", why);
    return 0;
}

static int intern(gr_self *self, const char *url, gr_address *ret_address)
{
    gr_detail detail;
    int code = gr_remote_address(url, ret_address, &detail);
    return code == 0 ? 0 : gri_fail_detail(self, code, &detail);
}

/* The status of an answer without interest. */
static int ask_status(gr_self *self, const gri_remote_request *request, gr_deadline deadline,
                      gr_response **ret_response)
{
    *ret_response = NULL;
    int code = gri_remote_fetch(self, ret_response, request, deadline);
    return code == 0 ? gr_response_status(*ret_response) : code;
}

int gr_remote_lookup(gr_self *self, const char *text, gr_address *ret_address, gr_deadline deadline)
{
    char url[GR_REMOTE_URL_BYTES];
    gr_response *response;
    int code = begin(self, text, url);
    if (code != 0) return code;
    if (!ret_address) return gri_fail(self, GR_EINVAL, "gr_remote_lookup needs a place for the address");
    const gri_remote_request head = {.method = "HEAD", .url = url};
    int status = ask_status(self, &head, deadline, &response);
    if (status < 0)
        code = status;
    else if (status == 200)
        code = intern(self, url, ret_address);
    else if (status == 404)
        code = gri_fail(self, GR_ENOTFOUND, "no actor answers there");
    else
        code = gri_remote_refused(self, response);
    gr_response_free(self, &response);
    return gri_await_end(self, code);
}

int gr_remote_kill(gr_self *self, gr_address address, gr_deadline deadline)
{
    char url[GR_REMOTE_URL_BYTES];
    gr_response *response;
    int code = gri_suspend_enter(self);
    if (code != 0) return code;
    if (!gri_address_is_remote(address)) return gri_fail(self, GR_EINVAL, "the address is not remote: gr_kill it");
    if (!gri_remote_url_of(address, url)) return gri_fail(self, GR_EDEAD, "the remote address is dead");
    const gri_remote_request request = {.method = "DELETE", .url = url};
    int status = ask_status(self, &request, deadline, &response);
    if (status < 0)
        code = status;
    else
        code = status == 200 || status == 202 ? 0 : gri_remote_refused(self, response);
    gr_response_free(self, &response);
    return gri_await_end(self, code);
}

/* ---- spawning ---- */

static int spawn_refused(gr_self *self, const gr_response *response)
{
    char why[160];
    words_of(response, why);
    switch (gr_response_status(response)) {
    case 404: return gri_fail(self, GR_ENOTFOUND, "the other side: %s", why);
    case 409: return gri_fail(self, GR_EEXISTS, "the other side: %s", why);
    case 422: return gri_fail(self, GR_ETYPE, "the other side: %s", why);
    default: return gri_remote_refused(self, response);
    }
}

/* HEAD tells who is there: python-actors executes what is PUT. */
static int check_spawner(gr_self *self, const char *url, gr_deadline deadline)
{
    gr_response *response;
    const gri_remote_request head = {.method = "HEAD", .url = url};
    int status = ask_status(self, &head, deadline, &response), code = status < 0 ? status : 0;
    if (code == 0 && !is_greenroom(response)) code = not_greenroom(self, "spawn a behaviour");
    gr_response_free(self, &response);
    return code;
}

/* args is printed before anything suspends. */
static int spawn_at(gr_self *self, gr_address *ret_address, const char *url, const char *behaviour, gr_value args,
                    gr_deadline deadline)
{
    gr_message *m = NULL;
    char *body = NULL;
    size_t bytes = 0;
    int code = gr_pack(&m, "{s:s, s:V}", "behaviour", behaviour, "args", args.at ? args : gri_runtime_null());
    if (code != 0) return gri_fail(self, code, "the request could not be built: %s", gr_error_text(code));
    code = gri_remote_print(self, gr_body(m), &body, &bytes);
    gr_message_free(&m);
    if (code != 0) return code;
    code = check_spawner(self, url, deadline);
    if (code == 0) {
        gr_response *response;
        const gri_remote_request put = {
            .method = "PUT", .url = url, .body = body, .body_bytes = bytes, .own_connection = true};
        int status = ask_status(self, &put, deadline, &response);
        if (status < 0)
            code = status;
        else
            code = status == 201 || status == 202 ? intern(self, url, ret_address) : spawn_refused(self, response);
        gr_response_free(self, &response);
    }
    gr_free(self, body);
    return code;
}

static int check_spawn(gr_self *self, const gr_address *ret_address, const char *behaviour)
{
    if (!behaviour) return gri_fail(self, GR_EINVAL, "gr_spawn_remote needs the name of a behaviour");
    if (!ret_address) return gri_fail(self, GR_EINVAL, "gr_spawn_remote needs a place for the address");
    return 0;
}

int gr_spawn_remote_value(gr_self *self, gr_address *ret_address, const char *text, const char *behaviour,
                          gr_value args, gr_deadline deadline)
{
    char url[GR_REMOTE_URL_BYTES];
    int code = begin(self, text, url);
    if (code == 0) code = check_spawn(self, ret_address, behaviour);
    if (code == 0) code = spawn_at(self, ret_address, url, behaviour, args, deadline);
    return gri_await_end(self, code);
}

int gr_spawn_remote_site(gr_self *self, gr_address *ret_address, const char *text, const char *behaviour,
                         gr_deadline deadline, gr_site *site, const char *format, ...)
{
    char url[GR_REMOTE_URL_BYTES];
    gr_message *m = NULL;
    int code = begin(self, text, url);
    if (code == 0) code = check_spawn(self, ret_address, behaviour);
    if (code != 0) return code;
    va_list args;
    va_start(args, format);
    code = gri_pack_for(self, &m, site, format, args);
    va_end(args);
    if (code != 0) return code;
    gri_hold(self, m);
    code = spawn_at(self, ret_address, url, behaviour, gr_body(m), deadline);
    gr_message_free(&m);
    return gri_await_end(self, code);
}
