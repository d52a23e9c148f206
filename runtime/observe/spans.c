/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "observe/spans.h"

#include "actor/log.h"
#include "actor/registry.h"
#include "actor/runtime.h"
#include "actor/trace.h"
#include "message/utf8.h"
#include "observe/growing.h"
#include "os/clock.h"
#include "os/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RINGS 65u        /* attached threads share the first; workers beyond the rest share those */
#define RING_SPANS 2048u /* guess: a tenth of a second of 20,000 spans a second */
#define LOOK_NS (100 * GRI_NS_PER_MS)

typedef struct entry {
    gri_span span;
    char name[64]; /* of the actor, with its first span: its name, or its behaviour's; cut */
} entry;

typedef struct ring {
    gri_spinlock lock;
    uint32_t begin, count; /* under the lock, all */
    uint64_t lost;
    entry entries[RING_SPANS];
} ring;

static ring *rings[RINGS]; /* NULL: out of memory, or not needed */
static unsigned ring_count;
static int file = -1;
static gri_thread writer;
static gri_parker writer_parker;
static gri_atomic_bool stopping;
static gri_atomic_u64 written, lost; /* counters; written by the writer */
static uint64_t file_bytes;
static bool refused;            /* the last spans found no room */
static entry taken[RING_SPANS]; /* the writer's */

/* ---- in actors ---- */

static void put_name(const gri_span *span, char *name, size_t room)
{
    char text[GR_NAME_BYTES_MAX + 1];
    const gr_behaviour *behaviour;
    gri_registry_about(span->actor, text, &behaviour);
    const char *shown = text[0] ? text : behaviour ? behaviour->name : "";
    memcpy(name, shown, strnlen(shown, room - 1)); /* zeroed */
}

static void record(const gri_span *span)
{
    char name[sizeof((entry *)0)->name] = "";
    if (!span->tracing.is_known) put_name(span, name, sizeof name);
    unsigned index = span->worker == UINT32_MAX ? 0 : 1 + span->worker % (ring_count - 1);
    ring *r = rings[index];
    gri_spinlock_lock(&r->lock);
    if (r->count < RING_SPANS) {
        entry *e = &r->entries[(r->begin + r->count) % RING_SPANS];
        e->span = *span;
        memcpy(e->name, name, sizeof name);
        r->count++;
    } else {
        r->lost++;
    }
    gri_spinlock_unlock(&r->lock);
}

/* ---- the writer ---- */

static void add_hex(gri_text *t, const char *key, const unsigned char *bytes, size_t count)
{
    gri_text_add(t, "\"%s\":\"", key);
    for (size_t i = 0; i < count; i++) gri_text_add(t, "%02x", bytes[i]);
    gri_text_add(t, "\"");
}

/* As a JSON string, quotes and all. */
static void add_string(gri_text *t, const char *text)
{
    size_t bytes = gri_utf8_valid_bytes(text, strlen(text));
    gri_text_add(t, "\"");
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < ' ')
            gri_text_add(t, "\\u%04x", c);
        else
            gri_text_add(t, c == '"' || c == '\\' ? "\\%c" : "%c", c);
    }
    gri_text_add(t, "\"");
}

static void add_us(gri_text *t, const char *key, gri_instant ns)
{
    gri_text_add(t, "\"%s\":%lld.%03d,", key, (long long)(ns / 1000), (int)(ns % 1000));
}

/* Names the actor's row. */
static void add_row(gri_text *t, const entry *e)
{
    char address[GR_ADDRESS_TEXT_BYTES];
    gri_text_add(t,
                 ",\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":%d,\"tid\":%u,\"args\":{\"name\":", (int)getpid(),
                 (uint32_t)e->span.actor.id + 1);
    add_string(t, e->name[0] ? e->name : gr_address_print(e->span.actor, address));
    gri_text_add(t, "}}");
}

