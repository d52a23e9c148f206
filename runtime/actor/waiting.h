/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What a parked actor waits for, for people who look (gr_dump).
 *
 * Whoever is about to suspend for something describes it in a record on its own stack, and leaves the record's address where the
 * actor's frames are found: in the stack's own record, or an attached thread's. Nothing is copied and nothing taken back: a
 * record is believed only if the actor has been parked all the while it was read (the stack's `parked_number` and `parked_ms` name each park), and
 * if it is about this very wait:
 *
 *     waits for anything, no record                      a message
 *     waits for anything, GRI_WAITING_SELECT             one of these shapes: taken back when gr_select is left
 *     waits for something urgent, `awaited` is not 0     the record with this reference: a call, an end
 *     waits for something urgent, `awaited` is 0         the record: taken back when the wait is over
 *
 * A raise or a kill that unwinds out of a wait takes back what it jumps over. So a message that is received costs nothing here, a
 * call four stores. */
#ifndef GRI_ACTOR_WAITING_H
#define GRI_ACTOR_WAITING_H

#include "actor/actor.h"
#include "actor/attach.h"

enum gri_waiting_kind {
    GRI_WAITING_NOTHING,
    GRI_WAITING_MESSAGE, /* never in a record: any message */
    GRI_WAITING_SELECT,
    GRI_WAITING_CALL,
    GRI_WAITING_END,
    GRI_WAITING_SLEEP,
    GRI_WAITING_SOCKET,
    GRI_WAITING_BLOCKING,
    GRI_WAITING_STATE,
    GRI_WAITING_SEND,  /* for room in a mailbox */
    GRI_WAITING_OTHER, /* `text` says for what */
};

typedef struct gri_waiting {
    uint32_t kind;
    int32_t number;     /* SELECT: how many patterns; SOCKET: the descriptor */
    uint64_t reference; /* CALL, END, SEND: what `awaited` is */
    gr_address address; /* CALL, END, STATE, SEND: of whom */
    const void *what;   /* CALL: the method's name; SELECT: the patterns; SOCKET, OTHER: text; BLOCKING: the function */
} gri_waiting;

GRI_INLINE gri_atomic_ptr *gri_waiting_at(gr_self *self)
{
    return GRI_UNLIKELY(self->flags & GRI_ATTACHED) ? &((gri_attached_mark *)self->state)->waiting
                                                    : &self->task.worker->stack->waiting;
}
static inline const gri_waiting *gri_waiting_get(gr_self *self)
{
    return gri_load_relaxed(gri_waiting_at(self)); /* relaxed: its own */
}
GRI_INLINE void gri_waiting_set(gr_self *self, const gri_waiting *waiting)
{
    gri_atomic_ptr *at = gri_waiting_at(self);
    gri_store_relaxed(at, (void *)(uintptr_t)waiting); /* relaxed: the park publishes it */
}

#endif
