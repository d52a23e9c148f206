/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "base/fault.h"
#include "support/test.h"

static gri_fault_plan parsed(const char *text)
{
    gri_fault_plan plan;
    CHECK(gri_fault_plan_parse(text, &plan, NULL));
    return plan;
}

/* Takes `chances` chances of the kind and gives what happened as a plan. */
static const char *happened(const char *text, uint64_t seed, enum gri_fault kind, int chances)
{
    static char list[4096];
    gri_fault_plan plan = parsed(text);
    gri_faults_begin(&plan, seed);
    gri_faults_quiet = false;
    for (int i = 0; i < chances; i++) (void)gri_fault_due(kind);
    gri_faults_end();
    CHECK(gri_fault_record_print(gri_faults_recorded(), -1, list, sizeof list) < sizeof list);
    return list;
}

TEST(fault, plans_are_read)
{
    gri_fault_plan plan = parsed("kill=100,drop@3+17");
    CHECK_EQ(plan.rules[GRI_FAULT_KILL].one_in, 100);
    CHECK_EQ(plan.rules[GRI_FAULT_DROP].count, 2);
    CHECK_EQ(plan.rules[GRI_FAULT_DROP].at[1], 17);
    CHECK(!gri_fault_plan_is_empty(&plan));
    plan = parsed("");
    CHECK(gri_fault_plan_is_empty(&plan));
}

TEST(fault, what_is_no_plan_is_refused)
{
    static const char *const wrong[] = {
        "kill",     "kill=",        "kill=0",        "kill=1,",         ",",
        "kill@",    "kill@0",       "kill@3+3",      "kill@3+2",        "kill=1 ",
        "murder=1", "kill=1kill=2", "kill=1,kill=2", "kill=4294967296", "delay@18446744073709551616"};
    gri_fault_plan plan;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *at = NULL;
        if (gri_fault_plan_parse(wrong[i], &plan, &at)) TEST_FAIL("taken for a plan: %s", wrong[i]);
        CHECK(at >= wrong[i] && at <= wrong[i] + strlen(wrong[i]));
    }
}

TEST(fault, listed_chances_fail_and_no_other)
{
    CHECK_STR(happened("delay@2+5+900", 1, GRI_FAULT_DELAY, 100), "delay@2+5");
    CHECK_STR(happened("delay@2", 1, GRI_FAULT_KILL, 100), "");
}

TEST(fault, a_seed_always_chooses_the_same)
{
    char first[2048];
    strcpy(first, happened("drop=10", 7, GRI_FAULT_DROP, 300));
    CHECK(strlen(first) > 20);
    CHECK_STR(happened("drop=10", 7, GRI_FAULT_DROP, 300), first);
    CHECK_STR(happened(first, 7, GRI_FAULT_DROP, 300),
              first); /* and what happened is a plan that makes it happen again */
    CHECK_STR(happened(first, 8, GRI_FAULT_DROP, 300), first); /* whatever the seed */
    CHECK(strcmp(happened("drop=10", 8, GRI_FAULT_DROP, 300), first) != 0);
}

TEST(fault, rates_are_what_they_say)
{
    gri_fault_plan plan = parsed("system=20");
    gri_faults_begin(&plan, 3);
    gri_faults_quiet = false;
    for (int i = 0; i < 20000; i++) (void)gri_fault_due(GRI_FAULT_SYSTEM);
    gri_faults_end();
    CHECK_EQ(gri_faults_recorded()->chances[GRI_FAULT_SYSTEM], 20000);
    CHECK(gri_faults_recorded()->happened > 800 && gri_faults_recorded()->happened < 1200);
}

TEST(fault, nothing_happens_to_the_host)
{
    gri_fault_plan plan = parsed("kill=1");
    gri_faults_begin(&plan, 1);
    CHECK(gri_faults_quiet); /* it begins with the host's thread */
    CHECK(!gri_fault(GRI_FAULT_KILL));
    CHECK_EQ(gri_faults_recorded()->chances[GRI_FAULT_KILL], 0);
    gri_faults_quiet = false;
    CHECK(gri_fault(GRI_FAULT_KILL));
    CHECK(gri_faults_have(GRI_FAULT_KILL) && !gri_faults_have(GRI_FAULT_DROP));
    gri_faults_end();
    CHECK(!gri_fault(GRI_FAULT_KILL) && !gri_faults_have(GRI_FAULT_KILL));
}

TEST(fault, one_may_be_left_out_of_a_record)
{
    char text[64];
    (void)happened("kill@1+4+9", 1, GRI_FAULT_KILL, 10);
    CHECK_EQ(gri_fault_record_print(gri_faults_recorded(), 1, text, sizeof text), 8);
    CHECK_STR(text, "kill@1+9");
    CHECK_EQ(gri_fault_record_print(gri_faults_recorded(), -1, text, 4), 10); /* what it would have taken */
}
