/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See state.h. */
#include "actor/state.h"

#include "actor/remote.h"
#include "actor/runtime.h"
#include "actor/waiting.h"
#include "actor/watch.h"
#include "os/thread.h"

#define PIN (UINT64_C(1) << 48)
#define WATCHED UINT64_C(1) /* somebody waits for what comes next; messages are 64-byte aligned */
#define POINTER (PIN - 1 - WATCHED)
#define PINS_MAX UINT64_C(0xffff)

static gr_message *snapshot_of(uint64_t word)
{
    return (gr_message *)(uintptr_t)(word & POINTER);
}

/* Pins that were left over when the snapshot was replaced, less those given back since; wraps. */
static gri_atomic_u32 *count_of(gr_message *snapshot)
{
#ifdef GRI_EXPLORE /* whose atomics are larger, and whose snapshots have room behind */
    return (gri_atomic_u32 *)(void *)(snapshot + 1);
#else
    _Static_assert(sizeof(gri_atomic_u32) == sizeof snapshot->tick, "the count lives in the tick");
    return (gri_atomic_u32 *)(void *)&snapshot->tick;
#endif
}

static void release_snapshot(gr_message *snapshot)
{
    gr_message_free(&snapshot);
}

/* The actor has taken `word` out of the slot. */
static void retire(uint64_t word)
{
    gr_message *snapshot = snapshot_of(word);
    if (!snapshot) return;
    const uint32_t pins = (uint32_t)(word >> 48);
    if (pins == 0) {
        release_snapshot(snapshot);
        return;
    }
    /* mo:state.retire release -> state.leave acquire: the actor is done with it
     * mo:state.retire acquire <- state.leave release */
    if (gri_add_acq_rel(count_of(snapshot), pins) + pins == 0) release_snapshot(snapshot);
}

/* ---- who waits for the next one ---- */

#define BUCKETS 256 /* guess, as for links: a power of two */
#define WAKE_BATCH 32

/* On the stack of who waits. All but the constant fields are guarded by the bucket's lock. */
typedef struct waiter {
    struct waiter *next, *prev;
    gr_address watched, actor; /* constant */
    uint64_t number;           /* grows within a bucket */
    bool listed;
} waiter;

static struct bucket {
    gri_spinlock lock;
    waiter *first;
    uint64_t entered;
} buckets[BUCKETS];

static struct bucket *bucket_of(gr_address watched)
{
    return &buckets[(uint32_t)watched.id % BUCKETS];
}

static void enter(waiter *w)
{
    struct bucket *b = bucket_of(w->watched);
    gri_spinlock_lock(&b->lock);
    if (!w->listed) {
        w->listed = true;
        w->number = ++b->entered;
        w->prev = NULL;
        w->next = b->first;
        if (w->next) w->next->prev = w;
        b->first = w;
    }
    gri_spinlock_unlock(&b->lock);
}

/* Under the lock. */
static void take_out(struct bucket *b, waiter *w)
{
    if (w->prev)
        w->prev->next = w->next;
    else
        b->first = w->next;
    if (w->next) w->next->prev = w->prev;
    w->listed = false;
}

static void leave(waiter *w)
{
    struct bucket *b = bucket_of(w->watched);
    gri_spinlock_lock(&b->lock);
    if (w->listed) take_out(b, w);
    gri_spinlock_unlock(&b->lock);
}

/* Wakes who waits for that life now; who comes back meanwhile waits for the next publication. The entries are their waiters'
 * again as soon as they are out of the bucket, so only addresses leave the lock. */
GRI_COLD static void wake_waiters(gr_address watched)
{
    struct bucket *b = bucket_of(watched);
    gr_address found[WAKE_BATCH];
    uint64_t last = UINT64_MAX;
    size_t count;
    do {
        count = 0;
        gri_spinlock_lock(&b->lock);
        if (last == UINT64_MAX) last = b->entered;
        for (waiter *w = b->first, *next; w && count < WAKE_BATCH; w = next) {
            next = w->next;
            if (w->number > last || !gr_address_equal(w->watched, watched)) continue;
            take_out(b, w);
            found[count++] = w->actor;
        }
        gri_spinlock_unlock(&b->lock);
        for (size_t i = 0; i < count; i++) (void)gri_actor_notify(found[i]); /* false: it has gone */
    } while (count == WAKE_BATCH);
}

