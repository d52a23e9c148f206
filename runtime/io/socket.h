/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Sockets of actors: records in a type-stable table, and how a green thread waits for one.
 *
 * An id is table index + generation (31 bits: an id fits an int64); generations are odd while the record is in use. The id is
 * also the poller's cookie, so a report about a descriptor that has been closed finds another generation and is dropped; one
 * that slips through between that look and the slot's reuse only makes the new user try once in vain.
 *
 * Waiting:   actor                                      poller (whoever polls)
 *            waiter = me
 *            ready = 0, then the system call; EAGAIN:   ready = 1
 *            ready? else park                           waiter? then notify it
 * Both sides are sequentially consistent, so one of them sees the other; a notification that comes before the park makes the
 * park fail. Descriptors are added to the poller when they would block for the first time, edge-triggered: what is ready by
 * then is reported as an edge.
 *
 *   field             written by                               read by
 *   generation        who takes or frees the record            anybody with an id
 *   holder            the owner (in and out of calls), who     the same
 *                     adopts the socket
 *   readable,         the poller sets, the owner clears        both
 *   writable
 *   hungup            the poller, for good                     the owner
 *   waiter            the owner                                the poller
 *   token             the owner puts it there, the poller      both
 *                     takes it
 *   link              under the lock of all links              the same
 *   the rest          the owner
 *
 * holder is the owner's address, with GRI_SOCKET_BUSY while it is in a call. Adopting takes an idle socket over by swapping
 * the holder; a busy one is GR_EINUSE. An actor that was unwound out of a call leaves its own busy mark behind, which it may
 * ignore: it makes one call at a time. */
#ifndef GRI_IO_SOCKET_H
#define GRI_IO_SOCKET_H

#include "actor/actor.h"

#include <greenroom/io.h>

#define GRI_SOCKETS_MAX (1u << 22)
#define GRI_SOCKET_BUSY (UINT64_C(1) << 31) /* addresses have table indices below it */

#define GRI_WRITE_BYTES_ONCE ((size_t)1 << 20) /* guess: between two looks at kills and the slice */

typedef struct gri_socket_record gri_socket_record;

/* What stands between the calls and the descriptor, TLS say. As recv and send of a non-blocking socket: how many bytes, 0 only
 * at the end of reading; or -1, *ret_error an errno. EAGAIN: to be called again with the same data when *ret_ready
 * (record->readable or ->writable) is set, which they have expected themselves (gri_socket_expect). They leave the other flag
 * alone: reads for an active socket happen inside a write that waits. Owner only. */
typedef struct gri_layer {
    ssize_t (*read)(gri_socket_record *record, void *buffer, size_t bytes, int *ret_error, gri_atomic_u32 **ret_ready);
    ssize_t (*write)(gri_socket_record *record, const void *data, size_t bytes, int *ret_error,
                     gri_atomic_u32 **ret_ready);
    /* Says that no more will be written: 0, also where that has been said, or is of no use any more; or an errno as above. */
    int (*shutdown)(gri_socket_record *record, gri_atomic_u32 **ret_ready);
    void (*close)(gri_socket_record *record); /* the same if nothing has failed, and frees what the layer has */
    const char *(*explain)(gri_socket_record *record); /* why the last call failed with EPROTO */
} gri_layer;

typedef struct gri_active gri_active;

struct gri_socket_record {
    GRI_ALIGNED(GRI_CACHE_LINE) gri_atomic_u32 generation;
    gri_atomic_u32 readable, writable, hungup;
    gri_atomic_u64 holder;
    gri_atomic_u64 waiter; /* address of the actor that waits; 0: none */
    gri_atomic_ptr
        token; /* active.h: a message that the poller sends to the owner; NULL: it is on its way, or there is none */
    gri_list link; /* in the owner's more->sockets */
    int fd;
    uint32_t index;
    bool watched; /* in the poller */
    bool drained; /* the last read got less than it had room for: only an edge brings more */
    bool is_unix, is_listener, is_datagram;
    const gri_layer *layer; /* NULL: none */
    void *layer_state;
    gri_active *active; /* NULL until it is made active for the first time */
    char *unlink_path;  /* of a Unix listener: what to remove at the end */
    uint64_t unlink_inode;
};

