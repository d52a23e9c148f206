/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* JSON text to values. One loop, no recursion: a flag per open container says what it is. Strings go straight from the text
 * into the builder; only those with escapes are decoded first, into scratch memory.
 *
 * An object is opened late: a first key that is "_pyact_binary" or "_pyact_address" may make it a byte string or an address
 * instead, which takes a look at the value and the bracket behind it. */
#include "base/check.h"
#include "message/address.h"
#include "message/base64.h"
#include "message/build.h"
#include "message/number.h"
#include "message/text_scan.h"
#include "message/value.h"

#include <greenroom/text.h>
#include <stdlib.h>
#include <string.h>

enum { depth_max = 512 };

typedef struct parser {
    const char *text, *at, *end;
    gr_builder *b;
    const gr_address_form *addresses;
    unsigned depth, depth_allowed;
    bool is_object[depth_max];
    char *scratch; /* for decoded strings; malloc'ed if larger than small */
    size_t scratch_bytes;
    int error;
    gr_detail *detail;
    char small[128];
} parser;

static GRI_COLD bool fail(parser *p, int code, const char *at, const char *expected)
{
    p->error = code;
    gri_text_explain_found(p->detail, p->text, p->end, at, expected);
    return false;
}

static GRI_COLD bool fail_saying(parser *p, int code, const char *at, const char *why)
{
    p->error = code;
    gri_text_explain(p->detail, p->text, at, "%s", why);
    return false;
}

/* What the builder refused, said of the place `at`. A key there can only be one that stands twice. */
static GRI_COLD bool fail_build(parser *p, const char *at)
{
    gr_detail why;
    gri_text_string key;
    char shown[80];
    p->error = gr_build_error(p->b, &why);
    if (p->error == GR_EINVAL && at < p->end && *at == '"' && gri_text_string_scan(at + 1, p->end, &key)) {
        gri_text_quote(at, (size_t)(key.behind + 1 - at), shown, sizeof shown);
        gri_text_explain(p->detail, p->text, at, "a key stands twice in an object: %s", shown);
    } else {
        gri_text_explain(p->detail, p->text, at, "%s", why.text);
    }
    return false;
}

GRI_INLINE void skip_space(parser *p)
{
    /* Compact texts have none, and then one test suffices: space is below every other character that may come. */
    if (GRI_UNLIKELY(p->at < p->end && (unsigned char)*p->at <= ' ')) p->at = gri_text_skip_space(p->at, p->end);
}

static bool in_object(const parser *p)
{
    return p->is_object[p->depth - 1];
}

static bool open_container(parser *p, bool object, const char *at)
{
    if (GRI_UNLIKELY(p->depth == p->depth_allowed)) {
        p->error = GR_EDEPTH;
        gri_text_explain(p->detail, p->text, at, "nested too deeply: %u containers inside each other are allowed",
                         p->depth_allowed);
        return false;
    }
    p->is_object[p->depth++] = object;
    if (object)
        gr_put_object(p->b);
    else
        gr_put_array(p->b);
    return true;
}

/* ---- strings ---- */

typedef struct text {
    const char *at;
    size_t bytes;
} text;

static bool grow_scratch(parser *p, size_t bytes)
{
    if (bytes <= p->scratch_bytes) return true;
    char *scratch = malloc(bytes);
    if (!scratch) {
        p->error = GR_ENOMEM;
        gri_text_explain(p->detail, p->text, p->at, "%s", gr_error_text(GR_ENOMEM));
        return false;
    }
    if (p->scratch != p->small) free(p->scratch);
    p->scratch = scratch;
    p->scratch_bytes = bytes;
    return true;
}

/* Strings of plain ASCII, which most are, eight bytes at a time: the closing quote, or NULL if something else comes first. */
GRI_INLINE const char *closing_quote(const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        uint64_t special = gri_text_special_bytes(word) | (word & GRI_TEXT_EACH_BYTE(0x80));
        if (special) {
            at += __builtin_ctzll(special) / 8;
            return *at == '"' ? at : NULL;
        }
        at += 8;
    }
    while (at < end && (unsigned char)(*at - 0x20) < 0x60 && *at != '"' && *at != '\\') at++;
    return at < end && *at == '"' ? at : NULL;
}

