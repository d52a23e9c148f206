/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Log lines: to the user's sink, or to standard error as "greenroom: warn: text [actor ADDRESS]".
 *
 * Any thread, any actor; never suspends; allocates nothing; needs 4 KB of stack. What is below the level costs one relaxed
 * load. A line is cut at GRI_LOG_LINE_BYTES and has no control characters. Setting a sink waits for lines that are on their
 * way through the old one, so a sink must not set a sink. */
#ifndef GRI_ACTOR_LOG_H
#define GRI_ACTOR_LOG_H

#include "base/compiler.h"

#include <greenroom/runtime.h>

#define GRI_LOG_LINE_BYTES 512

void gri_log(enum gr_log_level level, gr_address subject, const char *format, ...) GRI_PRINTF(3, 4);

/* How many levels get through: 0 none, GR_LOG_WARN + 1 errors and warnings (the default), … the log setting as it is. */
void gri_log_levels_set(int levels);

/* Is the level logged? For lines that take work to make. */
bool gri_log_wants(enum gr_log_level level);

#endif
