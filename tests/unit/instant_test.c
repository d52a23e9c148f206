/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "base/instant.h"

#include "support/test.h"

TEST(instant, add_saturates)
{
    CHECK_EQ(gri_instant_add(5, 7), 12);
    CHECK_EQ(gri_instant_add(5, -7), -2);
    CHECK_EQ(gri_instant_add(INT64_MAX - 1, 100), GRI_INSTANT_NEVER);
    CHECK_EQ(gri_instant_add(INT64_MIN + 1, -100), GRI_INSTANT_PAST);
    CHECK_EQ(gri_instant_add(GRI_INSTANT_NEVER, -100), GRI_INSTANT_NEVER);
    CHECK_EQ(gri_instant_add(GRI_INSTANT_PAST, 100), GRI_INSTANT_PAST);
}

TEST(instant, until)
{
    CHECK_EQ(gri_instant_until(10, 15), 5);
    CHECK_EQ(gri_instant_until(15, 10), 0);
    CHECK_EQ(gri_instant_until(10, GRI_INSTANT_NEVER), INT64_MAX);
    CHECK_EQ(gri_instant_until(10, GRI_INSTANT_PAST), 0);
    CHECK_EQ(gri_instant_until(-10, INT64_MAX - 1), INT64_MAX);
}

TEST(instant, passed)
{
    CHECK(gri_instant_passed(10, 10));
    CHECK(gri_instant_passed(10, GRI_INSTANT_PAST));
    CHECK(!gri_instant_passed(10, 11));
    CHECK(!gri_instant_passed(GRI_INSTANT_NEVER, GRI_INSTANT_NEVER));
}

TEST(instant, durations_saturate)
{
    CHECK_EQ(gri_ns_from_us(3), 3000);
    CHECK_EQ(gri_ns_from_ms(-3), -3000000);
    CHECK_EQ(gri_ns_from_s(2), 2000000000);
    CHECK_EQ(gri_ns_from_s(INT64_MAX), INT64_MAX);
    CHECK_EQ(gri_ns_from_s(INT64_MIN), INT64_MIN);
    CHECK_EQ(gri_ns_from_ms(INT64_MAX / 1000000), INT64_MAX / 1000000 * 1000000);
}
