/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What happens when a received message is freed: it leaves its receiver's list, and a call that nobody answered is answered.
 * Both are the actor layer's business, which sets this before the first message is received. */
#ifndef GRI_MESSAGE_HOLD_H
#define GRI_MESSAGE_HOLD_H

#include "memory/heap.h"
#include "message/message.h"

/* Takes the message out of the list and releases it, unless it was made into something else, or is not this process's (after
 * fork). */
extern void (*gri_message_held_free)(gr_message *m);

/* gr_message_free of one that is in no list. Not in functions that suspend: see gri_block_free_here. */
void gri_message_release_outside(gr_message *m);
GRI_INLINE void gri_message_release(gr_message *m)
{
    if (GRI_UNLIKELY(m->flags & GRI_MESSAGE_OUTSIDE))
        gri_message_release_outside(m);
    else
        gri_block_free_here(m);
}

#endif
