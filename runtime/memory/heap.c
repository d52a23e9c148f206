/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See heap.h.
 *
 * A chunk's blocks are carved in address order the first time, so a burst of messages lies in memory as it was sent; free
 * blocks form a list per chunk, last in first out, or the heap's list for the class while the chunk is its current one:
 * then all its blocks count as used, and neither alloc nor free writes the chunk (3.7 ns a pair, measured; 4.1 with
 * the count kept). A chunk is in one of four places:
 *
 *     take -> CURRENT (one a class, allocated from) --exhausted--> FULL (in no list)
 *     FULL --an eighth free--> PARTIAL (list a class) --needed--> CURRENT
 *     PARTIAL --all free--> EMPTY (list a heap, any class) --needed--> CURRENT, or --too many--> the pool
 *
 * Lists per chunk instead of one per class: empty chunks are noticed without a walk, and neighbours stay neighbours. The
 * eighth keeps a chunk from becoming current for a single block: at most 12.5 % lie idle in FULL chunks. */
#include "memory/heap.h"

#include "base/atomic.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/list.h"
#include "os/vmem.h"
#include "sync/spinlock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if GRI_ASAN
#include <sanitizer/asan_interface.h>
#define HEAP_REDZONE_BYTES 64u /* behind each block, poisoned for good */
#define HEAP_UNCHECKED __attribute__((no_sanitize_address, noinline))
#define QUARANTINE 256u /* blocks freed at home that are not used again yet, so that a late use of them is seen */
#else
#define HEAP_REDZONE_BYTES 0u
#define HEAP_UNCHECKED
#endif

#define CHUNK_HEAD_BYTES 64u
#define STEP GRI_BLOCK_ALIGNMENT
#define CLASSES GRI_HEAP_CLASSES
#define BATCH 35u       /* blocks sent home at once: five bundles */
#define TENDED 16u      /* guess: of the batches a thread sends, every so many-th is one to look after incoming ones */
#define OUTBOXES 64u    /* owners a thread collects for at once; more share, and flush each other */
#define EMPTIES_KEPT 4u /* guess */
#define CARVE_BYTES 1024u /* guess: carved at once, so that few allocations take the slow path */
#define POISON_BYTES_MAX 4096u
#define POISON_BYTE 0xdb
#define FREED_MARK UINT64_C(0xf4eedb10c0ffeedb)

enum { PLACE_CURRENT /* 0: see gri_chunk_front */, PLACE_FULL, PLACE_PARTIAL, PLACE_EMPTY, PLACE_SPAN };

/* The first line of each 64 KB. Written by the thread that has the heap; `heap` is constant while blocks are out. */
typedef struct chunk {
    gri_heap *heap;
    uint8_t place, size_class;
    uint16_t full_above; /* used > this: stays FULL */
    uint32_t block_bytes;
    void *free;    /* first free block; NULL while CURRENT */
    uint16_t used; /* blocks in use, or in the heap's list */
    uint16_t carved, capacity;
    gri_list link;
    size_t span_bytes;    /* PLACE_SPAN: of the whole mapping */
    uint32_t share_bytes; /* a block's part of the chunk */
} chunk;
_Static_assert(sizeof(chunk) <= CHUNK_HEAD_BYTES, "a chunk's head is one line");
_Static_assert(offsetof(chunk, heap) == offsetof(gri_chunk_front, heap) &&
                   offsetof(chunk, place) == offsetof(gri_chunk_front, place) &&
                   offsetof(chunk, size_class) == offsetof(gri_chunk_front, size_class),
               "as heap.h shows it");

typedef struct outbox {
    gri_heap *owner;
    uint32_t count;
    void *blocks[BATCH];
} outbox;

/* Blocks on their way home, written into one of them: the owner reads one line for seven blocks that another core has written
 * to last, and need not read the other six at all before they are used again. */
