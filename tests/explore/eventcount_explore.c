/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Sleepers and searchers: whatever is published is done, so no wake-up is lost; never two woken where one searches. Work
 * is a relaxed atomic: nothing but the protocol's fences makes it visible in time. */
#include "explore/explorer.h"
#include "sync/deque.h"
#include "sync/eventcount.h"

enum { WORKERS_MAX = 3, QUEUES = 2 };

static gri_idle idle;
static gri_atomic_u32 work[QUEUES];        /* items that anybody may take */
static gri_atomic_u32 pinned[WORKERS_MAX]; /* items for one worker only */
static gri_atomic_u32 token[WORKERS_MAX];  /* sticky parkers */
static gri_atomic_u32 done;
static unsigned workers, total;

static void setup(unsigned worker_count, unsigned items)
{
    workers = worker_count;
    total = items;
    gri_idle_init(&idle, workers);
    for (unsigned i = 0; i < QUEUES; i++) gri_atomic_init(&work[i], 0);
    for (unsigned i = 0; i < WORKERS_MAX; i++) {
        gri_atomic_init(&pinned[i], 0);
        gri_atomic_init(&token[i], 0);
    }
    gri_atomic_init(&done, 0);
}

static void notify(int worker)
{
    if (worker >= 0) gri_exchange_release(&token[worker], 1u);
}

static bool take_from(gri_atomic_u32 *queue)
{
    uint32_t left = gri_load_relaxed(queue);
    while (left > 0)
        if (gri_cas_strong_relaxed(queue, &left, left - 1)) return true;
    return false;
}

static bool take_work(unsigned me)
{
    bool found = take_from(&pinned[me]);
    for (unsigned i = 0; i < QUEUES && !found; i++) found = take_from(&work[i]);
    return found;
}

static bool any_work(unsigned me)
{
    bool any = gri_load_relaxed(&pinned[me]) != 0;
    for (unsigned i = 0; i < QUEUES; i++) any |= gri_load_relaxed(&work[i]) != 0;
    return any;
}

static bool finished(void)
{
    return gri_load_relaxed(&done) == total;
}

/* A worker as the scheduler's: work, search, announce, look again, sleep. Ends when everything has been done; whoever did
 * the last item wakes the others. */
static void worker(void)
{
    const unsigned me = explore_self();
    bool searching = false;
    for (;;) {
        if (!searching) searching = gri_idle_search_begin(&idle);
        if (take_work(me)) {
            if (searching && gri_idle_search_end(&idle) && any_work(me)) notify(gri_idle_wake_one(&idle));
            searching = false;
            if (gri_add_relaxed(&done, 1u) + 1 == total) {
                for (int other; (other = gri_idle_wake_any(&idle)) >= 0;) notify(other);
                return;
            }
            continue;
        }
        gri_idle_announce(&idle, me, searching);
        if (!any_work(me) && !finished())
            while (gri_exchange_acquire(&token[me], 0u) == 0) explore_wait();
        searching = !gri_idle_cancel(&idle, me);
        if (finished()) return;
    }
}

static void publish(gri_atomic_u32 *queue)
{
    gri_add_relaxed(queue, 1u);
    notify(gri_idle_wake_one(&idle));
}

/* A foreign thread publishes to one worker, and to two. */
static void one_setup(void)
{
    setup(1, 2);
}

static void publish_two(void)
{
    publish(&work[0]);
    publish(&work[1]);
}

static void two_setup(void)
{
    setup(2, 2);
}

/* Two publishers, two workers. */
static void publish_first(void)
{
    publish(&work[0]);
}

static void publish_second(void)
{
    publish(&work[1]);
}

/* Something that only worker 0 can do. */
static void publish_pinned(void)
{
    gri_add_relaxed(&pinned[0], 1u);
    notify(gri_idle_wake_worker(&idle, 0));
}

/* The worker that publishes into its own queue and goes on computing: somebody else must come, so it is woken; the
 * publisher waits for the other to have done it. */
static void busy_setup(void)
{
    setup(2, 1);
}

static void busy_worker(void)
{
    publish(&work[0]);
    while (gri_load_relaxed(&done) == 0) explore_wait();
}

/* A searcher finds one thing and is busy with it from then on; what was published meanwhile, counting on the searcher, is
 * for the sleeper. */
static void leave_setup(void)
{
    setup(3, 1);
    gri_add_relaxed(&work[0], 1u);
    EXPLORE_CHECK(gri_idle_search_begin(&idle));
}

static void searcher(void)
{
    if (!take_from(&work[0])) return; /* the sleeper has it */
    if (gri_idle_search_end(&idle) && any_work(0)) notify(gri_idle_wake_one(&idle));
    while (gri_load_relaxed(&done) == 0) explore_wait();
}

static void sleeper(void)
{
    const unsigned me = explore_self();
    for (;;) {
        gri_idle_announce(&idle, me, false);
        if (gri_load_relaxed(&work[1]) == 0)
            while (gri_exchange_acquire(&token[me], 0u) == 0) explore_wait();
        const bool searching = !gri_idle_cancel(&idle, me);
        const bool found = take_from(&work[1]);
        if (searching && gri_idle_search_end(&idle) && any_work(me)) notify(gri_idle_wake_one(&idle));
        if (found) break;
    }
    gri_add_relaxed(&done, 1u);
}

