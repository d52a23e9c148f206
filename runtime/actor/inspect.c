/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Looking at what is there: a moment's picture, taken without stopping anybody. Any thread. */
#include "actor/look.h"
#include "actor/registry.h"
#include "actor/remote.h"
#include "actor/runtime.h"
#include "actor/state.h"

#include <string.h>

int gr_inspect(gr_address address, gr_actor_info *ret_info)
{
    if (gri_runtime_forked()) return GR_EFORKED;
    if (gri_address_is_remote(address)) return GR_EUNSUPPORTED;
    gri_look look;
    int code = gri_look_at(address, &look);
    if (code != 0) return code;
    gr_actor_info info;
    memset(&info, 0, sizeof info);
    info.address = address;
    info.state = look.state;
    info.messages = look.received;
    info.mailbox = look.mailbox;
    info.memory = look.memory;
    info.is_server = look.is_server;
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
