/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What every public header needs: visibility, must-check, and the thread-context tags.
 *
 * Each prototype begins with one tag that says from where it may be called; the runtime checks it too, and a call from the
 * wrong place returns GR_ECONTEXT (or GR_ESUSPEND inside gr_no_suspend_begin) instead of hanging:
 *     GR_ANY_THREAD  from anywhere: actors, attached threads, other threads
 *     GR_IN_ACTOR    by the actor whose `self` is passed, on the thread it runs on; never suspends
 *     GR_SUSPENDS    as GR_IN_ACTOR, and may let other actors run before it returns; an attached thread blocks instead
 */
#ifndef GR_API_H
#define GR_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define GR_PUBLIC __attribute__((visibility("default")))
#define GR_MUST_CHECK __attribute__((warn_unused_result))
#define GR_PRINTF(text, first) __attribute__((format(printf, text, first)))
#define GR_NORETURN __attribute__((noreturn))
#else
#error "Greenroom's headers need GCC or clang"
#endif

#define GR_ANY_THREAD GR_PUBLIC
#define GR_IN_ACTOR GR_PUBLIC
#define GR_SUSPENDS GR_PUBLIC

#ifdef __cplusplus
#define GR_BEGIN_DECLS extern "C" {
#define GR_END_DECLS }
#else
#define GR_BEGIN_DECLS
#define GR_END_DECLS
#endif

/* The actor (or attached thread) on whose behalf a call is made. Valid only inside that actor; it cannot be handed on. */
typedef struct gr_self gr_self;

#endif
