/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See chunk.h. */
#include "memory/chunk.h"

#include "base/atomic.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/list.h"
#include "os/vmem.h"

#include <pthread.h>
#include <stdlib.h>

#if GRI_ASAN
#include <sanitizer/asan_interface.h>
#endif

#define SEGMENT_BYTES ((size_t)32 << 20)
#define SEGMENT_CHUNKS (SEGMENT_BYTES / GRI_CHUNK_BYTES) /* the first one holds the head and is never given out */
#define NODES 16u                                        /* guess; further nodes share lists */
#define TRIM_BATCH 256u                                  /* chunks discarded between two holds of the lock */
#define SPANS_KEPT 8u                                    /* guess */
#define SPAN_KEPT_BYTES_MAX ((size_t)1 << 20)

/* At the start of each segment, found by masking a chunk's address. */
typedef struct segment {
    gri_list link;   /* in pool.segments while it has cold chunks, else in pool.segments_busy */
    uint32_t carved; /* chunks from here on were never touched */
    uint32_t cold_count;
    uint16_t cold[SEGMENT_CHUNKS];
} segment;

typedef struct warm_chunk {
    struct warm_chunk *next;
} warm_chunk;

typedef struct kept_span {
    void *low;
    size_t bytes;
} kept_span;

static struct {
    pthread_mutex_t lock;
    gri_list segments, segments_busy;
    bool started;
    gri_chunk_source source; /* take == NULL: the system */
    warm_chunk *warm[NODES];
    size_t warm_count[NODES], warm_low[NODES]; /* now; the least since the last trim */
    kept_span spans[SPANS_KEPT];
    uint32_t spans_count, spans_low;
    size_t spans_bytes;
    gri_atomic_u64 bytes, limit, taken, system_calls, refusals; /* relaxed: counters, nothing is published by them */
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static GRI_THREAD_LOCAL bool refused_by_limit, beyond_limit;

static void count_system_call(void)
{
    (void)gri_add_relaxed(&pool.system_calls, 1u); /* relaxed: a counter */
}

/* Reserves the bytes against the limit. */
static bool charge(size_t bytes)
{
    uint64_t limit = gri_load_relaxed(&pool.limit);                  /* relaxed: a number, nothing else goes with it */
    uint64_t before = gri_add_relaxed(&pool.bytes, (uint64_t)bytes); /* relaxed: a counter */
    refused_by_limit = limit != 0 && !beyond_limit && before + bytes > limit;
    if (!refused_by_limit) return true;
    (void)gri_sub_relaxed(&pool.bytes, (uint64_t)bytes); /* relaxed: a counter */
    (void)gri_add_relaxed(&pool.refusals, 1u);           /* relaxed: a counter */
    return false;
}

static void discharge(size_t bytes)
{
    (void)gri_sub_relaxed(&pool.bytes, (uint64_t)bytes); /* relaxed: a counter */
}

/* An address may come back from the kernel or be given to others: what this pool poisoned there must not stay. */
static void forget_poison(void *low, size_t bytes)
{
#if GRI_ASAN
    __asan_unpoison_memory_region(low, bytes);
#else
    (void)low, (void)bytes;
#endif
}

static void *system_take(size_t bytes)
{
    void *low = NULL;
    count_system_call();
    if (pool.source.take) return pool.source.take(pool.source.arg, bytes, GRI_CHUNK_BYTES);
    return gri_vmem_reserve(bytes, GRI_CHUNK_BYTES, &low) == 0 ? low : NULL;
}

static void system_give(void *low, size_t bytes)
{
    count_system_call();
    forget_poison(low, bytes);
    if (pool.source.give) {
        pool.source.give(pool.source.arg, low, bytes);
    } else {
        gri_vmem_release(low, bytes); /* failing means it stays mapped, unused: nothing better to do */
    }
}

static segment *segment_of(const void *chunk)
{
    return (segment *)((uintptr_t)chunk & ~(uintptr_t)(SEGMENT_BYTES - 1));
}

static void start_locked(void)
{
    if (pool.started) return;
    gri_list_init(&pool.segments);
    gri_list_init(&pool.segments_busy);
    pool.started = true;
}

static bool segment_add_locked(void)
{
    void *low = NULL;
    count_system_call();
    if (gri_vmem_reserve(SEGMENT_BYTES, SEGMENT_BYTES, &low) != 0) return false;
    segment *s = low;
    s->carved = 1;
    s->cold_count = 0;
    gri_list_push_front(&pool.segments, &s->link);
    return true;
}

static void *cold_take_locked(void)
{
    start_locked();
    if (gri_list_is_empty(&pool.segments) && !segment_add_locked()) return NULL;
    segment *s = GRI_LIST_ENTRY(gri_list_first(&pool.segments), segment, link);
    uint32_t index = s->cold_count > 0 ? s->cold[--s->cold_count] : s->carved++;
    if (s->cold_count == 0 && s->carved == SEGMENT_CHUNKS) {
        gri_list_remove(&s->link);
        gri_list_push_front(&pool.segments_busy, &s->link);
    }
    return (char *)s + index * GRI_CHUNK_BYTES;
}

static void cold_give_locked(void *chunk)
{
    segment *s = segment_of(chunk);
    GRI_DEBUG_ASSERT(s->cold_count < SEGMENT_CHUNKS - 1);
    gri_list_remove(&s->link);
    gri_list_push_front(&pool.segments, &s->link);
    s->cold[s->cold_count++] = (uint16_t)(((uintptr_t)chunk - (uintptr_t)s) / GRI_CHUNK_BYTES);
}

static void *warm_take_locked(unsigned node)
{
    warm_chunk *chunk = pool.warm[node];
    if (!chunk) return NULL;
    pool.warm[node] = chunk->next;
    pool.warm_count[node]--;
    pool.warm_low[node] = GRI_MIN(pool.warm_low[node], pool.warm_count[node]);
    return chunk;
}

void *gri_chunk_take(unsigned node)
{
    node %= NODES;
    if (!charge(GRI_CHUNK_BYTES)) return NULL;
    pthread_mutex_lock(&pool.lock);
    void *chunk = warm_take_locked(node);
    if (!chunk && !pool.source.take) chunk = cold_take_locked();
    /* Memory of the wrong node is better than none. */
    for (unsigned other = 0; !chunk && !pool.source.take && other < NODES; other++) chunk = warm_take_locked(other);
    pthread_mutex_unlock(&pool.lock);
    if (!chunk && pool.source.take) chunk = system_take(GRI_CHUNK_BYTES);
    if (!chunk) {
        discharge(GRI_CHUNK_BYTES);
        return NULL;
    }
    (void)gri_add_relaxed(&pool.taken, 1u); /* relaxed: a counter */
    return chunk;
}

void gri_chunk_give(void *chunk, unsigned node)
{
    node %= NODES;
    warm_chunk *warm = chunk;
    pthread_mutex_lock(&pool.lock);
    warm->next = pool.warm[node];
    pool.warm[node] = warm;
    pool.warm_count[node]++;
    pthread_mutex_unlock(&pool.lock);
    discharge(GRI_CHUNK_BYTES);
}

/* The smallest kept span that is large enough and wastes less than a quarter. */
static void *kept_take_locked(size_t bytes, size_t *ret_bytes)
{
    uint32_t best = SPANS_KEPT;
    for (uint32_t i = 0; i < pool.spans_count; i++) {
        size_t have = pool.spans[i].bytes;
        if (have < bytes || have - bytes > bytes / 4) continue;
        if (best == SPANS_KEPT || have < pool.spans[best].bytes) best = i;
    }
    if (best == SPANS_KEPT) return NULL;
    void *low = pool.spans[best].low;
    *ret_bytes = pool.spans[best].bytes;
    pool.spans_bytes -= *ret_bytes;
    pool.spans[best] = pool.spans[--pool.spans_count];
    pool.spans_low = GRI_MIN(pool.spans_low, pool.spans_count);
    return low;
}

void *gri_span_take(size_t bytes, size_t *ret_bytes)
{
    if (bytes > SIZE_MAX / 4) {
        refused_by_limit = false;
        return NULL;
    }
    size_t rounded = gri_align_up(bytes, pool.source.take ? GRI_CHUNK_BYTES : gri_vmem_page_bytes());
    if (!charge(rounded)) return NULL;
    pthread_mutex_lock(&pool.lock);
    size_t kept_bytes = 0;
    void *span = kept_take_locked(rounded, &kept_bytes);
    pthread_mutex_unlock(&pool.lock);
    if (span) {
        (void)gri_add_relaxed(&pool.bytes, (uint64_t)(kept_bytes - rounded)); /* relaxed: a counter */
        *ret_bytes = kept_bytes;
        return span;
    }
    span = system_take(rounded);
    if (!span) {
        discharge(rounded);
        return NULL;
    }
    *ret_bytes = rounded;
    return span;
}

void gri_span_give(void *span, size_t bytes)
{
    discharge(bytes);
    if (bytes <= SPAN_KEPT_BYTES_MAX) {
        pthread_mutex_lock(&pool.lock);
        bool kept = pool.spans_count < SPANS_KEPT;
        if (kept) {
            pool.spans[pool.spans_count++] = (kept_span){span, bytes};
            pool.spans_bytes += bytes;
        }
        pthread_mutex_unlock(&pool.lock);
        if (kept) return;
    }
    system_give(span, bytes);
}

static int compare_ranges(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const gri_vmem_range *)a)->low, y = (uintptr_t)((const gri_vmem_range *)b)->low;
    return x < y ? -1 : x > y;
}

