/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The simulated network: what sockets do in simulation. That the same tests as for real ones hold there is simulate/twice. */
#include "support/harness.h"

#include <greenroom/test.h>

#define BEGIN_SIMULATED(...) BEGIN_WITH(__VA_ARGS__, .fixed = GR_FIXED(simulate) | GR_FIXED(faults))

#define BYTES 200000

/* Listens, and sends back what comes, one connection after the other. */
static void echo_run(gr_self *self, gr_value args)
{
    gr_socket listener, one;
    char buffer[3000];
    size_t bytes;
    CHECK_OK(gr_listen(self, &listener, gr_string(args, ""), NULL));
    while (gr_accept(self, listener, &one, GR_FOREVER) == 0) {
        while (gr_read(self, one, buffer, sizeof buffer, &bytes, GR_FOREVER) == 0 && bytes > 0)
            if (gr_write(self, one, buffer, bytes, GR_FOREVER) != 0) break;
        (void)gr_close(self, one);
    }
}

static gr_address echo(gr_self *self, const char *address)
{
    gr_address server;
    CHECK_OK(gr_spawn(self, &server, echo_run, "s", address));
    CHECK_OK(gr_sleep(self, gr_after_ms(1)));
    return server;
}

/* Writes the same again and again until it has all gone, on its own, so that the echo can be read meanwhile. */
static void write_run(gr_self *self, gr_value args)
{
    gr_socket to = {(uint64_t)gr_int(gr_get(args, "socket"), 0)};
    char data[1000];
    CHECK_OK(gr_socket_adopt(self, to));
    for (unsigned i = 0; i < BYTES / sizeof data; i++) {
        for (unsigned b = 0; b < sizeof data; b++) data[b] = (char)((i * sizeof data + b) % 251);
        CHECK_OK(gr_write(self, to, data, sizeof data, SOON));
    }
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "host")), "s", "written"));
    (void)gr_sleep(self, GR_FOREVER); /* the socket is closed when it ends */
}

static unsigned run_stream(const char *seed, uint64_t *ret_hash, int64_t *ret_ns)
{
    gr_self *self = BEGIN_SIMULATED(.simulate = seed);
    gr_socket listener, near, far;
    gr_address writer;
    unsigned reads = 0;
    size_t all = 0, bytes;
    char buffer[4096];
    int64_t from = gr_now_ns();
    CHECK_OK(gr_listen(self, &listener, "127.0.0.1:80", NULL));
    CHECK_OK(gr_connect(self, &near, "127.0.0.1:80", SOON));
    CHECK_OK(gr_accept(self, listener, &far, SOON));
    CHECK_OK(
        gr_spawn(self, &writer, write_run, "{s:A,s:I}", "host", gr_self_address(self), "socket", (int64_t)near.id));
    while (all < BYTES) {
        CHECK_OK(gr_read(self, far, buffer, sizeof buffer, &bytes, SOON));
        CHECK(bytes > 0);
        for (size_t i = 0; i < bytes; i++) CHECK_EQ(buffer[i], (char)((all + i) % 251));
        all += bytes;
        reads++;
    }
    EXPECT(self, "s", "written");
    *ret_ns = gr_now_ns() - from;
    *ret_hash = gr_trace_hash();
    END(self);
    return reads;
}

TEST(network, streams_arrive_whole_and_late)
{
    uint64_t hash;
    int64_t ns;
    unsigned reads = run_stream("3", &hash, &ns);
    CHECK(reads > BYTES / 4096 + 10); /* in pieces */
    CHECK(ns > 1000000);              /* virtual time has passed */
}

TEST(network, the_same_seed_gives_the_same_network)
{
    uint64_t first, second, other;
    int64_t ns, ns_again;
    unsigned reads = run_stream("4", &first, &ns);
    CHECK_EQ(run_stream("4", &second, &ns_again), reads);
    CHECK(first == second && ns == ns_again);
    (void)run_stream("5", &other, &ns);
    CHECK(other != first);
}

TEST(network, nobody_there)
{
    gr_self *self = BEGIN_SIMULATED(.simulate = "6");
    gr_socket one;
    CHECK_EQ(gr_connect(self, &one, "192.0.2.7:80", SOON), GR_ESYSTEM);
    CHECK_STR(gr_error_detail(self)->text, "192.0.2.7:80: Connection refused");
    CHECK_EQ(gr_connect(self, &one, "unix:/nobody", SOON), GR_ESYSTEM);
    gr_address server = echo(self, "*:80");
    CHECK_OK(gr_connect(self, &one, "192.0.2.7:80", SOON)); /* every address is somebody's */
    char byte = 1;
    size_t bytes;
    CHECK_OK(gr_kill(server));
    CHECK_OK(gr_write(self, one, &byte, 1, SOON));
    int code = gr_read(self, one, &byte, 1, &bytes, SOON);
    CHECK(code == GR_ECLOSED || (code == 0 && bytes == 0));
    END(self);
}

TEST(network, names_are_hosts)
{
    gr_self *self = BEGIN_SIMULATED(.simulate = "7");
    char texts[2][GR_SOCKET_TEXT_BYTES];
    size_t count;
    gr_socket one;
    CHECK_OK(gr_resolve(self, "localhost:80", texts, 2, &count, SOON));
    CHECK_EQ(count, 1);
    CHECK_STR(texts[0], "127.0.0.1:80");
    echo(self, "server.example:80");
    CHECK_OK(gr_connect(self, &one, "server.example:80", SOON));
    CHECK_EQ(gr_connect(self, &one, "other.example:80", SOON), GR_ESYSTEM);
    END(self);
}

