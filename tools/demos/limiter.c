/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* limiter: a bucket of tokens per key, and callers that wait for them. An actor needs no lock, and its timers are messages.
 *
 *     PUT /limiter {"behaviour": "limiter", "args": {"rate": 5, "burst": 10}}    tokens a second; what a bucket holds
 *     POST /limiter/-/call/take "ann"                             {"allowed": true, "left": 9}, or {"allowed": false, "left": 0}
 *     POST /limiter/-/call/take {"key": "ann", "tokens": 3}
 *     POST /limiter/-/call/wait {"key": "ann", "tokens": 10}      answered when there are so many: {"left": 0}; in turn; who has
 *                                                                 stopped waiting meanwhile still uses its turn
 *     GET /limiter                                                {"rate", "burst", "keys", "waiting", "allowed", "refused"}
 *
 *                  take: answered at once
 *     callers ---> wait: the call is kept ----> limiter ---> timer {"tick": key}: when the first who waits can go on, or when
 *                                                  ^           |                the bucket is full, which forgets it
 *                                                  +-----------+
 */
#include "demos/demos.h"

#include <string.h>

enum { KEY_BYTES_MAX = 64, KEYS_MAX = 1000, WAITING_MAX = 10000, BURST_MAX = 1000000 };
#define RATE_MIN 0.001
#define RATE_MAX 1e6

typedef struct waiter {
    struct waiter *next;
    gr_message *call;
    int64_t tokens;
} waiter;

typedef struct bucket {
    struct bucket *next;
    char key[KEY_BYTES_MAX + 1];
    double tokens; /* at that time */
    int64_t at_ns;
    waiter *first, **last;
    gr_timer timer;
} bucket;

typedef struct limiter {
    double rate;
    int64_t burst;
    bucket *buckets; /* those that are not full; from gr_alloc, as all here */
    int64_t keys, waiting, allowed, refused;
} limiter;

static int start(gr_self *self, void *state, gr_value args)
{
    limiter *l = state;
    l->rate = gr_double(gr_get(args, "rate"), 0);
    l->burst = gr_int(gr_get(args, "burst"), 0);
    if (!(l->rate >= RATE_MIN && l->rate <= RATE_MAX) || l->burst < 1 || l->burst > BURST_MAX)
        gr_raise(self, "bad_argument", "\"rate\" is %g to %g, \"burst\" 1 to %d", RATE_MIN, RATE_MAX, BURST_MAX);
    return 0;
}

/* ---- buckets ---- */

static bucket *find(limiter *l, const char *key)
{
    bucket *b = l->buckets;
    while (b && strcmp(b->key, key) != 0) b = b->next;
    return b;
}

static bucket *find_or_make(gr_self *self, limiter *l, const char *key)
{
    bucket *b = find(l, key);
    if (b) return b;
    if (l->keys == KEYS_MAX) gr_raise(self, "too_many_keys", "at most %d keys at a time", KEYS_MAX);
    b = gr_alloc(self, sizeof *b);
    if (!b) gr_raise(self, "no_memory", "no memory for one more key");
    strcpy(b->key, key);
    b->tokens = (double)l->burst;
    b->at_ns = gr_now_ns();
    b->last = &b->first;
    b->next = l->buckets;
    l->buckets = b;
    l->keys++;
    return b;
}

static void forget(gr_self *self, limiter *l, bucket *b)
{
    bucket **at = &l->buckets;
    while (*at != b) at = &(*at)->next;
    *at = b->next;
    gr_free(self, b);
    l->keys--;
}

static void refill(const limiter *l, bucket *b)
{
    int64_t now = gr_now_ns();
    b->tokens += (double)(now - b->at_ns) / 1e9 * l->rate;
    if (b->tokens > (double)l->burst) b->tokens = (double)l->burst;
    b->at_ns = now;
}

/* A message to ourselves for the moment when the bucket has that much. Out of memory: the next call sets one. */
static void set_timer(gr_self *self, const limiter *l, bucket *b)
{
    double wanted = b->first ? (double)b->first->tokens : (double)l->burst;
    if (b->timer.id) (void)gr_cancel(self, b->timer);
    b->timer.id = 0;
    int code = gr_cast_after(self, &b->timer, gr_self_address(self), gr_after_s((wanted - b->tokens) / l->rate),
                             "{s:s}", "tick", b->key);
    if (code != 0) gr_log(GR_LOG_WARN, "limiter: no timer for %s: %s", b->key, gr_error_text(code));
}

/* Lets those go on for whom there is enough, in turn. */
static void serve_waiters(gr_self *self, limiter *l, bucket *b)
{
    while (b->first && b->tokens >= (double)b->first->tokens) {
        waiter *w = b->first;
        b->first = w->next;
        if (!b->first) b->last = &b->first;
        l->waiting--;
        /* Who has gone takes nothing. */
        if (gr_respond(self, w->call, "{s:I}", "left", (int64_t)b->tokens - w->tokens) == 0) {
            b->tokens -= (double)w->tokens;
            l->allowed++;
        }
        gr_message_free(&w->call);
        gr_free(self, w);
    }
}

