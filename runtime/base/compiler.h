/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What the compiler offers beyond C11, under one name each. The only file that may test compiler versions or sanitizers. */
#ifndef GRI_BASE_COMPILER_H
#define GRI_BASE_COMPILER_H

#include <stddef.h>

#define GRI_CACHE_LINE 64

#define GRI_LIKELY(x) __builtin_expect(!!(x), 1)
#define GRI_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define GRI_NOINLINE __attribute__((noinline))
#define GRI_INLINE static inline __attribute__((always_inline))
#define GRI_NORETURN __attribute__((noreturn))
#define GRI_COLD __attribute__((cold, noinline))
/* For must-check results that nothing can be done about; a comment beside it says why. */
#define GRI_IGNORE(call) \
    do { \
        if (call) (void)0; \
    } while (0)
#define GRI_UNUSED __attribute__((unused))
#define GRI_MUST_CHECK __attribute__((warn_unused_result))
#define GRI_ALIGNED(n) __attribute__((aligned(n)))
#define GRI_PRINTF(text, first) __attribute__((format(printf, text, first)))
#define GRI_PREFETCH_READ(p) __builtin_prefetch((p), 0)
#define GRI_PREFETCH_WRITE(p) __builtin_prefetch((p), 1)

#define GRI_ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define GRI_CONTAINER_OF(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))
#define GRI_MIN(a, b) ((a) < (b) ? (a) : (b))
#define GRI_MAX(a, b) ((a) > (b) ? (a) : (b))

/* Thread-locals live in the initial-exec model: one instruction to reach, no call that could be cached across a switch.
 * A function that touches one must not be inlined into a function that suspends: the compiler may keep its address. */
#define GRI_THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))

#if defined(__SANITIZE_ADDRESS__)
#define GRI_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GRI_ASAN 1
#endif
#endif
#ifndef GRI_ASAN
#define GRI_ASAN 0
#endif

#if defined(GRI_EXPLORE) /* instrumented, but for the explorer (tests/explore/accesses.c) */
#define GRI_TSAN 0
#elif defined(__SANITIZE_THREAD__)
#define GRI_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GRI_TSAN 1
#endif
#endif
#ifndef GRI_TSAN
#define GRI_TSAN 0
#endif

/* Invariant levels: 0 release (contracts only), 1 debug, 2 full (walks whole structures). Set by the build. */
#ifndef GRI_INVARIANTS
#define GRI_INVARIANTS 0
#endif

#endif
