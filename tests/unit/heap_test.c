/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "support/test.h"

#include "base/atomic.h"
#include "base/rng.h"
#include "memory/heap.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t live_blocks(void)
{
    gri_heap_counts all;
    gri_heap_count_all(&all, NULL);
    return all.blocks_allocated - all.blocks_freed;
}

static uint64_t system_calls(void)
{
    gri_heap_counts all;
    gri_chunk_counts chunks;
    gri_heap_count_all(&all, &chunks);
    return chunks.system_calls;
}

static uint64_t bytes_in_use(void)
{
    gri_chunk_counts chunks;
    gri_chunk_count(&chunks);
    return chunks.bytes;
}

/* Heaps live on after a test, and so do their counters, when all tests run in one process. */
static gri_heap_counts since(const gri_heap *heap, gri_heap_counts start)
{
    gri_heap_counts now;
    gri_heap_count(heap, &now);
    now.blocks_sent -= start.blocks_sent;
    now.chains_sent -= start.chains_sent;
    now.blocks_returned -= start.blocks_returned;
    return now;
}

static gri_heap *heap_here(void)
{
    gri_heap *heap = gri_heap_new(0);
    CHECK(heap != NULL);
    gri_heap_bind(heap);
    return heap;
}

TEST(heap, blocks_have_room_and_are_aligned)
{
    gri_heap *heap = heap_here();
    for (size_t bytes = 0; bytes < 200000; bytes += bytes < 2048 ? 1 : bytes / 7) {
        unsigned char *block = gri_block_alloc(bytes);
        CHECK(block != NULL);
        CHECK_EQ((uintptr_t)block % GRI_BLOCK_ALIGNMENT, 0);
        CHECK(gri_block_bytes(block) >= bytes);
        memset(block, 0xa5, gri_block_bytes(block));
        gri_block_free(block);
    }
    CHECK_EQ(live_blocks(), 0);
    gri_heap_retire(heap);
}

TEST(heap, rounding_wastes_little)
{
    gri_heap *heap = heap_here();
    for (size_t bytes = 64; bytes <= 4096; bytes += 64) {
        void *block = gri_block_alloc(bytes);
        CHECK(gri_block_bytes(block) - bytes <= bytes / 7);
        gri_block_free(block);
    }
    gri_heap_retire(heap);
}

typedef struct held_block {
    unsigned char *at;
    size_t bytes;
    unsigned char mark;
} held_block;

TEST(heap, random_traffic_never_overlaps)
{
    enum { SLOTS = 2000, STEPS = 60000 };
    static held_block held[SLOTS];
    gri_rng rng;
    gri_rng_seed(&rng, 7);
    gri_heap *heap = heap_here();
    for (int step = 0; step < STEPS; step++) {
        held_block *h = &held[gri_rng_below(&rng, SLOTS)];
        if (h->at) {
            for (size_t i = 0; i < h->bytes; i += 61) CHECK_EQ(h->at[i], h->mark);
            CHECK_EQ(h->at[h->bytes - 1], h->mark);
            gri_block_free(h->at);
            h->at = NULL;
        } else {
            h->bytes = 1 + (gri_rng_below(&rng, 20) == 0 ? gri_rng_below(&rng, 100000) : gri_rng_below(&rng, 600));
            h->mark = (unsigned char)step;
            h->at = gri_block_alloc(h->bytes);
            CHECK(h->at != NULL);
            memset(h->at, h->mark, h->bytes);
        }
    }
    for (int i = 0; i < SLOTS; i++) gri_block_free(held[i].at);
    CHECK_EQ(live_blocks(), 0);
    gri_heap_retire(heap);
    CHECK_EQ(bytes_in_use(), 0);
}

TEST(heap, steady_state_makes_no_system_call)
{
    gri_heap *heap = heap_here();
    void *window[100] = {0};
    uint64_t before = 0;
    for (int i = 0; i < 100000; i++) {
        if (i == 1000) before = system_calls();
        gri_block_free(window[i % 100]);
        window[i % 100] = gri_block_alloc((size_t)(i % 5) * 100);
    }
    CHECK_EQ(system_calls(), before);
    for (int i = 0; i < 100; i++) gri_block_free(window[i]);
    gri_heap_retire(heap);
}

