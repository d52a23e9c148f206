/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What answers the requests of greenroom serve: the actors application, and the layers around it.
 *
 *     access log (observes the server)   gate -> limit -> gzip -> actors application */
#include <greenroom/middleware.h>

#include "greenroom/serving.h"

enum { BURST_S = 10 };

static const char *const probes[] = {"/-/livez", "/-/readyz", NULL};

static int add_layers(serving *s, gr_application *application, gr_detail *ret_detail)
{
    const serve_options *o = s->options;
    gr_gzip_options gzip = {0};
    double burst = o->rate * BURST_S;
    gr_limit_options limit = {
        .per_second = o->rate,
        .burst = burst < 1     ? 1
                 : burst > 1e6 ? 1000000
                               : (unsigned)burst,
        .paths_open = probes,
        .proxies = o->proxies,
    };
    int code = 0;
    if (o->gzip) code = gr_middleware_gzip(&s->layers, application, &gzip, ret_detail);
    if (code == GR_EUNSUPPORTED) code = 0; /* built without zlib: then nothing is compressed */
    if (code == 0 && o->rate > 0) code = gr_middleware_limit(&s->layers, application, &limit, ret_detail);
    return code;
}

static int open_access_log(serving *s, gr_detail *ret_detail)
{
    const char *format = s->options->access_log;
    gr_access_options options = {
        .format = format[0] == 'j' ? GR_ACCESS_JSON : GR_ACCESS_COMBINED,
        .paths_quiet = probes,
        .proxies = s->options->proxies,
    };
    return format[0] == 'o' ? 0 : gr_access_log_new(&options, &s->access, ret_detail);
}

int layers_build(serving *s, const gr_rest_options *options, gr_http_options *ret_http, gr_detail *ret_detail)
{
    int code = gr_rest_new(options, &s->rest, ret_detail);
    if (code != 0) return code;
    gr_application application = gr_rest_application(s->rest);
    code = add_layers(s, &application, ret_detail);
    if (code == 0) code = open_access_log(s, ret_detail);
    if (code != 0) return code;
    s->gate = gate_new(application);
    if (!s->gate) return GR_ENOMEM;
    *ret_http = options->http;
    ret_http->application = gate_application(s->gate);
    if (s->access) ret_http->observe = gr_access_log_observe, ret_http->observe_state = s->access;
    return 0;
}

void layers_free(serving *s)
{
    gr_rest_free(&s->rest);
    gate_free(s->gate);
    s->gate = NULL;
    gr_middleware_free(&s->layers);
    gr_access_log_free(&s->access);
}
