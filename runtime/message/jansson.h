/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What the rest of the runtime uses of the exchange with jansson beyond <greenroom/jansson.h>. */
#ifndef GRI_MESSAGE_JANSSON_H
#define GRI_MESSAGE_JANSSON_H

#include <greenroom/build.h>
#include <greenroom/jansson.h>

/* Puts the tree's value where the builder stands. Errors stick to the builder. */
void gri_put_json(gr_builder *b, const json_t *json);

/* Who knows how many bytes of stack are left below the caller; SIZE_MAX for enough. NULL, as it begins, for nobody: every
 * stack is then taken for a plain thread's. Set before actors run. */
void gri_jansson_headroom_set(size_t (*headroom)(void));

/* Bytes of stack that jansson may take for a tree of this depth (measured with 2.14 at depth 100 and 400, x86-64, arrays and
 * objects: dump 301 a level and 8,000, delete 80, load 80, deep copy 112). */
#define GRI_JANSSON_STACK_BYTES(depth) ((size_t)(depth)*320 + 12288)

/* gr_to_json without the look at the stack. */
int gri_to_json_unchecked(gr_value value, json_t **ret_json);

#endif
