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
/* Memory for a worker's alternate signal stack, so that a start finds out beforehand that there is none. NULL: no memory. */
void *gri_overflow_stack_map(void);
void gri_overflow_stack_unmap(void *stack);
/* The calling thread takes its signals on it from now on, unless it has one already; until the end. GR_ESYSTEM: the system
 * refuses, and an overflow on this thread would end the process. */
GRI_MUST_CHECK int gri_overflow_thread_begin(void *stack);
void gri_overflow_thread_end(void);

#endif
