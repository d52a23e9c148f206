/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See vmem.h. */
#include "os/vmem.h"

#include "base/bits.h"

#include <errno.h>
#include <fcntl.h>
#include <greenroom/error.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Younger than the oldest headers we build with. Numbers from the kernel's uapi/asm-generic/mman-common.h. */
#define VMEM_DONTNEED_LOCKED 24 /* Linux 5.18 */
#define VMEM_GUARD_INSTALL 102  /* Linux 6.13 */
#define VMEM_GUARD_REMOVE 103
#define VMEM_POLICY_PREFERRED 1 /* MPOL_PREFERRED, uapi/linux/mempolicy.h */
#define VMEM_NODES_MAX 1024u

size_t gri_vmem_page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static int error_from_errno(void)
{
    return errno == ENOMEM || errno == EAGAIN ? GR_ENOMEM : GR_ESYSTEM;
}

int gri_vmem_reserve(size_t bytes, size_t alignment, void **ret_low)
{
    size_t page = gri_vmem_page_bytes();
    alignment = GRI_MAX(alignment, page);
    if (bytes == 0 || !gri_is_pow2(alignment) || bytes > SIZE_MAX / 2 || alignment > SIZE_MAX / 4) return GR_EINVAL;
    bytes = gri_align_up(bytes, page);
    size_t mapped_bytes = alignment == page ? bytes : bytes + alignment - page;
    char *mapped = mmap(NULL, mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) return error_from_errno();
    char *low = (char *)gri_align_up((uintptr_t)mapped, alignment);
    char *end = low + bytes, *mapped_end = mapped + mapped_bytes;
    if (low > mapped) munmap(mapped, (size_t)(low - mapped)); /* cutting at an edge adds no mapping: it cannot fail */
    if (end < mapped_end) munmap(end, (size_t)(mapped_end - end));
    *ret_low = low;
    return 0;
}

int gri_vmem_release(void *low, size_t bytes)
{
    return munmap(low, bytes) == 0 ? 0 : error_from_errno();
}

int gri_vmem_discard(void *low, size_t bytes)
{
    if (madvise(low, bytes, MADV_DONTNEED) == 0) return 0;
    if (errno == EINVAL && madvise(low, bytes, VMEM_DONTNEED_LOCKED) == 0) return 0;
    return GR_ESYSTEM;
}

size_t gri_vmem_discard_bulk(const gri_vmem_range *ranges, size_t count)
{
    for (size_t first = 0, next; first < count; first = next) {
        char *low = ranges[first].low, *end = low + ranges[first].bytes;
        for (next = first + 1; next < count && ranges[next].low == (void *)end; next++) end += ranges[next].bytes;
        if (gri_vmem_discard(low, (size_t)(end - low)) != 0) return first;
    }
    return count;
}

static int advise(void *low, size_t bytes, int advice)
{
    /* The guard calls are restarted by the kernel when a signal interrupts them, or answer EINTR. */
    for (;;) {
        if (madvise(low, bytes, advice) == 0) return 0;
        if (errno == EINTR) continue;
        return errno == ENOMEM ? GR_ENOMEM : GR_EUNSUPPORTED;
    }
}

int gri_vmem_no_hugepage(void *low, size_t bytes)
{
    return advise(low, bytes, MADV_NOHUGEPAGE);
}

int gri_vmem_guard_install(void *low, size_t bytes)
{
    return advise(low, bytes, VMEM_GUARD_INSTALL);
}

int gri_vmem_guard_remove(void *low, size_t bytes)
{
    return advise(low, bytes, VMEM_GUARD_REMOVE);
}

int gri_vmem_protect_none(void *low, size_t bytes)
{
    return mprotect(low, bytes, PROT_NONE) == 0 ? 0 : error_from_errno();
}

int gri_vmem_protect_rw(void *low, size_t bytes)
{
    return mprotect(low, bytes, PROT_READ | PROT_WRITE) == 0 ? 0 : error_from_errno();
}

/* Calls `chunk` with the file's bytes, piece by piece: no allocation, since it may be memory that is short. */
static bool file_read(const char *path, void (*chunk)(void *arg, const char *text, size_t bytes), void *arg)
{
    char buffer[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t got;
    do {
        got = read(fd, buffer, sizeof buffer);
        if (got > 0) chunk(arg, buffer, (size_t)got);
    } while (got > 0 || (got < 0 && errno == EINTR));
    close(fd);
    return got == 0;
}

static void count_lines(void *arg, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) *(size_t *)arg += text[i] == '\n';
}

static void read_number(void *arg, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes && text[i] >= '0' && text[i] <= '9'; i++)
        *(size_t *)arg = *(size_t *)arg * 10 + (size_t)(text[i] - '0');
}

int gri_vmem_map_budget(size_t *ret_limit, size_t *ret_used)
{
    size_t limit = 0, used = 0;
    if (!file_read("/proc/sys/vm/max_map_count", read_number, &limit) || limit == 0) return GR_EUNSUPPORTED;
    if (!file_read("/proc/self/maps", count_lines, &used) || used == 0) return GR_EUNSUPPORTED;
    *ret_limit = limit;
    *ret_used = used;
    return 0;
}

int gri_vmem_prefer_node(void *low, size_t bytes, unsigned node)
{
    unsigned long nodes[VMEM_NODES_MAX / (8 * sizeof(unsigned long))] = {0};
    if (node >= VMEM_NODES_MAX) return GR_EINVAL;
    nodes[node / (8 * sizeof nodes[0])] = 1ul << (node % (8 * sizeof nodes[0]));
    /* The kernel reads one bit less than it is told. */
    if (syscall(SYS_mbind, low, bytes, VMEM_POLICY_PREFERRED, nodes, (unsigned long)VMEM_NODES_MAX + 1, 0u) == 0)
        return 0;
    return errno == ENOMEM ? GR_ENOMEM : GR_EUNSUPPORTED;
}

int gri_vmem_resident(const void *low, size_t bytes, size_t *ret_bytes)
{
    unsigned char pages[1024];
    size_t page = gri_vmem_page_bytes(), resident = 0;
    for (size_t done = 0; done < bytes;) {
        size_t part = GRI_MIN(bytes - done, sizeof pages * page);
        if (mincore((char *)(uintptr_t)low + done, part, pages) != 0) return GR_ESYSTEM;
        for (size_t i = 0; i < part / page; i++) resident += (pages[i] & 1) * page;
        done += part;
    }
    *ret_bytes = resident;
    return 0;
}
