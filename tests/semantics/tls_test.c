/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* TLS: the calls of io.h over it, who is trusted, and what a broken or hostile peer gets. */
#include "support/authority.h"
#include "support/harness.h"

#include "io/socket.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#if GRI_TLS

#include <openssl/pem.h>

typedef struct party {
    gr_tls *server, *client;
} party;

static gr_tls *make(const gr_tls_options *options)
{
    gr_tls *tls = NULL;
    gr_detail detail;
    int code = gr_tls_new(&tls, options, &detail);
    if (code != 0) TEST_FAIL("gr_tls_new: %s: %s", gr_error_name(code), detail.text);
    return tls;
}

static party party_of(const gr_tls_options *server, const gr_tls_options *client)
{
    return (party){make(server), make(client)};
}

static party party_for(const char *host)
{
    return party_of(&(gr_tls_options){.server = true, .certificate = authority_issue(host, 0)},
                    &(gr_tls_options){.trust = authority_trust()});
}

static void party_end(party *p)
{
    gr_tls_free(&p->server);
    gr_tls_free(&p->client);
    authority_close();
}

/* ---- the other side: accepts one connection, shakes hands, echoes ---- */

static void echo(gr_self *self, gr_value args)
{
    gr_tls *tls = (gr_tls *)(uintptr_t)gr_int(gr_get(args, "tls"), 0);
    gr_address host = gr_address_in(gr_get(args, "host"));
    gr_socket listener, socket;
    char text[GR_SOCKET_TEXT_BYTES];
    /* Little in the system, so that who does not read is noticed soon. */
    CHECK_OK(gr_listen(self, &listener, "127.0.0.1:0", &(gr_listen_options){.unsent_bytes = 65536}));
    CHECK_OK(gr_socket_local(self, listener, text));
    CHECK_OK(gr_cast(self, host, "s", text));
    CHECK_OK(gr_accept(self, listener, &socket, SOON));
    int code = gr_tls_accept(self, socket, tls, SOON);
    CHECK_OK(gr_cast(self, host, "{s:i, s:s}", "accepted", code, "why", code ? gr_error_detail(self)->text : ""));
    char buffer[8192];
    for (size_t n; code == 0 && gr_read(self, socket, buffer, sizeof buffer, &n, GR_FOREVER) == 0 && n > 0;)
        if (gr_write(self, socket, buffer, n, GR_FOREVER) != 0) break;
}

static gr_socket connect_to_echo(gr_self *self, const party *p, gr_address *ret_server)
{
    gr_socket socket;
    CHECK_OK(gr_spawn(self, ret_server, echo, "{s:I, s:A}", "tls", (int64_t)(uintptr_t)p->server, "host",
                      gr_self_address(self)));
    gr_message *m = RECEIVE(self);
    CHECK_OK(gr_connect(self, &socket, gr_string(gr_body(m), ""), SOON));
    FREE(m);
    return socket;
}

static void expect_accepted(gr_self *self, int code)
{
    gr_message *m = RECEIVE(self);
    CHECK_EQ(gr_int(gr_get(gr_body(m), "accepted"), 99), code);
    FREE(m);
}

static gr_socket shake_hands(gr_self *self, const party *p, const char *host)
{
    gr_address server;
    gr_socket socket = connect_to_echo(self, p, &server);
    int code = gr_tls_connect(self, socket, p->client, host, SOON);
    if (code != 0) TEST_FAIL("gr_tls_connect: %s: %s", gr_error_name(code), gr_error_detail(self)->text);
    expect_accepted(self, 0);
    return socket;
}

/* The handshake fails on our side with these words. */
static void expect_refused(gr_self *self, const party *p, const char *host, const char *why)
{
    gr_address server;
    gr_socket socket = connect_to_echo(self, p, &server);
    CHECK_EQ(gr_tls_connect(self, socket, p->client, host, SOON), GR_ETLS);
    if (!strstr(gr_error_detail(self)->text, why))
        TEST_FAIL("expected \"%s\", got \"%s\"", why, gr_error_detail(self)->text);
    CHECK_EQ(gr_write(self, socket, "in clear", 8, SOON), GR_ECLOSED); /* nothing goes on */
    CHECK_OK(gr_close(self, socket));
    gr_message *m = RECEIVE(self);                               /* the other side has learned of it */
    CHECK(gr_type_of(gr_get(gr_body(m), "accepted")) == GR_INT); /* TLS 1.3: it may think that all went well */
    FREE(m);
}

