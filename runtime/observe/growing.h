/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Text that grows, for what observe/ prints. Errors stick and come at the end. One thread at a time. */
#ifndef GRI_OBSERVE_GROWING_H
#define GRI_OBSERVE_GROWING_H

#include <greenroom/api.h>
#include <stddef.h>

typedef struct gri_text {
    char *at;
    size_t bytes, room;
    int code;
} gri_text;

void gri_text_begin(gri_text *text);
GR_PRINTF(2, 3) void gri_text_add(gri_text *text, const char *format, ...);
/* The text, to be freed with free(), NUL-terminated: GR_ENOMEM. ret_bytes may be NULL. */
GR_MUST_CHECK int gri_text_end(gri_text *text, char **ret_text, size_t *ret_bytes);

#endif
