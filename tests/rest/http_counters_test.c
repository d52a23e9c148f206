/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What the server counts, and what it tells an observer: compared with what the clients know. */
#include <greenroom/runtime.h>
#include <greenroom/wsgi.h>

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "rest/client.h"
#include "rest/http_counters.h"
#include "support/test.h"

typedef struct fixture {
    gr_self *self;
    gr_http_server *server;
    const char *address;
} fixture;

static int application(void *state, const gr_environ *env, gr_responder *respond)
{
    const char *body;
    size_t bytes;
    (void)state;
    if (strcmp(env->path, "/counters") == 0) { /* how an application gets at them */
        gr_http_counters counters;
        char text[32];
        gr_http_counters_read(env->server, &counters);
        int used = snprintf(text, sizeof text, "%llu", (unsigned long long)counters.accepted);
        return gr_response_send(respond, 200, "text/plain", text, (size_t)used);
    }
    if (strcmp(env->path, "/lost") == 0) return GR_ECLOSED;
    if (strcmp(env->path, "/missing") == 0) return gr_response_problem(respond, 404, "no");
    if (strcmp(env->path, "/timeout") == 0) return gr_response_problem(respond, 408, "the actor did not answer");
    if (strcmp(env->path, "/stream") == 0) {
        int code = gr_response_start(respond, 200, NULL, 0, GR_BODY_UNKNOWN);
        for (int i = 0; code == 0 && i < 3; i++) code = gr_response_write(respond, "piece", 5);
        return code;
    }
    int code = gr_input_all(env, &body, &bytes);
    return code != 0 ? code : gr_response_send(respond, 200, "text/plain", body, bytes);
}

/* What the observer was told, one line each. */
static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;
static char seen[4096];

static void observe(void *state, const gr_exchange *e)
{
    pthread_mutex_lock(&seen_lock);
    size_t used = strlen(seen);
    snprintf(seen + used, sizeof seen - used, "%s %s %d %d %llu %llu %s\n", e->env ? e->env->method : "-",
             e->env ? e->env->path : "-", e->status, e->complete, (unsigned long long)e->received,
             (unsigned long long)e->sent, e->refusal ? e->refusal : "-");
    pthread_mutex_unlock(&seen_lock);
    CHECK(e->duration_ns >= 0 && strncmp(e->remote, "127.0.0.1:", 10) == 0);
    CHECK(state == seen);
}

static fixture start(gr_http_options options)
{
    fixture f = {0};
    gr_detail detail = {0};
    if (gr_start(NULL, &detail) != 0) TEST_FAIL("gr_start: %s", detail.text);
    CHECK_OK(gr_attach(&f.self));
    seen[0] = '\0';
    options.listen = "127.0.0.1:0";
    options.application = (gr_application){application, NULL};
    options.observe = observe;
    options.observe_state = seen;
    CHECK_OK(gr_http_start(f.self, &options, &f.server));
    f.address = gr_http_address(f.server);
    return f;
}

static void stop(fixture *f)
{
    CHECK_OK(gr_http_stop(f->self, &f->server, gr_after_s(60)));
    gr_detach(&f->self);
    CHECK_OK(gr_stop(gr_after_s(60)));
}

static gr_http_counters counters_of(const fixture *f)
{
    gr_http_counters counters;
    gr_http_counters_read(f->server, &counters);
    return counters;
}

static uint64_t answers_of(const gr_http_counters *counters)
{
    uint64_t sum = 0;
    for (int i = 0; i < GR_HTTP_CLASSES; i++) sum += counters->answers[i];
    return sum;
}

static uint64_t live_actors(void)
{
    gr_counters counters;
    CHECK_OK(gr_counters_read(&counters));
    return counters.actors;
}

/* A connection's end is counted a moment after its last answer, and the listener hears of it, and has room again, when it has ended
 * altogether: only the listener and this thread are left. */
static void until_over(const fixture *f, uint64_t answers, uint64_t unanswered)
{
    for (gr_http_counters c = counters_of(f);
         answers_of(&c) < answers || c.unanswered < unanswered || c.connections > 0 || live_actors() > 2;
         c = counters_of(f))
        CHECK_OK(gr_sleep(f->self, gr_after_ms(1)));
}

static void ask(const fixture *f, const char *request)
{
    client c = client_open(f->address);
    client_say(&c, request);
    CHECK_EQ(shutdown(c.fd, SHUT_WR), 0);
    while (!client_closed(&c)) c.held = 0;
    client_close(&c);
}

#define ASK(f, method, path, rest) ask((f), method " " path " HTTP/1.1\r\nHost: h\r\n" rest)