TEST(heap, memory_goes_back_after_a_storm)
{
    enum { STORM = 100000 };
    gri_heap *heap = heap_here();
    void **blocks = malloc(STORM * sizeof *blocks);
    for (int i = 0; i < STORM; i++) {
        blocks[i] = gri_block_alloc(64);
        CHECK(blocks[i] != NULL);
    }
    CHECK(bytes_in_use() >= (uint64_t)STORM * 64);
    for (int i = 0; i < STORM; i++) gri_block_free(blocks[i]);
    CHECK(bytes_in_use() <= 8 * GRI_CHUNK_BYTES);
    gri_chunk_counts chunks;
    gri_chunk_count(&chunks);
    CHECK(chunks.bytes_warm >= (uint64_t)STORM * 60);
    gri_heap_trim(false); /* what stayed free since the last look: nothing yet */
    gri_heap_trim(false);
    gri_chunk_count(&chunks);
    CHECK(chunks.bytes_warm <= 16 * GRI_CHUNK_BYTES);
    gri_heap_retire(heap);
    gri_heap_trim(true);
    gri_chunk_count(&chunks);
    CHECK_EQ(chunks.bytes + chunks.bytes_warm, 0);
    free(blocks);
}

TEST(heap, holes_are_filled_before_more_is_taken)
{
    enum { COUNT = 10000 };
    static void *blocks[COUNT];
    gri_heap *heap = heap_here();
    for (int i = 0; i < COUNT; i++) blocks[i] = gri_block_alloc(64);
    uint64_t full = bytes_in_use();
    for (int round = 0; round < 3; round++) {
        for (int i = round; i < COUNT; i += 4) gri_block_free(blocks[i]);
        for (int i = round; i < COUNT; i += 4) blocks[i] = gri_block_alloc(64);
        CHECK(bytes_in_use() <= full + GRI_CHUNK_BYTES);
    }
    for (int i = 0; i < COUNT; i++) gri_block_free(blocks[i]);
    gri_heap_retire(heap);
}

/* The first trim only learns that it was bound since the one before. */
static void rest(gri_heap *heap)
{
    gri_heap_bind(NULL);
    for (int i = 0; i < 2; i++) gri_heap_trim(false);
    gri_heap_bind(heap);
}

/* What a busy heap allocates from stays, what it has in excess goes. */
TEST(heap, a_heap_that_was_used_since_the_last_trim_keeps_its_chunk)
{
    gri_heap *heap = heap_here();
    for (int i = 0; i < 100; i++) {
        void *block = gri_block_alloc(64);
        CHECK(block != NULL);
        gri_block_free(block);
        gri_heap_bind(NULL);
        gri_heap_trim(false);
        CHECK_EQ(bytes_in_use(), GRI_CHUNK_BYTES);
        gri_heap_bind(heap);
    }
    static void *blocks[3000];
    for (int i = 0; i < 3000; i++) blocks[i] = gri_block_alloc(64);
    for (int i = 0; i < 3000; i++) gri_block_free(blocks[i]);
    gri_heap_bind(NULL);
    gri_heap_trim(false);
    CHECK(bytes_in_use() <= 2 * GRI_CHUNK_BYTES);
    gri_heap_trim(false);
    CHECK_EQ(bytes_in_use(), 0);
    gri_heap_retire(heap);
}

TEST(heap, a_rested_heap_goes_on_where_it_was)
{
    enum { COUNT = 500 }; /* a chunk has 511 of these, or less with redzones */
    gri_heap *heap = heap_here();
    void *blocks[COUNT];
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = gri_block_alloc(GRI_ASAN ? 64 : 128);
        if (i % 10 != 0) continue;
        rest(heap);
    }
    CHECK_EQ(bytes_in_use(), GRI_CHUNK_BYTES);
    for (int i = 0; i < COUNT; i++) gri_block_free(blocks[i]);
    gri_heap_retire(heap);
}

/* A chunk that rested half full, and again when every block of it was in use, has nothing to give. */
TEST(heap, a_full_chunk_that_rested_twice_gives_nothing)
{
    enum { COUNT = 3000 }; /* several chunks */
    gri_heap *heap = heap_here();
    static void *blocks[COUNT];
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = gri_block_alloc(64);
        CHECK((uintptr_t)blocks[i] % GRI_CHUNK_BYTES != 0);
        memset(blocks[i], i & 255, 64);
        rest(heap);
    }
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < 64; k++) CHECK_EQ(((unsigned char *)blocks[i])[k], i & 255);
        gri_block_free(blocks[i]);
    }
    gri_heap_retire(heap);
}

