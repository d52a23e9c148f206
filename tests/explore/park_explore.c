/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The parker of runtime/os on a model of the kernel's futex: no token is lost, whatever ends the waits; what came before a
 * notification is visible after the wait that took it. */
#include "explore/explorer.h"
#include "explore/futex.h"

static gri_parker parker;
static unsigned before[2]; /* plain: what each notifier did before */

static void setup(void)
{
    gri_parker_init(&parker);
    before[0] = before[1] = 0;
    futex_begin(1);
}

static void notifier(void)
{
    gri_plain_write(&before[explore_self()], 1);
    gri_parker_notify(&parker);
}

/* Waits with deadlines for a while, then for ever. */
static void owner(void)
{
    for (unsigned tries = 0; tries < 2; tries++)
        if (gri_parker_wait(&parker, 1)) goto notified;
    if (gri_parker_wait(&parker, GRI_INSTANT_PAST)) goto notified;
    EXPLORE_CHECK(gri_parker_wait(&parker, GRI_INSTANT_NEVER));
notified:
    EXPLORE_CHECK(gri_plain_read(&before[0]) == 1);
}

/* Two notifiers: waits until it has seen what both did; a token may stand for both. */
static gri_atomic_u32 count;

static void two_setup(void)
{
    setup();
    gri_atomic_init(&count, 0);
}

static void counting_notifier(void)
{
    gri_add_relaxed(&count, 1);
    gri_parker_notify(&parker);
}

static void counting_owner(void)
{
    while (gri_load_relaxed(&count) < 2) gri_parker_wait(&parker, GRI_INSTANT_NEVER);
}

int main(int argc, char **argv)
{
    static const explore_program programs[] = {
        {"token", setup, {notifier, owner}, NULL, NULL, 4, 2, 0},
        {"two", two_setup, {counting_notifier, counting_notifier, counting_owner}, NULL, NULL, 3, 2, 0},
        {NULL, NULL, {NULL}, NULL, NULL, 0, 0, 0},
    };
    return explore_main(argc, argv, programs);
}
