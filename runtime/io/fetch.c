/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The HTTP client: a connection, kept or new; the request; the answer (fetch_read.c); and what becomes of the connection.
 *
 * While it is under way an unwinding kill comes as a code, so that connection and memory are given back before it acts. What
 * gr_kill_now leaves behind is the actor's (gr_alloc, its sockets) and goes with it. */
#include "io/fetch.h"

#include "actor/runtime.h"
#include "io/net.h"
#include "io/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define BODY_MAX_DEFAULT ((size_t)16 << 20)
#define HEAD_BYTES_MAX 65536u

typedef struct exchange {
    gr_self *self;
    const gr_fetch_request *request;
    const char *method;
    gri_url url;
    gr_tls *tls; /* what the connection is made with; NULL: in clear */
    gr_deadline deadline;
    char *head; /* gr_alloc */
    size_t head_bytes;
    bool reached; /* there was a connection */
} exchange;

/* ---- the request's text ---- */

static bool is_token(const char *text)
{
    if (!text || !*text) return false;
    for (; *text; text++) {
        char c = *text, lower = (char)(c | 0x20);
        if (!((c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z') || strchr("!#$%&'*+-.^_`|~", c))) return false;
    }
    return true;
}

static bool is_value(const char *text)
{
    if (!text) return false;
    for (; *text; text++)
        if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f) return false;
    return true;
}

static bool is_ours(const char *name)
{
    static const char *const ours[] = {"host", "content-length", "connection", "transfer-encoding"};
    for (size_t i = 0; i < GRI_ARRAY_COUNT(ours); i++)
        if (strcasecmp(name, ours[i]) == 0) return true;
    return false;
}

static int check(exchange *x)
{
    const gr_fetch_request *q = x->request;
    const char *why = NULL;
    if (gri_url_parse(q->url, &x->url, &why) != 0) return gri_fail(x->self, GR_EINVAL, "url: %s", why);
    if (!is_token(x->method)) return gri_fail(x->self, GR_EINVAL, "method: this is no word");
    if (strcmp(x->method, "CONNECT") == 0) return gri_fail(x->self, GR_EINVAL, "method: CONNECT is for proxies");
    if (!q->body && q->body_bytes > 0) return gri_fail(x->self, GR_EINVAL, "body: it has bytes but is NULL");
    if (!q->headers && q->header_count > 0)
        return gri_fail(x->self, GR_EINVAL, "headers: there are some, but they are NULL");
    for (size_t i = 0; i < q->header_count; i++) {
        if (!is_token(q->headers[i].name))
            return gri_fail(x->self, GR_EINVAL, "header %zu has no name that is a word", i);
        if (is_ours(q->headers[i].name))
            return gri_fail(x->self, GR_EINVAL, "header %zu: %s is the client's own", i, q->headers[i].name);
        if (!is_value(q->headers[i].value))
            return gri_fail(x->self, GR_EINVAL, "header %zu: a value with a control character", i);
    }
    return 0;
}

/* Writes the head into text, which may be too small; returns its length. */
static size_t print_head(const exchange *x, char *text, size_t room)
{
    size_t used = 0;
#define PRINT(...) \
    do { \
        int n = snprintf(text ? text + used : NULL, used < room ? room - used : 0, __VA_ARGS__); \
        used += n > 0 ? (size_t)n : 0; \
    } while (0)
    const gr_fetch_request *q = x->request;
    bool no_path = x->url.target_bytes == 0 || x->url.target[0] != '/';
    PRINT("%s %s%.*s HTTP/1.1\r\nHost: %s\r\n", x->method, no_path ? "/" : "", (int)x->url.target_bytes, x->url.target,
          x->url.authority);
    for (size_t i = 0; i < q->header_count; i++) PRINT("%s: %s\r\n", q->headers[i].name, q->headers[i].value);
    bool expected = strcmp(x->method, "POST") == 0 || strcmp(x->method, "PUT") == 0 || strcmp(x->method, "PATCH") == 0;
    if (q->body || expected) PRINT("Content-Length: %zu\r\n", q->body_bytes);
    if (q->own_connection) PRINT("Connection: close\r\n");
    PRINT("\r\n");
#undef PRINT
    return used;
}

static int make_head(exchange *x)
{
    x->head_bytes = print_head(x, NULL, 0);
    if (x->head_bytes > HEAD_BYTES_MAX) return gri_fail(x->self, GR_ETOOBIG, "the request's head is too large");
    x->head = gr_alloc(x->self, x->head_bytes + 1);
    if (!x->head) return gri_fail(x->self, GR_ENOMEM, "no memory for a request");
    print_head(x, x->head, x->head_bytes + 1);
    return 0;
}

/* ---- the connection ---- */

static pthread_mutex_t tls_lock = PTHREAD_MUTEX_INITIALIZER;
static gr_tls *tls_default; /* made when first needed; under the lock; stays */

/* Whom the system trusts. */
static int use_default_tls(exchange *x)
{
    gr_detail detail;
    pthread_mutex_lock(&tls_lock);
    int code = tls_default ? 0 : gr_tls_new(&tls_default, NULL, &detail);
    x->tls = tls_default;
    pthread_mutex_unlock(&tls_lock);
    return code == 0 ? 0 : gri_fail_detail(x->self, code, &detail);
}

/* A machine that goes without a word is noticed within a minute, whatever the deadline. */
static void notice_silence(int fd)
{
    const int on = 1, idle_s = 30, again_s = 10, times = 3;
    (void)gri_net_now()->set(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on); /* wishes, all */
    (void)gri_net_now()->set(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    (void)gri_net_now()->set(fd, IPPROTO_TCP, TCP_KEEPINTVL, &again_s, sizeof again_s);
    (void)gri_net_now()->set(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof times);
}

static int open_connection(exchange *x, gr_socket *ret_socket)
{
    gr_socket socket;
    int code = gr_connect(x->self, &socket, x->url.address, x->deadline);
    if (code == 0) notice_silence(gri_socket_descriptor(socket));
    if (code == 0 && x->tls) {
        code = gr_tls_connect(x->self, socket, x->tls, x->url.host, x->deadline);
        if (code != 0) (void)gr_close(x->self, socket);
    }
    if (code == 0) *ret_socket = socket;
    return code;
}

/* ---- the exchange ---- */

static bool may_be_repeated(const char *method)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"};
    for (size_t i = 0; i < GRI_ARRAY_COUNT(methods); i++)
        if (strcmp(method, methods[i]) == 0) return true;
    return false;
}

/* Asks over this connection, which is gone or kept afterwards. *ret_begun: an answer had begun. */
static int ask(exchange *x, gr_socket socket, gr_response **ret_response, bool *ret_begun)
{
    const gr_fetch_request *q = x->request;
    struct iovec parts[] = {{x->head, x->head_bytes}, {(void *)(uintptr_t)q->body, q->body ? q->body_bytes : 0}};
    bool reusable = false;
    *ret_begun = false;
    int code = gr_writev(x->self, socket, parts, 2, x->deadline);
    /* A server may refuse a large body and close: what it says about that is worth reading. */
    if (code == 0 || code == GR_ECLOSED) {
        int read = gri_fetch_read(x->self, socket, strcmp(x->method, "HEAD") == 0,
                                  q->body_max ? q->body_max : BODY_MAX_DEFAULT, x->deadline, ret_response, &reusable,
                                  ret_begun);
        reusable = reusable && code == 0;
        code = read;
    }
    if (reusable && !q->own_connection)
        gri_fetch_pool_put(x->self, &x->url, x->tls, socket);
    else
        (void)gr_close(x->self, socket);
    return code;
}

static int exchange_run(exchange *x, gr_response **ret_response)
{
    gr_socket socket;
    bool begun = false;
    if (!x->request->own_connection && gri_fetch_pool_take(x->self, &x->url, x->tls, &socket)) {
        x->reached = true;
        int code = ask(x, socket, ret_response, &begun);
        if (code != GR_ECLOSED || begun || !may_be_repeated(x->method)) return code;
    }
    int code = open_connection(x, &socket);
    if (code != 0) return code;
    x->reached = true;
    return ask(x, socket, ret_response, &begun);
}

int gr_fetch(gr_self *self, gr_response **ret_response, const gr_fetch_request *request, gr_deadline deadline)
{
    bool reached;
    return gri_fetch(self, ret_response, request, deadline, &reached);
}

int gri_fetch(gr_self *self, gr_response **ret_response, const gr_fetch_request *request, gr_deadline deadline,
              bool *ret_reached)
{
    *ret_reached = false;
    int code = gri_suspend_enter(self);
    if (code != 0) return code;
    if (!request || !ret_response)
        return gri_fail(self, GR_EINVAL, "gr_fetch needs a request and a place for the answer");
    exchange x = {.self = self, .request = request, .deadline = deadline, .tls = NULL};
    x.method = request->method ? request->method : request->body ? "POST" : "GET";
    code = check(&x);
    if (code == 0 && x.url.tls) {
        x.tls = request->tls;
        if (!x.tls) code = use_default_tls(&x);
    }
    if (code == 0) code = make_head(&x);
    if (code != 0) return code;
    uint16_t raising = self->flags & GRI_KILL_RAISING;
    self->flags &= (uint16_t)~GRI_KILL_RAISING;
    code = exchange_run(&x, ret_response);
    *ret_reached = x.reached;
    gr_free(self, x.head);
    self->flags |= raising;
    if (code != GR_EKILLED) return code;
    int killed = gri_kill_check(self);
    return killed != 0 ? killed : code;
}
