/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What requests share: streams that are counted, and when to come back to an actor that is behind. */
#include "rest/shared.h"

#include "rest/scene.h"

#define MS INT64_C(1000000)

TEST(shared, estimates)
{
    CHECK_EQ(gri_retry_estimate_s(0, 0, 0), 1);
    CHECK_EQ(gri_retry_estimate_s(10, 1000, 1000 * MS), 1);     /* 10 ms of work */
    CHECK_EQ(gri_retry_estimate_s(1000, 100, 1000 * MS), 10);   /* 10 ms each */
    CHECK_EQ(gri_retry_estimate_s(1001, 100, 1000 * MS), 11);   /* up, not down */
    CHECK_EQ(gri_retry_estimate_s(1000000, 10, 1000 * MS), 60); /* bounded */
    CHECK_EQ(gri_retry_estimate_s(3, 0, 2000 * MS), 6);         /* stands still: as long as it has stood, each */
    CHECK_EQ(gri_retry_estimate_s(1, 1, -5), 1);
    CHECK_EQ(gri_retry_estimate_s(UINT64_MAX, 1, INT64_MAX), 60);
}

/* Takes as many messages as it is told, and publishes that it has. */
static void takes_what_it_may(gr_self *self, gr_value args)
{
    gr_message *m = NULL;
    gr_shape *shape = NULL;
    (void)args;
    CHECK_OK(gr_shape_compile("{\"take\": int}", &shape, NULL));
    while (gr_select(self, &(gr_pattern){.shape = shape}, 1, &m, GR_FOREVER) >= 0) {
        int64_t take = gr_int(gr_get(gr_body(m), "take"), 0);
        gr_message_free(&m);
        for (int64_t i = 0; i < take && gr_receive(self, &m, GR_NOW) == 0; i++) gr_message_free(&m);
        CHECK_OK(gr_publish(self, "I", take));
    }
    gr_shape_free(&shape);
}

TEST(shared, retry_after_grows_with_the_queue)
{
    gri_shared shared;
    gr_self *self = scene_runtime();
    gr_address a;
    uint64_t version = 0;
    gri_shared_init(&shared, 1);
    CHECK_OK(gr_spawn(self, &a, takes_what_it_may, "n"));
    for (int i = 0; i < 1002; i++) CHECK_OK(gr_cast(self, a, "i", i));
    CHECK_EQ(gri_retry_after_s(&shared, a, 0), 1);          /* seen for the first time */
    CHECK_EQ(gri_retry_after_s(&shared, a, 50 * MS), 1);    /* too soon to say anything */
    CHECK_EQ(gri_retry_after_s(&shared, a, 1000 * MS), 60); /* 1,002 wait, and nothing is taken */
    CHECK_OK(gr_cast(self, a, "{s:i}", "take", 502));
    CHECK_OK(gr_state_wait(self, a, &version, gr_after_s(60)));
    CHECK_EQ(gri_retry_after_s(&shared, a, 11060 * MS), 10); /* 503 messages in 10.06 s; 500 wait */
    CHECK_OK(gr_cast(self, a, "{s:i}", "take", 498));
    CHECK_OK(gr_state_wait(self, a, &version, gr_after_s(60)));
    CHECK_EQ(gri_retry_after_s(&shared, a, 12000 * MS), 1);  /* 2 wait */
    CHECK_EQ(gri_retry_after_s(&shared, a, 100000 * MS), 1); /* what was so long ago does not count */
    CHECK_OK(gr_kill(a));
    while (gr_alive(a)) (void)gr_cooperate(self);
    CHECK_EQ(gri_retry_after_s(&shared, a, 100500 * MS), 1); /* dead: whoever asks again hears it */
    gri_shared_fini(&shared);
    gr_detach(&self);
    (void)gr_stop(gr_after_ms(10));
}

