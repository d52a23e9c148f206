/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Who sleeps and who searches: how idle workers go to sleep without missing work, and how few are woken.
 *
 * A worker is BUSY (runs items), SEARCHING (counted; has none and looks everywhere), or ASLEEP (its bit is set, it looks a
 * last time and then waits on its parker). Waiting itself is the caller's, with a sticky parker (os/park.h).
 *
 *                 search_begin                    announce
 *        BUSY  ------------------>  SEARCHING  --------------->  ASLEEP
 *         |    <------------------      ^ ^                      |   |
 *         |        search_end           | |   claimed by a waker |   | cancel, not claimed
 *         |                             | +----------------------+   |
 *         |                             |   (wake_one, wake_worker)  |
 *         +--- announce ---> ASLEEP     +-- or BUSY <----------------+
 *
 * Claiming a sleeper makes it a searcher on the spot: the waker counts it and clears its bit, then notifies its parker.
 *
 * No lost wake-up. A publisher makes work visible, then fences, then looks for searchers and sleepers (wake_one does the
 * last two). A sleeper sets its bit, stops searching, fences (announce does these), then looks at every queue. The two
 * fences are ordered one way or the other: the sleeper sees the work or the publisher sees the sleeper. A publisher that
 * sees a searcher wakes nobody: the searcher has not yet stopped, so its fence comes later and it will look. A searcher
 * that stops because it found something else looks for more if it was the last (search_end returns true).
 *
 *     publish work                            worker without work
 *       push onto own queue or inject           if (search_begin()) look everywhere; found: leave
 *       w = wake_one();                         announce(me, searching);
 *       if (w >= 0) notify(w);                  look everywhere, timers too; found: cancel(me), leave
 *                                               wait(parker);   now claimed: searching
 *     leave (found something while searching)   if it returned without a claim (timeout): cancel(me)
 *       if (search_end() && any queue holds work) { w = wake_one(); if (w >= 0) notify(w); }
 *
 * At most one is woken while nobody searches. All functions may be called by any thread, search_*, announce and cancel
 * only for the calling worker itself. Lock-free. Busy workers only read the two lines here; sleeping writes them.
 *
 * Limits: GRI_IDLE_WORKERS_MAX workers. */
#ifndef GRI_SYNC_EVENTCOUNT_H
#define GRI_SYNC_EVENTCOUNT_H

#include "base/atomic.h"

#define GRI_IDLE_WORKERS_MAX 1024
#define GRI_IDLE_WORDS (GRI_IDLE_WORKERS_MAX / 64)

typedef struct gri_idle {
    /* workers that search, claimed sleepers included */
    GRI_ALIGNED(GRI_CACHE_LINE) gri_atomic_u32 searching;
    unsigned workers, words; /* constant */
    /* bit set: asleep (or about to be) and not yet claimed. Set by the worker, cleared by it or by the waker that claims it */
    GRI_ALIGNED(GRI_CACHE_LINE) gri_atomic_u64 asleep[GRI_IDLE_WORDS];
} gri_idle;

/* workers <= GRI_IDLE_WORKERS_MAX. Everybody is BUSY. */
void gri_idle_init(gri_idle *idle, unsigned workers);

/* BUSY -> SEARCHING, if fewer than half of the workers search (a heuristic, approximate). False: do not search, announce
 * at once. */
bool gri_idle_search_begin(gri_idle *idle);

/* SEARCHING -> BUSY, having found something. True: you were the last searcher; if any queue you can see holds more, call
 * wake_one. */
GRI_MUST_CHECK bool gri_idle_search_end(gri_idle *idle);

/* SEARCHING (searching is true) or BUSY -> ASLEEP. Then look at every queue once more before you wait. */
void gri_idle_announce(gri_idle *idle, unsigned worker, bool searching);

/* ASLEEP -> BUSY, returns true; or, if a waker has claimed this worker already, returns false: it is SEARCHING, and its
 * parker has been or will be notified (a later wait may return at once). Call it also after every wait, whatever ended it:
 * false is the usual answer then. */
bool gri_idle_cancel(gri_idle *idle, unsigned worker);

/* Work has been published: the worker to notify, or -1. Contains the publisher's StoreLoad fence. */
int gri_idle_wake_one(gri_idle *idle);

/* The same without the fence, for publishers that run their own work if nobody else does: cheap enough for every push, may
 * miss a worker that is just falling asleep. Call wake_one now and then while there is backlog. */
static inline int gri_idle_wake_hint(gri_idle *idle);

/* Something has been published that only this worker can do: the worker to notify, or -1 if it is awake. (In rare cases
 * another worker than asked for: notify whoever is returned.) Contains the fence. */
int gri_idle_wake_worker(gri_idle *idle, unsigned worker);

/* Any sleeper at all, for shutting down or after a stuck worker: claims one, searchers or not. -1 if nobody sleeps. */
int gri_idle_wake_any(gri_idle *idle);

/* Sleepers, searchers: for counters and for "am I the last one awake?" after announce: of workers that announce at the same
 * time, at least one sees all of them asleep. */
unsigned gri_idle_asleep_count(gri_idle *idle);
unsigned gri_idle_searching_count(gri_idle *idle);

static inline int gri_idle_wake_hint(gri_idle *idle)
{
    /* relaxed: a look; wake_one decides */
    if (gri_load_relaxed(&idle->searching) != 0) return -1;
    for (unsigned i = 0; i < idle->words; i++) /* relaxed: a look */
        if (gri_load_relaxed(&idle->asleep[i]) != 0) return gri_idle_wake_one(idle);
    return -1;
}

#endif
