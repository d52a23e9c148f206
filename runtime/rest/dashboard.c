/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/dashboard.h"

#include <stdio.h>
#include <string.h>

#include "rest/gzip_choice.h"
#include "rest/negotiate.h"

enum { TAG_BYTES = 64, HEADERS_MAX = 10 };

/* Nothing from elsewhere, nothing inline, no text becomes code or markup; nobody may frame the page, and no link tells its
 * address. Trusted types: only the policy of dom.js, which makes text of what a library would set as markup. */
static const gr_header page_headers[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'self'; "
     "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types default"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
};

static const gri_asset *find(const char *name)
{
    for (size_t i = 0; i < gri_dashboard_assets_count; i++)
        if (strcmp(gri_dashboard_assets[i].name, name) == 0) return &gri_dashboard_assets[i];
    return NULL;
}

/* Weak tags: the same content, packed or not. A browser asks again each time, and hears that nothing is new. */
static int answer(const gr_environ *env, gr_responder *respond, const gri_asset *asset, const gr_header *more,
                  size_t count)
{
    char tag[TAG_BYTES];
    bool packed = gri_gzip_wanted(env);
    const unsigned char *bytes = packed ? asset->packed : asset->bytes;
    size_t length = (size_t)((packed ? asset->packed_end : asset->end) - bytes), used = 0;
    gr_header headers[HEADERS_MAX];
    if (!packed && gri_identity_refused(env))
        return gr_response_problem(respond, 406, "this is sent as it is or as gzip");
    snprintf(tag, sizeof tag, "W/%s", asset->tag);
    headers[used++] = (gr_header){"Content-Type", asset->content_type};
    headers[used++] = (gr_header){"Cache-Control", "no-cache"};
    headers[used++] = (gr_header){"ETag", tag};
    headers[used++] = (gr_header){"Vary", more ? "Accept, Accept-Encoding" : "Accept-Encoding"};
    if (packed) headers[used++] = (gr_header){"Content-Encoding", "gzip"};
    for (size_t i = 0; i < count; i++) headers[used++] = more[i];
    if (gri_tag_known(env, asset->tag)) return gr_response_start(respond, 304, headers, used, 0);
    int code = gr_response_start(respond, 200, headers, used, (int64_t)length);
    return code != 0 ? code : gr_response_write(respond, bytes, length);
}

int gri_get_asset(const gri_request *r)
{
    const gri_asset *asset = find(r->parameter);
    if (!asset) return gr_response_problem(r->respond, 404, "the dashboard has no file of this name");
    return answer(r->env, r->respond, asset, NULL, 0);
}

/* The guard has looked at the token already: who comes here has the right one, or needs none. */
int gri_check_token(const gri_request *r)
{
    return gr_response_start(r->respond, 204, NULL, 0, 0);
}

/* A path as the value of an attribute. */
static size_t escape(const char *path, char *text, size_t bytes)
{
    size_t used = 0;
    for (; *path && used + 8 < bytes; path++) {
        if (strchr("&<>\"'", *path))
            used += (size_t)snprintf(text + used, bytes - used, "&#%d;", *path);
        else
            text[used++] = *path;
    }
    return used;
}

/* Below a prefix every address of the page is relative to that: it goes into the page's <base>. */
static int answer_mounted(const gr_environ *env, gr_responder *respond, const gri_asset *page)
{
    static const char mark[] = "<base href=\"";
    char prefix[1024];
    const char *text = (const char *)page->bytes, *at = strstr(text, mark);
    if (!at) return GR_EINVAL;
    at += sizeof mark - 1;
    size_t inside = escape(env->script_name, prefix, sizeof prefix), length = (size_t)((const char *)page->end - text);
    gr_header headers[HEADERS_MAX] = {{"Content-Type", page->content_type}, {"Vary", "Accept"}};
    memcpy(headers + 2, page_headers, sizeof page_headers);
    int code = gr_response_start(respond, 200, headers, 2 + sizeof page_headers / sizeof *page_headers,
                                 (int64_t)(length + inside));
    if (code == 0) code = gr_response_write(respond, text, (size_t)(at - text));
    if (code == 0 && inside) code = gr_response_write(respond, prefix, inside);
    return code != 0 ? code : gr_response_write(respond, at, length - (size_t)(at - text));
}

int gri_dashboard_page(const gr_environ *env, gr_responder *respond)
{
    const gri_asset *page = find("index.html");
    if (*env->script_name) return answer_mounted(env, respond, page);
    return answer(env, respond, page, page_headers, sizeof page_headers / sizeof *page_headers);
}

bool gri_dashboard_wanted(const gr_environ *env, const gri_match *match)
{
    bool reads = strcmp(env->method, "GET") == 0 || strcmp(env->method, "HEAD") == 0;
    return reads && (match->pattern == GRI_PATH_ROOT || match->pattern == GRI_PATH_ACTOR) && gri_accept_page(env);
}