static GRI_NOINLINE bool take_string_slowly(parser *p, text *ret_text)
{
    gri_text_string string;
    const char *from = p->at + 1;
    if (GRI_UNLIKELY(!gri_text_string_scan(from, p->end, &string)))
        return fail(p, GR_ESYNTAX, string.behind, string.wrong);
    *ret_text = (text){from, (size_t)(string.behind - from)};
    if (GRI_UNLIKELY(string.escapes)) {
        if (!grow_scratch(p, ret_text->bytes)) return false;
        ret_text->bytes = gri_text_string_decode(from, string.behind, p->scratch);
        ret_text->at = p->scratch;
    }
    p->at = string.behind + 1;
    return true;
}

/* p->at is on the opening quote; goes behind the closing one. The text may be in the scratch memory. */
GRI_INLINE bool take_string(parser *p, text *ret_text)
{
    const char *from = p->at + 1, *quote = closing_quote(from, p->end);
    if (GRI_UNLIKELY(!quote)) return take_string_slowly(p, ret_text);
    *ret_text = (text){from, (size_t)(quote - from)};
    p->at = quote + 1;
    return true;
}

/* ---- bytes and addresses ---- */

enum reserved { RESERVED_NOT, RESERVED_BINARY, RESERVED_ADDRESS };

static enum reserved reserved_kind(text key)
{
    if (GRI_LIKELY(key.bytes < 13 || key.at[0] != '_') || !gri_key_is_reserved(key.at, key.bytes)) return RESERVED_NOT;
    return key.bytes == 13 ? RESERVED_BINARY : RESERVED_ADDRESS;
}

static bool put_binary(parser *p, text base64, const char *from)
{
    size_t bytes;
    if (!grow_scratch(p, base64.bytes)) return false;
    if (gri_base64_parse(base64.at, base64.bytes, p->scratch, &bytes) != 0) {
        const char *at = base64.at == p->scratch ? from : base64.at + bytes;
        return fail_saying(p, GR_EINVAL, at, "\"_pyact_binary\" holds no canonical base64 with padding");
    }
    gr_put_bytes(p->b, p->scratch, bytes);
    return true;
}

static bool put_address(parser *p, text content, const char *from)
{
    gr_address address = GR_DEAD_ADDRESS;
    char why[240];
    int code = p->addresses ? p->addresses->parse(p->addresses, content.at, content.bytes, &address, why) : 0;
    if (GRI_UNLIKELY(code != 0)) return fail_saying(p, code, from, why);
    gr_put_address(p->b, p->addresses ? address : gr_address_parse(content.at, content.bytes));
    return true;
}

/* p->at is behind such a key's ':'. *ret_taken: it was a byte string or an address, and p->at is behind its '}'. If not
 * nothing has changed but the scratch memory. */
static bool take_reserved(parser *p, enum reserved kind, bool *ret_taken)
{
    const char *value = gri_text_skip_space(p->at, p->end), *start = p->at;
    *ret_taken = false;
    if (value == p->end || *value != '"') return true;
    p->at = value;
    text content;
    if (!take_string(p, &content)) return false;
    skip_space(p);
    if (p->at == p->end || *p->at != '}') {
        p->at = start;
        return true;
    }
    p->at++;
    *ret_taken = true;
    if (kind == RESERVED_BINARY) return put_binary(p, content, value + 1);
    return put_address(p, content, value);
}

/* ---- containers ---- */

/* The key at p->at; goes behind its ':'. `from` is where it began. */
static bool take_key(parser *p, text *ret_key, const char *expected)
{
    skip_space(p);
    if (GRI_UNLIKELY(p->at == p->end || *p->at != '"')) return fail(p, GR_ESYNTAX, p->at, expected);
    if (!take_string(p, ret_key)) return false;
    skip_space(p);
    if (GRI_UNLIKELY(p->at == p->end || *p->at != ':')) return fail(p, GR_ESYNTAX, p->at, "':' after a key");
    p->at++;
    return true;
}

