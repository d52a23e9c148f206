/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Dead letters, where they are found. Whoever finds one still owns the message. One load if nobody wants to know. */
#ifndef GRI_ACTOR_LETTERS_H
#define GRI_ACTOR_LETTERS_H

#include "actor/actor.h"

#include <greenroom/dead_letter.h>

extern gri_atomic_bool gri_letters_wanted; /* there is a hook, or an actor that reads them */

void gri_letter_report(enum gr_letter_reason reason, gr_address to, const gr_message *m);

static inline void gri_letter(enum gr_letter_reason reason, gr_address to, const gr_message *m)
{
    /* relaxed: who is asked looks again */
    if (GRI_UNLIKELY(gri_load_relaxed(&gri_letters_wanted))) gri_letter_report(reason, to, m);
}

void gri_letters_stop(void);

#endif
