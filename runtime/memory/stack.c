/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See stack.h.
 *
 * The arena is one reservation, opened extent by extent: 64 MB, one size class each, in address order.
 * An extent begins with its head: the size class and 8 bytes a slot, which must survive while the slot itself is discarded
 * and be readable by a signal handler that trusts no stack. */
#include "memory/stack.h"

#include "base/bits.h"
#include "base/check.h"
#include "memory/reservation.h"
#include "os/vmem.h"

#include <greenroom/error.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if !GRI_ASAN && !GRI_TSAN && defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef VALGRIND_DISABLE_ERROR_REPORTING
#define VALGRIND_DISABLE_ERROR_REPORTING (void)0
#define VALGRIND_ENABLE_ERROR_REPORTING (void)0
#endif

#define EXTENT_SHIFT 26u
#define EXTENT_BYTES ((size_t)1 << EXTENT_SHIFT)
#define SLOT_INDEX_BITS 12u /* 16 KB slots in an extent */
#define CLASS_SHIFT_MIN 14u
#define RECORD_BYTES ((sizeof(gri_stack) + 63) & ~(size_t)63)
#define COLOURS 16u
#define COLOUR_BYTES 64u
#define YELLOW_BYTES ((size_t)16 << 10)
#define SLOT_PAGES_MIN 4u
#define NO_SLOT 0u /* extent 0's slot 0 is its head */
#define TRIM_BATCH 128u
#define WARM_BIG_MAX 4u /* guess: warm stacks kept per class beyond BIG_SHIFT */
#define BIG_SHIFT 18u
#define MAP_ENTRIES_A_SLOT 2
#define MAP_ENTRIES_SHARE 8u /* an eighth of the limit, and at least this many, are left to others: guess */
#define MAP_ENTRIES_LEFT 4096u

#if GRI_TSAN
#define ARENA_BYTES_WISHED ((size_t)1 << 36) /* what the sanitizer's shadow has room for */
#elif GRI_ASAN
#define ARENA_BYTES_WISHED ((size_t)1 << 38)
#else
#define ARENA_BYTES_WISHED ((size_t)1 << 40)
#endif

/* What outlives the slot's contents. Written by the slot's holder, read by signal handlers. Relaxed: whoever holds the slot
 * got it through the arena's lock or a cache of its own, handlers run on the holder's thread or only guess. */
typedef struct slot_note {
    gri_atomic_u32 next_cold;  /* under the lock */
    gri_atomic_u8 guard;       /* gri_guard_kind */
    gri_atomic_u8 yellow_open; /* as in the record: it may have stayed open */
    gri_atomic_u8 torn;        /* part of it may be out of reach, since a guard was begun and could not be taken back */
} slot_note;

typedef struct extent {
    uint32_t size_class, slots, first; /* slots [first, slots) are usable: below first lies this head */
    slot_note notes[];
} extent;

typedef struct class_lists {
    gri_stack *warm;               /* linked by next */
    uint32_t warm_count, warm_low; /* now; the least since the last trim */
    uint32_t cold;                 /* first slot of the list through next_cold, or NO_SLOT */
    uint32_t fresh, fresh_end;     /* slots of the class's youngest extent that were never used */
} class_lists;

static struct {
    gri_atomic_ptr low;          /* NULL: not started. Publishes what gri_stacks_start wrote */
    gri_atomic_u32 extents_open; /* their heads are valid */
    uint32_t extents;
    gri_guard_mode mode;
    size_t page_bytes;
    pthread_mutex_t lock; /* guards the rest */
    gri_reservation space;
    class_lists classes[GRI_STACK_CLASSES];
    gri_stack_cache *caches;
    uint64_t taken_by_gone, given_by_gone; /* sums of caches that are finished */
    bool stopped;                          /* with stacks live: the arena is still there */
    bool budget_known;
    gri_atomic_i64 map_budget;                             /* entries that may still be spent; relaxed: a number */
    gri_atomic_u64 guards[GRI_GUARD_KINDS], yellow_opened; /* relaxed: counters */
    gri_atomic_bool install_fails;                         /* relaxed: a hint that saves a system call */
} arena = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- where things are --- */

