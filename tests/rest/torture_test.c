/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Clients that are broken, hostile or many, against a server in this process. What each of them gets is nothing, or answers
 * that begin as answers do; every connection ends; afterwards the server answers, and has kept neither connections nor
 * descriptors. Random bytes come from a seed that failures print. */
#include <greenroom/runtime.h>
#include <greenroom/wsgi.h>

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/rng.h"
#include "io/socket.h"
#include "rest/client.h"
#include "support/test.h"

enum { BIG_BYTES = 8 << 20, SEED = 20261123 };

typedef struct fixture {
    gr_self *self;
    gr_http_server *server;
    const char *address;
    int descriptors; /* when nobody is connected */
} fixture;

static int application(void *state, const gr_environ *env, gr_responder *respond)
{
    static const char big[BIG_BYTES];
    const char *body;
    size_t bytes;
    (void)state;
    int code = gr_input_all(env, &body, &bytes);
    if (code != 0) return code;
    if (strcmp(env->path, "/big") == 0) return gr_response_send(respond, 200, "text/plain", big, sizeof big);
    return gr_response_send(respond, 200, "text/plain", body, bytes);
}

static int count_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    CHECK(folder);
    while (readdir(folder)) count++;
    closedir(folder);
    return count;
}

/* Everything until the server closes or resets; the first bytes must look like an answer. Returns its status, 0 if none. */
static int read_to_end(int fd)
{
    char text[65536], first[16] = "";
    size_t held = 0;
    for (;;) {
        ssize_t bytes = client_recv(fd, text, sizeof text, 0);
        if (bytes < 0 && errno != ECONNRESET) TEST_FAIL("the server does not end the connection: %s", strerror(errno));
        if (bytes <= 0) break;
        for (ssize_t i = 0; i < bytes && held < 12; i++) first[held++] = text[i];
    }
    if (held == 0) return 0;
    int status = 0;
    if (sscanf(first, "HTTP/1.1 %3d", &status) != 1 || status < 100 || status > 599)
        TEST_FAIL("no answer: \"%s\"", first);
    return status;
}

/* Tries again if the server's deadlines are too short for this client today. */
static void check_answers(const fixture *f)
{
    static const char request[] = "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
    int64_t end = gr_now_ns() + INT64_C(120000000000);
    int status = 0;
    while (status != 200 && gr_now_ns() < end) {
        client c = client_open(f->address);
        status = client_send(&c, request, sizeof request - 1) ? read_to_end(c.fd) : 0;
        client_close(&c);
        CHECK(status == 200 || status == 408 || status == 0);
    }
    CHECK_EQ(status, 200);
}

static bool settled(const fixture *f)
{
    gr_counters counters;
    CHECK_OK(gr_counters_read(&counters));
    return gri_sockets_open() == 1 && counters.actors == 2 &&
           (!f->descriptors || count_descriptors() <= f->descriptors);
}

/* Lets the last connections end: only the listener, which has heard of their ends, and this thread are left. The monitor opens a
 * file now and then. */
static void settle(const fixture *f)
{
    gr_message *message = NULL;
    int64_t end = gr_now_ns() + INT64_C(120000000000);
    bool done = false;
    while (!(done = settled(f)) && gr_now_ns() < end)
        CHECK_EQ(gr_receive(f->self, &message, gr_after_ms(1)), GR_ETIMEOUT);
    CHECK_EQ(gri_sockets_open(), 1);
    CHECK(done);
}

static fixture start(gr_http_options options)
{
    fixture f = {0};
    CHECK_OK(gr_start(NULL, NULL));
    CHECK_OK(gr_attach(&f.self));
    options.listen = "127.0.0.1:0";
    options.application = (gr_application){application, NULL};
    options.loopback_unbounded = true;
    CHECK_OK(gr_http_start(f.self, &options, &f.server));
    f.address = gr_http_address(f.server);
    check_answers(&f);
    settle(&f);
    int descriptors = count_descriptors();
    for (int i = 0; i < 20; i++) { /* the least: as above; one too many if the monitor stands still just now */
        int again = count_descriptors();
        if (again < descriptors) descriptors = again;
    }
    f.descriptors = descriptors;
    return f;
}

