/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Kill, death, timeout and stop at every suspension point (suspension_points.h), in every place from which one can be
 * reached: a function, a protected one, a server's method, start and on_message, a cleanup. */
#include "support/authority.h"
#include "support/harness.h"

#include "semantics/suspension_points.h"

#include "base/atomic.h"
#include "io/resolve.h"
#include "io/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum kind { PARKS, SPINS, SOCKET };
enum { LEAVES = 1000 };

/* What a blocking call reads from until the visitor has ended. */
typedef struct slow_pipe {
    int ends[2];
    int lent; /* to a lookup, a copy of the first end; 0: none was */
    uint32_t ticket;
} slow_pipe;

/* What an actor needs to reach its point; made before, so that nothing but the point suspends when it counts. */
typedef struct scene {
    const struct point *point;
    gr_address host, other; /* other: answers nothing, ends when it is told to */
    gr_socket listener, near;
    char path[GR_SOCKET_TEXT_BYTES];
    slow_pipe *pipe; /* NULL where no blocking call will begin */
    gr_deadline deadline;
} scene;

typedef int point_run(gr_self *self, scene *s, gr_deadline deadline);

/* ---- the points ---- */

static gr_shape *never_or_exit; /* what never comes, but for exits */

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
    int code = gr_select(self, &(gr_pattern){.shape = never_or_exit}, 1, &m, deadline);
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

static void take_back(slow_pipe *p)
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
    slow_pipe *p = s->pipe;
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

static bool is_over_http(const struct point *p);

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

typedef struct point {
    const char *name;
    point_run *run;
    int timeout, death;
    enum kind kind;
} point;

#define POINT(name, timeout, death, kind) {#name, point_##name, timeout, death, kind},
static const point points[] = {SUSPENSION_POINTS(POINT)};

static bool is_over_http(const point *p)
{
    return p->run == point_fetch || strstr(p->name, "remote");
}

#define EACH_POINT(p) \
    for (const point *p = points; p < points + sizeof points / sizeof *points; p++) \
        if (p->kind != SOCKET || !harness_simulated())

/* Which one a failed check was about. */
#define CHECK_AT(p, place, mode, actual, expected) \
    do { \
        long long gr_is = (long long)(actual), gr_want = (long long)(expected); \
        if (gr_is != gr_want) \
            TEST_FAIL("%s:%d: at %s in %s, mode %d: %s is %lld, expected %lld", __FILE__, __LINE__, (p)->name, \
                      place_names[place], (int)(mode), #actual, gr_is, gr_want); \
    } while (0)

/* ---- reaching them ---- */

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
    slow_pipe *p = arg;
    (void)self;
    take_back(p);
    CHECK_OK(close(p->ends[0]));
    CHECK_OK(close(p->ends[1]));
}

static void prepare_pipe(gr_self *self, scene *s)
{
    s->pipe = gr_alloc(self, sizeof *s->pipe);
    *s->pipe = (slow_pipe){0};
    CHECK_OK(pipe(s->pipe->ends));
    CHECK_OK(gr_defer(self, close_pipe, s->pipe));
}

