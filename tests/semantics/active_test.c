/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Active sockets: what arrives becomes messages of the owner. */
#include "support/wire.h"

#include "io/socket.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int stream_raw(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    return fd;
}

static int peer_port(gr_self *self, gr_socket socket)
{
    char text[GR_SOCKET_TEXT_BYTES];
    CHECK_OK(gr_socket_peer(self, socket, text));
    return atoi(strrchr(text, ':') + 1);
}

/* The next message is exactly this one, with the data if it has any. */
static void expect_active(gr_self *self, gr_socket socket, const char *kind, const char *data)
{
    int port = peer_port(self, socket);
    if (data)
        EXPECT(self, "{s:s, s:s, s:i, s:I, s:B}", "actnet", kind, "host", "127.0.0.1", "port", port, "socket",
               (int64_t)socket.id, "data", data, strlen(data));
    else
        EXPECT(self, "{s:s, s:s, s:i, s:I}", "actnet", kind, "host", "127.0.0.1", "port", port, "socket",
               (int64_t)socket.id);
}

TEST(active, data_and_the_end_are_messages)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    gr_socket one, other;
    connect_pair(self, "127.0.0.1:0", &one, &other);
    CHECK_OK(gr_write(self, one, "before", 6, SOON)); /* accepted sockets are passive: it waits */
    EXPECT_NOTHING(self);
    CHECK_OK(gr_socket_active(self, other, GR_ACTIVE, 0));
    expect_active(self, other, "tcp", "before");
    for (int i = 0; i < 100; i++) {
        CHECK_OK(gr_write(self, one, "hello", 5, SOON));
        expect_active(self, other, "tcp", "hello");
    }
    CHECK_OK(gr_shutdown(self, one));
    expect_active(self, other, "tcp_close", NULL);
    EXPECT_NOTHING(self);
    CHECK_OK(gr_write(self, other, "still", 5, SOON)); /* it is open, and passive */
    char buffer[8];
    size_t n;
    CHECK_OK(gr_read(self, one, buffer, sizeof buffer, &n, SOON));
    CHECK_EQ(n, 5);
    CHECK_OK(gr_read(self, other, buffer, sizeof buffer, &n, SOON));
    CHECK_EQ(n, 0);
    END(self);
}

TEST(active, once_is_one_message)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    gr_socket one, other;
    connect_pair(self, "127.0.0.1:0", &one, &other);
    for (int i = 0; i < 20; i++) {
        CHECK_OK(gr_write(self, one, "abcdefgh", 8, SOON));
        for (int at = 0; at < 4; at++) {
            CHECK_OK(gr_socket_active(self, other, GR_ACTIVE_ONCE, 2));
            char two[3] = {"abcdefgh"[2 * at], "abcdefgh"[2 * at + 1], '\0'};
            expect_active(self, other, "tcp", two);
            EXPECT_NOTHING(self); /* the rest waits in the kernel */
        }
    }
    CHECK_OK(gr_write(self, one, "xyz", 3, SOON)); /* passive again: it can be read */
    char buffer[8];
    size_t n;
    CHECK_OK(gr_read(self, other, buffer, sizeof buffer, &n, SOON));
    CHECK_EQ(n, 3);
    CHECK_OK(gr_socket_active(self, other, GR_ACTIVE_ONCE, 0));
    CHECK_OK(gr_close(self, one));
    expect_active(self, other, "tcp_close", NULL);
    END(self);
}

TEST(active, a_passive_one_sends_nothing_and_can_be_read)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    char buffer[8];
    size_t n;
    gr_socket one, other;
    connect_pair(self, "127.0.0.1:0", &one, &other);
    for (int i = 0; i < 50; i++) {
        CHECK_OK(gr_socket_active(self, other, GR_ACTIVE, 0));
        CHECK_OK(gr_socket_active(self, other, GR_ACTIVE, 0)); /* again changes nothing */
        CHECK_EQ(gr_read(self, other, buffer, 1, &n, GR_NOW), GR_EINUSE);
        CHECK_OK(gr_write(self, one, "on", 2, SOON));
        expect_active(self, other, "tcp", "on");
        CHECK_OK(gr_socket_active(self, other, GR_PASSIVE, 0));
        CHECK_OK(gr_write(self, one, "off", 3, SOON));
        CHECK_OK(gr_read(self, other, buffer, sizeof buffer, &n, SOON));
        CHECK_EQ(n, 3);
        EXPECT_NOTHING(self);
    }
    END(self);
}

