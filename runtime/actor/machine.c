/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* gr_topology_print: reads the machine as gr_start would, and prints it. Independent of the runtime that may be up: a worker's
 * own affinity mask is not the process's, so workers are refused. */
#include "actor/settings.h"
#include "base/error.h"
#include "os/topology.h"
#include "schedule/scheduler.h"

#include <greenroom/topology.h>

static int read_placed(gri_topology **ret_topology, gr_detail *ret_detail)
{
    gri_settings settings;
    gri_topology *topology = NULL;
    int code = gri_settings_load(NULL, &settings, ret_detail);
    if (code != 0) return code;
    code = gri_topology_read(NULL, &topology);
    if (code == GR_EINVAL)
        return gri_refuse(ret_detail, code, "HWLOC_SYNTHETIC describes no machine that hwloc understands");
    if (code != 0) return gri_refuse(ret_detail, code, "the machine could not be read");
    code = gri_topology_place(topology, settings.bind_text, (uint32_t)settings.workers);
    if (code != 0) {
        gri_topology_free(topology);
        return gri_refuse(ret_detail, code, "GREENROOM_BIND cannot be placed on this machine");
    }
    *ret_topology = topology;
    return 0;
}

int gr_topology_print(bool json, char *buffer, size_t bytes, size_t *ret_needed, gr_detail *ret_detail)
{
    gri_topology *topology = NULL;
    if (gri_worker_here())
        return gri_refuse(ret_detail, GR_ECONTEXT, "called by an actor: its thread is bound to a CPU");
    int code = read_placed(&topology, ret_detail);
    if (code != 0) return code;
    size_t needed = json ? gri_topology_json(topology, buffer, bytes) : gri_topology_text(topology, buffer, bytes);
    gri_topology_free(topology);
    if (ret_needed) *ret_needed = needed;
    return needed < bytes ? 0 : gri_refuse(ret_detail, GR_ETOOBIG, "the text does not fit");
}
