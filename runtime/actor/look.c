/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "actor/look.h"

#include "actor/bound.h"
#include "actor/deadline.h"
#include "actor/overflow.h"
#include "actor/runtime.h"
#include "actor/serve.h"
#include "actor/supervisor.h"
#include "message/shape.h"
#include "message/utf8.h"
#include "os/clock.h"
#include "os/peek.h"

#include <string.h>

#define TRIES 4
#define UNGUARDED_MESSAGES 2000u /* a system call each: a millisecond */
#define FOUND_WITHIN 4096u       /* what may come while we count */

/* ---- the mailbox ---- */

/* The link of a node that may be gone: false if it is, or cannot be one. */
static bool next_of(const gri_mailnode *node, gri_mailnode **ret_next)
{
    gri_mailnode *next;
    if (!gri_peek(&next, &node->link, sizeof next)) return false;
    if ((uintptr_t)next & ~GRI_MAIL_NODE_MASK) return false;
    *ret_next = next;
    return true;
}

static bool count_chain(const gri_mailnode *node, uint32_t most, uint32_t *ret_count)
{
    uint32_t count = 0;
    gri_mailnode *next = NULL;
    for (; node && count < most; node = next, count++)
        if (!next_of(node, &next)) return false;
    *ret_count = count;
    return true;
}

/* Is `wanted` among the newest of the chain? Then nobody has taken the chain since it was seen there. */
static bool is_in_chain(const gri_mailnode *node, const gri_mailnode *wanted)
{
    gri_mailnode *next = NULL;
    for (uint32_t i = 0; node && i < FOUND_WITHIN; node = next, i++) {
        if (node == wanted) return true;
        if (!next_of(node, &next)) return false;
    }
    return false;
}

static const gri_mailnode *newest_of(gr_self *self)
{
    /* mo:look.mailbox acquire <- mailword.push release: the nodes */
    return gri_mailword_node(gri_load_acquire(&self->mailbox.word));
}

/* What is in the word. */
static uint32_t count_incoming(gr_self *self, uint32_t most)
{
    uint32_t count = 0;
    if (!newest_of(self)) return 0;
    gri_overflow_check();
    if (!gri_peek_is_guarded()) most = GRI_MIN(most, UNGUARDED_MESSAGES);
    for (int i = 0; i < TRIES; i++) {
        const gri_mailnode *newest = newest_of(self);
        if (!newest) return 0;
        uint32_t seen;
        if (!count_chain(newest, most, &seen)) continue;
        count = seen;
        if (is_in_chain(newest_of(self), newest)) break;
    }
    return count;
}

static uint64_t mailbox_of(gr_self *self, uint32_t *budget)
{
    int32_t queued = (int32_t)gri_load_relaxed(&self->queued); /* relaxed: a moment's picture */
    uint64_t known = queued > 0 ? (uint64_t)queued : 0;
    if (gri_load_relaxed(&self->mailbox_max) != 0) return known; /* relaxed: constant. Counted where they are sent */
    uint32_t incoming = count_incoming(self, *budget);
    *budget -= incoming;
    return known + incoming;
}

uint64_t gri_look_mailbox(gr_address address, uint32_t *budget)
{
    uint32_t most = GRI_LOOK_MESSAGES;
    gr_self *self = gri_actor_find(address);
    return self ? mailbox_of(self, budget ? budget : &most) : 0;
}

/* ---- waiting ---- */

/* A text that may be gone, in pieces, so that none is read beyond a page that is not there. */
static bool peek_text(char *to, size_t room, const char *from)
{
    size_t bytes = 0;
    for (; bytes < room - 1; bytes++) {
        if (!gri_peek(&to[bytes], from + bytes, 1)) return false;
        if (to[bytes] == '\0') break;
    }
    to[bytes] = '\0';
    to[gri_utf8_valid_bytes(to, bytes)] = '\0';
    return true;
}

static uint64_t stamp(uint32_t ms, uint32_t number)
{
    return (uint64_t)ms << 32 | number;
}

/* What names the park that the copy is in, and the record of what it waits for (NULL: none). False: not parked in a place we
 * know. */
