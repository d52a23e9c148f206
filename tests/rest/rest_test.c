/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The actors application, row by row, over real sockets. */
#include <greenroom/registry.h>
#include <greenroom/rest.h>
#include <greenroom/runtime.h>
#include <greenroom/text.h>

#include <unistd.h>

#include "rest/client.h"
#include "support/test.h"

#define TOKEN "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define AUTH "Authorization: Bearer " TOKEN "\r\n"

typedef struct fixture {
    gr_self *self;
    gr_rest *rest;
    char address[128];
} fixture;

/* counter: a server; args {"start": int}; message {"add": n}; methods add, get, fail, die, wait */
static int counter_start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    *(int64_t *)state = gr_int(gr_get(args, "start"), 0);
    return 0;
}

static void counter_add(gr_self *self, void *state, gr_value argument)
{
    CHECK_OK(gr_reply(self, "I", *(int64_t *)state += gr_int(argument, 0)));
}

static void counter_get(gr_self *self, void *state, gr_value argument)
{
    if (gr_type_of(argument) != GR_NULL) gr_raise(self, "argument", "null expected");
    CHECK_OK(gr_reply(self, "I", *(int64_t *)state));
}

static void counter_fail(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    gr_raise_value(self, "failed", argument);
}

static void counter_die(gr_self *self, void *state, gr_value argument)
{
    (void)state, (void)argument;
    (void)gr_kill(gr_self_address(self));
    (void)gr_sleep(self, GR_FOREVER); /* where the kill takes effect */
}

static void counter_wait(gr_self *self, void *state, gr_value argument)
{
    (void)state, (void)argument;
    (void)gr_sleep(self, gr_after_s(60));
}

static void counter_message(gr_self *self, void *state, gr_message *message)
{
    (void)self;
    *(int64_t *)state += gr_int(gr_get(gr_body(message), "add"), 0);
}

static void counter_describe(gr_self *self, void *state, gr_builder *builder)
{
    (void)self;
    gr_put_object(builder);
    gr_put_key(builder, "count"), gr_put_int(builder, *(int64_t *)state);
    gr_put_end(builder);
}

/* stubborn: takes kills back; mute: publishes nothing, answers nothing */
static void mute(gr_self *self, gr_value args)
{
    (void)args;
    (void)gr_sleep(self, GR_FOREVER);
}

static void stubborn(gr_self *self, gr_value args)
{
    (void)args;
    while (gr_sleep(self, GR_FOREVER) == GR_EKILLED) gr_kill_clear(self);
}

static const gr_method methods[] = {
    {"add", counter_add}, {"get", counter_get}, {"fail", counter_fail}, {"die", counter_die}, {"wait", counter_wait}};
static const gr_server counter = {.state_bytes = sizeof(int64_t),
                                  .start = counter_start,
                                  .methods = methods,
                                  .method_count = sizeof methods / sizeof *methods,
                                  .on_message = counter_message,
                                  .describe = counter_describe};
static const gr_behaviour behaviours[] = {
    {.name = "counter", .server = &counter, .arguments = "{\"start\": int}", .text = "counts"},
    {.name = "mute", .entry = mute, .text = "says nothing", .options = {.mailbox_max = 2}},
    {.name = "stubborn", .entry = stubborn, .text = "does not die at once"},
};

static int user_application(void *state, const gr_environ *env, gr_responder *respond)
{
    char text[256];
    int bytes =
        snprintf(text, sizeof text, "%s|%s|%s|%s", (const char *)state, env->method, env->script_name, env->path);
    return gr_response_send(respond, 200, "text/plain", text, (size_t)bytes);
}

static fixture start_with(gr_rest_options options)
{
    static const gr_mount mounts[] = {
        {"/app", {user_application, (void *)(uintptr_t) "app"}, false},
        {"/app/deep", {user_application, (void *)(uintptr_t) "deep"}, false},
        {"/free", {user_application, (void *)(uintptr_t) "free"}, true},
    };
    fixture f = {0};
    gr_detail detail = {0};
    CHECK_OK(gr_start(NULL, NULL));
    CHECK_OK(gr_attach(&f.self));
    for (size_t i = 0; i < sizeof behaviours / sizeof *behaviours; i++)
        if (gr_behaviour_register(&behaviours[i], &detail) != 0) TEST_FAIL("%s", detail.text);
    if (!options.http.listen) options.http.listen = "127.0.0.1:0";
    options.mounts = mounts;
    options.mount_count = sizeof mounts / sizeof *mounts;
    if (!options.open) options.token = TOKEN;
    if (gr_rest_start(f.self, &options, &f.rest, &detail) != 0) TEST_FAIL("%s", detail.text);
    snprintf(f.address, sizeof f.address, "%s", gr_rest_address(f.rest));
    return f;
}

