/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "greenroom/gate.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 64, LINE_BYTES = 64 };

/* Connections are spread over slots, so that no two workers write the same cache line on every request. */
typedef struct slot {
    _Alignas(LINE_BYTES) pthread_mutex_t lock; /* held for a few instructions, never across a suspending call */
    unsigned count;
    bool closed;
} slot;

struct gate {
    slot slots[SLOTS];
    gr_application inner;
};

/* Counts the request, and says whether it may go on. */
static bool enter(slot *s)
{
    pthread_mutex_lock(&s->lock);
    bool open = !s->closed;
    s->count++;
    pthread_mutex_unlock(&s->lock);
    return open;
}

static void leave(gr_self *self, void *arg)
{
    slot *s = arg;
    (void)self;
    pthread_mutex_lock(&s->lock);
    s->count--;
    pthread_mutex_unlock(&s->lock);
}

static bool is_closed(slot *s)
{
    pthread_mutex_lock(&s->lock);
    bool closed = s->closed;
    pthread_mutex_unlock(&s->lock);
    return closed;
}

static int refuse(const gr_environ *env, gr_responder *respond)
{
    static const char body[] = "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"
                               "\"detail\":\"this server is stopping\"}\n";
    static const gr_header headers[] = {
        {"Content-Type", "application/problem+json"},
        {"Retry-After", "1"},
        {"Cache-Control", "no-store"},
        {"X-Content-Type-Options", "nosniff"},
    };
    (void)env;
    int code = gr_response_start(respond, 503, headers, sizeof headers / sizeof *headers, sizeof body - 1);
    return code != 0 ? code : gr_response_write(respond, body, sizeof body - 1);
}

static int run(void *state, const gr_environ *env, gr_responder *respond)
{
    gate *g = state;
    /* The slot of this connection's actor: the low half of an address is its place in a table. */
    slot *s = &g->slots[gr_self_address(env->self).id % SLOTS];
    if (strncmp(env->path, "/-/", 3) == 0) {
        if (strcmp(env->path, "/-/readyz") == 0 && is_closed(s)) return refuse(env, respond);
        return g->inner.run(g->inner.state, env, respond);
    }
    bool open = enter(s);
    int code = gr_defer(env->self, leave, s); /* the connection's actor may end in there, by a stack overflow for one */
    if (code == 0) {
        code = open ? g->inner.run(g->inner.state, env, respond) : refuse(env, respond);
        (void)gr_defer_cancel(env->self, leave, s);
    }
    leave(env->self, s);
    return code;
}

gate *gate_new(gr_application inner)
{
    gate *g = aligned_alloc(LINE_BYTES, sizeof *g); /* a multiple: its slots are */
    if (!g) return NULL;
    memset(g, 0, sizeof *g);
    g->inner = inner;
    for (size_t i = 0; i < SLOTS; i++) pthread_mutex_init(&g->slots[i].lock, NULL);
    return g;
}

void gate_free(gate *g)
{
    for (size_t i = 0; g && i < SLOTS; i++) pthread_mutex_destroy(&g->slots[i].lock);
    free(g);
}

gr_application gate_application(gate *g)
{
    return (gr_application){run, g};
}

void gate_close(gate *g)
{
    for (size_t i = 0; i < SLOTS; i++) {
        pthread_mutex_lock(&g->slots[i].lock);
        g->slots[i].closed = true;
        pthread_mutex_unlock(&g->slots[i].lock);
    }
}

unsigned gate_count(gate *g)
{
    unsigned count = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        pthread_mutex_lock(&g->slots[i].lock);
        count += g->slots[i].count;
        pthread_mutex_unlock(&g->slots[i].lock);
    }
    return count;
}
