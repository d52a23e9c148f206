/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Waiting for an actor's end and watching what it publishes, over real sockets. */
#include "rest/scene.h"

#include <greenroom/observe.h>

#include <pthread.h>
#include <sched.h>

/* Waiting ------------------------------------------------------------------------------------------------------------ */

/* Until so many requests wait for its end. */
static void wait_for_monitors(gr_address address, int64_t count)
{
    for (int64_t seen = -1; seen != count; sched_yield()) {
        gr_message *info = NULL;
        CHECK_OK(gr_observe_actor(address, &info));
        seen = gr_int(gr_get(gr_body(info), "monitors"), -1);
        gr_message_free(&info);
    }
}

/* Begins GET /NAME/-/wait, the first request of its kind, and returns when the server waits. */
static client ask_to_wait(scene *s, const char *name, const char *query)
{
    client c = client_open(s->address);
    char text[256];
    gr_address address;
    CHECK_OK(gr_lookup(name, &address));
    snprintf(text, sizeof text, "GET /%s/-/wait%s HTTP/1.1\r\nHost: localhost\r\n\r\n", name, query);
    client_say(&c, text);
    wait_for_monitors(address, 1);
    return c;
}

static void expect_end(client *c, int status, const char *body)
{
    answer a;
    CHECK(client_answer(c, false, &a));
    CHECK_EQ(a.status, status);
    if (body) CHECK_STR(a.body, body);
    CHECK_STR(answer_header(&a, "Cache-Control"), "no-store");
    answer_free(&a);
    client_close(c);
}

TEST(watching, a_wait_tells_how_the_actor_ended)
{
    scene s = scene_begin((gr_rest_options){0});
    (void)scene_spawn(&s, "script", "returns", 0);
    (void)scene_spawn(&s, "script", "raises", 0);
    (void)scene_spawn(&s, "script", "killed", 0);
    (void)scene_spawn(&s, "script", "raises-killed", 0);
    client returns = ask_to_wait(&s, "returns", ""), raises = ask_to_wait(&s, "raises", "?timeout=60.5");
    client killed = ask_to_wait(&s, "killed", "?timeout=3600"), lies = ask_to_wait(&s, "raises-killed", "");
    scene_expect(&s, "POST", "/returns", "", "{\"return\":[1,{\"a\":null}]}", 202, NULL);
    scene_expect(&s, "POST", "/raises", "", "{\"raise\":\"trouble\"}", 202, NULL);
    scene_expect(&s, "POST", "/raises-killed", "", "{\"raise\":\"killed\"}", 202, NULL);
    scene_expect(&s, "DELETE", "/killed", "", NULL, 200, "{\"killed\":true}\n");
    expect_end(&returns, 200, "{\"exit\":[1,{\"a\":null}]}\n");
    expect_end(&killed, 200, "{\"killed\":true}\n");
    answer a;
    CHECK(client_answer(&raises, false, &a));
    gr_message *m = scene_value(&a);
    CHECK_STR(gr_string(gr_get(gr_get(gr_body(m), "exception"), "error"), ""), "trouble");
    gr_message_free(&m), answer_free(&a), client_close(&raises);
    CHECK(client_answer(&lies, false, &a)); /* an exception of that name is no kill */
    m = scene_value(&a);
    CHECK_STR(gr_string(gr_get(gr_get(gr_body(m), "exception"), "error"), ""), "killed");
    gr_message_free(&m), answer_free(&a), client_close(&lies);
    scene_end(&s);
}

TEST(watching, a_wait_ends_in_time_and_not_before)
{
    scene s = scene_begin((gr_rest_options){0});
    (void)scene_spawn(&s, "script", "a", 0);
    scene_expect(&s, "GET", "/a/-/wait?timeout=0", "", NULL, 204, "");
    scene_expect(&s, "GET", "/a/-/wait?timeout=0.01", "", NULL, 204, "");
    scene_expect(&s, "GET", "/nobody/-/wait?timeout=0", "", NULL, 404, NULL);
    static const char *const bad[] = {"-1", "x", "1e3", "3601", "", "1s", "0x10", " 1", "1&timeout=1", "nan", "%00"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char path[64];
        snprintf(path, sizeof path, "/a/-/wait?timeout=%s", bad[i][0] == ' ' ? "+1" : bad[i]);
        scene_expect(&s, "GET", path, "", NULL, 400, NULL);
    }
    scene_end(&s);
}

