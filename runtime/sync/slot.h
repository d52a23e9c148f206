/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The slot beside a worker's run queue: the one item to run next, newest wins; and another for the park that is not published yet.
 * The owner passes here with every message, so its side has no locked instruction: put and take cost 2 ns less than an exchange
 * each (see schedule/README.md). One other thread may take an item out that the owner does not get to.
 *
 *     function            who
 *     put, take_owner     the owner
 *     steal               one thread at a time that is not the owner
 *     is_empty            anybody
 *
 * Every item is returned exactly once; everything before a put is visible to whoever gets the item.
 *
 * How it is right (Dekker's, with unequal fences): the owner says that it is inside, light fence, looks whether the slot is
 * closed. The thief closes the slot, heavy fence, looks whether the owner is inside. One of the two sees the other: an owner that
 * sees it closed goes without the slot, a thief that sees the owner inside gives up. Nobody waits for anybody.
 *
 * So the owner may find that a put was not taken (the item comes back as the displaced one) and a take NULL although there is
 * an item, while a thief is at it: before it sleeps it asks is_empty. */
#ifndef GRI_SYNC_SLOT_H
#define GRI_SYNC_SLOT_H

#include "base/atomic.h"
#include "os/fence.h"

typedef struct gri_slot {
    gri_atomic_ptr item;    /* written by whoever is alone inside; published by it, and by leaving */
    gri_atomic_bool inside; /* the owner's */
    gri_atomic_u8 closed;   /* the thief's: CLOSED; and FENCED, from the beginning, where no fence is light */
} gri_slot;

#define GRI_SLOT_CLOSED 1u
#define GRI_SLOT_FENCED 2u

static inline void gri_slot_init(gri_slot *slot)
{
    gri_atomic_init(&slot->item, NULL);
    gri_atomic_init(&slot->inside, false);
    gri_atomic_init(&slot->closed, gri_fence_light_is_free() ? 0u : GRI_SLOT_FENCED);
}

static inline bool gri_slot_is_empty(gri_slot *slot)
{
    /* relaxed: a look, nothing is read through it */
    return gri_load_relaxed(&slot->item) == NULL;
}

/* The owner's look where its fence is a full one. */
static inline bool gri_slot_is_closed_fenced(gri_slot *slot)
{
    /* mo:slot.enter seq_cst <-> slot.close seq_cst: as below */
    gri_fence_light();
    /* mo:slot.enter acquire <- slot.open release: as below */
    return (gri_load_acquire(&slot->closed) & GRI_SLOT_CLOSED) != 0;
}

/* Owner. Leaves item (NULL: none) in the slot and returns what was there; false in *ret_done: a thief is at it. */
GRI_INLINE void *gri_slot_swap_owner(gri_slot *slot, void *item, bool *ret_done)
{
    gri_store_relaxed(&slot->inside, true); /* relaxed: the fence orders it */
    /* mo:slot.enter seq_cst <-> slot.close seq_cst: the owner sees the slot closed, or the thief sees the owner inside. The free
     * fence; where there is none, FENCED is always set, and the look after it does not count */
    gri_fence_free();
    /* mo:slot.enter acquire <- slot.open release: what the last thief has left */
    bool closed = gri_load_acquire(&slot->closed) != 0;
    if (GRI_UNLIKELY(closed)) closed = gri_slot_is_closed_fenced(slot);
    void *before = NULL;
    if (GRI_LIKELY(!closed)) {
        /* relaxed, both: alone inside; leaving publishes it */
        before = gri_load_relaxed(&slot->item);
        gri_store_relaxed(&slot->item, item);
    }
    *ret_done = !closed;
    /* mo:slot.leave release -> slot.close acquire: the slot as it is now, and the item */
    gri_store_release(&slot->inside, false);
    return before;
}

/* Owner. Puts an item (not NULL) and returns the one it displaces, or NULL. */
GRI_INLINE void *gri_slot_put(gri_slot *slot, void *item)
{
    bool done;
    void *before = gri_slot_swap_owner(slot, item, &done);
    return GRI_LIKELY(done) ? before : item;
}

/* Owner. Takes the item, or NULL. */
GRI_INLINE void *gri_slot_take_owner(gri_slot *slot)
{
    bool done;
    return gri_slot_is_empty(slot) ? NULL : gri_slot_swap_owner(slot, NULL, &done);
}

/* One thread at a time, not the owner. Takes the item, or NULL: there is none, the owner is just at it, or the kernel refuses the
 * fence. */
static inline void *gri_slot_steal(gri_slot *slot)
{
    if (gri_slot_is_empty(slot)) return NULL;
    /* relaxed, both: only who steals changes it; the fence orders it */
    const uint8_t open = gri_load_relaxed(&slot->closed) & GRI_SLOT_FENCED;
    gri_store_relaxed(&slot->closed, (uint8_t)(open | GRI_SLOT_CLOSED));
    /* mo:slot.close seq_cst <-> slot.enter seq_cst: see there */
    const bool fenced = gri_fence_heavy();
    void *item = NULL;
    /* mo:slot.close acquire <- slot.leave release: the slot as the owner left it, and the item */
    if (fenced && !gri_load_acquire(&slot->inside)) {
        /* relaxed, both: alone inside; opening publishes it */
        item = gri_load_relaxed(&slot->item);
        gri_store_relaxed(&slot->item, NULL);
    }
    /* mo:slot.open release -> slot.enter acquire: that the item is gone */
    gri_store_release(&slot->closed, open);
    return item;
}

#endif
