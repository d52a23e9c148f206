/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The mailbox word: no message lost, doubled or reordered, no wake-up lost, no owner scheduled twice, nothing touched
 * without having been handed over. */
#include "explore/explorer.h"
#include "sync/mailword.h"

enum { LETTERS = 4, GENERATION = 5 };

typedef struct letter {
    gri_mailnode node;
    unsigned from, number, received, refused;
} GRI_ALIGNED(64) letter;

static letter letters[LETTERS];
static gri_mailword box;
static unsigned private_inbox_full; /* plain: the owner's, or of who woke it */
static gri_mailnode *private_inbox;
static unsigned registers;       /* plain: what the owner saves before it parks, and who woke it needs */
static gri_atomic_u32 scheduled; /* the run queue: how the owner is handed to a worker */
static unsigned killed, timer_due, timer2_due, expected, wakes_max, wakes;

static void setup(void)
{
    for (unsigned i = 0; i < LETTERS; i++) letters[i] = (letter){{NULL}, i / 2, i % 2, 0, 0};
    gri_atomic_init(&box.word, 0);
    gri_mailword_init(&box, GENERATION);
    private_inbox = NULL;
    private_inbox_full = registers = killed = timer_due = timer2_due = wakes = 0;
    gri_atomic_init(&scheduled, 0);
}

/* What a caller that got WOKE does: it alone touches the owner, and schedules it. */
static void schedule_owner(gri_mailnode *chain)
{
    EXPLORE_CHECK(gri_plain_read(&registers) == 1);
    EXPLORE_CHECK(gri_plain_read(&private_inbox_full) == 0);
    gri_plain_write(&private_inbox_full, 1);
    gri_plain_write(&private_inbox, chain);
    gri_plain_write(&wakes, gri_plain_read(&wakes) + 1);
    EXPLORE_CHECK(gri_exchange_release(&scheduled, 1u) == 0);
}

static gri_mail send(unsigned i, bool urgent)
{
    if (!urgent && gri_mailword_wake(&box, GENERATION, &letters[i].node)) { /* as senders do: the short way first */
        schedule_owner(&letters[i].node);
        return GRI_MAIL_WOKE;
    }
    gri_mailnode *chain = NULL;
    const gri_mail mail = gri_mailword_push(&box, GENERATION, &letters[i].node, urgent, &chain);
    if (mail == GRI_MAIL_WOKE) schedule_owner(chain);
    if (mail == GRI_MAIL_DEAD) gri_plain_write(&letters[i].refused, 1);
    return mail;
}

static void signal_owner(uint64_t flags)
{
    gri_mailnode *chain = NULL;
    if (gri_mailword_signal(&box, GENERATION, flags, &chain) == GRI_MAIL_WOKE) schedule_owner(chain);
}

/* The owner parks; returns when a worker runs it again, or at once if something has arrived. */
static void park(uint64_t state)
{
    gri_plain_write(&registers, 1);
    if (gri_mailword_park(&box, state))
        while (gri_exchange_acquire(&scheduled, 0u) == 0) explore_wait();
    gri_plain_write(&registers, 0);
}

/* What has arrived, oldest first; flags in *ret_flags. */
static unsigned receive(uint64_t *ret_flags, void (*handle)(letter *))
{
    gri_mailnode *chains[2] = {NULL, NULL};
    if (gri_plain_read(&private_inbox_full)) chains[0] = gri_plain_read(&private_inbox);
    gri_plain_write(&private_inbox_full, 0);
    const gri_mail_taken taken = gri_mailword_take(&box);
    chains[1] = taken.chain;
    *ret_flags = taken.flags;
    unsigned count = 0;
    for (unsigned i = 0; i < 2; i++) {
        gri_mailnode *in_order = NULL;
        for (gri_mailnode *n = chains[i], *older; n; n = older) {
            older = gri_plain_read(&n->link);
            gri_plain_write(&n->link, in_order);
            in_order = n;
        }
        for (; in_order; in_order = gri_plain_read(&in_order->link), count++) handle((letter *)in_order);
    }
    return count;
}

static unsigned next_number[LETTERS];

static void handle_in_order(letter *l)
{
    EXPLORE_CHECK(gri_plain_read(&l->received) == 0);
    gri_plain_write(&l->received, 1);
    EXPLORE_CHECK(gri_plain_read(&l->number) == next_number[l->from]);
    next_number[l->from]++;
}

