/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See deadlock.h. */
#include "actor/deadlock.h"

#include "actor/overflow.h"
#include "actor/registry.h"
#include "actor/runtime.h"
#include "actor/waiting.h"
#include "base/bits.h"
#include "os/clock.h"
#include "os/peek.h"

#include <pthread.h>
#include <stdio.h>

#define HOPS_MAX 100000 /* longer chains of waiting actors are not looked at to their end */
#define DOUBLINGS 7     /* guess: a pause of a quarter of a second at most */
#define NAMED_MAX 8

enum hop { FREE, UNSURE, WAITS };
enum found { NO_CYCLE, MAYBE, CYCLE };

static pthread_mutex_t decide_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- one edge ---- */

/* Where a parked actor's record is. */
static bool record_of(const gr_self *seen, gri_waiting *ret_record)
{
    const char *place = seen->flags & GRI_ATTACHED ? (const char *)seen->state + offsetof(gri_attached_mark, waiting)
                                                   : (const char *)seen->task.stack + offsetof(gri_stack, waiting);
    const void *base = seen->flags & GRI_ATTACHED ? seen->state : (const void *)seen->task.stack;
    const gri_waiting *at;
    return base && gri_peek(&at, place, sizeof at) && at && gri_peek(ret_record, at, sizeof *ret_record);
}

static uint64_t word_of(gr_self *actor)
{
    /* mo:deadlock.hop acquire <- mailword.park release: what it waits for was written before it parked */
    return gri_load_acquire(&actor->mailbox.word);
}

/* Whom an actor waits for, and in which wait. */
static enum hop hop(gr_address address, gr_address *ret_next, uint64_t *ret_reference)
{
    gr_self *actor = gri_actor_find(address), seen;
    if (!actor) return FREE;
    const uint64_t word = word_of(actor), state = word & GRI_MAIL_STATE_MASK;
    if ((word & GRI_MAIL_TAG_MASK) != gri_mailword_tag((uint32_t)(address.id >> 32)) || state == GRI_MAIL_CLOSED ||
        state == GRI_MAIL_WAIT_ANY)
        return FREE;
    if (!gri_peek(&seen, actor, sizeof seen)) return FREE;
    if (seen.awaited == 0) return FREE;
    if (state == GRI_MAIL_RUNNING) return UNSURE;
    gri_waiting record;
    if (!record_of(&seen, &record) || record.reference != seen.awaited) return UNSURE;
    if (record.kind != GRI_WAITING_CALL && record.kind != GRI_WAITING_END && record.kind != GRI_WAITING_SEND)
        return FREE;
    *ret_next = record.address;
    *ret_reference = seen.awaited;
    /* Was it parked in that wait all the time? */
    uint64_t awaited;
    if ((word_of(actor) & (GRI_MAIL_STATE_MASK | GRI_MAIL_TAG_MASK)) !=
            (word & (GRI_MAIL_STATE_MASK | GRI_MAIL_TAG_MASK)) ||
        !gri_peek(&awaited, &actor->awaited, sizeof awaited) || awaited != seen.awaited)
        return UNSURE;
    return WAITS;
}

/* ---- the chain ---- */

typedef struct chain {
    size_t hops;
    uint64_t sum; /* of who waited in which wait: the same twice is the same cycle */
    gr_address first[NAMED_MAX];
    gr_address last; /* it waits for self */
} chain;

static enum found walk(gr_address self, gr_address from, chain *ret_chain)
{
    *ret_chain = (chain){0};
    gr_address at = from;
    for (size_t hops = 0; hops < HOPS_MAX; hops++) {
        if (hops < NAMED_MAX) ret_chain->first[hops] = at;
        ret_chain->hops = hops;
        if (gr_address_equal(at, self)) return CYCLE;
        ret_chain->last = at;
        uint64_t reference;
        gr_address next;
        enum hop h = hop(at, &next, &reference);
        if (h != WAITS) return h == FREE ? NO_CYCLE : MAYBE;
        ret_chain->sum = (ret_chain->sum ^ at.id ^ (reference << 20)) * UINT64_C(0x9e3779b97f4a7c15);
        at = next;
    }
    return NO_CYCLE;
}

