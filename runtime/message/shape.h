/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A compiled shape: a flat program, one step per value that is looked at, in the order of the text.
 *
 * A step fetches a value (the whole one, a key's, the next element) and tests it. A container's test puts it into the slot
 * of its level; the steps of its inside, which follow, fetch from there. A list's inside is a loop: its first step leaves it
 * at the end of the array, a STEP_LOOP behind the inside goes back. So matching is one loop over the steps, without
 * recursion, and its slots (GR_SHAPE_DEPTH_MAX + 1 of them) are all the memory it needs.
 *
 *     {"a": [int], "b": $1}        0 root dict
 *                                  1 key "a" list, level 1
 *                                  2   each int, level 2, leaves to 4
 *                                  3   loop to 2
 *                                  4 key "b" parameter, level 1
 *
 * Written by gr_shape_compile only, read by any number of threads. */
#ifndef GRI_MESSAGE_SHAPE_H
#define GRI_MESSAGE_SHAPE_H

#include "base/compiler.h"

#include <greenroom/shape.h>

enum gri_shape_fetch { GRI_FETCH_ROOT, GRI_FETCH_KEY, GRI_FETCH_NEXT, GRI_FETCH_EACH, GRI_FETCH_LOOP };

enum gri_shape_test {
    GRI_TEST_TAGS, /* `tags` has the value's bit: types, true and false */
    GRI_TEST_INT,
    GRI_TEST_DOUBLE,
    GRI_TEST_STRING,
    GRI_TEST_PARAMETER,
    GRI_TEST_DICT,
    GRI_TEST_LIST,
    GRI_TEST_TUPLE,
};

#define GRI_LOOK_NEVER UINT16_MAX

typedef struct gri_shape_step {
    uint8_t fetch, test;
    uint8_t level; /* of the slot to fetch from: how many containers are around the value */
    uint8_t parameter;
    uint16_t tags;     /* bits 1 << gri_tag */
    uint16_t key_look; /* the key's first byte in packed form, its length; GRI_LOOK_NEVER if it is a long one */
    uint32_t jump;     /* FETCH_EACH: where the array ends; FETCH_LOOP: the list's first step */
    uint32_t around;   /* the step of the container around it */
    uint32_t ordinal;  /* among the shapes of the container around it */
    uint32_t key_bytes;
    const char *key;
    const char *text;
    union {
        int64_t integer;
        double real;
        size_t text_bytes;
        size_t count; /* of a tuple */
    };
} gri_shape_step;

struct gr_shape {
    uint64_t serial; /* no two shapes of a process have the same */
    uint32_t count;
    uint32_t params;
    gri_shape_step *steps;
    char *strings; /* what keys and texts point into */
    char *text;
};

/* A number that stands for the shape, also after another one was put at its address. */
GRI_INLINE uint64_t gri_shape_serial(const gr_shape *shape)
{
    return shape->serial;
}

/* The words for types, also in errors; "any" and others that have a second name come last. */
typedef struct gri_shape_type {
    const char *name;
    uint16_t tags;
} gri_shape_type;
extern const gri_shape_type gri_shape_types[];
extern const unsigned gri_shape_type_count;

#endif
