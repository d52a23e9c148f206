/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Compression of answers, by zlib. What is asked for and what fits is decided at the answer's start (gzip_choice.c); from
 * then on each write goes through a stream of 100 KB that lives until the answer is out. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "rest/gzip_choice.h"
#include "rest/layer.h"

#ifdef GR_REST_GZIP

#include <zlib.h>

enum {
    WINDOW_BITS =
        14 + 16, /* 16 KiB, in gzip's clothes: JSON gains 1 to 2 % from the 32 KiB that would cost 64 KiB more */
    MEMORY_LEVEL = 7,
    LEVEL = 5, /* guess: what most web servers take, between 4 and 6 */
    BYTES_MIN = 1024,
    OUT_BYTES = 8192,
    PIECE_BYTES = 32768, /* about a millisecond of work; others may run between two */
    HEADERS_MAX = 48
};

typedef struct gzip {
    gr_middleware layer; /* first */
    size_t bytes_min;
    int level;
    char **types;
} gzip;

/* An answer: the responder that the application sees. `stream` is NULL for one that goes through as it is. */
typedef struct packing {
    gr_responder respond; /* first */
    gr_responder *next;
    const gzip *gzip;
    const gr_environ *env;
    bool started, failed, bodiless;
    int64_t length, taken;
    struct stream *stream;
} packing;

/* Memory of the actor: whatever ends the request or the actor, nothing leaks. */
typedef struct stream {
    z_stream z;
    unsigned char out[OUT_BYTES];
} stream;

static voidpf take(voidpf self, uInt items, uInt size)
{
    return gr_alloc(self, (size_t)items * size);
}

static void give(voidpf self, voidpf memory)
{
    gr_free(self, memory);
}