static size_t slot_bytes(unsigned size_class)
{
    return (size_t)1 << (CLASS_SHIFT_MIN + size_class);
}

static size_t yellow_bytes(unsigned size_class)
{
    return gri_align_up(GRI_MIN(YELLOW_BYTES, slot_bytes(size_class) / SLOT_PAGES_MIN), arena.page_bytes);
}

static char *arena_low(void)
{
    /* mo:stack.find acquire <- stack.start release: the arena's bounds */
    return gri_load_acquire(&arena.low);
}

static extent *extent_at(uint32_t index)
{
    return (extent *)(void *)(arena_low() + ((size_t)index << EXTENT_SHIFT));
}

static extent *extent_of(uint32_t slot)
{
    return extent_at(slot >> SLOT_INDEX_BITS);
}

static slot_note *note_of(uint32_t slot)
{
    return &extent_of(slot)->notes[slot & ((1u << SLOT_INDEX_BITS) - 1)];
}

static char *slot_low(uint32_t slot)
{
    extent *e = extent_of(slot);
    return (char *)e + (size_t)(slot & ((1u << SLOT_INDEX_BITS) - 1)) * slot_bytes(e->size_class);
}

static gri_stack *record_of(uint32_t slot)
{
    size_t colour = slot % COLOURS * COLOUR_BYTES;
    return (gri_stack *)(void *)(slot_low(slot) + slot_bytes(extent_of(slot)->size_class) - colour - RECORD_BYTES);
}

/* --- start, stop --- */

int gri_stacks_start(const gri_stack_options *options)
{
    gri_stack_options defaults = {GRI_GUARD_AUTO, 0};
    if (!options) options = &defaults;
    if ((unsigned)options->guard > GRI_GUARD_REQUIRE) return GR_EINVAL;
    int result = 0;
    pthread_mutex_lock(&arena.lock);
    if (gri_load_relaxed(&arena.low)) { /* relaxed: under the lock */
        if (!arena.stopped) result = GR_EINUSE;
        if (arena.stopped) arena.mode = options->guard;
        arena.stopped = false;
        goto done;
    }
    size_t bytes = options->arena_bytes ? options->arena_bytes : ARENA_BYTES_WISHED;
    bytes = gri_align_up(GRI_MIN(bytes, ARENA_BYTES_WISHED), EXTENT_BYTES);
    result = gri_reservation_init(&arena.space, bytes, EXTENT_BYTES, EXTENT_BYTES);
    if (result != 0) goto done;
    (void)gri_vmem_no_hugepage(arena.space.low, arena.space.bytes); /* a kernel without huge pages refuses: as good */
    memset(arena.classes, 0, sizeof arena.classes);
    arena.extents = (uint32_t)(arena.space.bytes >> EXTENT_SHIFT);
    arena.mode = options->guard;
    arena.page_bytes = gri_vmem_page_bytes();
    arena.stopped = false;
    arena.budget_known = false;
    arena.taken_by_gone = arena.given_by_gone = 0;
    gri_store_relaxed(&arena.extents_open, 0u); /* relaxed, these: published by low */
    gri_store_relaxed(&arena.install_fails, false);
    gri_store_relaxed(&arena.yellow_opened, 0u);
    for (unsigned kind = 0; kind < GRI_GUARD_KINDS; kind++) gri_store_relaxed(&arena.guards[kind], 0u);
    /* mo:stack.start release -> stack.find acquire: the arena's bounds */
    gri_store_release(&arena.low, arena.space.low);
done:
    pthread_mutex_unlock(&arena.lock);
    return result;
}

