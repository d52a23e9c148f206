/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "support/wire.h"

unsigned char flood_byte(size_t at)
{
    return (unsigned char)(at * 31 + (at >> 12));
}

unsigned char *flood_data(void)
{
    unsigned char *data = malloc(FLOOD_BYTES);
    CHECK(data != NULL);
    for (size_t i = 0; i < FLOOD_BYTES; i++) data[i] = flood_byte(i);
    return data;
}

void read_all(gr_self *self, gr_socket socket, char *buffer, size_t bytes)
{
    for (size_t n; bytes > 0; buffer += n, bytes -= n) {
        int code = gr_read(self, socket, buffer, bytes, &n, SOON);
        if (code != 0) TEST_FAIL("gr_read: %s: %s", gr_error_name(code), gr_error_detail(self)->text);
        CHECK(n > 0);
    }
}

void expect_end(gr_self *self, gr_socket socket)
{
    char byte;
    size_t n = 7;
    CHECK_OK(gr_read(self, socket, &byte, 1, &n, SOON));
    CHECK_EQ(n, 0);
}

gr_socket listener(gr_self *self, char *text)
{
    gr_socket socket;
    CHECK_OK(gr_listen(self, &socket, "127.0.0.1:0", NULL));
    CHECK_OK(gr_socket_local(self, socket, text));
    return socket;
}

void connect_pair(gr_self *self, const char *address, gr_socket *ret_one, gr_socket *ret_other)
{
    gr_socket listening;
    char text[GR_SOCKET_TEXT_BYTES];
    CHECK_OK(gr_listen(self, &listening, address, NULL));
    CHECK_OK(gr_socket_local(self, listening, text));
    CHECK_OK(gr_connect(self, ret_one, text, SOON));
    CHECK_OK(gr_accept(self, listening, ret_other, SOON));
    CHECK_OK(gr_close(self, listening));
}

void flood(gr_self *self, gr_value args)
{
    gr_socket socket;
    CHECK_OK(gr_connect(self, &socket, gr_string(args, ""), SOON));
    unsigned char *data = flood_data();
    CHECK_OK(gr_write(self, socket, data, FLOOD_BYTES, SOON));
    free(data);
}

void expect_flood(gr_self *self, gr_socket socket)
{
    static unsigned char buffer[65536];
    size_t at = 0;
    for (size_t n; at < FLOOD_BYTES; at += n) {
        CHECK_OK(gr_read(self, socket, buffer, sizeof buffer, &n, SOON));
        CHECK(n > 0);
        for (size_t i = 0; i < n; i++) CHECK_EQ(buffer[i], flood_byte(at + i));
    }
    expect_end(self, socket);
}
