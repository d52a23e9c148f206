/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "actor/exits.h"

#include "actor/registry.h"
#include "message/utf8.h"
#include "os/clock.h"

#include <greenroom/text.h>
#include <string.h>

typedef struct slot {
    gri_spinlock lock;
    gri_exit exit;
} slot;

static slot ring[GRI_EXITS]; /* 3 KB each, in memory once it is used */
static gri_atomic_u64 last;  /* number of the newest; grows only */
static gri_atomic_u64 first; /* numbers up to this one are of earlier runs */

static void put(char *to, size_t room, const char *from)
{
    size_t bytes = strnlen(from, room - 1);
    memcpy(to, from, bytes);
    to[gri_utf8_valid_bytes(from, bytes)] = '\0';
}

static void put_value(char *to, size_t room, gr_value value)
{
    *to = '\0';
    const char *text = gr_string(value, NULL);
    if (text) {
        put(to, room, text);
        return;
    }
    if (gr_print(value, NULL, to, room, NULL) == GR_EINVAL) *to = '\0'; /* GR_ETOOBIG: its beginning is there */
    to[gri_utf8_valid_bytes(to, strlen(to))] = '\0';
}

/* Locked; NULL: each of them was being read, by that many readers. */
static slot *take_slot(uint64_t *ret_number)
{
    for (int tries = 0; tries < 16; tries++) {
        uint64_t number = gri_add_relaxed(&last, 1u) + 1; /* relaxed: the lock publishes the record */
        *ret_number = number;
        if (gri_spinlock_try(&ring[number % GRI_EXITS].lock)) return &ring[number % GRI_EXITS];
    }
    return NULL;
}

void gri_exits_note(gr_self *self, enum gri_outcome outcome, gr_value report)
{
    uint64_t number;
    slot *at = take_slot(&number);
    if (!at) return;
    gri_exit *exit = &at->exit;
    const gr_behaviour *behaviour;
    exit->number = number;
    exit->time_ns = gri_clock_real_ns();
    exit->address = gri_actor_address(self);
    exit->outcome = outcome;
    gri_registry_about(exit->address, exit->name, &behaviour);
    put(exit->behaviour, sizeof exit->behaviour, behaviour ? behaviour->name : "");
    put(exit->error, sizeof exit->error, gr_string(gr_get(report, "error"), ""));
    put_value(exit->description, sizeof exit->description, gr_get(report, "description"));
    put(exit->text, sizeof exit->text, gr_string(gr_get(report, "text-exception"), ""));
    gri_spinlock_unlock(&at->lock);
}

bool gri_exits_read(uint64_t before, gri_exit *ret_exit)
{
    /* relaxed, both: numbers; what they stand for is read under the lock, and must have the number */
    uint64_t newest = gri_load_relaxed(&last), oldest = gri_load_relaxed(&first) + 1;
    if (newest >= GRI_EXITS && oldest <= newest - GRI_EXITS) oldest = newest - GRI_EXITS + 1;
    for (uint64_t number = before ? before - 1 : newest; number >= oldest; number--) {
        slot *at = &ring[number % GRI_EXITS];
        gri_spinlock_lock(&at->lock);
        bool found = at->exit.number == number;
        if (found) *ret_exit = at->exit;
        gri_spinlock_unlock(&at->lock);
        if (found) return true;
    }
    return false;
}

void gri_exits_forget(void)
{
    gri_store_relaxed(&first, gri_load_relaxed(&last)); /* relaxed, both: no actor lives */
}
