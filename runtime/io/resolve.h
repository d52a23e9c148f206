/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Names to addresses, off the workers: the system's resolver on a thread of gr_blocking, so that what /etc says counts.
 *
 * Addresses come in the order the system gives them (RFC 6724), at most GRI_RESOLVE_MAX. */
#ifndef GRI_IO_RESOLVE_H
#define GRI_IO_RESOLVE_H

#include "io/endpoint.h"

#define GRI_RESOLVE_MAX 8

typedef struct gri_endpoints {
    unsigned count;
    gri_endpoint list[GRI_RESOLVE_MAX];
} gri_endpoints;

/* An address as it is, a name looked up. Suspends only for names, and begins then as every suspending call does. GR_EINVAL, GR_ENOTFOUND (no
 * such name), GR_ESYSTEM, and those of gr_blocking; kills are acted on. what is in *ret_endpoints is for streams. */
GR_MUST_CHECK int gri_resolve(gr_self *self, const char *address, gr_deadline deadline, gri_endpoints *ret_endpoints);

/* What asks: 0 and *ret_endpoints, or an EAI_ code. Blocks; any thread. For tests; NULL: the system's. Set while nobody asks. */
typedef int gri_resolver(const gri_name *name, gri_endpoints *ret_endpoints);
void gri_resolver_set(gri_resolver *resolver);

#endif
