/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* GET /NAME/-/wait and GET /NAME/-/events: waiting for an actor's end, and for what it publishes until then. */
#include <stdio.h>
#include <string.h>

#include <greenroom/registry.h>

#include "rest/ending.h"
#include "rest/event_stream.h"
#include "rest/query.h"
#include "rest/requests.h"
#include "rest/shared.h"

/* The end, or GR_ETIMEOUT, GR_EKILLED (this server drains), GR_ECLOSED (nobody is there to be told any more). */
static int wait_for_end(const gri_request *r, gri_ending *ending, double seconds)
{
    gr_deadline end = gr_after_s(seconds);
    int code = GR_ETIMEOUT;
    gr_kill_release(r->env->self);
    do {
        gr_deadline tick = gr_after_ms(GRI_GONE_TICK_MS);
        code = gri_ending_wait(ending, tick.ns < end.ns ? tick : end);
        if (code != GR_ETIMEOUT) break;
        if (gr_killed(r->env->self))
            code = GR_EKILLED;
        else if (gr_response_gone(r->respond))
            code = GR_ECLOSED;
    } while (code == GR_ETIMEOUT && gr_now_ns() < end.ns);
    gr_kill_hold(r->env->self);
    return code;
}

static int answer_end(const gri_request *r, const gri_ending *ending)
{
    gr_message *end = NULL;
    if (gri_ending_was_before(ending)) return gri_answered(gri_request_nobody(r));
    int code = gri_ending_pack(ending, &end);
    if (code != 0) return gri_answer_code(r->respond, code, "how it ended was lost");
    code = gri_answer_json(r->env, r->respond, 200, GRI_JSON, gr_body(end), NULL, 0);
    gr_message_free(&end);
    return code;
}

int gri_wait_actor(const gri_request *r)
{
    gri_ending ending;
    gri_stay *stay = NULL;
    gr_address address;
    double seconds = 0;
    int code = gri_request_actor(r, &address);
    if (code != 0) return gri_answered(code);
    if (!gri_query_seconds(r->env->query, "timeout", GRI_CALL_WAIT_S, GRI_CALL_WAIT_S_MAX, &seconds))
        return gr_response_problem(r->respond, 400, "timeout: 0 to %d seconds", GRI_CALL_WAIT_S_MAX);
    code = gri_ending_init(&ending, r->env->self, address);
    if (code == 0) code = gri_stay_begin(r->shared, r->env->self, false, &stay);
    if (code == 0) {
        code = wait_for_end(r, &ending, seconds);
        gri_stay_end(r->env->self, stay);
    }
    if (code == 0)
        code = answer_end(r, &ending);
    else if (code == GR_ETIMEOUT || code == GR_EKILLED) /* not yet: come again */
        code = gr_response_start(r->respond, 204, NULL, 0, 0);
    else if (code != GR_ECLOSED)
        code = gri_answer_code(r->respond, code, "cannot wait");
    gri_ending_fini(&ending);
    return code;
}

/* One actor's stream ------------------------------------------------------------------------------------------------- */

enum { ID_BYTES = GR_ADDRESS_TEXT_BYTES + 24 };

typedef struct watch {
    gr_address address;
    gri_ending ending;
    uint64_t version; /* sent last */
    int64_t interval_ms;
    bool fresh; /* nothing was sent, and the client knows no version of this life */
} watch;

/* "VERSION-ADDRESS": another actor under the same name begins anew. */
static void print_id(const watch *w, char id[ID_BYTES])
{
    int bytes = snprintf(id, 24, "%llu-", (unsigned long long)w->version);
    (void)gr_address_print(w->address, id + bytes);
}

/* What the client has had before its connection was lost, if that was of this life. */
static void read_last_id(watch *w, const gr_environ *env)
{
    const char *given = gr_environ_header(env, "last-event-id");
    char id[ID_BYTES];
    w->fresh = true;
    for (; given && *given >= '0' && *given <= '9' && w->version < UINT64_MAX / 16; given++)
        w->version = w->version * 10 + (uint64_t)(*given - '0');
    print_id(w, id);
    if (given && *given == '-' && strcmp(strchr(id, '-'), given) == 0) w->fresh = false;
    if (w->fresh) w->version = 0;
}

static int send_state(gri_stream *s, watch *w)
{
    char id[ID_BYTES];
    unsigned char storage[16];
    gr_message *state = NULL;
    gr_value value;
    int code = gr_state(w->address, &state, &w->version);
    if (code == GR_EDEAD) return 0; /* the end is told next */
    if (code == GR_ENOTFOUND) {
        w->version = 0;
        code = gr_pack_into(storage, sizeof storage, &value, "{}");
    } else {
        value = gr_body(state);
    }
    print_id(w, id);
    if (code == 0) code = gri_stream_event(s, "state", id, value);
    gr_message_free(&state);
    return code;
}

static int send_end(gri_stream *s, watch *w)
{
    gr_message *end = NULL;
    int code = gri_ending_wait(&w->ending, GR_FOREVER); /* it is on its way */
    if (code == 0) code = gri_ending_pack(&w->ending, &end);
    if (code == 0) code = gri_stream_event(s, "exit", NULL, gr_body(end));
    gr_message_free(&end);
    return code;
}

/* However fast it publishes, a client gets one event an interval, of the newest state. */
static int follow(gri_stream *s, void *arg)
{
    watch *w = arg;
    gr_self *self = s->request->env->self;
    int code = w->fresh ? send_state(s, w) : 0;
    while (code == 0) {
        uint64_t version = w->version;
        code = gr_state_wait(self, w->address, &version, gri_stream_due(s));
        if (code == GR_EDEAD) return send_end(s, w);
        if (code == GR_ETIMEOUT) {
            code = gri_stream_tick(s);
        } else if (code == 0) {
            code = send_state(s, w);
            if (code == 0) code = gri_stream_sleep(s, w->interval_ms);
        }
    }
    return code;
}

int gri_actor_events(const gri_request *r)
{
    watch w = {0};
    size_t interval_ms = 0;
    int code = gri_request_actor(r, &w.address);
    if (code != 0) return gri_answered(code);
    if (!gri_query_number(r->env->query, "interval", GRI_EVENTS_MS, 0, GRI_EVENTS_MS_MAX, &interval_ms))
        return gr_response_problem(r->respond, 400, "interval: 0 to %d milliseconds", GRI_EVENTS_MS_MAX);
    w.interval_ms = (int64_t)interval_ms;
    read_last_id(&w, r->env);
    code = gri_ending_init(&w.ending, r->env->self, w.address);
    if (code != 0) return gri_answer_code(r->respond, code, "cannot watch");
    code = gri_stream_run(r, follow, &w);
    gri_ending_fini(&w.ending);
    return code;
}
