/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "support/test.h"

#include "base/rng.h"
#include "memory/table.h"
#include "os/vmem.h"

#include <greenroom/error.h>
#include <pthread.h>

#define CAPACITY (UINT32_C(1) << 24)

typedef struct entry {
    gri_atomic_u32 generation; /* relaxed in all these tests: a number */
    uint32_t index;
    char rest[184];
} entry;
_Static_assert(sizeof(entry) == 192, "as a control block");

static uint32_t entry_save(const void *slot)
{
    return gri_load_relaxed(&((const entry *)slot)->generation) + 1; /* relaxed: a number; never used: 0 becomes 1 */
}

static void entry_restore(void *slot, uint32_t saved)
{
    gri_store_relaxed(&((entry *)slot)->generation, saved - 1); /* relaxed: a number */
}

static entry *at(gri_table *table, uint32_t index)
{
    return gri_table_at(table, index);
}

TEST(table, slots_are_distinct_and_stay_where_they_are)
{
    enum { COUNT = 100000 };
    gri_table table;
    gri_table_cache cache = {0};
    CHECK_OK(gri_table_start(&table, sizeof(entry), CAPACITY));
    CHECK_EQ(table.capacity, CAPACITY);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t index = 0;
        CHECK_OK(gri_table_take(&table, i % 3 ? &cache : NULL, &index));
        CHECK(gri_table_has(&table, index));
        entry *e = at(&table, index);
        CHECK_EQ((uintptr_t)e % 64, 0);
        CHECK_EQ(e->index, 0);
        e->index = index + 1;
    }
    uint32_t seen = 0;
    for (uint32_t i = 0; gri_table_has(&table, i); i++) {
        CHECK(at(&table, i)->index == i + 1 || at(&table, i)->index == 0);
        seen += at(&table, i)->index != 0;
    }
    CHECK_EQ(seen, COUNT);
    CHECK(!gri_table_has(&table, CAPACITY - 1));
    CHECK(!gri_table_has(&table, UINT32_MAX));
    gri_table_stop(&table);
    gri_table_stop(&table);
}

TEST(table, last_given_is_first_taken_and_keeps_its_contents)
{
    gri_table table;
    gri_table_cache cache = {0};
    CHECK_OK(gri_table_start(&table, 64, 1000));
    uint32_t a = 0, b = 0, c = 0;
    CHECK_OK(gri_table_take(&table, &cache, &a));
    CHECK_OK(gri_table_take(&table, &cache, &b));
    CHECK(a != b);
    *(int *)gri_table_at(&table, a) = 17;
    gri_table_give(&table, &cache, b);
    gri_table_give(&table, &cache, a);
    CHECK_EQ(*(int *)gri_table_at(&table, a), 17);
    CHECK_OK(gri_table_take(&table, &cache, &c));
    CHECK_EQ(c, a);
    CHECK_OK(gri_table_take(&table, &cache, &c));
    CHECK_EQ(c, b);
    CHECK_EQ(*(int *)gri_table_at(&table, a), 17);
    gri_table_stop(&table);
}

static uint32_t take_all(gri_table *table, gri_table_cache *cache)
{
    uint32_t count = 0, index;
    int code;
    while ((code = gri_table_take(table, cache, &index)) == 0) count++;
    CHECK_EQ(code, GR_ENOMEM);
    return count;
}

TEST(table, full_is_said_and_given_slots_serve_again)
{
    enum { SMALL = 1000 };
    gri_table table;
    gri_table_cache one = {0}, other = {0};
    CHECK_OK(gri_table_start(&table, 64, SMALL));
    static bool seen[SMALL];
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < SMALL; i++) {
        uint32_t index = 0;
        CHECK_OK(gri_table_take(&table, &one, &index));
        CHECK(index < SMALL);
        CHECK(!seen[index]);
        seen[index] = true;
    }
    CHECK_EQ(take_all(&table, &one), 0);
    CHECK_EQ(take_all(&table, &other), 0);
    CHECK_EQ(take_all(&table, NULL), 0);
    for (uint32_t i = 0; i < SMALL; i++) gri_table_give(&table, &other, i);
    /* what is not in the other's cache can be had here */
    uint32_t got = take_all(&table, &one);
    CHECK(got >= SMALL - GRI_TABLE_CACHE);
    gri_table_cache_flush(&table, &other);
    CHECK_EQ(got + take_all(&table, &one), SMALL);
    gri_table_stop(&table);
}

