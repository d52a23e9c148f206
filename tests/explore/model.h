/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The atomics of base/atomic.h, carried out by the explorer's model of the C11 memory model. Included by base/atomic.h when
 * GRI_EXPLORE is defined, so that the sources of runtime/sync run unchanged under the explorer (explore/explorer.h).
 *
 * Every macro names its place in the source: a failure prints what each thread did where. The set is larger than
 * base/atomic.h's: explore/weaken replaces an order by a weaker one and needs every spelling of it. */
#ifndef GR_TESTS_EXPLORE_MODEL_H
#define GR_TESTS_EXPLORE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum explore_order {
    EXPLORE_RELAXED,
    EXPLORE_ACQUIRE,
    EXPLORE_RELEASE,
    EXPLORE_ACQ_REL,
    EXPLORE_SEQ_CST
} explore_order;

typedef enum explore_change { EXPLORE_EXCHANGE, EXPLORE_ADD, EXPLORE_SUB, EXPLORE_OR, EXPLORE_AND } explore_change;

typedef struct explore_site {
    const char *file, *what;
    int line;
} explore_site;

/* What an atomic object is here: its value before the first store of an execution, and where the model keeps its history. */
typedef struct explore_cell {
    uint64_t initial;
    uint32_t execution, location;
} explore_cell;

#define EXPLORE_ATOMIC(name, type_) \
    typedef struct name { \
        explore_cell cell; \
        type_ type[0]; /* for __typeof__ */ \
    } name
EXPLORE_ATOMIC(gri_atomic_u8, uint8_t);
EXPLORE_ATOMIC(gri_atomic_u32, uint32_t);
EXPLORE_ATOMIC(gri_atomic_u64, uint64_t);
EXPLORE_ATOMIC(gri_atomic_i64, int64_t);
EXPLORE_ATOMIC(gri_atomic_bool, bool);
EXPLORE_ATOMIC(gri_atomic_ptr, void *);

void explore_init(explore_cell *cell, uint64_t value, const explore_site *site);
uint64_t explore_load(explore_cell *cell, explore_order order, const explore_site *site);
void explore_store(explore_cell *cell, uint64_t value, explore_order order, const explore_site *site);
uint64_t explore_change_by(explore_cell *cell, explore_change change, uint64_t value, size_t bytes, explore_order order,
                           const explore_site *site);
bool explore_swap(explore_cell *cell, void *expected, uint64_t value, size_t bytes, bool weak, explore_order order,
                  explore_order failure, const explore_site *site);
void explore_fence(explore_order order, const explore_site *site);
void explore_plain(const void *address, bool write, const explore_site *site);

/* The calling thread cannot go on until another one has written something. */
void explore_wait(void);
/* A hand-over by code that the model does not see (an uninstrumented library). */
void explore_hand_over(const void *address);
void explore_take_over(const void *address);

#define EXPLORE_SITE(what_) \
    ({ \
        static const explore_site explore_here = {__FILE__, what_, __LINE__}; \
        &explore_here; \
    })
#define EXPLORE_TYPE(a) __typeof__((a)->type[0])
#define EXPLORE_BITS(a, v) ((uint64_t)(EXPLORE_TYPE(a))(v))
#define EXPLORE_BYTES(a) sizeof(EXPLORE_TYPE(a))

/* of a constant structure, too: the model remembers a load */
#define EXPLORE_LOAD(a, order, what) \
    ((EXPLORE_TYPE(a))explore_load((explore_cell *)(uintptr_t) & (a)->cell, order, EXPLORE_SITE(what)))
#define EXPLORE_STORE(a, v, order, what) explore_store(&(a)->cell, EXPLORE_BITS(a, v), order, EXPLORE_SITE(what))
#define EXPLORE_RMW(a, change, v, order, what) \
    ({ \
        (EXPLORE_TYPE(a)) \
            explore_change_by(&(a)->cell, change, EXPLORE_BITS(a, v), EXPLORE_BYTES(a), order, EXPLORE_SITE(what)); \
    })
