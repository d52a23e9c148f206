/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See context.h: first frames, and what sanitizers and valgrind are told. The switch itself is in x86_64.S, aarch64.S. */
#include "context/context.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if GRI_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if GRI_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if !GRI_ASAN && !GRI_TSAN && defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define CONTEXT_VALGRIND 1
#endif
#endif

#define VALGRIND_ABSENT UINT32_MAX

/* How many green threads in turn ThreadSanitizer takes for one: its runtime loses some memory with each fiber that is destroyed, 23 GB
 * in a run of 700,000 green threads. Few, because frames that were never left stay in the fiber's shadow stack of 65,536. */
#define FIBER_LIVES_MAX 16

/* Asked once per context: a client request costs about as much as the rest of prepare. */
static void announce_stack(gri_context *context, void *stack_low, size_t stack_bytes)
{
#ifdef CONTEXT_VALGRIND
    if (GRI_LIKELY(context->valgrind_id != 0)) return;
    context->valgrind_id = VALGRIND_ABSENT;
    if (RUNNING_ON_VALGRIND)
        context->valgrind_id = 1 + VALGRIND_STACK_REGISTER(stack_low, (char *)stack_low + stack_bytes - 1);
#else
    (void)context, (void)stack_low, (void)stack_bytes;
#endif
}

#if GRI_TSAN
static void destroy_fiber(gri_context *context)
{
    if (context->fiber_lives) __tsan_destroy_fiber(context->fiber);
    context->fiber_lives = 0;
}
#endif

/* What an instrumented build knows about a stack's former life ends here: poison of frames that were never left, and, now and then,
 * the fiber whose shadow call stack still holds them. */
static void announce_fresh(gri_context *context, void *stack_low, size_t stack_bytes)
{
#if GRI_ASAN
    __asan_unpoison_memory_region(stack_low, stack_bytes);
    context->stack_low = stack_low;
    context->stack_bytes = stack_bytes;
    context->fake_stack = NULL;
    context->doomed = false;
#endif
#if GRI_TSAN
    if (context->fiber_lives == FIBER_LIVES_MAX) destroy_fiber(context);
    if (context->fiber_lives++ == 0) context->fiber = __tsan_create_fiber(0);
#endif
    announce_stack(context, stack_low, stack_bytes);
}

void gri_context_forget_frames(gri_context *running)
{
#if GRI_ASAN
    __asan_unpoison_memory_region(running->stack_low, running->stack_bytes);
#endif
#if GRI_TSAN
    if (running->fiber_lives) running->fiber_lives = FIBER_LIVES_MAX; /* there may be many: no further life */
#endif
    (void)running;
}

void gri_context_fini(gri_context *context)
{
#ifdef CONTEXT_VALGRIND
    if (context->valgrind_id != 0 && context->valgrind_id != VALGRIND_ABSENT)
        VALGRIND_STACK_DEREGISTER(context->valgrind_id - 1);
#endif
#if GRI_TSAN
    destroy_fiber(context);
#endif
    memset(context, 0, sizeof *context);
}

void gri_context_from_thread(gri_context *context)
{
    memset(context, 0, sizeof *context);
#if GRI_ASAN
    pthread_attr_t attributes;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        void *low = NULL;
        pthread_attr_getstack(&attributes, &low, &context->stack_bytes);
        context->stack_low = low;
        pthread_attr_destroy(&attributes);
    }
#endif
#if GRI_TSAN
    context->fiber = __tsan_get_current_fiber();
#endif
}

#if GRI_CONTEXT_WRAPPED

/* Inline always: ThreadSanitizer would note the entry on one context's shadow stack and the exit on the other's. */
GRI_INLINE void announce_leave(gri_context *from, gri_context *to)
{
    (void)from, (void)to;
#if GRI_ASAN
    __sanitizer_start_switch_fiber(from && !from->doomed ? &from->fake_stack : NULL, to->stack_low, to->stack_bytes);
#endif
#if GRI_TSAN
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
}

GRI_INLINE void announce_arrival(gri_context *now)
{
    (void)now;
#if GRI_ASAN
    __sanitizer_finish_switch_fiber(now->fake_stack, NULL, NULL);
    now->fake_stack = NULL;
#endif
}

static void begin(void *arg)
{
    gri_context *context = arg;
    announce_arrival(context);
    context->entry(context->arg);
    abort(); /* entry returned: there is nothing to return to */
}

#endif