/* Two senders of two letters each, an owner that takes all and waits for anything. */
static void any_setup(void)
{
    setup();
    next_number[0] = next_number[1] = 0;
    expected = 4;
    wakes_max = 4;
}

static void send_two(void)
{
    const unsigned me = explore_self();
    for (unsigned i = 0; i < 2; i++) {
        gri_plain_write(&letters[me * 2 + i].number, i);
        EXPLORE_CHECK(send(me * 2 + i, false) != GRI_MAIL_DEAD);
    }
}

static void owner_any(void)
{
    uint64_t flags;
    for (unsigned count = 0; (count += receive(&flags, handle_in_order)) < expected;) park(GRI_MAIL_WAIT_ANY);
}

static void any_check(void)
{
    for (unsigned i = 0; i < expected; i++) EXPLORE_CHECK(letters[i].received == 1);
    EXPLORE_CHECK(gri_mailword_close(&box).chain == NULL);
    EXPLORE_CHECK(wakes <= wakes_max);
}

/* An owner that waits for something urgent: letter 0, 1 ordinary, 2 urgent. Only one wake-up. */
static void urgent_setup(void)
{
    setup();
    next_number[0] = next_number[1] = 0;
    expected = 3;
    wakes_max = 1;
}

static void send_urgent(void)
{
    gri_plain_write(&letters[2].number, 0);
    EXPLORE_CHECK(send(2, true) != GRI_MAIL_DEAD);
}

static void owner_urgent(void)
{
    uint64_t flags;
    unsigned count = 0;
    for (;;) {
        count += receive(&flags, handle_in_order);
        if (gri_plain_read(&letters[2].received)) break; /* the reply is here */
        park(GRI_MAIL_WAIT_URGENT);
    }
    while (count < 3) { /* the rest, waiting for anything */
        wakes_max = 3;
        park(GRI_MAIL_WAIT_ANY);
        count += receive(&flags, handle_in_order);
    }
}

/* Chains: one sender pushes two letters in one step. */
static void send_chain(void)
{
    gri_plain_write(&letters[2].number, 0);
    gri_plain_write(&letters[3].number, 1);
    gri_plain_write(&letters[3].node.link, &letters[2].node);
    gri_mailnode *chain = NULL;
    const gri_mail mail = gri_mailword_push_chain(&box, GENERATION, &letters[3].node, &letters[2].node, false, &chain);
    EXPLORE_CHECK(mail != GRI_MAIL_DEAD);
    if (mail == GRI_MAIL_WOKE) schedule_owner(chain);
}

/* A killer and a sender: the owner closes when it finds the kill; each letter is received, drained or refused. */
static void killer(void)
{
    gri_plain_write(&killed, 1);
    signal_owner(GRI_MAIL_KILL);
}

static void owner_killed(void)
{
    uint64_t flags = 0;
    const uint64_t state = explore_choose(2) ? GRI_MAIL_WAIT_ANY : GRI_MAIL_WAIT_URGENT;
    for (;;) {
        receive(&flags, handle_in_order);
        if (flags & GRI_MAIL_KILL) break;
        park(state);
    }
    EXPLORE_CHECK(gri_plain_read(&killed) == 1);
    const gri_mail_taken rest = gri_mailword_close(&box);
    for (gri_mailnode *n = rest.chain; n; n = gri_plain_read(&n->link)) {
        letter *l = (letter *)n;
        EXPLORE_CHECK(gri_plain_read(&l->received) == 0);
        gri_plain_write(&l->received, 1);
    }
}

static void send_until_refused(void)
{
    const unsigned me = explore_self();
    bool dead = false;
    for (unsigned i = 0; i < 2; i++) {
        gri_plain_write(&letters[me * 2 + i].number, i);
        const gri_mail mail = send(me * 2 + i, i == 1);
        EXPLORE_CHECK(!dead || mail == GRI_MAIL_DEAD);
        dead = mail == GRI_MAIL_DEAD;
    }
}

static void killed_check(void)
{
    for (unsigned i = 0; i < 2; i++) EXPLORE_CHECK(letters[i].received + letters[i].refused == 1);
}