TEST(active, errors_are_messages)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    gr_socket one, other;
    connect_pair(self, "127.0.0.1:0", &one, &other);
    int port = peer_port(self, other);
    CHECK_OK(gr_socket_active(self, other, GR_ACTIVE, 0));
    struct linger at_once = {.l_onoff = 1, .l_linger = 0}; /* closing resets */
    CHECK_OK(setsockopt(gri_socket_descriptor(one), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
    CHECK_OK(gr_close(self, one));
    EXPECT(self, "{s:s, s:s, s:i, s:I, s:[i, s]}", "actnet", "tcp_error", "host", "127.0.0.1", "port", port, "socket",
           (int64_t)other.id, "error", ECONNRESET, "Connection reset by peer");
    EXPECT_NOTHING(self);
    END(self);
}

TEST(active, unix_streams_are_named_by_their_path)
{
    gr_self *self = BEGIN();
    gr_socket one, other;
    char address[64];
    snprintf(address, sizeof address, "unix:@active-%ld", (long)getpid());
    connect_pair(self, address, &one, &other);
    CHECK_OK(gr_socket_active(self, one, GR_ACTIVE_ONCE, 0));
    CHECK_OK(gr_write(self, other, "x", 1, SOON));
    EXPECT(self, "{s:s, s:s, s:i, s:I, s:B}", "actnet", "tcp", "host", address, "port", 0, "socket", (int64_t)one.id,
           "data", "x", (size_t)1);
    END(self);
}

/* Whoever connects chooses its own name, which need not be text. */
TEST(active, peers_with_names_that_are_no_text)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    gr_socket listening, socket;
    char address[64];
    struct sockaddr_un there = {.sun_family = AF_UNIX}, here = {.sun_family = AF_UNIX};
    socklen_t header = offsetof(struct sockaddr_un, sun_path);
    int there_bytes = snprintf(there.sun_path + 1, 64, "active-%ld", (long)getpid());
    int here_bytes = snprintf(here.sun_path + 1, 64, "\xff\x80%ld", (long)getpid());
    snprintf(address, sizeof address, "unix:@active-%ld", (long)getpid());
    CHECK_OK(gr_listen(self, &listening, address, NULL));
    int fd = stream_raw();
    CHECK_OK(bind(fd, (struct sockaddr *)&here, header + 1 + (socklen_t)here_bytes));
    CHECK_OK(connect(fd, (struct sockaddr *)&there, header + 1 + (socklen_t)there_bytes));
    CHECK_OK(gr_accept(self, listening, &socket, SOON));
    CHECK_OK(gr_socket_active(self, socket, GR_ACTIVE, 0));
    CHECK_EQ(send(fd, "x", 1, 0), 1);
    snprintf(address, sizeof address, "unix:@??%ld", (long)getpid());
    EXPECT(self, "{s:s, s:s, s:i, s:I, s:B}", "actnet", "tcp", "host", address, "port", 0, "socket", (int64_t)socket.id,
           "data", "x", (size_t)1);
    CHECK_OK(close(fd));
    END(self);
}

TEST(active, udp)
{
    gr_self *self = BEGIN();
    char here[GR_SOCKET_TEXT_BYTES], there[GR_SOCKET_TEXT_BYTES], byte;
    size_t n;
    gr_socket one, other;
    CHECK_OK(gr_udp_open(self, &one, "127.0.0.1:0", NULL));
    CHECK_OK(gr_udp_open(self, &other, "127.0.0.1:0", NULL));
    CHECK_OK(gr_socket_local(self, one, here));
    CHECK_OK(gr_socket_local(self, other, there));
    int port = atoi(strrchr(here, ':') + 1);
    CHECK_OK(gr_socket_active(self, other, GR_ACTIVE, 0));
    CHECK_EQ(gr_udp_receive(self, other, &byte, 1, &n, NULL, GR_NOW), GR_EINUSE);
    for (int i = 0; i < 50; i++) {
        CHECK_OK(gr_udp_send(self, one, "hello", i % 2 ? 5 : 0, there, SOON));
        EXPECT(self, "{s:s, s:s, s:i, s:I, s:B}", "actnet", "udp", "host", "127.0.0.1", "port", port, "socket",
               (int64_t)other.id, "data", "hello", (size_t)(i % 2 ? 5 : 0));
    }
    CHECK_OK(gr_socket_active(self, other, GR_ACTIVE_ONCE, 3));
    CHECK_OK(gr_udp_send(self, one, "cut off", 7, there, SOON));
    CHECK_OK(gr_udp_send(self, one, "second", 6, there, SOON));
    EXPECT(self, "{s:s, s:s, s:i, s:I, s:B}", "actnet", "udp", "host", "127.0.0.1", "port", port, "socket",
           (int64_t)other.id, "data", "cut", (size_t)3);
    EXPECT_NOTHING(self);
    END(self);
}

