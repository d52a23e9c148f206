/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See bound.h. */
#include "actor/bound.h"

#include "actor/call.h"
#include "actor/deadlock.h"
#include "actor/letters.h"
#include "actor/log.h"
#include "actor/runtime.h"
#include "actor/waiting.h"
#include "memory/heap.h"
#include "os/clock.h"

#define RECORDS_MAX (1u << 24)
#define MEMORY_BOUND_BYTES (UINT64_C(16) << 20) /* a bound from here on is one of resident memory, actor.h says how */
#define SLACK_BYTES (UINT64_C(8) << 20)         /* a worker; measured: 4 to 7 MiB of slabs in part use */
#define GRANTS 16 /* senders let in at once; the next message that is received lets in the next ones */

enum waiter_state { WAITING, GRANTED, OVER };

/* On the stack of a sender that waits. */
typedef struct waiter {
    gri_list link;
    gr_address sender;
    uint64_t cost;
    uint8_t state; /* enum waiter_state; under the lock, as the rest */
} waiter;

typedef struct bound {
    gr_message bell;
    gri_spinlock lock;
    bool rung; /* the bell is on its way; all from here on under the lock */
    uint8_t policy;
    uint32_t max, queued; /* messages; max 0: any number */
    gr_address owner;     /* whose life; none: nobody's */
    uint64_t bytes_max, bytes;
    gr_message *first, *last; /* not seen by the owner yet */
    uint64_t list_count, list_bytes;
    gri_list waiters;
    int64_t wait_ns;
} bound;

static gri_table bounds;

int gri_bounds_start(void)
{
    return gri_table_start(&bounds, (sizeof(bound) + 63) / 64 * 64, RECORDS_MAX);
}

void gri_bounds_stop(void)
{
    gri_table_stop(&bounds);
}

static bound *bound_at(uint32_t mailbox_max)
{
    return gri_table_at(&bounds, mailbox_max & ~GRI_BOUND_RECORD);
}

static bound *bound_of(gr_self *self)
{
    uint32_t max = gri_load_relaxed(&self->mailbox_max); /* relaxed: constant while alive */
    return max & GRI_BOUND_RECORD ? bound_at(max) : NULL;
}

/* What a message takes: its part of a slab. Of a body that others share, the envelope alone. */
static uint64_t cost_of(const gr_message *m)
{
    return m->flags & GRI_MESSAGE_EMBEDDED ? sizeof *m : gri_block_share(m);
}

/* ---- opening ---- */

static void bell_release(gr_message *m)
{
    (void)m; /* part of the record */
}

/* What may wait of a bound in bytes. Slabs are of one size of block each and belong to a worker each: some of each kind are in part
 * use, however much waits, and count for the process. Where the oldest is dropped as much again may wait. */
static uint64_t bytes_that_wait(uint64_t bytes_max, enum gr_mailbox_policy policy)
{
    if (bytes_max < MEMORY_BOUND_BYTES) return bytes_max;
    const uint64_t workers = gri_scheduler_now->config.workers;
    const uint64_t bytes = bytes_max - GRI_MIN(bytes_max / 8, workers * SLACK_BYTES);
    return policy == GR_MAILBOX_DROP_OLDEST ? bytes / 2 : bytes;
}

