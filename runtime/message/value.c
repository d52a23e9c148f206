/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/value.h"

#include "base/check.h"
#include "message/utf8.h"

extern inline gr_value gr_get(gr_value object, const char *key);

static const gr_value missing = {NULL};

static const unsigned char type_of_tag[GRI_TAGS] = {
    [GRI_TAG_NULL] = GR_NULL,
    [GRI_TAG_FALSE] = GR_BOOL,
    [GRI_TAG_TRUE] = GR_BOOL,
    [GRI_TAG_INT] = GR_INT,
    [GRI_TAG_DOUBLE] = GR_DOUBLE,
    [GRI_TAG_ADDRESS] = GR_ADDRESS,
    [GRI_TAG_STRING] = GR_STRING,
    [GRI_TAG_STRING_LONG] = GR_STRING,
    [GRI_TAG_BYTES] = GR_BYTES,
    [GRI_TAG_BYTES_LONG] = GR_BYTES,
    [GRI_TAG_ARRAY] = GR_ARRAY,
    [GRI_TAG_OBJECT] = GR_OBJECT,
    [GRI_TAG_OBJECT_INDEXED] = GR_OBJECT,
};

/* What has no tag is no value: most likely its message was freed (debug builds fill what is freed), or its builder moved. */
static void check_tag(gr_value value)
{
    (void)value;
    GRI_FULL_ASSERT(!value.at || (*value.at >= GRI_TAG_NULL && *value.at < GRI_TAGS));
}

gr_type gr_type_of(gr_value value)
{
    check_tag(value);
    return value.at ? (gr_type)type_of_tag[*value.at] : GR_MISSING;
}

const char *gr_type_name(gr_type type)
{
    static const char *const names[] = {"missing", "null",  "bool",    "int",   "double",
                                        "string",  "bytes", "address", "array", "object"};
    return (unsigned)type < GRI_ARRAY_COUNT(names) ? names[type] : "unknown";
}

/* ---- keys and the index ---- */

uint32_t gri_key_hash(const void *key, size_t bytes)
{
    const uint64_t multiplier = UINT64_C(0x9e3779b97f4a7c15);
    const unsigned char *at = key;
    uint64_t hash = bytes * multiplier;
    for (; bytes >= 8; at += 8, bytes -= 8) {
        hash = (hash ^ gri_load64(at)) * multiplier;
        hash ^= hash >> 32;
    }
    uint64_t rest = 0;
    for (size_t i = 0; i < bytes; i++) rest |= (uint64_t)at[i] << (8 * i);
    hash = (hash ^ rest) * multiplier;
    return (uint32_t)(hash >> 32);
}

static int compare_keys(const void *left, size_t left_bytes, const void *right, size_t right_bytes)
{
    if (left_bytes != right_bytes) return left_bytes < right_bytes ? -1 : 1;
    return memcmp(left, right, left_bytes);
}

GRI_INLINE uint64_t index_load(const unsigned char *index, uint32_t i)
{
    return gri_load64(index + (size_t)i * GRI_INDEX_ENTRY_BYTES);
}

GRI_INLINE void index_store(unsigned char *index, uint32_t i, uint64_t entry)
{
    gri_store64(index + (size_t)i * GRI_INDEX_ENTRY_BYTES, entry);
}

static int compare_entries(const unsigned char *object, uint64_t left, uint64_t right)
{
    uint32_t left_hash = (uint32_t)(left >> 32), right_hash = (uint32_t)(right >> 32);
    if (GRI_LIKELY(left_hash != right_hash)) return left_hash < right_hash ? -1 : 1;
    gri_key a = gri_key_at(object + (uint32_t)left), b = gri_key_at(object + (uint32_t)right);
    return compare_keys(a.text, a.bytes, b.text, b.bytes);
}

static void sift_down(const unsigned char *object, unsigned char *index, uint32_t root, uint32_t count)
{
    uint64_t moved = index_load(index, root);
    for (;;) {
        uint64_t child = 2 * (uint64_t)root + 1;
        if (child >= count) break;
        uint64_t entry = index_load(index, (uint32_t)child);
        if (child + 1 < count) {
            uint64_t other = index_load(index, (uint32_t)child + 1);
            if (compare_entries(object, entry, other) < 0) entry = other, child++;
        }
        if (compare_entries(object, moved, entry) >= 0) break;
        index_store(index, root, entry);
        root = (uint32_t)child;
    }
    index_store(index, root, moved);
}

