/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See suspension_points.h. */
#include "support/suspension_points.h"

#include "support/authority.h"
#include "support/harness.h"

#include "base/atomic.h"
#include "io/resolve.h"
#include "io/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct point_pipe {
    int ends[2];
    int lent; /* to a lookup, a copy of the first end; 0: none was */
    uint32_t ticket;
};

/* ---- the points ---- */

gr_shape *point_never; /* what never comes, but for exits */

static int point_receive(gr_self *self, scene *s, gr_deadline deadline)
{
    (void)s;
    gr_message *m = NULL;
    int code = gr_receive(self, &m, deadline);
    if (code == 0) CHECK_OK(gr_send(self, gr_self_address(self), &m)); /* it is looked for later */
    return code;
}

static int point_select(gr_self *self, scene *s, gr_deadline deadline)
{
    (void)s;
    gr_message *m = NULL;
    int code = gr_select(self, &(gr_pattern){.shape = point_never}, 1, &m, deadline);
    if (code == 0) CHECK_OK(gr_send(self, gr_self_address(self), &m));
    return code;
}

static int point_call(gr_self *self, scene *s, gr_deadline deadline)
{
    return gr_call(self, NULL, s->other, "never", deadline, "n");
}

static int point_call_value(gr_self *self, scene *s, gr_deadline deadline)
{
    return gr_call_value(self, NULL, s->other, "never", (gr_value){NULL}, deadline);
}

static int point_wait(gr_self *self, scene *s, gr_deadline deadline)
{
    return gr_wait(self, s->other, NULL, deadline);
}

static int point_wait_all(gr_self *self, scene *s, gr_deadline deadline)
{
    gr_message *all = NULL;
    int code = gr_wait_all(self, &s->other, 1, &all, deadline);
    FREE(all);
    return code;
}

/* Into a full mailbox. */
static int point_send_wait(gr_self *self, scene *s, gr_deadline deadline)
{
    gr_message *m = NULL;
    CHECK_OK(gr_pack(&m, "s", "one too many"));
    int code = gr_send_wait(self, s->other, &m, deadline);
    FREE(m);
    return code;
}

static int point_state_wait(gr_self *self, scene *s, gr_deadline deadline)
{
    uint64_t version = 0;
    return gr_state_wait(self, s->other, &version, deadline);
}

static int point_sleep(gr_self *self, scene *s, gr_deadline deadline)
{
    (void)s;
    return gr_sleep(self, deadline);
}

static int point_cooperate(gr_self *self, scene *s, gr_deadline deadline)
{
    (void)s;
    int code = gr_cooperate(self);
    while (code == 0 && deadline.ns == GR_FOREVER.ns) code = gr_cooperate(self);
    return code;
}

static void read_for_ever(void *arg)
{
    char byte;
    CHECK_EQ(read(*(int *)arg, &byte, 1), 0); /* the other end is closed */
}

static void drop_reader(void *arg)
{
    CHECK_OK(close(*(int *)arg));
    free(arg);
}

static int point_blocking(gr_self *self, scene *s, gr_deadline deadline)
{
    int *end = malloc(sizeof *end);
    CHECK((*end = s->pipe ? dup(s->pipe->ends[0]) : open("/dev/null", O_RDONLY)) >= 0);
    return gr_blocking(self, read_for_ever, end, drop_reader, deadline);
}

#define DESCRIPTORS_MAX 4096

/* By descriptor, the ticket of whoever may still close it: a lookup as it begins, or the visitor's end if that was first. */
static gri_atomic_u32 lent[DESCRIPTORS_MAX];

static bool take_lent(int descriptor, uint32_t ticket)
{
    /* relaxed: who takes it got number and ticket from who lent it */
    return descriptor > 0 && gri_cas_strong_relaxed(&lent[descriptor], &ticket, 0);
}

static void take_back(point_pipe *p)
{
    if (take_lent(p->lent, p->ticket)) CHECK_OK(close(p->lent));
}

/* Looks "fd12-7.example" up until the other end of descriptor 12 is closed; if that is still lent with ticket 7. */
static int resolve_for_ever(const gri_name *name, gri_endpoints *ret)
{
    int end;
    uint32_t ticket;
    char byte;
    (void)ret;
    CHECK_EQ(sscanf(name->host, "fd%d-%" SCNu32, &end, &ticket), 2);
    if (!take_lent(end, ticket)) return EAI_NONAME;
    CHECK_EQ(read(end, &byte, 1), 0);
    CHECK_OK(close(end));
    return EAI_NONAME;
}

