/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Cycles of waiting: found by whoever closes one, whose wait then ends with GR_EDEADLK.
 *
 * An edge goes from an actor that is parked in a call, a wait for an end, or before a full mailbox to the one it waits for, as
 * its record says (waiting.h). Such an actor answers nothing meanwhile, so nobody on a cycle can go on but by a deadline, a kill
 * or an answer that was given before: an actor counts only while it is parked, twice in a row in the same wait, and an answer
 * that has arrived has unparked it. Deadlines do not count: with them a cycle is one all the same, and the newest wait is told
 * at once what its own deadline, or an older one, would have told later.
 *
 * Who looks, and when:
 *
 *     a call finds its receiver parked in something urgent (send.c)          else: it was woken, or runs and will see the call
 *     an actor is about to park in a wait and finds messages (await)         one of them may be the call that closes the cycle
 *     one in a wait is woken, and nothing has come                           who has found such a call asks it to look
 *     gr_wait, before it parks
 *
 * Of the edges of a cycle one was the last to be written. Its call either found the receiver parked, and looks and decides; or the
 * receiver runs, and before it can park it finds the call, and looks. If that one sees the cycle it wakes the caller, whose call
 * came after its own, for the caller to look and decide: so it is the newest call that ends with GR_EDEADLK. (Where three or more
 * close a cycle at the same instant, one of them or the one before does.) Whoever looks and meets an actor that is in a wait but not
 * parked, on its way into or out of it, looks again a little later, until it knows: that actor's thread may be without a processor.
 * Two who find the same cycle at once decide under a lock: the first has left it when the second looks.
 *
 * A call that wakes its receiver, as almost every one does, pays nothing for this. */
#ifndef GRI_ACTOR_DEADLOCK_H
#define GRI_ACTOR_DEADLOCK_H

#include "actor/actor.h"

/* What gri_deadlock_check answers when something has woken it: look what it was, and call again. */
#define GRI_WOKEN 1

/* self is in a wait that its record describes, its request is on its way, and it has not parked or was woken for something else.
 * decides: its call has found the receiver parked, it is about to wait for an end or for room, or it was woken, perhaps to look;
 * else it has found messages before it parked. 0: go on; GRI_WOKEN; GR_EDEADLK, the wait is over; GR_ENOMEM. May suspend, never
 * beyond the deadline. */
GR_MUST_CHECK int gri_deadlock_check(gr_self *self, gr_deadline deadline, bool decides);

/* What gri_deliver answers for a call that is to look: not 0, and not GRI_IS_REMOTE. */
#define GRI_MAY_DEADLOCK 2

/* Does the receiver, which has a bound, wait for something urgent now, so that gri_deadlock_check is to be called? Without a bound the
 * push says whether it did at that instant: later it may wait for who asks. */
static inline int gri_deadlock_may_be(gr_self *receiver)
{
    /* relaxed: a look; what comes of it looks properly */
    const uint64_t state = gri_load_relaxed(&receiver->mailbox.word) & GRI_MAIL_STATE_MASK;
    return state == GRI_MAIL_WAIT_URGENT ? GRI_MAY_DEADLOCK : 0;
}

#endif
