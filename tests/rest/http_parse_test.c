/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The HTTP reader against the cases of data/http: each request in one piece, cut in two at every position, and byte by byte;
 * the readings must be the same, and the expected ones. */
#include "rest/http_parse.h"

#include "rest/http_body.h"
#include "rest/http_cases.h"
#include "rest/http_target.h"
#include "support/test.h"

/* What a connection keeps, reduced to a transcript of what it understood. */
typedef struct reader {
    gri_http_limits limits;
    gri_http_head head;
    gri_http_field fields[128];
    gri_http_body body;
    char buffer[131072];
    size_t held;
    bool in_body, refused;
    char *content;
    size_t content_bytes;
    char *transcript;
    size_t transcript_bytes;
} reader;

static void say(reader *r, const char *text, size_t bytes)
{
    r->transcript = realloc(r->transcript, r->transcript_bytes + bytes + 1);
    CHECK(r->transcript);
    memcpy(r->transcript + r->transcript_bytes, text, bytes);
    r->transcript_bytes += bytes;
    r->transcript[r->transcript_bytes] = '\0';
}

static void say_text(reader *r, const char *text)
{
    say(r, text, strlen(text));
}

static void say_escaped(reader *r, const char *bytes, size_t count)
{
    char *text = http_escape(bytes, count);
    say_text(r, text);
    free(text);
}

static void say_span(reader *r, gri_http_span span)
{
    say_escaped(r, r->buffer + span.at, span.bytes);
}

static bool is_framing(const char *name, size_t bytes)
{
    static const char *const names[] = {"host", "content-length", "transfer-encoding", "connection", "expect"};
    for (size_t i = 0; i < 5; i++)
        if (gri_http_same(name, bytes, names[i], strlen(names[i]))) return true;
    return false;
}

/* METHOD target 1.minor host keep|close [continue] [path=decoded] {name: value}… */
static void say_head(reader *r)
{
    const gri_http_head *h = &r->head;
    char decoded[70000];
    size_t bytes = gri_http_percent_decode(r->buffer + h->path.at, h->path.bytes, decoded);
    say_span(r, h->method);
    say_text(r, " ");
    say_span(r, h->target);
    say_text(r, h->minor ? " 1.1 " : " 1.0 ");
    h->host.bytes ? say_span(r, h->host) : say_text(r, "-");
    say_text(r, h->keep_alive ? " keep" : " close");
    if (h->expect_continue) say_text(r, " continue");
    if (bytes != h->path.bytes || h->form == GRI_HTTP_ABSOLUTE) {
        say_text(r, " path=");
        say_escaped(r, decoded, bytes);
    }
    if (h->has_query) {
        say_text(r, " query=");
        say_span(r, h->query);
    }
    for (uint32_t i = 0; i < h->field_count; i++) {
        if (is_framing(r->buffer + h->fields[i].name.at, h->fields[i].name.bytes)) continue;
        say_text(r, " {");
        say_span(r, h->fields[i].name);
        say_text(r, ": ");
        say_span(r, h->fields[i].value);
        say_text(r, "}");
    }
}

static void say_refusal(reader *r, int status, const char *why)
{
    char text[256];
    snprintf(text, sizeof text, "%d %s\n", status, why);
    say_text(r, text);
    r->refused = true;
}

static void drop_front(reader *r, size_t bytes)
{
    memmove(r->buffer, r->buffer + bytes, r->held - bytes);
    r->held -= bytes;
}

static bool step_head(reader *r)
{
    enum gri_http_progress progress = gri_http_head_feed(&r->head, r->buffer, r->held);
    if (progress == GRI_HTTP_REFUSED) say_refusal(r, r->head.status, r->head.why);
    if (progress != GRI_HTTP_DONE) return false;
    say_head(r);
    gri_http_body_init(&r->body, &r->head);
    drop_front(r, r->head.bytes);
    r->in_body = true;
    r->content_bytes = 0;
    return true;
}

static bool step_body(reader *r)
{
    const char *data;
    size_t used, data_bytes;
    enum gri_http_progress progress = gri_http_body_feed(&r->body, r->buffer, r->held, &used, &data, &data_bytes);
    r->content = realloc(r->content, r->content_bytes + data_bytes + 1);
    if (data_bytes) memcpy(r->content + r->content_bytes, data, data_bytes);
    r->content_bytes += data_bytes;
    drop_front(r, used);
    if (progress == GRI_HTTP_MORE) return used > 0;
    if (progress == GRI_HTTP_REFUSED) {
        say_text(r, "\n");
        say_refusal(r, r->body.status, r->body.why);
        return false;
    }
    if (r->content_bytes) {
        say_text(r, " \"");
        say_escaped(r, r->content, r->content_bytes);
        say_text(r, "\"");
    }
    say_text(r, "\n");
    r->in_body = false;
    gri_http_head_init(&r->head, &r->limits, r->fields);
    return r->held > 0;
}

static void feed(reader *r, const char *bytes, size_t count)
{
    if (r->refused) return;
    CHECK(r->held + count <= sizeof r->buffer);
    memcpy(r->buffer + r->held, bytes, count);
    r->held += count;
    while (!r->refused && (r->in_body ? step_body(r) : step_head(r))) {}
}

