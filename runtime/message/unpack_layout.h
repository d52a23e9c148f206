/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Layouts: what the messages that one gr_unpack reads look like, so that the next ones need not be searched.
 *
 * Messages that arrive at one place of a program mostly differ in their scalars only: the same keys in the same order, the
 * same types. A layout is what such a message has in common with the one it was learned from: its bytes with a mask, in
 * segments between what varies in size, and where in a segment each variable's value stands. A message that equals it under
 * the mask is known to be laid out so, since a value's bytes can be read in one way only. Then the variables are written
 * with a load and a store each.
 *
 *     {"op":"add","id":7,"ok":true}, read as {s:s,s:I,s:b}
 *     segment 0   object, any size, 3 keys | "op" string, any length          -> skip the text
 *     segment 1   "id" int ........ | "ok" true or false
 *
 * Layouts are learned from messages that unpack.h's steps could read, up to GRI_LAYOUTS_MAX a plan, and kept as long as the
 * plan; a place that reads what no layout can hold (long texts, say) stops trying. Who: they are immutable once made; any
 * thread may learn one (mo:layout.publish release -> layout.find acquire). */
#ifndef GRI_MESSAGE_UNPACK_LAYOUT_H
#define GRI_MESSAGE_UNPACK_LAYOUT_H

#include "message/arguments.h"
#include "message/unpack.h"
#include "message/value.h"

#define GRI_LAYOUTS_MAX 4          /* guess: kinds of messages that one place reads */
#define GRI_LAYOUTS_VAIN_MAX 256   /* guess: lessons in vain before a plan has no more, 64 ns a message instead of 24 */
#define GRI_LAYOUT_SEGMENTS_MAX 16 /* guess */
#define GRI_LAYOUT_WORDS_MAX 48    /* 384 bytes beside the texts: guess */

enum gri_layout_skip { GRI_SKIP_NOTHING, GRI_SKIP_STRING, GRI_SKIP_BYTES, GRI_SKIP_VALUE };

/* Eight bytes that have to be as they were, but for those that the mask leaves out. */
typedef struct gri_layout_word {
    uint64_t expected, mask;
    int64_t offset; /* in the segment; below 0: the word begins in front of it */
} gri_layout_word;

typedef struct gri_layout_segment {
    uint16_t bytes;
    uint8_t words;
    uint8_t skip; /* gri_layout_skip: what is behind it */
} gri_layout_segment;

/* A variable: the argument at `place` gets what stands at an offset in a segment. */
typedef struct gri_layout_result {
    uint16_t place, offset;
    uint8_t segment;
    uint8_t keep; /* gri_unpack_keep */
} gri_layout_result;

typedef struct gri_layout {
    struct gri_layout *next;
    uint16_t segments_count, results_count;
    uint16_t longs_end, ints_end, texts_end; /* results in this order: 8 bytes as they are; int; texts; the others */
    gri_layout_segment segments[GRI_LAYOUT_SEGMENTS_MAX];
    gri_layout_result results[GRI_FORMAT_ARGUMENTS_MAX];
    gri_layout_word words[];
} gri_layout;

/* Learns from a message that was read: found[i] is the value of step i of the plan, or NULL. Without memory, or if the message
 * has more in it than a layout can hold, nothing is learned. */
void gri_layout_learn(const gri_plan *plan, const unsigned char *root, const unsigned char *const *found);
void gri_layouts_free(gri_plan *plan);

/* The newest layout of a plan; more of them behind it. */
GRI_INLINE const gri_layout *gri_layout_first(const gri_plan *plan)
{
    /* mo:layout.find acquire <- layout.publish release: the layout */
    return gri_load_acquire((gri_atomic_ptr *)(uintptr_t)&plan->layouts);
}

/* Whether the value is laid out so; then ret_starts[i] is where segment i begins. */
GRI_INLINE bool gri_layout_match(const gri_layout *layout, const unsigned char *root, const unsigned char **ret_starts)
{
    const gri_layout_segment *segment = layout->segments, *last = segment + layout->segments_count;
    const gri_layout_word *word = layout->words;
    const unsigned char *at = root, *end = root + gri_value_size(root);
    for (;; segment++) {
        if (GRI_UNLIKELY((size_t)(end - at) < segment->bytes)) return false;
        uint64_t differs = 0;
        for (const gri_layout_word *behind = word + segment->words; word < behind; word++)
            differs |= (gri_load64(at + word->offset) ^ word->expected) & word->mask;
        if (GRI_UNLIKELY(differs)) return false;
        *ret_starts++ = at;
        if (segment + 1 == last) return true;
        at += segment->bytes;
        if (GRI_LIKELY(segment->skip == GRI_SKIP_STRING)) {
            at += at[-1] + 1u;
        } else {
            at += segment->skip == GRI_SKIP_BYTES ? at[-1] : gri_value_size(at);
        }
    }
}

#endif