static void stop(fixture *f)
{
    check_answers(f); /* who connected before has been admitted */
    settle(f);
    CHECK_OK(gr_http_stop(f->self, &f->server, gr_after_s(60)));
    CHECK_EQ(gri_sockets_open(), 0);
    gr_detach(&f->self);
    CHECK_OK(gr_stop(gr_after_s(60)));
}

/* Closes so that the other side gets a reset. */
static void reset(client *c)
{
    struct linger at_once = {1, 0};
    CHECK_EQ(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    client_close(c);
}

static const char *const requests[] = {
    "GET /a?b=c HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
};
enum { REQUESTS = sizeof requests / sizeof *requests };

/* Then the client ends its side, goes, or resets. */
TEST(torture, requests_cut_at_every_byte)
{
    fixture f = start((gr_http_options){0});
    for (int r = 0; r < REQUESTS; r++) {
        size_t bytes = strlen(requests[r]);
        for (size_t cut = 0; cut <= bytes; cut++) {
            client c = client_open(f.address);
            CHECK(client_send(&c, requests[r], cut));
            CHECK_EQ(shutdown(c.fd, SHUT_WR), 0);
            int status = read_to_end(c.fd);
            if (cut < bytes && status == 200) TEST_FAIL("request %d, %zu bytes: %d", r, cut, status);
            if (cut == bytes) CHECK(status == 200 || (r == 3 && status == 100));
            client_close(&c);
            c = client_open(f.address);
            CHECK(client_send(&c, requests[r], cut));
            if (cut % 2) {
                client_close(&c);
            } else {
                reset(&c);
            }
        }
    }
    stop(&f);
}

/* Random bytes, and requests with some bytes changed. */
TEST(torture, garbage)
{
    fixture f = start((gr_http_options){.head_bytes = 1024, .body_bytes = 1024});
    char text[3000];
    gri_rng rng;
    gri_rng_seed(&rng, SEED);
    fprintf(stderr, "seed %d\n", SEED);
    for (int i = 0; i < 400; i++) {
        size_t bytes;
        if (i % 2) {
            bytes = gri_rng_below(&rng, sizeof text);
            for (size_t at = 0; at < bytes; at++) text[at] = (char)gri_rng_below(&rng, i % 4 == 1 ? 256 : 127);
        } else {
            const char *request = requests[gri_rng_below(&rng, REQUESTS)];
            bytes = strlen(request);
            memcpy(text, request, bytes);
            for (uint64_t change = gri_rng_below(&rng, 4) + 1; change > 0; change--)
                text[gri_rng_below(&rng, bytes)] = (char)gri_rng_below(&rng, 256);
        }
        client c = client_open(f.address);
        (void)client_send(&c, text, bytes); /* the server may have had enough */
        (void)shutdown(c.fd, SHUT_WR);
        (void)read_to_end(c.fd);
        client_close(&c);
    }
    stop(&f);
}

/* A byte now and then keeps no connection open: deadlines are absolute. */
TEST(torture, slow_senders)
{
    enum { COUNT = 24 };
    fixture f = start((gr_http_options){.head_ms = 50, .body_ms = 50, .idle_ms = 50});
    client all[COUNT];
    size_t sent[COUNT] = {0};
    for (int i = 0; i < COUNT; i++) all[i] = client_open(f.address);
    for (int open = COUNT; open > 0;) {
        for (int i = 0; i < COUNT; i++) {
            struct pollfd answered = {.fd = all[i].fd, .events = POLLIN};
            const char *request = requests[i % REQUESTS];
            if (all[i].fd < 0) continue;
            if (poll(&answered, 1, 1) == 0) { /* also what makes it slow */
                size_t last = strlen(request) - 1;
                if (i >= REQUESTS && sent[i] < last) (void)client_send(&all[i], request + sent[i]++, 1);
                continue;
            }
            int status = read_to_end(all[i].fd);
            CHECK(status == 0 || status == 408 || status == 100);
            client_close(&all[i]);
            open--;
        }
    }
    stop(&f);
}

#define BIG "GET /big HTTP/1.1\r\nHost: h\r\n\r\n"

/* Who asks and does not read gets what fits, then the end. */
TEST(torture, clients_that_do_not_read)
{
    enum { COUNT = 8 };
    fixture f = start((gr_http_options){.write_ms = 50});
    client all[COUNT];
    for (int i = 0; i < COUNT; i++) {
        int room = 65536;
        all[i] = client_open(f.address);
        CHECK_EQ(setsockopt(all[i].fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0); /* else it may take all */
        client_say(&all[i], BIG BIG BIG); /* in one go: the connection may be closed soon */
    }
    for (int i = 0; i < COUNT; i++) {
        char text[16] = "";
        CHECK_EQ(client_recv(all[i].fd, text, 12, MSG_WAITALL), 12);
        CHECK_STR(text, "HTTP/1.1 200");
    }
    settle(&(fixture){.self = f.self}); /* the clients are still here; the server's side is not */
    for (int i = 0; i < COUNT; i++) reset(&all[i]);
    stop(&f);
}

/* In the middle of an answer, of a body, of nothing. */
TEST(torture, resets)
{
    fixture f = start((gr_http_options){0});
    char some[1000];
    for (int i = 0; i < 60; i++) {
        client c = client_open(f.address);
        if (i % 3 == 0) {
            client_say(&c, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
            CHECK(client_recv(c.fd, some, sizeof some, 0) > 0);
        } else if (i % 3 == 1) {
            client_say(&c, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 20\r\n\r\n");
            CHECK(client_recv(c.fd, some, sizeof some, 0) > 0);
            client_say(&c, "half of it");
        }
        reset(&c);
    }
    stop(&f);
}

/* As many as may be are served, the others hear 503 or are cut off; when they have gone, as many get in again. */
TEST(torture, a_crowd_at_the_limit)
{
    enum { COUNT = 500, LIMIT = 100 };
    fixture f = start((gr_http_options){.connections = LIMIT, .idle_ms = 600000});
    static client all[COUNT];
    for (int round = 0; round < 2; round++) {
        int served = 0, count = round ? LIMIT : COUNT;
        for (int i = 0; i < count; i++) {
            all[i] = client_open(f.address);
            (void)client_send(&all[i], requests[1], strlen(requests[1])); /* who is refused may be closed already */
        }
        for (int i = 0; i < count; i++) {
            char text[16] = "";
            ssize_t bytes = client_recv(all[i].fd, text, 12, 0);
            if (bytes < 0 && errno != ECONNRESET) TEST_FAIL("no answer: %s", strerror(errno));
            bool is_served = bytes == 12 && memcmp(text, "HTTP/1.1 200", 12) == 0;
            if (bytes > 0 && !is_served) CHECK_STR(text, "HTTP/1.1 503");
            served += is_served;
        }
        CHECK_EQ(served, LIMIT);
        for (int i = 0; i < count; i++) client_close(&all[i]);
        settle(&f);
    }
    stop(&f);
}

/* Stopping under fire: every connection ends, and what was answered was answered whole. */
TEST(torture, stopping_among_requests)
{
    enum { COUNT = 50, EACH = 20 };
    fixture f = start((gr_http_options){0});
    client all[COUNT];
    for (int i = 0; i < COUNT; i++) {
        all[i] = client_open(f.address);
        for (int times = 0; times < EACH; times++) client_say(&all[i], requests[times % 3]);
    }
    CHECK_OK(gr_http_stop(f.self, &f.server, gr_after_s(60)));
    CHECK_EQ(gri_sockets_open(), 0);
    for (int i = 0; i < COUNT; i++) {
        (void)read_to_end(all[i].fd);
        client_close(&all[i]);
    }
    gr_detach(&f.self);
    CHECK_OK(gr_stop(gr_after_s(60)));
}
