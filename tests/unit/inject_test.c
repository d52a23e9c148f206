/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The inject queue: order, batches, chains; conservation with several producers and consumers. */
#include "sync/inject.h"

#include "support/test.h"

#include <pthread.h>
#include <sched.h>

typedef struct job {
    gri_inject_node node;
    uint32_t from, number;
} job;

static gri_inject queue;

TEST(inject, is_first_in_first_out)
{
    job jobs[5] = {0};
    gri_inject_init(&queue);
    CHECK(gri_inject_is_empty(&queue));
    CHECK(gri_inject_pop(&queue) == NULL);
    for (unsigned i = 0; i < 5; i++) gri_inject_push(&queue, &jobs[i].node);
    CHECK(!gri_inject_is_empty(&queue));
    CHECK(gri_inject_pop(&queue) == &jobs[0].node);
    gri_inject_node *out[8];
    CHECK_EQ(gri_inject_pop_batch(&queue, out, 3), 3);
    for (unsigned i = 0; i < 3; i++) CHECK(out[i] == &jobs[1 + i].node);
    CHECK_EQ(gri_inject_pop_batch(&queue, out, 8), 1);
    CHECK_EQ(gri_inject_pop_batch(&queue, out, 8), 0);
    CHECK(gri_inject_is_empty(&queue));
    gri_inject_fini(&queue);
}

TEST(inject, a_popped_node_can_be_pushed_again)
{
    job only = {0};
    gri_inject_init(&queue);
    for (unsigned i = 0; i < 3; i++) {
        gri_inject_push(&queue, &only.node);
        CHECK(gri_inject_pop(&queue) == &only.node);
    }
    CHECK(gri_inject_pop(&queue) == NULL);
}

TEST(inject, consumers_never_wait_for_each_other)
{
    job only = {0};
    gri_inject_init(&queue);
    gri_inject_push(&queue, &only.node);
    CHECK(gri_spinlock_try(&queue.consumer)); /* another consumer is inside */
    CHECK(gri_inject_pop(&queue) == NULL);
    CHECK(!gri_inject_is_empty(&queue));
    gri_spinlock_unlock(&queue.consumer);
    CHECK(gri_inject_pop(&queue) == &only.node);
}

enum { PRODUCERS = 3, CONSUMERS = 2, JOBS = 20000 };
static job all[PRODUCERS][JOBS];
static gri_atomic_u32 taken;
static gri_atomic_u8 seen[PRODUCERS][JOBS];

static void *produce(void *arg)
{
    const uint32_t me = (uint32_t)(uintptr_t)arg;
    for (uint32_t i = 0; i < JOBS; i++) {
        all[me][i].from = me;
        all[me][i].number = i;
        gri_inject_push(&queue, &all[me][i].node);
    }
    return NULL;
}

static void *consume(void *arg)
{
    (void)arg;
    int64_t last[PRODUCERS];
    for (unsigned i = 0; i < PRODUCERS; i++) last[i] = -1;
    while (gri_load_relaxed(&taken) < PRODUCERS * JOBS) {
        gri_inject_node *out[16];
        const size_t count = gri_inject_pop_batch(&queue, out, 16);
        if (count == 0) sched_yield();
        for (size_t i = 0; i < count; i++) {
            job *j = GRI_CONTAINER_OF(out[i], job, node);
            CHECK(last[j->from] < (int64_t)j->number); /* one consumer sees a producer's jobs in order */
            last[j->from] = j->number;
            CHECK_EQ(gri_add_relaxed(&seen[j->from][j->number], 1), 0);
        }
        gri_add_relaxed(&taken, (uint32_t)count);
    }
    return NULL;
}

TEST(inject, every_job_is_taken_once)
{
    gri_inject_init(&queue);
    pthread_t threads[PRODUCERS + CONSUMERS];
    for (uintptr_t i = 0; i < PRODUCERS; i++) CHECK_OK(pthread_create(&threads[i], NULL, produce, (void *)i));
    for (unsigned i = PRODUCERS; i < PRODUCERS + CONSUMERS; i++)
        CHECK_OK(pthread_create(&threads[i], NULL, consume, NULL));
    for (unsigned i = 0; i < PRODUCERS + CONSUMERS; i++) CHECK_OK(pthread_join(threads[i], NULL));
    CHECK_EQ(gri_load_relaxed(&taken), PRODUCERS * JOBS);
    gri_inject_fini(&queue);
}
