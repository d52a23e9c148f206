/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* GREENROOM_COPY: how a message gets from sender to receiver. Normally the packed value that the sender wrote is what the
 * receiver reads. The two other modes send every local message through serialised JSON in addition, to compare with runtimes
 * that do, and to show that nothing but JSON passes: what arrives is equal, addresses and bytes too. */
#ifndef GRI_MESSAGE_COPY_H
#define GRI_MESSAGE_COPY_H

#include "base/compiler.h"

#include <greenroom/message.h>

typedef enum gri_copy_mode {
    GRI_COPY_PACKED,
    GRI_COPY_TEXT,    /* gr_print, gr_parse */
    GRI_COPY_JANSSON, /* a tree, json_dumpb, json_loadb, a value again */
} gri_copy_mode;

/* "packed", "text" or "jansson"; false if it is none of them. */
bool gri_copy_mode_from(const char *name, gri_copy_mode *ret_mode);
const char *gri_copy_mode_name(gri_copy_mode mode);

/* Replaces the body by what is left of it after the trip: an equal value. The envelope (sender, kind, reference, trailer, …)
 * is kept. GRI_COPY_PACKED does nothing, and a message that is part of a bigger record (an exit that death must not allocate
 * for) stays as it is. On failure (GR_ENOMEM, GR_EFULL) *message is as before.
 *
 * jansson recurses and cannot be stopped from it: values deeper than GRI_COPY_JANSSON_DEPTH take the trip on a thread of
 * their own while the caller waits, so that it works on the smallest of stacks. Keys with U+0000, which jansson cannot read,
 * go through text instead. */
#define GRI_COPY_JANSSON_DEPTH 16
GRI_MUST_CHECK int gri_copy_through(gri_copy_mode mode, gr_message **message);

#endif
