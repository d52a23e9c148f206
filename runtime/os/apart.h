/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Running a function in a process of its own, so that a crash of it is an answer and not the end.
 *
 * For foreign code that does not survive a failed allocation (hwloc 2.9: os/topology.c). The child is a fork: it has the
 * caller's memory as it was, and gives back only what it writes to memory from gri_apart_map. Any thread; the caller waits
 * until the child has ended. A handler for SIGCHLD hears of it; that the host ignores SIGCHLD, or reaps what it finds,
 * changes nothing: the answer comes by shared memory.
 *
 * Price: 0.2 ms in a small process; the fork copies page tables, about 30 ms per resident gigabyte (both measured). */
#ifndef GRI_OS_APART_H
#define GRI_OS_APART_H

#include "base/compiler.h"

#include <stddef.h>
#include <stdint.h>

/* Zeroed memory that a child shares with the caller, aligned to a cache line; pages that nobody touches cost nothing.
 * NULL: there is none. */
void *gri_apart_map(size_t bytes);
void gri_apart_unmap(void *memory, size_t bytes);

/* Calls fn(arg) in a child and returns what it returned (0 or a negative code). The child leaves no core, runs no handler
 * of the host's and ends without its atexit functions. arg points to what gri_apart_map gave.
 * GR_ENOMEM: no process could be made for lack of memory or of processes. GR_EUNSUPPORTED: none may be made here.
 * GR_ESYSTEM: it crashed, or took longer than patience_ns and was killed. */
GRI_MUST_CHECK int gri_apart_run(int (*fn)(void *arg), void *arg, int64_t patience_ns);

#endif
