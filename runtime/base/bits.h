/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Bit counting, powers of two, alignment. Pure functions. */
#ifndef GRI_BASE_BITS_H
#define GRI_BASE_BITS_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

GRI_INLINE unsigned gri_popcount64(uint64_t x)
{
    return (unsigned)__builtin_popcountll(x);
}

/* Zero bits above the highest one and below the lowest one; 64 for x = 0. */
GRI_INLINE unsigned gri_clz64(uint64_t x)
{
    return x ? (unsigned)__builtin_clzll(x) : 64u;
}

GRI_INLINE unsigned gri_ctz64(uint64_t x)
{
    return x ? (unsigned)__builtin_ctzll(x) : 64u;
}

GRI_INLINE bool gri_is_pow2(uint64_t x)
{
    return x != 0 && (x & (x - 1)) == 0;
}

/* Rounded down and up; x > 0. */
GRI_INLINE unsigned gri_log2_floor(uint64_t x)
{
    return 63u - gri_clz64(x);
}

GRI_INLINE unsigned gri_log2_ceil(uint64_t x)
{
    return x <= 1 ? 0u : 64u - gri_clz64(x - 1);
}

/* The smallest power of two >= x; 1 for 0. x <= 2^63. */
GRI_INLINE uint64_t gri_pow2_ceil(uint64_t x)
{
    return (uint64_t)1 << gri_log2_ceil(x);
}

/* `alignment` is a power of two. align_up wraps to 0 when the result does not fit: check sizes from outside first. */
GRI_INLINE uintptr_t gri_align_up(uintptr_t x, uintptr_t alignment)
{
    return (x + (alignment - 1)) & ~(alignment - 1);
}

GRI_INLINE uintptr_t gri_align_down(uintptr_t x, uintptr_t alignment)
{
    return x & ~(alignment - 1);
}

GRI_INLINE bool gri_is_aligned(uintptr_t x, uintptr_t alignment)
{
    return (x & (alignment - 1)) == 0;
}

#endif
