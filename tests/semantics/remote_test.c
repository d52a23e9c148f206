/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Remote addresses against a server that is a script: what is asked, and what each answer comes to. */
#include "support/http_script.h"

#include "io/socket.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define JSON_TYPE "Content-Type: application/json\r\n"
#define TEXT_TYPE "Content-Type: text/plain\r\n"
#define PROBLEM "Content-Type: application/problem+json\r\n"

static gr_address at(const http_script *s, const char *path)
{
    char url[128];
    gr_address address = GR_NO_ADDRESS;
    snprintf(url, sizeof url, "%s%s", s->url, path);
    CHECK_OK(gr_remote_address(url, &address, NULL));
    CHECK(gr_is_remote(address));
    return address;
}

/* The next request begins with `line`, and has such a body unless that is NULL. */
static void expect_asked(http_script *s, const char *line, const char *body)
{
    gr_message *m = http_script_asked(s);
    const char *head = gr_string(gr_get(gr_body(m), "head"), "");
    if (strncmp(head, line, strlen(line)) != 0) TEST_FAIL("asked: %s\nexpected: %s", head, line);
    if (body) CHECK_STR(gr_string(gr_get(gr_body(m), "body"), ""), body);
    FREE(m);
}

/* ---- calls ---- */

static const struct {
    const char *head, *body;
    int code;
    const char *reply; /* as JSON; NULL: none */
} call_answers[] = {
    /* What greenroom-rest and python-actors answer. */
    {"202 Accepted\r\n" JSON_TYPE, "{\"response\":\"x\",\"message\":{\"n\":1}}", 0, "{\"n\":1}"},
    {"202 Accepted\r\n" JSON_TYPE, "{\"message\":null,\"response\":\"x\"}\n", 0, "null"},
    {"200 OK\r\n" JSON_TYPE, "{\"response\":\"x\",\"message\":[1,2.5,\"three\"]}", 0, "[1,2.5,\"three\"]"},
    {"404 Not Found\r\n" JSON_TYPE, "{\"response\":\"x\",\"invalid_method\":\"m\"}", GR_EMETHOD, NULL},
    {"404 Not Found\r\n" TEXT_TYPE, "Not Found\n", GR_EDEAD, NULL},
    {"404 Not Found\r\n" PROBLEM, "{\"status\":404,\"detail\":\"no actor\"}", GR_EDEAD, NULL},
    {"406 Not Acceptable\r\n" JSON_TYPE, "{\"response\":\"x\",\"exception\":{\"error\":\"e\"}}", GR_EEXCEPTION,
     "{\"error\":\"e\"}"},
    {"406 Not Acceptable\r\n" JSON_TYPE, "{\"response\":\"x\",\"exception\":{\"error\":\"dead\"},\"dead\":true}",
     GR_EDEAD, NULL},
    {"406 Not Acceptable\r\n" JSON_TYPE, "{\"response\":\"x\",\"exception\":{\"error\":\"dead\"}}", GR_EEXCEPTION,
     "{\"error\":\"dead\"}"},
    {"406 Not Acceptable\r\n" TEXT_TYPE, "Not Acceptable\n", GR_EINVAL, NULL},
    {"408 Request Timeout\r\n" TEXT_TYPE, "{\"timeout\":1}\n", GR_ETIMEOUT, NULL},
    {"503 Service Unavailable\r\n" PROBLEM, "{\"detail\":\"full\"}", GR_EFULL, NULL},
    {"429 Too Many Requests\r\n", "", GR_EFULL, NULL},
    {"401 Unauthorized\r\n" PROBLEM, "{\"detail\":\"token\"}", GR_EDENIED, NULL},
    {"403 Forbidden\r\n", "", GR_EDENIED, NULL},
    {"421 Misdirected Request\r\n", "", GR_EDENIED, NULL},
    {"400 Bad Request\r\n", "", GR_EINVAL, NULL},
    {"422 Unprocessable Content\r\n", "", GR_EINVAL, NULL},
    {"413 Content Too Large\r\n", "", GR_ETOOBIG, NULL},
    {"405 Method Not Allowed\r\n", "", GR_EUNSUPPORTED, NULL},
    /* What others answer. */
    {"200 OK\r\n", "<html>", GR_ESYNTAX, NULL},
    {"200 OK\r\n", "", GR_ESYNTAX, NULL},
    {"202 Accepted\r\n", "{\"accepted\":true}", GR_ESYNTAX, NULL},
    {"202 Accepted\r\n", "[]", GR_ESYNTAX, NULL},
    {"302 Found\r\nLocation: http://127.0.0.1:1/x\r\n", "", GR_ESYNTAX, NULL},
    {"500 Internal Server Error\r\n", "", GR_ESYNTAX, NULL},
    {"404 Not Found\r\n" JSON_TYPE, "{\"invalid_method\"", GR_EDEAD, NULL},
    /* An address that nobody allowed; below the server that was asked is fine. */
    {"202 Accepted\r\n", "{\"response\":\"x\",\"message\":{\"_pyact_address\":\"http://elsewhere/x\"}}", GR_EDENIED,
     NULL},
    {"406 Not Acceptable\r\n", "{\"response\":\"x\",\"exception\":{\"_pyact_address\":\"http://elsewhere/x\"}}",
     GR_EDENIED, NULL},
};

