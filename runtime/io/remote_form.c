/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What this process is called outside, whom it tells which token, and how addresses look in texts for others. */
#include "actor/registry.h"
#include "actor/remote_allow.h"
#include "actor/runtime.h"
#include "base/error.h"
#include "io/remote_http.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX ((size_t)1 << 20)

typedef struct token {
    char *url; /* scheme, host, port */
    char text[GRI_REMOTE_TOKEN_BYTES];
} token;

typedef struct configuration {
    char public_url[GR_REMOTE_URL_BYTES]; /* in normal form; empty: none */
    token *tokens;
    size_t count;
    gr_tls *tls;
} configuration;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the rest; held for a copy */
static configuration now;

/* ---- configuring ---- */

static void forget(configuration *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free(c->tokens[i].url);
        explicit_bzero(c->tokens[i].text, sizeof c->tokens[i].text);
    }
    free(c->tokens);
    *c = (configuration){.tokens = NULL};
}

static bool is_token(const char *text)
{
    const size_t bytes = strlen(text);
    for (size_t i = 0; i < bytes; i++)
        if (text[i] <= ' ' || text[i] >= 0x7f) return false;
    return bytes > 0 && bytes < GRI_REMOTE_TOKEN_BYTES;
}

static int add_token(configuration *c, const char *url, const char *text, gr_detail *ret_detail)
{
    char base[GR_REMOTE_URL_BYTES];
    const char *why = NULL;
    if (!url || gri_remote_url_normal(url, strlen(url), true, base, &why) != 0)
        return gri_refuse(ret_detail, GR_EINVAL, "the URL of a token, \"%.100s\": %s", url ? url : "",
                          why ? why : "there is none");
    if (base[gri_remote_origin_bytes(base)] != '\0')
        return gri_refuse(ret_detail, GR_EINVAL,
                          "the URL of a token, \"%.100s\": a token is for a whole server, without a path", base);
    if (!text || !is_token(text))
        return gri_refuse(ret_detail, GR_EINVAL, "the token for %.100s: 1 to %d characters, no blanks", base,
                          GRI_REMOTE_TOKEN_BYTES - 1);
    token *more = realloc(c->tokens, (c->count + 1) * sizeof *more);
    if (!more) return gri_refuse(ret_detail, GR_ENOMEM, "no memory for a token");
    c->tokens = more;
    token *t = &more[c->count];
    t->url = strdup(base);
    if (!t->url) return gri_refuse(ret_detail, GR_ENOMEM, "no memory for a token");
    strcpy(t->text, text);
    c->count++;
    return 0;
}

/* What is wrong with the file, or NULL and its text. */
static const char *read_file(int fd, char **ret_text)
{
    struct stat status;
    if (fstat(fd, &status) != 0) return strerror(errno);
    if (!S_ISREG(status.st_mode)) return "not a plain file";
    if (status.st_uid != geteuid()) return "belongs to another user";
    if (status.st_mode & 077) return "others may read or write it; its mode must be 0600";
    if ((size_t)status.st_size > FILE_BYTES_MAX) return "is too large";
    char *text = malloc((size_t)status.st_size + 1);
    if (!text) return "no memory";
    size_t used = 0;
    for (ssize_t n; used < (size_t)status.st_size; used += (size_t)n) {
        n = read(fd, text + used, (size_t)status.st_size - used);
        if (n <= 0) break;
    }
    text[used] = '\0';
    *ret_text = text;
    return NULL;
}

static int add_line(configuration *c, char *line, const char *path, unsigned number, gr_detail *ret_detail)
{
    line += strspn(line, " \t");
    if (*line == '\0' || *line == '#') return 0;
    char *text = line + strcspn(line, " \t");
    if (*text) *text++ = '\0';
    text += strspn(text, " \t");
    text[strcspn(text, " \t")] = '\0';
    gr_detail why;
    int code = add_token(c, line, text, &why);
    return code == 0 ? 0 : gri_refuse(ret_detail, code, "%.80s, line %u: %.120s", path, number, why.text);
}

