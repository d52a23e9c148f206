/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/siphash.h"

#include "base/compiler.h"

typedef struct lanes {
    uint64_t v0, v1, v2, v3;
} lanes;

GRI_INLINE uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

GRI_INLINE void mix(lanes *s, unsigned rounds)
{
    while (rounds-- > 0) {
        s->v0 += s->v1, s->v2 += s->v3;
        s->v1 = rotate_left(s->v1, 13) ^ s->v0, s->v3 = rotate_left(s->v3, 16) ^ s->v2;
        s->v0 = rotate_left(s->v0, 32);
        s->v2 += s->v1, s->v0 += s->v3;
        s->v1 = rotate_left(s->v1, 17) ^ s->v2, s->v3 = rotate_left(s->v3, 21) ^ s->v0;
        s->v2 = rotate_left(s->v2, 32);
    }
}

GRI_INLINE lanes start(gri_siphash_key key)
{
    return (lanes){
        key.k0 ^ UINT64_C(0x736f6d6570736575),
        key.k1 ^ UINT64_C(0x646f72616e646f6d),
        key.k0 ^ UINT64_C(0x6c7967656e657261),
        key.k1 ^ UINT64_C(0x7465646279746573),
    };
}

GRI_INLINE void take_word(lanes *s, uint64_t word)
{
    s->v3 ^= word;
    mix(s, 2);
    s->v0 ^= word;
}

GRI_INLINE uint64_t finish(lanes *s)
{
    s->v2 ^= 0xff;
    mix(s, 4);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static uint64_t load_little_endian(const unsigned char *at, size_t bytes)
{
    uint64_t word = 0;
    for (size_t i = 0; i < bytes; i++) word |= (uint64_t)at[i] << (8 * i);
    return word;
}

gri_siphash_key gri_siphash_key_from(const unsigned char bytes[16])
{
    return (gri_siphash_key){load_little_endian(bytes, 8), load_little_endian(bytes + 8, 8)};
}

uint64_t gri_siphash(gri_siphash_key key, const void *data, size_t bytes)
{
    const unsigned char *at = data;
    lanes s = start(key);
    size_t left = bytes;
    for (; left >= 8; at += 8, left -= 8) take_word(&s, load_little_endian(at, 8));
    take_word(&s, load_little_endian(at, left) | (uint64_t)bytes << 56);
    return finish(&s);
}

uint64_t gri_siphash_two(gri_siphash_key key, uint64_t a, uint64_t b)
{
    lanes s = start(key);
    take_word(&s, a);
    take_word(&s, b);
    take_word(&s, (uint64_t)16 << 56);
    return finish(&s);
}
