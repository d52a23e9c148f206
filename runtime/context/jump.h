/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A light setjmp and longjmp within one stack: callee-saved registers only, no signal mask, about 2 ns each.
 *
 * A mark is valid until the function that made it returns, and only for the flow of control that made it: the stack may
 * have moved to another OS thread in between, but not have changed. As with setjmp, a local that is changed between mark
 * and jump must be volatile. Sanitizers understand libc's pair only, so their builds (and ucontext's) use that one. */
#ifndef GRI_CONTEXT_JUMP_H
#define GRI_CONTEXT_JUMP_H

#include "context/context.h"

#if GRI_CONTEXT_WRAPPED

#include <setjmp.h>

typedef struct gri_jump {
    jmp_buf libc;
} gri_jump;

#define gri_jump_mark(jump) _setjmp((jump)->libc)
#define gri_jump_to(jump, value) _longjmp((jump)->libc, (value))

#else

/* x86-64: rbx rbp r12-r15 rsp rip. aarch64: x19-x30 sp d8-d15. */
#if defined(__x86_64__)
#define GRI_JUMP_WORDS 8
#else
#define GRI_JUMP_WORDS 21
#endif

typedef struct gri_jump {
    uintptr_t registers[GRI_JUMP_WORDS];
} gri_jump;

int gri_jump_mark_raw(gri_jump *jump) __attribute__((returns_twice));
GRI_NORETURN void gri_jump_to_raw(gri_jump *jump, int value);

/* Returns 0 now, and again with `value` for each gri_jump_to. A macro: it must not get a frame of its own. */
#define gri_jump_mark(jump) gri_jump_mark_raw(jump)
/* Goes back to the mark, which returns value; 0 becomes 1. */
#define gri_jump_to(jump, value) gri_jump_to_raw((jump), (value) ? (value) : 1)

#endif

#endif
