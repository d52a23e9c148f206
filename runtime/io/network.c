/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Sockets of the simulated network, as system calls. See network.h. */
#include "io/network.h"

#include "actor/runtime.h"
#include "base/fault.h"
#include "io/net.h"
#include "os/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW_LEAST 4096u
#define WINDOW_MOST 65536u
#define DATAGRAM_MOST 65507u
#define DATAGRAMS_WAITING 256u /* then they are lost, as a full buffer loses them */
#define PIECES_MOST 4u
#define PORT_FIRST 32768u
#define HELD_UP_NS (20 * GRI_NS_PER_MS)
#define BUFFER_BYTES 16384u

static gri_sim_socket **sockets; /* by index; NULL: free */
static uint32_t socket_count, socket_room, generations;
static uint16_t next_port;
static bool begun;

/* ---- the table ---- */

static void end(void)
{
    begun = false; /* nobody is told any more */
    for (uint32_t i = 0; i < socket_count; i++)
        if (sockets[i]) gri_sim_close(sockets[i]);
    gri_sim_events_end();
    free(sockets);
    sockets = NULL;
    socket_count = socket_room = generations = 0;
}

static bool begin(void)
{
    static bool at_stop;
    if (begun) return true;
    if (!at_stop) gri_runtime_at_stop(end);
    at_stop = true;
    next_port = PORT_FIRST;
    gri_sim_events_begin();
    return begun = true;
}

gri_sim_socket *gri_sim_find(gri_sim_ref ref)
{
    if (ref.generation == 0 || ref.index >= socket_count) return NULL;
    gri_sim_socket *s = sockets[ref.index];
    return s && s->self.generation == ref.generation ? s : NULL;
}

static gri_sim_socket *socket_of(int fd)
{
    uint32_t index = (uint32_t)(fd - GRI_NETWORK_FIRST_FD);
    if (fd < GRI_NETWORK_FIRST_FD || index >= socket_count || !sockets[index]) {
        errno = EBADF;
        return NULL;
    }
    return sockets[index];
}

static gri_sim_socket *socket_new(int family, int type)
{
    uint32_t index = 0;
    while (index < socket_count && sockets[index]) index++;
    if (index == socket_room) {
        uint32_t more = 2 * socket_room + 8;
        gri_sim_socket **grown = realloc(sockets, more * sizeof *grown);
        if (!grown) return NULL;
        sockets = grown;
        socket_room = more;
    }
    gri_sim_socket *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    if (index == socket_count) socket_count++;
    s->self = (gri_sim_ref){index, ++generations};
    s->family = family;
    s->type = type;
    s->window = WINDOW_LEAST + gri_simulation_below(WINDOW_MOST - WINDOW_LEAST);
    return sockets[index] = s;
}

/* An errno that the call may have: true if a fault is to happen. */
static bool fails(const int *errors, size_t count)
{
    if (!gri_fault(GRI_FAULT_SYSTEM)) return false;
    errno = errors[gri_fault_choice(GRI_FAULT_SYSTEM, count)];
    return true;
}
#define FAILS(...) fails((const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static int wrong(int error)
{
    errno = error;
    return -1;
}

/* ---- addresses ---- */

/* An IP address as IPv6; false: it is none. */
static bool as_ipv6(const gri_endpoint *e, struct in6_addr *ret)
{
    if (e->address.header.sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, &e->address, sizeof in);
        memset(ret, 0, sizeof *ret);
        if (in.sin_addr.s_addr == htonl(INADDR_ANY)) return true;
        ret->s6_addr[10] = ret->s6_addr[11] = 0xff;
        memcpy(&ret->s6_addr[12], &in.sin_addr, 4);
        return true;
    }
    if (e->address.header.sa_family != AF_INET6) return false;
    struct sockaddr_in6 in6;
    memcpy(&in6, &e->address, sizeof in6);
    *ret = in6.sin6_addr;
    return true;
}

static bool is_any(const struct in6_addr *a)
{
    return IN6_IS_ADDR_UNSPECIFIED(a);
}

static bool is_ipv4(const gri_endpoint *e)
{
    struct in6_addr a;
    return e->address.header.sa_family == AF_INET || (as_ipv6(e, &a) && IN6_IS_ADDR_V4MAPPED(&a));
}

