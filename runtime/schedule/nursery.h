/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Tasks that have never run and for which a worker's ring had no room: the newest first. A tree of actors that spawn actors is
 * then walked to its leaves instead of level by level, so that few of them are alive at a time (skynet; see schedule/README.md).
 * Tasks that have run go on in the order in which they became ready, in the worker's `overflow`; but one that gives way, having
 * perhaps spawned all these, waits here until what was here before it has begun to run. Else it would spawn more and more.
 *
 *     push --> young --- somebody gives way, or old is empty and it is its turn: all of it ---> old
 *                |                                                                               |
 *                +--> most batches                  some batches, what thieves take, and then <--+
 *                                                   those that wait for it
 *
 * So nobody waits for ever: what is young becomes old, and old is worked off whatever comes. A small lock; who has it holds up
 * thieves for a few dozen instructions. Any thread. */
#ifndef GRI_SCHEDULE_NURSERY_H
#define GRI_SCHEDULE_NURSERY_H

#include "schedule/task.h"
#include "sync/spinlock.h"

typedef struct gri_nursery {
    gri_spinlock lock;
    /* under the lock; linked by the tasks' links */
    gri_task *young, *young_last;     /* newest first */
    gri_task *old;                    /* newest first */
    gri_task *patient, *patient_last; /* in order: they wait until old is empty */
    uint32_t batches;
    gri_atomic_u32 count; /* of all; written under the lock, looked at without */
} gri_nursery;

void gri_nursery_init(gri_nursery *nursery);
void gri_nursery_push(gri_nursery *nursery, gri_task *task);
/* Behind what is here. False: there is nothing, and the task is still the caller's. */
bool gri_nursery_give_way(gri_nursery *nursery, gri_task *task);
/* At most max tasks; returns how many. thief: rather the old ones. */
size_t gri_nursery_pop_batch(gri_nursery *nursery, gri_task **ret_tasks, size_t max, bool thief);

static inline bool gri_nursery_is_empty(gri_nursery *nursery)
{
    return gri_load_relaxed(&nursery->count) == 0; /* relaxed: a look; who sleeps fences before it */
}

#endif