static void read_all(gr_self *self, gr_socket socket, char *buffer, size_t bytes)
{
    for (size_t n; bytes > 0; buffer += n, bytes -= n) {
        CHECK_OK(gr_read(self, socket, buffer, bytes, &n, SOON));
        CHECK(n > 0);
    }
}

/* ---- what works ---- */

TEST(tls, the_same_calls_read_and_write)
{
    if (harness_simulated()) return;
    authority_open();
    party p = party_for("localhost");
    gr_self *self = BEGIN();
    gr_socket socket = shake_hands(self, &p, "localhost");
    char buffer[64], here[GR_SOCKET_TEXT_BYTES];
    size_t n;
    for (int i = 0; i < 100; i++) {
        CHECK_OK(gr_write(self, socket, "hello", 5, SOON));
        read_all(self, socket, buffer, 5);
        CHECK(memcmp(buffer, "hello", 5) == 0);
    }
    struct iovec parts[] = {{"one", 3}, {NULL, 0}, {"two", 3}}, rooms[] = {{NULL, 0}, {buffer, 2}, {buffer + 2, 4}};
    CHECK_OK(gr_writev(self, socket, parts, 3, SOON));
    CHECK_OK(gr_readv(self, socket, rooms, 3, &n, SOON));
    read_all(self, socket, buffer + n, 6 - n);
    CHECK(memcmp(buffer, "onetwo", 6) == 0);
    CHECK_EQ(gr_read(self, socket, buffer, 1, &n, GR_NOW), GR_ETIMEOUT);
    CHECK_EQ(gr_read(self, socket, buffer, 1, &n, gr_after_ms(5)), GR_ETIMEOUT);
    CHECK_OK(gr_socket_local(self, socket, here));
    CHECK_OK(gr_shutdown(self, socket));
    CHECK_OK(gr_read(self, socket, buffer, 1, &n, SOON)); /* the echo ends, too, and says so */
    CHECK_EQ(n, 0);
    CHECK_OK(gr_close(self, socket));
    END(self);
    CHECK_EQ(gri_sockets_open(), 0);
    party_end(&p);
}

TEST(tls, what_was_agreed_upon)
{
    if (harness_simulated()) return;
    authority_open();
    const char *server = authority_issue("127.0.0.1", 0);
    party p = party_of(&(gr_tls_options){.server = true, .certificate = server, .alpn = "h9,http/1.1"},
                       &(gr_tls_options){.trust = authority_trust(), .alpn = "http/1.1,other"});
    gr_self *self = BEGIN();
    gr_socket socket = shake_hands(self, &p, "127.0.0.1");
    gr_tls_info info;
    CHECK_OK(gr_tls_inspect(self, socket, &info));
    CHECK_STR(info.version, "TLSv1.3");
    CHECK_STR(info.alpn, "http/1.1");
    CHECK_STR(info.peer, "CN=127.0.0.1");
    CHECK(strncmp(info.cipher, "TLS_", 4) == 0);
    END(self);
    party_end(&p);
}

enum { FLOOD_BYTES = 3 << 20 };

static void flood(gr_self *self, gr_value args)
{
    gr_socket socket = {(uint64_t)gr_int(gr_get(args, "socket"), 0)};
    int file = (int)gr_int(gr_get(args, "file"), -1);
    CHECK_OK(gr_socket_adopt(self, socket));
    CHECK_OK(gr_sendfile(self, socket, file, 0, FLOOD_BYTES, SOON));
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "host")), "s", "sent"));
    harness_idle(self, args);
}

static int flood_file(void)
{
    int fd = memfd_create("flood", MFD_CLOEXEC);
    static unsigned char data[FLOOD_BYTES];
    for (size_t i = 0; i < FLOOD_BYTES; i++) data[i] = (unsigned char)(i * 31 + (i >> 12));
    CHECK_EQ(write(fd, data, sizeof data), FLOOD_BYTES);
    return fd;
}

