/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* An HTTP server that says what it was told to say: one connection after the other, one request each.
 *
 * It casts every request to its host, {"head", "body"}, and gives the next of its answers, as it stands ("\r\n" and all), then
 * closes; an empty one is an end without an answer. Without answers left it says nothing, and keeps the connection. */
#ifndef GR_TESTS_HTTP_SCRIPT_H
#define GR_TESTS_HTTP_SCRIPT_H

#include "support/harness.h"

typedef struct http_script {
    gr_self *host;
    gr_address server;
    char url[64]; /* "http://127.0.0.1:port" */
} http_script;

http_script http_script_start(gr_self *host);
/* One more answer: status line and fields (with their "\r\n"), and a body, whose length and "Connection: close" are added. */
void http_script_answer(http_script *script, const char *head, const char *body);
/* One more answer: exactly these bytes. */
void http_script_answer_raw(http_script *script, const char *bytes);
/* The next request that it got: {"head", "body"}, to be freed. */
gr_message *http_script_asked(http_script *script);

#endif
