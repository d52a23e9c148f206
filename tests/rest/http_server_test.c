/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The server over real sockets: framing, keep-alive, deadlines, limits, failures of applications. */
#include <greenroom/runtime.h>
#include <greenroom/wsgi.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rest/client.h"
#include "support/test.h"

typedef struct fixture {
    gr_self *self;
    gr_http_server *server;
    const char *address;
} fixture;

static int say(gr_responder *respond, const char *text)
{
    return gr_response_send(respond, 200, "text/plain", text, strlen(text));
}

static int stream(const gr_environ *env, gr_responder *respond)
{
    gr_header type = {"Content-Type", "text/plain"};
    int code = gr_response_start(respond, 200, &type, 1, GR_BODY_UNKNOWN);
    for (int i = 0; code == 0 && i < 3; i++) code = gr_response_write(respond, "piece\n", 6);
    if (code == 0 && strcmp(env->path, "/stream/cut") == 0) return GR_EINVAL;
    return code;
}

/* Every byte of the request's body back, read in pieces. */
static int echo_pieces(const gr_environ *env, gr_responder *respond)
{
    char piece[7];
    size_t bytes;
    int code = gr_response_start(respond, 200, NULL, 0, GR_BODY_UNKNOWN);
    while (code == 0 && (code = gr_input_read(env, piece, sizeof piece, &bytes)) == 0 && bytes)
        code = gr_response_write(respond, piece, bytes);
    return code;
}

static int echo_all(const gr_environ *env, gr_responder *respond)
{
    const char *body;
    size_t bytes;
    int code = gr_input_all(env, &body, &bytes);
    return code != 0 ? code : gr_response_send(respond, 200, "application/octet-stream", body, bytes);
}

static int tell_environ(const gr_environ *env, gr_responder *respond)
{
    char text[1024];
    snprintf(text, sizeof text, "%s|%s|%s|%s|%s|%s|%s|%s|%lld|%s", env->method, env->target, env->script_name,
             env->path, env->query ? env->query : "-", env->scheme, env->protocol, env->host,
             (long long)env->content_length, gr_environ_header(env, "x-test") ? gr_environ_header(env, "x-test") : "-");
    return say(respond, text);
}

static int misbehave(const gr_environ *env, gr_responder *respond)
{
    const gr_header bad[] = {{"X-Bad", "a\r\nInjected: yes"}, {"Content-Length", "5"}, {"Bad name", "x"}, {"X", NULL}};
    char text[64];
    if (strcmp(env->path, "/bad/raise") == 0) gr_raise(env->self, "oops", "on purpose");
    if (strcmp(env->path, "/bad/late") == 0) {
        int code = gr_response_start(respond, 200, NULL, 0, 10);
        if (code == 0) gr_raise(env->self, "oops", "after the head");
        return code;
    }
    if (strcmp(env->path, "/bad/silent") == 0) return 0;
    if (strcmp(env->path, "/bad/code") == 0) return GR_EINVAL;
    if (strcmp(env->path, "/bad/short") == 0) {
        int code = gr_response_start(respond, 200, NULL, 0, 10);
        return code != 0 ? code : gr_response_write(respond, "short", 5);
    }
    int codes[6];
    for (int i = 0; i < 4; i++) codes[i] = gr_response_start(respond, 200, &bad[i], 1, 0);
    codes[4] = gr_response_start(respond, 99, NULL, 0, 0);
    codes[5] = gr_response_write(respond, "x", 1);
    snprintf(text, sizeof text, "%d %d %d %d %d %d", codes[0], codes[1], codes[2], codes[3], codes[4], codes[5]);
    int code = say(respond, text);
    if (code == 0 && gr_response_start(respond, 200, NULL, 0, 0) != GR_EEXISTS) return GR_EINVAL;
    if (code == 0 && gr_response_write(respond, "x", 1) != GR_ERANGE) return GR_EINVAL;
    return code;
}

static gr_address told; /* by wait_until_gone; set before the server starts */

static int wait_until_gone(const gr_environ *env, gr_responder *respond)
{
    bool here = !gr_response_gone(respond);
    int code = gr_cast(env->self, told, "{s:b}", "here", here);
    while (code == 0 && !gr_response_gone(respond)) code = gr_sleep(env->self, gr_after_ms(1));
    if (code == 0) code = gr_cast(env->self, told, "{s:b}", "here", false);
    return code != 0 ? code : GR_ECLOSED;
}

