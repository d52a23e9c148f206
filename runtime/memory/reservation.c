/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See reservation.h. */
#include "memory/reservation.h"

#include "base/bits.h"
#include "base/check.h"
#include "os/vmem.h"

#include <greenroom/error.h>
#include <sys/mman.h>

static char *reserve_closed(size_t bytes, size_t alignment)
{
    char *mapped = mmap(NULL, bytes + alignment, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) return NULL;
    char *low = (char *)gri_align_up((uintptr_t)mapped, alignment);
    size_t before = (size_t)(low - mapped);
    /* Cutting at the edges adds no mapping: it cannot fail. */
    if (before > 0) munmap(mapped, before);
    if (before < alignment) munmap(low + bytes, alignment - before);
    return low;
}

int gri_reservation_init(gri_reservation *r, size_t bytes, size_t bytes_least, size_t alignment)
{
    GRI_DEBUG_ASSERT(gri_is_pow2(alignment) && bytes_least > 0);
    bool refused = false;
    for (;; bytes /= 2) {
        bytes = gri_align_up(bytes, alignment);
        char *low = reserve_closed(bytes, alignment);
        if (low && refused && bytes / 2 >= bytes_least) {
            /* Address space is short (RLIMIT_AS): half of what there is would leave too little for others. */
            gri_vmem_release(low, bytes);
            bytes = gri_align_up(GRI_MAX(bytes / 4, bytes_least), alignment);
            low = reserve_closed(bytes, alignment);
        }
        if (low) {
            /* Debuggers that write a core themselves would write all of it. Refused: they do. */
            (void)madvise(low, bytes, MADV_DONTDUMP);
            *r = (gri_reservation){low, bytes, 0};
            return 0;
        }
        refused = true;
        if (bytes / 2 < bytes_least) return GR_ENOMEM;
    }
}

void gri_reservation_fini(gri_reservation *r)
{
    if (r->low) gri_vmem_release(r->low, r->bytes);
    *r = (gri_reservation){NULL, 0, 0};
}

bool gri_reservation_open(gri_reservation *r, size_t bytes, size_t step)
{
    if (GRI_LIKELY(bytes <= r->open_bytes)) return true;
    if (bytes > r->bytes) return false;
    bytes = GRI_MIN(gri_align_up(bytes, step), r->bytes);
    if (gri_vmem_protect_rw(r->low + r->open_bytes, bytes - r->open_bytes) != 0) return false;
    (void)madvise(r->low + r->open_bytes, bytes - r->open_bytes, MADV_DODUMP); /* one map entry with what is open */
    r->open_bytes = bytes;
    return true;
}
