/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "observe/figures.h"

#include "actor/look.h"
#include "actor/runtime.h"
#include "actor/trace.h"
#include "memory/chunk.h"
#include "os/clock.h"
#include "os/vmem.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MESSAGES_COUNTED 200000u /* in all, of those that nobody has counted: some milliseconds */

static gri_atomic_u32 next_actor; /* where the next look at depths begins */

double gri_figures_uptime(void)
{
    return (double)(gri_clock_monotonic() - gri_runtime_now.started) / 1e9;
}

gri_histogram *gri_figures_mailbox_times(void)
{
    return &gri_mailbox_times;
}

gri_histogram *gri_figures_mailbox_depths(void)
{
    return &gri_mailbox_depths;
}

void gri_figures_depths(gri_histogram *ret_depths)
{
    memset(ret_depths, 0, sizeof *ret_depths);
    /* relaxed, all: a bound, and where to begin; two who look at once may see the same actors */
    uint32_t limit = gri_load_relaxed(&gri_runtime_now.actor_limit);
    uint32_t first = limit > GRI_FIGURES_ACTORS ? gri_load_relaxed(&next_actor) % limit : 0;
    uint32_t count = GRI_MIN(limit, GRI_FIGURES_ACTORS), budget = MESSAGES_COUNTED;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = (first + i) % limit;
        gr_self *self = gri_table_at(&gri_runtime_now.actors, index);
        uint32_t generation = gri_load_relaxed(&self->generation);
        if (!(generation & 1)) continue;
        uint64_t depth = gri_look_mailbox((gr_address){(uint64_t)generation << 32 | index}, &budget);
        gri_histogram_add(ret_depths, (uint32_t)GRI_MIN(depth, (uint64_t)UINT32_MAX));
    }
    gri_store_relaxed(&next_actor, first + count);
}

static uint64_t resident_bytes(void)
{
    char text[64];
    unsigned long long size, pages;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t bytes = read(fd, text, sizeof text - 1);
    close(fd);
    if (bytes <= 0) return 0;
    text[bytes] = '\0';
    return sscanf(text, "%llu %llu", &size, &pages) == 2 ? pages * gri_vmem_page_bytes() : 0;
}

void gri_figures_memory(gri_memory_figures *ret_memory)
{
    gri_stack_counts stacks;
    gri_chunk_counts chunks;
    gri_stacks_count(&stacks);
    gri_chunk_count(&chunks);
    const uint64_t all = stacks.live + stacks.cached, page = all ? stacks.bytes_resident / all : 0;
    *ret_memory = (gri_memory_figures){
        .messages = chunks.bytes,
        .messages_warm = chunks.bytes_warm,
        .stacks_live = stacks.live * page,
        .stacks_cached = stacks.cached * page,
        .tables = (uint64_t)gri_load_relaxed(&gri_runtime_now.actor_limit) * sizeof(gr_self), /* relaxed: a bound */
        .resident = resident_bytes(),
    };
}
