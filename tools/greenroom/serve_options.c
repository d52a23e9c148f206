/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The options of greenroom serve. A new one is a row in SERVE_OPTIONS, a function read_<name> below, a field of serve_options,
 * and a paragraph in tools/manual/greenroom-serve.1; the parser, its errors, --help and completion are made from the row, and
 * tests/command/manual_check compares the manual with it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "greenroom/command.h"
#include "greenroom/command_line.h"
#include "greenroom/serving.h"

enum {
    DRAIN_MS = 8000, /* containers are killed 10 s after they were asked to end */
    DRAIN_S_MAX = 86400
};

#define RATE_MIN 0.01
#define RATE_MAX 100000.0
#define CONNECTIONS_MAX 1000000
#define LINE_BYTES_MIN 64
#define HEAD_BYTES_MIN 256 /* what curl sends has a hundred */
#define HEAD_BYTES_MAX 65535
#define HEAD_BYTES 16384 /* the default, see gr_http_options */
#define FIELDS_MAX 1000
#define BODY_BYTES_MAX (1u << 30) /* a value has no more */
#define TIMEOUT_S_MIN 0.1
#define TIMEOUT_S_MAX 86400.0
#define PROXIES_MAX 16 /* as middleware.h */

/* X(name, option, argument or NULL, the words allowed as argument or NULL, text for --help) */
#define SERVE_OPTIONS(X) \
    X(listen, "--listen", "ADDR", NULL, \
      "127.0.0.1:7580 (the default), [::1]:0, *:80, unix:/run/greenroom/greenroom.sock, or a port") \
    X(allow_host, "--allow-host", "HOST", NULL, \
      "a name this server answers for besides localhost, as NAME or NAME:PORT;\nmay be repeated") \
    X(unix_mode, "--unix-mode", "MODE", NULL, \
      "permissions of a Unix socket, as chmod takes them; 600. 660 lets a proxy of the same group in") \
    X(open, "--open", NULL, NULL, "no token: everybody on this machine may do everything; loopback only") \
    X(insecure, "--insecure", NULL, NULL, "allows an address that other machines can reach, in plain text") \
    X(tls_cert, "--tls-cert", "FILE", NULL, \
      "https only: our certificate and those up to the authority, PEM; then\nother machines may connect without " \
      "--insecure") \
    X(tls_key, "--tls-key", "FILE", NULL, \
      "its private key, PEM, without a password; default: in the certificate's file") \
    X(token_file, "--token-file", "FILE", NULL, \
      "the token is what this file holds; made, with mode 0600, if there is none") \
    X(public_url, "--public-url", "URL", NULL, \
      "where other processes reach this server, or auto: as it listens. Addresses in\nanswers and messages to them " \
      "are " \
      "URLs below it") \
    X(remote_tokens, "--remote-tokens", "FILE", NULL, \
      "tokens for other servers: a line \"URL TOKEN\" each; mode 0600") \
    X(remote_ca, "--remote-ca", "FILE", NULL, \
      "whose certificates https servers of actors must have, PEM; default: the\nsystem's authorities") \
    X(log, "--log", "FORMAT", "text json", "text (the default) or json: how log lines on stderr look") \
    X(log_level, "--log-level", "LEVEL", "off error warn info debug", \
      "off, error, warn, info (the default) or debug; wins over GREENROOM_LOG") \
    X(drain, "--drain", "SECONDS", NULL, "how long requests and actors may take to finish after a signal; 8") \
    X(access_log, "--access-log", "FORMAT", "off text json", \
      "off (the default), text (combined format) or json: a line per request on stderr,\nbut for probes of livez and " \
      "readyz") \
    X(connections, "--connections", "N", NULL, \
      "in all, event streams (half of them at most) included; beyond: 503. 1000") \
    X(address_connections, "--connections-per-address", "N", NULL, \
      "of an IPv4 address or an IPv6 /64 other than loopback; beyond: 429. 50") \
    X(line_bytes, "--line-bytes", "N", NULL, "of a request's first line, which has the path; beyond: 414. 4096") \
    X(head_bytes, "--head-bytes", "N", NULL, \
      "of a request's first line and fields; beyond: 431. 16384, at most 65535") \
    X(head_fields, "--head-fields", "N", NULL, "of a request; beyond: 431. 64") \
    X(body_bytes, "--body-bytes", "N", NULL, "of a request's body, which is read into memory; beyond: 413. 1048576") \
    X(head_timeout, "--head-timeout", "SECONDS", NULL, \
      "from a head's first byte to its last, a new connection's from its beginning, with the\nhandshake of TLS; " \
      "beyond: 408. 10") \
    X(body_timeout, "--body-timeout", "SECONDS", NULL, "for the whole body; beyond: 408. 30") \
    X(write_timeout, "--write-timeout", "SECONDS", NULL, \
      "for the client to take each piece of an answer; beyond: the connection closes. 30") \
    X(idle_timeout, "--idle-timeout", "SECONDS", NULL, \
      "between two requests of a connection; beyond: it closes. 15. A proxy in front should\nclose what it keeps " \
      "sooner") \
    X(connection_requests, "--requests-per-connection", "N", NULL, "then it closes. 1000") \
    X(rate, "--rate", "N", NULL, \
      "requests a second from one address, ten seconds' worth at once; beyond: 429 and\nRetry-After. 0 (the " \
      "default): any") \
    X(behind_proxy, "--behind-proxy", NULL, NULL, \
      "--rate and --access-log mean the address that the proxy in front wrote last into\nX-Forwarded-For: --proxies " \
      "1") \
    X(proxies, "--proxies", "N", NULL, \
      "so many proxies, one behind the other: the address that the outermost of them wrote,\nwhich is the one so " \
      "many " \
      "from the end; 0 (the default): the peer's own") \
    X(gzip, "--gzip", "WHEN", "on off", "on (the default): large answers are compressed for those who take it") \
    X(plugin, "--plugin", "NAME", NULL, \
      "loads NAME.so: behaviours of yours to spawn (greenroom/plugin.h); may be repeated") \
    X(plugin_dir, "--plugin-dir", "DIR", NULL, \
      "the folder of plugins, which nobody but its owner may write; without it\n~/.local/share/greenroom/plugins, or " \
      "that of the " \
      "installation")