/* A UDP socket. Real ones always take what is sent: this one's descriptor is a full Unix datagram socket. */
static void prepare_udp(gr_self *self, scene *s)
{
    CHECK_OK(gr_udp_open(self, &s->near, "127.0.0.1:0", NULL));
    if (s->point->run != point_udp_send) return;
    s->pipe = gr_alloc(self, sizeof *s->pipe);
    *s->pipe = (slow_pipe){0};
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

static scene *prepare(gr_self *self, gr_value args)
{
    scene *s = gr_alloc(self, sizeof *s);
    s->point = &points[gr_int(gr_get(args, "point"), 0)];
    s->host = gr_address_in(gr_get(args, "host"));
    s->deadline = (gr_deadline){gr_int(gr_get(args, "deadline"), 0)};
    spawn_other(self, s);
    if (s->point->kind == SOCKET) prepare_sockets(self, s);
    CHECK_OK(gr_link(self, s->other, GR_LINK_TRAP_EXIT));
    return s;
}

static void tell(gr_self *self, scene *s, const char *key, int64_t value)
{
    int code = gr_cast(self, s->host, "{s:I}", key, value);
    CHECK(code == 0 || code == GR_EDEAD);
}

/* Deadlines given as durations begin when the point is reached. */
static gr_deadline deadline_of(const scene *s)
{
    return s->deadline.ns == GR_FOREVER.ns ? GR_FOREVER : gr_after_us(s->deadline.ns);
}

static void visit(gr_self *self, void *arg)
{
    scene *s = arg;
    int code = gr_cast(self, s->host, "{s:A}", "at", s->other);
    CHECK(code == 0 || code == GR_EDEAD);
    tell(self, s, "code", s->point->run(self, s, deadline_of(s)));
}

static gri_atomic_u32 cleanups;

static void cleanup(gr_self *self, void *arg)
{
    gri_add_relaxed(&cleanups, 1u); /* relaxed: read after gr_stop, or after the exit message */
    tell(self, arg, "cleanup", 1);
}

static void visit_while_cleaning(gr_self *self, void *arg)
{
    visit(self, arg);
}

enum place { ENTRY, PROTECT, METHOD, PROTECT_IN_METHOD, ON_MESSAGE, START, CLEANUP, PLACES };
static const char *const place_names[PLACES] = {"an entry",   "a protect", "a method", "a protect in a method",
                                                "on_message", "start",     "a cleanup"};

static void entry(gr_self *self, gr_value args)
{
    scene *s = prepare(self, args);
    switch (gr_int(gr_get(args, "place"), 0)) {
    case ENTRY:
        CHECK_OK(gr_defer(self, cleanup, s));
        visit(self, s);
        break;
    case PROTECT:
        CHECK_OK(gr_defer(self, cleanup, s));
        tell(self, s, "protect", gr_protect(self, visit, s, NULL));
        break;
    default: /* CLEANUP */ CHECK_OK(gr_defer(self, cleanup, s)); CHECK_OK(gr_defer(self, visit_while_cleaning, s));
    }
}

typedef struct visitor {
    scene *scene;
    int64_t place;
} visitor;

static int visitor_start(gr_self *self, void *state, gr_value args)
{
    visitor *v = state;
    v->scene = prepare(self, args);
    v->place = gr_int(gr_get(args, "place"), 0);
    CHECK_OK(gr_defer(self, cleanup, v->scene));
    if (v->place == START) visit(self, v->scene);
    return 0;
}

static void visitor_method(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    visitor *v = state;
    if (v->place == METHOD)
        visit(self, v->scene);
    else
        tell(self, v->scene, "protect", gr_protect(self, visit, v->scene, NULL));
    CHECK_OK(gr_reply(self, "s", "answered"));
}

static void visitor_message(gr_self *self, void *state, gr_message *m)
{
    if (strcmp(gr_string(gr_body(m), ""), "visit") == 0) visit(self, ((visitor *)state)->scene);
}

static void visitor_stop(gr_self *self, void *state)
{
    tell(self, ((visitor *)state)->scene, "stop", 1);
}

static const gr_method visitor_methods[] = {{"visit", visitor_method}};
static const gr_server visitor_server = {.state_bytes = sizeof(visitor),
                                         .start = visitor_start,
                                         .methods = visitor_methods,
                                         .method_count = 1,
                                         .on_message = visitor_message,
                                         .stop = visitor_stop};

static void caller(gr_self *self, gr_value args)
{
    int code = gr_call(self, NULL, gr_address_in(gr_get(args, "of")), "visit", GR_FOREVER, "n");
    code = gr_cast(self, gr_address_in(gr_get(args, "host")), "{s:i}", "caller", code);
    CHECK(code == 0 || code == GR_EDEAD);
}

static bool has_caller(enum place place)
{
    return place == METHOD || place == PROTECT_IN_METHOD;
}

static bool is_server(enum place place)
{
    return has_caller(place) || place == ON_MESSAGE || place == START;
}

/* An actor on its way to the point: alive at it when {"at": other} has come, which is received here. */
static gr_address send_to(gr_self *self, const point *p, enum place place, enum gr_kill_mode kill, int64_t wait_us,
                          gr_address *ret_other)
{
    gr_address one, calls;
    const gr_spawn_options options = {.link = GR_LINK_TRAP_EXIT, .kill = kill};
    gr_message *args = NULL;
    CHECK_OK(gr_pack(&args, "{s:i,s:A,s:I,s:i}", "point", (int)(p - points), "host", gr_self_address(self), "deadline",
                     wait_us, "place", (int)place));
    if (is_server(place))
        CHECK_OK(gr_spawn_server_value(self, &one, &visitor_server, &options, gr_body(args)));
    else
        CHECK_OK(gr_spawn_value(self, &one, entry, &options, gr_body(args)));
    FREE(args);
    if (has_caller(place))
        CHECK_OK(gr_spawn(self, &calls, caller, "{s:A,s:A}", "host", gr_self_address(self), "of", one));
    if (place == ON_MESSAGE) CHECK_OK(gr_cast(self, one, "s", "visit"));
    gr_message *m = RECEIVE(self);
    CHECK(gr_type_of(gr_get(gr_body(m), "at")) == GR_ADDRESS);
    *ret_other = gr_address_in(gr_get(gr_body(m), "at"));
    FREE(m);
    if (p->kind != SPINS && wait_us == GR_FOREVER.ns) WAIT_FOR(self, harness_waits(one));
    return one;
}

/* ---- what became of it ---- */

enum { NOT_TOLD = 9999, RETURNED = 0, KILLED = 1 };

typedef struct story {
    int64_t code, protect, caller, cleanup, stop, exit;
} story;

static void note(int64_t *field, gr_value body, const char *key)
{
    gr_value value = gr_get(body, key);
    if (gr_type_of(value) == GR_INT) {
        CHECK_EQ(*field, NOT_TOLD); /* each once */
        *field = gr_int(value, 0);
    }
}

/* Everything that is told until the actor has ended and its caller has been told. */
static story hear(gr_self *self, gr_address one, bool with_caller)
{
    story s = {NOT_TOLD, NOT_TOLD, NOT_TOLD, NOT_TOLD, NOT_TOLD, NOT_TOLD};
    while (s.exit == NOT_TOLD || (with_caller && s.caller == NOT_TOLD)) {
        gr_message *m = RECEIVE(self);
        gr_value body = gr_body(m);
        if (gr_type_of(gr_get(body, "address")) == GR_ADDRESS) {
            CHECK(gr_address_equal(gr_address_in(gr_get(body, "address")), one));
            CHECK_EQ(s.exit, NOT_TOLD);
            gr_value report = gr_get(body, "exception");
            s.exit = report.at ? KILLED : RETURNED;
            if (report.at) CHECK_STR(harness_error(report), "killed");
        }
        note(&s.code, body, "code");
        note(&s.protect, body, "protect");
        note(&s.caller, body, "caller");
        note(&s.cleanup, body, "cleanup");
        note(&s.stop, body, "stop");
        FREE(m);
    }
    EXPECT_NOTHING(self);
    return s;
}

static gr_self *begin(void)
{
    static bool made;
    if (!made) make_tls();
    made = true;
    gri_resolver_set(resolve_for_ever);
    never_or_exit = harness_shape("{\"address\":address,\"exit\":any}");
    return BEGIN();
}

static void end(gr_self *self, const char *test)
{
    harness_end(self, test);
    gr_shape_free(&never_or_exit);
}

static void end_server(gr_self *self, gr_address one, enum place place)
{
    (void)self;
    if (is_server(place)) CHECK_OK(gr_kill(one));
}

/* ---- kills ---- */

enum kill { BY_KILL, BY_KILL_NOW, KILLS };

static void check_killed(const point *p, enum place place, enum gr_kill_mode mode, enum kill kill, const story *s)
{
    /* A returning kill is an error code for the call; the others never come back to it. */
    bool comes_back = mode == GR_KILL_RETURNS && kill == BY_KILL;
    CHECK_AT(p, place, mode, s->code, comes_back ? GR_EKILLED : NOT_TOLD);
    if (place == PROTECT || place == PROTECT_IN_METHOD) {
        bool caught = mode == GR_KILL_RAISES && kill == BY_KILL;
        CHECK_AT(p, place, mode, s->protect, comes_back ? 0 : caught ? GR_EKILLED : NOT_TOLD);
    }
    CHECK_AT(p, place, mode, s->exit, KILLED);
    CHECK_AT(p, place, mode, s->cleanup, 1);
    if (has_caller(place)) CHECK_AT(p, place, mode, s->caller, GR_EDEAD);
    /* start that returned 0 has succeeded, killed or not; one that was unwound has not */
    if (is_server(place)) CHECK_AT(p, place, mode, s->stop, place == START && !comes_back ? NOT_TOLD : 1);
}

static void kill_at_every_point(enum place first, enum place beyond)
{
    gr_self *self = begin();
    EACH_POINT(p)
    {
        for (int place = first; place < (int)beyond; place++) {
            for (int variant = 0; variant < 2 * KILLS; variant++) {
                enum gr_kill_mode mode = (enum gr_kill_mode)(variant % 2);
                enum kill kill = (enum kill)(variant / 2);
                gr_address other;
                gr_address one = send_to(self, p, (enum place)place, mode, GR_FOREVER.ns, &other);
                CHECK_OK(kill == BY_KILL ? gr_kill(one) : gr_kill_now(one));
                story s = hear(self, one, has_caller((enum place)place));
                check_killed(p, (enum place)place, mode, kill, &s);
                CHECK_OK(gr_kill(other));
            }
        }
    }
    end(self, __func__);
}

TEST(suspension, kill_in_a_function)
{
    kill_at_every_point(ENTRY, METHOD);
}

TEST(suspension, kill_in_a_method)
{
    kill_at_every_point(METHOD, ON_MESSAGE);
}

TEST(suspension, kill_in_a_servers_other_functions)
{
    kill_at_every_point(ON_MESSAGE, CLEANUP);
}

/* In a cleanup kills are held: the call ends by its deadline, as if there had been none. */
TEST(suspension, kill_in_a_cleanup_is_held)
{
    gr_self *self = begin();
    EACH_POINT(p)
    {
        for (int variant = 0; variant < 2 * KILLS; variant++) {
            enum gr_kill_mode mode = (enum gr_kill_mode)(variant % 2);
            gr_address other, one = send_to(self, p, CLEANUP, mode, p->kind == SPINS ? 0 : 3000, &other);
            int code = variant / 2 == BY_KILL ? gr_kill(one) : gr_kill_now(one);
            CHECK(code == 0 || code == GR_EDEAD); /* the deadline was faster */
            story s = hear(self, one, false);
            CHECK_AT(p, CLEANUP, mode, s.code, p->timeout);
            CHECK_AT(p, CLEANUP, mode, s.exit, RETURNED);
            CHECK_AT(p, CLEANUP, mode, s.cleanup, 1);
        }
    }
    end(self, __func__);
}

/* A kill that is there before the call: nothing is waited for, nothing is asked or sent. */
static void killed_before(gr_self *self, gr_value args)
{
    scene *s = prepare(self, args);
    CHECK_OK(gr_kill(gr_self_address(self)));
    tell(self, s, "code", s->point->run(self, s, GR_FOREVER));
    tell(self, s, "protect", s->point->run(self, s, GR_NOW)); /* sticky, for polls too */
    gr_kill_clear(self);
    tell(self, s, "stop", s->point->run(self, s, GR_NOW)); /* taken back */
}

TEST(suspension, a_kill_before_the_call_and_taken_back)
{
    gr_self *self = begin();
    EACH_POINT(p)
    {
        gr_address one;
        CHECK_OK(gr_spawn_link(self, &one, killed_before, "{s:i,s:A}", "point", (int)(p - points), "host",
                               gr_self_address(self)));
        story s = hear(self, one, false);
        CHECK_AT(p, ENTRY, 0, s.code, GR_EKILLED);
        CHECK_AT(p, ENTRY, 0, s.protect, GR_EKILLED);
        CHECK_AT(p, ENTRY, 0, s.stop, p->timeout);
        CHECK_AT(p, ENTRY, 0, s.exit, RETURNED);
    }
    end(self, __func__);
}

/* ---- deadlines ---- */

static void time_out_everywhere(int64_t wait_us)
{
    gr_self *self = begin();
    EACH_POINT(p)
    {
        for (int place = 0; place < PLACES; place++) {
            gr_address one, calls;
            gr_message *args = NULL;
            const gr_spawn_options options = {.link = GR_LINK_TRAP_EXIT};
            CHECK_OK(gr_pack(&args, "{s:i,s:A,s:I,s:i}", "point", (int)(p - points), "host", gr_self_address(self),
                             "deadline", wait_us, "place", place));
            if (is_server((enum place)place))
                CHECK_OK(gr_spawn_server_value(self, &one, &visitor_server, &options, gr_body(args)));
            else
                CHECK_OK(gr_spawn_value(self, &one, entry, &options, gr_body(args)));
            FREE(args);
            if (has_caller((enum place)place))
                CHECK_OK(gr_spawn(self, &calls, caller, "{s:A,s:A}", "host", gr_self_address(self), "of", one));
            if (place == ON_MESSAGE) CHECK_OK(gr_cast(self, one, "s", "visit"));
            gr_message *m = RECEIVE(self);
            CHECK(gr_type_of(gr_get(gr_body(m), "at")) == GR_ADDRESS);
            FREE(m);
            if (is_server((enum place)place)) { /* it goes on afterwards; then it is ended */
                m = RECEIVE(self);
                CHECK_AT(p, place, 0, gr_int(gr_get(gr_body(m), "code"), 1), p->timeout);
                FREE(m);
                if (place == PROTECT_IN_METHOD) EXPECT(self, "{s:i}", "protect", 0);
                if (has_caller((enum place)place)) EXPECT(self, "{s:i}", "caller", 0);
                WAIT_FOR(self, harness_waits(one));
                end_server(self, one, (enum place)place);
                story s = hear(self, one, false);
                CHECK_AT(p, place, 0, s.stop, 1);
                CHECK_AT(p, place, 0, s.cleanup, 1);
            } else {
                story s = hear(self, one, false);
                CHECK_AT(p, place, 0, s.code, p->timeout);
                CHECK_AT(p, place, 0, s.protect, place == PROTECT ? 0 : NOT_TOLD);
                CHECK_AT(p, place, 0, s.exit, RETURNED);
                CHECK_AT(p, place, 0, s.cleanup, 1);
            }
        }
    }
    end(self, __func__);
}

TEST(suspension, timeout_everywhere)
{
    time_out_everywhere(1500);
}

TEST(suspension, poll_everywhere)
{
    time_out_everywhere(-1);
}

/* ---- death of whom it waits for ---- */

static void visit_and_mourn(gr_self *self, gr_value args)
{
    scene *s = prepare(self, args);
    visit(self, s);
    gr_message *m = NULL; /* its exit, whatever the point has done meanwhile */
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = never_or_exit}, 1, &m, SOON), 0);
    CHECK(gr_address_equal(gr_address_in(gr_get(gr_body(m), "address")), s->other));
    FREE(m);
}

