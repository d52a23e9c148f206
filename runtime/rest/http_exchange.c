/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What is said about a request when it is over: to the counters, and to who observes. */
#include "rest/http_connection.h"

static void show(gri_http_connection *c, const gr_environ *env, const char *refusal, bool complete)
{
    const gri_http_answer *a = &c->answer;
    gr_exchange exchange = {
        .env = env,
        .refusal = refusal,
        .remote = c->remote,
        .status = a->started ? a->status : 0,
        .complete = complete,
        .received = c->input.bytes,
        .sent = a->bodiless ? 0 : (uint64_t)a->sent,
        .duration_ns = c->ended_ns - c->began_ns,
    };
    c->server->options.observe(c->server->options.observe_state, &exchange);
}

void gri_http_exchange_end(gri_http_connection *c, const gr_environ *env, const char *refusal, bool complete)
{
    const gri_http_answer *a = &c->answer;
    /* One write is not waited for as a rule: the time before it will do. */
    if (a->writes != 1) c->ended_ns = gr_now_ns();
    gri_http_count count = {
        .status = a->started ? a->status : 0,
        .unanswered = !a->started,
        .timed_out = c->input.error == GR_ETIMEOUT || (!env && a->status == 408),
        .bytes_received = c->received,
        .bytes_sent = c->sent,
        .duration_ns = c->ended_ns - c->began_ns,
    };
    c->received = c->sent = 0;
    gri_http_tally_add(c->server->tally, c->self, &count);
    if (c->server->options.observe) show(c, env, refusal, complete);
}
