/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Who may come in: bearer tokens (RFC 6750) and basic credentials (RFC 7617), compared in constant time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "rest/layer.h"

enum { SECRET_BYTES_MAX = 512, CHALLENGE_BYTES = 256, SECRETS_MAX = 1000 };

/* What must be sent: for a user "name:password". */
typedef struct secret {
    size_t bytes;
    char text[SECRET_BYTES_MAX];
} secret;

typedef struct auth {
    gr_middleware layer; /* first */
    secret *tokens, *users;
    size_t token_count, user_count;
    char bearer[CHALLENGE_BYTES], basic[CHALLENGE_BYTES]; /* for WWW-Authenticate; empty if there are none such */
    bool reading_open;
    char **paths_open;
} auth;

/* Credentials -------------------------------------------------------------------------------------------------------- */

/* The time depends on the length of what was given alone. */
static unsigned differs(const secret *s, const char *given, size_t bytes)
{
    volatile unsigned difference = s->bytes != bytes;
    for (size_t i = 0; i < bytes; i++) difference |= (unsigned char)(given[i] ^ s->text[i < s->bytes ? i : 0]);
    return difference;
}

/* Looks at all of them, whichever it is. */
static bool is_one_of(const secret *secrets, size_t count, const char *given, size_t bytes)
{
    volatile unsigned found = 0;
    for (size_t i = 0; i < count; i++) found |= differs(&secrets[i], given, bytes) == 0;
    return found != 0;
}

static int digit_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? memchr(digits, c, 64) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Base64, whole or not at all: one text for each credential. */
static bool decode(const char *text, char *buffer, size_t room, size_t *ret_bytes)
{
    size_t length = strlen(text), used = 0;
    if (length % 4 != 0 || length / 4 * 3 > room) return false;
    for (size_t at = 0; at < length; at += 4) {
        bool last = at + 4 == length;
        size_t padding = last ? (size_t)(text[at + 3] == '=') + (text[at + 3] == '=' && text[at + 2] == '=') : 0;
        unsigned bits = 0;
        for (size_t i = 0; i < 4; i++) {
            int digit = i < 4 - padding ? digit_of(text[at + i]) : 0;
            if (digit < 0) return false;
            bits = bits << 6 | (unsigned)digit;
        }
        if (bits & ((1U << 8 * padding) - 1)) return false;
        for (size_t i = 0; i < 3 - padding; i++) buffer[used++] = (char)(bits >> (16 - 8 * i));
    }
    *ret_bytes = used;
    return true;
}

static bool has_credentials(const auth *a, const gr_environ *env)
{
    char pair[SECRET_BYTES_MAX];
    size_t bytes = 0;
    const char *given = gr_environ_header(env, "authorization");
    if (!given || gr_environ_header_count(env, "authorization") != 1) return false;
    if (strncasecmp(given, "bearer ", 7) == 0) {
        given += 7 + strspn(given + 7, " ");
        return is_one_of(a->tokens, a->token_count, given, strlen(given));
    }
    if (strncasecmp(given, "basic ", 6) != 0) return false;
    given += 6 + strspn(given + 6, " ");
    bool right = decode(given, pair, sizeof pair, &bytes) && is_one_of(a->users, a->user_count, pair, bytes);
    explicit_bzero(pair, sizeof pair);
    return right;
}

/* A request ---------------------------------------------------------------------------------------------------------- */

static int refuse(const auth *a, gr_responder *respond)
{
    static const char body[] = "{\"type\":\"about:blank\",\"title\":\"Unauthorized\",\"status\":401,"
                               "\"detail\":\"this needs the right credentials\"}\n";
    gr_header headers[5] = {{"Content-Type", "application/problem+json"}, {"Cache-Control", "no-store"}};
    size_t count = 2;
    if (a->bearer[0]) headers[count++] = (gr_header){"WWW-Authenticate", a->bearer};
    if (a->basic[0]) headers[count++] = (gr_header){"WWW-Authenticate", a->basic};
    int code = gr_response_start(respond, 401, headers, count, sizeof body - 1);
    return code != 0 ? code : gr_response_write(respond, body, sizeof body - 1);
}

static bool is_reading(const gr_environ *env)
{
    return strcmp(env->method, "GET") == 0 || strcmp(env->method, "HEAD") == 0;
}

static int run(void *state, const gr_environ *env, gr_responder *respond)
{
    const auth *a = state;
    bool open = (a->reading_open && is_reading(env)) || gri_paths_have(a->paths_open, env);
    if (!open && !has_credentials(a, env)) return refuse(a, respond);
    return a->layer.inner.run(a->layer.inner.state, env, respond);
}

