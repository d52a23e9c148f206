/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See topology.h: reading the machine. What to do with it is in placement.c. */
#include "os/topology.h"

#include "base/instant.h"
#include "os/apart.h"
#include "os/thread.h"

#include <greenroom/error.h>
#include <hwloc.h>
#include <stdlib.h>
#include <string.h>

#define APART_PATIENCE_NS \
    (10 * GRI_NS_PER_S) /* guess: hwloc takes 1-20 ms here, and longer where there are 1,000 CPUs */

/* Dense numbers for hwloc objects, in the order they are met. */
typedef struct numbering {
    const void **objects;
    uint32_t count;
} numbering;

static uint32_t number_of(numbering *n, const void *object)
{
    /* CPUs come in order of locality: an object met before is nearly always the last one. */
    for (uint32_t i = n->count; i > 0; i--)
        if (n->objects[i - 1] == object) return i - 1;
    n->objects[n->count] = object;
    return n->count++;
}

/* The outermost cache above a CPU that more than one core may share: L2 and up; NULL if there is none. */
static hwloc_obj_t outermost_cache(hwloc_obj_t pu)
{
    hwloc_obj_t cache = NULL;
    for (hwloc_obj_t o = pu->parent; o; o = o->parent)
        if (hwloc_obj_type_is_dcache(o->type) && o->attr->cache.depth >= 2) cache = o;
    return cache;
}

/* The first of the memory nodes nearest to a CPU; ones that differ in kind (high bandwidth, far) come after it. */
static hwloc_obj_t nearest_node(hwloc_topology_t hw, hwloc_obj_t pu)
{
    int node = pu->nodeset ? hwloc_bitmap_first(pu->nodeset) : -1;
    return node < 0 ? NULL : hwloc_get_numanode_obj_by_os_index(hw, (unsigned)node);
}

static int describe_pus(gri_topology *topology, hwloc_topology_t hw, hwloc_obj_t *pus, uint32_t count)
{
    const void **room = calloc((size_t)count * 4, sizeof *room);
    if (!room) return GR_ENOMEM;
    numbering cores = {room, 0}, caches = {room + count, 0}, nodes = {room + 2 * (size_t)count, 0},
              packages = {room + 3 * (size_t)count, 0};
    for (uint32_t i = 0; i < count; i++) {
        hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(hw, HWLOC_OBJ_CORE, pus[i]);
        hwloc_obj_t package = hwloc_get_ancestor_obj_by_type(hw, HWLOC_OBJ_PACKAGE, pus[i]);
        hwloc_obj_t node = nearest_node(hw, pus[i]), cache = outermost_cache(pus[i]);
        const void *own = core ? core : pus[i];
        topology->pus[i] = (gri_pu){
            .os_index = pus[i]->os_index,
            .core = number_of(&cores, own),
            .cache = number_of(&caches, cache ? (const void *)cache : own),
            .node = number_of(&nodes, node),
            .node_os_index = node ? node->os_index : GRI_TOPOLOGY_UNKNOWN,
            .package = number_of(&packages, package),
        };
    }
    free(room);
    topology->cores_count = cores.count;
    topology->caches_count = caches.count;
    topology->nodes_count = nodes.count;
    topology->packages_count = packages.count;
    return 0;
}

/* Copies what is in the mask out of a loaded topology. */
static int copy_out(gri_topology *topology, hwloc_topology_t hw)
{
    int all = hwloc_get_nbobjs_by_type(hw, HWLOC_OBJ_PU);
    if (all <= 0) return GR_ESYSTEM;
    hwloc_obj_t *pus = calloc((size_t)all, sizeof(hwloc_obj_t)); /* in the order of hwloc's tree */
    topology->pus = calloc((size_t)all, sizeof *topology->pus);
    int error = !pus || !topology->pus ? GR_ENOMEM : 0;
    topology->synthetic = !hwloc_topology_is_thissystem(hw);
    topology->machine_pus_count = (uint32_t)all;
    if (topology->synthetic) gri_cpus_clear(&topology->mask);
    for (int i = 0; !error && i < all; i++) {
        hwloc_obj_t pu = hwloc_get_obj_by_type(hw, HWLOC_OBJ_PU, (unsigned)i);
        if (topology->synthetic) gri_cpus_add(&topology->mask, pu->os_index);
        if (gri_cpus_has(&topology->mask, pu->os_index)) pus[topology->pus_count++] = pu;
    }
    if (!error) error = topology->pus_count == 0 ? GR_ESYSTEM : describe_pus(topology, hw, pus, topology->pus_count);
    free(pus);
    return error;
}

