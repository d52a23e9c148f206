/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What operators see over HTTP: figures, one actor, ends, metrics, and the stream of them. */
#include "rest/scene.h"

#include <greenroom/observe.h>

#include <ctype.h>

static int64_t number(const gr_message *m, const char *group, const char *key)
{
    return gr_int(gr_get(gr_get(gr_body(m), group), key), -1);
}

TEST(observing, figures_count_what_was_asked)
{
    scene s = scene_begin((gr_rest_options){0});
    (void)scene_spawn(&s, "box", "b", 1);
    scene_expect(&s, "POST", "/b/-/call/get", "", NULL, 200, NULL);
    for (int i = 0; i < 5; i++) scene_expect(&s, "GET", "/nobody", "", NULL, 404, NULL);
    gr_message *m = NULL;
    for (int64_t refused = 0; refused < 5;) { /* an answer is counted a moment after it has come */
        gr_message_free(&m);
        answer a = scene_ask(&s, "GET", "/-/stats", "", NULL, 200);
        CHECK_STR(answer_header(&a, "Cache-Control"), "no-store");
        m = scene_value(&a);
        answer_free(&a);
        refused = gr_int(gr_get(gr_get(gr_get(gr_body(m), "http"), "answers"), "4xx"), -1);
    }
    CHECK_STR(gr_string(gr_get(gr_body(m), "version"), ""), gr_version());
    CHECK(gr_count(gr_get(gr_body(m), "workers")) > 0);
    CHECK(number(m, "actors", "live") > 0);
    CHECK(number(m, "messages", "sent") > 0);
    gr_value http = gr_get(gr_body(m), "http"), answers = gr_get(http, "answers");
    CHECK_EQ(gr_int(gr_get(answers, "2xx"), -1), gr_int(gr_get(http, "requests"), -1) - 5);
    CHECK_EQ(gr_int(gr_get(answers, "4xx"), -1), 5);
    CHECK_EQ(gr_int(gr_get(http, "streams"), -1), 0);
    CHECK(gr_int(gr_get(http, "sent"), -1) > 1000 && gr_int(gr_get(http, "received"), -1) > 500);
    CHECK(number(m, "http", "connections") >= 1);
    CHECK(gr_int(gr_get(gr_get(http, "time_us"), "p99"), -1) >= gr_int(gr_get(gr_get(http, "time_us"), "p50"), -1));
    gr_message_free(&m);
    scene_end(&s);
}

TEST(observing, one_actor)
{
    scene s = scene_begin((gr_rest_options){0});
    char path[64], text[GR_ADDRESS_TEXT_BYTES];
    gr_address box = scene_spawn(&s, "box", "rooms/b", 1), nameless = scene_spawn(&s, "box", NULL, 1);
    answer a = scene_ask(&s, "GET", "/rooms/b/-/info", "", NULL, 200);
    gr_message *m = scene_value(&a);
    CHECK_STR(gr_string(gr_get(gr_body(m), "address"), ""), gr_address_print(box, text));
    CHECK_STR(gr_string(gr_at(gr_get(gr_body(m), "names"), 0), ""), "rooms/b");
    CHECK_STR(gr_string(gr_get(gr_body(m), "behaviour"), ""), "box");
    CHECK_STR(gr_string(gr_get(gr_body(m), "kind"), ""), "server");
    gr_message_free(&m), answer_free(&a);
    snprintf(path, sizeof path, "/%s/-/info", gr_address_print(nameless, text));
    scene_expect(&s, "GET", path, "", NULL, 200, NULL);
    CHECK_OK(gr_kill(nameless));
    while (gr_alive(nameless)) (void)gr_cooperate(s.self);
    scene_expect(&s, "GET", path, "", NULL, 404, NULL);
    scene_expect(&s, "GET", "/nobody/-/info", "", NULL, 404, NULL);
    scene_end(&s);
}

TEST(observing, behaviours)
{
    scene s = scene_begin((gr_rest_options){0});
    answer a = scene_ask(&s, "GET", "/-/behaviours", "", NULL, 200);
    gr_message *m = scene_value(&a);
    CHECK_EQ(gr_count(gr_body(m)), 3); /* the runtime's own are not among them */
    gr_value box = gr_at(gr_body(m), 0), full = gr_at(gr_body(m), 2);
    CHECK_STR(gr_string(gr_get(box, "name"), ""), "box");
    CHECK_STR(gr_string(gr_get(box, "arguments"), ""), "int");
    CHECK_STR(gr_string(gr_at(gr_get(box, "methods"), 0), ""), "get");
    CHECK_STR(gr_string(gr_get(full, "kind"), ""), "thread");
    CHECK_EQ(gr_type_of(gr_get(full, "arguments")), GR_NULL);
    CHECK_EQ(gr_count(gr_get(full, "methods")), 0);
    gr_message_free(&m), answer_free(&a);
    scene_end(&s);
}

