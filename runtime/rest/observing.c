/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What the runtime shows of itself (observe.h), with what this server has counted: figures, one actor, recent ends, metrics,
 * and a stream of the first and third. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <greenroom/build.h>
#include <greenroom/observe.h>

#include "rest/event_stream.h"
#include "rest/query.h"
#include "rest/requests.h"
#include "rest/shared.h"
#include "rest/told.h"

static int answer_message(const gri_request *r, int code, gr_message **message, const char *what)
{
    if (code != 0) return gri_answer_code(r->respond, code, what);
    code = gri_answer_json(r->env, r->respond, 200, GRI_JSON, gr_body(*message), NULL, 0);
    gr_message_free(message);
    return code;
}

int gri_actor_info(const gri_request *r)
{
    gr_address address;
    gr_message *info = NULL;
    int code = gri_request_actor(r, &address);
    if (code != 0) return gri_answered(code);
    code = gr_observe_actor(address, &info);
    if (code == GR_EDEAD) return gri_answered(gri_request_nobody(r));
    return answer_message(r, code, &info, "the actor");
}

/* Figures ------------------------------------------------------------------------------------------------------------ */

/* In microseconds: the upper end of the bucket that holds the answer so many hundredths of all are not longer than. */
static int64_t quantile_us(const gr_http_counters *c, uint64_t hundredths)
{
    uint64_t all = 0, seen = 0;
    for (size_t i = 0; i < GR_HTTP_DURATIONS; i++) all += c->durations[i].count;
    for (size_t i = 0; i + 1 < GR_HTTP_DURATIONS; i++) {
        seen += c->durations[i].count;
        if (seen * 100 >= all * hundredths) return all ? c->durations[i].up_to_ns / 1000 : 0;
    }
    return c->durations[GR_HTTP_DURATIONS - 2].up_to_ns / 1000;
}

static void put_count(gr_builder *b, const char *key, uint64_t count)
{
    gr_put_key(b, key), gr_put_int(b, (int64_t)count);
}

static void put_http(gr_builder *b, const gri_request *r)
{
    gr_http_counters c;
    uint64_t requests = 0;
    gr_put_key(b, "http");
    if (!r->env->server) { /* an application that somebody else's server runs */
        gr_put_null(b);
        return;
    }
    gr_http_counters_read(r->env->server, &c);
    for (size_t i = 0; i < GR_HTTP_CLASSES; i++) requests += c.answers[i];
    gr_put_object(b);
    put_count(b, "connections", c.connections), put_count(b, "accepted", c.accepted);
    put_count(b, "refused", c.over_limit + c.over_address_limit + c.dropped), put_count(b, "requests", requests);
    put_count(b, "unanswered", c.unanswered), put_count(b, "timed_out", c.timed_out);
    put_count(b, "streams", gri_shared_streams(r->shared));
    gr_put_key(b, "answers"), gr_put_object(b);
    for (size_t i = 1; i < GR_HTTP_CLASSES; i++) put_count(b, (char[]){(char)('1' + i), 'x', 'x', '\0'}, c.answers[i]);
    gr_put_end(b);
    put_count(b, "received", c.bytes_received), put_count(b, "sent", c.bytes_sent);
    gr_put_key(b, "time_us"), gr_put_object(b);
    put_count(b, "p50", (uint64_t)quantile_us(&c, 50)), put_count(b, "p90", (uint64_t)quantile_us(&c, 90));
    put_count(b, "p99", (uint64_t)quantile_us(&c, 99));
    gr_put_key(b, "buckets"),
        gr_put_array(b); /* as in the figures of mailboxes; what is over all limits is at the last */
    for (size_t i = 0; i < GR_HTTP_DURATIONS; i++) {
        size_t limit = i + 1 < GR_HTTP_DURATIONS ? i : i - 1;
        if (c.durations[i].count == 0) continue;
        gr_put_array(b);
        gr_put_int(b, c.durations[limit].up_to_ns / 1000), gr_put_int(b, (int64_t)c.durations[i].count);
        gr_put_end(b);
    }
    gr_put_end(b), gr_put_end(b), gr_put_end(b);
}

