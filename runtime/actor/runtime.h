/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The running runtime: what the actor layer shares. One at a time; started and stopped under a lock (runtime.c).
 *
 * Everything here is constant between start and stop but the counters and the clock tick, so any thread may read it. */
#ifndef GRI_ACTOR_RUNTIME_H
#define GRI_ACTOR_RUNTIME_H

#include "actor/actor.h"
#include "actor/settings.h"
#include "message/copy.h"

enum gri_runtime_state { GRI_RUNTIME_DOWN, GRI_RUNTIME_UP, GRI_RUNTIME_STOPPING };

typedef struct gri_runtime {
    gri_settings settings;
    gri_table actors;
    gri_topology *topology;
    gri_atomic_u32 state;       /* enum gri_runtime_state; written under the start lock */
    gri_atomic_u32 actor_limit; /* one past the highest index ever used; grows only */
    uint32_t generation_saved;  /* the highest of slots whose memory went back to the system; written by who trims */
    uint32_t generation_base;   /* even, beyond all generations of earlier runs: their addresses stay dead */
    gri_parker stopper;         /* notified when an actor ends while somebody waits in gr_stop */
    gri_atomic_bool stop_waits;
    /* Counted where no worker's own counter will do: by attached and foreign threads, and for rare things. */
    gri_atomic_u64 spawned, ended, messages, dead_letters, discarded, dropped, rejected, overflows, deadlocks,
        displaced, expired;
    gri_instant started; /* on the system's monotonic clock */
} gri_runtime;

extern gri_runtime gri_runtime_now;

/* What is told of ready descriptors; set by io/ before it watches the first one. */
extern gri_poller_report *gri_poll_reporter;

/* Calls fn in every gr_stop from now on, when no actor is left and the workers still run; the latest registered first. Once per
 * fn and process; under the caller's own lock, before what fn ends is begun. Layers above tell it what they have to end. */
#define GRI_AT_STOP_MAX 4
void gri_runtime_at_stop(void (*fn)(void));

/* What observe/, the layer above, does around a run: called after everything but the workers is there, and after the last worker has
 * ended. The only calls upwards by name. Defined there. */
GR_MUST_CHECK int gri_observe_begin(gr_detail *detail);
void gri_observe_end(void);

bool gri_runtime_is_up(void);
bool gri_runtime_is_down(void);
/* Is this process a fork of the one that started the runtime? One load. */
extern gri_atomic_bool gri_runtime_in_child;
GRI_INLINE bool gri_runtime_forked(void)
{
    return gri_load_relaxed(&gri_runtime_in_child); /* relaxed: set in a child that has one thread */
}
/* The child of a fork has come back from the actor that forked: there is nothing here for it to go on with. */
GRI_NORETURN void gri_runtime_end_child(void);
/* What every call that acts for an actor begins with: 0, GR_ECONTEXT (it does not run here), GR_EFORKED. */
GR_MUST_CHECK GRI_INLINE int gri_acting(const gr_self *self)
{
    if (GRI_LIKELY(gri_self_is_here(self))) return 0; /* nobody is, in a fork */
    return gri_runtime_forked() ? GR_EFORKED : GR_ECONTEXT;
}
/* The block an address points to, if it is in use by that very life at this moment; NULL for stale, dead, none. */
GRI_INLINE gr_self *gri_actor_find(gr_address address)
{
    uint32_t index = (uint32_t)address.id, generation = (uint32_t)(address.id >> 32);
    /* relaxed: an address is only known after its slot was in use, and whatever carried it here published that */
    if (GRI_UNLIKELY(!(generation & 1) || index >= gri_load_relaxed(&gri_runtime_now.actor_limit))) return NULL;
    gr_self *self = (gr_self *)(void *)gri_runtime_now.actors.base + index;
    /* A moment's answer; acting on it goes through the mailbox word or a lock, which check again.
     * mo:actor.find acquire <- actor.begin release */
    return GRI_LIKELY(gri_load_acquire(&self->generation) == generation) ? self : NULL;
}
/* Its lines will be written soon. Of any address. */
GRI_INLINE void gri_actor_prefetch(gr_address address)
{
    const uintptr_t self = (uintptr_t)gri_runtime_now.actors.base + (uint32_t)address.id * sizeof(gr_self);
    for (size_t line = 0; line < sizeof(gr_self); line += GRI_CACHE_LINE)
        GRI_PREFETCH_WRITE((const void *)(self + line));
}
/* The same, NULL too if its mailbox has a bound. */
GRI_INLINE gr_self *gri_actor_find_unbounded(gr_address address)
{
#if defined(__x86_64__) || defined(__aarch64__)
    uint32_t index = (uint32_t)address.id, generation = (uint32_t)(address.id >> 32);
    /* relaxed: see gri_actor_find */
    if (GRI_UNLIKELY(!(generation & 1) || index >= gri_load_relaxed(&gri_runtime_now.actor_limit))) return NULL;
    gr_self *self = (gr_self *)(void *)gri_runtime_now.actors.base + index;
    /* mo:actor.find acquire <- actor.begin release: see gri_actor_find */
    if (GRI_UNLIKELY(gri_load_acquire(&self->generation_and_max) != generation)) return NULL;
    if (!self) __builtin_unreachable(); /* or it is asked after again */
    return self;
#else
    (void)address;
    return NULL;
#endif
}
gr_value gri_runtime_null(void);
static inline gri_copy_mode gri_runtime_copy_mode(void)
{
    return (gri_copy_mode)gri_runtime_now.settings.copy;
}
/* Coarse time for envelopes: milliseconds, wrapping. */
static inline uint32_t gri_runtime_tick(void)
{
    return gri_scheduler_tick();
}
/* What a worker's `upper` counts. */
enum gri_upper { GRI_UPPER_MESSAGES, GRI_UPPER_SPAWNED, GRI_UPPER_ENDED, GRI_UPPER_DEAD_LETTERS };
/* The worker that runs the sender; NULL: an attached thread, or nobody, sends. */
GRI_INLINE gri_worker *gri_worker_of_sender(const gr_self *from)
{
    return GRI_LIKELY(from && !(from->flags & GRI_ATTACHED)) ? from->task.worker : NULL;
}
GRI_INLINE void gri_runtime_count_message(gri_worker *worker)
{
    /* relaxed, both: counters */
    if (GRI_LIKELY(worker != NULL))
        gri_count_owner(&worker->upper[GRI_UPPER_MESSAGES], 1u);
    else
        gri_add_relaxed(&gri_runtime_now.messages, 1u);
}
void gri_runtime_count_dead_letter(void);
void gri_runtime_count_dropped(void);
void gri_runtime_count_rejected(void);
void gri_runtime_count_deadlock(void);
void gri_runtime_count_displaced(void);
void gri_runtime_count_expired(void);
void gri_runtime_count_discarded(uint64_t messages);
/* An actor was spawned or has ended, on this thread. */
void gri_runtime_count_spawned(void);
void gri_runtime_count_ended(void);

#endif