/* An owner that ends by itself while it is being signalled: what close finds has been handed over. */
static void owner_closes(void)
{
    const gri_mail_taken rest = gri_mailword_close(&box);
    if (rest.flags & GRI_MAIL_KILL) EXPLORE_CHECK(gri_plain_read(&killed) == 1);
    for (gri_mailnode *n = rest.chain; n; n = gri_plain_read(&n->link)) {
        letter *l = (letter *)n;
        EXPLORE_CHECK(gri_plain_read(&l->number) == l->number);
        gri_plain_write(&l->received, 1);
    }
}

/* Two timers, an owner that waits until both are due. */
static gri_atomic_u32 due[2];

static void timers_setup(void)
{
    setup();
    gri_atomic_init(&due[0], 0);
    gri_atomic_init(&due[1], 0);
}

static void timer(void)
{
    /* relaxed: what publishes it is the notification */
    gri_store_relaxed(&due[explore_self()], 1u);
    signal_owner(GRI_MAIL_NOTIFY);
}

static void owner_timed(void)
{
    uint64_t flags;
    for (;;) {
        receive(&flags, handle_in_order);
        if (gri_load_relaxed(&due[0]) && gri_load_relaxed(&due[1])) break;
        park(GRI_MAIL_WAIT_URGENT);
    }
}

/* The slot is reused: a sender with the old generation and one that learned the new one. */
static gri_atomic_u32 new_generation;

static void reuse_setup(void)
{
    setup();
    next_number[0] = next_number[1] = 0;
    gri_atomic_init(&new_generation, 0);
}

static void send_old(void)
{
    gri_plain_write(&letters[0].number, 0);
    (void)send(0, false);
}

static void send_new(void)
{
    const uint32_t generation = gri_load_acquire(&new_generation);
    if (generation == 0) return;
    gri_plain_write(&letters[2].number, 0);
    gri_mailnode *chain = NULL;
    const gri_mail mail = gri_mailword_push(&box, generation, &letters[2].node, false, &chain);
    EXPLORE_CHECK(mail != GRI_MAIL_DEAD);
    if (mail == GRI_MAIL_WOKE) schedule_owner(chain);
    gri_plain_write(&letters[2].refused, 2); /* was sent */
}

static void owner_reused(void)
{
    for (gri_mailnode *n = gri_mailword_close(&box).chain; n; n = gri_plain_read(&n->link)) {
        EXPLORE_CHECK(n == &letters[0].node);
        gri_plain_write(&letters[0].received, 1);
    }
    gri_mailword_init(&box, GENERATION + 1);
    gri_store_release(&new_generation, GENERATION + 1u);
    uint64_t flags;
    receive(&flags, handle_in_order);
    EXPLORE_CHECK(letters[0].received == 0 || letters[2].received == 0 || letters[0].refused == 0);
}

static void reuse_check(void)
{
    EXPLORE_CHECK(letters[0].received + letters[0].refused == 1);
    const gri_mail_taken rest = gri_mailword_close(&box);
    EXPLORE_CHECK(rest.chain == NULL || rest.chain == &letters[2].node);
    if (letters[2].refused == 2) EXPLORE_CHECK((rest.chain != NULL) + letters[2].received == 1);
}

int main(int argc, char **argv)
{
    static const explore_program programs[] = {
        {"any", any_setup, {send_two, send_two, owner_any}, any_check, NULL, 2, 1, 0},
        {"chain", any_setup, {send_two, send_chain, owner_any}, any_check, NULL, 2, 1, 0},
        {"urgent", urgent_setup, {send_two, send_urgent, owner_urgent}, any_check, NULL, 2, 1, 0},
        {"killed", urgent_setup, {send_until_refused, killer, owner_killed}, killed_check, NULL, 2, 1, 0},
        {"closes", urgent_setup, {send_until_refused, killer, owner_closes}, killed_check, NULL, 2, 2, 0},
        {"timers", timers_setup, {timer, timer, owner_timed}, NULL, NULL, 3, 2, 0},
        {"reuse", reuse_setup, {send_old, send_new, owner_reused}, reuse_check, NULL, 3, 2, 0},
        {NULL, NULL, {NULL}, NULL, NULL, 0, 0, 0},
    };
    return explore_main(argc, argv, programs);
}
