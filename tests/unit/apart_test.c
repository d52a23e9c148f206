/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "os/apart.h"

#include "base/instant.h"
#include "support/test.h"

#include <errno.h>
#include <greenroom/error.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE (60 * GRI_NS_PER_S)

static volatile int elsewhere = 1;
static int *volatile nowhere = (int *)8;

static int writes(void *arg)
{
    int *numbers = arg;
    for (int i = 0; i < 1000; i++) numbers[i] = i;
    elsewhere = 2;
    return numbers[1000];
}

TEST(apart, gives_back_what_it_writes_and_returns)
{
    int *numbers = gri_apart_map(1001 * sizeof *numbers);
    CHECK(numbers && numbers[999] == 0);
    CHECK_OK(gri_apart_run(writes, numbers, PATIENCE));
    CHECK_EQ(numbers[999], 999);
    CHECK_EQ(elsewhere, 1); /* in its own memory only */
    numbers[1000] = GR_ETOOBIG;
    CHECK_EQ(gri_apart_run(writes, numbers, PATIENCE), GR_ETOOBIG);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
    CHECK_EQ(errno, ECHILD); /* nothing is left to reap */
    gri_apart_unmap(numbers, 1001 * sizeof *numbers);
}

static void handler(int signal)
{
    (void)signal;
    _exit(0); /* a host that goes on after crashes; not in our child */
}

static int crashes(void *arg)
{
    switch (*(int *)arg) {
    case 0: abort();
    case 1: raise(SIGKILL); break;
    case 2: __builtin_trap();
    case 3: *nowhere = 1; break;
    default: _exit(0);
    }
    return 0;
}

TEST(apart, crash_is_an_answer)
{
    int *way = gri_apart_map(sizeof *way);
    CHECK(way);
    CHECK(signal(SIGABRT, handler) != SIG_ERR && signal(SIGSEGV, handler) != SIG_ERR);
    for (*way = 0; *way < 5; ++*way) CHECK_EQ(gri_apart_run(crashes, way, PATIENCE), GR_ESYSTEM);
    gri_apart_unmap(way, sizeof *way);
}

static int hangs(void *arg)
{
    (void)arg;
    for (;;) pause();
    return 0;
}

TEST(apart, patience_ends)
{
    int *nothing = gri_apart_map(sizeof *nothing);
    CHECK(nothing);
    CHECK_EQ(gri_apart_run(hangs, nothing, GRI_NS_PER_MS), GR_ESYSTEM);
    CHECK_EQ(gri_apart_run(hangs, nothing, 0), GR_ESYSTEM);
    gri_apart_unmap(nothing, sizeof *nothing);
}

TEST(apart, host_that_reaps_everything)
{
    int *numbers = gri_apart_map(1001 * sizeof *numbers);
    CHECK(numbers);
    CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    CHECK_OK(gri_apart_run(writes, numbers, PATIENCE));
    CHECK_EQ(numbers[7], 7);
    gri_apart_unmap(numbers, 1001 * sizeof *numbers);
}

TEST(apart, signals_of_the_caller_are_as_before)
{
    sigset_t set, after;
    int *numbers = gri_apart_map(1001 * sizeof *numbers);
    CHECK(numbers);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    CHECK_OK(gri_apart_run(writes, numbers, PATIENCE));
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    CHECK(sigismember(&after, SIGUSR1) && !sigismember(&after, SIGTERM));
    gri_apart_unmap(numbers, 1001 * sizeof *numbers);
}
