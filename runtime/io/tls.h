/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The two halves of TLS: contexts (tls_context.c) and connections (tls.c). Only these two know OpenSSL. */
#ifndef GRI_IO_TLS_H
#define GRI_IO_TLS_H

#include "base/atomic.h"

#include <greenroom/tls.h>

/* One more reference, for gr_tls_free to take. */
gr_tls *gri_tls_ref(gr_tls *tls);

#if GRI_TLS
#include <openssl/ssl.h>
#include <pthread.h>

struct gr_tls {
    gri_atomic_u32 references;
    pthread_mutex_t lock; /* guards `context`; held for a pointer and a count */
    SSL_CTX *context;     /* itself read-only once made; gr_tls_reload puts another one here */
    bool server, insecure, verify_client;
    char *certificate, *key, *trust; /* NULL: as in the options */
    unsigned char alpn[256];         /* as on the wire */
    unsigned alpn_bytes;
};

/* The context of the moment, to be freed. */
SSL_CTX *gri_tls_context(gr_tls *tls);

/* The oldest error in OpenSSL's queue of this thread, as text; empties the queue. */
const char *gri_tls_why(char *text, size_t bytes);
#endif

#endif
