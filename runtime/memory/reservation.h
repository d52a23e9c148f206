/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Address space that is opened from its low end up.
 *
 * What is not open yet is inaccessible: mlockall cannot populate it, strict overcommit does not charge it, and a wild access
 * faults, and core files leave it out. The open part is one map entry, zeroed, and costs memory where it is touched. Addresses never move.
 *
 * Owned by whoever owns the structure; gri_reservation_open needs the owner's lock. */
#ifndef GRI_MEMORY_RESERVATION_H
#define GRI_MEMORY_RESERVATION_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct gri_reservation {
    char *low;
    size_t bytes, open_bytes;
} gri_reservation;

/* bytes; where the system does not have that, a quarter or more of what it has, at least bytes_least. A multiple of alignment,
 * which is a power of two and at least a page. GR_ENOMEM. */
GRI_MUST_CHECK int gri_reservation_init(gri_reservation *r, size_t bytes, size_t bytes_least, size_t alignment);
void gri_reservation_fini(gri_reservation *r);

/* Makes the first `bytes` accessible, at least; opens in steps of `step`, a power of two and at least a page. False: beyond
 * the end, or no memory. */
GRI_MUST_CHECK bool gri_reservation_open(gri_reservation *r, size_t bytes, size_t step);

#endif
