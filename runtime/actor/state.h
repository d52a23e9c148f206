/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Published state: the value that an actor shows to whoever asks, without being asked itself.
 *
 * The snapshot is a message that nobody sends. gr_self.published holds its address (48 bits) and how many readers have it
 * pinned (16 bits): a reader adds one to the word, copies, and takes one off; the actor swaps in its next snapshot and takes
 * over the count of pins with the same instruction.
 *
 *     pins at the swap   who frees the old snapshot
 *     none               the actor, at once: its block is what the next publication is made of
 *     some               they are added to the snapshot's own count (in its envelope), from which readers that find another
 *                        snapshot in the word take theirs; whoever brings it to zero
 *
 * So a snapshot cannot come back into the word while somebody has it pinned, and comparing addresses is enough.
 *
 * In a snapshot's envelope, `sender` is the actor (slots are reused: a reader with an old address finds another), `reference`
 * its number, and `tick` the count. Cost: the message, nothing else.
 *
 * Who waits for the next snapshot (gr_state_wait) sets the lowest bit of the word, which the exchange of the next publication
 * brings back to the actor; only then it looks who that was. An actor that nobody watches pays for a test of a register.
 *
 *     waiter                                       actor
 *       1 enters itself in a bucket (lock)           1 swaps in the next snapshot, or none at its end
 *       2 sets the bit, if the snapshot is still     2 the bit came back: takes its waiters out of the bucket (lock), wakes
 *         the one it has seen                          them; each looks and, if need be, begins anew
 *       3 looks (lock) whether the actor has ended
 *       4 parks
 *
 * The bit is set in the very word that is swapped, so no publication falls between 2 and 4. An actor's end is marked under the
 * lock of 3 before its last swap: either 3 sees the mark, or that swap sees the bit.
 *
 *   gri_state_publish, _release   the actor       one atomic exchange; never waits for readers
 *   gr_state, gri_state_version   any thread      lock-free; waits only for a reader to finish when 65,535 pin one snapshot
 *   gr_state_wait                 an actor        parks; its entry is on its stack, nothing is allocated
 */
#ifndef GRI_ACTOR_STATE_H
#define GRI_ACTOR_STATE_H

#include "actor/actor.h"

/* Moves the message in as the state: 0, *message is NULL. */
GR_MUST_CHECK int gri_state_publish(gr_self *self, gr_message **message);
/* At the end of the actor. */
void gri_state_release(gr_self *self);
/* How often that life has published; 0 if it has not, or is over. */
uint64_t gri_state_version(gr_address address);

#endif