/* A retained actor's exit record is for who spawned it: neither a wait nor a DELETE from outside takes it. */
TEST(watching, waits_and_kills_leave_the_exit_record_alone)
{
    scene s = scene_begin((gr_rest_options){0});
    gr_address address;
    gr_message *result = NULL;
    gr_spawn_options options = {.name = "kept", .retain = true};
    unsigned char storage[16];
    gr_value none;
    CHECK_OK(gr_pack_into(storage, sizeof storage, &none, "n"));
    CHECK_OK(gr_spawn_behaviour(s.self, &address, "script", &options, none));
    client c = ask_to_wait(&s, "kept", "");
    scene_expect(&s, "POST", "/kept", "", "{\"return\":7}", 202, NULL);
    expect_end(&c, 200, "{\"exit\":7}\n");
    CHECK_OK(gr_wait(s.self, address, &result, gr_after_s(60)));
    CHECK_EQ(gr_int(gr_body(result), 0), 7);
    gr_message_free(&result);
    CHECK_OK(gr_spawn_behaviour(s.self, &address, "script", &options, none));
    scene_expect(&s, "DELETE", "/kept", "", NULL, 200, NULL);
    CHECK_EQ(gr_wait(s.self, address, NULL, gr_after_s(60)), GR_EKILLED);
    scene_end(&s);
}

/* Events ------------------------------------------------------------------------------------------------------------- */

