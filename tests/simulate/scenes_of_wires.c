/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Scenes on the simulated network: a server of connections, active sockets, datagrams, HTTP and remote addresses. What holds besides
 * the crew's laws: what is read of a stream is what was written, from the first byte on, whole if its end was told; a datagram is one
 * that was sent; an answer is the one to its request; no socket is left open. */
#include "simulate/scenes.h"

#include "io/socket.h"

#include <stdio.h>
#include <string.h>

/* Codes that the network may be the reason of, besides. */
static int excused_there(int code, const char *call, int line)
{
    const bool fine = code == 0 || is_excuse(code) || code == GR_ECLOSED || code == GR_ESYSTEM || code == GR_EINUSE ||
                      code == GR_EUNREACHABLE;
    if (!fine) gr_test_fail(__FILE__, line, "%s is %s", call, gr_error_name(code));
    return code;
}
#define THERE(call) excused_there((call), #call, __LINE__)

static void expect_no_sockets(void)
{
    GR_TEST_CHECK(gri_sockets_open() == 0);
}

/* ---- streams: an echo server with an actor a connection, half of them active ---- */

#define STREAM_BYTES 9000

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 7 + i / 250);
}

static void echo_reading(gr_self *self, gr_socket socket)
{
    char buffer[1000];
    size_t bytes;
    while (THERE(gr_read(self, socket, buffer, sizeof buffer, &bytes, gr_after_s(5))) == 0 && bytes > 0)
        if (THERE(gr_write(self, socket, buffer, bytes, gr_after_s(5))) != 0) return;
    (void)gr_shutdown(self, socket);
}

static void echo_listening(gr_self *self, gr_socket socket)
{
    gr_message *m = NULL;
    if (THERE(gr_socket_active(self, socket, GR_ACTIVE, 700)) != 0) return;
    while (THERE(gr_receive(self, &m, gr_after_s(5))) == 0) {
        size_t bytes = 0;
        const char *data = gr_bytes(gr_get(gr_body(m), "data"), &bytes);
        int code = data ? THERE(gr_write(self, socket, data, bytes, gr_after_s(5))) : GR_ECLOSED;
        gr_message_free(&m);
        if (code != 0) return;
    }
}

static void connection_run(gr_self *self, gr_value args)
{
    gr_socket socket = {(uint64_t)gr_int(args, 0)};
    int code = gr_socket_adopt(self, socket);
    GR_TEST_CHECK(code == 0 || code == GR_ECLOSED || is_excuse(code));
    if (code != 0) return;
    if (socket.id % 2)
        echo_reading(self, socket);
    else
        echo_listening(self, socket);
}

static void acceptor_run(gr_self *self, gr_value args)
{
    gr_socket listener, one;
    (void)args;
    for (int tries = 0; tries < 10; tries++) {
        int code = gr_listen(self, &listener, "127.0.0.1:7", &(gr_listen_options){.backlog = 2});
        if (code == 0) break;
        GR_TEST_CHECK(code == GR_EINUSE || code == GR_ESYSTEM || is_excuse(code));
        if (EXCUSED(gr_sleep(self, gr_after_ms(1))) == GR_EKILLED) return;
    }
    while (THERE(gr_accept(self, listener, &one, gr_after_s(5))) == 0) {
        gr_address connection;
        if (EXCUSED(gr_spawn(self, &connection, connection_run, "I", (int64_t)one.id)) != 0) (void)gr_close(self, one);
    }
}

static void wire_client_run(gr_self *self, gr_value args)
{
    unsigned char data[STREAM_BYTES], back[500];
    gr_socket socket;
    const size_t bytes = STREAM_BYTES / 2 + (size_t)gr_int(args, 0) * 1000;
    size_t written = 0, read = 0, some;
    for (size_t i = 0; i < sizeof data; i++) data[i] = byte_at(i);
    if (EXCUSED(gr_sleep(self, gr_after_ms(2))) != 0) return;
    if (THERE(gr_connect(self, &socket, "127.0.0.1:7", gr_after_s(3))) != 0) return;
    while (written < bytes) { /* less than a window at a time is under way, so nobody waits for the other */
        size_t now = bytes - written < 1500 ? bytes - written : 1500;
        if (THERE(gr_write(self, socket, data + written, now, gr_after_s(5))) != 0) return;
        written += now;
        while (read < written) {
            if (THERE(gr_read(self, socket, back, sizeof back, &some, gr_after_s(5))) != 0 || some == 0) return;
            for (size_t i = 0; i < some; i++) GR_TEST_CHECK(back[i] == byte_at(read + i));
            read += some;
            GR_TEST_CHECK(read <= written);
        }
    }
    (void)gr_close(self, socket);
}

int scene_wires(gr_self *self, void *arg)
{
    gr_message *m = NULL;
    gr_address address;
    (void)arg;
    crew_spawn(self, &address, acceptor_run, NULL, (gr_value){NULL});
    for (int i = 0; i < 4; i++) {
        GR_TEST_CHECK(gr_pack(&m, "i", i) == 0);
        crew_spawn(self, &address, wire_client_run, NULL, gr_body(m));
        gr_message_free(&m);
    }
    crew_dismiss(self, 20000);
    GR_TEST_CHECK(gr_sleep(self, gr_after_s(20)) == 0); /* the connections are nobody's crew */
    expect_no_sockets();
    return 0;
}

/* ---- datagrams ---- */

static int64_t datagrams_sent;

