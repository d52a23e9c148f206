/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "actor/trace.h"

#include "actor/runtime.h"
#include "base/rng.h"
#include "message/call_form.h"
#include "os/clock.h"
#include "os/random.h"

#include <string.h>

#define HOPS_OF_A_SAMPLE 256 /* as the header says */

/* In the trailer of a message. */
typedef struct trailer {
    gr_trace trace; /* the sender's span */
    uint32_t hops;
} trailer;
#define TRAILER_BYTES ((sizeof(trailer) + 7) & ~(size_t)7)

void (*gri_span_over)(const gri_span *span);
bool gri_trace_samples;
gri_histogram gri_mailbox_times, gri_mailbox_depths;

static uint64_t ids_seed;          /* constant while up */
static gri_atomic_u64 ids_given;   /* a count */
static gri_atomic_u32 last_sample; /* the tick of the last sampled message of a thread that is no worker */

void gri_trace_start(uint64_t seed)
{
    ids_seed = seed;
    memset(&gri_mailbox_times, 0, sizeof gri_mailbox_times);
    memset(&gri_mailbox_depths, 0, sizeof gri_mailbox_depths);
}

/* ---- ids ---- */

static uint64_t new_id(void)
{
    uint64_t id;
    do {
        uint64_t state = ids_seed + gri_add_relaxed(&ids_given, 1u); /* relaxed: each number once */
        id = gri_splitmix64(&state);
    } while (id == 0);
    return id;
}

static void new_span(gr_trace *trace)
{
    uint64_t id = new_id();
    memcpy(trace->span_id, &id, sizeof id);
}

static void new_trace(gr_trace *trace)
{
    uint64_t id[2] = {new_id(), new_id()};
    memcpy(trace->trace_id, id, sizeof id);
    new_span(trace);
    trace->flags = GR_TRACE_SAMPLED;
}

static bool is_zero(const unsigned char *bytes, size_t count)
{
    unsigned char any = 0;
    for (size_t i = 0; i < count; i++) any |= bytes[i];
    return any == 0;
}

int gr_trace_new(gr_trace *ret_trace)
{
    gr_trace trace;
    do {
        if (gri_random_bytes(&trace, sizeof trace) != 0) return GR_ESYSTEM;
    } while (is_zero(trace.trace_id, sizeof trace.trace_id) || is_zero(trace.span_id, sizeof trace.span_id));
    trace.flags = GR_TRACE_SAMPLED;
    *ret_trace = trace;
    return 0;
}

/* ---- text ---- */

static bool read_hex(const char *text, unsigned char *to, size_t count)
{
    for (size_t i = 0; i < 2 * count; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) return false;
        to[i / 2] = (unsigned char)(i % 2 == 0 ? digit << 4 : to[i / 2] | digit);
    }
    return true;
}

int gr_trace_parse(const char *text, size_t bytes, gr_trace *ret_trace)
{
    enum { LENGTH = GR_TRACE_TEXT_BYTES - 1 };
    gr_trace trace;
    unsigned char version;
    if (!text || bytes < LENGTH || text[2] != '-' || text[35] != '-' || text[52] != '-') return GR_ESYNTAX;
    if (!read_hex(text, &version, 1) || version == 0xff) return GR_ESYNTAX;
    if (bytes > LENGTH && (version == 0 || text[LENGTH] != '-')) return GR_ESYNTAX;
    if (!read_hex(text + 3, trace.trace_id, 16) || !read_hex(text + 36, trace.span_id, 8) ||
        !read_hex(text + 53, &trace.flags, 1))
        return GR_ESYNTAX;
    if (is_zero(trace.trace_id, 16) || is_zero(trace.span_id, 8)) return GR_ESYNTAX;
    *ret_trace = trace;
    return 0;
}

static char *write_hex(char *to, const unsigned char *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *to++ = "0123456789abcdef"[from[i] >> 4];
        *to++ = "0123456789abcdef"[from[i] & 15];
    }
    return to;
}

char *gr_trace_print(const gr_trace *trace, char text[GR_TRACE_TEXT_BYTES])
{
    char *at = text;
    *at++ = '0', *at++ = '0', *at++ = '-';
    at = write_hex(at, trace->trace_id, 16);
    *at++ = '-';
    at = write_hex(at, trace->span_id, 8);
    *at++ = '-';
    at = write_hex(at, &trace->flags, 1);
    *at = '\0';
    return text;
}

/* ---- messages ---- */

static trailer *trailer_of(const gr_message *m)
{
    return m->flags & GRI_MESSAGE_TRACED ? gri_message_trailer((gr_message *)(uintptr_t)m) : NULL;
}

int gr_trace_of(const gr_message *message, gr_trace *ret_trace)
{
    trailer *t = message ? trailer_of(message) : NULL;
    if (!t) return GR_ENOTFOUND;
    *ret_trace = t->trace;
    return 0;
}

/* A message with a trailer in the place of one that has none; NULL: no memory, *message is as it was. */
static trailer *make_trailer(gr_message **message)
{
    gr_message *m = *message;
    if (m->trailer_bytes == TRAILER_BYTES) m->flags |= GRI_MESSAGE_TRACED; /* nobody else has trailers */
    trailer *t = trailer_of(m);
    if (t || (m->flags & (GRI_MESSAGE_EMBEDDED | GRI_MESSAGE_HELD))) return t;
    if (gri_message_add_trailer(message, TRAILER_BYTES) != 0) return NULL;
    (*message)->flags |= GRI_MESSAGE_TRACED;
    return trailer_of(*message);
}

