/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Options, mounts and the way of a request: guard, then a mount or a route. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <greenroom/trace.h>

#include "rest/dashboard.h"
#include "rest/event_stream.h"
#include "rest/guard.h"
#include "rest/layer.h"
#include "rest/negotiate.h"
#include "rest/openapi.h"
#include "rest/requests.h"
#include "rest/shared.h"

struct gr_rest {
    gri_guard guard;
    gri_shared shared;
    unsigned json_depth;
    gr_mount *mounts;
    size_t mount_count;
    gr_http_server *server; /* NULL after gr_rest_new */
};

/* A request ---------------------------------------------------------------------------------------------------------- */

static const gr_mount *find_mount(const gr_rest *rest, const char *path)
{
    const gr_mount *best = NULL;
    size_t best_bytes = 0;
    for (size_t i = 0; i < rest->mount_count; i++) {
        size_t bytes = strlen(rest->mounts[i].prefix);
        if (bytes <= best_bytes || strncmp(path, rest->mounts[i].prefix, bytes) != 0) continue;
        if (path[bytes] != '/' && path[bytes] != '\0') continue;
        best = &rest->mounts[i];
        best_bytes = bytes;
    }
    return best;
}

static int run_mount(const gr_mount *mount, const gr_environ *env, gr_responder *respond)
{
    gr_environ inner = *env;
    inner.script_name = mount->prefix;
    inner.path = env->path + strlen(mount->prefix);
    if (!*inner.path) inner.path = "/";
    return mount->application.run(mount->application.state, &inner, respond);
}

/* OPTIONS, a method that is not there, or nothing at all. */
static int no_route(const gri_match *match, const gr_environ *env, gr_responder *respond)
{
    char allow[96], detail[160];
    const gr_header header = {"Allow", allow};
    if (match->pattern == GRI_PATH_UNKNOWN && strcmp(env->path, "*") != 0)
        return gr_response_problem(respond, 404, "nothing is here");
    (void)gri_route_allow(match->pattern, allow, sizeof allow);
    if (strcmp(env->method, "OPTIONS") == 0) return gr_response_start(respond, 204, &header, 1, 0);
    snprintf(detail, sizeof detail, "allowed here: %s", allow);
    return gri_answer_problem_header(respond, 405, "Allow", allow, detail);
}

/* Only reading is refused for want of an acceptable type: what changes something has an answer for people in any case. */
static bool is_acceptable(const gri_route *route, const gr_environ *env)
{
    const char *accept = gr_environ_header(env, "accept");
    if (!accept || strcmp(accept, "*/*") == 0 || strcmp(route->method, "GET") != 0) return true;
    const char *media = gri_route_media(route);
    return !media || strcmp(media, "*/*") == 0 || gri_accept_quality(env, media) > 0;
}

static int run_route(gr_rest *rest, const gri_match *match, const gr_environ *env, gr_responder *respond)
{
    char name[GR_NAME_BYTES_MAX + 1];
    if (!match->route) return no_route(match, env, respond);
    if (!is_acceptable(match->route, env))
        return gr_response_problem(respond, 406, "only %s is to be had here", gri_route_media(match->route));
    if (match->name_bytes > GR_NAME_BYTES_MAX)
        return gr_response_problem(respond, strcmp(env->method, "PUT") == 0 ? 400 : 404, "a name has at most %d bytes",
                                   GR_NAME_BYTES_MAX);
    memcpy(name, env->path + match->name_at, match->name_bytes);
    name[match->name_bytes] = '\0';
    gri_request request = {env, respond, name, match->parameter, rest->json_depth, &rest->shared};
    return match->route->run(&request);
}

bool gri_trace_is_text(const char *text)
{
    gr_trace trace;
    return text && gr_trace_parse(text, strlen(text), &trace) == 0;
}

bool gri_trace_follow(gr_self *self, const char *text)
{
    gr_trace trace;
    return text && gr_trace_parse(text, strlen(text), &trace) == 0 && gr_trace_set(self, &trace) == 0;
}