TEST(remote, every_answer_to_a_call_has_a_code)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    http_script s = http_script_start(self);
    gr_address a = at(&s, "/a");
    for (size_t i = 0; i < sizeof call_answers / sizeof *call_answers; i++) {
        http_script_answer(&s, call_answers[i].head, call_answers[i].body);
        gr_message *reply = NULL;
        int code = gr_call(self, &reply, a, "m", SOON, "{s:i}", "n", 7);
        if (code != call_answers[i].code)
            TEST_FAIL("%s%s: %s (%s)", call_answers[i].head, call_answers[i].body, gr_error_name(code),
                      gr_error_detail(self)->text);
        char *text = reply ? gr_print_new(gr_body(reply), NULL, NULL) : NULL;
        CHECK_STR(text ? text : "none", call_answers[i].reply ? call_answers[i].reply : "none");
        free(text);
        FREE(reply);
        if (code != 0) CHECK(gr_error_detail(self)->text[0]);
        expect_asked(&s, "POST /a HTTP/1.1\r\n", NULL);
    }
    END(self);
    CHECK_EQ(gri_sockets_open(), 0);
}

TEST(remote, a_call_is_python_actors_remotecall)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    http_script s = http_script_start(self);
    gr_address a = at(&s, "/a/b%20c");
    static const char answer[] = "{\"response\":\"\",\"message\":1}";
    for (int i = 0; i < 2; i++) {
        http_script_answer(&s, "202 Accepted\r\n", answer);
        CHECK_OK(gr_call(self, NULL, a, "m", i ? SOON : GR_FOREVER, "{s:[i,n]}", "n", 7));
        gr_message *m = http_script_asked(&s), *body = NULL;
        gr_value text = gr_get(gr_body(m), "body");
        CHECK_OK(gr_parse(gr_string(text, ""), gr_string_bytes(text), NULL, &body, NULL));
        gr_value v = gr_body(body);
        CHECK(strncmp(gr_string(gr_get(gr_body(m), "head"), ""), "POST /a/b%20c HTTP/1.1\r\n", 24) == 0);
        CHECK_EQ(gr_count(v), 4);
        CHECK(gr_type_of(gr_get(v, "remotecall")) == GR_STRING); /* theirs takes nothing else */
        CHECK_STR(gr_string(gr_get(v, "method"), ""), "m");
        CHECK_VALUE(gr_get(v, "message"), "{s:[i,n]}", "n", 7);
        if (i == 0) CHECK(gr_type_of(gr_get(v, "timeout")) == GR_NULL);
        if (i == 1) CHECK(gr_double(gr_get(v, "timeout"), 0) > 30 && gr_double(gr_get(v, "timeout"), 0) <= 60);
        FREE(body);
        FREE(m);
    }
    END(self);
}

TEST(remote, no_connection_is_not_a_lost_one)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    http_script s = http_script_start(self);
    gr_address a = at(&s, "/a"), nobody, nowhere;
    http_script_answer_raw(&s, ""); /* hears it, and closes */
    CHECK_EQ(gr_call(self, NULL, a, "m", SOON, "n"), GR_ECLOSED);
    expect_asked(&s, "POST", NULL);
    http_script_answer_raw(&s, "HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n{");
    CHECK_EQ(gr_call(self, NULL, a, "m", SOON, "n"), GR_ECLOSED);
    expect_asked(&s, "POST", NULL);
    http_script_answer_raw(&s, "what?");
    CHECK_EQ(gr_call(self, NULL, a, "m", SOON, "n"), GR_ECLOSED);
    expect_asked(&s, "POST", NULL);
    http_script_answer_raw(&s, "what?\r\n\r\n");
    CHECK_EQ(gr_call(self, NULL, a, "m", SOON, "n"), GR_ESYNTAX);
    expect_asked(&s, "POST", NULL);
    CHECK_OK(gr_kill(s.server));
    WAIT_GONE(self, s.server);
    CHECK_EQ(gr_call(self, NULL, a, "m", SOON, "n"), GR_EUNREACHABLE);
    CHECK_EQ(gr_remote_kill(self, a, SOON), GR_EUNREACHABLE);
    CHECK_EQ(gr_wait(self, a, NULL, SOON), GR_EUNREACHABLE);
    CHECK_EQ(gr_remote_lookup(self, "http://no-such-host.invalid/a", &nobody, SOON), GR_EUNREACHABLE);
    CHECK_OK(gr_remote_address("http://no-such-host.invalid/a", &nowhere, NULL));
    CHECK_EQ(gr_call(self, NULL, nowhere, "m", SOON, "n"), GR_EUNREACHABLE);
    END(self);
    CHECK_EQ(gri_sockets_open(), 0);
}

