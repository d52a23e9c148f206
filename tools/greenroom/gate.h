/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Middleware that knows how many requests are being answered, and can be closed: then /-/readyz says 503, so that load
 * balancers go elsewhere, /-/livez goes through, and every other new request is refused with 503, while those that are
 * being answered finish. Any number of connections and one closer at a time. */
#ifndef GREENROOM_GATE_H
#define GREENROOM_GATE_H

#include <greenroom/wsgi.h>

typedef struct gate gate;

/* In front of `inner`. A request whose application raises counts until its connection ends. NULL: out of memory. */
gate *gate_new(gr_application inner);
void gate_free(gate *g);

gr_application gate_application(gate *g);

void gate_close(gate *g);
/* Requests that are being answered at this moment, probes apart. */
unsigned gate_count(gate *g);

#endif
