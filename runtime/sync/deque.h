/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A worker's run queue: a bounded ring of pointers, first in first out, that thieves take half of in one step.
 *
 *     head -->  [ oldest ........ newest ]  <-- tail
 *     owner and thieves take here              the owner pushes here
 *
 *     function                      who may call it
 *     push_, pop_, look_owner       the owner: one thread at a time
 *     steal_half(victim, thief)     the owner of `thief`, concurrently with everything on `victim`
 *     steal_array, count            anybody, concurrently with everything
 *
 * Every item is returned exactly once. Everything before a push is visible to whoever gets the item. Items leave in the
 * order of their pushes. The owner's operations are lock-free (they fail only because a thief succeeded), thieves too:
 * a thief that stops in the middle holds up nobody and loses nothing.
 *
 * How it is right: head and tail only grow. A thief reads slots that the owner may be overwriting (they are atomics, so
 * that is a stale value, not a race), then moves head past them by a compare-and-swap: had the owner reused any of these
 * slots, it would have seen head beyond them first, and the swap would fail. There is no ABA: indices have 64 bits and do
 * not wrap (at one operation a nanosecond they last 584 years); with 32 bits a thief that sleeps through exactly 2^32 takes
 * would claim items it read before them.
 *
 * Rejected: Chase-Lev, whose owner takes the newest: same cost (5.3 ns against 3.6 for a push and a pop), starves the
 * oldest, steals one at a time. Two-step steals (claim, copy, release): a thief descheduled in between blocks the others. */
#ifndef GRI_SYNC_DEQUE_H
#define GRI_SYNC_DEQUE_H

#include "base/atomic.h"

#ifndef GRI_DEQUE_CAPACITY
#define GRI_DEQUE_CAPACITY 256 /* a power of two; tests shrink it to 4 */
#endif

_Static_assert(GRI_DEQUE_CAPACITY >= 2 && (GRI_DEQUE_CAPACITY & (GRI_DEQUE_CAPACITY - 1)) == 0, "a power of two");

typedef struct gri_deque {
    /* owner and thieves: index of the oldest item; publishes that the slots before it have been read */
    GRI_ALIGNED(GRI_CACHE_LINE) gri_atomic_u64 head;
    /* owner: index after the newest item; publishes slots and items */
    GRI_ALIGNED(GRI_CACHE_LINE) gri_atomic_u64 tail;
    /* owner */
    GRI_ALIGNED(GRI_CACHE_LINE) gri_atomic_ptr slots[GRI_DEQUE_CAPACITY];
} gri_deque;

void gri_deque_init(gri_deque *deque);

/* How many items there are: exact for an owner without thieves, else an estimate between 0 and the capacity. After a
 * gri_fence_seq_cst (gri_idle_announce has one), 0 means that every item pushed before an earlier fence has been taken. */
static inline size_t gri_deque_count(gri_deque *deque)
{
    /* relaxed: an estimate, nothing is read through it. Head first: a later tail can only make it larger. */
    const uint64_t head = gri_load_relaxed(&deque->head);
    const uint64_t tail = gri_load_relaxed(&deque->tail);
    const uint64_t count = tail - head;
    if ((int64_t)count <= 0) return 0;
    return count < GRI_DEQUE_CAPACITY ? (size_t)count : GRI_DEQUE_CAPACITY;
}

/* Owner. False if the ring is full. */
static inline bool gri_deque_push_owner(gri_deque *deque, void *item)
{
    /* relaxed: the owner's own */
    const uint64_t tail = gri_load_relaxed(&deque->tail);
    /* mo:deque.push acquire <- deque.steal release: thieves have read the slot about to be reused */
    const uint64_t head = gri_load_acquire(&deque->head);
    if (GRI_UNLIKELY(tail - head >= GRI_DEQUE_CAPACITY)) return false;
    /* relaxed: published by the tail below */
    gri_store_relaxed(&deque->slots[tail % GRI_DEQUE_CAPACITY], item);
    /* mo:deque.push release -> deque.steal acquire: publishes the slot and the item */
    gri_store_release(&deque->tail, tail + 1);
    return true;
}

/* Owner. The oldest item, or NULL. */
static inline void *gri_deque_pop_owner(gri_deque *deque)
{
    /* relaxed, all of them: slots and items are the owner's own writes, and no one waits for these slots to be read but
     * the owner itself. The swap continues the release sequence of the steals before it. */
    const uint64_t tail = gri_load_relaxed(&deque->tail);
    uint64_t head = gri_load_relaxed(&deque->head);
    while (head != tail) {
        void *item = gri_load_relaxed(&deque->slots[head % GRI_DEQUE_CAPACITY]);
        /* relaxed: see above */
        if (gri_cas_weak_relaxed(&deque->head, &head, head + 1)) return item;
    }
    return NULL;
}

/* Owner. What pop_owner would return, unless a thief is faster; it may be somebody else's already: not to be touched, only
 * prefetched. */
static inline void *gri_deque_look_owner(gri_deque *deque)
{
    /* relaxed, all: the owner's own writes, or a look */
    const uint64_t head = gri_load_relaxed(&deque->head);
    if (head == gri_load_relaxed(&deque->tail)) return NULL;
    return gri_load_relaxed(&deque->slots[head % GRI_DEQUE_CAPACITY]); /* relaxed: see above */
}

/* The thief's owner. Takes half of the victim's items, rounded up, as far as the thief has room: the oldest comes back to
 * be run at once, the others are pushed onto the thief in their order. Returns how many were taken with *ret_first among
 * them; 0 if there are none. */
size_t gri_deque_steal_half(gri_deque *victim, gri_deque *thief, void **ret_first);

/* Anybody, deque of its own or not. Takes at most max items, oldest first, into items. Returns how many; 0 if there are
 * none. Call it until it returns 0 to drain a stuck worker. */
size_t gri_deque_steal_array(gri_deque *victim, void **ret_items, size_t max);

#endif
