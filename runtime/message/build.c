/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/build.h"

#include "base/check.h"
#include "memory/heap.h"
#include "message/message.h"
#include "message/utf8.h"
#include "message/value.h"

#include <stdio.h>

enum storage { STORAGE_SCRATCH, STORAGE_BLOCK, STORAGE_CALLER };

extern inline void gr_put_string(gr_builder *b, const char *value);
extern inline void gr_put_key(gr_builder *b, const char *key);

#define NOTHING_OPEN UINT32_MAX
#define KEYS_UNKNOWN UINT64_MAX /* keys_seen after a container inside the object has used it */
#define BLOCK_BYTES_FIRST 1024u /* guess: the scratch was too small, so this one is not a small message */

void gr_build(gr_builder *b)
{
    b->base = b->at = b->scratch;
    b->limit = b->scratch + sizeof b->scratch;
    b->block = NULL;
    b->open = NOTHING_OPEN;
    b->count = 0;
    b->error = 0;
    b->depth = 0;
    b->state = GRI_BUILD_TOP;
    b->storage = STORAGE_SCRATCH;
}

void gr_build_into(gr_builder *b, void *storage, size_t bytes)
{
    gr_build(b);
    b->base = b->at = storage;
    b->limit = b->base + GRI_MIN(bytes, GRI_VALUE_BYTES_MAX);
    b->storage = STORAGE_CALLER;
}

void gri_build_behind(gr_builder *b, size_t before)
{
    gr_build(b);
    b->depth = before > 0;
    if (gri_build_room(b, before)) b->at += before;
}

void gr_build_cancel(gr_builder *b)
{
    gr_message_free(&b->block);
    if (b->state != GRI_BUILD_ENDED) gri_build_fail(b, GR_EINVAL, "the builder was cancelled");
}

/* ---- errors ---- */

void gri_build_fail(gr_builder *b, int code, const char *why)
{
    if (b->state == GRI_BUILD_FAILED) return;
    b->state = GRI_BUILD_FAILED;
    b->error = code;
    b->why = why;
    b->why_key_bytes = 0;
}

static GRI_COLD void fail_at_key(gr_builder *b, int code, const char *why, const void *key, size_t bytes)
{
    if (b->state == GRI_BUILD_FAILED) return;
    gri_build_fail(b, code, why);
    b->why_key_bytes = (uint32_t)bytes;
    memcpy(b->why_key, key, GRI_MIN(bytes, sizeof b->why_key));
}

static GRI_COLD void fail_memory(gr_builder *b)
{
    int code = gri_message_no_memory();
    gri_build_fail(b, code, gr_error_text(code));
}

void gri_build_explain(const gr_builder *b, gr_detail *ret_detail)
{
    memset(ret_detail, 0, sizeof *ret_detail);
    if (b->why_key_bytes == 0) {
        snprintf(ret_detail->text, sizeof ret_detail->text, "%s", b->why);
        return;
    }
    char shown[sizeof b->why_key + 1];
    size_t bytes = GRI_MIN((size_t)b->why_key_bytes, sizeof b->why_key);
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)b->why_key[i];
        shown[i] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
    }
    shown[bytes] = '\0';
    snprintf(ret_detail->text, sizeof ret_detail->text, "%s: \"%s%s\"", b->why, shown,
             bytes < b->why_key_bytes ? "..." : "");
}

int gr_build_error(const gr_builder *b, gr_detail *ret_detail)
{
    if (b->state != GRI_BUILD_FAILED) return 0;
    if (ret_detail) gri_build_explain(b, ret_detail);
    return b->error;
}

bool gri_build_refuse_value(gr_builder *b)
{
    gri_build_fail(b, GR_EINVAL,
                   b->state == GRI_BUILD_KEY    ? "a value where a key belongs"
                   : b->state == GRI_BUILD_DONE ? "a second value at the top"
                                                : "the builder has ended");
    return false;
}

/* ---- room ---- */

bool gri_build_room_slow(gr_builder *b, size_t bytes)
{
    size_t used = (size_t)(b->at - b->base), needed = used + bytes;
    if (b->state == GRI_BUILD_FAILED) return false;
    if (b->storage == STORAGE_CALLER || bytes > GRI_VALUE_BYTES_MAX || needed > GRI_VALUE_BYTES_MAX) {
        gri_build_fail(b, GR_ETOOBIG,
                       b->storage == STORAGE_CALLER ? "the storage is too small" : "the value is too big");
        return false;
    }
    size_t room = GRI_MIN(GRI_MAX(GRI_MAX(needed, 2 * used), (size_t)BLOCK_BYTES_FIRST), GRI_VALUE_BYTES_MAX);
    gr_message *block = gri_message_new(room);
    if (!block && room > needed) block = gri_message_new(room = needed);
    if (!block) {
        fail_memory(b);
        return false;
    }
    memcpy(gri_message_room(block), b->base, used);
    gr_message_free(&b->block);
    b->block = block;
    b->storage = STORAGE_BLOCK;
    b->base = gri_message_room(block);
    b->at = b->base + used;
    b->limit = b->base + room;
    return true;
}