static bool put_key(parser *p, text key, const char *at)
{
    gr_put_key_n(p->b, key.at, key.bytes);
    return GRI_LIKELY(p->b->error == 0) || fail_build(p, at);
}

/* p->at is on '{'. *ret_whole: the value is complete; otherwise the first member's value comes. */
static bool begin_object(parser *p, bool *ret_whole)
{
    const char *bracket = p->at++;
    skip_space(p);
    *ret_whole = true;
    if (p->at < p->end && *p->at == '}') {
        if (!open_container(p, true, bracket)) return false;
        p->depth--;
        p->at++;
        gr_put_end(p->b);
        return true;
    }
    text key;
    const char *key_at = p->at;
    if (!take_key(p, &key, "a key or '}'")) return false;
    enum reserved kind = reserved_kind(key);
    if (GRI_UNLIKELY(kind != RESERVED_NOT)) {
        bool taken;
        if (!take_reserved(p, kind, &taken)) return false;
        if (taken) return true;
        key = kind == RESERVED_BINARY ? (text){"_pyact_binary", 13} : (text){"_pyact_address", 14};
    }
    *ret_whole = false;
    return open_container(p, true, bracket) && put_key(p, key, key_at);
}

static bool begin_array(parser *p, bool *ret_whole)
{
    if (!open_container(p, false, p->at)) return false;
    p->at++;
    skip_space(p);
    *ret_whole = p->at < p->end && *p->at == ']';
    if (*ret_whole) {
        p->depth--;
        p->at++;
        gr_put_end(p->b);
    }
    return true;
}

/* Where the key that made the builder refuse the object ending at p->at stands the second time. Reads the text again, for
 * builders find some such keys only at the end; keys that differ only in what the builder did not keep count as equal. */
static GRI_COLD const char *find_twice(parser *p, unsigned level)
{
    unsigned depth = 0;
    const char *found = NULL;
    bool is_key = false, once = false;
    char decoded[sizeof p->b->why_key * 6];
    size_t kept = GRI_MIN((size_t)p->b->why_key_bytes, sizeof p->b->why_key);
    for (const char *at = p->text; at < p->at; at++) {
        if (*at == '{' || *at == '[') {
            depth++;
            if (depth == level) once = false, found = NULL;
            is_key = *at == '{';
        } else if (*at == '}' || *at == ']') {
            depth--;
        } else if (*at == ',') {
            is_key = true; /* of arrays too, where no ':' follows */
        } else if (*at == ':') {
            is_key = false;
        } else if (*at == '"') {
            gri_text_string string;
            if (!gri_text_string_scan(at + 1, p->end, &string)) return p->at;
            const char *end = string.behind;
            if (depth == level && is_key && !found && (size_t)(end - at - 1) <= sizeof decoded) {
                size_t bytes = gri_text_string_decode(at + 1, end, decoded);
                if (bytes == p->b->why_key_bytes && memcmp(decoded, p->b->why_key, kept) == 0) {
                    if (once) found = at;
                    once = true;
                }
            }
            at = end;
        }
    }
    return found ? found : p->at;
}

static bool end_container(parser *p)
{
    bool object = in_object(p);
    gr_put_end(p->b);
    if (GRI_UNLIKELY(p->b->error)) return fail_build(p, object ? find_twice(p, p->depth) : p->at);
    p->depth--;
    p->at++;
    return true;
}

/* ---- scalars ---- */

static GRI_COLD bool fail_value(parser *p)
{
    const char *before = p->at;
    while (before > p->text && gri_text_is_space(before[-1])) before--;
    bool first = before > p->text && before[-1] == '[' && p->depth > 0 && !in_object(p);
    return fail(p, GR_ESYNTAX, p->at,
                first ? "a value (object, array, string, number, true, false or null) or ']'"
                      : "a value (object, array, string, number, true, false or null)");
}