static fixture start(void)
{
    return start_with((gr_rest_options){0});
}

static void stop(fixture *f)
{
    CHECK_OK(gr_rest_stop(f->self, &f->rest, gr_after_s(60)));
    CHECK(!f->rest);
    gr_detach(&f->self);
    (void)gr_stop(gr_after_ms(10)); /* actors that live are killed */
}

/* With the token. Checks the status, and the body unless that is NULL. */
static void expect(const fixture *f, const char *method, const char *path, const char *headers, const char *body,
                   int status, const char *answer_body)
{
    char all[1024];
    snprintf(all, sizeof all, AUTH "%s", headers);
    answer a = client_request(f->address, method, path, all, body);
    if (a.status != status) TEST_FAIL("%s %s: %d, expected %d\n%s", method, path, a.status, status, a.body);
    if (answer_body) CHECK_STR(a.body, answer_body);
    CHECK_STR(answer_header(&a, "X-Content-Type-Options"), "nosniff");
    bool tagged = answer_header(&a, "ETag") != NULL; /* what has a tag may be kept, and asked about */
    CHECK_STR(answer_header(&a, "Cache-Control"), tagged ? "private, no-cache" : "no-store");
    answer_free(&a);
}

/* An answer from the actor: who has it reads a state that is at least as new. */
static void settle(const fixture *f, const char *path)
{
    char call[512];
    snprintf(call, sizeof call, "%s/-/call/get", path);
    expect(f, "POST", call, "", NULL, 200, NULL);
}

/* The same for a problem: the status is in the body too, and the detail contains a text. */
static void expect_problem(const fixture *f, const char *method, const char *path, const char *headers,
                           const char *body, int status, const char *detail)
{
    char all[1024];
    gr_message *message = NULL;
    snprintf(all, sizeof all, AUTH "%s", headers);
    answer a = client_request(f->address, method, path, all, body);
    if (a.status != status) TEST_FAIL("%s %s: %d, expected %d\n%s", method, path, a.status, status, a.body);
    CHECK_STR(answer_header(&a, "Content-Type"), "application/problem+json");
    CHECK_OK(gr_parse(a.body, a.body_bytes, NULL, &message, NULL));
    CHECK_EQ(gr_int(gr_get(gr_body(message), "status"), 0), status);
    CHECK_STR(gr_string(gr_get(gr_body(message), "type"), ""), "about:blank");
    CHECK_STR(gr_string(gr_get(gr_body(message), "title"), ""), gr_status_text(status));
    const char *found = gr_string(gr_get(gr_body(message), "detail"), "");
    if (!strstr(found, detail)) TEST_FAIL("%s %s: \"%s\" does not say \"%s\"", method, path, found, detail);
    gr_message_free(&message);
    answer_free(&a);
}

TEST(rest, the_life_of_a_counter)
{
    fixture f = start();
    expect(&f, "HEAD", "/c", "", NULL, 404, NULL);
    answer a = client_request(f.address, "PUT", "/c", AUTH, "{\"behaviour\": \"counter\", \"args\": {\"start\": 5}}");
    CHECK_EQ(a.status, 202);
    CHECK_STR(answer_header(&a, "Location"), "/c");
    answer_free(&a);
    expect(&f, "HEAD", "/c", "", NULL, 200, NULL);
    settle(&f, "/c");
    expect(&f, "GET", "/c", "", NULL, 200, "{\"count\":5}\n");
    expect(&f, "POST", "/c", "", "{\"add\": 2}", 202, NULL);
    expect(&f, "POST", "/c/-/call/get", "", NULL, 200, "7\n");
    expect(&f, "POST", "/c/-/call/add", "", "3", 200, "10\n");
    expect(&f, "GET", "/c", "", NULL, 200, "{\"count\":10}\n");
    expect(&f, "DELETE", "/c", "", NULL, 200, NULL);
    expect(&f, "HEAD", "/c", "", NULL, 404, NULL);
    expect_problem(&f, "GET", "/c", "", NULL, 404, "c");
    expect_problem(&f, "DELETE", "/c", "", NULL, 404, "c");
    stop(&f);
}

