/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Exceptions: raised, protected against, reported, logged. */
#include "support/harness.h"

#include "base/atomic.h"
#include "base/compiler.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the report ---- */

static GRI_NOINLINE void inner(gr_self *self)
{
    gr_raise(self, "wrong_op", "no such op: %d", 7);
}

static GRI_NOINLINE void outer(gr_self *self)
{
    inner(self);
    __asm__ volatile("" ::: "memory"); /* not a tail call */
}

static void raises(gr_self *self, gr_value args)
{
    (void)args;
    outer(self);
}

static void check_frames(gr_value trace)
{
    CHECK_EQ(gr_type_of(trace), GR_ARRAY);
    CHECK(gr_count(trace) >= 1);
    bool found = false;
    for (gr_iter it = gr_iterate(trace); gr_next(&it);) {
        CHECK_EQ(gr_type_of(gr_get(it.value, "filename")), GR_STRING);
        CHECK_EQ(gr_type_of(gr_get(it.value, "lineno")), GR_INT);
        CHECK_EQ(gr_type_of(gr_get(it.value, "method")), GR_STRING);
        CHECK_EQ(gr_type_of(gr_get(it.value, "code")), GR_ARRAY);
        found |= strcmp(gr_string(gr_get(it.value, "method"), ""), "inner") == 0;
    }
    gr_value last = gr_at(trace, gr_count(trace) - 1);
    if (gr_int(gr_get(last, "lineno"), 0) == 0) return; /* built without libdw */
    CHECK(found);
    CHECK_STR(gr_string(gr_get(last, "method"), ""), "inner");
    CHECK(strstr(gr_string(gr_get(last, "filename"), ""), "raise_test.c"));
}

TEST(raise, the_report_has_the_keys_of_old)
{
    gr_self *self = BEGIN();
    gr_address one;
    gr_message *report = NULL;
    CHECK_OK(gr_spawn_with(self, &one, raises, OPTIONS(.retain = true), "n"));
    CHECK_EQ(gr_wait(self, one, &report, SOON), GR_EEXCEPTION);
    gr_value body = gr_body(report);
    CHECK_EQ(gr_count(body), 4);
    CHECK_STR(harness_error(body), "wrong_op");
    CHECK_STR(gr_string(gr_get(body, "description"), ""), "no such op: 7");
    CHECK(strstr(gr_string(gr_get(body, "text-exception"), ""), "wrong_op: no such op: 7"));
    check_frames(gr_get(body, "stack-trace"));
    FREE(report);
    END(self);
}

static void raises_value(gr_self *self, gr_value args)
{
    gr_raise_value(self, "teapot", args);
}

TEST(raise, describes_with_any_value)
{
    gr_self *self = BEGIN();
    gr_address one;
    gr_message *report = NULL;
    CHECK_OK(gr_spawn_with(self, &one, raises_value, OPTIONS(.retain = true), "{s:i,s:A}", "code", 418, "who",
                           gr_self_address(self)));
    CHECK_EQ(gr_wait(self, one, &report, SOON), GR_EEXCEPTION);
    CHECK_STR(harness_error(gr_body(report)), "teapot");
    CHECK_VALUE(gr_get(gr_body(report), "description"), "{s:i,s:A}", "code", 418, "who", gr_self_address(self));
    FREE(report);
    END(self);
}

/* ---- protect ---- */

static void does_nothing(gr_self *self, void *arg)
{
    (void)self;
    ++*(int *)arg;
}

static void raises_arg(gr_self *self, void *arg)
{
    ++*(int *)arg;
    gr_raise(self, "first", "number %d", *(int *)arg);
}

static void raises_after_waiting(gr_self *self, void *arg)
{
    CHECK_OK(gr_sleep(self, gr_after_us(10)));
    raises_arg(self, arg);
}

static void raises_again(gr_self *self, void *arg)
{
    gr_message *report = NULL;
    CHECK_EQ(gr_protect(self, raises_arg, arg, &report), GR_EEXCEPTION);
    CHECK_STR(gr_string(gr_get(gr_body(report), "description"), ""), "number 2");
    gr_raise_value(self, "second", gr_body(report));
}