static void add_span(gri_text *t, const entry *e)
{
    const gri_span *span = &e->span;
    const gri_tracing *tracing = &span->tracing;
    const bool is_call = tracing->kind == GRI_MESSAGE_CALL, is_set = tracing->kind == GRI_MESSAGE_CONTROL;
    char address[GR_ADDRESS_TEXT_BYTES];
    if (!tracing->is_known) add_row(t, e);
    gri_text_add(t, ",\n{\"name\":");
    add_string(t, is_call && tracing->what[0] ? tracing->what : is_set ? "work" : "message");
    gri_text_add(t, ",\"cat\":\"%s\",\"ph\":\"X\",", is_call ? "call" : is_set ? "set" : "cast");
    add_us(t, "ts", tracing->start);
    add_us(t, "dur", span->end - tracing->start);
    gri_text_add(t, "\"pid\":%d,\"tid\":%u,\"args\":{", (int)getpid(), (uint32_t)span->actor.id + 1);
    add_hex(t, "trace", tracing->now.trace_id, 16);
    gri_text_add(t, ",");
    add_hex(t, "span", tracing->now.span_id, 8);
    gri_text_add(t, ",");
    add_hex(t, "parent", tracing->parent, 8);
    gri_text_add(t, ",\"actor\":\"%s\"", gr_address_print(span->actor, address));
    if (!gr_address_equal(tracing->sender, GR_NO_ADDRESS))
        gri_text_add(t, ",\"sender\":\"%s\"", gr_address_print(tracing->sender, address));
    if (span->worker != UINT32_MAX) gri_text_add(t, ",\"worker\":%u", span->worker);
    gri_text_add(t, "}}");
}

static bool put(const char *text, size_t bytes)
{
    while (bytes > 0) {
        ssize_t put_bytes = write(file, text, bytes);
        if (put_bytes < 0 && errno == EINTR) continue;
        if (put_bytes <= 0) return false;
        text += put_bytes;
        bytes -= (size_t)put_bytes;
        file_bytes += (uint64_t)put_bytes;
    }
    return true;
}

static void give_up(const char *why)
{
    gri_log(GR_LOG_WARN, GR_NO_ADDRESS, "GREENROOM_TRACE: %s: no more spans are written", why);
    close(file);
    file = -1;
}

/* A full disk may have room again: what is half written is taken back, so that the file stays readable, and the next look tries
 * again. Anything else is for good. */
static void take_back(uint64_t whole_bytes)
{
    const int why = errno;
    const bool passing = why == ENOSPC || why == EDQUOT;
    if (!passing || ftruncate(file, (off_t)whole_bytes) != 0 || lseek(file, (off_t)whole_bytes, SEEK_SET) < 0) {
        give_up(strerror(why));
        return;
    }
    file_bytes = whole_bytes;
    if (!refused)
        gri_log(GR_LOG_WARN, GR_NO_ADDRESS, "GREENROOM_TRACE: %s: spans are lost until there is room", strerror(why));
    refused = true;
}

/* Returns whether they are written. */
static bool put_spans(const char *text, size_t bytes)
{
    if (file_bytes + bytes > GRI_SPANS_BYTES_MAX) {
        give_up("the file has a gigabyte");
        return false;
    }
    const uint64_t whole_bytes = file_bytes;
    if (!put(text, bytes)) {
        take_back(whole_bytes);
        return false;
    }
    if (refused) gri_log(GR_LOG_WARN, GR_NO_ADDRESS, "GREENROOM_TRACE: there is room: spans are written again");
    refused = false;
    return true;
}

static void count_lost(uint64_t spans)
{
    if (spans) gri_add_relaxed(&lost, spans); /* relaxed: a counter */
}

