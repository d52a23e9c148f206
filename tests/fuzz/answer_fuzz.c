/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Answers of HTTP servers, as the client reads them: the same whether they come in one piece or in two, and never more than was
 * allowed. Sent over a Unix socket of this process. */
#include "base/check.h"
#include "io/fetch.h"
#include "io/socket.h"

#include <greenroom.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { BYTES_MAX = 60000, BODY_MAX = 20000 }; /* what a socket takes while nobody reads */

static gr_self *self;
static gr_socket listener;
static gr_address writer;
static char address[64];

/* Writes what is left while the reader reads. */
static void write_rest(gr_self *me, gr_value args)
{
    (void)args;
    for (gr_message *m = NULL; gr_receive(me, &m, GR_FOREVER) == 0; gr_message_free(&m)) {
        gr_socket near = {(uint64_t)gr_int(gr_get(gr_body(m), "socket"), 0)};
        size_t bytes = 0;
        const void *data = gr_bytes(gr_get(gr_body(m), "rest"), &bytes);
        if (gr_socket_adopt(me, near) != 0) abort();
        int code = gr_write(me, near, data, bytes, GR_FOREVER);
        GRI_ASSERT(code == 0 || code == GR_ECLOSED || code == GR_EKILLED); /* the reader has seen enough */
        (void)gr_close(me, near);
    }
}

static void begin(void)
{
    if (self) return;
    snprintf(address, sizeof address, "unix:@answer-fuzz-%ld", (long)getpid());
    if (gr_start(NULL, NULL) != 0 || gr_attach(&self) != 0 || gr_listen(self, &listener, address, NULL) != 0) abort();
    if (gr_spawn(self, &writer, write_rest, "n") != 0) abort();
}

typedef struct result {
    int code, status;
    bool reusable, begun;
    size_t bytes;
    char body[BODY_MAX + 1];
} result;

static void check_response(const gr_response *r, result *ret)
{
    size_t bytes = 0;
    const char *body = gr_response_body(r, &bytes);
    ret->status = gr_response_status(r);
    GRI_ASSERT(ret->status >= 200 && ret->status <= 999);
    GRI_ASSERT(body && bytes <= BODY_MAX && body[bytes] == '\0');
    GRI_ASSERT(!gr_response_header(r, ""));
    (void)gr_response_header(r, "content-length");
    ret->bytes = bytes;
    memcpy(ret->body, body, bytes);
}

static void read_answer(const char *data, size_t bytes, size_t first, bool is_head, result *ret)
{
    gr_socket near, far;
    gr_response *r = NULL;
    if (gr_connect(self, &near, address, GR_FOREVER) != 0 || gr_accept(self, listener, &far, GR_FOREVER) != 0) abort();
    if (gr_write(self, near, data, first, GR_NOW) != 0) abort();
    if (first == bytes)
        (void)gr_close(self, near);
    else if (gr_cast(self, writer, "{s:I, s:B}", "socket", (int64_t)near.id, "rest", data + first, bytes - first) != 0)
        abort();
    memset(ret, 0, sizeof *ret);
    ret->code = gri_fetch_read(self, far, is_head, BODY_MAX, GR_FOREVER, &r, &ret->reusable, &ret->begun);
    if (ret->code == 0) check_response(r, ret);
    gr_response_free(self, &r);
    (void)gr_close(self, far);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static result whole, parts;
    static char text[BYTES_MAX + 32];
    if (bytes == 0) return 0;
    begin();
    /* What is no answer becomes the fields and the body of one. */
    size_t used = memcmp(data, "HTTP/", bytes < 5 ? bytes : 5) == 0 ? 0 : (size_t)sprintf(text, "HTTP/1.1 200 OK\r\n");
    bytes = bytes < BYTES_MAX ? bytes : BYTES_MAX;
    memcpy(text + used, data, bytes);
    bytes += used;
    bool is_head = data[0] & 1;
    read_answer(text, bytes, bytes, is_head, &whole);
    read_answer(text, bytes, (size_t)data[0] * 7 % bytes, is_head, &parts);
    GRI_ASSERT(whole.code == parts.code && whole.status == parts.status && whole.bytes == parts.bytes);
    GRI_ASSERT(memcmp(whole.body, parts.body, whole.bytes) == 0);
    return 0;
}
