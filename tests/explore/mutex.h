/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Mutexes of pthread for sources under the explorer. Included by a program, once, before them. */
#ifndef GR_TESTS_EXPLORE_MUTEX_H
#define GR_TESTS_EXPLORE_MUTEX_H

#include "explore/accesses.h"
#include "explore/explorer.h"

#include <pthread.h>

enum { MUTEXES_MAX = 4 };
static const pthread_mutex_t *mutexes_held[MUTEXES_MAX];
static gri_atomic_u32 mutex_point; /* others may go first */

/* In setup. */
UNSEEN static void mutex_begin(void)
{
    for (unsigned i = 0; i < MUTEXES_MAX; i++) mutexes_held[i] = NULL;
    gri_atomic_init(&mutex_point, 0);
}

UNSEEN static const pthread_mutex_t **mutex_place(const pthread_mutex_t *wanted)
{
    for (unsigned i = 0; i < MUTEXES_MAX; i++)
        if (mutexes_held[i] == wanted) return &mutexes_held[i];
    return NULL;
}

UNSEEN static int mutex_lock(const pthread_mutex_t *mutex)
{
    (void)gri_load_relaxed(&mutex_point);
    while (mutex_place(mutex)) explore_wait();
    *mutex_place(NULL) = mutex;
    explore_take_over(mutex);
    return 0;
}

UNSEEN static int mutex_unlock(const pthread_mutex_t *mutex)
{
    explore_hand_over(mutex);
    *mutex_place(mutex) = NULL;
    return 0;
}

#define pthread_mutex_lock(mutex) mutex_lock(mutex)
#define pthread_mutex_unlock(mutex) mutex_unlock(mutex)

#endif