TEST(network, datagrams)
{
    gr_self *self = BEGIN_SIMULATED(.simulate = "8");
    gr_socket a, b;
    char buffer[16], from[GR_SOCKET_TEXT_BYTES];
    size_t bytes;
    CHECK_OK(gr_udp_open(self, &a, "127.0.0.1:53", NULL));
    CHECK_OK(gr_udp_open(self, &b, "127.0.0.1:54", NULL));
    for (int i = 0; i < 10; i++) CHECK_OK(gr_udp_send(self, b, (char[]){(char)i, 1}, 2, "127.0.0.1:53", SOON));
    for (int i = 0; i < 10; i++) {
        CHECK_OK(gr_udp_receive(self, a, buffer, sizeof buffer, &bytes, from, SOON));
        CHECK(bytes == 2 && buffer[0] == i); /* in order, without faults */
        CHECK_STR(from, "127.0.0.1:54");
    }
    CHECK_OK(gr_udp_send(self, b, "x", 1, "127.0.0.1:55", SOON)); /* to nobody */
    CHECK_EQ(gr_udp_receive(self, a, buffer, sizeof buffer, &bytes, from, gr_after_ms(100)), GR_ETIMEOUT);
    END(self);
}

/* Sends numbers by UDP and then says that it has. */
static void number_run(gr_self *self, gr_value args)
{
    gr_socket own;
    int refused = 0;
    while (gr_udp_open(self, &own, "127.0.0.1:0", NULL) != 0) CHECK(++refused < 1000); /* faults are injected */
    for (int i = 0; i < 100; i++) {
        int code = gr_udp_send(self, own, (char[]){(char)i}, 1, "127.0.0.1:53", SOON);
        CHECK(code == 0 || code == GR_ESYSTEM || code == GR_ENOMEM);
    }
    CHECK_OK(gr_sleep(self, gr_after_ms(100)));
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", "sent"));
}

static void count_numbers(const char *plan, int *ret_received, int *ret_overtaken)
{
    gr_self *self = BEGIN_SIMULATED(.simulate = "9", .faults = plan);
    gr_socket own;
    gr_address sender;
    signed char number, last = -1; /* char has no sign on aarch64 */
    size_t bytes;
    *ret_received = *ret_overtaken = 0;
    CHECK_OK(gr_udp_open(self, &own, "127.0.0.1:53", NULL));
    CHECK_OK(gr_spawn(self, &sender, number_run, "A", gr_self_address(self)));
    while (gr_udp_receive(self, own, &number, 1, &bytes, NULL, gr_after_ms(200)) == 0) {
        ++*ret_received;
        *ret_overtaken += number < last;
        last = number;
    }
    EXPECT(self, "s", "sent");
    END(self);
}

TEST(network, faults_of_the_network)
{
    int received, overtaken;
    count_numbers("", &received, &overtaken);
    CHECK(received == 100 && overtaken == 0);
    count_numbers("drop=5", &received, &overtaken);
    CHECK(received < 95 && received > 50 && overtaken == 0);
    count_numbers("delay=5", &received, &overtaken);
    CHECK(received == 100 && overtaken > 0);
    count_numbers("system=5", &received, &overtaken); /* interrupted calls are made again, others have failed */
    CHECK(received < 100 && received > 50);
    gr_self *self = BEGIN_SIMULATED(.simulate = "10", .faults = "drop@3");
    gr_socket one;
    char byte = 'x';
    size_t bytes;
    echo(self, "127.0.0.1:80");
    CHECK_OK(gr_connect(self, &one, "127.0.0.1:80", SOON)); /* asked: the first; the byte and its echo */
    CHECK_OK(gr_write(self, one, &byte, 1, SOON));
    CHECK_EQ(gr_read(self, one, &byte, 1, &bytes, SOON), GR_ECLOSED);
    END(self);
}

TEST(network, what_is_not_simulated_says_so)
{
    gr_self *self = BEGIN_SIMULATED(.simulate = "11");
    gr_address a, b;
    CHECK_OK(gr_remote_address("http://a.example/x", &a, NULL));
    CHECK_EQ(gr_call(self, NULL, a, "m", SOON, "n"), GR_EUNREACHABLE); /* nobody listens there */
    CHECK_EQ(gr_remote_lookup(self, "http://a.example/x", &b, SOON), GR_EUNREACHABLE);
    CHECK_EQ(gr_signal_watch(self, 10), GR_EUNSUPPORTED);
#if GRI_TLS
    gr_tls *tls;
    gr_socket one;
    gr_detail detail;
    CHECK_OK(gr_tls_new(&tls, &(gr_tls_options){.insecure = true}, &detail));
    echo(self, "127.0.0.1:80");
    CHECK_OK(gr_connect(self, &one, "127.0.0.1:80", SOON));
    CHECK_EQ(gr_tls_connect(self, one, tls, NULL, SOON), GR_EUNSUPPORTED);
    gr_tls_free(&tls);
#endif
    END(self);
}
