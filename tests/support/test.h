/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* One test body, two runners: Criterion (a process per test), or the plain main of runner.c, which ThreadSanitizer builds
 * and anything that must run in one process use (GR_TEST_PLAIN). A failed check ends the test.
 *
 *     TEST(mailbox, push_onto_closed_is_refused) { CHECK_EQ(gri_mailbox_push(…), GRI_MAIL_DEAD); }
 */
#ifndef GR_TESTS_SUPPORT_TEST_H
#define GR_TESTS_SUPPORT_TEST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef GR_TEST_PLAIN

typedef struct gr_test {
    const char *suite, *name;
    void (*body)(void);
    struct gr_test *next;
} gr_test;

#ifdef __cplusplus
extern "C" {
#endif
void gr_test_register(gr_test *test);
__attribute__((noreturn, format(printf, 3, 4))) void gr_test_fail(const char *file, int line, const char *format, ...);
#ifdef __cplusplus
}
#endif

#define TEST(suite_, name_) \
    static void gr_test_##suite_##_##name_(void); \
    static gr_test gr_test_record_##suite_##_##name_ = {#suite_, #name_, gr_test_##suite_##_##name_, NULL}; \
    __attribute__((constructor)) static void gr_test_enlist_##suite_##_##name_(void) \
    { \
        gr_test_register(&gr_test_record_##suite_##_##name_); \
    } \
    static void gr_test_##suite_##_##name_(void)
#define TEST_FAIL(...) gr_test_fail(__FILE__, __LINE__, __VA_ARGS__)

#else

#include <criterion/criterion.h>
#define TEST(suite_, name_) Test(suite_, name_)
/* abort, not cr_assert: a check may fail on an actor's stack or on a worker, where Criterion's longjmp must not go. */
#define TEST_FAIL(...) \
    do { \
        fprintf(stderr, __VA_ARGS__); \
        fputc('\n', stderr); \
        abort(); \
    } while (0)

#endif

#define CHECK(condition) \
    do { \
        if (!(condition)) TEST_FAIL("%s:%d: not true: %s", __FILE__, __LINE__, #condition); \
    } while (0)

#define CHECK_EQ(actual, expected) \
    do { \
        long long gr_a = (long long)(actual), gr_e = (long long)(expected); \
        if (gr_a != gr_e) \
            TEST_FAIL("%s:%d: %s is %lld, expected %s = %lld", __FILE__, __LINE__, #actual, gr_a, #expected, gr_e); \
    } while (0)

#define CHECK_STR(actual, expected) \
    do { \
        const char *gr_a = (actual), *gr_e = (expected); \
        if (!gr_a || strcmp(gr_a, gr_e) != 0) \
            TEST_FAIL("%s:%d: %s is \"%s\", expected \"%s\"", __FILE__, __LINE__, #actual, gr_a ? gr_a : "(null)", \
                      gr_e); \
    } while (0)

/* Says the call as it is written: what the macros of pack.h make of it is a screen of text. */
#define CHECK_OK(call) \
    do { \
        long long gr_code = (long long)(call); \
        if (gr_code != 0) TEST_FAIL("%s:%d: %s is %lld, expected 0", __FILE__, __LINE__, #call, gr_code); \
    } while (0)

#endif
