/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Exception reports: their keys, frames with file, line and source, texts that are no UTF-8, and looking up from many
 * threads. Source lines are checked only where the build has them (libdw). */
#include "actor/actor.h"
#include "actor/symbol.h"
#include "base/compiler.h"
#include "os/thread.h"
#include "support/test.h"

#include <greenroom/build.h>

enum { innermost_line = __LINE__ + 4 };

static GRI_NOINLINE gr_message *raise_inner(const char *error, gr_value description, const char *text)
{
    gr_message *report = gri_report_new(NULL, error, description, text, true);
    __asm__ volatile("" ::: "memory"); /* not a tail call */
    return report;
}

static GRI_NOINLINE gr_message *raise_outer(const char *error, gr_value description, const char *text)
{
    gr_message *report = raise_inner(error, description, text);
    __asm__ volatile("" ::: "memory");
    return report;
}

static gr_value frame_from_end(gr_value report, size_t back)
{
    gr_value trace = gr_get(report, "stack-trace");
    size_t count = gr_count(trace);
    return back < count ? gr_at(trace, count - 1 - back) : (gr_value){NULL};
}

static bool has_lines(gr_value report)
{
    return gr_int(gr_get(frame_from_end(report, 0), "lineno"), 0) != 0;
}

TEST(report, has_all_keys)
{
    gr_message *m = raise_outer("wrong_op", (gr_value){NULL}, "no such op: 7");
    gr_value report = gr_body(m);
    CHECK_STR(gr_string(gr_get(report, "error"), ""), "wrong_op");
    CHECK_STR(gr_string(gr_get(report, "description"), ""), "no such op: 7");
    CHECK(strstr(gr_string(gr_get(report, "text-exception"), ""), "wrong_op: no such op: 7\n"));
    CHECK_EQ(gr_type_of(gr_get(report, "stack-trace")), GR_ARRAY);
    CHECK_EQ(gr_count(report), 4);
    gr_message_free(&m);
    gri_symbols_stop();
}

TEST(report, frames_are_in_the_order_of_calls)
{
    gr_message *m = raise_outer("e", (gr_value){NULL}, "t");
    gr_value report = gr_body(m);
    if (has_lines(report)) {
        gr_value inner = frame_from_end(report, 0), outer = frame_from_end(report, 1);
        CHECK_STR(gr_string(gr_get(inner, "method"), ""), "raise_inner");
        CHECK_STR(gr_string(gr_get(outer, "method"), ""), "raise_outer");
        CHECK_EQ(gr_int(gr_get(inner, "lineno"), 0), innermost_line);
        CHECK(strstr(gr_string(gr_get(inner, "filename"), ""), "tests/unit/report_test.c"));
        const char *text = gr_string(gr_get(report, "text-exception"), "");
        CHECK(strstr(text, "in raise_outer") && strstr(text, "in raise_inner"));
        CHECK(strstr(text, "in raise_outer") < strstr(text, "in raise_inner"));
        CHECK(strstr(text, "raise_inner\n    gr_message *report = gri_report_new("));
    }
    gr_message_free(&m);
    gri_symbols_stop();
}

TEST(report, code_is_the_lines_around)
{
    gr_message *m = raise_outer("e", (gr_value){NULL}, "t");
    gr_value inner = frame_from_end(gr_body(m), 0), code = gr_get(inner, "code");
    if (gr_count(code) > 0) {
        CHECK_EQ(gr_count(code), GRI_SYMBOL_LINES);
        CHECK_EQ(gr_int(gr_get(gr_at(code, 0), "lineno"), 0), innermost_line - 2);
        CHECK_STR(gr_string(gr_get(gr_at(code, 1), "line"), ""), "{");
        CHECK(strstr(gr_string(gr_get(gr_at(code, 2), "line"), ""), "gri_report_new(NULL"));
    }
    gr_message_free(&m);
    gri_symbols_stop();
}

TEST(report, a_value_can_be_the_description)
{
    unsigned char storage[64];
    gr_builder b;
    gr_value value;
    gr_build_into(&b, storage, sizeof storage);
    gr_put_object(&b), gr_put_key(&b, "n"), gr_put_int(&b, 5), gr_put_end(&b);
    CHECK_OK(gr_build_value(&b, &value));
    gr_message *m = gri_report_new(NULL, "e", value, "t", false);
    gr_value report = gr_body(m);
    CHECK_EQ(gr_int(gr_get(gr_get(report, "description"), "n"), 0), 5);
    CHECK_EQ(gr_count(gr_get(report, "stack-trace")), 0);
    CHECK_STR(gr_string(gr_get(report, "text-exception"), ""), "e: t\n");
    gr_message_free(&m);
}

TEST(report, texts_that_are_no_utf8_are_made_so)
{
    gr_message *m = gri_report_new(NULL, "\xff", (gr_value){NULL}, "a\x80\xc3\xa4\xc3", false);
    CHECK(m);
    CHECK_STR(gr_string(gr_get(gr_body(m), "error"), ""), "?");
    CHECK_STR(gr_string(gr_get(gr_body(m), "description"), ""), "a?\xc3\xa4?");
    gr_message_free(&m);
    m = gri_report_new(NULL, "\xff", (gr_value){NULL}, "", false);
    CHECK_STR(gr_string(gr_get(gr_body(m), "description"), "none"), "");
    gr_message_free(&m);
}

TEST(report, long_texts_are_cut)
{
    char text[6000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    gr_message *m = gri_report_new(NULL, "e", (gr_value){NULL}, text, false);
    CHECK_EQ(gr_string_bytes(gr_get(gr_body(m), "description")), 5999);
    CHECK(gr_string_bytes(gr_get(gr_body(m), "text-exception")) >= 4000);
    gr_message_free(&m);
}

static GRI_NOINLINE gr_message *deep(int depth)
{
    gr_message *m = depth == 0 ? raise_outer("deep", (gr_value){NULL}, "t") : deep(depth - 1);
    __asm__ volatile("" ::: "memory");
    return m;
}

TEST(report, deep_stacks_keep_the_innermost_frames)
{
    gr_message *m = deep(100);
    gr_value report = gr_body(m);
    CHECK(gr_count(gr_get(report, "stack-trace")) <= 32);
    CHECK(gr_count(gr_get(report, "stack-trace")) >= 16);
    if (has_lines(report)) CHECK_STR(gr_string(gr_get(frame_from_end(report, 0), "method"), ""), "raise_inner");
    gr_message_free(&m);
    gri_symbols_stop();
}

static void raise_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        gr_message *m = deep(i % 5);
        CHECK(m);
        gr_message_free(&m);
    }
}

TEST(report, from_many_threads)
{
    gri_thread threads[4];
    for (int i = 0; i < 4; i++) CHECK_OK(gri_thread_start(&threads[i], "raiser", 0, raise_many, NULL));
    for (int i = 0; i < 4; i++) gri_thread_join(threads[i]);
    gri_symbols_stop();
}
