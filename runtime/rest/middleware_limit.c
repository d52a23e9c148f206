/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* How much one may ask: a bucket of tokens per address, and requests in progress per address and in all. The buckets are in
 * buckets.h; here is what a request meets. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "rest/buckets.h"
#include "rest/layer.h"

enum {
    ADDRESSES = 16384,
    ADDRESSES_MAX = 16777216,
    RETRY_S_MAX = 3600,
    MEAN_SHIFT = 4 /* a request counts for a 16th of the mean: it follows a change within some dozens */
};

typedef struct limit {
    gr_middleware layer; /* first */
    gri_buckets *buckets;
    unsigned concurrent, proxies;
    char **paths_open;
    pthread_mutex_t lock; /* of the two below; held for a few instructions */
    unsigned active;
    int64_t mean_ns; /* of how long requests took, sliding */
} limit;

/* A request that was let in. Memory of the actor: it must be let out also when the actor is ended in the application. */
typedef struct visit {
    limit *limit;
    gri_bucket_ref bucket;
    int64_t begun_ns;
} visit;

/* ---- refusing ---- */

static int refuse(gr_responder *respond, int status, int64_t wait_ns, const char *detail)
{
    char body[256], seconds[16];
    int64_t wait_s = (wait_ns + 999999999) / 1000000000;
    wait_s = wait_s < 1 ? 1 : wait_s > RETRY_S_MAX ? RETRY_S_MAX : wait_s;
    snprintf(seconds, sizeof seconds, "%d", (int)wait_s);
    int bytes =
        snprintf(body, sizeof body, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":\"%s\"}\n",
                 gr_status_text(status), status, detail);
    gr_header headers[] = {
        {"Content-Type", "application/problem+json"}, {"Retry-After", seconds}, {"Cache-Control", "no-store"}};
    int code = gr_response_start(respond, status, headers, sizeof headers / sizeof *headers, bytes);
    return code != 0 ? code : gr_response_write(respond, body, (size_t)bytes);
}

/* ---- all together ---- */

/* Counts the request in, unless there are too many: then false, and in how long one of them will probably have ended. */
static bool enter(limit *l, int64_t *ret_wait_ns)
{
    pthread_mutex_lock(&l->lock);
    bool room = l->concurrent == 0 || l->active < l->concurrent;
    if (room) l->active++;
    *ret_wait_ns = l->mean_ns;
    pthread_mutex_unlock(&l->lock);
    return room;
}

static void leave(limit *l, int64_t duration_ns)
{
    pthread_mutex_lock(&l->lock);
    l->active--;
    l->mean_ns += (duration_ns - l->mean_ns) >> MEAN_SHIFT;
    pthread_mutex_unlock(&l->lock);
}

static int64_t mean_of(limit *l)
{
    pthread_mutex_lock(&l->lock);
    int64_t mean = l->mean_ns;
    pthread_mutex_unlock(&l->lock);
    return mean;
}

static void let_out(gr_self *self, void *arg)
{
    visit *v = arg;
    (void)self;
    gri_bucket_leave(v->limit->buckets, v->bucket);
    leave(v->limit, gr_now_ns() - v->begun_ns);
}

/* ---- a request ---- */

static int run_inside(visit *v, const gr_environ *env, gr_responder *respond)
{
    int code = gr_defer(env->self, let_out, v);
    if (code == 0) {
        code = gri_layer_run(&v->limit->layer, env, respond);
        (void)gr_defer_cancel(env->self, let_out, v);
    }
    let_out(env->self, v);
    return code > 0 ? 0 : code;
}