/* ---- publishing ---- */

static uint64_t swap(gr_self *self, gr_message *snapshot)
{
    /* mo:state.swap release -> state.pin acquire: publishes the snapshot
     * mo:state.swap release -> state.none acquire: or that the mailbox is closed
     * mo:state.swap acquire <- state.unpin release */
    return gri_exchange_acq_rel(&self->published, (uint64_t)(uintptr_t)snapshot);
}

int gri_state_publish(gr_self *self, gr_message **message)
{
    /* relaxed: only the actor writes the address */
    gr_message *before = snapshot_of(gri_load_relaxed(&self->published));
    gr_message *snapshot = *message;
    GRI_DEBUG_ASSERT(!(snapshot->flags & (GRI_MESSAGE_EMBEDDED | GRI_MESSAGE_HELD)));
    snapshot->sender = gri_actor_address(self);
    snapshot->reference = before ? before->reference + 1 : 1;
    gri_atomic_init(count_of(snapshot), 0);
    *message = NULL;
    const uint64_t word = swap(self, snapshot);
    retire(word);
    if (GRI_UNLIKELY(word & WATCHED)) wake_waiters(gri_actor_address(self));
    return 0;
}

void gri_state_release(gr_self *self)
{
    /* relaxed: only the actor writes the address; who set the bit before the lock under which the end was marked is seen */
    if (gri_load_relaxed(&self->published) == 0) return;
    const uint64_t word = swap(self, NULL);
    retire(word);
    if (word & WATCHED) wake_waiters(gri_actor_address(self));
}

/* NULL: nothing was published, or not any more. Whoever has to know which asks afterwards whether the life goes on: its mailbox
 * was closed before. */
static gr_message *pin(gr_self *self)
{
    for (;;) {
        /* mo:state.none acquire <- state.swap release
         * mo:state.none acquire <- state.begin release */
        uint64_t seen = gri_load_acquire(&self->published);
        if (!snapshot_of(seen)) return NULL;
        if (seen >> 48 == PINS_MAX) gri_thread_yield();
        /* mo:state.pin acquire <- state.swap release */
        else if (gri_cas_weak_acquire(&self->published, &seen, seen + PIN))
            return snapshot_of(seen);
    }
}

static void unpin(gr_self *self, gr_message *snapshot)
{
    /* relaxed: a guess that the swap checks; an address that differs says that the actor has replaced it */
    uint64_t seen = gri_load_relaxed(&self->published);
    while (snapshot_of(seen) == snapshot) {
        /* mo:state.unpin release -> state.swap acquire: this reader is done with it */
        if (gri_cas_weak_release(&self->published, &seen, seen - PIN)) return;
    }
    /* mo:state.leave release -> state.retire acquire: this reader is done with it
     * mo:state.leave acquire <- state.retire release
     * mo:state.leave release -> state.leave acquire: this reader is done with it
     * mo:state.leave acquire <- state.leave release */
    if (gri_sub_acq_rel(count_of(snapshot), 1u) == 1) release_snapshot(snapshot);
}

/* The snapshot of that very life, pinned; NULL: none, or another life's. */
static gr_message *pin_of(gr_self *self, gr_address address)
{
    gr_message *snapshot = pin(self);
    if (!snapshot || gr_address_equal(snapshot->sender, address)) return snapshot;
    unpin(self, snapshot);
    return NULL;
}

uint64_t gri_state_version(gr_address address)
{
    gr_self *self = gri_actor_find(address);
    gr_message *snapshot = self && gr_alive(address) ? pin_of(self, address) : NULL;
    if (!snapshot) return 0;
    uint64_t version = snapshot->reference;
    unpin(self, snapshot);
    return version;
}

int gr_state(gr_address address, gr_message **ret_state, uint64_t *ret_version)
{
    gr_self *self = gri_actor_find(address);
    if (gri_address_is_remote(address)) return GR_EUNSUPPORTED;
    if (!self || !gr_alive(address)) return GR_EDEAD; /* whoever was told of the death finds nothing any more */
    gr_message *snapshot = pin_of(self, address);
    if (!snapshot) return gr_alive(address) ? GR_ENOTFOUND : GR_EDEAD;
    uint64_t version = snapshot->reference;
    gr_message *copy = NULL;
    int code = gr_message_copy(gr_body(snapshot), &copy);
    unpin(self, snapshot);
    if (code != 0) return code;
    *ret_state = copy;
    if (ret_version) *ret_version = version;
    return 0;
}

