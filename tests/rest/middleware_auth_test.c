/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* gr_middleware_auth: who is let in, what the others are told, and which options are refused. */
#include <greenroom/middleware.h>

#include "rest/fake_request.h"
#include "support/test.h"

static int hello(void *state, const gr_environ *env, gr_responder *respond)
{
    (void)state, (void)env;
    return gr_response_send(respond, 200, "text/plain", "hello\n", 6);
}

static const gr_auth_user users[] = {{"ada", "open sesame"}, {"bob", ""}};

/* The status of a request with these credentials (NULL: none), for an application behind the layer. */
static int status_of(const gr_auth_options *options, const char *method, const char *path, const char *credentials,
                     fake_answer *ret_answer)
{
    gr_application application = {hello, NULL};
    gr_middleware *layers = NULL;
    fake_request request;
    CHECK_OK(gr_middleware_auth(&layers, &application, options, NULL));
    fake_request_init(&request, NULL, method, path, NULL);
    if (credentials) fake_request_header(&request, "Authorization", credentials);
    CHECK_OK(fake_run(application, &request, ret_answer));
    gr_middleware_free(&layers);
    CHECK(layers == NULL);
    return ret_answer->status;
}

TEST(auth, tokens)
{
    static fake_answer a;
    const char *more[] = {"old-one.~+/=", "", NULL};
    more[1] = "third";
    const gr_auth_options o = {.token = "secret", .tokens = more};
    CHECK_EQ(status_of(&o, "GET", "/", "Bearer secret", &a), 200);
    CHECK_STR(a.body, "hello\n");
    CHECK_EQ(status_of(&o, "GET", "/", "bearer  secret", &a), 200);
    CHECK_EQ(status_of(&o, "GET", "/", "Bearer old-one.~+/=", &a), 200);
    CHECK_EQ(status_of(&o, "GET", "/", "Bearer third", &a), 200);
    const char *wrong[] = {"Bearer", "Bearer ",        "Bearer secre", "Bearer secrets",      "Bearer Secret",
                           "secret", "Bearer secret ", "Basic secret", "Bearer secret,third", "",
                           NULL};
    for (int i = 0; wrong[i]; i++) CHECK_EQ(status_of(&o, "GET", "/", wrong[i], &a), 401);
    CHECK_EQ(status_of(&o, "GET", "/", NULL, &a), 401);
    CHECK_STR(fake_answer_header(&a, "WWW-Authenticate"), "Bearer realm=\"greenroom\"");
    CHECK_STR(fake_answer_header(&a, "Content-Type"), "application/problem+json");
    CHECK(strstr(a.body, "\"status\":401") != NULL);
    CHECK_EQ(a.announced, a.body_bytes);
}

TEST(auth, users)
{
    static fake_answer a;
    const gr_auth_options o = {.users = users, .user_count = 2, .realm = "the stage"};
    CHECK_EQ(status_of(&o, "GET", "/", "Basic YWRhOm9wZW4gc2VzYW1l", &a), 200); /* ada:open sesame */
    CHECK_EQ(status_of(&o, "GET", "/", "basic Ym9iOg==", &a), 200);             /* bob: */
    const char *wrong[] = {"Basic YWRhOm9wZW4gc2VzYW1",                         /* cut */
                           "Basic YWRhOm9wZW4gc2VzYW1l=",                       /* longer */
                           "Basic Ym9iOg",                                      /* without padding */
                           "Basic Ym9iOh==", /* the same bytes, other bits behind them */
                           "Basic Ym9i=g==",
                           "Basic YWRhOm9wZW4gc2VzYW1f",
                           "Basic YWRhOg==", /* ada: */
                           "Basic Og==",     /* : */
                           "Basic ",
                           "Basic ====",
                           "Bearer YWRhOm9wZW4gc2VzYW1l",
                           "Basic ada:open sesame",
                           NULL};
    for (int i = 0; wrong[i]; i++) CHECK_EQ(status_of(&o, "GET", "/", wrong[i], &a), 401);
    CHECK_STR(fake_answer_header(&a, "WWW-Authenticate"), "Basic realm=\"the stage\", charset=\"UTF-8\"");
}

