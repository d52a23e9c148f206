/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "os/clock.h"

#include "support/test.h"

TEST(clock, monotonic_never_goes_back)
{
    gri_instant last = gri_clock_now();
    for (int i = 0; i < 1000; i++) {
        gri_instant now = gri_clock_now();
        CHECK(now >= last);
        last = now;
    }
    CHECK(gri_clock_monotonic() >= last);
}

TEST(clock, real_time_is_after_2020)
{
    CHECK(gri_clock_real_ns() > INT64_C(1577836800) * GRI_NS_PER_S);
}

TEST(clock, thread_cpu_time_grows_with_work)
{
    int64_t before = gri_clock_thread_cpu_ns();
    while (gri_clock_thread_cpu_ns() == before) continue;
    CHECK(gri_clock_thread_cpu_ns() > before);
}

static gri_instant virtual_now(void *arg)
{
    return (*(gri_instant *)arg)++;
}

TEST(clock, replaced_source_answers_until_restored)
{
    gri_instant virtual = 100;
    gri_clock_replace(virtual_now, &virtual);
    CHECK_EQ(gri_clock_now(), 100);
    CHECK_EQ(gri_clock_now(), 101);
    CHECK(gri_clock_monotonic() > 0);
    CHECK_EQ(virtual, 102);
    gri_clock_replace(NULL, NULL);
    gri_instant low = gri_clock_monotonic(), now = gri_clock_now();
    CHECK(now >= low && now <= gri_clock_monotonic());
}