/* ---- waiting for the next one ---- */

enum look { CHANGED, ENDED, SAME };

/* Sets the bit while the address is still this one; its snapshot is pinned, or NULL and the pins are none. */
static bool ask_to_be_woken(gr_self *self, const gr_message *snapshot)
{
    uint64_t seen = gri_load_relaxed(&self->published); /* relaxed: a guess that the swap checks */
    while (snapshot_of(seen) == snapshot) {
        /* relaxed: the bucket's lock publishes the waiter, and this does not go ahead of that lock's acquire: who sees the bit
         * takes the lock later */
        if ((seen & WATCHED) || gri_cas_weak_relaxed(&self->published, &seen, seen | WATCHED)) return true;
    }
    return false;
}

/* Is the version of that life another one than *version, which it then is; if not, this waiter is told of the next. */
static enum look look(gr_address address, uint64_t *version)
{
    gr_self *self = gri_actor_find(address);
    for (bool asked = false; !asked;) {
        if (!self || !gr_alive(address)) return ENDED;
        gr_message *snapshot = pin(self);
        if (snapshot && !gr_address_equal(snapshot->sender, address)) {
            unpin(self, snapshot);
            return ENDED;
        }
        if (!snapshot && !gr_alive(address)) return ENDED; /* and its state is gone already: that is no other version */
        uint64_t now = snapshot ? snapshot->reference : 0;
        if (now == *version) asked = ask_to_be_woken(self, snapshot);
        if (snapshot) unpin(self, snapshot);
        if (now == *version) continue;
        *version = now;
        return CHANGED;
    }
    return gri_watch_has_ended(address) ? ENDED : SAME;
}

/* Until something has changed. A kill is left for the caller to act on: this frame has an entry in a bucket. */
static int wait_for_change(gr_self *self, waiter *w, uint64_t *version, gr_deadline deadline)
{
    const gri_waiting waiting = {.kind = GRI_WAITING_STATE, .address = w->watched};
    for (int code = 0;;) {
        enter(w);
        switch (look(w->watched, version)) {
        case CHANGED: return 0;
        case ENDED: return GR_EDEAD;
        case SAME: break;
        }
        if (code == GR_ETIMEOUT) return gri_fail(self, code, "the deadline passed");
        if (code != 0) return code;
        gri_waiting_set(self, &waiting);
        code = gri_suspend(self, GRI_MAIL_WAIT_URGENT, deadline);
        gri_waiting_set(self, NULL);
        gri_inbox_collect(self);
        if (gri_kill_check_keeping(self) != 0) return GR_EKILLED;
    }
}

int gr_state_wait(gr_self *self, gr_address address, uint64_t *version, gr_deadline deadline)
{
    int code = gri_suspend_enter(self);
    if (code != 0) return code;
    if (!version) return gri_fail(self, GR_EINVAL, "gr_state_wait needs the version that is known");
    const gr_address me = gri_actor_address(self);
    if (gr_address_equal(address, me)) return gri_fail(self, GR_EDEADLK, "an actor cannot wait for what it publishes");
    gri_give_way(self);
    waiter w = {.watched = address, .actor = me};
    uint64_t known = *version;
    code = wait_for_change(self, &w, &known, deadline);
    leave(&w);
    if (code == 0) *version = known;
    if (code == GR_EDEAD) return gri_fail(self, code, "it has ended");
    if (code != GR_EKILLED) return code;
    int killed = gri_kill_check(self);
    return killed != 0 ? killed : code;
}

/* ---- by the actor itself ---- */

int gr_publish_site(gr_self *self, gr_site *site, const char *format, ...)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    gr_message *m = NULL;
    va_list args;
    va_start(args, format);
    code = gri_pack_for(self, &m, site, format, args);
    va_end(args);
    return code != 0 ? code : gri_state_publish(self, &m);
}

int gr_publish_value(gr_self *self, gr_value value)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    gr_message *m = NULL;
    code = gr_message_copy(value, &m);
    if (code != 0) return gri_fail(self, code, "nothing was published: %s", gr_error_text(code));
    return gri_state_publish(self, &m);
}
