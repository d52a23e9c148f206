/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Calls that block their thread (files, locks, libraries that wait), made on threads of their own while the actor waits and its
 * worker runs others. At most GREENROOM_BLOCKING_THREADS at once, first come, first served; threads start when they are needed
 * and end when they have been idle for a while. */
#ifndef GR_BLOCKING_H
#define GR_BLOCKING_H

#include <greenroom/api.h>
#include <greenroom/error.h>
#include <greenroom/time.h>

GR_BEGIN_DECLS

/* Calls that may wait for a thread at one time; the next one is GR_EFULL. */
#define GR_BLOCKING_QUEUE_MAX 65536

/* Calls fn(arg) on a thread of the pool and waits for it to return: 0, and arg is the caller's again, results and all.
 *
 * Errors: GR_EKILLED, GR_ETIMEOUT, GR_EFULL (too many wait), GR_EINVAL (no fn), GR_ENOMEM, GR_ESYSTEM (no thread can be had),
 * GR_ECONTEXT, GR_ESUSPEND. A call that has not begun by then never will. What happens to one that has begun, and to arg:
 *     with drop      arg was given away: after any error drop(arg) is called exactly once, on some thread, when fn has returned
 *                    or will not be called. The actor does not wait for that. A kill that unwinds does the same.
 *     drop is NULL   arg stays the caller's (it may be on its stack): a call that has begun is waited for, and the kill or
 *                    timeout takes effect when it has returned. An fn that never returns makes such an actor unkillable.
 *
 * fn and drop run outside any actor: only GR_ANY_THREAD functions are for them (gr_attach included; the pool detaches what
 * they leave attached), and they must not call gr_stop. They must not unwind (gr_raise, exceptions). Their thread has 8 MiB of
 * stack, or what the system's limit says, and takes no signals: processes that they start begin with all of them blocked.
 * A drop of a call that never began runs on the actor's own stack. gr_stop waits for every fn that has begun.
 * Threads: the actor. Under simulation fn runs in place, as a plain call, and takes no time. */
GR_SUSPENDS GR_MUST_CHECK int gr_blocking(gr_self *self, void (*fn)(void *arg), void *arg, void (*drop)(void *arg),
                                          gr_deadline deadline);

GR_END_DECLS

#endif
