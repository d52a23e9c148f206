/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What calls and answers look like as values, written and read in place.
 *
 *     request   {"call": id, "method": name, "address": caller, "message": argument}
 *     answer    {"response": id, "message": value}, or "exception" or "invalid_method" instead of "message"
 *
 * All of it but the value inside stands in front of that value and has a size that is known beforehand. So the value is
 * packed where it will stay (gri_pack_inside), and what is in front of it is written around it with a handful of stores:
 * 130 instructions for a request, where a builder took 1,000. Reading goes straight to the places, too; a message that was
 * laid out by somebody else (sent through JSON text with other keys first) is read by its keys.
 *
 * Writing is for the owner of a message that is not sent yet. */
#ifndef GRI_MESSAGE_CALL_FORM_H
#define GRI_MESSAGE_CALL_FORM_H

#include "message/message.h"
#include "message/value.h"

/* ---- requests ---- */

/* Offsets in a request's body. A name of 256 bytes or more has a longer head. */
enum {
    GRI_REQUEST_ID = 14,     /* behind "call" */
    GRI_REQUEST_METHOD = 31, /* behind "method" */
    GRI_REQUEST_BETWEEN = 27 /* from the end of the name to the argument: address and two keys */
};

/* Bytes in front of a request's argument. */
GRI_INLINE size_t gri_request_before(size_t method_bytes)
{
    return GRI_REQUEST_METHOD + method_bytes + (method_bytes <= GRI_STRING_SHORT_MAX ? 3 : 6) + GRI_REQUEST_BETWEEN;
}
/* Writes what is in front of the argument, which is there already. The name is valid UTF-8. */
void gri_request_write(gr_message *m, uint64_t id, const char *method, size_t method_bytes, gr_address caller);

/* The parts of a message of kind CALL; a missing value if it is not there. */
gr_value gri_request_method(const gr_message *m);
gr_value gri_request_argument(const gr_message *m);

/* ---- answers ---- */

/* Bytes in front of an answer's value: kind is GRI_MESSAGE_REPLY, _EXCEPTION or _INVALID_METHOD. */
GRI_INLINE size_t gri_answer_before(enum gri_message_kind kind)
{
    return kind == GRI_MESSAGE_REPLY ? 36 : kind == GRI_MESSAGE_REPLY_EXCEPTION ? 38 : 43;
}
/* Writes what is in front of the value, which is there already. */
void gri_answer_write(gr_message *m, enum gri_message_kind kind, uint64_t id);
/* The value of an answer of this kind. */
gr_value gri_answer_value(const gr_message *m, enum gri_message_kind kind);

/* ---- around a copy of a value ---- */

/* A message with room for `before` bytes, to be written by the caller, and behind them a copy of the value, or null if it is
 * missing. GR_EDEPTH, GR_ETOOBIG, GR_ENOMEM, GR_EFULL. */
GR_MUST_CHECK int gri_message_behind(size_t before, gr_value value, gr_message **ret_message);

#endif
