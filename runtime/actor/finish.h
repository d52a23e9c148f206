/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Raising, protecting, cleaning up, and the end of an actor. */
#ifndef GRI_ACTOR_FINISH_H
#define GRI_ACTOR_FINISH_H

#include "actor/actor.h"

typedef struct gri_defer {
    struct gri_defer *older;
    void (*fn)(gr_self *self, void *arg);
    void *arg;
} gri_defer;

/* Leaves for the outermost frame: no gr_protect catches it. */
void gri_unwind_all(gr_self *self, enum gri_outcome outcome) __attribute__((noreturn));

/* Calls fn(self, arg) inside a frame. GRI_RETURNED, or why it was left. */
enum gri_outcome gri_protected(gr_self *self, void (*fn)(gr_self *self, void *arg), void *arg);

/* The report of the last raise or overflow, taken out of the actor; made up if there was no memory for it (never NULL). */
gr_message *gri_report_take(gr_self *self, enum gri_outcome outcome);

#endif
