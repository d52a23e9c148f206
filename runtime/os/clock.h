/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The clocks. gri_clock_now is the runtime's only notion of "now": simulation replaces its source with virtual time.
 *
 * Any thread, any context; wait-free; no system call where the kernel offers a vDSO clock. The source is replaced while
 * no other thread reads the clock (before the first worker starts, after the last has ended). */
#ifndef GRI_OS_CLOCK_H
#define GRI_OS_CLOCK_H

#include "base/instant.h"

/* Nanoseconds of the replaceable clock; monotonic. Without a replacement it is gri_clock_monotonic. */
gri_instant gri_clock_now(void);

/* `source(arg)` answers gri_clock_now from here on; NULL brings the system's clock back. */
void gri_clock_replace(gri_instant (*source)(void *arg), void *arg);

/* The system's monotonic clock, never replaced: the one kernel waits (os/park.h) are measured on. */
gri_instant gri_clock_monotonic(void);

/* Nanoseconds since 1970 UTC; jumps when an operator sets the clock. For log lines and HTTP dates, not for waiting. */
int64_t gri_clock_real_ns(void);

/* CPU time the calling thread has used, in nanoseconds. */
int64_t gri_clock_thread_cpu_ns(void);

#endif