/* What the request sends carries its trace; two traces are none. */
static int run_traced(gr_rest *rest, const gr_mount *mount, const gri_match *match, const gr_environ *env,
                      gr_responder *respond)
{
    const char *text = gr_environ_header(env, "traceparent");
    bool traced = text && gr_environ_header_count(env, "traceparent") == 1 && gri_trace_follow(env->self, text);
    int code = mount ? run_mount(mount, env, respond) : run_route(rest, match, env, respond);
    if (!traced) return code;
    int ended = gr_trace_set(env->self, NULL); /* needs nothing */
    return code != 0 ? code : ended;
}

static int run(void *state, const gr_environ *env, gr_responder *respond)
{
    gr_rest *rest = state;
    gri_guarded guarded;
    gri_guarded_init(&guarded, respond);
    const gr_mount *mount = find_mount(rest, env->path);
    gri_match match = gri_route_find(env->method, env->path);
    enum gri_scope scope = !mount ? match.scope : mount->open ? GRI_SCOPE_READ : gri_scope_of_method(env->method);
    gri_guard guard = rest->guard;
    if (mount && mount->open) guard.open = true;
    bool page = !mount && gri_dashboard_wanted(env, &match);
    int code = gri_guard_check(&guard, env, &guarded.respond, page ? GRI_SCOPE_PAGE : scope);
    if (code != 0) return code < 0 ? code : 0;
    if (page) return gri_dashboard_page(env, &guarded.respond);
    return run_traced(rest, mount, &match, env, &guarded.respond);
}

/* Options ------------------------------------------------------------------------------------------------------------ */

static int check_mount(const gr_mount *mount, gr_detail *ret_detail)
{
    const char *prefix = mount->prefix;
    size_t bytes = prefix ? strlen(prefix) : 0;
    if (bytes < 2 || prefix[0] != '/' || prefix[bytes - 1] == '/' || strstr(prefix, "/-/") ||
        strcmp(prefix + bytes - 2, "/-") == 0)
        return gri_layer_refuse(
            ret_detail, "mount prefix \"%.100s\": must begin with '/', not end with it, and have no \"-\" segment",
            prefix ? prefix : "");
    if (!mount->application.run) return gri_layer_refuse(ret_detail, "mount \"%.100s\" has no application", prefix);
    return 0;
}

static int check(const gr_rest_options *options, gr_detail *ret_detail)
{
    const char *listen = options->http.listen ? options->http.listen : "127.0.0.1:7580";
    bool local = gri_is_local(listen);
    if (options->http.application.run)
        return gri_layer_refuse(ret_detail, "http.application must be zero; use a mount");
    if (options->token && !gri_is_token(options->token))
        return gri_layer_refuse(ret_detail, "a token is 64 hexadecimal digits");
    if (!local && !options->http.tls && !options->insecure)
        return gri_layer_refuse(
            ret_detail,
            "%.100s can be reached from other machines in plain text: give it .http.tls, say with .insecure that "
            "this is meant, or listen on 127.0.0.1, [::1] or unix:PATH",
            listen);
    if (!local && options->open)
        return gri_layer_refuse(ret_detail, ".open only where nobody but this machine can connect, not on %.100s",
                                listen);
    if (!options->token && !options->open) return gri_layer_refuse(ret_detail, "a token is needed, or .open");
    if (options->json_depth > 512)
        return gri_layer_refuse(ret_detail, "json_depth %u: at most 512", options->json_depth);
    uint32_t beat_ms = options->heartbeat_ms;
    if (beat_ms && (beat_ms < GRI_STREAM_BEAT_MS_MIN || beat_ms > GRI_STREAM_BEAT_MS_MAX))
        return gri_layer_refuse(ret_detail, "heartbeat_ms %u: %d to %d", (unsigned)beat_ms, GRI_STREAM_BEAT_MS_MIN,
                                GRI_STREAM_BEAT_MS_MAX);
    for (size_t i = 0; i < options->mount_count; i++) {
        int code = check_mount(&options->mounts[i], ret_detail);
        if (code != 0) return code;
    }
    return 0;
}

/* Streams are connections that stay: half of them, so that the others find room beside them. */
static unsigned streams_of(const gr_rest_options *options)
{
    unsigned connections = options->http.connections ? options->http.connections : 1000;
    return options->streams ? options->streams : connections / 2 ? connections / 2 : 1;
}

