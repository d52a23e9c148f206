/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The last words of a process that dies in an actor, or in a worker between two: SIGSEGV and SIGBUS that are no contained overflow, SIGFPE, SIGILL, SIGABRT.
 *
 *     greenroom: SIGSEGV at address 0x8 in actor ADDRESS "name" (counter) on worker 0
 *       last message: call "add" {"n":1} from ADDRESS
 *       backtrace:
 *         divide at counter.c:12
 *         …
 *
 * on stderr, once a process; then the previous handler has it, or the signal ends the process as it would have without us.
 * A thread that is neither an actor nor a worker dies without our words.
 *
 * Said in stages, each of which may fault in its turn, for memory may be in any state: what needs no memory at all first; the names
 * of functions are looked up by a forked child, which may hang on a lock that this thread held, and is given a few seconds. Where
 * it fails the addresses are printed as they are. */
#ifndef GRI_ACTOR_CRASH_H
#define GRI_ACTOR_CRASH_H

#include "base/compiler.h"

#include <signal.h>
#include <stdint.h>

/* From the handler, before the signal is passed on. pc: where it happened; return_at: where the return address stands of a
 * function that has just been called, should pc be in no function at all. */
void gri_crash_report(int signal, const siginfo_t *info, uintptr_t pc, uintptr_t return_at);

/* A fault that the report itself has made on this thread: does not return then. First thing in the handler. */
void gri_crash_go_on(void);

/* Loads what unwinding needs, while memory is in order. */
void gri_crash_prepare(void);

#endif
