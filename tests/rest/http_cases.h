/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Case files of requests: what goes over the wire and what must come of it.
 *
 *     # comment
 *     case NAME                        begins a case
 *     limits line=N head=N fields=N body=N      optional, each optional
 *     > GET / HTTP/1.1\r\n             bytes; escapes \r \n \t \0 \\ \xHH; the line's own end is not part of them
 *     >*1000 a                         the same, repeated
 *     >+ TEXT                          "Content-Length: N\r\n\r\n" and the text
 *     < …                              a line of the expected transcript, or of whatever the test expects
 */
#ifndef GR_TESTS_REST_HTTP_CASES_H
#define GR_TESTS_REST_HTTP_CASES_H

#include <stddef.h>

#include "rest/http_parse.h"

typedef struct http_case {
    char name[128];
    const char *file;
    gri_http_limits limits;
    char *bytes; /* malloc'd */
    size_t byte_count;
    char *expected; /* malloc'd: the lines after "< ", each with a newline */
} http_case;

/* Calls run for each case of each *.http file in GR_TEST_DATA/folder, in order of names. Returns how many. A malformed file
 * fails the test. */
size_t http_cases_run(const char *folder, void (*run)(const http_case *item, void *arg), void *arg);

/* The bytes with everything but printable ASCII escaped; malloc'd. */
char *http_escape(const char *bytes, size_t count);

#endif