TEST(observing, ends_newest_first)
{
    scene s = scene_begin((gr_rest_options){0});
    scene_expect(&s, "GET", "/-/exits", "", NULL, 200, "[]\n");
    for (int i = 0; i < 3; i++) {
        char name[16], path[32];
        snprintf(name, sizeof name, "a%d", i);
        snprintf(path, sizeof path, "/a%d", i);
        gr_address a = scene_spawn(&s, "script", name, 0);
        scene_expect(&s, "POST", path, "", "{\"raise\":\"trouble\"}", 202, NULL);
        while (gr_alive(a)) (void)gr_cooperate(s.self);
    }
    gr_message *m = NULL;
    for (size_t count = 0; count < 3; gr_message_free(&m)) { /* told to the ring a moment after the end */
        answer a = scene_ask(&s, "GET", "/-/exits", "", NULL, 200);
        m = scene_value(&a);
        answer_free(&a);
        count = gr_count(gr_body(m));
        if (count == 3) CHECK_STR(gr_string(gr_get(gr_at(gr_body(m), 0), "name"), ""), "a2");
        if (count == 3) CHECK_STR(gr_string(gr_get(gr_at(gr_body(m), 2), "name"), ""), "a0");
    }
    answer a = scene_ask(&s, "GET", "/-/exits?limit=1", "", NULL, 200);
    m = scene_value(&a);
    CHECK_EQ(gr_count(gr_body(m)), 1);
    gr_message_free(&m), answer_free(&a);
    scene_expect(&s, "GET", "/-/exits?limit=257", "", NULL, 400, NULL);
    scene_end(&s);
}

/* Every line is a comment or a sample of a family that was announced, and no family comes twice. */
static void check_exposition(char *text)
{
    char family[128] = "", *rest = NULL, *seen = calloc(1, strlen(text) + 1);
    CHECK(text[strlen(text) - 1] == '\n');
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char mark[160];
        if (strncmp(line, "# HELP ", 7) == 0) continue;
        if (sscanf(line, "# TYPE %127s ", family) == 1) {
            snprintf(mark, sizeof mark, "|%s|", family);
            if (strstr(seen, mark)) TEST_FAIL("%s comes twice", family);
            strcat(seen, mark);
            continue;
        }
        if (strncmp(line, family, strlen(family)) != 0) TEST_FAIL("%s is not of %s", line, family);
        const char *value = strrchr(line, ' ');
        CHECK(value && (isdigit((unsigned char)value[1]) || value[1] == '-'));
    }
    free(seen);
}