/* Does what is sent to `where` come to a socket bound to s->local? */
static bool takes(const gri_sim_socket *s, const gri_endpoint *where)
{
    struct in6_addr own, asked;
    if (!s->bound) return false;
    if (where->address.header.sa_family == AF_UNIX)
        return s->family == AF_UNIX && s->local.bytes == where->bytes &&
               memcmp(&s->local.address, &where->address, where->bytes) == 0;
    if (!as_ipv6(&s->local, &own) || !as_ipv6(where, &asked)) return false;
    if (gri_endpoint_port(&s->local) != gri_endpoint_port(where)) return false;
    if (!is_any(&own)) return memcmp(&own, &asked, sizeof own) == 0;
    if (s->family == AF_INET) return is_ipv4(where);
    return !s->only_ipv6 || !is_ipv4(where);
}

gri_sim_socket *gri_sim_at(const gri_endpoint *where, int type)
{
    for (uint32_t i = 0; i < socket_count; i++) {
        gri_sim_socket *s = sockets[i];
        if (s && s->type == type && (type == SOCK_DGRAM || s->state == GRI_SIM_LISTENING) && takes(s, where)) return s;
    }
    return NULL;
}

static bool is_taken(const gri_sim_socket *by, const gri_endpoint *where)
{
    struct in6_addr asked, own;
    for (uint32_t i = 0; i < socket_count; i++) {
        const gri_sim_socket *s = sockets[i];
        if (!s || s == by || s->type != by->type || !s->bound || s->state == GRI_SIM_CONNECTED) continue;
        if (s->reuse_port && by->reuse_port) continue;
        if (takes(s, where)) return true;
        if (as_ipv6(where, &asked) && is_any(&asked) && as_ipv6(&s->local, &own) &&
            gri_endpoint_port(&s->local) == gri_endpoint_port(where))
            return true;
    }
    return false;
}

static gri_endpoint endpoint_of(const struct sockaddr *address, socklen_t bytes)
{
    gri_endpoint e;
    memset(&e, 0, sizeof e);
    e.bytes = GRI_MIN(bytes, (socklen_t)sizeof e.address);
    memcpy(&e.address, address, e.bytes);
    return e;
}

static void port_choose(gri_sim_socket *s, gri_endpoint *e)
{
    do {
        gri_endpoint_port_set(e, next_port);
        next_port = next_port == UINT16_MAX ? PORT_FIRST : (uint16_t)(next_port + 1);
    } while (is_taken(s, e));
}

static int give(const gri_endpoint *e, struct sockaddr *ret_address, socklen_t *bytes)
{
    memcpy(ret_address, &e->address, GRI_MIN(*bytes, e->bytes));
    *bytes = e->bytes;
    return 0;
}

/* ---- opening, binding ---- */

static int sim_open(int family, int type)
{
    if (FAILS(EMFILE, ENFILE, ENOBUFS, ENOMEM)) return -1;
    gri_sim_socket *s = begin() ? socket_new(family, type) : NULL;
    return s ? GRI_NETWORK_FIRST_FD + (int)s->self.index : wrong(ENOMEM);
}

static int sim_set(int fd, int level, int option, const void *value, socklen_t bytes)
{
    gri_sim_socket *s = socket_of(fd);
    int number = 0;
    if (!s) return -1;
    memcpy(&number, value, GRI_MIN(bytes, (socklen_t)sizeof number));
    if (level == SOL_SOCKET && option == SO_REUSEPORT) s->reuse_port = number != 0;
    if (level == IPPROTO_IPV6 && option == IPV6_V6ONLY) s->only_ipv6 = number != 0;
    return 0;
}

static int sim_get(int fd, int level, int option, void *ret_value, socklen_t *bytes)
{
    gri_sim_socket *s = socket_of(fd);
    if (!s) return -1;
    int value = 0;
    if (level == SOL_SOCKET && option == SO_ERROR) {
        value = s->error;
        s->error = 0;
    }
    memcpy(ret_value, &value, GRI_MIN(*bytes, (socklen_t)sizeof value));
    return 0;
}

static int sim_bind(int fd, const struct sockaddr *address, socklen_t bytes)
{
    gri_sim_socket *s = socket_of(fd);
    if (!s) return -1;
    if (FAILS(EACCES, EADDRINUSE, EADDRNOTAVAIL, ENOMEM)) return -1;
    gri_endpoint e = endpoint_of(address, bytes);
    if (s->family != AF_UNIX && gri_endpoint_port(&e) == 0)
        port_choose(s, &e);
    else if (is_taken(s, &e))
        return wrong(EADDRINUSE);
    s->local = e;
    s->bound = true;
    return 0;
}