/* ---- owners ---- */

static void echo_active(gr_self *self, gr_value args)
{
    gr_socket socket = {(uint64_t)gr_int(gr_get(args, "socket"), 0)};
    CHECK_OK(gr_socket_adopt(self, socket));
    if (gr_bool(gr_get(args, "activate"), false)) CHECK_OK(gr_socket_active(self, socket, GR_ACTIVE, 0));
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "host")), "s", "mine"));
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0; FREE(m)) {
        gr_value body = gr_body(m), data = gr_get(body, "data");
        if (strcmp(gr_string(gr_get(body, "actnet"), ""), "tcp") != 0) break;
        size_t bytes = 0;
        const void *at = gr_bytes(data, &bytes);
        CHECK_OK(gr_write(self, socket, at, bytes, SOON));
    }
}

TEST(active, ownership_is_handed_over)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    for (int i = 0; i < 20; i++) {
        gr_socket one, other;
        gr_address echo;
        char buffer[8];
        size_t n;
        connect_pair(self, "127.0.0.1:0", &one, &other);
        if (i % 2) { /* active before, and still */
            CHECK_OK(gr_socket_active(self, other, GR_ACTIVE, 0));
            CHECK_OK(gr_write(self, one, "mine", 4, SOON));
            expect_active(self, other, "tcp", "mine");
        }
        CHECK_OK(gr_spawn(self, &echo, echo_active, "{s:I, s:A, s:b}", "socket", (int64_t)other.id, "host",
                          gr_self_address(self), "activate", i % 2 == 0));
        EXPECT(self, "s", "mine");
        for (int round = 0; round < 5; round++) {
            CHECK_OK(gr_write(self, one, "hello", 5, SOON));
            read_all(self, one, buffer, 5);
        }
        EXPECT_NOTHING(self);
        CHECK_EQ(gr_socket_active(self, other, GR_ACTIVE, 0), GR_ECONTEXT);
        CHECK_OK(gr_kill(echo)); /* the owner's end closes it */
        CHECK_OK(gr_read(self, one, buffer, 1, &n, SOON));
        CHECK_EQ(n, 0);
        CHECK_OK(gr_close(self, one));
    }
    END(self);
    CHECK_EQ(gri_sockets_open(), 0);
}

static gri_atomic_bool adopted;

static void adopt_and_echo_once(gr_self *self, gr_value args)
{
    gr_socket socket = {(uint64_t)gr_int(args, 0)};
    CHECK_OK(gr_socket_adopt(self, socket));
    gri_store_relaxed(&adopted, true); /* relaxed: the socket's own holder orders the rest */
    gr_message *m = RECEIVE(self);
    size_t bytes = 0;
    const void *at = gr_bytes(gr_get(gr_body(m), "data"), &bytes);
    CHECK_OK(gr_write(self, socket, at, bytes, SOON));
    FREE(m);
}

