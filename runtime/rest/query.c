/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/query.h"

#include <stdlib.h>
#include <string.h>

#include "rest/http_target.h"

/* Does the element begin with name= ? */
static bool is_named(const char *element, size_t bytes, const char *name, size_t name_bytes)
{
    return bytes > name_bytes && memcmp(element, name, name_bytes) == 0 && element[name_bytes] == '=';
}

static bool decode(const char *text, size_t bytes, char *value)
{
    /* A '+' that was encoded is one: blanks first, then the percent signs. */
    size_t used = 0;
    while (bytes) {
        size_t run = 0;
        while (run < bytes && text[run] != '+') run++;
        used += gri_http_percent_decode(text, run, value + used);
        text += run, bytes -= run;
        if (bytes) value[used++] = ' ', text++, bytes--;
    }
    value[used] = '\0';
    return strlen(value) == used;
}

enum gri_found gri_query_text(const char *query, const char *name, char *value, size_t bytes)
{
    size_t name_bytes = strlen(name);
    enum gri_found found = GRI_MISSING;
    value[0] = '\0';
    for (const char *at = query; at && *at; at += *at == '&') {
        size_t length = strcspn(at, "&");
        if (is_named(at, length, name, name_bytes)) {
            size_t value_bytes = length - name_bytes - 1;
            bool good = found == GRI_MISSING && value_bytes < bytes && decode(at + name_bytes + 1, value_bytes, value);
            found = good ? GRI_FOUND : GRI_BAD;
        }
        at += length;
    }
    if (found != GRI_FOUND) value[0] = '\0';
    return found;
}

bool gri_query_number(const char *query, const char *name, size_t fallback, size_t min, size_t max, size_t *ret_number)
{
    char text[24], *end = NULL;
    enum gri_found found = gri_query_text(query, name, text, sizeof text);
    *ret_number = fallback;
    if (found != GRI_FOUND) return found == GRI_MISSING;
    if (text[0] < '0' || text[0] > '9' || strlen(text) > 18) return false;
    *ret_number = strtoul(text, &end, 10);
    return *end == '\0' && *ret_number >= min && *ret_number <= max;
}

bool gri_query_seconds(const char *query, const char *name, double fallback, double max, double *ret_seconds)
{
    char text[32];
    enum gri_found found = gri_query_text(query, name, text, sizeof text);
    double seconds = 0, unit = 1;
    *ret_seconds = fallback;
    if (found != GRI_FOUND) return found == GRI_MISSING;
    const char *at = text;
    if (*at < '0' || *at > '9') return false;
    for (; *at >= '0' && *at <= '9'; at++) seconds = seconds * 10 + (*at - '0');
    if (*at == '.')
        for (at++; *at >= '0' && *at <= '9'; at++) seconds += (*at - '0') * (unit /= 10);
    *ret_seconds = seconds;
    return *at == '\0' && seconds <= max;
}