/* Both directions at once: the echo writes while it is written to. */
TEST(tls, much_data_and_files_go_to_and_fro)
{
    if (harness_simulated()) return;
    authority_open();
    party p = party_for("localhost");
    gr_self *self = BEGIN();
    gr_socket socket = shake_hands(self, &p, "localhost");
    unsigned char *data = malloc(FLOOD_BYTES);
    for (size_t i = 0; i < FLOOD_BYTES; i++) data[i] = (unsigned char)(i * 31 + (i >> 12));
    enum { STEP = 16 << 10 };
    static char back[STEP];
    for (size_t at = 0; at < FLOOD_BYTES; at += STEP) {
        CHECK_OK(gr_write(self, socket, data + at, STEP, SOON));
        read_all(self, socket, back, STEP);
        CHECK(memcmp(back, data + at, STEP) == 0);
    }
    int file = flood_file();
    CHECK_OK(gr_sendfile(self, socket, file, 100, 5000, SOON));
    read_all(self, socket, back, 5000);
    CHECK(memcmp(back, data + 100, 5000) == 0);
    CHECK_EQ(gr_sendfile(self, socket, file, FLOOD_BYTES - 1, 2, SOON), GR_ERANGE);
    free(data);
    END(self);
    party_end(&p);
}

TEST(tls, active_sockets_and_new_owners)
{
    if (harness_simulated()) return;
    authority_open();
    party p = party_for("localhost");
    gr_self *self = BEGIN();
    gr_address sender;
    gr_socket socket = shake_hands(self, &p, "localhost");
    CHECK_OK(gr_socket_active(self, socket, GR_ACTIVE, 0));
    CHECK_OK(gr_write(self, socket, "hello", 5, SOON));
    gr_message *m = RECEIVE(self);
    CHECK_STR(gr_string(gr_get(gr_body(m), "actnet"), ""), "tcp");
    size_t bytes = 0;
    CHECK(memcmp(gr_bytes(gr_get(gr_body(m), "data"), &bytes), "hello", 5) == 0 && bytes == 5);
    FREE(m);
    /* A file sent by its new owner comes back to it: nobody reads, so only a part gets through; then it is killed. */
    CHECK_OK(gr_socket_active(self, socket, GR_PASSIVE, 0));
    CHECK_OK(gr_spawn(self, &sender, flood, "{s:I, s:i, s:A}", "socket", (int64_t)socket.id, "file", flood_file(),
                      "host", gr_self_address(self)));
    WAIT_FOR(self, harness_waits(sender));
    CHECK_OK(gr_kill(sender));
    WAIT_GONE(self, sender);
    CHECK_EQ(gr_close(self, socket), GR_ECLOSED);
    END(self);
    CHECK_EQ(gri_sockets_open(), 0);
    party_end(&p);
}

/* Messages are made while a write waits: reading must not take the report that it waits for, nor the other way round. */
TEST(tls, each_way_has_its_own_reports)
{
    if (harness_simulated()) return;
    authority_open();
    party p = party_for("localhost");
    gr_self *self = BEGIN();
    gr_socket socket = shake_hands(self, &p, "localhost");
    gri_socket_record *record;
    gri_atomic_u32 *ready = NULL;
    char byte;
    int error = 0;
    CHECK_OK(gri_socket_begin(self, socket, &record));
    gri_store_relaxed(&record->writable, 1u); /* relaxed, all: a test of one thread, nobody writes */
    while (gri_socket_receive(record, &byte, 1, &error, &ready) > 0) continue;
    CHECK_EQ(error, EAGAIN);
    CHECK(ready == &record->readable);
    CHECK_EQ(gri_load_relaxed(&record->writable), 1); /* relaxed: as above */
    gri_store_relaxed(&record->readable, 1u);         /* relaxed: as above */
    CHECK_EQ(gri_socket_send(record, "x", 1, &error, &ready), 1);
    CHECK_EQ(gri_load_relaxed(&record->readable), 1); /* relaxed: as above */
    CHECK_OK(gri_socket_end(self, record, 0));
    END(self);
    party_end(&p);
}

TEST(tls, an_active_socket_reads_while_it_writes)
{
    if (harness_simulated()) return;
    enum { BYTES = 6 << 20 };
    authority_open();
    party p = party_for("localhost");
    gr_self *self = BEGIN();
    char *data = malloc(BYTES);
    CHECK(data != NULL);
    memset(data, 'x', BYTES);
    gr_socket socket = shake_hands(self, &p, "localhost");
    CHECK_OK(gr_socket_active(self, socket, GR_ACTIVE, 65536));
    CHECK_OK(gr_write(self, socket, data, BYTES, SOON));
    for (size_t bytes = 0, n; bytes < BYTES; bytes += n) {
        gr_message *m = RECEIVE(self);
        CHECK(gr_bytes(gr_get(gr_body(m), "data"), &n) != NULL);
        FREE(m);
    }
    free(data);
    END(self);
    party_end(&p);
}

