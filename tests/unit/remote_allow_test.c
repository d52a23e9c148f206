/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The list of what is allowed: which texts are lists, and what they allow. */
#include "actor/remote_allow.h"
#include "support/test.h"

#include <stdio.h>

TEST(remote_allow, texts_that_are_lists)
{
    static const char *const lists[] = {
        "",
        "*",
        "http://a",
        "http://a:1",
        "HTTPS://A.example:65535/x/y",
        "http://[::1]:*",
        "http://[fe80::1]",
        "http://*.example.org",
        "http://*.example.org:*/x/",
        " http://a , https://b ",
        "http://10.0.0.2:7580,*",
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (!gri_allow_is_list(lists[i])) TEST_FAIL("refused: \"%s\"", lists[i]);
}

TEST(remote_allow, texts_that_are_none)
{
    static const char *const others[] = {
        ",",
        "http://a,",
        ",http://a",
        "http://a,,http://b",
        "a",
        "a:80",
        "//a",
        "http:",
        "http://",
        "http:///x",
        "ftp://a",
        "http//a",
        "http://a:",
        "http://a:0",
        "http://a:65536",
        "http://a:08",
        "http://a:8x",
        "http://*",
        "http://*:80",
        "http://*.",
        "http://a*b",
        "http://*a",
        "http://a.*",
        "http://user@a",
        "http://a/x?y",
        "http://a/x#y",
        "http://a/*",
        "http://a b",
        "http://[::1",
        "http://[::g]",
        "http://[]",
        "**",
        "http://a;https://b",
        "http://\xc3\xa4",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (gri_allow_is_list(others[i])) TEST_FAIL("taken: \"%s\"", others[i]);
}

static void check(const char *list, const char *url, bool allowed)
{
    if (gri_allow_permits(list, url) != allowed)
        TEST_FAIL("\"%s\" %s %s", list, allowed ? "should allow" : "should not allow", url);
}

TEST(remote_allow, hosts_and_ports)
{
    check("", "http://a/x", false);
    check("*", "http://a/x", true);
    check("*", "https://[::1]:1/x", true);
    check("http://a", "http://a/x", true);
    check("HTTP://A", "http://a/x", true);
    check("http://a", "https://a/x", false);
    check("https://a", "http://a/x", false);
    check("http://a", "http://a:81/x", false);
    check("http://a:80", "http://a/x", true);
    check("http://a", "http://a:80/x", true);
    check("https://a:443", "https://a/x", true);
    check("http://a:443", "https://a/x", false);
    check("http://a:*", "http://a:7580/x", true);
    check("http://a:*", "https://a:7580/x", false);
    check("http://a", "http://ab/x", false);
    check("http://ab", "http://a/x", false);
    check("http://a", "http://b.a/x", false);
    check("http://[::1]", "http://[::1]/x", true);
    check("http://[::1]:7580", "http://[::1]:7580/x", true);
    check("http://[::1]:7580", "http://[::2]:7580/x", false);
    check("http://a, https://b:1 ,http://c", "https://b:1/x", true);
    check("http://a, https://b:1 ,http://c", "http://c/x", true);
    check("http://a, https://b:1 ,http://c", "http://d/x", false);
    /* Names are not looked up: another way to write an address is another host. */
    check("http://127.0.0.1", "http://0x7f000001/x", false);
    check("http://localhost", "http://127.0.0.1/x", false);
}

TEST(remote_allow, names_below_a_name)
{
    check("http://*.example.org", "http://a.example.org/x", true);
    check("http://*.example.org", "http://a.b.example.org/x", true);
    check("http://*.EXAMPLE.org", "http://a.example.org/x", true);
    check("http://*.example.org", "http://example.org/x", false);
    check("http://*.example.org", "http://.example.org/x", false);
    check("http://*.example.org", "http://aexample.org/x", false);
    check("http://*.example.org", "http://a.example.org.evil/x", false);
    check("http://*.example.org:*", "http://a.example.org:99/x", true);
}

TEST(remote_allow, paths_are_whole_segments)
{
    check("http://a/x", "http://a/x", true);
    check("http://a/x", "http://a/x/y", true);
    check("http://a/x/", "http://a/x/y", true);
    check("http://a/x", "http://a/xy", false);
    check("http://a/x", "http://a/y", false);
    check("http://a/x/y", "http://a/x", false);
    check("http://a/x", "http://a/X", false);
    check("http://a/", "http://a/x", true);
}