static size_t append_name(char *text, size_t bytes, size_t length, gr_address address, const char *before)
{
    char name[GR_NAME_BYTES_MAX + 1];
    if (length >= bytes) return length;
    gri_registry_about(address, name, NULL);
    int more = name[0] ? snprintf(text + length, bytes - length, "%s%.40s", before, name)
                       : snprintf(text + length, bytes - length, "%s#%u", before, (unsigned)(uint32_t)address.id);
    return length + (more > 0 ? (size_t)more : 0);
}

static int tell(gr_self *self, const chain *c)
{
    char text[200];
    size_t length = append_name(text, sizeof text, 0, gri_actor_address(self), "");
    for (size_t i = 0; i < c->hops && i < NAMED_MAX; i++)
        length = append_name(text, sizeof text, length, c->first[i], " -> ");
    if (c->hops > NAMED_MAX && length < sizeof text)
        length += (size_t)snprintf(text + length, sizeof text - length, " -> (%zu more)", c->hops - NAMED_MAX);
    (void)append_name(text, sizeof text, length, gri_actor_address(self), " -> ");
    gri_runtime_count_deadlock();
    return gri_fail(self, GR_EDEADLK, "a cycle of waiting: %s", text);
}

static bool has_mail(gr_self *self)
{
    return self->reply || self->handed || gri_mailword_peek(&self->mailbox);
}

static enum found look(gr_self *self, gr_address from, bool decides, chain *ret_chain)
{
    gr_address me = gri_actor_address(self);
    gri_overflow_check();
    enum found found = walk(me, from, ret_chain);
    if (found != CYCLE) return found;
    chain again;
    pthread_mutex_lock(&decide_lock);
    found = walk(me, from, ret_chain);
    if (found == CYCLE) found = walk(me, from, &again);
    if (found == CYCLE && (again.sum != ret_chain->sum || has_mail(self))) found = MAYBE;
    if (found == CYCLE && decides) self->awaited = 0; /* who looks next meets an actor that does not wait */
    pthread_mutex_unlock(&decide_lock);
    return found;
}

/* ---- looking until it is decided ---- */

/* Of two that wait for each other one must be parked when the other looks: they look again after 1 to 2 ms, 2 to 4 ms and so on, each
 * at a moment of its own, wide apart beside a look and a tick of the wheel. With a tenth of a millisecond between them, which is
 * less than a tick, under ThreadSanitizer 6 of 3,600 pairs needed five looks or more. */
static int64_t pause_ns(const gr_self *self, unsigned try)
{
    const uint64_t base = (uint64_t)gri_ns_from_ms(INT64_C(1) << GRI_MIN(try, DOUBLINGS));
    /* relaxed: constant */
    uint64_t mixed = (gri_load_relaxed(&self->task.id) + (self->awaited << 20) + try) * UINT64_C(0x9e3779b97f4a7c15);
    mixed ^= mixed >> 32;
    return (int64_t)(base + mixed % base);
}

int gri_deadlock_check(gr_self *self, gr_deadline deadline, bool decides)
{
    const gri_waiting *mine = gri_waiting_get(self);
    if (!mine || mine->reference != self->awaited || self->awaited == 0 || mine->kind == GRI_WAITING_BLOCKING) return 0;
    for (unsigned try = 0;; try++) {
        chain c;
        enum found found = look(self, mine->address, decides, &c);
        if (found == NO_CYCLE) return 0;
        if (found == CYCLE && decides) return tell(self, &c);
        if (found == CYCLE) {
            (void)gri_actor_notify(c.last); /* false: it has gone, and with it the cycle */
            return 0;
        }
        if (has_mail(self)) return 0; /* whoever collects it comes again */
        const gri_instant until = gri_instant_add(gri_clock_now(), pause_ns(self, try));
        if (deadline.ns <= until) return 0;
        int code = gri_suspend(self, GRI_MAIL_WAIT_URGENT, (gr_deadline){until});
        if (code != GR_ETIMEOUT) return code == 0 ? GRI_WOKEN : code;
    }
}
