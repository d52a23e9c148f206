/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Reading memory that others may change, reuse or unmap meanwhile: for looking at actors that nobody stops.
 *
 * What is read may be torn or no longer what it was: the caller finds that out by looking again at what changes with it.
 * Sanitizers see nothing of it.
 *
 *     guarded      the copy is a few instructions; a fault in them makes the copy fail. Needs the process's handler for
 *                  SIGSEGV and SIGBUS to ask gri_peek_faulted
 *     unguarded    a system call each (process_vm_readv of oneself), which some sandboxes refuse: then every copy fails
 *
 * Any thread; gri_peek_faulted in signal handlers. */
#ifndef GRI_OS_PEEK_H
#define GRI_OS_PEEK_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False: the memory is not there (part of it may have been copied). */
bool gri_peek(void *to, const void *from, size_t bytes);

/* Is a handler that asks in force? Constant false where the architecture has no guarded copy. */
void gri_peek_guard(bool guarded);
bool gri_peek_is_guarded(void);

/* True if the instruction at *pc that faulted is the guarded copy's: it goes on at the new *pc. */
bool gri_peek_faulted(uintptr_t *pc);

#endif