TEST(http_counters, what_an_observer_sees_and_what_is_counted)
{
    fixture f = start((gr_http_options){0});
    ASK(&f, "GET", "/", "\r\n");
    ASK(&f, "POST", "/", "Content-Length: 3\r\n\r\nabc");
    ASK(&f, "POST", "/", "Transfer-Encoding: chunked\r\n\r\n4\r\nwxyz\r\n0\r\n\r\n");
    ASK(&f, "GET", "/missing", "\r\n");
    ASK(&f, "GET", "/timeout", "\r\n");
    ASK(&f, "HEAD", "/stream", "\r\n");
    ASK(&f, "GET", "/stream", "\r\n");
    ASK(&f, "GET", "/lost", "\r\n");
    ask(&f, "GET / HTTP/1.1\r\n\r\n");
    ASK(&f, "GET", "/counters", "\r\n");
    until_over(&f, 9, 1);
    gr_http_counters c = counters_of(&f);
    CHECK_EQ(c.accepted, 10);
    CHECK_EQ(c.answers[1], 6);
    CHECK_EQ(c.answers[3], 3);
    CHECK_EQ(c.unanswered, 1);
    CHECK_EQ(c.timed_out, 0); /* what an application says with 408 is its own */
    CHECK(c.bytes_received > 10 * 20 && c.bytes_sent > 9 * 60);
    uint64_t sum = 0;
    for (int i = 0; i < GR_HTTP_DURATIONS; i++) {
        sum += c.durations[i].count;
        CHECK(i == 0 || c.durations[i].up_to_ns > c.durations[i - 1].up_to_ns);
    }
    CHECK_EQ(sum, 9);
    CHECK_EQ(c.durations[GR_HTTP_DURATIONS - 1].up_to_ns, INT64_MAX);
    CHECK_EQ(c.over_limit + c.over_address_limit + c.dropped + c.handshakes_failed, 0);
    stop(&f);
    CHECK_STR(seen, "GET / 200 1 0 0 -\n"
                    "POST / 200 1 3 3 -\n"
                    "POST / 200 1 4 4 -\n"
                    "GET /missing 404 1 0 70 -\n"
                    "GET /timeout 408 1 0 98 -\n"
                    "HEAD /stream 200 1 0 0 -\n"
                    "GET /stream 200 1 0 15 -\n"
                    "GET /lost 0 0 0 0 -\n"
                    "- - 400 1 0 89 no Host in HTTP/1.1\n"
                    "GET /counters 200 1 0 2 -\n");
}

TEST(http_counters, deadlines_and_limits)
{
    fixture f = start((gr_http_options){.body_ms = 50, .connections = 1});
    client first = client_open(f.address);
    client_say(&first, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    answer a;
    CHECK(client_answer(&first, false, &a));
    answer_free(&a);
    client second = client_open(f.address);
    CHECK(client_answer(&second, false, &a));
    CHECK_EQ(a.status, 503);
    answer_free(&a), client_close(&second);
    CHECK_EQ(counters_of(&f).connections, 1);
    client_close(&first);
    until_over(&f, 1, 0);
    CHECK_EQ(counters_of(&f).over_limit, 1);
    client slow = client_open(f.address);
    client_say(&slow, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na"); /* never ends */
    CHECK(client_answer(&slow, false, &a));
    answer_free(&a), client_close(&slow);
    while (counters_of(&f).timed_out < 1) CHECK_OK(gr_sleep(f.self, gr_after_ms(1)));
    CHECK_EQ(counters_of(&f).answers[3], 1);
    stop(&f);
}

TEST(http_counters, connections_per_address)
{
    fixture f = start((gr_http_options){.connections_per_address = 1});
    client first = client_open(f.address), second = client_open(f.address);
    for (gr_http_counters c = counters_of(&f); c.over_address_limit < 1 || c.accepted < 1; c = counters_of(&f))
        CHECK_OK(gr_sleep(f.self, gr_after_ms(1)));
    CHECK_EQ(counters_of(&f).accepted, 1);
    client_close(&first), client_close(&second);
    stop(&f);
}

/* Each duration falls into exactly one place, bounds included. */
TEST(http_counters, durations)
{
    static const struct {
        int64_t ns;
        int place;
    } cases[] = {{0, 0},        {100000, 0},      {100001, 1},       {1000000, 3},
                 {10000000, 6}, {1000000000, 12}, {10000000000, 14}, {10000000001, 15}};
    gr_detail detail = {0};
    gr_self *self;
    static gri_http_tally tally;
    CHECK_OK(gr_start(NULL, &detail));
    CHECK_OK(gr_attach(&self));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gr_http_counters counters;
        gri_http_tally_init(&tally);
        gri_http_tally_add(&tally, self, &(gri_http_count){.status = 200, .duration_ns = cases[i].ns});
        gri_http_tally_read(&tally, &counters);
        for (int at = 0; at < GR_HTTP_DURATIONS; at++)
            CHECK_EQ(counters.durations[at].count, (uint64_t)(at == cases[i].place));
        CHECK_EQ(counters.duration_ns, (uint64_t)cases[i].ns);
        gri_http_tally_fini(&tally);
    }
    gr_detach(&self);
    CHECK_OK(gr_stop(gr_after_s(60)));
}
