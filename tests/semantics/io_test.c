/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Sockets: what io.h promises, over loopback and Unix sockets, by green threads and by an attached thread. */
#include "support/wire.h"

#include "base/atomic.h"
#include "io/socket.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- echo ---- */

static void echo_connection(gr_self *self, gr_value args)
{
    gr_socket socket = {(uint64_t)gr_int(gr_get(args, "socket"), 0)};
    CHECK_OK(gr_socket_adopt(self, socket));
    char buffer[4096];
    for (size_t n; gr_read(self, socket, buffer, sizeof buffer, &n, SOON) == 0 && n > 0;)
        if (gr_write(self, socket, buffer, n, SOON) != 0) break;
}

static void echo_server(gr_self *self, gr_value args)
{
    char text[GR_SOCKET_TEXT_BYTES];
    gr_socket socket, connection;
    CHECK_OK(gr_listen(self, &socket, gr_string(gr_get(args, "address"), ""), NULL));
    CHECK_OK(gr_socket_local(self, socket, text));
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "parent")), "s", text));
    int code;
    while ((code = gr_accept(self, socket, &connection, GR_FOREVER)) == 0)
        CHECK_OK(gr_spawn(self, NULL, echo_connection, "{s:I}", "socket", (int64_t)connection.id));
    CHECK_EQ(code, GR_EKILLED);
}

static gr_address start_echo(gr_self *self, const char *address, char *text)
{
    gr_address server;
    gr_message *m;
    CHECK_OK(gr_spawn(self, &server, echo_server, "{s:s, s:A}", "address", address, "parent", gr_self_address(self)));
    CHECK_OK(gr_receive(self, &m, SOON));
    strcpy(text, gr_string(gr_body(m), ""));
    gr_message_free(&m);
    return server;
}

static void talk(gr_self *self, const char *address, int rounds)
{
    gr_socket socket;
    CHECK_OK(gr_connect(self, &socket, address, SOON));
    for (int i = 0; i < rounds; i++) {
        char said[32], heard[32];
        memset(said, 'a' + i % 26, sizeof said);
        CHECK_OK(gr_write(self, socket, said, sizeof said, SOON));
        read_all(self, socket, heard, sizeof heard);
        CHECK(memcmp(said, heard, sizeof said) == 0);
    }
    CHECK_OK(gr_shutdown(self, socket));
    expect_end(self, socket);
    CHECK_OK(gr_close(self, socket));
    CHECK_EQ(gr_close(self, socket), GR_ECLOSED);
}

static void talker(gr_self *self, gr_value args)
{
    talk(self, gr_string(gr_get(args, "address"), ""), 20);
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "parent")), "{s:b}", "done", 1));
}

static void many_talk(gr_self *self, const char *address, int count)
{
    gr_message *m;
    for (int i = 0; i < count; i++)
        CHECK_OK(gr_spawn(self, NULL, talker, "{s:s, s:A}", "address", address, "parent", gr_self_address(self)));
    for (int i = 0; i < count; i++) {
        CHECK_OK(gr_receive(self, &m, SOON));
        gr_message_free(&m);
    }
}

TEST(io, echo_over_tcp)
{
    gr_self *self = BEGIN();
    char text[GR_SOCKET_TEXT_BYTES];
    gr_address server = start_echo(self, "127.0.0.1:0", text);
    talk(self, text, 3);
    many_talk(self, text, 100);
    CHECK_OK(gr_kill(server));
    END(self);
}

TEST(io, echo_over_a_unix_socket)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    char text[GR_SOCKET_TEXT_BYTES], address[100];
    snprintf(address, sizeof address, "unix:/tmp/greenroom-io-%ld", (long)getpid());
    gr_address server = start_echo(self, address, text);
    CHECK_STR(text, address);
    struct stat status;
    CHECK_OK(stat(address + 5, &status));
    CHECK_EQ(status.st_mode & 0777, 0600);
    many_talk(self, text, 20);
    gr_monitor_ref ref;
    gr_message *m;
    CHECK_OK(gr_monitor(self, server, &ref));
    CHECK_OK(gr_kill(server));
    CHECK_OK(gr_receive(self, &m, SOON));
    gr_message_free(&m);
    CHECK(stat(address + 5, &status) != 0); /* gone with its listener */
    END(self);
}

