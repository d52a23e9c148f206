/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Which answers are compressed: pure decisions about header fields (RFC 9110, sections 8.8.3, 12.5.3 and 12.5.5). */
#ifndef GRI_REST_GZIP_CHOICE_H
#define GRI_REST_GZIP_CHOICE_H

#include <greenroom/wsgi.h>

typedef struct gri_gzip_answer {
    int status;
    const gr_header *headers;
    size_t count;
    int64_t body_bytes;
} gri_gzip_answer;

/* Does the client take gzip, and not rather have the answer as it is? HTTP/1.0 clients never do: their answers would have no
 * length. */
bool gri_gzip_wanted(const gr_environ *env);

/* May the answer be compressed? Then it must say Vary, whoever asks. A 304 may stand for one that was. */
bool gri_gzip_fits(const gri_gzip_answer *answer, char *const *types, size_t bytes_min);

/* Does a list of tokens separated by commas ("a, b;q=1") contain this one, or "*"? Without case. */
bool gri_list_has(const char *list, const char *token);

/* "\"x\"" to "W/\"x\""; a weak one stays. False: no room. */
bool gri_tag_weaken(const char *tag, char *text, size_t room);

#endif