/* Ready for a value of `bytes` bytes at b->at? */
GRI_INLINE bool ready(gr_builder *b, size_t bytes)
{
    return gri_build_expects_value(b) && gri_build_room(b, bytes);
}

/* ---- scalars ---- */

static void put_tag(gr_builder *b, enum gri_tag tag)
{
    if (!ready(b, 1)) return;
    *b->at++ = (unsigned char)tag;
    gri_build_placed(b);
}

void gr_put_null(gr_builder *b)
{
    put_tag(b, GRI_TAG_NULL);
}

void gr_put_bool(gr_builder *b, bool value)
{
    put_tag(b, value ? GRI_TAG_TRUE : GRI_TAG_FALSE);
}

GRI_INLINE void put_scalar(gr_builder *b, enum gri_tag tag, uint64_t bits)
{
    if (!ready(b, GRI_SCALAR_BYTES)) return;
    *b->at = (unsigned char)tag;
    gri_store64(b->at + 1, bits);
    b->at += GRI_SCALAR_BYTES;
    gri_build_placed(b);
}

void gr_put_int(gr_builder *b, int64_t value)
{
    put_scalar(b, GRI_TAG_INT, (uint64_t)value);
}

void gr_put_double(gr_builder *b, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (GRI_UNLIKELY((bits >> 52 & 0x7ff) == 0x7ff)) {
        gri_build_fail(b, GR_EINVAL, "NaN and infinities have no JSON form");
        return;
    }
    put_scalar(b, GRI_TAG_DOUBLE, bits);
}

void gr_put_address(gr_builder *b, gr_address value)
{
    put_scalar(b, GRI_TAG_ADDRESS, value.id);
}

static GRI_COLD void refuse_size(gr_builder *b, const void *at, size_t bytes, const char *null)
{
    bool is_null = !at && bytes > 0;
    gri_build_fail(b, is_null ? GR_EINVAL : GR_ETOOBIG, is_null ? null : "the value is too big");
}

void gr_put_string_n(gr_builder *b, const char *value, size_t bytes)
{
    if (GRI_UNLIKELY(bytes > GRI_VALUE_BYTES_MAX || (!value && bytes > 0))) {
        refuse_size(b, value, bytes, "NULL where a string belongs");
        return;
    }
    if (!ready(b, bytes + (bytes <= GRI_STRING_SHORT_MAX ? 3 : 6))) return;
    if (GRI_UNLIKELY(!gri_is_ascii(value, bytes)) && !gri_utf8_valid(value, bytes)) {
        gri_build_fail(b, GR_EINVAL, "a string is not valid UTF-8");
        return;
    }
    unsigned char *at = b->at;
    if (GRI_LIKELY(bytes <= GRI_STRING_SHORT_MAX)) {
        *at++ = GRI_TAG_STRING;
        *at++ = (unsigned char)bytes;
    } else {
        *at++ = GRI_TAG_STRING_LONG;
        gri_store32(at, (uint32_t)bytes);
        at += 4;
    }
    gri_copy_short(at, value, bytes);
    at[bytes] = '\0';
    b->at = at + bytes + 1;
    gri_build_placed(b);
}

void gr_put_bytes(gr_builder *b, const void *value, size_t bytes)
{
    if (GRI_UNLIKELY(bytes > GRI_VALUE_BYTES_MAX || (!value && bytes > 0))) {
        refuse_size(b, value, bytes, "NULL where bytes belong");
        return;
    }
    if (!ready(b, bytes + (bytes <= GRI_STRING_SHORT_MAX ? 2 : 5))) return;
    unsigned char *at = b->at;
    if (bytes <= GRI_STRING_SHORT_MAX) {
        *at++ = GRI_TAG_BYTES;
        *at++ = (unsigned char)bytes;
    } else {
        *at++ = GRI_TAG_BYTES_LONG;
        gri_store32(at, (uint32_t)bytes);
        at += 4;
    }
    if (bytes > 0) memcpy(at, value, bytes);
    b->at = at + bytes;
    gri_build_placed(b);
}

void gr_put_value(gr_builder *b, gr_value value)
{
    if (GRI_UNLIKELY(!value.at)) {
        gri_build_fail(b, GR_EINVAL, "a missing value");
        return;
    }
    size_t bytes = gri_value_size(value.at);
    if (!ready(b, bytes)) return;
    /* A level takes a header, so small values need no walk. */
    if (b->depth + bytes / GRI_CONTAINER_BYTES > GRI_VALUE_DEPTH_MAX &&
        b->depth + gri_value_depth(value.at) > GRI_VALUE_DEPTH_MAX) {
        gri_build_fail(b, GR_EDEPTH, "nested too deeply");
        return;
    }
    gri_copy_short(b->at, value.at, bytes);
    b->at += bytes;
    gri_build_placed(b);
}