#define ENUMERATOR(name, option, argument, words, text) OPTION_##name,
enum { OPTION_NONE, SERVE_OPTIONS(ENUMERATOR) };
#undef ENUMERATOR

#define ROW(name, option, argument, words, text) {OPTION_##name, option, argument, words, text},
static const cl_option options[] = {SERVE_OPTIONS(ROW)};
#undef ROW

static void more_help(void)
{
    puts(
        "\nA token guards every request that changes something: \"Authorization: Bearer TOKEN\". It is new at every "
        "start\n"
        "unless --token-file keeps it, and is shown to a terminal only.\n"
        "\n"
        "Signals: SIGTERM, SIGINT and SIGHUP drain: /-/readyz answers 503, new requests are refused, those in flight\n"
        "and the actors' mailboxes are worked off, then actors are killed. A second one exits at once.\n"
        "With TLS, SIGHUP reads the certificate and the key again; connections stay, and bad files change nothing.\n"
        "As a service (NOTIFY_SOCKET, systemd) it does nothing without TLS, and the manager is told of start and end.\n"
        "SIGQUIT logs all workers and actors, what each does or waits for and since when, and goes on.\n"
        "Also as process 1 of a container, where it reaps orphans.\n"
        "\nExit codes:");
#define EXIT_LINE(name, number, text) printf("  %3d  %s\n", number, text);
    EXIT_CODES(EXIT_LINE)
#undef EXIT_LINE
    puts("  128 + N  a second signal, number N, ended it at once\n"
         "\nThe GREENROOM_ variables tune the runtime: greenroom env.");
}

const cl_command serve_line = {
    .name = "serve",
    .text = "Shows the actors of a runtime over HTTP, with demo behaviours to spawn, and plugins.",
    .options = options,
    .count = sizeof options / sizeof *options,
    .more = more_help,
};

/* ---- reading: each stores what its option says, 0, or the code of cl_error ---- */

/* "8080" is a port of 127.0.0.1, and so is "localhost:8080": sockets know addresses only. */
static int read_listen(serve_options *o, const char *value)
{
    static char made[64];
    const char *port = strncmp(value, "localhost:", 10) == 0 ? value + 10 : value;
    if (*port && strlen(port) <= 5 && strspn(port, "0123456789") == strlen(port)) {
        snprintf(made, sizeof made, "127.0.0.1:%s", port);
        value = made;
    }
    o->listen = value;
    return 0;
}

static int read_allow_host(serve_options *o, const char *value)
{
    if (o->host_count == HOSTS_MAX) return cl_error(&serve_line, "at most %d times --allow-host", HOSTS_MAX);
    if (!*value || strpbrk(value, "/ "))
        return cl_error(&serve_line, "--allow-host is '%s': a name, or name:port", value);
    o->hosts[o->host_count++] = value;
    return 0;
}