typedef struct bundle {
    struct bundle *next;
    uint32_t count; /* of others */
    void *others[6];
} bundle;
_Static_assert(sizeof(bundle) <= STEP, "fits the smallest block");
#define BUNDLE_MAX (1 + GRI_ARRAY_COUNT(((bundle *)NULL)->others))

struct gri_heap {
    /* owner only */
    gri_heap_front front; /* free blocks of current[] */
    chunk *current[CLASSES];
    gri_list partial[CLASSES];
    gri_list empty;
    uint32_t empty_count, index;
    unsigned node;
    uint64_t bindings, bindings_trimmed; /* how often it was bound in all; until the last trim. Under `held` */
    uint64_t outboxes_used;              /* bit i: outbox i is not empty */
    outbox outboxes[OUTBOXES];
#if GRI_ASAN
    void *quarantine[QUARANTINE];
    uint32_t quarantine_next;
#endif
    /* written by the owner, read by any thread: counters, nothing is published by them */
    gri_atomic_u64 sent, chains, returned, chunks;
    /* written by any thread */
    GRI_ALIGNED(GRI_CACHE_LINE) gri_atomic_ptr incoming; /* chain of blocks come home; publishes their links */
    GRI_ALIGNED(GRI_CACHE_LINE) gri_spinlock held;       /* while bound, and while being trimmed */
    /* under heaps.lock */
    gri_heap *next, *next_retired;
};

static struct {
    pthread_mutex_t lock;
    gri_heap *all, *retired;
    uint32_t count;
} heaps = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* For threads without a heap, who hold it one call at a time. */
static pthread_mutex_t shared_making = PTHREAD_MUTEX_INITIALIZER;
static gri_atomic_ptr shared;        /* written once, under shared_making; publishes the heap */
static gri_atomic_u64 foreign_freed; /* blocks freed by threads without a heap; relaxed: a counter */

/* Owns the spans, so that freeing one is noticed where blocks of other heaps are. */
static gri_heap *const span_owner = (gri_heap *)(uintptr_t)STEP;
static gri_atomic_u64 spans_allocated, spans_freed; /* relaxed: counters */

GRI_THREAD_LOCAL gri_heap_front *gri_heap_of_thread;

static gri_heap *heap_create(unsigned node);

GRI_INLINE gri_heap *bound_heap(void)
{
    return (gri_heap *)(void *)gri_heap_of_thread;
}

/* --- size classes --- */

/* In steps of 64 bytes: each to 1 KB, every second to 2 KB, then what divides a chunk into n equal blocks. At most an
 * eighth of a block is lost to rounding below 4 KB, a third above. */
static const uint16_t class_steps[CLASSES] = {
    1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13,  14,  15,  16,  18,  20,  22,  24,  26,
    28, 30, 32, 36, 40, 44, 48, 53, 60, 68, 78, 93, 113, 127, 146, 170, 204, 255, 341, 511, 1023,
};
#define STEPS_MAX 1023u
_Static_assert(GRI_BLOCK_BYTES_SLAB == STEP * (size_t)STEPS_MAX, "the largest block fills a chunk");

static uint8_t class_table[STEPS_MAX + 1];

static void class_table_fill_locked(void)
{
    if (class_table[STEPS_MAX] != 0) return;
    unsigned size_class = 0;
    for (unsigned steps = 0; steps <= STEPS_MAX; steps++) {
        if (steps > class_steps[size_class]) size_class++;
        class_table[steps] = (uint8_t)size_class;
    }
}

/* --- links, poison --- */

static chunk *chunk_of(const void *block)
{
    return (chunk *)((uintptr_t)block & ~(uintptr_t)(GRI_CHUNK_BYTES - 1));
}

/* The first word of a free block; the rest of it is poisoned. */
HEAP_UNCHECKED static void *link_get(const void *block)
{
    return *(void *const *)block;
}

HEAP_UNCHECKED static void link_set(void *block, void *next)
{
    *(void **)block = next;
}

/* In a free block; bundle.next is its link. */
HEAP_UNCHECKED static bundle bundle_get(const void *block)
{
    return *(const bundle *)block;
}