/* ---- containers ---- */

static void put_container(gr_builder *b, enum gri_tag tag, enum gri_build_state state)
{
    if (!ready(b, GRI_CONTAINER_BYTES)) return;
    if (GRI_UNLIKELY(b->depth == GRI_VALUE_DEPTH_MAX)) {
        gri_build_fail(b, GR_EDEPTH, "nested too deeply");
        return;
    }
    if (b->open != NOTHING_OPEN) {
        gri_build_placed(b);
        if (GRI_UNLIKELY(b->count > GRI_VALUE_COUNT_MAX)) { /* would not fit the header */
            gri_build_fail(b, GR_ETOOBIG, "too many elements in an array");
            return;
        }
        unsigned char *around = b->base + b->open;
        uint64_t header = gri_load64(around);
        gri_store64(around, gri_container_header(*around, gri_container_bytes(header), b->count));
    }
    gri_store64(b->at, gri_container_header(tag, b->open, 0));
    b->open = (uint32_t)(b->at - b->base);
    b->at += GRI_CONTAINER_BYTES;
    b->count = 0;
    b->keys_seen = 0;
    b->depth++;
    b->state = (uint8_t)state;
}

void gr_put_array(gr_builder *b)
{
    put_container(b, GRI_TAG_ARRAY, GRI_BUILD_ELEMENT);
}

void gr_put_object(gr_builder *b)
{
    put_container(b, GRI_TAG_OBJECT, GRI_BUILD_KEY);
}

/* Which of 64 bits a key sets: cheap, and different for most keys that one program puts in one object. */
GRI_INLINE uint64_t key_bit(const char *key, size_t bytes)
{
    if (bytes == 0) return 1;
    unsigned first = (unsigned char)key[0], last = (unsigned char)key[bytes - 1],
             middle = (unsigned char)key[bytes / 2];
    return UINT64_C(1) << ((first * 5 + middle * 11 + last * 3 + bytes) & 63);
}

static bool key_is_there(const gr_builder *b, const char *key, size_t bytes)
{
    const unsigned char *at = b->base + b->open + GRI_CONTAINER_BYTES;
    for (uint32_t i = 0; i < b->count; i++) {
        gri_key entry = gri_key_at(at);
        if (entry.bytes == bytes && gri_bytes_equal(entry.text, key, bytes)) return true;
        at = entry.value + gri_value_size(entry.value);
    }
    return false;
}

static GRI_COLD void refuse_key(gr_builder *b, const char *key, size_t bytes)
{
    if (!key && bytes > 0) {
        gri_build_fail(b, GR_EINVAL, "NULL where a key belongs");
    } else {
        gri_build_fail(b, GR_ETOOBIG, bytes > GRI_VALUE_BYTES_MAX ? "a key is too big" : "too many keys in an object");
    }
}

void gr_put_key_n(gr_builder *b, const char *key, size_t bytes)
{
    if (GRI_UNLIKELY(b->state != GRI_BUILD_KEY)) {
        gri_build_fail(b, GR_EINVAL, "a key where no key belongs");
        return;
    }
    if (GRI_UNLIKELY(bytes > GRI_VALUE_BYTES_MAX || b->count == GRI_VALUE_COUNT_MAX || (!key && bytes > 0))) {
        refuse_key(b, key, bytes);
        return;
    }
    if (!gri_build_room(b, gri_key_size(bytes))) return;
    if (GRI_UNLIKELY(!gri_is_ascii(key, bytes)) && !gri_utf8_valid(key, bytes)) {
        gri_build_fail(b, GR_EINVAL, "a key is not valid UTF-8");
        return;
    }
    if (b->count <= GRI_OBJECT_PLAIN_MAX) { /* beyond: found when the index is sorted */
        uint64_t bit = key_bit(key, bytes);
        if ((b->keys_seen & bit) && key_is_there(b, key, bytes)) {
            fail_at_key(b, GR_EINVAL, "a key stands twice in an object", key, bytes);
            return;
        }
        b->keys_seen |= bit;
    }
    b->at = gri_key_write(b->at, key, bytes);
    b->count++;
    b->state = GRI_BUILD_MEMBER;
}

bool gri_key_is_reserved(const void *key, size_t bytes)
{
    static const char binary[] = "_pyact_binary", address[] = "_pyact_address";
    if (bytes == sizeof binary - 1) return memcmp(key, binary, bytes) == 0;
    return bytes == sizeof address - 1 && memcmp(key, address, bytes) == 0;
}