int gri_stacks_stop(void)
{
    int result = 0;
    pthread_mutex_lock(&arena.lock);
    if (!gri_load_relaxed(&arena.low)) goto done; /* relaxed: under the lock */
    if (arena.caches || arena.taken_by_gone != arena.given_by_gone) {
        result = GR_EINUSE;
        arena.stopped = !arena.caches;
        goto done;
    }
    for (unsigned size_class = 0; size_class < GRI_STACK_CLASSES; size_class++)
        for (gri_stack *s = arena.classes[size_class].warm; s; s = s->next) gri_context_fini(&s->context);
    gri_store_relaxed(&arena.low, NULL); /* relaxed: no stack is in use, a handler that still saw it found nothing */
    gri_reservation_fini(&arena.space);
done:
    pthread_mutex_unlock(&arena.lock);
    return result;
}

int gri_stack_class(size_t bytes)
{
    if (bytes > GRI_STACK_BYTES_MAX) return GR_ETOOBIG;
    size_t least = GRI_MAX(GRI_STACK_BYTES_MIN, SLOT_PAGES_MIN * gri_vmem_page_bytes());
    return (int)(gri_log2_ceil(GRI_MAX(bytes, least)) - CLASS_SHIFT_MIN);
}

/* --- guards --- */

/* Of the map entries the kernel allows us, those that guards may spend. */
static void budget_read_locked(void)
{
    if (arena.budget_known) return;
    arena.budget_known = true;
    size_t limit = 0, used = 0;
    int64_t budget = 0;
    if (gri_vmem_map_budget(&limit, &used) == 0) {
        size_t others = used + GRI_MAX(limit / MAP_ENTRIES_SHARE, MAP_ENTRIES_LEFT);
        budget = limit > others ? (int64_t)(limit - others) : 0;
    }
    gri_store_relaxed(&arena.map_budget, budget); /* relaxed: a number */
}

/* False: it is not guarded. Then it may be torn: the kernel split the mapping, stopped half-way, and would not join it again. */
static bool guard_protect(slot_note *note, char *low, size_t bytes)
{
    if (!arena.budget_known) {
        pthread_mutex_lock(&arena.lock);
        budget_read_locked();
        pthread_mutex_unlock(&arena.lock);
    }
    /* relaxed, all: a number, nothing is published by it */
    if (gri_sub_relaxed(&arena.map_budget, MAP_ENTRIES_A_SLOT) >= MAP_ENTRIES_A_SLOT) {
        if (gri_vmem_protect_none(low, bytes) == 0) return true;
        if (gri_vmem_protect_rw(low, bytes) != 0) gri_store_relaxed(&note->torn, 1); /* relaxed: see slot_note */
    }
    (void)gri_add_relaxed(&arena.map_budget, MAP_ENTRIES_A_SLOT);
    return false;
}

static bool guard_install(char *low, size_t bytes)
{
    if (gri_load_relaxed(&arena.install_fails)) return false; /* relaxed: a hint */
    int result = gri_vmem_guard_install(low, bytes);
    if (result == GR_EUNSUPPORTED) gri_store_relaxed(&arena.install_fails, true); /* relaxed: a hint */
    return result == 0;
}

/* Decides how the slot is guarded, once. False: not at all, though it must be, or it cannot be used now; the next to take it
 * tries again. */
static bool slot_guard(uint32_t slot)
{
    slot_note *note = note_of(slot);
    if (gri_load_relaxed(&note->guard) != GRI_GUARDED_NOT_YET) return true; /* relaxed, here on: see slot_note */
    char *low = slot_low(slot);
    size_t bytes = arena.page_bytes + yellow_bytes(extent_of(slot)->size_class);
    if (gri_load_relaxed(&note->torn)) {
        if (gri_vmem_protect_rw(low, bytes) != 0) return false;
        gri_store_relaxed(&note->torn, 0);
    }
    gri_guard_mode mode = arena.mode;
    gri_guard_kind kind = GRI_GUARDED_CANARY;
    bool any = mode == GRI_GUARD_AUTO || mode == GRI_GUARD_REQUIRE;
    if ((any || mode == GRI_GUARD_INSTALL) && guard_install(low, bytes)) {
        kind = GRI_GUARDED_INSTALL;
    } else if ((any || mode == GRI_GUARD_PROTECT) && guard_protect(note, low, bytes)) {
        kind = GRI_GUARDED_PROTECT;
    } else if (gri_load_relaxed(&note->torn)) {
        return false;
    } else if (mode == GRI_GUARD_REQUIRE) {
        return false;
    }
    gri_store_relaxed(&note->guard, (uint8_t)kind);
    (void)gri_add_relaxed(&arena.guards[kind], 1u);
    return true;
}

