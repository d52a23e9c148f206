/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Sockets that park the green thread: TCP, UDP and Unix streams. A socket is a value; a stale one gives GR_ECLOSED. It belongs to
 * the actor that made or adopted it and is closed when that actor ends. Only the owner uses it, in one call at a time.
 * Every call that waits takes a deadline and ends early with GR_EKILLED. A failed system call is GR_ESYSTEM; the detail has its
 * text. Under simulation there is a network in the process (test.h); its Unix sockets are no files. <greenroom/tls.h> has TLS,
 * with the same calls.
 *
 * Addresses are text: "127.0.0.1:7580", "[::1]:0", "[fe80::1%eth0]:80", "unix:/path", "unix:@name" (no file: Linux's abstract
 * names), "*:80" (any address, to listen on), and where it says so "example.org:443", which is looked up. */
#ifndef GR_IO_H
#define GR_IO_H

#include <greenroom/actor.h>
#include <sys/uio.h>

GR_BEGIN_DECLS

typedef struct gr_socket {
    uint64_t id; /* 0: none. Travels in messages as an integer ("I"); gr_socket_adopt makes the receiver its owner */
} gr_socket;

#define GR_SOCKET_TEXT_BYTES 128

/* ---- streams ---- */

typedef struct gr_listen_options {
    int backlog;        /* 0: 1024 */
    bool reuse_port;    /* SO_REUSEPORT */
    unsigned unix_mode; /* permissions of a Unix socket's file; 0: 0600 */
    int unsent_bytes; /* TCP_NOTSENT_LOWAT of the connections: how much the system takes of what it cannot send yet, for a
                           peer that does not read; 0: up to megabytes, as it sees fit */
    gr_deadline lookup; /* until when a name may be looked up; zero: 5 seconds */
} gr_listen_options;

/* Listens. A stale socket file is replaced, one that somebody listens on is GR_EINUSE. Suspends only to look a name up, and
 * then listens on the first of its addresses that is this machine's. Errors: GR_EINVAL (what is wrong), GR_EINUSE,
 * GR_ENOTFOUND (no such name), GR_ETIMEOUT, GR_ESYSTEM. */
GR_SUSPENDS GR_MUST_CHECK int gr_listen(gr_self *self, gr_socket *ret_socket, const char *address,
                                        const gr_listen_options *options);
/* Takes one connection; it is non-blocking, close-on-exec and has TCP_NODELAY. Out of descriptors it waits and tries again. */
GR_SUSPENDS GR_MUST_CHECK int gr_accept(gr_self *self, gr_socket listener, gr_socket *ret_socket, gr_deadline deadline);
/* Connects to an address or a name. The addresses of a name are tried in the system's order, each but the last with its share
 * of the time (at most 10 seconds). Errors: GR_ETIMEOUT, GR_ENOTFOUND (no such name), GR_ESYSTEM (refused, unreachable, …: of the
 * last address), GR_EINVAL. */
GR_SUSPENDS GR_MUST_CHECK int gr_connect(gr_self *self, gr_socket *ret_socket, const char *address,
                                         gr_deadline deadline);
/* The addresses of a name, as text, in the order in which to try them: the first `most` into ret_texts, and how many there are
 * (8 at most). An address is its own answer. Errors: GR_EINVAL, GR_ENOTFOUND, GR_ESYSTEM, those of gr_blocking. */
GR_SUSPENDS GR_MUST_CHECK int gr_resolve(gr_self *self, const char *address, char (*ret_texts)[GR_SOCKET_TEXT_BYTES],
                                         size_t most, size_t *ret_count, gr_deadline deadline);

/* Reads what is there, at least one byte unless the peer has ended: then *ret_bytes is 0. GR_EINUSE: it is active;
 * GR_EINVAL: a UDP socket. */
GR_SUSPENDS GR_MUST_CHECK int gr_read(gr_self *self, gr_socket socket, void *buffer, size_t bytes, size_t *ret_bytes,
                                      gr_deadline deadline);
/* Writes all or fails; after a failure how much went out is unknown. GR_ECLOSED when the peer has gone. Never SIGPIPE. */
GR_SUSPENDS GR_MUST_CHECK int gr_write(gr_self *self, gr_socket socket, const void *data, size_t bytes,
                                       gr_deadline deadline);
/* The same with data in up to IOV_MAX (1024) parts, in one system call where it can be. */
GR_SUSPENDS GR_MUST_CHECK int gr_readv(gr_self *self, gr_socket socket, const struct iovec *parts, int count,
                                       size_t *ret_bytes, gr_deadline deadline);
GR_SUSPENDS GR_MUST_CHECK int gr_writev(gr_self *self, gr_socket socket, const struct iovec *parts, int count,
                                        gr_deadline deadline);
/* Writes `bytes` bytes of a file from `offset` on, without copying them through the program (TLS does). fd's own position stays.
 * Reading a file that is not in memory holds the worker as long as the disk takes. As gr_write; GR_ERANGE: the file is shorter,
 * all of it went out. */