TEST(heap, limit_refuses_and_says_so)
{
    enum { MAX = 100000 };
    gri_heap *heap = heap_here();
    static void *blocks[MAX];
    int count = 0;
    gri_heap_limit(1 << 20);
    while (count < MAX && (blocks[count] = gri_block_alloc(1000))) count++;
    CHECK(count < MAX);
    CHECK(gri_heap_over_limit());
    CHECK(bytes_in_use() <= 1 << 20);
    CHECK(bytes_in_use() > (1 << 20) - 2 * GRI_CHUNK_BYTES);
    CHECK(gri_block_alloc(1 << 20) == NULL);
    CHECK(gri_heap_over_limit());
    gri_block_free(blocks[--count]);
    void *again = gri_block_alloc(1000);
    for (int i = 0; !again && i < 200; i++) { /* until an eighth of a chunk is free */
        gri_block_free(blocks[--count]);
        again = gri_block_alloc(1000);
    }
    CHECK(again != NULL);
    gri_block_free(again);
    while (count > 0) gri_block_free(blocks[--count]);
    CHECK(gri_block_alloc(SIZE_MAX - 100) == NULL);
    CHECK(!gri_heap_over_limit());
    gri_heap_limit(0);
    gri_heap_retire(heap);
}

typedef struct passing {
    gri_heap *heap;
    void *blocks[1000];
    int count;
} passing;

static void *free_all(void *arg)
{
    passing *p = arg;
    gri_heap *heap = p->heap;
    if (heap) gri_heap_bind(heap);
    for (int i = 0; i < p->count; i++) gri_block_free(p->blocks[i]);
    if (heap) gri_heap_bind(NULL);
    return NULL;
}

static void free_elsewhere(passing *p)
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, free_all, p), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

TEST(heap, remote_frees_come_home_in_chains)
{
    gri_heap *heap = heap_here(), *other = gri_heap_new(0);
    passing p = {.heap = other, .count = 1000};
    for (int i = 0; i < p.count; i++) p.blocks[i] = gri_block_alloc(64);
    gri_heap_counts theirs, mine;
    gri_heap_count(other, &theirs);
    gri_heap_count(heap, &mine);
    free_elsewhere(&p);
    CHECK_EQ(since(other, theirs).blocks_sent, 1000);
    CHECK_EQ(since(other, theirs).chains_sent, (1000 + 34) / 35);
    CHECK_EQ(live_blocks(), 0);
    /* The owner finds them when its current chunk is exhausted, and takes no further chunk. */
    uint64_t chunks = bytes_in_use();
    for (int i = 0; i < 1000; i++) p.blocks[i] = gri_block_alloc(64);
    CHECK_EQ(since(heap, mine).blocks_returned, 1000);
    CHECK_EQ(bytes_in_use(), chunks);
    for (int i = 0; i < 1000; i++) gri_block_free(p.blocks[i]);
    gri_heap_retire(heap);
    gri_heap_retire(other);
    CHECK_EQ(bytes_in_use(), 0);
}

/* Of who only frees: what others sent home to its heap, and what it sends to one that no thread has bound, waits for nobody. */
TEST(heap, who_only_frees_looks_after_what_comes_home)
{
    gri_heap *mine = heap_here(), *other = gri_heap_new(0), *third = gri_heap_new(0);
    gri_heap_counts mine_start, other_start;
    gri_heap_count(mine, &mine_start);
    gri_heap_count(other, &other_start);
    static passing p, theirs;
    p = (passing){.heap = third, .count = 1000};
    theirs = (passing){.count = 1000};
    for (int i = 0; i < p.count; i++) p.blocks[i] = gri_block_alloc(1000);
    gri_heap_bind(other);
    for (int i = 0; i < theirs.count; i++) theirs.blocks[i] = gri_block_alloc(1000);
    gri_heap_bind(mine);
    free_elsewhere(&p);
    for (int i = 0; i < theirs.count; i++) gri_block_free(theirs.blocks[i]);
    CHECK_EQ(since(mine, mine_start).blocks_returned, 1000);
    CHECK(since(other, other_start).blocks_returned >= 400); /* 28 batches: every 16th looks */
    gri_heap_retire(mine);
    gri_heap_retire(other);
    gri_heap_retire(third);
    CHECK_EQ(bytes_in_use(), 0);
}

TEST(heap, shares_add_up_to_the_slab)
{
    gri_heap *heap = heap_here();
    for (size_t bytes = 1; bytes <= 20000; bytes += bytes < 2048 ? 61 : bytes / 3) {
        enum { MANY = 3000 };
        static void *blocks[MANY];
        size_t shares = 0, before = bytes_in_use();
        for (int i = 0; i < MANY; i++) {
            CHECK((blocks[i] = gri_block_alloc(bytes)) != NULL);
            CHECK(gri_block_share(blocks[i]) >= gri_block_bytes(blocks[i]));
            shares += gri_block_share(blocks[i]);
        }
        size_t grown = bytes_in_use() - before;
        CHECK(shares <= grown + 5 * GRI_CHUNK_BYTES); /* the empty ones that it kept from the size before */
#if !GRI_ASAN                                         /* where each block has a red zone that nobody is charged */
        CHECK(shares + shares / 250 + GRI_CHUNK_BYTES >= grown);
#endif
        for (int i = 0; i < MANY; i++) gri_block_free(blocks[i]);
    }
    gri_heap_retire(heap);
}