static void keep_the_ball(gr_self *self, gr_value args)
{
    gr_address partner = gr_address_in(args);
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0;) {
        gr_address to = gr_address_equal(partner, GR_NO_ADDRESS) ? gr_sender(m) : partner;
        int code = gr_send(self, to, &m);
        gr_message_free(&m);
        if (code != 0) return;
    }
}

/* Two that hand the only worker over to each other without end: it looks at its descriptors all the same. */
TEST(io, echo_beside_a_busy_pair)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN_WITH(.workers = 1, .stuck_ms = 60000, .fixed = GR_FIXED(workers) | GR_FIXED(stuck_ms));
    char text[GR_SOCKET_TEXT_BYTES];
    gr_address a, b, server = start_echo(self, "127.0.0.1:0", text);
    CHECK_OK(gr_spawn(self, &a, keep_the_ball, "A", GR_NO_ADDRESS));
    CHECK_OK(gr_spawn(self, &b, keep_the_ball, "A", a));
    CHECK_OK(gr_cast(self, b, "s", "ball"));
    talk(self, text, 3);
    many_talk(self, text, 5);
    CHECK_OK(gr_kill(a));
    CHECK_OK(gr_kill(b));
    CHECK_OK(gr_kill(server));
    END(self);
}

TEST(io, ipv6_and_any_address)
{
    gr_self *self = BEGIN();
    gr_socket any;
    char text[GR_SOCKET_TEXT_BYTES], address[40];
    CHECK_OK(gr_listen(self, &any, "*:0", NULL));
    CHECK_OK(gr_socket_local(self, any, text));
    snprintf(address, sizeof address, "127.0.0.1%s", strrchr(text, ':'));
    gr_socket one, other;
    CHECK_OK(gr_connect(self, &one, address, SOON));
    CHECK_OK(gr_accept(self, any, &other, SOON));
    char here[GR_SOCKET_TEXT_BYTES], there[GR_SOCKET_TEXT_BYTES];
    CHECK_OK(gr_socket_local(self, one, here));
    CHECK_OK(gr_socket_peer(self, other, there));
    CHECK_STR(here, there);
    CHECK_OK(gr_socket_peer(self, one, there));
    CHECK_STR(there, address);
    END(self);
}

/* ---- waiting ---- */

TEST(io, deadlines)
{
    gr_self *self = BEGIN();
    char text[GR_SOCKET_TEXT_BYTES], byte;
    size_t n;
    gr_socket listening = listener(self, text), one, other;
    CHECK_EQ(gr_accept(self, listening, &other, GR_NOW), GR_ETIMEOUT);
    CHECK_EQ(gr_accept(self, listening, &other, gr_after_ms(5)), GR_ETIMEOUT);
    CHECK_OK(gr_connect(self, &one, text, SOON));
    CHECK_OK(gr_accept(self, listening, &other, SOON));
    CHECK_EQ(gr_read(self, one, &byte, 1, &n, GR_NOW), GR_ETIMEOUT);
    CHECK_EQ(gr_read(self, one, &byte, 1, &n, gr_after_ms(5)), GR_ETIMEOUT);
    CHECK_OK(gr_write(self, other, "x", 1, GR_NOW));
    CHECK_OK(gr_read(self, one, &byte, 1, &n, SOON));
    CHECK_EQ(byte, 'x');
    END(self);
}

static void read_until_killed(gr_self *self, gr_value args)
{
    gr_socket socket = {(uint64_t)gr_int(gr_get(args, "socket"), 0)};
    CHECK_OK(gr_socket_adopt(self, socket));
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "parent")), "{s:b}", "ready", 1));
    char byte;
    size_t n;
    CHECK_EQ(gr_read(self, socket, &byte, 1, &n, GR_FOREVER), GR_EKILLED);
    CHECK_EQ(gr_write(self, socket, "x", 1, GR_FOREVER), GR_EKILLED);
    gr_kill_clear(self);
    CHECK_OK(gr_write(self, socket, "y", 1, SOON));
}