TEST(tls, servers_may_ask_who_comes)
{
    if (harness_simulated()) return;
    authority_open();
    const char *server = authority_issue("localhost", 0), *known = authority_issue("client.example", 0);
    const char *unknown = authority_issue("client.example", AUTHORITY_UNKNOWN);
    gr_tls_options asks = {.server = true, .certificate = server, .trust = authority_trust(), .verify_client = true};
    party p = party_of(&asks, &(gr_tls_options){.trust = authority_trust(), .certificate = known});
    gr_self *self = BEGIN();
    gr_socket socket = shake_hands(self, &p, "localhost");
    CHECK_OK(gr_close(self, socket));
    const char *bad[] = {NULL, unknown};
    for (int i = 0; i < 2; i++) {
        gr_address who;
        gr_tls_free(&p.client);
        p.client = make(&(gr_tls_options){.trust = authority_trust(), .certificate = bad[i]});
        socket = connect_to_echo(self, &p, &who);
        char byte;
        size_t n;
        int code = gr_tls_connect(self, socket, p.client, "localhost", SOON); /* TLS 1.3: learns of it when it reads */
        if (code == 0) code = gr_read(self, socket, &byte, 1, &n, SOON);
        CHECK(code == GR_ETLS || code == GR_ECLOSED);
        expect_accepted(self, GR_ETLS);
        CHECK_OK(gr_close(self, socket));
    }
    END(self);
    party_end(&p);
}

/* ---- who is not trusted ---- */

TEST(tls, strangers_are_refused)
{
    if (harness_simulated()) return;
    authority_open();
    party p = party_for("localhost");
    gr_self *self = BEGIN();
    expect_refused(self, &p, "other.example", "hostname mismatch");
    expect_refused(self, &p, "127.0.0.1", "IP address mismatch");
    gr_tls_free(&p.server);
    p.server = make(&(gr_tls_options){.server = true, .certificate = authority_issue("localhost", AUTHORITY_EXPIRED)});
    expect_refused(self, &p, "localhost", "certificate has expired");
    gr_tls_free(&p.server);
    p.server = make(&(gr_tls_options){.server = true, .certificate = authority_issue("localhost", AUTHORITY_UNKNOWN)});
    expect_refused(self, &p, "localhost", "self-signed certificate");
    gr_tls_free(&p.client);
    p.client = make(NULL); /* the system's authorities do not know ours */
    expect_refused(self, &p, "localhost", "certificate");
    gr_tls_free(&p.client);
    p.client = make(&(gr_tls_options){.insecure = true});
    CHECK_OK(gr_close(self, shake_hands(self, &p, NULL)));
    END(self);
    party_end(&p);
}

TEST(tls, nothing_in_common_is_refused)
{
    if (harness_simulated()) return;
    authority_open();
    party p = party_of(&(gr_tls_options){.server = true, .certificate = authority_issue("localhost", 0), .alpn = "h2"},
                       &(gr_tls_options){.trust = authority_trust(), .alpn = "http/1.1"});
    gr_self *self = BEGIN();
    expect_refused(self, &p, "localhost", "alert no application protocol");
    END(self);
    party_end(&p);
}

/* ---- peers that misbehave ---- */

static gr_socket connect_plain(gr_self *self, gr_socket *ret_far)
{
    gr_socket listener, near;
    char text[GR_SOCKET_TEXT_BYTES];
    CHECK_OK(gr_listen(self, &listener, "127.0.0.1:0", NULL));
    CHECK_OK(gr_socket_local(self, listener, text));
    CHECK_OK(gr_connect(self, &near, text, SOON));
    CHECK_OK(gr_accept(self, listener, ret_far, SOON));
    CHECK_OK(gr_close(self, listener));
    return near;
}

