/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/http_target.h"

#include "support/test.h"

static bool path_ok(const char *path)
{
    size_t where;
    return gri_http_path_check(path, strlen(path), &where) == NULL;
}

static size_t path_bad_at(const char *path)
{
    size_t where = 12345;
    CHECK(gri_http_path_check(path, strlen(path), &where) != NULL);
    return where;
}

TEST(http_target, paths)
{
    CHECK(path_ok("/"));
    CHECK(path_ok("/a/b/-/call/x"));
    CHECK(path_ok("/a%20b"));
    CHECK(path_ok("/..."));
    CHECK(path_ok("/.a/..b/a.."));
    CHECK(path_ok("//"));
    CHECK_EQ(path_bad_at(""), 0);
    CHECK_EQ(path_bad_at("a"), 0);
    CHECK_EQ(path_bad_at("/a b"), 2);
    CHECK_EQ(path_bad_at("/a%"), 2);
    CHECK_EQ(path_bad_at("/a%2"), 2);
    CHECK_EQ(path_bad_at("/a%zz"), 2);
    CHECK_EQ(path_bad_at("/a%1z"), 2);
    CHECK_EQ(path_bad_at("/a%1/"), 2);
    CHECK_EQ(path_bad_at("/a%00"), 2);
    CHECK_EQ(path_bad_at("/a%2fb"), 2);
    CHECK_EQ(path_bad_at("/a%2Fb"), 2);
    CHECK_EQ(path_bad_at("/./b"), 2);
    path_bad_at("/..");
    path_bad_at("/a/.");
    path_bad_at("/%2e%2E/x");
    path_bad_at("/.%2e");
    path_bad_at("/a#b");
    path_bad_at("/a\\b");
    path_bad_at("/\xc3\xa9");
}

/* Every byte, raw and encoded, in a path: exactly these raw ones are allowed, and all encoded ones but NUL and slash. */
TEST(http_target, every_byte_in_a_path)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/";
    for (int c = 1; c < 256; c++) {
        size_t where;
        char raw[] = {'/', 'x', (char)c, '\0'}, encoded[16];
        CHECK_EQ(gri_http_path_check(raw, 3, &where) == NULL, strchr(allowed, c) != NULL);
        snprintf(encoded, sizeof encoded, "/x%%%02X", (unsigned)c);
        CHECK_EQ(gri_http_path_check(encoded, 5, &where) == NULL, c != '/');
    }
    size_t where;
    CHECK(gri_http_path_check("/x\0", 3, &where) != NULL);
}

TEST(http_target, queries)
{
    size_t where;
    CHECK(gri_http_query_check("", 0, &where) == NULL);
    CHECK(gri_http_query_check("a=b&c=%00%2F?/", 14, &where) == NULL);
    CHECK(gri_http_query_check("a b", 3, &where) != NULL);
    CHECK_EQ(where, 1);
    CHECK(gri_http_query_check("a%4", 3, &where) != NULL);
    CHECK(gri_http_query_check("a[]", 3, &where) != NULL);
    CHECK(gri_http_query_check("#", 1, &where) != NULL);
}

static bool authority_ok(const char *text)
{
    return gri_http_authority_valid(text, strlen(text));
}

TEST(http_target, authorities)
{
    CHECK(authority_ok("localhost"));
    CHECK(authority_ok("localhost:7580"));
    CHECK(authority_ok("127.0.0.1:80"));
    CHECK(authority_ok("[::1]:80"));
    CHECK(authority_ok("[::1]"));
    CHECK(authority_ok("a_b.c-d:65535"));
    CHECK(!authority_ok(""));
    CHECK(!authority_ok(":80"));
    CHECK(!authority_ok("a:"));
    CHECK(!authority_ok("a:x"));
    CHECK(!authority_ok("a:+1"));
    CHECK(!authority_ok("[::g]"));
    CHECK(authority_ok("[::ffff:127.0.0.1]:1"));
    char text[270];
    memset(text, 'a', sizeof text);
    CHECK(gri_http_authority_valid(text, 261));
    CHECK(!gri_http_authority_valid(text, 262));
    CHECK(!authority_ok("a:65536"));
    CHECK(!authority_ok("a:000080"));
    CHECK(!authority_ok("a:1:2"));
    CHECK(!authority_ok("user@a"));
    CHECK(!authority_ok("a/b"));
    CHECK(!authority_ok("a b"));
    CHECK(!authority_ok("a,b"));
    CHECK(!authority_ok("a%41"));
    CHECK(!authority_ok("::1"));
    CHECK(!authority_ok("[::1"));
    CHECK(!authority_ok("[]"));
    CHECK(!authority_ok("[:]"));
    CHECK(!authority_ok("[::1]x"));
    CHECK(!authority_ok("[fe80::1%25eth0]"));
}

TEST(http_target, decoding_happens_once_and_in_place)
{
    char text[] = "/a%2541%c3%A9%";
    size_t bytes = gri_http_percent_decode(text, strlen(text), text);
    CHECK_EQ(bytes, 8);
    CHECK(memcmp(text, "/a%41\xc3\xa9%", bytes) == 0);
}

TEST(http_target, encoding)
{
    char out[64];
    size_t bytes = gri_http_percent_encode("/a b%\xc3\xa9~", 8, out);
    CHECK_EQ(bytes, 16);
    CHECK(memcmp(out, "/a%20b%25%C3%A9~", 16) == 0);
    CHECK_EQ(gri_http_percent_decode(out, bytes, out), 8);
    CHECK(memcmp(out, "/a b%\xc3\xa9~", 8) == 0);
}