static int application(void *state, const gr_environ *env, gr_responder *respond)
{
    static const char big[100000] = {'x'};
    (void)state;
    if (strncmp(env->path, "/stream", 7) == 0) return stream(env, respond);
    if (strcmp(env->path, "/pieces") == 0) return echo_pieces(env, respond);
    if (strcmp(env->path, "/echo") == 0) return echo_all(env, respond);
    if (strcmp(env->path, "/gone") == 0) return wait_until_gone(env, respond);
    if (strncmp(env->path, "/environ", 8) == 0) return tell_environ(env, respond);
    if (strncmp(env->path, "/bad/", 5) == 0) return misbehave(env, respond);
    if (strcmp(env->path, "/big") == 0) return gr_response_send(respond, 200, "text/plain", big, sizeof big);
    if (strcmp(env->path, "/nothing") == 0) return gr_response_start(respond, 204, NULL, 0, 0);
    return say(respond, "hello\n");
}

static fixture start_with(gr_http_options options)
{
    fixture f = {0};
    gr_detail detail = {0};
    if (gr_start(NULL, &detail) != 0) TEST_FAIL("gr_start: %s", detail.text);
    CHECK_OK(gr_attach(&f.self));
    told = gr_self_address(f.self);
    if (!options.listen) options.listen = "127.0.0.1:0";
    options.application = (gr_application){application, NULL};
    int code = gr_http_start(f.self, &options, &f.server);
    if (code != 0) TEST_FAIL("gr_http_start: %d %s", code, gr_error_detail(f.self)->text);
    f.address = gr_http_address(f.server);
    return f;
}

static fixture start(void)
{
    return start_with((gr_http_options){0});
}

static void stop(fixture *f)
{
    CHECK_OK(gr_http_stop(f->self, &f->server, gr_after_s(60)));
    CHECK(f->server == NULL);
    gr_detach(&f->self);
    CHECK_OK(gr_stop(gr_after_s(60)));
}

/* Sends, expects one answer with this status and body (NULL: any). */
static void exchange(client *c, const char *request, int status, const char *body)
{
    answer a;
    client_say(c, request);
    CHECK(client_answer(c, strncmp(request, "HEAD ", 5) == 0, &a));
    CHECK_EQ(a.status, status);
    if (body) CHECK_STR(a.body, body);
    answer_free(&a);
}

