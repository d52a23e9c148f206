/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Remote addresses over HTTP, behind <greenroom/remote.h> and the transport of actor/remote.h: URLs in normal form
 * (remote_url.c), what this process is called and may tell whom (remote_form.c), casts and kills in queues (remote_mail.c), what
 * an actor waits for (remote_ask.c). */
#ifndef GRI_IO_REMOTE_HTTP_H
#define GRI_IO_REMOTE_HTTP_H

#include "actor/remote.h"
#include "message/address.h"

#include <greenroom/fetch.h>
#include <greenroom/trace.h>

/* ---- URLs (pure) ---- */

/* The normal form: scheme and host in lower case, no port that goes without saying, escapes (upper case) only for bytes that
 * need them. GR_EINVAL: *ret_why (static) says why. is_base: of a server, whose path may be empty and loses its last '/'. */
GR_MUST_CHECK int gri_remote_url_normal(const char *text, size_t bytes, bool is_base, char url[GR_REMOTE_URL_BYTES],
                                        const char **ret_why);
/* Bytes of "scheme://host:port" of a URL in normal form. */
size_t gri_remote_origin_bytes(const char *url);
/* Decodes what follows base and '/' in url to a name; false: url is not below base, or that is no name. */
bool gri_remote_url_name(const char *url, const char *base, char name[GR_NAME_BYTES_MAX + 1]);

/* ---- what is configured ---- */

#define GRI_REMOTE_TOKEN_BYTES 256

/* The token for the server of a URL; false: there is none. */
bool gri_remote_token_for(const char *url, char token[GRI_REMOTE_TOKEN_BYTES]);
gr_tls *gri_remote_tls(void);

/* gr_remote_form, and besides what is below the origin of this URL is permitted: for answers of the server that was asked. */
typedef struct gri_answer_form {
    gr_address_form form; /* first */
    const char *url;      /* in normal form; the caller's */
} gri_answer_form;
gri_answer_form gri_remote_answer_form(const char *url);

/* ---- requests ---- */

/* One request with our token and the trace that it belongs to, JSON both ways. GR_EUNREACHABLE and GR_ECLOSED as <greenroom/remote.h> has them; unwinding kills
 * come as GR_EKILLED. suffix follows the URL. own_connection: it is made once, come what may. */
typedef struct gri_remote_request {
    const char *method, *url, *suffix;
    const char *body; /* NULL: none; the actor's */
    size_t body_bytes;
    bool own_connection;
    const gr_message *carried; /* whose trace it is; NULL: the actor's */
} gri_remote_request;
GR_MUST_CHECK int gri_remote_fetch(gr_self *self, gr_response **ret_response, const gri_remote_request *request,
                                   gr_deadline deadline);

/* The value as text for others, of gr_alloc. */
GR_MUST_CHECK int gri_remote_print(gr_self *self, gr_value value, char **ret_text, size_t *ret_bytes);

/* The code for a status that is no success, explained. */
int gri_remote_refused(gr_self *self, const gr_response *response);

/* ---- the transport ---- */

void gri_remote_http_use(void);
int gri_remote_mail_cast(gr_self *from, const char *url, gr_message **message);
int gri_remote_mail_kill(const char *url);
int gri_remote_ask_call(gr_self *self, const char *url, gr_message **request, gr_deadline deadline,
                        gr_message **ret_reply);
int gri_remote_ask_wait(gr_self *self, const char *url, gr_deadline deadline, enum gri_outcome *ret_outcome,
                        gr_message **ret_value);

#endif