TEST(tls, peers_that_do_not_speak_it)
{
    if (harness_simulated()) return;
    authority_open();
    party p = party_for("localhost");
    gr_self *self = BEGIN();
    gr_socket near, far;
    near = connect_plain(self, &far);
    CHECK_EQ(gr_tls_connect(self, near, p.client, "localhost", gr_after_ms(10)), GR_ETIMEOUT); /* it says nothing */
    CHECK_OK(gr_close(self, near));
    near = connect_plain(self, &far);
    CHECK_OK(gr_write(self, far, "GET / HTTP/1.1\r\n\r\n", 18, SOON));
    CHECK_EQ(gr_tls_accept(self, near, p.server, SOON), GR_ETLS);
    CHECK_STR(gr_error_detail(self)->text, "TLS: http request");
    near = connect_plain(self, &far);
    CHECK_OK(gr_write(self, far, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, SOON));
    CHECK_EQ(gr_tls_connect(self, near, p.client, "localhost", SOON), GR_ETLS);
    near = connect_plain(self, &far);
    CHECK_OK(gr_close(self, far));
    CHECK_EQ(gr_tls_connect(self, near, p.client, "localhost", SOON), GR_ECLOSED);
    END(self);
    party_end(&p);
}

/* An end that TLS does not know of may be an attacker's: no plain end of data. */
TEST(tls, an_end_in_clear_is_no_end)
{
    if (harness_simulated()) return;
    authority_open();
    party p = party_for("localhost");
    gr_self *self = BEGIN();
    gr_socket socket = shake_hands(self, &p, "localhost");
    char byte;
    size_t n;
    CHECK_OK(shutdown(gri_socket_descriptor(socket), SHUT_RD));
    CHECK_EQ(gr_read(self, socket, &byte, 1, &n, SOON), GR_ECLOSED);
    CHECK_EQ(gr_write(self, socket, "x", 1, SOON), GR_ECLOSED); /* and nothing after it */
    END(self);
    party_end(&p);
}

/* ---- wrong calls ---- */

static void refused(const gr_tls_options *options, int code, const char *why)
{
    gr_tls *tls = NULL;
    gr_detail detail;
    CHECK_EQ(gr_tls_new(&tls, options, &detail), code);
    if (!strstr(detail.text, why)) TEST_FAIL("expected \"%s\", got \"%s\"", why, detail.text);
    CHECK_EQ(gr_tls_new(&tls, options, NULL), code);
    CHECK(tls == NULL);
}

TEST(tls, options_that_cannot_be)
{
    authority_open();
    const char *good = authority_issue("localhost", 0), *other = authority_issue("localhost", 0);
    const char *rubbish = authority_file("rubbish", "no certificate\n");
    refused(&(gr_tls_options){.server = true}, GR_EINVAL, "a server needs option certificate");
    refused(&(gr_tls_options){.server = true, .certificate = good, .insecure = true}, GR_EINVAL, "is a client's");
    refused(&(gr_tls_options){.verify_client = true}, GR_EINVAL, "is a server's");
    refused(&(gr_tls_options){.key = good}, GR_EINVAL, "option key without");
    refused(&(gr_tls_options){.insecure = true, .trust = good}, GR_EINVAL, "option trust has no use");
    refused(&(gr_tls_options){.certificate = "/nowhere.pem"}, GR_ESYSTEM,
            "option certificate: /nowhere.pem: No such file or directory");
    refused(&(gr_tls_options){.certificate = rubbish}, GR_ETLS, "no start line");
    refused(&(gr_tls_options){.certificate = good, .key = rubbish}, GR_ETLS, "option key: ");
    refused(&(gr_tls_options){.certificate = good, .key = other}, GR_ETLS, "key values mismatch");
    refused(&(gr_tls_options){.trust = "/nowhere.pem"}, GR_ESYSTEM, "option trust: /nowhere.pem");
    refused(&(gr_tls_options){.trust = rubbish}, GR_ETLS, "option trust: ");
    refused(&(gr_tls_options){.alpn = ""}, GR_EINVAL, "option alpn");
    refused(&(gr_tls_options){.alpn = "a,,b"}, GR_EINVAL, "option alpn");
    gr_tls *none = NULL;
    gr_tls_free(&none);
    gr_tls_free(NULL);
    authority_close();
}

/* ---- half-closed ---- */

