/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Messages: one immutable value in an envelope that says who sent it.
 *
 * A message has one owner at a time. Sending moves it (the sender's pointer becomes NULL on success and stays on failure),
 * receiving hands it over, gr_message_free ends it. gr_message_free is right on every path: it takes NULL, and a pointer
 * that was moved away is NULL. The body and every gr_value in it live until then. */
#ifndef GR_MESSAGE_H
#define GR_MESSAGE_H

#include <greenroom/error.h>
#include <greenroom/value.h>

GR_BEGIN_DECLS

typedef struct gr_message gr_message;

/* What the message says; GR_MISSING for NULL. Borrowed until gr_message_free. */
GR_ANY_THREAD gr_value gr_body(const gr_message *message);
/* Who sent it; GR_NO_ADDRESS if nobody did (built but not sent, sent by a thread that is no actor) or for NULL. */
GR_ANY_THREAD gr_address gr_sender(const gr_message *message);
/* Frees *message unless it is NULL, and sets it to NULL. `message` itself may be NULL too. */
GR_ANY_THREAD void gr_message_free(gr_message **message);

/* A new message holding a copy of `value`. GR_EINVAL: the value is missing. GR_ENOMEM, GR_EFULL: no memory. */
GR_ANY_THREAD GR_MUST_CHECK int gr_message_copy(gr_value value, gr_message **ret_message);

/* A new message with the keys of both objects; where both have a key, right's value wins: as it is (gr_merge), or merged
 * in turn where both values are objects (gr_merge_deep, RFC 7396 without its meaning of null). Left's keys come first, in
 * their order. GR_ETYPE: one of them is no object. GR_EINVAL: the result would be what builders refuse. GR_ENOMEM. */
GR_ANY_THREAD GR_MUST_CHECK int gr_merge(gr_value left, gr_value right, gr_message **ret_message);
GR_ANY_THREAD GR_MUST_CHECK int gr_merge_deep(gr_value left, gr_value right, gr_message **ret_message);

GR_END_DECLS

#endif
