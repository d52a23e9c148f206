/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/address.h"

#include "base/atomic.h"
#include "base/rng.h"
#include "message/siphash.h"

enum { text_bytes = GR_ADDRESS_TEXT_BYTES - 1, groups = 4 };
_Static_assert(text_bytes == groups * 8, "a group of 5 bytes is 8 characters");

/* What the hash is taken of besides the value, so that the three uses never meet. */
enum { domain_incarnation = 1, domain_tag, domain_mask };

/* Of the life that is now: the key, and what follows from it. Written by start_life, read by everybody; relaxed, for they
 * publish nothing but themselves: a mix of two lives makes a text that is dead, or takes one for dead. */
static gri_atomic_u64 key_halves[2];
static gri_atomic_u32 incarnation;

static gri_siphash_key key_now(void)
{
    /* relaxed: nothing is published but the halves themselves */
    return (gri_siphash_key){gri_load_relaxed(&key_halves[0]), gri_load_relaxed(&key_halves[1])};
}

static void start_life(gri_siphash_key key)
{
    gri_store_relaxed(&key_halves[0], key.k0); /* relaxed: see above */
    gri_store_relaxed(&key_halves[1], key.k1); /* relaxed: see above */
    /* relaxed: see above */
    gri_store_relaxed(&incarnation, (uint32_t)gri_siphash_two(key, domain_incarnation, 0));
}

void gri_address_key_set(const unsigned char bytes[16])
{
    start_life(gri_siphash_key_from(bytes));
}

void gri_address_key_seed(uint64_t seed)
{
    gri_siphash_key key;
    key.k0 = gri_splitmix64(&seed);
    key.k1 = gri_splitmix64(&seed);
    start_life(key);
}

uint32_t gri_address_incarnation(void)
{
    return gri_load_relaxed(&incarnation); /* relaxed: see above */
}

/* The 20 bytes as four numbers of 40 bits, big end first. */
static void print_group(uint64_t bits, char *text)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    for (int i = 0; i < 8; i++) text[i] = alphabet[bits >> (35 - 5 * i) & 31];
}

/* UINT64_MAX if a character is none of the alphabet. */
static uint64_t parse_group(const char *text)
{
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) {
        unsigned char c = (unsigned char)text[i];
        unsigned letter = (unsigned)c - 'a', digit = (unsigned)c - '2';
        if (letter >= 26 && digit >= 6) return UINT64_MAX;
        bits = bits << 5 | (letter < 26 ? letter : digit + 26);
    }
    return bits;
}

char *gr_address_print(gr_address address, char text[GR_ADDRESS_TEXT_BYTES])
{
    gri_siphash_key key = key_now();
    uint64_t tag = gri_siphash_two(key, domain_tag, address.id);
    uint64_t masked = address.id ^ gri_siphash_two(key, domain_mask, tag);
    print_group((uint64_t)gri_address_incarnation() << 8 | masked >> 56, text);
    print_group(masked >> 16 & 0xffffffffff, text + 8);
    print_group((masked & 0xffff) << 24 | tag >> 40, text + 16);
    print_group(tag & 0xffffffffff, text + 24);
    text[text_bytes] = '\0';
    return text;
}

gr_address gr_address_parse(const char *text, size_t bytes)
{
    if (bytes != text_bytes) return GR_DEAD_ADDRESS;
    uint64_t group[groups];
    for (int i = 0; i < groups; i++) {
        group[i] = parse_group(text + 8 * i);
        if (group[i] == UINT64_MAX) return GR_DEAD_ADDRESS;
    }
    uint32_t life = (uint32_t)(group[0] >> 8);
    uint64_t masked = group[0] << 56 | group[1] << 16 | group[2] >> 24;
    uint64_t tag = group[2] << 40 | group[3];
    if (life != gri_address_incarnation()) return GR_DEAD_ADDRESS;
    gri_siphash_key key = key_now();
    uint64_t id = masked ^ gri_siphash_two(key, domain_mask, tag);
    /* One comparison of whole words: how much of a guess is right does not show in its time. */
    if (gri_siphash_two(key, domain_tag, id) != tag) return GR_DEAD_ADDRESS;
    return (gr_address){id};
}

bool gri_address_is_text(const char *text, size_t bytes)
{
    if (bytes != text_bytes) return false;
    for (int i = 0; i < groups; i++) {
        if (parse_group(text + 8 * i) == UINT64_MAX) return false;
    }
    return true;
}
