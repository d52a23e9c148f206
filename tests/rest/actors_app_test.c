/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The actors application called with environments made by hand: no server, no socket. */
#include "rest/fake_request.h"
#include "rest/scene.h"

typedef struct fixture {
    gr_self *self;
    gr_rest *rest;
    fake_answer answer;
} fixture;

static fixture *start(void)
{
    static fixture f;
    gr_rest_options options = {.open = true};
    f.self = scene_runtime();
    CHECK_OK(gr_rest_new(&options, &f.rest, NULL));
    return &f;
}

static void stop(fixture *f)
{
    gr_rest_free(&f->rest);
    gr_detach(&f->self);
    (void)gr_stop(gr_after_ms(10));
}

static void check(fixture *f, const char *method, const char *path, const char *body, int status,
                  const char *answer_body)
{
    fake_request request;
    fake_request_init(&request, f->self, method, path, body);
    CHECK_OK(fake_run(gr_rest_application(f->rest), &request, &f->answer));
    if (f->answer.status != status) TEST_FAIL("%s %s: %d %s", method, path, f->answer.status, f->answer.body);
    CHECK_EQ(f->answer.announced, f->answer.body_bytes);
    if (answer_body) CHECK_STR(f->answer.body, answer_body);
}

TEST(actors_app, the_life_of_a_box)
{
    fixture *f = start();
    check(f, "HEAD", "/b", NULL, 404, NULL);
    check(f, "PUT", "/b", "{\"behaviour\":\"box\",\"args\":4}", 202, "{\"name\":\"b\"}\n");
    CHECK_STR(fake_answer_header(&f->answer, "Location"), "/b");
    check(f, "PUT", "/b", "{\"behaviour\":\"box\",\"args\":4}", 409, NULL);
    check(f, "PUT", "/b2", "{\"behaviour\":\"box\",\"args\":\"4\"}", 422, NULL);
    check(f, "POST", "/b/-/call/get", NULL, 200, "4\n"); /* who has the answer reads a state at least as new */
    check(f, "GET", "/b", NULL, 200, "4\n");
    check(f, "POST", "/b", "7", 202, NULL);
    check(f, "POST", "/b/-/call/get", "", 200, "7\n");
    check(f, "POST", "/b", "{\"remotecall\":\"r\",\"method\":\"get\",\"message\":null,\"timeout\":9}", 202,
          "{\"response\":\"r\",\"message\":7}\n");
    check(f, "POST", "/b", "{\"remotecall\":\"r\",\"method\":\"get\",\"message\":null,\"timeout\":null}", 202,
          "{\"response\":\"r\",\"message\":7}\n");
    check(f, "POST", "/b", "{\"remotecall\":\"r\",\"method\":\"nope\",\"message\":null,\"timeout\":9}", 404,
          "{\"response\":\"r\",\"invalid_method\":\"nope\"}\n");
    check(f, "POST", "/b", "{\"remotecall\":\"r\",\"method\":\"get\",\"message\":null,\"timeout\":\"9\"}", 400, NULL);
    static const char *const bad[] = {"-1", "-0.001", "-9223372036854775808", "true", "[]", "{}", "\"\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char body[128];
        snprintf(body, sizeof body, "{\"remotecall\":\"r\",\"method\":\"get\",\"message\":null,\"timeout\":%s}",
                 bad[i]);
        check(f, "POST", "/b", body, 400, NULL);
    }
    check(f, "POST", "/b", "{\"remotecall\":\"r\",\"method\":\"get\",\"message\":null,\"timeout\":1e300}", 202, NULL);
    check(f, "POST", "/b", "{", 400, NULL);
    check(f, "GET", "/?sort=name&limit=1", NULL, 200, NULL);
    check(f, "GET", "/-/readyz", NULL, 200, "{\"status\":\"ready\"}\n");
    check(f, "GET", "/-/livez", NULL, 200, "{\"status\":\"alive\"}\n");
    check(f, "PATCH", "/b", NULL, 405, NULL);
    check(f, "DELETE", "/b", NULL, 200, NULL);
    check(f, "GET", "/b", NULL, 404, NULL);
    stop(f);
}

/* A published state too big for the stack buffer. */
/* No name of ours contains U+0000, and none is found by what stands before one. */
TEST(actors_app, names_with_a_null_character)
{
    fixture *f = start();
    check(f, "PUT", "/b", "{\"behaviour\":\"box\\u0000x\",\"args\":4}", 404, NULL);
    check(f, "PUT", "/b", "{\"behaviour\":\"box\",\"args\\u0000\":4}", 422, NULL);
    check(f, "HEAD", "/b", NULL, 404, NULL);
    check(f, "PUT", "/b", "{\"behaviour\":\"box\",\"args\":4}", 202, NULL);
    check(f, "POST", "/b", "{\"remotecall\":\"r\",\"method\":\"get\\u0000\",\"message\":null,\"timeout\":9}", 404,
          "{\"response\":\"r\",\"invalid_method\":\"get\\u0000\"}\n");
    stop(f);
}

TEST(actors_app, a_large_state)
{
    fixture *f = start();
    static char text[20001];
    memset(text, 'x', 20000);
    CHECK_OK(gr_publish(f->self, "s", text));
    CHECK_OK(gr_register(gr_self_address(f->self), "me"));
    check(f, "GET", "/me", NULL, 200, NULL);
    CHECK_EQ(f->answer.body_bytes, 20003);
    stop(f);
}