/* Discards up to TRIM_BATCH warm chunks of a node, outside the lock; nobody else can see them meanwhile. */
static size_t trim_batch(unsigned node, size_t wanted)
{
    gri_vmem_range ranges[TRIM_BATCH];
    size_t count = 0;
    pthread_mutex_lock(&pool.lock);
    while (count < GRI_MIN(wanted, (size_t)TRIM_BATCH)) {
        void *chunk = warm_take_locked(node);
        if (!chunk) break;
        ranges[count++] = (gri_vmem_range){chunk, GRI_CHUNK_BYTES};
    }
    pthread_mutex_unlock(&pool.lock);
    if (count == 0) return 0;
    if (pool.source.take) {
        for (size_t i = 0; i < count; i++) system_give(ranges[i].low, GRI_CHUNK_BYTES);
        return count;
    }
    qsort(ranges, count, sizeof ranges[0], compare_ranges);
    count_system_call();
    (void)gri_vmem_discard_bulk(ranges, count); /* what the kernel keeps (locked memory) is cold all the same */
    pthread_mutex_lock(&pool.lock);
    for (size_t i = count; i-- > 0;) cold_give_locked(ranges[i].low);
    pthread_mutex_unlock(&pool.lock);
    return count;
}

static segment *segment_unused_locked(bool all)
{
    if (!pool.started) return NULL;
    bool spare = all;
    GRI_LIST_EACH(link, &pool.segments)
    {
        segment *s = GRI_LIST_ENTRY(link, segment, link);
        if (s->cold_count + 1 != s->carved) continue;
        if (spare) {
            gri_list_remove(&s->link);
            return s;
        }
        spare = true;
    }
    return NULL;
}