static reader *reader_new(const gri_http_limits *limits)
{
    reader *r = calloc(1, sizeof *r);
    CHECK(r);
    r->limits = *limits;
    CHECK(limits->fields <= 128);
    gri_http_head_init(&r->head, limits, r->fields);
    return r;
}

/* The transcript; malloc'd. */
static char *reader_end(reader *r)
{
    if (r->in_body && !r->refused) say_text(r, " …\n");
    if (!r->in_body && !r->refused && gri_http_head_started(&r->head)) say_text(r, "more\n");
    say_text(r, r->transcript_bytes ? "" : "nothing\n");
    char *transcript = r->transcript;
    free(r->content);
    free(r);
    return transcript;
}

static void compare(const http_case *item, const char *how, size_t at, char *transcript)
{
    if (strcmp(transcript, item->expected) != 0)
        TEST_FAIL("%s: %s (%s %zu)\nread     %sexpected %s", item->file, item->name, how, at, transcript,
                  item->expected);
    free(transcript);
}

static void run_case(const http_case *item, void *arg)
{
    (void)arg;
    reader *whole = reader_new(&item->limits);
    feed(whole, item->bytes, item->byte_count);
    compare(item, "whole", 0, reader_end(whole));
    size_t step = item->byte_count < 3000 ? 1 : 97;
    for (size_t at = 1; at < item->byte_count; at += step) {
        reader *cut = reader_new(&item->limits);
        feed(cut, item->bytes, at);
        feed(cut, item->bytes + at, item->byte_count - at);
        compare(item, "cut at", at, reader_end(cut));
    }
    reader *bytewise = reader_new(&item->limits);
    for (size_t at = 0; at < item->byte_count; at++) feed(bytewise, item->bytes + at, 1);
    compare(item, "bytes", 0, reader_end(bytewise));
}

TEST(http_parse, every_case_reads_as_expected_however_it_is_cut)
{
    size_t count = http_cases_run("http", run_case, NULL);
    CHECK(count >= 390);
}

/* Every byte value at every place of a request: all control bytes are refused wherever they are. */
TEST(http_parse, a_control_byte_anywhere_is_refused_or_only_delays)
{
    static const char text[] = "POST /a?b HTTP/1.1\r\nHost: h\r\nX: y\r\nContent-Length: 0\r\n\r\n";
    for (size_t at = 0; at < sizeof text - 1; at++) {
        for (int c = 0; c < 0x20; c++) {
            char copy[sizeof text];
            memcpy(copy, text, sizeof text);
            if (copy[at] == c) continue;
            copy[at] = (char)c;
            gri_http_head head;
            gri_http_field fields[64];
            gri_http_head_init(&head, &GRI_HTTP_LIMITS_DEFAULT, fields);
            enum gri_http_progress progress = gri_http_head_feed(&head, copy, sizeof text - 1);
            bool harmless = c == '\t' && (text[at] == 'y' || (text[at] == ' ' && text[at + 1] == 'y'));
            if (harmless) { /* but not around Host and Content-Length */
                CHECK_EQ(progress, GRI_HTTP_DONE);
            } else if (at == sizeof text - 2 && c == '\r') {
                CHECK_EQ(head.status, 400); /* \r\r */
            } else {
                CHECK_EQ(progress, GRI_HTTP_REFUSED);
                CHECK_EQ(head.status, 400);
            }
        }
    }
}

TEST(http_parse, a_head_is_ready_for_the_next_request)
{
    gri_http_head head;
    gri_http_field fields[64];
    gri_http_head_init(&head, &GRI_HTTP_LIMITS_DEFAULT, fields);
    CHECK(!gri_http_head_started(&head));
    CHECK_EQ(gri_http_head_feed(&head, "G", 1), GRI_HTTP_MORE);
    CHECK(gri_http_head_started(&head));
    gri_http_head_init(&head, &GRI_HTTP_LIMITS_DEFAULT, fields);
    CHECK(!gri_http_head_started(&head));
    CHECK(gri_http_is_token("a-b", 3));
    CHECK(!gri_http_is_token("", 0));
    CHECK(!gri_http_is_token("a b", 3));
}

TEST(http_parse, limits_beyond_the_span_width_are_capped)
{
    gri_http_head head;
    gri_http_field fields[64];
    gri_http_limits limits = {100000, 100000, 64, 1, false};
    gri_http_head_init(&head, &limits, fields);
    CHECK_EQ(head.limits.head_bytes, 65535);
}

/* Against the definition, byte by byte: every byte at every place, among neighbours that could lend or borrow. */
TEST(http_parse, eight_bytes_at_a_time)
{
    static const unsigned char neighbours[] = {'x', ' ', 0x7e, 0x7f, 0x80, 0x9f, 0xff, 0x1f, 0x00};
    for (size_t n = 0; n < sizeof neighbours; n++) {
        for (int place = 0; place < 8; place++) {
            for (int c = 0; c < 256; c++) {
                char text[8];
                bool clean = c >= ' ' && c != 0x7f && neighbours[n] >= ' ' && neighbours[n] != 0x7f;
                memset(text, neighbours[n], sizeof text);
                text[place] = (char)c;
                CHECK_EQ(gri_http_eight_clean(text), clean);
            }
        }
    }
}