TEST(watching, events_are_the_states_and_the_end)
{
    scene s = scene_begin((gr_rest_options){0});
    (void)scene_spawn(&s, "script", "a", 0);
    events e = events_open(&s, "/a/-/events", "");
    CHECK_EQ(e.head.status, 200);
    CHECK_STR(answer_header(&e.head, "Content-Type"), "text/event-stream");
    CHECK_STR(answer_header(&e.head, "Cache-Control"), "no-store");
    CHECK_STR(answer_header(&e.head, "X-Accel-Buffering"), "no");
    events_expect(&e, "state", "{}"); /* it has published nothing */
    for (int i = 1; i <= 20; i++) {
        char body[64];
        snprintf(body, sizeof body, "{\"line\":\"one\\ntwo\",\"i\":%d}", i);
        scene_expect(&s, "POST", "/a", "", body, 202, NULL);
        events_expect(&e, "state", body);
    }
    scene_expect(&s, "POST", "/a", "", "{\"return\":\"done\"}", 202, NULL);
    events_expect(&e, "exit", "{\"exit\":\"done\"}");
    event none;
    CHECK(!events_next(&e, &none));
    /* The connection lives on. */
    answer a;
    client_say(&e.client, "GET /-/livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    CHECK(client_answer(&e.client, false, &a));
    CHECK_EQ(a.status, 200);
    answer_free(&a);
    events_close(&e);
    scene_end(&s);
}

TEST(watching, events_say_how_it_ended)
{
    scene s = scene_begin((gr_rest_options){0});
    (void)scene_spawn(&s, "script", "a", 0), (void)scene_spawn(&s, "box", "b", 3);
    events a = events_open(&s, "/a/-/events", ""), b = events_open(&s, "/b/-/events", "");
    event got;
    events_expect(&a, "state", "{}");
    scene_expect(&s, "POST", "/a", "", "{\"raise\":\"trouble\"}", 202, NULL);
    CHECK(events_next(&a, &got));
    CHECK_STR(got.name, "exit");
    CHECK(strncmp(got.data, "{\"exception\":{\"error\":\"trouble\"", 31) == 0);
    event_free(&got);
    do CHECK(events_next(&b, &got)); /* none, or 3 */
    while (strcmp(got.data, "3") != 0 && (event_free(&got), true));
    event_free(&got);
    scene_expect(&s, "DELETE", "/b", "", NULL, 200, NULL);
    events_expect(&b, "exit", "{\"killed\":true}");
    CHECK(!events_next(&a, &got) && !events_next(&b, &got));
    events_close(&a), events_close(&b);
    events none = events_open(&s, "/a/-/events", "");
    CHECK_EQ(none.head.status, 404);
    events_close(&none);
    scene_end(&s);
}

/* However many states there are, who is slow sees few of them, in order, and the last. */
TEST(watching, fast_publishers_are_thinned_out)
{
    scene s = scene_begin((gr_rest_options){0});
    enum { STATES = 200000 };
    (void)scene_spawn(&s, "script", "a", 0);
    events e = events_open(&s, "/a/-/events?interval=0", ""), slow = events_open(&s, "/a/-/events?interval=50", "");
    events_expect(&e, "state", "{}"), events_expect(&slow, "state", "{}");
    scene_expect(&s, "POST", "/a", "", "{\"burst\":200000}", 202, NULL);
    events *both[] = {&e, &slow};
    for (int i = 0; i < 2; i++) {
        long last = 0, count = 0;
        while (last < STATES) {
            event got;
            CHECK(events_next(both[i], &got));
            long now = strtol(got.data, NULL, 10);
            CHECK(now > last);
            CHECK_EQ(strtol(got.id, NULL, 10), now); /* the version */
            last = now;
            count++;
            event_free(&got);
        }
        CHECK_EQ(last, STATES);
        CHECK(count < STATES);
    }
    events_close(&e), events_close(&slow);
    scene_end(&s);
}

TEST(watching, last_event_id_spares_what_is_known)
{
    scene s = scene_begin((gr_rest_options){0});
    char header[256];
    event got;
    (void)scene_spawn(&s, "script", "a", 0);
    events e = events_open(&s, "/a/-/events", "");
    events_expect(&e, "state", "{}");
    scene_expect(&s, "POST", "/a", "", "1", 202, NULL);
    CHECK(events_next(&e, &got));
    CHECK(strncmp(got.id, "1-", 2) == 0);
    snprintf(header, sizeof header, "Last-Event-ID: %s\r\n", got.id);
    event_free(&got), events_close(&e);
    /* Known: the next one comes first. */
    e = events_open(&s, "/a/-/events", header);
    scene_expect(&s, "POST", "/a", "", "2", 202, NULL);
    events_expect(&e, "state", "2");
    events_close(&e);
    /* Outdated: the newest comes at once. */
    e = events_open(&s, "/a/-/events", header);
    events_expect(&e, "state", "2");
    events_close(&e);
    /* Another actor under the name, with as many publications, and nonsense: all anew. */
    scene_expect(&s, "DELETE", "/a", "", NULL, 200, NULL);
    (void)scene_spawn(&s, "script", "a", 0);
    e = events_open(&s, "/a/-/events", header);
    events_expect(&e, "state", "{}");
    events_close(&e);
    static const char *const nonsense[] = {"0", "-", "1-", "99999999999999999999999999999999-x", "\xff\xfe", "0-0", ""};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        snprintf(header, sizeof header, "Last-Event-ID: %s\r\n", nonsense[i]);
        e = events_open(&s, "/a/-/events", header);
        events_expect(&e, "state", "{}");
        events_close(&e);
    }
    scene_end(&s);
}

