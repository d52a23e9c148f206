/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Actor addresses: small values that name an actor of this process, or stand for one elsewhere.
 *
 * An address is copied like an int and compared like one; it may outlive its actor, which then answers GR_EDEAD.
 * Its text is opaque, always GR_ADDRESS_TEXT_BYTES - 1 characters of a-z and 2-7 (safe in URLs and as an actor's name),
 * the same every time it is printed in one process, and proves itself: text that was made up, mistyped, or printed by an
 * earlier process decodes to GR_DEAD_ADDRESS, never to somebody else's actor. In JSON an address is
 * {"_pyact_address": "text"}.
 * An address that stands for an actor elsewhere (remote.h) has such a text, too, for this process; what others are told is its
 * URL: gr_remote_url. */
#ifndef GR_ADDRESS_H
#define GR_ADDRESS_H

#include <greenroom/api.h>

GR_BEGIN_DECLS

/* Table index in the low half, generation in the high half; for the runtime only. */
typedef struct gr_address {
    uint64_t id;
} gr_address;

#ifdef __cplusplus
#define GR_NO_ADDRESS (gr_address{0})
#define GR_DEAD_ADDRESS (gr_address{UINT64_MAX})
#else
/* No address at all: what a lookup that found nothing gives. */
#define GR_NO_ADDRESS ((gr_address){0})
/* An address that never lived and never will: what untrusted text decodes to. */
#define GR_DEAD_ADDRESS ((gr_address){UINT64_MAX})
#endif

/* Bytes of the text with its NUL. */
#define GR_ADDRESS_TEXT_BYTES 33

static inline bool gr_address_equal(gr_address a, gr_address b)
{
    return a.id == b.id;
}

/* Writes the text of any address, dead and none included, and returns `text`. */
GR_ANY_THREAD char *gr_address_print(gr_address address, char text[GR_ADDRESS_TEXT_BYTES]);

/* The address that was printed as these bytes in this process (alive or dead by now), else GR_DEAD_ADDRESS. */
GR_ANY_THREAD gr_address gr_address_parse(const char *text, size_t bytes);

GR_END_DECLS

#endif
