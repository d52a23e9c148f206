/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Reading the answer of an HTTP/1.1 server (RFC 9112). Strict where readers could differ about where an answer ends: lines end
 * with CRLF, a length is given once and in one way, chunk sizes are plain hexadecimal digits. */
#include "actor/runtime.h"
#include "io/fetch.h"

#include <string.h>

#define BUFFER_BYTES 8192u /* one line fits */
#define HEAD_BYTES_MAX 32768u
#define FIELDS_MAX 256u

typedef struct reader {
    gr_self *self;
    gr_socket socket;
    gr_deadline deadline;
    char *buffer; /* gr_alloc: an end of the actor frees it */
    size_t at, end;
    bool begun, ended;
    /* what the head says */
    bool chunked, has_length, keep, old;
    size_t length;
    gr_response *response;
    size_t head_capacity, body_capacity, body_max;
    unsigned fields;
} reader;

static int bad(reader *r, const char *what)
{
    return gri_fail(r->self, GR_ESYNTAX, "the server's answer: %s", what);
}

static int no_memory(reader *r)
{
    return gri_fail(r->self, GR_ENOMEM, "no memory for an answer");
}

/* More into the buffer, which has room; at the end `ended` is set. */
static int fill(reader *r)
{
    if (r->at > 0) {
        memmove(r->buffer, r->buffer + r->at, r->end - r->at);
        r->end -= r->at;
        r->at = 0;
    }
    size_t n = 0;
    int code = gr_read(r->self, r->socket, r->buffer + r->end, BUFFER_BYTES - r->end, &n, r->deadline);
    if (code != 0) return code;
    r->end += n;
    if (n == 0) r->ended = true;
    if (n > 0) r->begun = true;
    return 0;
}

static int closed_early(reader *r)
{
    return gri_fail(r->self, GR_ECLOSED, "the server closed the connection before it had answered");
}

/* A line without its CRLF, NUL-terminated, in the buffer until the next call. */
static int read_line(reader *r, char **ret_line, size_t *ret_bytes)
{
    size_t seen = 0;
    for (;;) {
        char *start = r->buffer + r->at;
        char *newline = memchr(start + seen, '\n', r->end - r->at - seen);
        if (newline) {
            if (newline == start || newline[-1] != '\r') return bad(r, "a line does not end with CR LF");
            newline[-1] = '\0';
            *ret_line = start;
            *ret_bytes = (size_t)(newline - 1 - start);
            r->at += (size_t)(newline + 1 - start);
            return strlen(start) == *ret_bytes ? 0 : bad(r, "a line has a NUL in it");
        }
        seen = r->end - r->at;
        if (seen == BUFFER_BYTES) return gri_fail(r->self, GR_ETOOBIG, "the server's answer has too long a line");
        int code = fill(r);
        if (code != 0) return code;
        if (r->ended) return closed_early(r);
    }
}

/* ---- the head ---- */

