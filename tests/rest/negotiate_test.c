/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Accept, Content-Type, If-None-Match: what clients send, and what nobody should. */
#include "rest/negotiate.h"

#include "rest/fake_request.h"
#include "support/test.h"

#define BROWSER "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

static unsigned quality(const char *accept, const char *type)
{
    fake_request r;
    fake_request_init(&r, NULL, "GET", "/", NULL);
    if (accept) fake_request_header(&r, "Accept", accept);
    return gri_accept_quality(&r.env, type);
}

TEST(negotiate, qualities)
{
    static const struct {
        const char *accept;
        unsigned json, html;
    } cases[] = {
        {NULL, 1000, 1000},
        {"", 1000, 1000},
        {"*/*", 1000, 1000},
        {"application/json", 1000, 0},
        {"APPLICATION/JSON", 1000, 0},
        {"application/*", 1000, 0},
        {"application/*;q=0.5, application/json;q=0.25", 250, 0}, /* the most specific one counts */
        {"application/json;q=0, */*", 0, 1000},
        {"text/html, */*;q=0.1", 100, 1000},
        {BROWSER, 800, 1000},
        {"text/html;level=1;q=0.7", 0, 700},
        {"text/html ; q=0.7 , application/json ;q=0.701", 701, 700},
        {"application/json;profile=\"a,b;q=0\";q=0.5", 500, 0},
        {"application/json;q=1.0", 1000, 0},
        {"application/json;q=0.000", 0, 0},
        {"application/json;q=2", 1000, 0}, /* malformed: as if it were not there */
        {"application/json;q=0.1234", 1000, 0},
        {"application/json;q=", 1000, 0},
        {"application/json;q", 1000, 0},
        {"application/jsonp, application/jso", 0, 0},
        {"text/*;q=0.3", 0, 300},
        {",,, ,", 1000, 1000},
        {"json", 0, 0},
        {"*", 0, 0},
        {"/", 0, 0},
        {"\"", 0, 0},
        {"application/json;\"", 1000, 0},
        {";q=0.5", 1000, 1000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned json = quality(cases[i].accept, "application/json"), html = quality(cases[i].accept, "text/html");
        if (json != cases[i].json || html != cases[i].html) TEST_FAIL("%s: %u, %u", cases[i].accept, json, html);
    }
    fake_request two;
    fake_request_init(&two, NULL, "GET", "/", NULL);
    fake_request_header(&two, "accept", "text/html;q=0.5");
    fake_request_header(&two, "Accept", "application/json;q=0.4");
    CHECK_EQ(gri_accept_quality(&two.env, "application/json"), 400);
    CHECK_EQ(gri_accept_quality(&two.env, "text/html"), 500);
    CHECK_EQ(gri_accept_quality(&two.env, "text/plain"), 0);
}

static bool page(const char *accept)
{
    fake_request r;
    fake_request_init(&r, NULL, "GET", "/", NULL);
    if (accept) fake_request_header(&r, "Accept", accept);
    return gri_accept_page(&r.env);
}

TEST(negotiate, pages_are_for_who_wants_them)
{
    CHECK(page(BROWSER));
    CHECK(page("text/html"));
    CHECK(page("text/html,*/*")); /* by name against by nothing */
    CHECK(page("text/*, application/json;q=0.9"));
    CHECK(!page(NULL));
    CHECK(!page("*/*"));
    CHECK(!page("application/json, text/html"));
    CHECK(!page("application/json"));
    CHECK(!page("text/html;q=0"));
    CHECK(!page("image/png"));
}

static bool refused(const char *type, const char *coding, int64_t bytes)
{
    fake_request r;
    fake_request_init(&r, NULL, "POST", "/", "x");
    r.env.content_length = bytes;
    if (type) fake_request_header(&r, "Content-Type", type);
    if (coding) fake_request_header(&r, "Content-Encoding", coding);
    return gri_content_refusal(&r.env) != NULL;
}

TEST(negotiate, bodies_that_say_they_are_no_json)
{
    static const char *const good[] = {"application/json",
                                       "Application/JSON",
                                       "application/json; charset=utf-8",
                                       "application/json;charset=\"UTF-8\"",
                                       "application/merge-patch+json",
                                       "application/x-www-form-urlencoded",
                                       "text/plain; charset=us-ascii",
                                       "text/json",
                                       "application/octet-stream",
                                       "application/json; profile=\"x; charset=utf-16\"",
                                       ""};
    static const char *const bad[] = {"application/xml",
                                      "text/html",
                                      "multipart/form-data; boundary=x",
                                      "application/cbor",
                                      "application/json; charset=utf-16",
                                      "application/json;charset=iso-8859-1",
                                      "application/jsonx",
                                      "application/+json",
                                      "json",
                                      "image/svg+xml",
                                      "application"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (refused(good[i], NULL, 1)) TEST_FAIL("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!refused(bad[i], NULL, -1)) TEST_FAIL("not refused: %s", bad[i]);
    CHECK(!refused(NULL, NULL, 1));
    CHECK(!refused("application/xml", NULL, 0)); /* no body, nothing said */
    CHECK(!refused(NULL, "identity", 1));
    CHECK(refused(NULL, "gzip", 1));
    CHECK(refused("application/json", "br", -1));
}

static bool known(const char *first, const char *second)
{
    fake_request r;
    fake_request_init(&r, NULL, "GET", "/", NULL);
    if (first) fake_request_header(&r, "If-None-Match", first);
    if (second) fake_request_header(&r, "if-none-match", second);
    return gri_tag_known(&r.env, "\"a-1\"");
}

TEST(negotiate, entity_tags)
{
    CHECK(known("\"a-1\"", NULL));
    CHECK(known("W/\"a-1\"", NULL));
    CHECK(known(" \"b\" ,\t\"a-1\" ", NULL));
    CHECK(known("\"b\",W/\"a-1\",\"c\"", NULL));
    CHECK(known("\"x,y\",\"a-1\"", NULL));
    CHECK(known("\"b\"", "\"a-1\""));
    CHECK(known("*", NULL));
    CHECK(!known(NULL, NULL));
    CHECK(!known("", NULL));
    CHECK(!known("a-1", NULL));
    CHECK(!known("\"a-1", NULL));
    CHECK(!known("\"a-10\"", NULL));
    CHECK(!known("\"a-\"", NULL));
    CHECK(!known("w/\"a-1\"", NULL)); /* W is a capital */
    CHECK(!known("\"x,\"a-1\"", NULL));
    CHECK(!known("W/", NULL));
    CHECK(!known(",", ",,"));
}
