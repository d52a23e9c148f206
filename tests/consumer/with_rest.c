/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A user's program with the REST library: serves an application of its own on a free port and asks it something. */
#include <greenroom.h>
#include <greenroom/rest.h>
#include <greenroom/wsgi.h>
#include <stdio.h>
#include <string.h>

static int hello(void *state, const gr_environ *env, gr_responder *respond)
{
    (void)env;
    return gr_response_send(respond, 200, "text/plain", state, strlen(state));
}

/* One request on one connection, which ends with the answer. */
static int ask(gr_self *self, const char *address, char *answer, size_t bytes)
{
    static const char request[] = "GET /greeting HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    gr_socket socket;
    size_t length = 0, got = 1;
    int error = gr_connect(self, &socket, address, gr_after_s(60));
    if (error) return error;
    error = gr_write(self, socket, request, sizeof request - 1, gr_after_s(60));
    while (!error && got > 0 && length + 1 < bytes) {
        error = gr_read(self, socket, answer + length, bytes - 1 - length, &got, gr_after_s(60));
        if (!error) length += got;
    }
    answer[length] = '\0';
    gr_close(self, socket);
    return error;
}

static int serve(gr_self *self, bool *ret_right)
{
    static char greeting[] = "hello from a consumer";
    gr_http_options options = {.listen = "127.0.0.1:0", .application = {hello, greeting}};
    gr_http_server *server = NULL;
    char answer[4096] = "";
    int error = gr_http_start(self, &options, &server);
    if (error) return error;
    error = ask(self, gr_http_address(server), answer, sizeof answer);
    *ret_right = strncmp(answer, "HTTP/1.1 200 ", 13) == 0 && strstr(answer, greeting) != NULL;
    int stopped = gr_http_stop(self, &server, gr_after_s(60));
    return error ? error : stopped;
}

int main(void)
{
    gr_detail detail;
    gr_self *self = NULL;
    bool right = false;
    int error = gr_start(NULL, &detail);
    if (error) {
        fprintf(stderr, "gr_start: %s: %s\n", gr_error_name(error), detail.text);
        return 1;
    }
    error = gr_attach(&self);
    if (!error) error = serve(self, &right);
    if (self) gr_detach(&self);
    int stopped = gr_stop(gr_after_s(60));
    printf("REST: version %s, right %d, %s, stop %d\n", gr_version(), right, gr_error_name(error), stopped);
    return !(error == 0 && stopped == 0 && right);
}