/* Heapsort: n log n at worst and no memory, which matters more here than the last factor of two. */
uint32_t gri_index_build(const unsigned char *object, unsigned char *index, uint32_t count)
{
    const unsigned char *at = object + GRI_CONTAINER_BYTES;
    for (uint32_t i = 0; i < count; i++) {
        gri_key key = gri_key_at(at);
        index_store(index, i, (uint64_t)gri_key_hash(key.text, key.bytes) << 32 | (uint32_t)(at - object));
        at = key.value + gri_value_size(key.value);
    }
    for (uint32_t i = count / 2; i-- > 0;) sift_down(object, index, i, count);
    for (uint32_t last = count; last-- > 1;) {
        uint64_t top = index_load(index, 0);
        index_store(index, 0, index_load(index, last));
        index_store(index, last, top);
        sift_down(object, index, 0, last);
    }
    for (uint32_t i = 1; i < count; i++)
        if (compare_entries(object, index_load(index, i - 1), index_load(index, i)) == 0)
            return (uint32_t)index_load(index, i);
    return 0;
}

static GRI_NOINLINE gr_value get_indexed(const unsigned char *object, const char *key, size_t key_bytes)
{
    uint64_t header = gri_load64(object);
    uint32_t low = 0, high = gri_container_count(header), hash = gri_key_hash(key, key_bytes);
    const unsigned char *index = object + gri_container_bytes(header) - (size_t)high * GRI_INDEX_ENTRY_BYTES;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint64_t entry = index_load(index, middle);
        uint32_t found = (uint32_t)(entry >> 32);
        int order = found < hash ? -1 : found > hash;
        if (order == 0) {
            gri_key candidate = gri_key_at(object + (uint32_t)entry);
            order = compare_keys(candidate.text, candidate.bytes, key, key_bytes);
            if (order == 0) return (gr_value){candidate.value};
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return missing;
}

/* ---- containers ---- */

/* Long keys, and objects that have any. Apart, so that gr_get_n calls nothing and saves no registers. */
#define GET_KEY_BYTES_MAX 16
static GRI_NOINLINE gr_value get_long(const unsigned char *at, uint32_t left, const char *key, size_t key_bytes)
{
    while (left-- > 0) {
        gri_key entry = gri_key_at(at);
        if (entry.bytes == key_bytes && memcmp(entry.text, key, key_bytes) == 0) return (gr_value){entry.value};
        at = entry.value + gri_value_size(entry.value);
    }
    return missing;
}

gr_value gr_get_n(gr_value object, const char *key, size_t key_bytes)
{
    check_tag(object);
    const unsigned char *at = object.at;
    if (GRI_UNLIKELY(!at)) return missing;
    if (GRI_UNLIKELY(*at != GRI_TAG_OBJECT))
        return *at == GRI_TAG_OBJECT_INDEXED ? get_indexed(at, key, key_bytes) : missing;
    uint32_t left = gri_container_count(gri_load64(at));
    at += GRI_CONTAINER_BYTES;
    /* Length and first byte (the NUL of an empty key) in one comparison: the rest is looked at once, when it is the key. */
    unsigned head = (unsigned)key_bytes | (key_bytes ? (unsigned)(unsigned char)*key << 8 : 0);
    if (GRI_UNLIKELY(key_bytes > GET_KEY_BYTES_MAX)) return get_long(at, left, key, key_bytes);
    for (; left > 0; left--) {
        unsigned found = gri_load16(at);
        if (found == head && gri_short_equal(at + 1, key, key_bytes)) return (gr_value){at + key_bytes + 2};
        if (GRI_UNLIKELY((found & 255) == GRI_KEY_LONG)) return get_long(at, left, key, key_bytes);
        at += (found & 255) + 2;
        at += gri_value_size(at);
    }
    return missing;
}

gr_value gr_at(gr_value array, size_t index)
{
    const unsigned char *at = array.at;
    if (!at || *at != GRI_TAG_ARRAY || index >= gri_container_count(gri_load64(at))) return missing;
    at += GRI_CONTAINER_BYTES;
    while (index-- > 0) at += gri_value_size(at);
    return (gr_value){at};
}

size_t gr_count(gr_value container)
{
    if (!container.at || *container.at < GRI_TAG_ARRAY) return 0;
    return gri_container_count(gri_load64(container.at));
}

gr_iter gr_iterate(gr_value container)
{
    gr_iter it = {.value = missing};
    if (!container.at || *container.at < GRI_TAG_ARRAY) return it;
    it.next = container.at + GRI_CONTAINER_BYTES;
    it.left = gri_container_count(gri_load64(container.at));
    it.object = *container.at != GRI_TAG_ARRAY;
    return it;
}

bool gr_next(gr_iter *it)
{
    if (it->left == 0) {
        it->value = missing;
        it->key = NULL;
        it->key_bytes = 0;
        return false;
    }
    it->left--;
    if (it->object) {
        gri_key key = gri_key_at(it->next);
        it->key = (const char *)key.text;
        it->key_bytes = key.bytes;
        it->value.at = key.value;
    } else {
        it->value.at = it->next;
    }
    it->next = it->value.at + gri_value_size(it->value.at);
    return true;
}

/* ---- scalars ---- */

int64_t gr_int(gr_value value, int64_t fallback)
{
    return value.at && *value.at == GRI_TAG_INT ? (int64_t)gri_load64(value.at + 1) : fallback;
}

double gr_double(gr_value value, double fallback)
{
    if (!value.at) return fallback;
    if (*value.at == GRI_TAG_INT) return (double)(int64_t)gri_load64(value.at + 1);
    if (*value.at != GRI_TAG_DOUBLE) return fallback;
    double x;
    memcpy(&x, value.at + 1, sizeof x);
    return x;
}

bool gr_bool(gr_value value, bool fallback)
{
    if (!value.at) return fallback;
    return *value.at == GRI_TAG_TRUE || (*value.at != GRI_TAG_FALSE && fallback);
}

const char *gr_string(gr_value value, const char *fallback)
{
    if (!value.at) return fallback;
    if (*value.at == GRI_TAG_STRING) return (const char *)value.at + 2;
    return *value.at == GRI_TAG_STRING_LONG ? (const char *)value.at + 5 : fallback;
}

size_t gr_string_bytes(gr_value value)
{
    if (!value.at) return 0;
    if (*value.at == GRI_TAG_STRING) return value.at[1];
    return *value.at == GRI_TAG_STRING_LONG ? gri_load32(value.at + 1) : 0;
}

const void *gr_bytes(gr_value value, size_t *ret_bytes)
{
    const void *found = NULL;
    size_t bytes = 0;
    if (value.at && *value.at == GRI_TAG_BYTES) {
        found = value.at + 2;
        bytes = value.at[1];
    } else if (value.at && *value.at == GRI_TAG_BYTES_LONG) {
        found = value.at + 5;
        bytes = gri_load32(value.at + 1);
    }
    if (ret_bytes) *ret_bytes = bytes;
    return found;
}

gr_address gr_address_in(gr_value value)
{
    if (!value.at || *value.at != GRI_TAG_ADDRESS) return GR_NO_ADDRESS;
    return (gr_address){gri_load64(value.at + 1)};
}

size_t gr_value_bytes(gr_value value)
{
    return value.at ? gri_value_size(value.at) : 0;
}

unsigned gri_value_depth(const unsigned char *at)
{
    struct {
        uint32_t start, left; /* offset of the container's tag; elements to come */
    } open[GRI_VALUE_DEPTH_MAX];
    unsigned depth = 0, deepest = 0;
    size_t offset = 0;
    for (;;) {
        const unsigned char *value = at + offset;
        if (*value >= GRI_TAG_ARRAY) {
            open[depth].start = (uint32_t)offset;
            open[depth].left = gri_container_count(gri_load64(value));
            offset += GRI_CONTAINER_BYTES;
            if (++depth > deepest) deepest = depth;
        } else {
            offset += gri_value_size(value);
        }
        while (depth > 0 && open[depth - 1].left == 0) {
            depth--;
            offset = open[depth].start + gri_value_size(at + open[depth].start);
        }
        if (depth == 0) return deepest;
        open[depth - 1].left--;
        if (at[open[depth - 1].start] != GRI_TAG_ARRAY) offset = (size_t)(gri_key_at(at + offset).value - at);
    }
}

/* ---- verification ---- */

static bool verify_text(const unsigned char *text, size_t bytes)
{
    return text[bytes] == '\0' && gri_utf8_valid((const char *)text, bytes);
}

/* The size of the scalar or of the container's header at `at`, 0 if it is malformed or does not fit. */
static size_t verify_head(const unsigned char *at, size_t room)
{
    if (room == 0 || *at == 0 || *at >= GRI_TAGS) return 0;
    if (*at >= GRI_TAG_STRING && room < 2) return 0;
    if ((*at == GRI_TAG_STRING_LONG || *at == GRI_TAG_BYTES_LONG) && (room < 5 || gri_load32(at + 1) < 256)) return 0;
    if (*at >= GRI_TAG_ARRAY) {
        if (room < GRI_CONTAINER_BYTES) return 0;
        uint64_t header = gri_load64(at);
        uint32_t count = gri_container_count(header), bytes = gri_container_bytes(header);
        if (bytes < GRI_CONTAINER_BYTES || bytes > room) return 0;
        if (*at != GRI_TAG_ARRAY && (count > GRI_OBJECT_PLAIN_MAX) != (*at == GRI_TAG_OBJECT_INDEXED)) return 0;
        return GRI_CONTAINER_BYTES;
    }
    size_t bytes = gri_value_size(at);
    if (bytes > room) return 0;
    if (*at == GRI_TAG_STRING && !verify_text(at + 2, at[1])) return 0;
    if (*at == GRI_TAG_STRING_LONG && !verify_text(at + 5, gri_load32(at + 1))) return 0;
    return bytes;
}

/* The size of the key at `at`, 0 if it is malformed or does not fit. */
static size_t verify_key(const unsigned char *at, size_t room)
{
    if (room == 0 || (*at == GRI_KEY_LONG && (room < 5 || gri_load32(at + 1) <= GRI_KEY_SHORT_MAX))) return 0;
    gri_key key = gri_key_at(at);
    size_t size = gri_key_size(key.bytes);
    return size <= room && verify_text(key.text, key.bytes) ? size : 0;
}

/* First that every entry is in the index, then (now that the offsets can be trusted) that the order is right. */
static bool verify_index(const unsigned char *object)
{
    uint64_t header = gri_load64(object);
    uint32_t count = gri_container_count(header);
    const unsigned char *index = object + gri_container_bytes(header) - (size_t)count * GRI_INDEX_ENTRY_BYTES;
    for (uint32_t i = 1; i < count; i++)
        if (index_load(index, i - 1) >> 32 > index_load(index, i) >> 32) return false;
    const unsigned char *at = object + GRI_CONTAINER_BYTES;
    for (uint32_t i = 0; i < count; i++) {
        gri_key key = gri_key_at(at);
        uint64_t entry = (uint64_t)gri_key_hash(key.text, key.bytes) << 32 | (uint32_t)(at - object);
        uint32_t low = 0, high = count;
        while (low < high) {
            uint32_t middle = low + (high - low) / 2;
            if (index_load(index, middle) >> 32 < entry >> 32) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        while (low < count && index_load(index, low) != entry && index_load(index, low) >> 32 == entry >> 32) low++;
        if (low == count || index_load(index, low) != entry) return false;
        at = key.value + gri_value_size(key.value);
    }
    for (uint32_t i = 1; i < count; i++)
        if (compare_entries(object, index_load(index, i - 1), index_load(index, i)) >= 0) return false;
    return true;
}

/* Where the entries of a container end, its index begins, if it has one. 0 if the index does not fit. */
static size_t verify_entries_end(const unsigned char *container)
{
    uint64_t header = gri_load64(container);
    size_t bytes = gri_container_bytes(header);
    if (*container != GRI_TAG_OBJECT_INDEXED) return bytes;
    size_t index = (size_t)gri_container_count(header) * GRI_INDEX_ENTRY_BYTES;
    return bytes < GRI_CONTAINER_BYTES + index ? 0 : bytes - index;
}

typedef struct verified {
    uint32_t at, left; /* an open container, and how many of its entries are still to come */
} verified;

/* Closes what is complete; returns the new depth, or -1 if something is wrong. */
static int verify_close(const unsigned char *base, const verified *open, int depth, size_t *offset)
{
    for (; depth > 0 && open[depth - 1].left == 0; depth--) {
        const unsigned char *container = base + open[depth - 1].at;
        if (*offset != open[depth - 1].at + verify_entries_end(container)) return -1;
        if (*container == GRI_TAG_OBJECT_INDEXED && !verify_index(container)) return -1;
        *offset = open[depth - 1].at + gri_container_bytes(gri_load64(container));
    }
    return depth;
}

/* No recursion: actors build values on small stacks. */
bool gri_value_verify(const unsigned char *at, size_t bytes)
{
    verified open[GRI_VALUE_DEPTH_MAX];
    int depth = 0;
    size_t offset = 0, end = bytes;
    for (;;) {
        size_t head = verify_head(at + offset, end - offset);
        if (head == 0) return false;
        if (at[offset] >= GRI_TAG_ARRAY) {
            if (depth == GRI_VALUE_DEPTH_MAX || verify_entries_end(at + offset) == 0) return false;
            open[depth++] = (verified){(uint32_t)offset, gri_container_count(gri_load64(at + offset))};
        }
        offset += head;
        depth = verify_close(at, open, depth, &offset);
        if (depth <= 0) return depth == 0 && offset == bytes;
        verified *inner = &open[depth - 1];
        end = inner->at + verify_entries_end(at + inner->at);
        inner->left--;
        if (at[inner->at] == GRI_TAG_ARRAY) continue;
        size_t key = verify_key(at + offset, end - offset);
        if (key == 0) return false;
        offset += key;
    }
}
