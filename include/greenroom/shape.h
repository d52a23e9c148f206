/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Shapes: patterns that say what a value looks like, written as JSON-like text and compiled once.
 *
 *     {"op": "add", "n": int, "xs": [number], "pair": (int, string), "from": address, "rest": any}
 *
 *     {"key": shape, ...}   an object that has these keys, with values of these shapes; other keys do not matter
 *     [shape]               an array, every element of which has the shape (also if it has none)
 *     []                    any array
 *     (shape, ...)          an array of exactly this many elements, each of its shape
 *     any                   everything
 *     str string int float number bool bytes null address list dict
 *                           the type; float is a double, number int or double, list any array, dict any object
 *     "text" 7 1.5 true     exactly this value; the int 3 matches neither true nor 3.0
 *     $1 ... $9             exactly the value that is bound when matching: element 0 ... 8 of `params`
 *
 * White space is free; strings and numbers are JSON's. Containers nest up to GR_SHAPE_DEPTH_MAX; the text is at most 64 KB.
 *
 * A compiled shape never changes: any number of threads may match with one. Matching allocates nothing. */
#ifndef GR_SHAPE_H
#define GR_SHAPE_H

#include <greenroom/error.h>
#include <greenroom/value.h>

GR_BEGIN_DECLS

#define GR_SHAPE_DEPTH_MAX 32
#define GR_SHAPE_PARAMS_MAX 9

typedef struct gr_shape gr_shape;

/* Compiles NUL-terminated text. To be freed. `ret_detail` may be NULL; with an error it says where and why.
 * Errors: GR_ESYNTAX; GR_EINVAL: a key twice, or a key that only bytes and addresses have in JSON text; GR_ERANGE: a
 * number; GR_EDEPTH, GR_ETOOBIG, GR_ENOMEM. */
GR_ANY_THREAD GR_MUST_CHECK int gr_shape_compile(const char *text, gr_shape **ret_shape, gr_detail *ret_detail);
/* Frees *shape, which may be NULL, and sets it to NULL. */
GR_ANY_THREAD void gr_shape_free(gr_shape **shape);

/* The shape's text without white space; lives as long as the shape. */
GR_ANY_THREAD const char *gr_shape_text(const gr_shape *shape);
/* The highest parameter in it: 3 for "$3"; 0 if it has none. */
GR_ANY_THREAD unsigned gr_shape_params(const gr_shape *shape);

/* Whether the value has the shape. `params` is an array; a parameter that is not in it matches nothing, so GR_MISSING does
 * for shapes without parameters. A missing value has no shape. */
GR_ANY_THREAD bool gr_shape_match(const gr_shape *shape, gr_value value, gr_value params);

/* The same with the reason: 0 if the value has the shape; GR_ETYPE: a value of another type; GR_ENOTFOUND: a key is missing;
 * GR_ERANGE: another number of elements; GR_EINVAL: another value than the literal or parameter. The detail's text says
 * where, what is expected, and what is there: "at .pair[1]: expected a string, found 3". It has no line, column or byte. */
GR_ANY_THREAD int gr_shape_explain(const gr_shape *shape, gr_value value, gr_value params, gr_detail *ret_detail);

/* The shape of a value: types for scalars, {...} with all keys for objects, and [shape of the first element] for arrays,
 * which the others must have too. The value always has it. Errors: GR_EINVAL: an empty array, an array of mixed elements,
 * no value; GR_EDEPTH, GR_ETOOBIG, GR_ENOMEM. */
GR_ANY_THREAD GR_MUST_CHECK int gr_shape_of(gr_value value, gr_shape **ret_shape, gr_detail *ret_detail);

/* The shape of calls to a method, or to any method if it is NULL:
 *     {"call": int, "method": "name", "address": address, "message": any} */
GR_ANY_THREAD GR_MUST_CHECK int gr_shape_call(const char *method, gr_shape **ret_shape);

GR_END_DECLS

#endif