static void yellow_mark(gri_stack *stack, bool open)
{
    gri_store_relaxed(&stack->yellow_open, (uint8_t)open); /* relaxed, both: see slot_note */
    gri_store_relaxed(&note_of(stack->slot)->yellow_open, (uint8_t)open);
}

int gri_stack_open_yellow(gri_stack *stack)
{
    size_t bytes = (size_t)(stack->low - stack->yellow_low);
    if (gri_stack_is_yellow_open(stack)) return 0;
    if (stack->guard == GRI_GUARDED_INSTALL && gri_vmem_guard_remove(stack->yellow_low, bytes) != 0) return GR_ESYSTEM;
    if (stack->guard == GRI_GUARDED_PROTECT && gri_vmem_protect_rw(stack->yellow_low, bytes) != 0) return GR_ESYSTEM;
    yellow_mark(stack, true);
    (void)gri_add_relaxed(&arena.yellow_opened, 1u); /* relaxed: a counter */
    return 0;
}

void gri_stack_close_yellow(gri_stack *stack)
{
    size_t bytes = (size_t)(stack->low - stack->yellow_low);
    if (!gri_stack_is_yellow_open(stack)) return;
    (void)gri_vmem_discard(stack->yellow_low, bytes);
    /* Failing, it stays open, and only red guards this slot. */
    if (stack->guard == GRI_GUARDED_INSTALL && gri_vmem_guard_install(stack->yellow_low, bytes) != 0) return;
    if (stack->guard == GRI_GUARDED_PROTECT && gri_vmem_protect_none(stack->yellow_low, bytes) != 0) return;
    yellow_mark(stack, false);
}

/* An overflow has touched all there is: a warm stack of which one page was in memory would keep it all. */
static void discard_below(gri_stack *stack, const void *high)
{
    char *end = (char *)((uintptr_t)high & ~(uintptr_t)(arena.page_bytes - 1));
    if (end > stack->low) (void)gri_vmem_discard(stack->low, (size_t)(end - stack->low)); /* kept: as it was before */
}

void gri_stack_overflown(gri_stack *stack, const void *frame)
{
    gri_stack_close_yellow(stack);
    discard_below(stack, (const char *)frame - arena.page_bytes);
}

/* --- looking at stacks --- */

#if GRI_ASAN || GRI_TSAN
#define STACK_UNCHECKED __attribute__((no_sanitize_address, no_sanitize_thread, noinline))
#else
#define STACK_UNCHECKED
#endif
#define CANARY_STEP_BYTES 1024u

/* The first byte of [low, high) that is not zero, looking at `bytes` of every `step`, or high. All multiples of 8. Reading
 * what was never touched costs no memory: the kernel maps its one page of zeros. */
STACK_UNCHECKED static const char *first_written(const char *low, const char *high, size_t bytes, size_t step)
{
    const char *found = high;
    VALGRIND_DISABLE_ERROR_REPORTING; /* what lies below the stack pointer is nobody's business, but ours */
    for (const char *part = low; part < found; part += step)
        for (const char *at = part; at < part + bytes && at < found; at += sizeof(uint64_t))
            if (*(const uint64_t *)(const void *)at != 0) found = at;
    VALGRIND_ENABLE_ERROR_REPORTING;
    return found;
}

static gri_stack_verdict canary_check(const gri_stack *stack)
{
    const char *red = stack->yellow_low - arena.page_bytes;
    size_t last = CANARY_STEP_BYTES - GRI_CACHE_LINE; /* the upper end of each kilobyte: overflows come from above */
    if (first_written(red + last, stack->yellow_low, GRI_CACHE_LINE, CANARY_STEP_BYTES) < stack->yellow_low)
        return GRI_STACK_BROKEN;
    if (first_written(stack->yellow_low + last, stack->low, GRI_CACHE_LINE, CANARY_STEP_BYTES) < stack->low)
        return GRI_STACK_OVERFLOWN;
    return GRI_STACK_FINE;
}

