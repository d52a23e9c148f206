/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Actors that wait for sockets while these become ready, close them, hand them over, and take their slots again: nobody sleeps beside
 * a socket that is ready, one actor at a time is at a record, and an id that is stale reaches nobody else's. */
#include "explore/socket_model.h"

static gr_socket first;
static gri_atomic_u64 second; /* an id that is found as a number, from nowhere */
static gri_deadline deadline;

enum { NOTHING_MORE = 1 };

static gr_self *me(void)
{
    return &model_actors[explore_self()];
}

static void setup(void)
{
    model_begin_sockets();
    first = model_socket(0, 0, true);
    gri_atomic_init(&second, 0);
}

/* ---- waiting while it becomes ready ---- */

static int read_some(gr_socket socket, unsigned *ret_bytes)
{
    char buffer[4];
    size_t bytes = 0;
    const int code = gr_read(me(), socket, buffer, sizeof buffer, &bytes, GR_FOREVER);
    *ret_bytes = (unsigned)bytes;
    return code;
}

static void read_bytes(gr_socket socket, unsigned wanted)
{
    for (unsigned got = 0; got < wanted;) {
        unsigned bytes;
        EXPLORE_CHECK(read_some(socket, &bytes) == 0);
        EXPLORE_CHECK(bytes > 0);
        got += bytes;
    }
}

static void reads(void)
{
    read_bytes(first, 2);
    everything_has_happened();
}

static void two_bytes_come(void)
{
    bytes_come(0, 1);
    bytes_come(0, 1);
    poll_until_over();
}

static void reads_to_the_end(void)
{
    unsigned bytes;
    read_bytes(first, 1);
    do EXPLORE_CHECK(read_some(first, &bytes) == 0);
    while (bytes > 0);
    everything_has_happened();
}

static void the_end_comes(void)
{
    bytes_come(0, 1);
    end_comes(0);
    poll_until_over();
}

static void unwatched_setup(void)
{
    model_begin_sockets();
    first = model_socket(0, 0, false);
}

static void writes(void)
{
    EXPLORE_CHECK(gr_write(me(), first, "12", 2, GR_FOREVER) == 0);
    everything_has_happened();
}

/* Bytes, too: who waits to write is woken for nothing. */
static void room_and_a_byte_come(void)
{
    room_comes(0, 1);
    bytes_come(0, 1);
    room_comes(0, 1);
    poll_until_over();
}

static void deadline_setup(void)
{
    setup();
    memset((void *)&deadline, 0, sizeof deadline);
    gri_atomic_init(&deadline.entry.wheel, NULL);
    gri_atomic_init(&deadline.at, GRI_INSTANT_NEVER);
    deadline.actor = model_address(0);
    model_more[0].deadline = &deadline;
}

static void reads_for_a_while(void)
{
    char buffer[4];
    size_t bytes = 0;
    const int code = gr_read(me(), first, buffer, sizeof buffer, &bytes, (gr_deadline){2 * GRI_NS_PER_S});
    EXPLORE_CHECK(code == 0 || code == GR_ETIMEOUT);
    if (code == GR_ETIMEOUT) read_bytes(first, 1);
    everything_has_happened();
}

UNSEEN static void time_is(gri_instant now)
{
    model_now = now;
}

static void time_passes(void)
{
    gri_wheel_entry *entry;
    while ((entry = model_take_armed()) == NULL && !is_over()) explore_wait();
    if (!entry) return;
    time_is(2 * GRI_NS_PER_S);
    deadline_fire(entry, 2 * GRI_NS_PER_S);
}

static void one_byte_comes(void)
{
    bytes_come(0, 1);
    poll_until_over();
}

/* ---- its slot is used again ---- */

static gr_socket open_again(int fd)
{
    gri_socket_record *record;
    while (new_record(me(), fd, false, &record) != 0) explore_wait(); /* until a slot is free */
    const gr_socket socket = gri_socket_id(record);
    EXPLORE_CHECK(gri_socket_end(me(), record, 0) == 0);
    return socket;
}

static void full_setup(void)
{
    setup();
    (void)model_socket(2, 2, false);
}

static void reads_and_closes(void)
{
    read_bytes(first, 1);
    EXPLORE_CHECK(gr_close(me(), first) == 0);
    EXPLORE_CHECK(gr_close(me(), first) == GR_ECLOSED);
}

static void reads_in_the_same_slot(void)
{
    read_bytes(open_again(1), 1);
    everything_has_happened();
}

static void both_end(void)
{
    bytes_come(0, 1);
    end_comes(0);
    bytes_come(1, 1);
    poll_until_over();
}

static void closed_check(void)
{
    EXPLORE_CHECK(!model_files[0].open && model_files[1].open);
}

/* ---- changing hands ---- */

/* 0 once it is ours; or that it never will be. */
static int adopt(gr_socket socket)
{
    int code;
    while ((code = gr_socket_adopt(me(), socket)) == GR_EINUSE) explore_wait();
    return code;
}

static void byte_is_there_setup(void)
{
    setup();
    bytes_come(0, 1);
}

static void reads_once(void)
{
    unsigned bytes;
    const int code = read_some(first, &bytes);
    EXPLORE_CHECK(code == 0 || code == GR_ECONTEXT);
}

