/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "schedule/nursery.h"

#include <string.h>

/* guesses: of so many batches one is of old tasks; while somebody waits for these */
#define OLD_EVERY 8
#define OLD_EVERY_AWAITED 2

/* The link word of a task that is in no queue. */
static gri_task *next_of(const gri_task *task)
{
    gri_task *next;
    memcpy(&next, &task->link, sizeof next);
    return next;
}

static void link_to(gri_task *task, gri_task *next)
{
    memcpy(&task->link, &next, sizeof next);
}

void gri_nursery_init(gri_nursery *nursery)
{
    memset(nursery, 0, sizeof *nursery);
    gri_spinlock_init(&nursery->lock);
}

void gri_nursery_push(gri_nursery *nursery, gri_task *task)
{
    gri_spinlock_lock(&nursery->lock);
    link_to(task, nursery->young);
    if (!nursery->young) nursery->young_last = task;
    nursery->young = task;
    gri_count_owner(&nursery->count, 1u); /* relaxed: a look at it orders nothing */
    gri_spinlock_unlock(&nursery->lock);
}

/* What is young is old from now on. */
static void age(gri_nursery *nursery)
{
    if (!nursery->young) return;
    link_to(nursery->young_last, nursery->old);
    nursery->old = nursery->young;
    nursery->young = NULL;
}

bool gri_nursery_give_way(gri_nursery *nursery, gri_task *task)
{
    if (gri_nursery_is_empty(nursery)) return false;
    gri_spinlock_lock(&nursery->lock);
    age(nursery);
    const bool waits = nursery->old != NULL;
    if (waits) {
        link_to(task, NULL);
        if (nursery->patient)
            link_to(nursery->patient_last, task);
        else
            nursery->patient = task;
        nursery->patient_last = task;
        gri_count_owner(&nursery->count, 1u); /* relaxed: as above */
    }
    gri_spinlock_unlock(&nursery->lock);
    return waits;
}

static size_t take(gri_task **from, gri_task **ret_tasks, size_t max)
{
    size_t taken = 0;
    for (; taken < max && *from; taken++) {
        ret_tasks[taken] = *from;
        *from = next_of(*from);
    }
    return taken;
}

size_t gri_nursery_pop_batch(gri_nursery *nursery, gri_task **ret_tasks, size_t max, bool thief)
{
    if (gri_nursery_is_empty(nursery)) return 0;
    gri_spinlock_lock(&nursery->lock);
    size_t taken = nursery->old ? 0 : take(&nursery->patient, ret_tasks, max);
    const uint32_t every = nursery->patient ? OLD_EVERY_AWAITED : OLD_EVERY;
    const bool of_old = thief || ++nursery->batches % every == 0;
    if (of_old && !nursery->old) age(nursery);
    gri_task **from = of_old || !nursery->young ? &nursery->old : &nursery->young;
    taken += take(from, ret_tasks + taken, max - taken);
    gri_count_owner(&nursery->count, (uint32_t) - (int32_t)taken); /* relaxed: as above */
    gri_spinlock_unlock(&nursery->lock);
    return taken;
}
