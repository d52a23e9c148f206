/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Signals as messages: what socket.c has to call. See signal_watch.c. */
#ifndef GRI_IO_SIGNAL_WATCH_H
#define GRI_IO_SIGNAL_WATCH_H

#include <greenroom/signal_watch.h>

/* The poller reports that some have come. */
void gri_signals_deliver(void);
/* The actor ends: it watches nothing any more. */
void gri_signals_forget(gr_self *self);

#endif
