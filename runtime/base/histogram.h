/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A histogram of numbers below 2^32: exact below 16, then eight buckets to each power of two, so that what it answers is at most
 * an eighth too high. Anybody adds, anybody reads; a reader sees a moment's picture. */
#ifndef GRI_BASE_HISTOGRAM_H
#define GRI_BASE_HISTOGRAM_H

#include "base/atomic.h"

#define GRI_HISTOGRAM_EXACT 16u
#define GRI_HISTOGRAM_BUCKETS (GRI_HISTOGRAM_EXACT + (32 - 4) * 8)

typedef struct gri_histogram {
    gri_atomic_u64 counts[GRI_HISTOGRAM_BUCKETS];
    gri_atomic_u64 sum;
    gri_atomic_u32 highest;
} gri_histogram;

static inline unsigned gri_histogram_bucket(uint32_t value)
{
    if (value < GRI_HISTOGRAM_EXACT) return value;
    unsigned power = 31u - (unsigned)__builtin_clz(value); /* 4 to 31 */
    return GRI_HISTOGRAM_EXACT + (power - 4) * 8 + (value >> (power - 3) & 7);
}

/* The highest value that goes into the bucket. */
static inline uint32_t gri_histogram_limit(unsigned bucket)
{
    if (bucket < GRI_HISTOGRAM_EXACT) return bucket;
    unsigned power = (bucket - GRI_HISTOGRAM_EXACT) / 8 + 4, part = (bucket - GRI_HISTOGRAM_EXACT) % 8;
    return (uint32_t)((UINT64_C(1) << power) + ((uint64_t)(part + 1) << (power - 3)) - 1);
}

static inline void gri_histogram_add(gri_histogram *histogram, uint32_t value)
{
    /* relaxed, all: counters */
    gri_add_relaxed(&histogram->counts[gri_histogram_bucket(value)], 1u);
    gri_add_relaxed(&histogram->sum, value);
    uint32_t highest = gri_load_relaxed(&histogram->highest);
    while (value > highest && !gri_cas_weak_relaxed(&histogram->highest, &highest, value)) continue;
}

static inline uint64_t gri_histogram_count(gri_histogram *histogram)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < GRI_HISTOGRAM_BUCKETS; i++)
        count += gri_load_relaxed(&histogram->counts[i]); /* relaxed: a moment's picture */
    return count;
}

/* How many values were at most `value`, which is to be the limit of a bucket. */
static inline uint64_t gri_histogram_below(gri_histogram *histogram, uint32_t value)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < GRI_HISTOGRAM_BUCKETS && gri_histogram_limit(i) <= value; i++)
        count += gri_load_relaxed(&histogram->counts[i]); /* relaxed: a moment's picture */
    return count;
}

/* The value that this part of all is not above, 0.5 the median; 0 of an empty one. */
static inline uint32_t gri_histogram_quantile(gri_histogram *histogram, double part)
{
    uint64_t count = gri_histogram_count(histogram), seen = 0;
    double wanted = part * (double)count;
    uint32_t highest = gri_load_relaxed(&histogram->highest); /* relaxed, here and below: a moment's picture */
    for (unsigned i = 0; count > 0 && i < GRI_HISTOGRAM_BUCKETS; i++) {
        seen += gri_load_relaxed(&histogram->counts[i]);
        if (seen > 0 && (double)seen >= wanted)
            return gri_histogram_limit(i) < highest ? gri_histogram_limit(i) : highest;
    }
    return highest;
}

#endif