static void read_for_ever(gr_self *self, gr_value args)
{
    gr_socket socket = {(uint64_t)gr_int(gr_get(args, "socket"), 0)};
    CHECK_OK(gr_socket_adopt(self, socket));
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "parent")), "{s:b}", "ready", 1));
    char byte;
    size_t n;
    int code = gr_read(self, socket, &byte, 1, &n, GR_FOREVER);
    TEST_FAIL("a raising kill must not come back: %d", code);
}

static gr_address spawn_reader(gr_self *self, gr_entry entry, gr_socket socket, enum gr_kill_mode kill)
{
    gr_address reader;
    gr_message *m;
    CHECK_OK(gr_spawn_with(self, &reader, entry, &(gr_spawn_options){.kill = kill}, "{s:I, s:A}", "socket",
                           (int64_t)socket.id, "parent", gr_self_address(self)));
    CHECK_OK(gr_receive(self, &m, SOON));
    gr_message_free(&m);
    return reader;
}

TEST(io, kills_end_every_wait)
{
    gr_self *self = BEGIN();
    char text[GR_SOCKET_TEXT_BYTES], byte;
    gr_socket listening = listener(self, text), one, other;
    CHECK_OK(gr_connect(self, &one, text, SOON));
    CHECK_OK(gr_accept(self, listening, &other, SOON));
    gr_address reader = spawn_reader(self, read_until_killed, other, GR_KILL_RETURNS);
    CHECK_OK(gr_kill(reader));
    read_all(self, one, &byte, 1);
    CHECK_EQ(byte, 'y');
    expect_end(self, one);

    CHECK_OK(gr_connect(self, &one, text, SOON));
    CHECK_OK(gr_accept(self, listening, &other, SOON));
    reader = spawn_reader(self, read_for_ever, other, GR_KILL_RAISES);
    CHECK_OK(gr_kill(reader));
    expect_end(self, one);

    CHECK_OK(gr_connect(self, &one, text, SOON));
    CHECK_OK(gr_accept(self, listening, &other, SOON));
    reader = spawn_reader(self, read_for_ever, other, GR_KILL_RETURNS);
    CHECK_OK(gr_kill_now(reader));
    expect_end(self, one);
    END(self);
}

/* ---- owners ---- */

static void hold(gr_self *self, gr_value args)
{
    gr_socket socket = {(uint64_t)gr_int(gr_get(args, "socket"), 0)};
    gr_message *m;
    CHECK_OK(gr_socket_adopt(self, socket));
    CHECK_OK(gr_socket_adopt(self, socket)); /* again: it is ours */
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "parent")), "{s:b}", "ready", 1));
    CHECK_OK(gr_receive(self, &m, SOON));
    gr_message_free(&m);
}

TEST(io, sockets_have_one_owner_and_end_with_it)
{
    gr_self *self = BEGIN();
    char text[GR_SOCKET_TEXT_BYTES];
    size_t n;
    gr_socket listening = listener(self, text), one, other;
    CHECK_OK(gr_connect(self, &one, text, SOON));
    CHECK_OK(gr_accept(self, listening, &other, SOON));
    gr_address holder = spawn_reader(self, hold, other, GR_KILL_RETURNS);
    char byte;
    CHECK_EQ(gr_read(self, other, &byte, 1, &n, GR_NOW), GR_ECONTEXT);
    CHECK_EQ(gr_close(self, other), GR_ECONTEXT);
    CHECK_OK(gr_cast(self, holder, "n"));
    expect_end(self, one);
    CHECK_EQ(gr_read(self, other, &byte, 1, &n, GR_NOW), GR_ECLOSED);
    CHECK_EQ(gr_socket_adopt(self, other), GR_ECLOSED);
    CHECK_EQ(gr_close(self, (gr_socket){0}), GR_ECLOSED);
    CHECK_EQ(gr_close(self, (gr_socket){UINT64_MAX}), GR_ECLOSED);
    END(self);
}

