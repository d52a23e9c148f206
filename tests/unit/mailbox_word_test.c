/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The mailbox word: every transition by hand, then conservation and order with real threads. Interleavings are explored in
 * tests/explore/mailword_explore.c. */
#include "sync/mailword.h"

#include "support/test.h"

#include <pthread.h>
#include <sched.h>

typedef struct letter {
    gri_mailnode node;
    uint32_t from, number;
} GRI_ALIGNED(64) letter;

static letter letters[8];
static gri_mailnode *chain;

static gri_mailnode *node(unsigned i)
{
    return &letters[i].node;
}

static unsigned chain_length(gri_mailnode *n)
{
    unsigned count = 0;
    for (; n; n = n->link) count++;
    return count;
}

TEST(mailword, push_onto_running_is_queued_and_taken_newest_first)
{
    gri_mailword mb;
    gri_mailword_init(&mb, 7);
    CHECK(!gri_mailword_peek(&mb));
    for (unsigned i = 0; i < 3; i++) CHECK_EQ(gri_mailword_push(&mb, 7, node(i), i == 1, &chain), GRI_MAIL_QUEUED);
    CHECK(gri_mailword_peek(&mb));
    gri_mail_taken taken = gri_mailword_take(&mb);
    CHECK(taken.chain == node(2) && node(2)->link == node(1) && node(1)->link == node(0) && node(0)->link == NULL);
    CHECK_EQ(taken.flags, 0);
    CHECK(gri_mailword_take(&mb).chain == NULL);
}

TEST(mailword, push_onto_waiting_wakes_and_hands_over)
{
    gri_mailword mb;
    gri_mailword_init(&mb, 7);
    CHECK(gri_mailword_park(&mb, GRI_MAIL_WAIT_ANY));
    chain = NULL;
    CHECK_EQ(gri_mailword_push(&mb, 7, node(0), false, &chain), GRI_MAIL_WOKE);
    CHECK(chain == node(0) && chain->link == NULL);
    CHECK(!gri_mailword_peek(&mb));
    chain = NULL;
    CHECK_EQ(gri_mailword_push(&mb, 7, node(1), false, &chain), GRI_MAIL_QUEUED);
    CHECK(chain == NULL);
}

TEST(mailword, wake_is_a_push_for_who_waits_for_anything_and_nothing_else)
{
    gri_mailword mb;
    gri_mailword_init(&mb, 7);
    CHECK(!gri_mailword_wake(&mb, 7, node(0)) && !gri_mailword_peek(&mb)); /* runs */
    CHECK(gri_mailword_park(&mb, GRI_MAIL_WAIT_URGENT));
    CHECK(!gri_mailword_wake(&mb, 7, node(0)));
    CHECK_EQ(gri_mailword_notify(&mb, 7, &chain), GRI_MAIL_WOKE);
    CHECK(gri_mailword_park(&mb, GRI_MAIL_WAIT_ANY));
    CHECK(!gri_mailword_wake(&mb, 9, node(0))); /* another life */
    node(0)->link = node(1);
    CHECK(gri_mailword_wake(&mb, 7, node(0)));
    CHECK(node(0)->link == NULL && !gri_mailword_peek(&mb));
    CHECK(!gri_mailword_wake(&mb, 7, node(1))); /* runs again */
    (void)gri_mailword_close(&mb);
    CHECK(!gri_mailword_wake(&mb, 7, node(1)));
}

TEST(mailword, ordinary_push_does_not_wake_who_waits_for_urgent)
{
    gri_mailword mb;
    gri_mailword_init(&mb, 7);
    CHECK(gri_mailword_park(&mb, GRI_MAIL_WAIT_URGENT));
    CHECK_EQ(gri_mailword_push(&mb, 7, node(0), false, &chain), GRI_MAIL_WAITS);
    CHECK_EQ(gri_mailword_push(&mb, 7, node(1), false, &chain), GRI_MAIL_WAITS);
    CHECK_EQ(gri_mailword_push(&mb, 7, node(2), true, &chain), GRI_MAIL_WOKE);
    CHECK(chain == node(2));
    CHECK_EQ(chain_length(chain), 3);
    CHECK(!gri_mailword_peek(&mb));
}

