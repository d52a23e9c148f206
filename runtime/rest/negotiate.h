/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What client and server have to agree on: media types, in both directions, and entity tags. Pure functions of a request. */
#ifndef GRI_REST_NEGOTIATE_H
#define GRI_REST_NEGOTIATE_H

#include <greenroom/wsgi.h>

/* How much the client wants the type, in thousandths: the quality of the most specific range of Accept that covers it, 1000
 * without Accept, 0 if none does. */
unsigned gri_accept_quality(const gr_environ *env, const char *type);
/* Does it want a page rather than JSON? Who says so more strongly, or as strongly and by name: a range that covers both gets
 * JSON. */
bool gri_accept_page(const gr_environ *env);

/* What keeps the body from being read as JSON, or NULL. Refused is what says that it is something else: another media type, a
 * character set that is not UTF-8, any content coding. Not refused is what clients say without being asked: nothing, what
 * curl and forms send, plain text. */
const char *gri_content_refusal(const gr_environ *env);

/* Is the tag, quotes included, among those of If-None-Match? Weak comparison; "*" is any. */
bool gri_tag_known(const gr_environ *env, const char *tag);

#endif