TEST(table, without_keeping_nothing_is_discarded)
{
    gri_table table;
    uint32_t index = 0;
    CHECK_OK(gri_table_start(&table, 4096, 1000));
    CHECK_OK(gri_table_take(&table, NULL, &index));
    memset(gri_table_at(&table, index), 1, 4096);
    gri_table_give(&table, NULL, index);
    CHECK_EQ(gri_table_trim(&table, true), 0);
    CHECK_EQ(*(char *)gri_table_at(&table, index), 1);
    gri_table_stop(&table);
}

TEST(table, trimming_gives_memory_back_and_keeps_generations)
{
    enum { COUNT = 50000, KEPT = 777 };
    gri_table table;
    gri_table_cache cache = {0};
    CHECK_OK(gri_table_start(&table, sizeof(entry), CAPACITY));
    CHECK_OK(gri_table_keep(&table, entry_save, entry_restore));
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < COUNT; i++) {
            uint32_t index = 0;
            if (round > 0 && i == KEPT) continue;
            CHECK_OK(gri_table_take(&table, &cache, &index));
            CHECK(index < COUNT + GRI_TABLE_CACHE);
            entry *e = at(&table, index);
            if (index < COUNT) CHECK_EQ(gri_load_relaxed(&e->generation), 2 * round); /* relaxed, all: a number */
            gri_store_relaxed(&e->generation, 2 * round + 1);
            memset(e->rest, (int)round + 1, sizeof e->rest);
        }
        for (uint32_t i = 0; i < COUNT; i++) {
            if (i == KEPT) continue;
            gri_store_relaxed(&at(&table, i)->generation, 2 * round + 2);
            gri_table_give(&table, &cache, i);
        }
        gri_table_cache_flush(&table, &cache);
        if (round == 1) {
            CHECK_EQ(gri_table_trim(&table, false), 0); /* since the last look: nothing yet */
            CHECK(gri_table_trim(&table, false) > (COUNT - 200) * sizeof(entry));
        } else {
            CHECK(gri_table_trim(&table, true) > (COUNT - 200) * sizeof(entry));
        }
        CHECK_EQ(gri_table_trim(&table, true), 0); /* gone already */
        size_t resident = 0, page = gri_vmem_page_bytes();
        CHECK_OK(gri_vmem_resident(table.base, COUNT * sizeof(entry) / page * page, &resident));
        CHECK(resident <= 4 * page);
        CHECK_EQ(gri_load_relaxed(&at(&table, 3)->generation), 0); /* what a stale reader sees */
        /* the neighbours of a live slot took nothing of it along */
        CHECK_EQ(gri_load_relaxed(&at(&table, KEPT)->generation), 1);
        for (size_t i = 0; i < sizeof at(&table, KEPT)->rest; i++) CHECK_EQ(at(&table, KEPT)->rest[i], 1);
    }
    gri_table_stop(&table);
}

/* Taking in the middle of a trim. */
static gri_table trimmed;
static uint32_t taken_meanwhile;

static uint32_t save_and_take(const void *slot)
{
    (void)slot;
    CHECK_OK(gri_table_take(&trimmed, NULL, &taken_meanwhile));
    CHECK(taken_meanwhile >= 1000); /* a new one: those below are being discarded */
    return 1;
}

static void restore_nothing(void *slot, uint32_t saved)
{
    (void)slot;
    CHECK_EQ(saved, 1);
}

TEST(table, what_is_being_trimmed_is_not_taken)
{
    CHECK_OK(gri_table_start(&trimmed, 64, CAPACITY));
    CHECK_OK(gri_table_keep(&trimmed, save_and_take, restore_nothing));
    for (int i = 0; i < 1000; i++) {
        uint32_t index = 0;
        CHECK_OK(gri_table_take(&trimmed, NULL, &index));
        CHECK_EQ(index, i);
    }
    for (uint32_t i = 0; i < 1000; i++) gri_table_give(&trimmed, NULL, i);
    CHECK(gri_table_trim(&trimmed, true) > 0);
    CHECK(taken_meanwhile >= 1000);
    uint32_t index = 1000;
    CHECK_OK(gri_table_take(&trimmed, NULL, &index));
    CHECK(index < 1000);
    gri_table_stop(&trimmed);
}