/* Enters itself, waits until it is killed, and tells which way it ended. */
static void stays(gr_self *self, gr_value args)
{
    gri_shared *shared = (gri_shared *)(intptr_t)gr_int(gr_get(args, "shared"), 0);
    gri_stay *stay = NULL;
    gr_kill_hold(self);
    int code = gri_stay_begin(shared, self, gr_bool(gr_get(args, "streams"), false), &stay);
    CHECK_OK(gr_publish(self, "i", code));
    if (code != 0) return;
    gr_kill_release(self);
    CHECK_EQ(gr_sleep(self, GR_FOREVER), GR_EKILLED);
    gr_kill_hold(self);
    gri_stay_end(self, stay);
    CHECK_OK(gr_return(self, "s", "in order"));
    gr_kill_clear(self);
}

static gr_address stay(gr_self *self, gri_shared *shared, bool streams, int wanted)
{
    gr_address a;
    gr_message *m = NULL;
    gr_spawn_options options = {.retain = true};
    CHECK_OK(gr_spawn_with(self, &a, stays, &options, "{s:I, s:b}", "shared", (int64_t)(intptr_t)shared, "streams",
                           streams));
    if (wanted != 0) { /* it has ended, and its state with it */
        CHECK_OK(gr_wait(self, a, NULL, gr_after_s(60)));
        return a;
    }
    uint64_t version = 0;
    CHECK_OK(gr_state_wait(self, a, &version, gr_after_s(60)));
    CHECK_OK(gr_state(a, &m, NULL));
    CHECK_EQ(gr_int(gr_body(m), 1), 0);
    gr_message_free(&m);
    return a;
}

TEST(shared, who_stays_is_counted_and_drained)
{
    gri_shared shared;
    char why[GRI_READY_WHY_BYTES];
    gr_self *self = scene_runtime();
    gri_shared_init(&shared, 2);
    CHECK(gri_shared_ready(&shared, why));
    gr_address one = stay(self, &shared, true, 0), two = stay(self, &shared, true, 0);
    (void)stay(self, &shared, true, GR_EFULL);
    gr_address poll = stay(self, &shared, false, 0); /* no stream */
    CHECK_EQ(gri_shared_streams(&shared), 2);
    CHECK_OK(gr_kill_now(one)); /* its cleanups take it out */
    CHECK_EQ(gr_wait(self, one, NULL, gr_after_s(60)), GR_EKILLED);
    CHECK_EQ(gri_shared_streams(&shared), 1);
    gr_address three = stay(self, &shared, true, 0);
    gri_shared_drain(&shared);
    gr_address all[] = {two, three, poll};
    for (size_t i = 0; i < 3; i++) {
        gr_message *m = NULL;
        CHECK_OK(gr_wait(self, all[i], &m, gr_after_s(60)));
        CHECK_STR(gr_string(gr_body(m), ""), "in order");
        gr_message_free(&m);
    }
    CHECK_EQ(gri_shared_streams(&shared), 0);
    CHECK(!shared.stays);
    (void)stay(self, &shared, false, GR_ENOTRUNNING);
    gri_shared_fini(&shared);
    gr_detach(&self);
    (void)gr_stop(gr_after_ms(10));
}

/* As clients see it: the bound of the mailbox, and a number of seconds. */
TEST(shared, a_full_mailbox_says_when_to_come_back)
{
    scene s = scene_begin((gr_rest_options){0});
    (void)scene_spawn(&s, "full", "f", 0);
    scene_expect(&s, "POST", "/f", "", "1", 202, NULL), scene_expect(&s, "POST", "/f", "", "2", 202, NULL);
    for (int i = 0; i < 2; i++) {
        answer a = scene_ask(&s, "POST", i ? "/f/-/call/get" : "/f", "", "3", 503);
        const char *value = answer_header(&a, "Retry-After");
        CHECK(value && atoi(value) >= 1 && atoi(value) <= 60);
        answer_free(&a);
    }
    scene_end(&s);
}