/* Options ------------------------------------------------------------------------------------------------------------ */

static void fini(gr_middleware *layer)
{
    auth *a = (auth *)layer;
    if (a->tokens) explicit_bzero(a->tokens, a->token_count * sizeof *a->tokens);
    if (a->users) explicit_bzero(a->users, a->user_count * sizeof *a->users);
    free(a->tokens);
    free(a->users);
    gri_strings_free(a->paths_open);
}

static bool is_token(const char *text)
{
    size_t bytes = text ? strlen(text) : 0;
    return bytes > 0 && bytes <= SECRET_BYTES_MAX &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=") == bytes;
}

static bool is_plain(const char *text, const char *forbidden)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f || strchr(forbidden, *text)) return false;
    return true;
}

static size_t count_tokens(const gr_auth_options *o)
{
    size_t count = o->token != NULL;
    for (const char *const *at = o->tokens; at && *at; at++) count++;
    return count;
}

static int check(const gr_auth_options *o, size_t tokens, gr_detail *ret_detail)
{
    if (tokens + o->user_count == 0) return gri_layer_refuse(ret_detail, "auth: there must be a token or a user");
    if (tokens > SECRETS_MAX || o->user_count > SECRETS_MAX)
        return gri_layer_refuse(ret_detail, "auth: at most %d tokens and as many users", SECRETS_MAX);
    for (size_t i = 0; i < tokens; i++)
        if (!is_token(o->token ? (i == 0 ? o->token : o->tokens[i - 1]) : o->tokens[i]))
            return gri_layer_refuse(ret_detail, "auth: token %zu must be 1 to %d letters, digits and -._~+/=", i,
                                    SECRET_BYTES_MAX);
    for (size_t i = 0; i < o->user_count; i++) {
        const gr_auth_user *u = &o->users[i];
        if (!u->name || !u->password || !*u->name || !is_plain(u->name, ":") || !is_plain(u->password, "") ||
            strlen(u->name) + strlen(u->password) + 1 > SECRET_BYTES_MAX)
            return gri_layer_refuse(ret_detail,
                                    "auth: user %zu must have a name without ':' and a password, neither with control "
                                    "characters, together at most %d bytes",
                                    i, SECRET_BYTES_MAX - 1);
    }
    if (o->realm && (!is_plain(o->realm, "\"\\") || strlen(o->realm) > 100))
        return gri_layer_refuse(ret_detail,
                                "auth: realm has at most 100 bytes, no quote, backslash or control character");
    return gri_paths_check(o->paths_open, "auth: paths_open", ret_detail);
}

static void add_secret(secret *secrets, size_t *count, const char *text, const char *more)
{
    secret *s = &secrets[(*count)++];
    s->bytes = (size_t)snprintf(s->text, sizeof s->text, "%s%s%s", text, more ? ":" : "", more ? more : "");
}

static bool copy(auth *a, const gr_auth_options *o, size_t tokens)
{
    const char *realm = o->realm ? o->realm : "greenroom";
    a->tokens = calloc(tokens + 1, sizeof *a->tokens);
    a->users = calloc(o->user_count + 1, sizeof *a->users);
    if (!a->tokens || !a->users || !gri_strings_copy(o->paths_open, &a->paths_open)) return false;
    if (o->token) add_secret(a->tokens, &a->token_count, o->token, NULL);
    for (const char *const *at = o->tokens; at && *at; at++) add_secret(a->tokens, &a->token_count, *at, NULL);
    for (size_t i = 0; i < o->user_count; i++)
        add_secret(a->users, &a->user_count, o->users[i].name, o->users[i].password);
    if (tokens) snprintf(a->bearer, sizeof a->bearer, "Bearer realm=\"%s\"", realm);
    if (o->user_count) snprintf(a->basic, sizeof a->basic, "Basic realm=\"%s\", charset=\"UTF-8\"", realm);
    a->reading_open = o->reading_open;
    return true;
}

int gr_middleware_auth(gr_middleware **layers, gr_application *application, const gr_auth_options *options,
                       gr_detail *ret_detail)
{
    size_t tokens = count_tokens(options);
    int code = check(options, tokens, ret_detail);
    if (code != 0) return code;
    auth *a = gri_layer_new(sizeof *a, fini);
    if (!a || !copy(a, options, tokens)) {
        gri_layer_free((gr_middleware *)a);
        return GR_ENOMEM;
    }
    gri_layer_add(&a->layer, run, layers, application);
    return 0;
}
