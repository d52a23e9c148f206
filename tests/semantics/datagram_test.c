/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* UDP as io.h promises it, over loopback. */
#include "support/harness.h"

static gr_socket open_at(gr_self *self, const char *address, const gr_udp_options *options, char *ret_text)
{
    gr_socket socket;
    int code = gr_udp_open(self, &socket, address, options);
    if (code != 0) TEST_FAIL("gr_udp_open: %s: %s", gr_error_name(code), gr_error_detail(self)->text);
    CHECK_OK(gr_socket_local(self, socket, ret_text));
    return socket;
}

static void expect_datagram(gr_self *self, gr_socket socket, const char *data, const char *from)
{
    char buffer[64], who[GR_SOCKET_TEXT_BYTES];
    size_t n;
    CHECK_OK(gr_udp_receive(self, socket, buffer, sizeof buffer, &n, who, SOON));
    CHECK_EQ(n, strlen(data));
    CHECK(memcmp(buffer, data, n) == 0);
    if (from) CHECK_STR(who, from);
}

TEST(udp, datagrams_go_to_and_fro)
{
    gr_self *self = BEGIN();
    char here[GR_SOCKET_TEXT_BYTES], there[GR_SOCKET_TEXT_BYTES];
    gr_socket one = open_at(self, "127.0.0.1:0", NULL, here), other = open_at(self, "127.0.0.1:0", NULL, there);
    CHECK_OK(gr_udp_send(self, one, "hello", 5, there, SOON));
    expect_datagram(self, other, "hello", here);
    CHECK_OK(gr_udp_send(self, other, "", 0, here, SOON));
    expect_datagram(self, one, "", there);
    CHECK_OK(gr_close(self, one));
    CHECK_EQ(gr_udp_send(self, one, "x", 1, there, SOON), GR_ECLOSED);
    END(self);
}

TEST(udp, ipv6_and_any_address)
{
    gr_self *self = BEGIN();
    char any_text[GR_SOCKET_TEXT_BYTES], text[GR_SOCKET_TEXT_BYTES], to[GR_SOCKET_TEXT_BYTES];
    gr_socket any = open_at(self, "*:0", NULL, any_text), four = open_at(self, "127.0.0.1:0", NULL, text);
    snprintf(to, sizeof to, "127.0.0.1%s", strrchr(any_text, ':'));
    CHECK_OK(gr_udp_send(self, four, "four", 4, to, SOON));
    expect_datagram(self, any, "four", text);
    CHECK_OK(gr_udp_send(self, any, "back", 4, text, SOON)); /* an IPv4 address from a socket of both families */
    expect_datagram(self, four, "back", to);
    gr_socket six;
    if (gr_udp_open(self, &six, "[::1]:0", NULL) == 0) { /* not every machine has it */
        CHECK_OK(gr_socket_local(self, six, text));
        snprintf(to, sizeof to, "[::1]%s", strrchr(any_text, ':'));
        CHECK_OK(gr_udp_send(self, six, "six", 3, to, SOON));
        expect_datagram(self, any, "six", text);
    }
    END(self);
}

TEST(udp, with_a_peer_it_hears_nobody_else)
{
    gr_self *self = BEGIN();
    char server_text[GR_SOCKET_TEXT_BYTES], text[GR_SOCKET_TEXT_BYTES], other_text[GR_SOCKET_TEXT_BYTES], byte;
    size_t n;
    gr_socket server = open_at(self, "127.0.0.1:0", NULL, server_text);
    gr_socket one = open_at(self, "*:0", &(gr_udp_options){.peer = server_text}, text);
    gr_socket other = open_at(self, "127.0.0.1:0", NULL, other_text);
    CHECK_OK(gr_udp_send(self, one, "to you", 6, NULL, SOON));
    expect_datagram(self, server, "to you", text);
    CHECK_OK(gr_udp_send(self, other, "noise", 5, text, SOON));
    CHECK_EQ(gr_udp_receive(self, one, &byte, 1, &n, NULL, GR_NOW), GR_ETIMEOUT);
    CHECK_OK(gr_udp_send(self, server, "to one", 6, text, SOON));
    expect_datagram(self, one, "to one", server_text);
    CHECK_EQ(gr_udp_send(self, other, "x", 1, NULL, SOON), GR_EINVAL);
    CHECK(strstr(gr_error_detail(self)->text, "to whom?"));
    END(self);
}