static const char *slow_name(const scene *s, char text[40])
{
    static gri_atomic_u32 tickets;
    point_pipe *p = s->pipe;
    if (p) {
        take_back(p);
        p->lent = dup(p->ends[0]);
        CHECK(p->lent > 0 && p->lent < DESCRIPTORS_MAX);
        p->ticket = gri_add_relaxed(&tickets, 1u) + 1; /* relaxed: a number of its own is all that is wanted */
        gri_store_relaxed(&lent[p->lent], p->ticket);  /* relaxed: the lookup's start comes after it */
    }
    snprintf(text, 40, "fd%d-%" PRIu32 ".example:80", p ? p->lent : 0, p ? p->ticket : 0);
    return text;
}

static int point_resolve(gr_self *self, scene *s, gr_deadline deadline)
{
    char name[40];
    size_t count;
    return gr_resolve(self, slow_name(s, name), NULL, 0, &count, deadline);
}

static int point_listen(gr_self *self, scene *s, gr_deadline deadline)
{
    char name[40];
    gr_socket socket;
    return gr_listen(self, &socket, slow_name(s, name), &(gr_listen_options){.lookup = deadline});
}

static int point_accept(gr_self *self, scene *s, gr_deadline deadline)
{
    gr_socket socket;
    return gr_accept(self, s->listener, &socket, deadline);
}

/* The listener's backlog is full. */
static int point_connect(gr_self *self, scene *s, gr_deadline deadline)
{
    gr_socket socket;
    return gr_connect(self, &socket, s->path, deadline);
}

static int point_read(gr_self *self, scene *s, gr_deadline deadline)
{
    char byte;
    size_t bytes;
    int code = gr_read(self, s->near, &byte, 1, &bytes, deadline);
    CHECK(code != 0 || bytes == 0); /* the other side has ended */
    return code;
}

static char much[8 << 20];

static int point_write(gr_self *self, scene *s, gr_deadline deadline)
{
    return gr_write(self, s->near, much, sizeof much, deadline);
}

