/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Where heaps get their memory: chunks of 64 KB, and spans for what is larger. One pool for the process, behind one lock,
 * which a heap takes once per chunk (a thousand small messages).
 *
 *   warm:  was used, still in memory, one list per NUMA node, taken last in first out
 *   cold:  address space only; discarded by gri_chunk_trim, or never touched yet
 *
 * Chunks are carved from segments of 32 MB; a segment whose chunks are all cold is unmapped by gri_chunk_trim (one is
 * kept). Any thread may call anything here, except where noted. Contents of a chunk are undefined when it is taken. */
#ifndef GRI_MEMORY_CHUNK_H
#define GRI_MEMORY_CHUNK_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRI_CHUNK_BYTES ((size_t)65536)

/* Replaces the system as the source of memory. take: `bytes` (a multiple of 64 KB) aligned to 64 KB, or NULL; give gets the
 * same bytes back. Called from any thread, never with the pool's lock held. */
typedef struct gri_chunk_source {
    void *(*take)(void *arg, size_t bytes, size_t alignment);
    void (*give)(void *arg, void *low, size_t bytes);
    void *arg;
} gri_chunk_source;

typedef struct gri_chunk_counts {
    uint64_t bytes;          /* in use by heaps and large blocks: what the limit is about */
    uint64_t bytes_warm;     /* free, in memory */
    uint64_t chunks_taken;   /* since the start of the process */
    uint64_t system_calls;   /* mappings made and unmade, discards, calls of the source */
    uint64_t limit_refusals; /* takes refused because of the limit */
} gri_chunk_counts;

/* One chunk, preferring warm ones of `node`; NULL: over the limit, or no memory. */
void *gri_chunk_take(unsigned node);
void gri_chunk_give(void *chunk, unsigned node);

/* At least `bytes`, aligned to 64 KB; *ret_bytes says how many it became, to be handed to give. NULL as above. */
void *gri_span_take(size_t bytes, size_t *ret_bytes);
void gri_span_give(void *span, size_t bytes);

/* Gives back the memory of what stayed free since the last call (all = false: call it every now and then, a tenth of a
 * second or so), or of everything that is free. Returns how many bytes went back. */
size_t gri_chunk_trim(bool all);

/* Bytes that may be in use at once, 0 for no limit. What is in use beyond a lowered limit stays. */
void gri_chunk_limit(size_t bytes);
/* While it may, this thread takes what it needs, limit or not. */
void gri_chunk_beyond_limit(bool may);
/* Whether this thread's last failed take was refused by the limit (else the system had no memory). */
bool gri_chunk_over_limit(void);

/* Before the first take, or when nothing is in use: false otherwise. NULL restores the system. */
bool gri_chunk_source_set(const gri_chunk_source *source);

void gri_chunk_count(gri_chunk_counts *ret_counts);

#endif