static bool park_of(const gr_self *seen, uint64_t *ret_stamp, const gri_waiting **ret_record)
{
    gri_stack stack;
    gri_attached_mark mark = {0};
    if ((seen->flags & GRI_ATTACHED) && !gri_peek(&mark, seen->state, sizeof mark)) return false;
    *ret_record = gri_load_relaxed(&mark.waiting); /* relaxed, here and below: copies */
    *ret_stamp = stamp(gri_load_relaxed(&mark.parked_ms), gri_load_relaxed(&mark.parked_number));
    if (seen->task.stack) {
        if (!gri_peek(&stack, seen->task.stack, sizeof stack)) return false;
        if (!(seen->flags & GRI_ATTACHED)) *ret_record = gri_load_relaxed(&stack.waiting);
        *ret_stamp = stamp(gri_load_relaxed(&stack.parked_ms), gri_load_relaxed(&stack.parked_number));
        return true;
    }
    if (seen->flags & GRI_ATTACHED) return true;
    *ret_record = NULL;
    *ret_stamp = stamp(seen->idle.ms, seen->idle.number);
    return (seen->flags & GRI_SERVER) != 0;
}

static void read_shapes(const gri_waiting *record, gri_look_waiting *look)
{
    for (int32_t i = 0; i < record->number && i < GRI_LOOK_SHAPES; i++) {
        gr_pattern pattern;
        gr_shape shape;
        if (!gri_peek(&pattern, (const gr_pattern *)record->what + i, sizeof pattern) ||
            !gri_peek(&shape, pattern.shape, sizeof shape) ||
            !peek_text(look->shapes[i], sizeof look->shapes[i], shape.text))
            look->shapes[i][0] = '\0';
    }
}

static void read_record(const gr_self *seen, uint64_t state, const gri_waiting *at, gri_look_waiting *look)
{
    gri_waiting record = {0};
    look->kind = state == GRI_MAIL_WAIT_ANY ? GRI_WAITING_MESSAGE : GRI_WAITING_OTHER;
    if (!at || !gri_peek(&record, at, sizeof record)) return;
    const bool any = record.kind == GRI_WAITING_SELECT, answer = record.reference != 0;
    if (any != (state == GRI_MAIL_WAIT_ANY) || record.reference != (answer ? seen->awaited : 0)) return;
    look->kind = (enum gri_waiting_kind)record.kind;
    look->number = record.number;
    look->address = record.address;
    switch (look->kind) {
    case GRI_WAITING_SELECT: read_shapes(&record, look); break;
    case GRI_WAITING_BLOCKING: look->function = record.what; break;
    case GRI_WAITING_CALL:
    case GRI_WAITING_SOCKET:
    case GRI_WAITING_OTHER:
        if (!peek_text(look->text, sizeof look->text, record.what)) look->text[0] = '\0';
        break;
    default: break;
    }
}

static int64_t left_ms(const gr_self *seen)
{
    gri_more more;
    gri_deadline deadline;
    if (!seen->more || !gri_peek(&more, seen->more, sizeof more) || !more.deadline) return -1;
    if (!gri_peek(&deadline, more.deadline, sizeof deadline)) return -1;
    gri_instant at = gri_load_relaxed(&deadline.at), now = gri_clock_now(); /* relaxed: a copy */
    if (at == GRI_INSTANT_NEVER) return -1;
    return at > now ? (at - now) / GRI_NS_PER_MS : 0;
}

static bool is_parked(const gr_self *seen, gr_address address)
{
    const uint64_t state = gri_load_relaxed(&seen->mailbox.word) & GRI_MAIL_STATE_MASK; /* relaxed, both: copies */
    return gri_load_relaxed(&seen->generation) == (uint32_t)(address.id >> 32) &&
           (state == GRI_MAIL_WAIT_ANY || state == GRI_MAIL_WAIT_URGENT);
}

/* 1: seen; 0: not parked; -1: it was resumed meanwhile. */
static int try_waiting(gr_self *self, gr_address address, gri_look_waiting *look)
{
    gr_self seen;
    uint64_t park, park_after;
    const gri_waiting *record;
    if (!gri_peek(&seen, self, sizeof seen) || !is_parked(&seen, address)) return 0;
    const uint64_t state = gri_load_relaxed(&seen.mailbox.word) & GRI_MAIL_STATE_MASK; /* relaxed: a copy */
    /* mo:look.waiting seq_cst <-> look.again seq_cst: what is read is read between the two looks at who is parked */
    gri_fence_seq_cst();
    if (!park_of(&seen, &park, &record)) return 0;
    memset(look, 0, sizeof *look);
    read_record(&seen, state, record, look);
    look->left_ms = left_ms(&seen);
    /* mo:look.again seq_cst <-> look.waiting seq_cst: see above */
    gri_fence_seq_cst();
    if (!gri_peek(&seen, self, sizeof seen) || !is_parked(&seen, address)) return -1;
    if (!park_of(&seen, &park_after, &record) || park_after != park) return -1;
    int32_t since = (int32_t)((uint32_t)(gri_clock_now() / GRI_NS_PER_MS) - (uint32_t)(park >> 32));
    look->since_ms = since > 0 ? since : 0;
    return 1;
}

