/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A pair of fences of unequal price: between a light one in one thread and a heavy one in another the same holds as between two
 * sequentially consistent fences. The light one is for the side that passes it millions of times a second.
 *
 * With membarrier(2) the light fence costs nothing but the compiler's freedom, and the heavy one interrupts the threads of the
 * process that run (some microseconds). Where the kernel has no membarrier both are full fences. Two light fences order nothing.
 *
 * The same idea in C++ is P1202, asymmetric fences. */
#ifndef GRI_OS_FENCE_H
#define GRI_OS_FENCE_H

#include "base/atomic.h"

#ifdef GRI_EXPLORE

/* mo:fence.light seq_cst <-> fence.heavy seq_cst: what the two promise */
#define gri_fence_light() gri_fence_seq_cst()
/* Programs set it: whether the free fence is one. */
static bool gri_fence_is_asymmetric GRI_UNUSED;
#define gri_fence_light_is_free() gri_fence_is_asymmetric
/* mo:fence.light seq_cst <-> fence.heavy seq_cst: what the two promise */
#define gri_fence_free() (gri_fence_is_asymmetric ? gri_fence_seq_cst() : (void)0)
/* mo:fence.heavy seq_cst <-> fence.light seq_cst: likewise */
#define gri_fence_heavy() (gri_fence_seq_cst(), true)

#else

/* Set before main, then constant (tests change it); false: both fences are full ones. */
extern bool gri_fence_is_asymmetric;

GRI_INLINE void gri_fence_light(void)
{
    if (GRI_LIKELY(gri_fence_is_asymmetric))
        __asm__ volatile("" ::: "memory");
    else
        /* mo:fence.light seq_cst <-> fence.heavy seq_cst: what the two promise */
        gri_fence_seq_cst();
}

/* For who has asked beforehand whether the light fence costs nothing: that fence; where it does, this orders nothing. */
#define gri_fence_light_is_free() gri_fence_is_asymmetric
#define gri_fence_free() __asm__ volatile("" ::: "memory")

/* Any thread. A system call: not for paths that are taken often. False: the kernel refuses (a sandbox that was closed after the
 * start), and nothing is ordered. */
GRI_MUST_CHECK bool gri_fence_heavy(void);

#endif
#endif
