/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Web applications as functions, after Python's WSGI, and a server that runs any of them.
 *
 * An application is a function of an environment (the request) and a responder (its start_response). Middleware is an
 * application whose state holds the next one: it may change a copy of the environment, wrap the responder, or answer itself.
 *
 *     static int hello(void *state, const gr_environ *env, gr_responder *respond)
 *     {
 *         return gr_response_send(respond, 200, "text/plain", "hello\n", 6);
 *     }
 *
 * Layers that most services want are ready made: middleware.h.
 *
 * Each connection is an actor; an application runs in it and may suspend, call other actors, receive, raise; messages it
 * leaves in the mailbox are dropped. One that raises, fails or returns without an answer is answered for with 500. When the
 * server stops, it may finish: kills are held while it runs, but gr_killed(env->self) says so to one that takes long. One that
 * has no end of its own (an event stream, a long poll) lets them through where it waits: gr_kill_release(env->self) before,
 * gr_kill_hold after; GR_EKILLED then asks it to end its answer. The server
 * frames, limits and times everything: strict HTTP/1.1, keep-alive, pipelining, one reading of a request or 4xx and close.
 * Part of the library greenroom-rest. */
#ifndef GR_WSGI_H
#define GR_WSGI_H

#include <greenroom/actor.h>
#include <greenroom/tls.h>

GR_BEGIN_DECLS

typedef struct gr_http_server gr_http_server;

typedef struct gr_header {
    const char *name, *value;
} gr_header;

/* Reads the request's body; see gr_input_read and gr_input_all. A test or middleware may make its own. */
typedef struct gr_input gr_input;
struct gr_input {
    int (*read)(gr_input *input, void *buffer, size_t bytes, size_t *ret_bytes);
    int (*all)(gr_input *input, const char **ret_body, size_t *ret_bytes);
};

/* A request. Strings are NUL-terminated, never NULL unless it says so, and live until the application returns. */
typedef struct gr_environ {
    gr_self *self; /* the connection's actor */
    const char *method;
    const char *target;      /* the request target as it was sent */
    const char *script_name; /* what led to this application, "" at the root; script_name + path is the whole path */
    const char *path;        /* begins with '/', percent-decoded once; "*" for OPTIONS * */
    const char *query;       /* after the '?', not decoded; NULL without '?' */
    const char *scheme;      /* "http", over TLS "https" */
    const char *protocol;    /* "HTTP/1.1" or "HTTP/1.0" */
    const char *host;        /* the authority asked for, "" if HTTP/1.0 gave none */
    const char *remote;      /* the peer as "127.0.0.1:41234", "[::1]:41234" or "unix:" */
    const char *local;       /* where the server listens, in the same form */
    const gr_header *headers;
    size_t header_count;
    int64_t content_length; /* -1: not known before it has been read */
    gr_input *input;
    const gr_http_server *server; /* for gr_http_counters_read; NULL where an application runs without one */
} gr_environ;

/* The value of a header field, its name compared without case; the first one if there are several; NULL if none. */
GR_ANY_THREAD const char *gr_environ_header(const gr_environ *env, const char *name);
/* How often the field occurs. */
GR_ANY_THREAD size_t gr_environ_header_count(const gr_environ *env, const char *name);

/* Reads some of the body, at least one byte; *ret_bytes is 0 at its end. Asks a client that expects it to continue.
 * Errors: GR_ETOOBIG (over the limit), GR_ETIMEOUT, GR_ECLOSED, GR_ESYNTAX (chunks; the client ended its side too early),
 * GR_EKILLED (the server stops, and the client has sent nothing for linger_ms). An application that returns such an error
 * unanswered is answered for with 413, 408, 400 or 503. */
GR_SUSPENDS GR_MUST_CHECK int gr_input_read(const gr_environ *env, void *buffer, size_t bytes, size_t *ret_bytes);
/* Reads the whole rest of the body; it is the server's and lives until the application returns; not NUL-terminated.
 * Errors as above, GR_ENOMEM. */