#define EXPLORE_CAS(a, e, v, weak, order, failure, what) \
    explore_swap(&(a)->cell, (1 ? (e) : (EXPLORE_TYPE(a) *)0), EXPLORE_BITS(a, v), EXPLORE_BYTES(a), weak, order, \
                 failure, EXPLORE_SITE(what))

#define gri_atomic_init(a, v) explore_init(&(a)->cell, EXPLORE_BITS(a, v), EXPLORE_SITE("init"))

#define gri_load_relaxed(a) EXPLORE_LOAD(a, EXPLORE_RELAXED, "load relaxed")
#define gri_load_acquire(a) EXPLORE_LOAD(a, EXPLORE_ACQUIRE, "load acquire")
#define gri_load_seq_cst(a) EXPLORE_LOAD(a, EXPLORE_SEQ_CST, "load seq_cst")

#define gri_store_relaxed(a, v) EXPLORE_STORE(a, v, EXPLORE_RELAXED, "store relaxed")
#define gri_store_release(a, v) EXPLORE_STORE(a, v, EXPLORE_RELEASE, "store release")
#define gri_store_seq_cst(a, v) EXPLORE_STORE(a, v, EXPLORE_SEQ_CST, "store seq_cst")

#define gri_exchange_relaxed(a, v) EXPLORE_RMW(a, EXPLORE_EXCHANGE, v, EXPLORE_RELAXED, "exchange relaxed")
#define gri_exchange_acquire(a, v) EXPLORE_RMW(a, EXPLORE_EXCHANGE, v, EXPLORE_ACQUIRE, "exchange acquire")
#define gri_exchange_release(a, v) EXPLORE_RMW(a, EXPLORE_EXCHANGE, v, EXPLORE_RELEASE, "exchange release")
#define gri_exchange_acq_rel(a, v) EXPLORE_RMW(a, EXPLORE_EXCHANGE, v, EXPLORE_ACQ_REL, "exchange acq_rel")
#define gri_exchange_seq_cst(a, v) EXPLORE_RMW(a, EXPLORE_EXCHANGE, v, EXPLORE_SEQ_CST, "exchange seq_cst")

#define EXPLORE_WEAK(a, e, v, order, what) EXPLORE_CAS(a, e, v, true, order, EXPLORE_RELAXED, "weak swap " what)
#define EXPLORE_STRONG(a, e, v, order, what) EXPLORE_CAS(a, e, v, false, order, EXPLORE_RELAXED, "strong swap " what)
#define gri_cas_weak_relaxed(a, e, v) EXPLORE_WEAK(a, e, v, EXPLORE_RELAXED, "relaxed")
#define gri_cas_weak_acquire(a, e, v) EXPLORE_WEAK(a, e, v, EXPLORE_ACQUIRE, "acquire")
#define gri_cas_weak_release(a, e, v) EXPLORE_WEAK(a, e, v, EXPLORE_RELEASE, "release")
#define gri_cas_weak_acq_rel(a, e, v) EXPLORE_WEAK(a, e, v, EXPLORE_ACQ_REL, "acq_rel")
#define gri_cas_weak_seq_cst(a, e, v) EXPLORE_WEAK(a, e, v, EXPLORE_SEQ_CST, "seq_cst")
#define gri_cas_weak_acq_rel_acquire_fail(a, e, v) \
    EXPLORE_CAS(a, e, v, true, EXPLORE_ACQ_REL, EXPLORE_ACQUIRE, "weak swap acq_rel, failure acquire")
#define gri_cas_weak_acquire_acquire_fail(a, e, v) \
    EXPLORE_CAS(a, e, v, true, EXPLORE_ACQUIRE, EXPLORE_ACQUIRE, "weak swap acquire, failure acquire")
#define gri_cas_weak_release_acquire_fail(a, e, v) \
    EXPLORE_CAS(a, e, v, true, EXPLORE_RELEASE, EXPLORE_ACQUIRE, "weak swap release, failure acquire")
