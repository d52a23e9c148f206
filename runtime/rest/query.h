/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Parameters of a query, "name=value&name=value": percent-decoded once, '+' is a blank. Names that nobody asks for are not
 * looked at. Pure. */
#ifndef GRI_REST_QUERY_H
#define GRI_REST_QUERY_H

#include <stdbool.h>
#include <stddef.h>

enum gri_found { GRI_MISSING, GRI_FOUND, GRI_BAD /* too long, there twice, a NUL */ };

/* query may be NULL. value is NUL-terminated where the parameter was found, and "" elsewhere. */
enum gri_found gri_query_text(const char *query, const char *name, char *value, size_t bytes);
/* A number without sign from `min` to `max`, or the fallback without the parameter; false if it is anything else. */
bool gri_query_number(const char *query, const char *name, size_t fallback, size_t min, size_t max, size_t *ret_number);
/* Seconds, with or without a fraction, from 0 to `max`. */
bool gri_query_seconds(const char *query, const char *name, double fallback, double max, double *ret_seconds);

#endif
