/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Values from jansson's trees and to them, for programs that have json_t already.
 *
 * Bytes and addresses are objects with the one key "_pyact_binary" or "_pyact_address", as in JSON text (see text.h). A
 * json_t never crosses actors: what is sent is a value, and the receiver makes its own tree.
 *
 * These functions do not recurse, but jansson does: json_dumps takes about 320 bytes of stack a level, json_delete and the
 * loader 80. So gr_to_json refuses (GR_EDEPTH) a value deeper than what the caller's stack, were it to dump it, has room for;
 * on the stack of a plain thread that is 512 levels, the depth of any value. */
#ifndef GR_JANSSON_H
#define GR_JANSSON_H

#include <greenroom/error.h>
#include <greenroom/message.h>
#include <greenroom/value.h>
#include <jansson.h>

GR_BEGIN_DECLS

/* The tree's value as a new message; the tree stays the caller's. `ret_detail` may be NULL.
 * Errors: GR_EINVAL: NULL, a string or key that is not UTF-8, an object whose only key is one of the two above and whose
 * value does not fit. GR_EDEPTH: more than 512 levels, as with a tree that contains itself. GR_ETOOBIG, GR_ENOMEM, GR_EFULL. */
GR_ANY_THREAD GR_MUST_CHECK int gr_from_json(const json_t *json, gr_message **ret_message, gr_detail *ret_detail);

/* A new tree, to be released with json_decref. Errors: GR_EINVAL: no value. GR_EDEPTH: see above. GR_ENOMEM. */
GR_ANY_THREAD GR_MUST_CHECK int gr_to_json(gr_value value, json_t **ret_json);

GR_END_DECLS

#endif