/* Zeros again, after an overflow. */
static void canary_renew(gri_stack *stack)
{
    char *red = stack->yellow_low - arena.page_bytes;
    size_t bytes = (size_t)(stack->low - red);
    if (canary_check(stack) == GRI_STACK_FINE) return;
    if (gri_vmem_discard(red, bytes) != 0) memset(red, 0, bytes);
}

gri_stack_verdict gri_stack_check(const gri_stack *stack)
{
    if (stack->guard == GRI_GUARDED_CANARY) return canary_check(stack);
    return gri_stack_is_yellow_open(stack) ? GRI_STACK_OVERFLOWN : GRI_STACK_FINE;
}

size_t gri_stack_high_water(const gri_stack *stack)
{
    bool readable = gri_stack_is_yellow_open(stack) || stack->guard == GRI_GUARDED_CANARY;
    char *low = readable ? stack->yellow_low : stack->low;
    const char *top = (const char *)stack;
    for (size_t page = arena.page_bytes; low < top; low += page) {
        size_t resident = 0;
        if (gri_vmem_resident(low, page, &resident) == 0 && resident == 0) continue;
        const char *end = GRI_MIN((const char *)low + page, top), *at = first_written(low, end, page, page);
        if (at < end) return (size_t)(top - at);
    }
    return 0;
}

gri_stack_zone gri_stack_find(const void *address, gri_stack **ret_stack)
{
    uintptr_t low = (uintptr_t)arena_low(), at = (uintptr_t)address;
    /* mo:stack.find_extent acquire <- stack.extent_open release: the head of the extent */
    size_t open_bytes = (size_t)gri_load_acquire(&arena.extents_open) << EXTENT_SHIFT;
    if (low == 0 || at < low || at - low >= open_bytes) return GRI_ZONE_NONE;
    uint32_t index = (uint32_t)((at - low) >> EXTENT_SHIFT);
    const extent *e = extent_at(index);
    size_t offset = (at - low) & (EXTENT_BYTES - 1);
    uint32_t in_extent = (uint32_t)(offset / slot_bytes(e->size_class));
    if (in_extent < e->first) return GRI_ZONE_NONE;
    uint32_t slot = (index << SLOT_INDEX_BITS) + in_extent;
    if (gri_load_relaxed(&note_of(slot)->guard) == GRI_GUARDED_NOT_YET) return GRI_ZONE_NONE; /* relaxed: slot_note */
    gri_stack *stack = record_of(slot);
    if (!stack->taken) return GRI_ZONE_NONE;
    *ret_stack = stack;
    if (at >= (uintptr_t)stack) return GRI_ZONE_TOP;
    if (at >= (uintptr_t)stack->low) return GRI_ZONE_USABLE;
    return at >= (uintptr_t)stack->yellow_low ? GRI_ZONE_YELLOW : GRI_ZONE_RED;
}

/* --- slots --- */

/* Opens the next extent for the class. */
static bool extent_open_locked(unsigned size_class)
{
    uint32_t index = gri_load_relaxed(&arena.extents_open); /* relaxed: under the lock */
    if (index == arena.extents) return false;
    extent *e = extent_at(index);
    if (!gri_reservation_open(&arena.space, (size_t)(index + 1) << EXTENT_SHIFT, EXTENT_BYTES)) return false;
    e->size_class = size_class;
    e->slots = (uint32_t)(EXTENT_BYTES / slot_bytes(size_class));
    e->first =
        (uint32_t)((sizeof *e + e->slots * sizeof e->notes[0] + slot_bytes(size_class) - 1) / slot_bytes(size_class));
    arena.classes[size_class].fresh = (index << SLOT_INDEX_BITS) + e->first;
    arena.classes[size_class].fresh_end = (index << SLOT_INDEX_BITS) + e->slots;
    /* mo:stack.extent_open release -> stack.find_extent acquire: the head of the extent */
    gri_store_release(&arena.extents_open, index + 1);
    return true;
}