TEST(suspension, death_of_the_other_ends_it_or_leaves_it_waiting)
{
    gr_self *self = begin();
    EACH_POINT(p)
    {
        gr_address one;
        int64_t wait_us = p->death == LEAVES ? 3000 : INT64_C(60000000);
        CHECK_OK(gr_spawn_link(self, &one, visit_and_mourn, "{s:i,s:A,s:I}", "point", (int)(p - points), "host",
                               gr_self_address(self), "deadline", wait_us));
        gr_message *m = RECEIVE(self);
        gr_address other = gr_address_in(gr_get(gr_body(m), "at"));
        FREE(m);
        if (p->death != LEAVES) WAIT_FOR(self, harness_waits(one));
        CHECK_OK(p->run == point_send_wait ? gr_kill(other) : gr_cast(self, other, "s", "end"));
        story s = hear(self, one, false);
        CHECK_AT(p, ENTRY, 0, s.code, p->death == LEAVES ? p->timeout : p->death);
        CHECK_AT(p, ENTRY, 0, s.exit, RETURNED);
    }
    end(self, __func__);
}

/* ---- the runtime stops ---- */

static void stop_at_every_point(enum place first, enum place beyond)
{
    EACH_POINT(p)
    {
        for (int place = first; place < (int)beyond; place++) {
            for (int mode = 0; mode < 2; mode++) {
                gr_self *self = begin();
                gr_address other;
                (void)send_to(self, p, (enum place)place, (enum gr_kill_mode)mode, GR_FOREVER.ns, &other);
                uint32_t before = gri_load_relaxed(&cleanups); /* relaxed: this actor has not cleaned up yet */
                CHECK_AT(p, place, mode, gr_stop(GR_NOW), GR_ETIMEOUT);
                CHECK_AT(p, place, mode, gri_load_relaxed(&cleanups), before + 1); /* relaxed: gr_stop orders it */
                gr_shape_free(&never_or_exit);
            }
        }
    }
}

