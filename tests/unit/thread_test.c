/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "os/thread.h"

#include "support/test.h"

#include <greenroom/error.h>
#include <pthread.h>
#include <signal.h>

typedef struct seen {
    uint32_t id;
    char name[16];
    sigset_t blocked;
    gri_cpus cpus;
    size_t stack_bytes;
} seen;

static void look(void *arg)
{
    seen *s = arg;
    pthread_attr_t attributes;
    s->id = gri_thread_id_self();
    pthread_getname_np(pthread_self(), s->name, sizeof s->name);
    pthread_sigmask(SIG_SETMASK, NULL, &s->blocked);
    CHECK_OK(gri_thread_affinity_get(&s->cpus));
    CHECK_OK(pthread_getattr_np(pthread_self(), &attributes));
    pthread_attr_getstacksize(&attributes, &s->stack_bytes);
    pthread_attr_destroy(&attributes);
}

TEST(thread, runs_named_with_signals_blocked)
{
    seen s;
    gri_thread thread;
    CHECK_OK(gri_thread_start(&thread, "a-name-longer-than-15", 0, look, &s));
    gri_thread_join(thread);
    CHECK(s.id != gri_thread_id_self());
    CHECK_STR(s.name, "a-name-longer-t");
    CHECK_EQ(sigismember(&s.blocked, SIGTERM), 1);
    CHECK_EQ(sigismember(&s.blocked, SIGCHLD), 1);
    CHECK_EQ(sigismember(&s.blocked, SIGPIPE), 1);
    CHECK_EQ(sigismember(&s.blocked, SIGSEGV), 0);
    CHECK_EQ(sigismember(&s.blocked, SIGBUS), 0);
}

TEST(thread, starter_keeps_its_own_signal_mask)
{
    seen s;
    gri_thread thread;
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    CHECK_OK(gri_thread_start(&thread, NULL, 0, look, &s));
    gri_thread_join(thread);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int signal = 1; signal < 32; signal++) CHECK_EQ(sigismember(&before, signal), sigismember(&after, signal));
}

TEST(thread, stack_size)
{
    seen s;
    gri_thread thread;
    CHECK_OK(gri_thread_start(&thread, "big", 3 << 20, look, &s));
    gri_thread_join(thread);
    CHECK(s.stack_bytes >= 3 << 20);
    CHECK_OK(gri_thread_start(&thread, "small", (256 << 10) + 1, look, &s));
    gri_thread_join(thread);
    CHECK(s.stack_bytes >= 256 << 10);
}

TEST(thread, affinity_set_and_inherited)
{
    gri_cpus all, one;
    CHECK_OK(gri_thread_affinity_get(&all));
    CHECK(gri_cpus_count(&all) >= 1);
    uint32_t cpu = gri_cpus_next(&all, 0);
    gri_cpus_clear(&one);
    gri_cpus_add(&one, cpu);
    CHECK_OK(gri_thread_affinity_set(&one));
    CHECK_EQ(gri_thread_cpu_now(), cpu);
    seen s;
    gri_thread thread;
    CHECK_OK(gri_thread_start(&thread, "pinned", 0, look, &s));
    gri_thread_join(thread);
    CHECK(gri_cpus_equal(&s.cpus, &one));
    CHECK_OK(gri_thread_affinity_set(&all));
    CHECK_OK(gri_thread_affinity_get(&one));
    CHECK(gri_cpus_equal(&one, &all));
}

TEST(thread, affinity_without_a_usable_cpu_is_refused)
{
    gri_cpus none;
    gri_cpus_clear(&none);
    CHECK_EQ(gri_thread_affinity_set(&none), GR_EINVAL);
    gri_cpus_add(&none, GRI_CPUS_MAX - 1);
    CHECK_EQ(gri_thread_affinity_set(&none), GR_EINVAL);
}

TEST(thread, how_long_it_waited_for_a_cpu)
{
    int64_t before, after, none = -7;
    CHECK_OK(gri_thread_waited_ns(gri_thread_id_self(), &before));
    CHECK(before >= 0);
    gri_thread_yield();
    CHECK_OK(gri_thread_waited_ns(gri_thread_id_self(), &after));
    CHECK(after >= before);
    CHECK_EQ(gri_thread_waited_ns(0, &none), GR_ESYSTEM);
    CHECK_EQ(none, -7);
}