/* The previous owner has been told that there is something to read, and has not looked. */
TEST(active, data_that_came_before_goes_to_the_new_owner)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    for (int i = 0; i < 50; i++) {
        gr_socket one, other;
        char buffer[4];
        connect_pair(self, "127.0.0.1:0", &one, &other);
        CHECK_OK(gr_socket_active(self, other, GR_ACTIVE, 0));
        EXPECT_NOTHING(self);
        CHECK_OK(gr_write(self, one, "late", 4, SOON));
        gri_store_relaxed(&adopted, false); /* relaxed: before the spawn */
        for (int turns = 0; turns < i; turns++) sched_yield();
        CHECK_OK(gr_spawn(self, NULL, adopt_and_echo_once, "I", (int64_t)other.id));
        while (!gri_load_relaxed(&adopted)) sched_yield(); /* no suspending call: it would look; relaxed: see there */
        read_all(self, one, buffer, 4);
        CHECK(memcmp(buffer, "late", 4) == 0);
        CHECK_OK(gr_close(self, one));
        EXPECT_NOTHING(self);
    }
    END(self);
}

/* Data on its way to one that closes, gives away or turns off: no message from a socket that is somebody else's by now. */
TEST(active, late_data_finds_nobody)
{
    gr_self *self = BEGIN();
    for (int i = 0; i < 200; i++) {
        gr_socket one, other;
        connect_pair(self, "127.0.0.1:0", &one, &other);
        CHECK_OK(gr_socket_active(self, other, GR_ACTIVE, 0));
        if (i % 3) EXPECT_NOTHING(self);
        CHECK_OK(gr_write(self, one, "late", 4, SOON));
        if (i % 5 == 0) sched_yield(); /* the token may be on its way */
        if (i % 2)
            CHECK_OK(gr_close(self, other));
        else
            CHECK_OK(gr_socket_active(self, other, GR_PASSIVE, 0));
        EXPECT_NOTHING(self);
        CHECK_OK(gr_close(self, one));
    }
    END(self);
}

/* ---- much data ---- */

typedef struct sink {
    gr_socket socket;
    gr_address host;
    int64_t heard;
    enum gr_active_mode mode;
} sink;

static int sink_start(gr_self *self, void *state, gr_value args)
{
    sink *s = state;
    gr_socket listening;
    char text[GR_SOCKET_TEXT_BYTES];
    s->host = gr_address_in(gr_get(args, "host"));
    s->mode = (enum gr_active_mode)gr_int(gr_get(args, "mode"), 0);
    CHECK_OK(gr_listen(self, &listening, "127.0.0.1:0", NULL));
    CHECK_OK(gr_socket_local(self, listening, text));
    CHECK_OK(gr_spawn(self, NULL, flood, "s", text));
    CHECK_OK(gr_accept(self, listening, &s->socket, SOON));
    return gr_socket_active(self, s->socket, s->mode, 0);
}

static void sink_message(gr_self *self, void *state, gr_message *m)
{
    sink *s = state;
    gr_value body = gr_body(m);
    if (strcmp(gr_string(gr_get(body, "actnet"), ""), "tcp_close") == 0) {
        CHECK_OK(gr_cast(self, s->host, "I", s->heard));
        return;
    }
    size_t bytes = 0;
    uint32_t max = gri_load_relaxed(&self->mailbox_max); /* relaxed, both: this actor's own */
    if (max != 0) CHECK(gri_load_relaxed(&self->queued) <= max);
    const unsigned char *data = gr_bytes(gr_get(body, "data"), &bytes);
    CHECK(bytes > 0 && bytes <= 4096);
    for (size_t i = 0; i < bytes; i++) CHECK_EQ(data[i], flood_byte((size_t)s->heard + i));
    s->heard += (int64_t)bytes;
    if (s->mode == GR_ACTIVE_ONCE) CHECK_OK(gr_socket_active(self, s->socket, GR_ACTIVE_ONCE, 0));
}

static const gr_server sink_server = {.state_bytes = sizeof(sink), .start = sink_start, .on_message = sink_message};

static void sink_flood(enum gr_active_mode mode, uint32_t mailbox_max)
{
    gr_self *self = BEGIN();
    gr_address server;
    CHECK_OK(gr_spawn_server(self, &server, &sink_server, OPTIONS(.mailbox_max = mailbox_max), "{s:A, s:i}", "host",
                             gr_self_address(self), "mode", (int)mode));
    EXPECT(self, "I", (int64_t)FLOOD_BYTES);
    CHECK_OK(gr_kill(server));
    END(self);
}

TEST(active, much_data_arrives_whole)
{
    sink_flood(GR_ACTIVE, 0);
}