static bool is_token_byte(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static int parse_status(reader *r, const char *line)
{
    bool newer = strncmp(line, "HTTP/1.1 ", 9) == 0;
    r->old = strncmp(line, "HTTP/1.0 ", 9) == 0;
    if (!newer && !r->old) return bad(r, "it does not begin with HTTP/1.1");
    const char *d = line + 9;
    for (int i = 0; i < 3; i++)
        if (d[i] < '0' || d[i] > '9') return bad(r, "the status is no number of three digits");
    if (d[0] == '0' || (d[3] != ' ' && d[3] != '\0')) return bad(r, "the status is no number of three digits");
    r->response->status = (d[0] - '0') * 100 + (d[1] - '0') * 10 + (d[2] - '0');
    return 0;
}

static int parse_length(reader *r, const char *value)
{
    uint64_t length = 0;
    if (r->has_length || *value == '\0') return bad(r, "its length is given twice, or not at all");
    for (; *value; value++) {
        if (*value < '0' || *value > '9' || __builtin_mul_overflow(length, (uint64_t)10, &length) ||
            __builtin_add_overflow(length, (uint64_t)(*value - '0'), &length))
            return bad(r, "its length is no number");
    }
    if (length > SIZE_MAX / 2) return bad(r, "its length is no number");
    r->has_length = true;
    r->length = (size_t)length;
    return 0;
}

/* Is the word in a list with commas? */
static bool lists(const char *value, const char *word)
{
    size_t bytes = strlen(word);
    for (const char *at = value; *at;) {
        at += strspn(at, ", \t");
        size_t n = strcspn(at, ", \t;");
        if (n == bytes && strncasecmp(at, word, bytes) == 0) return true;
        at += n;
        at += strcspn(at, ",");
    }
    return false;
}

static int use_field(reader *r, const char *name, const char *value)
{
    if (strcasecmp(name, "content-length") == 0) return parse_length(r, value);
    if (strcasecmp(name, "transfer-encoding") == 0) {
        if (r->chunked || strcasecmp(value, "chunked") != 0) return bad(r, "a transfer encoding other than chunked");
        r->chunked = true;
    } else if (strcasecmp(name, "connection") == 0) {
        if (lists(value, "close")) r->keep = false;
    }
    return 0;
}

/* Makes room; copies what was there. */
static char *grow(reader *r, char *old, size_t used, size_t *capacity, size_t needed)
{
    if (needed <= *capacity) return old;
    size_t bytes = GRI_MAX(needed, 2 * *capacity);
    char *grown = gr_alloc(r->self, bytes);
    if (!grown) return NULL;
    if (old) memcpy(grown, old, used);
    gr_free(r->self, old);
    *capacity = bytes;
    return grown;
}

static int keep_field(reader *r, const char *name, const char *value)
{
    gr_response *a = r->response;
    size_t name_bytes = strlen(name) + 1, value_bytes = strlen(value) + 1;
    if (a->head_bytes + name_bytes + value_bytes > HEAD_BYTES_MAX || ++r->fields > FIELDS_MAX)
        return gri_fail(r->self, GR_ETOOBIG, "the server's answer has too large a head");
    char *head = grow(r, a->head, a->head_bytes, &r->head_capacity, a->head_bytes + name_bytes + value_bytes);
    if (!head) return no_memory(r);
    a->head = head;
    memcpy(head + a->head_bytes, name, name_bytes);
    memcpy(head + a->head_bytes + name_bytes, value, value_bytes);
    a->head_bytes += name_bytes + value_bytes;
    return 0;
}

static int parse_field(reader *r, char *line, size_t bytes)
{
    char *colon = memchr(line, ':', bytes);
    if (!colon || colon == line) return bad(r, "a field has no name");
    for (char *c = line; c < colon; c++)
        if (!is_token_byte(*c)) return bad(r, "a field's name has a byte that no name has");
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " \t"), *end = line + bytes;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) *--end = '\0';
    for (char *c = value; c < end; c++)
        if ((unsigned char)*c < ' ' && *c != '\t') return bad(r, "a field has a control character");
    int code = use_field(r, line, value);
    return code == 0 ? keep_field(r, line, value) : code;
}

static int read_fields(reader *r)
{
    for (;;) {
        char *line;
        size_t bytes;
        int code = read_line(r, &line, &bytes);
        if (code == 0 && bytes == 0) return 0;
        if (code == 0) code = parse_field(r, line, bytes);
        if (code != 0) return code;
    }
}

/* The last of heads: 1xx are only on the way. */
static int read_head(reader *r)
{
    for (unsigned interim = 0; interim < 16; interim++) {
        char *line;
        size_t bytes;
        int code = read_line(r, &line, &bytes);
        if (code == 0) code = parse_status(r, line);
        if (code != 0) return code;
        r->keep = !r->old;
        r->chunked = r->has_length = false;
        r->response->head_bytes = 0;
        r->fields = 0;
        code = read_fields(r);
        if (code != 0) return code;
        if (r->response->status == 101) return bad(r, "it changes to another protocol");
        if (r->response->status >= 200)
            return r->chunked && r->has_length ? bad(r, "its length is given in two ways") : 0;
    }
    return bad(r, "nothing but interim answers");
}

/* ---- the body ---- */

/* Room for as many more. */
static int reserve_body(reader *r, size_t more)
{
    gr_response *a = r->response;
    if (more > r->body_max - a->body_bytes)
        return gri_fail(r->self, GR_ETOOBIG, "the server's answer has more than the %zu bytes that were allowed",
                        r->body_max);
    char *body = grow(r, a->body, a->body_bytes, &r->body_capacity, a->body_bytes + more + 1);
    if (!body) return no_memory(r);
    a->body = body;
    return 0;
}

