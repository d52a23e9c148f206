/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Running servers; see serve.c. */
#ifndef GRI_ACTOR_SERVE_H
#define GRI_ACTOR_SERVE_H

#include "actor/actor.h"

/* What a batch has to remember across a raise: on the stack that serves. */
struct gri_serving {
    gr_message *call;       /* the message that is being served; NULL once taken over */
    gr_message *answer;     /* what gr_reply has built */
    gr_builder *describing; /* on the stack of describe, while that is called */
    bool is_call, in_method;
};

/* The task of a server: serves until its mailbox is empty, its slice is over, or it ends. */
void gri_serve_run(gri_task *task);
/* A raise or kill is about to leave for the outermost frame. */
void gri_serve_unwound(gr_self *self);
/* Its stack is about to be reset, by a signal handler: takes off it what has to be freed. */
void gri_serve_overflown(gr_self *self);
/* The actor has freed or sent on a message it had received: if it is the one that is being served, that was its end. */
void gri_serve_gone(gr_self *self, const gr_message *m);
bool gri_serve_is_serving(const gr_self *self, const gr_message *m);
/* It could not be sent on: it is the one that is being served again, perhaps as a copy. */
void gri_serve_again(gr_self *self, gr_message *m);
/* At the end: stop if start had succeeded; then the state's memory. */
void gri_serve_stop(gr_self *self);
void gri_serve_release(gr_self *self);

/* The message it serves at this moment; NULL. */
const gr_message *gri_serve_now(const gr_self *self);

#endif