static void adopts_and_reads(void)
{
    EXPLORE_CHECK(adopt(first) == 0);
    if (model_files[0].taken == 0) read_bytes(first, 1);
    everything_has_happened();
}

static void hands_over_setup(void)
{
    setup();
    bytes_come(0, 2); /* more than one event: the second may be the new owner's */
}

static void reads_one_of_two(void)
{
    char buffer;
    size_t bytes;
    const int code = gr_read(me(), first, &buffer, 1, &bytes, GR_FOREVER);
    EXPLORE_CHECK(code == 0 || code == GR_ECONTEXT);
}

static void adopts_and_reads_the_rest(void)
{
    EXPLORE_CHECK(adopt(first) == 0);
    while (model_files[0].taken < 3) {
        unsigned bytes;
        EXPLORE_CHECK(read_some(first, &bytes) == 0);
    }
    everything_has_happened();
}

static void keeps(void)
{
    unsigned bytes;
    const int code = read_some(first, &bytes);
    const int kept = code == 0 ? gri_socket_keep(me(), first) : 0;
    EXPLORE_CHECK(kept == 0 || kept == GR_ECONTEXT ||
                  kept == GR_ECLOSED); /* it may just have been adopted, and closed */
}

static void adopts_or_not(void)
{
    const int code = adopt(first);
    EXPLORE_CHECK(code == 0 || code == GR_ECLOSED);
    if (code == 0) EXPLORE_CHECK(gr_close(me(), first) == 0);
}

static void closes_what_is_kept(void)
{
    gri_socket_kept_close(first);
}

static void kept_check(void)
{
    EXPLORE_CHECK(!model_files[0].open);
}

static void ends(void)
{
    unsigned bytes;
    (void)read_some(first, &bytes);
    gri_io_end(me());
}

static void owned_check(void)
{
    EXPLORE_CHECK(!model_files[0].open);
    EXPLORE_CHECK(gri_list_is_empty(&model_more[0].sockets) && gri_list_is_empty(&model_more[1].sockets));
    EXPLORE_CHECK(gri_sockets_open() == 0);
}

/* ---- an id that was stale a moment later ---- */

static void closes_and_opens(void)
{
    if (gr_close(me(), first) == 0)
        gri_store_relaxed(&second, open_again(1).id);
    else
        gri_store_relaxed(&second, NOTHING_MORE);
}

static void adopts_the_first(void)
{
    const int code = gr_socket_adopt(me(), first);
    EXPLORE_CHECK(code == 0 || code == GR_ECLOSED || code == GR_EINUSE);
}

static void adopts_the_second(void)
{
    uint64_t id;
    while ((id = gri_load_relaxed(&second)) == 0) explore_wait();
    int code = id == NOTHING_MORE ? 0 : GR_ECLOSED;
    while (code == GR_ECLOSED || code == GR_EINUSE) { /* a number alone does not tell of its socket */
        code = gr_socket_adopt(me(), (gr_socket){id});
        if (code != 0) explore_wait();
    }
    EXPLORE_CHECK(code == 0);
}

/* ---- the first sockets of the process ---- */

static const gr_socket guess = {UINT64_C(1) << 32};

static void nothing_setup(void)
{
    model_begin_sockets();
}

static void opens(void)
{
    gri_socket_record *record;
    EXPLORE_CHECK(gri_socket_new(me(), (int)explore_self(), false, &record) == 0);
    EXPLORE_CHECK(gri_socket_end(me(), record, 0) == 0);
}

static void guesses(void)
{
    int code;
    while ((code = gr_socket_adopt(me(), guess)) == GR_ECLOSED || code == GR_EINUSE) explore_wait();
    EXPLORE_CHECK(code == 0);
}

int main(int argc, char **argv)
{
    static const explore_program programs[] = {
        {"read", setup, {reads, two_bytes_come}, NULL, NULL, 2, 2, 0},
        {"first_wait", unwatched_setup, {reads, two_bytes_come}, NULL, NULL, 2, 1, 0},
        {"end", setup, {reads_to_the_end, the_end_comes}, NULL, NULL, 2, 1, 0},
        {"write", setup, {writes, room_and_a_byte_come}, NULL, NULL, 2, 1, 0},
        {"deadline", deadline_setup, {reads_for_a_while, one_byte_comes, time_passes}, NULL, NULL, 1, 1, 0},
        {"closed", full_setup, {reads_and_closes, reads_in_the_same_slot, both_end}, closed_check, NULL, 1, 1, 0},
        {"adopted", byte_is_there_setup, {reads_once, adopts_and_reads, poll_until_over}, NULL, NULL, 1, 1, 0},
        {"rest", hands_over_setup, {reads_one_of_two, adopts_and_reads_the_rest, one_byte_comes}, NULL, NULL, 1, 1, 0},
        {"kept", byte_is_there_setup, {keeps, adopts_or_not, closes_what_is_kept}, kept_check, NULL, 2, 1, 0},
        {"owner_ends", byte_is_there_setup, {ends, adopts_or_not}, owned_check, NULL, 3, 1, 0},
        {"stale", setup, {closes_and_opens, adopts_the_first, adopts_the_second}, NULL, NULL, 2, 1, 0},
        {"start", nothing_setup, {opens, opens, guesses}, NULL, NULL, 1, 1, 0},
        {NULL, NULL, {NULL}, NULL, NULL, 0, 0, 0},
    };
    return explore_main(argc, argv, programs);
}
