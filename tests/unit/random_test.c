/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "os/random.h"

#include "support/test.h"

TEST(random, bytes_fill_the_whole_buffer)
{
    unsigned char bytes[1000];
    bool seen[sizeof bytes] = {false};
    for (int round = 0; round < 16; round++) {
        memset(bytes, 0, sizeof bytes);
        CHECK_OK(gri_random_bytes(bytes, sizeof bytes));
        for (size_t i = 0; i < sizeof bytes; i++) seen[i] |= bytes[i] != 0;
    }
    for (size_t i = 0; i < sizeof bytes; i++) CHECK(seen[i]);
    CHECK_OK(gri_random_bytes(bytes, 0));
}

TEST(random, seeds_differ)
{
    CHECK(gri_random_seed() != gri_random_seed());
}

static void count_up(void *arg, void *buffer, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) ((unsigned char *)buffer)[i] = (*(unsigned char *)arg)++;
}

TEST(random, replaced_source_answers_until_restored)
{
    unsigned char next = 0, bytes[3];
    gri_random_replace(count_up, &next);
    CHECK_OK(gri_random_bytes(bytes, 3));
    CHECK(bytes[0] == 0 && bytes[1] == 1 && bytes[2] == 2);
    uint64_t seed = gri_random_seed();
    next = 3;
    CHECK(gri_random_seed() == seed);
    gri_random_replace(NULL, NULL);
    CHECK(gri_random_seed() != gri_random_seed());
}
