/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Signals of the process as messages. */
#ifndef GR_SIGNAL_WATCH_H
#define GR_SIGNAL_WATCH_H

#include <greenroom/actor.h>

GR_BEGIN_DECLS

/* From now on this actor receives
 *     {"signal": 15, "name": "SIGTERM", "times": 1}
 * when the signal comes to the process, until gr_signal_unwatch or its end. Several actors may watch one signal, each is told.
 * Signals that come in quick succession may arrive as one message; "times" counts them as far as the system delivered them.
 *
 * The first watcher replaces the signal's action by a handler of ours, the last one to go puts back what was there; so a
 * program that sets actions of its own for the same signal meanwhile takes the signal away. Limits: some thread of the process
 * must not block it (the runtime's own threads take no signals, so a host that blocks signals everywhere gets none here); what
 * came with the signal (sender, value) is not told; a forked child that does not exec has the handler but not the messages.
 *
 * Errors: GR_EINVAL (no signal, or one that cannot be watched: SIGKILL, SIGSTOP, those of faults, those the C library keeps for
 * itself), GR_EUNSUPPORTED (simulation), GR_ENOMEM, GR_ESYSTEM. Watching again changes nothing. */
GR_IN_ACTOR GR_MUST_CHECK int gr_signal_watch(gr_self *self, int signal);
/* No messages from now on; what was sent stays in the mailbox. GR_ENOTFOUND: this actor does not watch it. */
GR_IN_ACTOR int gr_signal_unwatch(gr_self *self, int signal);

GR_END_DECLS

#endif