/* A slot that holds nothing: discarded, or never used. NO_SLOT: the arena is full, or no memory. */
static uint32_t cold_take_locked(unsigned size_class)
{
    class_lists *c = &arena.classes[size_class];
    if (c->cold != NO_SLOT) {
        uint32_t slot = c->cold;
        c->cold = gri_load_relaxed(&note_of(slot)->next_cold); /* relaxed: under the lock */
        return slot;
    }
    if (c->fresh == c->fresh_end && !extent_open_locked(size_class)) return NO_SLOT;
    return c->fresh++;
}

static void cold_give_locked(unsigned size_class, uint32_t slot)
{
    gri_store_relaxed(&note_of(slot)->next_cold, arena.classes[size_class].cold); /* relaxed: under the lock */
    arena.classes[size_class].cold = slot;
}

/* The first touch of a slot's top page. */
static gri_stack *record_init(unsigned size_class, uint32_t slot)
{
    gri_stack *stack = record_of(slot);
    memset(stack, 0, sizeof *stack);
    stack->slot = slot;
    stack->guard = gri_load_relaxed(&note_of(slot)->guard); /* relaxed, both: see slot_note */
    gri_store_relaxed(&stack->yellow_open, gri_load_relaxed(&note_of(slot)->yellow_open));
    stack->size_class = (uint8_t)size_class;
    stack->yellow_low = slot_low(slot) + arena.page_bytes;
    stack->low = stack->yellow_low + yellow_bytes(size_class);
    return stack;
}

/* --- caches --- */

static uint32_t warm_max(const gri_stack_cache *cache, unsigned size_class)
{
    return CLASS_SHIFT_MIN + size_class > BIG_SHIFT ? GRI_MIN(cache->capacity, WARM_BIG_MAX) : cache->capacity;
}

void gri_stack_cache_init(gri_stack_cache *cache, uint32_t capacity)
{
    memset(cache, 0, sizeof *cache);
    cache->capacity = GRI_MAX(capacity, 2u);
    pthread_mutex_lock(&arena.lock);
    cache->next = arena.caches;
    if (arena.caches) arena.caches->prev = cache;
    arena.caches = cache;
    pthread_mutex_unlock(&arena.lock);
}

/* Hands over all but `keep` of the class's warm stacks, the ones used longest ago. */
static void warm_spill(gri_stack_cache *cache, unsigned size_class, uint32_t keep)
{
    uint32_t count = cache->warm_count[size_class];
    if (count <= keep) return;
    gri_stack **place = &cache->warm[size_class];
    for (uint32_t i = 0; i < keep; i++) place = &(*place)->next;
    gri_stack *first = *place, *last = first;
    *place = NULL;
    while (last->next) last = last->next;
    cache->warm_count[size_class] = keep;
    gri_count_owner(&cache->warm_total, (uint64_t)keep - count); /* relaxed: a counter */
    pthread_mutex_lock(&arena.lock);
    class_lists *c = &arena.classes[size_class];
    last->next = c->warm;
    c->warm = first;
    c->warm_count += count - keep;
    pthread_mutex_unlock(&arena.lock);
}

void gri_stack_cache_fini(gri_stack_cache *cache)
{
    for (unsigned size_class = 0; size_class < GRI_STACK_CLASSES; size_class++) warm_spill(cache, size_class, 0);
    pthread_mutex_lock(&arena.lock);
    for (unsigned size_class = 0; size_class < GRI_STACK_CLASSES; size_class++)
        while (cache->cold_count[size_class] > 0)
            cold_give_locked(size_class, cache->cold[size_class][--cache->cold_count[size_class]]);
    arena.taken_by_gone += gri_load_relaxed(&cache->taken); /* relaxed: our own counters */
    arena.given_by_gone += gri_load_relaxed(&cache->given);
    if (cache->prev) {
        cache->prev->next = cache->next;
    } else {
        arena.caches = cache->next;
    }
    if (cache->next) cache->next->prev = cache->prev;
    pthread_mutex_unlock(&arena.lock);
}

