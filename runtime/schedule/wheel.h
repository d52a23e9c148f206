/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A hierarchical timing wheel (Varghese and Lauck, SOSP 1987): one per worker, under a small lock, so that the wheel of a
 * sleeping or stuck worker is fired by whoever gets there.
 *
 * Entries are embedded in what waits and owned by it. An entry is in at most one wheel; `entry->wheel` says which, and is
 * changed only under that wheel's lock. `fire` runs under the lock, after the entry has left the wheel: it must be short and
 * must not arm or cancel entries of any wheel. (It could not put its own entry back either: the owner may be arming it on
 * another wheel at that moment.) Cancelling takes the lock, so when gri_wheel_cancel returns true, fire will not run; when
 * it returns false, fire has run or is about to return: gri_wheel_quiesce waits for that, and so does gri_wheel_arm when an entry goes
 * to another wheel, so that only the wheel it was in last can be firing it.
 *
 * Resolution is one tick (GRI_WHEEL_TICK_NS); an entry never fires early. The next 1,024 ticks, 134 ms, have a slot each, so that most
 * entries are touched twice in all, not again when they come down a level; five levels of 64 slots above reach four years, further
 * entries wait in the last slot and are sorted in again. Insert and cancel are O(1); the earliest deadline of a wheel is kept in an
 * atomic that may be too early, never too late.
 *
 * Two classes of caller: gri_wheel_fire and gri_wheel_earliest from any thread, the rest from whoever owns the entry. */
#ifndef GRI_SCHEDULE_WHEEL_H
#define GRI_SCHEDULE_WHEEL_H

#include "base/atomic.h"
#include "base/instant.h"
#include "base/list.h"
#include "sync/spinlock.h"

#define GRI_WHEEL_NEAR 1024                  /* slots of the first level */
#define GRI_WHEEL_FAR 5                      /* levels above it */
#define GRI_WHEEL_SLOTS 64                   /* of each */
#define GRI_WHEEL_TICK_NS (INT64_C(1) << 17) /* 131 µs: guess; sleeping finer than a futex wake costs is no use */

typedef struct gri_wheel_entry gri_wheel_entry;

/* What entries of one kind do, constant. `soon` may be NULL; it is called under the lock as well, some entries before fire, which may
 * be another call's or never: it prefetches what fire will touch. */
typedef struct gri_wheel_kind {
    void (*fire)(gri_wheel_entry *entry, gri_instant now);
    void (*soon)(const gri_wheel_entry *entry);
} gri_wheel_kind;

struct gri_wheel_entry {
    gri_list link;
    gri_atomic_ptr wheel;   /* written under the wheel's lock; NULL: in none. Read by the owner to skip the lock */
    gri_atomic_i64 when;    /* written under the lock while linked; read by the owner */
    struct gri_wheel *last; /* the wheel it was in last: written by the owner, in arm */
    const gri_wheel_kind *kind;
};

typedef struct gri_wheel {
    gri_spinlock lock;
    gri_atomic_i64 earliest; /* written under the lock; read by everybody who decides how long to sleep */
    uint64_t tick;           /* everything up to and with this tick has been fired */
    uint64_t count;
    /* A set bit may stand for an empty slot, until the hand gets there. */
    uint64_t far_occupied[GRI_WHEEL_FAR];
    uint64_t near_words; /* which words of the next are not zero */
    uint64_t near_occupied[GRI_WHEEL_NEAR / 64];
    gri_list far[GRI_WHEEL_FAR][GRI_WHEEL_SLOTS];
    gri_list near[GRI_WHEEL_NEAR];
} gri_wheel;

void gri_wheel_init(gri_wheel *wheel, gri_instant now);

void gri_wheel_entry_init(gri_wheel_entry *entry, const gri_wheel_kind *kind);

/* Puts the entry into the wheel, or moves it there. True if it is now the wheel's earliest: someone who sleeps may have to
 * be woken. */
bool gri_wheel_arm(gri_wheel *wheel, gri_wheel_entry *entry, gri_instant when);

/* Takes the entry out. True if it was in a wheel. */
bool gri_wheel_cancel(gri_wheel_entry *entry);

/* Cancels, and waits until a fire that is under way has returned: afterwards the entry's memory may go. */
void gri_wheel_quiesce(gri_wheel_entry *entry);

/* Fires what is due, at most `limit` entries under one hold of the lock. Returns how many; `limit` means call again.
 * A wheel somebody else is firing is left to them (0). */
unsigned gri_wheel_fire(gri_wheel *wheel, gri_instant now, unsigned limit);

/* Not later than the earliest entry's deadline; GRI_INSTANT_NEVER for an empty wheel. */
static inline gri_instant gri_wheel_earliest(const gri_wheel *wheel)
{
    /* relaxed: a hint; whoever inserted an earlier one also looks for sleepers, see scheduler.h */
    return gri_load_relaxed(&((gri_wheel *)(uintptr_t)wheel)->earliest);
}

#endif
