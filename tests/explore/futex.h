/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* os/park.c on a model of the kernel's futex, which looks at the newest value and falls asleep in one step, may time out, and may
 * wake for no reason. Included by a program, once. */
#ifndef GR_TESTS_EXPLORE_FUTEX_H
#define GR_TESTS_EXPLORE_FUTEX_H

#include "explore/explorer.h"

#include <errno.h>
#include <unistd.h>

/* How a program waits; one that ends in the middle of its threads has its own. */
#ifndef FUTEX_PAUSE
#define FUTEX_PAUSE() explore_wait()
#endif

static const gri_atomic_u32 *futex_sleeps_on[EXPLORE_THREADS_MAX];
static unsigned futex_spurious; /* how many more wakes for no reason there may be */

/* In setup. */
static void futex_begin(unsigned spurious)
{
    futex_spurious = spurious;
    for (unsigned i = 0; i < EXPLORE_THREADS_MAX; i++) futex_sleeps_on[i] = NULL;
}

static long futex_call(gri_atomic_u32 *word, bool wake, uint32_t expected, const void *timeout)
{
    if (wake) {
        explore_hand_over(word);
        long woken = 0;
        for (unsigned i = 0; i < EXPLORE_THREADS_MAX; i++) {
            if (futex_sleeps_on[i] != word) continue;
            futex_sleeps_on[i] = NULL;
            woken++;
        }
        return woken;
    }
    if (gri_add_relaxed(word, 0) != expected) {
        errno = EAGAIN;
        return -1;
    }
    if (timeout && explore_choose(2) == 1) {
        errno = ETIMEDOUT;
        return -1;
    }
    if (futex_spurious > 0 && explore_choose(2) == 1) {
        futex_spurious--;
        return 0;
    }
    futex_sleeps_on[explore_self()] = word;
    while (futex_sleeps_on[explore_self()]) FUTEX_PAUSE();
    return 0;
}

#define syscall(number, word, operation, value, timeout, ...) \
    futex_call(word, (operation) == FUTEX_WAKE_PRIVATE, (uint32_t)(value), timeout)
#include "os/park.c"
#undef syscall

#endif