static void warm_push(gri_stack_cache *cache, gri_stack *stack)
{
    unsigned size_class = stack->size_class;
    stack->next = cache->warm[size_class];
    cache->warm[size_class] = stack;
    cache->warm_count[size_class]++;
    gri_count_owner(&cache->warm_total, 1u); /* relaxed: a counter */
}

/* Half a cache of warm stacks from the arena's list, else some cold slots. */
static GRI_NOINLINE bool refill(gri_stack_cache *cache, unsigned size_class)
{
    class_lists *c = &arena.classes[size_class];
    uint32_t wanted = GRI_MAX(warm_max(cache, size_class) / 2, 1u);
    pthread_mutex_lock(&arena.lock);
    while (wanted > 0 && c->warm) {
        gri_stack *stack = c->warm;
        c->warm = stack->next;
        c->warm_count--;
        warm_push(cache, stack);
        wanted--;
    }
    c->warm_low = GRI_MIN(c->warm_low, c->warm_count);
    if (!cache->warm[size_class]) {
        while (cache->cold_count[size_class] < GRI_STACK_COLD_KEPT) {
            uint32_t slot = cold_take_locked(size_class);
            if (slot == NO_SLOT) break;
            cache->cold[size_class][cache->cold_count[size_class]++] = slot;
        }
    }
    pthread_mutex_unlock(&arena.lock);
    return cache->warm[size_class] || cache->cold_count[size_class] > 0;
}

static GRI_NOINLINE gri_stack *take_cold(gri_stack_cache *cache, unsigned size_class)
{
    uint32_t slot = cache->cold[size_class][cache->cold_count[size_class] - 1];
    if (!slot_guard(slot)) return NULL;
    cache->cold_count[size_class]--;
    return record_init(size_class, slot);
}

gri_stack *gri_stack_take(gri_stack_cache *cache, unsigned size_class)
{
    GRI_DEBUG_ASSERT(size_class < GRI_STACK_CLASSES);
    gri_stack *stack = cache->warm[size_class];
    if (GRI_UNLIKELY(!stack && cache->cold_count[size_class] == 0)) {
        if (!refill(cache, size_class)) return NULL;
        stack = cache->warm[size_class];
    }
    if (GRI_LIKELY(stack != NULL)) {
        cache->warm[size_class] = stack->next;
        cache->warm_count[size_class]--;
        gri_count_owner(&cache->warm_total, UINT64_MAX); /* relaxed: a counter */
    } else {
        stack = take_cold(cache, size_class);
        if (!stack) return NULL;
    }
    GRI_DEBUG_ASSERT(!stack->taken);
    stack->taken = 1;
    gri_count_owner(&cache->taken, 1u); /* relaxed: a counter */
    return stack;
}

void gri_stack_give(gri_stack_cache *cache, gri_stack *stack)
{
    if (GRI_UNLIKELY(!stack->taken)) gri_panic("stack %u given back twice", stack->slot);
    stack->taken = 0;
    gri_store_relaxed(&stack->waiting, NULL); /* relaxed: nobody parks on it */
    if (GRI_UNLIKELY(gri_stack_is_yellow_open(stack))) {
        gri_stack_close_yellow(stack);
        discard_below(stack, stack);
    }
    if (stack->guard == GRI_GUARDED_CANARY) canary_renew(stack);
    unsigned size_class = stack->size_class;
    warm_push(cache, stack);
    gri_count_owner(&cache->given, 1u); /* relaxed: a counter */
    if (GRI_UNLIKELY(cache->warm_count[size_class] > warm_max(cache, size_class)))
        warm_spill(cache, size_class, warm_max(cache, size_class) / 2);
}

/* --- trimming --- */

typedef struct trimmed {
    uint32_t slot, size_class;
} trimmed;