TEST(remote, a_silent_server_ends_with_the_deadline)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    http_script s = http_script_start(self);
    gr_address a = at(&s, "/a"), found;
    gr_message *result = NULL;
    char url[80];
    snprintf(url, sizeof url, "%s/a", s.url);
    CHECK_EQ(gr_call(self, &result, a, "m", gr_after_ms(20), "n"), GR_ETIMEOUT);
    CHECK_EQ(gr_wait(self, a, &result, gr_after_ms(20)), GR_ETIMEOUT);
    CHECK_EQ(gr_remote_lookup(self, url, &found, gr_after_ms(20)), GR_ETIMEOUT);
    CHECK_EQ(gr_remote_kill(self, a, gr_after_ms(20)), GR_ETIMEOUT);
    CHECK_EQ(gr_spawn_remote(self, &found, url, "b", gr_after_ms(20), "n"), GR_ETIMEOUT);
    CHECK_EQ(gr_call(self, &result, a, "m", GR_NOW, "n"), GR_ETIMEOUT);
    CHECK_EQ(gr_wait(self, a, &result, GR_NOW), GR_ETIMEOUT);
    CHECK_EQ(gr_remote_lookup(self, url, &found, GR_NOW), GR_ETIMEOUT);
    CHECK(!result);
    END(self);
    CHECK_EQ(gri_sockets_open(), 0);
}

/* ---- waiting ---- */

static const struct {
    const char *head, *body;
    int code;
    const char *result;
} wait_answers[] = {
    {"200 OK\r\n" JSON_TYPE, "{\"exit\":{\"n\":1}}", 0, "{\"n\":1}"},
    {"200 OK\r\n" JSON_TYPE, "{\"exit\":null}", 0, "null"},
    {"200 OK\r\n" JSON_TYPE, "{\"exception\":{\"error\":\"e\"}}", GR_EEXCEPTION, "{\"error\":\"e\"}"},
    {"404 Not Found\r\n" PROBLEM, "{}", GR_EDEAD, NULL},
    {"404 Not Found\r\n" TEXT_TYPE, "Not Found\n", GR_EUNSUPPORTED, NULL}, /* python-actors */
    {"200 OK\r\n" JSON_TYPE, "{\"state\":1}", GR_EUNSUPPORTED, NULL},
    {"401 Unauthorized\r\n" PROBLEM, "{}", GR_EDENIED, NULL},
    {"503 Service Unavailable\r\n" PROBLEM, "{}", GR_EFULL, NULL},
};

TEST(remote, every_answer_to_a_wait_has_a_code)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    http_script s = http_script_start(self);
    gr_address a = at(&s, "/a");
    for (size_t i = 0; i < sizeof wait_answers / sizeof *wait_answers; i++) {
        http_script_answer(&s, wait_answers[i].head, wait_answers[i].body);
        gr_message *result = NULL;
        int code = gr_wait(self, a, &result, GR_FOREVER);
        if (code != wait_answers[i].code)
            TEST_FAIL("%s%s: %s (%s)", wait_answers[i].head, wait_answers[i].body, gr_error_name(code),
                      gr_error_detail(self)->text);
        char *text = result ? gr_print_new(gr_body(result), NULL, NULL) : NULL;
        CHECK_STR(text ? text : "none", wait_answers[i].result ? wait_answers[i].result : "none");
        free(text);
        FREE(result);
        expect_asked(&s, "GET /a/-/wait?timeout=30 HTTP/1.1\r\n", "");
    }
    END(self);
}

