/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Calls over HTTP: how long they wait, who makes them, and the trace they carry. */
#include "rest/scene.h"

#include <greenroom/observe.h>

#include <sched.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "00-" TRACE "-b7ad6b7169203331-01"

TEST(calls, preferred_waits)
{
    scene s = scene_begin((gr_rest_options){0});
    (void)scene_spawn(&s, "box", "b", 4);
    static const struct {
        const char *headers, *applied;
    } cases[] = {
        {"", NULL},
        {"Prefer: wait=5\r\n", "wait=5"},
        {"Prefer: respond-async, wait=7; x=y\r\n", "wait=7"},
        {"Prefer: handling=strict\r\nPrefer: wait=100\r\n", "wait=100"}, /* long: made by another actor */
        {"Prefer: wait=999999999999999999999\r\n", "wait=3600"},
        {"Prefer: WAIT=2\r\n", "wait=2"},
        {"Prefer: wait=-1\r\n", NULL},
        {"Prefer: wait=\r\n", NULL},
        {"Prefer: wait=5x\r\n", NULL},
        {"Prefer: wait = 5\r\n", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        answer a = scene_ask(&s, "POST", "/b/-/call/get", cases[i].headers, NULL, 200);
        CHECK_STR(a.body, "4\n");
        const char *applied = answer_header(&a, "Preference-Applied");
        if ((applied != NULL) != (cases[i].applied != NULL) || (applied && strcmp(applied, cases[i].applied) != 0))
            TEST_FAIL("%s: %s", cases[i].headers, applied ? applied : "(nothing)");
        answer_free(&a);
    }
    scene_expect(&s, "POST", "/b/-/call/wait", "Prefer: wait=0\r\n", NULL, 504, NULL);
    scene_end(&s);
}

/* A call that may take long is made by another actor, with the same outcomes. */
TEST(calls, long_ones_end_as_short_ones_do)
{
    scene s = scene_begin((gr_rest_options){0});
    static const char *const waits[] = {"", "Prefer: wait=60\r\n"};
    (void)scene_spawn(&s, "full", "f", 0);
    scene_expect(&s, "POST", "/f", "", "1", 202, NULL), scene_expect(&s, "POST", "/f", "", "2", 202, NULL);
    for (int i = 0; i < 2; i++) {
        gr_address a = scene_spawn(&s, "box", i ? "b" : "a", 4);
        char path[64];
        snprintf(path, sizeof path, "/%s/-/call/", i ? "b" : "a");
        strcat(path, "get");
        scene_expect(&s, "POST", path, waits[i], NULL, 200, "4\n");
        strcpy(strrchr(path, '/') + 1, "nope");
        scene_expect(&s, "POST", path, waits[i], NULL, 404, NULL);
        strcpy(strrchr(path, '/') + 1, "fail");
        scene_expect(&s, "POST", path, waits[i], "[1]", 422, NULL);
        scene_expect(&s, "POST", "/f/-/call/get", waits[i], NULL, 503, NULL);
        /* Killed meanwhile. */
        strcpy(strrchr(path, '/') + 1, "wait");
        client c = client_open(s.address);
        char text[512];
        snprintf(text, sizeof text, "POST %s HTTP/1.1\r\nHost: localhost\r\n" SCENE_AUTH "%sContent-Length: 0\r\n\r\n",
                 path, waits[i]);
        client_say(&c, text);
        for (gr_actor_info info; gr_inspect(a, &info) == 0 && info.messages < 4; sched_yield()) {}
        CHECK_OK(gr_kill(a));
        answer end;
        CHECK(client_answer(&c, false, &end));
        CHECK_EQ(end.status, 422);
        CHECK(strstr(end.body, "\"error\":\"dead\""));
        answer_free(&end), client_close(&c);
    }
    scene_end(&s);
}

static int64_t live_actors(void)
{
    gr_counters counters;
    CHECK_OK(gr_counters_read(&counters));
    return (int64_t)counters.actors;
}

TEST(calls, a_long_one_ends_when_its_client_has_gone)
{
    scene s = scene_begin((gr_rest_options){0});
    gr_address a = scene_spawn(&s, "box", "b", 4);
    int64_t before = live_actors();
    client c = client_open(s.address);
    client_say(&c, "POST /b/-/call/wait HTTP/1.1\r\nHost: localhost\r\n" SCENE_AUTH
                   "Prefer: wait=3600\r\nContent-Length: 0\r\n\r\n");
    for (gr_actor_info info; gr_inspect(a, &info) == 0 && info.messages < 1; sched_yield()) {}
    CHECK(live_actors() >= before + 2); /* the connection, and who calls for it */
    client_close(&c);
    while (live_actors() > before) sched_yield(); /* at the next look, after a second */
    scene_end(&s);
}

TEST(calls, carry_the_requests_trace)
{
    scene s = scene_begin((gr_rest_options){0});
    (void)scene_spawn(&s, "box", "b", 4);
    static const char *const carried[] = {
        "traceparent: " PARENT "\r\n", "Traceparent: " PARENT "\r\nPrefer: wait=60\r\n", /* by way of another actor */
    };
    for (size_t i = 0; i < 2; i++) {
        answer a = scene_ask(&s, "POST", "/b/-/call/trace", carried[i], NULL, 200);
        CHECK(strncmp(a.body, "\"00-" TRACE "-", 37) == 0);
        CHECK(!strstr(a.body, "b7ad6b7169203331")); /* a span of its own */
        answer_free(&a);
    }
    static const char *const none[] = {
        "",
        "traceparent: x\r\n",
        "traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01\r\n",
        "traceparent: ff-" TRACE "-b7ad6b7169203331-01\r\n",
        "traceparent: " PARENT "\r\ntraceparent: " PARENT "\r\n",
        "traceparent: \xff\xff\r\nPrefer: wait=60\r\n",
    };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        scene_expect(&s, "POST", "/b/-/call/trace", none[i], NULL, 200, "null\n");
    /* The next request on the connection has a trace of its own, or none. */
    client c = client_open(s.address);
    client_say(&c, "POST /b/-/call/trace HTTP/1.1\r\nHost: localhost\r\n" SCENE_AUTH "traceparent: " PARENT
                   "\r\nContent-Length: 0\r\n\r\nPOST /b/-/call/trace HTTP/1.1\r\nHost: localhost\r\n" SCENE_AUTH
                   "Content-Length: 0\r\n\r\n");
    answer a;
    CHECK(client_answer(&c, false, &a));
    CHECK(strncmp(a.body, "\"00-" TRACE "-", 37) == 0);
    answer_free(&a);
    CHECK(client_answer(&c, false, &a));
    CHECK_STR(a.body, "null\n");
    answer_free(&a), client_close(&c);
    scene_end(&s);
}
