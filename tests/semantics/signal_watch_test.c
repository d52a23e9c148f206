/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Signals as messages. */
#include "support/harness.h"

#include <signal.h>
#include <unistd.h>

/* Until as many have been told of; several may come as one. */
static void expect_signal(gr_self *self, int number, const char *name, int64_t times)
{
    while (times > 0) {
        gr_message *m = RECEIVE(self);
        gr_value body = gr_body(m);
        CHECK_EQ(gr_int(gr_get(body, "signal"), -1), number);
        CHECK_STR(gr_string(gr_get(body, "name"), ""), name);
        CHECK(gr_int(gr_get(body, "times"), 0) > 0);
        times -= gr_int(gr_get(body, "times"), 0);
        FREE(m);
    }
    CHECK_EQ(times, 0);
}

TEST(signal, comes_as_a_message)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    CHECK_OK(gr_signal_watch(self, SIGUSR1));
    CHECK_OK(gr_signal_watch(self, SIGUSR1)); /* once is enough */
    CHECK_OK(gr_signal_watch(self, SIGRTMIN + 2));
    CHECK_OK(kill(getpid(), SIGUSR1));
    expect_signal(self, SIGUSR1, "SIGUSR1", 1);
    for (int i = 0; i < 5; i++) CHECK_OK(kill(getpid(), SIGRTMIN + 2)); /* the system counts these */
    expect_signal(self, SIGRTMIN + 2, "SIGRTMIN+2", 5);
    EXPECT_NOTHING(self);
    END(self);
}

static void watch_and_tell(gr_self *self, gr_value args)
{
    gr_address host = gr_address_in(args);
    CHECK_OK(gr_signal_watch(self, SIGUSR2));
    CHECK_OK(gr_cast(self, host, "s", "ready"));
    gr_message *m = RECEIVE(self);
    CHECK_OK(gr_cast(self, host, "V", gr_body(m)));
    FREE(m);
}

TEST(signal, is_told_to_every_watcher_until_it_ends)
{
    if (harness_simulated()) return;
    CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
    gr_self *self = BEGIN();
    gr_address one, other;
    CHECK_OK(gr_spawn(self, &one, watch_and_tell, "A", gr_self_address(self)));
    CHECK_OK(gr_spawn(self, &other, watch_and_tell, "A", gr_self_address(self)));
    EXPECT(self, "s", "ready");
    EXPECT(self, "s", "ready");
    CHECK_OK(kill(getpid(), SIGUSR2));
    expect_signal(self, SIGUSR2, "SIGUSR2", 2);
    WAIT_GONE(self, one);
    WAIT_GONE(self, other);
    struct sigaction now;
    CHECK_OK(sigaction(SIGUSR2, NULL, &now));
    CHECK(now.sa_handler == SIG_IGN); /* as it was */
    CHECK_OK(kill(getpid(), SIGUSR2));
    END(self);
}

TEST(signal, unwatch_puts_back_what_was_there)
{
    if (harness_simulated()) return;
    CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
    gr_self *self = BEGIN();
    for (int i = 0; i < 3; i++) {
        CHECK_OK(gr_signal_watch(self, SIGUSR1));
        CHECK_OK(kill(getpid(), SIGUSR1));
        expect_signal(self, SIGUSR1, "SIGUSR1", 1);
        CHECK_OK(gr_signal_unwatch(self, SIGUSR1));
        CHECK_EQ(gr_signal_unwatch(self, SIGUSR1), GR_ENOTFOUND);
        CHECK_OK(kill(getpid(), SIGUSR1));
        EXPECT_NOTHING(self);
    }
    END(self);
}

TEST(signal, ends_with_the_runtime)
{
    if (harness_simulated()) return;
    CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
    for (int i = 0; i < 2; i++) {
        gr_self *self = BEGIN();
        CHECK_OK(gr_signal_watch(self, SIGUSR1));
        CHECK_OK(kill(getpid(), SIGUSR1));
        expect_signal(self, SIGUSR1, "SIGUSR1", 1);
        END(self);
        CHECK_OK(kill(getpid(), SIGUSR1));
    }
}

TEST(signal, some_cannot_be_watched)
{
    gr_self *self = BEGIN();
    static const int refused[] = {0, -1, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGABRT, 32, 33, 65, 1000};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        CHECK_EQ(gr_signal_watch(self, refused[i]), GR_EINVAL);
        CHECK_EQ(gr_signal_unwatch(self, refused[i]), GR_ENOTFOUND);
    }
    if (harness_simulated()) CHECK_EQ(gr_signal_watch(self, SIGUSR1), GR_EUNSUPPORTED);
    END(self);
}

/* While it waits for an answer it takes nothing else out. */
static void watch_and_ask(gr_self *self, gr_value args)
{
    gr_address host = gr_address_in(args);
    gr_message *reply = NULL;
    CHECK_OK(gr_signal_watch(self, SIGUSR1));
    for (int i = 0; i < 3; i++) {
        CHECK_OK(kill(getpid(), SIGUSR1));
        expect_signal(self, SIGUSR1, "SIGUSR1", 1);
    }
    CHECK_OK(gr_call(self, &reply, host, "fill", SOON, "n"));
    gr_message_free(&reply);
}

TEST(signal, counts_for_no_bound)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn_with(self, &one, watch_and_ask, OPTIONS(.mailbox_max = 2), "A", gr_self_address(self)));
    gr_message *call = RECEIVE(self);
    CHECK_OK(gr_cast(self, one, "i", 1));
    CHECK_OK(gr_cast(self, one, "i", 2));
    CHECK_EQ(gr_cast(self, one, "i", 3), GR_EFULL);
    CHECK_OK(gr_respond(self, call, "n"));
    FREE(call);
    WAIT_GONE(self, one);
    END(self);
}
