/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Waiting for file descriptors: epoll, edge-triggered, plus a wake that works from any thread.
 *
 * Any thread may add, remove and wake at any time. Any number may wait at once: an edge is reported to one of them.
 * After an add every readiness that exists already is reported once; afterwards one report per change, so a reader
 * reads until EAGAIN. A wake is sticky: with nobody waiting it ends the next wait; several may become one.
 *
 * Removing does not take back reports that another thread has fetched already: cookies carry a generation
 * (memory/table.h) and the receiver of a stale one ignores it. Descriptors are added once; a closed one must be removed
 * before. */
#ifndef GRI_OS_POLLER_H
#define GRI_OS_POLLER_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

#define GRI_POLLER_COOKIE_RESERVED UINT64_MAX /* not for users */

typedef struct gri_poller {
    int epoll_fd, wake_fd; /* written by open and close only */
} gri_poller;

/* hangup: the other side has closed (for sending at least), an error is pending, or there is urgent data: a read that got less
 * than it had room for need not have emptied the socket. readable is then set as well, and
 * writable too if nothing can be written any more, so that whoever waits for either tries and learns. */
typedef void gri_poller_report(void *arg, uint64_t cookie, bool readable, bool writable, bool hangup);

/* GR_ESYSTEM (descriptor limit), GR_ENOMEM. */
GRI_MUST_CHECK int gri_poller_open(gri_poller *ret_poller);
/* Nobody waits. Descriptors still added stay open. */
void gri_poller_close(gri_poller *poller);

/* GR_EEXISTS, GR_EUNSUPPORTED (a regular file: always ready), GR_ENOMEM, GR_ESYSTEM. */
GRI_MUST_CHECK int gri_poller_add(gri_poller *poller, int fd, uint64_t cookie);
/* Reports once more what the descriptor is ready for at this moment, if anything, as after an add. GR_ENOTFOUND, GR_ESYSTEM. */
GRI_MUST_CHECK int gri_poller_again(gri_poller *poller, int fd, uint64_t cookie);
/* GR_ENOTFOUND if it was not added. */
int gri_poller_remove(gri_poller *poller, int fd);

/* Waits up to timeout_ns (negative: without limit; 0: only looks) and calls `report` for each ready descriptor, on this
 * thread, 64 at a time at most. Returns how many; 0 after a timeout, a wake or a signal. Negative: GR_ESYSTEM. */
int gri_poller_wait(gri_poller *poller, int64_t timeout_ns, gri_poller_report *report, void *arg);

/* Ends one wait, present or next. */
void gri_poller_wake(gri_poller *poller);

#endif
