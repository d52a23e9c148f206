/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See table.h. */
#include "memory/table.h"

#include "base/bits.h"
#include "base/check.h"
#include "base/fault.h"
#include "os/thread.h"
#include "os/vmem.h"

#include <greenroom/error.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 1024u
#define BATCH (GRI_TABLE_CACHE / 2)
#define OPEN_BYTES ((size_t)4 << 20) /* guess: a system call each so many bytes of slots */
#define GROUP_OPEN_BYTES ((size_t)64 << 10)
#define GROUP 64u
#define REGION (GROUP * 64u) /* slots: what a trim has to itself at a time */

static int space_reserve(gri_reservation *ret_space, uint32_t count, size_t bytes)
{
    return gri_reservation_init(ret_space, count * bytes, count * bytes, gri_vmem_page_bytes());
}

int gri_table_start(gri_table *table, size_t slot_bytes, uint32_t capacity)
{
    GRI_ASSERT(slot_bytes % GRI_CACHE_LINE == 0 && slot_bytes > 0 && capacity > 0);
    memset(table, 0, sizeof *table);
    gri_spinlock_init(&table->lock);
    table->slot_bytes = slot_bytes;
    size_t least = GRI_MIN(capacity, CAPACITY_MIN) * slot_bytes;
    if (gri_reservation_init(&table->slots, capacity * slot_bytes, least, gri_vmem_page_bytes()) != 0) return GR_ENOMEM;
    table->capacity = (uint32_t)GRI_MIN(table->slots.bytes / slot_bytes, (size_t)capacity);
    if (space_reserve(&table->group_space, (table->capacity - 1) / GROUP + 1, sizeof *table->groups) != 0 ||
        space_reserve(&table->region_space, (table->capacity - 1) / REGION + 1, sizeof *table->regions) != 0) {
        gri_reservation_fini(&table->slots);
        gri_reservation_fini(&table->group_space);
        return GR_ENOMEM;
    }
    table->base = table->slots.low;
    table->groups = (gri_table_group *)(void *)table->group_space.low;
    table->regions = (uint64_t *)(void *)table->region_space.low;
    return 0;
}

int gri_table_keep(gri_table *table, gri_table_save save, gri_table_restore restore)
{
    GRI_ASSERT(table->fresh == 0);
    table->save = save;
    table->restore = restore;
    return 0;
}

void gri_table_stop(gri_table *table)
{
    if (!table->base) return;
    gri_reservation_fini(&table->slots);
    gri_reservation_fini(&table->group_space);
    gri_reservation_fini(&table->region_space);
    table->base = NULL;
}

/* --- the common set --- */

/* Makes `count` more slots accessible, and their groups, so that giving cannot fail. */
static bool open_locked(gri_table *table, uint32_t count)
{
    uint32_t end = table->fresh + count;
    if (count == 0) return true;
    size_t groups = (end - 1) / GROUP + 1, regions = (end - 1) / REGION + 1;
    if (!gri_reservation_open(&table->slots, end * table->slot_bytes, OPEN_BYTES)) return false;
    if (!gri_reservation_open(&table->group_space, groups * sizeof *table->groups, GROUP_OPEN_BYTES)) return false;
    if (!gri_reservation_open(&table->region_space, regions * sizeof *table->regions, gri_vmem_page_bytes()))
        return false;
    gri_store_relaxed(&table->open, end); /* relaxed: who has an index got it after this */
    return true;
}

static void free_add_locked(gri_table *table, uint32_t group, uint64_t bits)
{
    if (bits == 0) return;
    GRI_DEBUG_ASSERT((table->groups[group].free & bits) == 0);
    table->groups[group].free |= bits;
    table->regions[group / 64] |= UINT64_C(1) << group % 64;
    table->lowest = GRI_MIN(table->lowest, group / 64);
}

static void free_remove_locked(gri_table *table, uint32_t group, uint64_t bits)
{
    table->groups[group].free &= ~bits;
    if (table->groups[group].free == 0) table->regions[group / 64] &= ~(UINT64_C(1) << group % 64);
}

