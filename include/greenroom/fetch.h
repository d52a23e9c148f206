/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* An HTTP/1.1 client for green threads: one request, one answer, while the actor waits. Connections are kept and used again by
 * whoever asks the same server next, by other actors too. */
#ifndef GR_FETCH_H
#define GR_FETCH_H

#include <greenroom/tls.h>

GR_BEGIN_DECLS

typedef struct gr_fetch_header {
    const char *name, *value;
} gr_fetch_header;

/* Zero is the default everywhere. What it points to stays the caller's. */
typedef struct gr_fetch_request {
    const char
        *url; /* "http://host:port/path?query" or "https://…": ASCII, what is not allowed in one is %-encoded; the host
                           a name, an IPv4 address or an [IPv6] one */
    const char *method;             /* NULL: GET; with a body POST */
    const gr_fetch_header *headers; /* besides Host, Content-Length, Connection and Transfer-Encoding, which are ours */
    size_t header_count;
    const void *body; /* NULL: none */
    size_t body_bytes;
    gr_tls *tls;         /* for https, a client's; NULL: the system's authorities are trusted */
    size_t body_max;     /* of the answer, in bytes; 0: 16 MiB */
    bool own_connection; /* a new connection, closed afterwards */
} gr_fetch_request;

/* An answer; the actor's, like gr_alloc's memory: freed by gr_response_free or at its end. */
typedef struct gr_response gr_response;

/* Asks, and reads the whole answer. Whatever the status is, 0 is returned: redirections are not followed. A request that a kept
 * connection did not take is asked again on a new one if its method allows that (GET, HEAD, OPTIONS, PUT, DELETE).
 * Errors: GR_EINVAL (the request; why), GR_ENOTFOUND (no such host), GR_ETIMEOUT, GR_ECLOSED (the server went away before it had
 * answered), GR_ESYNTAX (what it said is no HTTP/1.1), GR_ETOOBIG (a body of more than body_max, a head of more than 32 KiB),
 * GR_ETLS, GR_ESYSTEM, GR_ENOMEM, GR_EKILLED, GR_EUNSUPPORTED (https without TLS, or in simulation). */
GR_SUSPENDS GR_MUST_CHECK int gr_fetch(gr_self *self, gr_response **ret_response, const gr_fetch_request *request,
                                       gr_deadline deadline);
GR_IN_ACTOR void gr_response_free(gr_self *self, gr_response **response);

/* 100 to 999; not 1xx. */
GR_ANY_THREAD int gr_response_status(const gr_response *response);
/* The value of the first field of that name (in any case), without blanks around it; NULL: there is none. Trailers of a body in
 * chunks are passed over. */
GR_ANY_THREAD const char *gr_response_header(const gr_response *response, const char *name);
/* The body, decoded if it came in chunks, and a NUL that is not counted. ret_bytes may be NULL. */
GR_ANY_THREAD const char *gr_response_body(const gr_response *response, size_t *ret_bytes);

/* Connections that wait to be used again, closed: all of them. For who changes networks or certificates. */
GR_ANY_THREAD void gr_fetch_forget(void);

GR_END_DECLS

#endif
