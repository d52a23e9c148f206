/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* GREENROOM_TRACE: spans go from the actors whose they are into rings, one a worker, and from there into the file by a thread of
 * its own. A full ring, or a file of GRI_SPANS_BYTES_MAX bytes, takes no more: what is lost is counted.
 *
 * The file is an array of events in the Chrome trace format, one a line, without its closing bracket until the runtime is stopped;
 * readers do not need it. An actor is a "thread" there, so that spans that wait for each other do not overlap.
 *
 *   gri_spans_start, _stop   gr_start, before there are workers; gr_stop, when there are none any more
 *   gri_spans_count          any thread */
#ifndef GRI_OBSERVE_SPANS_H
#define GRI_OBSERVE_SPANS_H

#include <greenroom/error.h>
#include <stdint.h>

#define GRI_SPANS_BYTES_MAX ((uint64_t)1 << 30)

/* GR_EENV with the reason, GR_ENOMEM, GR_ESYSTEM. */
GR_MUST_CHECK int gri_spans_start(const char *path, gr_detail *detail);
void gri_spans_stop(void);

void gri_spans_count(uint64_t *ret_written, uint64_t *ret_lost);

#endif
