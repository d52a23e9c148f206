/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Who waits for an answer and is published late (schedule/scheduler.h, gri_worker_publish): what its worker's next task says to it,
 * what another thread says, and the monitor, who publishes it. It is made ready exactly once, by one who sees what it has saved,
 * and nothing that was said is lost. */
#include "explore/schedule_model.h"

typedef struct waiter {
    gri_mailword word;
    gri_task task;
    unsigned saved, handed; /* plain: its registers; how much who woke it has handed over */
} waiter;

static waiter it;
static struct {
    GRI_ALIGNED(GRI_CACHE_LINE) gri_mailnode node; /* whose address leaves the word its flags */
} said[2];

static bool computes;

static void setup(void)
{
    computes = false;
    model_start(1, 0);
    model_scheduler.config.task_of_word = (ptrdiff_t)offsetof(waiter, task) - (ptrdiff_t)offsetof(waiter, word);
    gri_atomic_init(&model_workers[0].phase, GRI_WORKER_BUSY);
    model_workers[0].answered = ANSWERED_MAX;
    memset(&it, 0, sizeof it);
    gri_mailword_init(&it.word, 1);
}

static void setup_fenced(void)
{
    gri_fence_is_asymmetric = false;
    setup();
}

static void setup_free(void)
{
    gri_fence_is_asymmetric = true;
    setup();
}

/* As gri_actor_woken. */
static void woken(void)
{
    EXPLORE_CHECK(gri_plain_read(&it.saved) == 7);
    gri_plain_write(&it.handed, gri_plain_read(&it.handed) + 1);
    gri_task_ready(&it.task);
}

static void say(gri_mailnode *node)
{
    gri_mailnode *chain;
    if (gri_mailword_push(&it.word, 1, node, false, &chain) == GRI_MAIL_WOKE) woken();
}

/* It parks, the next one runs and answers, and something else is to run. */
static void answer(void)
{
    gri_worker *worker = model_worker_of[explore_self()] = &model_workers[0];
    gri_plain_write(&it.saved, 7);
    gri_worker_park_unpublished(worker, &it.word);
    if (gri_worker_take_unpublished(worker, &it.word, 1))
        woken();
    else
        say(&said[0].node);
    gri_worker_publish(worker);
}
MODEL_THREAD(owner, answer())

/* The next one says nothing. */
static void go_on(void)
{
    gri_worker *worker = model_worker_of[explore_self()] = &model_workers[0];
    gri_plain_write(&it.saved, 7);
    gri_worker_park_unpublished(worker, &it.word);
    gri_worker_publish(worker);
}
MODEL_THREAD(silent_owner, go_on())

/* It computes for a slice. */
static void compute(void)
{
    gri_worker *worker = model_worker_of[explore_self()] = &model_workers[0];
    gri_plain_write(&it.saved, 7);
    gri_worker_park_unpublished(worker, &it.word);
    explore_hand_over(&computes);
    computes = true;
}
MODEL_THREAD(computing_owner, compute())

MODEL_THREAD(other, say(&said[1].node))

static void look(void)
{
    drain_slot(&model_monitor, 0, GRI_NS_PER_S);
}
MODEL_THREAD(monitor_looks, look())

static void look_after_a_slice(void)
{
    while (!computes) model_pause();
    explore_take_over(&computes);
    look();
}
MODEL_THREAD(monitor_takes, look_after_a_slice())

/* All has been said: it is in one queue, once, and has or will find as much as was said. */
static void check_all(unsigned messages)
{
    gri_worker *worker = &model_workers[0];
    EXPLORE_CHECK(gri_slot_is_empty(&worker->unpublished));
    unsigned queued = 0, found = it.handed;
    for (void *t; (t = gri_slot_take_owner(&worker->slot)) != NULL; queued++) EXPLORE_CHECK(t == &it.task);
    for (void *t; (t = gri_deque_pop_owner(&worker->deque)) != NULL; queued++) EXPLORE_CHECK(t == &it.task);
    while (gri_inject_pop(&model_scheduler.inject)) queued++;
    EXPLORE_CHECK(queued == 1);
    for (gri_mailnode *n = gri_mailword_take(&it.word).chain; n; n = n->link) found++;
    EXPLORE_CHECK(found == messages);
}

static void check_two(void)
{
    check_all(2);
}

static void check_one(void)
{
    check_all(1);
}

int main(int argc, char **argv)
{
    static const explore_program programs[] = {
        {"answered", setup_fenced, {owner, other, monitor_looks}, check_two, NULL, 2, 1, 0},
        {"answered_free", setup_free, {owner, other, monitor_looks}, check_two, NULL, 2, 1, 0},
        {"silent", setup_free, {silent_owner, other, monitor_looks}, check_one, NULL, 3, 1, 0},
        {"computing", setup_fenced, {computing_owner, other, monitor_takes}, check_one, NULL, 2, 1, 0},
        {"computing_free", setup_free, {computing_owner, other, monitor_takes}, check_one, NULL, 2, 1, 0},
        {NULL, NULL, {NULL}, NULL, NULL, 0, 0, 0},
    };
    return explore_main(argc, argv, programs);
}
