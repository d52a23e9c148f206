/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Learning how an actor ends, with a monitor: no end falls between two looks, and an exit record that somebody else wants to
 * have stays where it is. For a handler, in the connection's actor. */
#ifndef GRI_REST_ENDING_H
#define GRI_REST_ENDING_H

#include <greenroom/link.h>

typedef struct gri_ending {
    gr_self *self;
    gr_address address;
    gr_monitor_ref monitor;
    gr_message *down; /* once it has come */
} gri_ending;

/* Begins to watch; gri_ending_fini follows, also after an error. Errors: GR_ENOMEM. */
int gri_ending_init(gri_ending *ending, gr_self *self, gr_address address);
void gri_ending_fini(gri_ending *ending);

/* Waits for the end. 0; GR_ETIMEOUT; GR_EKILLED: this actor was killed; GR_ENOMEM. Suspends. */
int gri_ending_wait(gri_ending *ending, gr_deadline deadline);
/* Was it dead before it was watched? How it ended is not known then. */
bool gri_ending_was_before(const gri_ending *ending);
/* {"exit": result}, {"exception": report} or {"killed": true}; to be freed. */
int gri_ending_pack(const gri_ending *ending, gr_message **ret_message);

#endif
