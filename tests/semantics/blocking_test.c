/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* gr_blocking: where it runs, who owns its argument, what ends the waiting. */
#include "support/harness.h"

#include "base/atomic.h"
#include "io/blocking.h"

#include <pthread.h>
#include <semaphore.h>

/* A call that waits for `go`, and counts. */
typedef struct work {
    sem_t begun, go;
    gri_atomic_u32 runs, drops;
    pthread_t thread;
} work;

static void work_init(work *w)
{
    memset(w, 0, sizeof *w);
    CHECK_OK(sem_init(&w->begun, 0, 0));
    CHECK_OK(sem_init(&w->go, 0, 0));
}

static void wait_for_go(void *arg)
{
    work *w = arg;
    w->thread = pthread_self();
    gri_add_relaxed(&w->runs, 1u); /* relaxed: a counter, read when all is over, here and below */
    sem_post(&w->begun);
    while (sem_wait(&w->go) != 0) continue;
}

static void count_run(void *arg)
{
    gri_add_relaxed(&((work *)arg)->runs, 1u); /* relaxed: as above */
}

static void count_drop(void *arg)
{
    gri_add_relaxed(&((work *)arg)->drops, 1u); /* relaxed: as above */
}

static void note_thread(void *arg)
{
    *(pthread_t *)arg = pthread_self();
}

TEST(blocking, runs_elsewhere_and_gives_arg_back)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    work w;
    work_init(&w);
    sem_post(&w.go);
    CHECK_OK(gr_blocking(self, wait_for_go, &w, count_drop, SOON));
    CHECK_EQ(w.runs, 1);
    CHECK(!pthread_equal(w.thread, pthread_self()));
    CHECK_EQ(w.drops, 0);
    END(self);
}

TEST(blocking, under_simulation_runs_in_place)
{
    if (!harness_simulated()) return;
    gr_self *self = BEGIN();
    pthread_t thread;
    CHECK_OK(gr_blocking(self, note_thread, &thread, NULL, SOON));
    CHECK(pthread_equal(thread, pthread_self()));
    END(self);
}

/* One worker: it is free while the call blocks, or the other actor could not end it. */
static void release(gr_self *self, gr_value args)
{
    work *w = (work *)(uintptr_t)gr_int(args, 0);
    CHECK_OK(gr_cooperate(self));
    sem_post(&w->go);
}

static void block_and_tell(gr_self *self, gr_value args)
{
    work *w = (work *)(uintptr_t)gr_int(gr_get(args, "work"), 0);
    int code = gr_blocking(self, wait_for_go, w, count_drop, GR_FOREVER);
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "host")), "{s:i}", "code", code));
}

static gr_address spawn_blocked(gr_self *self, gr_entry entry, work *w, enum gr_kill_mode kill)
{
    gr_address one;
    CHECK_OK(gr_spawn_with(self, &one, entry, OPTIONS(.kill = kill, .link = GR_LINK_TRAP_EXIT), "{s:I, s:A}", "work",
                           (int64_t)(uintptr_t)w, "host", gr_self_address(self)));
    return one;
}

TEST(blocking, does_not_hold_the_worker)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN_WITH(.workers = 1);
    work w;
    work_init(&w);
    gr_address one = spawn_blocked(self, block_and_tell, &w, GR_KILL_RETURNS);
    while (sem_wait(&w.begun) != 0) continue;
    CHECK_OK(gr_spawn(self, NULL, release, "I", (int64_t)(uintptr_t)&w));
    EXPECT(self, "{s:i}", "code", 0);
    EXPECT(self, "{s:A, s:n}", "address", one, "exit");
    END(self);
}

enum { MANY = 300, THREADS = 3 };

typedef struct crowd {
    gri_atomic_u32 inside, most, runs;
} crowd;