/* Of a connection over which the end cannot be said for want of room, until the peer goes. */
static int cannot_say(gri_socket_record *record, gri_atomic_u32 **ret_ready)
{
    char byte;
    gri_socket_expect(&record->writable);
    *ret_ready = &record->writable;
    return recv(record->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0 ? EPIPE : EAGAIN;
}

static void close_nothing(gri_socket_record *record)
{
    (void)record;
}

static int point_shutdown_by(gr_self *self, scene *s, gr_deadline deadline)
{
    static const gri_layer full = {.shutdown = cannot_say, .close = close_nothing};
    gri_socket_record *record;
    bool outer;
    if (s->near.id != 0 && gri_socket_hold(self, s->near, &record, &outer)) {
        record->layer = &full;
        gri_socket_release(self, record, outer);
    }
    return gr_shutdown_by(self, s->near, deadline);
}

static int point_readv(gr_self *self, scene *s, gr_deadline deadline)
{
    char byte;
    size_t bytes;
    int code = gr_readv(self, s->near, &(struct iovec){&byte, 1}, 1, &bytes, deadline);
    CHECK(code != 0 || bytes == 0);
    return code;
}

static int point_writev(gr_self *self, scene *s, gr_deadline deadline)
{
    struct iovec halves[] = {{much, sizeof much / 2}, {much, sizeof much / 2}};
    return gr_writev(self, s->near, halves, 2, deadline);
}

static int point_sendfile(gr_self *self, scene *s, gr_deadline deadline)
{
    static gri_atomic_u32 file;         /* opened once */
    if (gri_load_relaxed(&file) == 0) { /* relaxed: a number; two of them would do no harm */
        int fd = memfd_create("much", MFD_CLOEXEC);
        CHECK(fd > 0);
        CHECK_OK(ftruncate(fd, sizeof much));
        gri_store_relaxed(&file, (uint32_t)fd); /* relaxed: as above */
    }
    return gr_sendfile(self, s->near, (int)gri_load_relaxed(&file), 0, sizeof much, deadline); /* relaxed: as above */
}

static int point_udp_receive(gr_self *self, scene *s, gr_deadline deadline)
{
    char byte;
    size_t bytes;
    return gr_udp_receive(self, s->near, &byte, 1, &bytes, NULL, deadline);
}

static int point_udp_send(gr_self *self, scene *s, gr_deadline deadline)
{
    return gr_udp_send(self, s->near, "x", 1, NULL, deadline);
}

/* The server is never there to accept. */
static int point_fetch(gr_self *self, scene *s, gr_deadline deadline)
{
    char url[160];
    gr_response *response;
    snprintf(url, sizeof url, "http://%s/", s->path[0] == 'u' ? "127.0.0.1:1" : s->path);
    return gr_fetch(self, &response, &(gr_fetch_request){.url = url}, deadline);
}

/* As fetch: a server that is never there to accept. */
static const char *remote_url(const scene *s, char url[160])
{
    snprintf(url, 160, "http://%s/actor", s->path[0] == 'u' ? "127.0.0.1:1" : s->path);
    return url;
}

static gr_address remote_address(const scene *s)
{
    char url[160];
    gr_address address = GR_DEAD_ADDRESS;
    int code = gr_remote_address(remote_url(s, url), &address, NULL);
    CHECK(code == 0 || code == GR_EFORKED);
    return address;
}

static int point_call_at_remote(gr_self *self, scene *s, gr_deadline deadline)
{
    return gr_call(self, NULL, remote_address(s), "never", deadline, "n");
}

static int point_wait_at_remote(gr_self *self, scene *s, gr_deadline deadline)
{
    return gr_wait(self, remote_address(s), NULL, deadline);
}

static int point_wait_all_at_remote(gr_self *self, scene *s, gr_deadline deadline)
{
    gr_message *all = NULL;
    gr_address address = remote_address(s);
    return gr_wait_all(self, &address, 1, &all, deadline);
}

static int point_remote_lookup(gr_self *self, scene *s, gr_deadline deadline)
{
    char url[160];
    gr_address found;
    return gr_remote_lookup(self, remote_url(s, url), &found, deadline);
}

static int point_remote_kill(gr_self *self, scene *s, gr_deadline deadline)
{
    return gr_remote_kill(self, remote_address(s), deadline);
}

static int point_spawn_remote(gr_self *self, scene *s, gr_deadline deadline)
{
    char url[160];
    gr_address spawned;
    return gr_spawn_remote(self, &spawned, remote_url(s, url), "never", deadline, "n");
}

static int point_spawn_remote_value(gr_self *self, scene *s, gr_deadline deadline)
{
    char url[160];
    gr_address spawned;
    return gr_spawn_remote_value(self, &spawned, remote_url(s, url), "never", (gr_value){NULL}, deadline);
}

#if GRI_TLS
static gr_tls *tls_client, *tls_server;

static void make_tls(void)
{
    gr_detail detail;
    authority_open();
    CHECK_OK(gr_tls_new(&tls_client, &(gr_tls_options){.insecure = true}, &detail));
    const char *certificate = authority_issue("localhost", 0);
    CHECK_OK(gr_tls_new(&tls_server, &(gr_tls_options){.server = true, .certificate = certificate}, &detail));
    authority_close();
}

static int point_tls_connect(gr_self *self, scene *s, gr_deadline deadline)
{
    return gr_tls_connect(self, s->near, tls_client, NULL, deadline);
}

static int point_tls_accept(gr_self *self, scene *s, gr_deadline deadline)
{
    return gr_tls_accept(self, s->near, tls_server, deadline);
}
#else
static void make_tls(void)
{
}
#endif

#define POINT(name, timeout, death, kind) {#name, point_##name, timeout, death, kind},
const point points[] = {SUSPENSION_POINTS(POINT)};
const size_t points_count = sizeof points / sizeof *points;

static bool is_over_http(const point *p)
{
    return p->run == point_fetch || strstr(p->name, "remote");
}

/* ---- what it takes to reach them ---- */

static void other_run(gr_self *self, gr_value args)
{
    (void)args;
    gr_message *kept = NULL;
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0; FREE(m)) {
        if (gr_is_call(m)) {
            kept = m; /* held, so that its caller learns of the end */
            m = NULL;
            continue;
        }
        gr_value body = gr_body(m);
        if (strcmp(gr_string(body, ""), "end") == 0) return;
        gr_socket socket = {(uint64_t)gr_int(gr_get(body, "adopt"), 0)};
        if (socket.id != 0) {
            CHECK_OK(gr_socket_adopt(self, socket));
            CHECK_OK(gr_cast(self, gr_sender(m), "s", "adopted"));
        }
    }
    (void)kept;
}