/* Taking in the middle of a trim of many: the trim has few of them to itself, the others need not wait for it, nor take new ones,
 * whose memory nobody gives back. */
enum { MANY = 20000, MEANWHILE = 10000 };
static uint32_t meanwhile;

static uint32_t save_and_take_many(const void *slot)
{
    (void)slot;
    for (; meanwhile < MEANWHILE; meanwhile++) {
        CHECK_OK(gri_table_take(&trimmed, NULL, &taken_meanwhile));
        CHECK(taken_meanwhile < MANY);
    }
    return 1;
}

TEST(table, a_trim_leaves_most_to_others_meanwhile)
{
    CHECK_OK(gri_table_start(&trimmed, 64, CAPACITY));
    CHECK_OK(gri_table_keep(&trimmed, save_and_take_many, restore_nothing));
    meanwhile = 0;
    for (uint32_t i = 0, index; i < MANY; i++) CHECK_OK(gri_table_take(&trimmed, NULL, &index));
    for (uint32_t i = 0; i < MANY; i++) gri_table_give(&trimmed, NULL, i);
    CHECK(gri_table_trim(&trimmed, true) > 0);
    CHECK_EQ(meanwhile, MEANWHILE);
    CHECK_EQ(trimmed.fresh, MANY);
    CHECK_EQ(trimmed.free_count, MANY - MEANWHILE);
    gri_table_stop(&trimmed);
}

/* A full table whose free slots a trim is at is not full. */
static gri_atomic_bool asks; /* relaxed: a flag */
static pthread_t asker;

static void *take_one(void *arg)
{
    (void)arg;
    uint32_t index;
    gri_store_relaxed(&asks, true); /* relaxed: a flag */
    if (gri_table_take(&trimmed, NULL, &index) != 0) abort();
    return NULL;
}

static uint32_t save_while_another_asks(const void *slot)
{
    (void)slot;
    if (gri_load_relaxed(&asks)) return 1; /* relaxed: a flag */
    CHECK_EQ(pthread_create(&asker, NULL, take_one, NULL), 0);
    while (!gri_load_relaxed(&asks)) continue; /* relaxed: a flag */
    return 1;
}

TEST(table, full_is_not_said_because_of_a_trim)
{
    enum { SMALL = 1024 };
    CHECK_OK(gri_table_start(&trimmed, 64, SMALL));
    CHECK_OK(gri_table_keep(&trimmed, save_while_another_asks, restore_nothing));
    gri_store_relaxed(&asks, false); /* relaxed: a flag */
    CHECK_EQ(take_all(&trimmed, NULL), SMALL);
    for (uint32_t i = 0; i < SMALL; i++) gri_table_give(&trimmed, NULL, i);
    CHECK(gri_table_trim(&trimmed, true) > 0);
    CHECK_EQ(pthread_join(asker, NULL), 0);
    CHECK_EQ(trimmed.free_count, SMALL - 1);
    gri_table_stop(&trimmed);
}

/* What a storm leaves, beside the slots themselves: half a byte each. */
TEST(table, little_stays_of_many_slots)
{
    enum { STORM = 400000 };
    gri_table table;
    CHECK_OK(gri_table_start(&table, 64, CAPACITY));
    CHECK_OK(gri_table_keep(&table, entry_save, entry_restore));
    for (uint32_t i = 0, index; i < STORM; i++) CHECK_OK(gri_table_take(&table, NULL, &index));
    for (uint32_t i = 0; i < STORM; i++) gri_table_give(&table, NULL, i);
    CHECK(gri_table_trim(&table, true) > 0);
    size_t slots = 0, groups = 0, regions = 0;
    CHECK_OK(gri_vmem_resident(table.slots.low, table.slots.open_bytes, &slots));
    CHECK_OK(gri_vmem_resident(table.group_space.low, table.group_space.open_bytes, &groups));
    CHECK_OK(gri_vmem_resident(table.region_space.low, table.region_space.open_bytes, &regions));
    CHECK(slots + groups + regions <= STORM / 2 + 8 * gri_vmem_page_bytes());
    gri_table_stop(&table);
}

