/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The timing wheel: an entry is armed, moved and cancelled by its owner on one worker while others fire its wheels. What is armed
 * fires; what was cancelled does not; fire is never under way when the entry's memory goes; two wheels never fire one entry at the
 * same time. The lists are ordinary memory under the wheel's lock: each access is checked for races. */
#include "explore/explorer.h"

#include "base/list.h"

/* As base/list.h has them, and the model sees what they touch. */
static void touch(const gri_list *link)
{
    static const explore_site here = {__FILE__, "a link", __LINE__};
    explore_plain(link, true, &here);
}

static void seen_push_back(gri_list *head, gri_list *link)
{
    touch(head);
    touch(link);
    touch(head->prev);
    gri_list_push_back(head, link);
}

static void seen_remove(gri_list *link)
{
    touch(link);
    touch(link->prev);
    touch(link->next);
    gri_list_remove(link);
}

static void seen_splice_back(gri_list *head, gri_list *from)
{
    touch(from);
    touch(from->next);
    touch(from->prev);
    gri_list_splice_back(head, from);
}
#define gri_list_push_back seen_push_back
#define gri_list_remove seen_remove
#define gri_list_splice_back seen_splice_back
#include "schedule/wheel.c"

enum { TICK = GRI_WHEEL_TICK_NS, FAR = 2 * GRI_WHEEL_NEAR };

/* What an actor has: gri_deadline of actor/deadline.h, and the timer of actor/timer.c. */
typedef struct thing {
    gri_wheel_entry entry;
    gri_atomic_i64 at;         /* what it waits for */
    gri_atomic_u32 generation; /* odd: armed */
    unsigned memory;           /* plain: what fire touches */
} thing;

static gri_wheel wheels[2];
static thing one;
static gri_atomic_u32 woken, done;

static void wake(void)
{
    gri_add_relaxed(&woken, 1u);
}

/* deadline_fire of actor/suspend.c. */
static void deadline_fire(gri_wheel_entry *entry, gri_instant now)
{
    (void)now;
    thing *t = GRI_CONTAINER_OF(entry, thing, entry);
    gri_plain_write(&t->memory, 1);
    if (gri_load_seq_cst(&t->at) == GRI_INSTANT_NEVER) return;
    wake();
}

/* take and fire of actor/timer.c; who takes the life has its message. */
static bool take(thing *t, uint32_t generation)
{
    return (generation & 1) && gri_cas_strong_acq_rel(&t->generation, &generation, generation + 1);
}

static void timer_fire(gri_wheel_entry *entry, gri_instant now)
{
    (void)now;
    thing *t = GRI_CONTAINER_OF(entry, thing, entry);
    if (!take(t, gri_load_relaxed(&t->generation))) return;
    gri_plain_write(&t->memory, 1);
    wake();
}

static const gri_wheel_kind deadline_kind = {.fire = deadline_fire}, timer_kind = {.fire = timer_fire};

static void setup(const gri_wheel_kind *kind)
{
    for (unsigned i = 0; i < 2; i++) gri_wheel_init(&wheels[i], 0);
    gri_wheel_entry_init(&one.entry, kind);
    gri_atomic_init(&one.at, GRI_INSTANT_NEVER);
    gri_atomic_init(&one.generation, 1);
    one.memory = 0;
    gri_atomic_init(&woken, 0);
    gri_atomic_init(&done, 0);
}

/* deadline_arm of actor/suspend.c, on this wheel. */
static void deadline_arm(gri_wheel *wheel, gri_instant at)
{
    gri_store_seq_cst(&one.at, at);
    bool linked = gri_load_seq_cst(&one.entry.wheel) != NULL;
    if (!linked || gri_load_relaxed(&one.entry.when) > at) (void)gri_wheel_arm(wheel, &one.entry, at);
}

/* Fires until the owner has gone. */
static void fire_until_done(gri_wheel *wheel, gri_instant now)
{
    while (gri_load_relaxed(&done) == 0)
        if (gri_wheel_fire(wheel, now, 64) == 0) explore_wait();
}

/* ---- a deadline that has passed unused is still in the wheel when the owner waits again ---- */

static void again_setup(void)
{
    setup(&deadline_kind);
    (void)gri_wheel_arm(&wheels[0], &one.entry, TICK);
}

static void wait_again(gri_wheel *wheel)
{
    deadline_arm(wheel, 2 * TICK);
    while (gri_load_relaxed(&woken) == 0) explore_wait();
    gri_store_relaxed(&one.at, GRI_INSTANT_NEVER);
    gri_wheel_quiesce(&one.entry); /* gri_deadline_release */
    gri_plain_write(&one.memory, 0);
    gri_store_relaxed(&done, 1u);
}

static void owner_waits_again(void)
{
    wait_again(&wheels[0]);
}

static void owner_waits_elsewhere(void)
{
    wait_again(&wheels[1]);
}

