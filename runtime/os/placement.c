/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See topology.h: how many workers, where each runs, whom each steals from.
 *
 * Workers are laid on slots: the usable CPUs, first hardware threads of all cores first, so that a worker shares a core
 * only when there are more workers than cores. Worker i has slot i (modulo their number) and is pinned to the slot's
 * core, hardware thread or node, as the binding says.
 *
 * The rule of `auto`: pin each worker to a core when all of this holds, else float and say which does not:
 *   - hwloc could read the machine
 *   - the CPUs are ours: the mask covers every online CPU, or our control group has them exclusively
 *   - no CPU quota below the mask, and none that may have been missed: who is paid by the millisecond shares the CPUs,
 *     and a throttled worker must be free to go where there is room
 *   - there are at least as many workers as cores (fewer leave the rest to others, and several such processes would all
 *     meet on the first cores) and at most as many as CPUs */
#include "os/topology.h"

#include "os/thread.h"

#include <greenroom/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const bind_names[] = {"auto", "core", "pu", "numa", "none", "list"};

int gri_bind_parse(const char *text, gri_bind *ret_bind)
{
    for (int bind = GRI_BIND_AUTO; bind < GRI_BIND_LIST; bind++) {
        if (strcmp(text, bind_names[bind]) != 0) continue;
        *ret_bind = (gri_bind)bind;
        return 0;
    }
    if (text[0] < '0' || text[0] > '9') return GR_EINVAL;
    size_t count;
    int error = gri_cpus_parse(text, NULL, 0, &count);
    if (!error) *ret_bind = GRI_BIND_LIST;
    return error;
}

const char *gri_bind_name(gri_bind bind)
{
    return bind_names[bind];
}

/* A placement being made; becomes part of the topology only when it is complete. */
typedef struct plan {
    const gri_topology *topology;
    uint32_t *slots, slots_count; /* indices into topology->pus */
    uint32_t list_missing;        /* CPUs of the list that may not be used */
    uint32_t workers;
    gri_bind asked, in_force;
    char reason[GRI_TOPOLOGY_REASON_BYTES];
} plan;

/* The hardware thread's number within its core. */
static uint32_t thread_of_core(const gri_topology *topology, uint32_t pu)
{
    uint32_t first = pu;
    while (first > 0 && topology->pus[first - 1].core == topology->pus[pu].core) first--;
    return pu - first;
}

static void slots_of_all(plan *p)
{
    for (uint32_t thread = 0; p->slots_count < p->topology->pus_count; thread++)
        for (uint32_t pu = 0; pu < p->topology->pus_count; pu++)
            if (thread_of_core(p->topology, pu) == thread) p->slots[p->slots_count++] = pu;
}

static int slots_of_list(plan *p, const char *list)
{
    size_t count;
    uint32_t *order = calloc(GRI_CPUS_MAX, sizeof *order);
    if (!order) return GR_ENOMEM;
    int error = gri_cpus_parse(list, order, GRI_CPUS_MAX, &count);
    for (size_t i = 0; !error && i < count; i++) {
        uint32_t pu = 0;
        while (pu < p->topology->pus_count && p->topology->pus[pu].os_index != order[i]) pu++;
        if (pu < p->topology->pus_count)
            p->slots[p->slots_count++] = pu;
        else
            p->list_missing++;
    }
    free(order);
    return error;
}

static bool quota_restricts(const gri_topology *topology)
{
    const gri_cgroup_quota *quota = &topology->quota;
    return quota->limited && (__int128)quota->quota_us < (__int128)quota->period_us * topology->pus_count;
}

static uint32_t limit_workers(const gri_topology *topology, uint32_t workers)
{
    return topology->quota.limited ? GRI_MIN(workers, topology->quota.cpus) : workers;
}

GRI_PRINTF(3, 4) static void decide(plan *p, gri_bind in_force, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->reason, sizeof p->reason, format, args);
    va_end(args);
    p->in_force = in_force;
}

