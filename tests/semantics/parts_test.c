/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Sockets, the finer points: abstract names, half-closing, urgent data and descriptors, vectored calls, files. */
#include "support/wire.h"

#include "io/socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

TEST(parts, abstract_unix_names)
{
    gr_self *self = BEGIN();
    char address[64], text[GR_SOCKET_TEXT_BYTES], byte;
    gr_socket listening, one, other, unused;
    snprintf(address, sizeof address, "unix:@greenroom-%ld", (long)getpid());
    CHECK_OK(gr_listen(self, &listening, address, NULL));
    CHECK_EQ(gr_listen(self, &unused, address, NULL), GR_EINUSE);
    CHECK_OK(gr_connect(self, &one, address, SOON));
    CHECK_OK(gr_accept(self, listening, &other, SOON));
    CHECK_OK(gr_socket_peer(self, one, text));
    CHECK_STR(text, address);
    CHECK_OK(gr_socket_peer(self, other, text));
    CHECK_STR(text, "unix:");
    CHECK_OK(gr_write(self, one, "x", 1, SOON));
    read_all(self, other, &byte, 1);
    CHECK_OK(gr_close(self, listening));
    CHECK_EQ(gr_connect(self, &unused, address, SOON), GR_ESYSTEM); /* the name goes with its listener */
    END(self);
}

TEST(parts, half_closed_the_other_way_goes_on)
{
    gr_self *self = BEGIN();
    char buffer[8];
    gr_socket one, other;
    connect_pair(self, "127.0.0.1:0", &one, &other);
    CHECK_OK(gr_shutdown(self, one));
    expect_end(self, other);
    CHECK_EQ(gr_write(self, one, "x", 1, SOON), GR_ECLOSED);
    CHECK_OK(gr_write(self, other, "answer", 6, SOON));
    read_all(self, one, buffer, 6);
    CHECK(memcmp(buffer, "answer", 6) == 0);
    END(self);
}

/* A read stops at urgent data, so one that got less than it had room for need not have emptied the socket. */
TEST(parts, urgent_data_hides_nothing)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    char buffer[64];
    gr_socket one, other;
    connect_pair(self, "127.0.0.1:0", &one, &other);
    for (int i = 0; i < 3; i++) {
        size_t n;
        CHECK_EQ(send(gri_socket_descriptor(one), "ab", 2, MSG_OOB), 2); /* b is urgent */
        CHECK_OK(gr_write(self, one, "cd", 2, SOON));
        CHECK_OK(gr_read(self, other, buffer, sizeof buffer, &n, SOON));
        CHECK_EQ(n, 1);
        CHECK_OK(gr_read(self, other, buffer, sizeof buffer, &n, GR_FOREVER));
        CHECK_EQ(n, 2);
        CHECK(memcmp(buffer, "cd", 2) == 0);
    }
    END(self);
}

/* And it stops behind descriptors that came along. Nobody asked for them: they are closed. */
TEST(parts, descriptors_hide_nothing)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    char address[64], buffer[64];
    gr_socket one, other;
    snprintf(address, sizeof address, "unix:@greenroom-%ld", (long)getpid());
    connect_pair(self, address, &one, &other);
    int along = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(along >= 0);
    for (int i = 0; i < 4; i++) {
        union {
            struct cmsghdr header;
            char room[CMSG_SPACE(sizeof(int))];
        } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
        *(int *)(void *)CMSG_DATA(&control.header) = along;
        struct iovec part = {(char[]){"a"}, 1};
        struct msghdr message = {
            .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        size_t n;
        CHECK_EQ(sendmsg(gri_socket_descriptor(one), &message, 0), 1);
        CHECK_OK(gr_write(self, one, "cd", 2, SOON));
        for (int left = 3; left > 0; left -= (int)n) {
            part = (struct iovec){buffer, sizeof buffer};
            CHECK_OK(i % 2 ? gr_readv(self, other, &part, 1, &n, GR_FOREVER)
                           : gr_read(self, other, buffer, sizeof buffer, &n, GR_FOREVER));
        }
    }
    CHECK_OK(close(along));
    END(self);
}

enum { PARTS = 100 };

TEST(parts, parts_are_written_and_read_in_order)
{
    gr_self *self = BEGIN();
    gr_socket one, other;
    connect_pair(self, "127.0.0.1:0", &one, &other);
    static char sent[PARTS * 64], heard[sizeof sent];
    struct iovec parts[PARTS], rooms[3];
    size_t total = 0, n;
    for (size_t i = 0; i < sizeof sent; i++) sent[i] = (char)(i * 7 + i / 64);
    for (int i = 0; i < PARTS; i++) {
        parts[i] = (struct iovec){sent + total, (size_t)(i % 5 == 0 ? 0 : i % 64)};
        total += parts[i].iov_len;
    }
    CHECK_OK(gr_writev(self, one, parts, PARTS, SOON));
    for (size_t at = 0; at < total; at += n) {
        for (size_t i = 0; i < 3; i++) {
            size_t begin = GRI_MIN(at + 700 * i, total);
            rooms[i] = (struct iovec){heard + begin, i == 1 ? 0 : GRI_MIN((size_t)700, total - begin)};
        }
        rooms[2].iov_base = (char *)rooms[0].iov_base + rooms[0].iov_len; /* right behind the first */
        rooms[2].iov_len = GRI_MIN((size_t)700, (size_t)(heard + total - (char *)rooms[2].iov_base));
        CHECK_OK(gr_readv(self, other, rooms, 3, &n, SOON));
        CHECK(n > 0);
    }
    CHECK(memcmp(sent, heard, total) == 0);
    CHECK_OK(gr_writev(self, one, parts, 0, SOON));
    CHECK_OK(gr_shutdown(self, one));
    CHECK_OK(gr_readv(self, other, rooms, 0, &n, SOON) == GR_EINVAL ? 0 : -1);
    rooms[0].iov_len = 1;
    CHECK_OK(gr_readv(self, other, rooms, 1, &n, SOON));
    CHECK_EQ(n, 0);
    END(self);
}