int gri_bound_open(gr_self *child, const gr_spawn_options *options)
{
    const gri_settings *settings = &gri_runtime_now.settings;
    uint32_t max = (uint32_t)settings->mailbox_max;
    uint64_t bytes_max = (uint64_t)settings->mailbox_kb << 10;
    enum gr_mailbox_policy policy = (enum gr_mailbox_policy)(GR_MAILBOX_FAIL + settings->mailbox_policy);
    int64_t wait_ms = settings->mailbox_wait_ms;
    if (options && options->mailbox_max) max = options->mailbox_max;
    if (options && options->mailbox_bytes_max) bytes_max = options->mailbox_bytes_max;
    if (options && options->mailbox_policy) policy = options->mailbox_policy;
    if (options && options->mailbox_wait_ms) wait_ms = options->mailbox_wait_ms;
    child->flags |= GRI_BOUNDED;
    if (bytes_max == 0 && policy == GR_MAILBOX_FAIL) {
        /* relaxed: published with the address */
        gri_store_relaxed(&child->mailbox_max, GRI_MIN(max, GRI_BOUND_RECORD - 1));
        return 0;
    }
    uint32_t index;
    if (gri_table_take(&bounds, NULL, &index) != 0) return GR_ENOMEM;
    bound *b = gri_table_at(&bounds, index);
    gri_message_init_embedded(&b->bell, (gr_value){NULL}, bell_release);
    b->bell.kind = GRI_MESSAGE_BELL;
    gri_spinlock_lock(&b->lock); /* senders to the one before may be looking */
    b->owner = gri_actor_address(child);
    b->rung = false;
    b->policy = (uint8_t)policy;
    b->max = max;
    b->bytes_max = bytes_that_wait(bytes_max, policy);
    b->queued = 0;
    b->bytes = b->list_count = b->list_bytes = 0;
    b->first = b->last = NULL;
    b->wait_ns = gri_ns_from_ms(wait_ms);
    gri_list_init(&b->waiters);
    gri_spinlock_unlock(&b->lock);
    gri_store_relaxed(&child->mailbox_max, GRI_BOUND_RECORD | index); /* relaxed: published with the address */
    return 0;
}

uint32_t gri_bound_messages(uint32_t mailbox_max)
{
    return mailbox_max & GRI_BOUND_RECORD ? bound_at(mailbox_max)->max : mailbox_max;
}

/* ---- under the lock ---- */

static bool fits_locked(const bound *b, uint64_t cost)
{
    if (b->max && b->queued >= b->max) return false;
    /* One message alone always fits, else it never would. */
    return b->bytes_max == 0 || b->queued == 0 || b->bytes + cost <= b->bytes_max;
}

static void reserve_locked(bound *b, gr_self *owner, uint64_t cost)
{
    b->queued++;
    b->bytes += cost;
    gri_store_relaxed(&owner->queued, b->queued); /* relaxed: for who looks on */
}

static void give_back_locked(bound *b, gr_self *owner, uint64_t cost)
{
    b->queued--;
    b->bytes -= cost;
    gri_store_relaxed(&owner->queued, b->queued); /* relaxed: for who looks on */
}

/* Lets in senders that wait, first come first served. Returns how many; who, in ret_granted. */
static size_t grant_locked(bound *b, gr_self *owner, gr_address ret_granted[GRANTS])
{
    size_t count = 0;
    while (count < GRANTS && !gri_list_is_empty(&b->waiters)) {
        waiter *w = GRI_LIST_ENTRY(b->waiters.next, waiter, link);
        if (!fits_locked(b, w->cost)) break;
        reserve_locked(b, owner, w->cost);
        gri_list_remove(&w->link);
        w->state = GRANTED;
        ret_granted[count++] = w->sender;
    }
    return count;
}

static void wake(const gr_address *senders, size_t count)
{
    for (size_t i = 0; i < count; i++) (void)gri_actor_notify(senders[i]); /* dead: it has taken itself off the list */
}

/* Appends one for which there is a place, and rings. *ret_chain: the caller has woken the owner. */
static gri_mail append_locked(bound *b, gr_self *target, gr_message *m, gri_mailnode **ret_chain)
{
    m->node.link = NULL;
    if (b->first)
        b->last->node.link = &m->node;
    else
        b->first = m;
    b->last = m;
    b->list_count++;
    b->list_bytes += cost_of(m);
    if (b->rung) return GRI_MAIL_QUEUED;
    b->rung = true;
    b->bell.generation = (uint32_t)(b->owner.id >> 32);
    return gri_mailword_push(&target->mailbox, b->bell.generation, &b->bell.node, false, ret_chain);
}

static gr_message *pop_locked(bound *b)
{
    gr_message *m = b->first;
    if (!m) return NULL;
    b->first = m->node.link ? gri_message_of_node(m->node.link) : NULL;
    m->node.link = NULL;
    b->list_count--;
    b->list_bytes -= cost_of(m);
    return m;
}

