/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The dashboard: one page for browsers at / and at every actor's path, and the files it is made of under /-/dashboard/. All of it
 * is in the library (dashboard/embed.cmake) and constant: it holds no data, so it needs no token, not even where every other
 * route does; the page must be there to take the token from its address. What it shows it asks for by the other routes. */
#ifndef GRI_REST_DASHBOARD_H
#define GRI_REST_DASHBOARD_H

#include "rest/routes.h"

/* A file, as it is and packed by gzip. A NUL follows the bytes. */
typedef struct gri_asset {
    const char *name, *content_type;
    const char *tag; /* quoted, of the bytes */
    const unsigned char *bytes, *end, *packed, *packed_end;
} gri_asset;

extern const gri_asset gri_dashboard_assets[];
extern const size_t gri_dashboard_assets_count;

/* Does a browser ask for a page where others get JSON? */
bool gri_dashboard_wanted(const gr_environ *env, const gri_match *match);
/* Answers with the page. */
int gri_dashboard_page(const gr_environ *env, gr_responder *respond);

#endif
