/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Every allocation of the os layer fails once, then from then on: the error comes back, nothing leaks, the next call works.
 * hwloc is left out (os/README.md says why). Sanitizers bring their own allocator: there the bodies are empty. */
#include "base/compiler.h"
#include "os/cgroup.h"
#include "os/thread.h"
#include "os/topology.h"
#include "support/test.h"

#include <errno.h>
#include <greenroom/error.h>

#if GRI_ASAN || GRI_TSAN

#define ALLOCATIONS_FAIL 0
static long live, fail_at;
static bool fail_on;

#else

#define ALLOCATIONS_FAIL 1
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);
extern void __libc_free(void *block);

/* Of the thread under test; others, Criterion's among them, allocate undisturbed. */
static _Thread_local long live, fail_at; /* fail_at: how many may still succeed, plus one; 0: all */
static _Thread_local bool fail_on;       /* and all after the failed one fail too */

/* libc's own calls come here too. */
#define IN_PLACE_OF_LIBC __attribute__((visibility("default")))

static bool refuse(void)
{
    if (fail_at == 0) return false;
    if (fail_at > 1) return fail_at--, false;
    if (!fail_on) fail_at = 0;
    errno = ENOMEM;
    return true;
}

static void *count(void *block)
{
    live += block != NULL;
    return block;
}

IN_PLACE_OF_LIBC void *malloc(size_t bytes)
{
    return refuse() ? NULL : count(__libc_malloc(bytes));
}

IN_PLACE_OF_LIBC void *calloc(size_t n, size_t bytes)
{
    return refuse() ? NULL : count(__libc_calloc(n, bytes));
}

IN_PLACE_OF_LIBC void *realloc(void *old, size_t bytes)
{
    if (refuse()) return NULL;
    void *block = __libc_realloc(old, bytes);
    if (!old) count(block);
    return block;
}

IN_PLACE_OF_LIBC void free(void *block)
{
    live -= block != NULL;
    __libc_free(block);
}

#endif

/* Calls `attempt` with ever later failures until one call meets none. attempt returns 0 or GR_ENOMEM and frees what it
 * made. Returns how many failures there were. */
static int fail_each(int (*attempt)(void))
{
    int failures = 0;
    CHECK_OK(attempt()); /* what libc allocates once and keeps */
    if (!ALLOCATIONS_FAIL) return 1;
    for (int on = 0; on < 2; on++)
        for (long at = 1;; at++) {
            long before = live;
            fail_on = on;
            fail_at = at;
            int error = attempt();
            bool met = on ? fail_at == 1 : fail_at == 0;
            fail_at = 0;
            CHECK_EQ(live, before);
            CHECK_OK(attempt());
            CHECK_EQ(live, before);
            if (!met || error) CHECK_EQ(error, met ? GR_ENOMEM : 0); /* stdio does without a buffer */
            failures += error != 0;
            if (!met) break;
            CHECK(at < 10000);
        }
    return failures;
}

static int read_quota(void)
{
    gri_cgroup_quota quota;
    bool exclusive;
    static int complete = -1; /* as with memory */
    int error = gri_cgroup_quota_read("", &quota);
    if (error) return error;
    if (complete < 0) complete = quota.complete;
    CHECK_EQ(quota.complete, complete);
    return gri_cgroup_cpus_exclusive("", &exclusive);
}

TEST(os_memory, quota)
{
    CHECK(fail_each(read_quota) > 0);
}

static int read_and_place(void)
{
    gri_topology_options options = {.flat = true};
    gri_topology *topology = NULL;
    int error = gri_topology_read(&options, &topology);
    if (!error) error = gri_topology_place(topology, "0", 3);
    if (error == 0) CHECK_EQ(topology->workers, 3);
    gri_topology_free(topology);
    return error;
}

TEST(os_memory, topology)
{
    CHECK(fail_each(read_and_place) > 0);
}

static int place_again(void)
{
    static gri_topology *topology;
    gri_topology_options options = {.flat = true};
    if (!topology) {
        CHECK_OK(gri_topology_read(&options, &topology));
        CHECK_OK(gri_topology_place(topology, "none", 2));
    }
    gri_place *before = topology->places;
    int error = gri_topology_place(topology, "0", 2);
    if (error) CHECK(topology->places == before && topology->in_force == GRI_BIND_NONE);
    CHECK_OK(gri_topology_place(topology, "none", 2));
    return error;
}

TEST(os_memory, failed_placement_keeps_the_former)
{
    if (ALLOCATIONS_FAIL) {
        CHECK_OK(place_again());
        for (long at = 1; at <= 4; at++) {
            fail_on = false;
            fail_at = at;
            CHECK_EQ(place_again(), GR_ENOMEM);
            fail_at = 0;
        }
    }
    CHECK_OK(place_again());
}

static void nothing(void *arg)
{
    (void)arg;
}

static int start_and_join(void)
{
    gri_thread thread;
    int error = gri_thread_start(&thread, "t", 0, nothing, NULL);
    if (error == 0) gri_thread_join(thread);
    return error;
}

TEST(os_memory, thread)
{
    if (ALLOCATIONS_FAIL) {
        fail_on = false;
        fail_at = 1;
        CHECK_EQ(start_and_join(), GR_ENOMEM);
        fail_at = 0;
    }
    CHECK_OK(start_and_join());
}
