/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* JSON text to values and back: strict RFC 8259, the same in both directions.
 *
 *     text                                     value
 *     null true false                          null, bool
 *     a number without fraction and exponent   int; refused outside int64 (GR_ERANGE); -0 is the int 0
 *     any other number                         double, correctly rounded; refused if too large (GR_ERANGE), too small is 0.0
 *     "string"                                 string: valid UTF-8; \u escapes, in pairs for surrogates, \u0000 too
 *     [...], {...}                             array, object; a key twice in one object is refused (GR_EINVAL)
 *     {"_pyact_binary": "base64"}              bytes; only canonical base64 with padding (GR_EINVAL)
 *     {"_pyact_address": "text"}               address; a text that this process did not print is a dead address. Between
 *                                              processes the text is a URL: see `addresses` below
 *
 * A double is printed with the fewest digits that read back as the same double, and always with a '.' or an exponent, so
 * that it reads back as a double. Reading what was printed gives an equal value, and printing that the same text.
 *
 * Nothing here depends on the locale. All functions need little stack (less than 6 KB), whatever the depth, and may be
 * called from any thread. */
#ifndef GR_TEXT_H
#define GR_TEXT_H

#include <greenroom/error.h>
#include <greenroom/message.h>
#include <greenroom/value.h>

GR_BEGIN_DECLS

/* How addresses look in a text. NULL: the opaque text of this process (address.h). gr_remote_form() (remote.h): as URLs, for
 * texts that come from other processes or go there. */
typedef struct gr_address_form gr_address_form;

/* Zero means default; a NULL pointer means all zero. */
typedef struct gr_parse_options {
    unsigned depth_max; /* containers inside each other; 0 and more than 512: 512, what values can hold */
    size_t bytes_max;   /* length of the text; 0: only the size of values limits it */
    const gr_address_form *addresses;
} gr_parse_options;

typedef struct gr_print_options {
    unsigned indent; /* spaces a level, a line per element; 0: one line without any space; at most 16 */
    bool sorted;     /* keys in the order of their bytes, else as in the object */
    bool ascii;      /* \u escapes for everything beyond ASCII */
    const gr_address_form *addresses;
} gr_print_options;

/* Reads one value, with white space around it, from `bytes` bytes (no NUL needed) into a new message.
 * Errors, with line, column (in characters), byte and a text that names what was found and what is allowed, if `ret_detail`
 * is not NULL: GR_ESYNTAX: not JSON. GR_ERANGE: a number. GR_EINVAL: JSON, but a key twice, or an object whose only key is
 * one of the two above and whose value does not fit. GR_EDENIED: the URL of an address that is not allowed (remote.h).
 * GR_EDEPTH, GR_ETOOBIG: beyond the options, or what values can hold.
 * GR_ENOMEM, GR_EFULL: no memory. */
GR_ANY_THREAD GR_MUST_CHECK int gr_parse(const char *text, size_t bytes, const gr_parse_options *options,
                                         gr_message **ret_message, gr_detail *ret_detail);

/* The same into storage of the caller's, which must stay in place while the value is used; GR_ETOOBIG if it does not fit.
 * Five times the text's length and 16 always suffice. */
GR_ANY_THREAD GR_MUST_CHECK int gr_parse_into(const char *text, size_t bytes, const gr_parse_options *options,
                                              void *storage, size_t storage_bytes, gr_value *ret_value,
                                              gr_detail *ret_detail);

/* Writes the text and a NUL into `buffer` of `bytes` bytes. *ret_needed (if not NULL) is the length of the whole text
 * without the NUL, also with GR_ETOOBIG: it did not fit, and the buffer holds the beginning and a NUL (nothing, if bytes is
 * 0; `buffer` may then be NULL). GR_EINVAL: no value. GR_ENOMEM. */
GR_ANY_THREAD GR_MUST_CHECK int gr_print(gr_value value, const gr_print_options *options, char *buffer, size_t bytes,
                                         size_t *ret_needed);

/* The text, NUL-terminated, to be freed with free(); its length in *ret_bytes unless that is NULL. NULL: no value, or out
 * of memory. */
GR_ANY_THREAD GR_MUST_CHECK char *gr_print_new(gr_value value, const gr_print_options *options, size_t *ret_bytes);

GR_END_DECLS

#endif