TEST(rest, names)
{
    fixture f = start();
    char long_name[300] = "/";
    memset(long_name + 1, 'n', 255);
    static const char body[] = "{\"behaviour\": \"counter\", \"args\": {\"start\": 1}}";
    expect(&f, "PUT", "/rooms/caf%C3%A9%20one", "", body, 202, "{\"name\":\"rooms/caf\xc3\xa9 one\"}\n");
    settle(&f, "/rooms/caf%C3%A9%20one");
    expect(&f, "GET", "/rooms/caf%c3%a9%20one", "", NULL, 200, "{\"count\":1}\n");
    expect(&f, "POST", "/rooms/caf%c3%a9%20one/-/call/get", "", "null", 200, "1\n");
    expect(&f, "PUT", long_name, "", body, 202, NULL);
    long_name[256] = 'n';
    expect_problem(&f, "PUT", long_name, "", body, 400, "255");
    expect_problem(&f, "GET", long_name, "", NULL, 404, "255");
    expect_problem(&f, "PUT", "/a//b", "", body, 400, "");
    expect_problem(&f, "PUT", "/a/", "", body, 400, "");
    expect_problem(&f, "PUT", "/%ff", "", body, 400, "");
    expect_problem(&f, "GET", "/%ff", "", NULL, 404, "?");
    stop(&f);
}

TEST(rest, an_actor_without_a_name_answers_under_its_address)
{
    fixture f = start();
    gr_address address;
    char path[64] = "/", text[GR_ADDRESS_TEXT_BYTES];
    CHECK_OK(gr_spawn_behaviour(f.self, &address, "counter", NULL, (gr_value){NULL}) == GR_ETYPE ? 0 : -1);
    CHECK_OK(gr_spawn_server(f.self, &address, &counter, NULL, "{s:i}", "start", 3));
    strcat(path, gr_address_print(address, text));
    settle(&f, path);
    expect(&f, "GET", path, "", NULL, 200, "{\"count\":3}\n");
    expect(&f, "DELETE", path, "", NULL, 200, NULL);
    expect(&f, "GET", path, "", NULL, 404, NULL);
    stop(&f);
}

TEST(rest, bad_spawns)
{
    fixture f = start();
    expect_problem(&f, "PUT", "/x", "", "{\"behaviour\": \"nothing\"}", 404, "nothing");
    expect_problem(&f, "PUT", "/x", "", "{\"behaviour\": \"greenroom.http.listener\"}", 404, "greenroom.http.listener");
    expect_problem(&f, "PUT", "/x", "", "{\"behaviour\": \"counter\", \"args\": {\"start\": \"five\"}}", 422, "start");
    expect_problem(&f, "PUT", "/x", "", "[]", 422, "object");
    expect_problem(&f, "PUT", "/x", "", "{\"args\": {}}", 422, "behaviour");
    expect_problem(&f, "PUT", "/x", "", "{\"behaviour\": 5}", 422, "string");
    expect_problem(&f, "PUT", "/x", "", "{\"behaviour\": \"counter\", \"arg\": {}}", 422, "only");
    expect_problem(&f, "PUT", "/x", "", "", 400, "JSON");
    expect(&f, "HEAD", "/x", "", NULL, 404, NULL);
    expect(&f, "PUT", "/x", "", "{\"behaviour\": \"counter\", \"args\": {\"start\": 1}}", 202, NULL);
    expect_problem(&f, "PUT", "/x", "", "{\"behaviour\": \"counter\", \"args\": {\"start\": 2}}", 409, "x");
    settle(&f, "/x");
    expect(&f, "GET", "/x", "", NULL, 200, "{\"count\":1}\n");
    stop(&f);
}

