/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The machine as the workers see it: CPUs with their cores, caches and NUMA nodes; how many workers; where each runs.
 *
 * hwloc is asked exactly once, in gri_topology_read, and in a child process (os/apart.h): 2.9 crashes on failed
 * allocations, and goes round for ever on some. What the child found is copied into the plain tables below. Without an answer the
 * machine is flat: every CPU of the affinity mask a core of its own, one cache, one node.
 *
 *     gri_topology *t;
 *     gri_topology_read(NULL, &t);         machine, affinity mask, CPU quota
 *     gri_topology_place(t, "auto", 0);    workers and their places (placement.c)
 *     …threads: gri_topology_bind(t, worker, …), gri_topology_victims(t, worker, workers, order)
 *     gri_topology_free(t);
 *
 * Read and place are for one thread, before others see the topology; afterwards it is constant and any thread may read
 * it. gri_topology_usable asks the system again and may be called by any thread at any time.
 *
 * "Usable" CPUs are those in the affinity mask of the thread that called gri_topology_read, limited by the CPU quota. A
 * synthetic topology (HWLOC_SYNTHETIC, or the option) is another machine: mask and quota of this one are ignored,
 * nobody is ever really bound, everything else is computed. */
#ifndef GRI_OS_TOPOLOGY_H
#define GRI_OS_TOPOLOGY_H

#include "base/compiler.h"
#include "os/cgroup.h"
#include "os/cpus.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRI_TOPOLOGY_UNKNOWN UINT32_MAX /* a worker's core, cache, node or package when it moves between several */
#define GRI_TOPOLOGY_WORKERS_MAX 4096u
#define GRI_TOPOLOGY_REASON_BYTES 384

/* A CPU that may be used. Everything but the kernel's numbers is dense, from 0, in hwloc's order of locality. */
typedef struct gri_pu {
    uint32_t os_index;      /* what the kernel calls it */
    uint32_t core;          /* hardware threads of one core share it */
    uint32_t cache;         /* the outermost cache of more than one core, usually L3; without one the core's number */
    uint32_t node;          /* NUMA node */
    uint32_t node_os_index; /* what the kernel calls that; GRI_TOPOLOGY_UNKNOWN on a flat machine */
    uint32_t package;
} gri_pu;

/* Where a worker runs. */
typedef struct gri_place {
    uint32_t pu_first, pu_count;         /* topology->pus[…]: its mask, or where it floats */
    uint32_t core, cache, node, package; /* GRI_TOPOLOGY_UNKNOWN where its mask spans several */
    uint32_t node_os_index;              /* for gri_vmem_prefer_node; GRI_TOPOLOGY_UNKNOWN likewise */
    uint32_t ring_position;              /* in the order of locality over all workers */
    bool bound;                          /* gri_topology_bind pins it (on a synthetic machine: would) */
} gri_place;

typedef enum gri_bind {
    GRI_BIND_AUTO, /* core if the CPUs are ours (placement.c has the rule), else none */
    GRI_BIND_CORE, /* each worker to a core */
    GRI_BIND_PU,   /* each worker to a hardware thread */
    GRI_BIND_NUMA, /* each worker to a NUMA node */
    GRI_BIND_NONE, /* workers float over the mask */
    GRI_BIND_LIST, /* worker i to the list's CPU i */
} gri_bind;

typedef struct gri_topology {
    /* The machine, by gri_topology_read. */
    gri_pu *pus; /* those in the mask */
    uint32_t pus_count, cores_count, caches_count, nodes_count, packages_count;
    uint32_t machine_pus_count; /* online in the machine, allowed or not */
    gri_cpus mask;              /* what the reading thread may run on */
    gri_cgroup_quota quota;
    bool synthetic;      /* another machine: never bind */
    bool flat;           /* hwloc gave no answer */
    bool covers_machine; /* the mask holds every online CPU */
    bool exclusive;      /* our control group has its CPUs for itself */
    /* The placement, by gri_topology_place. */
    gri_place *places; /* one per worker */
    uint32_t *ring;    /* ring[places[w].ring_position] == w */
    uint32_t workers;
    gri_bind asked, in_force;               /* in_force is never GRI_BIND_AUTO */
    uint32_t list_missing;                  /* CPUs of an asked-for list that may not be used */
    char reason[GRI_TOPOLOGY_REASON_BYTES]; /* why workers are bound or float, a sentence without a full stop */
} gri_topology;