/* A secret that begins as the right one, at each length, and one that repeats it. */
TEST(auth, every_byte_counts)
{
    static fake_answer a;
    char credentials[64] = "Bearer ";
    static const char token[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const gr_auth_options o = {.token = token};
    for (size_t i = 0; i < sizeof token - 1; i++) {
        snprintf(credentials, sizeof credentials, "Bearer %.*s", (int)i, token);
        CHECK_EQ(status_of(&o, "GET", "/", credentials, &a), 401);
        snprintf(credentials, sizeof credentials, "Bearer %s", token);
        CHECK_EQ(status_of(&o, "GET", "/", credentials, &a), 200);
        credentials[7 + i] = 'b';
        CHECK_EQ(status_of(&o, "GET", "/", credentials, &a), 401);
    }
    snprintf(credentials, sizeof credentials, "Bearer %sa", token);
    CHECK_EQ(status_of(&o, "GET", "/", credentials, &a), 401);
}

TEST(auth, two_fields_are_none)
{
    static fake_answer a;
    gr_application application = {hello, NULL};
    gr_middleware *layers = NULL;
    fake_request request;
    const gr_auth_options o = {.token = "secret"};
    CHECK_OK(gr_middleware_auth(&layers, &application, &o, NULL));
    fake_request_init(&request, NULL, "GET", "/", NULL);
    fake_request_header(&request, "Authorization", "Bearer secret");
    fake_request_header(&request, "authorization", "Bearer secret");
    CHECK_OK(fake_run(application, &request, &a));
    CHECK_EQ(a.status, 401);
    gr_middleware_free(&layers);
}

TEST(auth, what_is_open)
{
    static fake_answer a;
    static const char *const paths[] = {"/health", "/static", NULL};
    const gr_auth_options o = {.token = "secret", .paths_open = paths};
    const gr_auth_options reading = {.token = "secret", .reading_open = true};
    CHECK_EQ(status_of(&o, "GET", "/health", NULL, &a), 200);
    CHECK_EQ(status_of(&o, "POST", "/static/a/b", NULL, &a), 200);
    CHECK_EQ(status_of(&o, "GET", "/static?x", NULL, &a), 200);
    CHECK_EQ(status_of(&o, "GET", "/healthy", NULL, &a), 401);
    CHECK_EQ(status_of(&o, "GET", "/a/health", NULL, &a), 401);
    CHECK_EQ(status_of(&o, "GET", "/heal", NULL, &a), 401);
    CHECK_EQ(status_of(&reading, "GET", "/", NULL, &a), 200);
    CHECK_EQ(status_of(&reading, "HEAD", "/", NULL, &a), 200);
    CHECK_EQ(status_of(&reading, "POST", "/", NULL, &a), 401);
    CHECK_EQ(status_of(&reading, "get", "/", NULL, &a), 401);
}

/* A mount takes its prefix off the path; lists of paths mean all of it. */
TEST(auth, paths_are_whole)
{
    static fake_answer a;
    static const char *const paths[] = {"/app/open", "/m", NULL};
    static const struct {
        const char *script_name, *path;
        int status;
    } cases[] = {{"/app", "/open", 200}, {"/app", "/open/x", 200}, {"/app", "/openly", 401}, {"/app", "/", 401},
                 {"/ap", "p/open", 200}, {"/m", "/", 200},         {"/m/n", "/", 200},       {"/mn", "/", 401},
                 {"", "/app/open", 200}, {"", "/open", 401}};
    gr_application application = {hello, NULL};
    gr_middleware *layers = NULL;
    const gr_auth_options o = {.token = "secret", .paths_open = paths};
    CHECK_OK(gr_middleware_auth(&layers, &application, &o, NULL));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_request request;
        fake_request_init(&request, NULL, "GET", cases[i].path, NULL);
        request.env.script_name = cases[i].script_name;
        CHECK_OK(fake_run(application, &request, &a));
        CHECK_EQ(a.status, cases[i].status);
    }
    gr_middleware_free(&layers);
}

TEST(auth, options_that_make_no_sense)
{
    static const char *const bad_paths[] = {"static", NULL}, *const bad_end[] = {"/static/", NULL};
    static const gr_auth_user colon[] = {{"a:b", "c"}}, nobody[] = {{"", "c"}}, control[] = {{"a", "b\n"}};
    const struct {
        gr_auth_options options;
        const char *why;
    } cases[] = {{{0}, "there must be a token or a user"},
                 {{.token = ""}, "token 0"},
                 {{.token = "white space"}, "token 0"},
                 {{.token = "ok", .tokens = (const char *const[]){"umlaut\xc3\xa4", NULL}}, "token 1"},
                 {{.users = colon, .user_count = 1}, "user 0"},
                 {{.users = nobody, .user_count = 1}, "user 0"},
                 {{.users = control, .user_count = 1}, "user 0"},
                 {{.token = "t", .realm = "a\"b"}, "realm"},
                 {{.token = "t", .paths_open = bad_paths}, "paths_open: \"static\""},
                 {{.token = "t", .paths_open = bad_end}, "paths_open: \"/static/\""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gr_application application = {hello, NULL};
        gr_middleware *layers = NULL;
        gr_detail detail = {0};
        CHECK_EQ(gr_middleware_auth(&layers, &application, &cases[i].options, &detail), GR_EINVAL);
        CHECK(strstr(detail.text, cases[i].why) != NULL);
        CHECK(layers == NULL && application.run == hello);
    }
}