static void flood_in_parts(gr_self *self, gr_value args)
{
    gr_socket socket;
    struct iovec parts[7];
    CHECK_OK(gr_connect(self, &socket, gr_string(args, ""), SOON));
    unsigned char *data = flood_data();
    for (size_t i = 0; i < 7; i++) {
        size_t begin = FLOOD_BYTES / 7 * i, end = i == 6 ? FLOOD_BYTES : FLOOD_BYTES / 7 * (i + 1);
        parts[i] = (struct iovec){data + begin, end - begin};
    }
    CHECK_OK(gr_writev(self, socket, parts, 7, SOON));
    free(data);
}

TEST(parts, big_vectored_writes_arrive_whole)
{
    gr_self *self = BEGIN();
    char text[GR_SOCKET_TEXT_BYTES];
    gr_socket listening = listener(self, text), other;
    CHECK_OK(gr_spawn(self, NULL, flood_in_parts, "s", text));
    CHECK_OK(gr_accept(self, listening, &other, SOON));
    expect_flood(self, other);
    END(self);
}

static int flood_file(void)
{
    FILE *file = tmpfile();
    CHECK(file != NULL);
    for (size_t i = 0; i < FLOOD_BYTES; i++) putc_unlocked(flood_byte(i), file);
    CHECK_OK(fflush(file));
    return fileno(file); /* open until the test's process ends */
}

static void flood_from_file(gr_self *self, gr_value args)
{
    gr_socket socket;
    CHECK_OK(gr_connect(self, &socket, gr_string(gr_get(args, "to"), ""), SOON));
    int fd = (int)gr_int(gr_get(args, "file"), -1);
    CHECK_OK(gr_sendfile(self, socket, fd, 0, 1000, SOON));
    CHECK_OK(gr_sendfile(self, socket, fd, 1000, 0, SOON));
    CHECK_OK(gr_sendfile(self, socket, fd, 1000, FLOOD_BYTES - 1000, SOON));
}

TEST(parts, files_arrive_whole)
{
    gr_self *self = BEGIN();
    char text[GR_SOCKET_TEXT_BYTES];
    gr_socket listening = listener(self, text), other;
    CHECK_OK(gr_spawn(self, NULL, flood_from_file, "{s:s, s:i}", "to", text, "file", flood_file()));
    CHECK_OK(gr_accept(self, listening, &other, SOON));
    expect_flood(self, other);
    END(self);
}

TEST(parts, files_that_cannot_be_sent)
{
    gr_self *self = BEGIN();
    char buffer[8];
    gr_socket one, other;
    int fd = flood_file();
    connect_pair(self, "127.0.0.1:0", &one, &other);
    CHECK_EQ(gr_sendfile(self, one, fd, FLOOD_BYTES - 5, 8, SOON), GR_ERANGE);
    CHECK_STR(gr_error_detail(self)->text, "gr_sendfile: the file ends 3 bytes too early");
    read_all(self, other, buffer, 5);
    CHECK_EQ(gr_sendfile(self, one, -1, 0, 8, SOON), GR_EINVAL);
    CHECK_EQ(gr_sendfile(self, one, fd, -1, 8, SOON), GR_EINVAL);
    CHECK_EQ(gr_sendfile(self, one, fd, 1, SIZE_MAX, SOON), GR_EINVAL);
    CHECK_EQ(gr_sendfile(self, one, 100000, 0, 8, SOON), GR_ESYSTEM);
    CHECK_OK(gr_close(self, other));
    int code = 0; /* on a thread of the host, which SIGPIPE would end */
    for (int i = 0; i < 1000 && code == 0; i++) code = gr_sendfile(self, one, fd, 0, 4096, SOON);
    CHECK_EQ(code, GR_ECLOSED);
    CHECK_EQ(gr_sendfile(self, one, fd, 0, 4096, SOON), GR_ECLOSED);
    END(self);
}

TEST(parts, parts_that_cannot_be)
{
    gr_self *self = BEGIN();
    char byte = 0;
    size_t n;
    gr_socket one, other;
    connect_pair(self, "127.0.0.1:0", &one, &other);
    struct iovec nowhere = {NULL, 1}, endless[2] = {{&byte, SIZE_MAX}, {&byte, 2}}, one_byte = {&byte, 1};
    CHECK_EQ(gr_writev(self, one, NULL, 1, SOON), GR_EINVAL);
    CHECK_EQ(gr_writev(self, one, &one_byte, -1, SOON), GR_EINVAL);
    CHECK_EQ(gr_writev(self, one, &one_byte, 100000, SOON), GR_EINVAL);
    CHECK_EQ(gr_writev(self, one, &nowhere, 1, SOON), GR_EINVAL);
    CHECK_EQ(gr_writev(self, one, endless, 2, SOON), GR_EINVAL);
    CHECK_EQ(gr_readv(self, one, &nowhere, 1, &n, SOON), GR_EINVAL);
    CHECK_EQ(gr_readv(self, one, &one_byte, 1, NULL, SOON), GR_EINVAL);
    END(self);
}