static int sim_listen(int fd, int backlog)
{
    gri_sim_socket *s = socket_of(fd);
    if (!s) return -1;
    if (FAILS(EADDRINUSE)) return -1;
    s->waiting = calloc((size_t)backlog + 2, sizeof *s->waiting);
    if (!s->waiting) return wrong(ENOBUFS);
    s->backlog = backlog;
    s->state = GRI_SIM_LISTENING;
    return 0;
}

/* ---- connecting ---- */

gri_sim_socket *gri_sim_accepting(gri_sim_socket *listener, gri_sim_socket *client)
{
    gri_sim_socket *s = socket_new(listener->family, SOCK_STREAM);
    if (!s) return NULL;
    s->state = GRI_SIM_CONNECTED;
    s->bound = true;
    s->local = client->far.bytes > 0 ? client->far : listener->local;
    s->far = client->local;
    s->other = client->self;
    client->other = s->self;
    listener->waiting[listener->waiting_count++] = s->self;
    return s;
}

static int sim_accept(int fd)
{
    gri_sim_socket *s = socket_of(fd);
    if (!s) return -1;
    if (s->state != GRI_SIM_LISTENING) return wrong(EINVAL);
    if (FAILS(EMFILE, ENFILE, ENOBUFS, ENOMEM, ECONNABORTED, EINTR, EPROTO)) return -1;
    while (s->waiting_count > 0) {
        gri_sim_socket *made = gri_sim_find(s->waiting[0]);
        memmove(s->waiting, s->waiting + 1, --s->waiting_count * sizeof *s->waiting);
        if (made) return GRI_NETWORK_FIRST_FD + (int)made->self.index;
    }
    return wrong(EAGAIN);
}

/* As the system does: a Unix socket is connected at once or not at all. */
static int connect_unix(gri_sim_socket *s, const gri_endpoint *e)
{
    gri_sim_socket *listener = gri_sim_at(e, SOCK_STREAM);
    if (!listener) return wrong(e->address.local.sun_path[0] ? ENOENT : ECONNREFUSED);
    if ((int)listener->waiting_count > listener->backlog) return wrong(EAGAIN);
    s->far = *e;
    if (!gri_sim_accepting(listener, s)) return wrong(ENOMEM);
    s->state = GRI_SIM_CONNECTED;
    const gri_sim_event look = {.kind = GRI_SIM_LOOK, .to = listener->self};
    return gri_sim_send(&look, gri_sim_soon()) ? 0 : wrong(ENOMEM);
}

static int sim_connect(int fd, const struct sockaddr *address, socklen_t bytes)
{
    gri_sim_socket *s = socket_of(fd);
    if (!s) return -1;
    gri_endpoint e = endpoint_of(address, bytes);
    if (s->type == SOCK_DGRAM) {
        struct in6_addr own;
        const unsigned port = gri_endpoint_port(&s->local);
        s->far = e;
        if (!as_ipv6(&s->local, &own) || !is_any(&own)) return 0;
        s->local = e;
        gri_endpoint_port_set(&s->local, (uint16_t)port);
        return 0;
    }
    if (FAILS(ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL, ENOMEM)) return -1;
    if (s->family == AF_UNIX) return connect_unix(s, &e);
    if (!s->bound) {
        s->local = e;
        port_choose(s, &s->local);
        s->bound = true;
    }
    s->far = e;
    s->state = GRI_SIM_CONNECTING;
    const gri_sim_event asked = {.kind = GRI_SIM_ASKED, .from = s->self, .address = e};
    return gri_sim_send(&asked, gri_sim_arrival(s)) ? wrong(EINPROGRESS) : wrong(ENOMEM);
}

/* ---- breaking, closing ---- */

static void drop_pieces(gri_sim_socket *s)
{
    while (s->first) {
        gri_sim_piece *next = s->first->next;
        free(s->first);
        s->first = next;
    }
    s->last = NULL;
}

