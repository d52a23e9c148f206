/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* How long a value lives: arguments until the actor ends, a body until its message is freed. Builds that check notice who
 * reads longer. */
#include "support/harness.h"

#include "base/compiler.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void reads_its_arguments_late(gr_self *self, gr_value args)
{
    gr_value list = gr_get(args, "list");
    for (int i = 0; i < 100; i++) {
        EXPECT(self, "i", i);
        CHECK_EQ(gr_int(gr_at(list, (size_t)i % 3), 0), i % 3 + 1);
    }
    CHECK_OK(gr_return_value(self, list));
}

TEST(borrow, arguments_live_until_the_actor_ends)
{
    gr_self *self = BEGIN();
    gr_address one;
    gr_message *result = NULL;
    CHECK_OK(
        gr_spawn_with(self, &one, reads_its_arguments_late, OPTIONS(.retain = true), "{s:[i,i,i]}", "list", 1, 2, 3));
    for (int i = 0; i < 100; i++) CHECK_OK(gr_cast(self, one, "i", i));
    CHECK_OK(gr_wait(self, one, &result, SOON));
    CHECK_VALUE(gr_body(result), "[i,i,i]", 1, 2, 3);
    FREE(result);
    END(self);
}

TEST(borrow, bodies_live_until_their_message_is_freed)
{
    gr_self *self = BEGIN();
    gr_message *kept[100];
    for (int i = 0; i < 100; i++) CHECK_OK(gr_cast(self, gr_self_address(self), "{s:i}", "n", i));
    for (int i = 0; i < 100; i++) kept[i] = RECEIVE(self);
    for (int i = 0; i < 100; i += 2) FREE(kept[i]);
    for (int i = 0; i < 50; i++) CHECK_OK(gr_cast(self, gr_self_address(self), "{s:s}", "other", "text"));
    for (int i = 1; i < 100; i += 2) {
        CHECK_VALUE(gr_body(kept[i]), "{s:i}", "n", i);
        FREE(kept[i]);
    }
    END(self);
}

#if GRI_ASAN || GRI_INVARIANTS >= 2

static void read_after_free(void)
{
    gr_message *m = NULL;
    CHECK_OK(gr_pack(&m, "{s:s}", "text", "a value that is too long to stay in its envelope, so that it has a block"));
    gr_value text = gr_get(gr_body(m), "text");
    FREE(m);
    printf("%d\n", (int)gr_type_of(text));
}

TEST(borrow, who_reads_longer_is_noticed)
{
    gr_self *self = BEGIN();
    END(self);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr)) _exit(0);
        signal(SIGABRT, SIG_DFL);
        self = BEGIN();
        read_after_free();
        _exit(0);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

#endif