static bool take_number(parser *p)
{
    const char *behind;
    gri_number number;
    int code = gri_number_parse(p->at, p->end, &behind, &number);
    if (GRI_UNLIKELY(code == GR_ERANGE)) {
        char shown[64];
        gri_text_quote(p->at, (size_t)(behind - p->at), shown, sizeof shown);
        bool is_double = memchr(p->at, '.', (size_t)(behind - p->at)) || memchr(p->at, 'e', (size_t)(behind - p->at)) ||
                         memchr(p->at, 'E', (size_t)(behind - p->at));
        p->error = code;
        gri_text_explain(p->detail, p->text, p->at, "%s is out of range: %s", shown,
                         is_double ? "doubles end at 1.7976931348623157e308"
                                   : "ints are -9223372036854775808 to 9223372036854775807");
        return false;
    }
    if (GRI_UNLIKELY(code)) {
        bool after_zero = behind > p->at && behind[-1] == '0' && behind < p->end && *behind >= '0' && *behind <= '9';
        return fail(p, code, behind, after_zero ? "no digit after a leading 0" : "a digit of a number");
    }
    if (number.is_double)
        gr_put_double(p->b, number.real);
    else
        gr_put_int(p->b, number.integer);
    p->at = behind;
    return true;
}

/* Ints of up to 18 digits, which are most, without the general machinery. */
static bool take_digits(parser *p)
{
    const char *at = p->at, *digits;
    bool negative = *at == '-';
    at += negative;
    digits = at;
    int64_t value = 0;
    while (at < p->end && (unsigned char)(*at - '0') < 10 && at - digits < 18) value = value * 10 + (*at++ - '0');
    bool other = at == digits || (*digits == '0' && at - digits > 1) ||
                 (at < p->end && (*at == '.' || (*at | 0x20) == 'e' || (unsigned char)(*at - '0') < 10));
    if (other) return take_number(p);
    gr_put_int(p->b, negative ? -value : value);
    p->at = at;
    return true;
}

static bool take_word(parser *p, const char *word, size_t bytes)
{
    if (GRI_LIKELY((size_t)(p->end - p->at) >= bytes && memcmp(p->at, word, bytes) == 0)) {
        p->at += bytes;
        return true;
    }
    return fail_value(p);
}

/* A short string that was checked: as gr_put_string_n, without checking it again. */
GRI_INLINE bool put_short_string(parser *p, text string)
{
    gr_builder *b = p->b;
    enum { copied = 32 };
    if (string.bytes > copied || (size_t)(p->end - string.at) < copied || (size_t)(b->limit - b->at) < copied + 3 ||
        b->state > GRI_BUILD_MEMBER)
        return false;
    b->at[0] = GRI_TAG_STRING;
    b->at[1] = (unsigned char)string.bytes;
    memcpy(b->at + 2, string.at, copied); /* what is too much is written over */
    b->at[2 + string.bytes] = '\0';
    b->at += 3 + string.bytes;
    gri_build_placed(b);
    return true;
}

static bool take_text(parser *p)
{
    text string;
    if (!take_string(p, &string)) return false;
    if (string.at == p->scratch || !put_short_string(p, string)) gr_put_string_n(p->b, string.at, string.bytes);
    return true;
}

/* The value at p->at, or the beginning of it up to where its first element's value comes. */
static bool take_value(parser *p, bool *ret_whole)
{
    *ret_whole = true;
    if (GRI_UNLIKELY(p->at == p->end)) return fail_value(p);
    switch (*p->at) {
    case '"': return take_text(p);
    case '{': return begin_object(p, ret_whole);
    case '[': return begin_array(p, ret_whole);
    case 't': return take_word(p, "true", 4) && (gr_put_bool(p->b, true), true);
    case 'f': return take_word(p, "false", 5) && (gr_put_bool(p->b, false), true);
    case 'n': return take_word(p, "null", 4) && (gr_put_null(p->b), true);
    case '-':
    case '0' ... '9': return take_digits(p);
    default: return fail_value(p);
    }
}