static void look_after(gr_self *self, limiter *l, bucket *b)
{
    serve_waiters(self, l, b);
    if (b->first || b->tokens < (double)l->burst) {
        set_timer(self, l, b);
    } else {
        if (b->timer.id) (void)gr_cancel(self, b->timer);
        forget(self, l, b);
    }
}

static void on_message(gr_self *self, void *state, gr_message *message)
{
    limiter *l = state;
    bucket *b = find(l, gr_string(gr_get(gr_body(message), "tick"), "")); /* anybody may say so: the clock decides */
    if (!b) return;
    refill(l, b);
    look_after(self, l, b);
}

/* ---- methods ---- */

/* "key", or {"key": "key", "tokens": n}: its bucket, filled up to now. */
static bucket *asked_for(gr_self *self, limiter *l, gr_value argument, int64_t *ret_tokens)
{
    gr_value key = gr_type_of(argument) == GR_OBJECT ? gr_get(argument, "key") : argument;
    gr_value tokens = gr_type_of(argument) == GR_OBJECT ? gr_get(argument, "tokens") : (gr_value){NULL};
    *ret_tokens = gr_type_of(tokens) == GR_MISSING ? 1 : gr_int(tokens, 0);
    if (!demo_is_key(key, KEY_BYTES_MAX) || *ret_tokens < 1 || *ret_tokens > l->burst)
        gr_raise(self, "bad_argument", "a key of 1 to %d bytes, or {\"key\": key, \"tokens\": 1 to %lld}",
                 KEY_BYTES_MAX, (long long)l->burst);
    bucket *b = find_or_make(self, l, gr_string(key, ""));
    refill(l, b);
    return b;
}

static void take(gr_self *self, void *state, gr_value argument)
{
    limiter *l = state;
    int64_t tokens;
    bucket *b = asked_for(self, l, argument, &tokens);
    bool allowed = !b->first && b->tokens >= (double)tokens; /* not before those who wait */
    if (allowed) b->tokens -= (double)tokens;
    *(allowed ? &l->allowed : &l->refused) += 1;
    (void)gr_reply(self, "{s:b, s:I}", "allowed", allowed, "left", (int64_t)b->tokens);
    look_after(self, l, b);
}

static void wait_for(gr_self *self, void *state, gr_value argument)
{
    limiter *l = state;
    int64_t tokens;
    if (l->waiting == WAITING_MAX) gr_raise(self, "too_many_waiting", "at most %d wait at a time", WAITING_MAX);
    bucket *b = asked_for(self, l, argument, &tokens);
    waiter *w = gr_alloc(self, sizeof *w);
    if (!w) gr_raise(self, "no_memory", "no memory for one more who waits");
    w->call = gr_call_take(self); /* answered later; if we end before, the caller learns that */
    w->tokens = tokens;
    *b->last = w;
    b->last = &w->next;
    l->waiting++;
    look_after(self, l, b);
}

static void describe(gr_self *self, void *state, gr_builder *builder)
{
    limiter *l = state;
    (void)self;
    gr_put_object(builder);
    gr_put_key(builder, "rate"), gr_put_double(builder, l->rate);
    gr_put_key(builder, "burst"), gr_put_int(builder, l->burst);
    gr_put_key(builder, "keys"), gr_put_int(builder, l->keys);
    gr_put_key(builder, "waiting"), gr_put_int(builder, l->waiting);
    gr_put_key(builder, "allowed"), gr_put_int(builder, l->allowed);
    gr_put_key(builder, "refused"), gr_put_int(builder, l->refused);
    gr_put_end(builder);
}

static void stop(gr_self *self, void *state)
{
    limiter *l = state;
    unsigned char storage[128];
    gr_value report;
    bool packed = gr_pack_into(storage, sizeof storage, &report, "{s:s, s:s}", "error", "closed", "description",
                               "the limiter has ended") == 0;
    for (bucket *b = l->buckets; b; b = b->next)
        for (waiter *w = b->first; w; w = w->next) {
            if (packed) (void)gr_respond_exception(self, w->call, report);
            gr_message_free(&w->call);
        }
}

static const gr_method methods[] = {{"take", take}, {"wait", wait_for}};

static const gr_server server = {
    .state_bytes = sizeof(limiter),
    .start = start,
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .on_message = on_message,
    .describe = describe,
    .stop = stop,
};

const gr_behaviour demo_limiter = {
    .name = "limiter",
    .server = &server,
    .arguments = "{\"rate\": number, \"burst\": int}",
    .text = "token buckets: call take, wait with a key, or {\"key\", \"tokens\"}",
};