/* What an object needs when it closes; false if it is refused. */
static bool finish_object(gr_builder *b, unsigned char **object)
{
    if (b->count == 1) {
        gri_key key = gri_key_at(*object + GRI_CONTAINER_BYTES);
        if (GRI_UNLIKELY(gri_key_is_reserved(key.text, key.bytes))) {
            fail_at_key(b, GR_EINVAL, "an object's only key is reserved", key.text, key.bytes);
            return false;
        }
    } else if (b->count > GRI_OBJECT_PLAIN_MAX) {
        size_t bytes = (size_t)b->count * GRI_INDEX_ENTRY_BYTES;
        if (!gri_build_room(b, bytes)) return false;
        *object = b->base + b->open; /* may have moved */
        uint32_t twice = gri_index_build(*object, b->at, b->count);
        if (twice) {
            gri_key key = gri_key_at(*object + twice);
            fail_at_key(b, GR_EINVAL, "a key stands twice in an object", key.text, key.bytes);
            return false;
        }
        b->at += bytes;
        **object = GRI_TAG_OBJECT_INDEXED;
    }
    return true;
}

void gr_put_end(gr_builder *b)
{
    if (GRI_UNLIKELY(b->open == NOTHING_OPEN || (b->state != GRI_BUILD_KEY && b->state != GRI_BUILD_ELEMENT))) {
        gri_build_fail(b, GR_EINVAL,
                       b->open == NOTHING_OPEN ? "an end without a container" : "a key without a value at an end");
        return;
    }
    unsigned char *container = b->base + b->open;
    if (b->state == GRI_BUILD_KEY) {
        if (!finish_object(b, &container)) return;
    } else if (GRI_UNLIKELY(b->count > GRI_VALUE_COUNT_MAX)) {
        gri_build_fail(b, GR_ETOOBIG, "too many elements in an array");
        return;
    }
    uint32_t around = gri_container_bytes(gri_load64(container));
    gri_store64(container, gri_container_header(*container, (uint32_t)(b->at - container), b->count));
    b->open = around;
    b->depth--;
    if (around == NOTHING_OPEN) {
        b->state = GRI_BUILD_DONE;
        return;
    }
    const unsigned char *parent = b->base + around;
    b->count = gri_container_count(gri_load64(parent));
    b->state = *parent == GRI_TAG_ARRAY ? GRI_BUILD_ELEMENT : GRI_BUILD_KEY;
    b->keys_seen = KEYS_UNKNOWN;
}

/* ---- the end ---- */

/* 0 if a whole value is there. */
static int check_done(gr_builder *b)
{
    if (GRI_LIKELY(b->state == GRI_BUILD_DONE)) return 0;
    if (b->state == GRI_BUILD_TOP) gri_build_fail(b, GR_EINVAL, "nothing was built");
    if (b->state == GRI_BUILD_ENDED) gri_build_fail(b, GR_EINVAL, "the builder has ended");
    if (b->state != GRI_BUILD_FAILED) gri_build_fail(b, GR_EINVAL, "a container was left open");
    gr_message_free(&b->block);
    return b->error;
}

int gr_build_value(gr_builder *b, gr_value *ret_value)
{
    if (b->storage != STORAGE_CALLER) gri_build_fail(b, GR_EINVAL, "the builder was begun for a message");
    int code = check_done(b);
    if (code) return code;
    GRI_FULL_ASSERT(gri_value_verify(b->base, (size_t)(b->at - b->base)));
    ret_value->at = b->base;
    b->state = GRI_BUILD_ENDED;
    return 0;
}

int gr_build_message(gr_builder *b, gr_message **ret_message)
{
    if (b->storage == STORAGE_CALLER) gri_build_fail(b, GR_EINVAL, "the builder was begun for the caller's storage");
    int code = gri_build_message_behind(b, ret_message);
    GRI_FULL_ASSERT(code || gri_value_verify(gri_message_room(*ret_message), (*ret_message)->body_bytes));
    return code;
}

int gri_build_message_behind(gr_builder *b, gr_message **ret_message)
{
    int code = check_done(b);
    if (code) return code;
    size_t bytes = (size_t)(b->at - b->base);
    gr_message *m = b->block;
    if (m && bytes >= (size_t)(b->limit - b->base) / 2) {
        m->body_bytes = (uint32_t)bytes;
        b->block = NULL;
    } else { /* in the scratch, or in a block that is more than twice as big as the value */
        m = gri_message_new(bytes);
        if (!m) {
            fail_memory(b);
            gr_message_free(&b->block);
            return b->error;
        }
        gri_copy_short(gri_message_room(m), b->base, bytes);
        if (b->block) gr_message_free(&b->block);
    }
    *ret_message = m;
    b->state = GRI_BUILD_ENDED;
    return 0;
}
