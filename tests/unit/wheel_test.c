/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "schedule/wheel.h"

#include "base/atomic.h"
#include "base/rng.h"
#include "support/test.h"

#include <pthread.h>
#include <sched.h>

#define TICK GRI_WHEEL_TICK_NS
#define COUNT 2000

typedef struct item {
    gri_wheel_entry entry;
    gri_instant due, fired;
} item;

static item items[COUNT];
static unsigned fired;

static void note(gri_wheel_entry *entry, gri_instant now)
{
    item *it = GRI_CONTAINER_OF(entry, item, entry);
    CHECK(it->fired == 0);
    it->fired = now;
    fired++;
}

static const gri_wheel_kind noting = {.fire = note};

static void arm(gri_wheel *wheel, item *it, gri_instant due)
{
    gri_wheel_entry_init(&it->entry, &noting);
    it->due = due;
    it->fired = 0;
    gri_wheel_arm(wheel, &it->entry, due);
}

TEST(wheel, empty_wheel_fires_nothing)
{
    gri_wheel wheel;
    gri_wheel_init(&wheel, 0);
    CHECK_EQ(gri_wheel_earliest(&wheel), GRI_INSTANT_NEVER);
    CHECK_EQ(gri_wheel_fire(&wheel, 1000 * TICK, 64), 0);
}

TEST(wheel, never_early_and_at_most_a_tick_late)
{
    gri_rng rng;
    gri_rng_seed(&rng, 7);
    gri_wheel wheel;
    gri_instant now = INT64_C(123456789012);
    gri_wheel_init(&wheel, now);
    fired = 0;
    for (int i = 0; i < COUNT; i++) {
        unsigned bits = (unsigned)gri_rng_below(&rng, 40);
        arm(&wheel, &items[i], now + (gri_instant)gri_rng_below(&rng, UINT64_C(1) << bits));
    }
    /* Time jumps to what the wheel itself says is next, as a sleeper does. */
    while (fired < COUNT) {
        gri_instant next = gri_wheel_earliest(&wheel);
        CHECK(next != GRI_INSTANT_NEVER);
        if (next > now) now = next;
        while (gri_wheel_fire(&wheel, now, 16) == 16) continue;
    }
    for (int i = 0; i < COUNT; i++) {
        CHECK(items[i].fired >= items[i].due);
        CHECK(items[i].fired <= items[i].due + 2 * TICK);
    }
    CHECK_EQ(gri_wheel_earliest(&wheel), GRI_INSTANT_NEVER);
}

TEST(wheel, earliest_is_never_too_late)
{
    gri_rng rng;
    gri_rng_seed(&rng, 8);
    gri_wheel wheel;
    gri_wheel_init(&wheel, 0);
    gri_instant least = GRI_INSTANT_NEVER;
    for (int i = 0; i < COUNT; i++) {
        gri_instant due = (gri_instant)gri_rng_below(&rng, UINT64_C(1) << 50);
        arm(&wheel, &items[i], due);
        if (due < least) least = due;
        CHECK(gri_wheel_earliest(&wheel) <= least + TICK);
    }
}

TEST(wheel, big_jumps_fire_everything_that_is_due)
{
    gri_wheel wheel;
    gri_wheel_init(&wheel, 0);
    fired = 0;
    for (int i = 0; i < COUNT; i++) arm(&wheel, &items[i], (gri_instant)i * 977 * TICK);
    while (gri_wheel_fire(&wheel, (gri_instant)1000 * 977 * TICK + TICK, 64) != 0) continue;
    CHECK_EQ(fired, 1001);
    for (int i = 0; i <= 1000; i++) CHECK(items[i].fired != 0);
    for (int i = 1001; i < COUNT; i++) CHECK(items[i].fired == 0);
}

/* Twenty times round the first level: deadlines on both sides of its end, slots used again, slots that cancelling has emptied. */
TEST(wheel, the_hand_goes_round)
{
    gri_rng rng;
    gri_rng_seed(&rng, 9);
    gri_wheel wheel;
    gri_instant now = INT64_C(987654321098);
    gri_wheel_init(&wheel, now);
    for (int i = 0; i < COUNT; i++) arm(&wheel, &items[i], now + (gri_instant)gri_rng_below(&rng, 1500 * TICK));
    gri_instant end = now + 20 * GRI_WHEEL_NEAR * TICK, latest = 0;
    unsigned rounds = 0;
    for (; now < end; rounds++) {
        now += (gri_instant)gri_rng_below(&rng, 30 * TICK);
        while (gri_wheel_fire(&wheel, now, 16) != 0) continue;
        for (int i = 0; i < COUNT; i++) {
            CHECK((items[i].fired != 0) == (items[i].due <= now - TICK) ||
                  (items[i].due > now - TICK && items[i].due <= now));
            CHECK(items[i].fired == 0 || items[i].fired >= items[i].due);
            if (items[i].fired == 0 && gri_rng_below(&rng, 50) == 0)
                CHECK(gri_wheel_cancel(&items[i].entry));
            else if (items[i].fired == 0)
                continue;
            arm(&wheel, &items[i], now + (gri_instant)gri_rng_below(&rng, 1500 * TICK));
            if (items[i].due > latest) latest = items[i].due;
        }
    }
    CHECK(rounds > 1000);
    while (gri_wheel_fire(&wheel, latest + TICK, 64) != 0) continue;
    for (int i = 0; i < COUNT; i++) CHECK(items[i].fired != 0);
    CHECK_EQ(gri_wheel_earliest(&wheel), GRI_INSTANT_NEVER);
}