TEST(suspension, stop_in_a_function)
{
    stop_at_every_point(ENTRY, METHOD);
}

TEST(suspension, stop_in_a_server)
{
    stop_at_every_point(METHOD, CLEANUP);
}

/* ---- casts do not end what does not wait for them ---- */

static void visit_and_count(gr_self *self, gr_value args)
{
    scene *s = prepare(self, args);
    visit(self, s);
    gr_message *m = NULL;
    for (int i = 0; i < 5; i++) {
        CHECK_OK(gr_receive(self, &m, SOON));
        CHECK_EQ(gr_int(gr_get(gr_body(m), "cast"), -1), i);
        FREE(m);
    }
}

TEST(suspension, casts_pile_up_in_order)
{
    gr_self *self = begin();
    EACH_POINT(p)
    {
        if (p->run == point_receive) continue; /* it is what waits for them */
        gr_address one;
        CHECK_OK(gr_spawn_link(self, &one, visit_and_count, "{s:i,s:A,s:I}", "point", (int)(p - points), "host",
                               gr_self_address(self), "deadline", INT64_C(2000)));
        gr_message *m = RECEIVE(self);
        CHECK(gr_type_of(gr_get(gr_body(m), "at")) == GR_ADDRESS);
        FREE(m);
        for (int i = 0; i < 5; i++) CHECK_OK(gr_cast(self, one, "{s:i}", "cast", i));
        story s = hear(self, one, false);
        CHECK_AT(p, ENTRY, 0, s.code, p->timeout);
        CHECK_AT(p, ENTRY, 0, s.exit, RETURNED);
    }
    end(self, __func__);
}

