/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* One line of the access log, pure: text that came from a client is escaped so that it cannot end a line, a field or a JSON
 * string, or drive a terminal. Long fields are cut, at a character, and marked with "...". */
#ifndef GRI_REST_ACCESS_LINE_H
#define GRI_REST_ACCESS_LINE_H

#include <time.h>

#include "rest/layer.h"

typedef struct gri_access_line {
    enum gr_access_format format;
    const gr_environ *env; /* what is not known of a request is "" in it */
    struct timespec when;  /* wall clock at the end of the answer */
    char remote[GRI_CLIENT_BYTES];
    int status;
    int64_t bytes, duration_ns;
    bool aborted;
    const char *refusal; /* why the server refused it; NULL if it did not */
} gri_access_line;

enum { GRI_ACCESS_TARGET_BYTES = 1024, GRI_ACCESS_FIELD_BYTES = 400, GRI_ACCESS_SHORT_BYTES = 128 };

/* Prints it, newline included, into the buffer of GR_ACCESS_LINE_BYTES; always fits. Returns its length. */
size_t gri_access_line_print(const gri_access_line *line, char *buffer, size_t room);

/* The trace-id of a traceparent field (W3C Trace Context, version 00 and later ones that begin so): 32 hexadecimal digits, or
 * NULL. */
const char *gri_trace_id(const char *traceparent);

#endif
