/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The mailbox word: many pushers, one owner, and the owner's sleep, in one atomic 64-bit word.
 *
 *     bits  0-1   state: RUNNING, WAIT_ANY, WAIT_URGENT, CLOSED
 *     bits  2-5   flags: KILL, KILL_NOW, NOTIFY, one spare
 *     bits  6-47  newest node (64-byte aligned, user addresses end below 2^48), linked to the older ones
 *     bits 48-63  tag: the low 16 bits of the owner's generation
 *
 *                    park(ANY)                        push, notify, signal
 *        RUNNING  ----------------> WAIT_ANY     ------------------------------> RUNNING   (that caller schedules)
 *        RUNNING  ----------------> WAIT_URGENT  ------------------------------> RUNNING   (push only if urgent)
 *                    park(URGENT)
 *        any  --- close (owner) --> CLOSED  --- init (the slot's next life) ---> RUNNING
 *
 * Who: the owner is whoever runs the actor the word belongs to. It alone calls take, park, peek, close and init. Anybody
 * may push, notify and signal at any time, into words of actors long dead too, as long as the memory is still a word
 * (type-stable slots): the tag, or CLOSED, refuses them. Sixteen bits are enough because the caller has compared the full
 * 32-bit generation just before: a stale push gets through only if the slot lived a multiple of 65,536 lives between
 * that comparison and the swap.
 *
 * Waking: the caller that moves the word out of a waiting state (GRI_MAIL_WOKE) gets every node the word held, its own
 * first, newest to oldest. From then on it is the only one who may touch what the owner owns: it stores the chain in the
 * owner's private inbox and schedules the owner, once. Nobody else gets WOKE until the owner has parked again.
 *
 * Order and progress: everything before a push, notify or signal is visible to the owner after the take that returns it,
 * and to whoever gets WOKE; everything the owner did before park is visible to whoever gets WOKE. Nodes of one pusher keep
 * their order. One compare-and-swap when uncontended; lock-free; take and close are wait-free. Reusing a node at once
 * (ABA) is harmless: a push only claims that the node it links to is the newest, which is what the swap compares.
 *
 * An all-zero word is RUNNING with tag 0: a slot nobody lives in must be closed. */
#ifndef GRI_SYNC_MAILWORD_H
#define GRI_SYNC_MAILWORD_H

#include "base/atomic.h"
#include "base/check.h"
#include "sync/plain.h"

/* The first member of whatever is sent; 64-byte aligned. */
typedef struct gri_mailnode {
    struct gri_mailnode *link; /* the next older node; plain memory, written by the pusher before the swap */
} gri_mailnode;

typedef struct gri_mailword {
    /* all write, all read; publishes the chain, and in park the owner's saved registers and inbox */
    gri_atomic_u64 word;
} gri_mailword;

typedef enum gri_mail {
    GRI_MAIL_QUEUED, /* in the word; the owner runs */
    GRI_MAIL_WAITS,  /* in the word; the owner waits for something more urgent */
    GRI_MAIL_WOKE,   /* the caller holds the chain and must schedule the owner */
    GRI_MAIL_DEAD    /* not the owner's life, or closed; the nodes are still the caller's */
} gri_mail;

#define GRI_MAIL_RUNNING UINT64_C(0)
#define GRI_MAIL_WAIT_ANY UINT64_C(1)    /* anything wakes */
#define GRI_MAIL_WAIT_URGENT UINT64_C(2) /* urgent nodes (control, replies), notify and signal wake */
#define GRI_MAIL_CLOSED UINT64_C(3)

#define GRI_MAIL_KILL UINT64_C(4)
#define GRI_MAIL_KILL_NOW UINT64_C(8)
#define GRI_MAIL_NOTIFY UINT64_C(16)

#define GRI_MAIL_STATE_MASK UINT64_C(3)
#define GRI_MAIL_FLAGS_MASK UINT64_C(0x3c)
#define GRI_MAIL_NODE_MASK UINT64_C(0x0000ffffffffffc0)
#define GRI_MAIL_TAG_MASK UINT64_C(0xffff000000000000)

/* What a take or close found. */
typedef struct gri_mail_taken {
    gri_mailnode *chain; /* newest first, NULL if none */
    uint64_t flags;      /* GRI_MAIL_KILL, …: consumed, the owner must act on them */
} gri_mail_taken;

static inline uint64_t gri_mailword_tag(uint32_t generation)
{
    return (uint64_t)generation << 48;
}

static inline gri_mailnode *gri_mailword_node(uint64_t word)
{
    return (gri_mailnode *)(uintptr_t)(word & GRI_MAIL_NODE_MASK);
}

/* Starts a life: RUNNING and empty. Stale pushers may be looking: their tags differ. */
static inline void gri_mailword_init(gri_mailword *mb, uint32_t generation)
{
    /* relaxed: an address reaches pushers only through something that publishes it, and with it this store */
    gri_store_relaxed(&mb->word, gri_mailword_tag(generation));
}

/* Any thread. Appends first…last, already linked from newest (first) to oldest (last); all urgent or none.
 * WOKE: *ret_chain is first, …, last, then what the word held. DEAD: last->link is NULL again, nothing else was touched. */
static inline gri_mail gri_mailword_push_chain(gri_mailword *mb, uint32_t generation, gri_mailnode *first,
                                               gri_mailnode *last, bool urgent, gri_mailnode **ret_chain)
{
    GRI_DEBUG_ASSERT(((uintptr_t)first & ~(uintptr_t)GRI_MAIL_NODE_MASK) == 0);
    const uint64_t tag = gri_mailword_tag(generation);
    /* relaxed: a guess that the swap checks */
    uint64_t seen = gri_load_relaxed(&mb->word);
    for (;;) {
        const uint64_t state = seen & GRI_MAIL_STATE_MASK;
        if (GRI_UNLIKELY((seen & GRI_MAIL_TAG_MASK) != tag || state == GRI_MAIL_CLOSED)) {
            gri_plain_write(&last->link, NULL);
            return GRI_MAIL_DEAD;
        }
        gri_plain_write(&last->link, gri_mailword_node(seen));
        if (state == GRI_MAIL_WAIT_ANY || (state == GRI_MAIL_WAIT_URGENT && urgent)) {
            /* mo:mailword.wake acquire <- mailword.push release: takes over the chain
             * mo:mailword.wake acquire <- mailword.park release: takes over the owner. No release: the nodes do not go
             * through the word, the caller carries them to the owner by scheduling it */
            if (gri_cas_weak_acquire(&mb->word, &seen, tag | GRI_MAIL_RUNNING)) {
                *ret_chain = first;
                return GRI_MAIL_WOKE;
            }
        } else {
            const uint64_t next = (seen & ~GRI_MAIL_NODE_MASK) | (uint64_t)(uintptr_t)first;
            /* mo:mailword.push release -> mailword.take acquire: publishes the nodes
             * mo:mailword.push release -> mailword.wake acquire: publishes the nodes
             * mo:mailword.push release -> mailword.close acquire: publishes the nodes
             * mo:mailword.push release -> look.mailbox acquire: publishes the nodes */
            if (gri_cas_weak_release(&mb->word, &seen, next))
                return state == GRI_MAIL_WAIT_URGENT ? GRI_MAIL_WAITS : GRI_MAIL_QUEUED;
        }
    }
}

/* Any thread. As push_chain with one node. */
static inline gri_mail gri_mailword_push(gri_mailword *mb, uint32_t generation, gri_mailnode *node, bool urgent,
                                         gri_mailnode **ret_chain)
{
    return gri_mailword_push_chain(mb, generation, node, node, urgent, ret_chain);
}

/* Any thread. The most usual push in one comparison: if the owner waits for anything, and has nothing, it is woken as by push with
 * this node, and true is returned: GRI_MAIL_WOKE. False: nothing has happened, push. */
static inline bool gri_mailword_wake(gri_mailword *mb, uint32_t generation, gri_mailnode *node)
{
    const uint64_t tag = gri_mailword_tag(generation);
    /* relaxed: a guess that the swap checks */
    uint64_t seen = gri_load_relaxed(&mb->word);
    if (seen != (tag | GRI_MAIL_WAIT_ANY)) return false;
    gri_plain_write(&node->link, NULL);
    /* mo:mailword.wake acquire <- mailword.park release: takes over the owner. There is no chain but the node */
    return gri_cas_strong_acquire(&mb->word, &seen, tag | GRI_MAIL_RUNNING);
}

/* Any thread. Sets flags (one or more of GRI_MAIL_KILL, KILL_NOW, NOTIFY): the owner finds them in its next take, and its
 * next park fails. A waiting owner is woken, whatever it waits for: *ret_chain is what the word held (NULL if nothing),
 * and the flags other than NOTIFY stay in the word for the owner's first take. */
static inline gri_mail gri_mailword_signal(gri_mailword *mb, uint32_t generation, uint64_t flags,
                                           gri_mailnode **ret_chain)
{
    GRI_DEBUG_ASSERT(flags != 0 && (flags & ~GRI_MAIL_FLAGS_MASK) == 0);
    const uint64_t tag = gri_mailword_tag(generation);
    /* relaxed: a guess that the swap checks */
    uint64_t seen = gri_load_relaxed(&mb->word);
    for (;;) {
        const uint64_t state = seen & GRI_MAIL_STATE_MASK;
        if ((seen & GRI_MAIL_TAG_MASK) != tag || state == GRI_MAIL_CLOSED) return GRI_MAIL_DEAD;
        if (state == GRI_MAIL_RUNNING) {
            /* The swap happens even if every flag is set already: what this caller did before must reach the owner too.
             * mo:mailword.signal release -> mailword.take acquire: publishes what the flag announces
             * mo:mailword.signal release -> mailword.close acquire: publishes what the flag announces */
            if (gri_cas_weak_release(&mb->word, &seen, seen | flags)) return GRI_MAIL_QUEUED;
        } else {
            /* mo:mailword.wake acquire <- mailword.push release: takes over the chain
             * mo:mailword.wake acquire <- mailword.park release: takes over the owner, who learns of this by being run */
            if (gri_cas_weak_acquire(&mb->word, &seen, tag | GRI_MAIL_RUNNING | (flags & ~GRI_MAIL_NOTIFY))) {
                *ret_chain = gri_mailword_node(seen);
                return GRI_MAIL_WOKE;
            }
        }
    }
}

/* Any thread. For timers, the poller, finished blocking calls: wakes the owner or makes its next park fail. */
static inline gri_mail gri_mailword_notify(gri_mailword *mb, uint32_t generation, gri_mailnode **ret_chain)
{
    return gri_mailword_signal(mb, generation, GRI_MAIL_NOTIFY, ret_chain);
}

/* Owner. The flags that a take would return, left where they are. */
static inline uint64_t gri_mailword_flags(gri_mailword *mb)
{
    /* relaxed: a look; acting on it starts with a take */
    return gri_load_relaxed(&mb->word) & GRI_MAIL_FLAGS_MASK;
}

/* Owner. Whether a take would return anything. */
static inline bool gri_mailword_peek(gri_mailword *mb)
{
    /* relaxed: a look; acting on it starts with a take */
    return (gri_load_relaxed(&mb->word) & (GRI_MAIL_NODE_MASK | GRI_MAIL_FLAGS_MASK)) != 0;
}

/* Any thread. Whether that life goes on at this moment. */
static inline bool gri_mailword_is_open(gri_mailword *mb, uint32_t generation)
{
    /* relaxed: a moment's answer, nothing is read through it */
    const uint64_t seen = gri_load_relaxed(&mb->word);
    return (seen & GRI_MAIL_TAG_MASK) == gri_mailword_tag(generation) &&
           (seen & GRI_MAIL_STATE_MASK) != GRI_MAIL_CLOSED;
}

/* Owner, while RUNNING. Empties the word; no atomic read-modify-write if there is nothing. */
static inline gri_mail_taken gri_mailword_take(gri_mailword *mb)
{
    /* relaxed: only the owner changes the tag; the rest is a look */
    uint64_t seen = gri_load_relaxed(&mb->word);
    GRI_DEBUG_ASSERT((seen & GRI_MAIL_STATE_MASK) == GRI_MAIL_RUNNING);
    if ((seen & ~GRI_MAIL_TAG_MASK) == 0) return (gri_mail_taken){NULL, 0};
    /* mo:mailword.take acquire <- mailword.push release: the nodes
     * mo:mailword.take acquire <- mailword.signal release: what the flags announce */
    seen = gri_exchange_acquire(&mb->word, seen & GRI_MAIL_TAG_MASK);
    return (gri_mail_taken){gri_mailword_node(seen), seen & GRI_MAIL_FLAGS_MASK};
}

/* Owner, while RUNNING, or whoever acts for it after its registers are saved. state is GRI_MAIL_WAIT_ANY or
 * GRI_MAIL_WAIT_URGENT. True: the owner waits, and from this instant belongs to whoever wakes it: touch nothing of it any
 * more. False: something has arrived, take it; the state is still RUNNING. */
static inline bool gri_mailword_park(gri_mailword *mb, uint64_t state)
{
    GRI_DEBUG_ASSERT(state == GRI_MAIL_WAIT_ANY || state == GRI_MAIL_WAIT_URGENT);
    /* relaxed: only the owner changes the tag; the rest is a guess that the swap checks */
    uint64_t seen = gri_load_relaxed(&mb->word);
    if ((seen & ~GRI_MAIL_TAG_MASK) != 0) return false;
    /* mo:mailword.park release -> mailword.wake acquire: publishes the owner's saved registers and private inbox
     * mo:mailword.park release -> deadlock.hop acquire: and what it waits for, for who only looks */
    return gri_cas_strong_release(&mb->word, &seen, seen | state);
}

/* Owner, while RUNNING. Ends the life: later pushes are DEAD. Returns what had arrived before. */
static inline gri_mail_taken gri_mailword_close(gri_mailword *mb)
{
    /* relaxed: only the owner changes the tag */
    const uint64_t tag = gri_load_relaxed(&mb->word) & GRI_MAIL_TAG_MASK;
    /* mo:mailword.close acquire <- mailword.push release: the nodes
     * mo:mailword.close acquire <- mailword.signal release: what the flags announce */
    const uint64_t seen = gri_exchange_acquire(&mb->word, tag | GRI_MAIL_CLOSED);
    return (gri_mail_taken){gri_mailword_node(seen), seen & GRI_MAIL_FLAGS_MASK};
}

#endif