static int read_unix_mode(serve_options *o, const char *value)
{
    char *end = NULL;
    unsigned long mode = strtoul(value, &end, 8);
    if (*value < '0' || *value > '7' || *end || mode == 0 || mode > 0777)
        return cl_error(&serve_line, "--unix-mode is '%s': 1 to 777, octal", value);
    o->unix_mode = (unsigned)mode;
    return 0;
}

static int read_open(serve_options *o, const char *value)
{
    (void)value;
    o->open = true;
    return 0;
}

static int read_insecure(serve_options *o, const char *value)
{
    (void)value;
    o->insecure = true;
    return 0;
}

static int read_tls_cert(serve_options *o, const char *value)
{
    o->tls_cert = value;
    return 0;
}

static int read_tls_key(serve_options *o, const char *value)
{
    o->tls_key = value;
    return 0;
}

static int read_token_file(serve_options *o, const char *value)
{
    if (!*value || strlen(value) >= PATH_BYTES) return cl_error(&serve_line, "--token-file needs the path of a file");
    o->token_file = value;
    return 0;
}

static int read_public_url(serve_options *o, const char *value)
{
    o->public_url = value;
    return 0;
}

static int read_remote_tokens(serve_options *o, const char *value)
{
    o->remote_tokens = value;
    return 0;
}

static int read_remote_ca(serve_options *o, const char *value)
{
    o->remote_ca = value;
    return 0;
}

static int read_log(serve_options *o, const char *value)
{
    o->json = strcmp(value, "json") == 0;
    return 0;
}

static int read_log_level(serve_options *o, const char *value)
{
    o->log_level = value;
    return 0;
}

static int read_drain(serve_options *o, const char *value)
{
    char *end = NULL;
    double seconds = strtod(value, &end);
    if (end == value || *end || !(seconds >= 0 && seconds <= DRAIN_S_MAX))
        return cl_error(&serve_line, "--drain is '%s': 0 to %d seconds", value, DRAIN_S_MAX);
    o->drain_ms = (int64_t)(seconds * 1000);
    return 0;
}

static int read_access_log(serve_options *o, const char *value)
{
    o->access_log = value;
    return 0;
}

static int read_rate(serve_options *o, const char *value)
{
    char *end = NULL;
    double rate = strtod(value, &end);
    if (end == value || *end || !(rate == 0 || (rate >= RATE_MIN && rate <= RATE_MAX)))
        return cl_error(&serve_line, "--rate is '%s': %g to %g a second, or 0", value, RATE_MIN, RATE_MAX);
    o->rate = rate;
    return 0;
}

static int read_behind_proxy(serve_options *o, const char *value)
{
    (void)value;
    o->proxies = 1;
    return 0;
}

/* Digits and nothing else. */
static int read_count(const char *option, const char *value, unsigned least, unsigned most, uint32_t *ret_count)
{
    unsigned long count = strtoul(value, NULL, 10);
    if (!*value || strspn(value, "0123456789") != strlen(value) || count < least || count > most)
        return cl_error(&serve_line, "%s is '%s': %u to %u", option, value, least, most);
    *ret_count = (uint32_t)count;
    return 0;
}

static int read_proxies(serve_options *o, const char *value)
{
    return read_count("--proxies", value, 0, PROXIES_MAX, &o->proxies);
}

#define COUNT_READER(name, option, field, least, most) \
    static int read_##name(serve_options *o, const char *value) \
    { \
        return read_count(option, value, least, most, &o->limits.field); \
    }
COUNT_READER(connections, "--connections", connections, 1, CONNECTIONS_MAX)
COUNT_READER(address_connections, "--connections-per-address", connections_per_address, 1, CONNECTIONS_MAX)
COUNT_READER(connection_requests, "--requests-per-connection", requests_per_connection, 1, UINT32_MAX)
COUNT_READER(line_bytes, "--line-bytes", line_bytes, LINE_BYTES_MIN, HEAD_BYTES_MAX)
COUNT_READER(head_bytes, "--head-bytes", head_bytes, HEAD_BYTES_MIN, HEAD_BYTES_MAX)
COUNT_READER(head_fields, "--head-fields", fields, 1, FIELDS_MAX)
#undef COUNT_READER

static int read_body_bytes(serve_options *o, const char *value)
{
    unsigned bytes = 0;
    int code = read_count("--body-bytes", value, 1, BODY_BYTES_MAX, &bytes);
    o->limits.body_bytes = bytes;
    return code;
}

