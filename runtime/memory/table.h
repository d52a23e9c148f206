/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A type-stable table of equal slots at fixed addresses: slot i is at base + i * slot_bytes for as long as the table lives,
 * so a stale index always leads to a slot. Whether it is the slot one meant is for a generation inside it to say.
 *
 * Slots are zero when first taken, afterwards as they were given back. A cache per worker hands out last what it was given first;
 * caches exchange batches with a common set under a lock, which gives the lowest slots first, so that what is in use after a
 * storm gathers at the low end.
 *
 *   function        who
 *   start, stop     one thread, nobody else is at the table
 *   at              any thread, for an index that was given out before; has, for an index from outside
 *   take, give      any thread with cache NULL; with a cache, the cache's owner
 *   trim            any thread
 *
 * Memory: address space for all slots is reserved at once, opened as indices are first given out, and resident as it is
 * touched. The generation must survive, so the memory of free slots is kept, unless the user says how to keep the generation
 * elsewhere meanwhile (gri_table_keep): then gri_table_trim discards the pages of long free ranges. A stale reader of such a
 * slot finds zeros, which must mean "not the one you mean" to it, and survive a compare-and-swap that fails on them. What stays
 * of a slot is half a byte: three bits, and its part of a number that it shares with 63 others. */
#ifndef GRI_MEMORY_TABLE_H
#define GRI_MEMORY_TABLE_H

#include "base/atomic.h"
#include "memory/reservation.h"
#include "sync/spinlock.h"

#include <stddef.h>
#include <stdint.h>

#define GRI_TABLE_CACHE 64

typedef struct gri_table_cache {
    uint32_t count;
    uint32_t free[GRI_TABLE_CACHE];
} gri_table_cache;

/* save: what to keep of a free slot whose memory may go, not 0: a number that only grows from use to use, modulo 2^32. restore:
 * puts the number back into the slot, or a later one (the latest of its neighbours), before it is taken again; its bytes are zero
 * each or as they were. Stale readers may be looking; restore is called with a lock held. */
typedef uint32_t (*gri_table_save)(const void *slot);
typedef void (*gri_table_restore)(void *slot, uint32_t saved);

/* 64 neighbours, a bit each. */
typedef struct gri_table_group {
    uint64_t free;   /* in no cache; not those that a trim is at */
    uint64_t recent; /* given back since the last trim */
    uint64_t cold;   /* thereof free: their memory went, they must get `saved` back */
    uint32_t saved;  /* the latest of all that were discarded; 0: none ever was */
} gri_table_group;

typedef struct gri_table {
    /* constant after start */
    char *base;
    size_t slot_bytes;
    uint32_t capacity;
    gri_table_save save;
    gri_table_restore restore;
    gri_atomic_u32 open; /* slots below it are accessible; written under the lock; publishes nothing */
    gri_spinlock lock;   /* guards the rest */
    gri_reservation slots, group_space, region_space;
    gri_table_group *groups;
    uint64_t *regions;   /* 64 groups, a bit each: has one that is free */
    uint32_t lowest;     /* regions below it have none */
    uint32_t fresh;      /* slots from here on were never taken */
    uint32_t free_count; /* those that a trim is at included */
    uint32_t trimming;   /* thereof */
} gri_table;

/* Reserves address space for up to `capacity` slots, less where the system has less to give. slot_bytes must be a multiple of
 * 64. GR_ENOMEM. */
GRI_MUST_CHECK int gri_table_start(gri_table *table, size_t slot_bytes, uint32_t capacity);
/* Allows discarding; before the first take. GR_ENOMEM. */
GRI_MUST_CHECK int gri_table_keep(gri_table *table, gri_table_save save, gri_table_restore restore);
void gri_table_stop(gri_table *table);

/* GR_ENOMEM: every slot is taken, or no memory. */
GRI_MUST_CHECK int gri_table_take(gri_table *table, gri_table_cache *cache, uint32_t *ret_index);
void gri_table_give(gri_table *table, gri_table_cache *cache, uint32_t index);
/* Gives a cache's slots back: before its owner ends. */
void gri_table_cache_flush(gri_table *table, gri_table_cache *cache);

GRI_INLINE void *gri_table_at(const gri_table *table, uint32_t index)
{
    return table->base + (size_t)index * table->slot_bytes;
}

/* Whether the index can have been given out: looking at the slot of any other would fault. */
GRI_INLINE bool gri_table_has(gri_table *table, uint32_t index)
{
    return index < gri_load_relaxed(&table->open); /* relaxed: what is accessible once stays so */
}

/* Discards the pages on which every slot stayed free, in no cache, since the last call; all: is free, in no cache. Returns
 * the bytes given back; 0 without gri_table_keep. */
size_t gri_table_trim(gri_table *table, bool all);

#endif