TEST(io, a_socket_in_a_call_is_not_adopted)
{
    gr_self *self = BEGIN();
    char text[GR_SOCKET_TEXT_BYTES];
    gr_socket listening = listener(self, text), one, other;
    CHECK_OK(gr_connect(self, &one, text, SOON));
    CHECK_OK(gr_accept(self, listening, &other, SOON));
    gr_address reader = spawn_reader(self, read_until_killed, other, GR_KILL_RETURNS);
    WAIT_FOR(self, harness_waits(reader)); /* in its read */
    CHECK_EQ(gr_socket_adopt(self, other), GR_EINUSE);
    CHECK_OK(gr_kill(reader));
    char byte;
    read_all(self, one, &byte, 1); /* it lives on after this kill; another, by END, would be one too many */
    END(self);
}

/* ---- data ---- */

TEST(io, big_writes_arrive_whole)
{
    gr_self *self = BEGIN();
    char text[GR_SOCKET_TEXT_BYTES];
    gr_socket listening = listener(self, text), other;
    CHECK_OK(gr_spawn(self, NULL, flood, "s", text));
    CHECK_OK(gr_accept(self, listening, &other, SOON));
    expect_flood(self, other);
    END(self);
}

/* The end may be reported together with the last data: reading on must not wait for another report. */
TEST(io, the_end_right_behind_the_data)
{
    gr_self *self = BEGIN();
    char text[GR_SOCKET_TEXT_BYTES], buffer[64];
    gr_socket listening = listener(self, text), one, other;
    for (int i = 0; i < 300; i++) {
        size_t n = 0, at = 0;
        CHECK_OK(gr_connect(self, &one, text, SOON));
        CHECK_OK(gr_accept(self, listening, &other, SOON));
        if (i % 3 != 0) { /* in the poller already */
            CHECK_EQ(gr_read(self, other, buffer, sizeof buffer, &n, gr_after_us(i % 3)), GR_ETIMEOUT);
        }
        CHECK_OK(gr_write(self, one, "hello", 5, SOON));
        if (i % 2) CHECK_OK(gr_write(self, one, "world", 5, SOON));
        CHECK_OK(gr_close(self, one));
        if (i % 5 == 0) CHECK_OK(gr_sleep(self, gr_after_ms(1))); /* both are reported before the read */
        do {
            CHECK_OK(gr_read(self, other, buffer + at, sizeof buffer - at, &n, SOON));
            at += n;
        } while (n > 0);
        CHECK_EQ(at, i % 2 ? 10 : 5);
        CHECK_OK(gr_close(self, other));
    }
    END(self);
}

TEST(io, polling_reads_see_what_is_there)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    char text[GR_SOCKET_TEXT_BYTES], buffer[64];
    gr_socket listening, one, other;
    snprintf(text, sizeof text, "unix:/tmp/greenroom-poll-%ld", (long)getpid());
    CHECK_OK(gr_listen(self, &listening, text, NULL));
    CHECK_OK(gr_connect(self, &one, text, SOON));
    CHECK_OK(gr_accept(self, listening, &other, SOON));
    for (int i = 0; i < 300; i++) {
        size_t n;
        CHECK_OK(gr_write(self, one, "ping", 4, SOON));
        CHECK_OK(gr_read(self, other, buffer, sizeof buffer, &n, GR_NOW)); /* a Unix socket: there at once */
        CHECK_EQ(n, 4);
        CHECK_EQ(gr_read(self, other, buffer, sizeof buffer, &n, i % 2 ? GR_NOW : gr_after_us(20)), GR_ETIMEOUT);
    }
    END(self);
}

TEST(io, writing_to_who_has_gone)
{
    gr_self *self = BEGIN();
    char text[GR_SOCKET_TEXT_BYTES];
    gr_socket listening = listener(self, text), one, other;
    CHECK_OK(gr_connect(self, &one, text, SOON));
    CHECK_OK(gr_accept(self, listening, &other, SOON));
    CHECK_OK(gr_close(self, one));
    int code;
    WAIT_FOR(self, (code = gr_write(self, other, "hello", 5, SOON)) != 0); /* the reset is on its way */
    CHECK_EQ(code, GR_ECLOSED);
    END(self);
}

