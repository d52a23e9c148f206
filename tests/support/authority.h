/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Throw-away certificates for tests, made anew in a folder of its own that goes at the end.
 *
 *     authority_open();
 *     gr_tls_options server = {.server = true, .certificate = authority_issue("localhost", 0)};
 *     gr_tls_options client = {.trust = authority_trust()};
 *     authority_close(); */
#ifndef GR_TESTS_SUPPORT_AUTHORITY_H
#define GR_TESTS_SUPPORT_AUTHORITY_H

#include <stdbool.h>

/* Makes the folder and an authority in it. */
void authority_open(void);
void authority_close(void);

/* The authority's certificate: a file. Valid until closing, as all paths. */
const char *authority_trust(void);

enum authority_flaw { AUTHORITY_EXPIRED = 1, AUTHORITY_UNKNOWN = 2 /* signed by itself */ };
/* A certificate for a host (a name, or an IPv4 address) with its key: one file. flaws: a set of the above. */
const char *authority_issue(const char *host, unsigned flaws);
/* Some other file in the folder with this text. */
const char *authority_file(const char *name, const char *text);

#endif
