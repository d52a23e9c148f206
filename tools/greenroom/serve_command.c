/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* greenroom serve: start, wait for a signal, drain. Its options are read in serve_options.c. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "demos/chat_page/chat_page.h"
#include "demos/demos.h"
#include "greenroom/command.h"
#include "greenroom/command_line.h"
#include "greenroom/logger.h"
#include "greenroom/notify.h"
#include "greenroom/serving.h"
#include "greenroom/signals.h"

enum { PROBE_MS = 5000 };

static int start_runtime(serving *s)
{
    gr_detail detail = {0};
    const serve_options *o = s->options;
    gr_options asked = {.log = o->log_level ? o->log_level : "info", .fixed = o->log_level ? GR_FIXED(log) : 0};
    int code = demos_register(&detail);
    if (code == 0 && plugins_load(o->plugin_dir, o->plugins, o->plugin_count, &detail) != 0) {
        logger_print(GR_LOG_ERROR, "%s", detail.text);
        return EXIT_USAGE;
    }
    if (code == 0) code = gr_start(&asked, &detail);
    if (code != 0) {
        logger_print(GR_LOG_ERROR, "not started: %s", detail.text[0] ? detail.text : gr_error_text(code));
        return code == GR_EENV || code == GR_EINVAL ? EXIT_USAGE : EXIT_FAILED;
    }
    code = gr_attach(&s->self);
    if (code == 0) return EXIT_CLEAN;
    logger_print(GR_LOG_ERROR, "not attached: %s", gr_error_text(code));
    return EXIT_FAILED;
}

/* "option certificate: FILE: why" in the command's own words. */
static void print_tls_error(int level, const char *then, int code, const gr_detail *detail)
{
    const char *why = detail->text[0] ? detail->text : gr_error_text(code);
    if (strncmp(why, "option certificate: ", 20) == 0) {
        logger_print(level, "%s--tls-cert %s", then, why + 20);
    } else if (strncmp(why, "option key: ", 12) == 0) {
        logger_print(level, "%s--tls-key %s", then, why + 12);
    } else {
        logger_print(level, "%sno TLS: %s", then, why);
    }
}

/* Reads the certificate; and what the probe connects with. */
static int load_tls(serving *s)
{
    gr_detail detail = {0};
    const serve_options *o = s->options;
    gr_tls_options server = {.server = true, .certificate = o->tls_cert, .key = o->tls_key, .alpn = "http/1.1"};
    if (!o->tls_cert) return EXIT_CLEAN;
    int code = gr_tls_new(&s->tls, &server, &detail);
    if (code == 0) code = gr_tls_new(&s->tls_probe, &(gr_tls_options){.insecure = true}, &detail);
    if (code == 0) return EXIT_CLEAN;
    print_tls_error(GR_LOG_ERROR, "", code, &detail);
    return EXIT_USAGE;
}

/* The host of --public-url, which others ask for: false if there is none. */
static bool public_host(const char *url, char host[GR_REMOTE_URL_BYTES])
{
    const char *at = url ? strstr(url, "://") : NULL;
    if (!at) return false;
    snprintf(host, GR_REMOTE_URL_BYTES, "%.*s", (int)strcspn(at + 3, "/"), at + 3);
    return true;
}

static int start_server(serving *s)
{
    const gr_mount chat = {.prefix = CHAT_PAGE_PREFIX, .application = chat_page(), .open = true};
    gr_detail detail = {0};
    const serve_options *o = s->options;
    const char *hosts[HOSTS_MAX + 1];
    char host[GR_REMOTE_URL_BYTES];
    size_t host_count = o->host_count;
    memcpy(hosts, o->hosts, sizeof o->hosts);
    if (public_host(o->public_url, host)) hosts[host_count++] = host;
    gr_rest_options rest = {
        .http = o->limits,
        .token = o->open ? NULL : s->token,
        .open = o->open,
        .insecure = o->insecure,
        .hosts = hosts,
        .host_count = host_count,
        .mounts = &chat,
        .mount_count = 1,
    };
    rest.http.listen = o->listen;
    rest.http.unix_mode = o->unix_mode;
    rest.http.loopback_unbounded = true; /* a proxy on this machine is one address */
    rest.http.tls = s->tls;
    gr_http_options http;
    int code = layers_build(s, &rest, &http, &detail);
    if (code == 0) {
        code = gr_http_start(s->self, &http, &s->server);
        if (code != 0) detail = *gr_error_detail(s->self);
    }
    if (code == 0) return EXIT_CLEAN;
    logger_print(GR_LOG_ERROR, "not listening on %s: %s", o->listen,
                 detail.text[0] ? detail.text : gr_error_text(code));
    return code == GR_EINUSE ? EXIT_IN_USE : code == GR_EINVAL ? EXIT_USAGE : EXIT_FAILED;
}

