/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A test-and-test-and-set lock of four bytes, for short sections that are rarely contended.
 *
 * Any thread may lock; whoever locked unlocks, on the same thread, without switching contexts in between. Not recursive,
 * not fair. A waiter spins, then gives its core to the operating system between looks: the holder may be descheduled.
 * Everything before an unlock is visible after the next lock. All-zero memory is an unlocked lock. */
#ifndef GRI_SYNC_SPINLOCK_H
#define GRI_SYNC_SPINLOCK_H

#include "base/atomic.h"

typedef struct gri_spinlock {
    gri_atomic_u32 held; /* 0 or 1; publishes what the lock guards */
} gri_spinlock;

static inline void gri_spinlock_init(gri_spinlock *lock)
{
    gri_atomic_init(&lock->held, 0);
}

/* Never waits. */
static inline bool gri_spinlock_try(gri_spinlock *lock)
{
    /* relaxed: a look that spares the line; the exchange decides */
    if (gri_load_relaxed(&lock->held) != 0) return false;
    /* mo:spinlock.lock acquire <- spinlock.unlock release: what the lock guards */
    return gri_exchange_acquire(&lock->held, 1u) == 0;
}

void gri_spinlock_lock_slow(gri_spinlock *lock);

#if GRI_INVARIANTS >= 1 && !defined(GRI_EXPLORE)
/* How often any of these locks was taken, for the test that sending takes none. */
extern gri_atomic_u64 gri_spinlocks_taken;
#endif

static inline void gri_spinlock_lock(gri_spinlock *lock)
{
#if GRI_INVARIANTS >= 1 && !defined(GRI_EXPLORE)
    (void)gri_add_relaxed(&gri_spinlocks_taken, 1u); /* relaxed: a count */
#endif
    if (GRI_UNLIKELY(!gri_spinlock_try(lock))) gri_spinlock_lock_slow(lock);
}

static inline void gri_spinlock_unlock(gri_spinlock *lock)
{
    /* mo:spinlock.unlock release -> spinlock.lock acquire: what the lock guards */
    gri_store_release(&lock->held, 0u);
}

#endif
