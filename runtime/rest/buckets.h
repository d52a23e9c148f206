/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Buckets of tokens by address, in bounded memory.
 *
 * A bucket is one time: when it would be full again (the generic cell rate algorithm, ITU-T I.371). A token moves it on by the
 * emission interval; a request that would move it more than a burst beyond now is refused. So a bucket whose time has passed
 * says nothing and can be forgotten.
 *
 * Sets of 8 entries, found by a keyed hash, spread over locks that are held for one set's search. A new address takes a
 * forgotten entry, else that of the idle one that is full again soonest: who is refused most stays longest. If all 8 have
 * requests in progress it is let in uncounted.
 *
 * Any thread; time comes from the caller. */
#ifndef GRI_REST_BUCKETS_H
#define GRI_REST_BUCKETS_H

#include "rest/layer.h"

typedef struct gri_buckets_options {
    int64_t emission_ns; /* between two tokens; 0: requests are not counted */
    unsigned burst;      /* tokens in a full bucket */
    unsigned concurrent; /* in progress per address; 0: any */
    unsigned addresses;  /* rounded up to sets */
    uint64_t seed;
} gri_buckets_options;

typedef struct gri_buckets gri_buckets;

/* NULL: out of memory. */
gri_buckets *gri_buckets_new(const gri_buckets_options *options);
void gri_buckets_free(gri_buckets *buckets);

/* Where an address is counted; 0: nowhere. */
typedef struct gri_bucket_ref {
    uint32_t entry_plus_one;
} gri_bucket_ref;

enum gri_bucket_answer {
    GRI_BUCKET_ENTERED,
    GRI_BUCKET_EMPTY, /* *ret_wait_ns: until there is a token */
    GRI_BUCKET_BUSY   /* too many in progress */
};

/* A request at that time, which does not go back. When it entered, *ret_ref is for gri_bucket_leave, once. */
enum gri_bucket_answer gri_bucket_enter(gri_buckets *buckets, gri_client_key client, int64_t now_ns,
                                        gri_bucket_ref *ret_ref, int64_t *ret_wait_ns);
void gri_bucket_leave(gri_buckets *buckets, gri_bucket_ref ref);

#endif
