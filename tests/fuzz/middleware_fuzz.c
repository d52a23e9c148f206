/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Any bytes as the fields of a request: no line of the access log is forged or longer than it may be, JSON stays JSON, an address
 * stays an address, and nobody comes in without the token. Lines of the input are values, in the order of `names`. */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <greenroom/text.h>

#include "rest/access_line.h"
#include "rest/gzip_choice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { NAMES = 10, INPUT_BYTES = 8192 };

static const char *const names[NAMES] = {"Authorization",   "Accept-Encoding", "X-Forwarded-For", "Traceparent",
                                         "User-Agent",      "Referer",         "X-Request-Id",    "Authorization",
                                         "Accept-Encoding", "X-Forwarded-For"};

/* A line is one line, without what drives a terminal; *ret_quotes counts those that are not escaped. */
static void check_line(const char *line, size_t bytes, int *ret_quotes)
{
    *ret_quotes = 0;
    if (bytes == 0 || bytes > GR_ACCESS_LINE_BYTES || line[bytes - 1] != '\n') abort();
    for (size_t i = 0; i + 1 < bytes; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) abort();
        if (line[i] == '\\')
            i++;
        else
            *ret_quotes += line[i] == '"';
    }
}

static void check_lines(const gr_environ *env)
{
    char line[GR_ACCESS_LINE_BYTES];
    gri_access_line facts = {.env = env, .status = 200, .bytes = 5, .duration_ns = 1000};
    gr_message *parsed = NULL;
    unsigned char binary[16];
    int quotes;
    for (unsigned proxies = 0; proxies < 4; proxies++) {
        gri_client_text(env, proxies, facts.remote);
        if (strcmp(facts.remote, "unix") != 0 && inet_pton(AF_INET, facts.remote, binary) != 1 &&
            inet_pton(AF_INET6, facts.remote, binary) != 1)
            abort();
        (void)gri_client_key_of(facts.remote);
    }
    check_line(line, gri_access_line_print(&facts, line, sizeof line), &quotes);
    if (quotes != 6) abort();
    facts.format = GR_ACCESS_JSON;
    size_t bytes = gri_access_line_print(&facts, line, sizeof line);
    check_line(line, bytes, &quotes);
    if (gr_parse(line, bytes - 1, NULL, &parsed, NULL) != 0) abort();
    gr_message_free(&parsed);
}

static int inside;

static int application_run(void *state, const gr_environ *env, gr_responder *respond)
{
    (void)state, (void)env, (void)respond;
    inside = 1;
    return 0;
}

static int start(gr_responder *respond, int status, const gr_header *headers, size_t count, int64_t body_bytes)
{
    (void)respond, (void)headers, (void)count, (void)body_bytes;
    if (status != 401) abort();
    return 0;
}

static int write_body(gr_responder *respond, const void *data, size_t bytes)
{
    (void)respond, (void)data, (void)bytes;
    return 0;
}

/* Without letters: "Bearer  ###" has the token "###". */
static int has_token(const gr_environ *env)
{
    const char *value = gr_environ_header(env, "authorization");
    if (!value || gr_environ_header_count(env, "authorization") != 1) return 0;
    const char *space = strchr(value, ' ');
    if (!space) return 0;
    space += strspn(space, " ");
    return strcmp(space, "sesame") == 0 || strcmp(space, "YWRhOm9wZW4=") == 0; /* ada:open */
}

static void check_door(const gr_environ *env)
{
    static const gr_auth_user user = {"ada", "open"};
    const gr_auth_options options = {.token = "sesame", .users = &user, .user_count = 1};
    gr_responder respond = {start, write_body, NULL};
    gr_application application = {application_run, NULL};
    gr_middleware *layers = NULL;
    if (gr_middleware_auth(&layers, &application, &options, NULL) != 0) abort();
    inside = 0;
    if (application.run(application.state, env, &respond) != 0) abort();
    if (inside && !has_token(env)) abort();
    gr_middleware_free(&layers);
}

static void check_choices(const gr_environ *env)
{
    char tag[64];
    if (gri_gzip_wanted(env) && !gr_environ_header(env, "accept-encoding")) abort();
    if (gri_identity_refused(env) && !gr_environ_header(env, "accept-encoding")) abort();
    for (size_t i = 0; i < env->header_count; i++) {
        (void)gri_list_has(env->headers[i].value, "gzip");
        if (gri_tag_weaken(env->headers[i].value, tag, sizeof tag) && strncmp(tag, "W/", 2) != 0) abort();
        const gr_header given = {"If-None-Match", env->headers[i].value};
        gr_environ again = {.headers = &given, .header_count = 1};
        if (gri_tag_given(&again, "\"c\"") && !strstr(given.value, "\"c\"")) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static char text[INPUT_BYTES + 1];
    gr_header headers[NAMES];
    size_t count = 0;
    if (bytes > INPUT_BYTES) bytes = INPUT_BYTES;
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    for (char *at = text, *next = text; next && count < NAMES; at = next, count++) {
        next = strchr(at, '\n');
        if (next) *next++ = '\0';
        headers[count] = (gr_header){names[count], at};
    }
    const char *last = headers[count - 1].value;
    gr_environ env = {.method = headers[0].value,
                      .target = last,
                      .script_name = "",
                      .path = last,
                      .protocol = "HTTP/1.1",
                      .host = last,
                      .remote = "127.0.0.1:1",
                      .local = "127.0.0.1:2",
                      .headers = headers,
                      .header_count = count};
    check_lines(&env);
    check_choices(&env);
    check_door(&env);
    return 0;
}
