/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Running servers; see serve.c. */
#ifndef GRI_ACTOR_SERVE_H
#define GRI_ACTOR_SERVE_H

#include "actor/actor.h"

/* The task of a server: serves until its mailbox is empty, its slice is over, or it ends. */
void gri_serve_run(gri_task *task);
/* At the end: stop if start had succeeded; then the state's memory. */
void gri_serve_stop(gr_self *self);
void gri_serve_release(gr_self *self);

#endif
