/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Shared bodies, with the source of message/message.c: each clone reads the body that the others read, the last one to let go frees it,
 * once, and nobody reads it then. */
#include "explore/accesses.h"
#include "explore/explorer.h"

#include "message/message.c"

enum { BYTES = 80, CLONES = 2 };

static unsigned char blocks[CLONES + 2][256] GRI_ALIGNED(64);
static unsigned taken;
static unsigned body_frees;
static gr_message *clones[CLONES];
static void *body_block;

UNSEEN void *gri_block_alloc(size_t bytes)
{
    EXPLORE_CHECK(bytes <= sizeof blocks[0] && taken < CLONES + 2);
    return blocks[taken++];
}

UNSEEN size_t gri_block_bytes(const void *block)
{
    (void)block;
    return sizeof blocks[0];
}

UNSEEN static void count_free(const void *block)
{
    if (block == body_block) EXPLORE_CHECK(++body_frees == 1);
}

void gri_block_free(void *block)
{
    count_free(block);
    for (unsigned i = 128; i < 192; i += 8)
        *(uint64_t *)(void *)((char *)block + i) = 0; /* of the body: nobody may read */
}

UNSEEN static void setup(void)
{
    taken = body_frees = 0;
    gr_message *m = gri_message_new(BYTES * 2);
    body_block = m;
    memset(gri_message_room(m), 7, BYTES * 2);
    EXPLORE_CHECK(gri_message_share(&m) == 0);
    clones[0] = m;
    EXPLORE_CHECK(gri_message_clone_envelope(m, &clones[1]) == 0);
}

static void check(void)
{
    EXPLORE_CHECK(body_frees == 1);
}

static void read_and_free(gr_message **m)
{
    const unsigned char *at = gr_body(*m).at;
    EXPLORE_CHECK(at[128 - GRI_MESSAGE_HEAD_BYTES] == 7);
    gr_message_free(m);
}

static void reader(void)
{
    read_and_free(&clones[explore_self()]);
}

/* Makes another one of its own meanwhile. */
static void cloner(void)
{
    gr_message *another = NULL;
    EXPLORE_CHECK(gri_message_clone_envelope(clones[explore_self()], &another) == 0);
    read_and_free(&clones[explore_self()]);
    read_and_free(&another);
}

int main(int argc, char **argv)
{
    static const explore_program programs[] = {
        {"two", setup, {reader, reader}, check, NULL, 4, 3, 0},
        {"clone", setup, {reader, cloner}, check, NULL, 4, 3, 0},
        {NULL, NULL, {NULL}, NULL, NULL, 0, 0, 0},
    };
    return explore_main(argc, argv, programs);
}
