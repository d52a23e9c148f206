/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The packed form of values, and the readers that every part of this layer shares.
 *
 * Only value, build, plan, pack, unpack, equal and merge may look at bytes; everybody else goes through the public readers
 * and the builder. Packed bytes never leave the process: they are in native order (little-endian on every machine we run
 * on) and may change from one version to the next.
 *
 *   tag                bytes after the tag                                          whole value
 *   1  null            -                                                            1
 *   2  false  3 true   -                                                            1
 *   4  int             int64                                                        9
 *   5  double          binary64, finite                                             9
 *   6  address         u64 id                                                       9
 *   7  string          u8 n, n bytes of UTF-8, NUL             n <= 255             n + 3
 *   8  long string     u32 n, n bytes of UTF-8, NUL            n >= 256             n + 6
 *   9  bytes           u8 n, n bytes                           n <= 255             n + 2
 *   10 long bytes      u32 n, n bytes                          n >= 256             n + 5
 *   11 array           u32 bytes, u24 count, elements                               bytes (the tag is counted)
 *   12 object          u32 bytes, u24 count, entries           count <= 16          bytes
 *   13 indexed object  u32 bytes, u24 count, entries, index    count >= 17          bytes
 *
 *   entry   u8 n, n bytes of UTF-8, NUL, value                 n <= 254
 *           255, u32 n, n bytes of UTF-8, NUL, value           n >= 255
 *   index   count times { u32 offset of the entry from the tag, u32 hash of its key }, sorted by (hash, length, bytes)
 *
 * A container's tag, bytes and count are one 64-bit load; skipping any value is one addition. There is one encoding per
 * value, so equal scalars have equal bytes (but for 0.0 and -0.0). {"add":1} takes 22 bytes and fits an envelope.
 *
 * The index is sorted, not a hash table: the order is total whatever the keys are, so hostile keys that all hash alike cost
 * log2(n) key comparisons a lookup, n log n to build, and no seed is needed. Duplicate keys end up side by side.
 *
 * Limits: 2^30 bytes a value, 2^24 - 1 elements a container, depth 512. Reading is safe from any number of threads. */
#ifndef GRI_MESSAGE_VALUE_H
#define GRI_MESSAGE_VALUE_H

#include "base/compiler.h"

#include <greenroom/value.h>

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "container headers are read as one little-endian word");

enum gri_tag {
    GRI_TAG_NULL = 1,
    GRI_TAG_FALSE,
    GRI_TAG_TRUE,
    GRI_TAG_INT,
    GRI_TAG_DOUBLE,
    GRI_TAG_ADDRESS,
    GRI_TAG_STRING,
    GRI_TAG_STRING_LONG,
    GRI_TAG_BYTES,
    GRI_TAG_BYTES_LONG,
    GRI_TAG_ARRAY,
    GRI_TAG_OBJECT,
    GRI_TAG_OBJECT_INDEXED,
    GRI_TAGS,
};

#define GRI_VALUE_BYTES_MAX ((size_t)1 << 30)
#define GRI_VALUE_COUNT_MAX (((uint32_t)1 << 24) - 1)
#define GRI_VALUE_DEPTH_MAX 512

#define GRI_SCALAR_BYTES 9    /* int, double, address */
#define GRI_CONTAINER_BYTES 8 /* header of an array or object */
#define GRI_STRING_SHORT_MAX 255u
#define GRI_KEY_SHORT_MAX 254u
#define GRI_KEY_LONG 255u
#define GRI_OBJECT_PLAIN_MAX 16u /* keys an object may have without an index */
#define GRI_INDEX_ENTRY_BYTES 8

GRI_INLINE uint16_t gri_load16(const unsigned char *at)
{
    uint16_t x;
    memcpy(&x, at, sizeof x);
    return x;
}

GRI_INLINE uint32_t gri_load32(const unsigned char *at)
{
    uint32_t x;
    memcpy(&x, at, sizeof x);
    return x;
}

GRI_INLINE uint64_t gri_load64(const unsigned char *at)
{
    uint64_t x;
    memcpy(&x, at, sizeof x);
    return x;
}

GRI_INLINE void gri_store32(unsigned char *at, uint32_t x)
{
    memcpy(at, &x, sizeof x);
}

GRI_INLINE void gri_store64(unsigned char *at, uint64_t x)
{
    memcpy(at, &x, sizeof x);
}

GRI_INLINE uint64_t gri_container_header(enum gri_tag tag, uint32_t bytes, uint32_t count)
{
    return (uint64_t)tag | (uint64_t)bytes << 8 | (uint64_t)count << 40;
}

GRI_INLINE uint32_t gri_container_bytes(uint64_t header)
{
    return (uint32_t)(header >> 8);
}

GRI_INLINE uint32_t gri_container_count(uint64_t header)
{
    return (uint32_t)(header >> 40);
}

/* Bytes of the whole value at `at`. In the order of what messages are made of. */
GRI_INLINE size_t gri_value_size(const unsigned char *at)
{
    unsigned tag = *at;
    if (GRI_LIKELY(tag <= GRI_TAG_ADDRESS)) return tag >= GRI_TAG_INT ? GRI_SCALAR_BYTES : 1;
    if (GRI_LIKELY(tag == GRI_TAG_STRING)) return (size_t)at[1] + 3;
    if (tag >= GRI_TAG_ARRAY) return gri_load32(at + 1);
    if (tag == GRI_TAG_BYTES) return (size_t)at[1] + 2;
    return (size_t)gri_load32(at + 1) + (tag == GRI_TAG_STRING_LONG ? 6 : 5);
}

/* A key in place: what stands before its value. */
typedef struct gri_key {
    const unsigned char *text;
    size_t bytes;
    const unsigned char *value;
} gri_key;