TEST(remote, a_wait_asks_again_and_a_kill_is_told)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    http_script s = http_script_start(self);
    gr_address a = at(&s, "/a");
    gr_message *result = NULL;
    http_script_answer_raw(&s, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    http_script_answer_raw(&s, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    http_script_answer(&s, "200 OK\r\n", "{\"killed\":true}");
    CHECK_EQ(gr_wait(self, a, &result, GR_FOREVER), GR_EKILLED);
    CHECK(!gr_killed(self));
    CHECK_STR(harness_error(gr_body(result)), "killed");
    FREE(result);
    for (int i = 0; i < 3; i++) expect_asked(&s, "GET /a/-/wait", "");
    /* It has ended while nobody asked. */
    http_script_answer_raw(&s, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    http_script_answer(&s, "404 Not Found\r\n" PROBLEM, "{}");
    CHECK_EQ(gr_wait(self, a, &result, GR_FOREVER), GR_EDEAD);
    for (int i = 0; i < 2; i++) expect_asked(&s, "GET /a/-/wait", "");
    END(self);
}

/* A proxy that gives up before the other side says that nothing has happened yet is asked for less; not for ever. */
TEST(remote, a_wait_through_an_impatient_proxy_goes_on)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    http_script s = http_script_start(self);
    gr_address a = at(&s, "/a");
    gr_message *result = NULL;
    http_script_answer(&s, "504 Gateway Timeout\r\nContent-Type: text/html\r\n", "<html>");
    http_script_answer(&s, "408 Request Timeout\r\nContent-Type: text/html\r\n", "<html>");
    http_script_answer_raw(&s, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    http_script_answer(&s, "200 OK\r\n", "{\"exit\":7}");
    CHECK_OK(gr_wait(self, a, &result, GR_FOREVER));
    CHECK_EQ(gr_int(gr_body(result), 0), 7);
    FREE(result);
    expect_asked(&s, "GET /a/-/wait?timeout=30", "");
    expect_asked(&s, "GET /a/-/wait?timeout=15", "");
    for (int i = 0; i < 2; i++) expect_asked(&s, "GET /a/-/wait?timeout=7", "");
    for (int i = 0; i < 5; i++) http_script_answer(&s, "504 Gateway Timeout\r\nContent-Type: text/html\r\n", "<html>");
    CHECK_EQ(gr_wait(self, a, &result, GR_FOREVER), GR_ETIMEOUT);
    for (int i = 0; i < 5; i++) expect_asked(&s, "GET /a/-/wait", "");
    END(self);
}

static void returns_one(gr_self *self, gr_value args)
{
    (void)args;
    CHECK_OK(gr_return(self, "i", 1));
}

TEST(remote, wait_all_takes_both_kinds)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    http_script s = http_script_start(self);
    gr_address all[3] = {GR_NO_ADDRESS, at(&s, "/a"), at(&s, "/b")};
    gr_message *records = NULL;
    CHECK_OK(gr_spawn_with(self, &all[0], returns_one, OPTIONS(.retain = true), "n"));
    http_script_answer(&s, "200 OK\r\n", "{\"exit\":2}");
    http_script_answer(&s, "200 OK\r\n", "{\"exception\":\"why\"}");
    CHECK_OK(gr_wait_all(self, all, 3, &records, SOON));
    CHECK_VALUE(gr_body(records), "[{s:A,s:i},{s:A,s:i},{s:A,s:s}]", "address", all[0], "exit", 1, "address", all[1],
                "exit", 2, "address", all[2], "exception", "why");
    FREE(records);
    CHECK_EQ(gr_forget(all[0]), GR_EDEAD); /* this was its one wait */
    for (int i = 0; i < 2; i++) expect_asked(&s, "GET", "");
    /* One that fails leaves the records of the others. */
    CHECK_OK(gr_spawn_with(self, &all[0], returns_one, OPTIONS(.retain = true), "n"));
    http_script_answer(&s, "404 Not Found\r\n" PROBLEM, "{}");
    CHECK_EQ(gr_wait_all(self, all, 3, &records, SOON), GR_EDEAD);
    CHECK_OK(gr_forget(all[0]));
    END(self);
}

/* ---- kills, lookups, spawning ---- */

TEST(remote, a_kill_is_queued_and_one_that_waits_tells)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    http_script s = http_script_start(self);
    gr_address a = at(&s, "/a");
    http_script_answer(&s, "200 OK\r\n", "{\"killed\":true}");
    CHECK_OK(gr_kill(a));
    expect_asked(&s, "DELETE /a HTTP/1.1\r\n", "");
    http_script_answer(&s, "404 Not Found\r\n" PROBLEM, "{}");
    CHECK_OK(gr_kill_now(a));
    expect_asked(&s, "DELETE /a HTTP/1.1\r\n", "");
    http_script_answer(&s, "202 Accepted\r\n", "{\"killed\":false}");
    CHECK_OK(gr_remote_kill(self, a, SOON));
    http_script_answer(&s, "404 Not Found\r\n" TEXT_TYPE, "Not Found\n");
    CHECK_EQ(gr_remote_kill(self, a, SOON), GR_EDEAD);
    http_script_answer(&s, "401 Unauthorized\r\n", "");
    CHECK_EQ(gr_remote_kill(self, a, SOON), GR_EDENIED);
    END(self);
}

