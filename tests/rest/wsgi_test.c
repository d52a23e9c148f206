/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Applications, middleware and the helpers, without a server. */
#include <greenroom/wsgi.h>

#include "rest/fake_request.h"
#include "support/test.h"

TEST(wsgi, header_lookup_has_no_case)
{
    fake_request request;
    fake_request_init(&request, NULL, "GET", "/", NULL);
    fake_request_header(&request, "X-One", "1");
    fake_request_header(&request, "x-ONE", "2");
    CHECK_STR(gr_environ_header(&request.env, "x-one"), "1");
    CHECK_EQ(gr_environ_header_count(&request.env, "X-ONE"), 2);
    CHECK(gr_environ_header(&request.env, "x-on") == NULL);
    CHECK_EQ(gr_environ_header_count(&request.env, "other"), 0);
}

/* Answers with the body it got. */
static int echo(void *state, const gr_environ *env, gr_responder *respond)
{
    const char *body;
    size_t bytes;
    CHECK(state == NULL);
    int code = gr_input_all(env, &body, &bytes);
    return code != 0 ? code : gr_response_send(respond, 200, "text/plain", body, bytes);
}

/* Middleware: adds a field to every answer of the application in its state. */
typedef struct stamped {
    gr_responder respond;
    gr_responder *next;
} stamped;

static int stamped_start(gr_responder *respond, int status, const gr_header *headers, size_t count, int64_t body_bytes)
{
    gr_header all[8] = {{"X-Stamp", "yes"}};
    CHECK(count < 8);
    memcpy(all + 1, headers, count * sizeof *all);
    return gr_response_start(((stamped *)respond)->next, status, all, count + 1, body_bytes);
}

static int stamped_write(gr_responder *respond, const void *data, size_t bytes)
{
    return gr_response_write(((stamped *)respond)->next, data, bytes);
}

static int stamp(void *state, const gr_environ *env, gr_responder *respond)
{
    const gr_application *inner = state;
    stamped wrapped = {{stamped_start, stamped_write, NULL}, respond};
    return inner->run(inner->state, env, &wrapped.respond);
}

TEST(wsgi, middleware_is_a_function_around_an_application)
{
    gr_application inner = {echo, NULL}, outer = {stamp, &inner};
    fake_request request;
    static fake_answer answer;
    fake_request_init(&request, NULL, "POST", "/", "hello");
    CHECK_OK(fake_run(outer, &request, &answer));
    CHECK_EQ(answer.status, 200);
    CHECK_STR(answer.body, "hello");
    CHECK_EQ(answer.announced, 5);
    CHECK_STR(fake_answer_header(&answer, "x-stamp"), "yes");
}

TEST(wsgi, input_in_pieces)
{
    fake_request request;
    char piece[4];
    size_t bytes;
    fake_request_init(&request, NULL, "POST", "/", "abcdef");
    CHECK_OK(gr_input_read(&request.env, piece, 4, &bytes));
    CHECK_EQ(bytes, 4);
    CHECK_OK(gr_input_read(&request.env, piece, 4, &bytes));
    CHECK_EQ(bytes, 2);
    CHECK_OK(gr_input_read(&request.env, piece, 4, &bytes));
    CHECK_EQ(bytes, 0);
}

TEST(wsgi, problems)
{
    static fake_answer answer;
    fake_answer_init(&answer);
    CHECK_OK(gr_response_problem(&answer.respond, 404, "no \"%s\" here", "x"));
    CHECK_EQ(answer.status, 404);
    CHECK_STR(fake_answer_header(&answer, "Content-Type"), "application/problem+json");
    CHECK_STR(answer.body,
              "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,\"detail\":\"no \\\"x\\\" here\"}\n");
}

/* A long detail is cut, never inside a character. */
TEST(wsgi, long_problems_are_cut)
{
    static fake_answer answer;
    char text[1000];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', shift);
        for (size_t at = shift; at + 5 < sizeof text; at += 4) memcpy(text + at, "\xf0\x9f\x8c\xb1", 5);
        fake_answer_init(&answer);
        CHECK_OK(gr_response_problem(&answer.respond, 500, "%s", text));
        CHECK(answer.body_bytes > 300);
    }
}

TEST(wsgi, reasons)
{
    CHECK_STR(gr_status_text(200), "OK");
    CHECK_STR(gr_status_text(431), "Request Header Fields Too Large");
    CHECK_STR(gr_status_text(299), "Unknown");
}