/* A new record for the descriptor, owned by self. On failure fd is closed. GR_ENOMEM, GR_EUNSUPPORTED (simulation). */
GR_MUST_CHECK int gri_socket_new(gr_self *self, int fd, bool is_unix, gri_socket_record **ret_record);
gr_socket gri_socket_id(const gri_socket_record *record);

/* Begins a call of the owner: GR_ECLOSED (stale), GR_ECONTEXT (somebody else's). _suspending: with all that a suspending
 * call begins with (gri_suspend_enter), and giving way to others when the slice is over. */
GR_MUST_CHECK int gri_socket_begin(gr_self *self, gr_socket socket, gri_socket_record **ret_record);
GR_MUST_CHECK int gri_socket_begin_suspending(gr_self *self, gr_socket socket, gri_socket_record **ret_record);
/* GR_ESYSTEM, with errno's text behind `what`; GR_ENOMEM where that is the reason. */
int gri_socket_fail(gr_self *self, const char *what, int error);
/* Ends it, with its code: a kill that was seen is acted on (and may unwind). */
int gri_socket_end(gr_self *self, gri_socket_record *record, int code);

/* To be called before the system call that may say EAGAIN. */
void gri_socket_expect(gri_atomic_u32 *ready);
/* After it said so: 0 when it is worth another try; GR_ETIMEOUT, GR_EKILLED (not acted on yet), GR_ENOMEM, GR_ESYSTEM. */
GR_MUST_CHECK int gri_socket_wait(gr_self *self, gri_socket_record *record, gri_atomic_u32 *ready,
                                  gr_deadline deadline);
/* Waits for time to pass: 0 then; GR_ETIMEOUT if that is beyond the deadline, GR_EKILLED as above. */
GR_MUST_CHECK int gri_socket_pause(gr_self *self, int64_t ns, gr_deadline deadline);

/* As recv and send, through the layer if there is one; a wait is for *ret_ready. */
ssize_t gri_socket_receive(gri_socket_record *record, void *buffer, size_t bytes, int *ret_error,
                           gri_atomic_u32 **ret_ready);
ssize_t gri_socket_send(gri_socket_record *record, const void *data, size_t bytes, int *ret_error,
                        gri_atomic_u32 **ret_ready);
struct gri_endpoint;
/* One datagram: its own length, which may be more than `bytes`, or -1 and an errno (EAGAIN: wait for readable). What an earlier
 * send has met with is passed over. */
ssize_t gri_datagram_receive(gri_socket_record *record, void *buffer, size_t bytes, struct gri_endpoint *ret_from,
                             int *ret_error);
/* The code for a failed read or write, errno being `error`: GR_ECLOSED when the peer has gone, else as gri_socket_fail. */
int gri_stream_fail(gr_self *self, const gri_socket_record *record, const char *what, int error);

/* Takes a record for a moment inside a call of its owner that may itself be inside another call on it: false if it is not (or
 * no longer) self's, or stale. *ret_outer says whether it was held already; give it back with the same. */
bool gri_socket_hold(gr_self *self, gr_socket socket, gri_socket_record **ret_record, bool *ret_outer);
void gri_socket_release(gr_self *self, gri_socket_record *record, bool outer);
/* Gives the descriptor to the poller if it has not got it. */
GR_MUST_CHECK int gri_socket_watch(gr_self *self, gri_socket_record *record);

/* Makes the poller's reports come here, and the ends of actors; before either is needed. */
GR_MUST_CHECK int gri_io_start(void);
/* What io/ has of an actor that ends: more->sockets_close. */
void gri_io_end(gr_self *self);
/* Cookies of descriptors that are no sockets have generation 0. */
#define GRI_COOKIE_SIGNALS UINT64_C(1)

/* Gives the owner's idle socket to nobody, who keeps it open until somebody adopts it, or closes it: GR_ECLOSED, GR_ECONTEXT. */
#define GRI_SOCKET_KEPT UINT64_C(2) /* a holder that is no actor: generation 0 */
GR_MUST_CHECK int gri_socket_keep(gr_self *self, gr_socket socket);
void gri_socket_kept_close(gr_socket socket);

/* Closes for good; the caller holds it. */
void gri_socket_destroy(gr_self *self, gri_socket_record *record);

/* For counters and tests: records in use; the descriptor of one, -1 if it is stale. */
unsigned gri_sockets_open(void);
int gri_socket_descriptor(gr_socket socket);

#endif
