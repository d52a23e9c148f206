/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Tells a service manager what the server is at, as systemd's Type=notify wants it: a datagram of NAME=VALUE lines to the Unix
 * socket that NOTIFY_SOCKET names (systemd's manual, sd_notify(3)). Without that variable nothing is told.
 *
 *   READY=1       it answers             when `systemctl start` returns
 *   RELOADING=1   reads files again      until the next READY=1
 *   STOPPING=1    drains                 with EXTEND_TIMEOUT_USEC: however long --drain is, it is not killed before;
 *                                        the last word: nothing else is told after it
 *
 * Threads: notify_open before there are others; the rest by any. */
#ifndef GREENROOM_NOTIFY_H
#define GREENROOM_NOTIFY_H

#include <greenroom.h>
#include <stdbool.h>

/* Reads NOTIFY_SOCKET. One that cannot be told anything is a line in the log, never a reason not to serve. */
void notify_open(void);
void notify_close(void);

/* There is a service manager that is told. */
bool notify_is_on(void);

/* It answers at `address`. */
void notify_ready(const char *address);

/* It begins to read files again; it has done so, and answers where it did. */
void notify_reloading(void);
void notify_reloaded(void);

/* It ends, in `ms_max` milliseconds at the latest. */
void notify_stopping(int64_t ms_max);

#endif
