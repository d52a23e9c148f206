/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Names instead of addresses: looked up off the workers, tried in order. The resolver is the test's own where it matters. */
#include "support/harness.h"

#include "io/resolve.h"
#include "io/socket.h"

#include <netdb.h>
#include <semaphore.h>

static gri_endpoints answer;
static int answer_error;
static sem_t asked, go;

static int tell(const gri_name *name, gri_endpoints *ret)
{
    *ret = answer;
    for (unsigned i = 0; i < ret->count; i++)
        if (gri_endpoint_port(&ret->list[i]) == 0) gri_endpoint_port_set(&ret->list[i], name->port);
    return answer_error;
}

static int wait_and_tell(const gri_name *name, gri_endpoints *ret)
{
    sem_post(&asked);
    while (sem_wait(&go) != 0) continue;
    return tell(name, ret);
}

static void answer_with(const char *first, const char *second)
{
    answer_error = 0;
    answer.count = second ? 2 : 1;
    CHECK_OK(gri_endpoint_parse(first, &answer.list[0], NULL));
    if (second) CHECK_OK(gri_endpoint_parse(second, &answer.list[1], NULL));
    gri_resolver_set(tell);
}

static void end(gr_self *self, const char *test)
{
    harness_end(self, test);
    gri_resolver_set(NULL);
}

static unsigned port_of(gr_self *self, gr_socket socket)
{
    char text[GR_SOCKET_TEXT_BYTES];
    CHECK_OK(gr_socket_local(self, socket, text));
    return (unsigned)atoi(strrchr(text, ':') + 1);
}

static void check_connects(gr_self *self, const char *name, gr_socket listener, const char *peer)
{
    gr_socket one, other;
    char text[GR_SOCKET_TEXT_BYTES];
    CHECK_OK(gr_connect(self, &one, name, SOON));
    CHECK_OK(gr_accept(self, listener, &other, SOON));
    CHECK_OK(gr_socket_peer(self, one, text));
    if (peer) CHECK_STR(text, peer);
    CHECK_OK(gr_close(self, one));
    CHECK_OK(gr_close(self, other));
}

/* A machine that was made a minute ago may know no names at all: there is no /etc/hosts. */
static bool system_knows(const char *name)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(name, NULL, &hints, &found) != 0) return false;
    freeaddrinfo(found);
    return true;
}

TEST(names, localhost_is_found_by_the_system)
{
    if (!system_knows("localhost")) return;
    gr_self *self = BEGIN();
    gr_socket listener;
    char name[40];
    CHECK_OK(gr_listen(self, &listener, "localhost:0", NULL));
    snprintf(name, sizeof name, "localhost:%u", port_of(self, listener));
    check_connects(self, name, listener, NULL);
    END(self);
}

TEST(names, the_addresses_are_tried_in_order)
{
    gr_self *self = BEGIN();
    gr_socket listener, unused;
    char name[40], address[40];
    answer_with("127.0.0.1:0", NULL);
    CHECK_OK(gr_listen(self, &listener, "here.example:0", NULL));
    unsigned port = port_of(self, listener);
    snprintf(name, sizeof name, "here.example:%u", port);
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    check_connects(self, name, listener, address);

    answer_with("127.0.0.2:0", "127.0.0.1:0"); /* nobody listens at the first: refused at once */
    check_connects(self, name, listener, address);
    answer_with("127.0.0.2:0", "127.0.0.3:0");
    CHECK_EQ(gr_connect(self, &unused, name, SOON), GR_ESYSTEM);
    CHECK(strstr(gr_error_detail(self)->text, "Connection refused"));

    answer_with("192.0.2.1:0", "127.0.0.1:0"); /* the first is not this machine's */
    CHECK_OK(gr_listen(self, &unused, "here.example:0", NULL));
    end(self, __func__);
}

TEST(names, that_are_not_there)
{
    gr_self *self = BEGIN();
    gr_socket unused;
    char texts[2][GR_SOCKET_TEXT_BYTES];
    size_t count = 77;
    answer_with("127.0.0.1:0", NULL);
    answer_error = EAI_NONAME;
    CHECK_EQ(gr_connect(self, &unused, "nobody.example:80", SOON), GR_ENOTFOUND);
    CHECK_STR(gr_error_detail(self)->text, "address \"nobody.example:80\": there is no such name");
    CHECK_EQ(gr_listen(self, &unused, "nobody.example:80", NULL), GR_ENOTFOUND);
    CHECK_EQ(gr_resolve(self, "nobody.example:80", texts, 2, &count, SOON), GR_ENOTFOUND);
    CHECK_EQ(count, 77);
    answer_error = EAI_AGAIN;
    CHECK_EQ(gr_connect(self, &unused, "nobody.example:80", SOON), GR_ESYSTEM);
    answer_error = EAI_MEMORY;
    CHECK_EQ(gr_connect(self, &unused, "nobody.example:80", SOON), GR_ENOMEM);
    CHECK_EQ(gr_connect(self, &unused, "no name:80", SOON), GR_EINVAL);
    CHECK_STR(gr_error_detail(self)->text, "address \"no name:80\": this is no IPv4 address, and no name either");
    end(self, __func__);
}

TEST(names, gr_resolve_tells_all_of_them)
{
    gr_self *self = BEGIN();
    char texts[2][GR_SOCKET_TEXT_BYTES] = {"", ""};
    size_t count;
    answer_with("[2001:db8::1]:0", "192.0.2.1:0");
    CHECK_OK(gr_resolve(self, "two.example:81", texts, 2, &count, SOON));
    CHECK_EQ(count, 2);
    CHECK_STR(texts[0], "[2001:db8::1]:81");
    CHECK_STR(texts[1], "192.0.2.1:81");
    CHECK_OK(gr_resolve(self, "two.example:82", texts, 1, &count, SOON));
    CHECK_EQ(count, 2);
    CHECK_STR(texts[0], "[2001:db8::1]:82");
    CHECK_STR(texts[1], "192.0.2.1:81");
    CHECK_OK(gr_resolve(self, "two.example:82", NULL, 0, &count, SOON));
    CHECK_OK(gr_resolve(self, "127.0.0.1:5", texts, 2, &count, SOON));
    CHECK_EQ(count, 1);
    CHECK_STR(texts[0], "127.0.0.1:5");
    CHECK_EQ(gr_resolve(self, "127.0.0.1:5", NULL, 1, &count, SOON), GR_EINVAL);
    CHECK_EQ(gr_resolve(self, "127.0.0.1:5", texts, 1, NULL, SOON), GR_EINVAL);
    end(self, __func__);
}

TEST(names, a_lookup_ends_with_the_deadline)
{
    if (harness_simulated()) return;
    CHECK_OK(sem_init(&asked, 0, 0));
    CHECK_OK(sem_init(&go, 0, 0));
    gr_self *self = BEGIN();
    gr_socket unused;
    answer_with("127.0.0.1:0", NULL);
    gri_resolver_set(wait_and_tell);
    CHECK_EQ(gr_connect(self, &unused, "slow.example:80", gr_after_ms(5)), GR_ETIMEOUT);
    CHECK_EQ(gr_listen(self, &unused, "slow.example:80", &(gr_listen_options){.lookup = gr_after_ms(5)}), GR_ETIMEOUT);
    CHECK_EQ(gr_listen(self, &unused, "slow.example:80", &(gr_listen_options){.lookup = GR_NOW}), GR_ETIMEOUT);
    sem_post(&go), sem_post(&go);
    end(self, __func__);
}
