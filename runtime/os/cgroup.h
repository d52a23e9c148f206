/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What control groups let this process use of the CPUs: its quota, in both versions of the interface.
 *
 * Every level from the process's own group up to the mount root counts, and the smallest limit wins: a container's own
 * group is often unlimited inside a pod's that is not. Version 1 (cpu.cfs_quota_us, cpu.cfs_period_us), version 2
 * (cpu.max), both at once, cgroup namespaces (paths relative to somebody else's root) and several mounts of one
 * hierarchy.
 *
 * Reads files, allocates a line buffer, keeps no state: any thread, at start and from time to time while running (about
 * 0.1 ms). Not on an actor's stack. `root` is put before every path, so that tests bring their own trees; "" is the
 * real one. What cannot be read or parsed limits nothing and shows in `complete`. */
#ifndef GRI_OS_CGROUP_H
#define GRI_OS_CGROUP_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

#define GRI_CGROUP_WHERE_BYTES 256

typedef struct gri_cgroup_quota {
    bool limited;                       /* the rest but `complete` means something only if so */
    bool complete;                      /* the process's group was found, nothing malformed; or no groups */
    uint32_t cpus;                      /* quota / period rounded up, at least 1 */
    int64_t quota_us, period_us;        /* the tightest level's */
    char where[GRI_CGROUP_WHERE_BYTES]; /* the file that sets it, without `root`, cut */
} gri_cgroup_quota;

/* GR_ENOMEM only. */
GRI_MUST_CHECK int gri_cgroup_quota_read(const char *root, gri_cgroup_quota *ret_quota);

/* Whether the process's own group has its CPUs for itself: a version 2 partition ("root" or "isolated" in
 * cpuset.cpus.partition) or a version 1 cpuset below the root with cpuset.cpu_exclusive. GR_ENOMEM only. */
GRI_MUST_CHECK int gri_cgroup_cpus_exclusive(const char *root, bool *ret_exclusive);

#endif
