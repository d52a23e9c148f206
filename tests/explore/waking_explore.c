/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Actors that run, wait and are killed, with the sources of actor/actor.c, suspend.c, inbox.c and send.c: a kill reaches who waits and
 * who computes; who has an address from nowhere finds the life as it began; what was sent before a kill is there when it is seen. */
#include "explore/actor_model.h"

#include "actor/suspend.c"

#include "actor/inbox.c"
#define count_message send_count_message
#define take_out send_take_out
#include "actor/send.c"
int actor_fail(gr_self *self, int code, const char *format, ...); /* not come to */
#define gri_fail actor_fail
#include "actor/actor.c"
#undef gri_fail

static gr_self *const owner = &model_actors[0];
static unsigned before_kill; /* plain: what the killer has done */
static gr_message letter;

int gri_fail(gr_self *self, int code, const char *format, ...)
{
    (void)self, (void)format;
    return code;
}

static void setup(void)
{
    model_begin_actors();
    before_kill = 0;
    memset(&letter, 0, sizeof letter);
    for (unsigned i = 0; i < MODEL_ACTORS; i++) model_actors[i].flags = 0;
}

/* ---- killed ---- */

static void killer(void)
{
    before_kill = 1;
    EXPLORE_CHECK(gr_kill(model_address(0)) == 0);
}

static void killer_now(void)
{
    EXPLORE_CHECK(gr_kill_now(model_address(0)) == 0);
}

static void sender(void)
{
    letter.reference = 7;
    EXPLORE_CHECK(gri_push(model_address(0), &letter, false) == 0);
}

static bool is_killed(void)
{
    if (gri_kill_check_keeping(owner) == 0) return false;
    EXPLORE_CHECK(before_kill == 1);
    return true;
}

static void owner_waits(void)
{
    while (!is_killed()) {
        EXPLORE_CHECK(gri_suspend(owner, GRI_MAIL_WAIT_URGENT, GR_FOREVER) == 0);
        gri_inbox_collect(owner);
    }
}

/* Calls that do not suspend: each looks at the flag only. */
static void owner_computes(void)
{
    while (!is_killed()) {
        gri_attention(owner);
        if (!is_killed()) explore_wait();
    }
}

/* Either of two kills may be the first. */
static void owner_computes_twice(void)
{
    while (!(owner->flags & GRI_KILLED_NOW)) {
        gri_attention(owner);
        if (!(owner->flags & GRI_KILLED_NOW)) explore_wait();
    }
}

/* As gr_receive: a letter and a kill, in whichever order they come. */
static void owner_receives(void)
{
    bool received = false;
    while (!received || !(owner->flags & GRI_KILLED)) {
        EXPLORE_CHECK(gri_suspend(owner, GRI_MAIL_WAIT_ANY, GR_FOREVER) == 0);
        gri_inbox_collect(owner);
        gr_message *m = gri_inbox_pop(owner);
        if (!m) continue;
        EXPLORE_CHECK(m == &letter && m->reference == 7 && !received);
        received = true;
    }
}

static void both_check(void)
{
    EXPLORE_CHECK(gri_mailword_peek(&owner->mailbox) == 0);
}

/* ---- found by an address that nothing has published ---- */

static void found_setup(void)
{
    setup();
    (void)gri_mailword_close(&owner->mailbox);
    end_life_locked(owner);
}

static void begins(void)
{
    begin_life(owner);
    owner->flags = GRI_KILL_HELD;
    EXPLORE_CHECK(gri_task_park(&owner->task, &owner->mailbox, GRI_MAIL_WAIT_ANY) == 0); /* or has been woken already */
}

static const gr_address next_life = {UINT64_C(3) << 32};

static void finds(void)
{
    while (!gri_actor_find(next_life)) explore_wait();
    EXPLORE_CHECK(gri_actor_notify(next_life)); /* a life that has begun takes it */
}

static void finds_unbounded(void)
{
    gr_self *found;
    while (!(found = gri_actor_find_unbounded(next_life))) explore_wait();
    gri_mailnode *chain = NULL;
    gri_mail mail = gri_mailword_notify(&found->mailbox, 3, &chain);
    EXPLORE_CHECK(mail != GRI_MAIL_DEAD);
    if (mail == GRI_MAIL_WOKE) gri_actor_woken(found, chain);
}

int main(int argc, char **argv)
{
    static const explore_program programs[] = {
        {"waits", setup, {owner_waits, killer}, NULL, NULL, 4, 2, 0},
        {"computes", setup, {owner_computes, killer}, NULL, NULL, 4, 2, 0},
        {"twice", setup, {owner_computes_twice, killer, killer_now}, NULL, NULL, 2, 1, 0},
        {"receives", setup, {owner_receives, killer, sender}, both_check, NULL, 2, 1, 0},
        {"found", found_setup, {begins, finds}, NULL, NULL, 3, 2, 0},
        {"unbounded", found_setup, {begins, finds_unbounded}, NULL, NULL, 3, 2, 0},
        {NULL, NULL, {NULL}, NULL, NULL, 0, 0, 0},
    };
    return explore_main(argc, argv, programs);
}
