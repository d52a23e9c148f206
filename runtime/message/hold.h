/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What happens when a received message is freed: it leaves its receiver's list, and a call that nobody answered is answered.
 * Both are the actor layer's business, which sets this before the first message is received. */
#ifndef GRI_MESSAGE_HOLD_H
#define GRI_MESSAGE_HOLD_H

#include "message/message.h"

/* Takes the message out of the list. True if it must not be freed: it was made into something else, or is not
 * this process's (after fork). */
extern bool (*gri_message_held_free)(gr_message *m);

#endif
