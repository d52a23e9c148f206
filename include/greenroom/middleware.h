/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Middleware that most services want, ready made: who may come in, what was asked, how much one may ask, and compression.
 *
 * Each call puts one more layer around an application (wsgi.h), whatever it is, and keeps what the layer needs in a list:
 *
 *     gr_application application = {hello, NULL};
 *     gr_middleware *layers = NULL;
 *     int code = gr_middleware_gzip(&layers, &application, NULL, NULL);
 *     if (code == 0) code = gr_middleware_access(&layers, &application, NULL, NULL);
 *     … gr_http_start with that application, gr_http_stop …
 *     gr_middleware_free(&layers);
 *
 * The last one added sees a request first. A sensible order of adding is gzip, auth, limit, access: then guesses of a password
 * are limited and everything is logged. All options are copied; for gzip and access NULL means all zero. A call that fails changes
 * nothing; errors of all four: GR_EINVAL (the detail, which may be NULL, says which option and what is allowed), GR_ENOMEM.
 *
 * The layers run on the connections' actors, on all workers at once. What the application below raises is logged with its
 * stack trace and answered with 500. `paths` lists end with NULL; a path stands for itself and all below it ("/static" is
 * "/static" and "/static/a", not "/statics"), and is compared with the whole path, what mounts have taken off included.
 * Part of the library greenroom-rest. */
#ifndef GR_MIDDLEWARE_H
#define GR_MIDDLEWARE_H

#include <greenroom/wsgi.h>

GR_BEGIN_DECLS

/* The layers of one application, the outermost first. */
typedef struct gr_middleware gr_middleware;

/* Frees all layers, when no server runs their application any more. *layers becomes NULL; NULL is fine. */
GR_ANY_THREAD void gr_middleware_free(gr_middleware **layers);

/* ---- who may come in ---- */

typedef struct gr_auth_user {
    const char *name, *password; /* UTF-8 without control characters; no ':' in the name */
} gr_auth_user;

/* Without the right credentials a request is answered 401, with WWW-Authenticate. They are compared in a time that depends on
 * what was sent, not on how much of it is right. At least one token or user. Passwords travel in plain text: TLS in front. */
typedef struct gr_auth_options {
    const char *token;         /* "Authorization: Bearer TOKEN"; letters, digits and -._~+/= (RFC 6750) */
    const char *const *tokens; /* more of them, while one replaces another; ends with NULL */
    const gr_auth_user *users; /* "Authorization: Basic …" (RFC 7617) */
    size_t user_count;
    const char *realm;             /* no '"', '\' or control character; NULL: "greenroom" */
    bool reading_open;             /* GET and HEAD need no credentials */
    const char *const *paths_open; /* these need none; NULL: none */
} gr_auth_options;

GR_ANY_THREAD GR_MUST_CHECK int gr_middleware_auth(gr_middleware **layers, gr_application *application,
                                                   const gr_auth_options *options, gr_detail *ret_detail);

/* ---- what was asked ---- */

enum gr_access_format {
    GR_ACCESS_COMBINED = 0, /* the combined format of web servers, then seconds, request id and trace id */
    GR_ACCESS_COMMON,       /* the common one: without referer and agent, and nothing behind it */
    GR_ACCESS_JSON /* an object: time, remote, method, target, protocol, status, bytes, duration_us, host, referer,
                               agent, request_id, trace_id; what was not sent is not there; "aborted": true if cut off */
};

#define GR_ACCESS_LINE_BYTES 4096

/* One line a request, when its answer is out; at most GR_ACCESS_LINE_BYTES with the newline, so that a write of it to a pipe is
 * one piece; long fields are cut. Called on any worker, several at once; must not suspend or raise. */
typedef void (*gr_access_sink)(void *arg, const char *line, size_t bytes);

/* What came from the client cannot forge lines: quotes, backslashes, control characters and what is no UTF-8 are escaped.
 * Targets contain the query: no place for secrets. */
typedef struct gr_access_options {
    enum gr_access_format format;
    gr_access_sink sink; /* NULL: stderr, a write each, which waits when who reads it is slow */
    void *arg;
    void (*drop)(void *arg);        /* called once when layer or log is freed; may be NULL; not after a failed call */
    const char *const *paths_quiet; /* not logged: probes */
    unsigned proxies;               /* as in gr_limit_options */
} gr_access_options;