TEST(wheel, farther_than_it_reaches)
{
    gri_wheel wheel;
    gri_wheel_init(&wheel, 0);
    fired = 0;
    gri_instant far = (INT64_C(1) << 40) * TICK;
    arm(&wheel, &items[0], far);
    gri_instant now = 0;
    while (fired == 0) {
        gri_instant next = gri_wheel_earliest(&wheel);
        CHECK(next != GRI_INSTANT_NEVER && next > now);
        now = next;
        (void)gri_wheel_fire(&wheel, now, 64);
    }
    CHECK(items[0].fired >= far);
}

TEST(wheel, cancelled_entries_do_not_fire)
{
    gri_wheel wheel;
    gri_wheel_init(&wheel, 0);
    fired = 0;
    for (int i = 0; i < 100; i++) arm(&wheel, &items[i], (gri_instant)i * TICK * 10);
    for (int i = 0; i < 100; i += 2) CHECK(gri_wheel_cancel(&items[i].entry));
    for (int i = 0; i < 100; i += 2) CHECK(!gri_wheel_cancel(&items[i].entry));
    while (gri_wheel_fire(&wheel, 2000 * TICK, 64) != 0) continue;
    CHECK_EQ(fired, 50);
    for (int i = 0; i < 100; i++) gri_wheel_quiesce(&items[i].entry);
}

TEST(wheel, arming_again_moves)
{
    gri_wheel a, b;
    gri_wheel_init(&a, 0);
    gri_wheel_init(&b, 0);
    fired = 0;
    arm(&a, &items[0], 10 * TICK);
    gri_wheel_arm(&b, &items[0].entry, 20 * TICK);
    CHECK_EQ(gri_wheel_fire(&a, 100 * TICK, 64), 0);
    CHECK_EQ(gri_wheel_fire(&b, 19 * TICK, 64), 0);
    CHECK_EQ(gri_wheel_fire(&b, 20 * TICK, 64), 1);
    CHECK_EQ(fired, 1);
}

TEST(wheel, the_limit_is_kept_and_nothing_is_skipped)
{
    gri_wheel wheel;
    gri_wheel_init(&wheel, 0);
    fired = 0;
    for (int i = 0; i < COUNT; i++) arm(&wheel, &items[i], 100 * TICK);
    unsigned calls = 0;
    while (fired < COUNT) {
        CHECK(gri_wheel_fire(&wheel, 100 * TICK, 64) <= 64);
        CHECK(++calls < COUNT);
    }
    CHECK_EQ(fired, COUNT);
}

TEST(wheel, arm_says_whether_it_is_the_earliest)
{
    gri_wheel wheel;
    gri_wheel_init(&wheel, 0);
    gri_wheel_entry_init(&items[0].entry, &noting);
    gri_wheel_entry_init(&items[1].entry, &noting);
    gri_wheel_entry_init(&items[2].entry, &noting);
    CHECK(gri_wheel_arm(&wheel, &items[0].entry, 50 * TICK));
    CHECK(!gri_wheel_arm(&wheel, &items[1].entry, 60 * TICK));
    CHECK(gri_wheel_arm(&wheel, &items[2].entry, 40 * TICK));
}

/* ---- an owner that moves to another wheel while the first one fires its entry ---- */

static gri_wheel first_wheel, second_wheel;
static gri_wheel_entry moving;
static gri_atomic_bool is_firing, is_gone,
    was_gone; /* mo:wheel_test.say release -> wheel_test.hear acquire: nothing else */

/* Long enough for who does not wait for it to be gone. */
static void fire_slowly(gri_wheel_entry *entry, gri_instant now)
{
    (void)entry, (void)now;
    gri_store_release(&is_firing, true); /* mo:wheel_test.say release -> wheel_test.hear acquire */
    for (int i = 0; i < 2000 && !gri_load_relaxed(&is_gone); i++) sched_yield(); /* relaxed: a flag */
    gri_store_relaxed(&was_gone, gri_load_relaxed(&is_gone));                    /* relaxed, both: flags */
}

static void *move_and_go(void *arg)
{
    (void)arg;
    while (!gri_load_acquire(&is_firing)) sched_yield(); /* mo:wheel_test.hear acquire <- wheel_test.say release */
    gri_wheel_arm(&second_wheel, &moving, 100 * TICK);
    gri_wheel_quiesce(&moving);
    gri_store_relaxed(&is_gone, true); /* relaxed: a flag. Its memory might go now */
    return NULL;
}

TEST(wheel, who_moves_on_waits_for_the_fire_that_is_under_way)
{
    static const gri_wheel_kind slow = {.fire = fire_slowly};
    pthread_t owner;
    gri_wheel_init(&first_wheel, 0);
    gri_wheel_init(&second_wheel, 0);
    gri_wheel_entry_init(&moving, &slow);
    gri_wheel_arm(&first_wheel, &moving, 2 * TICK);
    CHECK_EQ(pthread_create(&owner, NULL, move_and_go, NULL), 0);
    CHECK_EQ(gri_wheel_fire(&first_wheel, 10 * TICK, 10), 1);
    CHECK_EQ(pthread_join(owner, NULL), 0);
    CHECK(!gri_load_relaxed(&was_gone)); /* relaxed: joined */
    CHECK_EQ(gri_wheel_fire(&second_wheel, 200 * TICK, 10), 0);
}
