/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "os/vmem.h"

#include "base/bits.h"
#include "support/test.h"

#include <greenroom/error.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MB ((size_t)1 << 20)

static size_t resident(const void *low, size_t bytes)
{
    size_t got = 0;
    CHECK_OK(gri_vmem_resident(low, bytes, &got));
    return got;
}

/* Whether writing at p ends a child by a fault. */
static bool faults(volatile char *p)
{
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        *p = 1;
        _exit(0);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(vmem, reserve_costs_nothing_until_touched)
{
    char *low = NULL;
    size_t page = gri_vmem_page_bytes();
    CHECK(gri_is_pow2(page));
    CHECK_OK(gri_vmem_reserve(4096 * MB, 0, (void **)&low));
    CHECK_EQ(resident(low, 64 * MB), 0);
    low[5 * page] = 1;
    CHECK_EQ(low[5 * page + 1], 0);
    CHECK(resident(low, 64 * page) >= page);
    CHECK_OK(gri_vmem_release(low, 4096 * MB));
    size_t unused;
    CHECK_EQ(gri_vmem_resident(low, page, &unused), GR_ESYSTEM);
}

TEST(vmem, reserve_aligns)
{
    for (size_t alignment = 4096; alignment <= 64 * MB; alignment *= 4) {
        char *low = NULL;
        CHECK_OK(gri_vmem_reserve(3 * MB, alignment, (void **)&low));
        CHECK(gri_is_aligned((uintptr_t)low, alignment));
        low[0] = low[3 * MB - 1] = 1;
        CHECK_OK(gri_vmem_release(low, 3 * MB));
    }
}

static size_t mapped_bytes(void)
{
    size_t pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    CHECK(statm && fscanf(statm, "%zu", &pages) == 1 && fclose(statm) == 0);
    return pages * gri_vmem_page_bytes();
}

TEST(vmem, alignment_leaves_no_margins_behind)
{
    char *low[4];
    size_t before = mapped_bytes();
    for (size_t i = 0; i < 4; i++) CHECK_OK(gri_vmem_reserve(3 * MB, 1024 * MB, (void **)&low[i]));
    CHECK(mapped_bytes() - before < 64 * MB);
    for (size_t i = 0; i < 4; i++) CHECK_OK(gri_vmem_release(low[i], 3 * MB));
}

TEST(vmem, reserve_refuses)
{
    void *low = &low;
    CHECK_EQ(gri_vmem_reserve(0, 0, &low), GR_EINVAL);
    CHECK_EQ(gri_vmem_reserve(MB, 12345, &low), GR_EINVAL);
    CHECK_EQ(gri_vmem_reserve(SIZE_MAX, 0, &low), GR_EINVAL);
    CHECK_EQ(gri_vmem_reserve(SIZE_MAX / 4, 0, &low), GR_ENOMEM);
    CHECK(low == &low);
}

TEST(vmem, discard_zeroes)
{
    char *low = NULL;
    size_t page = gri_vmem_page_bytes();
    CHECK_OK(gri_vmem_reserve(4 * page, 0, (void **)&low));
    int advice = gri_vmem_no_hugepage(low, 4 * page);
    CHECK(advice == 0 || advice == GR_EUNSUPPORTED);
    memset(low, 7, 4 * page);
    CHECK_OK(gri_vmem_discard(low + page, 2 * page));
    CHECK_EQ(low[0], 7);
    CHECK_EQ(low[page], 0);
    CHECK_EQ(low[3 * page - 1], 0);
    CHECK_EQ(low[3 * page], 7);
    CHECK_OK(gri_vmem_release(low, 4 * page));
}

TEST(vmem, discard_bulk_takes_every_range_and_nothing_else)
{
    char *low = NULL;
    size_t page = gri_vmem_page_bytes();
    CHECK_OK(gri_vmem_reserve(8 * page, 0, (void **)&low));
    memset(low, 7, 8 * page);
    gri_vmem_range ranges[] = {{low, page}, {low + page, page}, {low + 3 * page, 2 * page}, {low + 7 * page, page}};
    CHECK_EQ(gri_vmem_discard_bulk(ranges, 4), 4);
    static const char expected[] = {0, 0, 7, 0, 0, 7, 7, 0};
    for (size_t i = 0; i < 8; i++) CHECK_EQ(low[i * page + 3], expected[i]);
    CHECK_EQ(gri_vmem_discard_bulk(ranges, 0), 0);
    CHECK_OK(gri_vmem_release(low, 8 * page));
    gri_vmem_range gone = {low, page};
    CHECK_EQ(gri_vmem_discard_bulk(&gone, 1), 0);
}

TEST(vmem, guard_faults_survives_discard_and_opens_again)
{
    char *low = NULL;
    size_t page = gri_vmem_page_bytes();
    CHECK_OK(gri_vmem_reserve(4 * page, 0, (void **)&low));
    int error = gri_vmem_guard_install(low + page, page);
    if (error == 0) {
        CHECK(faults(low + page));
        CHECK(!faults(low));
        CHECK(!faults(low + 2 * page));
        CHECK_OK(gri_vmem_discard(low, 4 * page));
        CHECK(faults(low + 2 * page - 1));
        CHECK_OK(gri_vmem_guard_remove(low + page, page));
        low[page] = 1;
    } else {
        CHECK_EQ(error, GR_EUNSUPPORTED); /* an older kernel */
    }
    CHECK_OK(gri_vmem_release(low, 4 * page));
}

TEST(vmem, guard_of_locked_memory_is_unsupported)
{
    char *low = NULL;
    size_t page = gri_vmem_page_bytes();
    CHECK_OK(gri_vmem_reserve(2 * page, 0, (void **)&low));
    if (syscall(SYS_mlock, low, page) == 0) {
        CHECK_EQ(gri_vmem_guard_install(low, page), GR_EUNSUPPORTED);
        low[0] = 1;
        if (gri_vmem_discard(low, page) == 0)
            CHECK_EQ(low[0], 0);
        else
            CHECK_EQ(low[0], 1);
    }
    CHECK_OK(gri_vmem_release(low, 2 * page));
}

TEST(vmem, protect)
{
    char *low = NULL;
    size_t page = gri_vmem_page_bytes();
    CHECK_OK(gri_vmem_reserve(3 * page, 0, (void **)&low));
    low[page] = 9;
    CHECK_OK(gri_vmem_protect_none(low + page, page));
    CHECK(faults(low + page));
    CHECK(!faults(low + 2 * page));
    CHECK_OK(gri_vmem_protect_rw(low + page, page));
    CHECK_EQ(low[page], 9);
    CHECK_OK(gri_vmem_release(low, 3 * page));
}

TEST(vmem, map_budget_counts_mappings)
{
    size_t limit = 0, before = 0, after = 0, page = gri_vmem_page_bytes();
    char *low = NULL;
    CHECK_OK(gri_vmem_reserve(64 * page, 0, (void **)&low));
    CHECK_OK(gri_vmem_map_budget(&limit, &before));
    CHECK(limit > before && before > 0);
    for (size_t i = 0; i < 20; i++) CHECK_OK(gri_vmem_protect_none(low + (3 * i + 1) * page, page));
    CHECK_OK(gri_vmem_map_budget(&limit, &after));
    CHECK(after >= before + 39); /* twenty islands, and the gaps between */
    CHECK_OK(gri_vmem_release(low, 64 * page));
}

TEST(vmem, prefer_node_is_taken_or_refused_cleanly)
{
    char *low = NULL;
    size_t page = gri_vmem_page_bytes();
    CHECK_OK(gri_vmem_reserve(4 * page, 0, (void **)&low));
    int error = gri_vmem_prefer_node(low, 4 * page, 0);
    CHECK(error == 0 || error == GR_EUNSUPPORTED);
    low[0] = 1;
    CHECK_EQ(gri_vmem_prefer_node(low, 4 * page, 5000), GR_EINVAL);
    CHECK_OK(gri_vmem_release(low, 4 * page));
}