TEST(heap, flush_sends_what_is_left)
{
    gri_heap *mine = gri_heap_new(0), *other = gri_heap_new(0);
    gri_heap_counts mine_start, other_start;
    gri_heap_count(mine, &mine_start);
    gri_heap_count(other, &other_start);
    gri_heap_bind(other);
    void *block = gri_block_alloc(64);
    gri_heap_bind(mine);
    gri_block_free(block);
    CHECK_EQ(since(mine, mine_start).chains_sent, 0);
    gri_heap_flush();
    gri_heap_flush();
    CHECK_EQ(since(mine, mine_start).chains_sent, 1);
    gri_heap_retire(mine);
    gri_heap_trim(true); /* takes it in for `other`, which nobody has bound */
    CHECK_EQ(since(other, other_start).blocks_returned, 1);
    CHECK_EQ(bytes_in_use(), 0);
    gri_heap_retire(other);
}

TEST(heap, more_owners_than_outboxes)
{
    enum { HEAPS = 150 };
    static gri_heap *heaps[HEAPS];
    static void *blocks[HEAPS][3];
    for (int i = 0; i < HEAPS; i++) {
        heaps[i] = gri_heap_new(0);
        gri_heap_bind(heaps[i]);
        for (int j = 0; j < 3; j++) blocks[i][j] = gri_block_alloc(100);
    }
    for (int j = 0; j < 3; j++)
        for (int i = 0; i < HEAPS; i++) gri_block_free(blocks[i][j]);
    gri_heap_bind(NULL);
    CHECK_EQ(live_blocks(), 0);
    gri_heap_trim(true);
    CHECK_EQ(bytes_in_use(), 0);
    for (int i = 0; i < HEAPS; i++) gri_heap_retire(heaps[i]);
}

TEST(heap, a_retired_heap_is_adopted_with_its_blocks)
{
    gri_heap *heap = heap_here();
    passing p = {.count = 100};
    for (int i = 0; i < 100; i++) p.blocks[i] = memset(gri_block_alloc(200), i, 200);
    gri_heap_retire(heap);
    CHECK(gri_heap_bound() == NULL);
    p.count = 50;
    free_elsewhere(&p); /* frees to a retired heap, from a thread without a heap */
    gri_heap *again = gri_heap_new(0);
    CHECK(again == heap);
    gri_heap_bind(again);
    for (int i = 50; i < 100; i++) {
        CHECK_EQ(*(unsigned char *)p.blocks[i], i);
        gri_block_free(p.blocks[i]);
    }
    CHECK_EQ(live_blocks(), 0);
    gri_heap_retire(again);
    CHECK_EQ(bytes_in_use(), 0);
}

TEST(heap, threads_without_a_heap_share_one)
{
    passing p = {.count = 1000};
    for (int i = 0; i < 1000; i++) {
        p.blocks[i] = gri_block_alloc((size_t)i);
        CHECK(p.blocks[i] != NULL);
    }
    p.heap = gri_heap_new(0);
    free_elsewhere(&p);
    CHECK_EQ(live_blocks(), 0);
    gri_heap_trim(true);
    CHECK_EQ(bytes_in_use(), 0);
    gri_heap_retire(p.heap);
}

/* Threads pass blocks around a ring of boxes; each block carries who sent it and a checksum. */
enum { TRADERS = 3, TRADES = 30000, BOXES = 64 };
static gri_atomic_ptr trade_boxes[BOXES]; /* publishes the block's contents */

static void *trade(void *arg)
{
    gri_rng rng;
    gri_rng_seed(&rng, 1 + (uint64_t)(uintptr_t)arg);
    gri_heap *heap = NULL;
    for (int i = 0; i < TRADES; i++) {
        if (i % 10000 == 0) {
            gri_heap_retire(heap);
            heap = gri_heap_new(0);
            gri_heap_bind(heap);
        }
        if (i % 1000 == 0) {
            rest(heap);
        }
        uint64_t *block = gri_block_alloc(64 + gri_rng_below(&rng, 300));
        if (!block) abort();
        block[0] = gri_rng_next_u64(&rng);
        block[7] = ~block[0];
        /* mo:trade.put acq_rel <-> trade.put acq_rel: the block's contents */
        uint64_t *old = gri_exchange_acq_rel(&trade_boxes[gri_rng_below(&rng, BOXES)], block);
        if (old && old[7] != ~old[0]) abort();
        gri_block_free(old);
    }
    gri_heap_retire(heap);
    return NULL;
}