static void fire_early_then_late(void)
{
    (void)gri_wheel_fire(&wheels[0], TICK, 64);
    fire_until_done(&wheels[0], 2 * TICK);
}

static void fire_first(void)
{
    fire_until_done(&wheels[0], 2 * TICK);
}

static void fire_second(void)
{
    fire_until_done(&wheels[1], 2 * TICK);
}

/* ---- it comes down from a higher level meanwhile ---- */

static void far_setup(void)
{
    setup(&deadline_kind);
    (void)gri_wheel_arm(&wheels[0], &one.entry, (FAR + 5) * (gri_instant)TICK);
}

static void owner_of_far(void)
{
    deadline_arm(&wheels[1], (FAR + 6) * (gri_instant)TICK);
    while (gri_load_relaxed(&woken) == 0) explore_wait();
    gri_wheel_quiesce(&one.entry);
    gri_plain_write(&one.memory, 0);
    gri_store_relaxed(&done, 1u);
}

/* An earlier one than it was in the wheel for: moved, to another wheel. */
static void owner_brings_forward(void)
{
    deadline_arm(&wheels[1], 3 * TICK);
    while (gri_load_relaxed(&woken) == 0) explore_wait();
    gri_wheel_quiesce(&one.entry);
    gri_plain_write(&one.memory, 0);
    gri_store_relaxed(&done, 1u);
}

static void fire_far(void)
{
    (void)gri_wheel_fire(&wheels[0], FAR * (gri_instant)TICK, 64);
    fire_until_done(&wheels[0], (FAR + 6) * (gri_instant)TICK);
}

static void fire_far_second(void)
{
    fire_until_done(&wheels[1], (FAR + 6) * (gri_instant)TICK);
}

/* ---- cancelled while it fires ---- */

static void cancel_setup(void)
{
    setup(&timer_kind);
    (void)gri_wheel_arm(&wheels[0], &one.entry, TICK);
}

static void owner_cancels(void)
{
    if (gri_wheel_cancel(&one.entry)) {
        EXPLORE_CHECK(gri_load_relaxed(&woken) == 0);
        gri_plain_write(&one.memory, 2); /* fire will not run: no need to wait for it */
    } else {
        gri_wheel_quiesce(&one.entry);
        EXPLORE_CHECK(gri_plain_read(&one.memory) == 1);
    }
}

static void fire_once(void)
{
    (void)gri_wheel_fire(&wheels[0], TICK, 64);
}

/* ---- a timer whose handle another actor got, who cancels it; its memory is used again at once, on another wheel ---- */

static gri_atomic_u32 handle; /* the message that it came by */

static void timer_setup(void)
{
    setup(&timer_kind);
    gri_atomic_init(&one.generation, 0);
    gri_atomic_init(&handle, 0);
}

/* gr_send_after of actor/timer.c. */
static void send_after(gri_wheel *wheel)
{
    gri_wheel_entry_init(&one.entry, &timer_kind);
    gri_plain_write(&one.memory, 0);
    gri_store_relaxed(&one.generation, gri_load_relaxed(&one.generation) + 1);
    (void)gri_wheel_arm(wheel, &one.entry, TICK);
}

static void sender(void)
{
    send_after(&wheels[0]);
    gri_store_release(&handle, 1u);
}

static void canceller(void)
{
    while (gri_load_acquire(&handle) == 0) explore_wait();
    if (take(&one, 1)) { /* gr_cancel */
        gri_wheel_quiesce(&one.entry);
        gri_plain_write(&one.memory, 3);
        send_after(&wheels[1]);
    }
    while (gri_load_relaxed(&woken) == 0) explore_wait();
    gri_store_relaxed(&done, 1u);
}

static void quiet(void)
{
    EXPLORE_CHECK(gri_load_relaxed(&one.entry.wheel) == NULL);
    for (unsigned i = 0; i < 2; i++) {
        EXPLORE_CHECK(wheels[i].count == 0);
        EXPLORE_CHECK(gri_load_relaxed(&wheels[i].lock.held) == 0);
    }
}

int main(int argc, char **argv)
{
    static const explore_program programs[] = {
        {"again", again_setup, {owner_waits_again, fire_early_then_late}, quiet, NULL, 3, 2, 0},
        {"elsewhere", again_setup, {owner_waits_elsewhere, fire_first, fire_second}, quiet, NULL, 1, 1, 0},
        {"far", far_setup, {owner_of_far, fire_far, fire_far_second}, quiet, NULL, 1, 1, 0},
        {"forward", far_setup, {owner_brings_forward, fire_far, fire_far_second}, quiet, NULL, 1, 1, 0},
        {"cancel", cancel_setup, {owner_cancels, fire_once}, quiet, NULL, 3, 2, 0},
        {"timer", timer_setup, {sender, canceller, fire_first, fire_second}, quiet, NULL, 1, 0, 0},
        {NULL, NULL, {NULL}, NULL, NULL, 0, 0, 0},
    };
    return explore_main(argc, argv, programs);
}
