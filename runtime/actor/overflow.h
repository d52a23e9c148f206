/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Stack overflows: SIGSEGV and SIGBUS on green stacks end an actor, not the process; see overflow.c. */
#ifndef GRI_ACTOR_OVERFLOW_H
#define GRI_ACTOR_OVERFLOW_H

#include "base/compiler.h"

/* Installs the handlers and remembers the previous ones; uninstall puts them back unless somebody has replaced ours. */
GRI_MUST_CHECK int gri_overflow_install(void);
void gri_overflow_uninstall(void);
/* Tells os/peek.h whether the handler for SIGSEGV is still ours: a program may have put its own in its place. */
void gri_overflow_check(void);
/* An overflown actor is about to be unwound: nobody has to wait for it to come back to its own code any more. */
void gri_overflow_step_end(void);
/* An alternate signal stack for the calling thread, unless it has one. */
void gri_overflow_thread_begin(void);
void gri_overflow_thread_end(void);

#endif
