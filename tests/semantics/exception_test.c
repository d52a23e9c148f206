/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What a raise tells: its report reaches protects, links, waits and callers, with the frames of the program and none of the
 * runtime's, and needs little stack. */
#include "base/compiler.h"
#include "support/harness.h"

static __attribute__((noinline)) void divide(gr_self *self, int64_t by)
{
    if (by == 0) gr_raise(self, "division_by_zero", "cannot divide %d by %lld", 7, (long long)by);
    CHECK(by != 0);
}

static __attribute__((noinline)) void compute(gr_self *self, gr_value args)
{
    divide(self, gr_int(args, 0));
    CHECK(gr_int(args, 0) != 0);
}

static void raises(gr_self *self, gr_value args)
{
    compute(self, args);
}

static const char *method_at(gr_value trace, size_t index)
{
    return gr_string(gr_get(gr_at(trace, index), "method"), "(none)");
}

static void check_report(gr_value report)
{
    CHECK_STR(harness_error(report), "division_by_zero");
    CHECK_STR(gr_string(gr_get(report, "description"), ""), "cannot divide 7 by 0");
    CHECK(strstr(gr_string(gr_get(report, "text-exception"), ""), "division_by_zero: cannot divide 7 by 0\n"));
    gr_value trace = gr_get(report, "stack-trace");
    size_t count = gr_count(trace);
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(gr_type_of(gr_get(gr_at(trace, i), "filename")), GR_STRING);
        CHECK_EQ(gr_type_of(gr_get(gr_at(trace, i), "lineno")), GR_INT);
        CHECK_EQ(gr_type_of(gr_get(gr_at(trace, i), "code")), GR_ARRAY);
        const char *method = method_at(trace, i); /* gr_test_: a test in the plain runner */
        CHECK((strncmp(method, "gr_", 3) != 0 || strncmp(method, "gr_test_", 8) == 0) &&
              strncmp(method, "gri_", 4) != 0);
    }
    if (count == 0 || gr_int(gr_get(gr_at(trace, count - 1), "lineno"), 0) == 0) return; /* built without libdw */
    CHECK(count >= 2);
    CHECK_STR(method_at(trace, count - 1), "divide");
    CHECK_STR(method_at(trace, count - 2), "compute");
    CHECK(strstr(gr_string(gr_get(gr_at(trace, count - 1), "filename"), ""), "semantics/exception_test.c"));
}

TEST(exception, links_learn_the_report)
{
    gr_self *self = BEGIN();
    gr_address a;
    CHECK_OK(gr_spawn_link(self, &a, raises, "i", 0));
    gr_message *m = RECEIVE(self);
    CHECK(gr_address_equal(gr_address_in(gr_get(gr_body(m), "address")), a));
    check_report(gr_get(gr_body(m), "exception"));
    FREE(m);
    END(self);
}

TEST(exception, waits_learn_the_report)
{
    gr_self *self = BEGIN();
    gr_address a;
    gr_message *report;
    CHECK_OK(gr_spawn_with(self, &a, raises, OPTIONS(.retain = true), "i", 0));
    CHECK_EQ(gr_wait(self, a, &report, SOON), GR_EEXCEPTION);
    check_report(gr_body(report));
    FREE(report);
    END(self);
}

static void raise_protected(gr_self *self, void *arg)
{
    (void)arg;
    gr_message *zero;
    CHECK_OK(gr_pack(&zero, "i", 0));
    compute(self, gr_body(zero));
}

TEST(exception, protects_catch_the_report)
{
    gr_self *self = BEGIN();
    for (int i = 0; i < 3; i++) {
        gr_message *report;
        CHECK_EQ(gr_protect(self, raise_protected, NULL, &report), GR_EEXCEPTION);
        check_report(gr_body(report));
        FREE(report);
    }
    CHECK_EQ(gr_protect(self, raise_protected, NULL, NULL), GR_EEXCEPTION);
    END(self);
}

static void method_that_raises(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    compute(self, argument);
}

static const gr_method methods[] = {{"compute", method_that_raises}};
static const gr_server server = {.methods = methods, .method_count = 1};

TEST(exception, callers_learn_the_report)
{
    gr_self *self = BEGIN();
    gr_address a;
    gr_message *report;
    CHECK_OK(gr_spawn_server(self, &a, &server, NULL, "n"));
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(gr_call(self, &report, a, "compute", SOON, "i", 0), GR_EEXCEPTION);
        check_report(gr_body(report));
        FREE(report);
        CHECK_OK(gr_call(self, NULL, a, "compute", SOON, "i", 1)); /* and the server goes on */
    }
    END(self);
}

static void raises_value(gr_self *self, gr_value args)
{
    gr_raise_value(self, "refused", args);
}

TEST(exception, a_value_as_description)
{
    gr_self *self = BEGIN();
    gr_address a;
    gr_message *report;
    CHECK_OK(gr_spawn_with(self, &a, raises_value, OPTIONS(.retain = true), "{s:i}", "code", 5));
    CHECK_EQ(gr_wait(self, a, &report, SOON), GR_EEXCEPTION);
    CHECK_STR(harness_error(gr_body(report)), "refused");
    CHECK_VALUE(gr_get(gr_body(report), "description"), "{s:i}", "code", 5);
    FREE(report);
    END(self);
}

TEST(exception, on_small_stacks)
{
    gr_self *self = BEGIN();
    gr_address a;
    gr_message *report;
#if GRI_ASAN || GRI_TSAN
    const size_t least_kb = 64; /* sanitized frames are several times as large */
#elif defined(GRI_CONTEXT_UCONTEXT)
    const size_t least_kb = 32; /* a ucontext takes a kilobyte, and a raise stands on several */
#elif defined(__aarch64__)
    const size_t least_kb = 32; /* twice as many registers to unwind: the raise needs the yellow zone of 16 KiB */
#else
    const size_t least_kb = 16;
#endif
    for (size_t kb = least_kb; kb <= 64; kb *= 2) {
        CHECK_OK(gr_spawn_with(self, &a, raises, OPTIONS(.retain = true, .stack_bytes = kb * 1024), "i", 0));
        CHECK_EQ(gr_wait(self, a, &report, SOON), GR_EEXCEPTION);
        check_report(gr_body(report));
        FREE(report);
    }
    END(self);
}

static __attribute__((noinline)) void deep(gr_self *self, int depth)
{
    if (depth == 0) gr_raise(self, "deep", "at the bottom");
    if (depth < 1000) deep(self, depth - 1);
    __asm__ volatile("" ::: "memory"); /* not a loop */
}

static void raises_deep(gr_self *self, gr_value args)
{
    deep(self, (int)gr_int(args, 0));
}

TEST(exception, deep_ones_keep_the_innermost_frames)
{
    gr_self *self = BEGIN();
    gr_address a;
    gr_message *report;
    CHECK_OK(gr_spawn_with(self, &a, raises_deep, OPTIONS(.retain = true), "i", 100));
    CHECK_EQ(gr_wait(self, a, &report, SOON), GR_EEXCEPTION);
    gr_value trace = gr_get(gr_body(report), "stack-trace");
    size_t count = gr_count(trace);
    CHECK(count <= 32);
    if (count > 0 && gr_int(gr_get(gr_at(trace, 0), "lineno"), 0) != 0) {
        CHECK(count >= 24);
        for (size_t i = 0; i < count; i++) CHECK_STR(method_at(trace, i), "deep");
    }
    FREE(report);
    END(self);
}
