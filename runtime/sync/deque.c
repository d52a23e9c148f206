/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The deque's operations on many items. All of them read slots first and claim them by moving head afterwards: see the
 * argument in the header. */
#include "sync/deque.h"

void gri_deque_init(gri_deque *deque)
{
    gri_atomic_init(&deque->head, 0);
    gri_atomic_init(&deque->tail, 0);
    for (size_t i = 0; i < GRI_DEQUE_CAPACITY; i++) gri_atomic_init(&deque->slots[i], NULL);
}

/* How many items a thief may see between head and tail. Head is a guess that the thief's swap checks; a tail older than
 * it (the owner's takes publish nothing) counts as none, more than a ring means that head is old. */
static uint64_t seen_count(uint64_t head, uint64_t tail)
{
    const uint64_t count = tail - head;
    if ((int64_t)count <= 0) return 0;
    return count < GRI_DEQUE_CAPACITY ? count : GRI_DEQUE_CAPACITY;
}

size_t gri_deque_steal_array(gri_deque *victim, void **ret_items, size_t max)
{
    /* relaxed: a guess that the swap checks */
    uint64_t head = gri_load_relaxed(&victim->head);
    for (;;) {
        /* mo:deque.steal acquire <- deque.push release: the slots and the items */
        uint64_t count = seen_count(head, gri_load_acquire(&victim->tail));
        if (count > max) count = max;
        if (count == 0) return 0;
        for (uint64_t i = 0; i < count; i++) /* relaxed: slots come with the tail */
            ret_items[i] = gri_load_relaxed(&victim->slots[(head + i) % GRI_DEQUE_CAPACITY]);
        /* mo:deque.steal release -> deque.push acquire: these slots have been read */
        if (gri_cas_weak_release(&victim->head, &head, head + count)) return (size_t)count;
    }
}

size_t gri_deque_steal_half(gri_deque *victim, gri_deque *thief, void **ret_first)
{
    /* relaxed: the thief's own */
    const uint64_t thief_tail = gri_load_relaxed(&thief->tail);
    /* mo:deque.push acquire <- deque.steal release: thieves of the thief have read the slots about to be reused */
    const uint64_t room = GRI_DEQUE_CAPACITY - (thief_tail - gri_load_acquire(&thief->head));
    /* relaxed: a guess that the swap checks */
    uint64_t head = gri_load_relaxed(&victim->head);
    for (;;) {
        /* mo:deque.steal acquire <- deque.push release: the slots and the items */
        uint64_t count = seen_count(head, gri_load_acquire(&victim->tail));
        if (count == 0) return 0;
        count -= count / 2;
        if (count > room + 1) count = room + 1;
        /* relaxed, these three: slots come with the victim's tail, and go with the thief's */
        void *first = gri_load_relaxed(&victim->slots[head % GRI_DEQUE_CAPACITY]);
        for (uint64_t i = 1; i < count; i++) {
            void *item = gri_load_relaxed(&victim->slots[(head + i) % GRI_DEQUE_CAPACITY]);
            gri_store_relaxed(&thief->slots[(thief_tail + i - 1) % GRI_DEQUE_CAPACITY], item);
        }
        /* mo:deque.steal release -> deque.push acquire: these slots have been read */
        if (!gri_cas_weak_release(&victim->head, &head, head + count)) continue;
        /* mo:deque.push release -> deque.steal acquire: publishes the slots and, having acquired them, the items */
        if (count > 1) gri_store_release(&thief->tail, thief_tail + count - 1);
        *ret_first = first;
        return (size_t)count;
    }
}