/* Only what describe_pus asks for: no devices, no instruction caches, no groups; CPUs outside our cpuset too, so that
 * we know whether there are any. */
static int configure(hwloc_topology_t hw, const char *synthetic)
{
    hwloc_topology_set_io_types_filter(hw, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_icache_types_filter(hw, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(hw, HWLOC_OBJ_MISC, HWLOC_TYPE_FILTER_KEEP_NONE);
    if (hwloc_topology_set_flags(hw, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) != 0) return GR_ESYSTEM;
    return synthetic && hwloc_topology_set_synthetic(hw, synthetic) != 0 ? GR_EINVAL : 0;
}

/* Where the kernel's files are missing hwloc visits every CPU to ask it: the caller is back on its own afterwards. */
static int load(hwloc_topology_t hw)
{
    gri_cpus before;
    int error = gri_thread_affinity_get(&before);
    if (!error) error = hwloc_topology_load(hw);
    if (!error) error = gri_thread_affinity_set(&before);
    return error;
}

static int read_hwloc_here(gri_topology *topology, const char *synthetic)
{
    hwloc_topology_t hw;
    if (hwloc_topology_init(&hw) != 0) return GR_ESYSTEM;
    int error = configure(hw, synthetic);
    if (!error && load(hw) != 0) error = GR_ESYSTEM;
    if (!error) error = copy_out(topology, hw);
    hwloc_topology_destroy(hw);
    return error;
}

/* What the child of read_hwloc leaves behind. */
typedef struct apart_result {
    const char *synthetic;
    gri_topology topology;
    gri_pu pus[GRI_CPUS_MAX];
} apart_result;

static int read_hwloc_child(void *arg)
{
    apart_result *result = arg;
    int error = read_hwloc_here(&result->topology, result->synthetic);
    if (error) return error;
    if (result->topology.pus_count > GRI_CPUS_MAX) return GR_ETOOBIG;
    memcpy(result->pus, result->topology.pus, result->topology.pus_count * sizeof result->pus[0]);
    return 0;
}

/* Rubbish of hwloc's that we did not stumble over must not become an index here. */
static bool is_sound(const apart_result *result)
{
    const gri_topology *t = &result->topology;
    if (t->pus_count == 0 || t->pus_count > GRI_CPUS_MAX || t->machine_pus_count < t->pus_count) return false;
    for (uint32_t i = 0; i < t->pus_count; i++) {
        const gri_pu *pu = &result->pus[i];
        if (!gri_cpus_has(&t->mask, pu->os_index) || pu->core >= t->cores_count || pu->cache >= t->caches_count ||
            pu->node >= t->nodes_count || pu->package >= t->packages_count)
            return false;
    }
    return t->cores_count <= t->pus_count && t->caches_count <= t->pus_count && t->nodes_count <= t->pus_count &&
           t->packages_count <= t->pus_count;
}

static int take_over(gri_topology *topology, const apart_result *result)
{
    if (!is_sound(result)) return GR_ESYSTEM;
    gri_pu *pus = calloc(result->topology.pus_count, sizeof *pus);
    if (!pus) return GR_ENOMEM;
    memcpy(pus, result->pus, result->topology.pus_count * sizeof *pus);
    *topology = result->topology;
    topology->pus = pus;
    return 0;
}

/* hwloc does not survive a failed allocation: it is loaded in a child, whose crash is an error like any other here. Where
 * no child may be made (a sandbox) it is loaded in this process after all. */
static int read_hwloc(gri_topology *topology, const gri_topology_options *options)
{
    if (options->here) return read_hwloc_here(topology, options->synthetic);
    apart_result *result = gri_apart_map(sizeof *result);
    if (!result) return GR_ENOMEM;
    result->synthetic = options->synthetic;
    result->topology = *topology;
    const int64_t patience_ns = options->patience_ms ? options->patience_ms * GRI_NS_PER_MS : APART_PATIENCE_NS;
    int error = gri_apart_run(read_hwloc_child, result, patience_ns);
    if (error == GR_EUNSUPPORTED)
        error = read_hwloc_here(topology, options->synthetic);
    else if (!error)
        error = take_over(topology, result);
    gri_apart_unmap(result, sizeof *result);
    return error;
}

/* Every CPU of the mask by itself. */
static int read_flat(gri_topology *topology)
{
    uint32_t count = gri_cpus_count(&topology->mask), i = 0;
    free(topology->pus);
    topology->pus = calloc(count, sizeof *topology->pus);
    if (!topology->pus) return GR_ENOMEM;
    for (uint32_t cpu = gri_cpus_next(&topology->mask, 0); cpu != GRI_CPUS_NONE;
         cpu = gri_cpus_next(&topology->mask, cpu + 1), i++)
        topology->pus[i] = (gri_pu){.os_index = cpu, .core = i, .node_os_index = GRI_TOPOLOGY_UNKNOWN};
    topology->flat = true;
    topology->synthetic = false;
    topology->pus_count = topology->cores_count = topology->machine_pus_count = count;
    topology->caches_count = topology->nodes_count = topology->packages_count = 1;
    return 0;
}

static int read_machine(gri_topology *topology, const gri_topology_options *options)
{
    int error = gri_thread_affinity_get(&topology->mask);
    if (error) return error;
    gri_cpus mask = topology->mask;
    error = options->flat ? GR_ESYSTEM : read_hwloc(topology, options);
    if (options->flat || (error && !options->synthetic)) {
        topology->mask = mask;
        error = read_flat(topology);
    }
    if (error) return error;
    topology->covers_machine = !topology->flat && topology->pus_count == topology->machine_pus_count;
    if (topology->synthetic) {
        topology->quota.complete = true;
        return 0;
    }
    const char *root = options->root ? options->root : "";
    error = gri_cgroup_quota_read(root, &topology->quota);
    return error ? error : gri_cgroup_cpus_exclusive(root, &topology->exclusive);
}

int gri_topology_read(const gri_topology_options *options, gri_topology **ret_topology)
{
    static const gri_topology_options defaults;
    gri_topology *topology = calloc(1, sizeof *topology);
    if (!topology) return GR_ENOMEM;
    int error = read_machine(topology, options ? options : &defaults);
    if (error) {
        gri_topology_free(topology);
        return error;
    }
    *ret_topology = topology;
    return 0;
}

void gri_topology_free(gri_topology *topology)
{
    if (!topology) return;
    free(topology->pus);
    free(topology->places);
    free(topology->ring);
    free(topology);
}

int gri_topology_usable(const gri_topology *topology, const char *root, gri_usable *ret_usable)
{
    gri_usable usable = {.mask_cpus = topology->pus_count, .quota = topology->quota};
    if (!topology->synthetic) {
        gri_cpus mask;
        int error = gri_thread_affinity_get(&mask);
        if (!error) error = gri_cgroup_quota_read(root ? root : "", &usable.quota);
        if (error) return error;
        usable.mask_cpus = gri_cpus_count(&mask);
    }
    usable.cpus = usable.quota.limited ? GRI_MIN(usable.mask_cpus, usable.quota.cpus) : usable.mask_cpus;
    *ret_usable = usable;
    return 0;
}
