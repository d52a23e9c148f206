/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* How the last actors ended that did not return: a ring of GRI_EXITS records that are there from the start, so that an end
 * allocates nothing.
 *
 *   gri_exits_note    the dying actor    one atomic addition and a copy; never waits: if somebody looks at the very record that is
 *                                        to be replaced, this end takes the next number
 *   gri_exits_read    any thread
 *   gri_exits_forget  gr_start */
#ifndef GRI_ACTOR_EXITS_H
#define GRI_ACTOR_EXITS_H

#include "actor/actor.h"

#define GRI_EXITS 256

/* Texts are NUL-terminated UTF-8, cut to fit; empty: there is none. */
typedef struct gri_exit {
    uint64_t number; /* counts from 1 */
    int64_t time_ns; /* since 1970 */
    gr_address address;
    enum gri_outcome outcome;
    char name[GR_NAME_BYTES_MAX + 1], behaviour[65];
    char error[64], description[512], text[2048];
} gri_exit;

/* Of an actor that still has its names. report is missing, or the one of its exception. */
void gri_exits_note(gr_self *self, enum gri_outcome outcome, gr_value report);

/* The newest one with a number below `before` (0: of all). False: there is none any more. */
bool gri_exits_read(uint64_t before, gri_exit *ret_exit);

void gri_exits_forget(void);

#endif