/* What gr_observe_stats says, and "http". */
static int make_stats(const gri_request *r, gr_message **ret_stats)
{
    gr_message *stats = NULL;
    gr_builder b;
    int code = gr_observe_stats(&stats);
    if (code != 0) return code;
    gr_build(&b);
    gr_put_object(&b);
    for (gr_iter it = gr_iterate(gr_body(stats)); gr_next(&it);) {
        gr_put_key_n(&b, it.key, it.key_bytes);
        gr_put_value(&b, it.value);
    }
    put_http(&b, r);
    gr_put_end(&b);
    code = gr_build_message(&b, ret_stats);
    gr_message_free(&stats);
    return code;
}

int gri_stats(const gri_request *r)
{
    gr_message *stats = NULL;
    int code = make_stats(r, &stats);
    return answer_message(r, code, &stats, "the figures");
}

int gri_exits(const gri_request *r)
{
    gr_message *exits = NULL;
    size_t limit = GR_EXITS_MAX;
    if (!gri_query_number(r->env->query, "limit", GR_EXITS_MAX, 0, GR_EXITS_MAX, &limit))
        return gr_response_problem(r->respond, 400, "limit: 0 to %d", GR_EXITS_MAX);
    int code = gr_observe_exits(limit, &exits);
    return answer_message(r, code, &exits, "recent ends");
}

/* Metrics ------------------------------------------------------------------------------------------------------------ */

static void put_line(gri_buffer *b, const char *name, const char *label, uint64_t value)
{
    gri_buffer_put_text(b, "greenroom_http_");
    gri_buffer_put_text(b, name);
    gri_buffer_put_text(b, label);
    gri_buffer_put_text(b, " ");
    gri_buffer_put_number(b, value);
    gri_buffer_put_text(b, "\n");
}

static void put_family(gri_buffer *b, const char *name, const char *type, const char *help)
{
    char text[256];
    snprintf(text, sizeof text, "# HELP greenroom_http_%s %s\n# TYPE greenroom_http_%s %s\n", name, help, name, type);
    gri_buffer_put_text(b, text);
}

static void put_single(gri_buffer *b, const char *name, const char *type, const char *help, uint64_t value)
{
    put_family(b, name, type, help);
    put_line(b, name, "", value);
}

static void put_durations(gri_buffer *b, const gr_http_counters *c)
{
    char text[96];
    uint64_t below = 0;
    put_family(b, "answer_seconds", "histogram", "Time from a request's head to the end of its answer.");
    for (size_t i = 0; i < GR_HTTP_DURATIONS; i++) {
        int64_t us = c->durations[i].up_to_ns / 1000;
        bool last = c->durations[i].up_to_ns == INT64_MAX;
        below += c->durations[i].count;
        if (last)
            snprintf(text, sizeof text, "{le=\"+Inf\"}");
        else
            snprintf(text, sizeof text, "{le=\"%" PRId64 ".%06" PRId64 "\"}", us / 1000000, us % 1000000);
        put_line(b, "answer_seconds_bucket", text, below);
    }
    snprintf(text, sizeof text, "greenroom_http_answer_seconds_sum %" PRIu64 ".%09" PRIu64 "\n",
             c->duration_ns / 1000000000, c->duration_ns % 1000000000);
    gri_buffer_put_text(b, text);
    put_line(b, "answer_seconds_count", "", below);
}

static void put_metrics(gri_buffer *b, const gri_request *r)
{
    gr_http_counters c;
    if (!r->env->server) return;
    gr_http_counters_read(r->env->server, &c);
    put_single(b, "connections", "gauge", "Connections open at this moment.", c.connections);
    put_single(b, "streams", "gauge", "Event streams open at this moment.", gri_shared_streams(r->shared));
    put_single(b, "connections_accepted_total", "counter", "Connections that were let in.", c.accepted);
    put_family(b, "connections_refused_total", "counter", "Connections that were turned away.");
    put_line(b, "connections_refused_total", "{reason=\"limit\"}", c.over_limit);
    put_line(b, "connections_refused_total", "{reason=\"address_limit\"}", c.over_address_limit);
    put_line(b, "connections_refused_total", "{reason=\"dropped\"}", c.dropped);
    put_line(b, "connections_refused_total", "{reason=\"handshake\"}", c.handshakes_failed);
    put_family(b, "answers_total", "counter", "Answers by the class of their status.");
    for (size_t i = 1; i < GR_HTTP_CLASSES; i++) {
        char label[] = "{class=\"0xx\"}";
        label[8] = (char)('1' + i);
        put_line(b, "answers_total", label, c.answers[i]);
    }
    put_single(b, "requests_timed_out_total", "counter", "Requests that did not arrive in time.", c.timed_out);
    put_single(b, "requests_unanswered_total", "counter", "Requests whose connection ended first.", c.unanswered);
    put_single(b, "received_bytes_total", "counter", "Bytes received.", c.bytes_received);
    put_single(b, "sent_bytes_total", "counter", "Bytes sent.", c.bytes_sent);
    put_durations(b, &c);
}

