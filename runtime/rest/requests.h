/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What handlers of the actors application share: finding the actor, reading the body, calling. */
#ifndef GRI_REST_REQUESTS_H
#define GRI_REST_REQUESTS_H

#include <string.h>

#include "rest/actors_app.h"

/* Not an error: the request has been answered already, nothing is left to do. */
enum { GRI_ANSWERED = 1 };

/* Is it a string without U+0000? Such a character would end it for C: no name contains one. */
static inline bool gri_is_c_string(gr_value value)
{
    return gr_type_of(value) == GR_STRING && strlen(gr_string(value, "")) == gr_string_bytes(value);
}

static inline int gri_answered(int code)
{
    return code == GRI_ANSWERED ? 0 : code;
}

/* The actor the path names, or GRI_ANSWERED (404). */
int gri_request_actor(const gri_request *request, gr_address *ret_address);
/* Answers 404 and returns GRI_ANSWERED. */
int gri_request_nobody(const gri_request *request);
/* The body as a value, or GRI_ANSWERED (400, 413, 503), or the input's error. Optional: an empty one is null. */
int gri_request_json(const gri_request *request, bool optional, gr_message **ret_message);

/* The W3C trace context of a request: is this a traceparent? NULL is none. */
bool gri_trace_is_text(const char *text);
/* Lets what this actor sends carry the trace: false if the text is none. Ended with gr_trace_set(self, NULL). */
bool gri_trace_follow(gr_self *self, const char *text);

/* Does the value have the shape of python-actors' {"remotecall": string, "method": string, "message": …, "timeout": …}? */
bool gri_is_remotecall(gr_value value);
int gri_remotecall(const gri_request *request, gr_address address, gr_value body);

#endif
