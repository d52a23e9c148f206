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

/* Does the client refuse what is not encoded ("identity;q=0", or "*;q=0" without a word on identity)? Not in HTTP/1.0. */
bool gri_identity_refused(const gr_environ *env);

/* Has the answer a body that may be compressed, if it comes to that: whatever its type and size? */
bool gri_gzip_possible(const gri_gzip_answer *answer);
/* Is it worth while? Possible, of one of the types, and not too small. */
bool gri_gzip_fits(const gri_gzip_answer *answer, char *const *types, size_t bytes_min);
/* Has the answer to say Vary: Accept-Encoding? If it fits; and whenever it has a tag, for a 304 knows neither type nor size of what
 * it stands for, and has to vary as that did. */
bool gri_gzip_varies(const gri_gzip_answer *answer, bool fits);

/* Does a list of tokens separated by commas ("a, b;q=1") contain this one, or "*"? Without case. */
bool gri_list_has(const char *list, const char *token);

/* "\"x\"" to "W/\"x\""; a weak one stays. False: no room. */
bool gri_tag_weaken(const char *tag, char *text, size_t room);
/* Is this very tag, weakness included, in the request's If-None-Match? Then the client had that answer. */
bool gri_tag_given(const gr_environ *env, const char *tag);

#endif