/* As a layer: bytes are those of the body as this layer passed it on, compressed if gzip is below. An answer that the server
 * gives for the application has the status the server will use; a client that went before it got one, 499. Requests that the
 * server refused to read (400, 431, …) never come here. */
GR_ANY_THREAD GR_MUST_CHECK int gr_middleware_access(gr_middleware **layers, gr_application *application,
                                                     const gr_access_options *options, gr_detail *ret_detail);

/* The same log of all that a server answers, what it refused to read included (in JSON with "refused": why):
 *     http.observe = gr_access_log_observe, http.observe_state = log
 * To be freed when that server has stopped. */
typedef struct gr_access_log gr_access_log;
GR_ANY_THREAD GR_MUST_CHECK int gr_access_log_new(const gr_access_options *options, gr_access_log **ret_log,
                                                  gr_detail *ret_detail);
GR_ANY_THREAD void gr_access_log_observe(void *log, const gr_exchange *exchange);
/* *log becomes NULL; NULL is fine. */
GR_ANY_THREAD void gr_access_log_free(gr_access_log **log);

/* ---- how much one may ask ---- */

/* What is over a limit is answered 429, or 503 for the limit on all together, with Retry-After: when there will be a token
 * again, or how long requests have taken of late. An address is an IPv4 address, an IPv6 /64, or all Unix sockets.
 * Buckets of addresses that did not ask for long are forgotten when they are full again; under more addresses than
 * fit, the one that may ask again soonest is forgotten. Memory is bounded. */
typedef struct gr_limit_options {
    double per_second;               /* requests of one address, 0.001 to 1,000,000; 0: any */
    unsigned burst;                  /* how many it may have saved up; 0: what a second gives, at least 1 */
    unsigned concurrent_per_address; /* being answered at the same time; 0: any */
    unsigned concurrent;             /* of all addresses together; 0: any */
    unsigned addresses;              /* how many are remembered, up to 16,777,216; 0: 16,384 (512 KiB) */
    const char *const *paths_open;   /* not limited: probes */
    /* Trusted proxies in front, up to 16: the address is the one that the outermost of them put into X-Forwarded-For, which is
     * the entry that many from its end. Only where nobody but those can connect: others can write what they like.
     * 0: the address is the peer's. */
    unsigned proxies;
} gr_limit_options;

GR_ANY_THREAD GR_MUST_CHECK int gr_middleware_limit(gr_middleware **layers, gr_application *application,
                                                    const gr_limit_options *options, gr_detail *ret_detail);

/* ---- compression ---- */

/* Answers are compressed (RFC 1952) when the client says that it takes gzip, by HTTP/1.1 or later, if their type is in the
 * list, their length unknown or large enough, and they have no Content-Encoding and no Cache-Control: no-transform. Those are
 * sent in chunks, with Vary, without Accept-Ranges, and with a weak ETag; an application must compare If-None-Match weakly, as
 * RFC 9110 says. Answers that are streamed are flushed with every write; event streams and ranges are left alone. Whatever has an
 * ETag says Vary: Accept-Encoding, so that its 304 says the same. A client that takes gzip and nothing else ("identity;q=0") gets
 * also what is small or of another type compressed; one that takes neither gets 406 for GET and HEAD.
 *
 * Compression tells how long an answer is, and so, to who can see lengths and put text of their choice into an answer, what
 * else it contains (BREACH). An answer that contains both a secret and what the request said should say no-transform.
 *
 * GR_EUNSUPPORTED: the library was built without zlib. */
typedef struct gr_gzip_options {
    size_t bytes_min; /* shorter answers stay as they are; 0: 1024 */
    int level;        /* 1 (fast) to 9 (small); 0: 5 */
    const char *const
        *types; /* ends with NULL; "text/" stands for all that begin so, "+json" for all that end so; NULL: text/,
                                 application/json, application/javascript, application/xml, image/svg+xml, +json, +xml */
} gr_gzip_options;

GR_ANY_THREAD GR_MUST_CHECK int gr_middleware_gzip(gr_middleware **layers, gr_application *application,
                                                   const gr_gzip_options *options, gr_detail *ret_detail);

GR_END_DECLS

#endif