void gri_sim_break(gri_sim_socket *s, int error)
{
    if (s->state == GRI_SIM_BROKEN || s->state == GRI_SIM_LISTENING) return;
    s->state = GRI_SIM_BROKEN;
    s->error = error;
    drop_pieces(s);
    gri_sim_report(s, true, true, true);
}

void gri_sim_close(gri_sim_socket *s)
{
    gri_sim_socket *other = gri_sim_find(s->other);
    s->watched = false;
    if (other && begun) {
        const bool reset = s->first != NULL; /* closed on data that nobody will read */
        const gri_sim_event told = {
            .kind = reset ? GRI_SIM_RESET : GRI_SIM_ENDED, .to = other->self, .error = ECONNRESET};
        if (reset || !s->write_ended) (void)gri_sim_send(&told, gri_sim_arrival(s));
    }
    drop_pieces(s);
    for (unsigned i = 0; i < s->waiting_count; i++) {
        gri_sim_socket *made = gri_sim_find(s->waiting[i]);
        if (made) gri_sim_close(made);
    }
    free(s->waiting);
    sockets[s->self.index] = NULL;
    free(s);
}

static int sim_close(int fd)
{
    gri_sim_socket *s = socket_of(fd);
    if (!s) return -1;
    gri_sim_close(s);
    return 0;
}

static int sim_shutdown(int fd, int how)
{
    gri_sim_socket *s = socket_of(fd);
    if (!s) return -1;
    if (s->state != GRI_SIM_CONNECTED) return wrong(ENOTCONN);
    if (how != SHUT_WR) s->read_ended = true;
    if (how == SHUT_RD || s->write_ended) return 0;
    s->write_ended = true;
    const gri_sim_event ended = {.kind = GRI_SIM_ENDED, .to = s->other};
    return gri_sim_send(&ended, gri_sim_arrival(s)) ? 0 : wrong(ENOBUFS);
}

/* ---- reading ---- */

/* What ends reading or writing before it begins: -1 and errno; 0: go on. */
static int broken(gri_sim_socket *s)
{
    if (s->state == GRI_SIM_BROKEN) {
        int error = s->error ? s->error : EPIPE;
        s->error = 0;
        return wrong(error);
    }
    return s->state == GRI_SIM_CONNECTED ? 0 : wrong(s->state == GRI_SIM_CONNECTING ? EAGAIN : ENOTCONN);
}

static ssize_t take(gri_sim_socket *s, char *to, size_t bytes)
{
    size_t taken = 0;
    while (s->first && taken < bytes) {
        gri_sim_piece *piece = s->first;
        size_t some = GRI_MIN(bytes - taken, piece->bytes - piece->taken);
        memcpy(to + taken, piece->data + piece->taken, some);
        taken += some;
        piece->taken += some;
        if (piece->taken < piece->bytes) break;
        s->first = piece->next;
        if (!s->first) s->last = NULL;
        free(piece);
    }
    gri_sim_socket *other = gri_sim_find(s->other);
    if (other && taken > 0) {
        other->unread -= taken;
        const gri_sim_event room = {.kind = GRI_SIM_ROOM, .to = other->self};
        if (other->was_full) (void)gri_sim_send(&room, gri_sim_soon());
    }
    return (ssize_t)taken;
}

/* Is there anything to take? 1; or 0 (the end), or -1 and errno. */
static int may_take(gri_sim_socket *s)
{
    if (broken(s) != 0) return errno == EPIPE && s->state == GRI_SIM_BROKEN ? 0 : -1;
    if (FAILS(EINTR, ENOMEM, ECONNRESET)) {
        if (errno == ECONNRESET) {
            gri_sim_socket *other = gri_sim_find(s->other);
            if (other) gri_sim_break(other, ECONNRESET);
            gri_sim_break(s, 0);
            errno = ECONNRESET;
        }
        return -1;
    }
    if (s->first) return 1;
    return s->read_ended ? 0 : wrong(EAGAIN);
}

static ssize_t sim_receive(int fd, void *buffer, size_t bytes)
{
    gri_sim_socket *s = socket_of(fd);
    if (!s) return -1;
    int may = may_take(s);
    return may <= 0 ? may : take(s, buffer, bytes);
}