static int read_timeout(const char *option, const char *value, uint32_t *ret_ms)
{
    char *end = NULL;
    double seconds = strtod(value, &end);
    if (end == value || *end || !(seconds >= TIMEOUT_S_MIN && seconds <= TIMEOUT_S_MAX))
        return cl_error(&serve_line, "%s is '%s': %g to %g seconds", option, value, TIMEOUT_S_MIN, TIMEOUT_S_MAX);
    *ret_ms = (uint32_t)(seconds * 1000);
    return 0;
}

#define TIMEOUT_READER(name, option, field) \
    static int read_##name(serve_options *o, const char *value) \
    { \
        return read_timeout(option, value, &o->limits.field); \
    }
TIMEOUT_READER(head_timeout, "--head-timeout", head_ms)
TIMEOUT_READER(body_timeout, "--body-timeout", body_ms)
TIMEOUT_READER(write_timeout, "--write-timeout", write_ms)
TIMEOUT_READER(idle_timeout, "--idle-timeout", idle_ms)
#undef TIMEOUT_READER

static int read_gzip(serve_options *o, const char *value)
{
    o->gzip = strcmp(value, "on") == 0;
    return 0;
}

static int read_plugin(serve_options *o, const char *value)
{
    if (o->plugin_count == PLUGINS_MAX) return cl_error(&serve_line, "at most %d times --plugin", PLUGINS_MAX);
    o->plugins[o->plugin_count++] = value;
    return 0;
}

static int read_plugin_dir(serve_options *o, const char *value)
{
    if (!*value) return cl_error(&serve_line, "--plugin-dir needs the path of a folder");
    o->plugin_dir = value;
    return 0;
}

#define READER(name, option, argument, words, text) [OPTION_##name] = read_##name,
static int (*const readers[])(serve_options *o, const char *value) = {SERVE_OPTIONS(READER)};
#undef READER

static bool is_local(const char *listen)
{
    return strncmp(listen, "127.", 4) == 0 || strncmp(listen, "[::1]:", 6) == 0 || strncmp(listen, "unix:", 5) == 0;
}

/* Can a URL be made of it? */
static bool has_own_url(const char *listen)
{
    return strncmp(listen, "unix:", 5) != 0 && strncmp(listen, "*:", 2) != 0 && strncmp(listen, "0.0.0.0:", 8) != 0 &&
           strncmp(listen, "[::]:", 5) != 0;
}

/* What does not go together. */
static int check(serve_options *o)
{
    if (o->plugin_dir && !o->plugin_count) return cl_error(&serve_line, "--plugin-dir without --plugin loads nothing");
    o->exposed = !is_local(o->listen);
    if (o->open && o->exposed)
        return cl_error(&serve_line,
                        "--open is for loopback addresses and Unix sockets; %s can be reached from other machines",
                        o->listen);
    if (o->open && o->token_file) return cl_error(&serve_line, "--open and --token-file contradict each other");
    if (o->public_url && strcmp(o->public_url, "auto") == 0 && !has_own_url(o->listen))
        return cl_error(&serve_line, "--public-url auto: others cannot reach %s by that name; give the URL", o->listen);
    const uint32_t head_bytes = o->limits.head_bytes ? o->limits.head_bytes : HEAD_BYTES;
    if (o->limits.line_bytes > head_bytes)
        return cl_error(&serve_line, "--line-bytes is %u, more than the whole head may have: --head-bytes is %u",
                        o->limits.line_bytes, head_bytes);
    if (o->tls_key && !o->tls_cert) return cl_error(&serve_line, "--tls-key without --tls-cert");
    if (o->tls_cert && o->insecure) return cl_error(&serve_line, "--tls-cert and --insecure contradict each other");
    if (o->exposed && !o->insecure && !o->tls_cert)
        return cl_error(&serve_line,
                        "%s can be reached from other machines, in plain text: give --tls-cert, or say --insecure if "
                        "that is meant",
                        o->listen);
    return 0;
}

int serve_options_read(int argc, char **argv, serve_options *ret_options)
{
    cl_parser parser = {&serve_line, argc, argv, 0};
    const char *value;
    int id;
    *ret_options = (serve_options){.listen = "127.0.0.1:7580", .drain_ms = DRAIN_MS, .access_log = "off", .gzip = true};
    while ((id = cl_next(&parser, &value)) > 0) {
        int code = readers[id](ret_options, value);
        if (code != 0) return code;
    }
    return id == CL_END ? check(ret_options) : id;
}