/* What remote addresses need. Before it listens, to find what is wrong; and when it does, for --public-url auto. */
static int configure_remote(serving *s)
{
    char own[GR_SOCKET_TEXT_BYTES + 16];
    gr_detail detail = {0};
    const serve_options *o = s->options;
    const bool automatic = o->public_url && strcmp(o->public_url, "auto") == 0;
    gr_remote_options remote = {.public_url = automatic ? NULL : o->public_url, .token_file = o->remote_tokens};
    int code = 0;
    if (o->remote_ca && !s->tls_remote)
        code = gr_tls_new(&s->tls_remote, &(gr_tls_options){.trust = o->remote_ca}, &detail);
    remote.tls = s->tls_remote;
    if (automatic && s->server) {
        snprintf(own, sizeof own, "http%s://%s", s->tls ? "s" : "", gr_http_address(s->server));
        remote.public_url = own;
    }
    if (code == 0) code = gr_remote_configure(&remote, &detail);
    if (code == 0) return EXIT_CLEAN;
    logger_print(GR_LOG_ERROR, "%s", detail.text[0] ? detail.text : gr_error_text(code));
    return EXIT_USAGE;
}

/* One request over a socket of our own: what the banner says is true, and the listening actor has taken the socket over from
 * this thread, which is about to stop being an actor. */
static int probe(serving *s)
{
    static const char request[] = "GET /-/livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    char answer[16];
    gr_socket socket;
    size_t bytes = 0;
    gr_deadline deadline = gr_after_ms(PROBE_MS);
    int code = gr_connect(s->self, &socket, gr_http_address(s->server), deadline);
    if (code == 0) {
        if (s->tls) code = gr_tls_connect(s->self, socket, s->tls_probe, NULL, deadline);
        if (code == 0) code = gr_write(s->self, socket, request, sizeof request - 1, deadline);
        if (code == 0) code = gr_read(s->self, socket, answer, sizeof answer, &bytes, deadline);
        (void)gr_close(s->self, socket);
    }
    if (code == 0 && bytes >= 12 && memcmp(answer, "HTTP/1.1 200", 12) == 0) return EXIT_CLEAN;
    logger_print(GR_LOG_ERROR, "%s does not answer: %s", gr_http_address(s->server), gr_error_text(code));
    return EXIT_FAILED;
}

static const serving *the_one; /* set before the signal thread starts */

static void last_act(void)
{
    token_remove(the_one);
}

/* Connections keep what they have; a bad file changes nothing. */
static void renew_tls(void)
{
    gr_detail detail = {0};
    int code = gr_tls_reload(the_one->tls, &detail);
    if (code == 0)
        logger_print(GR_LOG_INFO, "SIGHUP: the certificate was read again");
    else
        print_tls_error(GR_LOG_ERROR, "SIGHUP: the certificate stays as it was: ", code, &detail);
}

/* On SIGHUP. Without TLS only a service manager gets here, with a reload that shall not be an end. */
static void renew(void)
{
    notify_reloading();
    if (the_one->tls)
        renew_tls();
    else
        logger_print(GR_LOG_INFO, "SIGHUP: without TLS nothing is to be read again");
    notify_reloaded();
}

static int start(serving *s)
{
    int code = start_runtime(s);
    if (code == EXIT_CLEAN) code = token_prepare(s);
    if (code == EXIT_CLEAN) code = load_tls(s);
    if (code == EXIT_CLEAN) code = configure_remote(s);
    if (code == EXIT_CLEAN) code = start_server(s);
    if (code == EXIT_CLEAN) code = configure_remote(s);
    if (code == EXIT_CLEAN) code = probe(s);
    if (code != EXIT_CLEAN) return code;
    the_one = s;
    int error = signals_start(serving_dump, s->tls || notify_is_on() ? renew : NULL, last_act);
    if (error == 0) return EXIT_CLEAN;
    logger_print(GR_LOG_ERROR, "no thread for signals: %s", strerror(error));
    return EXIT_FAILED;
}

/* Takes down what a start that failed has built. */
static void give_up(serving *s)
{
    if (s->server) (void)gr_http_stop(s->self, &s->server, GR_NOW);
    if (s->self) (void)gr_stop(GR_NOW);
    layers_free(s);
    gr_tls_free(&s->tls);
    gr_tls_free(&s->tls_probe);
}

/* A connection is a descriptor. The limit that a shell or a service manager gives is low for the sake of programs that use
 * select(2); here nothing does. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* else with what there is: without one, accepting waits */
}

static int serve(const serve_options *o)
{
    serving s = {.options = o};
    raise_descriptors();
    signals_block();
    logger_start(o->json);
    notify_open();
    int code = start(&s);
    if (code == EXIT_CLEAN) {
        gr_detach(&s.self); /* while it waits for signals, nobody can send to this thread, or kill it */
        banner_print(&s);
        notify_ready(gr_http_address(s.server));
        int number = signals_wait();
        gr_log(GR_LOG_INFO, "SIG%s: stopping; requests and actors have %g s to finish", sigabbrev_np(number),
               (double)o->drain_ms / 1000);
        code = serving_drain(&s);
        signals_stop();
        gr_log(GR_LOG_INFO, "stopped");
    } else {
        give_up(&s);
    }
    if (code != EXIT_DEADLINE) plugins_stop(); /* else actors of theirs may still run */
    token_forget(&s);
    notify_close();
    return code;
}

int serve_command(int argc, char **argv)
{
    serve_options o;
    int id = serve_options_read(argc, argv, &o);
    return id == CL_END ? serve(&o) : cl_exit_code(id);
}