static size_t trim_spans(bool all)
{
    size_t bytes = 0;
    for (;;) {
        kept_span span = {NULL, 0};
        pthread_mutex_lock(&pool.lock);
        if (pool.spans_count > 0 && (all || pool.spans_low > 0)) {
            span = pool.spans[--pool.spans_count];
            pool.spans_bytes -= span.bytes;
            if (pool.spans_low > 0) pool.spans_low--;
        } else {
            pool.spans_low = pool.spans_count;
        }
        pthread_mutex_unlock(&pool.lock);
        if (!span.low) return bytes;
        system_give(span.low, span.bytes);
        bytes += span.bytes;
    }
}

size_t gri_chunk_trim(bool all)
{
    size_t bytes = trim_spans(all);
    for (unsigned node = 0; node < NODES; node++) {
        pthread_mutex_lock(&pool.lock);
        size_t wanted = all ? pool.warm_count[node] : pool.warm_low[node];
        pthread_mutex_unlock(&pool.lock);
        while (wanted > 0) {
            size_t done = trim_batch(node, wanted);
            if (done == 0) break;
            wanted -= done;
            bytes += done * GRI_CHUNK_BYTES;
        }
        pthread_mutex_lock(&pool.lock);
        pool.warm_low[node] = pool.warm_count[node];
        pthread_mutex_unlock(&pool.lock);
    }
    for (;;) {
        pthread_mutex_lock(&pool.lock);
        segment *unused = segment_unused_locked(all);
        pthread_mutex_unlock(&pool.lock);
        if (!unused) return bytes;
        count_system_call();
        forget_poison(unused, SEGMENT_BYTES);
        gri_vmem_release(unused, SEGMENT_BYTES);
    }
}

void gri_chunk_limit(size_t bytes)
{
    gri_store_relaxed(&pool.limit, (uint64_t)bytes); /* relaxed: a number, nothing else goes with it */
}

void gri_chunk_beyond_limit(bool may)
{
    beyond_limit = may;
}

bool gri_chunk_over_limit(void)
{
    return refused_by_limit;
}

bool gri_chunk_source_set(const gri_chunk_source *source)
{
    if (gri_load_relaxed(&pool.bytes) != 0) return false; /* relaxed: the caller sees to it that nothing else runs */
    gri_chunk_trim(true);
    pool.source = source ? *source : (gri_chunk_source){NULL, NULL, NULL};
    return true;
}

void gri_chunk_count(gri_chunk_counts *ret_counts)
{
    pthread_mutex_lock(&pool.lock);
    uint64_t warm = pool.spans_bytes;
    for (unsigned node = 0; node < NODES; node++) warm += pool.warm_count[node] * GRI_CHUNK_BYTES;
    pthread_mutex_unlock(&pool.lock);
    *ret_counts = (gri_chunk_counts){
        .bytes = gri_load_relaxed(&pool.bytes), /* relaxed, all four: counters */
        .bytes_warm = warm,
        .chunks_taken = gri_load_relaxed(&pool.taken),
        .system_calls = gri_load_relaxed(&pool.system_calls),
        .limit_refusals = gri_load_relaxed(&pool.refusals),
    };
}
