/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "readers.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <greenroom.h>
#include <greenroom/wsgi.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

const char *const reader_names[READERS] = {"greenroom", "nginx", "node"};

static char folder[64];
static pid_t children[READERS];
static gr_self *self;
static gr_http_server *server;

static void die(const char *what)
{
    fprintf(stderr, "differential: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- ours ---- */

static void to_hex(const char *text, char *out)
{
    for (; *text; text++) out += sprintf(out, "%02x", (unsigned char)*text);
    *out = '\0';
}

/* Answers when the whole body has come, and says what it has read. */
static int application(void *state, const gr_environ *env, gr_responder *respond)
{
    const char *body;
    size_t bytes;
    uint32_t hash = 2166136261u;
    char *text = gr_alloc(env->self, 2 * strlen(env->target) + 256);
    (void)state;
    int code = gr_input_all(env, &body, &bytes);
    if (code != 0 || !text) return code;
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ (unsigned char)body[i]) * 16777619u;
    int used = sprintf(text, "%s ", env->method);
    to_hex(env->target, text + used);
    sprintf(text + strlen(text), " %zu %u", bytes, hash);
    gr_header header = {"X-Seen", text};
    code = gr_response_start(respond, 200, &header, 1, 0);
    gr_free(env->self, text);
    return code;
}

static void start_ours(void)
{
    char address[128];
    gr_detail detail = {0};
    if (gr_start(NULL, &detail) != 0) die(detail.text);
    if (gr_attach(&self) != 0) die("gr_attach");
    snprintf(address, sizeof address, "unix:%s/greenroom.sock", folder);
    gr_http_options options = {
        .listen = address, .application = {application, NULL}, .requests_per_connection = 100000};
    if (gr_http_start(self, &options, &server) != 0) die("gr_http_start");
}

/* ---- the others ---- */

static pid_t start_child(char *const *words)
{
    pid_t child = fork();
    if (child < 0) die("fork");
    if (child > 0) return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    execvp(words[0], words);
    _exit(127);
}

static bool installed(const char *program)
{
    char command[64];
    snprintf(command, sizeof command, "command -v %s >/dev/null", program);
    if (system(command) == 0) return true;
    fprintf(stderr, "differential: %s is not installed\n", program);
    return false;
}

static void write_configuration(void)
{
    char path[128], line[512];
    FILE *from = fopen(GR_DIFFERENTIAL "/nginx.conf.in", "r");
    snprintf(path, sizeof path, "%s/nginx.conf", folder);
    FILE *to = fopen(path, "w");
    if (!from || !to) die(path);
    while (fgets(line, sizeof line, from)) {
        char *mark = strstr(line, "@FOLDER@");
        if (mark && line[strspn(line, " ")] != '#')
            fprintf(to, "%.*s%s%s", (int)(mark - line), line, folder, mark + 8);
        else
            fputs(line, to);
    }
    fclose(from);
    fclose(to);
}

static void wait_until_it_answers(int which)
{
    for (int fd = -1; fd < 0;) {
        fd = reader_connect(which);
        int status;
        if (fd >= 0)
            close(fd);
        else if (waitpid(children[which], &status, WNOHANG) != 0)
            die(reader_names[which]);
        else
            sched_yield();
    }
}

bool readers_start(void)
{
    char socket_path[128];
    if (!installed("nginx") || !installed("node")) return false;
    snprintf(folder, sizeof folder, "%s/greenroom-differential-XXXXXX", "/tmp");
    if (!mkdtemp(folder)) die(folder);
    write_configuration();
    snprintf(socket_path, sizeof socket_path, "%s/node.sock", folder);
    children[NGINX] = start_child((char *[]){"nginx", "-p", folder, "-c", "nginx.conf", "-e", "stderr", NULL});
    children[NODE] = start_child((char *[]){"node", GR_DIFFERENTIAL "/reference.js", socket_path, NULL});
    start_ours();
    for (int i = NGINX; i < READERS; i++) wait_until_it_answers(i);
    return true;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
    (void)about, (void)kind, (void)where;
    return remove(path);
}

void readers_stop(void)
{
    for (int i = NGINX; i < READERS; i++) {
        kill(children[i], SIGTERM);
        waitpid(children[i], NULL, 0);
    }
    if (gr_http_stop(self, &server, gr_after_s(30)) != 0) die("gr_http_stop");
    gr_detach(&self);
    if (gr_stop(gr_after_s(30)) != 0) die("gr_stop");
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int reader_connect(int which)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%.60s/%s.sock", folder, reader_names[which]);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) die("fcntl");
        return fd;
    }
    close(fd);
    return -1;
}

/* ---- what they say ---- */

