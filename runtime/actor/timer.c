/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Messages that are sent later. A timer is a slot of a type-stable table, its handle index + generation, so a stale handle
 * finds nothing.
 *
 *   generation: even, free --send_after--> odd, armed --fires or is cancelled--> even, free
 *
 * Who moves the generation from odd to even has the message and gives the slot back: the wheel when it fires, or gr_cancel. */
#include "actor/timer.h"

#include "actor/letters.h"
#include "actor/remote.h"
#include "actor/runtime.h"

#include <stdarg.h>

typedef struct timer {
    gri_wheel_entry entry;
    gr_message *message;
    gr_address to, from;
    gri_atomic_u32 generation;
    uint32_t index;
} timer;

static gri_table timers;
static gri_atomic_u32 limit;     /* one past the highest index used */
static uint32_t generation_base; /* even, beyond all generations of earlier runs: their handles find nothing */

int gri_timers_start(void)
{
    gri_store_relaxed(&limit, 0); /* relaxed: before any thread */
    return gri_table_start(&timers, (sizeof(timer) + 63) / 64 * 64, GRI_TIMERS_MAX);
}

/* Free slots stay with the worker that fired or cancelled them. NULL: no worker's thread. */
static gri_table_cache *cache_here(void)
{
    gri_worker *worker = gri_worker_here();
    return worker ? &worker->timers : NULL;
}

/* True for exactly one caller of a life. */
static bool take(timer *t, uint32_t generation)
{
    if (!(generation & 1)) return false;
    /* relaxed: the handle, or the wheel's lock, has published the timer, its slot's next life comes through the table's lock, and
     * who loses touches nothing */
    return gri_cas_strong_relaxed(&t->generation, &generation, generation + 1);
}

/* On any worker, under the wheel's lock: only hands the message over. */
static void fire(gri_wheel_entry *entry, gri_instant now)
{
    (void)now;
    timer *t = GRI_CONTAINER_OF(entry, timer, entry);
    if (!take(t, gri_load_relaxed(&t->generation))) return; /* relaxed: this life's, or cancelled */
    gr_message *m = t->message;
    m->sender = t->from;
    m->kind = GRI_MESSAGE_TIMER;
    m->tick = gri_runtime_tick();
    int code = gri_address_is_remote(t->to) ? gri_remote_deliver(NULL, t->to, &m) : gri_push(t->to, m, false);
    if (code != 0) {
        gri_runtime_count_dead_letter();
        gri_letter(GR_LETTER_DEAD, t->to, m);
        gr_message_free(&m);
    }
    gri_table_give(&timers, cache_here(), t->index);
}

static void timer_soon(const gri_wheel_entry *entry)
{
    const timer *t = GRI_CONTAINER_OF(entry, const timer, entry);
    GRI_PREFETCH_WRITE((const char *)t + GRI_CACHE_LINE);
    GRI_PREFETCH_WRITE(t->message);
    gri_actor_prefetch(t->to);
}

static const gri_wheel_kind kind = {.fire = fire, .soon = timer_soon};

int gr_send_after(gr_self *self, gr_timer *ret_timer, gr_address to, gr_message **message, gr_deadline when)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    if (!message || !*message) return gri_fail(self, GR_EINVAL, "gr_send_after needs a message");
    if (!gr_alive(to)) return gri_fail(self, GR_EDEAD, "the receiver is dead");
    if (when.ns == GRI_INSTANT_NEVER) return gri_fail(self, GR_EINVAL, "a timer that never fires");
    uint32_t index;
    if (gri_table_take(&timers, cache_here(), &index) != 0)
        return gri_fail(self, GR_ENOMEM, "no room for another timer");
    const gri_custody custody = gri_custody_of(self, *message);
    code = gri_message_prepare(self, message);
    if (code != 0) {
        gri_custody_return(self, custody, *message);
        gri_table_give(&timers, cache_here(), index);
        return code;
    }
    uint32_t seen = gri_load_relaxed(&limit); /* relaxed: published with the handle */
    while (index >= seen && !gri_cas_weak_relaxed(&limit, &seen, index + 1)) continue;
    timer *t = gri_table_at(&timers, index);
    gri_wheel_entry_init(&t->entry, &kind);
    t->index = index;
    t->message = *message;
    t->to = to;
    t->from = gri_actor_address(self);
    uint32_t generation = gri_load_relaxed(&t->generation); /* relaxed: ours */
    if (generation == 0) generation = generation_base;
    generation++;
    gri_store_relaxed(&t->generation, generation); /* relaxed: published with the handle */
    *message = NULL;
    if (ret_timer) ret_timer->id = ((uint64_t)generation << 32) | index;
    gri_scheduler_arm(&t->entry, when.ns);
    return 0;
}

int gr_cast_after_site(gr_self *self, gr_timer *ret_timer, gr_address to, gr_deadline when, gr_site *site,
                       const char *format, ...)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    va_list args;
    va_start(args, format);
    gr_message *m = NULL;
    code = gri_pack_for(self, &m, site, format, args);
    va_end(args);
    if (code != 0) return code;
    code = gr_send_after(self, ret_timer, to, &m, when);
    gr_message_free(&m);
    return code;
}

int gr_cancel(gr_self *self, gr_timer handle)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    uint32_t index = (uint32_t)handle.id, generation = (uint32_t)(handle.id >> 32);
    if (handle.id != 0 && index < gri_load_relaxed(&limit)) { /* relaxed: published with the handle */
        timer *t = gri_table_at(&timers, index);
        if (take(t, generation)) {
            gri_wheel_quiesce(&t->entry);
            gr_message_free(&t->message);
            gri_table_give(&timers, cache_here(), index);
            return 0;
        }
    }
    return gri_fail(self, GR_ENOTFOUND, "the timer has fired or was cancelled");
}

void gri_timers_stop(void)
{
    uint32_t count = gri_load_relaxed(&limit), highest = generation_base; /* relaxed: no other thread is left */
    for (uint32_t i = 0; i < count; i++) {
        timer *t = gri_table_at(&timers, i);
        uint32_t generation = gri_load_relaxed(&t->generation); /* relaxed: as above */
        if (generation & 1) gr_message_free(&t->message);
        if (generation > highest) highest = generation;
    }
    generation_base = (highest + 1) & ~1u;
    gri_table_stop(&timers);
}