static int copy_options(gr_rest *rest, const gr_rest_options *options)
{
    gri_guard *guard = &rest->guard;
    gri_shared_init(&rest->shared, streams_of(options),
                    options->heartbeat_ms ? options->heartbeat_ms : GRI_STREAM_BEAT_MS);
    guard->open = options->open;
    guard->exposed = !gri_is_local(options->http.listen ? options->http.listen : "127.0.0.1:7580");
    if (options->token) memcpy(guard->token, options->token, GR_REST_TOKEN_BYTES);
    rest->json_depth = options->json_depth ? options->json_depth : 64;
    guard->hosts = calloc(options->host_count + 1, sizeof *guard->hosts);
    rest->mounts = calloc(options->mount_count + 1, sizeof *rest->mounts);
    if (!guard->hosts || !rest->mounts) return GR_ENOMEM;
    for (size_t i = 0; i < options->host_count; i++) {
        guard->hosts[i] = strdup(options->hosts[i]);
        if (!guard->hosts[i]) return GR_ENOMEM;
        guard->host_count++;
    }
    for (size_t i = 0; i < options->mount_count; i++) {
        rest->mounts[i] = options->mounts[i];
        rest->mounts[i].prefix = strdup(options->mounts[i].prefix);
        if (!rest->mounts[i].prefix) return GR_ENOMEM;
        rest->mount_count++;
    }
    return 0;
}

int gr_rest_new(const gr_rest_options *options, gr_rest **ret_rest, gr_detail *ret_detail)
{
    int code = check(options, ret_detail);
    if (code != 0) return code;
    gr_rest *rest = calloc(1, sizeof *rest);
    if (!rest) return GR_ENOMEM;
    code = copy_options(rest, options);
    if (code != 0) {
        gr_rest_free(&rest);
        return code;
    }
    *ret_rest = rest;
    return 0;
}

void gr_rest_free(gr_rest **rest)
{
    gr_rest *r = rest ? *rest : NULL;
    if (!r) return;
    for (size_t i = 0; i < r->guard.host_count; i++) free(r->guard.hosts[i]);
    for (size_t i = 0; i < r->mount_count; i++) free((void *)(uintptr_t)r->mounts[i].prefix);
    free(r->guard.hosts);
    free(r->mounts);
    gri_shared_fini(&r->shared);
    explicit_bzero(r->guard.token, sizeof r->guard.token);
    free(r);
    *rest = NULL;
}

void gr_rest_ready(gr_rest *rest, const char *why_not)
{
    gri_shared *shared = &rest->shared;
    pthread_mutex_lock(&shared->lock);
    shared->unready = why_not != NULL;
    if (why_not) snprintf(shared->why, sizeof shared->why, "%s", why_not);
    pthread_mutex_unlock(&shared->lock);
}

void gr_rest_drain(gr_rest *rest)
{
    gr_rest_ready(rest, "the server is stopping");
    gri_shared_drain(&rest->shared);
}

gr_application gr_rest_application(gr_rest *rest)
{
    return (gr_application){run, rest};
}

/* With a server of its own -------------------------------------------------------------------------------------------- */

int gr_rest_start(gr_self *self, const gr_rest_options *options, gr_rest **ret_rest, gr_detail *ret_detail)
{
    gr_rest *rest = NULL;
    int code = gr_rest_new(options, &rest, ret_detail);
    if (code != 0) return code;
    gr_http_options http = options->http;
    http.application = gr_rest_application(rest);
    code = gr_http_start(self, &http, &rest->server);
    if (code != 0) {
        if (ret_detail) *ret_detail = *gr_error_detail(self);
        gr_rest_free(&rest);
        return code;
    }
    *ret_rest = rest;
    return 0;
}

const char *gr_rest_address(const gr_rest *rest)
{
    return rest->server ? gr_http_address(rest->server) : "";
}

int gr_rest_stop(gr_self *self, gr_rest **rest, gr_deadline deadline)
{
    if (!rest || !*rest) return 0;
    gr_rest_drain(*rest); /* also for who still comes on a connection that is at work */
    int code = gr_http_stop(self, &(*rest)->server, deadline);
    if (!(*rest)->server) gr_rest_free(rest);
    return code;
}
