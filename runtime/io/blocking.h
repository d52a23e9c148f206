/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The pool behind gr_blocking: what the runtime and tests need of it. See blocking.c. */
#ifndef GRI_IO_BLOCKING_H
#define GRI_IO_BLOCKING_H

#include "base/compiler.h"

#include <greenroom/blocking.h>

/* A moment's picture, for tests. */
typedef struct gri_blocking_counts {
    unsigned threads, idle, running, waiting;
} gri_blocking_counts;
void gri_blocking_count(gri_blocking_counts *ret_counts);

#endif