TEST(watching, streams_are_limited_and_make_room_when_their_clients_go)
{
    scene s = scene_begin((gr_rest_options){.streams = 2});
    (void)scene_spawn(&s, "script", "a", 0);
    events one = events_open(&s, "/a/-/events", ""), two = events_open(&s, "/a/-/events", "");
    events_expect(&one, "state", NULL), events_expect(&two, "state", NULL);
    answer a = scene_ask(&s, "GET", "/a/-/events", "", NULL, 503);
    CHECK(answer_header(&a, "Retry-After"));
    answer_free(&a);
    scene_expect(&s, "HEAD", "/a/-/events", "", NULL, 200, NULL); /* no stream */
    scene_expect(&s, "GET", "/a/-/wait?timeout=0", "", NULL, 204, NULL);
    events_close(&one);
    for (int status = 503; status != 200;) {
        events e = events_open(&s, "/a/-/events", "");
        status = e.head.status;
        events_close(&e);
    }
    events_close(&two);
    scene_end(&s);
}

/* Whatever it waits for meanwhile. */
TEST(watching, silence_is_broken_by_comments)
{
    scene s = scene_begin((gr_rest_options){.heartbeat_ms = 20});
    static const char *const paths[] = {"/a/-/events", "/a/-/events?interval=10000", "/-/events?interval=10000"};
    (void)scene_spawn(&s, "script", "a", 0);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        events e = events_open(&s, paths[i], "");
        events_expect(&e, i < 2 ? "state" : "stats", NULL);
        events_wait_beats(&e, 3);
        if (i == 0) {
            scene_expect(&s, "POST", "/a", "", "5", 202, NULL);
            events_expect(&e, "state", "5"); /* between comments */
            events_wait_beats(&e, e.beats + 1);
        }
        events_close(&e);
    }
    scene_end(&s);
}

TEST(watching, who_hears_something_needs_no_comment)
{
    scene s = scene_begin((gr_rest_options){.heartbeat_ms = 3600000});
    (void)scene_spawn(&s, "script", "a", 0);
    events e = events_open(&s, "/a/-/events?interval=0", "");
    events_expect(&e, "state", "{}");
    scene_expect(&s, "POST", "/a", "", "5", 202, NULL);
    events_expect(&e, "state", "5");
    CHECK_EQ(e.beats, 0);
    events_close(&e);
    scene_end(&s);
}

static void *stop_server(void *arg)
{
    scene *s = arg;
    gr_self *self = NULL;
    CHECK_OK(gr_attach(&self));
    CHECK_OK(gr_rest_stop(self, &s->rest, gr_after_s(60))); /* GR_ETIMEOUT: it waited for them */
    gr_detach(&self);
    return NULL;
}

