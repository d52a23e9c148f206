/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A text in the making, in memory of an actor. Running out of memory sticks: only the end has to be asked. */
#ifndef GRI_REST_BUFFER_H
#define GRI_REST_BUFFER_H

#include <greenroom/actor.h>

typedef struct gri_buffer {
    gr_self *self;
    char *text; /* not NUL-terminated */
    size_t bytes, capacity;
    bool failed;
} gri_buffer;

void gri_buffer_put(gri_buffer *buffer, const char *text, size_t bytes);
void gri_buffer_put_text(gri_buffer *buffer, const char *text);
void gri_buffer_put_number(gri_buffer *buffer, uint64_t number);
/* The value as JSON on one line. */
void gri_buffer_put_value(gri_buffer *buffer, gr_value value);
/* A JSON string; the text is UTF-8. */
void gri_buffer_put_string(gri_buffer *buffer, const char *text, size_t bytes);
/* The text with ' for " as it is easier to write in C. */
void gri_buffer_put_quoted(gri_buffer *buffer, const char *text);
/* Begins anew, in the same memory. */
void gri_buffer_clear(gri_buffer *buffer);
void gri_buffer_free(gri_buffer *buffer);

#endif
