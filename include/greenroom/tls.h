/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* TLS on sockets of io.h, by OpenSSL: after gr_tls_connect or gr_tls_accept the same calls read, write, shut down and close, and
 * active sockets work as before. TLS 1.2 and 1.3. Certificates of servers are verified, host name included, unless that is
 * switched off in so many words. A build without it (-DGREENROOM_TLS=OFF) has these functions, too: GR_EUNSUPPORTED, as in
 * simulation. */
#ifndef GR_TLS_H
#define GR_TLS_H

#include <greenroom/io.h>

GR_BEGIN_DECLS

/* Who we are and whom we trust, for any number of connections. Changes by gr_tls_reload alone. */
typedef struct gr_tls gr_tls;

typedef struct gr_tls_options {
    const char *certificate; /* file: our certificate and those up to the authority, PEM. Servers must have one */
    const char *key;         /* file: its private key, PEM, without a password; NULL: in the same file */
    const char *trust;       /* file: authorities we trust, PEM; NULL: the system's */
    const char *alpn;        /* protocols we speak, the best first: "h2,http/1.1"; NULL: it is not talked about */
    bool server;             /* for gr_tls_accept; else for gr_tls_connect */
    bool verify_client;      /* a server's: only clients whose certificate one of `trust` has signed */
    bool insecure;           /* a client's: any certificate of any host will do. For tests */
} gr_tls_options;

/* Reads the files. *ret_tls is freed with gr_tls_free; connections keep what they need. ret_detail may be NULL.
 * Errors: GR_EINVAL (which option, why), GR_ETLS (a file that is no certificate, key, …), GR_ESYSTEM (no such file), GR_ENOMEM. */
GR_ANY_THREAD GR_MUST_CHECK int gr_tls_new(gr_tls **ret_tls, const gr_tls_options *options, gr_detail *ret_detail);
GR_ANY_THREAD void gr_tls_free(gr_tls **tls);
/* Reads the files of its options again, for all handshakes that begin from now on: certificates are renewed while connections
 * stay, which keep what they have shaken hands with. After an error all is as before. Waits for the files, so it is not for a
 * worker that has other actors to run: gr_blocking, or a thread of your own. Errors: as gr_tls_new. */
GR_ANY_THREAD GR_MUST_CHECK int gr_tls_reload(gr_tls *tls, gr_detail *ret_detail);

/* gr_shutdown and gr_close tell the peer that this is the end, but do not wait: while it has not taken what was written before
 * and the system's buffer is full, that gets lost, and the peer reads all the data and then GR_ECLOSED instead of an end.
 * gr_shutdown_by waits. */

/* Shakes hands, as the client, over a connected stream of this actor. `host` is whom the server has to be: a name, or an
 * address without port (anything else is GR_EINVAL); it may be NULL if the options say insecure. After a failure the connection is of no use but to gr_close.
 * A handshake computes for one or two milliseconds between its waits, and wants a stack of 32 KiB or more.
 * Errors: GR_ETLS (the detail says why: not trusted, another host, …), GR_ECLOSED, GR_ETIMEOUT, GR_EKILLED, GR_EINVAL, GR_EINUSE
 * (active). */
GR_SUSPENDS GR_MUST_CHECK int gr_tls_connect(gr_self *self, gr_socket socket, gr_tls *tls, const char *host,
                                             gr_deadline deadline);
/* The same as the server. */
GR_SUSPENDS GR_MUST_CHECK int gr_tls_accept(gr_self *self, gr_socket socket, gr_tls *tls, gr_deadline deadline);

/* What was agreed upon. */
typedef struct gr_tls_info {
    char version[16]; /* "TLSv1.3" */
    char cipher[64];
    char alpn[64];  /* "" if nothing was agreed upon */
    char peer[256]; /* the subject of the other side's certificate, verified unless insecure; "" if it has shown none */
} gr_tls_info;
/* Errors: GR_EINVAL (no TLS on it), GR_ECLOSED, GR_ECONTEXT. */
GR_IN_ACTOR GR_MUST_CHECK int gr_tls_inspect(gr_self *self, gr_socket socket, gr_tls_info *ret_info);

GR_END_DECLS

#endif
