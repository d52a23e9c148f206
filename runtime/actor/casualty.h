/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Kills on purpose, in simulation: where a plan of faults (base/fault.h) may kill an actor.
 *
 *   between calls, at every choice of who runs next   the one that runs next: it has just been woken
 *                                                     the one that ran last: its park is under way, the kill makes it fail
 *                                                     the one before it: it is parked, or idle, or waits to run again
 *   in a call                                         whenever it looks whether anything is to be noticed; in every second run,
 *                                                     because the shortest ways through the calls are taken only by who has
 *                                                     nothing to look at
 *
 * Threads of the host are no victims, nor are actors that gr_test_spare names. One thread; nothing of it where nothing is simulated. */
#ifndef GRI_ACTOR_CASUALTY_H
#define GRI_ACTOR_CASUALTY_H

#include "actor/actor.h"

void gri_casualty_begin(void);
/* gri_schedule_config.about_to_run. */
void gri_casualty_between(gri_task *task);
/* Part of gri_attention_take. */
void gri_casualty_in_call(gr_self *self);

#endif