#define gri_cas_strong_relaxed(a, e, v) EXPLORE_STRONG(a, e, v, EXPLORE_RELAXED, "relaxed")
#define gri_cas_strong_acquire(a, e, v) EXPLORE_STRONG(a, e, v, EXPLORE_ACQUIRE, "acquire")
#define gri_cas_strong_release(a, e, v) EXPLORE_STRONG(a, e, v, EXPLORE_RELEASE, "release")
#define gri_cas_strong_acq_rel(a, e, v) EXPLORE_STRONG(a, e, v, EXPLORE_ACQ_REL, "acq_rel")
#define gri_cas_strong_seq_cst(a, e, v) EXPLORE_STRONG(a, e, v, EXPLORE_SEQ_CST, "seq_cst")

#define gri_add_relaxed(a, v) EXPLORE_RMW(a, EXPLORE_ADD, v, EXPLORE_RELAXED, "add relaxed")
#define gri_add_acquire(a, v) EXPLORE_RMW(a, EXPLORE_ADD, v, EXPLORE_ACQUIRE, "add acquire")
#define gri_add_release(a, v) EXPLORE_RMW(a, EXPLORE_ADD, v, EXPLORE_RELEASE, "add release")
#define gri_add_acq_rel(a, v) EXPLORE_RMW(a, EXPLORE_ADD, v, EXPLORE_ACQ_REL, "add acq_rel")
#define gri_add_seq_cst(a, v) EXPLORE_RMW(a, EXPLORE_ADD, v, EXPLORE_SEQ_CST, "add seq_cst")
#define gri_sub_relaxed(a, v) EXPLORE_RMW(a, EXPLORE_SUB, v, EXPLORE_RELAXED, "sub relaxed")
#define gri_sub_acquire(a, v) EXPLORE_RMW(a, EXPLORE_SUB, v, EXPLORE_ACQUIRE, "sub acquire")
#define gri_sub_release(a, v) EXPLORE_RMW(a, EXPLORE_SUB, v, EXPLORE_RELEASE, "sub release")
#define gri_sub_acq_rel(a, v) EXPLORE_RMW(a, EXPLORE_SUB, v, EXPLORE_ACQ_REL, "sub acq_rel")
#define gri_sub_seq_cst(a, v) EXPLORE_RMW(a, EXPLORE_SUB, v, EXPLORE_SEQ_CST, "sub seq_cst")
#define gri_or_relaxed(a, v) EXPLORE_RMW(a, EXPLORE_OR, v, EXPLORE_RELAXED, "or relaxed")
#define gri_or_acquire(a, v) EXPLORE_RMW(a, EXPLORE_OR, v, EXPLORE_ACQUIRE, "or acquire")
#define gri_or_release(a, v) EXPLORE_RMW(a, EXPLORE_OR, v, EXPLORE_RELEASE, "or release")
#define gri_or_acq_rel(a, v) EXPLORE_RMW(a, EXPLORE_OR, v, EXPLORE_ACQ_REL, "or acq_rel")
#define gri_and_relaxed(a, v) EXPLORE_RMW(a, EXPLORE_AND, v, EXPLORE_RELAXED, "and relaxed")
#define gri_and_acquire(a, v) EXPLORE_RMW(a, EXPLORE_AND, v, EXPLORE_ACQUIRE, "and acquire")
#define gri_and_release(a, v) EXPLORE_RMW(a, EXPLORE_AND, v, EXPLORE_RELEASE, "and release")
#define gri_and_acq_rel(a, v) EXPLORE_RMW(a, EXPLORE_AND, v, EXPLORE_ACQ_REL, "and acq_rel")

#define gri_count_owner(a, v) gri_store_relaxed((a), gri_load_relaxed(a) + (v))

#define gri_fence_seq_cst() explore_fence(EXPLORE_SEQ_CST, EXPLORE_SITE("fence seq_cst"))
/* A value, as gri_fence_heavy has one, which explore/weaken puts this in the place of. */
#define gri_fence_acq_rel() \
    ({ \
        explore_fence(EXPLORE_ACQ_REL, EXPLORE_SITE("fence acq_rel")); \
        true; \
    })

/* p is evaluated twice */
#define gri_plain_read(p) (*(explore_plain((p), false, EXPLORE_SITE("plain read")), (p)))
#define gri_plain_write(p, v) \
    ({ \
        __typeof__(*(p)) explore_v = (v); \
        explore_plain((p), true, EXPLORE_SITE("plain write")); \
        (void)(*(p) = explore_v); \
    })

#endif
