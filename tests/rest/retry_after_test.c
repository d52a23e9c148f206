/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* When to come back to an actor that is behind. */
#include "rest/retry_after.h"

#include "rest/scene.h"

#define MS INT64_C(1000000)

TEST(retry_after, estimates)
{
    CHECK_EQ(gri_retry_estimate_s(0, 0), 1);
    CHECK_EQ(gri_retry_estimate_s(10, MS), 1);
    CHECK_EQ(gri_retry_estimate_s(1000, 10 * MS), 10);
    CHECK_EQ(gri_retry_estimate_s(1001, 10 * MS), 11); /* up, not down */
    CHECK_EQ(gri_retry_estimate_s(1000000, 100 * MS), 60);
    CHECK_EQ(gri_retry_estimate_s(1, -5), 1);
    CHECK_EQ(gri_retry_estimate_s(UINT64_MAX, INT64_MAX), 60);
}

/* Both say 1 where it is too soon for more. */
static unsigned look(gri_retries *r, uint64_t actor, uint64_t messages, uint64_t waiting, int64_t ms)
{
    unsigned seconds = 0;
    (void)gri_retry_look(r, (gr_address){actor}, messages, waiting, ms * MS, &seconds);
    return seconds;
}

static int64_t too_soon(gri_retries *r, uint64_t actor, uint64_t messages, int64_t ms)
{
    unsigned seconds = 0;
    int64_t again_ns = gri_retry_look(r, (gr_address){actor}, messages, 10, ms * MS, &seconds);
    CHECK_EQ(seconds, 1);
    return again_ns;
}

TEST(retry_after, the_first_refusal_looks_twice)
{
    gri_retries r;
    gri_retries_init(&r);
    CHECK_EQ(too_soon(&r, 1, 5, 0), GRI_RETRY_LOOK_NS);
    CHECK_EQ(too_soon(&r, 1, 6, 5), GRI_RETRY_LOOK_NS - 5 * MS);
    CHECK_EQ(look(&r, 1, 7, 1000, 20), 10); /* 2 in 20 ms */
    gri_retries_fini(&r);
}

/* Refusals that come all the time do not hide that nothing is taken. */
TEST(retry_after, who_stands_still_is_left_alone_ever_longer)
{
    gri_retries r;
    unsigned before = 1;
    gri_retries_init(&r);
    for (int64_t ms = 0; ms <= 40000; ms += 100) {
        unsigned now = look(&r, 1, 5, 2, ms);
        CHECK(now >= before);
        before = now;
        if (ms == 5000) CHECK_EQ(now, 10); /* 2 wait, and each takes 5 s at least */
    }
    CHECK_EQ(before, 60);
    gri_retries_fini(&r);
}

TEST(retry_after, follows_the_rate)
{
    gri_retries r;
    gri_retries_init(&r);
    uint64_t messages = 0;
    int64_t ms = 0;
    for (; ms <= 5000; ms += 50) (void)look(&r, 1, messages += 5, 1000, ms); /* 10 ms each */
    CHECK_EQ(look(&r, 1, messages += 5, 1000, ms), 10);
    CHECK_EQ(look(&r, 1, messages, 200, ms), 2);        /* the queue counts */
    CHECK(look(&r, 1, messages, 1000, ms += 50) <= 11); /* a moment without is no standstill */
    for (int i = 0; i < 60; i++) (void)look(&r, 1, messages += 50, 1000, ms += 50); /* 1 ms each */
    CHECK_EQ(look(&r, 1, messages += 50, 1000, ms += 50), 1);
    for (int i = 0; i < 60; i++) (void)look(&r, 1, messages += 1, 1000, ms += 50); /* 50 ms each */
    CHECK_EQ(look(&r, 1, messages += 1, 1000, ms += 50), 50);
    gri_retries_fini(&r);
}

/* Who takes a message in 5 s shows nothing at most looks. */
TEST(retry_after, a_slow_one_is_known_between_its_messages)
{
    gri_retries r;
    gri_retries_init(&r);
    uint64_t messages = 0;
    for (int64_t ms = 0; ms <= 60000; ms += 100) {
        messages += ms % 5000 == 0;
        unsigned seconds = look(&r, 1, messages, 4, ms);
        if (ms > 20000) CHECK(seconds >= 18 && seconds <= 22);
    }
    gri_retries_fini(&r);
}