GR_SUSPENDS GR_MUST_CHECK int gr_input_all(const gr_environ *env, const char **ret_body, size_t *ret_bytes);

#define GR_BODY_UNKNOWN (-1)

/* Where the answer goes. An application calls gr_response_…; middleware that wraps a responder fills in the functions. */
typedef struct gr_responder gr_responder;
struct gr_responder {
    int (*start)(gr_responder *respond, int status, const gr_header *headers, size_t count, int64_t body_bytes);
    int (*write)(gr_responder *respond, const void *data, size_t bytes);
    bool (*gone)(gr_responder *respond); /* may be NULL: never */
};

/* Begins the answer: status 200 to 599, header fields, and the length of the body, or GR_BODY_UNKNOWN to stream it (in
 * chunks; to an HTTP/1.0 client until the connection closes). Headers are copied. The server adds Content-Length,
 * Transfer-Encoding, Connection and Date; to give one of these, or a malformed field, is GR_EINVAL. Twice: GR_EEXISTS. */
GR_SUSPENDS GR_MUST_CHECK int gr_response_start(gr_responder *respond, int status, const gr_header *headers,
                                                size_t count, int64_t body_bytes);
/* Sends a piece of the body. A streamed piece goes out at once; with a known length the server may gather. What exceeds the
 * length is GR_ERANGE; a body that stays shorter closes the connection. To HEAD, and with 204 and 304, the body is not sent.
 * Errors: GR_ECLOSED, GR_ETIMEOUT, GR_EKILLED. */
GR_SUSPENDS GR_MUST_CHECK int gr_response_write(gr_responder *respond, const void *data, size_t bytes);
/* Both: a whole answer with one Content-Type. */
GR_SUSPENDS GR_MUST_CHECK int gr_response_send(gr_responder *respond, int status, const char *content_type,
                                               const void *body, size_t bytes);
/* A problem report, application/problem+json (RFC 9457): {"type": "about:blank", "title": …, "status": …, "detail": …}. */
GR_SUSPENDS GR_MUST_CHECK GR_PRINTF(3, 4) int gr_response_problem(gr_responder *respond, int status, const char *format,
                                                                  ...);
/* Has the client gone, or ended its side of the connection? For applications that wait long; costs a system call. */
GR_IN_ACTOR bool gr_response_gone(gr_responder *respond);
/* The reason phrase: "Not Found"; "Unknown" for what is in no table. */
GR_ANY_THREAD const char *gr_status_text(int status);

typedef int (*gr_application_run)(void *state, const gr_environ *env, gr_responder *respond);

/* run returns 0, or a negative code: unanswered, the server answers 500 (or as told at gr_input_read); else it closes.
 * One application serves all connections at once, on all workers: what state points to must not change, or be locked
 * without suspending. */
typedef struct gr_application {
    gr_application_run run;
    void *state;
} gr_application;

/* One request and what became of it, for access logs. Valid while it is shown. */
typedef struct gr_exchange {
    const gr_environ *env; /* NULL: its head was refused, or did not arrive in time */
    const char *refusal;   /* why, if the server refused it without asking the application; else NULL */
    const char *remote;    /* as in gr_environ */
    int status;            /* 0: the connection ended before an answer had begun */
    bool complete;         /* the whole answer was handed to the system */
    uint64_t received,
        sent; /* bytes of the two bodies, framing apart: what was read of the one, and sent of the other */
    int64_t
        duration_ns; /* from the head's last byte to the answer's: that it was handed to the system, or about to be */
} gr_exchange;
/* Called in the connection's actor after each answer, before the next request is looked at: must not suspend or raise. */
typedef void (*gr_exchange_observe)(void *state, const gr_exchange *exchange);