static int add_file(configuration *c, const char *path, gr_detail *ret_detail)
{
    char *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return gri_refuse(ret_detail, GR_ESYSTEM, "token file %.120s: %s", path, strerror(errno));
    const char *why = read_file(fd, &text);
    (void)close(fd);
    if (why) return gri_refuse(ret_detail, GR_EINVAL, "token file %.120s: %s", path, why);
    int code = 0;
    unsigned number = 1;
    for (char *line = text, *next; line && code == 0; line = next, number++) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        line[strcspn(line, "\r")] = '\0';
        code = add_line(c, line, path, number, ret_detail);
    }
    explicit_bzero(text, strlen(text));
    free(text);
    return code;
}

int gr_remote_configure(const gr_remote_options *options, gr_detail *ret_detail)
{
    static const gr_remote_options defaults = {0};
    configuration c = {.tokens = NULL};
    const char *why = NULL;
    int code = 0;
    if (gri_runtime_forked()) return gri_refuse(ret_detail, GR_EFORKED, "%s", gr_error_text(GR_EFORKED));
    if (!options) options = &defaults;
    c.tls = options->tls;
    if (options->public_url &&
        gri_remote_url_normal(options->public_url, strlen(options->public_url), true, c.public_url, &why) != 0)
        return gri_refuse(ret_detail, GR_EINVAL, "public URL \"%.120s\": %s", options->public_url, why);
    if (strlen(c.public_url) > GR_REMOTE_URL_BYTES / 2)
        return gri_refuse(ret_detail, GR_EINVAL, "public URL: more than %d bytes", GR_REMOTE_URL_BYTES / 2);
    for (size_t i = 0; code == 0 && i < options->token_count; i++)
        code = add_token(&c, options->tokens[i].url, options->tokens[i].token, ret_detail);
    if (code == 0 && options->token_file) code = add_file(&c, options->token_file, ret_detail);
    if (code != 0) {
        forget(&c);
        return code;
    }
    pthread_mutex_lock(&lock);
    configuration old = now;
    now = c;
    pthread_mutex_unlock(&lock);
    forget(&old);
    gri_remote_http_use();
    return 0;
}

bool gri_remote_token_for(const char *url, char text[GRI_REMOTE_TOKEN_BYTES])
{
    const size_t bytes = gri_remote_origin_bytes(url);
    bool found = false;
    pthread_mutex_lock(&lock);
    for (size_t i = now.count; i > 0 && !found; i--) {
        const token *t = &now.tokens[i - 1];
        found = strlen(t->url) == bytes && memcmp(t->url, url, bytes) == 0;
        if (found) strcpy(text, t->text);
    }
    pthread_mutex_unlock(&lock);
    return found;
}

gr_tls *gri_remote_tls(void)
{
    pthread_mutex_lock(&lock);
    gr_tls *tls = now.tls;
    pthread_mutex_unlock(&lock);
    return tls;
}

static void copy_public(char url[GR_REMOTE_URL_BYTES])
{
    pthread_mutex_lock(&lock);
    strcpy(url, now.public_url);
    pthread_mutex_unlock(&lock);
}

/* ---- URLs and addresses ---- */

/* If the URL is below the public one: the local address that it names, perhaps a dead one. */
static bool is_own(const char *url, gr_address *ret_address)
{
    char base[GR_REMOTE_URL_BYTES], name[GR_NAME_BYTES_MAX + 1];
    copy_public(base);
    const size_t bytes = strlen(base);
    if (bytes == 0 || strncmp(url, base, bytes) != 0 || url[bytes] != '/') return false;
    gr_address address = GR_DEAD_ADDRESS;
    if (gri_remote_url_name(url, base, name)) {
        address = gr_address_parse(name, strlen(name));
        if (gri_address_is_remote(address)) address = GR_DEAD_ADDRESS; /* a text of ours that was never for outside */
        if (address.id == GR_DEAD_ADDRESS.id && gr_lookup(name, &address) != 0) address = GR_DEAD_ADDRESS;
    }
    *ret_address = address;
    return true;
}

static bool is_url(const char *text, size_t bytes)
{
    return (bytes >= 7 && strncasecmp(text, "http://", 7) == 0) ||
           (bytes >= 8 && strncasecmp(text, "https://", 8) == 0);
}

