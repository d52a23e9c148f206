/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Seeded pseudo-random numbers: xoshiro256** (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators"),
 * seeded through splitmix64. Not for secrets: os/random.h is.
 *
 * One owner per generator, no locking. The same seed gives the same numbers on every machine, for simulation. */
#ifndef GRI_BASE_RNG_H
#define GRI_BASE_RNG_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct gri_rng {
    uint64_t s[4];
} gri_rng;

/* One step of splitmix64; also a good mixer of a single number (pass a copy). */
GRI_INLINE uint64_t gri_splitmix64(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Any seed is good, 0 too: splitmix64 never yields the all-zero state. */
GRI_INLINE void gri_rng_seed(gri_rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) rng->s[i] = gri_splitmix64(&seed);
}

GRI_INLINE uint64_t gri_rng_rotate_left(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

GRI_INLINE uint64_t gri_rng_next_u64(gri_rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = gri_rng_rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = gri_rng_rotate_left(s[3], 45);
    return result;
}

/* Uniform in [0, n), without bias (Lemire's multiplication with rejection); 0 for n = 0. */
GRI_INLINE uint64_t gri_rng_below(gri_rng *rng, uint64_t n)
{
    if (n == 0) return 0;
    unsigned __int128 product = (unsigned __int128)gri_rng_next_u64(rng) * n;
    if (GRI_UNLIKELY((uint64_t)product < n)) {
        uint64_t threshold = (0 - n) % n;
        while ((uint64_t)product < threshold) product = (unsigned __int128)gri_rng_next_u64(rng) * n;
    }
    return (uint64_t)(product >> 64);
}

/* Uniform in [0, 1): 53 bits. */
GRI_INLINE double gri_rng_next_double(gri_rng *rng)
{
    return (double)(gri_rng_next_u64(rng) >> 11) * 0x1.0p-53;
}

/* True once in n times on average; never for n = 0. */
GRI_INLINE bool gri_rng_one_in(gri_rng *rng, uint64_t n)
{
    return n != 0 && gri_rng_below(rng, n) == 0;
}

#endif
