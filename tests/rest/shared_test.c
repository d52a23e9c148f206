/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What requests share: those that wait long are counted, and drained. */
#include "rest/shared.h"

#include "rest/scene.h"

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
    gri_shared_init(&shared, 2, 15000);
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
