/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See table.h. */
#include "memory/table.h"

#include "base/bits.h"
#include "base/check.h"
#include "base/fault.h"
#include "os/vmem.h"

#include <greenroom/error.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 1024u
#define BATCH (GRI_TABLE_CACHE / 2)
#define OPEN_BYTES ((size_t)4 << 20) /* guess: a system call each so many bytes of slots */
#define LIST_OPEN_BYTES ((size_t)256 << 10)

static int list_reserve(gri_table *table, gri_reservation *ret_space)
{
    size_t bytes = table->capacity * sizeof(uint32_t);
    return gri_reservation_init(ret_space, bytes, bytes, gri_vmem_page_bytes());
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
    if (list_reserve(table, &table->free_space) != 0) {
        gri_reservation_fini(&table->slots);
        return GR_ENOMEM;
    }
    table->base = table->slots.low;
    table->free = (uint32_t *)(void *)table->free_space.low;
    return 0;
}

int gri_table_keep(gri_table *table, gri_table_save save, gri_table_restore restore)
{
    GRI_ASSERT(table->fresh == 0 && !table->saved);
    if (list_reserve(table, &table->saved_space) != 0) return GR_ENOMEM;
    table->saved = (uint32_t *)(void *)table->saved_space.low;
    table->save = save;
    table->restore = restore;
    return 0;
}

void gri_table_stop(gri_table *table)
{
    if (!table->base) return;
    gri_reservation_fini(&table->slots);
    gri_reservation_fini(&table->free_space);
    gri_reservation_fini(&table->saved_space);
    table->base = NULL;
}

/* Makes `count` more slots accessible, and room for them in the lists, so that giving cannot fail. */
static bool open_locked(gri_table *table, uint32_t count)
{
    uint32_t end = table->fresh + count;
    size_t list_bytes = end * sizeof(uint32_t);
    if (!gri_reservation_open(&table->slots, end * table->slot_bytes, OPEN_BYTES)) return false;
    if (!gri_reservation_open(&table->free_space, list_bytes, LIST_OPEN_BYTES)) return false;
    if (table->saved && !gri_reservation_open(&table->saved_space, list_bytes, LIST_OPEN_BYTES)) return false;
    gri_store_relaxed(&table->open, end); /* relaxed: who has an index got it after this */
    return true;
}

static void restore_locked(gri_table *table, uint32_t index)
{
    if (!table->saved || table->saved[index] == 0) return;
    table->restore(gri_table_at(table, index), table->saved[index]);
    table->saved[index] = 0;
}

/* Up to `wanted` slots: given-back ones first. */
static uint32_t take_many(gri_table *table, uint32_t *ret_indices, uint32_t wanted)
{
    uint32_t count = 0;
    gri_spinlock_lock(&table->lock);
    while (count < wanted && table->free_count > table->trimming) {
        ret_indices[count] = table->free[--table->free_count];
        restore_locked(table, ret_indices[count++]);
    }
    table->free_low = GRI_MIN(table->free_low, table->free_count);
    uint32_t fresh = GRI_MIN(wanted, table->capacity - table->fresh);
    if (count == 0 && open_locked(table, fresh)) {
        /* Highest first, so that a cache, which takes from its end, hands them out in order. */
        for (uint32_t i = 0; i < fresh; i++) ret_indices[i] = table->fresh + fresh - 1 - i;
        table->fresh += fresh;
        count = fresh;
    }
    gri_spinlock_unlock(&table->lock);
    return count;
}

static void give_many(gri_table *table, const uint32_t *indices, uint32_t count)
{
    gri_spinlock_lock(&table->lock);
    if (count > 0) memcpy(table->free + table->free_count, indices, count * sizeof *indices);
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

/* --- trimming: works without the lock, on the part of the list that `trimming` keeps from the others --- */

/* The slots [first, end) are free: discards the pages that only they are on. */
static size_t discard_run(gri_table *table, uint32_t first, uint32_t end)
{
    size_t page = gri_vmem_page_bytes(), bytes = table->slot_bytes;
    size_t low = gri_align_up(first * bytes, page), high = gri_align_down(end * bytes, page);
    if (low >= high) return 0;
    bool any = false;
    for (uint32_t i = (uint32_t)(low / bytes); i * bytes < high; i++) {
        if (table->saved[i] != 0) continue;
        table->saved[i] = table->save(gri_table_at(table, i));
        GRI_DEBUG_ASSERT(table->saved[i] != 0);
        any = true;
    }
    /* If the kernel keeps the pages (locked memory): restoring what is still there does no harm. */
    if (!any || gri_vmem_discard(table->base + low, high - low) != 0) return 0;
    return high - low;
}

/* A bit for each index in the list's first `count`. */
static uint64_t *free_bits(const gri_table *table, uint32_t count, uint32_t used)
{
    uint64_t *bits = calloc(used / 64 + 1, sizeof *bits);
    for (uint32_t i = 0; bits && i < count; i++) bits[table->free[i] / 64] |= UINT64_C(1) << (table->free[i] % 64);
    return bits;
}

size_t gri_table_trim(gri_table *table, bool all)
{
    if (!table->saved) return 0;
    gri_spinlock_lock(&table->lock);
    uint32_t count = all ? table->free_count : GRI_MIN(table->free_low, table->free_count), used = table->fresh;
    if (table->trimming > 0) count = 0; /* somebody is at it */
    if (count > 0) table->trimming = count;
    if (table->trimming == 0) table->free_low = table->free_count;
    gri_spinlock_unlock(&table->lock);
    if (count == 0) return 0;
    size_t bytes = 0;
    uint64_t *bits = free_bits(table, count, used);
    for (uint32_t first = 0, end; bits && first < used; first = end + 1) {
        for (end = first; end < used && (bits[end / 64] >> (end % 64) & 1); end++) continue;
        if (end > first) bytes += discard_run(table, first, end);
    }
    free(bits);
    gri_spinlock_lock(&table->lock);
    table->trimming = 0;
    table->free_low = table->free_count;
    gri_spinlock_unlock(&table->lock);
    return bytes;
}