TEST(remote, lookup_asks_and_spawn_asks_who_is_there)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    http_script s = http_script_start(self);
    char url[80];
    gr_address a = at(&s, "/a"), found = GR_NO_ADDRESS;
    snprintf(url, sizeof url, "%s/%%61", s.url);
    http_script_answer(&s, "200 OK\r\n" JSON_TYPE, "");
    CHECK_OK(gr_remote_lookup(self, url, &found, SOON));
    CHECK(gr_address_equal(found, a));
    expect_asked(&s, "HEAD /a HTTP/1.1\r\n", "");
    http_script_answer_raw(&s, "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nConnection: close\r\n\r\n");
    CHECK_EQ(gr_remote_lookup(self, url, &found, SOON), GR_ENOTFOUND);
    expect_asked(&s, "HEAD /a HTTP/1.1\r\n", "");
    CHECK_EQ(gr_lookup(url, &found), GR_ENOTFOUND); /* this one asks nobody */

    static const struct {
        const char *head;
        int code;
    } puts[] = {{"202 Accepted\r\n", 0},
                {"201 Created\r\n", 0},
                {"404 Not Found\r\n" PROBLEM, GR_ENOTFOUND},
                {"409 Conflict\r\n" PROBLEM, GR_EEXISTS},
                {"422 Unprocessable Content\r\n" PROBLEM, GR_ETYPE},
                {"401 Unauthorized\r\n" PROBLEM, GR_EDENIED},
                {"503 Service Unavailable\r\n" PROBLEM, GR_EFULL}};
    for (size_t i = 0; i < sizeof puts / sizeof *puts; i++) {
        http_script_answer_raw(&s, i % 2 ? "HTTP/1.1 200 OK\r\nETag: \"x\"\r\nConnection: close\r\n\r\n"
                                         : "HTTP/1.1 404 Not Found\r\n" PROBLEM "Connection: close\r\n\r\n");
        http_script_answer(&s, puts[i].head, "{\"detail\":\"because\"}");
        found = GR_NO_ADDRESS;
        CHECK_EQ(gr_spawn_remote(self, &found, url, "b", SOON, "{s:i}", "n", 1), puts[i].code);
        CHECK(gr_address_equal(found, puts[i].code == 0 ? a : GR_NO_ADDRESS));
        expect_asked(&s, "HEAD /a HTTP/1.1\r\n", "");
        expect_asked(&s, "PUT /a HTTP/1.1\r\n", "{\"behaviour\":\"b\",\"args\":{\"n\":1}}");
    }
    /* python-actors would execute it: nothing is sent. */
    http_script_answer_raw(&s, "HTTP/1.1 404 Not Found\r\n" TEXT_TYPE "Connection: close\r\n\r\n");
    CHECK_EQ(gr_spawn_remote_value(self, &found, url, "b", (gr_value){NULL}, SOON), GR_EUNSUPPORTED);
    expect_asked(&s, "HEAD /a HTTP/1.1\r\n", "");
    http_script_answer_raw(&s, "HTTP/1.1 200 OK\r\n" JSON_TYPE "Connection: close\r\n\r\n");
    CHECK_EQ(gr_spawn_remote_value(self, &found, url, "b", (gr_value){NULL}, SOON), GR_EUNSUPPORTED);
    expect_asked(&s, "HEAD /a HTTP/1.1\r\n", "");
    CHECK_EQ(gr_spawn_remote(self, &found, url, NULL, SOON, "n"), GR_EINVAL);
    CHECK_EQ(gr_spawn_remote(self, &found, "http://a/-/x", "b", SOON, "n"), GR_EINVAL);
    EXPECT_NOTHING(self);
    END(self);
}

/* ---- casts ---- */

TEST(remote, casts_arrive_in_order_and_are_tried_again)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    http_script s = http_script_start(self);
    gr_address a = at(&s, "/a");
    http_script_answer(&s, "503 Service Unavailable\r\nRetry-After: 0\r\n", "");
    for (int i = 0; i < 5; i++) {
        http_script_answer(&s, "202 Accepted\r\n", "Accepted\n");
        CHECK_OK(gr_cast(self, a, "i", i));
    }
    expect_asked(&s, "POST /a HTTP/1.1\r\n", "0"); /* full */
    for (int i = 0; i < 5; i++) expect_asked(&s, "POST /a HTTP/1.1\r\n", (char[]){(char)('0' + i), '\0'});
    /* Later, and to many. */
    http_script_answer(&s, "202 Accepted\r\n", "");
    CHECK_OK(gr_cast_after(self, NULL, a, gr_after_ms(1), "s", "later"));
    expect_asked(&s, "POST /a HTTP/1.1\r\n", "\"later\"");
    gr_message *m = NULL;
    gr_address both[2] = {a, gr_self_address(self)};
    http_script_answer(&s, "202 Accepted\r\n", "");
    CHECK_OK(gr_pack(&m, "{s:s}", "for", "everybody"));
    CHECK_EQ(gr_multicast(self, both, 2, &m), 2);
    for (int i = 0; i < 2; i++) {
        m = RECEIVE(self);
        gr_value body = gr_get(gr_body(m), "body");
        if (body.at)
            CHECK_STR(gr_string(body, ""), "{\"for\":\"everybody\"}");
        else
            CHECK_VALUE(gr_body(m), "{s:s}", "for", "everybody");
        FREE(m);
    }
    END(self);
}