TEST(watching, a_drain_ends_streams_and_waits_in_order)
{
    scene s = scene_begin((gr_rest_options){0});
    pthread_t thread;
    event none;
    gr_address address = scene_spawn(&s, "script", "a", 0);
    events e = events_open(&s, "/a/-/events", ""), sleeping = events_open(&s, "/a/-/events?interval=10000", "");
    events_expect(&e, "state", "{}"), events_expect(&sleeping, "state", "{}");
    client c = client_open(s.address);
    client_say(&c, "GET /a/-/wait?timeout=3600 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for_monitors(address, 3);
    CHECK_OK(pthread_create(&thread, NULL, stop_server, &s));
    CHECK(!events_next(&e, &none));
    CHECK(!events_next(&sleeping, &none));
    answer a;
    CHECK(client_answer(&c, false, &a));
    CHECK_EQ(a.status, 204);
    CHECK(a.closes);
    answer_free(&a);
    CHECK_OK(pthread_join(thread, NULL));
    CHECK(client_closed(&e.client));
    client_close(&c), events_close(&e), events_close(&sleeping);
    scene_end(&s);
}

/* In steps of one's own: first what would go on for ever, then the rest. */
TEST(watching, a_drain_without_a_stop)
{
    scene s = scene_begin((gr_rest_options){0});
    event none;
    (void)scene_spawn(&s, "script", "a", 0);
    events e = events_open(&s, "/a/-/events", ""), figures = events_open(&s, "/-/events?interval=10000", "");
    events_expect(&e, "state", "{}"), events_expect(&figures, "stats", NULL);
    gr_rest_drain(s.rest);
    CHECK(!events_next(&e, &none) && !events_next(&figures, &none));
    CHECK(client_closed(&e.client));
    scene_expect(&s, "GET", "/a/-/events", "", NULL, 503, NULL);
    scene_expect(&s, "GET", "/a/-/wait", "", NULL, 503, NULL);
    scene_expect(&s, "GET", "/-/readyz", "", NULL, 503, NULL);
    scene_expect(&s, "POST", "/a", "", "5", 202, NULL); /* everything else goes on */
    scene_expect(&s, "HEAD", "/a/-/events", "", NULL, 200, NULL);
    events_close(&e), events_close(&figures);
    scene_end(&s);
}

TEST(watching, http_1_0_and_what_comes_behind_a_stream)
{
    scene s = scene_begin((gr_rest_options){0});
    gr_address a_address = scene_spawn(&s, "script", "a", 0);
    (void)scene_spawn(&s, "script", "b", 0);
    client old = client_open(s.address);
    client_say(&old, "GET /a/-/events HTTP/1.0\r\nHost: localhost\r\n\r\n");
    events e = {.client = client_open(s.address)};
    client_say(&e.client, "GET /b/-/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
                          "GET /-/livez HTTP/1.1\r\nHost: localhost\r\n\r\nGET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    CHECK(client_head(&e.client, &e.head));
    events_expect(&e, "state", "{}");
    scene_expect(&s, "POST", "/b", "", "{\"return\":1}", 202, NULL);
    events_expect(&e, "exit", "{\"exit\":1}");
    event none;
    CHECK(!events_next(&e, &none));
    answer a;
    CHECK(client_answer(&e.client, false, &a));
    CHECK_EQ(a.status, 200);
    answer_free(&a);
    CHECK(client_answer(&e.client, false, &a));
    CHECK_EQ(a.status, 404);
    answer_free(&a);
    events_close(&e);
    wait_for_monitors(a_address, 1); /* the old one's request was the first to be sent, not the first to be served */
    scene_expect(&s, "POST", "/a", "", "{\"return\":2}", 202, NULL);
    CHECK(client_answer(&old, false, &a)); /* to the end of the connection */
    CHECK(!a.chunked && a.closes);
    CHECK(strstr(a.body, "event: exit\ndata: {\"exit\":2}\n\n"));
    answer_free(&a), client_close(&old);
    scene_end(&s);
}

static int64_t live_actors(void)
{
    gr_counters counters;
    CHECK_OK(gr_counters_read(&counters));
    return (int64_t)counters.actors;
}

/* Many streams of one actor that publishes fast: each client gets the newest state and the end, and nothing stays behind. */
TEST(watching, hundreds_of_streams)
{
    enum { STREAMS = 400 };
    scene s = scene_begin((gr_rest_options){.http.connections = 1000, .streams = STREAMS});
    static events e[STREAMS];
    event got;
    int64_t before = live_actors();
    (void)scene_spawn(&s, "script", "a", 0);
    for (int i = 0; i < STREAMS; i++) e[i] = events_open(&s, "/a/-/events?interval=0", "");
    for (int i = 0; i < STREAMS; i++) events_expect(&e[i], "state", "{}");
    for (int round = 0; round < 5; round++) scene_expect(&s, "POST", "/a", "", "{\"burst\":10000}", 202, NULL);
    scene_expect(&s, "POST", "/a", "", "\"last\"", 202, NULL);
    for (int i = 0; i < STREAMS; i++) {
        do CHECK(events_next(&e[i], &got));
        while (strcmp(got.data, "\"last\"") != 0 && (event_free(&got), true));
        event_free(&got);
    }
    for (int i = 0; i < STREAMS / 2; i++) events_close(&e[i]); /* half of them go, the others see the end */
    scene_expect(&s, "DELETE", "/a", "", NULL, 200, NULL);
    for (int i = STREAMS / 2; i < STREAMS; i++) {
        events_expect(&e[i], "exit", "{\"killed\":true}");
        events_close(&e[i]);
    }
    while (live_actors() > before) sched_yield(); /* the connections */
    scene_end(&s);
}