TEST(observing, metrics_for_prometheus)
{
    scene s = scene_begin((gr_rest_options){0});
    scene_expect(&s, "GET", "/nobody", "", NULL, 404, NULL);
    static const char accept[] = "Accept: application/openmetrics-text;q=0.5,text/plain;q=0.4\r\n";
    answer a = scene_ask(&s, "GET", "/-/metrics", accept, NULL, 200);
    while (!strstr(a.body, "\ngreenroom_http_answers_total{class=\"4xx\"} 1\n")) { /* a moment after it has come */
        answer_free(&a);
        a = scene_ask(&s, "GET", "/-/metrics", accept, NULL, 200);
    }
    CHECK_STR(answer_header(&a, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    const char *all = strstr(a.body, "\ngreenroom_http_answer_seconds_bucket{le=\"+Inf\"} ");
    const char *count = strstr(a.body, "\ngreenroom_http_answer_seconds_count ");
    CHECK(all && count && atoi(strchr(all, ' ')) >= 1 && atoi(strchr(all, ' ')) == atoi(strchr(count, ' ')));
    CHECK(strstr(a.body, "\ngreenroom_http_connections "));
    CHECK(strstr(a.body, "\ngreenroom_workers{"));
    CHECK(strlen(a.body) == a.body_bytes);
    check_exposition(a.body);
    answer_free(&a);
    scene_end(&s);
}

TEST(observing, the_runtimes_stream)
{
    scene s = scene_begin((gr_rest_options){0});
    event got;
    events e = events_open(&s, "/-/events?interval=100", "");
    CHECK_EQ(e.head.status, 200);
    CHECK_STR(answer_header(&e.head, "Content-Type"), "text/event-stream");
    CHECK(events_next(&e, &got));
    CHECK_STR(got.name, "stats");
    CHECK(strstr(got.data, "\"http\":{") && strstr(got.data, "\"streams\":1,"));
    event_free(&got);
    (void)scene_spawn(&s, "script", "a", 0);
    scene_expect(&s, "POST", "/a", "", "{\"raise\":\"trouble\"}", 202, NULL);
    for (;;) {
        CHECK(events_next(&e, &got));
        if (strcmp(got.name, "exits") == 0) break;
        event_free(&got);
    }
    CHECK(strstr(got.data, "\"name\":\"a\"") && strstr(got.data, "trouble"));
    event_free(&got);
    events_expect(&e, "stats", NULL); /* the same end is not told again */
    events_expect(&e, "stats", NULL);
    events_close(&e);
    static const char *const bad[] = {"99", "10001", "x", "-5", "100&interval=100"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char path[64];
        snprintf(path, sizeof path, "/-/events?interval=%s", bad[i]);
        scene_expect(&s, "GET", path, "", NULL, 400, NULL);
    }
    scene_expect(&s, "HEAD", "/-/events", "", NULL, 200, NULL);
    scene_end(&s);
}

static void dies(gr_self *self, gr_value args)
{
    gr_raise(self, "trouble", "%lld", (long long)gr_int(args, -1));
}

/* However many end at once, and however many look: each stream tells each end once. */
TEST(observing, each_end_is_told_once)
{
    enum { ENDS = 200, STREAMS = 2 };
    scene s = scene_begin((gr_rest_options){0});
    events e[STREAMS];
    bool told[STREAMS][ENDS] = {{false}};
    for (int i = 0; i < STREAMS; i++) {
        e[i] = events_open(&s, "/-/events?interval=100", "");
        events_expect(&e[i], "stats", NULL); /* the first look is over */
    }
    for (int i = 0; i < ENDS; i++) {
        gr_address a;
        CHECK_OK(gr_spawn(s.self, &a, dies, "i", i));
        if (i % 50 == 0) scene_expect(&s, "GET", "/-/exits", "", NULL, 200, NULL);
    }
    for (int i = 0; i < STREAMS; i++) {
        for (int count = 0; count < ENDS;) {
            event got;
            CHECK(events_next(&e[i], &got));
            if (strcmp(got.name, "exits") == 0) {
                gr_message *m = NULL;
                CHECK_OK(gr_parse(got.data, strlen(got.data), NULL, &m, NULL));
                for (gr_iter it = gr_iterate(gr_body(m)); gr_next(&it); count++) {
                    int which = atoi(gr_string(gr_get(gr_get(it.value, "report"), "description"), "-1"));
                    CHECK(which >= 0 && which < ENDS && !told[i][which]);
                    told[i][which] = true;
                }
                gr_message_free(&m);
            }
            event_free(&got);
        }
        events_close(&e[i]);
    }
    scene_end(&s);
}

TEST(observing, negotiation_at_the_routes)
{
    scene s = scene_begin((gr_rest_options){0});
    (void)scene_spawn(&s, "box", "b", 1);
    scene_expect(&s, "GET", "/-/stats", "Accept: text/html\r\n", NULL, 406, NULL);
    scene_expect(&s, "GET", "/-/stats", "Accept: text/html, */*;q=0.1\r\n", NULL, 200, NULL);
    scene_expect(&s, "GET", "/b/-/events", "Accept: application/json\r\n", NULL, 406, NULL);
    scene_expect(&s, "GET", "/b/-/info", "Accept: application/json;q=0\r\n", NULL, 406, NULL);
    scene_expect(&s, "GET", "/", "Accept: image/png\r\n", NULL, 406, NULL);
    scene_expect(&s, "GET", "/nobody", "Accept: image/png\r\n", NULL, 406, NULL);
    scene_expect(&s, "GET", "/-/dashboard/icon.svg", "Accept: image/svg+xml\r\n", NULL, 200, NULL);
    scene_expect(&s, "GET", "/", "Accept: text/html\r\n", NULL, 200, NULL);
    scene_expect(&s, "POST", "/b", "Accept: image/png\r\n", "5", 202, NULL); /* done, and said so */
    scene_expect(&s, "POST", "/b/-/call/get", "Accept: image/png\r\n", NULL, 200, "5\n");
    answer a = scene_ask(&s, "POST", "/b", "Content-Type: application/xml\r\n", "<a/>", 415);
    CHECK_STR(answer_header(&a, "Accept-Post"), "application/json");
    answer_free(&a);
    scene_expect(&s, "PUT", "/x", "Content-Type: multipart/form-data\r\n", "{\"behaviour\":\"full\"}", 415, NULL);
    scene_expect(&s, "GET", "/x", "", NULL, 404, NULL);
    scene_expect(&s, "POST", "/b/-/call/get", "Content-Type: text/html\r\n", NULL, 200, "5\n"); /* no body, no type */
    scene_end(&s);
}