HEAP_UNCHECKED static void bundle_set(void *block, const bundle *b)
{
    *(bundle *)block = *b;
}

static size_t usable_bytes(const chunk *c)
{
    return c->block_bytes - HEAP_REDZONE_BYTES;
}

#if GRI_INVARIANTS >= 1
/* The second word of a free block is its mark, what follows is filled: a second free and a write after free show. */
HEAP_UNCHECKED static void mark_carved(void *block, size_t bytes)
{
    uint64_t *words = block;
    words[1] = FREED_MARK ^ (uintptr_t)block;
    unsigned char *rest = (unsigned char *)&words[2];
    for (size_t i = 0; i < GRI_MIN(bytes, (size_t)POISON_BYTES_MAX) - 16; i++) rest[i] = POISON_BYTE;
}

static void mark_freed(void *block, size_t bytes)
{
    if (((uint64_t *)block)[1] == (FREED_MARK ^ (uintptr_t)block)) gri_panic("message memory %p freed twice", block);
    mark_carved(block, bytes);
}

HEAP_UNCHECKED static void mark_allocated(void *block)
{
    uint64_t *words = block;
    if (words[1] != (FREED_MARK ^ (uintptr_t)block)) gri_panic("message memory %p written after it was freed", block);
    words[1] = 0;
    if (GRI_INVARIANTS < 2) return;
    const unsigned char *rest = (const unsigned char *)&words[2];
    for (size_t i = 0; i < GRI_MIN(usable_bytes(chunk_of(block)), (size_t)POISON_BYTES_MAX) - 16; i++)
        if (rest[i] != POISON_BYTE) gri_panic("message memory %p written after it was freed, byte %zu", block, i + 16);
}
#else
static void mark_carved(void *block, size_t bytes)
{
    (void)block, (void)bytes;
}

static void mark_freed(void *block, size_t bytes)
{
    (void)block, (void)bytes;
}

static void mark_allocated(void *block)
{
    (void)block;
}
#endif

static void poison(void *block, size_t bytes)
{
#if GRI_ASAN
    __asan_poison_memory_region(block, bytes);
#else
    (void)block, (void)bytes;
#endif
}

static void unpoison(void *block, size_t bytes)
{
#if GRI_ASAN
    __asan_unpoison_memory_region(block, bytes);
#else
    (void)block, (void)bytes;
#endif
}

/* --- chunks of a heap: everything here is for the thread that has it --- */

static void chunk_drop(gri_heap *heap, chunk *c)
{
    unpoison(c, GRI_CHUNK_BYTES);
    gri_count_owner(&heap->chunks, UINT64_MAX); /* relaxed: a counter */
    gri_chunk_give(c, heap->node);
}

static void chunk_to_empty(gri_heap *heap, chunk *c)
{
    if (heap->empty_count >= EMPTIES_KEPT) {
        chunk_drop(heap, c);
        return;
    }
    c->place = PLACE_EMPTY;
    gri_list_push_front(&heap->empty, &c->link);
    heap->empty_count++;
}

/* A block came back to a chunk that is full, or the last one to any chunk. */
static GRI_NOINLINE void chunk_settle(gri_heap *heap, chunk *c)
{
    if (c->used == 0) {
        if (c->place == PLACE_PARTIAL) gri_list_remove(&c->link);
        chunk_to_empty(heap, c);
    } else if (c->place == PLACE_FULL && c->used <= c->full_above) {
        c->place = PLACE_PARTIAL;
        gri_list_push_front(&heap->partial[c->size_class], &c->link);
    }
}

static inline void free_home(gri_heap *heap, chunk *c, void *block)
{
    void **list = c->place == PLACE_CURRENT ? &heap->front.free[c->size_class] : &c->free;
    link_set(block, *list);
    *list = block;
    if (GRI_LIKELY(c->place == PLACE_CURRENT)) return;
    c->used--;
    if (GRI_UNLIKELY(c->used == 0 || c->place == PLACE_FULL)) chunk_settle(heap, c);
}

