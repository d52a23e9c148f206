/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "support/test.h"

#include "memory/reservation.h"
#include "os/vmem.h"

#include <greenroom/error.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEGABYTE ((size_t)1 << 20)

/* Runs it in a child, since it must not touch this process's limits, or must fault. Returns the wait status. */
static int in_child(void (*body)(void))
{
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        body();
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

TEST(reservation, opens_from_the_low_end)
{
    gri_reservation r;
    CHECK_OK(gri_reservation_init(&r, 100 * MEGABYTE, 100 * MEGABYTE, 4 * MEGABYTE));
    CHECK_EQ((uintptr_t)r.low % (4 * MEGABYTE), 0);
    CHECK_EQ(r.bytes, 100 * MEGABYTE);
    CHECK(gri_reservation_open(&r, 1, MEGABYTE));
    CHECK_EQ(r.open_bytes, MEGABYTE);
    r.low[MEGABYTE - 1] = 1;
    CHECK(gri_reservation_open(&r, MEGABYTE, MEGABYTE));
    CHECK_EQ(r.open_bytes, MEGABYTE);
    CHECK(gri_reservation_open(&r, 100 * MEGABYTE, 64 * MEGABYTE));
    CHECK_EQ(r.open_bytes, 100 * MEGABYTE);
    CHECK_EQ(r.low[MEGABYTE - 1], 1);
    CHECK_EQ(r.low[100 * MEGABYTE - 1], 0);
    CHECK(!gri_reservation_open(&r, 100 * MEGABYTE + 1, MEGABYTE));
    gri_reservation_fini(&r);
    CHECK(r.low == NULL);
    gri_reservation_fini(&r);
}

static void touch_beyond(void)
{
    gri_reservation r;
    if (gri_reservation_init(&r, 10 * MEGABYTE, MEGABYTE, MEGABYTE) != 0 || !gri_reservation_open(&r, 1, MEGABYTE))
        return;
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    if (!freopen("/dev/null", "w", stderr)) return;
    ((volatile char *)r.low)[MEGABYTE] = 1;
}

TEST(reservation, the_rest_faults)
{
    CHECK(in_child(touch_beyond) != 0);
}

#if !GRI_ASAN && !GRI_TSAN
static void under_a_limit(void)
{
    gri_reservation r, huge;
    struct rlimit limit = {0, 0};
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = 1024 * MEGABYTE;
    if (setrlimit(RLIMIT_AS, &limit) != 0) return;
    if (gri_reservation_init(&r, (size_t)1 << 40, MEGABYTE, MEGABYTE) != 0) _exit(1);
    if (r.bytes > 256 * MEGABYTE || r.bytes < 64 * MEGABYTE) _exit(2);
    if (gri_reservation_init(&huge, (size_t)1 << 40, 2048 * MEGABYTE, MEGABYTE) != GR_ENOMEM) _exit(3);
    gri_reservation_fini(&r);
}

TEST(reservation, takes_a_part_of_what_there_is)
{
    CHECK_EQ(in_child(under_a_limit), 0);
}
#endif
