/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Unpacking: plans without templates. First every value is found and checked, then all variables are written, so that a
 * failure leaves them as they were. Needs no recursion.
 *
 * Most plans can be read in a hurry: all keys are literals, which are in the plan, packed, and what is there mostly is what
 * the format says, its keys in the format's order. So a step compares what stands next with the key it expects, 16 bytes at
 * once, before it searches; it notes where the value is, and a second loop writes the variables. What does not fit in any
 * way is left to the operations, one by one with calls for all they look at, which find out again and can say what it is. */
#ifndef GRI_MESSAGE_UNPACK_H
#define GRI_MESSAGE_UNPACK_H

#include "message/plan.h"

#define GRI_UNPACK_DEPTH_MAX 64 /* guess: formats that people write are not deeper; a level is 48 bytes of stack */
#define GRI_READ_DEPTH_MAX 8    /* of what is read in a hurry: guess */

enum gri_unpack_fetch { GRI_UNPACK_WHOLE, GRI_UNPACK_KEY, GRI_UNPACK_NEXT, GRI_UNPACK_LEAVE };

enum gri_unpack_keep {
    GRI_KEEP_NOTHING, /* null */
    GRI_KEEP_ENTER,   /* a container, the next steps are inside */
    GRI_KEEP_INT,
    GRI_KEEP_UINT,
    GRI_KEEP_LONG,
    GRI_KEEP_ULONG,
    GRI_KEEP_BOOL,
    GRI_KEEP_BOOL_INT,
    GRI_KEEP_DOUBLE, /* an int, too, if the tags allow it */
    GRI_KEEP_ADDRESS,
    GRI_KEEP_STRING,
    GRI_KEEP_STRING_SIZED,
    GRI_KEEP_BYTES,
    GRI_KEEP_VALUE,
};

/* One value that is looked at. */
typedef struct gri_unpack_step {
    uint8_t fetch, keep; /* gri_unpack_fetch, gri_unpack_keep */
    uint16_t tags;       /* bits of the tags that it may have */
    uint16_t place;      /* of its argument among the words (arguments.h) */
    bool optional;       /* the key may be absent */
    bool strict;         /* LEAVE: nothing else may be there */
    uint32_t count;      /* LEAVE: keys or elements that were asked for */
    /* The key in packed form, up to 16 bytes with its length and NUL: key_size is 0 for a longer one. */
    uint32_t key_size, key_room; /* key_room: bytes that may be looked at */
    uint64_t key_first, key_mask, key_last, key_last_mask;
    const char *key;
    size_t key_bytes;
} gri_unpack_step;

#endif
