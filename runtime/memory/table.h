/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A type-stable table of equal slots in one reserved mapping: slot i is at base + i * slot_bytes for as long as the table
 * lives, so a stale index always leads to a slot. Whether it is the slot one meant is for a generation inside it to say.
 *
 * Slots are zero when first taken, afterwards as they were given back: the generation survives, so the memory of free slots is
 * never discarded. Free slots are reused last in first out, through a cache per worker; caches exchange batches with a common
 * stack under a lock.
 *
 *   function        who
 *   start, stop     one thread, nobody else is at the table
 *   at              any thread
 *   take, give      any thread with cache NULL; with a cache, the cache's owner */
#ifndef GRI_MEMORY_TABLE_H
#define GRI_MEMORY_TABLE_H

#include "base/atomic.h"
#include "sync/spinlock.h"

#include <stddef.h>
#include <stdint.h>

#define GRI_TABLE_CACHE 64

typedef struct gri_table_cache {
    uint32_t count;
    uint32_t free[GRI_TABLE_CACHE];
} gri_table_cache;

typedef struct gri_table {
    char *base;
    size_t slot_bytes;
    uint32_t capacity;
    gri_spinlock lock;  /* guards the rest */
    uint32_t fresh;     /* slots from here on were never taken */
    uint32_t free_count;
    uint32_t *free;     /* a reserved mapping of its own, capacity entries */
} gri_table;

/* Reserves address space for up to `capacity` slots, less where the system has less to give. slot_bytes must be a multiple of
 * 64. GR_ENOMEM. */
GRI_MUST_CHECK int gri_table_start(gri_table *table, size_t slot_bytes, uint32_t capacity);
void gri_table_stop(gri_table *table);

/* GR_ENOMEM: every slot is taken. */
GRI_MUST_CHECK int gri_table_take(gri_table *table, gri_table_cache *cache, uint32_t *ret_index);
void gri_table_give(gri_table *table, gri_table_cache *cache, uint32_t index);
/* Gives a cache's slots back: before its owner ends. */
void gri_table_cache_flush(gri_table *table, gri_table_cache *cache);

GRI_INLINE void *gri_table_at(const gri_table *table, uint32_t index)
{
    return table->base + (size_t)index * table->slot_bytes;
}

#endif
