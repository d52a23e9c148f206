/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* README.md shows this file from the first #include on.
 * Tried by tests/command/try_service */
#include <greenroom.h>
#include <greenroom/middleware.h>
#include <signal.h>
#include <stdio.h>

static int hello(void *state, const gr_environ *env, gr_responder *respond) /* an application */
{
    (void)state, (void)env;
    return gr_response_send(respond, 200, "text/plain", "hello\n", 6);
}

int main(int argc, char **argv)
{
    gr_self *self = NULL;
    gr_message *stop = NULL;
    gr_middleware *layers = NULL;
    gr_http_server *server = NULL;
    gr_application app = {hello, NULL};
    bool failed =
        gr_start(NULL, NULL) || gr_attach(&self) || gr_signal_watch(self, SIGTERM) ||
        gr_middleware_gzip(&layers, &app, NULL, NULL) || /* the layer added last sees a request first */
        gr_middleware_auth(&layers, &app, &(gr_auth_options){.token = "sesame"}, NULL) ||
        gr_middleware_limit(&layers, &app, &(gr_limit_options){.per_second = 100}, NULL) ||
        gr_middleware_access(&layers, &app, NULL, NULL) ||
        gr_http_start(self, &(gr_http_options){.listen = argc > 1 ? argv[1] : NULL, .application = app}, &server);
    if (!failed) fprintf(stderr, "curl -H 'Authorization: Bearer sesame' http://%s/\n", gr_http_address(server));
    if (!failed && gr_receive(self, &stop, GR_FOREVER) == 0) gr_message_free(&stop);
    gr_http_stop(self, &server, gr_after_s(10)); /* requests in flight finish */
    gr_middleware_free(&layers);
    return gr_stop(gr_after_s(10)) != 0 || failed;
}