static void close_pipe(gr_self *self, void *arg)
{
    point_pipe *p = arg;
    (void)self;
    take_back(p);
    CHECK_OK(close(p->ends[0]));
    CHECK_OK(close(p->ends[1]));
}

static void prepare_pipe(gr_self *self, scene *s)
{
    s->pipe = gr_alloc(self, sizeof *s->pipe);
    *s->pipe = (point_pipe){0};
    CHECK_OK(pipe(s->pipe->ends));
    CHECK_OK(gr_defer(self, close_pipe, s->pipe));
}

/* A UDP socket. Real ones always take what is sent: this one's descriptor is a full Unix datagram socket. */
static void prepare_udp(gr_self *self, scene *s)
{
    CHECK_OK(gr_udp_open(self, &s->near, "127.0.0.1:0", NULL));
    if (s->point->run != point_udp_send) return;
    s->pipe = gr_alloc(self, sizeof *s->pipe);
    *s->pipe = (point_pipe){0};
    CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s->pipe->ends));
    CHECK_OK(gr_defer(self, close_pipe, s->pipe));
    while (send(s->pipe->ends[0], "x", 1, 0) == 1) continue;
    int fd = gri_socket_descriptor(s->near);
    CHECK_EQ(dup2(s->pipe->ends[0], fd), fd);
}

/* A listener, and a connection to it whose far end belongs to `other`. */
static void prepare_sockets(gr_self *self, scene *s)
{
    if (s->point->run == point_blocking || s->point->run == point_resolve || s->point->run == point_listen) {
        prepare_pipe(self, s);
        return;
    }
    if (is_over_http(s->point)) {
        char text[GR_SOCKET_TEXT_BYTES];
        CHECK_OK(gr_listen(self, &s->listener, "127.0.0.1:0", NULL));
        CHECK_OK(gr_socket_local(self, s->listener, text));
        snprintf(s->path, sizeof s->path, "%s", text);
        return;
    }
    if (s->point->run == point_udp_send || s->point->run == point_udp_receive) {
        prepare_udp(self, s);
        return;
    }
    static gri_atomic_u32 serial;
    gr_socket far;
    snprintf(s->path, sizeof s->path, "unix:/tmp/gr-points-%d-%u", (int)getpid(), gri_add_relaxed(&serial, 1u));
    CHECK_OK(gr_listen(self, &s->listener, s->path, &(gr_listen_options){.backlog = 1}));
    CHECK_OK(gr_connect(self, &s->near, s->path, SOON));
    CHECK_OK(gr_accept(self, s->listener, &far, SOON));
    CHECK_OK(gr_cast(self, s->other, "{s:I}", "adopt", (int64_t)far.id));
    gr_shape *adopted = harness_shape("\"adopted\"");
    gr_message *m = NULL;
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = adopted}, 1, &m, SOON), 0);
    FREE(m);
    gr_shape_free(&adopted);
    gr_socket waiting;
    if (s->point->run == point_connect)
        while (gr_connect(self, &waiting, s->path, gr_after_ms(3)) == 0) continue;
}

/* Never looks into its mailbox, which is full; a kill tells it to end. */
static void deaf(gr_self *self, gr_value args)
{
    (void)args;
    (void)gr_sleep(self, GR_FOREVER);
    gr_kill_clear(self);
}

static void spawn_other(gr_self *self, scene *s)
{
    const bool full = s->point->run == point_send_wait;
    CHECK_OK(gr_spawn_with(self, &s->other, full ? deaf : other_run,
                           OPTIONS(.retain = true, .mailbox_max = full, .mailbox_policy = GR_MAILBOX_SUSPEND), "n"));
    if (full) CHECK_OK(gr_cast(self, s->other, "s", "the one there is room for"));
}

void point_prepare(gr_self *self, scene *s)
{
    spawn_other(self, s);
    if (s->point->kind == SOCKET) prepare_sockets(self, s);
}

void points_open(void)
{
    static bool made;
    if (!made) make_tls();
    made = true;
    gri_resolver_set(resolve_for_ever);
    point_never = harness_shape("{\"address\":address,\"exit\":any}");
}

void points_close(void)
{
    gr_shape_free(&point_never);
}
