/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Looking at what is there: a moment's picture, taken without stopping anybody. Any thread. */
#include "actor/registry.h"
#include "actor/runtime.h"
#include "actor/serve.h"
#include "actor/state.h"

#include <string.h>

/* What belongs to the actor and may change meanwhile: a moment's picture, so the races in here are meant. */
#if GRI_TSAN
__attribute__((no_sanitize("thread")))
#endif
static GRI_NOINLINE void
peek(gr_self *self, gr_actor_info *info)
{
    const volatile gr_self *look = self;
    info->messages = look->received;
    info->is_server = look->task.run == gri_serve_run;
    uint16_t flags = look->flags;
    if (flags & GRI_ENDING)
        info->state = "ending";
    else if (flags & GRI_ATTACHED)
        info->state = "attached";
    else
        info->state = NULL;
}

int gr_inspect(gr_address address, gr_actor_info *ret_info)
{
    if (gri_runtime_forked()) return GR_EFORKED;
    gr_self *self = gri_actor_find(address);
    if (!self || !gr_alive(address)) return GR_EDEAD;
    gr_actor_info info;
    memset(&info, 0, sizeof info);
    info.address = address;
    peek(self, &info);
    uint64_t mail = gri_load_relaxed(&self->mailbox.word) & GRI_MAIL_STATE_MASK; /* relaxed: a moment's picture */
    if (!info.state) info.state = mail == GRI_MAIL_RUNNING ? "running" : "waiting";
    info.publications = gri_state_version(address);
    info.has_state = info.publications != 0;
    const gr_behaviour *behaviour;
    gri_registry_about(address, info.name, &behaviour);
    if (behaviour) strncpy(info.behaviour, behaviour->name, sizeof info.behaviour - 1);
    if (!gr_alive(address)) return GR_EDEAD; /* what was seen may be another life's */
    *ret_info = info;
    return 0;
}

int gr_each(int (*visit)(void *arg, gr_address address), void *arg)
{
    if (gri_runtime_forked()) return GR_EFORKED;
    if (gri_runtime_is_down()) return GR_ENOTRUNNING;
    uint32_t limit =
        gri_load_relaxed(&gri_runtime_now.actor_limit); /* relaxed: a bound; the table's slots are always there */
    for (uint32_t index = 0; index < limit; index++) {
        gr_self *self = gri_table_at(&gri_runtime_now.actors, index);
        /* relaxed: gr_alive looks properly; an actor spawned meanwhile may be missed */
        uint32_t generation = gri_load_relaxed(&self->generation);
        gr_address address = {(uint64_t)generation << 32 | index};
        if (!(generation & 1) || !gr_alive(address)) continue;
        int code = visit(arg, address);
        if (code != 0) return code;
    }
    return 0;
}
