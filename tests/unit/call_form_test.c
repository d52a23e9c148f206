/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/call_form.h"

#include "message/value.h"
#include "support/test.h"

#include <greenroom/build.h>
#include <greenroom/pack.h>
#include <string.h>

static const gr_address someone = {0x300000007};

static gr_message *request_of(const char *method, gr_value argument)
{
    gr_message *m = NULL;
    size_t bytes = strlen(method);
    CHECK_OK(gri_message_behind(gri_request_before(bytes), argument, &m));
    gri_request_write(m, 42, method, bytes, someone);
    m->kind = GRI_MESSAGE_CALL;
    CHECK(gri_value_verify(gr_body(m).at, m->body_bytes));
    return m;
}

TEST(call_form, requests_are_the_values_they_stand_for)
{
    char method[400];
    gr_message *argument = NULL;
    CHECK_OK(gr_pack(&argument, "{s:s,s:[i,i]}", "op", "add", "args", 1, 2));
    static const size_t lengths[] = {0, 1, 2, 3, 7, 8, 15, 16, 17, 64, 254, 255, 256, 257, 399};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        memset(method, 'm', lengths[i]);
        method[lengths[i]] = '\0';
        gr_message *m = request_of(method, gr_body(argument)), *built = NULL;
        CHECK_OK(gr_pack(&built, "{s:I,s:s,s:A,s:V}", "call", INT64_C(42), "method", (const char *)method, "address",
                         someone, "message", gr_body(argument)));
        CHECK_EQ(m->body_bytes, built->body_bytes);
        CHECK(memcmp(gr_body(m).at, gr_body(built).at, m->body_bytes) == 0);
        CHECK_STR(gr_string(gri_request_method(m), NULL), method);
        CHECK(gr_equal(gri_request_argument(m), gr_body(argument)));
        gr_message_free(&m);
        gr_message_free(&built);
    }
    gr_message_free(&argument);
}

TEST(call_form, a_missing_argument_is_null)
{
    gr_message *m = request_of("get", (gr_value){NULL});
    CHECK_EQ(gr_type_of(gri_request_argument(m)), GR_NULL);
    gr_message_free(&m);
}

TEST(call_form, requests_laid_out_otherwise_are_read_by_their_keys)
{
    static const char *const formats[] = {"{s:i,s:V,s:s,s:A}", "{s:V,s:s,s:s,s:A}", "{s:s,s:s,s:s,s:V}"};
    gr_message *argument = NULL, *m = NULL;
    CHECK_OK(gr_pack(&argument, "[i,s]", 1, "two"));
    gr_value value = gr_body(argument);
    CHECK_OK(gr_pack(&m, formats[0], "call", 42, "message", value, "method", "get", "address", someone));
    CHECK_STR(gr_string(gri_request_method(m), NULL), "get");
    CHECK(gr_equal(gri_request_argument(m), value));
    gr_message_free(&m);
    CHECK_OK(gr_pack(&m, formats[1], "message", value, "call", "forty-two", "method", "get", "address", someone));
    CHECK_STR(gr_string(gri_request_method(m), NULL), "get");
    CHECK(gr_equal(gri_request_argument(m), value));
    gr_message_free(&m);
    /* The method where it is expected, an address of another type behind it. */
    CHECK_OK(
        gr_pack(&m, "{s:I,s:s,s:I,s:V}", "call", INT64_C(1), "method", "get", "address", INT64_C(1), "message", value));
    CHECK_STR(gr_string(gri_request_method(m), NULL), "get");
    CHECK(gr_equal(gri_request_argument(m), value));
    gr_message_free(&m);
    /* Too short for what is expected, and no object at all. */
    CHECK_OK(gr_pack(&m, "{s:I,s:s}", "call", INT64_C(1), "method", "get"));
    CHECK_STR(gr_string(gri_request_method(m), NULL), "get");
    CHECK_EQ(gr_type_of(gri_request_argument(m)), GR_MISSING);
    gr_message_free(&m);
    CHECK_OK(gr_pack(&m, "n"));
    CHECK_EQ(gr_type_of(gri_request_method(m)), GR_MISSING);
    CHECK_EQ(gr_type_of(gri_request_argument(m)), GR_MISSING);
    gr_message_free(&m);
    gr_message_free(&argument);
}

TEST(call_form, answers_are_the_values_they_stand_for)
{
    static const enum gri_message_kind kinds[] = {GRI_MESSAGE_REPLY, GRI_MESSAGE_REPLY_EXCEPTION,
                                                  GRI_MESSAGE_REPLY_INVALID_METHOD};
    static const char *const keys[] = {"message", "exception", "invalid_method"};
    gr_message *value = NULL;
    CHECK_OK(gr_pack(&value, "{s:i,s:i}", "id", 1, "sum", 6));
    for (size_t i = 0; i < 3; i++) {
        gr_message *m = NULL, *built = NULL;
        CHECK_OK(gri_message_behind(gri_answer_before(kinds[i]), gr_body(value), &m));
        gri_answer_write(m, kinds[i], 7);
        CHECK_OK(gr_pack(&built, "{s:I,s:V}", "response", INT64_C(7), (const char *)keys[i], gr_body(value)));
        CHECK_EQ(m->body_bytes, built->body_bytes);
        CHECK(memcmp(gr_body(m).at, gr_body(built).at, m->body_bytes) == 0);
        CHECK(gr_equal(gri_answer_value(m, kinds[i]), gr_body(value)));
        /* What a caller gets: the value alone, where it stands. */
        gri_message_narrow(m, gri_answer_value(m, kinds[i]));
        CHECK(gr_equal(gr_body(m), gr_body(value)));
        CHECK_EQ(m->body_bytes, value->body_bytes);
        gr_message *shared = NULL;
        CHECK_OK(gri_message_share(&m));
        CHECK_OK(gri_message_clone_envelope(m, &shared));
        gr_message_free(&m);
        CHECK(gr_equal(gr_body(shared), gr_body(value)));
        gr_message_free(&shared);
        gr_message_free(&built);
    }
    gr_message *m = NULL;
    CHECK_OK(gr_pack(&m, "{s:V,s:i}", "message", gr_body(value), "response", 7));
    CHECK(gr_equal(gri_answer_value(m, GRI_MESSAGE_REPLY), gr_body(value)));
    gr_message_free(&m);
    gr_message_free(&value);
}

TEST(call_form, too_deep_and_too_big)
{
    gr_builder b;
    gr_message *deep = NULL, *m = NULL;
    gr_build(&b);
    for (unsigned i = 0; i < GRI_VALUE_DEPTH_MAX; i++) gr_put_array(&b);
    for (unsigned i = 0; i < GRI_VALUE_DEPTH_MAX; i++) gr_put_end(&b);
    CHECK_OK(gr_build_message(&b, &deep));
    CHECK_EQ(gri_message_behind(36, gr_body(deep), &m), GR_EDEPTH);
    CHECK_OK(gri_message_behind(36, gr_at(gr_body(deep), 0), &m));
    gr_message_free(&m);
    CHECK_EQ(gri_message_behind(GRI_VALUE_BYTES_MAX, gr_body(deep), &m), GR_ETOOBIG);
    gr_message_free(&deep);
}