/* Everything that is in the ring now. */
static void drain(ring *r)
{
    gri_spinlock_lock(&r->lock);
    uint32_t count = r->count;
    for (uint32_t i = 0; i < count; i++) taken[i] = r->entries[(r->begin + i) % RING_SPANS];
    r->begin = (r->begin + count) % RING_SPANS;
    r->count = 0;
    uint64_t overflown = r->lost;
    r->lost = 0;
    gri_spinlock_unlock(&r->lock);
    count_lost(overflown);
    if (count == 0) return;
    gri_text text;
    char *at = NULL;
    size_t bytes = 0;
    gri_text_begin(&text);
    for (uint32_t i = 0; file >= 0 && i < count; i++) add_span(&text, &taken[i]);
    const bool made = gri_text_end(&text, &at, &bytes) == 0;
    if (made && file >= 0 && put_spans(at, bytes))
        gri_add_relaxed(&written, count); /* relaxed: a counter */
    else
        count_lost(count);
    if (made) free(at);
}

static void write_spans(void *arg)
{
    (void)arg;
    bool last;
    do {
        /* mo:spans.writer acquire <- spans.stop release: all spans that there will be */
        last = gri_load_acquire(&stopping);
        for (unsigned i = 0; i < ring_count; i++) drain(rings[i]);
        if (!last) gri_parker_wait(&writer_parker, gri_instant_add(gri_clock_monotonic(), LOOK_NS));
    } while (!last);
}

/* ---- start and stop ---- */

static void release(void)
{
    for (unsigned i = 0; i < ring_count; i++) {
        free(rings[i]);
        rings[i] = NULL;
    }
    ring_count = 0;
    if (file >= 0) close(file);
    file = -1;
}

static int make_rings(void)
{
    unsigned workers = gri_runtime_now.topology->workers;
    if (gri_runtime_now.settings.workers) workers = (unsigned)gri_runtime_now.settings.workers;
    unsigned wanted = GRI_MIN(workers + 1, RINGS);
    for (ring_count = 0; ring_count < wanted; ring_count++) {
        rings[ring_count] = calloc(1, sizeof *rings[0]);
        if (!rings[ring_count]) return GR_ENOMEM;
    }
    return 0;
}

static int open_file(const char *path, gr_detail *detail)
{
    char head[128];
    file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
    if (file < 0) {
        snprintf(detail->text, sizeof detail->text, "GREENROOM_TRACE is \"%.100s\", which cannot be written: %s", path,
                 strerror(errno));
        return GR_EENV;
    }
    file_bytes = 0;
    refused = false;
    int bytes =
        snprintf(head, sizeof head,
                 "[\n{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%d,\"tid\":0,\"args\":{\"name\":\"greenroom\"}}",
                 (int)getpid());
    return put(head, (size_t)bytes) ? 0 : GR_ESYSTEM;
}

int gri_spans_start(const char *path, gr_detail *detail)
{
    gri_span_over = NULL;
    gri_trace_samples = false;
    gri_store_relaxed(&written, 0); /* relaxed, all: no other thread */
    gri_store_relaxed(&lost, 0);
    gri_store_relaxed(&stopping, false);
    if (!*path) return 0;
    int code = open_file(path, detail);
    if (code == 0) code = make_rings();
    gri_parker_init(&writer_parker);
    if (code == 0) code = gri_thread_start(&writer, "gr-trace", 0, write_spans, NULL);
    if (code != 0) {
        release();
        return code;
    }
    gri_span_over = record;
    gri_trace_samples = true;
    return 0;
}

void gri_spans_stop(void)
{
    if (!gri_span_over) return;
    gri_span_over = NULL;
    gri_trace_samples = false;
    /* mo:spans.stop release -> spans.writer acquire: all spans that there will be */
    gri_store_release(&stopping, true);
    gri_parker_notify(&writer_parker);
    gri_thread_join(writer);
    if (file >= 0 && !put("\n]\n", 3)) give_up(strerror(errno)); /* readers do without */
    release();
}

void gri_spans_count(uint64_t *ret_written, uint64_t *ret_lost)
{
    *ret_written = gri_load_relaxed(&written); /* relaxed, both: counters */
    *ret_lost = gri_load_relaxed(&lost);
}

/* What the runtime calls around a run; see actor/runtime.h. */
int gri_observe_begin(gr_detail *detail)
{
    return gri_spans_start(gri_runtime_now.settings.trace_text, detail);
}

void gri_observe_end(void)
{
    gri_spans_stop();
}
