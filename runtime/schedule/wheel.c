/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "schedule/wheel.h"

#include "base/check.h"

#include <stdint.h>

#define NEAR_BITS 10
#define NEAR_MASK (GRI_WHEEL_NEAR - 1)
#define LEVEL_BITS 6
#define SLOT_MASK (GRI_WHEEL_SLOTS - 1)
#define SPAN_TICKS (UINT64_C(1) << (NEAR_BITS + LEVEL_BITS * GRI_WHEEL_FAR))
_Static_assert(GRI_WHEEL_NEAR == 1 << NEAR_BITS && GRI_WHEEL_SLOTS == 1 << LEVEL_BITS && NEAR_BITS <= 12,
               "near_words has a bit for each word");

static uint64_t tick_floor(gri_instant at)
{
    return at <= 0 ? 0 : (uint64_t)at / (uint64_t)GRI_WHEEL_TICK_NS;
}

/* Rounded up, so that nothing fires early. */
static uint64_t tick_ceiling(gri_instant at)
{
    if (at <= 0) return 0;
    return (uint64_t)at / (uint64_t)GRI_WHEEL_TICK_NS + ((uint64_t)at % (uint64_t)GRI_WHEEL_TICK_NS != 0);
}

static gri_instant tick_instant(uint64_t tick)
{
    if (tick > (uint64_t)INT64_MAX / (uint64_t)GRI_WHEEL_TICK_NS) return GRI_INSTANT_NEVER - 1;
    return (gri_instant)(tick * (uint64_t)GRI_WHEEL_TICK_NS);
}

void gri_wheel_init(gri_wheel *wheel, gri_instant now)
{
    gri_spinlock_init(&wheel->lock);
    gri_atomic_init(&wheel->earliest, GRI_INSTANT_NEVER);
    wheel->tick = tick_floor(now);
    wheel->count = 0;
    wheel->near_words = 0;
    for (unsigned word = 0; word < GRI_WHEEL_NEAR / 64; word++) wheel->near_occupied[word] = 0;
    for (unsigned slot = 0; slot < GRI_WHEEL_NEAR; slot++) gri_list_init(&wheel->near[slot]);
    for (unsigned level = 0; level < GRI_WHEEL_FAR; level++) {
        wheel->far_occupied[level] = 0;
        for (unsigned slot = 0; slot < GRI_WHEEL_SLOTS; slot++) gri_list_init(&wheel->far[level][slot]);
    }
}

void gri_wheel_entry_init(gri_wheel_entry *entry, const gri_wheel_kind *kind)
{
    gri_list_init(&entry->link);
    gri_atomic_init(&entry->wheel, NULL);
    gri_atomic_init(&entry->when, GRI_INSTANT_NEVER);
    entry->kind = kind;
    entry->last = NULL;
}

static unsigned far_shift(unsigned level)
{
    return NEAR_BITS + level * LEVEL_BITS;
}

static void near_set(gri_wheel *wheel, unsigned slot)
{
    wheel->near_occupied[slot / 64] |= UINT64_C(1) << (slot % 64);
    wheel->near_words |= UINT64_C(1) << (slot / 64);
}

