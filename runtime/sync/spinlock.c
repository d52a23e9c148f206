/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The contended side of the spin lock. */
#include "sync/spinlock.h"

#include "os/thread.h"

/* Looks before a waiter gives its core away. A guess: about as long as the sections the lock is for. */
#define SPIN_LOOKS 64

#if GRI_INVARIANTS >= 1 && !defined(GRI_EXPLORE)
gri_atomic_u64 gri_spinlocks_taken;
#endif

void gri_spinlock_lock_slow(gri_spinlock *lock)
{
    for (unsigned looks = 1; !gri_spinlock_try(lock); looks++) {
#ifdef GRI_EXPLORE
        explore_wait();
#else
        if (looks % SPIN_LOOKS != 0) {
            gri_cpu_relax();
        } else {
            gri_thread_yield();
        }
#endif
    }
}