TEST(io, bad_calls)
{
    gr_self *self = BEGIN();
    char text[GR_SOCKET_TEXT_BYTES];
    gr_socket listening = listener(self, text), unused;
    size_t n;
    CHECK_EQ(gr_listen(self, &unused, text, NULL), GR_EINUSE);
    CHECK_EQ(gr_listen(self, &unused, "no name:80", NULL), GR_EINVAL);
    CHECK(strstr(gr_error_detail(self)->text, "no name either"));
    CHECK_EQ(gr_listen(self, &unused, "127.0.0.1:0", &(gr_listen_options){.backlog = -1}), GR_EINVAL);
    CHECK_EQ(gr_connect(self, &unused, "*:80", SOON), GR_EINVAL);
    CHECK_EQ(gr_connect(self, &unused, "127.0.0.1:0", SOON), GR_EINVAL);
    CHECK_EQ(gr_connect(self, &unused, "unix:/nowhere/at/all", SOON), GR_ESYSTEM);
    CHECK_EQ(gr_read(self, listening, NULL, 1, &n, GR_NOW), GR_EINVAL);
    CHECK_OK(gr_close(self, listening));
    CHECK_EQ(gr_connect(self, &unused, text, SOON), GR_ESYSTEM);
    CHECK(strstr(gr_error_detail(self)->text, "Connection refused"));
    END(self);
}

TEST(io, accept_needs_a_listener)
{
    gr_self *self = BEGIN();
    char text[GR_SOCKET_TEXT_BYTES];
    gr_socket listening = listener(self, text), one, unused;
    (void)listening;
    CHECK_OK(gr_connect(self, &one, text, SOON));
    CHECK_EQ(gr_accept(self, one, &unused, GR_NOW), GR_EINVAL);
    END(self);
}

TEST(io, a_stale_unix_socket_is_replaced_a_live_one_not)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    char address[100];
    snprintf(address, sizeof address, "unix:/tmp/greenroom-stale-%ld", (long)getpid());
    gr_socket first, second;
    CHECK_OK(gr_listen(self, &first, address, &(gr_listen_options){.unix_mode = 0666}));
    CHECK_EQ(gr_listen(self, &second, address, NULL), GR_EINUSE);
    char aside[120];
    snprintf(aside, sizeof aside, "%s.aside", address + 5);
    CHECK_OK(rename(address + 5, aside)); /* so that closing leaves a file nobody listens on */
    CHECK_OK(gr_close(self, first));
    CHECK_OK(rename(aside, address + 5));
    CHECK_OK(gr_listen(self, &second, address, NULL));
    CHECK_OK(gr_close(self, second));
    FILE *file = fopen(address + 5, "w"); /* no socket: left alone */
    CHECK(file);
    fclose(file);
    CHECK_EQ(gr_listen(self, &second, address, NULL), GR_EINUSE);
    unlink(address + 5);
    END(self);
}

static void no_lines(void *arg, enum gr_log_level level, gr_address subject, const char *line)
{
    (void)level, (void)subject;
    if (strstr(line, "accept: Too many open files")) ++*(int *)arg;
}

TEST(io, out_of_descriptors_accept_waits)
{
    if (harness_simulated()) return;
    int warned = 0;
    gr_log_sink_set(no_lines, &warned, NULL);
    gr_self *self = BEGIN();
    char text[GR_SOCKET_TEXT_BYTES];
    gr_socket listening = listener(self, text), one, other;
    CHECK_OK(gr_connect(self, &one, text, SOON));
    struct rlimit before, low;
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &before));
    low = before;
    low.rlim_cur = 3;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &low));
    CHECK_EQ(gr_accept(self, listening, &other, gr_after_ms(30)), GR_ETIMEOUT);
    CHECK_EQ(warned, 1);
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &before));
    CHECK_OK(gr_accept(self, listening, &other, SOON));
    END(self);
    gr_log_sink_set(NULL, NULL, NULL);
}

