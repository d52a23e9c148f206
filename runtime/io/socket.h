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

typedef struct gri_socket_record {
    GRI_ALIGNED(GRI_CACHE_LINE) gri_atomic_u32 generation;
    gri_atomic_u32 readable, writable, hungup;
    gri_atomic_u64 holder;
    gri_atomic_u64 waiter; /* address of the actor that waits; 0: none */
    gri_list link;         /* in the owner's more->sockets */
    int fd;
    uint32_t index;
    bool watched; /* in the poller */
    bool drained; /* the last read got less than it had room for: only an edge brings more */
    bool is_unix, is_listener;
    char *unlink_path; /* of a Unix listener: what to remove at the end */
    uint64_t unlink_inode;
} gri_socket_record;

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

/* Closes for good; the caller holds it. */
void gri_socket_destroy(gr_self *self, gri_socket_record *record);

/* For counters and tests: records in use. */
unsigned gri_sockets_open(void);

#endif
