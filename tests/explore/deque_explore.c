/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The deque with a ring of 4: every item is taken exactly once, by somebody to whom it was handed over, and in order by each
 * taker. */
#include "explore/explorer.h"
#include "sync/deque.h"

_Static_assert(GRI_DEQUE_CAPACITY == 4, "explored with a small ring");

enum { ITEMS_MAX = 12 };

typedef struct item {
    unsigned number, taken; /* plain: whoever takes the item writes it */
} item;

static item items[ITEMS_MAX];
static gri_deque shared, thief_deque[2];
static unsigned pushed; /* plain, the owner's */

static void setup(void)
{
    gri_deque_init(&shared);
    gri_deque_init(&thief_deque[0]);
    gri_deque_init(&thief_deque[1]);
    for (unsigned i = 0; i < ITEMS_MAX; i++) items[i] = (item){0, 0};
    pushed = 0;
}

static unsigned take(void *taken)
{
    item *i = taken;
    EXPLORE_CHECK(i >= items && i < items + ITEMS_MAX);
    EXPLORE_CHECK(gri_plain_read(&i->taken) == 0);
    gri_plain_write(&i->taken, 1);
    return gri_plain_read(&i->number);
}

static item *make(void)
{
    item *i = &items[pushed];
    gri_plain_write(&i->number, pushed);
    pushed++;
    return i;
}

static bool pop(void)
{
    void *taken = gri_deque_pop_owner(&shared);
    if (taken) take(taken);
    return taken != NULL;
}

/* Pushes, and makes room when the ring is full. */
static void push(void)
{
    item *i = make();
    while (!gri_deque_push_owner(&shared, i)) pop();
}

static void check(void)
{
    void *left;
    while ((left = gri_deque_pop_owner(&shared))) take(left);
    for (unsigned i = 0; i < 2; i++)
        while ((left = gri_deque_pop_owner(&thief_deque[i]))) take(left);
    for (unsigned i = 0; i < ITEMS_MAX; i++) EXPLORE_CHECK(items[i].taken == (i < pushed));
}

/* thief_deque[n] for thread n + 1 */
static void steal_half(unsigned rounds)
{
    gri_deque *mine = &thief_deque[explore_self() - 1];
    unsigned last = 0;
    for (unsigned r = 0; r < rounds; r++) {
        void *first = NULL;
        const size_t count = gri_deque_steal_half(&shared, mine, &first);
        EXPLORE_CHECK(count <= GRI_DEQUE_CAPACITY);
        if (count == 0) continue;
        unsigned number = take(first);
        EXPLORE_CHECK(last == 0 || number > last);
        last = number;
        for (size_t i = 1; i < count; i++) {
            void *own = gri_deque_pop_owner(mine);
            if (!own) break; /* stolen from the thief */
            number = take(own);
            EXPLORE_CHECK(number > last);
            last = number;
        }
    }
}

/* One owner, two thieves, one of each kind. */
static void owner(void)
{
    push();
    push();
    push();
    pop();
    push();
    pop();
    pop();
}

static void half_thief(void)
{
    steal_half(1);
}

static void array_thief(void)
{
    void *out[2];
    unsigned last = 0;
    const size_t count = gri_deque_steal_array(&shared, out, 2);
    for (size_t i = 0; i < count; i++) {
        const unsigned number = take(out[i]);
        EXPLORE_CHECK(i == 0 || number > last);
        last = number;
    }
}

/* The ring goes round while a thief is in the middle: slots are reused as soon as the thief has read them. */
static void round_owner(void)
{
    for (unsigned i = 0; i < 4; i++) push();
    pop();
    push();
    pop();
    push();
    push();
}

static void two_thief(void)
{
    steal_half(2);
}

/* Full, against a thief. */
static void full_owner(void)
{
    for (unsigned i = 0; i < 6; i++) push();
}

/* A thief is stolen from while it steals; its ring has gone round before. */
static void chain_setup(void)
{
    setup();
    for (unsigned i = 0; i < 3; i++) { /* the thief's ring begins at its last slots */
        gri_deque_push_owner(&thief_deque[0], &items[0]);
        gri_deque_pop_owner(&thief_deque[0]);
    }
    for (unsigned i = 0; i < 4; i++) gri_deque_push_owner(&shared, make());
}

static void chain_owner(void)
{
    push();
    push();
}

static void chain_thief(void)
{
    void *first = NULL;
    for (unsigned i = 0; i < 2; i++)
        if (gri_deque_steal_half(&shared, &thief_deque[0], &first) > 0) take(first);
}

static void second_thief(void)
{
    void *out[4];
    for (unsigned round = 0; round < 2; round++) {
        const size_t count = gri_deque_steal_array(&thief_deque[0], out, 4);
        for (size_t i = 0; i < count; i++) take(out[i]);
    }
}

/* A full ring, one push, one thief: the push overwrites the slot that the thief reads only after it has been read. */
static void full_setup(void)
{
    setup();
    for (unsigned i = 0; i < 4; i++) gri_deque_push_owner(&shared, make());
}

static void push_one(void)
{
    item *i = make();
    if (!gri_deque_push_owner(&shared, i)) gri_plain_write(&i->taken, 1); /* no room: kept */
}

static void steal_one(void)
{
    void *out[1];
    if (gri_deque_steal_array(&shared, out, 1) == 1) take(out[0]);
}

static void steal_two(void)
{
    steal_half(1);
}

/* The same where the one who overwrites is a thief with a full ring of its own. */
static void full_thief_setup(void)
{
    setup();
    for (unsigned i = 0; i < 4; i++) gri_deque_push_owner(&thief_deque[0], make());
    for (unsigned i = 0; i < 4; i++) gri_deque_push_owner(&shared, make());
}

static void full_thief(void)
{
    void *first = NULL;
    if (gri_deque_steal_half(&shared, &thief_deque[0], &first) > 0) take(first);
}

static void steal_from_thief(void)
{
    void *out[1];
    if (gri_deque_steal_array(&thief_deque[0], out, 1) == 1) take(out[0]);
}

int main(int argc, char **argv)
{
    static const explore_program programs[] = {
        {"thieves", setup, {owner, half_thief, array_thief}, check, NULL, 3, 1, 0},
        {"round", setup, {round_owner, two_thief}, check, NULL, 4, 2, 0},
        {"full", setup, {full_owner, two_thief}, check, NULL, 4, 2, 0},
        {"chain", chain_setup, {chain_owner, chain_thief, second_thief}, check, NULL, 2, 1, 0},
        {"reuse", full_setup, {push_one, steal_one}, check, NULL, 3, 2, 1},
        {"reuse_half", full_setup, {push_one, steal_two}, check, NULL, 3, 2, 1},
        {"reuse_thief", full_thief_setup, {full_thief, steal_from_thief}, check, NULL, 3, 2, 1},
        {NULL, NULL, {NULL}, NULL, NULL, 0, 0, 0},
    };
    return explore_main(argc, argv, programs);
}
