/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Stacks for green threads: slots of one reserved arena, with guards, reused while warm.
 *
 * A slot, from its low end:
 *
 *     | red page | yellow zone | usable ................ | gri_stack | colour |
 *
 * Red faults always. Yellow faults too; the fault handler may open it (gri_stack_open_yellow), so that the code that
 * overflowed, libc's included, gets to a place where its green thread can be ended. Yellow is 16 KB; 8 KB in slots of
 * 32 KB, 4 KB in slots of 16 KB, which leaves 19 and 7 KB usable (sizes grow where pages are larger than 4 KB). The record, with the context, sits at the top of the page
 * that is touched first anyway: an idle green thread costs this one page and 8 bytes, plus page tables. Tops differ by up
 * to 960 bytes from slot to slot, so that they do not share cache sets.
 *
 * Guards are decided per slot when it is first used, by the mode, and stay:
 *     install   kernel guard markers: no map entries, 1.1 us once (Linux 6.13; fails on locked memory)
 *     protect   PROT_NONE, while the budget of map entries lasts: two a slot, an eighth of the limit is left to others
 *     canary    none: red and yellow must read as zeros, gri_stack_check looks. Costs no memory either
 *   mode auto tries them in this order; install, protect and canary fall back to canary only; require refuses stacks that
 *   neither install nor protect could guard.
 *
 *   function                       who
 *   gri_stacks_start, _stop        one thread, no stack in use
 *   gri_stack_take, _give          the cache's owner; a stack may be given to another cache than it was taken from
 *   gri_stack_trim, _counts        any thread
 *   gri_stack_find, _open_yellow   any thread, signal handlers too
 *   the rest                       who has the stack
 *
 * Taking a warm stack is a pop, preparing it a few stores. Stacks wander from cache to cache through a list of the arena,
 * half a cache at a time. What stays there unused is discarded by gri_stack_trim, neighbours in one call (0.3 us a stack
 * against 2.0 one by one, and 2.1 to touch it again: measured). Never huge pages. */
#ifndef GRI_MEMORY_STACK_H
#define GRI_MEMORY_STACK_H

#include "base/atomic.h"
#include "context/context.h"

#define GRI_STACK_BYTES_MIN ((size_t)16 << 10)
#define GRI_STACK_BYTES_MAX ((size_t)16 << 20)
#define GRI_STACK_BYTES_DEFAULT ((size_t)64 << 10)
#define GRI_STACK_CLASSES 11u
#define GRI_STACK_COLD_KEPT 8u

typedef enum gri_guard_mode {
    GRI_GUARD_AUTO,
    GRI_GUARD_INSTALL,
    GRI_GUARD_PROTECT,
    GRI_GUARD_CANARY,
    GRI_GUARD_REQUIRE,
} gri_guard_mode;

/* What a slot got. */
typedef enum gri_guard_kind {
    GRI_GUARDED_NOT_YET,
    GRI_GUARDED_INSTALL,
    GRI_GUARDED_PROTECT,
    GRI_GUARDED_CANARY,
    GRI_GUARD_KINDS
} gri_guard_kind;

typedef enum gri_stack_zone {
    GRI_ZONE_NONE, /* not in the arena, or in no stack that is taken */
    GRI_ZONE_USABLE,
    GRI_ZONE_YELLOW,
    GRI_ZONE_RED,
    GRI_ZONE_TOP /* the record and the colour above it */
} gri_stack_zone;

typedef struct gri_stack {
    gri_context context; /* who suspends on this stack saves it here */
    gri_atomic_u32 parked_ms,
        parked_number;      /* the holder's: when it suspended, and which time that was: see gri_task_park */
    gri_atomic_ptr waiting; /* the holder's: what for (actor/waiting.h); NULL in a stack that was given back */
    struct gri_stack *next; /* the holder's while taken, then the cache's */
    char *low;              /* lowest usable byte: the end of yellow */
    char *yellow_low;       /* the end of red */
    uint32_t slot;
    uint8_t size_class;
    uint8_t taken;
    uint8_t guard;             /* gri_guard_kind */
    gri_atomic_u8 yellow_open; /* written by the fault handler on the holder's own thread; relaxed: a flag */
} gri_stack;

typedef struct gri_stack_options {
    gri_guard_mode guard;
    size_t arena_bytes; /* address space; 0: a terabyte, less where the system has less to give */
} gri_stack_options;

