/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Who may do what: token, Host, Origin. And the header fields every answer carries. Pure functions of configuration and
 * request; nothing is routed before they have agreed. */
#ifndef GRI_REST_GUARD_H
#define GRI_REST_GUARD_H

#include <greenroom/rest.h>

#include "rest/routes.h"

/* Constant after gr_rest_new. */
typedef struct gri_guard {
    char token[GR_REST_TOKEN_BYTES]; /* empty with .open */
    bool open;
    bool exposed; /* other machines can connect */
    char **hosts; /* besides the built-in ones */
    size_t host_count;
} gri_guard;

/* The answer's fields: set once, in front of whatever the application sends. */
typedef struct gri_guarded {
    gr_responder respond; /* first */
    gr_responder *next;
} gri_guarded;

/* 0: let it pass. 1: answered with 401, 421 or 403. Negative: could not be answered. */
int gri_guard_check(const gri_guard *guard, const gr_environ *env, gr_responder *respond, enum gri_scope scope);

/* Wraps a responder: adds X-Content-Type-Options, and Cache-Control: no-store unless the application sets Cache-Control. */
void gri_guarded_init(gri_guarded *guarded, gr_responder *next);

/* Is this address one that only this machine can connect to? */
bool gri_is_local(const char *listen);
/* 64 hexadecimal digits? */
bool gri_is_token(const char *token);

#endif
