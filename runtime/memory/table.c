/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "memory/table.h"

#include "base/check.h"
#include "os/vmem.h"

#include <greenroom/error.h>
#include <string.h>

#define CAPACITY_MIN 1024u
#define BATCH (GRI_TABLE_CACHE / 2)

int gri_table_start(gri_table *table, size_t slot_bytes, uint32_t capacity)
{
    GRI_ASSERT(slot_bytes % GRI_CACHE_LINE == 0);
    memset(table, 0, sizeof *table);
    gri_spinlock_init(&table->lock);
    table->slot_bytes = slot_bytes;
    for (; capacity >= CAPACITY_MIN; capacity /= 2) {
        void *base, *free_list;
        if (gri_vmem_reserve((size_t)capacity * slot_bytes, gri_vmem_page_bytes(), &base) != 0) continue;
        if (gri_vmem_reserve((size_t)capacity * sizeof(uint32_t), gri_vmem_page_bytes(), &free_list) == 0) {
            table->base = base;
            table->free = free_list;
            table->capacity = capacity;
            return 0;
        }
        gri_vmem_release(base, (size_t)capacity * slot_bytes);
    }
    return GR_ENOMEM;
}

void gri_table_stop(gri_table *table)
{
    if (!table->base) return;
    gri_vmem_release(table->base, (size_t)table->capacity * table->slot_bytes);
    gri_vmem_release(table->free, (size_t)table->capacity * sizeof(uint32_t));
    table->base = NULL;
}

/* Up to `wanted` slots: given-back ones first. */
static uint32_t take_many(gri_table *table, uint32_t *ret_indices, uint32_t wanted)
{
    uint32_t count = 0;
    gri_spinlock_lock(&table->lock);
    while (count < wanted && table->free_count > 0) ret_indices[count++] = table->free[--table->free_count];
    if (count == 0) {
        /* Highest first, so that a cache, which takes from its end, hands them out in order. */
        uint32_t fresh = GRI_MIN(wanted, table->capacity - table->fresh);
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
    memcpy(table->free + table->free_count, indices, count * sizeof *indices);
    table->free_count += count;
    gri_spinlock_unlock(&table->lock);
}

int gri_table_take(gri_table *table, gri_table_cache *cache, uint32_t *ret_index)
{
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
