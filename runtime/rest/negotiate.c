/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Lists of field values, RFC 9110: elements between commas, parameters after semicolons, quoted strings that may hold both. */
#include "rest/negotiate.h"

#include <string.h>
#include <strings.h>

static size_t blanks(const char *at)
{
    return strspn(at, " \t");
}

/* Bytes up to the next of `ends` outside of a quoted string, or to the end of the text. */
static size_t span(const char *text, const char *ends)
{
    bool quoted = false;
    const char *at = text;
    for (; *at; at++) {
        if (quoted && *at == '\\' && at[1]) {
            at++;
        } else if (*at == '"') {
            quoted = !quoted;
        } else if (!quoted && strchr(ends, *at)) {
            break;
        }
    }
    return (size_t)(at - text);
}

static size_t trimmed(const char *text, size_t bytes)
{
    while (bytes && (text[bytes - 1] == ' ' || text[bytes - 1] == '\t')) bytes--;
    return bytes;
}

static bool same(const char *text, size_t bytes, const char *word)
{
    return strlen(word) == bytes && strncasecmp(text, word, bytes) == 0;
}

/* "1", "0.5", "0.333" in thousandths; what is malformed is 1, as if it had not been said. */
static unsigned quality_of(const char *text, size_t bytes)
{
    unsigned quality = 0, unit = 100;
    if (bytes == 0 || bytes > 5 || (text[0] != '0' && text[0] != '1') || (bytes > 1 && text[1] != '.')) return 1000;
    if (text[0] == '1') return 1000;
    for (size_t i = 2; i < bytes; i++, unit /= 10) {
        if (text[i] < '0' || text[i] > '9') return 1000;
        quality += (unsigned)(text[i] - '0') * unit;
    }
    return quality;
}

/* The q of an element, whose parameters begin at `at`. */
static unsigned element_quality(const char *at)
{
    while (*at == ';') {
        at += 1 + blanks(at + 1);
        size_t bytes = span(at, ",;");
        if (bytes >= 2 && (at[0] == 'q' || at[0] == 'Q') && at[1] == '=')
            return quality_of(at + 2, trimmed(at + 2, bytes - 2));
        at += bytes;
    }
    return 1000;
}

/* 3: the very type; 2: all of its kind; 1: anything; 0: something else */
static unsigned specificity(const char *range, size_t bytes, const char *type)
{
    size_t kind = (size_t)(strchr(type, '/') - type) + 1;
    if (same(range, bytes, type)) return 3;
    if (bytes == kind + 1 && range[kind] == '*' && strncasecmp(range, type, kind) == 0) return 2;
    return same(range, bytes, "*/*") ? 1 : 0;
}

static unsigned weigh(const gr_environ *env, const char *type, unsigned *ret_specificity)
{
    unsigned best = 0, quality = 0;
    bool asked = false;
    for (size_t i = 0; i < env->header_count; i++) {
        if (strcasecmp(env->headers[i].name, "accept") != 0) continue;
        for (const char *at = env->headers[i].value; *at; at += *at == ',') {
            at += blanks(at);
            size_t bytes = span(at, ",;");
            unsigned now = specificity(at, trimmed(at, bytes), type), wanted = element_quality(at + bytes);
            asked |= bytes > 0;
            if (now > best || (now == best && now && wanted > quality)) best = now, quality = wanted;
            at += span(at, ",");
        }
    }
    *ret_specificity = best;
    return asked ? quality : 1000;
}

unsigned gri_accept_quality(const gr_environ *env, const char *type)
{
    unsigned specific;
    return weigh(env, type, &specific);
}

bool gri_accept_page(const gr_environ *env)
{
    unsigned page_specific, json_specific;
    unsigned page = weigh(env, "text/html", &page_specific), json = weigh(env, "application/json", &json_specific);
    return page > json || (page && page == json && page_specific > json_specific);
}

static bool is_json(const char *type, size_t bytes)
{
    static const char *const read_as_json[] = {"application/json", "text/json", "text/plain",
                                               "application/x-www-form-urlencoded", "application/octet-stream"};
    for (size_t i = 0; i < sizeof read_as_json / sizeof *read_as_json; i++)
        if (same(type, bytes, read_as_json[i])) return true;
    return bytes > 17 && strncasecmp(type, "application/", 12) == 0 && strncasecmp(type + bytes - 5, "+json", 5) == 0;
}

/* Is what begins at `at` ("; charset=utf-8") no other character set than JSON's? */
static bool is_utf8(const char *at)
{
    while (*at == ';') {
        at += 1 + blanks(at + 1);
        size_t bytes = trimmed(at, span(at, ";"));
        if (bytes > 8 && strncasecmp(at, "charset=", 8) == 0) {
            const char *name = at + 8;
            size_t length = bytes - 8;
            if (length >= 2 && name[0] == '"' && name[length - 1] == '"') name++, length -= 2;
            if (!same(name, length, "utf-8") && !same(name, length, "utf8") && !same(name, length, "us-ascii"))
                return false;
        }
        at += span(at, ";");
    }
    return true;
}

const char *gri_content_refusal(const gr_environ *env)
{
    const char *coding = gr_environ_header(env, "content-encoding"), *type = gr_environ_header(env, "content-type");
    if (env->content_length == 0) return NULL;
    if (coding && *coding && strcasecmp(coding, "identity") != 0) return "bodies are read without content codings";
    if (gr_environ_header_count(env, "content-type") > 1) return "the body has more than one Content-Type";
    if (!type || !*type) return NULL;
    size_t bytes = span(type, ";");
    if (!is_json(type, trimmed(type, bytes))) return "the body has to be JSON: Content-Type: application/json";
    return is_utf8(type + bytes) ? NULL : "JSON has to be UTF-8";
}

bool gri_tag_known(const gr_environ *env, const char *tag)
{
    for (size_t i = 0; i < env->header_count; i++) {
        if (strcasecmp(env->headers[i].name, "if-none-match") != 0) continue;
        for (const char *at = env->headers[i].value; *at; at += *at == ',') {
            at += blanks(at);
            size_t bytes = trimmed(at, span(at, ","));
            if (same(at, bytes, "*")) return true;
            if (bytes > 2 && strncmp(at, "W/", 2) == 0) at += 2, bytes -= 2;
            if (strlen(tag) == bytes && memcmp(at, tag, bytes) == 0) return true;
            at += span(at, ",");
        }
    }
    return false;
}
