/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "base/check.h"

#include "support/test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs body in a child whose standard error is read back; returns its wait status. */
static int run_child(void (*body)(void), char *ret_text, size_t bytes)
{
    int fds[2], status = 0;
    CHECK_OK(pipe(fds));
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        body();
        _exit(7);
    }
    close(fds[1]);
    size_t length = 0;
    ssize_t got;
    while (length < bytes - 1 && (got = read(fds[0], ret_text + length, bytes - 1 - length)) > 0) length += (size_t)got;
    ret_text[length] = '\0';
    close(fds[0]);
    CHECK_EQ(waitpid(child, &status, 0), child);
    return status;
}

static void panics(void)
{
    gri_panic("the %s is %d", "answer", 42);
}

TEST(check, panic_tells_and_aborts)
{
    char text[2048];
    int status = run_child(panics, text, sizeof text);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGABRT);
    CHECK(strstr(text, "greenroom: panic: the answer is 42\n"));
}

static void panics_long(void)
{
    char big[4 * GRI_PANIC_TEXT_BYTES];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    gri_panic("%s", big);
}

TEST(check, long_text_is_cut)
{
    char text[8192];
    int status = run_child(panics_long, text, sizeof text);
    CHECK(WIFSIGNALED(status));
    CHECK(strstr(text, "greenroom: panic: xxx"));
    CHECK(strlen(text) < GRI_PANIC_TEXT_BYTES + 32);
}

static void hook(void *arg, const char *text)
{
    (void)!write(STDERR_FILENO, arg, strlen(arg));
    (void)!write(STDERR_FILENO, text, strlen(text));
}

static void panics_hooked(void)
{
    gri_panic_hook_set(hook, "hooked: ");
    gri_panic("seen");
}

TEST(check, hook_replaces_standard_error)
{
    char text[2048];
    int status = run_child(panics_hooked, text, sizeof text);
    CHECK(WIFSIGNALED(status));
    CHECK(strstr(text, "hooked: seen"));
    CHECK(!strstr(text, "greenroom: panic"));
}

static void hook_that_panics(void *arg, const char *text)
{
    (void)arg;
    (void)text;
    gri_panic("second");
}

static void panics_in_hook(void)
{
    gri_panic_hook_set(hook_that_panics, NULL);
    gri_panic("first");
}

TEST(check, panic_in_the_hook_ends_at_once)
{
    char text[2048];
    int status = run_child(panics_in_hook, text, sizeof text);
    CHECK(WIFSIGNALED(status));
    CHECK(strstr(text, "second"));
}

static void assertion_fails(void)
{
    int one = 1;
    GRI_ASSERT(one == 2);
}

TEST(check, assertion_names_condition_and_place)
{
    char text[2048];
    int status = run_child(assertion_fails, text, sizeof text);
    CHECK(WIFSIGNALED(status));
    CHECK(strstr(text, "one == 2"));
    CHECK(strstr(text, "check_test.c:"));
}

TEST(check, levels_evaluate_only_when_on)
{
    int debug = 0, full = 0;
    GRI_ASSERT(true);
    GRI_DEBUG_ASSERT(++debug > 0);
    GRI_FULL_ASSERT(++full > 0);
    CHECK_EQ(debug, GRI_INVARIANTS >= 1);
    CHECK_EQ(full, GRI_INVARIANTS >= 2);
}