static void near_clear(gri_wheel *wheel, unsigned slot)
{
    wheel->near_occupied[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    if (wheel->near_occupied[slot / 64] == 0) wheel->near_words &= ~(UINT64_C(1) << (slot / 64));
}

/* Near is what is due before the hand is where it is now again. Else the level is that of the highest bit in which the due tick
 * differs from the current one, so that an entry's slot number is always ahead of the wheel's hand on its level, and the slot is
 * reached when the hand's upper digits equal its own; then it is near. Returns that tick. */
static uint64_t insert_locked(gri_wheel *wheel, gri_wheel_entry *entry, gri_instant when)
{
    uint64_t due = tick_ceiling(when);
    if (due <= wheel->tick) due = wheel->tick + 1;
    if (due - wheel->tick >= SPAN_TICKS) due = wheel->tick + SPAN_TICKS - 1;
    if (GRI_LIKELY(due - wheel->tick < GRI_WHEEL_NEAR)) {
        unsigned slot = (unsigned)due & NEAR_MASK;
        gri_list_push_back(&wheel->near[slot], &entry->link);
        near_set(wheel, slot);
    } else {
        unsigned level = (63u - (unsigned)__builtin_clzll(due ^ wheel->tick) - NEAR_BITS) / LEVEL_BITS;
        if (level >= GRI_WHEEL_FAR) level = GRI_WHEEL_FAR - 1;
        unsigned slot = (unsigned)(due >> far_shift(level)) & SLOT_MASK;
        gri_list_push_back(&wheel->far[level][slot], &entry->link);
        wheel->far_occupied[level] |= UINT64_C(1) << slot;
        due = due >> far_shift(level) << far_shift(level);
    }
    wheel->count++;
    /* relaxed, both: read under the lock, or by the owner, whose own stores they are; when an entry comes down a level they say what
     * they said before. That it leaves the wheel is what others tell the owner (unlink_locked). */
    gri_store_relaxed(&entry->when, when);
    gri_store_relaxed(&entry->wheel, wheel);
    return due;
}

static void unlink_locked(gri_wheel *wheel, gri_wheel_entry *entry)
{
    gri_list_remove(&entry->link);
    wheel->count--;
    /* mo:wheel.unlink seq_cst <-> actor.arm seq_cst: whoever still sees the wheel has stored a deadline that fire reads */
    gri_store_seq_cst(&entry->wheel, NULL);
}

/* How far ahead of the hand the first near slot is that may have entries; 0: there is none. */
static unsigned next_near(const gri_wheel *wheel)
{
    const unsigned hand = (unsigned)wheel->tick & NEAR_MASK, first = hand / 64;
    uint64_t bits = wheel->near_occupied[first] & ~((UINT64_C(2) << (hand % 64)) - 1);
    if (bits) return first * 64 + (unsigned)__builtin_ctzll(bits) - hand;
    if (!wheel->near_words) return 0;
    /* The words behind the hand's come after those ahead of it, and its own, whose bits up to the hand are left, is the last. */
    const uint64_t ahead = wheel->near_words & ~((UINT64_C(2) << first) - 1);
    const unsigned word = (unsigned)__builtin_ctzll(ahead ? ahead : wheel->near_words);
    return (word * 64 + (unsigned)__builtin_ctzll(wheel->near_occupied[word]) - hand) & NEAR_MASK;
}

/* The first tick after `tick` at which a slot on some level must be looked at; UINT64_MAX for none. Positions behind the
 * hand on the top level belong to its next turn. */
static uint64_t next_tick(const gri_wheel *wheel)
{
    const unsigned near = next_near(wheel);
    uint64_t best = near ? wheel->tick + near : UINT64_MAX;
    for (unsigned level = 0; level < GRI_WHEEL_FAR; level++) {
        uint64_t bits = wheel->far_occupied[level];
        if (!bits) continue;
        unsigned shift = far_shift(level);
        uint64_t hand = wheel->tick >> shift;
        unsigned position = (unsigned)hand & SLOT_MASK;
        /* rotate so that the slot after the hand is bit 0 */
        unsigned rotate = (position + 1) & SLOT_MASK;
        uint64_t ahead = rotate ? (bits >> rotate) | (bits << (GRI_WHEEL_SLOTS - rotate)) : bits;
        uint64_t at = (hand + 1 + (unsigned)__builtin_ctzll(ahead)) << shift;
        if (at < best) best = at;
    }
    return best;
}

static void publish_earliest_locked(gri_wheel *wheel)
{
    uint64_t tick = wheel->count ? next_tick(wheel) : UINT64_MAX;
    gri_instant at = tick == UINT64_MAX ? GRI_INSTANT_NEVER : tick_instant(tick);
    /* relaxed: a hint for sleepers, corrected under the lock by whoever fires */
    gri_store_relaxed(&wheel->earliest, at);
}

bool gri_wheel_arm(gri_wheel *wheel, gri_wheel_entry *entry, gri_instant when)
{
    /* Another wheel may be firing it at this moment; from here on nobody would wait for that. This one does it under the lock. */
    if (entry->last != wheel)
        gri_wheel_quiesce(entry);
    else
        gri_wheel_cancel(entry);
    entry->last = wheel;
    gri_spinlock_lock(&wheel->lock);
    gri_instant at = tick_instant(insert_locked(wheel, entry, when));
    bool earlier = at < gri_load_relaxed(&wheel->earliest); /* relaxed: only changed under this lock */
    /* relaxed: a hint for sleepers, corrected under the lock by whoever fires */
    if (earlier) gri_store_relaxed(&wheel->earliest, at);
    gri_spinlock_unlock(&wheel->lock);
    return earlier;
}

bool gri_wheel_cancel(gri_wheel_entry *entry)
{
    for (;;) {
        /* relaxed: the owner's own store, or that it has left the wheel; only to take the right lock, and checked again under it */
        gri_wheel *wheel = gri_load_relaxed(&entry->wheel);
        if (!wheel) return false;
        gri_spinlock_lock(&wheel->lock);
        bool here = gri_load_relaxed(&entry->wheel) == wheel; /* relaxed: stable under the lock of the wheel it names */
        if (here) {
            unlink_locked(wheel, entry);
            if (wheel->count == 0) publish_earliest_locked(wheel);
        }
        gri_spinlock_unlock(&wheel->lock);
        if (here) return true;
    }
}

void gri_wheel_quiesce(gri_wheel_entry *entry)
{
    if (gri_wheel_cancel(entry) || !entry->last) return;
    /* Only the wheel it was in last can be firing it, and it fires under its lock. */
    gri_spinlock_lock(&entry->last->lock);
    gri_spinlock_unlock(&entry->last->lock);
}

static void fire_one_locked(gri_wheel *wheel, gri_wheel_entry *entry, gri_instant now)
{
    gri_instant when = gri_load_relaxed(&entry->when); /* relaxed: under the lock */
    /* It comes down from a higher level; even if it is late already, for those before it go first. */
    if (tick_ceiling(when) > wheel->tick) {
        wheel->count--;
        gri_list_remove(&entry->link);
        (void)insert_locked(wheel, entry, when);
        return;
    }
    unlink_locked(wheel, entry);
    entry->kind->fire(entry, now);
}

/* Entries come from far away, and so does what they fire: while one is fired, the next one, which has just come, says what it will
 * touch, and the one after it is on its way: 2 to 4 % of a sleep of 100,000 actors. */
static void soon(gri_list *link, const gri_list *due)
{
    GRI_PREFETCH_WRITE(link->next);
    if (link == due) return;
    const gri_wheel_entry *entry = GRI_LIST_ENTRY(link, gri_wheel_entry, link);
    if (entry->kind->soon) entry->kind->soon(entry);
}

/* Fires, or sorts in again, what is in the slot. False: the limit was reached, and the rest is there again. */
static bool empty_slot_locked(gri_wheel *wheel, gri_list *entries, gri_instant now, unsigned limit, unsigned *fired)
{
    gri_list due;
    gri_list_init(&due);
    gri_list_splice_back(&due, entries);
    for (gri_list *link; (link = gri_list_first(&due)) != NULL; (*fired)++) {
        if (*fired >= limit) {
            gri_list_splice_back(entries, &due);
            return false;
        }
        soon(link->next, &due);
        fire_one_locked(wheel, GRI_LIST_ENTRY(link, gri_wheel_entry, link), now);
    }
    return true;
}

/* Handles the slots that the hand passes when it moves to `tick`, the highest level first; false when the limit was reached before
 * the end: the next call fires the rest, from the same slot. */
static bool advance_locked(gri_wheel *wheel, uint64_t tick, gri_instant now, unsigned limit, unsigned *fired)
{
    for (unsigned level = GRI_WHEEL_FAR; level-- > 0;) {
        unsigned shift = far_shift(level);
        if (tick & ((UINT64_C(1) << shift) - 1)) continue; /* the hand of this level does not move at this tick */
        unsigned slot = (unsigned)(tick >> shift) & SLOT_MASK;
        wheel->far_occupied[level] &= ~(UINT64_C(1) << slot);
        if (!empty_slot_locked(wheel, &wheel->far[level][slot], now, limit, fired)) {
            wheel->far_occupied[level] |= UINT64_C(1) << slot;
            return false;
        }
    }
    unsigned slot = (unsigned)tick & NEAR_MASK;
    near_clear(wheel, slot);
    if (empty_slot_locked(wheel, &wheel->near[slot], now, limit, fired)) return true;
    near_set(wheel, slot);
    return false;
}

unsigned gri_wheel_fire(gri_wheel *wheel, gri_instant now, unsigned limit)
{
    if (gri_wheel_earliest(wheel) > now) return 0;
    if (!gri_spinlock_try(&wheel->lock)) return 0;
    unsigned fired = 0;
    uint64_t target = tick_floor(now);
    while (wheel->count) {
        uint64_t tick = next_tick(wheel);
        if (tick > target) break;
        wheel->tick = tick;
        if (!advance_locked(wheel, tick, now, limit, &fired)) {
            wheel->tick = tick - 1; /* not through: the same slots are ahead of the hand again */
            break;
        }
    }
    if (wheel->count == 0 || next_tick(wheel) > target) wheel->tick = target > wheel->tick ? target : wheel->tick;
    publish_earliest_locked(wheel);
    gri_spinlock_unlock(&wheel->lock);
    return fired;
}