/* Reads to the end, and only then answers. */
static void late(gr_self *self, gr_value args)
{
    gr_tls *tls = (gr_tls *)(uintptr_t)gr_int(gr_get(args, "tls"), 0);
    gr_address host = gr_address_in(gr_get(args, "host"));
    gr_socket listener, socket;
    char text[GR_SOCKET_TEXT_BYTES], byte;
    size_t n;
    CHECK_OK(gr_listen(self, &listener, "127.0.0.1:0", NULL));
    CHECK_OK(gr_socket_local(self, listener, text));
    CHECK_OK(gr_cast(self, host, "s", text));
    CHECK_OK(gr_accept(self, listener, &socket, SOON));
    CHECK_OK(gr_tls_accept(self, socket, tls, SOON));
    CHECK_OK(gr_read(self, socket, &byte, 1, &n, SOON));
    CHECK_EQ(n, 0);
    CHECK_OK(gr_write(self, socket, "late", 4, SOON));
    CHECK_OK(gr_cast(self, host, "s", "written"));
    CHECK_EQ(gr_sleep(self, GR_FOREVER), GR_EKILLED);
}

TEST(tls, half_closed_the_other_way_goes_on)
{
    if (harness_simulated()) return;
    authority_open();
    party p = party_for("localhost");
    gr_self *self = BEGIN();
    for (int i = 0; i < 2; i++) {
        gr_address server;
        gr_socket socket;
        char buffer[4];
        CHECK_OK(gr_spawn(self, &server, late, "{s:I, s:A}", "tls", (int64_t)(uintptr_t)p.server, "host",
                          gr_self_address(self)));
        gr_message *m = RECEIVE(self);
        CHECK_OK(gr_connect(self, &socket, gr_string(gr_body(m), ""), SOON));
        FREE(m);
        CHECK_OK(gr_tls_connect(self, socket, p.client, "localhost", SOON));
        CHECK_OK(gr_shutdown(self, socket));
        EXPECT(self, "s", "written");
        if (i == 0)
            CHECK_OK(gr_shutdown(self, socket)); /* again: says nothing, takes nothing */
        else
            CHECK_EQ(gr_write(self, socket, "x", 1, SOON), GR_ECLOSED);
        read_all(self, socket, buffer, 4);
        CHECK(memcmp(buffer, "late", 4) == 0);
        CHECK_OK(gr_kill(server));
        CHECK_OK(gr_close(self, socket));
    }
    END(self);
    party_end(&p);
}

/* ---- an end that has no room ---- */

enum { UNREAD_BYTES = 65536 };

static void set_send_room(gr_socket socket, int bytes)
{
    int fd = gri_socket_descriptor(socket);
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
}

/* Writes what nobody reads yet; from then on there is no room for another byte. Over a Unix socket: TCP has always some. */
static void ends_when_full(gr_self *self, gr_value args)
{
    static char data[UNREAD_BYTES];
    gr_tls *tls = (gr_tls *)(uintptr_t)gr_int(gr_get(args, "tls"), 0);
    gr_address host = gr_address_in(gr_get(args, "host"));
    gr_socket listener, socket;
    char text[GR_SOCKET_TEXT_BYTES];
    snprintf(text, sizeof text, "unix:/tmp/gr-tls-%d", (int)getpid());
    CHECK_OK(gr_listen(self, &listener, text, NULL));
    CHECK_OK(gr_cast(self, host, "s", text));
    CHECK_OK(gr_accept(self, listener, &socket, SOON));
    CHECK_OK(gr_tls_accept(self, socket, tls, SOON));
    set_send_room(socket, 2 * UNREAD_BYTES);
    CHECK_OK(gr_write(self, socket, data, sizeof data, SOON));
    set_send_room(socket, 1);
    CHECK_EQ(gr_shutdown_by(self, socket, GR_NOW), GR_ETIMEOUT);
    CHECK_EQ(gr_shutdown_by(self, socket, gr_after_us(100)), GR_ETIMEOUT);
    CHECK_OK(gr_cast(self, host, "s", "full"));
    CHECK_OK(gr_shutdown_by(self, socket, SOON));
    CHECK_OK(gr_shutdown_by(self, socket, SOON)); /* again: says nothing */
    CHECK_EQ(gr_write(self, socket, "x", 1, SOON), GR_ECLOSED);
    CHECK_OK(gr_cast(self, host, "s", "ended"));
}