TEST(mailword, chain_goes_in_at_once)
{
    gri_mailword mb;
    gri_mailword_init(&mb, 7);
    node(2)->link = node(1);
    node(1)->link = node(0);
    CHECK_EQ(gri_mailword_push(&mb, 7, node(3), false, &chain), GRI_MAIL_QUEUED);
    CHECK_EQ(gri_mailword_push_chain(&mb, 7, node(2), node(0), false, &chain), GRI_MAIL_QUEUED);
    gri_mail_taken taken = gri_mailword_take(&mb);
    CHECK(taken.chain == node(2) && node(0)->link == node(3));
    CHECK_EQ(chain_length(taken.chain), 4);
}

TEST(mailword, park_fails_when_something_arrived)
{
    gri_mailword mb;
    gri_mailword_init(&mb, 7);
    CHECK_EQ(gri_mailword_push(&mb, 7, node(0), false, &chain), GRI_MAIL_QUEUED);
    CHECK(!gri_mailword_park(&mb, GRI_MAIL_WAIT_ANY));
    CHECK(!gri_mailword_park(&mb, GRI_MAIL_WAIT_URGENT));
    gri_mailword_take(&mb);
    CHECK_EQ(gri_mailword_notify(&mb, 7, &chain), GRI_MAIL_QUEUED);
    CHECK(!gri_mailword_park(&mb, GRI_MAIL_WAIT_ANY));
    CHECK_EQ(gri_mailword_take(&mb).flags, GRI_MAIL_NOTIFY);
    CHECK(gri_mailword_park(&mb, GRI_MAIL_WAIT_ANY));
}

TEST(mailword, notify_wakes_any_wait_with_what_was_queued)
{
    gri_mailword mb;
    gri_mailword_init(&mb, 7);
    CHECK(gri_mailword_park(&mb, GRI_MAIL_WAIT_ANY));
    chain = node(5);
    CHECK_EQ(gri_mailword_notify(&mb, 7, &chain), GRI_MAIL_WOKE);
    CHECK(chain == NULL);
    CHECK_EQ(gri_mailword_flags(&mb), 0);
    CHECK(gri_mailword_park(&mb, GRI_MAIL_WAIT_URGENT));
    CHECK_EQ(gri_mailword_push(&mb, 7, node(0), false, &chain), GRI_MAIL_WAITS);
    CHECK_EQ(gri_mailword_notify(&mb, 7, &chain), GRI_MAIL_WOKE);
    CHECK(chain == node(0));
}

TEST(mailword, kill_flags_stay_until_taken)
{
    gri_mailword mb;
    gri_mailword_init(&mb, 7);
    CHECK(gri_mailword_park(&mb, GRI_MAIL_WAIT_URGENT));
    CHECK_EQ(gri_mailword_signal(&mb, 7, GRI_MAIL_KILL, &chain), GRI_MAIL_WOKE);
    CHECK_EQ(gri_mailword_flags(&mb), GRI_MAIL_KILL);
    CHECK_EQ(gri_mailword_signal(&mb, 7, GRI_MAIL_KILL_NOW, &chain), GRI_MAIL_QUEUED);
    CHECK_EQ(gri_mailword_push(&mb, 7, node(0), false, &chain), GRI_MAIL_QUEUED);
    gri_mail_taken taken = gri_mailword_take(&mb);
    CHECK_EQ(taken.flags, GRI_MAIL_KILL | GRI_MAIL_KILL_NOW);
    CHECK(taken.chain == node(0));
    CHECK(!gri_mailword_peek(&mb));
}

