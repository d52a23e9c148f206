/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* base/histogram.h. */
#include "support/test.h"

#include "base/histogram.h"

TEST(histogram, buckets_follow_each_other_without_gaps)
{
    uint64_t next = 0;
    for (unsigned i = 0; i < GRI_HISTOGRAM_BUCKETS; i++) {
        uint64_t limit = gri_histogram_limit(i);
        CHECK(limit >= next);
        CHECK_EQ(gri_histogram_bucket((uint32_t)next), i);
        CHECK_EQ(gri_histogram_bucket((uint32_t)limit), i);
        CHECK(limit - next <= (next < 16 ? 0 : next / 8)); /* at most an eighth wide */
        next = limit + 1;
    }
    CHECK_EQ(next, UINT64_C(1) << 32);
}

TEST(histogram, answers_how_many_and_which)
{
    static gri_histogram h;
    CHECK_EQ(gri_histogram_quantile(&h, 0.5), 0);
    for (uint32_t i = 1; i <= 1000; i++) gri_histogram_add(&h, i);
    CHECK_EQ(gri_histogram_count(&h), 1000);
    CHECK_EQ(gri_histogram_below(&h, 15), 15);
    CHECK_EQ(gri_histogram_below(&h, 255), 255);
    CHECK_EQ(gri_load_relaxed(&h.sum), 500500); /* relaxed: one thread */
    uint32_t median = gri_histogram_quantile(&h, 0.5), most = gri_histogram_quantile(&h, 0.99);
    CHECK(median >= 500 && median <= 500 * 9 / 8);
    CHECK(most >= 990 && most <= 1000);
    CHECK_EQ(gri_histogram_quantile(&h, 1.0), 1000);
    gri_histogram_add(&h, UINT32_MAX);
    CHECK_EQ(gri_histogram_quantile(&h, 1.0), UINT32_MAX);
    CHECK_EQ(gri_histogram_below(&h, UINT32_MAX), 1001);
}
