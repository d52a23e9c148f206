/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/guard.h"

#include <string.h>
#include <strings.h>

#include "rest/actors_app.h"

enum { TOKEN_DIGITS = GR_REST_TOKEN_BYTES - 1, HEADERS_MAX = 32 };

bool gri_is_token(const char *token)
{
    return token && strlen(token) == TOKEN_DIGITS && strspn(token, "0123456789abcdefABCDEF") == TOKEN_DIGITS;
}

/* Takes the same time wherever they differ. */
static bool same_token(const char *a, const char *b)
{
    volatile unsigned char difference = 0;
    for (size_t i = 0; i < TOKEN_DIGITS; i++) difference |= (unsigned char)(a[i] ^ b[i]);
    return difference == 0;
}

static bool has_token(const gri_guard *guard, const gr_environ *env)
{
    const char *given = gr_environ_header(env, "authorization");
    if (!given || gr_environ_header_count(env, "authorization") != 1) return false;
    if (strncasecmp(given, "bearer ", 7) != 0) return false;
    given += 7;
    return strlen(given) == TOKEN_DIGITS && gri_is_token(guard->token) && same_token(given, guard->token);
}

/* The host without its port. */
static size_t name_bytes(const char *host)
{
    const char *end = strrchr(host, ':');
    if (!end || strchr(end, ']')) return strlen(host);
    return (size_t)(end - host);
}

static bool is_name(const char *host, size_t bytes, const char *name)
{
    return strlen(name) == bytes && strncasecmp(host, name, bytes) == 0;
}

/* An address literal that is where we listen; with a wildcard, any: rebinding needs a name. */
static bool is_own_address(const gr_environ *env, size_t bytes)
{
    const char *host = env->host;
    bool literal = host[0] == '[' || (bytes && strspn(host, "0123456789.") == bytes);
    bool wildcard = strncmp(env->local, "0.0.0.0:", 8) == 0 || strncmp(env->local, "[::]:", 5) == 0;
    return literal && (wildcard || (name_bytes(env->local) == bytes && strncasecmp(host, env->local, bytes) == 0));
}

/* The port does not matter for the names every server has: it may be forwarded. */
static bool host_allowed(const gri_guard *guard, const gr_environ *env)
{
    size_t bytes = name_bytes(env->host);
    if (is_name(env->host, bytes, "localhost") || is_name(env->host, bytes, "127.0.0.1") ||
        is_name(env->host, bytes, "[::1]"))
        return true;
    for (size_t i = 0; i < guard->host_count; i++) {
        const char *allowed = guard->hosts[i];
        if (strcasecmp(env->host, allowed) == 0 || is_name(env->host, bytes, allowed)) return true;
    }
    return guard->exposed && is_own_address(env, bytes);
}

/* Somebody follows a link: what comes of it is shown by itself, and not to the page that has the link. */
static bool is_navigation(const gr_environ *env)
{
    const char *mode = gr_environ_header(env, "sec-fetch-mode"), *where = gr_environ_header(env, "sec-fetch-dest");
    return mode && where && strcmp(mode, "navigate") == 0 && strcmp(where, "document") == 0;
}

/* What a browser sends along for a page of somebody else's. */
static bool origin_allowed(const gr_environ *env)
{
    const char *origin = gr_environ_header(env, "origin"), *site = gr_environ_header(env, "sec-fetch-site");
    if (gr_environ_header_count(env, "origin") > 1 || gr_environ_header_count(env, "sec-fetch-site") > 1) return false;
    if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0) return false;
    if (!origin) return true;
    const char *host = NULL;
    if (strncmp(origin, "https://", 8) == 0) host = origin + 8; /* also where a proxy speaks TLS for us */
    if (strncmp(origin, "http://", 7) == 0 && strcmp(env->scheme, "http") == 0) host = origin + 7;
    return host && env->host[0] && strcasecmp(host, env->host) == 0;
}

static int answered(int code)
{
    return code < 0 ? code : 1;
}

int gri_guard_check(const gri_guard *guard, const gr_environ *env, gr_responder *respond, enum gri_scope scope)
{
    bool token_wanted = !guard->open && (scope == GRI_SCOPE_CHANGE || (guard->exposed && scope == GRI_SCOPE_READ));
    if (token_wanted && !has_token(guard, env))
        return answered(
            gri_answer_problem_header(respond, 401, "WWW-Authenticate", "Bearer realm=\"greenroom\"",
                                      "this needs the header \"Authorization: Bearer TOKEN\" with the right token"));
    if (scope != GRI_SCOPE_OPEN && !host_allowed(guard, env))
        return answered(
            gr_response_problem(respond, 421, "this server does not answer for the host \"%s\"", env->host));
    if (!(scope == GRI_SCOPE_PAGE && is_navigation(env)) && !origin_allowed(env))
        return answered(gr_response_problem(respond, 403, "requests from pages of another origin are refused"));
    return 0;
}

static int start(gr_responder *respond, int status, const gr_header *headers, size_t count, int64_t body_bytes)
{
    gri_guarded *guarded = (gri_guarded *)respond;
    gr_header all[HEADERS_MAX + 2]; /* without an initializer, which would clear all of it */
    size_t first = 2;
    if (count > HEADERS_MAX) return GR_EINVAL;
    all[0] = (gr_header){"X-Content-Type-Options", "nosniff"};
    all[1] = (gr_header){"Cache-Control", "no-store"};
    for (size_t i = 0; i < count; i++)
        if (headers[i].name && strcasecmp(headers[i].name, "cache-control") == 0) first = 1;
    for (size_t i = 0; i < count; i++) all[first + i] = headers[i];
    return gr_response_start(guarded->next, status, all, first + count, body_bytes);
}

static int write_next(gr_responder *respond, const void *data, size_t bytes)
{
    return gr_response_write(((gri_guarded *)respond)->next, data, bytes);
}

static bool gone(gr_responder *respond)
{
    return gr_response_gone(((gri_guarded *)respond)->next);
}

void gri_guarded_init(gri_guarded *guarded, gr_responder *next)
{
    *guarded = (gri_guarded){.respond = {start, write_next, gone}, .next = next};
}

bool gri_is_local(const char *listen)
{
    return strncmp(listen, "unix:", 5) == 0 || strncmp(listen, "127.", 4) == 0 || strncmp(listen, "[::1]:", 6) == 0;
}
