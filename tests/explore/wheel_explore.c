/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The timing wheel with what is in it: the deadlines of actor/suspend.c and the timers of actor/timer.c, armed, moved and cancelled by
 * their owners while others fire the wheels. What is armed fires; what was cancelled does not; fire is never under way when the
 * entry's memory goes; two wheels never fire one entry at the same time. */
#include "explore/actor_model.h"

#include "schedule/wheel.c"

#include "actor/suspend.c"
#include "actor/timer.c"

enum { TICK = GRI_WHEEL_TICK_NS, FAR = 2 * GRI_WHEEL_NEAR };

static gri_wheel wheels[2];
static gri_wheel *wheel_of[EXPLORE_THREADS_MAX]; /* where each thread arms */
static gri_atomic_u32 done;
static gri_deadline deadline;
static gr_self *const owner = &model_actors[0];

UNSEEN static gri_wheel *wheel_here(void)
{
    return explore_self() < EXPLORE_THREADS_MAX ? wheel_of[explore_self()] : &wheels[0];
}

void gri_scheduler_arm(gri_wheel_entry *entry, gri_instant when)
{
    (void)gri_wheel_arm(wheel_here(), entry, when);
}

void gri_block_free(void *block)
{
    ((gri_deadline *)block)->actor = GR_NO_ADDRESS; /* written: no fire may be under way */
}

void gri_inbox_collect(gr_self *self)
{
    (void)gri_mailword_take(&self->mailbox);
}

gri_more *gri_actor_more(gr_self *self)
{
    return self->more;
}

int gri_fail(gr_self *self, int code, const char *format, ...)
{
    (void)self, (void)format;
    return code;
}

bool gr_alive(gr_address address)
{
    (void)address;
    return true;
}

UNSEEN static void begin(void)
{
    model_begin_actors();
    model_now = 0;
    for (unsigned i = 0; i < 2; i++) gri_wheel_init(&wheels[i], 0);
    for (unsigned i = 0; i < EXPLORE_THREADS_MAX; i++) wheel_of[i] = &wheels[0];
    gri_atomic_init(&done, 0);
}

UNSEEN static void time_is(gri_instant now)
{
    if (model_now < now) model_now = now;
}

UNSEEN static bool has_entries(const gri_wheel *wheel)
{
    return wheel->count > 0;
}

/* Fires until the owner has gone. What was armed for a tick that has been fired already comes with the next one. */
static void fire_until_done(gri_wheel *wheel, gri_instant now)
{
    while (gri_load_relaxed(&done) == 0) {
        time_is(now);
        if (gri_wheel_fire(wheel, now, 64) > 0) continue;
        if (has_entries(wheel) && gri_load_relaxed(&wheel->lock.held) == 0)
            now += TICK;
        else
            explore_wait();
    }
}

/* ---- a deadline that has passed unused is still in the wheel when its actor waits again ---- */

static void deadline_setup(gri_instant at)
{
    begin();
    gri_wheel_entry_init(&deadline.entry, &deadline_kind);
    gri_atomic_init(&deadline.at, GRI_INSTANT_NEVER);
    deadline.actor = model_address(0);
    model_more[0].deadline = &deadline;
    (void)gri_wheel_arm(&wheels[0], &deadline.entry, at);
}

static void again_setup(void)
{
    deadline_setup(TICK);
}

static void elsewhere_setup(void)
{
    deadline_setup(TICK);
    wheel_of[0] = &wheels[1];
}

static void far_setup(void)
{
    deadline_setup((FAR + 5) * (gri_instant)TICK);
    wheel_of[0] = &wheels[1];
}

static void wait_until(gri_instant at)
{
    while (gri_suspend(owner, GRI_MAIL_WAIT_URGENT, (gr_deadline){at}) == 0) gri_inbox_collect(owner);
    gri_deadline_release(owner);
    gri_store_relaxed(&done, 1u);
}

static void owner_waits_again(void)
{
    wait_until(2 * TICK);
}

