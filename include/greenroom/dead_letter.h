/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Dead letters: messages that nobody will receive. They are counted (gr_counters), and may be looked at: by a hook, on the thread
 * that found out, or by an actor, to which each is reported as a message.
 *
 *     reason     counter        what
 *     dead       dead_letters   its receiver was dead: a message, a timer's, an answer whose caller had gone
 *     late       dead_letters   an answer that its caller no longer waits for
 *     discarded  discarded      it was in the mailbox of an actor that ended (calls are answered GR_EDEAD)
 *     dropped    displaced      a full mailbox dropped it (drop_newest, drop_oldest); a call was answered GR_EFULL
 *     expired    expired        a call that its caller no longer waited for, dropped before a server ran it
 *     unwanted   dropped        what was no call, to a server without on_message
 *     lost       dead_letters   a cast to a remote address that nobody has taken, or that may not have arrived (remote.h)
 *
 * A message that could not be sent (GR_EDEAD) is its sender's still, or is freed with the call; it is reported all the same. What
 * is refused (GR_EFULL) is no dead letter: counter rejected. */
#ifndef GR_DEAD_LETTER_H
#define GR_DEAD_LETTER_H

#include <greenroom/actor.h>

GR_BEGIN_DECLS

enum gr_letter_reason {
    GR_LETTER_DEAD,
    GR_LETTER_LATE,
    GR_LETTER_DISCARDED,
    GR_LETTER_DROPPED,
    GR_LETTER_EXPIRED,
    GR_LETTER_UNWANTED,
    GR_LETTER_LOST
};
/* "dead", "late", …; static. "?" for what is none. */
GR_ANY_THREAD const char *gr_letter_reason_name(enum gr_letter_reason reason);

/* Called for each: from any thread, at once, in the middle of what that thread does. It may read the message while it runs, and
 * must neither keep nor free it, nor call Greenroom except to read values, to look at actors and to log. */
typedef void (*gr_letter_hook)(void *arg, enum gr_letter_reason reason, gr_address to, const gr_message *message);

/* Sets the hook; NULL takes it away. drop(arg), which may be NULL, is called once when the hook is replaced. Before gr_start or
 * after the last gr_stop: GR_EINUSE while the runtime is up. */
GR_ANY_THREAD GR_MUST_CHECK int gr_letter_hook_set(gr_letter_hook hook, void *arg, void (*drop)(void *arg));

/* Each dead letter from now on is cast to this actor as {"dead_letter": reason, "to": A, "from": A or null, "message": body}, within
 * the bound of its mailbox (what it has no room for is lost); GR_NO_ADDRESS: to nobody. Its own letters are not reported to it.
 * It ends with the actor, or the runtime. GR_EDEAD: the actor is. */
GR_ANY_THREAD GR_MUST_CHECK int gr_letters_to(gr_address actor);

GR_END_DECLS

#endif