/* The same in an actor and on an attached thread. */
static void check_protect(gr_self *self)
{
    int count = 0;
    gr_message *report = NULL;
    CHECK_OK(gr_protect(self, does_nothing, &count, &report));
    CHECK(report == NULL);
    CHECK_EQ(gr_protect(self, raises_again, &count, &report), GR_EEXCEPTION);
    CHECK_STR(harness_error(gr_body(report)), "second");
    CHECK_STR(harness_error(gr_get(gr_body(report), "description")), "first");
    FREE(report);
    CHECK_EQ(gr_protect(self, raises_after_waiting, &count, &report), GR_EEXCEPTION);
    CHECK_STR(gr_string(gr_get(gr_body(report), "description"), ""), "number 3");
    FREE(report);
    CHECK_EQ(gr_protect(self, raises_arg, &count, NULL), GR_EEXCEPTION);
    CHECK_EQ(count, 4);
    CHECK_OK(gr_sleep(self, gr_after_us(10))); /* and it goes on */
}

static void protects(gr_self *self, gr_value args)
{
    check_protect(self);
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", "went on"));
}

TEST(protect, gives_the_report_and_goes_on)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn_link(self, &one, protects, "A", gr_self_address(self)));
    EXPECT(self, "s", "went on");
    EXPECT(self, "{s:A,s:n}", "address", one, "exit");
    END(self);
}

TEST(protect, works_on_attached_threads)
{
    gr_self *self = BEGIN();
    check_protect(self);
    END(self);
}

static void receives_and_raises(gr_self *self, void *arg)
{
    gr_message *m = NULL;
    CHECK_OK(gr_receive(self, &m, SOON));
    memcpy(arg, &m, sizeof m);
    gr_raise(self, "with", "a message in hand");
}

/* A message that was received before the raise is still the actor's: to free, to send on. */
TEST(protect, keeps_what_was_received)
{
    gr_self *self = BEGIN();
    gr_message *m = NULL;
    CHECK_OK(gr_cast(self, gr_self_address(self), "i", 5));
    CHECK_EQ(gr_protect(self, receives_and_raises, &m, NULL), GR_EEXCEPTION);
    CHECK_VALUE(gr_body(m), "i", 5);
    CHECK_OK(gr_send(self, gr_self_address(self), &m));
    EXPECT(self, "i", 5);
    END(self);
}

/* ---- what the skipped frames owned ---- */

static void told(gr_self *self, void *arg)
{
    CHECK_OK(gr_cast(self, (gr_address){*(uint64_t *)arg}, "s", "cleanup"));
}

static void defers_and_raises(gr_self *self, void *arg)
{
    CHECK_OK(gr_defer(self, told, arg));
    CHECK(gr_alloc(self, 100) != NULL);
    gr_raise(self, "e", "x");
}

static void protects_one_that_defers(gr_self *self, gr_value args)
{
    gr_address to = gr_address_in(args);
    uint64_t *kept = gr_alloc(self, sizeof *kept);
    *kept = to.id;
    CHECK_EQ(gr_protect(self, defers_and_raises, kept, NULL), GR_EEXCEPTION);
    CHECK_OK(gr_cast(self, to, "s", "before the end"));
}

TEST(protect, cleanups_run_at_the_end_of_the_actor)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, protects_one_that_defers, "A", gr_self_address(self)));
    EXPECT(self, "s", "before the end");
    EXPECT(self, "s", "cleanup");
    END(self);
}

/* ---- memory of the actor ---- */

