/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "os/poller.h"

#include "base/instant.h"
#include "os/clock.h"
#include "os/park.h"
#include "os/thread.h"
#include "support/test.h"

#include <fcntl.h>
#include <greenroom/error.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct seen {
    int count, readable, writable, hangup;
    uint64_t cookie;
} seen;

static void note(void *arg, uint64_t cookie, bool readable, bool writable, bool hangup)
{
    seen *s = arg;
    s->count++;
    s->readable += readable;
    s->writable += writable;
    s->hangup += hangup;
    s->cookie = cookie;
}

static seen look(gri_poller *poller)
{
    seen s = {0};
    CHECK_EQ(gri_poller_wait(poller, 0, note, &s), s.count);
    return s;
}

static gri_poller open_with_pair(int fds[2], uint64_t cookie)
{
    gri_poller poller;
    CHECK_OK(gri_poller_open(&poller));
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
    CHECK_OK(gri_poller_add(&poller, fds[0], cookie));
    return poller;
}

TEST(poller, reports_each_edge_once)
{
    int fds[2];
    gri_poller poller = open_with_pair(fds, 77);
    seen s = look(&poller);
    CHECK(s.count == 1 && s.writable == 1 && s.readable == 0 && s.hangup == 0 && s.cookie == 77);
    CHECK_EQ(look(&poller).count, 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    s = look(&poller);
    CHECK(s.count == 1 && s.readable == 1);
    CHECK_EQ(look(&poller).count, 0);
    CHECK_EQ(write(fds[1], "y", 1), 1);
    CHECK_EQ(look(&poller).readable, 1);
    gri_poller_close(&poller);
    close(fds[0]);
    close(fds[1]);
}

TEST(poller, hangup_makes_readable_and_writable)
{
    int fds[2];
    gri_poller poller = open_with_pair(fds, 1);
    look(&poller);
    CHECK_OK(shutdown(fds[1], SHUT_WR));
    seen s = look(&poller);
    CHECK(s.count == 1 && s.hangup == 1 && s.readable == 1);
    close(fds[1]);
    s = look(&poller);
    CHECK(s.count == 1 && s.hangup == 1 && s.readable == 1 && s.writable == 1);
    gri_poller_close(&poller);
    close(fds[0]);
}

TEST(poller, end_of_the_other_side_does_not_make_writable)
{
    int fds[2];
    gri_poller poller = open_with_pair(fds, 1);
    char block[4096] = {0};
    while (write(fds[0], block, sizeof block) > 0) continue;
    look(&poller);
    CHECK_OK(shutdown(fds[1], SHUT_WR));
    seen s = look(&poller);
    CHECK(s.count == 1 && s.hangup == 1 && s.readable == 1 && s.writable == 0);
    gri_poller_close(&poller);
    close(fds[0]);
    close(fds[1]);
}

TEST(poller, broken_pipe_is_readable_and_writable)
{
    int fds[2];
    gri_poller poller;
    CHECK_OK(gri_poller_open(&poller));
    CHECK_OK(pipe(fds));
    CHECK_OK(gri_poller_add(&poller, fds[1], 4));
    look(&poller);
    close(fds[0]);
    seen s = look(&poller);
    CHECK(s.count == 1 && s.hangup == 1 && s.readable == 1 && s.writable == 1 && s.cookie == 4);
    gri_poller_close(&poller);
    close(fds[1]);
}

TEST(poller, writable_again_after_full)
{
    int fds[2];
    gri_poller poller = open_with_pair(fds, 1);
    char block[4096] = {0};
    look(&poller);
    while (write(fds[0], block, sizeof block) > 0) continue;
    look(&poller);
    CHECK_EQ(look(&poller).count, 0);
    while (read(fds[1], block, sizeof block) > 0) continue;
    CHECK_EQ(look(&poller).writable, 1);
    gri_poller_close(&poller);
    close(fds[0]);
    close(fds[1]);
}

TEST(poller, remove_and_errors)
{
    int fds[2];
    gri_poller poller = open_with_pair(fds, 1);
    CHECK_EQ(gri_poller_add(&poller, fds[0], 2), GR_EEXISTS);
    CHECK_OK(gri_poller_remove(&poller, fds[0]));
    CHECK_EQ(gri_poller_remove(&poller, fds[0]), GR_ENOTFOUND);
    CHECK_EQ(look(&poller).count, 0);
    int file = open("/proc/self/exe", O_RDONLY);
    CHECK(file >= 0);
    CHECK_EQ(gri_poller_add(&poller, file, 3), GR_EUNSUPPORTED);
    close(file);
    gri_poller_close(&poller);
    close(fds[0]);
    close(fds[1]);
}

TEST(poller, many_ready_are_all_reported)
{
    enum { PAIRS = 100 };
    gri_poller poller;
    int fds[PAIRS][2];
    CHECK_OK(gri_poller_open(&poller));
    for (int i = 0; i < PAIRS; i++) {
        CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds[i]));
        CHECK_OK(gri_poller_add(&poller, fds[i][0], (uint64_t)i));
    }
    seen s = {0};
    while (gri_poller_wait(&poller, 0, note, &s) > 0) continue;
    CHECK_EQ(s.count, PAIRS);
    for (int i = 0; i < PAIRS; i++) {
        close(fds[i][0]);
        close(fds[i][1]);
    }
    gri_poller_close(&poller);
}

