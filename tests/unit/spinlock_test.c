/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The spin lock. Interleavings are explored in tests/explore/spinlock_explore.c. */
#include "sync/spinlock.h"

#include "support/test.h"

#include <pthread.h>

static gri_spinlock lock;
static uint64_t guarded; /* plain: ThreadSanitizer objects if the lock does not order it */

TEST(spinlock, try_fails_while_held)
{
    CHECK(gri_spinlock_try(&lock));
    CHECK(!gri_spinlock_try(&lock));
    gri_spinlock_unlock(&lock);
    gri_spinlock_lock(&lock);
    CHECK(!gri_spinlock_try(&lock));
    gri_spinlock_unlock(&lock);
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *count(void *arg)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (arg != NULL) {
            gri_spinlock_lock(&lock);
        } else {
            while (!gri_spinlock_try(&lock)) gri_cpu_relax();
        }
        guarded++;
        gri_spinlock_unlock(&lock);
    }
    return NULL;
}

TEST(spinlock, excludes)
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) CHECK_OK(pthread_create(&threads[i], NULL, count, (void *)(i % 4)));
    for (unsigned i = 0; i < THREADS; i++) CHECK_OK(pthread_join(threads[i], NULL));
    CHECK_EQ(guarded, THREADS * ROUNDS);
}
