/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What the ready-made middleware has in common: the list of layers, lists of paths, the client's address, and calling the
 * application below so that the layer is told how it ended.
 *
 * A layer is constant once it has been added, but for what its own lock guards; it lives until gr_middleware_free. */
#ifndef GRI_REST_LAYER_H
#define GRI_REST_LAYER_H

#include <greenroom/middleware.h>

/* First in the struct of every layer. */
struct gr_middleware {
    gr_middleware *next;
    gr_application inner;
    void (*fini)(gr_middleware *layer); /* frees what it points to; may be NULL */
};

/* A zeroed layer of so many bytes that ends in `layer`; it is in no list yet. NULL: out of memory. */
void *gri_layer_new(size_t bytes, void (*fini)(gr_middleware *layer));
/* Frees one that was not added. */
void gri_layer_free(gr_middleware *layer);
/* Puts it around *application, with `run` as its function. */
void gri_layer_add(gr_middleware *layer, gr_application_run run, gr_middleware **layers, gr_application *application);

/* Fills in the detail (may be NULL) and returns GR_EINVAL. */
GR_PRINTF(2, 3) int gri_layer_refuse(gr_detail *ret_detail, const char *format, ...);

/* How the application below ended. */
enum { GRI_LAYER_RAISED = 1 };

/* Runs the application below. What it raises is logged and, if nothing was answered, answered with 500: then
 * GRI_LAYER_RAISED; else GR_ECLOSED, which makes the server close. Otherwise what it returned. */
int gri_layer_run(const gr_middleware *layer, const gr_environ *env, gr_responder *respond);

/* A list of strings that ends with NULL, copied; also of no list. False: out of memory. */
bool gri_strings_copy(const char *const *strings, char ***ret_copy);
void gri_strings_free(char **strings);
/* Is the request's whole path one of these, or below one? */
bool gri_paths_have(char *const *paths, const gr_environ *env);
/* Each begins with '/', and only "/" ends with it. */
int gri_paths_check(const char *const *paths, const char *option, gr_detail *ret_detail);

enum { GRI_PROXIES_MAX = 16, GRI_CLIENT_BYTES = 64 };

/* The client's address as text without a port ("unix" for Unix sockets), behind so many trusted proxies. What stands in
 * X-Forwarded-For and is no address is not believed: then, as with too few entries, it is the peer's. */
void gri_client_text(const gr_environ *env, unsigned proxies, char text[GRI_CLIENT_BYTES]);

/* Equal for addresses that count as one: 16 bytes of an IPv6 address, the last 8 zero; IPv4 is mapped and whole. */
typedef struct gri_client_key {
    uint64_t high, low;
} gri_client_key;
gri_client_key gri_client_key_of(const char *text);

#endif
