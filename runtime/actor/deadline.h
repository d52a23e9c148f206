/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The deadline of an actor that waits; see suspend.c. */
#ifndef GRI_ACTOR_DEADLINE_H
#define GRI_ACTOR_DEADLINE_H

#include "actor/actor.h"

typedef struct gri_deadline {
    gri_wheel_entry entry;
    gri_atomic_i64 at; /* written by the actor; read by whoever fires the entry; NEVER: not waiting */
    gr_address actor;
} gri_deadline;

/* At the end of the actor: afterwards nothing fires. */
void gri_deadline_release(gr_self *self);

#endif
