/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* cache: values that are forgotten after a time, or when there are too many, the least recently used first. A value is kept as
 * the message it came in: what is stored is never parsed or copied again but into the answer.
 *
 *     PUT /cache {"behaviour": "cache", "args": {"ttl_ms": 60000, "max": 1000}}
 *     POST /cache/-/call/put {"key": "k", "value": any, "ttl_ms": n}    {"replaced": false}; ttl_ms may be left out
 *     POST /cache/-/call/get "k"                                        {"found": true, "value": any}, or {"found": false}
 *     POST /cache/-/call/delete "k"                                     {"deleted": true}
 *     GET /cache                                                        {"entries", "hits", "misses", "expired", "evicted"}
 *
 * Each entry has a timer, a message {"expire": key, "id": n} to the cache itself; the number tells a timer that was already on
 * its way when its entry was replaced. */
#include "demos/demos.h"

#include <string.h>

enum { KEY_BYTES_MAX = 250, MAX_MAX = 1000000, CHAINS = 1024, TTL_MS_MAX = 7 * 24 * 60 * 60 * 1000 };

typedef struct entry {
    struct entry *chained;       /* with the same hash */
    struct entry *older, *newer; /* by use */
    gr_message *value;
    gr_timer timer;
    int64_t id, expires_ns;
    char key[]; /* NUL-terminated */
} entry;

typedef struct cache {
    entry *chains[CHAINS];
    entry *oldest, *newest;
    int64_t ttl_ms, max, entries, last_id, hits, misses, expired, evicted;
} cache;

static int start(gr_self *self, void *state, gr_value args)
{
    cache *c = state;
    c->ttl_ms = gr_int(gr_get(args, "ttl_ms"), 0);
    c->max = gr_int(gr_get(args, "max"), 0);
    if (c->ttl_ms < 1 || c->ttl_ms > TTL_MS_MAX || c->max < 1 || c->max > MAX_MAX)
        gr_raise(self, "bad_argument", "\"ttl_ms\" is 1 to %d, \"max\" 1 to %d", TTL_MS_MAX, MAX_MAX);
    return 0;
}

/* ---- entries ---- */

static entry **chain_of(cache *c, const char *key)
{
    uint32_t hash = 2166136261U; /* FNV-1a */
    for (; *key; key++) hash = (hash ^ (unsigned char)*key) * 16777619U;
    return &c->chains[hash % CHAINS];
}

static entry *find(cache *c, const char *key)
{
    entry *e = *chain_of(c, key);
    while (e && strcmp(e->key, key) != 0) e = e->chained;
    return e;
}

static void unlink_use(cache *c, entry *e)
{
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
}