TEST(tls, an_end_waits_for_room)
{
    if (harness_simulated()) return;
    static char buffer[UNREAD_BYTES];
    authority_open();
    party p = party_for("localhost");
    gr_self *self = BEGIN();
    gr_address server;
    gr_socket socket;
    size_t bytes = 99;
    CHECK_OK(gr_spawn(self, &server, ends_when_full, "{s:I, s:A}", "tls", (int64_t)(uintptr_t)p.server, "host",
                      gr_self_address(self)));
    gr_message *m = RECEIVE(self);
    CHECK_OK(gr_connect(self, &socket, gr_string(gr_body(m), ""), SOON));
    FREE(m);
    CHECK_OK(gr_tls_connect(self, socket, p.client, "localhost", SOON));
    EXPECT(self, "s", "full");
    read_all(self, socket, buffer, sizeof buffer);
    CHECK_OK(gr_read(self, socket, buffer, 1, &bytes, SOON)); /* an end, no connection that was cut */
    CHECK_EQ(bytes, 0);
    EXPECT(self, "s", "ended");
    END(self);
    party_end(&p);
}

/* ---- new certificates ---- */

static void copy_file(const char *from, const char *to)
{
    char text[16384];
    FILE *in = fopen(from, "r");
    CHECK(in != NULL);
    size_t bytes = fread(text, 1, sizeof text, in);
    CHECK_OK(fclose(in));
    FILE *out = fopen(to, "w");
    CHECK(out != NULL);
    CHECK_EQ(fwrite(text, 1, bytes, out), bytes);
    CHECK_OK(fclose(out));
}

static void expect_echo(gr_self *self, gr_socket socket, const char *text)
{
    char buffer[16] = "";
    CHECK_OK(gr_write(self, socket, text, strlen(text), SOON));
    read_all(self, socket, buffer, strlen(text));
    CHECK_STR(buffer, text);
}

TEST(tls, certificates_are_renewed_while_connections_stay)
{
    if (harness_simulated()) return;
    gr_detail detail;
    authority_open();
    const char *one = authority_issue("one.test", 0), *two = authority_issue("two.test", 0);
    const char *used = authority_file("used", "");
    copy_file(one, used);
    party p = party_of(&(gr_tls_options){.server = true, .certificate = used, .alpn = "x"},
                       &(gr_tls_options){.trust = authority_trust(), .alpn = "x"});
    gr_self *self = BEGIN();
    gr_socket before = shake_hands(self, &p, "one.test");
    copy_file(two, used);
    gr_socket still = shake_hands(self, &p, "one.test"); /* nobody has asked for it yet */
    CHECK_OK(gr_tls_reload(p.server, &detail));
    gr_socket after = shake_hands(self, &p, "two.test");
    gr_tls_info info;
    CHECK_OK(gr_tls_inspect(self, after, &info));
    CHECK_STR(info.alpn, "x");
    expect_refused(self, &p, "one.test", "host");
    expect_echo(self, before, "before"), expect_echo(self, still, "still"), expect_echo(self, after, "after");
    /* What cannot be read changes nothing, and says what it is. */
    copy_file(authority_file("nonsense", "no certificate"), used);
    CHECK_EQ(gr_tls_reload(p.server, &detail), GR_ETLS);
    CHECK(strstr(detail.text, "option certificate: ") && strstr(detail.text, used));
    CHECK_EQ(gr_tls_reload(p.server, NULL), GR_ETLS);
    (void)shake_hands(self, &p, "two.test");
    expect_echo(self, before, "as ever");
    copy_file(one, used);
    CHECK_OK(gr_tls_reload(p.server, &detail));
    (void)shake_hands(self, &p, "one.test");
    END(self);
    party_end(&p);
}

/* ---- names ---- */

TEST(tls, hosts_that_are_none)
{
    if (harness_simulated()) return;
    authority_open();
    party p = party_for("www.example.test");
    gr_self *self = BEGIN();
    gr_socket far, near = connect_plain(self, &far);
    char longest[300];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    const char *const none[] = {".example.test", "*.example.test", "www..test", "www.example.test:443", "a b", longest};
    for (size_t i = 0; i < GRI_ARRAY_COUNT(none); i++) {
        CHECK_EQ(gr_tls_connect(self, near, p.client, none[i], gr_after_ms(1)), GR_EINVAL);
        CHECK(strstr(gr_error_detail(self)->text, "host"));
    }
    (void)shake_hands(self, &p, "www.example.test."); /* the root's dot is no part of what a certificate names */
    END(self);
    party_end(&p);
}

