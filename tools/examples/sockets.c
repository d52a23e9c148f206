/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* README.md shows this file from the first #include on.
 * Prints: HELLO */
#include <ctype.h>
#include <greenroom.h>
#include <stdio.h>
#include <string.h>

/* One connection: a server without a stack while it waits. What the client sends arrives as messages, one at a time. */
static int start(gr_self *self, void *state, gr_value args)
{
    gr_socket *socket = state;
    socket->id = (uint64_t)gr_int(args, 0);
    int code = gr_socket_adopt(self, *socket); /* closed when this actor ends, however it ends */
    return code != 0 ? code : gr_socket_active(self, *socket, GR_ACTIVE_ONCE, 0);
}

static void on_message(gr_self *self, void *state, gr_message *m)
{
    gr_socket *socket = state;
    char answer[4096];
    size_t bytes = 0;
    const char *data = gr_bytes(gr_get(gr_body(m), "data"), &bytes);
    for (size_t i = 0; i < bytes; i++) answer[i] = (char)toupper((unsigned char)data[i]);
    if (!data ||
        gr_write(self, *socket, answer, bytes, gr_after_s(10)) != 0 || /* {"actnet": "tcp_close", …} has no data */
        gr_socket_active(self, *socket, GR_ACTIVE_ONCE, 0) != 0)
        gr_server_end(self);
}

static const gr_server upper = {.state_bytes = sizeof(gr_socket), .start = start, .on_message = on_message};

static void serve(gr_self *self, gr_value args)
{
    gr_socket listener = {(uint64_t)gr_int(args, 0)}, connection;
    gr_address one;
    if (gr_socket_adopt(self, listener) != 0) return;
    while (gr_accept(self, listener, &connection, GR_FOREVER) == 0)
        if (gr_spawn_server(self, &one, &upper, NULL, "I", (int64_t)connection.id) != 0) return;
}

int main(void)
{
    gr_self *self;
    gr_address server;
    gr_socket listener, socket;
    char address[GR_SOCKET_TEXT_BYTES], answer[6] = "";
    size_t bytes = 0;
    if (gr_start(NULL, NULL) || gr_attach(&self)) return 1;
    int code =
        gr_listen(self, &listener, "127.0.0.1:0", NULL); /* a name would do, too: it is looked up off the workers */
    if (code == 0) code = gr_socket_local(self, listener, address);
    if (code == 0) code = gr_spawn(self, &server, serve, "I", (int64_t)listener.id);
    if (code == 0) code = gr_connect(self, &socket, address, gr_after_s(10));
    if (code == 0) code = gr_write(self, socket, "hello", 5, gr_after_s(10));
    if (code == 0) code = gr_read(self, socket, answer, sizeof answer - 1, &bytes, gr_after_s(10));
    printf("%s\n", code == 0 ? answer : gr_error_text(code));
    gr_stop(GR_NOW);
    return code != 0;
}
