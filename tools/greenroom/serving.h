/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What `greenroom serve` was asked for, and what it has running. */
#ifndef GREENROOM_SERVING_H
#define GREENROOM_SERVING_H

#include <greenroom.h>
#include <greenroom/middleware.h>
#include <greenroom/rest.h>

#include "greenroom/gate.h"
#include "greenroom/plugins.h"

enum { HOSTS_MAX = 64, PATH_BYTES = 4096 };

typedef struct serve_options {
    const char *listen; /* as gr_listen takes it */
    unsigned unix_mode; /* 0: as gr_listen has it */
    const char *hosts[HOSTS_MAX];
    size_t host_count;
    const char *token_file;
    const char *tls_cert, *tls_key;                     /* NULL: none; NULL: the same file */
    const char *public_url, *remote_tokens, *remote_ca; /* NULL: none, none, the system's */
    bool open, insecure, json;
    bool exposed;          /* other machines may connect: then reading wants the token, too */
    const char *log_level; /* NULL: GREENROOM_LOG, or info */
    int64_t drain_ms;
    const char *access_log; /* "off", "text" or "json" */
    double rate;            /* requests a second of one address; 0: any */
    const char *plugins[PLUGINS_MAX];
    size_t plugin_count;
    const char *plugin_dir; /* NULL: the first there is */
    gr_http_options limits; /* sizes, deadlines and counts only; 0: the server's defaults */
    unsigned proxies;       /* in front: a client's address is what the outermost wrote into X-Forwarded-For */
    bool gzip;
} serve_options;

/* CL_END, or what to give to cl_exit_code; the strings stay those of argv. */
int serve_options_read(int argc, char **argv, serve_options *ret_options);

typedef struct serving {
    const serve_options *options;
    gr_self *self; /* the main thread */
    gr_rest *rest;
    gate *gate;
    gr_middleware *layers; /* between the gate and rest */
    gr_access_log *access;
    gr_http_server *server;
    gr_tls *tls, *tls_probe; /* NULL: plain text */
    gr_tls *tls_remote;      /* NULL: the system's authorities */
    char token[GR_REST_TOKEN_BYTES];
    char token_path[PATH_BYTES];   /* the file it is in; empty if in none */
    char token_folder[PATH_BYTES]; /* made for it, removed at the end; empty if the file was asked for */
} serving;

/* What answers the requests: the actors application with these options and the layers around it. *ret_http gets the options
 * for the server that is to run it. What was built stays in *s also after an error, for layers_free. */
int layers_build(serving *s, const gr_rest_options *options, gr_http_options *ret_http, gr_detail *ret_detail);
void layers_free(serving *s);

/* Where to find the server and what to try, on stdout; the token itself only to a terminal. With JSON logs, or in the journal,
 * and no terminal a log line says where. */
void banner_print(const serving *s);

/* Puts the token into a file that was asked for, or, if nobody would see it otherwise, into one of its own. An exit code. */
int token_prepare(serving *s);
void token_forget(serving *s);
/* Only removes the file, if it was made for this run; any thread. */
void token_remove(const serving *s);

/* Lets requests and actors finish until the deadline and stops everything. An exit code. */
int serving_drain(serving *s);

/* Log lines about all workers and actors (gr_dump), whatever the log level. */
void serving_dump(void);

#endif