static uint16_t full_above(uint16_t capacity)
{
    return (uint16_t)(capacity - 1 - capacity / 8);
}

static void chunk_dedicate(gri_heap *heap, chunk *c, unsigned size_class)
{
    uint32_t block_bytes = class_steps[size_class] * STEP;
    c->heap = heap;
    c->free = NULL;
    c->block_bytes = block_bytes;
    c->used = 0;
    c->carved = 0;
    c->capacity = (uint16_t)((GRI_CHUNK_BYTES - CHUNK_HEAD_BYTES) / block_bytes);
    c->share_bytes = (uint32_t)GRI_CHUNK_BYTES / c->capacity - HEAP_REDZONE_BYTES;
    c->full_above = full_above(c->capacity);
    c->size_class = (uint8_t)size_class;
    gri_list_init(&c->link);
    poison((char *)c + CHUNK_HEAD_BYTES, GRI_CHUNK_BYTES - CHUNK_HEAD_BYTES);
}

#if GRI_ASAN
static void free_late(gri_heap *heap, void *block)
{
    void **place = &heap->quarantine[heap->quarantine_next++ % QUARANTINE], *oldest = *place;
    *place = block;
    if (oldest) free_home(heap, chunk_of(oldest), oldest);
}

static void quarantine_end(gri_heap *heap)
{
    for (unsigned i = 0; i < QUARANTINE; i++) free_late(heap, NULL);
}
#else
static void free_late(gri_heap *heap, void *block)
{
    free_home(heap, chunk_of(block), block);
}

static void quarantine_end(gri_heap *heap)
{
    (void)heap;
}
#endif

/* Takes in what other threads have sent home. */
static void incoming_take(gri_heap *heap)
{
    /* relaxed: a look that spares the line */
    if (!gri_load_relaxed(&heap->incoming)) return;
    /* mo:heap.incoming_take acquire <- heap.incoming_push release: the chain's links, and the freed blocks' last uses */
    void *block = gri_exchange_acquire(&heap->incoming, NULL);
    uint64_t count = 0;
    while (block) {
        bundle b = bundle_get(block);
        for (uint32_t i = 0; i < b.count; i++) free_home(heap, chunk_of(b.others[i]), b.others[i]);
        chunk *c = chunk_of(block);
        mark_carved(block, usable_bytes(c));
        free_home(heap, c, block);
        count += 1 + b.count;
        block = b.next;
    }
    gri_count_owner(&heap->returned, count); /* relaxed: a counter */
}

/* Any thread: sends the blocks home. */
static void incoming_push(gri_heap *owner, void *const *blocks, uint32_t count)
{
    bundle *first = NULL, *last = blocks[0];
    for (uint32_t i = 0; i < count;) {
        void *block = blocks[i++];
        bundle b = {.next = first, .count = (uint32_t)GRI_MIN(count - i, BUNDLE_MAX - 1)};
        for (uint32_t k = 0; k < b.count; k++) b.others[k] = blocks[i++];
        bundle_set(block, &b);
        first = block;
    }
    void *old = gri_load_relaxed(&owner->incoming); /* relaxed: only linked to, never looked into */
    do {
        link_set(last, old);
        /* mo:heap.incoming_push release -> heap.incoming_take acquire: the chain's links, the freed blocks' last uses */
    } while (!gri_cas_weak_release(&owner->incoming, &old, first));
}

/* The current chunk's next blocks, never used before, into the empty list. */
static void carve(gri_heap *heap, chunk *c)
{
    unsigned count = GRI_MIN((unsigned)c->capacity - c->carved, GRI_MAX(1u, CARVE_BYTES / c->block_bytes));
    char *block = (char *)c + CHUNK_HEAD_BYTES + (size_t)c->carved * c->block_bytes;
    heap->front.free[c->size_class] = block;
    for (unsigned i = 0; i < count; i++, block += c->block_bytes) {
        link_set(block, i + 1 < count ? block + c->block_bytes : NULL);
        mark_carved(block, usable_bytes(c));
    }
    c->carved = (uint16_t)(c->carved + count);
    c->used = (uint16_t)(c->used + count);
}