TEST(poller, wake_is_sticky_and_spent_once)
{
    gri_poller poller;
    seen s = {0};
    CHECK_OK(gri_poller_open(&poller));
    gri_poller_wake(&poller);
    gri_poller_wake(&poller);
    CHECK_EQ(gri_poller_wait(&poller, -1, note, &s), 0);
    gri_instant start = gri_clock_monotonic();
    CHECK_EQ(gri_poller_wait(&poller, GRI_NS_PER_MS, note, &s), 0);
    CHECK(gri_clock_monotonic() - start >= GRI_NS_PER_MS);
    gri_poller_wake(&poller);
    CHECK_EQ(gri_poller_wait(&poller, -1, note, &s), 0);
    CHECK_EQ(s.count, 0);
    gri_poller_close(&poller);
}

typedef struct sleeper {
    gri_poller poller;
    gri_parker returned;
    int rounds;
} sleeper;

static void sleep_in_poller(void *arg)
{
    sleeper *s = arg;
    seen unused = {0};
    for (int i = 0; i < s->rounds; i++) {
        CHECK_EQ(gri_poller_wait(&s->poller, -1, note, &unused), 0);
        gri_parker_notify(&s->returned);
    }
}

TEST(poller, wake_from_another_thread)
{
    sleeper s = {.rounds = 200};
    gri_thread thread;
    CHECK_OK(gri_poller_open(&s.poller));
    CHECK_OK(gri_thread_start(&thread, "sleeper", 0, sleep_in_poller, &s));
    for (int i = 0; i < s.rounds; i++) {
        gri_poller_wake(&s.poller);
        CHECK(gri_parker_wait(&s.returned, GRI_INSTANT_NEVER));
    }
    gri_thread_join(thread);
    gri_poller_close(&s.poller);
}

TEST(poller, open_at_the_descriptor_limit_leaks_nothing)
{
    gri_poller poller;
    struct rlimit before, none;
    int lowest = dup(0);
    CHECK(lowest >= 0);
    close(lowest);
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &before));
    for (rlim_t spare = 0; spare < 2; spare++) {
        none = before;
        none.rlim_cur = (rlim_t)lowest + spare;
        CHECK_OK(setrlimit(RLIMIT_NOFILE, &none));
        CHECK_EQ(gri_poller_open(&poller), GR_ESYSTEM);
    }
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &before));
    CHECK_EQ(dup(0), lowest);
    close(lowest);
}