static void link_newest(cache *c, entry *e)
{
    e->older = c->newest;
    e->newer = NULL;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

static void forget(gr_self *self, cache *c, entry *e)
{
    entry **at = chain_of(c, e->key);
    while (*at != e) at = &(*at)->chained;
    *at = e->chained;
    unlink_use(c, e);
    (void)gr_cancel(self, e->timer);
    gr_message_free(&e->value);
    gr_free(self, e);
    c->entries--;
}

/* ---- methods ---- */

static const char *checked_key(gr_self *self, gr_value key)
{
    if (!demo_is_key(key, KEY_BYTES_MAX))
        gr_raise(self, "bad_argument", "a key is a string of 1 to %d bytes", KEY_BYTES_MAX);
    return gr_string(key, "");
}

static entry *make(gr_self *self, cache *c, const char *key, gr_value value, int64_t ttl_ms)
{
    entry *e = gr_alloc(self, sizeof *e + strlen(key) + 1);
    int code = e ? gr_message_copy(value, &e->value) : GR_ENOMEM;
    if (code == 0) {
        gr_deadline end = gr_after_ms(ttl_ms);
        strcpy(e->key, key);
        e->id = ++c->last_id;
        e->expires_ns = end.ns;
        code = gr_cast_after(self, &e->timer, gr_self_address(self), end, "{s:s, s:I}", "expire", key, "id", e->id);
    }
    if (code == 0) return e;
    if (e) gr_message_free(&e->value);
    gr_free(self, e);
    gr_raise(self, "no_memory", "not kept: %s", gr_error_text(code));
}

static void put(gr_self *self, void *state, gr_value argument)
{
    cache *c = state;
    const char *key = checked_key(self, gr_get(argument, "key"));
    gr_value value = gr_get(argument, "value"), ttl = gr_get(argument, "ttl_ms");
    int64_t ttl_ms = gr_type_of(ttl) == GR_MISSING ? c->ttl_ms : gr_int(ttl, 0);
    if (gr_type_of(value) == GR_MISSING || ttl_ms < 1 || ttl_ms > TTL_MS_MAX)
        gr_raise(self, "bad_argument", "put takes {\"key\": string, \"value\": any, \"ttl_ms\": 1 to %d}", TTL_MS_MAX);
    entry *made = make(self, c, key, value, ttl_ms), *before = find(c, key), **chain = chain_of(c, key);
    bool replaced = before != NULL;
    if (replaced) forget(self, c, before);
    made->chained = *chain;
    *chain = made;
    link_newest(c, made);
    for (c->entries++; c->entries > c->max; c->evicted++) forget(self, c, c->oldest);
    (void)gr_reply(self, "{s:b}", "replaced", replaced);
}

static void get(gr_self *self, void *state, gr_value argument)
{
    cache *c = state;
    entry *e = find(c, checked_key(self, argument));
    if (e && e->expires_ns <= gr_now_ns()) { /* its timer is on its way */
        forget(self, c, e);
        c->expired++;
        e = NULL;
    }
    *(e ? &c->hits : &c->misses) += 1;
    if (!e) {
        (void)gr_reply(self, "{s:b}", "found", false);
        return;
    }
    unlink_use(c, e);
    link_newest(c, e);
    (void)gr_reply(self, "{s:b, s:V}", "found", true, "value", gr_body(e->value));
}

static void delete_entry(gr_self *self, void *state, gr_value argument)
{
    cache *c = state;
    entry *e = find(c, checked_key(self, argument));
    if (e) forget(self, c, e);
    (void)gr_reply(self, "{s:b}", "deleted", e != NULL);
}

static void on_message(gr_self *self, void *state, gr_message *message)
{
    cache *c = state;
    gr_value body = gr_body(message);
    entry *e = find(c, gr_string(gr_get(body, "expire"), ""));
    if (!e || gr_int(gr_get(body, "id"), 0) != e->id || e->expires_ns > gr_now_ns()) return;
    forget(self, c, e);
    c->expired++;
}

static void describe(gr_self *self, void *state, gr_builder *builder)
{
    cache *c = state;
    (void)self;
    gr_put_object(builder);
    gr_put_key(builder, "entries"), gr_put_int(builder, c->entries);
    gr_put_key(builder, "hits"), gr_put_int(builder, c->hits);
    gr_put_key(builder, "misses"), gr_put_int(builder, c->misses);
    gr_put_key(builder, "expired"), gr_put_int(builder, c->expired);
    gr_put_key(builder, "evicted"), gr_put_int(builder, c->evicted);
    gr_put_end(builder);
}

static void stop(gr_self *self, void *state)
{
    cache *c = state;
    while (c->newest) forget(self, c, c->newest);
}

static const gr_method methods[] = {{"put", put}, {"get", get}, {"delete", delete_entry}};

static const gr_server server = {
    .state_bytes = sizeof(cache),
    .start = start,
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .on_message = on_message,
    .describe = describe,
    .stop = stop,
};

const gr_behaviour demo_cache = {
    .name = "cache",
    .server = &server,
    .arguments = "{\"ttl_ms\": int, \"max\": int}",
    .text = "forgets after a time: call put {\"key\", \"value\"}, get, delete with a key",
};