static chunk *chunk_find(gri_heap *heap, unsigned size_class)
{
    if (!gri_list_is_empty(&heap->partial[size_class]))
        return GRI_LIST_ENTRY(gri_list_pop_front(&heap->partial[size_class]), chunk, link);
    chunk *c;
    if (!gri_list_is_empty(&heap->empty)) {
        c = GRI_LIST_ENTRY(gri_list_pop_front(&heap->empty), chunk, link);
        heap->empty_count--;
    } else {
        c = gri_chunk_take(heap->node);
        if (!c) quarantine_end(heap); /* for the next try */
        if (!c) return NULL;
        gri_count_owner(&heap->chunks, 1u); /* relaxed: a counter */
    }
    chunk_dedicate(heap, c, size_class);
    return c;
}

/* The class's list is empty: puts blocks into it. False: no memory. */
static bool refill(gri_heap *heap, unsigned size_class)
{
    incoming_take(heap);
    if (heap->front.free[size_class]) return true;
    chunk *c = heap->current[size_class];
    if (!c || c->carved == c->capacity) {
        if (c) c->place = PLACE_FULL;
        c = chunk_find(heap, size_class);
        heap->current[size_class] = c;
        if (!c) return false;
        c->place = PLACE_CURRENT;
        c->full_above = full_above(c->capacity); /* an earlier rest may have raised it */
        heap->front.free[size_class] = c->free;
        c->free = NULL;
        c->used = c->carved;
    }
    if (!heap->front.free[size_class]) carve(heap, c);
    return true;
}

/* A current chunk becomes one as any other: while its heap rests. */
static void current_end(gri_heap *heap, unsigned size_class)
{
    chunk *c = heap->current[size_class];
    if (!c) return;
    c->free = heap->front.free[size_class];
    for (void *block = c->free; block; block = link_get(block)) c->used--;
    heap->front.free[size_class] = NULL;
    heap->current[size_class] = NULL;
    c->place = PLACE_FULL;
    /* Blocks never carved are free too, and in no list: such a chunk is worth using again at once. */
    if (c->used > 0 && c->carved < c->capacity) c->full_above = c->capacity;
    chunk_settle(heap, c);
}

static GRI_NOINLINE void *alloc_slow(gri_heap *heap, unsigned size_class);

static inline void *alloc_from(gri_heap *heap, unsigned size_class)
{
    void *block = heap->front.free[size_class];
    if (GRI_UNLIKELY(!block)) return alloc_slow(heap, size_class);
    heap->front.free[size_class] = link_get(block);
    mark_allocated(block);
    unpoison(block, class_steps[size_class] * STEP - HEAP_REDZONE_BYTES);
    gri_count_owner(&heap->front.allocated, 1u); /* relaxed: a counter */
    return block;
}

static void *alloc_slow(gri_heap *heap, unsigned size_class)
{
    return refill(heap, size_class) ? alloc_from(heap, size_class) : NULL;
}

/* --- frees that go elsewhere --- */

/* Who frees for others and allocates nothing would not look at what comes home to it; nor does anybody at what comes to a heap that
 * no thread has bound, between two trims: 100 ms of a flood are 50 MB. So who sends looks after both now and then. */
static GRI_NOINLINE void homes_tend(gri_heap *heap, gri_heap *owner)
{
    incoming_take(heap);
    if (!gri_spinlock_try(&owner->held)) return;
    incoming_take(owner);
    gri_spinlock_unlock(&owner->held);
}

static void outbox_send(gri_heap *heap, unsigned slot)
{
    outbox *box = &heap->outboxes[slot];
    incoming_push(box->owner, box->blocks, box->count);
    gri_count_owner(&heap->chains, 1u); /* relaxed: a counter */
    /* relaxed: ours */
    if (GRI_UNLIKELY(gri_load_relaxed(&heap->chains) % TENDED == 0)) homes_tend(heap, box->owner);
    box->owner = NULL;
    box->count = 0;
    heap->outboxes_used &= ~(UINT64_C(1) << slot);
}

