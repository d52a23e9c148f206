/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* TLS connections: a layer (socket.h) between the calls of io.h and the descriptor.
 *
 * OpenSSL reads and writes the descriptor through a BIO of ours, which never raises SIGPIPE. No switch happens inside OpenSSL, and
 * its queue of errors, which belongs to the thread, is emptied before a call and read right after it. A deadline or a kill ends
 * the waiting between two calls of OpenSSL; what it has begun goes on with the next call. */
#include "io/tls.h"
#include "actor/runtime.h"
#include "io/active.h"
#include "io/endpoint.h"
#include "io/socket.h"

#if GRI_TLS

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct connection {
    gr_tls *tls;
    SSL *ssl;
    int fd;
    int error;   /* errno of the last system call that failed for good; 0: none has */
    bool broken; /* nothing more goes over it, not even the end */
    bool ended;  /* that no more will be written has been written */
    char why[160];
} connection;

/* ---- OpenSSL's way to the descriptor ---- */

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static bool is_for_now(int error)
{
    return error == EAGAIN || error == EINTR;
}

static int bio_read(BIO *bio, char *buffer, int bytes)
{
    connection *c = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = recv(c->fd, buffer, (size_t)bytes, 0);
    if (n >= 0) {
        if (n == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
        return (int)n;
    }
    if (is_for_now(errno))
        BIO_set_retry_read(bio);
    else
        c->error = errno;
    return -1;
}

static int bio_write(BIO *bio, const char *data, int bytes)
{
    connection *c = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = send(c->fd, data, (size_t)bytes, MSG_NOSIGNAL);
    if (n >= 0) return (int)n;
    if (is_for_now(errno))
        BIO_set_retry_write(bio);
    else
        c->error = errno;
    return -1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)number, (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    default: return 0;
    }
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static void make_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "greenroom socket");
    if (!m) return;
    if (BIO_meth_set_read(m, bio_read) == 1 && BIO_meth_set_write(m, bio_write) == 1 &&
        BIO_meth_set_ctrl(m, bio_control) == 1 && BIO_meth_set_create(m, bio_create) == 1)
        method = m;
    else
        BIO_meth_free(m);
}

/* ---- the layer ---- */

/* Notes why the last call of OpenSSL returned `result`: an errno; EAGAIN with what to wait for. 0: the peer has ended. */
static int outcome(gri_socket_record *record, connection *c, int result, gri_atomic_u32 **ret_ready)
{
    int kind = SSL_get_error(c->ssl, result);
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
        *ret_ready = kind == SSL_ERROR_WANT_READ ? &record->readable : &record->writable;
        return EAGAIN;
    }
    if (kind == SSL_ERROR_ZERO_RETURN) return 0;
    c->broken = true;
    if (c->error != 0) return c->error;
    unsigned long error = ERR_peek_error();
    if (ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING || error == 0) {
        ERR_clear_error();
        return ECONNRESET; /* the connection ended, TLS did not */
    }
    long verified = SSL_get_verify_result(c->ssl);
    gri_tls_why(c->why, sizeof c->why);
    if (verified != X509_V_OK && !c->tls->insecure)
        snprintf(c->why, sizeof c->why, "the certificate is not trusted: %s", X509_verify_cert_error_string(verified));
    return EPROTO;
}

static void prepare(connection *c, gri_atomic_u32 *expected)
{
    gri_socket_expect(expected);
    ERR_clear_error();
    c->error = 0;
}

typedef int attempt(SSL *ssl, void *data, int bytes);

/* One try of either way. It expects only what it usually waits for: the other flag may be what a call further up waits for (an
 * active socket is read while a write waits). If it is the other one for once, it is expected and tried again. */
static ssize_t try_it(gri_socket_record *record, attempt *way, void *data, size_t bytes, gri_atomic_u32 *usual,
                      int *ret_error, gri_atomic_u32 **ret_ready)
{
    connection *c = record->layer_state;
    gri_atomic_u32 *expected = usual;
    for (;;) {
        prepare(c, expected);
        int n = way(c->ssl, data, (int)GRI_MIN(bytes, (size_t)INT_MAX));
        if (n > 0) return n;
        *ret_error = outcome(record, c, n, ret_ready);
        if (*ret_error != EAGAIN || *ret_ready == expected) return *ret_error == 0 ? 0 : -1;
        expected = *ret_ready;
    }
}

static int attempt_read(SSL *ssl, void *data, int bytes)
{
    return SSL_read(ssl, data, bytes);
}

static int attempt_write(SSL *ssl, void *data, int bytes)
{
    return SSL_write(ssl, data, bytes);
}

static ssize_t layer_read(gri_socket_record *record, void *buffer, size_t bytes, int *ret_error,
                          gri_atomic_u32 **ret_ready)
{
    connection *c = record->layer_state;
    *ret_error = ECONNRESET;
    if (c->broken) return -1;
    return try_it(record, attempt_read, buffer, bytes, &record->readable, ret_error, ret_ready);
}

