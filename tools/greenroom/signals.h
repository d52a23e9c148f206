/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Signals of a serving process, taken by a thread that waits for nothing else; no handler ever runs. The same as process 1
 * of a container, where an unhandled SIGTERM would be ignored.
 *
 *   SIGTERM, SIGINT, SIGHUP   the first one ends signals_wait; a second one exits at once with 128 + its number
 *   SIGHUP with `renew`       calls it, until signals_forbid_calls, then is without effect; ends as above if it comes because
 *                             the terminal has gone
 *   SIGQUIT                   calls `list`, until signals_forbid_calls
 *   SIGCHLD                   reaps every child that has ended: as process 1 also those of others
 *
 * SIGINT, SIGQUIT and SIGHUP that were ignored at the start (nohup, a shell's background job) stay ignored.
 *
 *   running --first--> ending --second, or the deadline of signals_expire--> _exit
 *                        '--signals_stop--> stopped */
#ifndef GREENROOM_SIGNALS_H
#define GREENROOM_SIGNALS_H

#include <stdint.h>

/* Blocks them for this thread and all it makes from now on: call it before there are others. */
void signals_block(void);

/* Starts the thread. 0, or errno. `renew` may be NULL; `last` is called before it exits the process. */
int signals_start(void (*list)(void), void (*renew)(void), void (*last)(void));

/* Waits for the first ending signal and returns its number. */
int signals_wait(void);

/* In so many milliseconds the process exits with EXIT_DEADLINE, whatever it is doing. */
void signals_expire(int64_t ms);

/* `list` and `renew` are not running and will not be called any more. */
void signals_forbid_calls(void);

/* Ends the thread. */
void signals_stop(void);

#endif
