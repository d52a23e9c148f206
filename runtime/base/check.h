/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The end of the process for broken contracts and broken invariants.
 *
 * Three kinds of trouble are never mixed: what the caller can cause is a negative GR_E… code; a broken contract panics
 * with context (gri_panic); a broken invariant fails an assertion. Levels of assertion, set by the build
 * (GRI_INVARIANTS):
 *     GRI_ASSERT        always: cheap, and its failure means memory can no longer be trusted
 *     GRI_DEBUG_ASSERT  level 1 and above
 *     GRI_FULL_ASSERT   level 2 and above: may walk a whole structure
 * A disabled assertion is still compiled, never evaluated.
 *
 * Any thread, any context, signal handlers too if the hook is. Allocates nothing. Texts longer than
 * GRI_PANIC_TEXT_BYTES are cut. */
#ifndef GRI_BASE_CHECK_H
#define GRI_BASE_CHECK_H

#include "base/compiler.h"

#include <stdbool.h>

#define GRI_PANIC_TEXT_BYTES 512

/* Hands the text to the hook (standard error without one), then aborts. A panic inside the hook aborts at once. */
GRI_NORETURN GRI_COLD GRI_PRINTF(1, 2) void gri_panic(const char *format, ...);

/* Sets the hook that sees the text before the process ends; NULL restores the default. The hook may not return normally
 * to avoid the abort: it only observes. Not meant to be changed while other threads may panic. */
void gri_panic_hook_set(void (*hook)(void *arg, const char *text), void *arg);

GRI_NORETURN GRI_COLD void gri_assert_fail(const char *file, int line, const char *condition);

#if GREENROOM_COVERAGE /* a branch that nothing may ever take would count as one that no test takes: it is in there */
void gri_assert(bool holds, const char *file, int line, const char *condition);
#define GRI_ASSERT(condition) gri_assert(condition, __FILE__, __LINE__, #condition)
#else
#define GRI_ASSERT(condition) \
    do { \
        if (GRI_UNLIKELY(!(condition))) gri_assert_fail(__FILE__, __LINE__, #condition); \
    } while (0)
#endif

#define GRI_ASSERT_OFF(condition) \
    do { \
        if (0) (void)(condition); \
    } while (0)

#if GRI_INVARIANTS >= 1
#define GRI_DEBUG_ASSERT(condition) GRI_ASSERT(condition)
#else
#define GRI_DEBUG_ASSERT(condition) GRI_ASSERT_OFF(condition)
#endif

#if GRI_INVARIANTS >= 2
#define GRI_FULL_ASSERT(condition) GRI_ASSERT(condition)
#else
#define GRI_FULL_ASSERT(condition) GRI_ASSERT_OFF(condition)
#endif

#endif
