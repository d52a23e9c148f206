/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The spin lock excludes and hands over; so does the inject queue's consumer side (liburcu's part is one step here). */
#include "explore/explorer.h"
#include "sync/inject.h"
#include "sync/spinlock.h"

static gri_spinlock lock;
static unsigned guarded;

static void lock_setup(void)
{
    gri_spinlock_init(&lock);
    guarded = 0;
}

static void lock_user(void)
{
    for (unsigned i = 0; i < 2; i++) {
        gri_spinlock_lock(&lock);
        gri_plain_write(&guarded, gri_plain_read(&guarded) + 1);
        gri_spinlock_unlock(&lock);
    }
}

static void try_user(void)
{
    while (!gri_spinlock_try(&lock)) explore_wait();
    gri_plain_write(&guarded, gri_plain_read(&guarded) + 1);
    gri_spinlock_unlock(&lock);
}

static void lock_check(void)
{
    EXPLORE_CHECK(guarded == 5);
}

typedef struct job {
    gri_inject_node node;
    unsigned payload, taken;
} job;

static gri_inject queue;
static job jobs[3];
static gri_atomic_u32 jobs_taken;

static void inject_setup(void)
{
    gri_inject_init(&queue);
    gri_atomic_init(&jobs_taken, 0);
    for (unsigned i = 0; i < 3; i++) jobs[i] = (job){0};
}

static void producer(void)
{
    gri_plain_write(&jobs[0].payload, 1);
    gri_inject_push(&queue, &jobs[0].node);
    gri_plain_write(&jobs[1].payload, 1);
    gri_inject_push(&queue, &jobs[1].node);
}

static void other_producer(void)
{
    gri_plain_write(&jobs[2].payload, 1);
    gri_inject_push(&queue, &jobs[2].node);
}

static void consumer(void)
{
    for (;;) {
        gri_inject_node *out[2];
        const size_t count = gri_inject_pop_batch(&queue, out, 2);
        for (size_t i = 0; i < count; i++) {
            job *j = GRI_CONTAINER_OF(out[i], job, node);
            EXPLORE_CHECK(gri_plain_read(&j->payload) == 1);
            gri_plain_write(&j->taken, gri_plain_read(&j->taken) + 1);
            gri_add_relaxed(&jobs_taken, 1);
        }
        if (gri_load_relaxed(&jobs_taken) == 3) return;
        if (count == 0) explore_wait();
    }
}

static void inject_check(void)
{
    for (unsigned i = 0; i < 3; i++) EXPLORE_CHECK(jobs[i].taken == 1);
}

int main(int argc, char **argv)
{
    static const explore_program programs[] = {
        {"lock", lock_setup, {lock_user, lock_user, try_user}, lock_check, NULL, 3, 2, 0},
        {"inject", inject_setup, {producer, other_producer, consumer, consumer}, inject_check, NULL, 2, 1, 0},
        {NULL, NULL, {NULL}, NULL, NULL, 0, 0, 0},
    };
    return explore_main(argc, argv, programs);
}
