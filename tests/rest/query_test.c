/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/query.h"

#include <math.h>

#include "support/test.h"

TEST(query, texts)
{
    static const struct {
        const char *query;
        enum gri_found found;
        const char *value;
    } cases[] = {
        {NULL, GRI_MISSING, ""},
        {"", GRI_MISSING, ""},
        {"a=1", GRI_FOUND, "1"},
        {"a=", GRI_FOUND, ""},
        {"a", GRI_MISSING, ""},
        {"b=2&a=1&c=3", GRI_FOUND, "1"},
        {"&&a=1&&", GRI_FOUND, "1"},
        {"a=1&a=1", GRI_BAD, ""},
        {"a=1&a=", GRI_BAD, ""},
        {"aa=1&%61=2", GRI_MISSING, ""}, /* names are not encoded */
        {"a=x%26a%3D2", GRI_FOUND, "x&a=2"},
        {"a=x+y%2Bz", GRI_FOUND, "x y+z"},
        {"a=%c3%A9", GRI_FOUND, "\xc3\xa9"},
        {"a=%ff%fe", GRI_FOUND, "\xff\xfe"},
        {"a=x%00y", GRI_BAD, ""},
        {"a=%00", GRI_BAD, ""},
        {"a=%", GRI_FOUND, "%"}, /* the server refuses such queries before */
        {"a=%4", GRI_FOUND, "%4"},
        {"a=%zz", GRI_FOUND, "%zz"},
        {"a==1", GRI_FOUND, "=1"},
        {"=1&a=2", GRI_FOUND, "2"},
        {"a=0123456789abcde", GRI_FOUND, "0123456789abcde"},
        {"a=0123456789abcdef", GRI_BAD, ""}, /* no room */
        {"a=1;a=2", GRI_FOUND, "1;a=2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char value[16];
        enum gri_found found = gri_query_text(cases[i].query, "a", value, sizeof value);
        if (found != cases[i].found || strcmp(value, cases[i].value) != 0)
            TEST_FAIL("\"%s\": %d, \"%s\"", cases[i].query ? cases[i].query : "(null)", found, value);
    }
}

TEST(query, numbers)
{
    size_t n = 0;
    CHECK(gri_query_number("x=1", "a", 7, 0, 10, &n) && n == 7);
    CHECK(gri_query_number(NULL, "a", 7, 0, 10, &n) && n == 7);
    CHECK(gri_query_number("a=0", "a", 7, 0, 10, &n) && n == 0);
    CHECK(gri_query_number("a=010", "a", 7, 0, 10, &n) && n == 10);
    static const char *const bad[] = {"a=11",
                                      "a=-1",
                                      "a=+1",
                                      "a=%201",
                                      "a=1.0",
                                      "a=0x1",
                                      "a=1e1",
                                      "a=",
                                      "a=1%00",
                                      "a=99999999999999999999999999",
                                      "a=18446744073709551617",
                                      "a=1&a=1",
                                      "a=1%20"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (gri_query_number(bad[i], "a", 7, 0, 10, &n)) TEST_FAIL("%s is %zu", bad[i], n);
    CHECK(!gri_query_number("a=4", "a", 7, 5, 10, &n));
    CHECK(gri_query_number("a=5", "a", 7, 5, 10, &n) && n == 5);
}

TEST(query, seconds)
{
    double s = 0;
    CHECK(gri_query_seconds(NULL, "a", 30, 60, &s) && s == 30);
    CHECK(gri_query_seconds("a=0", "a", 30, 60, &s) && s == 0);
    CHECK(gri_query_seconds("a=60", "a", 30, 60, &s) && s == 60);
    CHECK(gri_query_seconds("a=1.25", "a", 30, 60, &s) && fabs(s - 1.25) < 1e-9);
    CHECK(gri_query_seconds("a=1.", "a", 30, 60, &s) && s == 1);
    static const char *const bad[] = {"a=60.001",
                                      "a=-0",
                                      "a=.5",
                                      "a=nan",
                                      "a=inf",
                                      "a=1e1",
                                      "a=1.2.3",
                                      "a=",
                                      "a=1s",
                                      "a=9999999999999999999999999999",
                                      "a=99999999999999999999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (gri_query_seconds(bad[i], "a", 30, 60, &s)) TEST_FAIL("%s is %f", bad[i], s);
}
