/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Calls: requests, answers, and what becomes of a request that nobody answers.
 *
 * A request is a message of kind CALL whose reference and sender say whom to answer; answering turns its kind into CAST, so
 * that it cannot be answered twice. An answer is urgent: it wakes the caller, who finds it without looking at the mailbox.
 * A request that ends unanswered, freed or found in the mailbox of the dead, is itself turned into the answer, so that no
 * memory is needed to tell the caller. */
#ifndef GRI_ACTOR_CALL_H
#define GRI_ACTOR_CALL_H

#include "actor/actor.h"

#include <greenroom/call.h>

/* The end of a received message that is not to be answered or held any more: unholds it, answers "unanswered" by a copy if
 * it is an open call. The message stays the caller's. */
void gri_call_abandon(gr_self *self, gr_message *m);
/* Answers an open call with GR_EDEAD, or frees any other message. Consumes it; takes care of held ones. */
void gri_call_bury(gr_message *m);
/* Sends a built answer; consumes it. */
GR_MUST_CHECK int gri_call_answer(gr_self *self, gr_message *call, enum gri_message_kind kind, gr_message *answer);
/* Waits for the answer to self->awaited. GR_EKILLED: *ret_reply is what has come all the same, or NULL, and the kill has not
 * been acted on: the caller puts things in order, then leaves through gri_await_end, which may unwind. Other errors: NULL. */
GR_MUST_CHECK int gri_await(gr_self *self, gr_deadline deadline, gr_message **ret_reply);
GR_MUST_CHECK int gri_await_end(gr_self *self, int code);
/* The same for a call that has not sent its message and leaves it with the caller: where the kill unwinds there is no caller any
 * more, so the actor holds it until its end. */
GR_MUST_CHECK int gri_await_end_with(gr_self *self, int code, gr_message *m);
/* Builds an answer message of this kind around a value. */
GR_MUST_CHECK int gri_answer_new(gr_self *self, uint64_t reference, enum gri_message_kind kind, gr_value value,
                                 gr_message **ret);
/* Builds the answer of a call from a format. */
GR_MUST_CHECK int gri_answer_format(gr_self *self, uint64_t reference, gr_site *site, const char *format, va_list args,
                                    gr_message **ret);
/* Counted against a mailbox bound: what user code sends, not replies and exits. */
static inline bool gri_counts_for_bound(const gr_message *m)
{
    return m->kind <= GRI_MESSAGE_CALL;
}
/* Turns the call into this answer. Consumes it. */
void gri_call_refuse(gr_message *m, enum gri_message_kind kind);
/* Does its caller still wait for this answer? A moment's picture; any thread that has the call. */
bool gri_call_is_awaited(const gr_message *call);
void gri_held_free(gr_message *m);

#endif