TEST(active, much_data_arrives_whole_once_by_once)
{
    sink_flood(GR_ACTIVE_ONCE, 0);
}

TEST(active, a_full_mailbox_makes_the_peer_wait)
{
    sink_flood(GR_ACTIVE, 4);
}

/* An owner that does not look into its mailbox reads nothing: what the kernel does not take, the peer keeps. */
TEST(active, who_does_not_receive_makes_the_peer_wait)
{
    gr_self *self = BEGIN();
    gr_socket one, other;
    gr_counters before = harness_counters();
    connect_pair(self, "127.0.0.1:0", &one, &other);
    CHECK_OK(gr_socket_active(self, other, GR_ACTIVE, 0));
    static const char much[1 << 16];
    int code = 0;
    while (code == 0) code = gr_write(self, one, much, sizeof much, GR_NOW);
    CHECK_EQ(code, GR_ETIMEOUT);
    CHECK(harness_counters().message_bytes < before.message_bytes + (64 << 20));
    END(self);
}

static void count_bytes(gr_self *self, gr_value args)
{
    gr_socket socket = {(uint64_t)gr_int(gr_get(args, "socket"), 0)};
    gr_address host = gr_address_in(gr_get(args, "host"));
    size_t heard = 0, bytes = 0;
    CHECK_OK(gr_socket_adopt(self, socket));
    CHECK_OK(gr_socket_active(self, socket, GR_ACTIVE, 0));
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0; FREE(m)) {
        if (!gr_bytes(gr_get(gr_body(m), "data"), &bytes)) return;
        for (heard += bytes; heard >= 2; heard -= 2) CHECK_OK(gr_cast(self, host, "n"));
    }
}

static void keep_the_ball(gr_self *self, gr_value args)
{
    gr_address partner = gr_address_in(args);
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0; FREE(m)) {
        gr_address to = gr_address_equal(partner, GR_NO_ADDRESS) ? gr_sender(m) : partner;
        if (gr_send(self, to, &m) != 0) return;
    }
}

/* The second byte may come at any moment of the first one's reading, and be reported by a worker that is busy otherwise. */
TEST(active, no_report_is_lost)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN_WITH(.workers = 2, .fixed = GR_FIXED(workers));
    gr_socket one, other;
    gr_address a, b;
    CHECK_OK(gr_spawn(self, &a, keep_the_ball, "A", GR_NO_ADDRESS));
    CHECK_OK(gr_spawn(self, &b, keep_the_ball, "A", a));
    CHECK_OK(gr_cast(self, b, "s", "ball"));
    connect_pair(self, "127.0.0.1:0", &one, &other);
    CHECK_OK(
        gr_spawn(self, NULL, count_bytes, "{s:I, s:A}", "socket", (int64_t)other.id, "host", gr_self_address(self)));
    for (unsigned i = 0; i < 3000; i++) {
        CHECK_OK(gr_write(self, one, "a", 1, SOON));
        for (unsigned turns = i * 37 % 1500; turns > 0; turns--) gri_cpu_relax();
        CHECK_OK(gr_write(self, one, "b", 1, SOON));
        EXPECT(self, "n");
    }
    END(self);
}

/* ---- wrong calls ---- */

TEST(active, wrong_calls)
{
    gr_self *self = BEGIN();
    gr_socket listening, one, other;
    CHECK_OK(gr_listen(self, &listening, "127.0.0.1:0", NULL));
    connect_pair(self, "127.0.0.1:0", &one, &other);
    CHECK_EQ(gr_socket_active(self, listening, GR_ACTIVE, 0), GR_EINVAL);
    CHECK_EQ(gr_socket_active(self, one, (enum gr_active_mode)7, 0), GR_EINVAL);
    CHECK_EQ(gr_socket_active(self, one, GR_ACTIVE, GR_ACTIVE_BYTES_MAX + 1), GR_EINVAL);
    CHECK_EQ(gr_socket_active(self, (gr_socket){0}, GR_ACTIVE, 0), GR_ECLOSED);
    CHECK_OK(gr_socket_active(self, one, GR_PASSIVE, 0));
    CHECK_OK(gr_close(self, one));
    CHECK_EQ(gr_socket_active(self, one, GR_ACTIVE, 0), GR_ECLOSED);
    END(self);
}
