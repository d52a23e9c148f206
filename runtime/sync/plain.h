/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Accesses to plain memory that one thread hands to another through an atomic.
 *
 * Ordinary loads and stores; under GRI_EXPLORE the model checks each of them for data races (ThreadSanitizer does it by
 * itself). Used where the hand-over is the point of the code: links of nodes, payloads of tests. */
#ifndef GRI_SYNC_PLAIN_H
#define GRI_SYNC_PLAIN_H

#include "base/atomic.h"

#ifndef GRI_EXPLORE
#define gri_plain_read(p) (*(p))
#define gri_plain_write(p, v) ((void)(*(p) = (v)))
#endif

#endif