static ssize_t sim_receive_message(int fd, struct msghdr *message)
{
    gri_sim_socket *s = socket_of(fd);
    if (!s) return -1;
    int may = may_take(s);
    ssize_t all = 0;
    message->msg_flags = 0;
    for (size_t i = 0; may > 0 && i < message->msg_iovlen && s->first; i++)
        all += take(s, message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
    return may <= 0 ? may : all;
}

static ssize_t sim_receive_from(int fd, void *buffer, size_t bytes, struct sockaddr *ret_address,
                                socklen_t *address_bytes)
{
    gri_sim_socket *s = socket_of(fd);
    if (!s) return -1;
    if (FAILS(EINTR, ENOMEM)) return -1;
    gri_sim_piece *piece = s->first;
    if (!piece) return wrong(EAGAIN);
    s->first = piece->next;
    if (!s->first) s->last = NULL;
    memcpy(buffer, piece->data, GRI_MIN(bytes, piece->bytes));
    (void)give(&piece->from, ret_address, address_bytes);
    const size_t whole = piece->bytes;
    free(piece);
    return (ssize_t)whole;
}

/* ---- writing ---- */

static gri_sim_piece *piece_new(const void *data, size_t bytes)
{
    gri_sim_piece *piece = malloc(sizeof *piece + bytes);
    if (!piece) return NULL;
    memset(piece, 0, sizeof *piece);
    piece->bytes = bytes;
    if (bytes > 0) memcpy(piece->data, data, bytes);
    return piece;
}

/* Off they go, in pieces that arrive one after the other. */
static size_t send_off(gri_sim_socket *s, const char *data, size_t bytes)
{
    size_t sent = 0;
    for (unsigned pieces = 1 + (unsigned)gri_simulation_below(PIECES_MOST); sent < bytes; pieces--) {
        size_t some = pieces <= 1 ? bytes - sent : 1 + gri_simulation_below(bytes - sent);
        gri_sim_event event = {
            .kind = GRI_SIM_ARRIVED, .to = s->other, .from = s->self, .piece = piece_new(data + sent, some)};
        if (!event.piece || !gri_sim_send(&event, gri_sim_arrival(s))) {
            free(event.piece);
            break;
        }
        sent += some;
    }
    s->unread += sent;
    return sent;
}

/* How many of these bytes may go; -1 and errno. */
static ssize_t may_send(gri_sim_socket *s, size_t bytes)
{
    if (broken(s) != 0) return -1;
    if (s->write_ended) return wrong(EPIPE);
    if (FAILS(EINTR, ENOBUFS, ENOMEM, EPIPE)) {
        if (errno == EPIPE) {
            gri_sim_socket *other = gri_sim_find(s->other);
            if (other) gri_sim_break(other, ECONNRESET);
            gri_sim_break(s, 0);
            errno = EPIPE;
        }
        return -1;
    }
    if (s->unread >= s->window) {
        s->was_full = true;
        return wrong(EAGAIN);
    }
    return (ssize_t)GRI_MIN(bytes, s->window - s->unread);
}

static ssize_t send_some(gri_sim_socket *s, const void *data, size_t bytes)
{
    ssize_t may = may_send(s, bytes);
    if (may <= 0) return may;
    size_t sent = send_off(s, data, (size_t)may);
    return sent > 0 ? (ssize_t)sent : wrong(ENOBUFS);
}

static ssize_t sim_send_to(int fd, const void *data, size_t bytes, const struct sockaddr *address,
                           socklen_t address_bytes)
{
    gri_sim_socket *s = socket_of(fd);
    if (!s) return -1;
    if (FAILS(EINTR, ENOBUFS, ENOMEM, ENETUNREACH)) return -1;
    if (bytes > DATAGRAM_MOST) return wrong(EMSGSIZE);
    gri_sim_event event = {.kind = GRI_SIM_ARRIVED, .from = s->self, .address = endpoint_of(address, address_bytes)};
    event.piece = piece_new(data, bytes);
    if (!event.piece) return wrong(ENOBUFS);
    event.piece->from = s->local;
    struct in6_addr own;
    if (as_ipv6(&s->local, &own) && is_any(&own)) { /* from the address that it is sent to: there is but one host */
        event.piece->from = event.address;
        gri_endpoint_port_set(&event.piece->from, (uint16_t)gri_endpoint_port(&s->local));
    }
    gri_instant at = gri_sim_arrival(s);
    if (gri_fault(GRI_FAULT_DELAY))
        at = gri_instant_add(at, (int64_t)gri_fault_choice(GRI_FAULT_DELAY, HELD_UP_NS)); /* others overtake it */
    if (gri_sim_send(&event, at)) return (ssize_t)bytes;
    free(event.piece);
    return wrong(ENOBUFS);
}

static ssize_t sim_send(int fd, const void *data, size_t bytes)
{
    gri_sim_socket *s = socket_of(fd);
    if (!s) return -1;
    if (s->type == SOCK_DGRAM)
        return s->far.bytes == 0 ? wrong(EDESTADDRREQ)
                                 : sim_send_to(fd, data, bytes, &s->far.address.header, s->far.bytes);
    return send_some(s, data, bytes);
}

static ssize_t sim_send_message(int fd, const struct msghdr *message)
{
    gri_sim_socket *s = socket_of(fd);
    if (!s) return -1;
    ssize_t all = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        const struct iovec *part = &message->msg_iov[i];
        if (part->iov_len == 0) continue;
        ssize_t n = send_some(s, part->iov_base, part->iov_len);
        if (n < 0) return all > 0 ? all : -1;
        all += n;
        if ((size_t)n < part->iov_len) break;
    }
    return all;
}