/* Zero is the default everywhere. Strings are copied. */
typedef struct gr_http_options {
    const char *listen; /* as gr_listen takes it; NULL: "127.0.0.1:7580" */
    unsigned unix_mode; /* permissions of a Unix socket; 0: 0600 */
    gr_application application;
    gr_tls *tls; /* of gr_tls_new, for a server: https, and only that. The caller's, until gr_http_stop has returned */
    gr_exchange_observe observe; /* may be NULL */
    void *observe_state;

    uint32_t line_bytes; /* request line: 414; 4 KiB */
    uint32_t head_bytes; /* request line and fields: 431; 16 KiB, at most 65,535 */
    uint32_t fields;     /* 431; 64 */
    uint64_t body_bytes; /* 413; 1 MiB */
    uint32_t head_ms;    /* from its first byte to its last, absolute; a connection's first: from its beginning,
                                         TLS handshake included; 10 s */
    uint32_t body_ms;    /* the same for the body; 30 s */
    uint32_t write_ms;   /* for the client to take each piece of the answer; 30 s */
    uint32_t idle_ms;    /* between requests; 15 s */
    uint32_t
        linger_ms; /* who has had its answer and is still sending the body may send nothing for so long; 2 s. What it
                             sends is dropped, 8 MiB and body_ms at most, so that a reset does not overtake the answer.
                             Also the time that a stop gives to who is in the middle of a request and sends nothing */
    uint32_t connections;             /* in all; beyond: 503; 1,000 */
    uint32_t connections_per_address; /* IPv4 address or IPv6 /64; beyond: 429; 50 */
    uint32_t requests_per_connection; /* then it closes; 1,000 */
    bool loopback_unbounded;          /* connections_per_address does not count for 127.0.0.0/8 and ::1 */
} gr_http_options;

/* Listens and serves until gr_http_stop, also after its starter has ended. Errors: those of gr_listen, gr_spawn; GR_EINVAL. */
GR_SUSPENDS GR_MUST_CHECK int gr_http_start(gr_self *self, const gr_http_options *options, gr_http_server **ret_server);
/* Where it listens, with the port it got: "127.0.0.1:7580". */
GR_ANY_THREAD const char *gr_http_address(const gr_http_server *server);

#define GR_HTTP_CLASSES 5
#define GR_HTTP_DURATIONS 16

/* Since the server started. Everything but `connections` only grows. */
typedef struct gr_http_counters {
    uint64_t connections;                    /* open at this moment */
    uint64_t accepted;                       /* connections that were let in */
    uint64_t over_limit, over_address_limit; /* turned away: .connections, .connections_per_address of the options */
    uint64_t dropped;                        /* turned away for lack of memory or by the end of a peer */
    uint64_t handshakes_failed;              /* of TLS, those that did not end in time included */
    uint64_t timed_out;                      /* requests whose head or body did not arrive in time */
    uint64_t unanswered;                     /* requests whose connection ended before their answer had begun */
    uint64_t answers[GR_HTTP_CLASSES];       /* by the first digit of the status, less one: 200 is in [1] */
    uint64_t bytes_received, bytes_sent;     /* heads and framing included, TLS apart; counted after each answer */
    uint64_t duration_ns;                    /* of all answers together, as in gr_exchange */
    struct {
        int64_t up_to_ns; /* this long and no longer; the last: INT64_MAX */
        uint64_t count;   /* answers longer than the one before allows */
    } durations[GR_HTTP_DURATIONS];
} gr_http_counters;
/* What is counted meanwhile may be in it or not. */
GR_ANY_THREAD void gr_http_counters_read(const gr_http_server *server, gr_http_counters *ret_counters);

/* Stops listening, ends connections that wait for a request, lets requests that have begun to arrive be answered until the
 * deadline, then ends their connections, too; whose rest does not come (linger_ms) is answered with 503 before. *server is freed and NULL. 0 when all finished, GR_ETIMEOUT when some had to be
 * ended, GR_EKILLED when the caller was killed meanwhile: then *server stays, to be stopped again. NULL is fine. */
GR_SUSPENDS int gr_http_stop(gr_self *self, gr_http_server **server, gr_deadline deadline);

GR_END_DECLS

#endif