/* ---- dropping ---- */

/* A full mailbox has no place for it: a call is answered, anything else is a dead letter. */
static void drop(gr_address to, gr_message *m)
{
    gri_runtime_count_displaced();
    gri_letter(GR_LETTER_DROPPED, to, m);
    if (m->kind == GRI_MESSAGE_CALL)
        gri_call_refuse(m, GRI_MESSAGE_REPLY_FULL);
    else
        gr_message_free(&m);
}

static void drop_chain(gr_address to, gr_message *m)
{
    while (m) {
        gr_message *next = m->node.link ? gri_message_of_node(m->node.link) : NULL;
        m->node.link = NULL;
        drop(to, m);
        m = next;
    }
}

/* Is the list too long in itself, or with what the owner has taken in twice as long as both may be? */
static bool is_too_long_locked(const bound *b)
{
    return (b->max && (b->list_count > b->max || b->queued > 2 * (uint64_t)b->max)) ||
           (b->bytes_max && (b->list_bytes > b->bytes_max || b->bytes > 2 * b->bytes_max));
}

/* What is too much in the list: the oldest, as a chain. */
static gr_message *trim_locked(bound *b, gr_self *target)
{
    gr_message *dropped = NULL, *last = NULL;
    while (b->list_count > 1 && is_too_long_locked(b)) {
        gr_message *m = pop_locked(b);
        give_back_locked(b, target, cost_of(m));
        if (last)
            last->node.link = &m->node;
        else
            dropped = m;
        last = m;
    }
    return dropped;
}

/* ---- sending ---- */

static int post_full_locked(bound *b, gr_self *target, gr_message **message, gri_mail *ret_mail,
                            gri_mailnode **ret_chain, gr_message **ret_dropped)
{
    gr_message *m = *message;
    switch (b->policy) {
    case GR_MAILBOX_DROP_NEWEST:
        if (m->kind == GRI_MESSAGE_CALL) return GR_EFULL;
        *ret_dropped = m;
        *message = NULL;
        return 0;
    case GR_MAILBOX_DROP_OLDEST:
        reserve_locked(b, target, cost_of(m));
        *ret_mail = append_locked(b, target, m, ret_chain);
        *message = NULL;
        *ret_dropped = trim_locked(b, target);
        return 0;
    case GR_MAILBOX_SUSPEND: return GRI_MUST_WAIT;
    default: return GR_EFULL;
    }
}

int gri_bound_post(gr_self *target, gr_address to, gr_message **message)
{
    bound *b = bound_of(target);
    gri_mailnode *chain = NULL;
    gri_mail mail = GRI_MAIL_QUEUED;
    gr_message *dropped = NULL;
    int code = 0;
    bool kills = false;
    if (!b) return GR_EDEAD;
    const uint64_t cost = cost_of(*message);
    gri_spinlock_lock(&b->lock);
    if (!gr_address_equal(b->owner, to)) {
        code = GR_EDEAD;
    } else if (fits_locked(b, cost) && gri_list_is_empty(&b->waiters)) {
        reserve_locked(b, target, cost);
        mail = append_locked(b, target, *message, &chain);
        *message = NULL;
    } else {
        code = post_full_locked(b, target, message, &mail, &chain, &dropped);
        kills = b->policy == GR_MAILBOX_KILL;
    }
    gri_spinlock_unlock(&b->lock);
    if (mail == GRI_MAIL_WOKE) gri_actor_woken(target, chain);
    drop_chain(to, dropped);
    if (kills && gr_kill(to) == 0)
        gri_log(GR_LOG_WARN, to, "actor #%u is killed: its mailbox is full", (unsigned)(uint32_t)to.id);
    return code;
}

/* ---- waiting for room ---- */

gr_deadline gri_bound_deadline(gr_address to)
{
    gr_self *target = gri_actor_find(to);
    bound *b = target ? bound_of(target) : NULL;
    return (gr_deadline){gri_instant_add(gri_clock_now(), b ? b->wait_ns : 0)};
}