TEST(mailword, closed_and_other_lives_refuse)
{
    gri_mailword mb;
    gri_mailword_init(&mb, 0x10007);
    CHECK(gri_mailword_is_open(&mb, 0x10007) && !gri_mailword_is_open(&mb, 6));
    CHECK_EQ(gri_mailword_push(&mb, 6, node(0), false, &chain), GRI_MAIL_DEAD);
    CHECK_EQ(gri_mailword_notify(&mb, 6, &chain), GRI_MAIL_DEAD);
    CHECK_EQ(gri_mailword_push(&mb, 0x10007, node(0), false, &chain), GRI_MAIL_QUEUED);
    CHECK_EQ(gri_mailword_signal(&mb, 0x10007, GRI_MAIL_KILL, &chain), GRI_MAIL_QUEUED);
    gri_mail_taken taken = gri_mailword_close(&mb);
    CHECK(taken.chain == node(0));
    CHECK_EQ(taken.flags, GRI_MAIL_KILL);
    CHECK(!gri_mailword_is_open(&mb, 0x10007));
    node(1)->link = node(0);
    node(0)->link = NULL;
    chain = NULL;
    CHECK_EQ(gri_mailword_push_chain(&mb, 0x10007, node(1), node(0), true, &chain), GRI_MAIL_DEAD);
    CHECK(chain == NULL && node(1)->link == node(0) && node(0)->link == NULL);
    CHECK_EQ(gri_mailword_signal(&mb, 0x10007, GRI_MAIL_KILL, &chain), GRI_MAIL_DEAD);
    gri_mailword_init(&mb, 0x10008);
    CHECK_EQ(gri_mailword_push(&mb, 0x10007, node(0), false, &chain), GRI_MAIL_DEAD);
    CHECK_EQ(gri_mailword_push(&mb, 0x10008, node(0), false, &chain), GRI_MAIL_QUEUED);
}

/* Conservation: each pusher's letters arrive once and in order; whoever wakes the owner is the only one. */
enum { PUSHERS = 3, LETTERS = 20000 };
static gri_mailword box;
static gri_mailnode *inbox;      /* owned by the owner, or by who woke it */
static gri_atomic_u32 scheduled; /* 1: the owner may run */
static letter mail[PUSHERS][LETTERS];

static void *pusher(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg;
    for (uint32_t i = 0; i < LETTERS; i++) {
        letter *l = &mail[me][i];
        l->from = me;
        l->number = i;
        gri_mailnode *woken = NULL;
        switch (gri_mailword_push(&box, 9, &l->node, i % 7 == 0, &woken)) {
        case GRI_MAIL_WOKE:
            CHECK(inbox == NULL);
            inbox = woken;
            CHECK_EQ(gri_exchange_acq_rel(&scheduled, 1), 0);
            break;
        case GRI_MAIL_DEAD: TEST_FAIL("the mailbox is open"); break;
        case GRI_MAIL_QUEUED:
        case GRI_MAIL_WAITS: break;
        }
    }
    return NULL;
}

TEST(mailword, nothing_is_lost_doubled_or_reordered)
{
    gri_mailword_init(&box, 9);
    gri_atomic_init(&scheduled, 0);
    pthread_t threads[PUSHERS];
    for (uintptr_t i = 0; i < PUSHERS; i++) CHECK_OK(pthread_create(&threads[i], NULL, pusher, (void *)i));
    uint32_t next[PUSHERS] = {0}, received = 0;
    while (received < PUSHERS * LETTERS) {
        gri_mailnode *got = inbox;
        inbox = NULL;
        if (!got) got = gri_mailword_take(&box).chain;
        gri_mailnode *in_order = NULL;
        while (got) {
            gri_mailnode *older = got->link;
            got->link = in_order;
            in_order = got;
            got = older;
        }
        for (; in_order; in_order = in_order->link, received++) {
            letter *l = (letter *)in_order;
            CHECK_EQ(l->number, next[l->from]);
            next[l->from]++;
        }
        /* The last letters may be ordinary ones, which wake nobody who waits for urgent ones. */
        if (received < PUSHERS * LETTERS && gri_mailword_park(&box, GRI_MAIL_WAIT_ANY))
            while (gri_exchange_acq_rel(&scheduled, 0) == 0) sched_yield();
    }
    for (unsigned i = 0; i < PUSHERS; i++) CHECK_OK(pthread_join(threads[i], NULL));
    CHECK(gri_mailword_close(&box).chain == NULL);
}
