/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Host threads that are actors: the same control block and mailbox, but waiting blocks the thread. */
#ifndef GRI_ACTOR_ATTACH_H
#define GRI_ACTOR_ATTACH_H

#include "actor/actor.h"

/* What the stack of a green thread has of its park, for an attached thread (memory/stack.h, actor/waiting.h); self->state points to
 * it. */
typedef struct gri_attached_mark {
    gri_atomic_u32 parked_ms, parked_number;
    gri_atomic_ptr waiting;
} gri_attached_mark;

/* The calling thread's actor if it is attached, else NULL. */
gr_self *gri_attached_here(void);
/* Blocks until woken or the deadline has passed; then the mailbox word is RUNNING. Spurious returns are allowed. */
void gri_attached_wait(gr_self *self, uint64_t wait, gri_instant deadline);
/* Called by whoever woke it. */
void gri_attached_wake(gr_self *self);

#endif