GR_SUSPENDS GR_MUST_CHECK int gr_sendfile(gr_self *self, gr_socket socket, int fd, int64_t offset, size_t bytes,
                                          gr_deadline deadline);
/* Ends the writing side: the peer reads the end. Reading goes on. Over TLS see gr_shutdown_by. */
GR_IN_ACTOR int gr_shutdown(gr_self *self, gr_socket socket);
/* The same, but over TLS, where the end is something to be written, it waits until the system has taken that: the peer can tell
 * the end from a connection that was cut. Without TLS it never waits. GR_ETIMEOUT, GR_EKILLED: not ended, may be tried again. */
GR_SUSPENDS GR_MUST_CHECK int gr_shutdown_by(gr_self *self, gr_socket socket, gr_deadline deadline);

/* ---- UDP ---- */

typedef struct gr_udp_options {
    const char *peer; /* the only one it hears, and whom it speaks to when nobody is named; NULL: everybody */
    bool reuse_port;  /* SO_REUSEPORT */
    bool broadcast;   /* SO_BROADCAST */
} gr_udp_options;

/* A socket at the address; "*:0" for who only asks. No names, no Unix sockets. Errors: GR_EINVAL, GR_EINUSE, GR_ESYSTEM. */
GR_IN_ACTOR GR_MUST_CHECK int gr_udp_open(gr_self *self, gr_socket *ret_socket, const char *address,
                                          const gr_udp_options *options);
/* Sends one datagram to an address (no name: see gr_resolve), or with NULL to the peer of the options. 0 says that the system
 * took it, no more. Errors: GR_EINVAL, GR_ETOOBIG, GR_ETIMEOUT (its buffers stayed full), GR_ESYSTEM. */
GR_SUSPENDS GR_MUST_CHECK int gr_udp_send(gr_self *self, gr_socket socket, const void *data, size_t bytes,
                                          const char *to, gr_deadline deadline);
/* Takes one datagram: its length, which is more than `bytes` if it did not fit (the rest is lost), 0 for an empty one; and who
 * sent it, as text of at most GR_SOCKET_TEXT_BYTES (ret_from may be NULL). GR_EINUSE: it is active. */
GR_SUSPENDS GR_MUST_CHECK int gr_udp_receive(gr_self *self, gr_socket socket, void *buffer, size_t bytes,
                                             size_t *ret_bytes, char *ret_from, gr_deadline deadline);

/* ---- owners, ends ---- */

/* Closes; GR_ECLOSED when it is. Only the owner may. */
GR_IN_ACTOR int gr_close(gr_self *self, gr_socket socket);

/* Makes this actor the owner: sockets are handed over by sending their id. The previous owner must be alive and not in a call on
 * it: GR_EINUSE. GR_ECLOSED when it has gone. An active socket stays active and sends to the new owner from now on. */
GR_IN_ACTOR GR_MUST_CHECK int gr_socket_adopt(gr_self *self, gr_socket socket);

/* "127.0.0.1:7580" as text of at most GR_SOCKET_TEXT_BYTES with the NUL; "unix:" + path. */
GR_IN_ACTOR GR_MUST_CHECK int gr_socket_local(gr_self *self, gr_socket socket, char *ret_text);
GR_IN_ACTOR GR_MUST_CHECK int gr_socket_peer(gr_self *self, gr_socket socket, char *ret_text);

/* ---- active sockets ---- */

enum gr_active_mode {
    GR_PASSIVE = 0, /* what every socket is at first, accepted ones too: gr_read, gr_udp_receive */
    GR_ACTIVE,      /* what arrives becomes messages */
    GR_ACTIVE_ONCE  /* one message, then it is passive: asking again is the back-pressure */
};

#define GR_ACTIVE_BYTES_MAX (1u << 20)

/* Turns messages on or off. `bytes_max` is how much data one message has at most; 0: 4096. The owner receives
 *     {"actnet": "tcp", "host": "127.0.0.1", "port": 4711, "socket": id, "data": bytes}
 *     {"actnet": "tcp_close", "host", "port", "socket"}                     the peer has ended; the socket is passive now
 *     {"actnet": "tcp_error", "host", "port", "socket", "error": [errno, text]}      the same
 *     {"actnet": "udp", "host", "port", "socket", "data": bytes}            host and port are the sender's; cut to bytes_max
 * from nobody (gr_sender), in order; a Unix stream is "tcp" with "unix:/path" as host ('?' for
 * what is not ASCII) and port 0. "socket" is the id. Writing goes
 * on as before, after tcp_close too; the socket stays open until gr_close or the owner's end.
 * Data is read when the owner looks into its mailbox, so an owner that does not receive makes the peer wait; a bounded mailbox
 * that is full does, too. Data that messages were made of before GR_PASSIVE stays in the mailbox.
 * Errors: GR_EINVAL (a listener, no such mode), GR_ECLOSED (not connected), GR_ENOMEM, GR_ESYSTEM. */
GR_IN_ACTOR GR_MUST_CHECK int gr_socket_active(gr_self *self, gr_socket socket, enum gr_active_mode mode,
                                               size_t bytes_max);

GR_END_DECLS

#endif
