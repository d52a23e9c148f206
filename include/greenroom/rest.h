/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The actors of this process as a REST application: spawn, message, call, read and kill them over HTTP.
 *
 *   PUT    /NAME {"behaviour": b, "args": …}    202 + Location   spawns a registered behaviour under the name
 *   POST   /NAME  any JSON                      202              casts
 *   POST   /NAME {"remotecall": id, "method": m, "message": …, "timeout": seconds or null}
 *                                               202 404 406 408  calls, as python-actors' clients do
 *   POST   /NAME/-/call/METHOD  any JSON        200 404 422 504  calls; Prefer: wait=SECONDS (30)
 *   GET    /NAME                                200 304 404      the state it published, {} if none; ETag
 *   HEAD   /NAME                                200 404
 *   DELETE /NAME                                200 202 404      kills; 202 if that takes more than a second
 *   GET    /NAME/-/wait?timeout=SECONDS         200 204 404      {"exit": …}, {"exception": …} or {"killed": true}; 204: not
 *                                                                yet, within 30 s or as asked for
 *   GET    /NAME/-/events                       200 404          server-sent events: "state" for each state it publishes, and
 *                                                                at last "exit", as /-/wait
 *   GET    /                                    200              the actors, as JSON (limit, offset or after, sort, search,
 *                                                                behaviour, kind, state)
 *   GET    /, /NAME from a browser              200              the dashboard, a page; it asks for text/html more than for
 *                                                                JSON. Its files: /-/dashboard/FILE
 *   POST   /-/token                             204 401          is the token right?
 *   GET    /NAME/-/info                         200 404          one actor (gr_observe_actor)
 *   GET    /-/stats, /-/exits, /-/metrics       200              gr_observe_stats, gr_observe_exits, gr_metrics, with what
 *                                                                the server has counted
 *   GET    /-/events                            200              server-sent events: "stats" each second (interval=MS),
 *                                                                "exits" when there are new ones
 *   GET    /-/behaviours                        200              what PUT can spawn
 *   GET    /-/openapi.json                      200 304          all of this as OpenAPI 3.0.3
 *   GET    /-/livez, /-/readyz                  200, 200 503
 *
 * HEAD answers as GET, without the body; OPTIONS answers Allow. 503 comes with Retry-After: how long the messages that wait
 * in the actor's mailbox will take, as far as can be told.
 *
 * Errors are application/problem+json (RFC 9457). A name is what gr_register takes; an actor without one answers under the
 * text of its address. The runtime's own actors (behaviours "greenroom.…") cannot be reached. Addresses in bodies and answers
 * are URLs where they lead elsewhere, or come from there (gr_remote_form, gr_remote_configure); one that GREENROOM_REMOTE_ALLOW
 * does not permit is 403.
 *
 * Safe by default. Every route that changes something wants "Authorization: Bearer TOKEN". Where others than this machine can
 * connect, there must be TLS (.http.tls), or .insecure must say that plain text is meant, and every route but livez, readyz
 * and the dashboard's files, which hold no data, wants the token. The Host must be one this server answers for, against DNS
 * rebinding; an Origin must be the server itself; there is no CORS. "traceparent" goes on in the messages (trace.h).
 * Part of the library greenroom-rest. */
#ifndef GR_REST_H
#define GR_REST_H

#include <greenroom/wsgi.h>

GR_BEGIN_DECLS

/* 256 bits as 64 hexadecimal digits, and a NUL. */
#define GR_REST_TOKEN_BYTES 65

/* A new random token. Errors: GR_ESYSTEM. */
GR_ANY_THREAD GR_MUST_CHECK int gr_rest_token_new(char ret_token[GR_REST_TOKEN_BYTES]);
/* Reads the token from a file; makes both if there is no such file. It must be a plain file of this user that nobody else may
 * read (0600). Errors: GR_ESYSTEM, GR_EINVAL; the detail (may be NULL) says why. Blocks its thread. */
GR_ANY_THREAD GR_MUST_CHECK int gr_rest_token_file(const char *path, char ret_token[GR_REST_TOKEN_BYTES],
                                                   gr_detail *ret_detail);

/* An application of yours, for every path that is `prefix` or below it; it sees script_name = prefix and the rest as path. */
typedef struct gr_mount {
    const char *prefix; /* "/app": begins with '/', does not end with it, no "-" segment */
    gr_application application;
    bool open; /* no token for any method; else GET, HEAD and OPTIONS are reading, everything else is changing */
} gr_mount;

/* Zero is the default everywhere. Strings and arrays are copied. */
typedef struct gr_rest_options {
    gr_http_options http;     /* where it listens, limits; .application must be zero */
    const char *token;        /* as gr_rest_token_new makes it */
    bool open;                /* no token at all; only where nobody but this machine can connect */
    bool insecure;            /* other machines may connect in plain text, without http.tls */
    const char *const *hosts; /* names it answers for besides localhost, 127.0.0.1, [::1]: "name" or "name:port" */
    size_t host_count;
    const gr_mount *mounts; /* the longest prefix wins */
    size_t mount_count;
    unsigned json_depth; /* containers inside each other in a request; 64, at most 512 */
    unsigned streams; /* event streams at once; beyond: 503; half of http.connections, each of which they take one of */
    uint32_t
        heartbeat_ms; /* a silent event stream sends a comment so often, for proxies that give up on silence; 10 to 3600000;
                              15000 */
} gr_rest_options;

typedef struct gr_rest gr_rest;

/* Starts serving. Errors: those of gr_http_start; GR_EINVAL: options that make no sense or are not safe. The detail (may be
 * NULL) says which and what is allowed. */
GR_SUSPENDS GR_MUST_CHECK int gr_rest_start(gr_self *self, const gr_rest_options *options, gr_rest **ret_rest,
                                            gr_detail *ret_detail);
/* Where it listens: "127.0.0.1:7580". */
GR_ANY_THREAD const char *gr_rest_address(const gr_rest *rest);
/* Lets /-/readyz answer 503 with this reason (at most 127 bytes; copied) from now on, so that a load balancer sends its
 * requests elsewhere while those that come are still served; NULL: it answers for itself again. By itself it answers 503 when
 * the server is stopping, when the runtime has no workers, and when there is no memory for messages. */
GR_ANY_THREAD void gr_rest_ready(gr_rest *rest, const char *why_not);
/* Ends event streams and long polls, which would go on for as long as their clients like, and begins none any more; readyz
 * answers 503, everything else goes on. For who stops a server in steps of his own: gr_rest_stop begins with it. */
GR_ANY_THREAD void gr_rest_drain(gr_rest *rest);
/* As gr_http_stop, after gr_rest_drain. */
GR_SUSPENDS int gr_rest_stop(gr_self *self, gr_rest **rest, gr_deadline deadline);

/* The same application without a server, to put behind middleware of your own: give gr_rest_application's result to
 * gr_http_start, with options.http.listen as there. Freed with gr_rest_free when that server has stopped. */
GR_ANY_THREAD GR_MUST_CHECK int gr_rest_new(const gr_rest_options *options, gr_rest **ret_rest, gr_detail *ret_detail);
GR_ANY_THREAD gr_application gr_rest_application(gr_rest *rest);
GR_ANY_THREAD void gr_rest_free(gr_rest **rest);

GR_END_DECLS

#endif
