/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Slab heaps: the memory of messages. Each worker has one; a block freed by another thread goes home to it.
 *
 *   function                    who                                               when another thread is at it
 *   gri_block_alloc, _free      any thread; threads without a heap share one      any
 *   gri_heap_bind, _flush       any thread, about its own heap                    any
 *   gri_heap_retire             the thread that has the heap bound, or any        nobody has it bound
 *                               thread once it is bound nowhere
 *   gri_heap_trim               any thread                                        any: bound heaps are left alone
 *
 * Blocks come from chunks of 64 KB, each of one size class; what is larger than GRI_BLOCK_BYTES_SLAB has a mapping of its
 * own. The owner allocates and frees with plain loads and stores (2 ns). Any other thread collects what it frees per owner,
 * and sends it home in batches of 35 with one compare-and-swap (39 ns a message across cores with its way there; letting the
 * receiver keep blocks grew to 1.25 GB in one-way traffic); gri_heap_flush sends the rest, and must be called before the thread
 * sleeps. Owners look for returned blocks when they run out of local ones, and with every 16th batch that they send; then also for
 * an owner that no thread has bound.
 *
 * A retired heap keeps its live blocks, can be freed to, and is adopted, blocks and all, by a later gri_heap_new. A heap
 * whose thread unbinds it before sleeping can meanwhile be trimmed by others: of its empty chunks, and if nobody has bound it since
 * the last trim, of what it allocates from, too.
 *
 * Callers may move between threads between any two calls, never within one. */
#ifndef GRI_MEMORY_HEAP_H
#define GRI_MEMORY_HEAP_H

#include "base/atomic.h"
#include "memory/chunk.h"

/* Larger blocks cost a system call or two each, unless one of the few kept spans fits. */
#define GRI_BLOCK_BYTES_SLAB ((size_t)65472)
#define GRI_BLOCK_ALIGNMENT 64

typedef struct gri_heap gri_heap;

/* A heap for a thread on this NUMA node (by first touch; 0 if there is only one): a retired one if there is one, else new.
 * NULL: no memory. It ends as a retired heap; heaps are few and live on. */
GRI_MUST_CHECK gri_heap *gri_heap_new(unsigned node);
/* Makes the heap the calling thread's, NULL: none. What the thread had before is flushed and unbound. A heap is bound to
 * one thread at most; waits, briefly, while a trim is at it. */
void gri_heap_bind(gri_heap *heap);
gri_heap *gri_heap_bound(void);
/* Sends home what the calling thread has freed and not sent yet. Cheap when there is nothing. */
void gri_heap_flush(void);
/* Gives the heap up for adoption. If it is bound to the calling thread it is flushed and unbound first. */
void gri_heap_retire(gri_heap *heap);

/* At least `bytes` (0 counts as 1), 64-byte aligned, contents undefined. NULL: no memory, or the limit: see
 * gri_heap_over_limit. */
GRI_MUST_CHECK void *gri_block_alloc(size_t bytes);
/* NULL does nothing. */
void gri_block_free(void *block);
/* What the block has room for: at least what was asked for. */
size_t gri_block_bytes(const void *block);
/* What it takes of memory: its part of a slab, with what is left over where the blocks do not fill it. */
size_t gri_block_share(const void *block);

/* ---- the usual case, without a call ----
 *
 * The same as gri_block_alloc and gri_block_free, for functions that every message passes: where a list has a block, where the block
 * is the thread's own. Not in functions that suspend: the compiler may keep the thread-local's address. */

#define GRI_HEAP_CLASSES 42u

/* The first fields of a heap: free blocks by size class, the first of which is a line; counters. heap.c has the rest. */
typedef struct gri_heap_front {
    void *free[GRI_HEAP_CLASSES];
    gri_atomic_u64 allocated,
        freed; /* written by the owner, read by any thread: counters, nothing is published by them */
} gri_heap_front;

/* The first fields of a chunk of 64 KB. */
typedef struct gri_chunk_front {
    gri_heap_front *heap; /* constant while blocks are out */
    uint8_t place;        /* 0: the heap allocates from it, its free blocks are in the heap's list */
    uint8_t size_class;
} gri_chunk_front;

extern GRI_THREAD_LOCAL gri_heap_front *gri_heap_of_thread; /* NULL: it has none */

/* Blocks are checked or poisoned: that is done in heap.c. */
#define GRI_HEAP_CHECKED (GRI_ASAN || GRI_INVARIANTS >= 1)

/* A line, if there is one at hand; NULL: ask gri_block_alloc. */
GRI_MUST_CHECK GRI_INLINE void *gri_block_line_at_hand(void)
{
    gri_heap_front *heap = gri_heap_of_thread;
    if (GRI_HEAP_CHECKED || GRI_UNLIKELY(!heap)) return NULL;
    void *block = heap->free[0];
    if (GRI_UNLIKELY(!block)) return NULL;
    heap->free[0] = *(void **)block;
    __asm__ volatile("" ::: "memory");     /* what the caller makes of the block is written later, whatever its type */
    gri_count_owner(&heap->allocated, 1u); /* relaxed: a counter */
    return block;
}

GRI_INLINE void gri_block_free_here(void *block)
{
    gri_heap_front *heap = gri_heap_of_thread;
    const gri_chunk_front *chunk = (const gri_chunk_front *)((uintptr_t)block & ~(uintptr_t)(GRI_CHUNK_BYTES - 1));
    if (GRI_HEAP_CHECKED || GRI_UNLIKELY(chunk->heap != heap) || GRI_UNLIKELY(chunk->place != 0)) {
        gri_block_free(block);
        return;
    }
    gri_count_owner(&heap->freed, 1u); /* relaxed: a counter */
    __asm__ volatile("" ::: "memory"); /* the last uses of what it was are before */
    void **list = &heap->free[chunk->size_class];
    *(void **)block = *list;
    *list = block;
}

/* Process-wide bound on the memory that heaps hold, checked per chunk; 0: none. */
void gri_heap_limit(size_t bytes);
/* While it may, the calling thread is not bound by it: for what must be told, and is little. It must not suspend meanwhile. */
void gri_heap_beyond_limit(bool may);
/* After gri_block_alloc returned NULL to this thread: true if the limit was the reason, false if the system was. */
bool gri_heap_over_limit(void);
/* Replaces the source of memory; only while no heap holds any (false otherwise). */
bool gri_heap_hook(const gri_chunk_source *source);

/* From an idle thread or a monitor, a few times a second: takes in what came home to heaps that are bound to no thread,
 * and gives memory back to the system that has not been needed since the last call. all: all that is free. Returns the
 * bytes given back. */
size_t gri_heap_trim(bool all);

/* Written by the thread that has the heap, readable by any. */
typedef struct gri_heap_counts {
    uint64_t blocks_allocated; /* by the heap's thread, out of this heap */
    uint64_t blocks_freed;     /* by the heap's thread, wherever they came from */
    uint64_t blocks_sent;      /* thereof to other heaps */
    uint64_t chains_sent;      /* compare-and-swaps that took */
    uint64_t blocks_returned;  /* came home from other threads */
    uint64_t chunks;           /* held now */
    uint64_t heaps;            /* kept for whoever comes next, too; 1 of one */
} gri_heap_counts;
void gri_heap_count(const gri_heap *heap, gri_heap_counts *ret_counts);
/* All heaps together, the shared one included. blocks_allocated - blocks_freed = live blocks, exact when nothing runs. */
void gri_heap_count_all(gri_heap_counts *ret_counts, gri_chunk_counts *ret_chunks);

#endif
