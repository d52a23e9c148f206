/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Log lines on stderr, as text or as JSON: one write per line, from any thread.
 *
 *     2026-01-31T12:00:00.000Z info  listening on http://127.0.0.1:7580
 *     {"time":"2026-01-31T12:00:00.000Z","level":"info","message":"…","actor":"its address, if it is about one"}
 *
 * To systemd's journal (JOURNAL_STREAM) with the level as it wants it in front, "<6>listening …", and as text without a time. */
#ifndef GREENROOM_LOGGER_H
#define GREENROOM_LOGGER_H

#include <greenroom.h>

/* Becomes Greenroom's log sink. */
void logger_start(bool json);

/* Lines go to systemd's journal. */
bool logger_is_journal(void);

/* The sink itself, and a line past the filter of GREENROOM_LOG: for what was asked for, and for why nothing was started. */
void logger_write(void *arg, enum gr_log_level level, gr_address subject, const char *line);
GR_PRINTF(2, 3) void logger_print(enum gr_log_level level, const char *format, ...);

#endif