TEST(remote, what_is_not_delivered_is_a_dead_letter)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    http_script s = http_script_start(self);
    gr_address a = at(&s, "/a");
    const uint64_t before = harness_counters().dead_letters;
    static const char *const answers[] = {"404 Not Found\r\n", "401 Unauthorized\r\n", "500 Internal Server Error\r\n"};
    for (size_t i = 0; i < 3; i++) {
        http_script_answer(&s, answers[i], "");
        CHECK_OK(gr_cast(self, a, "i", 1));
        expect_asked(&s, "POST", NULL);
    }
    http_script_answer_raw(&s, ""); /* it may have been done: not tried again */
    CHECK_OK(gr_cast(self, a, "i", 1));
    expect_asked(&s, "POST", NULL);
    WAIT_FOR(self, harness_counters().dead_letters == before + 4);
    CHECK_OK(gr_letters_to(gr_self_address(self)));
    http_script_answer(&s, "404 Not Found\r\n", "");
    CHECK_OK(gr_cast(self, a, "{s:i}", "n", 7));
    expect_asked(&s, "POST", NULL);
    EXPECT(self, "{s:s,s:A,s:A,s:{s:i}}", "dead_letter", "lost", "to", a, "from", gr_self_address(self), "message", "n",
           7);
    CHECK_OK(gr_letters_to(GR_NO_ADDRESS));
    CHECK_EQ(gr_cast(self, a, "{s:s,s:s,s:n,s:n}", "remotecall", "x", "method", "m", "message", "timeout"), GR_EINVAL);
    EXPECT_NOTHING(self);
    END(self);
}

TEST(remote, a_full_queue_refuses_and_a_stop_ends_it)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    http_script s = http_script_start(self);
    gr_address a = at(&s, "/a");
    int code = 0, taken = 0;
    while ((code = gr_cast(self, a, "i", taken)) == 0) taken++;
    CHECK_EQ(code, GR_EFULL);
    /* One is on its way, perhaps. */
    CHECK(taken == GR_REMOTE_QUEUE_MAX || taken == GR_REMOTE_QUEUE_MAX + 1);
    CHECK_OK(gr_kill(a)); /* that queue is another one */
    END(self);            /* whoever carries them is killed */
    CHECK_EQ(gri_sockets_open(), 0);
}

TEST(remote, a_trace_goes_along)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    http_script s = http_script_start(self);
    gr_address a = at(&s, "/a");
    gr_trace trace;
    char text[GR_TRACE_TEXT_BYTES], field[GR_TRACE_TEXT_BYTES + 16];
    for (int within = 0; within < 2; within++) {
        if (within) {
            CHECK_OK(gr_trace_new(&trace));
            CHECK_OK(gr_trace_set(self, &trace));
            CHECK_OK(gr_trace_get(self, &trace));
            snprintf(field, sizeof field, "\r\ntraceparent: %s\r\n", gr_trace_print(&trace, text));
        }
        http_script_answer(&s, "202 Accepted\r\n", "{\"response\":\"\",\"message\":1}");
        CHECK_OK(gr_call(self, NULL, a, "m", SOON, "n"));
        http_script_answer(&s, "202 Accepted\r\n", "");
        CHECK_OK(gr_cast(self, a, "n"));
        gr_message *asked[2] = {NULL, NULL};
        for (int i = 0; i < 2; i++) asked[i] = http_script_asked(&s);
        for (int i = 0; i < 2; i++) {
            const char *head = gr_string(gr_get(gr_body(asked[i]), "head"), "");
            CHECK((strstr(head, within ? field : "traceparent") != NULL) == (within == 1));
            FREE(asked[i]);
        }
    }
    END(self);
}

/* ---- tokens ---- */