static stream *stream_new(gr_self *self, int level)
{
    stream *s = gr_alloc(self, sizeof *s);
    if (!s) return NULL;
    s->z.zalloc = take;
    s->z.zfree = give;
    s->z.opaque = self;
    if (deflateInit2(&s->z, level, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        gr_free(self, s);
        return NULL;
    }
    s->z.next_out = s->out;
    s->z.avail_out = OUT_BYTES;
    return s;
}

static void stream_free(gr_self *self, stream *s)
{
    if (!s) return;
    (void)deflateEnd(&s->z);
    gr_free(self, s);
}

/* ---- the answer's start ---- */

static bool is_named(const gr_header *header, const char *name)
{
    return header->name && header->value && strcasecmp(header->name, name) == 0;
}

/* A 304 has the tag of the answer that it stands for: a weak one if the client had that compressed. */
static bool weakens(const packing *p, int status, const char *weak, bool packed)
{
    return status == 304 ? gri_tag_given(p->env, weak) : packed;
}

/* The fields of a compressed answer, or of one that might have been: more than `headers` by at most two. */
static int start_with(packing *p, int status, const gr_header *headers, size_t count, int64_t bytes, bool packed)
{
    gr_header all[HEADERS_MAX + 2];
    char weak[256];
    size_t used = 0;
    bool varies = false;
    for (size_t i = 0; i < count; i++) {
        gr_header h = headers[i];
        if (packed && is_named(&h, "accept-ranges")) continue;
        if (is_named(&h, "etag")) {
            bool kept = gri_tag_weaken(h.value, weak, sizeof weak);
            if (packed && !kept) continue; /* too long to keep */
            if (kept && weakens(p, status, weak, packed)) h.value = weak;
        }
        varies = varies || (is_named(&h, "vary") && gri_list_has(h.value, "accept-encoding"));
        all[used++] = h;
    }
    if (!varies) all[used++] = (gr_header){"Vary", "Accept-Encoding"};
    if (packed) all[used++] = (gr_header){"Content-Encoding", "gzip"};
    return gr_response_start(p->next, status, all, used, bytes);
}

/* Is this answer compressed? Where nothing else is wanted, also what is not worth while. */
static bool packs(const packing *p, const gri_gzip_answer *answer, bool fits)
{
    return gri_gzip_wanted(p->env) && (fits || (gri_gzip_possible(answer) && gri_identity_refused(p->env)));
}

static int start(gr_responder *respond, int status, const gr_header *headers, size_t count, int64_t body_bytes)
{
    packing *p = (packing *)respond;
    const gri_gzip_answer answer = {status, headers, count, body_bytes};
    if (p->started || body_bytes < GR_BODY_UNKNOWN ||
        count > HEADERS_MAX) /* refused, or more than is understood here */
        return gr_response_start(p->next, status, headers, count, body_bytes);
    bool fits = gri_gzip_fits(&answer, p->gzip->types, p->gzip->bytes_min);
    bool packed = packs(p, &answer, fits), head = strcmp(p->env->method, "HEAD") == 0;
    int code;
    if (packed && !head) {
        p->stream = stream_new(p->env->self, p->gzip->level);
        packed = p->stream != NULL;
    }
    if (!packed && !gri_gzip_varies(&answer, fits)) {
        code = gr_response_start(p->next, status, headers, count, body_bytes);
    } else {
        code = start_with(p, status, headers, count, packed ? GR_BODY_UNKNOWN : body_bytes, packed);
    }
    if (code == 0) {
        p->started = true;
        p->bodiless = packed && !p->stream;
        p->length = body_bytes;
    } else {
        stream_free(p->env->self, p->stream);
        p->stream = NULL;
    }
    return code;
}

/* ---- its body ---- */

static int flush_out(packing *p)
{
    stream *s = p->stream;
    size_t bytes = OUT_BYTES - s->z.avail_out;
    int code = bytes ? gr_response_write(p->next, s->out, bytes) : 0;
    s->z.next_out = s->out;
    s->z.avail_out = OUT_BYTES;
    return code;
}

/* Puts a piece through; `mode` is zlib's. What comes out stays in `out` unless that is full, or the mode says to flush. */
static int deflate_piece(packing *p, const void *data, size_t bytes, int mode)
{
    z_stream *z = &p->stream->z;
    int code = 0, result;
    z->next_in = (z_const Bytef *)(uintptr_t)data;
    z->avail_in = (uInt)bytes;
    do {
        result = deflate(z, mode);
        if (result == Z_STREAM_ERROR) return GR_EINVAL;
        if (z->avail_out == 0) {
            code = flush_out(p);
        } else {
            break; /* all was taken, and all it was to give has been given */
        }
    } while (code == 0 && result != Z_STREAM_END);
    return code == 0 && mode != Z_NO_FLUSH ? flush_out(p) : code;
}

static int write_packed(packing *p, const char *data, size_t bytes)
{
    int code = 0;
    if (p->length != GR_BODY_UNKNOWN && (int64_t)bytes > p->length - p->taken) return GR_ERANGE;
    p->taken += (int64_t)bytes;
    if (bytes == 0) return gr_response_write(p->next, data, bytes); /* what is in front of it goes out */
    while (code == 0 && bytes > 0) {
        size_t piece = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;
        bool last = piece == bytes;
        code = deflate_piece(p, data, piece, last && p->length == GR_BODY_UNKNOWN ? Z_SYNC_FLUSH : Z_NO_FLUSH);
        data += piece;
        bytes -= piece;
        if (code == 0 && !last) code = gr_cooperate(p->env->self);
    }
    return code;
}

static int write_body(gr_responder *respond, const void *data, size_t bytes)
{
    packing *p = (packing *)respond;
    if (p->failed) return GR_ECLOSED;
    if (p->bodiless) return p->started ? 0 : GR_EINVAL;
    int code = p->stream ? write_packed(p, data, bytes) : gr_response_write(p->next, data, bytes);
    p->failed = p->stream && code != 0 && code != GR_ERANGE;
    return code;
}

static bool gone(gr_responder *respond)
{
    packing *p = (packing *)respond;
    return p->failed || gr_response_gone(p->next);
}

/* The end of the stream, if the application wrote all it had announced: else the answer stays without, and the client knows. */
static int finish(packing *p)
{
    if (p->failed) return GR_ECLOSED;
    if (p->length != GR_BODY_UNKNOWN && p->taken < p->length) return GR_EINVAL;
    return deflate_piece(p, "", 0, Z_FINISH);
}

/* Only reading is refused: what changes something is done, and then has an answer. */
static bool has_no_coding(const gr_environ *env)
{
    bool reads = strcmp(env->method, "GET") == 0 || strcmp(env->method, "HEAD") == 0;
    return reads && gri_identity_refused(env) && !gri_gzip_wanted(env);
}

static int refuse(gr_responder *respond)
{
    static const char text[] = "{\"type\":\"about:blank\",\"title\":\"Not Acceptable\",\"status\":406,"
                               "\"detail\":\"answers are sent as they are or as gzip\"}\n";
    static const gr_header headers[] = {
        {"Content-Type", "application/problem+json"}, {"Cache-Control", "no-store"}, {"Vary", "Accept-Encoding"}};
    int code = gr_response_start(respond, 406, headers, 3, sizeof text - 1);
    return code != 0 ? code : gr_response_write(respond, text, sizeof text - 1);
}

static int run(void *state, const gr_environ *env, gr_responder *respond)
{
    const gzip *g = state;
    if (has_no_coding(env)) return refuse(respond);
    packing p = {.respond = {start, write_body, gone}, .next = respond, .gzip = g, .env = env};
    int code = gri_layer_run(&g->layer, env, &p.respond);
    if (code >= 0) code = p.stream ? finish(&p) : 0;
    stream_free(env->self, p.stream);
    return code;
}

/* ---- options ---- */

static void fini(gr_middleware *layer)
{
    gri_strings_free(((gzip *)layer)->types);
}

int gr_middleware_gzip(gr_middleware **layers, gr_application *application, const gr_gzip_options *options,
                       gr_detail *ret_detail)
{
    static const gr_gzip_options defaults = {0};
    static const char *const types[] = {
        "text/", "application/json", "application/javascript", "application/xml", "image/svg+xml", "+json", "+xml",
        NULL};
    if (!options) options = &defaults;
    if (options->level < 0 || options->level > 9)
        return gri_layer_refuse(ret_detail, "gzip: level is %d: 1 to 9", options->level);
    gzip *g = gri_layer_new(sizeof *g, fini);
    if (!g || !gri_strings_copy(options->types ? options->types : types, &g->types)) {
        gri_layer_free((gr_middleware *)g);
        return GR_ENOMEM;
    }
    g->bytes_min = options->bytes_min ? options->bytes_min : BYTES_MIN;
    g->level = options->level ? options->level : LEVEL;
    gri_layer_add(&g->layer, run, layers, application);
    return 0;
}

#else

int gr_middleware_gzip(gr_middleware **layers, gr_application *application, const gr_gzip_options *options,
                       gr_detail *ret_detail)
{
    (void)layers, (void)application, (void)options;
    (void)gri_layer_refuse(ret_detail, "gzip: this library was built without zlib");
    return GR_EUNSUPPORTED;
}

#endif