static int run_visit(visit *v, const gr_environ *env, gr_responder *respond)
{
    limit *l = v->limit;
    char client[GRI_CLIENT_BYTES];
    int64_t wait_ns = 0;
    gri_client_text(env, l->proxies, client);
    switch (gri_bucket_enter(l->buckets, gri_client_key_of(client), v->begun_ns, &v->bucket, &wait_ns)) {
    case GRI_BUCKET_EMPTY: return refuse(respond, 429, wait_ns, "too many requests from this address");
    case GRI_BUCKET_BUSY: return refuse(respond, 429, mean_of(l), "too many requests of this address are in progress");
    default: break;
    }
    if (enter(l, &wait_ns)) return run_inside(v, env, respond);
    gri_bucket_leave(l->buckets, v->bucket);
    return refuse(respond, 503, wait_ns, "too many requests are in progress");
}

static int run(void *state, const gr_environ *env, gr_responder *respond)
{
    limit *l = state;
    if (gri_paths_have(l->paths_open, env)) return l->layer.inner.run(l->layer.inner.state, env, respond);
    visit *v = gr_alloc(env->self, sizeof *v);
    if (!v) return GR_ENOMEM;
    *v = (visit){.limit = l, .begun_ns = gr_now_ns()};
    int code = run_visit(v, env, respond);
    gr_free(env->self, v);
    return code;
}

/* ---- options ---- */

static void fini(gr_middleware *layer)
{
    limit *l = (limit *)layer;
    gri_buckets_free(l->buckets);
    gri_strings_free(l->paths_open);
    pthread_mutex_destroy(&l->lock);
}

static int check(const gr_limit_options *o, gr_detail *ret_detail)
{
    if (o->per_second != 0 && !(o->per_second >= 0.001 && o->per_second <= 1e6))
        return gri_layer_refuse(ret_detail, "limit: per_second is %g: 0.001 to 1000000, or 0 for any", o->per_second);
    if (o->burst && o->per_second == 0) return gri_layer_refuse(ret_detail, "limit: burst needs per_second");
    if (o->burst > 1000000) return gri_layer_refuse(ret_detail, "limit: burst is %u: at most 1000000", o->burst);
    if (o->per_second == 0 && !o->concurrent && !o->concurrent_per_address)
        return gri_layer_refuse(ret_detail, "limit: per_second, concurrent or concurrent_per_address must be set");
    if (o->addresses > ADDRESSES_MAX)
        return gri_layer_refuse(ret_detail, "limit: addresses is %u: at most %d", o->addresses, ADDRESSES_MAX);
    if (o->proxies > GRI_PROXIES_MAX)
        return gri_layer_refuse(ret_detail, "limit: proxies is %u: 0 to %d", o->proxies, GRI_PROXIES_MAX);
    return gri_paths_check(o->paths_open, "limit: paths_open", ret_detail);
}

/* What nobody can know beforehand: who shares a bucket set with whom. */
static uint64_t new_seed(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) == (ssize_t)sizeof seed) return seed;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15U ^ (uint64_t)now.tv_sec;
}

static bool copy(limit *l, const gr_limit_options *o)
{
    unsigned burst = o->burst ? o->burst : o->per_second > 1 ? (unsigned)o->per_second : 1;
    gri_buckets_options buckets = {
        .emission_ns = o->per_second > 0 ? (int64_t)(1e9 / o->per_second) : 0,
        .burst = burst,
        .concurrent = o->concurrent_per_address,
        .addresses = o->addresses ? o->addresses : ADDRESSES,
        .seed = new_seed(),
    };
    l->buckets = gri_buckets_new(&buckets);
    return l->buckets && gri_strings_copy(o->paths_open, &l->paths_open);
}

int gr_middleware_limit(gr_middleware **layers, gr_application *application, const gr_limit_options *options,
                        gr_detail *ret_detail)
{
    int code = check(options, ret_detail);
    if (code != 0) return code;
    limit *l = gri_layer_new(sizeof *l, fini);
    if (!l) return GR_ENOMEM;
    pthread_mutex_init(&l->lock, NULL);
    l->concurrent = options->concurrent;
    l->proxies = options->proxies;
    if (!copy(l, options)) {
        gri_layer_free(&l->layer);
        return GR_ENOMEM;
    }
    gri_layer_add(&l->layer, run, layers, application);
    return 0;
}
