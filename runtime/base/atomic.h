/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Atomics with the memory order in the name: the only file that includes <stdatomic.h>.
 *
 * Every non-relaxed use carries a pair tag on its line or on the line above, which tools/check reads from both sides:
 *     mo:<structure>.<operation> release -> <structure>.<operation> acquire: what it publishes
 * Every relaxed use says why nothing is published.
 *
 * tests/explore builds the same sources with GRI_EXPLORE, which sends each of these through a model of the C11 memory
 * model instead (tests/explore/model.h). ThreadSanitizer does not model stand-alone fences, so the one StoreLoad fence
 * there is (gri_fence_seq_cst) becomes a sequentially consistent read-modify-write in its builds. */
#ifndef GRI_BASE_ATOMIC_H
#define GRI_BASE_ATOMIC_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef GRI_EXPLORE
#include "explore/model.h"
#else

#include <stdatomic.h>

typedef _Atomic(uint8_t) gri_atomic_u8;
typedef _Atomic(uint32_t) gri_atomic_u32;
typedef _Atomic(uint64_t) gri_atomic_u64;
typedef _Atomic(int64_t) gri_atomic_i64;
typedef _Atomic(bool) gri_atomic_bool;
typedef _Atomic(void *) gri_atomic_ptr;

/* For objects no other thread can see yet. */
#define gri_atomic_init(a, v) atomic_init((a), (v))

#define gri_load_relaxed(a) atomic_load_explicit((a), memory_order_relaxed)
#define gri_load_acquire(a) atomic_load_explicit((a), memory_order_acquire)
#define gri_load_seq_cst(a) atomic_load_explicit((a), memory_order_seq_cst)

#define gri_store_relaxed(a, v) atomic_store_explicit((a), (v), memory_order_relaxed)
#define gri_store_release(a, v) atomic_store_explicit((a), (v), memory_order_release)
#define gri_store_seq_cst(a, v) atomic_store_explicit((a), (v), memory_order_seq_cst)

#define gri_exchange_relaxed(a, v) atomic_exchange_explicit((a), (v), memory_order_relaxed)
#define gri_exchange_acquire(a, v) atomic_exchange_explicit((a), (v), memory_order_acquire)
#define gri_exchange_release(a, v) atomic_exchange_explicit((a), (v), memory_order_release)
#define gri_exchange_acq_rel(a, v) atomic_exchange_explicit((a), (v), memory_order_acq_rel)
#define gri_exchange_seq_cst(a, v) atomic_exchange_explicit((a), (v), memory_order_seq_cst)

/* The failure order is relaxed: who needs what a failed swap saw says _acquire_fail. */
#define gri_cas_weak_relaxed(a, e, v) \
    atomic_compare_exchange_weak_explicit((a), (e), (v), memory_order_relaxed, memory_order_relaxed)
#define gri_cas_weak_acquire(a, e, v) \
    atomic_compare_exchange_weak_explicit((a), (e), (v), memory_order_acquire, memory_order_relaxed)
#define gri_cas_weak_release(a, e, v) \
    atomic_compare_exchange_weak_explicit((a), (e), (v), memory_order_release, memory_order_relaxed)
#define gri_cas_weak_acq_rel(a, e, v) \
    atomic_compare_exchange_weak_explicit((a), (e), (v), memory_order_acq_rel, memory_order_relaxed)
#define gri_cas_weak_acq_rel_acquire_fail(a, e, v) \
    atomic_compare_exchange_weak_explicit((a), (e), (v), memory_order_acq_rel, memory_order_acquire)
#define gri_cas_strong_relaxed(a, e, v) \
    atomic_compare_exchange_strong_explicit((a), (e), (v), memory_order_relaxed, memory_order_relaxed)
#define gri_cas_strong_acquire(a, e, v) \
    atomic_compare_exchange_strong_explicit((a), (e), (v), memory_order_acquire, memory_order_relaxed)
#define gri_cas_strong_release(a, e, v) \
    atomic_compare_exchange_strong_explicit((a), (e), (v), memory_order_release, memory_order_relaxed)
#define gri_cas_strong_acq_rel(a, e, v) \
    atomic_compare_exchange_strong_explicit((a), (e), (v), memory_order_acq_rel, memory_order_relaxed)
#define gri_cas_strong_seq_cst(a, e, v) \
    atomic_compare_exchange_strong_explicit((a), (e), (v), memory_order_seq_cst, memory_order_relaxed)

#define gri_add_relaxed(a, v) atomic_fetch_add_explicit((a), (v), memory_order_relaxed)
#define gri_add_release(a, v) atomic_fetch_add_explicit((a), (v), memory_order_release)
#define gri_add_acq_rel(a, v) atomic_fetch_add_explicit((a), (v), memory_order_acq_rel)
#define gri_add_seq_cst(a, v) atomic_fetch_add_explicit((a), (v), memory_order_seq_cst)
#define gri_sub_relaxed(a, v) atomic_fetch_sub_explicit((a), (v), memory_order_relaxed)
#define gri_sub_release(a, v) atomic_fetch_sub_explicit((a), (v), memory_order_release)
#define gri_sub_acq_rel(a, v) atomic_fetch_sub_explicit((a), (v), memory_order_acq_rel)
#define gri_sub_seq_cst(a, v) atomic_fetch_sub_explicit((a), (v), memory_order_seq_cst)
#define gri_or_relaxed(a, v) atomic_fetch_or_explicit((a), (v), memory_order_relaxed)
#define gri_or_release(a, v) atomic_fetch_or_explicit((a), (v), memory_order_release)
#define gri_and_relaxed(a, v) atomic_fetch_and_explicit((a), (v), memory_order_relaxed)

/* A counter that one thread writes and any may read: no locked instruction. */
#define gri_count_owner(a, v) gri_store_relaxed((a), gri_load_relaxed(a) + (v))

#if GRI_TSAN
static gri_atomic_u32 gri_fence_word GRI_UNUSED;
GRI_INLINE void gri_fence_seq_cst(void)
{
    (void)gri_add_seq_cst(&gri_fence_word, 0u);
}
#else
GRI_INLINE void gri_fence_seq_cst(void)
{
    atomic_thread_fence(memory_order_seq_cst);
}
#endif

#endif /* GRI_EXPLORE */

GRI_INLINE void gri_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
