/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Contexts: one suspended flow of control each, and the switch between two of them.
 *
 * A context belongs to whoever may resume it next; exactly one thread may touch it at a time, and handing it to another
 * thread needs an ordinary release/acquire hand-over by the caller, after the switch away from it has returned elsewhere
 * (its registers are saved only then). A context may be resumed on any OS thread. Nothing here locks, allocates (but what
 * sanitizers allocate) or makes a system call; the ucontext fallback makes two a switch.
 *
 *   states:   zeroed --prepare--> fresh --switch to--> running --switch from--> suspended --switch to--> running
 *             running --abandon, or switch from after doom--> dead (frames lost) --prepare--> fresh
 *             a thread's own stack: zeroed --from_thread--> running
 *
 * Saved are the callee-saved integer registers (aarch64: d8-d15 too) and nothing else. The floating-point control words
 * (mxcsr, x87 control, FPCR) and the signal mask are the thread's: code on a green stack must leave them as it found them.
 * Measured in the prototypes: 2.5-8 ns a switch; saving the control words adds 3-4.
 *
 * The switch is announced to AddressSanitizer and ThreadSanitizer when they are compiled in, stacks to valgrind when its
 * header was there at build time. Unwinders (CFI and frame pointers) pass through a switch and stop at the first frame. */
#ifndef GRI_CONTEXT_CONTEXT_H
#define GRI_CONTEXT_CONTEXT_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

/* Set by the build option GREENROOM_CONTEXT=ucontext, and by necessity on other architectures. */
#ifndef GRI_CONTEXT_UCONTEXT
#if defined(__x86_64__) || defined(__aarch64__)
#define GRI_CONTEXT_UCONTEXT 0
#else
#define GRI_CONTEXT_UCONTEXT 1
#endif
#endif

#if GRI_CONTEXT_UCONTEXT
#include <ucontext.h>
#endif

/* Whether a switch does more than exchange registers, so that a C function stands around the assembly. */
#define GRI_CONTEXT_WRAPPED (GRI_ASAN || GRI_TSAN || GRI_CONTEXT_UCONTEXT)

typedef void (*gri_context_entry)(void *arg);

/* Two words that who switches leaves, in registers, to whom it switches to: what is to be done first on the other stack waits for no
 * memory. All zero after an abandon. A context that begins does not get them. */
typedef struct gri_passed {
    void *first;
    uintptr_t second;
} gri_passed;

typedef struct gri_context {
    void *sp; /* of a fresh or suspended context; must stay first: the assembly knows it */
    uint32_t valgrind_id;
    bool doomed; /* the next switch away is the last one; read only under AddressSanitizer */
#if GRI_CONTEXT_WRAPPED
    gri_context_entry entry;
    void *arg;
#endif
#if GRI_ASAN
    const void *stack_low;
    size_t stack_bytes;
    void *fake_stack;
#endif
#if GRI_TSAN
    void *fiber;
    uint32_t fiber_lives; /* how many times it has begun on this stack; 0: it is the thread's own */
#endif
#if GRI_CONTEXT_UCONTEXT
    ucontext_t machine;
    gri_passed passed; /* by whom it is resumed */
#endif
} gri_context;

/* Makes `context` begin with entry(arg) on the given stack when it is first switched to. entry must not return. All zero
 * the first time; afterwards any context whose frames are dead, in particular the same one again: this is how a stack is
 * reused. Costs a few stores below the stack's top. At least GRI_CONTEXT_STACK_BYTES_MIN bytes of stack. */
#define GRI_CONTEXT_STACK_BYTES_MIN 1024u
void gri_context_prepare(gri_context *context, void *stack_low, size_t stack_bytes, gri_context_entry entry, void *arg);

/* Makes `context` (all zero, or finished) stand for the calling OS thread's own stack, so that it can be switched away
 * from and back to. Only the same thread may switch to it. Finish it with gri_context_fini. */
void gri_context_from_thread(gri_context *context);

/* Releases what sanitizers and valgrind hold for the context, which must not be running nor be resumed; zeroes it. To be
 * called before the memory of its stack goes away. */
void gri_context_fini(gri_context *context);

/* Who runs on it is about to be set back to the top of its stack without returning: AddressSanitizer forgets the frames. Async-
 * signal-safe. */
void gri_context_forget_frames(gri_context *running);

/* The next switch away from `running` is its last: its frames are dead afterwards. Lets one call site serve both cases. */
GRI_INLINE void gri_context_doom(gri_context *running)
{
#if GRI_ASAN
    running->doomed = true;
#else
    (void)running;
#endif
}

/* Suspends the calling context in `from`, which must be the one that runs, and resumes `to`. Returns what was passed when something
 * switches to `from`, perhaps on another OS thread: nothing thread-local that was read before holds after it, errno's and
 * pthread_self's addresses included. */
#if GRI_CONTEXT_WRAPPED
gri_passed gri_context_switch_passing(gri_context *from, gri_context *to, void *first, uintptr_t second);
/* Resumes `to`; the calling stack's frames are dead from here on, and it may be prepared again once `to` runs. */
GRI_NORETURN void gri_context_abandon(gri_context *to);
#else
gri_passed gri_context_switch_raw(gri_context *from, gri_context *to, void *first, uintptr_t second);
GRI_NORETURN void gri_context_abandon_raw(gri_context *to);

GRI_INLINE gri_passed gri_context_switch_passing(gri_context *from, gri_context *to, void *first, uintptr_t second)
{
    return gri_context_switch_raw(from, to, first, second);
}

GRI_NORETURN GRI_INLINE void gri_context_abandon(gri_context *to)
{
    gri_context_abandon_raw(to);
}
#endif

/* The same for who has nothing to say. */
GRI_INLINE void gri_context_switch(gri_context *from, gri_context *to)
{
    (void)gri_context_switch_passing(from, to, NULL, 0);
}

/* Where a fresh or suspended context will go on: for dumps of parked green threads. pc is a return address. False where
 * the layout is not known (ucontext). */
typedef struct gri_context_place {
    uintptr_t pc, sp, fp;
} gri_context_place;
bool gri_context_place_of(const gri_context *suspended, gri_context_place *ret_place);

#endif
