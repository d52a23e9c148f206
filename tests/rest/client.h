/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A blocking HTTP client of plain sockets: what is on the other side of the wire must not be our own code. Fails the test on
 * anything unexpected; gives up after two minutes. */
#ifndef GR_TESTS_REST_CLIENT_H
#define GR_TESTS_REST_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct client {
    int fd;
    char *buffer; /* received, not yet taken; malloc'd */
    size_t held;
} client;

typedef struct answer {
    int status;
    char head[4096]; /* status line and fields, NUL-terminated */
    char *body;      /* malloc'd, NUL-terminated */
    size_t body_bytes;
    bool closes, chunked;
} answer;

/* "127.0.0.1:7580", "[::1]:7580" or "unix:/path" */
client client_open(const char *address);
/* Does anybody accept connections there? */
bool client_accepted(const char *address);
/* recv, and once more where this process was stopped and goes on: with a timeout the kernel does not do it by itself. */
ssize_t client_recv(int fd, void *bytes, size_t count, int flags);
/* false: the server has closed. */
bool client_send(client *c, const char *bytes, size_t count);
void client_say(client *c, const char *text);
/* The next answer; `head_only` for answers to HEAD. False: the server closed before the first byte. */
bool client_answer(client *c, bool head_only, answer *ret_answer);
/* The same without its body. */
bool client_head(client *c, answer *ret_answer);
/* One chunk of a body, malloc'd and NUL-terminated; NULL: it was the last. */
char *client_chunk(client *c, size_t *ret_bytes);
/* Has the server closed? Waits for it or for a byte. */
bool client_closed(client *c);
void client_close(client *c);

/* The value of a header, in a static buffer; NULL without. */
const char *answer_header(const answer *a, const char *name);
void answer_free(answer *a);

/* One request on a connection of its own. `headers` are lines with CRLF; body may be NULL. */
answer client_request(const char *address, const char *method, const char *path, const char *headers, const char *body);

#endif