/* Is it below the server that gave the answer? */
static bool is_of(const char *url, const char *asked)
{
    const size_t bytes = gri_remote_origin_bytes(asked);
    return gri_remote_origin_bytes(url) == bytes && memcmp(url, asked, bytes) == 0;
}

static int parse_for(const char *asked, const char *text, size_t bytes, gr_address *ret_address, char why[240])
{
    char url[GR_REMOTE_URL_BYTES];
    const char *wrong;
    if (!is_url(text, bytes) || gri_runtime_forked()) {
        gr_address address = gr_address_parse(text, bytes);
        *ret_address = gri_address_is_remote(address) ? GR_DEAD_ADDRESS : address;
        return 0;
    }
    if (gri_remote_url_normal(text, bytes, false, url, &wrong) != 0) {
        snprintf(why, 240, "\"_pyact_address\" is a URL that is none of an actor: %s", wrong);
        return GR_EINVAL;
    }
    if (is_own(url, ret_address)) return 0;
    const char *list = gri_runtime_now.settings.allow_text;
    if (!(asked && is_of(url, asked)) && !gri_allow_permits(list, url)) {
        snprintf(why, 240, "the address %.100s is not permitted: GREENROOM_REMOTE_ALLOW is %s%.70s", url,
                 *list ? "" : "empty", list);
        return GR_EDENIED;
    }
    int code = gri_remote_intern(url, ret_address);
    if (code != 0) snprintf(why, 240, "no remote address could be made: %s", gr_error_text(code));
    return code;
}

static int parse(const gr_address_form *form, const char *text, size_t bytes, gr_address *ret_address, char why[240])
{
    (void)form;
    return parse_for(NULL, text, bytes, ret_address, why);
}

static int parse_answer(const gr_address_form *form, const char *text, size_t bytes, gr_address *ret_address,
                        char why[240])
{
    return parse_for(GRI_CONTAINER_OF(form, gri_answer_form, form)->url, text, bytes, ret_address, why);
}

static size_t print(const gr_address_form *form, gr_address address, char text[GRI_ADDRESS_FORM_BYTES])
{
    (void)form;
    if (gr_remote_url(address, text, GRI_ADDRESS_FORM_BYTES) != 0) return 0;
    return strlen(text);
}

static const gr_address_form urls = {parse, print};

const gr_address_form *gr_remote_form(void)
{
    gri_remote_http_use();
    return &urls;
}

gri_answer_form gri_remote_answer_form(const char *url)
{
    return (gri_answer_form){{parse_answer, print}, url};
}

int gr_remote_address(const char *text, gr_address *ret_address, gr_detail *ret_detail)
{
    char url[GR_REMOTE_URL_BYTES];
    const char *why = "there is none";
    if (gri_runtime_forked()) return gri_refuse(ret_detail, GR_EFORKED, "%s", gr_error_text(GR_EFORKED));
    if (!text || gri_remote_url_normal(text, strlen(text), false, url, &why) != 0)
        return gri_refuse(ret_detail, GR_EINVAL, "URL \"%.120s\": %s", text ? text : "", why);
    if (is_own(url, ret_address)) return 0;
    gri_remote_http_use();
    int code = gri_remote_intern(url, ret_address);
    return code == 0 ? 0 : gri_refuse(ret_detail, code, "no remote address could be made: %s", gr_error_text(code));
}

int gr_remote_url(gr_address address, char *text, size_t bytes)
{
    char url[GR_REMOTE_URL_BYTES + GR_ADDRESS_TEXT_BYTES];
    if (gri_runtime_forked()) return GR_EFORKED;
    if (gri_address_is_remote(address)) {
        if (!gri_remote_url_of(address, url)) return GR_EDEAD;
    } else {
        copy_public(url);
        if (!*url || address.id == GR_DEAD_ADDRESS.id || address.id == 0) return GR_ENOTFOUND;
        const size_t used = strlen(url);
        url[used] = '/';
        gr_address_print(address, url + used + 1);
    }
    if (strlen(url) >= bytes) return GR_ETOOBIG;
    memcpy(text, url, strlen(url) + 1);
    return 0;
}
