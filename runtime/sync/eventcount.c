/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Sleepers and searchers: the protocol is in the header. */
#include "sync/eventcount.h"

#include "base/check.h"

void gri_idle_init(gri_idle *idle, unsigned workers)
{
    GRI_ASSERT(workers <= GRI_IDLE_WORKERS_MAX);
    gri_atomic_init(&idle->searching, 0);
    idle->workers = workers;
    idle->words = (workers + 63) / 64;
    for (unsigned i = 0; i < GRI_IDLE_WORDS; i++) gri_atomic_init(&idle->asleep[i], 0);
}

bool gri_idle_search_begin(gri_idle *idle)
{
    /* relaxed, both: a count; what makes searchers find work is the fences */
    if (gri_load_relaxed(&idle->searching) * 2 >= idle->workers) return false;
    gri_add_relaxed(&idle->searching, 1u);
    return true;
}

/* One searcher less. True if it was the last: publishers may have counted on it, so the caller looks for what they left,
 * after this fence. */
static bool searching_leave(gri_idle *idle)
{
    /* relaxed: ordered by the fence */
    const uint32_t before = gri_sub_relaxed(&idle->searching, 1u);
    GRI_DEBUG_ASSERT(before >= 1);
    if (before != 1) return false;
    /* mo:idle.leave seq_cst <-> idle.wake seq_cst: a publisher saw this searcher, or the caller sees its work */
    gri_fence_seq_cst();
    return true;
}

bool gri_idle_search_end(gri_idle *idle)
{
    return searching_leave(idle);
}

void gri_idle_announce(gri_idle *idle, unsigned worker, bool searching)
{
    GRI_DEBUG_ASSERT(worker < idle->workers);
    /* relaxed, both: ordered by the fence. A waker that sees us searching, or sees neither searcher nor bit, fenced before
     * this fence, and the caller's last look sees its work. */
    gri_or_relaxed(&idle->asleep[worker / 64], UINT64_C(1) << worker % 64);
    if (searching) gri_sub_relaxed(&idle->searching, 1u);
    /* mo:idle.announce seq_cst <-> idle.wake seq_cst: the waker sees the bit, or this worker sees the work */
    gri_fence_seq_cst();
}

/* Clears the bit; whether it was set. */
static bool claim(gri_idle *idle, unsigned worker)
{
    const uint64_t bit = UINT64_C(1) << worker % 64;
    /* relaxed: settles who clears the bit, carries no data. A claimed worker that overlooks the work it was claimed for
     * sees it after the fence of its next announce, which pairs with the waker's fence before the claim. */
    return (gri_and_relaxed(&idle->asleep[worker / 64], ~bit) & bit) != 0;
}

bool gri_idle_cancel(gri_idle *idle, unsigned worker)
{
    return claim(idle, worker);
}

/* Claims some sleeper; -1 if there is none. */
static int claim_any(gri_idle *idle)
{
    for (unsigned i = 0; i < idle->words; i++) {
        /* relaxed: a guess that claim checks */
        uint64_t word = gri_load_relaxed(&idle->asleep[i]);
        while (word != 0) {
            const unsigned worker = i * 64 + (unsigned)__builtin_ctzll(word);
            if (claim(idle, worker)) return (int)worker;
            word &= word - 1;
        }
    }
    return -1;
}

static bool any_asleep(gri_idle *idle)
{
    for (unsigned i = 0; i < idle->words; i++) /* relaxed: a look, ordered by the caller's fence */
        if (gri_load_relaxed(&idle->asleep[i]) != 0) return true;
    return false;
}

/* After a fence: wakes one if nobody searches. */
static int wake_if_none_searches(gri_idle *idle)
{
    for (;;) {
        /* relaxed: ordered by the caller's fence */
        uint32_t searching = gri_load_relaxed(&idle->searching);
        if (searching != 0 || !any_asleep(idle)) return -1;
        /* Count the sleeper before claiming it: once claimed, it may stop searching at any time.
         * relaxed: a count. Failure means that somebody searches by now, and will look after its own fence */
        if (!gri_cas_strong_relaxed(&idle->searching, &searching, 1u)) return -1;
        const int worker = claim_any(idle);
        if (worker >= 0) return worker;
        /* They woke by themselves. Publishers that saw our count left their work to it: look again on their behalf. */
        if (!searching_leave(idle)) return -1;
    }
}

int gri_idle_wake_one(gri_idle *idle)
{
    /* mo:idle.wake seq_cst <-> idle.announce seq_cst: this sees the sleeper, or the sleeper sees the work
     * mo:idle.wake seq_cst <-> idle.leave seq_cst: this sees that the last searcher left, or it sees the work */
    gri_fence_seq_cst();
    return wake_if_none_searches(idle);
}

int gri_idle_wake_worker(gri_idle *idle, unsigned worker)
{
    GRI_DEBUG_ASSERT(worker < idle->workers);
    /* mo:idle.wake seq_cst <-> idle.announce seq_cst: this sees the sleeper, or the sleeper sees the work
     * mo:idle.wake_worker seq_cst <-> worker.absent seq_cst: the same for a worker that waits outside of this protocol */
    gri_fence_seq_cst();
    /* relaxed: ordered by the fence */
    if ((gri_load_relaxed(&idle->asleep[worker / 64]) >> worker % 64 & 1) == 0) return -1;
    /* relaxed: a count, before the claim as above */
    gri_add_relaxed(&idle->searching, 1u);
    if (claim(idle, worker)) return (int)worker;
    return searching_leave(idle) ? wake_if_none_searches(idle) : -1;
}

int gri_idle_wake_any(gri_idle *idle)
{
    /* mo:idle.wake seq_cst <-> idle.announce seq_cst: this sees the sleeper, or the sleeper sees what is to be done */
    gri_fence_seq_cst();
    if (!any_asleep(idle)) return -1;
    /* relaxed: a count, before the claim as above */
    gri_add_relaxed(&idle->searching, 1u);
    const int worker = claim_any(idle);
    if (worker >= 0) return worker;
    return searching_leave(idle) ? wake_if_none_searches(idle) : -1;
}

unsigned gri_idle_asleep_count(gri_idle *idle)
{
    unsigned count = 0;
    for (unsigned i = 0; i < idle->words; i++) /* relaxed: a look, ordered by announce's fence if the caller needs it */
        count += (unsigned)__builtin_popcountll(gri_load_relaxed(&idle->asleep[i]));
    return count;
}

unsigned gri_idle_searching_count(gri_idle *idle)
{
    /* relaxed: a look */
    return gri_load_relaxed(&idle->searching);
}
