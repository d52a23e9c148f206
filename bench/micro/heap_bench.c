/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Memory: blocks of the slab heaps, kept on one thread or sent to another, beside malloc; slots of a table. */
#include "micro.h"

#include "base/compiler.h"
#include "memory/heap.h"
#include "memory/table.h"

#include <stdlib.h>

static micro_pipe blocks;
static void *held[2][1024];

static void enter(unsigned thread)
{
    (void)thread;
    gri_heap *heap = gri_heap_new(0);
    if (!heap) bench_fail("no heap");
    gri_heap_bind(heap);
}

static void leave(unsigned thread)
{
    (void)thread;
    gri_heap_retire(gri_heap_bound());
}

static void *take(size_t bytes)
{
    void *block = gri_block_alloc(bytes);
    if (!block) bench_fail("no memory");
    return block;
}

static void alloc_free(uint64_t operations, size_t bytes)
{
    for (uint64_t i = 0; i < operations; i++) gri_block_free(take(bytes));
}

static void run_64(unsigned thread, uint64_t operations)
{
    (void)thread;
    alloc_free(operations, 64);
}

static void run_1024(unsigned thread, uint64_t operations)
{
    (void)thread;
    alloc_free(operations, 1024);
}

/* 1,000 live: chunks are left and come back to. */
static void run_held(unsigned thread, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i += 1000) {
        for (int k = 0; k < 1000; k++) held[thread][k] = take(64);
        for (int k = 0; k < 1000; k++) gri_block_free(held[thread][k]);
    }
}

static void run_malloc(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i++) {
        void *block = malloc(64);
        MICRO_HIDE(block);
        free(block);
    }
}

static void begin_pipe(uint64_t operations)
{
    (void)operations;
    blocks.head = blocks.tail = 0;
}

/* Thread 0 allocates, thread 1 frees: an operation is a block's journey there and its return in a batch. */
static void run_one_way(unsigned thread, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++) {
        if (thread == 0)
            micro_pipe_put(&blocks, take(64));
        else
            gri_block_free(micro_pipe_get(&blocks));
    }
    gri_heap_flush();
}

static void run_one_way_malloc(unsigned thread, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++) {
        if (thread == 0)
            micro_pipe_put(&blocks, malloc(64));
        else
            free(micro_pipe_get(&blocks));
    }
}

static void run_pipe_only(unsigned thread, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++) {
        if (thread == 0)
            micro_pipe_put(&blocks, &blocks);
        else
            (void)micro_pipe_get(&blocks);
    }
}

/* ---- tables ---- */

static gri_table table;
static gri_table_cache caches[2];

static void begin_table(uint64_t operations)
{
    (void)operations;
    if (gri_table_start(&table, 192, 1u << 20) != 0) bench_fail("no table");
    for (int i = 0; i < 2; i++) caches[i] = (gri_table_cache){0};
}

static void run_table(unsigned thread, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++) {
        uint32_t index;
        if (gri_table_take(&table, &caches[thread], &index) != 0) bench_fail("no slot");
        gri_table_give(&table, &caches[thread], index);
    }
}

static void run_table_held(unsigned thread, uint64_t operations)
{
    static uint32_t indices[2][1000];
    for (uint64_t i = 0; i < operations; i += 1000) {
        for (int k = 0; k < 1000; k++)
            if (gri_table_take(&table, &caches[thread], &indices[thread][k]) != 0) bench_fail("no slot");
        for (int k = 0; k < 1000; k++) gri_table_give(&table, &caches[thread], indices[thread][k]);
    }
}

static void end_table(uint64_t operations)
{
    (void)operations;
    for (int i = 0; i < 2; i++) gri_table_cache_flush(&table, &caches[i]);
    gri_table_stop(&table);
}

static const micro_case cases[] = {
    {"64 bytes: alloc, free", 1, 2000000, NULL, run_64, NULL, enter, leave},
    {"64 bytes: alloc, free, 2 threads", 2, 2000000, NULL, run_64, NULL, enter, leave},
    {"1024 bytes: alloc, free", 1, 2000000, NULL, run_1024, NULL, enter, leave},
    {"64 bytes, 1000 live", 1, 1000000, NULL, run_held, NULL, enter, leave},
    {"malloc, free", 1, 2000000, NULL, run_malloc, NULL, NULL, NULL},
    {"64 bytes, freed elsewhere", 2, 1000000, begin_pipe, run_one_way, NULL, enter, leave},
    {"malloc, freed elsewhere", 2, 1000000, begin_pipe, run_one_way_malloc, NULL, NULL, NULL},
    {"the way there alone", 2, 1000000, begin_pipe, run_pipe_only, NULL, NULL, NULL},
    {"table: take, give", 1, 1000000, begin_table, run_table, end_table, NULL, NULL},
    {"table: 1000 taken, then given", 1, 1000000, begin_table, run_table_held, end_table, NULL, NULL},
    {"table: 1000 taken, then given, 2 threads", 2, 500000, begin_table, run_table_held, end_table, NULL, NULL},
};

int main(int argc, char **argv)
{
    return MICRO_MAIN("heap", cases, argc, argv);
}
