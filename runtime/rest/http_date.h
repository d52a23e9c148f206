/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The Date field's text, made once a second. Belongs to one connection. */
#ifndef GRI_REST_HTTP_DATE_H
#define GRI_REST_HTTP_DATE_H

#include <stdint.h>

#define GRI_HTTP_DATE_BYTES 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

typedef struct gri_http_date {
    int64_t seconds; /* that the text is for; all zero: none */
    char text[GRI_HTTP_DATE_BYTES + 1];
} gri_http_date;

const char *gri_http_date_text(gri_http_date *date);

/* The text for seconds since 1970, years 1970 to 9999; no locale, no time zone. */
void gri_http_date_format(int64_t seconds, char text[GRI_HTTP_DATE_BYTES + 1]);

#endif
