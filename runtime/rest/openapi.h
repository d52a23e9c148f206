/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The description of all routes, OpenAPI 3.0.3, made from the table in routes.h. */
#ifndef GRI_REST_OPENAPI_H
#define GRI_REST_OPENAPI_H

#include "rest/buffer.h"
#include "rest/routes.h"

/* The media type of the route's successful answers; NULL: they have no body. */
const char *gri_route_media(const gri_route *route);
/* Does the table say that the route may answer so? Besides its own answers: what every route may, and what the server says
 * before a route is found or when it fails. */
bool gri_route_answers(const gri_route *route, int status);
/* Appends the whole description as JSON. */
void gri_openapi_write(gri_buffer *buffer);

#endif
