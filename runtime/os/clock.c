/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See clock.h. clock_gettime on these clocks fails only for bad arguments. */
#include "os/clock.h"

#include "base/atomic.h"
#include "base/check.h"

#include <time.h>

static gri_atomic_ptr clock_source; /* a function pointer, which POSIX lets a void * carry; NULL: the system's clock */
static gri_atomic_ptr clock_source_arg;

static int64_t clock_read(clockid_t id)
{
    struct timespec now;
    if (GRI_UNLIKELY(clock_gettime(id, &now) != 0)) gri_panic("clock %d cannot be read", (int)id);
    return (int64_t)now.tv_sec * GRI_NS_PER_S + now.tv_nsec;
}

gri_instant gri_clock_now(void)
{
    /* mo:clock.now acquire <- clock.replace release */
    void *source = gri_load_acquire(&clock_source);
    if (GRI_LIKELY(!source)) return clock_read(CLOCK_MONOTONIC);
    return ((gri_instant(*)(void *))source)(gri_load_relaxed(&clock_source_arg)); /* published with the source */
}

void gri_clock_replace(gri_instant (*source)(void *arg), void *arg)
{
    gri_store_relaxed(&clock_source_arg, arg); /* published by the store below */
    /* mo:clock.replace release -> clock.now acquire: publishes the source's argument */
    gri_store_release(&clock_source, (void *)source);
}

gri_instant gri_clock_monotonic(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

int64_t gri_clock_real_ns(void)
{
    return clock_read(CLOCK_REALTIME);
}

int64_t gri_clock_thread_cpu_ns(void)
{
    return clock_read(CLOCK_THREAD_CPUTIME_ID);
}
