/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See random.h. */
#include "os/random.h"

#include "base/atomic.h"
#include "base/rng.h"
#include "os/clock.h"

#include <errno.h>
#include <greenroom/error.h>
#include <sys/random.h>
#include <unistd.h>

static gri_atomic_ptr random_source; /* a function pointer, which POSIX lets a void * carry; NULL: the kernel */
static gri_atomic_ptr random_source_arg;

void gri_random_replace(void (*source)(void *arg, void *buffer, size_t bytes), void *arg)
{
    gri_store_relaxed(&random_source_arg, arg); /* published by the store below */
    /* mo:random.replace release -> random.bytes acquire: publishes the source's argument */
    gri_store_release(&random_source, (void *)source);
}

int gri_random_bytes(void *buffer, size_t bytes)
{
    /* mo:random.bytes acquire <- random.replace release */
    void *source = gri_load_acquire(&random_source);
    if (source) {
        void *arg = gri_load_relaxed(&random_source_arg); /* published with the source */
        ((void (*)(void *, void *, size_t))source)(arg, buffer, bytes);
        return 0;
    }
    for (size_t done = 0; done < bytes;) {
        ssize_t got = getrandom((char *)buffer + done, bytes - done, 0);
        if (got > 0)
            done += (size_t)got;
        else if (got == 0 || errno != EINTR)
            return GR_ESYSTEM;
    }
    return 0;
}

uint64_t gri_random_seed(void)
{
    uint64_t seed;
    if (gri_random_bytes(&seed, sizeof seed) == 0) return seed;
    seed = (uint64_t)gri_clock_real_ns() ^ (uint64_t)(uintptr_t)&seed ^ (uint64_t)getpid() << 32;
    return gri_splitmix64(&seed);
}
