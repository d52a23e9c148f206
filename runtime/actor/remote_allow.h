/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The list in GREENROOM_REMOTE_ALLOW: which URLs in messages from outside may become remote addresses. Pure.
 *
 *     list  = empty (none) | entry *( "," entry )            blanks around entries do not count
 *     entry = "*"                                            every URL
 *           | scheme "://" host [ ":" port | ":*" ] [ path ]
 *     scheme = "http" | "https"
 *     host  = a name, an IPv4 address, an [IPv6] address, or "*." and a name: every name that ends in it
 *
 * Scheme and host are compared without case, the port with the scheme's own where there is none, and a path is a prefix of
 * whole segments: "http://a/x" allows http://a/x and http://a/x/y, not http://a/xy. Hosts are compared as they are written,
 * never looked up: who allows a name trusts whoever says where it leads. */
#ifndef GRI_ACTOR_REMOTE_ALLOW_H
#define GRI_ACTOR_REMOTE_ALLOW_H

#include <stdbool.h>

/* Is the text such a list? */
bool gri_allow_is_list(const char *list);
/* Does the list allow a URL, which is in normal form (<greenroom/remote.h>)? */
bool gri_allow_permits(const char *list, const char *url);

#endif