/* The first group with a free slot; false: there is none. */
static bool free_find_locked(gri_table *table, uint32_t *ret_group)
{
    const uint32_t regions = (table->fresh + REGION - 1) / REGION;
    while (table->lowest < regions && table->regions[table->lowest] == 0) table->lowest++;
    if (table->lowest >= regions) return false;
    *ret_group = table->lowest * 64 + gri_ctz64(table->regions[table->lowest]);
    return true;
}

static uint32_t take_freed_locked(gri_table *table, uint32_t *ret_indices, uint32_t wanted)
{
    uint32_t count = 0, at;
    while (count < wanted && free_find_locked(table, &at)) {
        gri_table_group *group = &table->groups[at];
        uint64_t taken = 0;
        for (uint64_t left = group->free; left != 0 && count < wanted; left &= left - 1) {
            const uint64_t bit = left & -left;
            taken |= bit;
            ret_indices[count] = at * GROUP + gri_ctz64(bit);
            if (group->cold & bit) table->restore(gri_table_at(table, ret_indices[count]), group->saved);
            count++;
        }
        group->cold &= ~taken;
        free_remove_locked(table, at, taken);
    }
    table->free_count -= count;
    return count;
}

/* Up to `wanted` slots: given-back ones first. None only when every slot is taken, or for want of memory: while a trim is at the
 * last ones, which is one system call, this waits. */
static uint32_t take_many(gri_table *table, uint32_t *ret_indices, uint32_t wanted)
{
    gri_spinlock_lock(&table->lock);
    uint32_t count = take_freed_locked(table, ret_indices, wanted);
    while (count == 0 && table->fresh == table->capacity && table->trimming > 0) {
        gri_spinlock_unlock(&table->lock);
        gri_thread_yield();
        gri_spinlock_lock(&table->lock);
        count = take_freed_locked(table, ret_indices, wanted);
    }
    uint32_t fresh = GRI_MIN(wanted, table->capacity - table->fresh);
    if (count == 0 && open_locked(table, fresh)) {
        for (uint32_t i = 0; i < fresh; i++) ret_indices[i] = table->fresh + i;
        table->fresh += fresh;
        count = fresh;
    }
    gri_spinlock_unlock(&table->lock);
    /* Highest first, so that a cache, which takes from its end, hands them out in order. */
    for (uint32_t i = 0; i < count / 2; i++) {
        uint32_t low = ret_indices[i];
        ret_indices[i] = ret_indices[count - 1 - i];
        ret_indices[count - 1 - i] = low;
    }
    return count;
}

static void give_many(gri_table *table, const uint32_t *indices, uint32_t count)
{
    gri_spinlock_lock(&table->lock);
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t bit = UINT64_C(1) << indices[i] % GROUP;
        free_add_locked(table, indices[i] / GROUP, bit);
        table->groups[indices[i] / GROUP].recent |= bit;
    }
    table->free_count += count;
    gri_spinlock_unlock(&table->lock);
}

int gri_table_take(gri_table *table, gri_table_cache *cache, uint32_t *ret_index)
{
    if (gri_fault(GRI_FAULT_ALLOCATE)) return GR_ENOMEM;
    if (!cache) return take_many(table, ret_index, 1) == 1 ? 0 : GR_ENOMEM;
    if (cache->count == 0) cache->count = take_many(table, cache->free, BATCH);
    if (cache->count == 0) return GR_ENOMEM;
    *ret_index = cache->free[--cache->count];
    return 0;
}

void gri_table_give(gri_table *table, gri_table_cache *cache, uint32_t index)
{
    if (!cache) {
        give_many(table, &index, 1);
        return;
    }
    if (cache->count == GRI_TABLE_CACHE) {
        /* The oldest go: those given last stay here. */
        give_many(table, cache->free, BATCH);
        cache->count -= BATCH;
        memmove(cache->free, cache->free + BATCH, cache->count * sizeof *cache->free);
    }
    cache->free[cache->count++] = index;
}

void gri_table_cache_flush(gri_table *table, gri_table_cache *cache)
{
    give_many(table, cache->free, cache->count);
    cache->count = 0;
}

/* --- trimming: a region at a time, whose slots it takes out of the set meanwhile --- */

