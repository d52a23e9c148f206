/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A start that the system refuses threads or signal stacks says so, leaves nothing, and can be made again; refused later, a
 * spare worker is had as soon as there is one, and runs nothing before it is counted.
 *
 * wrapped: pthread_create gri_thread_start gri_overflow_stack_map gri_overflow_thread_begin
 * The system calls of the latter two are what inject/ fails: sanitizers need them before anything is set up. */
#include "support/harness.h"

#include "actor/overflow.h"
#include "actor/runtime.h"
#include "base/atomic.h"
#include "os/clock.h"
#include "os/thread.h"
#include "schedule/scheduler.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define WORKERS 3

enum call { THREAD, SIGNAL_STACK, MAPPING, CALLS };

/* Which call of each kind is refused, counted from 1 (0: none), and whether those after it are, too. relaxed, all: counts */
static gri_atomic_u32 refused_at[CALLS], counted[CALLS];
static gri_atomic_bool onwards;

static bool refuses(enum call call)
{
    const uint32_t at = gri_load_relaxed(&refused_at[call]);
    if (at == 0) return false;
    const uint32_t number = gri_add_relaxed(&counted[call], 1u) + 1;
    return number == at || (number > at && gri_load_relaxed(&onwards));
}

static void refuse(enum call call, uint32_t at, bool from_then_on)
{
    gri_store_relaxed(&onwards, from_then_on);
    gri_store_relaxed(&counted[call], 0);
    gri_store_relaxed(&refused_at[call], at);
}

int __real_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*fn)(void *), void *arg)
{
    return refuses(THREAD) ? EAGAIN : __real_pthread_create(ret, attributes, fn, arg);
}

void *__real_gri_overflow_stack_map(void);
void *__wrap_gri_overflow_stack_map(void);
void *__wrap_gri_overflow_stack_map(void)
{
    return refuses(MAPPING) ? NULL : __real_gri_overflow_stack_map();
}

int __real_gri_overflow_thread_begin(void *stack);
int __wrap_gri_overflow_thread_begin(void *stack);
int __wrap_gri_overflow_thread_begin(void *stack)
{
    return refuses(SIGNAL_STACK) ? GR_ESYSTEM : __real_gri_overflow_thread_begin(stack);
}

static unsigned entries(const char *path)
{
    DIR *dir = opendir(path);
    unsigned count = 0;
    CHECK(dir);
    while (readdir(dir)) count++;
    closedir(dir);
    return count;
}

/* A thread that has been joined may be listed a moment longer: when `most` was counted, too. */
static void check_threads(unsigned most)
{
    const gr_deadline patience = SOON;
    while (entries("/proc/self/task") > most && gr_now_ns() < patience.ns) continue;
    CHECK(entries("/proc/self/task") <= most);
}

static int start(gr_detail *detail)
{
    return gr_start(&(gr_options){.workers = WORKERS, .log = "off", .fixed = GR_FIXED(workers) | GR_FIXED(log)},
                    detail);
}

static void check_works(void)
{
    gr_self *self = NULL;
    CHECK_OK(start(NULL));
    CHECK_OK(gr_attach(&self));
    CHECK_OK(gr_cast(self, gr_self_address(self), "i", 7));
    EXPECT(self, "i", 7);
    CHECK_OK(gr_stop(SOON));
}

/* Each of so many calls of a start, by itself and with all after it. */
static void check_refusals(enum call call, uint32_t calls, int code, const char *text)
{
    check_works(); /* what is made once is there */
    const unsigned threads = entries("/proc/self/task"), fds = entries("/proc/self/fd");
    for (uint32_t at = 1; at <= 2 * calls; at++) {
        gr_detail detail = {.text = ""};
        refuse(call, (at + 1) / 2, at % 2 == 0);
        CHECK_EQ(start(&detail), code);
        refuse(call, 0, false);
        if (!strstr(detail.text, text)) TEST_FAIL("\"%s\" lacks \"%s\"", detail.text, text);
        CHECK_EQ(gr_stop(GR_NOW), GR_ENOTRUNNING);
        check_threads(threads);
        CHECK_EQ(entries("/proc/self/fd"), fds);
        check_works();
    }
}

TEST(refused_start, threads)
{
    if (harness_simulated()) return;
    check_refusals(THREAD, WORKERS + 1, GR_ESYSTEM, "the system refuses the ");
    gr_detail detail;
    refuse(THREAD, 2, false);
    CHECK_EQ(start(&detail), GR_ESYSTEM);
    CHECK(strstr(detail.text, "the thread of worker 2 of 3") && strstr(detail.text, "GREENROOM_WORKERS"));
    refuse(THREAD, WORKERS + 1, false);
    CHECK_EQ(start(&detail), GR_ESYSTEM);
    CHECK(strstr(detail.text, "the monitor's thread"));
    refuse(THREAD, 0, false);
}

