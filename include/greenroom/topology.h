/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The machine as the runtime sees it: what `greenroom topology` prints. */
#ifndef GR_TOPOLOGY_H
#define GR_TOPOLOGY_H

#include <greenroom/error.h>

GR_BEGIN_DECLS

/* The CPUs, cores, caches and NUMA nodes that the calling thread may use, the CPU quota, and where the workers of a runtime
 * started now with this environment would run; as lines for people, or as one JSON object (without a newline). It reads the
 * machine anew: some milliseconds, and about 100 KB of stack.
 * Writes the text and a NUL into `buffer` of `bytes` bytes; *ret_needed is the length of the whole text without the NUL, also
 * with GR_ETOOBIG (then the buffer, which may be NULL if bytes is 0, holds its beginning).
 * Errors: GR_ETOOBIG; GR_ECONTEXT: called by a green thread; GR_EENV: a variable has a value that is not allowed, which the
 * detail (may be NULL) names; GR_ENOMEM, GR_ESYSTEM. */
GR_ANY_THREAD GR_MUST_CHECK int gr_topology_print(bool json, char *buffer, size_t bytes, size_t *ret_needed,
                                                  gr_detail *ret_detail);

GR_END_DECLS

#endif