/* Who shares a number with neighbours gets the latest of them: later than its own, never earlier. */
TEST(table, generations_come_back_no_earlier)
{
    gri_table table;
    uint32_t index;
    CHECK_OK(gri_table_start(&table, sizeof(entry), CAPACITY));
    CHECK_OK(gri_table_keep(&table, entry_save, entry_restore));
    for (uint32_t i = 0; i < 4096; i++) {
        CHECK_OK(gri_table_take(&table, NULL, &index));
        gri_store_relaxed(&at(&table, index)->generation, 2 * (index % 100)); /* relaxed, all: a number */
    }
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 4096; i++) gri_table_give(&table, NULL, i);
        CHECK(gri_table_trim(&table, true) > 0);
        for (uint32_t i = 0; i < 4096; i++) {
            CHECK_OK(gri_table_take(&table, NULL, &index));
            CHECK_EQ(index, i);
            const uint32_t generation = gri_load_relaxed(&at(&table, i)->generation);
            CHECK(generation >= 2 * (i % 100) && generation <= 2 * 99);
        }
    }
    gri_table_stop(&table);
}

/* Threads take, mark and exchange slots while one trims and looks at stale indices. */
enum { TAKERS = 3, TURNS = 30000, SHELF = 500 };
static gri_table shared;
static gri_atomic_u32 shelf[SHELF]; /* index + 1; publishes the slot's contents */
static gri_atomic_bool stopping;

static void *take_and_give(void *arg)
{
    gri_rng rng;
    gri_table_cache cache = {0};
    gri_rng_seed(&rng, 1 + (uint64_t)(uintptr_t)arg);
    for (int i = 0; i < TURNS; i++) {
        uint32_t index = 0;
        if (gri_table_take(&shared, &cache, &index) != 0) abort();
        entry *e = at(&shared, index);
        if (gri_add_relaxed(&e->generation, 1u) % 2 != 0) abort(); /* relaxed: a number */
        e->index = index;
        /* mo:shelf.put acq_rel <-> shelf.put acq_rel: the slot's contents */
        uint32_t old = gri_exchange_acq_rel(&shelf[gri_rng_below(&rng, SHELF)], index + 1);
        if (old == 0) continue;
        e = at(&shared, old - 1);
        if (e->index != old - 1 || gri_add_relaxed(&e->generation, 1u) % 2 != 1) abort(); /* relaxed: a number */
        gri_table_give(&shared, &cache, old - 1);
        if (i % 100 == 0) gri_table_cache_flush(&shared, &cache);
    }
    gri_table_cache_flush(&shared, &cache);
    return NULL;
}

static void *trim_and_look(void *arg)
{
    (void)arg;
    while (!gri_load_relaxed(&stopping)) { /* relaxed: a flag */
        gri_table_trim(&shared, true);
        for (uint32_t i = 0; i < 2000 && gri_table_has(&shared, i); i++)
            if (gri_load_relaxed(&at(&shared, i)->generation) > 2 * TAKERS * TURNS) abort(); /* relaxed: a number */
    }
    return NULL;
}

TEST(table, slots_wander_between_threads_while_one_trims)
{
    CHECK_OK(gri_table_start(&shared, sizeof(entry), CAPACITY));
    CHECK_OK(gri_table_keep(&shared, entry_save, entry_restore));
    pthread_t threads[TAKERS], trimmer;
    CHECK_EQ(pthread_create(&trimmer, NULL, trim_and_look, NULL), 0);
    for (intptr_t i = 0; i < TAKERS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, take_and_give, (void *)i), 0);
    for (int i = 0; i < TAKERS; i++) pthread_join(threads[i], NULL);
    gri_store_relaxed(&stopping, true); /* relaxed: a flag */
    pthread_join(trimmer, NULL);
    uint32_t left = 0;
    for (int i = 0; i < SHELF; i++) left += gri_load_relaxed(&shelf[i]) != 0; /* relaxed: the threads are joined */
    CHECK_EQ(shared.fresh - shared.free_count, left);
    gri_table_stop(&shared);
}
