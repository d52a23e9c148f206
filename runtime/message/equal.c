/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Equality of values, without recursion: depth 512 must not need a deep stack.
 *
 * Equal bytes are equal values (there is one encoding per value), which settles most comparisons in one memcmp. What is
 * left: keys in another order, 0.0 beside -0.0, and real differences. */
#include "message/value.h"

/* The left side is walked in its order; the right side follows: by position in arrays, by key in objects. */
struct level {
    const unsigned char *left, *right; /* the next left element or entry; the next right element, or the right object */
    uint32_t to_come;
    bool object;
};

/* Whether the values themselves are equal, containers aside: those only in kind and count. */
static bool heads_equal(const unsigned char *left, const unsigned char *right)
{
    if (*left != *right) return false;
    if (*left >= GRI_TAG_ARRAY) return gri_container_count(gri_load64(left)) == gri_container_count(gri_load64(right));
    if (*left == GRI_TAG_DOUBLE) return gr_double((gr_value){left}, 0) == gr_double((gr_value){right}, 0);
    size_t bytes = gri_value_size(left);
    return bytes == gri_value_size(right) && memcmp(left, right, bytes) == 0;
}

static GRI_NOINLINE bool equal_slowly(const unsigned char *left, const unsigned char *right)
{
    struct level levels[GRI_VALUE_DEPTH_MAX];
    unsigned depth = 0;
    for (;;) {
        if (!heads_equal(left, right)) return false;
        if (*left >= GRI_TAG_ARRAY) {
            struct level *inner = &levels[depth++];
            inner->left = left + GRI_CONTAINER_BYTES;
            inner->object = *left != GRI_TAG_ARRAY;
            inner->right = inner->object ? right : right + GRI_CONTAINER_BYTES;
            inner->to_come = gri_container_count(gri_load64(left));
        }
        while (depth > 0 && levels[depth - 1].to_come == 0) depth--;
        if (depth == 0) return true;
        struct level *level = &levels[depth - 1];
        level->to_come--;
        if (level->object) {
            gri_key key = gri_key_at(level->left);
            left = key.value;
            right = gr_get_n((gr_value){level->right}, (const char *)key.text, key.bytes).at;
            if (!right) return false;
        } else {
            left = level->left;
            right = level->right;
            level->right += gri_value_size(right);
        }
        level->left = left + gri_value_size(left);
    }
}

bool gr_equal(gr_value left, gr_value right)
{
    if (left.at == right.at) return true;
    if (!left.at || !right.at) return false;
    size_t bytes = gri_value_size(left.at);
    if (bytes == gri_value_size(right.at) && memcmp(left.at, right.at, bytes) == 0) return true;
    return heads_equal(left.at, right.at) && equal_slowly(left.at, right.at);
}