static ssize_t sim_send_file(int fd, int file, off_t *offset, size_t bytes)
{
    char buffer[BUFFER_BYTES / 4];
    gri_sim_socket *s = socket_of(fd);
    if (!s) return -1;
    ssize_t n = pread(file, buffer, GRI_MIN(bytes, sizeof buffer), *offset);
    if (n <= 0) return n;
    n = send_some(s, buffer, (size_t)n);
    if (n > 0) *offset += n;
    return n;
}

/* ---- ends, and the poller ---- */

static int sim_local(int fd, struct sockaddr *ret_address, socklen_t *bytes)
{
    gri_sim_socket *s = socket_of(fd);
    if (!s) return -1;
    if (s->bound) return give(&s->local, ret_address, bytes);
    const gri_endpoint none = {.address = {.header = {.sa_family = (sa_family_t)s->family}},
                               .bytes = sizeof(sa_family_t)};
    return give(&none, ret_address, bytes);
}

static int sim_peer(int fd, struct sockaddr *ret_address, socklen_t *bytes)
{
    gri_sim_socket *s = socket_of(fd);
    if (!s) return -1;
    if (s->type == SOCK_STREAM && s->state != GRI_SIM_CONNECTED) return wrong(ENOTCONN);
    if (s->far.bytes > 0) return give(&s->far, ret_address, bytes);
    if (s->type == SOCK_DGRAM) return wrong(ENOTCONN);
    const gri_endpoint none = {.address = {.header = {.sa_family = (sa_family_t)s->family}},
                               .bytes = sizeof(sa_family_t)};
    return give(&none, ret_address, bytes);
}

static int sim_again(int fd, uint64_t cookie)
{
    gri_sim_socket *s = socket_of(fd);
    if (!s) return GR_ENOTFOUND;
    s->cookie = cookie;
    const gri_sim_event look = {.kind = GRI_SIM_LOOK, .to = s->self};
    return gri_sim_send(&look, gri_clock_now()) ? 0 : GR_ENOMEM;
}

static int sim_watch(int fd, uint64_t cookie)
{
    gri_sim_socket *s = socket_of(fd);
    if (!s) return GR_ESYSTEM;
    if (FAILS(ENOSPC, ENOMEM)) return errno == ENOMEM ? GR_ENOMEM : GR_ESYSTEM;
    s->watched = true;
    return sim_again(fd, cookie);
}

static void sim_unwatch(int fd)
{
    gri_sim_socket *s = socket_of(fd);
    if (s) s->watched = false;
}

const gri_net gri_net_simulated = {
    .open = sim_open,
    .set = sim_set,
    .get = sim_get,
    .bind = sim_bind,
    .listen = sim_listen,
    .accept = sim_accept,
    .connect = sim_connect,
    .receive = sim_receive,
    .receive_message = sim_receive_message,
    .receive_from = sim_receive_from,
    .send = sim_send,
    .send_message = sim_send_message,
    .send_to = sim_send_to,
    .send_file = sim_send_file,
    .shutdown = sim_shutdown,
    .close = sim_close,
    .local = sim_local,
    .peer = sim_peer,
    .watch = sim_watch,
    .unwatch = sim_unwatch,
    .again = sim_again,
    .has_files = false,
};
