/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Calls: a request that is answered once. As JSON a request is
 *     {"call": id, "method": name, "address": caller, "message": …}
 * and an answer {"response": id, "message": …}, {"response": id, "exception": report} or
 * {"response": id, "invalid_method": name}; shapes see them so, and so they look on the wire. */
#ifndef GR_CALL_H
#define GR_CALL_H

#include <greenroom/actor.h>

GR_BEGIN_DECLS

/* Calls a method and waits for its answer; the mailbox is not touched. *ret_reply is the value of the answer, to be freed.
 *     int gr_call(gr_self *self, gr_message **ret_reply, gr_address to, const char *method, gr_deadline deadline,
 *                 const char *format, ...)
 * Errors: GR_ETIMEOUT, GR_EMETHOD, GR_EEXCEPTION (*ret_reply is the report), GR_EDEAD (it was dead or died meanwhile),
 * GR_EFULL, GR_EDEADLK (a call to oneself, or one that closes a cycle of calls and waits for ends: the detail names it),
 * GR_EKILLED, GR_EFORMAT, GR_ENOMEM. ret_reply may be NULL.
 * A cycle is one whatever the deadlines in it: A waits for B, B for C, C for A, and none of them can answer meanwhile. Who waits
 * for messages, time or a socket is on none, nor is a server that has taken a call over and goes on. The request of a call that
 * was refused so may still be served, as that of one that timed out.
 * An answer that comes too late is dropped and counted. */
#define gr_call(self, ret_reply, to, method, deadline, ...) \
    gr_call_site((self), (ret_reply), (to), (method), (deadline), GR_SITE(__VA_ARGS__), __VA_ARGS__)
GR_SUSPENDS GR_MUST_CHECK int gr_call_site(gr_self *self, gr_message **ret_reply, gr_address to, const char *method,
                                           gr_deadline deadline, gr_site *site, const char *format, ...);
GR_SUSPENDS GR_MUST_CHECK int gr_call_value(gr_self *self, gr_message **ret_reply, gr_address to, const char *method,
                                            gr_value message, gr_deadline deadline);

/* Is the message a call that can still be answered? Its method and its argument. */
GR_ANY_THREAD bool gr_is_call(const gr_message *message);
/* Is it a call whose caller still waits for the answer? A moment's answer. Servers drop calls whose caller does not any more (its
 * deadline has passed, it was killed, or is dead) before they run a method; others may ask here. */
GR_ANY_THREAD bool gr_call_waits(const gr_message *message);
GR_ANY_THREAD const char *gr_call_method(const gr_message *message); /* NULL when it is no call */
GR_ANY_THREAD gr_value gr_call_argument(const gr_message *message);  /* gr_missing when it is no call */

/* Answers a call; each call once, then GR_ENOTCALL. The call still has to be freed. A call that is freed or sent on unanswered
 * is answered with the exception "unanswered"; one that is still held when the actor ends, with GR_EDEAD.
 *     int gr_respond(gr_self *self, gr_message *call, const char *format, ...)
 * Errors: GR_ENOTCALL, GR_EDEAD (the caller has gone), GR_EFORMAT, GR_ENOMEM. */
#define gr_respond(self, call, ...) gr_respond_site((self), (call), GR_SITE(__VA_ARGS__), __VA_ARGS__)
GR_IN_ACTOR int gr_respond_site(gr_self *self, gr_message *call, gr_site *site, const char *format, ...);
GR_IN_ACTOR int gr_respond_value(gr_self *self, gr_message *call, gr_value value);
GR_IN_ACTOR int gr_respond_exception(gr_self *self, gr_message *call, gr_value report);
GR_IN_ACTOR int gr_respond_invalid_method(gr_self *self, gr_message *call);

GR_END_DECLS

#endif
