/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Stopping a server: who waits ends at once, who has begun a request gets the whole answer, nothing new is begun. */
#include <greenroom/runtime.h>
#include <greenroom/wsgi.h>

#include <poll.h>
#include <pthread.h>

#include "rest/client.h"
#include "support/test.h"

typedef struct fixture {
    gr_self *self;
    gr_http_server *server;
    const char *address;
    client idle; /* admitted last, so killed last: when it has ended, all others have been killed */
} fixture;

static gr_address test_thread; /* set before the server starts */

/* Tells the test, waits until told to go on, says whether it knew that the server was ending. */
static int application(void *state, const gr_environ *env, gr_responder *respond)
{
    const char *body;
    size_t bytes;
    gr_message *message = NULL;
    bool early = strcmp(env->path, "/early") == 0; /* the head goes out before the drain begins */
    (void)state;
    int code = gr_input_all(env, &body, &bytes);
    if (code == 0 && early) code = gr_response_start(respond, 200, NULL, 0, GR_BODY_UNKNOWN);
    if (code == 0 && early) code = gr_response_write(respond, "first ", 6);
    if (code == 0) code = gr_cast(env->self, test_thread, "{s:A}", "running", gr_self_address(env->self));
    if (code == 0 && strcmp(env->path, "/") != 0) code = gr_receive(env->self, &message, GR_FOREVER);
    gr_message_free(&message);
    const char *text = gr_killed(env->self) ? "ending" : "going on";
    if (code == 0)
        code = early ? gr_response_write(respond, text, strlen(text))
                     : gr_response_send(respond, 200, "text/plain", text, strlen(text));
    return code;
}

/* The address of the connection that runs the application. */
static gr_address running(fixture *f)
{
    gr_message *message = NULL;
    CHECK_OK(gr_receive(f->self, &message, gr_after_s(60)));
    gr_value value = gr_get(gr_body(message), "running");
    CHECK(gr_type_of(value) != GR_MISSING);
    gr_address address = gr_address_in(value);
    gr_message_free(&message);
    return address;
}

static void expect(client *c, const char *body, bool closes)
{
    answer a;
    CHECK(client_answer(c, false, &a));
    CHECK_EQ(a.status, 200);
    CHECK_STR(a.body, body);
    CHECK_EQ(a.closes, closes);
    answer_free(&a);
}

