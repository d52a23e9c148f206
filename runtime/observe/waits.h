/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What an actor waits for, in words. Any thread. */
#ifndef GRI_OBSERVE_WAITS_H
#define GRI_OBSERVE_WAITS_H

#include "actor/look.h"
#include "observe/growing.h"

/* "an answer of ADDRESS "name" to METHOD, 250 ms more" and the like. */
void gri_waits_print(gri_text *text, const gri_look_waiting *waiting);

/* ADDRESS and its first name, if it has one: the way all texts for people say who. */
void gri_waits_print_actor(gri_text *text, gr_address address);

#endif