static int compare_slots(const void *a, const void *b)
{
    uint32_t x = ((const trimmed *)a)->slot, y = ((const trimmed *)b)->slot;
    return x < y ? -1 : x > y;
}

/* Up to TRIM_BATCH stacks, which nobody else sees meanwhile. */
static size_t trim_batch(unsigned size_class, size_t wanted)
{
    trimmed slots[TRIM_BATCH];
    size_t count = 0;
    class_lists *c = &arena.classes[size_class];
    pthread_mutex_lock(&arena.lock);
    while (count < GRI_MIN(wanted, (size_t)TRIM_BATCH) && c->warm) {
        gri_stack *stack = c->warm;
        c->warm = stack->next;
        c->warm_count--;
        slots[count++] = (trimmed){stack->slot, size_class};
    }
    c->warm_low = GRI_MIN(c->warm_low, c->warm_count);
    pthread_mutex_unlock(&arena.lock);
    if (count == 0) return 0;
    qsort(slots, count, sizeof slots[0], compare_slots);
    gri_vmem_range ranges[TRIM_BATCH];
    for (size_t i = 0; i < count; i++) {
        gri_context_fini(&record_of(slots[i].slot)->context);
        ranges[i] = (gri_vmem_range){slot_low(slots[i].slot), slot_bytes(size_class)};
    }
    (void)gri_vmem_discard_bulk(ranges,
                                count); /* what the kernel keeps (locked memory) is initialised anew all the same */
    pthread_mutex_lock(&arena.lock);
    for (size_t i = count; i-- > 0;) cold_give_locked(size_class, slots[i].slot);
    pthread_mutex_unlock(&arena.lock);
    return count;
}

size_t gri_stack_trim(bool all)
{
    size_t total = 0;
    for (unsigned size_class = 0; size_class < GRI_STACK_CLASSES; size_class++) {
        class_lists *c = &arena.classes[size_class];
        pthread_mutex_lock(&arena.lock);
        size_t wanted = all ? c->warm_count : c->warm_low;
        pthread_mutex_unlock(&arena.lock);
        while (wanted > 0) {
            size_t done = trim_batch(size_class, wanted);
            if (done == 0) break;
            wanted -= done;
            total += done;
        }
        pthread_mutex_lock(&arena.lock);
        c->warm_low = c->warm_count;
        pthread_mutex_unlock(&arena.lock);
    }
    return total;
}

void gri_stack_cache_spill(gri_stack_cache *cache)
{
    for (unsigned size_class = 0; size_class < GRI_STACK_CLASSES; size_class++) warm_spill(cache, size_class, 0);
}

void gri_stacks_count(gri_stack_counts *ret_counts)
{
    gri_stack_counts counts = {0};
    pthread_mutex_lock(&arena.lock);
    uint64_t taken = arena.taken_by_gone, given = arena.given_by_gone;
    for (const gri_stack_cache *cache = arena.caches; cache; cache = cache->next) {
        taken += gri_load_relaxed(&cache->taken); /* relaxed, here on: counters */
        given += gri_load_relaxed(&cache->given);
        counts.cached += gri_load_relaxed(&cache->warm_total);
    }
    for (unsigned i = 0; i < GRI_STACK_CLASSES; i++) counts.cached += arena.classes[i].warm_count;
    bool started = gri_load_relaxed(&arena.low) != NULL;
    counts.bytes_reserved = started ? (uint64_t)arena.extents << EXTENT_SHIFT : 0;
    pthread_mutex_unlock(&arena.lock);
    counts.live = taken - given;
    for (unsigned kind = 1; kind < GRI_GUARD_KINDS; kind++) {
        counts.guards[kind] = gri_load_relaxed(&arena.guards[kind]);
        counts.slots += counts.guards[kind];
    }
    counts.map_entries = counts.guards[GRI_GUARDED_PROTECT] * MAP_ENTRIES_A_SLOT;
    counts.yellow_opened = gri_load_relaxed(&arena.yellow_opened);
    counts.bytes_resident = (counts.live + counts.cached) * arena.page_bytes;
    *ret_counts = counts;
}
