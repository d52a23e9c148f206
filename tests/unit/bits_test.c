/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "base/bits.h"

#include "support/test.h"

TEST(bits, counting)
{
    CHECK_EQ(gri_popcount64(0), 0);
    CHECK_EQ(gri_popcount64(UINT64_MAX), 64);
    CHECK_EQ(gri_clz64(0), 64);
    CHECK_EQ(gri_ctz64(0), 64);
    for (unsigned i = 0; i < 64; i++) {
        uint64_t x = UINT64_C(1) << i;
        CHECK_EQ(gri_popcount64(x), 1);
        CHECK_EQ(gri_ctz64(x), i);
        CHECK_EQ(gri_clz64(x), 63 - i);
        CHECK_EQ(gri_log2_floor(x), i);
        CHECK_EQ(gri_log2_ceil(x), i);
        CHECK(gri_is_pow2(x));
        if (i > 1) CHECK(!gri_is_pow2(x - 1));
    }
    CHECK(!gri_is_pow2(0));
}

TEST(bits, powers_and_logarithms)
{
    CHECK_EQ(gri_pow2_ceil(0), 1);
    CHECK_EQ(gri_pow2_ceil(1), 1);
    CHECK_EQ(gri_pow2_ceil(3), 4);
    CHECK_EQ(gri_pow2_ceil(4), 4);
    CHECK_EQ(gri_pow2_ceil(5), 8);
    CHECK(gri_pow2_ceil(UINT64_C(1) << 63) == UINT64_C(1) << 63);
    CHECK_EQ(gri_log2_ceil(5), 3);
    CHECK_EQ(gri_log2_floor(5), 2);
}

TEST(bits, alignment)
{
    CHECK_EQ(gri_align_up(0, 64), 0);
    CHECK_EQ(gri_align_up(1, 64), 64);
    CHECK_EQ(gri_align_up(64, 64), 64);
    CHECK_EQ(gri_align_down(127, 64), 64);
    CHECK(gri_is_aligned(128, 64));
    CHECK(!gri_is_aligned(129, 64));
}
