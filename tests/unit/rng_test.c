/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "base/rng.h"

#include "support/test.h"

TEST(rng, reference_values)
{
    /* The generator's definition by hand, from state {1, 2, 3, 4}: rotl(2 * 5, 7) * 9 = 11520; then the next. */
    gri_rng rng = {{1, 2, 3, 4}};
    CHECK_EQ(gri_rng_next_u64(&rng), 11520);
    CHECK_EQ(gri_rng_next_u64(&rng), 0);
    CHECK_EQ(gri_rng_next_u64(&rng), 1509978240);
    CHECK_EQ(gri_rng_next_u64(&rng), 1215971899390074240);
}

TEST(rng, splitmix_reference_values)
{
    uint64_t state = 1234567;
    CHECK(gri_splitmix64(&state) == UINT64_C(6457827717110365317));
    CHECK(gri_splitmix64(&state) == UINT64_C(3203168211198807973));
}

TEST(rng, same_seed_same_numbers)
{
    gri_rng a, b, c;
    gri_rng_seed(&a, 7);
    gri_rng_seed(&b, 7);
    gri_rng_seed(&c, 8);
    bool differs = false;
    for (int i = 0; i < 100; i++) {
        uint64_t x = gri_rng_next_u64(&a);
        CHECK(x == gri_rng_next_u64(&b));
        differs |= x != gri_rng_next_u64(&c);
    }
    CHECK(differs);
}

TEST(rng, below_covers_its_range_evenly)
{
    gri_rng rng;
    gri_rng_seed(&rng, 1);
    unsigned counts[7] = {0};
    for (int i = 0; i < 70000; i++) {
        uint64_t x = gri_rng_below(&rng, 7);
        CHECK(x < 7);
        counts[x]++;
    }
    for (int i = 0; i < 7; i++) CHECK(counts[i] > 9500 && counts[i] < 10500);
    CHECK_EQ(gri_rng_below(&rng, 0), 0);
    CHECK_EQ(gri_rng_below(&rng, 1), 0);
}

TEST(rng, below_rejects_what_would_be_biased)
{
    /* n = 3 * 2^62: without rejection the results divisible by 3 come twice as often as the others. */
    gri_rng rng;
    gri_rng_seed(&rng, 3);
    uint64_t n = UINT64_C(3) << 62;
    int residues[3] = {0};
    for (int i = 0; i < 30000; i++) {
        uint64_t x = gri_rng_below(&rng, n);
        CHECK(x < n);
        residues[x % 3]++;
    }
    for (int i = 0; i < 3; i++) CHECK(residues[i] > 9500 && residues[i] < 10500);
}

TEST(rng, doubles_and_chances)
{
    gri_rng rng;
    gri_rng_seed(&rng, 2);
    int hits = 0;
    for (int i = 0; i < 10000; i++) {
        double x = gri_rng_next_double(&rng);
        CHECK(x >= 0.0 && x < 1.0);
        hits += gri_rng_one_in(&rng, 4);
    }
    CHECK(hits > 2300 && hits < 2700);
    CHECK(!gri_rng_one_in(&rng, 0));
}
