/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "support/http_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { REQUEST_BYTES = 16384 };

/* False: the connection ended before. */
static bool read_request(gr_self *self, gr_socket socket, char *buffer, size_t *ret_head, size_t *ret_body)
{
    size_t used = 0, n;
    char *end = NULL, *length;
    *ret_head = *ret_body = 0;
    buffer[0] = '\0';
    while (!end || used < *ret_head + *ret_body) {
        if (gr_read(self, socket, buffer + used, REQUEST_BYTES - 1 - used, &n, GR_FOREVER) != 0 || n == 0) return false;
        used += n;
        buffer[used] = '\0';
        end = strstr(buffer, "\r\n\r\n");
        if (!end) continue;
        *ret_head = (size_t)(end + 4 - buffer);
        length = strcasestr(buffer, "\r\nContent-Length: ");
        if (length && length < end) *ret_body = (size_t)atoi(length + 18);
    }
    return true;
}

static void server_run(gr_self *self, gr_value args)
{
    gr_address host = gr_address_in(gr_get(args, "host"));
    gr_socket listener, socket;
    char text[GR_SOCKET_TEXT_BYTES];
    char *buffer = gr_alloc(self, REQUEST_BYTES);
    CHECK(buffer);
    CHECK_OK(gr_listen(self, &listener, "127.0.0.1:0", NULL));
    CHECK_OK(gr_socket_local(self, listener, text));
    CHECK_OK(gr_cast(self, host, "s", text));
    while (gr_accept(self, listener, &socket, GR_FOREVER) == 0) {
        size_t head, body;
        if (read_request(self, socket, buffer, &head, &body)) {
            int told = gr_cast(self, host, "{s:s%, s:s%}", "head", buffer, head, "body", buffer + head, body);
            CHECK(told == 0 || told == GR_EDEAD); /* a request that comes when the test is over */
            gr_message *m = NULL;
            if (gr_receive(self, &m, GR_FOREVER) != 0) return; /* nothing to say until the end */
            gr_value answer = gr_body(m);
            int code = gr_write(self, socket, gr_string(answer, ""), gr_string_bytes(answer), SOON);
            CHECK(code == 0 || code == GR_ECLOSED || code == GR_EKILLED); /* whoever asked may be gone */
            FREE(m);
        }
        (void)gr_close(self, socket);
    }
}

http_script http_script_start(gr_self *host)
{
    http_script s = {.host = host};
    CHECK_OK(gr_spawn(host, &s.server, server_run, "{s:A}", "host", gr_self_address(host)));
    gr_message *m = RECEIVE(host);
    snprintf(s.url, sizeof s.url, "http://%s", gr_string(gr_body(m), ""));
    FREE(m);
    return s;
}

void http_script_answer_raw(http_script *s, const char *bytes)
{
    CHECK_OK(gr_cast(s->host, s->server, "s", bytes));
}

void http_script_answer(http_script *s, const char *head, const char *body)
{
    static char text[65536];
    int bytes = snprintf(text, sizeof text, "HTTP/1.1 %sContent-Length: %zu\r\nConnection: close\r\n\r\n%s", head,
                         strlen(body), body);
    CHECK(bytes > 0 && (size_t)bytes < sizeof text);
    http_script_answer_raw(s, text);
}

gr_message *http_script_asked(http_script *s)
{
    gr_message *m = RECEIVE(s->host);
    CHECK(gr_get(gr_body(m), "head").at);
    return m;
}