TEST(io, start_stop_start)
{
    for (int i = 0; i < 3; i++) {
        gr_self *self = BEGIN();
        char text[GR_SOCKET_TEXT_BYTES];
        gr_address server = start_echo(self, "127.0.0.1:0", text);
        many_talk(self, text, 5);
        CHECK_OK(gr_kill(server));
        END(self);
    }
}

/* ---- one poller for all ---- */

static gri_atomic_bool busy_over;

/* No suspending call anywhere. Not for ever: no kill reaches it, if the body ends otherwise than it should. */
static void be_busy(gr_self *self, gr_value args)
{
    const gr_deadline patience = SOON;
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", "busy"));
    while (!gri_load_relaxed(&busy_over) && gr_now_ns() < patience.ns) gri_cpu_relax(); /* relaxed: a flag */
}

/* The only worker is held by an actor that computes: a spare one serves its descriptors. */
TEST(io, a_busy_workers_sockets_are_served_by_others)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN_WITH(.workers = 1, .stuck_ms = 1, .fixed = GR_FIXED(workers) | GR_FIXED(stuck_ms));
    gri_store_relaxed(&busy_over, false); /* relaxed: nobody is busy yet */
    char text[GR_SOCKET_TEXT_BYTES];
    gr_address server = start_echo(self, "127.0.0.1:0", text);
    gr_socket one;
    char buffer[4];
    CHECK_OK(gr_connect(self, &one, text, SOON));
    CHECK_OK(gr_write(self, one, "ping", 4, SOON));
    read_all(self, one, buffer, 4); /* its connection is in the poller */
    CHECK_OK(gr_spawn(self, NULL, be_busy, "A", gr_self_address(self)));
    EXPECT(self, "s", "busy");
    CHECK_OK(gr_write(self, one, "pong", 4, SOON));
    read_all(self, one, buffer, 4);
    CHECK(memcmp(buffer, "pong", 4) == 0);
    gri_store_relaxed(&busy_over, true); /* relaxed: as above */
    CHECK_OK(gr_kill(server));
    END(self);
}

static void say_ran(gr_self *self, gr_value args)
{
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", "ran"));
}

static void leave_two_waiting(gr_self *self, gr_value args)
{
    for (int i = 0; i < 2; i++) CHECK_OK(gr_spawn(self, NULL, say_ran, "A", gr_address_in(args)));
    be_busy(self, args);
}

/* What waits in the queue of the held worker, too: that descriptors are watched is no reason to leave it to the poller. */
TEST(io, a_busy_workers_queue_is_served_by_others)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN_WITH(.workers = 1, .stuck_ms = 1, .fixed = GR_FIXED(workers) | GR_FIXED(stuck_ms));
    gri_store_relaxed(&busy_over, false); /* relaxed: nobody is busy yet */
    char text[GR_SOCKET_TEXT_BYTES];
    gr_address server = start_echo(self, "127.0.0.1:0", text); /* its listener is watched */
    CHECK_OK(gr_spawn(self, NULL, leave_two_waiting, "A", gr_self_address(self)));
    int busy = 0, ran = 0;
    for (int i = 0; i < 3; i++) { /* in any order: who is stopped on its way to being busy holds its worker, too */
        gr_message *m = RECEIVE(self);
        busy += strcmp(gr_string(gr_body(m), ""), "busy") == 0;
        ran += strcmp(gr_string(gr_body(m), ""), "ran") == 0;
        FREE(m);
    }
    CHECK_EQ(busy, 1);
    CHECK_EQ(ran, 2);
    gri_store_relaxed(&busy_over, true); /* relaxed: as above */
    CHECK_OK(gr_kill(server));
    END(self);
}

TEST(io, nothing_is_left_behind)
{
    for (int i = 0; i < 2; i++) {
        gr_self *self = BEGIN();
        char text[GR_SOCKET_TEXT_BYTES];
        gr_address server = start_echo(self, "127.0.0.1:0", text);
        many_talk(self, text, 10);
        CHECK_OK(gr_kill(server));
        END(self);
        CHECK_EQ(gri_sockets_open(), 0);
    }
}
