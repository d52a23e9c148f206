/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Reading values: what a message holds, read in place.
 *
 * A gr_value is a JSON value (plus byte strings and addresses) that lives in somebody else's memory: a message's body
 * (until gr_message_free), an actor's arguments (until it ends), or storage of your own (gr_pack_into, gr_build_into). It
 * is one pointer, passed by value, and owns nothing.
 *
 * Nothing here fails or allocates: asking for what is not there gives GR_MISSING or the fallback. Chains are safe:
 *     gr_int(gr_at(gr_get(gr_body(m), "args"), 2), 0)
 * Values are immutable, so any number of threads may read one. All functions may be called from anywhere. */
#ifndef GR_VALUE_H
#define GR_VALUE_H

#include <greenroom/address.h>
#include <greenroom/api.h>

GR_BEGIN_DECLS

typedef struct gr_value {
    const unsigned char *at; /* NULL: no value (GR_MISSING) */
} gr_value;

typedef enum gr_type {
    GR_MISSING, /* there is no value */
    GR_NULL,
    GR_BOOL,
    GR_INT,    /* int64_t */
    GR_DOUBLE, /* finite */
    GR_STRING, /* valid UTF-8, U+0000 allowed */
    GR_BYTES,
    GR_ADDRESS,
    GR_ARRAY,
    GR_OBJECT, /* keys are strings, each at most once, in the order they were put */
} gr_type;

GR_ANY_THREAD gr_type gr_type_of(gr_value value);
/* "missing", "null", "bool", "int", "double", "string", "bytes", "address", "array", "object"; static strings. */
GR_ANY_THREAD const char *gr_type_name(gr_type type);

/* The member called `key`; GR_MISSING if there is none or `object` is no object. A walk up to 16 keys, a binary search
 * beyond. gr_get_n takes keys that contain U+0000. */
GR_ANY_THREAD gr_value gr_get_n(gr_value object, const char *key, size_t key_bytes);
/* Inline, so that the length of a literal is known; the library has it as a function too. */
GR_ANY_THREAD inline __attribute__((always_inline)) gr_value gr_get(gr_value object, const char *key)
{
    return gr_get_n(object, key, __builtin_strlen(key));
}
/* The element at `index`, from 0; GR_MISSING beyond the end or if `array` is no array. Takes time proportional to index:
 * walk whole arrays with gr_iterate. */
GR_ANY_THREAD gr_value gr_at(gr_value array, size_t index);
/* Elements of an array, keys of an object, 0 for everything else. */
GR_ANY_THREAD size_t gr_count(gr_value container);

/* The value if it has the type, else the fallback. Only gr_double converts: it takes ints too. */
GR_ANY_THREAD int64_t gr_int(gr_value value, int64_t fallback);
GR_ANY_THREAD double gr_double(gr_value value, double fallback);
GR_ANY_THREAD bool gr_bool(gr_value value, bool fallback);
/* NUL-terminated UTF-8 inside the value (not to be written or freed); it may also contain NULs: gr_string_bytes counts
 * without the last one, and is 0 for what is no string. */
GR_ANY_THREAD const char *gr_string(gr_value value, const char *fallback);
GR_ANY_THREAD size_t gr_string_bytes(gr_value value);
/* The bytes, not NUL-terminated; NULL and 0 if the value is no byte string. ret_bytes may be NULL. */
GR_ANY_THREAD const void *gr_bytes(gr_value value, size_t *ret_bytes);
/* GR_NO_ADDRESS if the value is no address. */
GR_ANY_THREAD gr_address gr_address_in(gr_value value);

/* Walks an array or object in order; anything else is empty.
 *     for (gr_iter it = gr_iterate(v); gr_next(&it);) use(it.key, it.value);
 * `key` is NULL in arrays, else NUL-terminated UTF-8 of key_bytes bytes. */
typedef struct gr_iter {
    gr_value value; /* the current element */
    const char *key;
    size_t key_bytes;
    const unsigned char *next; /* the library's own from here on */
    uint32_t left;
    bool object;
} gr_iter;

GR_ANY_THREAD gr_iter gr_iterate(gr_value container);
GR_ANY_THREAD bool gr_next(gr_iter *it);

/* Bytes the packed form takes; 0 for GR_MISSING. */
GR_ANY_THREAD size_t gr_value_bytes(gr_value value);
/* Same type and same content, whatever the order of object keys. The int 1 is not the double 1.0; 0.0 is -0.0; missing
 * equals missing only. */
GR_ANY_THREAD bool gr_equal(gr_value left, gr_value right);

GR_END_DECLS

#endif