/* Joins the line: GRI_MUST_WAIT; or 0, it was not necessary; GR_EDEAD. */
static int line_up(bound *b, gr_self *target, gr_address to, waiter *w)
{
    int code = GRI_MUST_WAIT;
    gri_spinlock_lock(&b->lock);
    if (!gr_address_equal(b->owner, to)) {
        code = GR_EDEAD;
    } else if (fits_locked(b, w->cost) && gri_list_is_empty(&b->waiters)) {
        reserve_locked(b, target, w->cost);
        w->state = GRANTED;
        code = 0;
    } else {
        gri_list_push_back(&b->waiters, &w->link);
    }
    gri_spinlock_unlock(&b->lock);
    return code;
}

static uint8_t state_of(bound *b, const waiter *w)
{
    gri_spinlock_lock(&b->lock);
    uint8_t state = w->state;
    gri_spinlock_unlock(&b->lock);
    return state;
}

static int wait_in_line(gr_self *from, bound *b, const waiter *w, gr_deadline deadline)
{
    for (;;) {
        gri_inbox_collect(from);
        if (state_of(b, w) != WAITING) return 0;
        int code = gri_kill_check_keeping(from);
        if (code == 0) code = gri_deadlock_check(from, deadline, true);
        if (code == GRI_WOKEN) continue;
        if (code != 0) return code;
        if (state_of(b, w) != WAITING) return 0;
        code = gri_suspend(from, GRI_MAIL_WAIT_URGENT, deadline);
        if (code == GR_ETIMEOUT) return state_of(b, w) != WAITING ? 0 : GR_EFULL;
        if (code != 0) return code;
    }
}

/* Leaves the line with what it has got: puts the message in, or gives its place to the next. */
static int leave(bound *b, gr_self *target, gr_address to, waiter *w, gr_message **message, int code)
{
    gr_address granted[GRANTS];
    size_t count = 0;
    gri_mailnode *chain = NULL;
    gri_mail mail = GRI_MAIL_QUEUED;
    gri_spinlock_lock(&b->lock);
    if (w->state == WAITING) {
        gri_list_remove(&w->link);
    } else if (w->state == OVER || !gr_address_equal(b->owner, to)) {
        code = GR_EDEAD; /* its end has come since it was let in */
    } else if (code == 0) {
        mail = append_locked(b, target, *message, &chain);
        *message = NULL;
    } else {
        give_back_locked(b, target, w->cost);
        count = grant_locked(b, target, granted);
    }
    gri_spinlock_unlock(&b->lock);
    if (mail == GRI_MAIL_WOKE) gri_actor_woken(target, chain);
    wake(granted, count);
    return code;
}

int gri_bound_wait(gr_self *from, gr_address to, gr_message **message, gr_deadline deadline)
{
    gr_self *target = gri_actor_find(to);
    bound *b = target ? bound_of(target) : NULL;
    if (!b) return GR_EDEAD;
    if (!from || (from->flags & GRI_NO_SUSPEND) || gr_address_equal(to, gri_actor_address(from))) return GR_EFULL;
    waiter w = {.sender = gri_actor_address(from), .cost = cost_of(*message), .state = WAITING};
    const uint64_t awaited = from->awaited;
    if (awaited == 0) from->awaited = gri_actor_reference(from);
    if (from->awaited == 0) return GR_ENOMEM;
    int code = line_up(b, target, to, &w);
    if (code == GRI_MUST_WAIT) {
        const gri_waiting waiting = {.kind = GRI_WAITING_SEND, .reference = from->awaited, .address = to};
        const gri_waiting *before = gri_waiting_get(from);
        gri_waiting_set(from, &waiting);
        code = wait_in_line(from, b, &w, deadline);
        gri_waiting_set(from, before);
    }
    if (code != GR_EDEAD) code = leave(b, target, to, &w, message, code);
    from->awaited = awaited;
    return code;
}

/* ---- the owner ---- */