static bool has_token(http_script *s, const char *token)
{
    char field[320];
    gr_message *m = http_script_asked(s);
    const char *head = gr_string(gr_get(gr_body(m), "head"), "");
    snprintf(field, sizeof field, "\r\nAuthorization: Bearer %s\r\n", token);
    bool has = token ? strstr(head, field) != NULL : strstr(head, "uthorization") != NULL;
    FREE(m);
    return has;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    CHECK(file);
    CHECK(fputs(text, file) >= 0);
    CHECK_OK(fclose(file));
    CHECK_OK(chmod(path, mode));
}

TEST(remote, a_token_goes_to_its_server_only)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    http_script s = http_script_start(self), other = http_script_start(self);
    gr_detail detail;
    const gr_remote_token tokens[] = {{s.url, "secret"}, {"http://127.0.0.1", "wrong"}};
    CHECK_OK(gr_remote_configure(&(gr_remote_options){.tokens = tokens, .token_count = 2}, &detail));
    http_script_answer(&s, "404 Not Found\r\n", "");
    CHECK_EQ(gr_call(self, NULL, at(&s, "/a"), "m", SOON, "n"), GR_EDEAD);
    CHECK(has_token(&s, "secret"));
    http_script_answer(&other, "404 Not Found\r\n", "");
    CHECK_EQ(gr_call(self, NULL, at(&other, "/a"), "m", SOON, "n"), GR_EDEAD);
    CHECK(!has_token(&other, NULL));
    /* From a file. */
    char folder[] = "/tmp/greenroom-test.XXXXXX", path[64], text[256];
    CHECK(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/tokens", folder);
    snprintf(text, sizeof text, "# ours\n\n  %s \t from-a-file \n%s second", s.url, other.url);
    write_file(path, text, 0600);
    const gr_remote_options by_file = {.token_file = path};
    CHECK_OK(gr_remote_configure(&by_file, &detail));
    http_script_answer(&s, "202 Accepted\r\n", "");
    CHECK_OK(gr_cast(self, at(&s, "/a"), "n"));
    CHECK(has_token(&s, "from-a-file"));
    http_script_answer(&other, "202 Accepted\r\n", "");
    CHECK_OK(gr_kill(at(&other, "/a")));
    CHECK(has_token(&other, "second"));
    CHECK_OK(chmod(path, 0640));
    CHECK_EQ(gr_remote_configure(&by_file, &detail), GR_EINVAL);
    CHECK(strstr(detail.text, "0600"));
    write_file(path, "http://a x\nhttp://a\n", 0600);
    CHECK_EQ(gr_remote_configure(&by_file, &detail), GR_EINVAL);
    CHECK(strstr(detail.text, "line 2"));
    CHECK_OK(unlink(path));
    CHECK_EQ(gr_remote_configure(&by_file, &detail), GR_ESYSTEM);
    CHECK_OK(rmdir(folder));
    static const gr_remote_token bad[] = {{NULL, "x"},           {"a", "x"},       {"http://a/x", "x"},
                                          {"http://a", NULL},    {"http://a", ""}, {"http://a", "x y"},
                                          {"http://a", "x\r\ny"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_EQ(gr_remote_configure(&(gr_remote_options){.tokens = &bad[i], .token_count = 1}, &detail), GR_EINVAL);
        CHECK(detail.text[0]);
    }
    /* What failed has changed nothing. */
    http_script_answer(&s, "202 Accepted\r\n", "");
    CHECK_OK(gr_cast(self, at(&s, "/a"), "n"));
    CHECK(has_token(&s, "from-a-file"));
    CHECK_OK(gr_remote_configure(NULL, NULL));
    END(self);
}

/* ---- addresses in texts ---- */

static int parse_url(const char *url, gr_address *ret_address, gr_detail *ret_detail)
{
    char text[512];
    gr_message *m = NULL;
    const gr_parse_options options = {.addresses = gr_remote_form()};
    snprintf(text, sizeof text, "{\"_pyact_address\":\"%s\"}", url);
    int code = gr_parse(text, strlen(text), &options, &m, ret_detail);
    if (code == 0) *ret_address = gr_address_in(gr_body(m));
    FREE(m);
    return code;
}

static void check_printed(gr_address address, const char *expected)
{
    char text[512], wanted[512];
    unsigned char storage[64];
    gr_value value;
    const gr_print_options options = {.addresses = gr_remote_form()};
    CHECK_OK(gr_pack_into(storage, sizeof storage, &value, "A", address));
    CHECK_OK(gr_print(value, &options, text, sizeof text, NULL));
    snprintf(wanted, sizeof wanted, "{\"_pyact_address\":\"%s\"}", expected);
    CHECK_STR(text, wanted);
}

TEST(remote, urls_from_outside_need_permission)
{
    gr_self *self = BEGIN_WITH(.remote_allow = "http://a.example:*/ok, https://*.b.example");
    gr_address a = GR_NO_ADDRESS, b = GR_NO_ADDRESS;
    gr_detail detail;
    CHECK_OK(parse_url("http://A.example:7580/ok/x", &a, &detail));
    CHECK(gr_is_remote(a));
    CHECK_OK(gr_remote_address("http://a.example:7580/ok/x", &b, NULL));
    CHECK(gr_address_equal(a, b));
    CHECK_OK(parse_url("https://c.b.example/x", &a, &detail));
    static const char *const refused[] = {"http://a.example/no", "http://a.example/okay", "https://b.example/x",
                                          "http://127.0.0.1:22/x"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        CHECK_EQ(parse_url(refused[i], &a, &detail), GR_EDENIED);
        CHECK(strstr(detail.text, "GREENROOM_REMOTE_ALLOW"));
        CHECK(strstr(detail.text, "a.example:*/ok"));
        CHECK_OK(gr_remote_address(refused[i], &a, NULL)); /* who asks by itself needs none */
    }
    CHECK_EQ(parse_url("http://a.example:7580/ok/../x", &a, &detail), GR_EINVAL);
    CHECK_EQ(parse_url("http://a.example:7580", &a, &detail), GR_EINVAL);
    /* What is no URL is a text of this process, or dead. */
    char text[GR_ADDRESS_TEXT_BYTES];
    CHECK_OK(parse_url("nobody", &a, &detail));
    CHECK(gr_address_equal(a, GR_DEAD_ADDRESS));
    CHECK_OK(parse_url(gr_address_print(gr_self_address(self), text), &a, &detail));
    CHECK(gr_address_equal(a, gr_self_address(self)));
    CHECK_OK(parse_url(gr_address_print(b, text), &a, &detail)); /* never printed for outside */
    CHECK(gr_address_equal(a, GR_DEAD_ADDRESS));
    END(self);
}

TEST(remote, nothing_is_permitted_by_default)
{
    gr_self *self = BEGIN();
    gr_address a;
    gr_detail detail;
    CHECK_EQ(parse_url("http://a.example/x", &a, &detail), GR_EDENIED);
    CHECK(strstr(detail.text, "empty"));
    CHECK(detail.line == 1 && detail.column > 1);
    CHECK_EQ(gr_start(&(gr_options){.remote_allow = "nonsense"}, &detail), GR_EINVAL);
    CHECK(strstr(detail.text, "nonsense"));
    END(self);
}

TEST(remote, the_public_url_stands_for_this_process)
{
    gr_self *self = BEGIN();
    gr_address me = gr_self_address(self), a;
    gr_detail detail;
    char text[GR_ADDRESS_TEXT_BYTES], url[256];
    gr_address_print(me, text);
    check_printed(me, text); /* there is none yet */
    CHECK_EQ(gr_remote_url(me, url, sizeof url), GR_ENOTFOUND);
    CHECK_OK(gr_remote_configure(&(gr_remote_options){.public_url = "HTTP://Me.example:7580/app/"}, &detail));
    snprintf(url, sizeof url, "http://me.example:7580/app/%s", text);
    check_printed(me, url);
    CHECK_OK(parse_url(url, &a, &detail));
    CHECK(gr_address_equal(a, me));
    CHECK_OK(gr_remote_address(url, &a, NULL));
    CHECK(gr_address_equal(a, me));
    CHECK_OK(gr_register(me, "test/it"));
    CHECK_OK(parse_url("http://me.example:7580/app/test/%69t", &a, &detail));
    CHECK(gr_address_equal(a, me));
    CHECK_OK(parse_url("http://me.example:7580/app/nobody", &a, &detail));
    CHECK(gr_address_equal(a, GR_DEAD_ADDRESS));
    CHECK_EQ(parse_url("http://me.example:7580/other", &a, &detail), GR_EDENIED);
    CHECK_EQ(parse_url("http://me.example:7581/app/test/it", &a, &detail), GR_EDENIED);
    CHECK_OK(gr_remote_address("http://you.example/x", &a, NULL));
    check_printed(a, "http://you.example/x");
    gr_address_print(GR_DEAD_ADDRESS, text);
    check_printed(GR_DEAD_ADDRESS, text);
    static const char *const bad[] = {"me.example", "http://", "http://me/x?y", "http://me//x", "http://me/-"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_EQ(gr_remote_configure(&(gr_remote_options){.public_url = bad[i]}, &detail), GR_EINVAL);
    snprintf(url, sizeof url, "http://me.example:7580/app/%s", gr_address_print(me, text));
    check_printed(me, url); /* what failed has changed nothing */
    CHECK_OK(gr_remote_configure(NULL, NULL));
    check_printed(me, text);
    END(self);
}