/* A key under a password is refused, not asked for: not on a terminal, not on the standard input. */
TEST(tls, nobody_is_asked_for_a_password)
{
    if (harness_simulated()) return;
    authority_open();
    const char *plain = authority_issue("localhost", 0), *path = authority_file("locked", "");
    FILE *from = fopen(plain, "r"), *to = fopen(path, "w");
    CHECK(from && to);
    X509 *certificate = PEM_read_X509(from, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_PrivateKey(from, NULL, NULL, NULL);
    CHECK(certificate && key);
    CHECK_EQ(PEM_write_X509(to, certificate), 1);
    CHECK_EQ(PEM_write_PrivateKey(to, key, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6, NULL, NULL), 1);
    CHECK_OK(fclose(from));
    CHECK_OK(fclose(to));
    X509_free(certificate);
    EVP_PKEY_free(key);
    int ends[2], before = dup(0);
    CHECK_OK(pipe(ends));
    CHECK_EQ(write(ends[1], "secret\n", 7), 7);
    CHECK_EQ(dup2(ends[0], 0), 0);
    gr_tls *tls = NULL;
    gr_detail detail;
    int code = gr_tls_new(&tls, &(gr_tls_options){.server = true, .certificate = path}, &detail);
    char text[8];
    ssize_t left = read(0, text, sizeof text);
    if (before >= 0) CHECK_EQ(dup2(before, 0), 0);
    close(before), close(ends[0]), close(ends[1]);
    CHECK_EQ(code, GR_ETLS);
    CHECK_EQ(left, 7);
    authority_close();
}

TEST(tls, wrong_calls)
{
    if (harness_simulated()) return;
    authority_open();
    party p = party_for("localhost");
    gr_self *self = BEGIN();
    gr_socket near, far, datagrams, listener;
    gr_tls_info info;
    near = connect_plain(self, &far);
    CHECK_OK(gr_udp_open(self, &datagrams, "127.0.0.1:0", NULL));
    CHECK_OK(gr_listen(self, &listener, "127.0.0.1:0", NULL));
    CHECK_EQ(gr_tls_connect(self, near, p.server, "localhost", SOON), GR_EINVAL);
    CHECK_EQ(gr_tls_connect(self, near, NULL, "localhost", SOON), GR_EINVAL);
    CHECK_EQ(gr_tls_connect(self, near, p.client, NULL, SOON), GR_EINVAL);
    CHECK_EQ(gr_tls_connect(self, near, p.client, "", SOON), GR_EINVAL);
    CHECK_EQ(gr_tls_accept(self, near, p.client, SOON), GR_EINVAL);
    CHECK_EQ(gr_tls_connect(self, datagrams, p.client, "localhost", SOON), GR_EINVAL);
    CHECK_EQ(gr_tls_accept(self, listener, p.server, SOON), GR_EINVAL);
    CHECK_EQ(gr_tls_inspect(self, near, &info), GR_EINVAL);
    CHECK_OK(gr_socket_active(self, near, GR_ACTIVE, 0));
    CHECK_EQ(gr_tls_connect(self, near, p.client, "localhost", SOON), GR_EINUSE);
    near = shake_hands(self, &p, "localhost");
    CHECK_EQ(gr_tls_connect(self, near, p.client, "localhost", SOON), GR_EINVAL); /* twice */
    CHECK_EQ(gr_tls_inspect(self, near, NULL), GR_EINVAL);
    END(self);
    party_end(&p);
}

#else

TEST(tls, is_not_built)
{
    gr_self *self = BEGIN();
    gr_tls *tls = NULL;
    gr_detail detail;
    gr_tls_info info;
    CHECK_EQ(gr_tls_new(&tls, NULL, &detail), GR_EUNSUPPORTED);
    CHECK_STR(detail.text, "this build has no TLS");
    CHECK_EQ(gr_tls_reload(NULL, &detail), GR_EUNSUPPORTED);
    CHECK_EQ(gr_tls_connect(self, (gr_socket){0}, NULL, NULL, SOON), GR_EUNSUPPORTED);
    CHECK_EQ(gr_tls_accept(self, (gr_socket){0}, NULL, SOON), GR_EUNSUPPORTED);
    CHECK_EQ(gr_tls_inspect(self, (gr_socket){0}, &info), GR_EUNSUPPORTED);
    gr_tls_free(&tls);
    END(self);
}

#endif
