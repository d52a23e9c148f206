/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* URLs of actors in normal form. */
#include "io/remote_http.h"
#include "support/test.h"

#include <string.h>

static void check_normal(const char *text, bool is_base, const char *expected)
{
    char url[GR_REMOTE_URL_BYTES] = "untouched";
    const char *why = NULL;
    int code = gri_remote_url_normal(text, strlen(text), is_base, url, &why);
    if (!expected) {
        CHECK_EQ(code, GR_EINVAL);
        CHECK(why && *why);
        CHECK_STR(url, "untouched");
        return;
    }
    if (code != 0) TEST_FAIL("%s: %s", text, why);
    CHECK_STR(url, expected);
    CHECK_OK(gri_remote_url_normal(url, strlen(url), is_base, url, &why)); /* once more changes nothing */
    CHECK_STR(url, expected);
}

TEST(remote_url, equal_ones_have_one_text)
{
    check_normal("http://a/x", false, "http://a/x");
    check_normal("HTTP://LocalHost:80/Name", false, "http://localhost/Name");
    check_normal("https://A.example:443/x", false, "https://a.example/x");
    check_normal("https://a:80/x", false, "https://a:80/x");
    check_normal("http://[::1]:7580/x/y", false, "http://[::1]:7580/x/y");
    check_normal("http://a/%61%2D%7e", false, "http://a/a-~");
    check_normal("http://a/b%20c%c3%A4", false, "http://a/b%20c%C3%A4");
    check_normal("http://a/x*y,z", false, "http://a/x%2Ay%2Cz");
    check_normal("http://a/x@y:z!$&'()+;=", false, "http://a/x@y:z!$&'()+;=");
    check_normal("http://a/x/-y/--", false, "http://a/x/-y/--");
}

TEST(remote_url, those_that_are_none)
{
    static const char *const texts[] = {
        "",
        "x",
        "/x",
        "ftp://a/x",
        "http:a/x",
        "http://a",
        "http://a/",
        "http:///x",
        "http://a/x/",
        "http://a//x",
        "http://a/x//y",
        "http://a/-",
        "http://a/-/x",
        "http://a/x/-/wait",
        "http://a/%2d/x",
        "http://a/.",
        "http://a/../x",
        "http://a/%2e%2E/x",
        "http://a/x%2fy",
        "http://a/x%00",
        "http://a/x%0a",
        "http://a/x%7F",
        "http://a/x%",
        "http://a/x%2",
        "http://a/x%zz",
        "http://a/x%ff",
        "http://a/x?y",
        "http://a/x#y",
        "http://a?x",
        "http://u@a/x",
        "http://u:p@a/x",
        "http://a:0/x",
        "http://a:65536/x",
        "http://a b/x",
        "http://a/x y",
        "http://a/x\ny",
        "http://*/x",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char url[GR_REMOTE_URL_BYTES];
        const char *why = NULL;
        if (gri_remote_url_normal(texts[i], strlen(texts[i]), false, url, &why) == 0) TEST_FAIL("taken: %s", texts[i]);
        CHECK(why && *why);
    }
    char url[GR_REMOTE_URL_BYTES];
    const char *why;
    CHECK_EQ(gri_remote_url_normal("http://a/x\0y", 12, false, url, &why), GR_EINVAL);
}

TEST(remote_url, of_any_length)
{
    char text[8 * GR_REMOTE_URL_BYTES], url[GR_REMOTE_URL_BYTES];
    const char *why;
    for (size_t bytes = GR_REMOTE_URL_BYTES - 40; bytes < GR_REMOTE_URL_BYTES + 40; bytes++) {
        memset(text, 'x', bytes);
        memcpy(text, "http://a/", 9);
        int code = gri_remote_url_normal(text, bytes, false, url, &why);
        CHECK_EQ(code, bytes < GR_REMOTE_URL_BYTES ? 0 : GR_EINVAL);
    }
    /* Escapes make it longer, or shorter. */
    strcpy(text, "http://a/");
    for (int i = 0; i < 1000; i++) strcat(text, "%61");
    CHECK_OK(gri_remote_url_normal(text, strlen(text), false, url, &why));
    CHECK_EQ(strlen(url), 1009);
    memset(text, '*', 1000);
    memcpy(text, "http://a/", 9);
    CHECK_EQ(gri_remote_url_normal(text, 1000, false, url, &why), GR_EINVAL);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    memcpy(text, "http://a/", 9);
    CHECK_EQ(gri_remote_url_normal(text, strlen(text), false, url, &why), GR_EINVAL);
}

TEST(remote_url, bases_and_names_below_them)
{
    char name[GR_NAME_BYTES_MAX + 1];
    check_normal("http://a:7580", true, "http://a:7580");
    check_normal("http://a:7580/", true, "http://a:7580");
    check_normal("http://a/app/", true, "http://a/app");
    check_normal("http://a//", true, NULL);
    check_normal("http://a/?x", true, NULL);
    CHECK(gri_remote_url_name("http://a/app/x%20y/z", "http://a/app", name));
    CHECK_STR(name, "x y/z");
    CHECK(!gri_remote_url_name("http://a/apple", "http://a/app", name));
    CHECK(!gri_remote_url_name("http://a/app", "http://a/app", name));
    CHECK(!gri_remote_url_name("http://b/app/x", "http://a/app", name));
    CHECK_EQ(gri_remote_origin_bytes("https://a:1/x/y"), 11);
    CHECK_EQ(gri_remote_origin_bytes("https://a:1"), 11);
}
