/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static void fail(const char *why)
{
    fprintf(stderr, "client: %s\n", why);
    abort();
}

static socklen_t parse(const char *address, struct sockaddr_storage *storage)
{
    char host[128];
    const char *colon = strrchr(address, ':');
    if (strncmp(address, "unix:", 5) == 0) {
        struct sockaddr_un *un = (struct sockaddr_un *)storage;
        un->sun_family = AF_UNIX;
        snprintf(un->sun_path, sizeof un->sun_path, "%s", address + 5);
        return sizeof *un;
    }
    if (address[0] == '[') {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)storage;
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((unsigned short)atoi(colon + 1));
        snprintf(host, sizeof host, "%.*s", (int)(colon - address - 2), address + 1);
        if (inet_pton(AF_INET6, host, &six->sin6_addr) != 1) fail(address);
        return sizeof *six;
    }
    struct sockaddr_in *four = (struct sockaddr_in *)storage;
    four->sin_family = AF_INET;
    four->sin_port = htons((unsigned short)atoi(colon + 1));
    snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
    if (inet_pton(AF_INET, host, &four->sin_addr) != 1) fail(address);
    return sizeof *four;
}

/* Connects; whether that worked. */
static bool reach(const char *address, client *ret_client)
{
    struct sockaddr_storage storage = {0};
    socklen_t bytes = parse(address, &storage);
    client c = {.fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct timeval patience = {120, 0};
    if (c.fd < 0 || setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0) fail("no socket");
    *ret_client = c;
    return connect(c.fd, (struct sockaddr *)&storage, bytes) == 0;
}

client client_open(const char *address)
{
    client c;
    if (!reach(address, &c)) fail("cannot connect");
    return c;
}

bool client_accepted(const char *address)
{
    client c;
    bool accepted = reach(address, &c);
    client_close(&c);
    return accepted;
}

ssize_t client_recv(int fd, void *bytes, size_t count, int flags)
{
    return TEMP_FAILURE_RETRY(recv(fd, bytes, count, flags));
}

bool client_send(client *c, const char *bytes, size_t count)
{
    while (count) {
        ssize_t sent = TEMP_FAILURE_RETRY(send(c->fd, bytes, count, MSG_NOSIGNAL));
        if (sent <= 0) return false;
        bytes += sent;
        count -= (size_t)sent;
    }
    return true;
}

void client_say(client *c, const char *text)
{
    if (!client_send(c, text, strlen(text))) fail("the server does not listen any more");
}

/* Receives something; false at the end. */
static bool more(client *c)
{
    c->buffer = realloc(c->buffer, c->held + 65536 + 1);
    if (!c->buffer) fail("out of memory");
    ssize_t bytes = client_recv(c->fd, c->buffer + c->held, 65536, 0);
    if (bytes < 0) {
        perror("client: recv");
        fail(c->held ? "the answer does not end" : "no answer");
    }
    c->held += (size_t)bytes;
    c->buffer[c->held] = '\0';
    return bytes > 0;
}

static void drop(client *c, size_t bytes)
{
    memmove(c->buffer, c->buffer + bytes, c->held - bytes + 1);
    c->held -= bytes;
}

static void take(client *c, answer *a, size_t bytes)
{
    while (c->held < bytes)
        if (!more(c)) fail("the body is cut off");
    a->body = realloc(a->body, a->body_bytes + bytes + 1);
    if (!a->body) fail("out of memory");
    memcpy(a->body + a->body_bytes, c->buffer, bytes);
    a->body_bytes += bytes;
    a->body[a->body_bytes] = '\0';
    drop(c, bytes);
}

/* Appends one chunk; false: it was the last. */
static bool take_chunk(client *c, answer *a)
{
    char *end;
    while (!c->held || !strstr(c->buffer, "\r\n"))
        if (!more(c)) fail("a chunk is cut off");
    size_t bytes = strtoul(c->buffer, &end, 16);
    if (strncmp(end, "\r\n", 2) != 0) fail("a malformed chunk");
    drop(c, (size_t)(end - c->buffer) + 2);
    take(c, a, bytes);
    while (c->held < 2)
        if (!more(c)) fail("a chunk's end is cut off");
    if (strncmp(c->buffer, "\r\n", 2) != 0) fail("a malformed chunk end");
    drop(c, 2);
    return bytes > 0;
}

char *client_chunk(client *c, size_t *ret_bytes)
{
    answer a = {.body = calloc(1, 1)};
    if (take_chunk(c, &a)) {
        *ret_bytes = a.body_bytes;
        return a.body;
    }
    free(a.body);
    return NULL;
}

const char *answer_header(const answer *a, const char *name)
{
    static char value[1024];
    size_t bytes = strlen(name);
    for (const char *at = strstr(a->head, "\r\n"); at && at[2]; at = strstr(at + 2, "\r\n")) {
        if (strncasecmp(at + 2, name, bytes) != 0 || strncmp(at + 2 + bytes, ": ", 2) != 0) continue;
        const char *from = at + 4 + bytes;
        snprintf(value, sizeof value, "%.*s", (int)(strstr(from, "\r\n") - from), from);
        return value;
    }
    return NULL;
}

bool client_head(client *c, answer *ret_answer)
{
    answer *a = ret_answer;
    *a = (answer){.body = calloc(1, 1)};
    char *end;
    while (!c->held || !(end = strstr(c->buffer, "\r\n\r\n"))) {
        if (more(c)) continue;
        if (c->held) fail("the head is cut off");
        free(a->body);
        a->body = NULL;
        return false;
    }
    size_t bytes = (size_t)(end - c->buffer) + 2;
    if (bytes >= sizeof a->head) fail("a very long head");
    memcpy(a->head, c->buffer, bytes);
    drop(c, bytes + 2);
    if (sscanf(a->head, "HTTP/1.1 %d ", &a->status) != 1) fail(a->head);
    const char *value = answer_header(a, "Connection");
    a->closes = value && strcasecmp(value, "close") == 0;
    value = answer_header(a, "Transfer-Encoding");
    a->chunked = value && strcmp(value, "chunked") == 0;
    value = answer_header(a, "Content-Length");
    if (a->chunked && value) fail("Content-Length and chunks");
    return true;
}

bool client_answer(client *c, bool head_only, answer *ret_answer)
{
    answer *a = ret_answer;
    if (!client_head(c, a)) return false;
    const char *value = answer_header(a, "Content-Length");
    if (head_only || a->status == 304 || a->status == 204 || a->status < 200) return true;
    if (a->chunked) {
        while (take_chunk(c, a)) {}
    } else if (value) {
        take(c, a, strtoul(value, NULL, 10));
    } else {
        while (more(c)) {}
        take(c, a, c->held);
    }
    return true;
}

bool client_closed(client *c)
{
    if (c->held) return false;
    c->buffer = realloc(c->buffer, 65536 + 1);
    ssize_t bytes = c->buffer ? client_recv(c->fd, c->buffer, 65536, 0) : -1;
    if (bytes > 0) c->held = (size_t)bytes;
    return bytes <= 0; /* 0, or reset */
}

void client_close(client *c)
{
    if (c->fd >= 0) close(c->fd);
    free(c->buffer);
    *c = (client){.fd = -1};
}

void answer_free(answer *a)
{
    free(a->body);
    a->body = NULL;
}

answer client_request(const char *address, const char *method, const char *path, const char *headers, const char *body)
{
    client c = client_open(address);
    size_t bytes = body ? strlen(body) : 0, room = bytes + strlen(path) + strlen(headers) + 256;
    char *text = malloc(room);
    answer a;
    if (!text) fail("out of memory");
    int used =
        snprintf(text, room, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s", method, path, headers);
    if (body) used += snprintf(text + used, room - (size_t)used, "Content-Length: %zu\r\n", bytes);
    snprintf(text + used, room - (size_t)used, "\r\n%s", body ? body : "");
    client_say(&c, text);
    free(text);
    if (!client_answer(&c, strcmp(method, "HEAD") == 0, &a)) fail("no answer");
    if (!client_closed(&c)) fail("the connection stays open");
    client_close(&c);
    return a;
}
