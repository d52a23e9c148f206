/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A place where one thread sleeps until another has something for it: a sticky token on a futex word.
 *
 * One thread waits (the owner), any thread notifies. A notification that comes first is kept: the next wait takes it
 * and returns at once; several are one. What the notifier wrote before is visible to the owner after a wait that
 * returns true. Notifying an owner that is awake costs one atomic exchange and no system call.
 *
 *     EMPTY ──wait (owner)──▶ SLEEPING        EMPTY ──notify──▶ TOKEN ──wait (owner)──▶ EMPTY, true
 *     SLEEPING ──notify──▶ TOKEN + futex wake;  SLEEPING ──deadline (owner)──▶ EMPTY, false
 *
 * The word must outlive every notify in progress, or lie in memory that stays mapped: a late futex wake on a reused
 * word is only a spurious wake, which every futex user here re-checks for. */
#ifndef GRI_OS_PARK_H
#define GRI_OS_PARK_H

#include "base/atomic.h"
#include "base/instant.h"

#include <stdbool.h>

typedef struct gri_parker {
    gri_atomic_u32 word; /* written by owner and notifiers; EMPTY 0, TOKEN 1, SLEEPING 2 */
} gri_parker;

#define GRI_PARKER_INIT \
    { \
        0 \
    }

void gri_parker_init(gri_parker *parker);

/* Waits for a token until `deadline` on the system's monotonic clock (gri_clock_monotonic; GRI_INSTANT_NEVER waits for
 * ever, GRI_INSTANT_PAST only looks). True and the token taken, or false at the deadline. Owner only. */
bool gri_parker_wait(gri_parker *parker, gri_instant deadline);

/* Any thread; does not block. */
void gri_parker_notify(gri_parker *parker);

/* The kernel's two operations on any 32-bit word of this process. Wait sleeps while *word == expected, at most until
 * deadline; false only if the deadline has passed, true on a wake, a value that differs, or spuriously. */
bool gri_futex_wait(gri_atomic_u32 *word, uint32_t expected, gri_instant deadline);
/* Wakes up to `count` sleepers; returns how many. */
unsigned gri_futex_wake(gri_atomic_u32 *word, unsigned count);

#endif
