/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "os/cpus.h"

#include "support/test.h"

#include <greenroom/error.h>

TEST(cpus, members)
{
    gri_cpus cpus;
    gri_cpus_clear(&cpus);
    CHECK_EQ(gri_cpus_count(&cpus), 0);
    CHECK_EQ(gri_cpus_next(&cpus, 0), GRI_CPUS_NONE);
    uint32_t members[] = {0, 63, 64, 1000, GRI_CPUS_MAX - 1};
    for (size_t i = 0; i < 5; i++) gri_cpus_add(&cpus, members[i]);
    gri_cpus_add(&cpus, GRI_CPUS_MAX);
    CHECK_EQ(gri_cpus_count(&cpus), 5);
    CHECK(!gri_cpus_has(&cpus, GRI_CPUS_MAX));
    uint32_t cpu = gri_cpus_next(&cpus, 0);
    for (size_t i = 0; i < 5; i++, cpu = gri_cpus_next(&cpus, cpu + 1)) CHECK_EQ(cpu, members[i]);
    CHECK_EQ(cpu, GRI_CPUS_NONE);
}

TEST(cpus, comparing)
{
    gri_cpus a, b;
    gri_cpus_clear(&a);
    gri_cpus_add(&a, 3);
    b = a;
    CHECK(gri_cpus_equal(&a, &b) && gri_cpus_within(&a, &b));
    gri_cpus_add(&b, 300);
    CHECK(!gri_cpus_equal(&a, &b) && gri_cpus_within(&a, &b) && !gri_cpus_within(&b, &a));
}

TEST(cpus, parse_keeps_the_order)
{
    uint32_t order[8];
    size_t count = 0;
    CHECK_OK(gri_cpus_parse("4-6,0,2", order, 8, &count));
    CHECK_EQ(count, 5);
    uint32_t expected[] = {4, 5, 6, 0, 2};
    for (size_t i = 0; i < 5; i++) CHECK_EQ(order[i], expected[i]);
    CHECK_OK(gri_cpus_parse("7", NULL, 0, &count));
    CHECK_EQ(count, 1);
    CHECK_OK(gri_cpus_parse("0-8191", NULL, 0, &count));
    CHECK_EQ(count, 8192);
}

TEST(cpus, parse_refuses)
{
    static const struct {
        const char *text;
        int error;
    } cases[] = {
        {"", GR_ESYNTAX},    {",", GR_ESYNTAX},     {"1,", GR_ESYNTAX},  {",1", GR_ESYNTAX},
        {"1-", GR_ESYNTAX},  {"-1", GR_ESYNTAX},    {"3-1", GR_ESYNTAX}, {"1 2", GR_ESYNTAX},
        {"x", GR_ESYNTAX},   {"1-2-3", GR_ESYNTAX}, {"8192", GR_ERANGE}, {"0-99999999999", GR_ERANGE},
        {"1,1", GR_EEXISTS}, {"0-4,2", GR_EEXISTS}, {"0-8", GR_ETOOBIG},
    };
    for (size_t i = 0; i < GRI_ARRAY_COUNT(cases); i++) {
        uint32_t order[8];
        size_t count = 77;
        CHECK_EQ(gri_cpus_parse(cases[i].text, order, 8, &count), cases[i].error);
        CHECK_EQ(count, 77);
    }
}

TEST(cpus, print_is_parse_backwards)
{
    static const char *const texts[] = {"0", "0-1", "0,2,4-7", "62-65,8190-8191", ""};
    for (size_t i = 0; i < GRI_ARRAY_COUNT(texts); i++) {
        uint32_t order[16];
        size_t count = 0;
        gri_cpus cpus;
        gri_cpus_clear(&cpus);
        if (texts[i][0]) CHECK_OK(gri_cpus_parse(texts[i], order, 16, &count));
        for (size_t k = 0; k < count; k++) gri_cpus_add(&cpus, order[k]);
        char text[64];
        CHECK_EQ(gri_cpus_print(&cpus, text, sizeof text), strlen(texts[i]));
        CHECK_STR(text, texts[i]);
        char small[4];
        CHECK_EQ(gri_cpus_print(&cpus, small, sizeof small), strlen(texts[i]));
        CHECK(strncmp(small, texts[i], 3) == 0);
    }
}
