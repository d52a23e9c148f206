/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Links and monitors: learning that another actor has ended.
 *
 *   how it ended   | link               | + TRAP_EXIT        | PROPAGATE      | monitor
 *   ---------------+--------------------+--------------------+----------------+------------------------------------
 *   returned       | nothing            | {"address","exit"} | nothing        | {"down","address","exit": result}
 *   raised         | {"address","exception"} in both          | linker killed  | {"down","address","exception"}
 *   stack overflow | the same, error "stack_overflow"         | linker killed  | the same
 *   killed         | the same, error "killed"                 | linker killed  | the same
 *   runtime stops  | the same, error "killed"                 | linker killed  | the same
 *   was dead       | gr_link returns GR_EDEAD                 | GR_EDEAD       | {"down","address","exception"}, error "dead"
 *
 * "returned" holds for an actor that took a kill back (gr_kill_clear) and for one whose entry returned unkilled; one that
 * returns while a kill is pending was killed. One message per link, never more; a link never kills the linker unless it
 * says PROPAGATE. Exit messages keep their place among the casts of the same sender, are never dropped, and need no memory
 * at the time of death. */
#ifndef GR_LINK_H
#define GR_LINK_H

#include <greenroom/actor.h>

GR_BEGIN_DECLS

/* Links this actor to another: it will learn of its end. One way. Linking again replaces the flags.
 * Errors: GR_EDEAD, GR_EINVAL (flags), GR_EDEADLK (itself), GR_ENOMEM. */
GR_IN_ACTOR GR_MUST_CHECK int gr_link(gr_self *self, gr_address to, unsigned flags);
/* Takes the link back; a message it has already sent stays in the mailbox. GR_ENOTFOUND when there is no link. */
GR_IN_ACTOR int gr_unlink(gr_self *self, gr_address to);

/* Asks for one message {"down": id, "address": A, …} when the actor ends; at once when it is dead. Several monitors of one
 * actor are independent. Errors: GR_ENOMEM. */
GR_IN_ACTOR GR_MUST_CHECK int gr_monitor(gr_self *self, gr_address address, gr_monitor_ref *ret_ref);
/* Ends a monitor. With flush also its message is removed from the mailbox if it has arrived. GR_ENOTFOUND when it is gone. */
GR_IN_ACTOR int gr_demonitor(gr_self *self, gr_monitor_ref ref, bool flush);

GR_END_DECLS

#endif