TEST(rest, bad_json_says_where)
{
    fixture f = start();
    expect(&f, "PUT", "/c", "", "{\"behaviour\": \"counter\", \"args\": {\"start\": 0}}", 202, NULL);
    answer a = client_request(f.address, "POST", "/c", AUTH, "{\n  \"add\": 1,\n  \"x\": nul\n}");
    gr_message *message = NULL;
    CHECK_EQ(a.status, 400);
    CHECK_OK(gr_parse(a.body, a.body_bytes, NULL, &message, NULL));
    CHECK_EQ(gr_int(gr_get(gr_body(message), "line"), 0), 3);
    CHECK(gr_int(gr_get(gr_body(message), "column"), 0) >= 8);
    CHECK(gr_int(gr_get(gr_body(message), "byte"), 0) >= 20);
    gr_message_free(&message);
    answer_free(&a);
    static const char *const bad[] = {
        "{\"a\": 1, \"a\": 2}",      "[9223372036854775808]", "[1e999]", "[NaN]", "\"\xff\"", "{} {}", "",
        "{\"_pyact_binary\": \"!\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) expect_problem(&f, "POST", "/c", "", bad[i], 400, "JSON");
    char deep[140];
    memset(deep, '[', 65), memset(deep + 65, ']', 65);
    deep[130] = '\0';
    expect_problem(&f, "POST", "/c", "", deep, 400, "JSON");
    memset(deep, '[', 64), memset(deep + 64, ']', 64);
    deep[128] = '\0';
    expect(&f, "POST", "/c", "", deep, 202, NULL);
    stop(&f);
}

TEST(rest, etag_and_not_modified)
{
    fixture f = start();
    char etag[128], header[512];
    expect(&f, "PUT", "/c", "", "{\"behaviour\": \"counter\", \"args\": {\"start\": 5}}", 202, NULL);
    settle(&f, "/c");
    answer a = client_request(f.address, "GET", "/c", AUTH, NULL);
    snprintf(etag, sizeof etag, "%s", answer_header(&a, "ETag"));
    CHECK(etag[0] == '"' && etag[strlen(etag) - 1] == '"');
    answer_free(&a);
    static const char *const matching[] = {"%s", "W/%s", "\"x\", %s", "%s, \"x\"", "*"};
    for (size_t i = 0; i < sizeof matching / sizeof *matching; i++) {
        char value[200];
        snprintf(value, sizeof value, matching[i], etag);
        snprintf(header, sizeof header, "If-None-Match: %s\r\n" AUTH, value);
        a = client_request(f.address, "GET", "/c", header, NULL);
        CHECK_EQ(a.status, 304);
        CHECK_STR(answer_header(&a, "ETag"), etag);
        answer_free(&a);
    }
    expect(&f, "GET", "/c", "If-None-Match: \"x\"\r\n", NULL, 200, NULL);
    expect(&f, "POST", "/c/-/call/add", "", "1", 200, NULL);
    snprintf(header, sizeof header, "If-None-Match: %s\r\n", etag);
    expect(&f, "GET", "/c", header, NULL, 200, "{\"count\":6}\n");
    /* The same name, another life: another tag, even if the count of publications is the same. */
    expect(&f, "DELETE", "/c", "", NULL, 200, NULL);
    expect(&f, "PUT", "/c", "", "{\"behaviour\": \"counter\", \"args\": {\"start\": 9}}", 202, NULL);
    settle(&f, "/c");
    expect(&f, "GET", "/c", header, NULL, 200, "{\"count\":9}\n");
    stop(&f);
}

TEST(rest, an_actor_without_state)
{
    fixture f = start();
    expect(&f, "PUT", "/m", "", "{\"behaviour\": \"mute\"}", 202, NULL);
    expect(&f, "GET", "/m", "", NULL, 200, "{}\n");
    stop(&f);
}

TEST(rest, a_full_mailbox)
{
    fixture f = start();
    expect(&f, "PUT", "/m", "", "{\"behaviour\": \"mute\"}", 202, NULL);
    expect(&f, "POST", "/m", "", "1", 202, NULL);
    expect(&f, "POST", "/m", "", "2", 202, NULL);
    answer a = client_request(f.address, "POST", "/m", AUTH, "3");
    CHECK_EQ(a.status, 503);
    CHECK_STR(answer_header(&a, "Retry-After"), "1");
    answer_free(&a);
    expect(&f, "DELETE", "/m", "", NULL, 200, NULL);
    stop(&f);
}

TEST(rest, calls)
{
    fixture f = start();
    expect(&f, "PUT", "/c", "", "{\"behaviour\": \"counter\", \"args\": {\"start\": 0}}", 202, NULL);
    expect_problem(&f, "POST", "/c/-/call/nothing", "", "1", 404, "nothing");
    expect_problem(&f, "POST", "/nobody/-/call/add", "", "1", 404, "nobody");
    answer a = client_request(f.address, "POST", "/c/-/call/fail", AUTH, "{\"why\": 1}");
    gr_message *message = NULL;
    CHECK_EQ(a.status, 422);
    CHECK_OK(gr_parse(a.body, a.body_bytes, NULL, &message, NULL));
    gr_value exception = gr_get(gr_body(message), "exception");
    CHECK_STR(gr_string(gr_get(exception, "error"), ""), "failed");
    CHECK_EQ(gr_int(gr_get(gr_get(exception, "description"), "why"), 0), 1);
    gr_message_free(&message);
    answer_free(&a);
    expect_problem(&f, "POST", "/c/-/call/add", "", "{", 400, "JSON");
    a = client_request(f.address, "POST", "/c/-/call/add", "Prefer: respond-async, wait=9\r\n" AUTH, "1");
    CHECK_STR(answer_header(&a, "Preference-Applied"), "wait=9");
    answer_free(&a);
    expect_problem(&f, "POST", "/c/-/call/wait", "Prefer: wait=0\r\n", "1", 504, "0 s");
    expect_problem(&f, "GET", "/c/-/call/add", "", NULL, 405, "POST");
    stop(&f);
}

TEST(rest, a_call_that_kills)
{
    fixture f = start();
    expect(&f, "PUT", "/c", "", "{\"behaviour\": \"counter\", \"args\": {\"start\": 0}}", 202, NULL);
    expect_problem(&f, "POST", "/c/-/call/die", "", "1", 422, "dead");
    stop(&f);
}

/* python-actors' null timeout lasts as long as its client: when that goes, the call does not stay behind. */
TEST(rest, an_endless_call_ends_with_its_client)
{
    fixture f = start();
    static const char body[] = "{\"remotecall\":\"1\",\"method\":\"wait\",\"message\":null,\"timeout\":null}";
    char request[512];
    expect(&f, "PUT", "/c", "", "{\"behaviour\": \"counter\", \"args\": {\"start\": 0}}", 202, NULL);
    client c = client_open(f.address);
    snprintf(request, sizeof request, "POST /c HTTP/1.1\r\nHost: localhost\r\n" AUTH "Content-Length: %zu\r\n\r\n%s",
             sizeof body - 1, body);
    client_say(&c, request);
    client_close(&c);
    expect(&f, "DELETE", "/c", "", NULL, 200, NULL);
    expect_problem(&f, "POST", "/c", "", "{\"remotecall\":\"1\",\"method\":\"add\",\"message\":1,\"timeout\":\"x\"}",
                   404, "c");
    stop(&f);
}

TEST(rest, an_actor_that_does_not_die_at_once)
{
    fixture f = start();
    expect(&f, "PUT", "/s", "", "{\"behaviour\": \"stubborn\"}", 202, NULL);
    expect(&f, "DELETE", "/s", "", NULL, 202, "{\"killed\":false}\n");
    stop(&f);
}

static void stopper(gr_self *self, gr_value args)
{
    gr_rest *rest = (gr_rest *)(intptr_t)gr_int(gr_get(args, "rest"), 0);
    int code = gr_rest_stop(self, &rest, gr_after_s(60));
    (void)gr_cast(self, gr_address_in(gr_get(args, "to")), "i", code);
}

/* That the connection is to end, too, is not taken for the reason why waiting for the victim ended. */
TEST(rest, a_delete_while_the_server_drains)
{
    fixture f = start();
    answer a;
    gr_address address;
    gr_message *message = NULL;
    expect(&f, "PUT", "/m", "", "{\"behaviour\": \"mute\"}", 202, NULL);
    client c = client_open(f.address), idle = client_open(f.address);
    for (int i = 0; i < 2; i++) { /* the idle one is admitted last, so it is told to end last */
        client_say(i ? &idle : &c, "GET /-/livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
        CHECK(client_answer(i ? &idle : &c, false, &a));
        answer_free(&a);
    }
    client_say(&c, "DELETE /m HTTP/1.1\r\nHost: localhost\r\n");
    CHECK_OK(gr_spawn(f.self, &address, stopper, "{s:I, s:A}", "rest", (int64_t)(intptr_t)f.rest, "to",
                      gr_self_address(f.self)));
    CHECK(client_closed(&idle));
    client_say(&c, AUTH "\r\n");
    CHECK(client_answer(&c, false, &a));
    CHECK_EQ(a.status, 200);
    CHECK_STR(a.body, "{\"killed\":true}\n");
    CHECK(a.closes && client_closed(&c));
    answer_free(&a), client_close(&c), client_close(&idle);
    CHECK_OK(gr_receive(f.self, &message, gr_after_s(60)));
    CHECK_EQ(gr_int(gr_body(message), 1), 0);
    gr_message_free(&message);
    f.rest = NULL;
    stop(&f);
}

TEST(rest, the_list)
{
    fixture f = start();
    char body[128], path[16];
    for (int i = 0; i < 5; i++) {
        snprintf(body, sizeof body, "{\"behaviour\": \"counter\", \"args\": {\"start\": %d}}", i);
        snprintf(path, sizeof path, "/n%d", (i * 3) % 5);
        expect(&f, "PUT", path, "", body, 202, NULL);
    }
    settle(&f, path);
    answer a = client_request(f.address, "GET", "/?sort=-name&limit=2&offset=1", AUTH, NULL);
    gr_message *message = NULL;
    CHECK_EQ(a.status, 200);
    CHECK_OK(gr_parse(a.body, a.body_bytes, NULL, &message, NULL));
    gr_value list = gr_get(gr_body(message), "actors");
    CHECK_EQ(gr_count(list), 2);
    CHECK(gr_int(gr_get(gr_body(message), "total"), 0) >= 5);
    gr_message_free(&message);
    answer_free(&a);
    a = client_request(f.address, "GET", "/?sort=name&limit=3", AUTH, NULL);
    CHECK_OK(gr_parse(a.body, a.body_bytes, NULL, &message, NULL));
    for (size_t i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "n%zu", i);
        gr_value actor = gr_at(gr_get(gr_body(message), "actors"), i);
        CHECK_STR(gr_string(gr_get(actor, "name"), ""), name);
        CHECK_STR(gr_string(gr_get(actor, "behaviour"), ""), "counter");
        CHECK_STR(gr_string(gr_get(actor, "kind"), ""), "server");
    }
    gr_message_free(&message);
    answer_free(&a);
    expect_problem(&f, "GET", "/?sort=size", "", NULL, 400, "sort");
    expect_problem(&f, "GET", "/?limit=1001", "", NULL, 400, "limit");
    expect_problem(&f, "GET", "/?offset=x", "", NULL, 400, "offset");
    stop(&f);
}

TEST(rest, methods_and_paths_that_are_not_there)
{
    fixture f = start();
    static const char *const methods_[] = {"PATCH", "TRACE", "BREW", "get"};
    for (size_t i = 0; i < sizeof methods_ / sizeof *methods_; i++) {
        answer a = client_request(f.address, methods_[i], "/c", AUTH, NULL);
        CHECK_EQ(a.status, 405);
        CHECK_STR(answer_header(&a, "Allow"), "PUT, POST, GET, HEAD, DELETE, OPTIONS");
        CHECK(!answer_header(&a, "Access-Control-Allow-Origin"));
        answer_free(&a);
    }
    expect_problem(&f, "DELETE", "/", "", NULL, 405, "GET, HEAD");
    expect_problem(&f, "POST", "/-/livez", "", NULL, 405, "GET, HEAD");
    expect_problem(&f, "GET", "/-/nothing", "", NULL, 404, "");
    expect_problem(&f, "GET", "/c/-/nothing", "", NULL, 404, "");
    expect_problem(&f, "OPTIONS", "/-/nothing", "", NULL, 404, "");
    stop(&f);
}

TEST(rest, options_says_what_is_allowed)
{
    fixture f = start();
    static const char *const cases[][2] = {{"/c", "PUT, POST, GET, HEAD, DELETE, OPTIONS"},
                                           {"/", "GET, HEAD, OPTIONS"},
                                           {"/c/-/call/m", "POST, OPTIONS"},
                                           {"/-/readyz", "GET, HEAD, OPTIONS"},
                                           {"*", "PUT, POST, GET, HEAD, DELETE, OPTIONS"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        answer a = client_request(f.address, "OPTIONS", cases[i][0], "", NULL); /* reading: no token on loopback */
        CHECK_EQ(a.status, 204);
        CHECK_STR(answer_header(&a, "Allow"), cases[i][1]);
        CHECK(!answer_header(&a, "Access-Control-Allow-Origin"));
        answer_free(&a);
    }
    stop(&f);
}

TEST(rest, the_operators_routes_need_no_token)
{
    fixture f = start();
    static const char *const paths[] = {"/-/livez", "/-/readyz"};
    for (int i = 0; i < 2; i++) {
        client c = client_open(f.address);
        answer a;
        char text[256];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: 10.0.0.7:7580\r\n\r\n", paths[i]);
        client_say(&c, text);
        CHECK(client_answer(&c, false, &a));
        CHECK_EQ(a.status, 200);
        answer_free(&a), client_close(&c);
    }
    stop(&f);
}

TEST(rest, readiness_is_what_the_process_says)
{
    fixture f = start();
    expect(&f, "GET", "/-/readyz", "", NULL, 200, "{\"status\":\"ready\"}\n");
    gr_rest_ready(f.rest, "the cache is cold");
    expect_problem(&f, "GET", "/-/readyz", "", NULL, 503, "the cache is cold");
    expect(&f, "HEAD", "/-/readyz", "", NULL, 503, NULL);
    expect(&f, "GET", "/-/livez", "", NULL, 200, NULL); /* alive, and at work */
    expect(&f, "PUT", "/c", "", "{\"behaviour\": \"counter\", \"args\": {\"start\": 5}}", 202, NULL);
    gr_rest_ready(f.rest, NULL);
    expect(&f, "GET", "/-/readyz", "", NULL, 200, NULL);
    stop(&f);
}

/* Route by method by credential: nothing happens without the right to it. */
TEST(rest, nothing_changes_without_the_token)
{
    fixture f = start();
    static const char *const headers[] = {"", "Authorization: Bearer x\r\n", "Authorization: Basic " TOKEN "\r\n",
                                          "Cookie: token=" TOKEN "\r\n"};
    static const struct {
        const char *method, *path, *body;
    } changes[] = {
        {"PUT", "/new", "{\"behaviour\":\"counter\",\"args\":{\"start\":1}}"},
        {"POST", "/c", "{\"add\":1}"},
        {"POST", "/c/-/call/add", "1"},
        {"DELETE", "/c", NULL},
        {"PATCH", "/c", NULL},
        {"POST", "/app/x", NULL},
        {"POST", "/-/nothing", NULL},
        {"POST", "/c?token=" TOKEN, "{\"add\":1}"},
    };
    expect(&f, "PUT", "/c", "", "{\"behaviour\": \"counter\", \"args\": {\"start\": 5}}", 202, NULL);
    settle(&f, "/c");
    for (size_t h = 0; h < sizeof headers / sizeof *headers; h++) {
        for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
            answer a = client_request(f.address, changes[i].method, changes[i].path, headers[h], changes[i].body);
            CHECK_EQ(a.status, 401);
            CHECK(answer_header(&a, "WWW-Authenticate"));
            answer_free(&a);
        }
    }
    answer a = client_request(f.address, "GET", "/c", "", NULL); /* reading is free here */
    CHECK_STR(a.body, "{\"count\":5}\n");
    answer_free(&a);
    expect(&f, "HEAD", "/new", "", NULL, 404, NULL);
    static const char *const foreign[] = {"Origin: http://evil.example\r\n", "Origin: null\r\n",
                                          "Sec-Fetch-Site: cross-site\r\n"};
    for (size_t o = 0; o < 3; o++) {
        expect_problem(&f, "DELETE", "/c", foreign[o], NULL, 403, "origin");
        expect_problem(&f, "GET", "/c", foreign[o], NULL, 403, "origin");
    }
    expect(&f, "GET", "/c", "Origin: http://localhost\r\n", NULL, 200, "{\"count\":5}\n");
    stop(&f);
}

TEST(rest, mounted_applications)
{
    fixture f = start();
    expect(&f, "GET", "/app", "", NULL, 200, "app|GET|/app|/");
    expect(&f, "GET", "/app/x/y", "", NULL, 200, "app|GET|/app|/x/y");
    expect(&f, "POST", "/app/deep/z", "", "", 200, "deep|POST|/app/deep|/z");
    expect(&f, "GET", "/application", "", NULL, 404, NULL);
    answer a = client_request(f.address, "POST", "/free", "", "");
    CHECK_STR(a.body, "free|POST|/free|/");
    answer_free(&a);
    stop(&f);
}

TEST(rest, open_needs_no_token)
{
    fixture f = start_with((gr_rest_options){.open = true});
    answer a = client_request(f.address, "PUT", "/c", "", "{\"behaviour\": \"counter\", \"args\": {\"start\": 5}}");
    CHECK_EQ(a.status, 202);
    answer_free(&a);
    a = client_request(f.address, "DELETE", "/c", "Origin: http://evil.example\r\n", NULL);
    CHECK_EQ(a.status, 403);
    answer_free(&a);
    stop(&f);
}

TEST(rest, unsafe_or_senseless_options_are_refused)
{
    fixture f = start();
    gr_rest *rest = NULL;
    gr_detail detail;
    const gr_mount bad_mount = {"app", {user_application, NULL}, false}, empty_mount = {"/app", {NULL, NULL}, false};
    const struct {
        gr_rest_options options;
        const char *why;
    } cases[] = {
        {{.http.listen = "127.0.0.1:0"}, "token"},
        {{.http.listen = "127.0.0.1:0", .token = "short"}, "64"},
        {{.http.listen = "0.0.0.0:0", .token = TOKEN}, "insecure"},
        {{.http.listen = "*:0", .token = TOKEN}, "insecure"},
        {{.http.listen = "0.0.0.0:0", .open = true, .insecure = true}, "open"},
        {{.http.listen = "127.0.0.1:0", .token = TOKEN, .json_depth = 513}, "512"},
        {{.http.listen = "127.0.0.1:0", .token = TOKEN, .heartbeat_ms = 9}, "heartbeat_ms 9: 10 to 3600000"},
        {{.http.listen = "127.0.0.1:0", .token = TOKEN, .heartbeat_ms = 3600001}, "heartbeat_ms 3600001"},
        {{.http.listen = "127.0.0.1:0", .token = TOKEN, .mounts = &bad_mount, .mount_count = 1}, "prefix"},
        {{.http.listen = "127.0.0.1:0", .token = TOKEN, .mounts = &empty_mount, .mount_count = 1}, "application"},
        {{.http.listen = "127.0.0.1:0", .http.application = {user_application, NULL}, .token = TOKEN}, "application"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_EQ(gr_rest_start(f.self, &cases[i].options, &rest, &detail), GR_EINVAL);
        if (!strstr(detail.text, cases[i].why)) TEST_FAIL("case %zu: \"%s\"", i, detail.text);
    }
    gr_rest_options taken = {.http.listen = f.address, .token = TOKEN};
    CHECK_EQ(gr_rest_start(f.self, &taken, &rest, &detail), GR_EINUSE);
    CHECK(rest == NULL && detail.text[0]);
    stop(&f);
}

TEST(rest, exposed_servers_want_the_token_for_reading_too)
{
    fixture f = start_with((gr_rest_options){.http.listen = "0.0.0.0:0", .insecure = true});
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%s", strrchr(f.address, ':') + 1);
    answer a = client_request(address, "GET", "/", "", NULL);
    CHECK_EQ(a.status, 401);
    answer_free(&a);
    a = client_request(address, "GET", "/", AUTH, NULL);
    CHECK_EQ(a.status, 200);
    answer_free(&a);
    a = client_request(address, "GET", "/-/livez", "", NULL);
    CHECK_EQ(a.status, 200);
    answer_free(&a);
    stop(&f);
}

/* The same application behind a server, and middleware, of one's own. */
static int counted(void *state, const gr_environ *env, gr_responder *respond)
{
    gr_header header = {"X-Middleware", "was here"};
    gr_application inner = gr_rest_application(state);
    if (strcmp(env->path, "/teapot") == 0) return gr_response_start(respond, 418, &header, 1, 0);
    return inner.run(inner.state, env, respond);
}

TEST(rest, behind_middleware_of_ones_own)
{
    fixture f = start();
    gr_rest *rest = NULL;
    gr_rest_options options = {.http.listen = "127.0.0.1:0", .open = true};
    CHECK_OK(gr_rest_new(&options, &rest, NULL));
    CHECK_STR(gr_rest_address(rest), "");
    gr_http_options http = {.listen = "127.0.0.1:0", .application = {counted, rest}};
    gr_http_server *server = NULL;
    CHECK_OK(gr_http_start(f.self, &http, &server));
    answer a = client_request(gr_http_address(server), "GET", "/teapot", "", NULL);
    CHECK_EQ(a.status, 418);
    answer_free(&a);
    a = client_request(gr_http_address(server), "GET", "/-/livez", "", NULL);
    CHECK_EQ(a.status, 200);
    answer_free(&a);
    CHECK_OK(gr_http_stop(f.self, &server, gr_after_s(60)));
    gr_rest_free(&rest);
    CHECK(rest == NULL);
    stop(&f);
}