bool gri_look_waiting_of(gr_address address, gri_look_waiting *ret_waiting)
{
    gr_self *self = gri_actor_find(address);
    int outcome = -1;
    gri_look_waiting look;
    gri_overflow_check();
    for (int i = 0; self && i < TRIES && outcome < 0; i++) outcome = try_waiting(self, address, &look);
    if (outcome == 1) *ret_waiting = look;
    return outcome == 1;
}

/* ---- memory ---- */

static uint64_t round_to_page(uint64_t bytes)
{
    return (bytes + 4095) & ~UINT64_C(4095);
}

/* Of an actor that is parked; the whole slot's worth is not in memory. */
static uint64_t stack_of(const gr_self *seen)
{
    gri_stack record;
    if (!seen->task.stack || !gri_peek(&record, seen->task.stack, sizeof record)) return 0;
    uint64_t used = (uintptr_t)seen->task.stack - (uintptr_t)record.context.sp + sizeof record;
    return used <= GRI_STACK_BYTES_MAX ? round_to_page(used) : 4096; /* where a context is saved elsewhere, who knows */
}

static uint64_t memory_of(const gr_self *seen, uint64_t stack)
{
    gri_more more;
    gr_server server;
    uint64_t bytes = sizeof *seen + stack;
    if ((seen->flags & GRI_SERVER) && gri_peek(&server, seen->server, sizeof server)) bytes += server.state_bytes;
    if (seen->more && gri_peek(&more, seen->more, sizeof more)) bytes += sizeof more + more.memory_bytes;
    return bytes;
}

/* ---- all of it ---- */

static int worker_of(const gr_self *self)
{
    gri_scheduler *scheduler = gri_scheduler_now;
    /* mo:workers.count acquire <- workers.add release: the spares' fields */
    unsigned count = scheduler ? gri_load_acquire(&scheduler->worker_count) : 0;
    for (unsigned i = 0; i < count; i++)
        if (gri_load_relaxed(&scheduler->workers[i].current) == &self->task) return (int)i; /* relaxed: a look */
    return -1;
}

int gri_look_at(gr_address address, gri_look *ret_look)
{
    gri_worker_publish_here();
    gr_self *self = gri_actor_find(address), seen;
    if (!self || !gr_alive(address) || !gri_peek(&seen, self, sizeof seen)) return GR_EDEAD;
    const uint64_t mail = gri_load_relaxed(&seen.mailbox.word) & GRI_MAIL_STATE_MASK; /* relaxed: a copy */
    gri_look look = {
        .address = address,
        .is_server = seen.task.run == gri_serve_run,
        .is_supervisor = (seen.flags & GRI_SERVER) && seen.server == &gri_supervisor_server,
        .is_attached = (seen.flags & GRI_ATTACHED) != 0,
        .is_waiting = mail == GRI_MAIL_WAIT_ANY || mail == GRI_MAIL_WAIT_URGENT,
        .received = seen.received,
        .mailbox_max = gri_bound_messages(gri_load_relaxed(&seen.mailbox_max)), /* relaxed: a copy */
        .worker = -1,
    };
    look.state = seen.flags & GRI_ENDING     ? "ending"
                 : seen.flags & GRI_ATTACHED ? "attached"
                 : look.is_waiting           ? "waiting"
                                             : "running";
    uint32_t most = GRI_LOOK_MESSAGES;
    look.mailbox = mailbox_of(self, &most);
    look.stack = look.is_waiting ? stack_of(&seen) : 0;
    look.memory = memory_of(&seen, look.stack);
    if (!look.is_waiting && !look.is_attached) look.worker = worker_of(self);
    if (!gr_alive(address)) return GR_EDEAD; /* what was seen may be another life's */
    *ret_look = look;
    return 0;
}