typedef struct gri_topology_options {
    const char *root;      /* put before the paths of /proc and control groups; NULL: "" */
    const char *synthetic; /* hwloc's synthetic description; NULL: the machine, or HWLOC_SYNTHETIC */
    bool flat;             /* do not ask hwloc */
    uint32_t patience_ms;  /* with hwloc; 0: 10 s */
    bool here;             /* ask hwloc in this process, where its crash is everybody's: for tests, and to measure */
} gri_topology_options;

/* options NULL: all defaults. GR_ENOMEM; GR_EINVAL for a synthetic description hwloc does not take; GR_ESYSTEM when not
 * even the affinity mask can be read. */
GRI_MUST_CHECK int gri_topology_read(const gri_topology_options *options, gri_topology **ret_topology);
void gri_topology_free(gri_topology *topology); /* NULL is fine */

/* What GREENROOM_BIND may say: auto core pu numa none, or a list of CPUs such as "0,2,4-7". GR_EINVAL or what
 * gri_cpus_parse answers for a list. */
GRI_MUST_CHECK int gri_bind_parse(const char *text, gri_bind *ret_bind);
const char *gri_bind_name(gri_bind bind);

/* Decides how many workers there are and where they run. `bind` as in gri_bind_parse, NULL for auto; workers 0 for what
 * the binding gives, limited by the quota; more are cut to GRI_TOPOLOGY_WORKERS_MAX. May be called again, which forgets
 * the former placement. GR_ENOMEM or what gri_bind_parse answers: then nothing has changed. */
GRI_MUST_CHECK int gri_topology_place(gri_topology *topology, const char *bind, uint32_t workers);

/* Pins the calling thread to the worker's place; a floating worker gets the whole mask. 0 if done or if there is
 * nothing to do. On failure (the CPUs went offline or out of the cpuset) the thread keeps its mask and ret_text says
 * why, for the log: never fatal. Workers beyond topology->workers float. */
int gri_topology_bind(const gri_topology *topology, uint32_t worker, char *ret_text, size_t bytes);

/* How far two workers are from each other: 0 on one core, else 1 + how many of cache, node and package they do not
 * share. The names fit where these nest in that order; where they do not (nodes below a cache, packages below a node)
 * the number still grows with the distance. What is unknown counts as not shared. */
enum gri_distance { GRI_SAME_CORE, GRI_SAME_CACHE, GRI_SAME_NODE, GRI_SAME_PACKAGE, GRI_SAME_MACHINE };
enum gri_distance gri_topology_distance(const gri_topology *topology, uint32_t worker, uint32_t other);

/* Writes the workers - 1 others to ret_order, nearest first. Equally far ones stand in ring order; where the ring
 * starts differs from worker to worker, so that the first victims at a distance are spread evenly over their group.
 * worker < workers; workers may exceed topology->workers (spares count as floating). */
void gri_topology_victims(const gri_topology *topology, uint32_t worker, uint32_t workers, uint32_t *ret_order);

/* What the calling thread may use at this moment. */
typedef struct gri_usable {
    uint32_t cpus;      /* min of mask_cpus and the quota's, at least 1 */
    uint32_t mask_cpus; /* in the affinity mask */
    gri_cgroup_quota quota;
} gri_usable;

/* Asks the system again (about 0.1 ms; `root` as in the options, NULL: ""); a synthetic machine answers as at the
 * start. GR_ENOMEM, GR_ESYSTEM. */
GRI_MUST_CHECK int gri_topology_usable(const gri_topology *topology, const char *root, gri_usable *ret_usable);

/* For people and for programs, after gri_topology_place. Like snprintf: write up to `bytes`, terminated, and return the
 * length it would have. The JSON is one object; its keys are listed in topology_print.c. */
size_t gri_topology_text(const gri_topology *topology, char *text, size_t bytes);
size_t gri_topology_json(const gri_topology *topology, char *text, size_t bytes);

#endif
