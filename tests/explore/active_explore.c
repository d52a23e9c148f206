/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Active sockets: what comes is read by its owner, though it waits for messages only; there is one token, whoever has it, and it is
 * freed once; who takes a socket over finds it as it was left, and so does its owner when it could not be taken over. */
#include "explore/socket_model.h"

static gr_socket first;

static gr_self *me(void)
{
    return &model_actors[explore_self()];
}

/* In setup: an active socket of actor 0's that is watched; its token is in that mailbox. */
static void begin_active(enum gr_active_mode mode, size_t bytes_max)
{
    model_begin_sockets();
    first = model_socket(0, 0, true);
    gri_socket_record *record = socket_find(first);
    EXPLORE_CHECK(turn_on(&model_actors[0], record, mode, bytes_max) == 0);
}

static void setup(void)
{
    begin_active(GR_ACTIVE, 4);
}

/* The token is where the poller takes it. */
static void installed_setup(void)
{
    setup();
    gri_inbox_collect(&model_actors[0]);
}

static void free_inbox(void)
{
    gr_message *m;
    while ((m = gri_inbox_pop(me())) != NULL) gr_message_free(&m);
}

/* Until so many bytes have come as messages. */
static void receives(unsigned wanted, bool once)
{
    while (model_files[0].taken < wanted) {
        EXPLORE_CHECK(gri_suspend(me(), GRI_MAIL_WAIT_ANY, GR_FOREVER) == 0);
        gri_inbox_collect(me());
        free_inbox();
        if (once && !gri_active_is_on(socket_find(first)))
            EXPLORE_CHECK(gr_socket_active(me(), first, GR_ACTIVE_ONCE, 4) == 0);
    }
}

static void closes(void)
{
    EXPLORE_CHECK(gr_close(me(), first) == 0);
    gri_inbox_collect(me()); /* a token may be there */
    free_inbox();
}

static void two_bytes_come(void)
{
    bytes_come(0, 1);
    bytes_come(0, 1);
    poll_until_over();
}

static void receives_two(void)
{
    receives(2, false);
    everything_has_happened();
}

static void once_setup(void)
{
    begin_active(GR_ACTIVE_ONCE, 4);
}

static void receives_two_once(void)
{
    receives(2, true);
    everything_has_happened();
}

/* The token alone, wherever it is: in the mailbox, too. */
static void one_token(void)
{
    EXPLORE_CHECK(model_messages_used() == 1);
}

static void nothing_is_left(void)
{
    gri_inbox_collect(&model_actors[0]); /* a report that came last */
    EXPLORE_CHECK(model_messages_used() == 0);
    EXPLORE_CHECK(!model_files[0].open && !model_part_is_used[0]);
}

/* ---- more than is read at once: the poller is asked again, while it reports by itself ---- */

enum { MANY = READS_IN_A_ROW + 1 };

static void many_setup(void)
{
    begin_active(GR_ACTIVE, 1);
    bytes_come(0, MANY - 1);
}

static void receives_many(void)
{
    receives(MANY, false);
    everything_has_happened();
}

static void one_byte_comes(void)
{
    bytes_come(0, 1);
    poll_until_over();
}

/* ---- closed, made passive ---- */

static void receives_one_and_closes(void)
{
    receives(1, false);
    closes();
    everything_has_happened();
}

static void passive_and_closes(void)
{
    EXPLORE_CHECK(gr_socket_active(me(), first, GR_PASSIVE, 0) == 0);
    EXPLORE_CHECK(gr_socket_active(me(), first, GR_ACTIVE, 4) == 0);
    receives(1, false);
    closes();
    everything_has_happened();
}

/* ---- changing hands ---- */

static int adopt(void)
{
    int code;
    while ((code = gr_socket_adopt(me(), first)) == GR_EINUSE) explore_wait();
    return code;
}

/* Goes on collecting what comes to it until all has been read. */
static void old_owner(void)
{
    while (!is_over()) {
        gri_inbox_collect(me());
        free_inbox();
        if (!gri_mailword_peek(&me()->mailbox) && !is_over()) explore_wait();
    }
}

static void adopts_and_receives(void)
{
    EXPLORE_CHECK(adopt() == 0);
    receives(2, false);
    everything_has_happened();
}

static void adopted_check(void)
{
    for (unsigned i = 0; i < 2; i++) gri_inbox_collect(&model_actors[i]);
    EXPLORE_CHECK(model_messages_used() == 1);
}

/* No memory for the new owner's token: the old one's is on its way to him. */
static void refused_setup(void)
{
    begin_active(GR_ACTIVE_ONCE, 4);
    bytes_come(0, 1);
    model_failures = 1;
}

static void may_be_refused(void)
{
    const int code = adopt();
    EXPLORE_CHECK(code == 0 || code == GR_ENOMEM);
}

static void collects(void)
{
    gri_inbox_collect(me());
    free_inbox();
}

static void makes_passive(void)
{
    const int code = gr_socket_active(me(), first, GR_PASSIVE, 0);
    EXPLORE_CHECK(code == 0 || code == GR_ECONTEXT);
}

static void keeps(void)
{
    makes_passive();
    const int code = gri_socket_keep(me(), first);
    EXPLORE_CHECK(code == 0 || code == GR_ECONTEXT);
}

static void passive_setup(void)
{
    model_begin_sockets();
    first = model_socket(0, 0, true);
}

/* It has an active part only now. */
static void makes_active_and_keeps(void)
{
    if (gr_socket_active(me(), first, GR_ACTIVE, 4) == 0) keeps();
}

static void adopts(void)
{
    EXPLORE_CHECK(adopt() == 0);
}

int main(int argc, char **argv)
{
    static const explore_program programs[] = {
        {"receive", setup, {receives_two, two_bytes_come}, one_token, NULL, 2, 1, 0},
        {"installed", installed_setup, {receives_two, two_bytes_come}, one_token, NULL, 2, 1, 0},
        {"once", once_setup, {receives_two_once, two_bytes_come}, one_token, NULL, 2, 1, 0},
        {"many", many_setup, {receives_many, one_byte_comes}, one_token, NULL, 2, 0, 0},
        {"close", installed_setup, {receives_one_and_closes, two_bytes_come}, nothing_is_left, NULL, 2, 1, 0},
        {"passive", installed_setup, {passive_and_closes, two_bytes_come}, nothing_is_left, NULL, 2, 1, 0},
        {"adopted", setup, {old_owner, adopts_and_receives, two_bytes_come}, adopted_check, NULL, 1, 1, 0},
        {"refused", refused_setup, {collects, may_be_refused}, NULL, NULL, 2, 1, 0},
        {"passive_refused", refused_setup, {makes_passive, may_be_refused}, NULL, NULL, 2, 1, 0},
        {"kept", passive_setup, {makes_active_and_keeps, adopts}, NULL, NULL, 2, 1, 0},
        {NULL, NULL, {NULL}, NULL, NULL, 0, 0, 0},
    };
    return explore_main(argc, argv, programs);
}