/* One a worker. */
typedef struct gri_stack_cache {
    gri_stack *warm[GRI_STACK_CLASSES];
    uint32_t warm_count[GRI_STACK_CLASSES];
    uint32_t cold[GRI_STACK_CLASSES][GRI_STACK_COLD_KEPT]; /* slots */
    uint8_t cold_count[GRI_STACK_CLASSES];
    uint32_t capacity;
    gri_atomic_u64 taken, given, warm_total; /* written by the owner; relaxed: counters */
    struct gri_stack_cache *next, *prev;     /* under the arena's lock */
} gri_stack_cache;

typedef struct gri_stack_counts {
    uint64_t live;                    /* taken and not given back */
    uint64_t cached;                  /* warm, in caches and in the arena's lists */
    uint64_t slots;                   /* ever used */
    uint64_t guards[GRI_GUARD_KINDS]; /* slots by what they got */
    uint64_t map_entries;             /* that guards cost now */
    uint64_t yellow_opened;           /* since the start */
    uint64_t bytes_reserved;
    uint64_t bytes_resident; /* estimate: a page for each live and cached stack */
} gri_stack_counts;

/* Reserves the arena. NULL: defaults. GR_ENOMEM; GR_EINVAL: not a mode; GR_EINUSE: started already. */
GRI_MUST_CHECK int gri_stacks_start(const gri_stack_options *options);
/* Ends the arena; all caches are finished before. GR_EINUSE: stacks are live; the arena then stays, and the next start goes
 * on with it. */
int gri_stacks_stop(void);

/* The size class for at least this many bytes, guards included: class c has 16 KB << c. GR_ETOOBIG beyond 16 MB. */
int gri_stack_class(size_t bytes);

/* capacity: warm stacks kept per size class (fewer of classes beyond 256 KB); at least 2. */
void gri_stack_cache_init(gri_stack_cache *cache, uint32_t capacity);
/* Hands what is left to the arena's lists. */
void gri_stack_cache_fini(gri_stack_cache *cache);

/* A stack with no frames on it: call gri_stack_prepare. NULL: no memory, the arena is full, or no guard though required. */
GRI_MUST_CHECK gri_stack *gri_stack_take(gri_stack_cache *cache, unsigned size_class);
/* The stack's frames are dead: never the stack the caller stands on. Closes yellow. */
void gri_stack_give(gri_stack_cache *cache, gri_stack *stack);

/* What stayed unused in the arena's lists since the last call goes back to the system; all: all that is there. Returns the
 * number of stacks. From idle, a few times a second. */
size_t gri_stack_trim(bool all);
/* Hands one's own cache to the arena's lists, where a trim finds it: before a long sleep. */
void gri_stack_cache_spill(gri_stack_cache *cache);

GRI_INLINE void gri_stack_prepare(gri_stack *stack, gri_context_entry entry, void *arg)
{
    gri_context_prepare(&stack->context, stack->yellow_low, (size_t)((char *)stack - stack->yellow_low), entry, arg);
}

/* Which zone of a stack that is taken the address is in and, unless NONE, whose. Async-signal-safe. */
gri_stack_zone gri_stack_find(const void *address, gri_stack **ret_stack);
/* Makes yellow usable until the stack is given back. Async-signal-safe. GR_ESYSTEM: could not, treat it as red. */
int gri_stack_open_yellow(gri_stack *stack);
GRI_INLINE bool gri_stack_is_yellow_open(const gri_stack *stack)
{
    return gri_load_relaxed(&stack->yellow_open) != 0; /* relaxed: written by this thread, if at all */
}

/* gri_stack_give does it. What was in yellow is lost. */
void gri_stack_close_yellow(gri_stack *stack);
/* Who overflowed it has been thrown away, and its holder goes on in a frame near the top: closes yellow, and what lies more than a
 * page below the frame goes back to the system. gri_stack_give does as much where yellow is open. */
void gri_stack_overflown(gri_stack *stack, const void *frame);

typedef enum gri_stack_verdict {
    GRI_STACK_FINE,
    GRI_STACK_OVERFLOWN, /* yellow was used */
    GRI_STACK_BROKEN     /* red was written: the slot below may be damaged. Only without guards */
} gri_stack_verdict;

/* Whether the stack has overflown since it was taken. With guards: whether yellow was opened. Without: looks at a line in
 * every kilobyte of yellow and red, some 20 ns. */
gri_stack_verdict gri_stack_check(const gri_stack *stack);
/* The most bytes ever used, from the top, by this holder or those before it while the slot was warm. */
size_t gri_stack_high_water(const gri_stack *stack);

GRI_INLINE gri_guard_kind gri_stack_guard(const gri_stack *stack)
{
    return (gri_guard_kind)stack->guard;
}

void gri_stacks_count(gri_stack_counts *ret_counts);

#endif
