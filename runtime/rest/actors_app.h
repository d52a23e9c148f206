/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The actors application: a handler for each route. Handlers run in the connection's actor, after guard.h has let the request
 * pass; they keep nothing between requests. Each returns 0 when it has answered, or a negative code (wsgi.h). */
#ifndef GRI_REST_ACTORS_APP_H
#define GRI_REST_ACTORS_APP_H

#include <greenroom/registry.h>
#include <greenroom/wsgi.h>

enum {
    GRI_CALL_WAIT_S = 30, /* of /-/call/ without Prefer, of /-/wait without timeout */
    GRI_CALL_WAIT_S_MAX = 3600,
    GRI_DELETE_WAIT_MS = 1000,
    GRI_GONE_TICK_MS = 1000, /* how often a call without end looks whether its client is still there */
    GRI_LIST_LIMIT = 100,
    GRI_LIST_LIMIT_MAX = 1000,
    GRI_LIST_OFFSET_MAX = 9000,
    GRI_LIST_SEARCH_BYTES = 256,
    GRI_EVENTS_MS = 20, /* between two states of one stream */
    GRI_EVENTS_MS_MAX = 10000,
    GRI_STATS_MS = 1000, /* between two figures of the runtime's stream */
    GRI_STATS_MS_MIN = 100
};

struct gri_shared;

typedef struct gri_request {
    const gr_environ *env;
    gr_responder *respond;
    const char *name;      /* of the actor, decoded; NULL where the route has none. 1 to GR_NAME_BYTES_MAX bytes */
    const char *parameter; /* the other one of the path: what is called; NULL likewise */
    unsigned json_depth;
    struct gri_shared *shared;
} gri_request;

int gri_list_actors(const gri_request *request);
int gri_put_actor(const gri_request *request);
int gri_post_actor(const gri_request *request);
int gri_get_actor(const gri_request *request);
int gri_delete_actor(const gri_request *request);
int gri_call_actor(const gri_request *request);
int gri_wait_actor(const gri_request *request);
int gri_actor_events(const gri_request *request);
int gri_actor_info(const gri_request *request);
int gri_stats(const gri_request *request);
int gri_exits(const gri_request *request);
int gri_metrics(const gri_request *request);
int gri_runtime_events(const gri_request *request);
int gri_livez(const gri_request *request);
int gri_readyz(const gri_request *request);
int gri_list_behaviours(const gri_request *request);
int gri_describe(const gri_request *request);
int gri_check_token(const gri_request *request);
int gri_get_asset(const gri_request *request);

/* answer.c: JSON answers ------------------------------------------------------------------------------------------- */

#define GRI_JSON "application/json"
#define GRI_PROBLEM "application/problem+json"

/* The value as text with a newline. `headers` (at most 4) come besides Content-Type. */
int gri_answer_json(const gr_environ *env, gr_responder *respond, int status, const char *content_type, gr_value value,
                    const gr_header *headers, size_t count);
/* A problem with what can be added: where in the request's JSON (NULL: nowhere), an exception report (missing: none). */
int gri_answer_problem(const gr_environ *env, gr_responder *respond, int status, const gr_detail *where,
                       gr_value exception, const char *format, ...) GR_PRINTF(6, 7);
/* The same with one header field. */
int gri_answer_problem_header(gr_responder *respond, int status, const char *name, const char *value,
                              const char *detail);
/* 503 and Retry-After for what may work later: GR_EFULL, GR_ENOMEM, GR_ENOTRUNNING; 500 for what should not happen. */
int gri_answer_code(gr_responder *respond, int code, const char *what);
/* The same for a message that `address` did not take: Retry-After comes from its queue (retry_after.h). */
int gri_answer_refused(const gri_request *request, gr_address address, int code, const char *what);

#endif