/* ---- where it may not be called ---- */

static void tries_without_suspending(gr_self *self, gr_value args)
{
    scene *s = prepare(self, args);
    gr_no_suspend_begin(self);
    int code = s->point->run(self, s, GR_FOREVER);
    gr_no_suspend_end(self);
    tell(self, s, "code", code);
}

TEST(suspension, is_refused_where_suspending_is_forbidden)
{
    gr_self *self = begin();
    EACH_POINT(p)
    {
        gr_address one;
        CHECK_OK(gr_spawn_link(self, &one, tries_without_suspending, "{s:i,s:A}", "point", (int)(p - points), "host",
                               gr_self_address(self)));
        story s = hear(self, one, false);
        CHECK_AT(p, ENTRY, 0, s.code, GR_ESUSPEND);
        CHECK_AT(p, ENTRY, 0, s.exit, RETURNED);
    }
    end(self, __func__);
}

static gri_atomic_ptr somebody;

static void give_self_away(gr_self *self, gr_value args)
{
    gri_store_relaxed(&somebody, self); /* relaxed: the cast publishes it */
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", "up"));
    harness_idle(self, args);
}

TEST(suspension, is_refused_to_another_than_the_actor)
{
    gr_self *self = begin();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, give_self_away, "A", gr_self_address(self)));
    EXPECT(self, "s", "up");
    WAIT_FOR(self, harness_waits(one));
    EACH_POINT(p)
    {
        scene s = {.point = p, .other = gr_self_address(self), .path = "unix:/nowhere"};
        CHECK_AT(p, ENTRY, 0, p->run(gri_load_relaxed(&somebody), &s, GR_FOREVER),
                 GR_ECONTEXT); /* relaxed: see above */
        CHECK_AT(p, ENTRY, 0, p->run(NULL, &s, GR_FOREVER), GR_ECONTEXT);
    }
    end(self, __func__);
}

TEST(suspension, is_refused_in_a_fork)
{
    gr_self *self = begin();
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        EACH_POINT(p)
        {
            scene s = {.point = p, .other = GR_DEAD_ADDRESS, .path = "unix:/nowhere"};
            if (p->run(self, &s, GR_FOREVER) != GR_EFORKED) _exit((int)(p - points) + 1);
        }
        _exit(0);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
    end(self, __func__);
}

/* ---- attached threads ---- */

TEST(suspension, an_attached_thread_gets_codes_only)
{
    gr_self *self = begin();
    EACH_POINT(p)
    {
        scene s = {.point = p, .host = gr_self_address(self)};
        spawn_other(self, &s);
        if (p->kind == SOCKET) prepare_sockets(self, &s);
        CHECK_AT(p, ENTRY, 0, p->run(self, &s, gr_after_us(500)), p->timeout);
        for (int now = 0; now < 2; now++) {
            if (now && p->kind != PARKS) continue;
            CHECK_OK(gr_kill(gr_self_address(self)));
            for (int i = 0; i < 3; i++) CHECK_AT(p, ENTRY, 0, p->run(self, &s, GR_FOREVER), GR_EKILLED);
            gr_kill_clear(self);
        }
    }
    end(self, __func__);
}