/* `asked` 0: as many as fit. */
static void decide_auto(plan *p, uint32_t asked)
{
    const gri_topology *t = p->topology;
    if (t->flat)
        decide(p, GRI_BIND_NONE, "the machine's topology could not be read");
    else if (quota_restricts(t))
        decide(p, GRI_BIND_NONE, "a quota of %.2f CPUs applies (%s)",
               (double)t->quota.quota_us / (double)t->quota.period_us, t->quota.where);
    else if (!t->quota.complete)
        decide(p, GRI_BIND_NONE, "the CPU quota could not be read completely");
    else if (!t->covers_machine && !t->exclusive)
        decide(p, GRI_BIND_NONE, "the affinity mask holds %u of the machine's %u CPUs, and others may use them too",
               t->pus_count, t->machine_pus_count);
    else if (asked && asked < t->cores_count)
        decide(p, GRI_BIND_NONE, "there are fewer workers (%u) than cores (%u)", asked, t->cores_count);
    else if (asked > t->pus_count)
        decide(p, GRI_BIND_NONE, "there are more workers (%u) than CPUs (%u)", asked, t->pus_count);
    else
        decide(p, GRI_BIND_CORE, "%s and no CPU quota restricts it",
               t->covers_machine ? "the affinity mask covers the machine"
                                 : "the control group has its CPUs exclusively");
}

static void decide_list(plan *p, const char *list)
{
    if (p->slots_count == 0) {
        slots_of_all(p);
        decide(p, GRI_BIND_NONE, "none of the CPUs %s may be used", list);
    } else if (p->list_missing) {
        decide(p, GRI_BIND_LIST, "asked for, but %u of the CPUs %s may not be used", p->list_missing, list);
    } else {
        decide(p, GRI_BIND_LIST, "asked for");
    }
}

static int plan_make(plan *p, const char *bind, uint32_t workers)
{
    int error = gri_bind_parse(bind, &p->asked);
    if (error) return error;
    p->slots = calloc(p->topology->pus_count, sizeof *p->slots);
    if (!p->slots) return GR_ENOMEM;
    if (p->asked == GRI_BIND_LIST)
        error = slots_of_list(p, bind);
    else
        slots_of_all(p);
    if (error) return error;

    if (p->asked == GRI_BIND_AUTO)
        decide_auto(p, workers);
    else if (p->asked == GRI_BIND_LIST)
        decide_list(p, bind);
    else
        decide(p, p->asked, "asked for");
    uint32_t fit = p->in_force == GRI_BIND_CORE ? p->topology->cores_count : p->slots_count;
    p->workers = GRI_MIN(workers ? workers : limit_workers(p->topology, fit), GRI_TOPOLOGY_WORKERS_MAX);
    return 0;
}

/* Whether a CPU belongs to the mask of a worker whose slot is another. */
static bool same_place(const gri_topology *topology, gri_bind bind, uint32_t slot, uint32_t pu)
{
    const gri_pu *a = &topology->pus[slot], *b = &topology->pus[pu];
    switch (bind) {
    case GRI_BIND_CORE: return a->core == b->core;
    case GRI_BIND_NUMA: return a->node == b->node;
    case GRI_BIND_NONE: return true;
    default: return slot == pu;
    }
}

/* CPUs of a core and of a node stand side by side in hwloc's order. */
static gri_place place_on(const gri_topology *topology, gri_bind bind, uint32_t slot)
{
    uint32_t first = slot, end = slot + 1;
    while (first > 0 && same_place(topology, bind, slot, first - 1)) first--;
    while (end < topology->pus_count && same_place(topology, bind, slot, end)) end++;
    const gri_pu *pu = &topology->pus[first];
    gri_place place = {
        .pu_first = first,
        .pu_count = end - first,
        .core = pu->core,
        .cache = pu->cache,
        .node = pu->node,
        .package = pu->package,
        .node_os_index = pu->node_os_index,
        .bound = bind != GRI_BIND_NONE,
    };
    for (uint32_t i = first + 1; i < end; i++) {
        const gri_pu *other = &topology->pus[i];
        if (other->core != pu->core) place.core = GRI_TOPOLOGY_UNKNOWN;
        if (other->cache != pu->cache) place.cache = GRI_TOPOLOGY_UNKNOWN;
        if (other->node != pu->node) place.node = place.node_os_index = GRI_TOPOLOGY_UNKNOWN;
        if (other->package != pu->package) place.package = GRI_TOPOLOGY_UNKNOWN;
    }
    return place;
}

/* Workers in the order of their first CPU, by number where that is equal: neighbours on the ring are neighbours on the
 * machine. A counting sort over the CPUs. */