GRI_INLINE gri_key gri_key_at(const unsigned char *entry)
{
    size_t bytes = *entry;
    const unsigned char *text = entry + 1;
    if (GRI_UNLIKELY(bytes == GRI_KEY_LONG)) {
        bytes = gri_load32(entry + 1);
        text = entry + 5;
    }
    return (gri_key){text, bytes, text + bytes + 1};
}

/* Bytes a key takes in front of its value. */
GRI_INLINE size_t gri_key_size(size_t bytes)
{
    return bytes + (bytes <= GRI_KEY_SHORT_MAX ? 2 : 6);
}

/* memcmp(...) == 0 without the call, for up to 16 bytes. */
GRI_INLINE bool gri_short_equal(const void *left, const void *right, size_t bytes)
{
    const unsigned char *a = left, *b = right;
    if (bytes >= 8)
        return ((gri_load64(a) ^ gri_load64(b)) | (gri_load64(a + bytes - 8) ^ gri_load64(b + bytes - 8))) == 0;
    if (bytes >= 4)
        return ((gri_load32(a) ^ gri_load32(b)) | (gri_load32(a + bytes - 4) ^ gri_load32(b + bytes - 4))) == 0;
    if (bytes >= 2) return gri_load16(a) == gri_load16(b) && a[bytes - 1] == b[bytes - 1];
    return bytes == 0 || *a == *b;
}

GRI_INLINE bool gri_bytes_equal(const void *left, const void *right, size_t bytes)
{
    return bytes > 16 ? memcmp(left, right, bytes) == 0 : gri_short_equal(left, right, bytes);
}

/* memcpy for what is mostly shorter than two cache lines. */
GRI_INLINE void gri_copy_short(void *ret_to, const void *source, size_t bytes)
{
    unsigned char *to = ret_to;
    const unsigned char *from = source;
    if (bytes >= 16) {
        if (GRI_UNLIKELY(bytes > 128)) {
            memcpy(to, from, bytes);
            return;
        }
        for (size_t i = 0; i + 16 < bytes; i += 16) memcpy(to + i, from + i, 16);
        memcpy(to + bytes - 16, from + bytes - 16, 16);
    } else if (bytes >= 8) {
        uint64_t first = gri_load64(from), last = gri_load64(from + bytes - 8);
        gri_store64(to, first), gri_store64(to + bytes - 8, last);
    } else if (bytes >= 4) {
        uint32_t first = gri_load32(from), last = gri_load32(from + bytes - 4);
        gri_store32(to, first), gri_store32(to + bytes - 4, last);
    } else if (bytes > 0) {
        to[0] = from[0];
        to[bytes / 2] = from[bytes / 2];
        to[bytes - 1] = from[bytes - 1];
    }
}

/* Writes a key (not checked for UTF-8); returns where its value goes. */
GRI_INLINE unsigned char *gri_key_write(unsigned char *at, const char *key, size_t bytes)
{
    if (GRI_LIKELY(bytes <= GRI_KEY_SHORT_MAX)) {
        *at++ = (unsigned char)bytes;
    } else {
        *at++ = GRI_KEY_LONG;
        gri_store32(at, (uint32_t)bytes);
        at += 4;
    }
    gri_copy_short(at, key, bytes);
    at[bytes] = '\0';
    return at + bytes + 1;
}

/* All bytes below 0x80: then it is valid UTF-8. */
GRI_INLINE bool gri_is_ascii(const void *text, size_t bytes)
{
    const unsigned char *at = text;
    if (bytes >= 8) {
        uint64_t high = 0;
        for (size_t i = 0; i + 8 < bytes; i += 8) high |= gri_load64(at + i);
        return ((high | gri_load64(at + bytes - 8)) & UINT64_C(0x8080808080808080)) == 0;
    }
    if (bytes >= 4) return ((gri_load32(at) | gri_load32(at + bytes - 4)) & 0x80808080u) == 0;
    return bytes == 0 || ((at[0] | at[bytes / 2] | at[bytes - 1]) & 0x80) == 0;
}

/* The index behind the entries of an object with more than GRI_OBJECT_PLAIN_MAX keys. */
uint32_t gri_key_hash(const void *key, size_t bytes);
/* Fills and sorts the index at `index` for the `count` entries of the object at `object`. Returns the offset of an entry
 * whose key stands twice, 0 if there is none. n log n whatever the keys. */
uint32_t gri_index_build(const unsigned char *object, unsigned char *index, uint32_t count);

/* How many containers are inside each other here, this one counted; 0 for scalars. Needs no recursion. */
unsigned gri_value_depth(const unsigned char *at);

/* Whether well-formed packed bytes of exactly `bytes` bytes stand at `at`: every length, count, tag, key, NUL, UTF-8, and
 * index. For tests, fuzzing and full invariants: nothing in the runtime reads bytes that it did not write. */
bool gri_value_verify(const unsigned char *at, size_t bytes);

/* A hash of the packed bytes: equal bytes have equal hashes, so different hashes may still be equal values (the order of
 * keys). GR_MISSING has one, too. FNV-1a over words, mixed at the end; not keyed. */
GRI_INLINE uint64_t gri_value_hash(gr_value value)
{
    size_t bytes = gr_value_bytes(value);
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ bytes, word;
    for (size_t i = 0; i + sizeof word <= bytes; i += sizeof word) {
        memcpy(&word, value.at + i, sizeof word);
        hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
        hash ^= hash >> 29;
    }
    for (size_t i = bytes & ~(sizeof word - 1); i < bytes; i++) hash = (hash ^ value.at[i]) * UINT64_C(0x100000001b3);
    return hash ^ (hash >> 32);
}

#endif