static void enter_and_leave(void *arg)
{
    crowd *c = arg;
    /* relaxed, all: counters; exceeding the bound would show whatever the order */
    unsigned inside = gri_add_relaxed(&c->inside, 1u) + 1, most = gri_load_relaxed(&c->most);
    while (inside > most && !gri_cas_weak_relaxed(&c->most, &most, inside)) continue;
    gri_add_relaxed(&c->runs, 1u);
    sched_yield();
    gri_sub_relaxed(&c->inside, 1u);
}

static void visit_crowd(gr_self *self, gr_value args)
{
    CHECK_OK(gr_blocking(self, enter_and_leave, (void *)(uintptr_t)gr_int(gr_get(args, "crowd"), 0), NULL, SOON));
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "host")), "n"));
}

TEST(blocking, many_share_a_bounded_pool)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN_WITH(.blocking_threads = THREADS, .fixed = GR_FIXED(blocking_threads));
    crowd c = {0};
    for (int i = 0; i < MANY; i++)
        CHECK_OK(gr_spawn(self, NULL, visit_crowd, "{s:I, s:A}", "crowd", (int64_t)(uintptr_t)&c, "host",
                          gr_self_address(self)));
    for (int i = 0; i < MANY; i++) EXPECT(self, "n");
    CHECK_EQ(c.runs, MANY);
    CHECK(c.most >= 1 && c.most <= THREADS);
    gri_blocking_counts counts;
    gri_blocking_count(&counts);
    CHECK(counts.threads >= 1 && counts.threads <= THREADS);
    CHECK_EQ(counts.waiting, 0);
    END(self);
    gri_blocking_count(&counts);
    CHECK_EQ(counts.threads, 0); /* they end with the runtime */
}

TEST(blocking, the_pool_starts_again_with_the_runtime)
{
    for (int i = 0; i < 3; i++) {
        gr_self *self = BEGIN();
        pthread_t thread;
        CHECK_OK(gr_blocking(self, note_thread, &thread, NULL, SOON));
        END(self);
    }
}

/* ---- what ends the waiting ---- */

TEST(blocking, one_that_has_not_begun_never_will)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN_WITH(.blocking_threads = 1, .fixed = GR_FIXED(blocking_threads));
    work first, second;
    work_init(&first), work_init(&second);
    spawn_blocked(self, block_and_tell, &first, GR_KILL_RETURNS);
    while (sem_wait(&first.begun) != 0) continue;
    CHECK_EQ(gr_blocking(self, count_run, &second, count_drop, gr_after_ms(5)), GR_ETIMEOUT);
    CHECK_EQ(second.drops, 1); /* at once */
    CHECK_EQ(gr_blocking(self, count_run, &second, NULL, gr_after_ms(5)), GR_ETIMEOUT);
    CHECK_EQ(gr_blocking(self, count_run, &second, count_drop, GR_NOW), GR_ETIMEOUT);
    CHECK_EQ(second.drops, 2);
    sem_post(&first.go);
    EXPECT(self, "{s:i}", "code", 0);
    END(self);
    CHECK_EQ(second.runs, 0);
}

TEST(blocking, with_a_drop_a_timeout_leaves_it_behind)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    work w;
    work_init(&w);
    unsigned dropped;
    do { /* once more if the deadline passed before a thread had taken it: then it is dropped at once */
        dropped = w.drops;
        CHECK_EQ(gr_blocking(self, wait_for_go, &w, count_drop, gr_after_ms(20)), GR_ETIMEOUT);
    } while (w.drops != dropped);
    while (sem_wait(&w.begun) != 0) continue; /* taken, but maybe not begun yet */
    CHECK_EQ(w.runs, 1);
    sem_post(&w.go);
    END(self); /* waits for it */
    CHECK_EQ(w.drops, dropped + 1);
}

