/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "demos/chat_page/chat_page.h"

#include <string.h>

/* As the dashboard's: nothing from elsewhere, nothing inline, no text becomes markup. */
static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'self'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types default";

static int run(void *state, const gr_environ *env, gr_responder *respond)
{
    const char *wanted = strcmp(env->path, "/") == 0 ? "chat.html" : env->path + 1;
    (void)state;
    if (strcmp(env->method, "GET") != 0 && strcmp(env->method, "HEAD") != 0)
        return gr_response_problem(respond, 405, "here is only a page to GET");
    for (size_t i = 0; i < chat_page_assets_count; i++) {
        const chat_asset *asset = &chat_page_assets[i];
        if (strcmp(asset->name, wanted) != 0) continue;
        const gr_header headers[] = {{"Content-Type", asset->content_type},
                                     {"Content-Security-Policy", policy},
                                     {"Referrer-Policy", "no-referrer"}};
        size_t bytes = (size_t)(asset->end - asset->bytes);
        int code = gr_response_start(respond, 200, headers, 3, (int64_t)bytes);
        return code != 0 ? code : gr_response_write(respond, asset->bytes, bytes);
    }
    return gr_response_problem(respond, 404, "the chat page has no file of this name");
}

gr_application chat_page(void)
{
    return (gr_application){run, NULL};
}
