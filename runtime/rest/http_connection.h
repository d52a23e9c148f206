/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* One connection: an actor that reads requests, runs the application on each, and writes its answers, in order.
 *
 *     [TLS handshake (head_ms, the first head included)]
 *     wait (idle_ms) --> read head (head_ms) --> application <--> body (body_ms), answer (write_ms) --> wait, or close
 *     ....kill: ends....  ......................kill: held, the answer says Connection: close..................
 *
 * A kill is how the listener tells it to end. It is held from a request's first byte until its answer is out, so that it ends
 * an idle connection at once and lets a busy one finish; gr_kill_now ends either.
 *
 * Everything here belongs to that actor; the server it points to is constant until every connection has ended. All memory is
 * the actor's stack or comes from gr_alloc, so that a kill or a raise at any point leaks nothing. An idle connection
 * keeps one page of stack and less than 4 KB of memory (tests/stress/slow_clients_stress measures it). */
#ifndef GRI_REST_HTTP_CONNECTION_H
#define GRI_REST_HTTP_CONNECTION_H

#include <greenroom/io.h>
#include <greenroom/wsgi.h>

#include "rest/http_body.h"
#include "rest/http_counters.h"
#include "rest/http_date.h"
#include "rest/http_parse.h"

enum {
    GRI_HTTP_BUFFER_BYTES = 1024,  /* guess: holds most heads; grows to the limit on the head */
    GRI_HTTP_OUT_BYTES = 512,      /* the same for answers */
    GRI_HTTP_GATHER_BYTES = 16384, /* guess: answers up to this size leave in one write */
    GRI_HTTP_PATH_BYTES = 96,
    GRI_HTTP_STACK_FIELDS = 64, /* on the connection's stack */
    GRI_HTTP_STACK_HEADERS = 16,
    GRI_HTTP_LINGER_MS = 500, /* guess: how long we wait for the client's end after ours */
    GRI_HTTP_LINGER_BYTES =
        8 << 20,                 /* guess: what we read and drop before we close on a client that is still sending */
    GRI_HTTP_SKIP_BYTES = 262144 /* of a body the application left unread; more closes the connection */
};

/* Constant after gr_http_start but for what the starter itself keeps. */
struct gr_http_server {
    gr_http_options options; /* defaults filled in */
    gri_http_limits limits;
    char address[GR_SOCKET_TEXT_BYTES];
    gr_address listener;
    gri_http_tally *tally;
};

typedef struct gri_http_answer {
    gr_responder respond; /* first: the application's view */
    struct gri_http_connection *connection;
    bool started, chunked, bodiless, failed;
    int status;
    unsigned writes;      /* of it, to the socket */
    int64_t length, sent; /* length GR_BODY_UNKNOWN: streamed */
    char *out;
    size_t out_bytes, out_capacity;
} gri_http_answer;

typedef struct gri_http_input {
    gr_input input; /* first */
    struct gri_http_connection *connection;
    gr_deadline deadline;
    bool timed, expects; /* the deadline runs; the client waits for 100 */
    int error;           /* sticks */
    uint64_t bytes;      /* given to the application, or skipped for it */
    char *text;          /* of gr_input_all, freed after the request */
} gri_http_input;

typedef struct gri_http_connection {
    gr_self *self;
    const gr_http_server *server;
    gr_socket socket;
    char remote[GR_SOCKET_TEXT_BYTES];

    /* bytes received: [0, head.bytes) this request's head, [at, held) not yet looked at */
    char *buffer;
    size_t capacity, at, held;

    gri_http_head head;
    gri_http_field *fields;
    gri_http_body body;
    gri_http_input input;
    gri_http_answer answer;
    gri_http_date date;
    char path[GRI_HTTP_PATH_BYTES];
    uint32_t requests;
    bool keep, half_closed;     /* the client has ended its side, and may still read */
    gr_deadline first;          /* until when the first head has to be here */
    int64_t began_ns, ended_ns; /* the request's head was complete; its answer was, or is about to be */
    uint64_t received, sent;    /* bytes, since they were last counted */
} gri_http_connection;

static inline gr_deadline gri_http_later(int64_t from_ns, uint32_t ms)
{
    return (gr_deadline){from_ns + (int64_t)ms * 1000000};
}

/* Entry of the actor; args {"server": pointer, "socket": id}. */
void gri_http_connection_run(gr_self *self, gr_value args);

/* http_request.c ---------------------------------------------------------------------------------------------------- */

/* Reads the next head; kills are held, but while nothing of it has come. 0; GR_ECLOSED: end quietly (the client, or a kill);
 * GR_ESYNTAX: refused, see head.status; GR_ETIMEOUT: 408; GR_EKILLED: the server stops, and the rest does not come; GR_ENOMEM. */
int gri_http_request_read(gri_http_connection *connection);
/* Makes the strings of the head and fills in *env; `headers` has room for the limit on fields. */
int gri_http_request_environ(gri_http_connection *connection, gr_environ *env, gr_header *headers);
/* Gets rid of what the application left of the body, and of the request's memory. False: the connection cannot go on. */
bool gri_http_request_end(gri_http_connection *connection, gr_environ *env);
/* Did anything come from the client that means it has gone? Never suspends. */
bool gri_http_request_gone(gri_http_connection *connection);

/* http_exchange.c --------------------------------------------------------------------------------------------------- */

/* Counts what became of a request and shows it to the observer. env, refusal: as in gr_exchange. */
void gri_http_exchange_end(gri_http_connection *connection, const gr_environ *env, const char *refusal, bool complete);

/* http_answer.c ----------------------------------------------------------------------------------------------------- */

void gri_http_answer_init(gri_http_connection *connection);
/* Completes and sends what the application began. False: that was not possible, the connection cannot go on. */
bool gri_http_answer_end(gri_http_connection *connection);
int gri_http_answer_send_continue(gri_http_connection *connection);

#endif
