/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF"): a keyed 64-bit hash that cannot be foreseen
 * without the key. Pure, any thread. */
#ifndef GRI_MESSAGE_SIPHASH_H
#define GRI_MESSAGE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct gri_siphash_key {
    uint64_t k0, k1;
} gri_siphash_key;

/* The key of 16 bytes as the paper reads them. */
gri_siphash_key gri_siphash_key_from(const unsigned char bytes[16]);

uint64_t gri_siphash(gri_siphash_key key, const void *data, size_t bytes);

/* The hash of the 16 bytes that hold a and b in little-endian order. */
uint64_t gri_siphash_two(gri_siphash_key key, uint64_t a, uint64_t b);

#endif