static GRI_NOINLINE void free_away(gri_heap *heap, gri_heap *owner, void *block)
{
    unsigned slot = owner->index % OUTBOXES;
    outbox *box = &heap->outboxes[slot];
    if (GRI_UNLIKELY(box->owner != owner)) {
        if (box->count > 0) outbox_send(heap, slot);
        box->owner = owner;
        heap->outboxes_used |= UINT64_C(1) << slot;
    }
    box->blocks[box->count++] = block;
    gri_count_owner(&heap->sent, 1u); /* relaxed: a counter */
    if (box->count == BATCH) outbox_send(heap, slot);
}

static void flush(gri_heap *heap)
{
    while (heap->outboxes_used != 0) outbox_send(heap, gri_ctz64(heap->outboxes_used));
}

/* --- spans: blocks with a mapping of their own --- */

static GRI_NOINLINE void *span_alloc(size_t bytes)
{
    size_t span_bytes = 0;
    if (gri_fault(GRI_FAULT_ALLOCATE)) return NULL;
    chunk *c = gri_span_take(GRI_MIN(bytes, SIZE_MAX - CHUNK_HEAD_BYTES) + CHUNK_HEAD_BYTES, &span_bytes);
    if (!c) return NULL;
    c->heap = span_owner;
    c->span_bytes = span_bytes;
    c->place = PLACE_SPAN;
    (void)gri_add_relaxed(&spans_allocated, 1u); /* relaxed: a counter */
    unpoison((char *)c + CHUNK_HEAD_BYTES, span_bytes - CHUNK_HEAD_BYTES);
    return (char *)c + CHUNK_HEAD_BYTES;
}

static GRI_NOINLINE void span_free(chunk *c)
{
    if (c->place != PLACE_SPAN) gri_panic("message memory %p freed that was never allocated", (void *)c);
    size_t span_bytes = c->span_bytes;
    c->place = PLACE_EMPTY;
    poison((char *)c + CHUNK_HEAD_BYTES, span_bytes - CHUNK_HEAD_BYTES);
    (void)gri_add_relaxed(&spans_freed, 1u); /* relaxed: a counter */
    gri_span_give(c, span_bytes);
}

/* --- threads without a heap --- */

/* The shared heap, locked; NULL: no memory for it. */
static gri_heap *shared_lock(void)
{
    /* mo:heap.shared_find acquire <- heap.shared_make release: the heap */
    gri_heap *heap = gri_load_acquire(&shared);
    if (GRI_UNLIKELY(!heap)) {
        pthread_mutex_lock(&shared_making);
        heap = gri_load_relaxed(&shared); /* relaxed: written under this lock only */
        if (!heap) heap = heap_create(0);
        /* mo:heap.shared_make release -> heap.shared_find acquire: the heap */
        gri_store_release(&shared, heap);
        pthread_mutex_unlock(&shared_making);
        if (!heap) return NULL;
    }
    gri_spinlock_lock(&heap->held);
    return heap;
}

static GRI_COLD void *shared_alloc(size_t bytes)
{
    if (gri_fault(GRI_FAULT_ALLOCATE)) return NULL;
    gri_heap *heap = shared_lock();
    if (!heap) return NULL;
    void *block = alloc_from(heap, class_table[(bytes + STEP - 1) / STEP]);
    gri_spinlock_unlock(&heap->held);
    return block;
}

static GRI_COLD void shared_free(chunk *c, void *block)
{
    (void)gri_add_relaxed(&foreign_freed, 1u); /* relaxed: a counter */
    gri_heap *owner = c->heap;
    if (owner != gri_load_relaxed(&shared)) { /* relaxed: if it is ours, the block's publication published it */
        incoming_push(owner, &block, 1);
        return;
    }
    gri_spinlock_lock(&owner->held);
    free_home(owner, c, block);
    gri_spinlock_unlock(&owner->held);
}

