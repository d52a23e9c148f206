/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Sockets that park the green thread. A socket is a value; a stale one gives GR_ECLOSED. It belongs to the actor that made
 * or adopted it and is closed when that actor ends. One actor may read while it is the only one that uses the socket.
 * What suspends takes a deadline and ends early with GR_EKILLED. A failed system call is GR_ESYSTEM; the detail has its text.
 * Another actor's socket is GR_ECONTEXT until it is adopted. Under GREENROOM_SIMULATE there are none: GR_EUNSUPPORTED. */
#ifndef GR_IO_H
#define GR_IO_H

#include <greenroom/actor.h>

GR_BEGIN_DECLS

typedef struct gr_socket {
    uint64_t id; /* 0: none. Travels in messages as an integer ("I"); gr_socket_adopt makes the receiver its owner */
} gr_socket;

typedef struct gr_listen_options {
    int backlog;        /* 0: 1024 */
    bool reuse_port;    /* SO_REUSEPORT */
    unsigned unix_mode; /* permissions of a Unix socket's file; 0: 0600 */
} gr_listen_options;

#define GR_SOCKET_TEXT_BYTES 128

/* Listens on "127.0.0.1:7580", "[::1]:0", "*:80" (any address), or "unix:/path" (a stale socket file is replaced, one that
 * somebody listens on is GR_EINUSE). No names: addresses only. Errors: GR_EINVAL (what is wrong), GR_EINUSE, GR_ESYSTEM. */
GR_IN_ACTOR GR_MUST_CHECK int gr_listen(gr_self *self, gr_socket *ret_socket, const char *address,
                                        const gr_listen_options *options);
/* Takes one connection; it is non-blocking, close-on-exec and has TCP_NODELAY. Out of descriptors it waits and tries again. */
GR_SUSPENDS GR_MUST_CHECK int gr_accept(gr_self *self, gr_socket listener, gr_socket *ret_socket, gr_deadline deadline);
/* Connects to an address as gr_listen takes them. Errors: GR_ETIMEOUT, GR_ESYSTEM (refused, unreachable, …), GR_EINVAL. */
GR_SUSPENDS GR_MUST_CHECK int gr_connect(gr_self *self, gr_socket *ret_socket, const char *address,
                                         gr_deadline deadline);

/* Reads what is there, at least one byte unless the peer has ended: then *ret_bytes is 0. */
GR_SUSPENDS GR_MUST_CHECK int gr_read(gr_self *self, gr_socket socket, void *buffer, size_t bytes, size_t *ret_bytes,
                                      gr_deadline deadline);
/* Writes all or fails; after a failure how much went out is unknown. GR_ECLOSED when the peer has gone. Never SIGPIPE. */
GR_SUSPENDS GR_MUST_CHECK int gr_write(gr_self *self, gr_socket socket, const void *data, size_t bytes,
                                       gr_deadline deadline);
/* Ends the writing side. */
GR_IN_ACTOR int gr_shutdown(gr_self *self, gr_socket socket);
/* Closes; GR_ECLOSED when it is. Only the owner may. */
GR_IN_ACTOR int gr_close(gr_self *self, gr_socket socket);

/* Makes this actor the owner. The previous owner must not be in a call on it: GR_EINUSE. GR_ECLOSED when it has gone. */
GR_IN_ACTOR GR_MUST_CHECK int gr_socket_adopt(gr_self *self, gr_socket socket);

/* "127.0.0.1:7580" as text of at most GR_SOCKET_TEXT_BYTES with the NUL; "unix:" + path. */
GR_IN_ACTOR GR_MUST_CHECK int gr_socket_local(gr_self *self, gr_socket socket, char *ret_text);
GR_IN_ACTOR GR_MUST_CHECK int gr_socket_peer(gr_self *self, gr_socket socket, char *ret_text);

GR_END_DECLS

#endif