static ssize_t layer_write(gri_socket_record *record, const void *data, size_t bytes, int *ret_error,
                           gri_atomic_u32 **ret_ready)
{
    connection *c = record->layer_state;
    *ret_error = ECONNRESET;
    if (c->broken) return -1;
    *ret_error = EPIPE;
    if (SSL_get_shutdown(c->ssl) & SSL_SENT_SHUTDOWN) return -1; /* to OpenSSL an error that ends reading, too */
    ssize_t n = try_it(record, attempt_write, (void *)(uintptr_t)data, bytes, &record->writable, ret_error, ret_ready);
    if (n == 0) *ret_error = EPIPE;
    return n > 0 ? n : -1;
}

/* OpenSSL counts the end as sent from the first try on; what it could not write is written by the next. */
static int layer_shutdown(gri_socket_record *record, gri_atomic_u32 **ret_ready)
{
    connection *c = record->layer_state;
    if (c->broken || c->ended) return 0; /* one more would read */
    prepare(c, &record->writable);
    int result = SSL_shutdown(c->ssl);
    c->ended = result >= 0;
    return c->ended ? 0 : outcome(record, c, result, ret_ready);
}

static void connection_free(connection *c)
{
    if (c->ssl) SSL_free(c->ssl);
    gr_tls_free(&c->tls);
    free(c);
    ERR_clear_error();
}

static void layer_close(gri_socket_record *record)
{
    gri_atomic_u32 *ready;
    (void)layer_shutdown(record, &ready);
    connection_free(record->layer_state);
    record->layer_state = NULL;
}

static const char *layer_explain(gri_socket_record *record)
{
    return ((connection *)record->layer_state)->why;
}

static const gri_layer layer = {layer_read, layer_write, layer_shutdown, layer_close, layer_explain};

/* ---- the handshake ---- */