/* One request, so that the connection is known to be admitted. */
static client open_admitted(fixture *f)
{
    client c = client_open(f->address);
    client_say(&c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    (void)running(f);
    expect(&c, "going on", false);
    return c;
}

static fixture start_with(gr_http_options options)
{
    fixture f = {0};
    gr_detail detail = {0};
    CHECK_OK(gr_start(NULL, &detail));
    CHECK_OK(gr_attach(&f.self));
    test_thread = gr_self_address(f.self);
    options.listen = "127.0.0.1:0";
    options.application = (gr_application){application, NULL};
    CHECK_OK(gr_http_start(f.self, &options, &f.server));
    f.address = gr_http_address(f.server);
    return f;
}

static fixture start(void)
{
    return start_with((gr_http_options){0});
}

static void stopper(gr_self *self, gr_value args)
{
    gr_http_server *server = (gr_http_server *)(intptr_t)gr_int(gr_get(args, "server"), 0);
    int code = gr_http_stop(self, &server, gr_after_s(60));
    (void)gr_cast(self, test_thread, "{s:i}", "stopped", code);
}

/* Returns when every connection has been killed that was admitted before. */
static void begin_to_stop(fixture *f)
{
    gr_address address;
    f->idle = open_admitted(f);
    CHECK_OK(gr_spawn(f->self, &address, stopper, "{s:I}", "server", (int64_t)(intptr_t)f->server));
    CHECK(client_closed(&f->idle));
}

/* The server has stopped, in time, and no application has begun since `running` was last asked. */
static void end_stop(fixture *f, client *c)
{
    gr_message *message = NULL;
    CHECK(client_closed(c));
    client_close(c);
    client_close(&f->idle);
    CHECK_OK(gr_receive(f->self, &message, gr_after_s(60)));
    CHECK_EQ(gr_int(gr_get(gr_body(message), "stopped"), 1), 0);
    gr_message_free(&message);
    gr_detach(&f->self);
    CHECK_OK(gr_stop(gr_after_s(60)));
}

TEST(http_drain, who_waits_ends_at_once)
{
    enum { COUNT = 12 };
    fixture f = start();
    client all[COUNT];
    for (int i = 0; i < COUNT; i++) all[i] = i % 2 ? client_open(f.address) : open_admitted(&f);
    client last = open_admitted(&f);
    begin_to_stop(&f);
    for (int i = 0; i < COUNT; i++) {
        CHECK(client_closed(&all[i]));
        client_close(&all[i]);
    }
    end_stop(&f, &last);
}

TEST(http_drain, a_request_in_flight_is_answered)
{
    fixture f = start();
    client c = client_open(f.address);
    client_say(&c, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    gr_address connection = running(&f);
    begin_to_stop(&f);
    CHECK_OK(gr_cast(f.self, connection, "n"));
    expect(&c, "ending", true);
    end_stop(&f, &c);
}

TEST(http_drain, an_answer_that_has_begun_ends_as_it_should)
{
    fixture f = start();
    client c = client_open(f.address);
    client_say(&c, "GET /early HTTP/1.1\r\nHost: h\r\n\r\n");
    gr_address connection = running(&f);
    begin_to_stop(&f);
    CHECK_OK(gr_cast(f.self, connection, "n"));
    expect(&c, "first ending", false);
    end_stop(&f, &c);
}

TEST(http_drain, a_half_read_head_is_read_on)
{
    fixture f = start_with((gr_http_options){.linger_ms = 3600000});
    client c = open_admitted(&f);
    client_say(&c, "GET / HTTP/1.1\r\nHo");
    begin_to_stop(&f);
    client_say(&c, "st: h\r\n\r\n");
    (void)running(&f);
    expect(&c, "ending", true);
    end_stop(&f, &c);
}

TEST(http_drain, a_half_read_body_is_read_on)
{
    fixture f = start_with((gr_http_options){.linger_ms = 3600000});
    client c = open_admitted(&f);
    client_say(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab");
    begin_to_stop(&f);
    client_say(&c, "cd");
    (void)running(&f);
    expect(&c, "ending", true);
    end_stop(&f, &c);
}

TEST(http_drain, a_head_that_does_not_end_has_its_deadline)
{
    fixture f = start_with((gr_http_options){.head_ms = 5000, .linger_ms = 3600000});
    client c = open_admitted(&f);
    answer a;
    client_say(&c, "GET / HTTP/1.1\r\nHo");
    begin_to_stop(&f);
    CHECK(client_answer(&c, false, &a));
    CHECK_EQ(a.status, 408);
    answer_free(&a);
    end_stop(&f, &c);
}

/* They get an answer; the stop has an hour and does not need it. */
TEST(http_drain, who_stalls_is_not_waited_for)
{
    static const char *const requests[] = {
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 400000\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab",
        "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
        "GET / HTTP/1.1\r\nHo",
    };
    enum { COUNT = sizeof requests / sizeof *requests };
    fixture f = start_with((gr_http_options){.head_ms = 3600000, .body_ms = 3600000, .linger_ms = 50});
    client all[COUNT];
    for (int i = 0; i < COUNT; i++) {
        answer a;
        all[i] = open_admitted(&f);
        client_say(&all[i], requests[i]);
        if (!strstr(requests[i], "Expect")) continue;
        CHECK(client_answer(&all[i], false, &a)); /* so it waits for the body */
        CHECK_EQ(a.status, 100);
        answer_free(&a);
    }
    begin_to_stop(&f);
    for (int i = 0; i < COUNT; i++) {
        answer a;
        CHECK(client_answer(&all[i], false, &a));
        CHECK_EQ(a.status, 503);
        CHECK(a.closes);
        answer_free(&a);
        if (i == 0) continue; /* end_stop looks at it */
        CHECK(client_closed(&all[i]));
        client_close(&all[i]);
    }
    end_stop(&f, &all[0]);
}

static void *drip(void *arg)
{
    client *c = arg;
    while (client_send(c, "x", 1)) (void)poll(NULL, 0, 10);
    return NULL;
}

/* Who goes on sending, but slowly, has until the deadline. */
TEST(http_drain, the_deadline_ends_an_upload)
{
    fixture f = start_with((gr_http_options){.body_ms = 3600000, .linger_ms = 3600000});
    client slow = open_admitted(&f), stalled = open_admitted(&f);
    pthread_t thread;
    client_say(&slow, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nab");
    client_say(&stalled, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nab");
    CHECK_EQ(pthread_create(&thread, NULL, drip, &slow), 0);
    CHECK_EQ(gr_http_stop(f.self, &f.server, gr_after_ms(300)), GR_ETIMEOUT);
    CHECK(f.server == NULL);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK(client_closed(&slow));
    CHECK(client_closed(&stalled));
    client_close(&slow);
    client_close(&stalled);
    gr_detach(&f.self);
    CHECK_OK(gr_stop(gr_after_s(60)));
}

/* The first answer says that it is the last; the second request is never looked at, here yet or not. */
TEST(http_drain, a_pipelined_request_is_not_begun)
{
    fixture f = start();
    client c = client_open(f.address);
    client_say(&c, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
    gr_address connection = running(&f);
    begin_to_stop(&f);
    client_say(&c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK_OK(gr_cast(f.self, connection, "n"));
    expect(&c, "ending", true);
    end_stop(&f, &c);
}

TEST(http_drain, nobody_new_gets_in)
{
    fixture f = start();
    client busy = client_open(f.address);
    client_say(&busy, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    gr_address connection = running(&f);
    begin_to_stop(&f);
    CHECK(!client_accepted(f.address));
    CHECK_OK(gr_cast(f.self, connection, "n"));
    expect(&busy, "ending", true);
    end_stop(&f, &busy);
}

TEST(http_drain, what_does_not_finish_is_ended_at_the_deadline)
{
    fixture f = start();
    client busy = client_open(f.address);
    client_say(&busy, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    (void)running(&f);
    CHECK_EQ(gr_http_stop(f.self, &f.server, gr_after_ms(20)), GR_ETIMEOUT);
    CHECK(f.server == NULL);
    CHECK(client_closed(&busy));
    client_close(&busy);
    gr_detach(&f.self);
    CHECK_OK(gr_stop(gr_after_s(60)));
}