TEST(retry_after, a_pause_begins_anew_and_forgets_in_the_end)
{
    gri_retries r;
    gri_retries_init(&r);
    (void)look(&r, 1, 0, 10, 0);
    CHECK_EQ(look(&r, 1, 100, 1000, 2000), 20);   /* 20 ms each */
    CHECK_EQ(look(&r, 1, 100, 1000, 9000), 60);   /* a pause, in which it stood still */
    CHECK_EQ(look(&r, 1, 2000, 1000, 30000), 20); /* one in which it did not: what was known before */
    CHECK_EQ(look(&r, 1, 2100, 1000, 31000), 15); /* 200 in 3 s */
    CHECK_EQ(too_soon(&r, 1, 2100, 31000 + 120000), GRI_RETRY_LOOK_NS);
    gri_retries_fini(&r);
}

/* Whatever their numbers are; beyond the room the one that was not seen for longest gives way. */
TEST(retry_after, actors_do_not_get_in_each_others_way)
{
    gri_retries r;
    gri_retries_init(&r);
    for (uint64_t i = 1; i <= GRI_RETRY_ACTORS; i++) CHECK_EQ(too_soon(&r, i << 32 | 7, 0, 0), GRI_RETRY_LOOK_NS);
    for (uint64_t i = 2; i <= GRI_RETRY_ACTORS; i++) CHECK_EQ(look(&r, i << 32 | 7, 0, 1, 30000 + (int64_t)i), 31);
    CHECK_EQ(too_soon(&r, 99, 0, 31000), GRI_RETRY_LOOK_NS);                    /* takes the place of the first */
    CHECK_EQ(look(&r, UINT64_C(2) << 32 | 7, 0, 1, 31000), 31);                 /* still known */
    CHECK_EQ(too_soon(&r, UINT64_C(1) << 32 | 7, 0, 31000), GRI_RETRY_LOOK_NS); /* not any more */
    gri_retries_fini(&r);
}

static bool waits(gr_address address)
{
    gr_actor_info info;
    CHECK_OK(gr_inspect(address, &info));
    return strcmp(info.state, "waiting") == 0;
}

static void never_takes(gr_self *self, gr_value args)
{
    (void)args;
    (void)gr_sleep(self, GR_FOREVER);
}

TEST(retry_after, looks_at_the_actor)
{
    gri_retries r;
    gr_self *self = scene_runtime();
    gr_address a;
    gri_retries_init(&r);
    CHECK_OK(gr_spawn(self, &a, never_takes, "n"));
    while (!waits(a)) (void)gr_cooperate(self); /* else it may be sorting them when they are counted */
    for (int i = 0; i < 3001; i++) CHECK_OK(gr_cast(self, a, "i", i));
    CHECK_EQ(gri_retry_after_s(&r, self, a), 60); /* nothing in 20 ms, and 3,001 wait: already at the first look */
    CHECK_OK(gr_kill(a));
    while (gr_alive(a)) (void)gr_cooperate(self);
    CHECK_EQ(gri_retry_after_s(&r, self, a), 1); /* dead: whoever asks again hears it */
    gri_retries_fini(&r);
    gr_detach(&self);
    (void)gr_stop(gr_after_ms(10));
}

static unsigned refusal(scene *s, const char *path)
{
    answer a = scene_ask(s, "POST", path, "", "3", 503);
    const char *value = answer_header(&a, "Retry-After");
    CHECK(value != NULL);
    unsigned seconds = value ? (unsigned)atoi(value) : 0;
    CHECK(seconds >= 1 && seconds <= 60);
    answer_free(&a);
    return seconds;
}

/* As clients see it: a mailbox of two that nobody reads; who asks all the time is told to wait longer. */
TEST(retry_after, a_full_mailbox_says_when_to_come_back)
{
    scene s = scene_begin((gr_rest_options){0});
    (void)scene_spawn(&s, "full", "f", 0);
    scene_expect(&s, "POST", "/f", "", "1", 202, NULL), scene_expect(&s, "POST", "/f", "", "2", 202, NULL);
    (void)refusal(&s, "/f/-/call/get");
    while (refusal(&s, "/f") < 2) {}
    scene_end(&s);
}
