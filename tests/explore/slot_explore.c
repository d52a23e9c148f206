/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The slot: every item is taken exactly once, by somebody to whom it was handed over, and none stays behind unseen. */
#include "explore/explorer.h"
#include "sync/slot.h"

enum { ITEMS_MAX = 6 };

typedef struct item {
    unsigned number, taken; /* plain: whoever takes the item writes it */
} item;

static item items[ITEMS_MAX];
static gri_slot slot;
static unsigned pushed; /* plain, the owner's */

static void setup(void)
{
    gri_slot_init(&slot);
    for (unsigned i = 0; i < ITEMS_MAX; i++) items[i] = (item){0, 0};
    pushed = 0;
}

static void setup_fenced(void)
{
    gri_fence_is_asymmetric = false;
    setup();
}

/* Where the owner's fence costs nothing, and its first look counts. */
static void setup_free(void)
{
    gri_fence_is_asymmetric = true;
    setup();
}

static void take(void *taken)
{
    item *i = taken;
    if (!i) return;
    EXPLORE_CHECK(i >= items && i < items + ITEMS_MAX);
    EXPLORE_CHECK(gri_plain_read(&i->number) == (unsigned)(i - items));
    EXPLORE_CHECK(gri_plain_read(&i->taken) == 0);
    gri_plain_write(&i->taken, 1);
}

static item *make(void)
{
    item *i = &items[pushed];
    gri_plain_write(&i->number, pushed);
    pushed++;
    return i;
}

static void check(void)
{
    take(gri_slot_take_owner(&slot));
    EXPLORE_CHECK(gri_slot_is_empty(&slot));
    for (unsigned i = 0; i < ITEMS_MAX; i++) EXPLORE_CHECK(items[i].taken == (i < pushed));
}

static void owner(void)
{
    take(gri_slot_put(&slot, make()));
    take(gri_slot_put(&slot, make()));
    take(gri_slot_take_owner(&slot));
    take(gri_slot_put(&slot, make()));
}

static void taker(void)
{
    take(gri_slot_put(&slot, make()));
    take(gri_slot_take_owner(&slot));
    take(gri_slot_put(&slot, make()));
    take(gri_slot_take_owner(&slot));
}

static void thief(void)
{
    for (unsigned i = 0; i < 2; i++) take(gri_slot_steal(&slot));
}

int main(int argc, char **argv)
{
    static const explore_program programs[] = {
        {"put", setup_fenced, {owner, thief}, check, NULL, 4, 2, 0},
        {"take", setup_fenced, {taker, thief}, check, NULL, 4, 2, 0},
        {"put_free", setup_free, {owner, thief}, check, NULL, 4, 2, 0},
        {"take_free", setup_free, {taker, thief}, check, NULL, 4, 2, 0},
        {NULL, NULL, {NULL}, NULL, NULL, 0, 0, 0},
    };
    return explore_main(argc, argv, programs);
}
