/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The parts of the HTTP client: URLs (url.c), answers (fetch_read.c), kept connections (fetch_pool.c), the request (fetch.c). */
#ifndef GRI_IO_FETCH_H
#define GRI_IO_FETCH_H

#include "base/compiler.h"

#include <greenroom/fetch.h>

/* ---- URLs ---- */

#define GRI_URL_BYTES_MAX 8192
#define GRI_URL_HOST_BYTES 256

typedef struct gri_url {
    bool tls;
    char host[GRI_URL_HOST_BYTES];          /* without brackets: for certificates */
    char authority[GRI_URL_HOST_BYTES + 8]; /* as in the Host field: the port only if it is not the usual one */
    char address[GRI_URL_HOST_BYTES + 8];   /* for gr_connect: always with a port */
    const char *target; /* in the URL's text: from the path on, without fragment; may begin with '?' or be empty */
    size_t target_bytes;
} gri_url;

/* GR_EINVAL: *ret_why (static text) says why. Pure. */
GR_MUST_CHECK int gri_url_parse(const char *text, gri_url *ret_url, const char **ret_why);

/* ---- requests ---- */

/* gr_fetch; *ret_reached: there was a connection, so that the request may have been heard whatever the code says. */
GR_MUST_CHECK int gri_fetch(gr_self *self, gr_response **ret_response, const gr_fetch_request *request,
                            gr_deadline deadline, bool *ret_reached);

/* ---- answers ---- */

struct gr_response {
    int status;
    char *head; /* fields as "name\0value\0", one after the other */
    size_t head_bytes;
    char *body; /* and a NUL */
    size_t body_bytes;
};

/* Reads one answer. *ret_reusable: the connection is at the beginning of the next one. *ret_begun: something of it had come.
 * GR_ESYNTAX, GR_ETOOBIG, and those of gr_read. */
GR_MUST_CHECK int gri_fetch_read(gr_self *self, gr_socket socket, bool is_head, size_t body_max, gr_deadline deadline,
                                 gr_response **ret_response, bool *ret_reusable, bool *ret_begun);

/* ---- kept connections ---- */

/* One to the same server with the same trust, of this actor now; false: there is none. */
bool gri_fetch_pool_take(gr_self *self, const gri_url *url, const gr_tls *tls, gr_socket *ret_socket);
/* Keeps it, or closes it if there is no room or memory. */
void gri_fetch_pool_put(gr_self *self, const gri_url *url, gr_tls *tls, gr_socket socket);
/* How many there are, for tests. */
unsigned gri_fetch_pool_count(void);

#endif