int gri_metrics(const gri_request *r)
{
    const gr_header header = {"Content-Type", "text/plain; version=0.0.4; charset=utf-8"};
    gri_buffer b = {.self = r->env->self};
    char *text = NULL;
    size_t bytes = 0;
    int code = gr_metrics(&text, &bytes);
    if (code != 0) return gri_answer_code(r->respond, code, "the metrics");
    put_metrics(&b, r);
    if (!b.failed) code = gr_response_start(r->respond, 200, &header, 1, (int64_t)(bytes + b.bytes));
    if (b.failed) code = gri_answer_code(r->respond, GR_ENOMEM, "the metrics");
    if (code == 0 && !b.failed) code = gr_response_write(r->respond, text, bytes);
    if (code == 0 && !b.failed) code = gr_response_write(r->respond, b.text, b.bytes);
    gri_buffer_free(&b);
    free(text);
    return code;
}

/* The runtime's stream ----------------------------------------------------------------------------------------------- */

typedef struct outlook {
    int64_t interval_ms;
    bool begun;
    gri_told told;
} outlook;

/* Those of the ends, newest first, that were not told yet: an array, or NULL if there are none. What was there before the stream
 * began is in /-/exits. */
static int new_ends(outlook *o, gr_value ends, gr_message **ret_message)
{
    gr_builder b;
    size_t count = 0;
    *ret_message = NULL;
    gr_build(&b);
    gr_put_array(&b);
    for (gr_iter it = gr_iterate(ends); gr_next(&it);) {
        if (!gri_told_add(&o->told, (uint64_t)gr_int(gr_get(it.value, "number"), 0)) || !o->begun) continue;
        gr_put_value(&b, it.value);
        count++;
    }
    gr_put_end(&b);
    gri_told_look_end(&o->told, (uint64_t)gr_int(gr_get(gr_at(ends, 0), "number"), 0));
    o->begun = true;
    if (count > 0) return gr_build_message(&b, ret_message);
    gr_build_cancel(&b);
    return 0;
}

static int send_outlook(gri_stream *s, outlook *o)
{
    gr_message *stats = NULL, *ends = NULL, *fresh = NULL;
    int code = make_stats(s->request, &stats);
    if (code == 0) code = gr_observe_exits_after(o->told.all, GR_EXITS_MAX, &ends);
    if (code == 0) code = new_ends(o, gr_body(ends), &fresh);
    if (code == 0) code = gri_stream_event(s, "stats", NULL, gr_body(stats));
    if (code == 0 && fresh) code = gri_stream_event(s, "exits", NULL, gr_body(fresh));
    gr_message_free(&stats), gr_message_free(&ends), gr_message_free(&fresh);
    return code;
}

static int follow(gri_stream *s, void *arg)
{
    outlook *o = arg;
    int code;
    while ((code = gri_stream_tick(s)) == 0) {
        code = send_outlook(s, o);
        if (code == 0) code = gri_stream_sleep(s, o->interval_ms);
        if (code != 0) break;
    }
    return code;
}

int gri_runtime_events(const gri_request *r)
{
    outlook o = {0};
    size_t interval_ms = 0;
    if (!gri_query_number(r->env->query, "interval", GRI_STATS_MS, GRI_STATS_MS_MIN, GRI_EVENTS_MS_MAX, &interval_ms))
        return gr_response_problem(r->respond, 400, "interval: %d to %d milliseconds", GRI_STATS_MS_MIN,
                                   GRI_EVENTS_MS_MAX);
    o.interval_ms = (int64_t)interval_ms;
    return gri_stream_run(r, follow, &o);
}