static void fire_early_then_late(void)
{
    time_is(TICK);
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

static void owner_of_far(void)
{
    wait_until((FAR + 6) * (gri_instant)TICK);
}

/* An earlier one than it was in the wheel for: moved, to another wheel. */
static void owner_brings_forward(void)
{
    wait_until(3 * TICK);
}

static void fire_far(void)
{
    time_is(FAR * (gri_instant)TICK);
    (void)gri_wheel_fire(&wheels[0], FAR * (gri_instant)TICK, 64);
    fire_until_done(&wheels[0], (FAR + 6) * (gri_instant)TICK);
}

static void fire_far_second(void)
{
    fire_until_done(&wheels[1], (FAR + 6) * (gri_instant)TICK);
}

/* ---- taken out of the wheel while it fires ---- */

static void owner_cancels(void)
{
    if (gri_wheel_cancel(&deadline.entry)) {
        deadline.actor = GR_NO_ADDRESS; /* fire will not run: no need to wait for it */
    } else {
        gri_deadline_release(owner);
    }
}

static void waits_setup(void)
{
    deadline_setup(TICK);
    gri_atomic_init(&deadline.at, TICK); /* or fire would do nothing */
}

static void fire_once(void)
{
    (void)gri_wheel_fire(&wheels[0], TICK, 64);
}

/* ---- a timer whose handle another actor got, who cancels it; its slot is used again at once, on another wheel ---- */

static timer slot;
static gr_message letters[2];
static unsigned freed, sent;  /* letters */
static gri_atomic_u64 handle; /* the message that it came by */
static bool slot_is_free;

UNSEEN int gri_table_take(gri_table *table, gri_table_cache *cache, uint32_t *ret_index)
{
    (void)table, (void)cache;
    EXPLORE_CHECK(slot_is_free);
    explore_take_over(&slot); /* as the table's lock */
    slot_is_free = false;
    *ret_index = 0;
    return 0;
}

UNSEEN void gri_table_give(gri_table *table, gri_table_cache *cache, uint32_t index)
{
    (void)table, (void)cache, (void)index;
    EXPLORE_CHECK(!slot_is_free);
    explore_hand_over(&slot);
    slot_is_free = true;
}

gri_custody gri_custody_of(gr_self *self, const gr_message *m)
{
    (void)self, (void)m;
    return (gri_custody){false, false};
}

int gri_message_prepare(gr_self *from, gr_message **message)
{
    (void)from, (void)message;
    return 0;
}

UNSEEN static void count_letter(unsigned *which)
{
    ++*which;
}

int gri_push(gr_address to, gr_message *m, bool urgent)
{
    (void)to, (void)urgent;
    m->reference++; /* now the receiver's */
    count_letter(&sent);
    return 0;
}

void gr_message_free(gr_message **message)
{
    (*message)->reference++;
    *message = NULL;
    count_letter(&freed);
}

static void timer_setup(void)
{
    begin();
    timers.base = (char *)&slot;
    gri_atomic_init(&limit, 0);
    gri_atomic_init(&slot.generation, 0);
    gri_atomic_init(&handle, 0);
    slot_is_free = true;
    freed = sent = 0;
    wheel_of[1] = &wheels[1];
    for (unsigned i = 0; i < 3; i++) model_actors[i].flags = GRI_ATTACHED; /* gri_acting asks the function below */
}

gr_self *gri_attached_here(void)
{
    return &model_actors[explore_self()];
}

static void send_after(unsigned letter)
{
    gr_timer armed;
    gr_message *m = &letters[letter];
    m->reference = 0;
    EXPLORE_CHECK(gr_send_after(&model_actors[explore_self()], &armed, model_address(0), &m, (gr_deadline){TICK}) == 0);
    if (letter == 0) gri_store_release(&handle, armed.id);
}

static void sender(void)
{
    send_after(0);
}

UNSEEN static unsigned settled(void)
{
    return sent + freed;
}

static void canceller(void)
{
    gr_timer mine;
    while ((mine.id = gri_load_acquire(&handle)) == 0) explore_wait();
    unsigned expected = 1;
    if (gr_cancel(&model_actors[1], mine) == 0) {
        send_after(1);
        expected = 2;
    }
    while (settled() < expected) explore_wait();
    gri_store_relaxed(&done, 1u);
}

static void quiet(void)
{
    for (unsigned i = 0; i < 2; i++) {
        EXPLORE_CHECK(wheels[i].count == 0);
        EXPLORE_CHECK(gri_load_relaxed(&wheels[i].lock.held) == 0);
    }
}

static void timer_check(void)
{
    quiet();
    EXPLORE_CHECK(sent == 1 && freed <= 1);
}

int main(int argc, char **argv)
{
    static const explore_program programs[] = {
        {"again", again_setup, {owner_waits_again, fire_early_then_late}, quiet, NULL, 3, 2, 0},
        {"elsewhere", elsewhere_setup, {owner_waits_again, fire_first, fire_second}, quiet, NULL, 1, 1, 0},
        {"far", far_setup, {owner_of_far, fire_far, fire_far_second}, quiet, NULL, 1, 1, 0},
        {"forward", far_setup, {owner_brings_forward, fire_far, fire_far_second}, quiet, NULL, 1, 1, 0},
        {"cancel", waits_setup, {owner_cancels, fire_once}, quiet, NULL, 3, 2, 0},
        {"timer", timer_setup, {sender, canceller, fire_first, fire_second}, timer_check, NULL, 1, 0, 0},
        {NULL, NULL, {NULL}, NULL, NULL, 0, 0, 0},
    };
    return explore_main(argc, argv, programs);
}