static bool is_address(const char *host)
{
    unsigned char address[16];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* As certificates have it: a name without the root's dot, an address without its zone; false: it is neither. OpenSSL takes
 * more: ".example.org" would be whoever is below it. */
static bool host_tidy(const char *host, gri_name *ret)
{
    char text[GRI_NAME_BYTES_MAX + 3];
    size_t bytes = strlen(host);
    if (bytes > GRI_NAME_BYTES_MAX) return false;
    snprintf(text, sizeof text, "%s:1", host);
    if (gri_name_parse(text, ret)) {
        if (ret->host[bytes - 1] == '.') ret->host[bytes - 1] = '\0';
        return true;
    }
    memcpy(ret->host, host, bytes + 1);
    if (strchr(host, ':')) ret->host[strcspn(host, "%")] = '\0';
    return is_address(ret->host);
}

/* Whom the certificate has to name; tidy. */
static bool expect_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *rules = SSL_get0_param(ssl);
    if (is_address(host)) return X509_VERIFY_PARAM_set1_ip_asc(rules, host) == 1;
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static connection *connection_new(gr_tls *tls, int fd, const char *host)
{
    pthread_once(&method_once, make_method);
    connection *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    ERR_clear_error();
    c->fd = fd;
    c->tls = gri_tls_ref(tls);
    SSL_CTX *context = gri_tls_context(tls);
    c->ssl = SSL_new(context); /* has a reference of its own */
    SSL_CTX_free(context);
    BIO *bio = c->ssl && method ? BIO_new(method) : NULL;
    if (bio) {
        BIO_set_data(bio, c);
        SSL_set_bio(c->ssl, bio, bio);
        if (tls->server)
            SSL_set_accept_state(c->ssl);
        else
            SSL_set_connect_state(c->ssl);
        if (tls->server || !host || expect_host(c->ssl, host)) return c;
    }
    connection_free(c);
    return NULL;
}

static int shake_hands(gr_self *self, gri_socket_record *record, connection *c, gr_deadline deadline)
{
    for (;;) {
        gri_atomic_u32 *ready = NULL;
        gri_socket_expect(&record->writable);
        prepare(c, &record->readable);
        int result = SSL_do_handshake(c->ssl);
        if (result == 1) return 0;
        int error = outcome(record, c, result, &ready);
        if (error == 0) error = ECONNRESET;
        if (error == EPROTO) return gri_fail(self, GR_ETLS, "TLS: %s", c->why);
        if (error != EAGAIN) return gri_stream_fail(self, record, "TLS", error);
        int code = gri_socket_wait(self, record, ready, deadline);
        if (code != 0) return code;
        gri_give_way(self);
    }
}

static int check(gr_self *self, const gri_socket_record *record, const gr_tls *tls, const char *host, bool server)
{
    if (!tls || tls->server != server)
        return gri_fail(self, GR_EINVAL, "%s needs what gr_tls_new has made for a %s",
                        server ? "gr_tls_accept" : "gr_tls_connect", server ? "server" : "client");
    if (!server && !tls->insecure && (!host || !*host))
        return gri_fail(self, GR_EINVAL, "gr_tls_connect needs the host that the certificate has to name");
    gri_name name;
    if (host && !host_tidy(host, &name))
        return gri_fail(self, GR_EINVAL, "gr_tls_connect: the host \"%.100s\" is neither a name nor an address", host);
    if (record->is_listener || record->is_datagram || record->layer)
        return gri_fail(self, GR_EINVAL, "TLS needs a connected stream that has none yet");
    if (gri_scheduler_now->simulation) /* the same seed would not give the same run */
        return gri_fail(self, GR_EUNSUPPORTED, "TLS is not simulated: it has random numbers of its own");
    if (gri_active_is_on(record)) return gri_fail(self, GR_EINUSE, "the socket is active");
    if (gri_active_has_pending(record)) /* later reads would take it for the peer's, protected */
        return gri_fail(self, GR_EINVAL, "TLS needs a stream without data that has come in clear: gr_read it first");
    return 0;
}

static int begin(gr_self *self, gr_socket socket, gr_tls *tls, const char *host, bool server, gr_deadline deadline)
{
    gri_socket_record *record;
    int code = gri_socket_begin_suspending(self, socket, &record);
    if (code != 0) return code;
    code = check(self, record, tls, host, server);
    if (code != 0) return gri_socket_end(self, record, code);
    gri_name name;
    if (host) (void)host_tidy(host, &name); /* has been checked */
    connection *c = connection_new(tls, record->fd, host ? name.host : NULL);
    if (!c) return gri_socket_end(self, record, gri_fail(self, GR_ENOMEM, "no memory for TLS"));
    code = shake_hands(self, record, c, deadline);
    if (code == 0) {
        record->drained = false;
        record->layer_state = c;
        record->layer = &layer;
    } else {
        connection_free(c);
        (void)shutdown(record->fd, SHUT_RDWR); /* so that nobody goes on in clear */
    }
    return gri_socket_end(self, record, code);
}

int gr_tls_connect(gr_self *self, gr_socket socket, gr_tls *tls, const char *host, gr_deadline deadline)
{
    return begin(self, socket, tls, host, false, deadline);
}

int gr_tls_accept(gr_self *self, gr_socket socket, gr_tls *tls, gr_deadline deadline)
{
    return begin(self, socket, tls, NULL, true, deadline);
}

/* ---- what was agreed upon ---- */

static void describe(const connection *c, gr_tls_info *ret)
{
    const unsigned char *alpn = NULL;
    unsigned alpn_bytes = 0;
    memset(ret, 0, sizeof *ret);
    snprintf(ret->version, sizeof ret->version, "%s", SSL_get_version(c->ssl));
    snprintf(ret->cipher, sizeof ret->cipher, "%s", SSL_get_cipher_name(c->ssl));
    SSL_get0_alpn_selected(c->ssl, &alpn, &alpn_bytes);
    snprintf(ret->alpn, sizeof ret->alpn, "%.*s", (int)alpn_bytes, alpn ? (const char *)alpn : "");
    X509 *peer = SSL_get0_peer_certificate(c->ssl);
    BIO *memory = peer ? BIO_new(BIO_s_mem()) : NULL;
    if (memory) {
        X509_NAME_print_ex(memory, X509_get_subject_name(peer), 0, XN_FLAG_RFC2253);
        int n = BIO_read(memory, ret->peer, sizeof ret->peer - 1);
        ret->peer[n > 0 ? n : 0] = '\0';
        BIO_free(memory);
    }
    ERR_clear_error();
}

int gr_tls_inspect(gr_self *self, gr_socket socket, gr_tls_info *ret_info)
{
    gri_socket_record *record;
    int code = gri_acting(self);
    if (code == 0) code = gri_socket_begin(self, socket, &record);
    if (code != 0) return code;
    if (!ret_info || record->layer != &layer)
        code = gri_fail(self, GR_EINVAL, "gr_tls_inspect needs a socket with TLS on it");
    else
        describe(record->layer_state, ret_info);
    return gri_socket_end(self, record, code);
}

#else

static int refuse(gr_self *self)
{
    int code = gri_acting(self);
    return code != 0 ? code : gri_fail(self, GR_EUNSUPPORTED, "this build has no TLS");
}

int gr_tls_connect(gr_self *self, gr_socket socket, gr_tls *tls, const char *host, gr_deadline deadline)
{
    (void)socket, (void)tls, (void)host, (void)deadline;
    return refuse(self);
}

int gr_tls_accept(gr_self *self, gr_socket socket, gr_tls *tls, gr_deadline deadline)
{
    (void)socket, (void)tls, (void)deadline;
    return refuse(self);
}

int gr_tls_inspect(gr_self *self, gr_socket socket, gr_tls_info *ret_info)
{
    (void)socket, (void)ret_info;
    return refuse(self);
}

#endif