/* Without scheme and authority; "/" for a path that is not there. */
static void keep_target(char *out, const char *target, size_t bytes)
{
    if (bytes >= 7 && strncasecmp(target, "http://", 7) == 0) {
        const char *end = target + bytes;
        target += 7;
        while (target < end && *target != '/' && *target != '?') target++;
        bytes = (size_t)(end - target);
    }
    if (bytes == 0 || *target == '?') *out++ = '/';
    snprintf(out, TARGET_BYTES - 1, "%.*s", (int)bytes, target);
}

static void keep_hex(char *out, const char *hex, size_t digits)
{
    char text[TARGET_BYTES] = "";
    size_t bytes = digits / 2 < TARGET_BYTES - 1 ? digits / 2 : TARGET_BYTES - 1;
    for (size_t i = 0; i < bytes; i++) {
        unsigned byte = 0;
        sscanf(hex + 2 * i, "%2x", &byte);
        text[i] = (char)byte;
    }
    keep_target(out, text, strlen(text));
}

/* METHOD TARGET, or with has_body METHOD HEX BYTES HASH. */
static void keep_seen(reading *r, const char *text, size_t bytes, bool has_body)
{
    const char *blank = memchr(text, ' ', bytes), *end = text + bytes;
    if (r->count == SEEN_MAX || !blank) {
        r->strange = true;
        return;
    }
    snprintf(r->seen[r->count].method, sizeof r->seen->method, "%.*s", (int)(blank - text), text);
    const char *target = blank + 1, *target_end = has_body ? memchr(target, ' ', (size_t)(end - target)) : end;
    if (!target_end) target_end = end;
    if (has_body) {
        char rest[64];
        keep_hex(r->seen[r->count].target, target, (size_t)(target_end - target));
        snprintf(rest, sizeof rest, "%.*s", (int)(end - target_end), target_end);
        r->seen[r->count].bytes = strtoull(rest, NULL, 10);
        r->seen[r->count].hash = strrchr(rest, ' ') ? strtoull(strrchr(rest, ' '), NULL, 10) : 0;
    } else {
        keep_target(r->seen[r->count].target, target, (size_t)(target_end - target));
    }
    r->seen[r->count++].has_body = has_body;
}

/* A field's value in a head; NULL without. */
static const char *field(const char *head, size_t bytes, const char *name, size_t *ret_bytes)
{
    size_t length = strlen(name);
    for (const char *at = head, *end = head + bytes; at < end;) {
        const char *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
        if (!line_end) return NULL;
        if ((size_t)(line_end - at) > length + 1 && strncasecmp(at, name, length) == 0 && at[length] == ':') {
            *ret_bytes = (size_t)(line_end - at) - length - 2;
            return at + length + 2;
        }
        at = line_end + 2;
    }
    return NULL;
}

/* Answers without bodies, up to one that refuses. */
static void understand_answers(const char *text, size_t bytes, bool has_body, reading *r)
{
    while (bytes > 0 && !r->strange) {
        if (bytes > 6 && memcmp(text, "<html>", 6) == 0) { /* a refusal without a head: it took that for HTTP/0.9 */
            r->refused = 400;
            return;
        }
        const char *end = memmem(text, bytes, "\r\n\r\n", 4);
        int status = 0;
        size_t value_bytes;
        if (!end || sscanf(text, "HTTP/1.1 %d", &status) != 1) {
            r->strange = true;
            return;
        }
        size_t head = (size_t)(end - text) + 4;
        const char *seen = field(text, head, "X-Seen", &value_bytes);
        const char *connection;
        if (status >= 300 || (status >= 200 && !seen)) {
            r->refused = status;
            return;
        }
        if (status >= 200) {
            keep_seen(r, seen, value_bytes, has_body);
            connection = field(text, head, "Connection", &value_bytes);
            r->closed = connection && value_bytes == 5 && memcmp(connection, "close", 5) == 0;
        }
        text += head;
        bytes -= head;
    }
}

static void understand_lines(const char *text, size_t bytes, reading *r)
{
    const char *end = text + bytes;
    while (text < end) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        if (!line_end) break;
        if (strncmp(text, "SEEN ", 5) == 0)
            keep_seen(r, text + 5, (size_t)(line_end - text) - 5, true);
        else if (strncmp(text, "END UPGRADE", 11) == 0 || strncmp(text, "END HPE_CLOSED_CONNECTION", 25) == 0)
            r->closed = true;
        else if (strncmp(text, "END ", 4) == 0 && strncmp(text, "END eof", 7) != 0) {
            r->refused = 400;
            snprintf(r->why, sizeof r->why, "%.*s", (int)(line_end - text) - 4, text + 4);
        }
        text = line_end + 1;
    }
}

void reader_understand(int which, const char *text, size_t bytes, reading *ret_reading)
{
    memset(ret_reading, 0, sizeof *ret_reading);
    if (which == NODE)
        understand_lines(text, bytes, ret_reading);
    else
        understand_answers(text, bytes, which == OURS, ret_reading);
}
