/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Each end once, in whatever order they come to be seen. */
#include "rest/told.h"

#include "support/test.h"

TEST(told, each_number_once)
{
    gri_told t = {0};
    CHECK(gri_told_add(&t, 2) && gri_told_add(&t, 1) && !gri_told_add(&t, 2));
    gri_told_look_end(&t, 2);
    CHECK_EQ(t.all, 2);
    CHECK(!gri_told_add(&t, 1) && !gri_told_add(&t, 2) && gri_told_add(&t, 3));
}

/* 2 had its number first, and was written last. */
TEST(told, who_is_late_is_told_all_the_same)
{
    gri_told t = {0};
    CHECK(gri_told_add(&t, 3) && gri_told_add(&t, 1));
    gri_told_look_end(&t, 3);
    CHECK_EQ(t.all, 1);
    CHECK(!gri_told_add(&t, 3) && gri_told_add(&t, 4) && gri_told_add(&t, 2));
    gri_told_look_end(&t, 4);
    CHECK_EQ(t.all, 4);
}

/* What the ring has lost is not waited for for ever. */
TEST(told, a_gap_is_given_up_when_it_is_too_old)
{
    gri_told t = {0};
    for (uint64_t n = 1; n <= 3 * GR_EXITS_MAX; n++) {
        if (n == 7) continue; /* never noted */
        CHECK(gri_told_add(&t, n));
        gri_told_look_end(&t, n);
        CHECK_EQ(t.all, n < 7 ? n : n <= 6 + GR_EXITS_MAX ? 6 : n);
    }
    CHECK(!gri_told_add(&t, 7));
}

TEST(told, more_than_the_ring_holds_at_once)
{
    gri_told t = {0};
    const uint64_t newest = 10 * GR_EXITS_MAX + 5;
    CHECK(gri_told_add(&t, 1));
    gri_told_look_end(&t, 1);
    for (uint64_t n = newest; n > newest - GR_EXITS_MAX; n--) CHECK(gri_told_add(&t, n));
    gri_told_look_end(&t, newest);
    CHECK_EQ(t.all, newest);
    CHECK(!gri_told_add(&t, newest) && !gri_told_add(&t, newest - GR_EXITS_MAX) && gri_told_add(&t, newest + 1));
}
