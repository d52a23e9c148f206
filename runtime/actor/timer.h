/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Messages that are sent later; see timer.c. */
#ifndef GRI_ACTOR_TIMER_H
#define GRI_ACTOR_TIMER_H

#include "actor/actor.h"

#define GRI_TIMERS_MAX (1u << 24)

GR_MUST_CHECK int gri_timers_start(void);
/* No worker runs any more; what is armed is freed. */
void gri_timers_stop(void);

#endif