void gri_bound_drain(gr_self *self)
{
    bound *b = bound_of(self);
    gri_spinlock_lock(&b->lock);
    b->rung = false;
    gr_message *m = b->first;
    b->first = b->last = NULL;
    b->list_count = b->list_bytes = 0;
    const bool drops = b->policy == GR_MAILBOX_DROP_OLDEST;
    gri_spinlock_unlock(&b->lock);
    while (m) {
        gr_message *next = m->node.link ? gri_message_of_node(m->node.link) : NULL;
        gri_inbox_append(self, m);
        m = next;
    }
    /* What waits here is older than what was in the list. The numbers can only have grown meanwhile. */
    gr_message *before = NULL;
    m = drops ? self->inbox : NULL;
    while (m && gri_bound_is_full(self)) {
        gr_message *next = m->node.link ? gri_message_of_node(m->node.link) : NULL;
        if (next && gri_counts_for_bound(m)) {
            gri_inbox_take_out(self, before, m);
            self->received--; /* nobody has received it */
            drop(gri_actor_address(self), m);
        } else {
            before = m;
        }
        m = next;
    }
}

void gri_bound_taken(gr_self *self, const gr_message *m)
{
    bound *b = bound_of(self);
    if (!b) {
        gri_sub_relaxed(&self->queued, 1u); /* relaxed: the bound counts, it does not publish */
        return;
    }
    gr_address granted[GRANTS];
    gri_spinlock_lock(&b->lock);
    give_back_locked(b, self, cost_of(m));
    size_t count = grant_locked(b, self, granted);
    gri_spinlock_unlock(&b->lock);
    wake(granted, count);
}

void gri_bound_added(gr_self *self, const gr_message *m)
{
    bound *b = bound_of(self);
    if (!b) {
        gri_add_relaxed(&self->queued, 1u); /* relaxed: the bound counts, it does not publish */
        return;
    }
    gri_spinlock_lock(&b->lock);
    reserve_locked(b, self, cost_of(m));
    gri_spinlock_unlock(&b->lock);
}

bool gri_bound_is_full(gr_self *self)
{
    bound *b = bound_of(self);
    if (!b) {
        /* relaxed, both: a bound */
        uint32_t max = gri_load_relaxed(&self->mailbox_max), queued = gri_load_relaxed(&self->queued);
        return max != 0 && (int32_t)queued >= 0 && queued >= max;
    }
    gri_spinlock_lock(&b->lock);
    /* Over it, for who drops the oldest: at it all is well. */
    bool full = b->policy == GR_MAILBOX_DROP_OLDEST
                    ? (b->max && b->queued > b->max) || (b->bytes_max && b->bytes > b->bytes_max)
                    : !fits_locked(b, sizeof(gr_message));
    gri_spinlock_unlock(&b->lock);
    return full;
}

uint64_t gri_bound_close(gr_self *self)
{
    bound *b = bound_of(self);
    uint64_t messages = 0;
    if (!b) return 0;
    gri_spinlock_lock(&b->lock);
    b->owner = GR_NO_ADDRESS; /* whoever comes now is told that it is dead */
    gr_message *m = b->first;
    b->first = b->last = NULL;
    while (!gri_list_is_empty(&b->waiters)) {
        waiter *w = GRI_LIST_ENTRY(b->waiters.next, waiter, link);
        gri_list_remove(&w->link);
        gr_address sender = w->sender;
        w->state = OVER;
        gri_spinlock_unlock(&b->lock);
        (void)gri_actor_notify(sender);
        gri_spinlock_lock(&b->lock);
    }
    gri_spinlock_unlock(&b->lock);
    const gr_address address = gri_actor_address(self);
    while (m) {
        gr_message *next = m->node.link ? gri_message_of_node(m->node.link) : NULL;
        m->node.link = NULL;
        messages += m->kind == GRI_MESSAGE_CAST;
        gri_letter(GR_LETTER_DISCARDED, address, m);
        gri_call_bury(m);
        m = next;
    }
    gri_table_give(&bounds, NULL, gri_load_relaxed(&self->mailbox_max) & ~GRI_BOUND_RECORD); /* relaxed: ours */
    gri_store_relaxed(&self->mailbox_max, 0); /* relaxed: stale senders find no record, or another owner in it */
    return messages;
}