typedef struct region {
    uint32_t first_group, groups, count; /* count: bits in free */
    uint64_t free[64], cold[64];
    uint32_t saved[64];
} region;

/* The later of two numbers that only grow, modulo 2^32; 0 is none. */
static uint32_t later(uint32_t a, uint32_t b)
{
    if (a == 0 || b == 0) return a | b;
    return (int32_t)(a - b) > 0 ? a : b;
}

static bool is_free(const region *r, uint32_t slot)
{
    return (r->free[slot / GROUP] >> slot % GROUP & 1) != 0;
}

/* Takes out what stayed free, and what is cold beside it, if there is anything that is not cold yet. */
static bool region_take_locked(gri_table *table, region *r, bool all)
{
    uint64_t warm = 0;
    r->count = 0;
    for (uint32_t i = 0; i < r->groups; i++) {
        gri_table_group *group = &table->groups[r->first_group + i];
        r->free[i] = all ? group->free : group->free & ~group->recent;
        r->cold[i] = group->cold;
        r->saved[i] = group->saved;
        group->recent = 0;
        warm |= r->free[i] & ~r->cold[i];
    }
    for (uint32_t i = 0; warm != 0 && i < r->groups; i++) {
        free_remove_locked(table, r->first_group + i, r->free[i]);
        r->count += gri_popcount64(r->free[i]);
    }
    table->trimming += r->count;
    return warm != 0;
}

static void region_give_locked(gri_table *table, const region *r)
{
    for (uint32_t i = 0; i < r->groups; i++) {
        gri_table_group *group = &table->groups[r->first_group + i];
        free_add_locked(table, r->first_group + i, r->free[i]);
        group->cold |= r->cold[i] & r->free[i];
        group->saved = later(group->saved, r->saved[i]);
    }
    table->trimming -= r->count;
}

/* The region's slots [first, end) are free: discards the pages that only they are on. */
static size_t discard_run(gri_table *table, region *r, uint32_t first, uint32_t end)
{
    const size_t page = gri_vmem_page_bytes(), bytes = table->slot_bytes, base = r->first_group * GROUP;
    size_t low = gri_align_up((base + first) * bytes, page), high = gri_align_down((base + end) * bytes, page);
    if (low >= high) return 0;
    bool any = false;
    for (size_t i = low / bytes; i * bytes < high; i++) {
        const uint32_t group = (uint32_t)(i - base) / GROUP;
        const uint64_t bit = UINT64_C(1) << (i - base) % GROUP;
        if (r->cold[group] & bit) continue;
        uint32_t saved = table->save(gri_table_at(table, (uint32_t)i));
        GRI_DEBUG_ASSERT(saved != 0);
        r->saved[group] = later(r->saved[group], saved);
        r->cold[group] |= bit;
        any = true;
    }
    /* If the kernel keeps the pages (locked memory): restoring what is still there does no harm. */
    if (!any || gri_vmem_discard(table->base + low, high - low) != 0) return 0;
    return high - low;
}

static size_t region_discard(gri_table *table, region *r)
{
    const uint32_t slots = r->groups * GROUP;
    size_t bytes = 0;
    for (uint32_t first = 0, end; first < slots; first = end + 1) {
        for (end = first; end < slots && is_free(r, end); end++) continue;
        if (end > first) bytes += discard_run(table, r, first, end);
    }
    return bytes;
}

size_t gri_table_trim(gri_table *table, bool all)
{
    size_t bytes = 0;
    if (!table->save) return 0;
    for (uint32_t i = 0;; i++) {
        region r = {.first_group = i * 64};
        gri_spinlock_lock(&table->lock);
        const uint32_t groups = (table->fresh + GROUP - 1) / GROUP;
        if (r.first_group >= groups) break;
        r.groups = GRI_MIN(groups - r.first_group, 64u);
        const bool any = table->regions[i] != 0 && region_take_locked(table, &r, all);
        gri_spinlock_unlock(&table->lock);
        if (!any) continue;
        bytes += region_discard(table, &r);
        gri_spinlock_lock(&table->lock);
        region_give_locked(table, &r);
        gri_spinlock_unlock(&table->lock);
    }
    gri_spinlock_unlock(&table->lock);
    return bytes;
}