/* ---- whole texts ---- */

/* After a value: closes containers until one goes on, up to where the next value comes. False at the end and on errors. */
static bool go_on(parser *p)
{
    while (p->depth > 0) {
        if (GRI_UNLIKELY(p->b->error)) return fail_build(p, p->at);
        skip_space(p);
        bool object = in_object(p);
        char c = p->at < p->end ? *p->at : '\0';
        if (c == ',') {
            p->at++;
            if (!object) return true;
            skip_space(p);
            text key;
            const char *key_at = p->at;
            return take_key(p, &key, "a key after ','") && put_key(p, key, key_at);
        }
        if (GRI_UNLIKELY(c != (object ? '}' : ']')))
            return fail(p, GR_ESYNTAX, p->at, object ? "',' or '}' after a member" : "',' or ']' after an element");
        if (!end_container(p)) return false;
    }
    skip_space(p);
    if (GRI_UNLIKELY(p->at < p->end)) return fail(p, GR_ESYNTAX, p->at, "the end after the value");
    return false;
}

static int parse(gr_builder *b, const char *string, size_t bytes, const gr_parse_options *options, gr_detail *detail)
{
    parser p; /* not all of it is cleared: small is large */
    p.text = p.at = string;
    p.end = string + bytes;
    p.b = b;
    p.detail = detail;
    p.depth = 0;
    p.error = 0;
    p.addresses = options ? options->addresses : NULL;
    p.depth_allowed = options && options->depth_max && options->depth_max < depth_max ? options->depth_max : depth_max;
    p.scratch = p.small;
    p.scratch_bytes = sizeof p.small;
    if (options && options->bytes_max && bytes > options->bytes_max) {
        gri_text_explain(detail, string, string, "the text has %zu bytes, %zu are allowed", bytes, options->bytes_max);
        return GR_ETOOBIG;
    }
    if (bytes >= 3 && memcmp(string, "\xef\xbb\xbf", 3) == 0) {
        fail_saying(&p, GR_ESYNTAX, string, "expected a value, found a byte order mark, which JSON text must not have");
        return p.error;
    }
    bool whole;
    do {
        skip_space(&p);
        if (!take_value(&p, &whole)) break;
    } while (!whole || go_on(&p));
    if (p.scratch != p.small) free(p.scratch);
    if (!p.error && b->error) fail_build(&p, p.at);
    return p.error;
}

static bool is_missing(const char *string, size_t bytes, gr_detail *detail)
{
    if (string || bytes == 0) return false;
    if (detail) gri_text_explain(detail, "", "", "the text is NULL");
    return true;
}

int gr_parse(const char *string, size_t bytes, const gr_parse_options *options, gr_message **ret_message,
             gr_detail *ret_detail)
{
    if (is_missing(string, bytes, ret_detail)) return GR_EINVAL;
    gr_builder b;
    gr_build(&b);
    int code = parse(&b, string ? string : "", bytes, options, ret_detail);
    if (code) {
        gr_build_cancel(&b);
        return code;
    }
    code = gr_build_message(&b, ret_message);
    if (code && ret_detail) gr_build_error(&b, ret_detail);
    return code;
}

int gr_parse_into(const char *string, size_t bytes, const gr_parse_options *options, void *storage,
                  size_t storage_bytes, gr_value *ret_value, gr_detail *ret_detail)
{
    if (is_missing(string, bytes, ret_detail)) return GR_EINVAL;
    gr_builder b;
    gr_build_into(&b, storage, storage_bytes);
    int code = parse(&b, string ? string : "", bytes, options, ret_detail);
    if (code) {
        gr_build_cancel(&b);
        return code;
    }
    code = gr_build_value(&b, ret_value);
    if (code && ret_detail) gr_build_error(&b, ret_detail);
    return code;
}