static void ring_make(const gri_topology *topology, gri_place *places, uint32_t *ring, uint32_t workers)
{
    uint32_t position = 0;
    for (uint32_t pu = 0; pu < topology->pus_count; pu++)
        for (uint32_t w = 0; w < workers; w++) {
            if (places[w].pu_first != pu) continue;
            places[w].ring_position = position;
            ring[position++] = w;
        }
}

int gri_topology_place(gri_topology *topology, const char *bind, uint32_t workers)
{
    plan p = {.topology = topology};
    gri_place *places = NULL;
    uint32_t *ring = NULL;
    int error = plan_make(&p, bind ? bind : "auto", workers);
    if (!error) {
        places = calloc(p.workers, sizeof *places);
        ring = calloc(p.workers, sizeof *ring);
        if (!places || !ring) error = GR_ENOMEM;
    }
    if (error) {
        free(places);
        free(ring);
        free(p.slots);
        return error;
    }
    for (uint32_t w = 0; w < p.workers; w++) places[w] = place_on(topology, p.in_force, p.slots[w % p.slots_count]);
    ring_make(topology, places, ring, p.workers);
    free(p.slots);
    free(topology->places);
    free(topology->ring);
    topology->places = places;
    topology->ring = ring;
    topology->workers = p.workers;
    topology->asked = p.asked;
    topology->in_force = p.in_force;
    topology->list_missing = p.list_missing;
    memcpy(topology->reason, p.reason, sizeof p.reason);
    return 0;
}

int gri_topology_bind(const gri_topology *topology, uint32_t worker, char *ret_text, size_t bytes)
{
    if (topology->synthetic) return 0;
    gri_cpus cpus = topology->mask;
    if (worker < topology->workers && topology->places[worker].bound) {
        const gri_place *place = &topology->places[worker];
        gri_cpus_clear(&cpus);
        for (uint32_t i = 0; i < place->pu_count; i++) gri_cpus_add(&cpus, topology->pus[place->pu_first + i].os_index);
    }
    int error = gri_thread_affinity_set(&cpus);
    if (!error) return 0;
    char list[128];
    gri_cpus_print(&cpus, list, sizeof list);
    snprintf(ret_text, bytes, "worker %u cannot be bound to CPU %s: %s", worker, list,
             error == GR_EINVAL ? "none of them is available to this process now" : "the system refuses");
    return error;
}

enum gri_distance gri_topology_distance(const gri_topology *topology, uint32_t worker, uint32_t other)
{
    if (worker >= topology->workers || other >= topology->workers) return GRI_SAME_MACHINE;
    const gri_place *a = &topology->places[worker], *b = &topology->places[other];
#define SAME(level) (a->level == b->level && a->level != GRI_TOPOLOGY_UNKNOWN)
    if (SAME(core)) return GRI_SAME_CORE;
    return (enum gri_distance)(GRI_SAME_CACHE + !SAME(cache) + !SAME(node) + !SAME(package));
#undef SAME
}

void gri_topology_victims(const gri_topology *topology, uint32_t worker, uint32_t workers, uint32_t *ret_order)
{
    /* Spares stand behind the placed workers on the ring, at their own number. */
    uint32_t positions = GRI_MAX(workers, topology->workers), written = 0;
    uint32_t own = worker < topology->workers ? topology->places[worker].ring_position : worker;
    for (int tier = GRI_SAME_CORE; tier <= GRI_SAME_MACHINE; tier++) {
        /* The worker's rank among those nearer to it: the k-th of a group begins with the k-th of the next group. */
        uint32_t candidates = 0, rank = 0;
        for (uint32_t at = 0; at < positions; at++) {
            uint32_t other = at < topology->workers ? topology->ring[at] : at;
            if (other == worker || other >= workers) continue;
            int distance = (int)gri_topology_distance(topology, worker, other);
            candidates += distance == tier;
            rank += distance < tier && at < own;
        }
        for (uint32_t step = 1, found = 0; found < candidates; step++) {
            uint32_t at = (own + step) % positions, other = at < topology->workers ? topology->ring[at] : at;
            if (other == worker || other >= workers) continue;
            if ((int)gri_topology_distance(topology, worker, other) != tier) continue;
            ret_order[written + (found + candidates - rank % candidates) % candidates] = other;
            found++;
        }
        written += candidates;
    }
}
