/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Contexts of TLS: certificates, keys, whom to trust. */
#include "base/check.h"
#include "base/error.h"
#include "io/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if GRI_TLS

#include <errno.h>
#include <openssl/err.h>
#include <unistd.h>

const char *gri_tls_why(char *text, size_t bytes)
{
    unsigned long error = ERR_get_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    if (reason)
        snprintf(text, bytes, "%s", reason);
    else
        snprintf(text, bytes, "error %lx of the TLS library", error);
    ERR_clear_error();
    return text;
}

static int bad_file(gr_detail *detail, const char *option, const char *path)
{
    char why[120];
    if (access(path, R_OK) != 0) {
        ERR_clear_error();
        return gri_refuse(detail, GR_ESYSTEM, "option %s: %.100s: %s", option, path, strerrordesc_np(errno));
    }
    return gri_refuse(detail, GR_ETLS, "option %s: %.100s: %s", option, path, gri_tls_why(why, sizeof why));
}

/* "h2,http/1.1" to a length before each. */
static int put_alpn(gr_tls *tls, const char *text, gr_detail *detail)
{
    unsigned used = 0;
    for (const char *at = text;;) {
        size_t bytes = strcspn(at, ",");
        if (bytes == 0 || bytes > 63 || used + 1 + bytes > sizeof tls->alpn)
            return gri_refuse(detail, GR_EINVAL,
                              "option alpn is \"%.60s\": allowed are names of 1 to 63 bytes, with commas between",
                              text);
        tls->alpn[used++] = (unsigned char)bytes;
        memcpy(tls->alpn + used, at, bytes);
        used += (unsigned)bytes;
        if (at[bytes] == '\0') break;
        at += bytes + 1;
    }
    tls->alpn_bytes = used;
    return 0;
}

/* The first of ours that the client speaks, too. None: the handshake fails, as the standard wants it. */
static int choose_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_bytes, const unsigned char *theirs,
                       unsigned theirs_bytes, void *arg)
{
    const gr_tls *tls = arg;
    unsigned char *chosen;
    (void)ssl;
    if (SSL_select_next_proto(&chosen, ret_bytes, tls->alpn, tls->alpn_bytes, theirs, theirs_bytes) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int load_identity(SSL_CTX *context, const gr_tls *o, gr_detail *detail)
{
    if (!o->certificate) return 0;
    const char *key = o->key ? o->key : o->certificate, *option = o->key ? "key" : "certificate";
    if (SSL_CTX_use_certificate_chain_file(context, o->certificate) != 1)
        return bad_file(detail, "certificate", o->certificate);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) return bad_file(detail, option, key);
    if (SSL_CTX_check_private_key(context) != 1) return bad_file(detail, option, key);
    return 0;
}

static int load_trust(SSL_CTX *context, const gr_tls *o, gr_detail *detail)
{
    if (o->server && !o->verify_client) return 0;
    if (!o->trust) {
        if (SSL_CTX_set_default_verify_paths(context) == 1) return 0;
        char why[120];
        return gri_refuse(detail, GR_ETLS, "the system's authorities: %s", gri_tls_why(why, sizeof why));
    }
    if (SSL_CTX_load_verify_file(context, o->trust) != 1) return bad_file(detail, "trust", o->trust);
    if (o->server) SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(o->trust));
    return 0;
}

/* A key under a password is an error; without this, OpenSSL asks on the terminal. */
static int no_password(char *buffer, int bytes, int writing, void *arg)
{
    (void)buffer, (void)bytes, (void)writing, (void)arg;
    return -1;
}

static int configure(gr_tls *tls, SSL_CTX *context, gr_detail *detail)
{
    SSL_CTX_set_default_passwd_cb(context, no_password);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"greenroom", 9);
    bool verify = tls->server ? tls->verify_client : !tls->insecure;
    SSL_CTX_set_verify(context, !verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    int code = load_identity(context, tls, detail);
    if (code == 0) code = load_trust(context, tls, detail);
    if (code != 0 || tls->alpn_bytes == 0) return code;
    if (tls->server)
        SSL_CTX_set_alpn_select_cb(context, choose_alpn, tls);
    else if (SSL_CTX_set_alpn_protos(context, tls->alpn, tls->alpn_bytes) != 0)
        return gri_refuse(detail, GR_ENOMEM, "no memory for TLS");
    return 0;
}