TEST(heap, blocks_wander_between_threads)
{
    pthread_t threads[TRADERS];
    for (intptr_t i = 0; i < TRADERS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, trade, (void *)i), 0);
    for (int i = 0; i < TRADERS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < BOXES; i++) gri_block_free(gri_load_relaxed(&trade_boxes[i])); /* relaxed: threads are joined */
    CHECK_EQ(live_blocks(), 0);
    gri_heap_trim(true);
    CHECK_EQ(bytes_in_use(), 0);
}

static struct {
    int taken, given, fail_after;
} sourced;

static void *source_take(void *arg, size_t bytes, size_t alignment)
{
    (void)arg;
    if (sourced.fail_after-- <= 0) return NULL;
    sourced.taken++;
    return aligned_alloc(alignment, bytes);
}

static void source_give(void *arg, void *low, size_t bytes)
{
    (void)arg, (void)bytes;
    sourced.given++;
    free(low);
}

TEST(heap, memory_can_come_from_elsewhere_and_run_out)
{
    const gri_chunk_source source = {source_take, source_give, NULL};
    gri_heap_trim(true);
    memset(&sourced, 0, sizeof sourced);
    sourced.fail_after = 3;
    CHECK(gri_heap_hook(&source));
    gri_heap *heap = heap_here();
    void *blocks[3] = {gri_block_alloc(60000), gri_block_alloc(60000), gri_block_alloc(100000)};
    for (int i = 0; i < 3; i++) CHECK(blocks[i] != NULL);
    CHECK(!gri_heap_hook(NULL));
    CHECK(gri_block_alloc(60000) == NULL);
    CHECK(!gri_heap_over_limit());
    CHECK(gri_block_alloc(100000) == NULL);
    CHECK(!gri_heap_over_limit());
    for (int i = 0; i < 3; i++) gri_block_free(blocks[i]);
    gri_heap_retire(heap);
    CHECK(gri_heap_hook(NULL));
    CHECK_EQ(sourced.taken, 3);
    CHECK_EQ(sourced.given, 3);
}

TEST(heap, large_blocks_are_kept_for_reuse)
{
    uint64_t before = 0;
    for (int i = 0; i < 100; i++) {
        if (i == 1) before = system_calls();
        char *block = gri_block_alloc(150000 + (size_t)i * 10);
        CHECK(block != NULL);
        block[0] = block[150000] = 1;
        gri_block_free(block);
    }
    CHECK(system_calls() <= before + 2);
    void *smaller = gri_block_alloc(70000);
    CHECK(gri_block_bytes(smaller) < 100000); /* a kept one that is much too large is not taken */
    gri_block_free(smaller);
    gri_heap_trim(true);
    gri_chunk_counts chunks;
    gri_chunk_count(&chunks);
    CHECK_EQ(chunks.bytes + chunks.bytes_warm, 0);
}

#if GRI_ASAN || GRI_INVARIANTS >= 2
/* In a child, since it must die. */
static bool dies(void (*body)(void))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr)) _exit(0);
        body();
        _exit(0);
    }
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    return status != 0;
}

static void write_after_free(void)
{
    heap_here();
    volatile char *block = gri_block_alloc(64);
    gri_block_free((void *)block);
    block[40] = 1;
    if (gri_block_alloc(64) != block) _exit(0);
}

static void free_twice(void)
{
    heap_here();
    void *block = gri_block_alloc(64);
    gri_block_free(block);
    gri_block_free(block);
}

#if GRI_ASAN
static void read_after_reuse(void)
{
    heap_here();
    volatile char *block = gri_block_alloc(64);
    gri_block_free((void *)block);
    memset(gri_block_alloc(64), 1, 64);
    if (block[40] == 1) _exit(0);
}

static void write_beyond(void)
{
    heap_here();
    volatile char *block = gri_block_alloc(64);
    block[gri_block_bytes((void *)block)] = 1;
}
#endif

TEST(heap, misuse_is_noticed)
{
#if GRI_ASAN
    CHECK(dies(read_after_reuse));
    CHECK(dies(write_beyond));
#endif
    CHECK(dies(write_after_free));
#if GRI_INVARIANTS >= 1
    CHECK(dies(free_twice));
#endif
    (void)free_twice;
}
#endif