/* A waker counts a sleeper as a searcher, then finds that it woke by itself: somebody else may have relied on the count.
 * One publisher wakes for nothing (worker 2 goes to sleep and changes its mind), another relies on it. */
static void fickle(void)
{
    gri_idle_announce(&idle, 2, false);
    if (!gri_idle_cancel(&idle, 2) && gri_idle_search_end(&idle) && any_work(2)) notify(gri_idle_wake_one(&idle));
}

static void false_alarm(void)
{
    notify(gri_idle_wake_one(&idle));
}

static void false_alarm_for_two(void)
{
    notify(gri_idle_wake_worker(&idle, 2));
}

static void alarm_setup(void)
{
    setup(4, 1);
}

static void publish_for_sleeper(void)
{
    publish(&work[1]);
}

static void check(void)
{
    EXPLORE_CHECK(gri_idle_searching_count(&idle) <= workers);
    EXPLORE_CHECK(gri_load_relaxed(&done) == total);
}

/* Never more than one woken by publishers while nobody else searches: two publishers, two sleepers that do nothing. */
static gri_atomic_u32 woken;

static void crowd_setup(void)
{
    setup(3, 0);
    for (unsigned i = 0; i < 3; i++) gri_idle_announce(&idle, i, false);
    gri_atomic_init(&woken, 0);
}

static void crowd_publish(void)
{
    gri_add_relaxed(&work[0], 1u);
    if (gri_idle_wake_one(&idle) >= 0) gri_add_relaxed(&woken, 1u);
}

static void crowd_check(void)
{
    EXPLORE_CHECK(gri_load_relaxed(&woken) == 1);
    EXPLORE_CHECK(gri_idle_searching_count(&idle) == 1);
    EXPLORE_CHECK(gri_idle_asleep_count(&idle) == 2);
}

/* Of workers that announce at the same time, at least one sees all of them asleep: it takes the poller. */
static gri_atomic_u32 saw_all;

static void last_setup(void)
{
    setup(2, 0);
    gri_atomic_init(&saw_all, 0);
}

static void last_worker(void)
{
    const bool searching = gri_idle_search_begin(&idle);
    gri_idle_announce(&idle, explore_self(), searching);
    if (gri_idle_asleep_count(&idle) == workers) gri_add_relaxed(&saw_all, 1u);
}

static void last_check(void)
{
    EXPLORE_CHECK(gri_load_relaxed(&saw_all) >= 1);
}

/* The same protocol with the real deque: a sleeper's look at count() after announce misses no push before a fence. */
static gri_deque deque;
static unsigned thing;

static void deque_setup(void)
{
    setup(1, 1);
    gri_deque_init(&deque);
}

static void deque_publisher(void)
{
    (void)gri_deque_push_owner(&deque, &thing);
    notify(gri_idle_wake_one(&idle));
}

static void deque_sleeper(void)
{
    for (;;) {
        void *out[1];
        if (gri_deque_steal_array(&deque, out, 1) == 1) {
            gri_add_relaxed(&done, 1u);
            return;
        }
        gri_idle_announce(&idle, 0, false);
        if (gri_deque_count(&deque) == 0)
            while (gri_exchange_acquire(&token[0], 0u) == 0) explore_wait();
        if (!gri_idle_cancel(&idle, 0)) EXPLORE_CHECK(gri_idle_search_end(&idle)); /* the only searcher */
    }
}

int main(int argc, char **argv)
{
    static const explore_program programs[] = {
        {"one", one_setup, {worker, publish_two}, check, NULL, 3, 2, 0},
        {"two", two_setup, {worker, worker, publish_two}, check, NULL, 2, 1, 0},
        {"publishers", two_setup, {worker, worker, publish_first, publish_second}, check, NULL, 2, 1, 0},
        {"pinned", two_setup, {worker, worker, publish_pinned, publish_second}, check, NULL, 2, 1, 0},
        {"busy", busy_setup, {worker, busy_worker}, check, NULL, 3, 2, 0},
        {"leave", leave_setup, {searcher, sleeper, publish_for_sleeper}, check, NULL, 3, 2, 0},
        {"alarm", alarm_setup, {publish_for_sleeper, sleeper, fickle, false_alarm}, check, NULL, 2, 1, 0},
        {"alarm_two", alarm_setup, {publish_for_sleeper, sleeper, fickle, false_alarm_for_two}, check, NULL, 2, 1, 0},
        {"crowd", crowd_setup, {crowd_publish, crowd_publish}, crowd_check, NULL, 4, 3, 0},
        {"last", last_setup, {last_worker, last_worker}, last_check, NULL, 4, 3, 0},
        {"deque", deque_setup, {deque_sleeper, deque_publisher}, check, NULL, 4, 3, 0},
        {NULL, NULL, {NULL}, NULL, NULL, 0, 0, 0},
    };
    return explore_main(argc, argv, programs);
}
