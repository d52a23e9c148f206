/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See park.h. FUTEX_WAIT_BITSET takes an absolute deadline on the monotonic clock, so a wait interrupted by a signal
 * resumes without reading the clock again. */
#include "os/park.h"

#include "base/check.h"
#include "base/compiler.h"
#include "os/clock.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PARKER_EMPTY = 0, PARKER_TOKEN = 1, PARKER_SLEEPING = 2 };

/* ThreadSanitizer keeps a signal back until the thread that got it calls the C library, and does not know this system call for
 * a sleep: the handler would not run before its end. There no sleep is long, and the clock is read after each. */
#define SLEEP_NS_MAX (100 * GRI_NS_PER_MS)

bool gri_futex_wait(gri_atomic_u32 *word, uint32_t expected, gri_instant deadline)
{
    struct timespec until, *timeout = NULL;
    gri_instant end = deadline;
    if (GRI_TSAN) end = GRI_MIN(deadline, gri_clock_monotonic() + SLEEP_NS_MAX);
    if (end != GRI_INSTANT_NEVER) {
        if (end < 0) end = 0; /* the kernel refuses negative times; 0 has passed as well */
        until.tv_sec = (time_t)(end / GRI_NS_PER_S);
        until.tv_nsec = (long)(end % GRI_NS_PER_S);
        timeout = &until;
    }
    long result = syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected, timeout, NULL, FUTEX_BITSET_MATCH_ANY);
    const int error = result == 0 ? 0 : errno;
    if (GRI_TSAN) (void)gri_clock_monotonic();
    if (error == 0 || error == EAGAIN || error == EINTR) return true;
    if (error == ETIMEDOUT) return end < deadline;
    gri_panic("futex wait: %s", strerror(error));
}

unsigned gri_futex_wake(gri_atomic_u32 *word, unsigned count)
{
    long woken = syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, (int)GRI_MIN(count, (unsigned)INT_MAX), NULL, NULL, 0);
    return woken < 0 ? 0 : (unsigned)woken; /* EFAULT: the word's memory is gone, and with it every sleeper */
}

void gri_parker_init(gri_parker *parker)
{
    gri_atomic_init(&parker->word, PARKER_EMPTY);
}

/* Takes a token if there is one. */
static bool parker_take(gri_parker *parker)
{
    uint32_t expected = PARKER_TOKEN;
    /* mo:parker.take acquire <- parker.notify release */
    return gri_cas_strong_acquire(&parker->word, &expected, PARKER_EMPTY);
}

bool gri_parker_wait(gri_parker *parker, gri_instant deadline)
{
    if (parker_take(parker)) return true;
    if (deadline == GRI_INSTANT_PAST) return false;
    uint32_t expected = PARKER_EMPTY;
    /* Relaxed: the sleeper publishes nothing; if it fails there is a token, taken below. */
    if (gri_cas_strong_relaxed(&parker->word, &expected, PARKER_SLEEPING)) {
        while (gri_futex_wait(&parker->word, PARKER_SLEEPING, deadline)) {
            if (gri_load_relaxed(&parker->word) != PARKER_SLEEPING) break; /* the exchange below acquires */
        }
    }
    /* mo:parker.wake acquire <- parker.notify release */
    return gri_exchange_acquire(&parker->word, PARKER_EMPTY) == PARKER_TOKEN;
}

void gri_parker_notify(gri_parker *parker)
{
    /* mo:parker.notify release -> parker.take acquire: publishes what the notifier did before */
    /* mo:parker.notify release -> parker.wake acquire: the same, to an owner that slept */
    if (gri_exchange_release(&parker->word, PARKER_TOKEN) == PARKER_SLEEPING) gri_futex_wake(&parker->word, 1);
}
