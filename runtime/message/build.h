/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What the rest of the layer uses of the builder beyond <greenroom/build.h>: errors with context, and raw room.
 *
 * An open container's header keeps, in its place, its tag, the offset of the container around it (in the bytes field) and
 * the elements so far: a builder needs no stack of levels, whatever the depth. */
#ifndef GRI_MESSAGE_BUILD_H
#define GRI_MESSAGE_BUILD_H

#include "base/compiler.h"

#include <greenroom/build.h>

/* What may come next. A value may come in the first three. */
enum gri_build_state {
    GRI_BUILD_TOP,
    GRI_BUILD_ELEMENT,
    GRI_BUILD_MEMBER,
    GRI_BUILD_KEY,
    GRI_BUILD_DONE,  /* a whole value is there */
    GRI_BUILD_ENDED, /* it was handed out */
    GRI_BUILD_FAILED,
};

/* Makes the first error stick. `why` is a static text. */
GRI_COLD void gri_build_fail(gr_builder *b, int code, const char *why);

/* Room for `bytes` more at b->at: false (and the error stuck) if there is none. Does not advance b->at. */
bool gri_build_room_slow(gr_builder *b, size_t bytes);
GRI_INLINE bool gri_build_room(gr_builder *b, size_t bytes)
{
    return GRI_LIKELY((size_t)(b->limit - b->at) >= bytes) || gri_build_room_slow(b, bytes);
}

/* Whether a value may come now; the error sticks if not. gri_build_placed says that it came. */
bool gri_build_refuse_value(gr_builder *b);
GRI_INLINE bool gri_build_expects_value(gr_builder *b)
{
    return GRI_LIKELY(b->state <= GRI_BUILD_MEMBER) || gri_build_refuse_value(b);
}
GRI_INLINE void gri_build_placed(gr_builder *b)
{
    if (b->state == GRI_BUILD_MEMBER) {
        b->state = GRI_BUILD_KEY;
    } else if (b->state == GRI_BUILD_ELEMENT) {
        b->count++;
    } else {
        b->state = GRI_BUILD_DONE;
    }
}

/* For a message whose first `before` bytes the caller writes once gri_build_message_behind has made it: what is around the
 * value. The value counts as one container deep. */
void gri_build_behind(gr_builder *b, size_t before);
GR_MUST_CHECK int gri_build_message_behind(gr_builder *b, gr_message **ret_message);

/* "text" for a detail, with the key it is about where there is one. */
void gri_build_explain(const gr_builder *b, gr_detail *ret_detail);

/* Whether an object whose only key is this one would be read back as bytes or an address. */
bool gri_key_is_reserved(const void *key, size_t bytes);

#endif