/* --- blocks --- */

GRI_NOINLINE void *gri_block_alloc(size_t bytes)
{
    if (GRI_UNLIKELY(bytes > GRI_BLOCK_BYTES_SLAB - HEAP_REDZONE_BYTES)) return span_alloc(bytes);
    bytes = GRI_MAX(bytes, (size_t)1) + HEAP_REDZONE_BYTES;
    gri_heap *heap = bound_heap();
    if (GRI_UNLIKELY(!heap)) return shared_alloc(bytes);
    return alloc_from(heap, class_table[(bytes + STEP - 1) / STEP]);
}

GRI_NOINLINE void gri_block_free(void *block)
{
    if (GRI_UNLIKELY(!block)) return;
    chunk *c = chunk_of(block);
    gri_heap *heap = bound_heap(), *owner = c->heap;
    if (GRI_UNLIKELY(owner == span_owner)) {
        span_free(c);
        return;
    }
    GRI_DEBUG_ASSERT(((uintptr_t)block - (uintptr_t)c - CHUNK_HEAD_BYTES) % c->block_bytes == 0);
    mark_freed(block, usable_bytes(c));
    poison(block, c->block_bytes);
    if (GRI_UNLIKELY(!heap)) {
        shared_free(c, block);
        return;
    }
    gri_count_owner(&heap->front.freed, 1u); /* relaxed: a counter */
    if (GRI_UNLIKELY(owner != heap)) {
        free_away(heap, owner, block);
        return;
    }
    free_late(heap, block);
}

size_t gri_block_bytes(const void *block)
{
    const chunk *c = chunk_of(block);
    return c->heap == span_owner ? c->span_bytes - CHUNK_HEAD_BYTES : usable_bytes(c);
}

size_t gri_block_share(const void *block)
{
    const chunk *c = chunk_of(block);
    return c->heap == span_owner ? c->span_bytes : c->share_bytes;
}

/* --- heaps --- */

static gri_heap *heap_create(unsigned node)
{
    /* Pages of its own, zero: most of the outboxes are never used, and never touched. */
    void *low = NULL;
    const size_t page = gri_vmem_page_bytes();
    if (gri_vmem_reserve(gri_align_up(sizeof(gri_heap), page), page, &low) != 0) return NULL;
    gri_heap *heap = low;
    for (unsigned i = 0; i < CLASSES; i++) gri_list_init(&heap->partial[i]);
    gri_list_init(&heap->empty);
    heap->node = node;
    pthread_mutex_lock(&heaps.lock);
    class_table_fill_locked();
    heap->index = heaps.count++;
    heap->next = heaps.all;
    heaps.all = heap;
    pthread_mutex_unlock(&heaps.lock);
    return heap;
}

gri_heap *gri_heap_new(unsigned node)
{
    pthread_mutex_lock(&heaps.lock);
    gri_heap **place = &heaps.retired;
    for (gri_heap **at = place; *at; at = &(*at)->next_retired) {
        if ((*at)->node != node) continue;
        place = at;
        break;
    }
    gri_heap *heap = *place;
    if (heap) *place = heap->next_retired;
    pthread_mutex_unlock(&heaps.lock);
    return heap ? heap : heap_create(node);
}

void gri_heap_bind(gri_heap *heap)
{
    gri_heap *before = bound_heap();
    if (before == heap) return;
    if (before) {
        flush(before);
        gri_heap_of_thread = NULL;
        gri_spinlock_unlock(&before->held);
    }
    if (!heap) return;
    gri_spinlock_lock(&heap->held);
    heap->bindings++;
    gri_heap_of_thread = &heap->front;
}

gri_heap *gri_heap_bound(void)
{
    return bound_heap();
}

void gri_heap_flush(void)
{
    if (gri_heap_of_thread) flush(bound_heap());
}