TEST(refused_start, memory_for_signal_stacks)
{
    if (harness_simulated()) return;
    check_refusals(MAPPING, WORKERS, GR_ENOMEM, "the worker threads could not be started");
}

TEST(refused_start, signal_stacks)
{
    if (harness_simulated()) return;
    check_refusals(SIGNAL_STACK, WORKERS, GR_ESYSTEM, "a worker's thread cannot be prepared");
}

static gri_atomic_bool going; /* relaxed, both: seen late is fine */
static gri_atomic_u32 spinning;

static void spin(gr_self *self, gr_value args)
{
    (void)self, (void)args;
    (void)gri_add_relaxed(&spinning, 1u);
    while (gri_load_relaxed(&going)) continue;
}

static void tell(gr_self *self, gr_value args)
{
    (void)gr_cast(self, gr_address_in(args), "s", "here");
}

/* All workers are held: what waits needs a spare one, whose thread, or memory, is refused at first. */
static void check_spare(enum call call)
{
    gr_self *self = NULL;
    gr_address one;
    CHECK_OK(start(NULL));
    CHECK_OK(gr_attach(&self));
    gri_store_relaxed(&going, true);
    refuse(call, 1, true);
    for (int i = 0; i < WORKERS; i++) CHECK_OK(gr_spawn(self, &one, spin, "n"));
    WAIT_FOR(self, gri_load_relaxed(&counted[call]) >= 3); /* it asks again and again */
    CHECK_EQ(gri_load_relaxed(&gri_scheduler_now->rescues), 0);
    refuse(call, 0, false);
    CHECK_OK(gr_spawn(self, &one, tell, "A", gr_self_address(self)));
    EXPECT(self, "s", "here");                                         /* on the spare one: the others still spin */
    WAIT_FOR(self, gri_load_relaxed(&gri_scheduler_now->rescues) > 0); /* counted a moment later */
    gri_store_relaxed(&going, false);
    CHECK_OK(gr_stop(SOON));
}

TEST(refused_start, a_spare_worker_later)
{
    if (harness_simulated()) return;
    check_spare(THREAD);
    check_spare(MAPPING);
}

/* ---- before a spare worker is counted ---- */

static gri_atomic_bool ran, slow_start; /* relaxed, both: seen late is fine */

int __real_gri_thread_start(gri_thread *ret, const char *name, size_t stack_bytes, void (*fn)(void *), void *arg);
int __wrap_gri_thread_start(gri_thread *ret, const char *name, size_t stack_bytes, void (*fn)(void *), void *arg);
int __wrap_gri_thread_start(gri_thread *ret, const char *name, size_t stack_bytes, void (*fn)(void *), void *arg)
{
    int code = __real_gri_thread_start(ret, name, stack_bytes, fn, arg);
    if (code != 0 || !gri_load_relaxed(&slow_start) || strcmp(name, "gr-spare") != 0) return code;
    const gri_worker *spare = arg;
    while (gri_load_relaxed(&spare->phase) != GRI_WORKER_ABSENT) gri_thread_yield(); /* relaxed: a picture */
    if (!gri_load_relaxed(&ran)) return 0;
    /* It has run something already: the stop counts who is left, without it, and nobody will wake the stop again. */
    while (!gri_load_relaxed(&gri_runtime_now.stop_waits)) gri_thread_yield();
    for (gri_instant end = gri_clock_monotonic() + 100 * GRI_NS_PER_MS; gri_clock_monotonic() < end;)
        gri_thread_yield();
    return 0;
}

static void tell_that_it_ran(gr_self *self, gr_value args)
{
    gri_store_relaxed(&ran, true);
    tell(self, args);
}

TEST(refused_start, a_spare_worker_runs_nothing_before_it_is_counted)
{
    if (harness_simulated()) return;
    gr_self *self = NULL;
    gr_address one;
    CHECK_OK(start(NULL));
    CHECK_OK(gr_attach(&self));
    gri_store_relaxed(&going, true);
    gri_store_relaxed(&ran, false);
    gri_store_relaxed(&slow_start, true);
    gri_store_relaxed(&spinning, 0);
    for (int i = 0; i < WORKERS; i++) CHECK_OK(gr_spawn(self, &one, spin, "n"));
    while (gri_load_relaxed(&spinning) < WORKERS) gri_thread_yield();
    CHECK_OK(gr_spawn(self, &one, tell_that_it_ran, "A", gr_self_address(self)));
    EXPECT(self, "s", "here");
    gri_store_relaxed(&going, false);
    CHECK_OK(gr_stop(SOON));
    gri_store_relaxed(&slow_start, false);
}