#if GRI_CONTEXT_UCONTEXT

/* makecontext passes ints: a pointer travels in two. */
static void begin_halves(unsigned high, unsigned low)
{
    begin((void *)(((uintptr_t)high << 16 << 16) | low));
}

void gri_context_prepare(gri_context *context, void *stack_low, size_t stack_bytes, gri_context_entry entry, void *arg)
{
    announce_fresh(context, stack_low, stack_bytes);
    context->entry = entry;
    context->arg = arg;
    if (getcontext(&context->machine) != 0) abort();
    context->machine.uc_stack.ss_sp = stack_low;
    context->machine.uc_stack.ss_size = stack_bytes;
    context->machine.uc_link = NULL;
    uintptr_t bits = (uintptr_t)context;
    makecontext(&context->machine, (void (*)(void))begin_halves, 2, (unsigned)(bits >> 16 >> 16), (unsigned)bits);
}

gri_passed gri_context_switch_passing(gri_context *from, gri_context *to, void *first, uintptr_t second)
{
    announce_leave(from, to);
    to->passed = (gri_passed){first, second};
    swapcontext(&from->machine, &to->machine);
    announce_arrival(from);
    return from->passed;
}

void gri_context_abandon(gri_context *to)
{
    announce_leave(NULL, to);
    to->passed = (gri_passed){NULL, 0};
    setcontext(&to->machine);
    abort();
}

bool gri_context_place_of(const gri_context *suspended, gri_context_place *ret_place)
{
    (void)suspended, (void)ret_place;
    return false;
}

#else

/* Where a fresh context begins: calls the entry its first frame names. In the .S file. */
void gri_context_start(void);

#if defined(__x86_64__)
/* As x86_64.S pops it, from sp up; then two words above the return address, which end a walk along frame pointers. */
enum { FRAME_R15, FRAME_R14, FRAME_R13, FRAME_R12, FRAME_RBX, FRAME_FP, FRAME_PC, FRAME_WORDS };
#define FRAME_ENTRY FRAME_R12
#define FRAME_ARG FRAME_R13
#define FRAME_PAD_BYTES 16u
#elif defined(__aarch64__)
enum { FRAME_FP, FRAME_PC, FRAME_X19, FRAME_X20, FRAME_WORDS = 20 };
#define FRAME_ENTRY FRAME_X19
#define FRAME_ARG FRAME_X20
#define FRAME_PAD_BYTES 16u
#endif

void gri_context_prepare(gri_context *context, void *stack_low, size_t stack_bytes, gri_context_entry entry, void *arg)
{
    announce_fresh(context, stack_low, stack_bytes);
#if GRI_CONTEXT_WRAPPED
    context->entry = entry;
    context->arg = arg;
    entry = begin;
    arg = context;
#endif
    uintptr_t top = ((uintptr_t)stack_low + stack_bytes) & ~(uintptr_t)15;
    uintptr_t *end = (uintptr_t *)(top - FRAME_PAD_BYTES); /* sp when the entry is called: 16-byte aligned */
    end[0] = 0;
    end[1] = 0;
    uintptr_t *frame = end - FRAME_WORDS;
    frame[FRAME_ENTRY] = (uintptr_t)entry;
    frame[FRAME_ARG] = (uintptr_t)arg;
    frame[FRAME_FP] = 0;
    frame[FRAME_PC] = (uintptr_t)gri_context_start;
    context->sp = frame;
}

bool gri_context_place_of(const gri_context *suspended, gri_context_place *ret_place)
{
    const uintptr_t *frame = suspended->sp;
    ret_place->pc = frame[FRAME_PC];
    ret_place->fp = frame[FRAME_FP];
    ret_place->sp = (uintptr_t)(frame + FRAME_WORDS);
    return true;
}

#if GRI_CONTEXT_WRAPPED

gri_passed gri_context_switch_raw(gri_context *from, gri_context *to, void *first, uintptr_t second);
GRI_NORETURN void gri_context_abandon_raw(gri_context *to);

GRI_NOINLINE gri_passed gri_context_switch_passing(gri_context *from, gri_context *to, void *first, uintptr_t second)
{
    announce_leave(from, to);
    const gri_passed passed = gri_context_switch_raw(from, to, first, second);
    announce_arrival(from);
    return passed;
}

GRI_NOINLINE void gri_context_abandon(gri_context *to)
{
    announce_leave(NULL, to);
    gri_context_abandon_raw(to);
}

#endif
#endif
