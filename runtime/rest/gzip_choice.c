/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/gzip_choice.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* One element of a list: a token and the value of its parameter q, in thousandths. */
typedef struct element {
    const char *token;
    size_t bytes;
    int quality;
} element;

static bool is(const element *e, const char *token)
{
    return strlen(token) == e->bytes && strncasecmp(e->token, token, e->bytes) == 0;
}

/* "0", "1", "0.5", "1.000": thousandths; anything else counts as 0, which refuses. */
static int quality_of(const char *text, size_t bytes)
{
    int quality = 0, unit = 100;
    if (bytes == 0 || bytes > 5 || (text[0] != '0' && text[0] != '1') || (bytes > 1 && text[1] != '.')) return 0;
    if (text[0] == '1') quality = 1000;
    for (size_t i = 2; i < bytes; i++, unit /= 10) {
        if (text[i] < '0' || text[i] > '9') return 0;
        quality += (text[i] - '0') * unit;
    }
    return quality <= 1000 ? quality : 0;
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

/* The element at *list, which goes on behind it; false at the end. */
static bool next_element(const char **list, element *ret_element)
{
    const char *at = *list + strspn(*list, ", \t");
    element e = {at, strcspn(at, ",; \t"), 1000};
    if (!*at) return false;
    at = skip_blanks(at + e.bytes);
    while (*at == ';') {
        at = skip_blanks(at + 1);
        size_t bytes = strcspn(at, ",; \t");
        if (bytes >= 2 && (at[0] == 'q' || at[0] == 'Q') && at[1] == '=') e.quality = quality_of(at + 2, bytes - 2);
        at = skip_blanks(at + bytes);
    }
    *list = at + strcspn(at, ",");
    *ret_element = e;
    return true;
}

bool gri_list_has(const char *list, const char *token)
{
    element e;
    while (next_element(&list, &e))
        if (is(&e, token) || is(&e, "*")) return true;
    return false;
}

/* What the client has said of each, in thousandths; -1: nothing. */
typedef struct wishes {
    int gzip, identity, any;
} wishes;

static wishes read_wishes(const gr_environ *env)
{
    wishes w = {-1, -1, -1};
    for (size_t i = 0; i < env->header_count; i++) {
        const char *list = env->headers[i].value;
        element e;
        if (strcasecmp(env->headers[i].name, "accept-encoding") != 0) continue;
        while (next_element(&list, &e)) {
            if (is(&e, "gzip") || is(&e, "x-gzip")) w.gzip = e.quality;
            if (is(&e, "*")) w.any = e.quality;
            if (is(&e, "identity")) w.identity = e.quality;
        }
    }
    return w;
}

bool gri_gzip_wanted(const gr_environ *env)
{
    if (strcmp(env->protocol, "HTTP/1.0") == 0) return false;
    wishes w = read_wishes(env);
    if (w.gzip < 0) w.gzip = w.any;
    return w.gzip > 0 && w.gzip >= w.identity;
}

bool gri_identity_refused(const gr_environ *env)
{
    if (strcmp(env->protocol, "HTTP/1.0") == 0) return false;
    wishes w = read_wishes(env);
    return w.identity == 0 || (w.identity < 0 && w.any == 0);
}

static const char *find(const gri_gzip_answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->count; i++)
        if (answer->headers[i].name && strcasecmp(answer->headers[i].name, name) == 0) return answer->headers[i].value;
    return NULL;
}

/* "text/" at the beginning, "+json" at the end, or all of it; parameters apart. */
static bool type_matches(const char *type, size_t bytes, const char *pattern)
{
    size_t length = strlen(pattern);
    if (length == 0 || length > bytes) return false;
    if (pattern[0] == '+') return strncasecmp(type + bytes - length, pattern, length) == 0;
    return strncasecmp(type, pattern, length) == 0 && (pattern[length - 1] == '/' || length == bytes);
}

static bool type_fits(const char *type, char *const *types)
{
    size_t bytes = type ? strcspn(type, "; \t") : 0;
    for (; bytes && *types; types++)
        if (type_matches(type, bytes, *types)) return true;
    return false;
}

static bool is_event_stream(const char *type)
{
    return type && strcspn(type, "; \t") == 17 && strncasecmp(type, "text/event-stream", 17) == 0;
}

static bool may_change(const gri_gzip_answer *answer)
{
    const char *control = find(answer, "cache-control");
    return !find(answer, "content-encoding") && !(control && gri_list_has(control, "no-transform"));
}

bool gri_gzip_possible(const gri_gzip_answer *answer)
{
    if (answer->status == 204 || answer->status == 206 || answer->status == 304) return false;
    if (answer->body_bytes == 0 || find(answer, "content-range")) return false;
    /* each event goes out by itself */
    return may_change(answer) && !is_event_stream(find(answer, "content-type"));
}

bool gri_gzip_fits(const gri_gzip_answer *answer, char *const *types, size_t bytes_min)
{
    if (!gri_gzip_possible(answer)) return false;
    if (answer->body_bytes != GR_BODY_UNKNOWN && (uint64_t)answer->body_bytes < bytes_min) return false;
    return type_fits(find(answer, "content-type"), types);
}

bool gri_gzip_varies(const gri_gzip_answer *answer, bool fits)
{
    return fits || (find(answer, "etag") && may_change(answer));
}

bool gri_tag_weaken(const char *tag, char *text, size_t room)
{
    int bytes = snprintf(text, room, "%s%s", strncmp(tag, "W/", 2) == 0 ? "" : "W/", tag);
    return bytes > 0 && (size_t)bytes < room;
}

bool gri_tag_given(const gr_environ *env, const char *tag)
{
    size_t length = strlen(tag);
    for (size_t i = 0; i < env->header_count; i++) {
        if (strcasecmp(env->headers[i].name, "if-none-match") != 0) continue;
        /* Commas are allowed in tags: elements begin where a quoted text, weak or not, does. */
        for (const char *at = env->headers[i].value; *at;) {
            at += strspn(at, ", \t");
            const char *quote = strchr(at, '"'), *end = quote ? strchr(quote + 1, '"') : NULL;
            if (!end) break;
            if ((size_t)(end + 1 - at) == length && memcmp(at, tag, length) == 0) return true;
            at = end + 1;
        }
    }
    return false;
}