static void exchange_alone(const char *address, const char *request, int status, const char *body)
{
    client c = client_open(address);
    exchange(&c, request, status, body);
    client_close(&c);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"

TEST(http_server, answers_and_keeps_the_connection)
{
    fixture f = start();
    client c = client_open(f.address);
    answer a;
    for (int i = 0; i < 3; i++) {
        client_say(&c, GET("/"));
        CHECK(client_answer(&c, false, &a));
        CHECK_EQ(a.status, 200);
        CHECK_STR(a.body, "hello\n");
        CHECK_STR(answer_header(&a, "Content-Length"), "6");
        CHECK_EQ(strlen(answer_header(&a, "Date")), 29);
        CHECK(!answer_header(&a, "Connection"));
        answer_free(&a);
    }
    client_close(&c);
    stop(&f);
}

TEST(http_server, versions_and_connection_fields)
{
    fixture f = start();
    answer a;
    client c = client_open(f.address);
    client_say(&c, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    CHECK(client_answer(&c, false, &a) && a.closes && client_closed(&c));
    answer_free(&a), client_close(&c);

    c = client_open(f.address);
    client_say(&c, "GET / HTTP/1.0\r\n\r\n");
    CHECK(client_answer(&c, false, &a) && client_closed(&c));
    answer_free(&a), client_close(&c);

    c = client_open(f.address);
    client_say(&c, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(client_answer(&c, false, &a));
    CHECK_STR(answer_header(&a, "Connection"), "keep-alive");
    answer_free(&a);
    exchange(&c, "GET / HTTP/1.0\r\n\r\n", 200, "hello\n");
    client_close(&c);
    stop(&f);
}

TEST(http_server, the_environment)
{
    fixture f = start();
    exchange_alone(f.address,
                   "POST /environ/a%20b?q=%20 HTTP/1.1\r\nHost: h:1\r\nX-Test: yes\r\nContent-Length: 2\r\n\r\nok", 200,
                   "POST|/environ/a%20b?q=%20||/environ/a b|q=%20|http|HTTP/1.1|h:1|2|yes");
    exchange_alone(f.address, "GET http://h/environ HTTP/1.1\r\nHost: h\r\n\r\n", 200,
                   "GET|http://h/environ||/environ|-|http|HTTP/1.1|h|0|-");
    exchange_alone(f.address, "GET /environ HTTP/1.0\r\n\r\n", 200, "GET|/environ||/environ|-|http|HTTP/1.0||0|-");
    exchange_alone(f.address, "POST /environ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200,
                   "POST|/environ||/environ|-|http|HTTP/1.1|h|-1|-");
    stop(&f);
}

TEST(http_server, pipelined_requests_are_answered_in_order)
{
    fixture f = start();
    client c = client_open(f.address);
    answer a;
    client_say(&c,
               "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\none" GET(
                   "/") "POST /pieces HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nthree\r\n0\r\n\r\n"
                        "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" GET("/stream"));
    static const char *const bodies[] = {"one", "hello\n", "three", "", "piece\npiece\npiece\n"};
    for (int i = 0; i < 5; i++) {
        CHECK(client_answer(&c, i == 3, &a));
        CHECK_EQ(a.status, 200);
        CHECK_STR(a.body, bodies[i]);
        if (i == 3) CHECK_STR(answer_header(&a, "Content-Length"), "6");
        answer_free(&a);
    }
    client_close(&c);
    stop(&f);
}

/* A request that arrives byte by byte is the same request. */
TEST(http_server, requests_in_single_bytes)
{
    fixture f = start();
    client c = client_open(f.address);
    static const char text[] =
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    for (size_t i = 0; i < sizeof text - 2; i++) CHECK(client_send(&c, text + i, 1));
    exchange(&c, "\n", 200, "abcde");
    client_close(&c);
    stop(&f);
}

TEST(http_server, large_bodies_both_ways)
{
    fixture f = start();
    enum { BYTES = 300000 };
    char *body = malloc(BYTES + 1), head[128];
    for (size_t i = 0; i < BYTES; i++) body[i] = (char)('a' + i % 26);
    body[BYTES] = '\0';
    static const char *const paths[] = {"/echo", "/pieces"};
    for (int i = 0; i < 2; i++) {
        client c = client_open(f.address);
        answer a;
        snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", paths[i],
                 i ? 5000 : BYTES);
        client_say(&c, head);
        CHECK(client_send(&c, body, i ? 5000 : BYTES));
        CHECK(client_answer(&c, false, &a));
        CHECK_EQ(a.status, 200);
        CHECK_EQ(a.body_bytes, i ? 5000 : BYTES);
        CHECK(memcmp(a.body, body, a.body_bytes) == 0);
        answer_free(&a);
        exchange(&c, GET("/big"), 200, NULL);
        exchange(&c, GET("/"), 200, "hello\n");
        client_close(&c);
    }
    free(body);
    stop(&f);
}

TEST(http_server, a_large_head)
{
    fixture f = start();
    client c = client_open(f.address);
    char text[9000];
    int used = snprintf(text, sizeof text, "GET /environ HTTP/1.1\r\nHost: h\r\nX-Test: t\r\nX-Long: ");
    memset(text + used, 'x', 8000);
    snprintf(text + used + 8000, 16, "\r\n\r\n");
    exchange(&c, text, 200, "GET|/environ||/environ|-|http|HTTP/1.1|h|0|t");
    exchange(&c, GET("/"), 200, "hello\n");
    client_close(&c);
    stop(&f);
}

TEST(http_server, head_and_204_have_no_body)
{
    fixture f = start();
    client c = client_open(f.address);
    answer a;
    client_say(&c, "HEAD /big HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(client_answer(&c, true, &a));
    CHECK_STR(answer_header(&a, "Content-Length"), "100000");
    answer_free(&a);
    client_say(&c, "HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(client_answer(&c, true, &a));
    CHECK(!answer_header(&a, "Content-Length"));
    answer_free(&a);
    client_say(&c, GET("/nothing"));
    CHECK(client_answer(&c, false, &a));
    CHECK_EQ(a.status, 204);
    CHECK(!answer_header(&a, "Content-Length"));
    answer_free(&a);
    exchange(&c, GET("/"), 200, "hello\n");
    client_close(&c);
    stop(&f);
}

TEST(http_server, a_streamed_answer_to_http_1_0_ends_with_the_connection)
{
    fixture f = start();
    client c = client_open(f.address);
    exchange(&c, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, "piece\npiece\npiece\n");
    CHECK(client_closed(&c));
    client_close(&c);
    stop(&f);
}

TEST(http_server, a_refused_request_is_answered_and_ends_the_connection)
{
    fixture f = start();
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
        {"GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n", 413},
        {"POST / HTTP/1.1\r\nHost: h\r\nExpect: rain\r\nContent-Length: 1\r\n\r\n", 417},
        {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
        {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", 413},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        client c = client_open(f.address);
        answer a;
        client_say(&c, cases[i].request);
        (void)client_send(&c, GET("/"),
                          strlen(GET("/"))); /* must not be looked at; the server may have closed already */
        CHECK(client_answer(&c, false, &a));
        CHECK_EQ(a.status, cases[i].status);
        CHECK(a.closes);
        CHECK_STR(answer_header(&a, "Content-Type"), "application/problem+json");
        answer_free(&a);
        CHECK(client_closed(&c));
        client_close(&c);
    }
    stop(&f);
}

TEST(http_server, expect_continue)
{
    fixture f = start();
    client c = client_open(f.address);
    answer a;
    client_say(&c, "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    CHECK(client_answer(&c, false, &a));
    CHECK_EQ(a.status, 100);
    answer_free(&a);
    exchange(&c, "ok", 200, "ok");
    /* Who has sent it without waiting is not asked for it, and the connection goes on. */
    exchange(&c, "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok", 200, "ok");
    exchange(&c, GET("/"), 200, "hello\n");
    /* An application that does not want the body answers at once; whether it comes is then unknown, so the connection ends. */
    client_say(&c, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    CHECK(client_answer(&c, false, &a));
    CHECK_EQ(a.status, 200);
    CHECK(a.closes);
    answer_free(&a);
    CHECK(client_closed(&c));
    client_close(&c);
    stop(&f);
}

TEST(http_server, a_body_left_unread_is_skipped)
{
    fixture f = start();
    client c = client_open(f.address);
    exchange(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345", 200, "hello\n");
    exchange(&c, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 200, "hello\n");
    exchange(&c, GET("/"), 200, "hello\n");
    answer a;
    client_say(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nbeginning");
    CHECK(client_answer(&c, false, &a));
    CHECK(a.closes);
    answer_free(&a), client_close(&c);
    stop(&f);
}

/* In order: no reset, which would have thrown the answer away. */
static void expect_end(client *c)
{
    char byte;
    ssize_t got = client_recv(c->fd, &byte, 1, 0);
    if (got != 0) TEST_FAIL("expected the end, got %zd: %s", got, got < 0 ? strerror(errno) : "a byte");
}

/* A client that sends all it has before it looks for an answer, which was ready long ago. */
TEST(http_server, who_is_in_the_middle_of_a_long_body_gets_the_answer)
{
    enum { BODY = 3000000 };
    static const char body[BODY];
    static const struct {
        const char *head;
        int status;
    } cases[] = {{"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n", 413},
                 {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n", 200},
                 {"GET / HTTP/1.1\r\nHost: h\r\nnot a field\r\n\r\n", 400}};
    fixture f = start_with((gr_http_options){.body_ms = 3600000, .linger_ms = 3600000});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        client c = client_open(f.address);
        answer a;
        client_say(&c, cases[i].head);
        CHECK(client_send(&c, body, i == 1 ? 1000000 : BODY));
        CHECK(client_answer(&c, false, &a));
        CHECK_EQ(a.status, cases[i].status);
        CHECK(a.closes);
        answer_free(&a);
        CHECK_EQ(shutdown(c.fd, SHUT_WR), 0);
        expect_end(&c);
        client_close(&c);
    }
    stop(&f);
}

/* The answer and the end come at once, whatever is still missing; and whoever sends no more is not waited for as long as a body
 * may take. */
TEST(http_server, who_stops_in_the_middle_of_a_body_is_not_waited_for)
{
    fixture f = start_with((gr_http_options){.body_ms = 3600000, .write_ms = 3600000, .linger_ms = 50});
    static const char *const bodies[] = {"Content-Length: 1000000\r\n\r\nsome", "Content-Length: 1000\r\n\r\nsome",
                                         "Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        client c = client_open(f.address);
        answer a;
        client_say(&c, "POST / HTTP/1.1\r\nHost: h\r\n");
        client_say(&c, bodies[i]);
        CHECK(client_answer(&c, false, &a));
        CHECK_EQ(a.status, 200);
        answer_free(&a);
        expect_end(&c);
        client_close(&c);
    }
    stop(&f);
}

/* Lingering does not hold up a stop. */
TEST(http_server, a_stop_cuts_lingering_short)
{
    fixture f = start_with((gr_http_options){.body_ms = 3600000, .linger_ms = 3600000});
    client c = client_open(f.address);
    answer a;
    client_say(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nsome");
    CHECK(client_answer(&c, false, &a));
    answer_free(&a);
    expect_end(&c); /* of its side */
    stop(&f);
    client_close(&c);
}

/* Who has ended its side before its request was complete still reads, and is told. */
TEST(http_server, requests_that_end_too_early)
{
    fixture f = start();
    static const struct {
        const char *request;
        int status; /* 0: the end without a word */
    } cases[] = {{"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc", 400},
                 {"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", 400},
                 {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", 400},
                 {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 400},
                 {"GET / HTTP/1.1\r\nHost: h\r\n", 400},
                 {"G", 400},
                 {"\r\n", 0},
                 {"\r", 0},
                 {"", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        client c = client_open(f.address);
        answer a;
        client_say(&c, cases[i].request);
        CHECK_EQ(shutdown(c.fd, SHUT_WR), 0);
        if (cases[i].status) {
            CHECK(client_answer(&c, false, &a));
            CHECK_EQ(a.status, cases[i].status);
            CHECK(a.closes);
            CHECK(strstr(a.body, "ended its side") != NULL);
            answer_free(&a);
        }
        expect_end(&c);
        client_close(&c);
    }
    stop(&f);
}

TEST(http_server, applications_that_fail)
{
    fixture f = start();
    client c = client_open(f.address);
    exchange(&c, GET("/bad/raise"), 500, NULL);
    exchange(&c, GET("/bad/silent"), 500, NULL);
    exchange(&c, GET("/bad/code"), 500, NULL);
    exchange(&c, GET("/bad/headers"), 200, "-1 -1 -1 -1 -1 -1");
    exchange(&c, GET("/"), 200, "hello\n");
    answer a;
    client_say(&c, GET("/bad/short"));
    CHECK(client_answer(&c, true, &a)); /* announced 10, got 5: the rest never comes */
    answer_free(&a);
    CHECK_EQ(c.held ? c.held : (client_closed(&c), c.held), 5);
    client_close(&c);

    c = client_open(f.address);
    client_say(&c, GET("/bad/late"));
    CHECK(!client_answer(&c, true, &a) || a.status == 200);
    answer_free(&a), client_close(&c);
    exchange_alone(f.address, GET("/"), 200, "hello\n");
    stop(&f);
}

TEST(http_server, applications_learn_that_the_client_has_gone)
{
    fixture f = start();
    client c = client_open(f.address);
    client_say(&c, GET("/gone"));
    for (int here = 1; here >= 0; here--) {
        gr_message *message = NULL;
        CHECK_OK(gr_receive(f.self, &message, gr_after_s(60)));
        CHECK_EQ(gr_bool(gr_get(gr_body(message), "here"), false), here);
        gr_message_free(&message);
        client_close(&c);
    }
    stop(&f);
}

/* The server's deadline, and no other, is short: what the client does in between may take any time. */
static void expect_408(gr_http_options options, const char *request)
{
    fixture f = start_with(options);
    answer a;
    client c = client_open(f.address);
    client_say(&c, request);
    CHECK(client_answer(&c, false, &a));
    CHECK_EQ(a.status, 408);
    CHECK(a.closes);
    answer_free(&a), client_close(&c);
    stop(&f);
}

TEST(http_server, a_body_has_a_deadline)
{
    expect_408((gr_http_options){.body_ms = 60}, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
}

TEST(http_server, a_head_has_a_deadline)
{
    for (uint32_t ms = 60;; ms *= 4) { /* once more if the first byte took that long: then the connection is closed */
        fixture f = start_with((gr_http_options){.head_ms = ms});
        char text[16] = "";
        client c = client_open(f.address);
        ssize_t bytes = client_send(&c, "GET / HT", 8) ? client_recv(c.fd, text, 12, 0) : 0;
        if (bytes > 0) CHECK_STR(text, "HTTP/1.1 408");
        client_close(&c);
        stop(&f);
        if (bytes > 0) break;
    }
}

TEST(http_server, who_says_nothing_is_left)
{
    fixture f = start_with((gr_http_options){.head_ms = 60});
    client c = client_open(f.address);
    CHECK(client_closed(&c));
    client_close(&c);
    stop(&f);
    f = start_with((gr_http_options){.idle_ms = 60});
    c = client_open(f.address);
    exchange(&c, GET("/"), 200, "hello\n");
    CHECK(client_closed(&c)); /* idle */
    client_close(&c);
    stop(&f);
}

TEST(http_server, requests_per_connection)
{
    fixture f = start_with((gr_http_options){.requests_per_connection = 2});
    client c = client_open(f.address);
    answer a;
    exchange(&c, GET("/"), 200, "hello\n");
    client_say(&c, GET("/"));
    CHECK(client_answer(&c, false, &a) && a.closes && client_closed(&c));
    answer_free(&a), client_close(&c);
    stop(&f);
}

TEST(http_server, connections_per_address)
{
    fixture f = start_with((gr_http_options){.connections_per_address = 2});
    client a = client_open(f.address), b = client_open(f.address);
    exchange(&a, GET("/"), 200, "hello\n");
    exchange(&b, GET("/"), 200, "hello\n");
    answer refused;
    client c = client_open(f.address);
    CHECK(client_answer(&c, false, &refused));
    CHECK_EQ(refused.status, 429);
    answer_free(&refused), client_close(&c);
    exchange(&b, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 200, "hello\n");
    CHECK(client_closed(&b));
    client_close(&b);
    for (int status = 429; status == 429;) { /* until the listener has heard of its end */
        c = client_open(f.address);
        if (client_send(&c, GET("/"), strlen(GET("/"))) && client_answer(&c, false, &refused)) status = refused.status;
        answer_free(&refused), client_close(&c);
        CHECK(status == 429 || status == 200);
    }
    client_close(&a);
    stop(&f);
}

TEST(http_server, connections_in_all)
{
    fixture f = start_with((gr_http_options){.connections = 1});
    client a = client_open(f.address), b;
    answer refused;
    exchange(&a, GET("/"), 200, "hello\n");
    b = client_open(f.address);
    CHECK(client_answer(&b, false, &refused));
    CHECK_EQ(refused.status, 503);
    CHECK_STR(answer_header(&refused, "Retry-After"), "1");
    answer_free(&refused), client_close(&b), client_close(&a);
    stop(&f);
}

TEST(http_server, loopback_may_be_unbounded)
{
    fixture f = start_with((gr_http_options){.connections_per_address = 1, .loopback_unbounded = true});
    client all[60];
    for (int i = 0; i < 60; i++) all[i] = client_open(f.address);
    for (int i = 0; i < 60; i++) client_say(&all[i], GET("/"));
    for (int i = 0; i < 60; i++) {
        answer a;
        CHECK(client_answer(&all[i], false, &a));
        CHECK_EQ(a.status, 200);
        answer_free(&a), client_close(&all[i]);
    }
    stop(&f);
}

TEST(http_server, six_and_unix)
{
    char path[64];
    snprintf(path, sizeof path, "unix:/tmp/greenroom-http-%d.sock", (int)getpid());
    fixture f = start_with((gr_http_options){.listen = path});
    CHECK_STR(f.address, path);
    exchange_alone(f.address, GET("/"), 200, "hello\n");
    gr_http_server *six = NULL;
    gr_http_options options = {.listen = "[::1]:0", .application = {application, NULL}};
    if (gr_http_start(f.self, &options, &six) == 0) { /* machines without IPv6 exist */
        exchange_alone(gr_http_address(six), GET("/"), 200, "hello\n");
        CHECK_OK(gr_http_stop(f.self, &six, gr_after_s(60)));
    }
    stop(&f);
    unlink(path + 5);
}

TEST(http_server, bad_starts)
{
    fixture f = start();
    gr_http_server *other = NULL;
    gr_http_options options = {.listen = f.address};
    CHECK_EQ(gr_http_start(f.self, &options, &other), GR_EINVAL); /* no application */
    options.application = (gr_application){application, NULL};
    CHECK_EQ(gr_http_start(f.self, &options, &other), GR_EINUSE);
    options.listen = "nonsense";
    CHECK_EQ(gr_http_start(f.self, &options, &other), GR_EINVAL);
    CHECK(other == NULL);
    CHECK_OK(gr_http_stop(f.self, &other, GR_NOW));
    stop(&f);
}
