/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See state.h. */
#include "actor/state.h"

#include "actor/runtime.h"
#include "os/thread.h"

#define PIN (UINT64_C(1) << 48)
#define POINTER (PIN - 1)
#define PINS_MAX UINT64_C(0xffff)

static gr_message *snapshot_of(uint64_t word)
{
    return (gr_message *)(uintptr_t)(word & POINTER);
}

/* Pins that were left over when the snapshot was replaced, less those given back since; wraps. */
static gri_atomic_u32 *count_of(gr_message *snapshot)
{
    _Static_assert(sizeof(gri_atomic_u32) == sizeof snapshot->tick, "the count lives in the tick");
    return (gri_atomic_u32 *)(void *)&snapshot->tick;
}

static void release_snapshot(gr_message *snapshot)
{
    gr_message_free(&snapshot);
}

/* The actor has taken `word` out of the slot. */
static void retire(uint64_t word)
{
    gr_message *snapshot = snapshot_of(word);
    if (!snapshot) return;
    const uint32_t pins = (uint32_t)(word >> 48);
    if (pins == 0) {
        release_snapshot(snapshot);
        return;
    }
    /* mo:state.retire release -> state.leave acquire: the actor is done with it
     * mo:state.retire acquire <- state.leave release */
    if (gri_add_acq_rel(count_of(snapshot), pins) + pins == 0) release_snapshot(snapshot);
}

static uint64_t swap(gr_self *self, gr_message *snapshot)
{
    /* mo:state.swap release -> state.pin acquire: publishes the snapshot
     * mo:state.swap acquire <- state.unpin release */
    return gri_exchange_acq_rel(&self->published, (uint64_t)(uintptr_t)snapshot);
}

int gri_state_publish(gr_self *self, gr_message **message)
{
    /* relaxed: only the actor writes the address */
    gr_message *before = snapshot_of(gri_load_relaxed(&self->published));
    gr_message *snapshot = *message;
    GRI_DEBUG_ASSERT(!(snapshot->flags & (GRI_MESSAGE_EMBEDDED | GRI_MESSAGE_HELD)));
    snapshot->sender = gri_actor_address(self);
    snapshot->reference = before ? before->reference + 1 : 1;
    gri_atomic_init(count_of(snapshot), 0);
    *message = NULL;
    retire(swap(self, snapshot));
    return 0;
}

void gri_state_release(gr_self *self)
{
    /* relaxed: only the actor writes the address */
    if (!snapshot_of(gri_load_relaxed(&self->published))) return;
    retire(swap(self, NULL));
}

static gr_message *pin(gr_self *self)
{
    /* relaxed: a guess that the swap checks */
    uint64_t seen = gri_load_relaxed(&self->published);
    for (;;) {
        if (!snapshot_of(seen)) return NULL;
        if (seen >> 48 == PINS_MAX) {
            gri_thread_yield();
            seen = gri_load_relaxed(&self->published); /* relaxed: as above */
            continue;
        }
        /* mo:state.pin acquire <- state.swap release */
        if (gri_cas_weak_acquire(&self->published, &seen, seen + PIN)) return snapshot_of(seen);
    }
}

static void unpin(gr_self *self, gr_message *snapshot)
{
    /* relaxed: a guess that the swap checks; an address that differs says that the actor has replaced it */
    uint64_t seen = gri_load_relaxed(&self->published);
    while (snapshot_of(seen) == snapshot) {
        /* mo:state.unpin release -> state.swap acquire: this reader is done with it */
        if (gri_cas_weak_release(&self->published, &seen, seen - PIN)) return;
    }
    /* mo:state.leave release -> state.retire acquire: this reader is done with it
     * mo:state.leave acquire <- state.retire release
     * mo:state.leave release -> state.leave acquire: this reader is done with it
     * mo:state.leave acquire <- state.leave release */
    if (gri_sub_acq_rel(count_of(snapshot), 1u) == 1) release_snapshot(snapshot);
}

/* The snapshot of that very life, pinned; NULL: none, or another life's. */
static gr_message *pin_of(gr_self *self, gr_address address)
{
    gr_message *snapshot = pin(self);
    if (!snapshot || gr_address_equal(snapshot->sender, address)) return snapshot;
    unpin(self, snapshot);
    return NULL;
}

uint64_t gri_state_version(gr_address address)
{
    gr_self *self = gri_actor_find(address);
    gr_message *snapshot = self && gr_alive(address) ? pin_of(self, address) : NULL;
    if (!snapshot) return 0;
    uint64_t version = snapshot->reference;
    unpin(self, snapshot);
    return version;
}

int gr_state(gr_address address, gr_message **ret_state, uint64_t *ret_version)
{
    gr_self *self = gri_actor_find(address);
    if (!self || !gr_alive(address)) return GR_EDEAD; /* whoever was told of the death finds nothing any more */
    gr_message *snapshot = pin_of(self, address);
    if (!snapshot) return gr_alive(address) ? GR_ENOTFOUND : GR_EDEAD;
    uint64_t version = snapshot->reference;
    gr_message *copy = NULL;
    int code = gr_message_copy(gr_body(snapshot), &copy);
    unpin(self, snapshot);
    if (code != 0) return code;
    *ret_state = copy;
    if (ret_version) *ret_version = version;
    return 0;
}

/* ---- by the actor itself ---- */

int gr_publish_site(gr_self *self, gr_site *site, const char *format, ...)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    gr_message *m = NULL;
    va_list args;
    va_start(args, format);
    code = gri_pack_for(self, &m, site, format, args);
    va_end(args);
    return code != 0 ? code : gri_state_publish(self, &m);
}

int gr_publish_value(gr_self *self, gr_value value)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    gr_message *m = NULL;
    code = gr_message_copy(value, &m);
    if (code != 0) return gri_fail(self, code, "nothing was published: %s", gr_error_text(code));
    return gri_state_publish(self, &m);
}