static void post_run(gr_self *self, gr_value args)
{
    gr_socket own;
    char data[32];
    (void)args;
    if (THERE(gr_udp_open(self, &own, "127.0.0.1:0", NULL)) != 0) return;
    for (int64_t i = 1; i <= 20; i++) {
        int bytes = snprintf(data, sizeof data, "number %d", (int)i);
        datagrams_sent = i;
        if (THERE(gr_udp_send(self, own, data, (size_t)bytes, "127.0.0.1:9", gr_after_ms(50))) == GR_EKILLED) return;
        if (i % 4 == 0 && EXCUSED(gr_sleep(self, gr_after_us(500))) == GR_EKILLED) return;
    }
}

static void box_run(gr_self *self, gr_value args)
{
    gr_socket own;
    char data[32], from[GR_SOCKET_TEXT_BYTES];
    size_t bytes;
    bool seen[21] = {false};
    (void)args;
    int code = gr_udp_open(self, &own, "127.0.0.1:9", NULL);
    if (code == GR_EINUSE || THERE(code) != 0) return;
    while (THERE(gr_udp_receive(self, own, data, sizeof data - 1, &bytes, from, gr_after_ms(200))) == 0) {
        int number = 0;
        data[bytes] = '\0';
        GR_TEST_CHECK(sscanf(data, "number %d", &number) == 1 && number >= 1 && number <= datagrams_sent);
        GR_TEST_CHECK(!seen[number]); /* the network here does not double them */
        seen[number] = true;
    }
}

int scene_datagrams(gr_self *self, void *arg)
{
    gr_address address;
    (void)arg;
    crew_spawn(self, &address, box_run, NULL, (gr_value){NULL});
    crew_spawn(self, &address, post_run, NULL, (gr_value){NULL});
    crew_dismiss(self, 2000);
    expect_no_sockets();
    return 0;
}

/* ---- HTTP: a little server by hand, the client of fetch.h, a remote address ---- */

static void answer_run(gr_self *self, gr_value args)
{
    gr_socket socket = {(uint64_t)gr_int(args, 0)};
    char head[2048], answer[256];
    size_t used = 0, bytes;
    int code = gr_socket_adopt(self, socket);
    GR_TEST_CHECK(code == 0 || code == GR_ECLOSED || is_excuse(code));
    if (code != 0) return;
    for (;;) {
        head[used] = '\0';
        char *end = strstr(head, "\r\n\r\n"), path[64];
        if (!end) {
            if (used > sizeof head - 2) return;
            if (THERE(gr_read(self, socket, head + used, sizeof head - 1 - used, &bytes, gr_after_s(5))) != 0 ||
                bytes == 0)
                return;
            used += bytes;
            continue;
        }
        if (sscanf(head, "%*s %63s", path) != 1) return;
        if (strncmp(head, "GET ", 4) != 0) return; /* a POST of the remote address: hang up */
        int length =
            snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(path), path);
        if (THERE(gr_write(self, socket, answer, (size_t)length, gr_after_s(5))) != 0) return;
        const size_t taken = (size_t)(end + 4 - head);
        memmove(head, head + taken, used - taken);
        used -= taken;
    }
}

static void web_run(gr_self *self, gr_value args)
{
    gr_socket listener, one;
    (void)args;
    int code = gr_listen(self, &listener, "web.example:80", NULL);
    GR_TEST_CHECK(code == 0 || code == GR_EINUSE || code == GR_ESYSTEM || is_excuse(code));
    if (code != 0) return;
    while (THERE(gr_accept(self, listener, &one, gr_after_s(5))) == 0) {
        gr_address connection;
        if (EXCUSED(gr_spawn(self, &connection, answer_run, "I", (int64_t)one.id)) != 0) (void)gr_close(self, one);
    }
}

static void browser_run(gr_self *self, gr_value args)
{
    int64_t me = gr_int(args, 0);
    gr_address there;
    if (EXCUSED(gr_sleep(self, gr_after_ms(3))) != 0) return;
    for (int i = 0; i < 4; i++) {
        char url[80], path[40];
        gr_response *r = NULL;
        snprintf(path, sizeof path, "/%d/%d", (int)me, i);
        snprintf(url, sizeof url, "http://web.example%s", path);
        int code = gr_fetch(self, &r, &(gr_fetch_request){.url = url}, gr_after_s(3));
        GR_TEST_CHECK(code != GR_EINVAL && code != GR_EFORMAT && code != GR_EUNSUPPORTED);
        if (code == 0) {
            size_t bytes = 0;
            const char *body = gr_response_body(r, &bytes);
            GR_TEST_CHECK(gr_response_status(r) == 200);
            GR_TEST_CHECK(bytes == strlen(path) && memcmp(body, path, bytes) == 0);
            gr_response_free(self, &r);
        }
        if (code == GR_EKILLED) return;
    }
    if (gr_remote_address("http://web.example/actor", &there, NULL) != 0) return;
    (void)gr_cast(self, there, "s", "a letter"); /* nobody answers it: it is tried again, or counts as a dead letter */
    int code = gr_call(self, NULL, there, "method", gr_after_s(2), "n");
    GR_TEST_CHECK(code != 0 && code != GR_EUNSUPPORTED);
}

int scene_web(gr_self *self, void *arg)
{
    gr_message *m = NULL;
    gr_address address;
    (void)arg;
    crew_spawn(self, &address, web_run, NULL, (gr_value){NULL});
    for (int i = 0; i < 2; i++) {
        GR_TEST_CHECK(gr_pack(&m, "i", i) == 0);
        crew_spawn(self, &address, browser_run, NULL, gr_body(m));
        gr_message_free(&m);
    }
    crew_dismiss(self, 20000);
    gr_fetch_forget(); /* connections that are kept */
    GR_TEST_CHECK(gr_sleep(self, gr_after_s(60)) == 0);
    expect_no_sockets();
    return 0;
}
