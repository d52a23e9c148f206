/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/buckets.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { WAYS = 8, LOCKS = 64, LINE_BYTES = 64 };

typedef struct bucket {
    gri_client_key client;
    int64_t full_ns; /* when it is full again */
    uint32_t active; /* requests in progress: it is not forgotten */
    bool used;
} bucket;

typedef struct lock {
    _Alignas(LINE_BYTES) pthread_mutex_t mutex;
} lock;

struct gri_buckets {
    lock locks[LOCKS]; /* of set number n: n % LOCKS */
    gri_buckets_options options;
    uint32_t set_mask;
    bucket *entries;
};

gri_buckets *gri_buckets_new(const gri_buckets_options *options)
{
    uint32_t sets = 1;
    while (sets * WAYS < options->addresses) sets *= 2;
    gri_buckets *b = aligned_alloc(LINE_BYTES, sizeof *b); /* a multiple: its locks are */
    if (!b) return NULL;
    memset(b, 0, sizeof *b);
    b->options = *options;
    b->set_mask = sets - 1;
    b->entries = calloc((size_t)sets * WAYS, sizeof *b->entries);
    if (!b->entries) {
        free(b);
        return NULL;
    }
    for (size_t i = 0; i < LOCKS; i++) pthread_mutex_init(&b->locks[i].mutex, NULL);
    return b;
}

void gri_buckets_free(gri_buckets *b)
{
    if (!b) return;
    for (size_t i = 0; i < LOCKS; i++) pthread_mutex_destroy(&b->locks[i].mutex);
    free(b->entries);
    free(b);
}

/* Mixes all bits of a and b into all bits of the result. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)(a ^ 0x9e3779b97f4a7c15U) * (b ^ 0xe7037ed1a0b428dbU);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint32_t set_of(const gri_buckets *b, gri_client_key client)
{
    uint64_t seed = b->options.seed;
    return (uint32_t)mix(mix(client.high ^ seed, client.low ^ (seed << 32 | seed >> 32)), seed) & b->set_mask;
}

static bool is_of(const bucket *entry, gri_client_key client)
{
    return entry->used && entry->client.high == client.high && entry->client.low == client.low;
}

/* The client's entry, or one to take for it; NULL: all are in use. */
static bucket *find(bucket *set, gri_client_key client)
{
    bucket *best = NULL;
    for (size_t i = 0; i < WAYS; i++)
        if (is_of(&set[i], client)) return &set[i];
    for (size_t i = 0; i < WAYS; i++) {
        if (!set[i].used) return &set[i];
        if (set[i].active == 0 && (!best || set[i].full_ns < best->full_ns)) best = &set[i];
    }
    return best;
}

static enum gri_bucket_answer enter(const gri_buckets_options *o, bucket *entry, int64_t now_ns, int64_t *ret_wait_ns)
{
    int64_t full = entry->full_ns > now_ns ? entry->full_ns : now_ns;
    int64_t wait_ns = full - now_ns - (int64_t)(o->burst - 1) * o->emission_ns;
    if (o->emission_ns && wait_ns > 0) {
        *ret_wait_ns = wait_ns;
        return GRI_BUCKET_EMPTY;
    }
    if (o->concurrent && entry->active >= o->concurrent) return GRI_BUCKET_BUSY;
    entry->full_ns = full + o->emission_ns;
    entry->active++;
    return GRI_BUCKET_ENTERED;
}

enum gri_bucket_answer gri_bucket_enter(gri_buckets *b, gri_client_key client, int64_t now_ns, gri_bucket_ref *ret_ref,
                                        int64_t *ret_wait_ns)
{
    uint32_t set = set_of(b, client);
    pthread_mutex_t *mutex = &b->locks[set % LOCKS].mutex;
    enum gri_bucket_answer answer = GRI_BUCKET_ENTERED;
    gri_bucket_ref ref = {0};
    pthread_mutex_lock(mutex);
    bucket *entry = find(&b->entries[(size_t)set * WAYS], client);
    if (entry) {
        if (!is_of(entry, client)) *entry = (bucket){.client = client, .used = true, .full_ns = INT64_MIN};
        answer = enter(&b->options, entry, now_ns, ret_wait_ns);
        ref.entry_plus_one = (uint32_t)(entry - b->entries) + 1;
    }
    pthread_mutex_unlock(mutex);
    if (answer == GRI_BUCKET_ENTERED) *ret_ref = ref;
    return answer;
}

void gri_bucket_leave(gri_buckets *b, gri_bucket_ref ref)
{
    if (!ref.entry_plus_one) return;
    pthread_mutex_t *mutex = &b->locks[(ref.entry_plus_one - 1) / WAYS % LOCKS].mutex;
    pthread_mutex_lock(mutex);
    b->entries[ref.entry_plus_one - 1].active--;
    pthread_mutex_unlock(mutex);
}