TEST(udp, what_does_not_fit_is_cut_and_told)
{
    gr_self *self = BEGIN();
    char text[GR_SOCKET_TEXT_BYTES], buffer[8];
    static char much[70000];
    size_t n;
    gr_socket one = open_at(self, "127.0.0.1:0", NULL, text);
    CHECK_OK(gr_udp_send(self, one, "0123456789", 10, text, SOON));
    CHECK_OK(gr_udp_receive(self, one, buffer, sizeof buffer, &n, NULL, SOON));
    CHECK_EQ(n, 10);
    CHECK(memcmp(buffer, "01234567", 8) == 0);
    CHECK_EQ(gr_udp_send(self, one, much, sizeof much, text, SOON), GR_ETOOBIG);
    CHECK_OK(gr_udp_send(self, one, "x", 1, text, SOON));
    expect_datagram(self, one, "x", text);
    END(self);
}

/* What ICMP tells of an earlier datagram is nothing the next call has to fail for. */
TEST(udp, nobody_there_is_no_error)
{
    gr_self *self = BEGIN();
    char gone_text[GR_SOCKET_TEXT_BYTES], text[GR_SOCKET_TEXT_BYTES], byte;
    size_t n;
    gr_socket gone = open_at(self, "127.0.0.1:0", NULL, gone_text);
    gr_socket one = open_at(self, "127.0.0.1:0", &(gr_udp_options){.peer = gone_text}, text);
    CHECK_OK(gr_close(self, gone));
    for (int i = 0; i < 3; i++) CHECK_OK(gr_udp_send(self, one, "x", 1, NULL, SOON));
    CHECK_EQ(gr_udp_receive(self, one, &byte, 1, &n, NULL, gr_after_ms(2)), GR_ETIMEOUT);
    END(self);
}

TEST(udp, wrong_calls)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    char text[GR_SOCKET_TEXT_BYTES], byte;
    size_t n;
    gr_socket one = open_at(self, "127.0.0.1:0", NULL, text), unused, stream;
    CHECK_EQ(gr_udp_open(self, &unused, text, NULL), GR_EINUSE);
    CHECK_EQ(gr_udp_open(self, &unused, "localhost:1", NULL), GR_EINVAL);
    CHECK_EQ(gr_udp_open(self, &unused, "unix:/x", NULL), GR_EINVAL);
    CHECK_EQ(gr_udp_open(self, &unused, "192.0.2.1:1", NULL), GR_ESYSTEM);
    CHECK_EQ(gr_udp_open(self, &unused, "127.0.0.1:0", &(gr_udp_options){.peer = "127.0.0.1:0"}), GR_EINVAL);
    CHECK_EQ(gr_udp_send(self, one, NULL, 1, text, SOON), GR_EINVAL);
    CHECK_EQ(gr_udp_send(self, one, "x", 1, "*:5", SOON), GR_EINVAL);
    CHECK_EQ(gr_udp_send(self, one, "x", 1, "localhost:5", SOON), GR_EINVAL);
    CHECK_STR(gr_error_detail(self)->text, "address \"localhost:5\": this is a name; here it must be an address");
    CHECK_EQ(gr_udp_receive(self, one, NULL, 1, &n, NULL, SOON), GR_EINVAL);
    CHECK_EQ(gr_udp_receive(self, one, &byte, 1, NULL, NULL, SOON), GR_EINVAL);
    CHECK_OK(gr_listen(self, &stream, "127.0.0.1:0", NULL));
    CHECK_EQ(gr_udp_receive(self, stream, &byte, 1, &n, NULL, SOON), GR_EINVAL);
    CHECK_EQ(gr_udp_send(self, stream, &byte, 1, text, SOON), GR_EINVAL);
    /* Nor the calls of streams: an empty datagram is no end, and a short one says nothing about the next. */
    CHECK_OK(gr_udp_send(self, one, "x", 1, text, SOON));
    CHECK_EQ(gr_read(self, one, &byte, 1, &n, SOON), GR_EINVAL);
    CHECK_EQ(gr_readv(self, one, &(struct iovec){&byte, 1}, 1, &n, SOON), GR_EINVAL);
    expect_datagram(self, one, "x", text);
    END(self);
}
