/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Unpredictable bytes from the kernel: tokens, address tags, seeds. Replaceable, so that simulation repeats itself.
 * Any thread. May block once, early in boot, until the kernel has entropy. */
#ifndef GRI_OS_RANDOM_H
#define GRI_OS_RANDOM_H

#include "base/compiler.h"

#include <stddef.h>
#include <stdint.h>

/* Fills the buffer. GR_ESYSTEM if the kernel refuses: then nothing in it may be used. */
GRI_MUST_CHECK int gri_random_bytes(void *buffer, size_t bytes);

/* A seed for base/rng.h; falls back to clocks and addresses, so it cannot fail and is no secret. */
uint64_t gri_random_seed(void);

/* `source(arg, buffer, bytes)` answers both from here on; NULL brings the kernel back. Replaced while no other thread
 * asks. Never in production: what it yields is not secret. */
void gri_random_replace(void (*source)(void *arg, void *buffer, size_t bytes), void *arg);

#endif