/* From the files as they are now. */
static int make_context(gr_tls *tls, SSL_CTX **ret_context, gr_detail *detail)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(tls->server ? TLS_server_method() : TLS_client_method());
    if (!context) {
        ERR_clear_error();
        return gri_refuse(detail, GR_ENOMEM, "no memory for TLS");
    }
    int code = configure(tls, context, detail);
    if (code == 0)
        *ret_context = context;
    else
        SSL_CTX_free(context);
    return code;
}

static int check_options(const gr_tls_options *o, gr_detail *detail)
{
    if (o->server && !o->certificate) return gri_refuse(detail, GR_EINVAL, "a server needs option certificate");
    if (o->server && o->insecure) return gri_refuse(detail, GR_EINVAL, "option insecure is a client's");
    if (!o->server && o->verify_client) return gri_refuse(detail, GR_EINVAL, "option verify_client is a server's");
    if (o->key && !o->certificate) return gri_refuse(detail, GR_EINVAL, "option key without option certificate");
    if (o->insecure && o->trust) return gri_refuse(detail, GR_EINVAL, "option trust has no use with option insecure");
    return 0;
}

static bool copy(const char *text, char **ret_copy)
{
    if (text) *ret_copy = strdup(text);
    return !text || *ret_copy;
}

static int take_options(gr_tls *tls, const gr_tls_options *o, gr_detail *detail)
{
    tls->server = o->server;
    tls->insecure = o->insecure;
    tls->verify_client = o->verify_client;
    if (!copy(o->certificate, &tls->certificate) || !copy(o->key, &tls->key) || !copy(o->trust, &tls->trust))
        return gri_refuse(detail, GR_ENOMEM, "no memory for TLS");
    return o->alpn ? put_alpn(tls, o->alpn, detail) : 0;
}

int gr_tls_new(gr_tls **ret_tls, const gr_tls_options *options, gr_detail *ret_detail)
{
    static const gr_tls_options defaults;
    const gr_tls_options *o = options ? options : &defaults;
    int code = check_options(o, ret_detail);
    if (code != 0) return code;
    gr_tls *tls = calloc(1, sizeof *tls);
    if (!tls) return gri_refuse(ret_detail, GR_ENOMEM, "no memory for TLS");
    gri_atomic_init(&tls->references, 1);
    pthread_mutex_init(&tls->lock, NULL); /* cannot fail without attributes on Linux */
    code = take_options(tls, o, ret_detail);
    if (code == 0) code = make_context(tls, &tls->context, ret_detail);
    if (code == 0)
        *ret_tls = tls;
    else
        gr_tls_free(&tls);
    return code;
}

int gr_tls_reload(gr_tls *tls, gr_detail *ret_detail)
{
    SSL_CTX *context = NULL;
    int code = make_context(tls, &context, ret_detail);
    if (code != 0) return code;
    pthread_mutex_lock(&tls->lock);
    SSL_CTX *before = tls->context;
    tls->context = context;
    pthread_mutex_unlock(&tls->lock);
    SSL_CTX_free(before); /* connections that use it have references */
    return 0;
}

SSL_CTX *gri_tls_context(gr_tls *tls)
{
    pthread_mutex_lock(&tls->lock);
    SSL_CTX *context = tls->context;
    SSL_CTX_up_ref(context); /* fails for no context that lives */
    pthread_mutex_unlock(&tls->lock);
    return context;
}

gr_tls *gri_tls_ref(gr_tls *tls)
{
    gri_add_relaxed(&tls->references, 1u); /* relaxed: who has a reference may make another */
    return tls;
}

void gr_tls_free(gr_tls **tls)
{
    gr_tls *t = tls ? *tls : NULL;
    if (!t) return;
    *tls = NULL;
    /* mo:tls.free acq_rel <-> tls.free acq_rel: what the others did before they let go */
    if (gri_sub_acq_rel(&t->references, 1u) != 1) return;
    SSL_CTX_free(t->context);
    pthread_mutex_destroy(&t->lock);
    free(t->certificate);
    free(t->key);
    free(t->trust);
    free(t);
}

#else

int gr_tls_new(gr_tls **ret_tls, const gr_tls_options *options, gr_detail *ret_detail)
{
    (void)ret_tls, (void)options;
    return gri_refuse(ret_detail, GR_EUNSUPPORTED, "this build has no TLS");
}

int gr_tls_reload(gr_tls *tls, gr_detail *ret_detail)
{
    return gr_tls_new(&tls, NULL, ret_detail);
}

void gr_tls_free(gr_tls **tls)
{
    if (tls) *tls = NULL;
}

gr_tls *gri_tls_ref(gr_tls *tls)
{
    return tls;
}

#endif