static void kill_blocked(enum gr_kill_mode mode, int (*kill)(gr_address address), bool comes_back)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    work w;
    work_init(&w);
    gr_address one = spawn_blocked(self, block_and_tell, &w, mode);
    while (sem_wait(&w.begun) != 0) continue;
    CHECK_OK(kill(one));
    if (comes_back) EXPECT(self, "{s:i}", "code", GR_EKILLED);
    EXPECT_EXCEPTION(self, one, "killed");
    CHECK_EQ(w.drops, 0); /* fn runs still */
    sem_post(&w.go);
    END(self);
    CHECK_EQ(w.drops, 1);
}

TEST(blocking, with_a_drop_a_kill_leaves_it_behind)
{
    kill_blocked(GR_KILL_RETURNS, gr_kill, true);
}

TEST(blocking, with_a_drop_an_unwinding_kill_leaves_it_behind)
{
    kill_blocked(GR_KILL_RAISES, gr_kill, false);
}

TEST(blocking, with_a_drop_kill_now_leaves_it_behind)
{
    kill_blocked(GR_KILL_RETURNS, gr_kill_now, false);
}

static void block_without_drop(gr_self *self, gr_value args)
{
    work *w = (work *)(uintptr_t)gr_int(gr_get(args, "work"), 0);
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "host")), "s", "before"));
    int code = gr_blocking(self, wait_for_go, w, NULL, GR_FOREVER);
    gri_add_relaxed(&w->drops, 10u); /* it came back; relaxed: as above */
    CHECK_EQ(code, GR_EKILLED);
}

TEST(blocking, without_a_drop_one_that_has_begun_is_waited_for)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    work w;
    work_init(&w);
    gr_address one = spawn_blocked(self, block_without_drop, &w, GR_KILL_RETURNS);
    EXPECT(self, "s", "before");
    while (sem_wait(&w.begun) != 0) continue;
    CHECK_OK(gr_kill(one));
    CHECK(gr_alive(one)); /* it cannot leave: fn has its stack */
    sem_post(&w.go);
    EXPECT_EXCEPTION(self, one, "killed");
    CHECK_EQ(w.drops, 10);

    one = spawn_blocked(self, block_without_drop, &w, GR_KILL_RAISES);
    EXPECT(self, "s", "before");
    while (sem_wait(&w.begun) != 0) continue;
    CHECK_OK(gr_kill_now(one));
    CHECK(gr_alive(one));
    sem_post(&w.go);
    EXPECT_EXCEPTION(self, one, "killed");
    CHECK_EQ(w.drops, 10); /* unwound */
    END(self);
}

/* ---- wrong calls ---- */

static void attach_and_forget(void *arg)
{
    gr_self *self = NULL;
    (void)arg;
    CHECK_OK(gr_attach(&self));
    CHECK_OK(gr_cast(self, *(gr_address *)arg, "s", "from the pool"));
}

TEST(blocking, fn_may_attach_and_is_detached)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    gr_address me = gr_self_address(self);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(gr_blocking(self, attach_and_forget, &me, NULL, SOON));
        EXPECT(self, "s", "from the pool");
    }
    END(self);
}

TEST(blocking, wrong_calls_drop_what_they_were_given)
{
    gr_self *self = BEGIN();
    work w;
    work_init(&w);
    CHECK_EQ(gr_blocking(self, NULL, &w, count_drop, SOON), GR_EINVAL);
    CHECK_EQ(w.drops, 1);
    gr_no_suspend_begin(self);
    CHECK_EQ(gr_blocking(self, count_run, &w, count_drop, SOON), GR_ESUSPEND);
    gr_no_suspend_end(self);
    CHECK_EQ(w.drops, 2);
    CHECK_EQ(gr_blocking(NULL, count_run, &w, count_drop, SOON), GR_ECONTEXT);
    CHECK_EQ(w.drops, 3);
    CHECK_OK(gr_kill(gr_self_address(self)));
    CHECK_EQ(gr_blocking(self, count_run, &w, count_drop, SOON), GR_EKILLED);
    gr_kill_clear(self);
    CHECK_EQ(w.drops, 4);
    CHECK_EQ(w.runs, 0);
    END(self);
}
