/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Bounded mailboxes.
 *
 * One that counts messages and refuses what is too many needs two words of the control block, `mailbox_max` and `queued`, and is
 * dealt with where messages are sent (send.c). Every other bound, by bytes or with another policy, has a record of its own:
 *
 *     sender                               record, under its lock            owner
 *       room: puts the message in  ----->  list, oldest first
 *       rings, unless it is rung   ------------- bell, an ordinary node ---> takes the list where the bell stands in the chain
 *       no room: as the policy says        counts messages and bytes   <---  received one: room for the next sender
 *
 * The bell is a message of the runtime's own and travels as any other, so that what the list holds keeps its place among its
 * sender's exit messages, wakes who waits for messages, and does not wake who waits for an answer. Replies, exits, timers and
 * all that is not sent by user code goes past the record and is never counted.
 *
 * The record is a slot of a type-stable table; a sender that comes too late finds another owner in it, under the lock, and is
 * told that the receiver is dead. Lock order: a record's lock is the innermost.
 *
 *   function            who
 *   gri_bound_open      the spawner, before the actor runs
 *   gri_bound_post      any thread
 *   gri_bound_wait      the sender, may suspend
 *   drain, taken, close the owner */
#ifndef GRI_ACTOR_BOUND_H
#define GRI_ACTOR_BOUND_H

#include "actor/runtime.h"

/* In mailbox_max: the rest is the index of a record. */
#define GRI_BOUND_RECORD UINT32_C(0x80000000)

/* What gri_deliver answers for a call to a mailbox that lets senders wait: gri_bound_wait has to go on. */
#define GRI_MUST_WAIT 3

GR_MUST_CHECK int gri_bounds_start(void);
void gri_bounds_stop(void);

/* Do the options, or the settings, ask for a bound? */
static inline bool gri_bound_is_asked(const gr_spawn_options *options)
{
    const gri_settings *settings = &gri_runtime_now.settings;
    return (settings->mailbox_max | settings->mailbox_kb) != 0 ||
           (options && (options->mailbox_max || options->mailbox_bytes_max));
}
/* The bound that they ask for. GR_ENOMEM. */
GR_MUST_CHECK int gri_bound_open(gr_self *child, const gr_spawn_options *options);
/* Its mailbox is closed: buries what is in the list (returns how many messages nobody will answer for), sends waiting senders
 * away, gives the record back. */
uint64_t gri_bound_close(gr_self *self);

/* Into the list: 0, *message is NULL; GR_EDEAD; GR_EFULL; GRI_MUST_WAIT. */
GR_MUST_CHECK int gri_bound_post(gr_self *target, gr_address to, gr_message **message);
/* The same, waiting for room until the deadline. GR_EFULL: it has passed, or from must not suspend. GR_EKILLED: not acted upon,
 * see gri_await_end. GR_EDEADLK, GR_ENOMEM. */
GR_MUST_CHECK int gri_bound_wait(gr_self *from, gr_address to, gr_message **message, gr_deadline deadline);
/* How long a sender waits that has not said so itself. */
gr_deadline gri_bound_deadline(gr_address to);

/* The bell has arrived. */
void gri_bound_drain(gr_self *self);
/* One that counts has left the inbox. */
void gri_bound_taken(gr_self *self, const gr_message *m);
/* One that counts was put into the inbox by the actor itself (io). */
void gri_bound_added(gr_self *self, const gr_message *m);
bool gri_bound_is_full(gr_self *self);
/* What mailbox_max says to people: messages, 0 if they are not counted. */
uint32_t gri_bound_messages(uint32_t mailbox_max);

#endif