static void allocates(gr_self *self, gr_value args)
{
    void *all[50];
    for (int i = 0; i < 50; i++) {
        size_t bytes = (size_t)1 << (i % 16);
        unsigned char *at = all[i] = gr_alloc(self, bytes);
        CHECK(at && (uintptr_t)at % 16 == 0);
        for (size_t k = 0; k < bytes; k++) CHECK_EQ(at[k], 0);
        memset(at, 0xff, bytes);
    }
    for (int i = 0; i < 50; i += 2) gr_free(self, all[i]);
    gr_free(self, NULL);
    gr_value kept = gr_value_keep(self, args);
    CHECK(kept.at != args.at && gr_equal(kept, args));
    CHECK_EQ(gr_type_of(gr_value_keep(self, (gr_value){NULL})), GR_MISSING);
    CHECK(gr_alloc(self, SIZE_MAX) == NULL);
}

TEST(alloc, gives_memory_that_is_the_actors)
{
    gr_self *self = BEGIN();
    gr_address one;
    gr_message *result = NULL;
    CHECK_OK(gr_spawn_with(self, &one, allocates, OPTIONS(.retain = true), "{s:s}", "keep", "this"));
    CHECK_OK(gr_wait(self, one, &result, SOON));
    FREE(result);
    END(self);
}

static void keeps_a_body(gr_self *self, gr_value args)
{
    gr_message *m = NULL;
    CHECK_OK(gr_receive(self, &m, SOON));
    gr_value kept = gr_value_keep(self, gr_body(m));
    FREE(m);
    for (int i = 0; i < 10; i++) {
        CHECK_OK(gr_pack(&m, "s", "something else in the same place"));
        FREE(m);
    }
    CHECK_OK(gr_cast(self, gr_address_in(args), "V", kept));
}

TEST(value, keep_makes_a_copy_that_outlives_the_message)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, keeps_a_body, "A", gr_self_address(self)));
    CHECK_OK(gr_cast(self, one, "{s:[i,i]}", "xs", 1, 2));
    EXPECT(self, "{s:[i,i]}", "xs", 1, 2);
    END(self);
}

/* ---- broken contracts ---- */

/* The body in a process of its own; how it ended. */
static int run_apart(void (*body)(void))
{
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr)) _exit(3);
        signal(SIGABRT, SIG_DFL);
        body();
        _exit(0);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    return status;
}

static void hook(const char *text)
{
    _exit(strstr(text, "gr_raise on an attached thread outside gr_protect") ? 42 : 43);
}

static void raise_outside(void)
{
    gr_panic_hook_set(hook);
    gr_self *self = BEGIN();
    gr_raise(self, "e", "x");
}

static void raise_outside_without_hook(void)
{
    gr_self *self = BEGIN();
    gr_raise(self, "e", "x");
}

static void end_too_often(void)
{
    gr_self *self = BEGIN();
    gr_no_suspend_end(self);
}

TEST(raise, on_an_attached_thread_outside_protect_is_a_broken_contract)
{
    int status = run_apart(raise_outside);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 42);
    status = run_apart(raise_outside_without_hook);
    CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
    status = run_apart(end_too_often);
    CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

/* ---- the log ---- */

static gri_atomic_u32 raised_lines;

static void sink(void *arg, enum gr_log_level level, gr_address subject, const char *line)
{
    (void)arg;
    if (level == GR_LOG_INFO && strstr(line, "wrong_op") && strstr(line, "no such op: 7") &&
        !gr_address_equal(subject, GR_NO_ADDRESS))
        gri_add_relaxed(&raised_lines, 1u); /* relaxed: gr_wait orders it */
}

static void raise_once(const char *level, unsigned lines)
{
    gr_log_sink_set(sink, NULL, NULL);
    gri_store_relaxed(&raised_lines, 0);
    gr_self *self = BEGIN_WITH(.log = level, .fixed = GR_FIXED(log));
    gr_address one;
    CHECK_OK(gr_spawn_with(self, &one, raises, OPTIONS(.retain = true), "n"));
    CHECK_EQ(gr_wait(self, one, NULL, SOON), GR_EEXCEPTION);
    CHECK_EQ(gri_load_relaxed(&raised_lines), lines); /* relaxed: as above */
    END(self);
    gr_log_sink_set(NULL, NULL, NULL);
}

TEST(raise, is_logged_as_the_setting_says)
{
    raise_once("info", 1);
    raise_once("warn", 0);
    raise_once("off", 0);
}