/* Without `resting` what the heap allocates from stays as it is: at most a chunk a class. */
static void chunks_settle(gri_heap *heap, bool resting)
{
    quarantine_end(heap);
    incoming_take(heap);
    for (unsigned i = 0; resting && i < CLASSES; i++) current_end(heap, i);
    while (!gri_list_is_empty(&heap->empty)) {
        heap->empty_count--;
        chunk_drop(heap, GRI_LIST_ENTRY(gri_list_pop_front(&heap->empty), chunk, link));
    }
}

void gri_heap_retire(gri_heap *heap)
{
    if (!heap) return;
    if (bound_heap() == heap) gri_heap_bind(NULL);
    gri_spinlock_lock(&heap->held);
    flush(heap);
    chunks_settle(heap, true);
    gri_spinlock_unlock(&heap->held);
    pthread_mutex_lock(&heaps.lock);
    heap->next_retired = heaps.retired;
    heaps.retired = heap;
    pthread_mutex_unlock(&heaps.lock);
}

size_t gri_heap_trim(bool all)
{
    pthread_mutex_lock(&heaps.lock);
    gri_heap *heap = heaps.all;
    pthread_mutex_unlock(&heaps.lock);
    /* The list only grows, at its head: it can be walked without the lock. */
    for (; heap; heap = heap->next) {
        if (heap == bound_heap()) {
            flush(heap);
            chunks_settle(heap, true);
        } else if (gri_spinlock_try(&heap->held)) {
            /* Who woke since the last trim is about to wake again, and would have to write every block of a chunk that this
             * thread has just read into a list: 2 us for one message in a hundred of an echo asked every millisecond. */
            chunks_settle(heap, all || heap->bindings == heap->bindings_trimmed);
            heap->bindings_trimmed = heap->bindings;
            gri_spinlock_unlock(&heap->held);
        }
    }
    return gri_chunk_trim(all);
}

void gri_heap_limit(size_t bytes)
{
    gri_chunk_limit(bytes);
}

void gri_heap_beyond_limit(bool may)
{
    gri_chunk_beyond_limit(may);
}

bool gri_heap_over_limit(void)
{
    return gri_chunk_over_limit();
}

bool gri_heap_hook(const gri_chunk_source *source)
{
    return gri_chunk_source_set(source);
}

void gri_heap_count(const gri_heap *heap, gri_heap_counts *ret_counts)
{
    *ret_counts = (gri_heap_counts){
        .blocks_allocated = gri_load_relaxed(&heap->front.allocated), /* relaxed, all of them: counters */
        .blocks_freed = gri_load_relaxed(&heap->front.freed),
        .blocks_sent = gri_load_relaxed(&heap->sent),
        .chains_sent = gri_load_relaxed(&heap->chains),
        .blocks_returned = gri_load_relaxed(&heap->returned),
        .chunks = gri_load_relaxed(&heap->chunks),
        .heaps = 1,
    };
}

void gri_heap_count_all(gri_heap_counts *ret_counts, gri_chunk_counts *ret_chunks)
{
    gri_heap_counts sum = {
        .blocks_allocated = gri_load_relaxed(&spans_allocated), /* relaxed, all three: counters */
        .blocks_freed = gri_load_relaxed(&spans_freed) + gri_load_relaxed(&foreign_freed),
    };
    pthread_mutex_lock(&heaps.lock);
    for (const gri_heap *heap = heaps.all; heap; heap = heap->next) {
        gri_heap_counts one;
        gri_heap_count(heap, &one);
        sum.blocks_allocated += one.blocks_allocated;
        sum.blocks_freed += one.blocks_freed;
        sum.blocks_sent += one.blocks_sent;
        sum.chains_sent += one.chains_sent;
        sum.blocks_returned += one.blocks_returned;
        sum.chunks += one.chunks;
        sum.heaps += one.heaps;
    }
    pthread_mutex_unlock(&heaps.lock);
    *ret_counts = sum;
    if (ret_chunks) gri_chunk_count(ret_chunks);
}
