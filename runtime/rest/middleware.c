/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The list of layers, and what all of them use. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <greenroom/runtime.h>

#include "rest/layer.h"

/* Layers ------------------------------------------------------------------------------------------------------------- */

void *gri_layer_new(size_t bytes, void (*fini)(gr_middleware *layer))
{
    gr_middleware *layer = calloc(1, bytes);
    if (layer) layer->fini = fini;
    return layer;
}

void gri_layer_free(gr_middleware *layer)
{
    if (layer && layer->fini) layer->fini(layer);
    free(layer);
}

void gri_layer_add(gr_middleware *layer, gr_application_run run, gr_middleware **layers, gr_application *application)
{
    layer->inner = *application;
    layer->next = *layers;
    *layers = layer;
    *application = (gr_application){run, layer};
}

void gr_middleware_free(gr_middleware **layers)
{
    while (layers && *layers) {
        gr_middleware *layer = *layers;
        *layers = layer->next;
        gri_layer_free(layer);
    }
}

int gri_layer_refuse(gr_detail *ret_detail, const char *format, ...)
{
    if (ret_detail) {
        va_list args;
        *ret_detail = (gr_detail){0};
        va_start(args, format);
        vsnprintf(ret_detail->text, sizeof ret_detail->text, format, args);
        va_end(args);
    }
    return GR_EINVAL;
}

/* A call of the application below, made under gr_protect. */
typedef struct call {
    const gr_application *application;
    const gr_environ *env;
    gr_responder *respond;
    int code;
} call;

static void call_application(gr_self *self, void *arg)
{
    call *made = arg;
    (void)self;
    made->code = made->application->run(made->application->state, made->env, made->respond);
}

int gri_layer_run(const gr_middleware *layer, const gr_environ *env, gr_responder *respond)
{
    call made = {&layer->inner, env, respond, 0};
    gr_message *report = NULL;
    int code = gr_protect(env->self, call_application, &made, &report);
    if (code == 0) return made.code;
    if (code == GR_EEXCEPTION)
        gr_log(GR_LOG_ERROR, "http: %s %s failed: %s", env->method, env->path,
               gr_string(gr_get(gr_body(report), "text-exception"), gr_error_text(code)));
    gr_message_free(&report);
    if (code != GR_EEXCEPTION) return code;
    /* A second answer is refused, GR_EEXISTS: then the first one is cut off. */
    return gr_response_problem(respond, 500, "the application gave no answer") == 0 ? GRI_LAYER_RAISED : GR_ECLOSED;
}

/* Lists of strings --------------------------------------------------------------------------------------------------- */

bool gri_strings_copy(const char *const *strings, char ***ret_copy)
{
    size_t count = 0;
    while (strings && strings[count]) count++;
    char **copy = calloc(count + 1, sizeof *copy);
    if (!copy) return false;
    for (size_t i = 0; i < count; i++) {
        copy[i] = strdup(strings[i]);
        if (copy[i]) continue;
        gri_strings_free(copy);
        return false;
    }
    *ret_copy = copy;
    return true;
}

void gri_strings_free(char **strings)
{
    for (char **at = strings; at && *at; at++) free(*at);
    free(strings);
}

int gri_paths_check(const char *const *paths, const char *option, gr_detail *ret_detail)
{
    for (; paths && *paths; paths++) {
        size_t bytes = strlen(*paths);
        if ((*paths)[0] != '/' || (bytes > 1 && (*paths)[bytes - 1] == '/'))
            return gri_layer_refuse(ret_detail, "%s: \"%.100s\" must begin with '/' and not end with it", option,
                                    *paths);
    }
    return 0;
}

/* The rest of `whole` behind `begin`, NULL if it does not begin so. */
static const char *behind(const char *whole, const char *begin, size_t bytes)
{
    return strncmp(whole, begin, bytes) == 0 ? whole + bytes : NULL;
}

bool gri_paths_have(char *const *paths, const gr_environ *env)
{
    size_t script_bytes = strlen(env->script_name);
    for (; paths && *paths; paths++) {
        /* The whole path is script_name and path, one behind the other. */
        size_t bytes = strlen(*paths), first = bytes < script_bytes ? bytes : script_bytes;
        const char *rest = behind(env->script_name, *paths, first);
        if (rest && first < bytes)
            rest = behind(env->path, *paths + first, bytes - first);
        else if (rest && !*rest)
            rest = env->path;
        if (rest && (*rest == '\0' || *rest == '/' || bytes == 1)) return true;
    }
    return false;
}

/* Who asks ----------------------------------------------------------------------------------------------------------- */

/* "127.0.0.1:41234", "[::1]:41234", "[::1]", "127.0.0.1": the address, if it is one. */
static bool copy_address(const char *text, size_t bytes, char copy[GRI_CLIENT_BYTES])
{
    unsigned char binary[16];
    const char *end = text + bytes;
    if (bytes > 0 && *text == '[') {
        const char *close = memchr(text, ']', bytes);
        if (!close) return false;
        text++;
        end = close;
    } else {
        const char *colon = memchr(text, ':', bytes);
        if (colon && !memchr(colon + 1, ':', (size_t)(end - colon - 1))) end = colon; /* one colon: a port */
    }
    bytes = (size_t)(end - text);
    if (bytes == 0 || bytes >= GRI_CLIENT_BYTES) return false;
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    return inet_pton(strchr(copy, ':') ? AF_INET6 : AF_INET, copy, binary) == 1;
}

/* The entry `number` from the end, over all fields of that name, which count as one list; false if there are fewer. */
static bool forwarded(const gr_environ *env, unsigned number, char text[GRI_CLIENT_BYTES])
{
    for (size_t i = env->header_count; i-- > 0;) {
        if (strcasecmp(env->headers[i].name, "x-forwarded-for") != 0) continue;
        const char *value = env->headers[i].value, *end = value + strlen(value);
        for (;;) {
            const char *comma = memrchr(value, ',', (size_t)(end - value)), *begin = comma ? comma + 1 : value;
            if (--number == 0) {
                begin += strspn(begin, " \t");
                while (end > begin && (end[-1] == ' ' || end[-1] == '\t')) end--;
                return copy_address(begin, end > begin ? (size_t)(end - begin) : 0, text);
            }
            if (!comma) break;
            end = comma;
        }
    }
    return false;
}

void gri_client_text(const gr_environ *env, unsigned proxies, char text[GRI_CLIENT_BYTES])
{
    if (proxies && forwarded(env, proxies, text)) return;
    if (!copy_address(env->remote, strlen(env->remote), text)) memcpy(text, "unix", 5);
}

gri_client_key gri_client_key_of(const char *text)
{
    unsigned char binary[16] = {[10] = 0xff, [11] = 0xff};
    gri_client_key key = {0, 0};
    if (strchr(text, ':') && inet_pton(AF_INET6, text, binary) == 1) {
        static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
        if (memcmp(binary, mapped, sizeof mapped) != 0) memset(binary + 8, 0, 8);
    } else if (inet_pton(AF_INET, text, binary + 12) != 1) {
        memset(binary, 0, sizeof binary);
    }
    memcpy(&key.high, binary, 8);
    memcpy(&key.low, binary + 8, 8);
    return key;
}
