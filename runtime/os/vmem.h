/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Virtual memory: reserving address space, giving pages back, guards.
 *
 * Any thread; a range belongs to one owner at a time. Addresses and lengths are multiples of gri_vmem_page_bytes unless
 * said otherwise. Nothing here keeps state. */
#ifndef GRI_OS_VMEM_H
#define GRI_OS_VMEM_H

#include "base/compiler.h"

#include <stddef.h>
#include <stdint.h>

typedef struct gri_vmem_range {
    void *low;
    size_t bytes;
} gri_vmem_range;

size_t gri_vmem_page_bytes(void);

/* Zeroed, readable and writable address space, aligned to `alignment` (a power of two, or 0 for a page), which costs
 * memory only where it is touched. bytes is rounded up to pages. GR_ENOMEM when the kernel has no room or, under strict
 * overcommit, no memory to promise. */
GRI_MUST_CHECK int gri_vmem_reserve(size_t bytes, size_t alignment, void **ret_low);
/* Ends any part of a reservation. GR_ENOMEM: splitting the mapping would exceed the map count; it stays as it was. */
int gri_vmem_release(void *low, size_t bytes);

/* Gives the pages back; they read as zero when touched again. Guards survive. GR_ESYSTEM if the kernel keeps them (it
 * does for locked memory before 5.18): the contents are then unchanged. */
int gri_vmem_discard(void *low, size_t bytes);
/* The same for many ranges: neighbours in ascending order become one call each run (0.3 against 2.0 us a slot,
 * measured). Returns how many ranges, from the first on, were given back. */
size_t gri_vmem_discard_bulk(const gri_vmem_range *ranges, size_t count);

/* Never huge pages here; refusal (kernels without them) is GR_EUNSUPPORTED and changes nothing. */
int gri_vmem_no_hugepage(void *low, size_t bytes);

/* A guard faults on every access, costs no map entry and survives gri_vmem_discard. What the range held is lost.
 * GR_EUNSUPPORTED before Linux 6.13 and on locked memory, GR_ENOMEM. */
GRI_MUST_CHECK int gri_vmem_guard_install(void *low, size_t bytes);
GRI_MUST_CHECK int gri_vmem_guard_remove(void *low, size_t bytes);

/* The classic guard: costs up to two entries of the map count. GR_ENOMEM when the map count is exhausted. */
GRI_MUST_CHECK int gri_vmem_protect_none(void *low, size_t bytes);
GRI_MUST_CHECK int gri_vmem_protect_rw(void *low, size_t bytes);

/* The kernel's limit on mappings and how many this process has now. Reads /proc: start-up and slow paths only.
 * GR_EUNSUPPORTED when /proc does not say. */
GRI_MUST_CHECK int gri_vmem_map_budget(size_t *ret_limit, size_t *ret_used);

/* Pages of the range that are touched from now on should come from `node`, if it has room. GR_EUNSUPPORTED on kernels
 * without NUMA and where containers forbid the call. */
int gri_vmem_prefer_node(void *low, size_t bytes, unsigned node);

/* How much of the range is in memory, in bytes; GR_ESYSTEM if part of it is not mapped. For counters and tests. */
GRI_MUST_CHECK int gri_vmem_resident(const void *low, size_t bytes, size_t *ret_bytes);

#endif
