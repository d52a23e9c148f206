/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Building values piece by piece, for programs that do not know the shape beforehand (else see pack.h).
 *
 *     gr_builder b;
 *     gr_build(&b);
 *     gr_put_object(&b);
 *     gr_put_key(&b, "id"), gr_put_int(&b, 7);
 *     gr_put_key(&b, "xs"), gr_put_array(&b), gr_put_int(&b, 1), gr_put_end(&b);
 *     gr_put_end(&b);
 *     int code = gr_build_message(&b, &message);
 *
 * Errors stick: after the first one every put does nothing, and the closing call reports it once. A builder that was begun
 * is ended by exactly one of gr_build_message, gr_build_value, gr_build_cancel, whatever happened in between.
 *
 * Refused: a second value at the top, a value where a key belongs and the reverse, containers left open or closed twice,
 * keys put twice, invalid UTF-8, NaN and infinities, an object whose only key is "_pyact_binary" or "_pyact_address" (these
 * are how byte strings and addresses look as text): GR_EINVAL. More than 512 containers inside each other: GR_EDEPTH. More
 * than 2^30 bytes, more than 2^24 - 1 elements in a container, or storage too small: GR_ETOOBIG. GR_ENOMEM.
 *
 * A builder belongs to one thread at a time and must not be moved or copied while in use. */
#ifndef GR_BUILD_H
#define GR_BUILD_H

#include <greenroom/error.h>
#include <greenroom/message.h>
#include <greenroom/value.h>

GR_BEGIN_DECLS

#define GR_BUILD_SCRATCH_BYTES 256

/* Room for a builder; the fields are the library's own. */
typedef struct gr_builder {
    unsigned char *base, *at, *limit;
    struct gr_message *block; /* what holds base once the scratch is too small */
    uint64_t keys_seen;       /* a bit per hash of the open object's keys: not set means not there */
    uint32_t open;            /* offset of the open container's header; UINT32_MAX at the top */
    uint32_t count;           /* elements in the open container */
    int error;
    uint16_t depth;
    uint8_t state, storage;
    const char *why;        /* static text */
    uint32_t why_key_bytes; /* a key to name with it, cut to what fits */
    char why_key[52];
    unsigned char scratch[GR_BUILD_SCRATCH_BYTES];
} gr_builder;

/* Begins: for a new message, or in `storage` of `bytes` bytes, which must stay where it is while the value is used. */
GR_ANY_THREAD void gr_build(gr_builder *builder);
GR_ANY_THREAD void gr_build_into(gr_builder *builder, void *storage, size_t bytes);

GR_ANY_THREAD void gr_put_null(gr_builder *builder);
GR_ANY_THREAD void gr_put_bool(gr_builder *builder, bool value);
GR_ANY_THREAD void gr_put_int(gr_builder *builder, int64_t value);
GR_ANY_THREAD void gr_put_double(gr_builder *builder, double value);
/* NULL is an error (GR_EINVAL), not null, unless it has no bytes. gr_put_string and gr_put_key are inline, so that the
 * length of a literal is known; the library has them as functions too. */
GR_ANY_THREAD void gr_put_string_n(gr_builder *builder, const char *value, size_t bytes);
GR_ANY_THREAD inline __attribute__((always_inline)) void gr_put_string(gr_builder *builder, const char *value)
{
    gr_put_string_n(builder, value, value ? __builtin_strlen(value) : SIZE_MAX);
}
GR_ANY_THREAD void gr_put_bytes(gr_builder *builder, const void *value, size_t bytes);
GR_ANY_THREAD void gr_put_address(gr_builder *builder, gr_address value);
/* A copy of a whole value; GR_MISSING is an error (GR_EINVAL). */
GR_ANY_THREAD void gr_put_value(gr_builder *builder, gr_value value);

/* Containers are open until gr_put_end. In an object, a key before each value. */
GR_ANY_THREAD void gr_put_array(gr_builder *builder);
GR_ANY_THREAD void gr_put_object(gr_builder *builder);
GR_ANY_THREAD void gr_put_key_n(gr_builder *builder, const char *key, size_t bytes);
GR_ANY_THREAD inline __attribute__((always_inline)) void gr_put_key(gr_builder *builder, const char *key)
{
    gr_put_key_n(builder, key, key ? __builtin_strlen(key) : SIZE_MAX);
}
GR_ANY_THREAD void gr_put_end(gr_builder *builder);

/* The first error so far, 0 if none. `ret_detail` may be NULL; it is written only if there is an error. Valid after the
 * closing calls too. */
GR_ANY_THREAD int gr_build_error(const gr_builder *builder, gr_detail *ret_detail);

/* Ends: the value as a message (begun with gr_build), or in the caller's storage (begun with gr_build_into). The other way
 * round is GR_EINVAL. */
GR_ANY_THREAD GR_MUST_CHECK int gr_build_message(gr_builder *builder, gr_message **ret_message);
GR_ANY_THREAD GR_MUST_CHECK int gr_build_value(gr_builder *builder, gr_value *ret_value);
/* Ends without a value; harmless on a builder that was ended. */
GR_ANY_THREAD void gr_build_cancel(gr_builder *builder);

GR_END_DECLS

#endif