/* As many more, from the buffer and then from the socket straight into the body. */
static int read_exactly(reader *r, size_t bytes)
{
    gr_response *a = r->response;
    int code = reserve_body(r, bytes);
    if (code != 0) return code;
    size_t there = GRI_MIN(bytes, r->end - r->at);
    memcpy(a->body + a->body_bytes, r->buffer + r->at, there);
    r->at += there;
    a->body_bytes += there;
    for (bytes -= there; bytes > 0;) {
        size_t n = 0;
        code = gr_read(r->self, r->socket, a->body + a->body_bytes, bytes, &n, r->deadline);
        if (code == 0 && n == 0) code = closed_early(r);
        if (code != 0) return code;
        a->body_bytes += n;
        bytes -= n;
    }
    return 0;
}

static int read_to_end(reader *r)
{
    r->keep = false;
    for (;;) {
        int code = read_exactly(r, r->end - r->at);
        if (code == 0) code = fill(r);
        if (code != 0) return code;
        if (r->ended) return 0;
    }
}

static int parse_chunk_size(reader *r, const char *line, size_t *ret_bytes)
{
    size_t bytes = 0, digits = 0;
    for (; digits < 15; digits++) {
        char c = line[digits];
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (unsigned)((c | 0x20) - 'a') + 10;
        else
            break;
        bytes = bytes << 4 | digit;
    }
    const char *rest = line + digits + strspn(line + digits, " \t");
    if (digits == 0 || (*rest != '\0' && *rest != ';')) return bad(r, "the size of a chunk is no number");
    *ret_bytes = bytes;
    return 0;
}

/* They count as fields, but may neither change the framing nor pass for fields of the head. */
static int skip_trailers(reader *r)
{
    const size_t head_bytes = r->response->head_bytes;
    int code = read_fields(r);
    r->response->head_bytes = head_bytes;
    return code;
}

static int read_chunks(reader *r)
{
    for (;;) {
        char *line;
        size_t line_bytes, bytes = 0;
        int code = read_line(r, &line, &line_bytes);
        if (code == 0) code = parse_chunk_size(r, line, &bytes);
        if (code != 0) return code;
        if (bytes == 0) return skip_trailers(r);
        code = read_exactly(r, bytes);
        if (code == 0) code = read_line(r, &line, &line_bytes);
        if (code == 0 && line_bytes != 0) code = bad(r, "a chunk is longer than it says");
        if (code != 0) return code;
    }
}

static int read_body(reader *r, bool is_head)
{
    int status = r->response->status;
    int code = reserve_body(r, 0);
    if (code != 0 || is_head || status == 204 || status == 304) return code;
    if (r->chunked) return read_chunks(r);
    return r->has_length ? read_exactly(r, r->length) : read_to_end(r);
}

int gri_fetch_read(gr_self *self, gr_socket socket, bool is_head, size_t body_max, gr_deadline deadline,
                   gr_response **ret_response, bool *ret_reusable, bool *ret_begun)
{
    reader r = {.self = self, .socket = socket, .deadline = deadline, .body_max = body_max};
    r.response = gr_alloc(self, sizeof *r.response);
    r.buffer = gr_alloc(self, BUFFER_BYTES);
    int code = r.response && r.buffer ? read_head(&r) : no_memory(&r);
    if (code == 0) code = read_body(&r, is_head);
    *ret_reusable = code == 0 && r.keep && r.at == r.end;
    *ret_begun = r.begun;
    gr_free(self, r.buffer);
    if (code == 0) {
        r.response->body[r.response->body_bytes] = '\0';
        *ret_response = r.response;
    } else {
        gr_response_free(self, &r.response);
    }
    return code;
}

void gr_response_free(gr_self *self, gr_response **response)
{
    gr_response *a = response ? *response : NULL;
    if (!a) return;
    *response = NULL;
    gr_free(self, a->head);
    gr_free(self, a->body);
    gr_free(self, a);
}

int gr_response_status(const gr_response *response)
{
    return response->status;
}

const char *gr_response_header(const gr_response *response, const char *name)
{
    const char *at = response->head, *end = at ? at + response->head_bytes : at;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        if (strcasecmp(at, name) == 0) return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

const char *gr_response_body(const gr_response *response, size_t *ret_bytes)
{
    if (ret_bytes) *ret_bytes = response->body_bytes;
    return response->body;
}