void gri_trace_attach(gr_self *from, gr_message **message)
{
    gri_tracing *tracing = from->more->tracing;
    if (tracing->hops == 1) { /* a sampled one ends here */
        (*message)->flags &= (uint8_t)~GRI_MESSAGE_TRACED;
        return;
    }
    trailer *t = make_trailer(message);
    if (!t) return;
    t->trace = tracing->now;
    t->hops = tracing->hops ? tracing->hops - 1 : 0;
}

void gri_trace_begin(gr_message **message)
{
    trailer *t = trailer_of(*message) ? NULL : make_trailer(message);
    if (!t) return;
    new_trace(&t->trace);
    t->hops = HOPS_OF_A_SAMPLE;
}

/* ---- actors ---- */

static gri_tracing *tracing_of(gr_self *self)
{
    gri_more *more = gri_actor_more(self);
    if (!more) return NULL;
    if (!more->tracing) {
        more->tracing = gri_block_alloc(sizeof *more->tracing);
        if (more->tracing) memset(more->tracing, 0, sizeof *more->tracing);
    }
    return more->tracing;
}

static void open_span(gr_self *self, gri_tracing *tracing, const gr_trace *parent, uint32_t hops)
{
    if (tracing->is_open) gri_trace_left(self);
    *tracing = (gri_tracing){
        .now = *parent, .hops = hops, .is_open = true, .is_known = tracing->is_known, .start = gri_clock_now()};
    memcpy(tracing->parent, parent->span_id, sizeof tracing->parent);
    new_span(&tracing->now);
    self->flags |= GRI_TRACED;
}

void gri_trace_left(gr_self *self)
{
    self->flags &= (uint16_t)~GRI_TRACED;
    gri_tracing *tracing = self->more ? self->more->tracing : NULL;
    if (!tracing || !tracing->is_open) return;
    tracing->is_open = false;
    if (!gri_span_over) return;
    gri_worker *worker = self->flags & GRI_ATTACHED ? NULL : self->task.worker;
    gri_span_over(&(gri_span){.tracing = *tracing,
                              .actor = gri_actor_address(self),
                              .end = gri_clock_now(),
                              .worker = worker ? worker->index : UINT32_MAX});
    tracing->is_known = true;
}

void gri_trace_release(gr_self *self)
{
    gri_block_free(self->more->tracing);
    self->more->tracing = NULL;
}

int gr_trace_set(gr_self *self, const gr_trace *parent)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    if (!parent) {
        gri_trace_left(self);
        return 0;
    }
    if (is_zero(parent->trace_id, 16) || is_zero(parent->span_id, 8))
        return gri_fail(self, GR_EINVAL, "an id of a trace is all zeros");
    gri_tracing *tracing = tracing_of(self);
    if (!tracing) return gri_fail(self, GR_ENOMEM, "no memory for a trace");
    open_span(self, tracing, parent, 0);
    tracing->kind = GRI_MESSAGE_CONTROL; /* of no message */
    return 0;
}

int gr_trace_get(gr_self *self, gr_trace *ret_trace)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    if (!(self->flags & GRI_TRACED)) return gri_fail(self, GR_ENOTFOUND, "it acts within no trace");
    *ret_trace = self->more->tracing->now;
    return 0;
}

/* ---- the sample ---- */

bool gri_sample_is_due(gri_worker *worker)
{
    if (gri_scheduler_now->simulation) return false;
    if (!worker) {
        /* relaxed, both: which thread's message is taken does not matter */
        uint32_t tick = gri_runtime_tick();
        return gri_load_relaxed(&last_sample) != tick && gri_exchange_relaxed(&last_sample, tick) != tick;
    }
    uint8_t specially = gri_load_relaxed(&worker->send_specially); /* relaxed, both: a request */
    gri_store_relaxed(&worker->send_specially, (uint8_t)(specially & ~GRI_SEND_SAMPLED));
    return specially & GRI_SEND_SAMPLED;
}

static uint32_t now_us(void)
{
    return (uint32_t)(gri_clock_now() / GRI_NS_PER_US);
}

void gri_sample_time(gr_message *m)
{
    m->flags |= GRI_MESSAGE_TIMED;
    m->tick = now_us();
}

void gri_trace_taken(gr_self *self, gr_message *m)
{
    if (m->flags & GRI_MESSAGE_TIMED) {
        int32_t us = (int32_t)(now_us() - m->tick),
                waiting = (int32_t)gri_load_relaxed(&self->queued); /* relaxed: ours */
        m->flags &= (uint8_t)~GRI_MESSAGE_TIMED;
        gri_histogram_add(&gri_mailbox_times, us > 0 ? (uint32_t)us : 0);
        gri_histogram_add(&gri_mailbox_depths, waiting > 0 ? (uint32_t)waiting : 0);
    }
    trailer *t = trailer_of(m);
    gri_tracing *tracing = t ? tracing_of(self) : NULL;
    if (!tracing) return;
    open_span(self, tracing, &t->trace, t->hops);
    tracing->sender = m->sender;
    tracing->kind = m->kind;
    const char *method = m->kind == GRI_MESSAGE_CALL ? gr_string(gri_request_method(m), "") : "";
    strncpy(tracing->what, method, sizeof tracing->what - 1);
}
