/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Formats: the input is a format, a NUL or newline, and bytes that choose the arguments. A template, operations and a format
 * inside a builder make equal values or fail alike; what was made is well-formed; references end where they belong;
 * unpacking writes all or nothing, the same by operations, by steps and by a layout. */
#include "base/check.h"
#include "message/plan.h"
#include "message/value.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { WORDS = 24, DOUBLES = 8, TEXT_BYTES = 32 };

/* Every one readable for TEXT_BYTES bytes, so that any length from -1 to 16 is safe. */
static const char texts[][TEXT_BYTES] = {
    "a", "b", "", "key", "h\xc3\xa9llo", "_pyact_binary", "a longer text, 31 bytes long.", "\xff"};

typedef struct input {
    const uint8_t *at, *end;
} input;

typedef struct arguments {
    uint64_t words[WORDS];
    double doubles[DOUBLES];
    unsigned char types[WORDS + DOUBLES + 1];
    unsigned words_count, doubles_count, count;
    json_t *json;
} arguments;

static unsigned choose(input *in, unsigned n)
{
    return in->at < in->end ? *in->at++ % n : 0;
}

static void add_word(arguments *a, unsigned type, uint64_t word)
{
    if (a->words_count == WORDS) return;
    a->words[a->words_count++] = word;
    a->types[a->count++] = (unsigned char)type;
}

/* An argument for a format's character; now and then another one, but for lengths: they must be true. */
static void add_for(arguments *a, char letter, input *in, gr_value value)
{
    if (choose(in, 64) == 63 && letter != '#' && letter != '%') letter = "siIfbAVB"[choose(in, 8)];
    switch (letter) {
    case 's': add_word(a, GR_ARG_TEXT, choose(in, 16) == 15 ? 0 : (uint64_t)(uintptr_t)texts[choose(in, 8)]); break;
    case '+': add_word(a, GR_ARG_TEXT, (uint64_t)(uintptr_t)texts[choose(in, 8)]); break;
    case '#': add_word(a, GR_ARG_INT, (uint64_t)(int64_t)((int)choose(in, 18) - 1)); break;
    case '%': add_word(a, GR_ARG_LONG, (uint64_t)(int64_t)((int)choose(in, 18) - 1)); break;
    case 'b': add_word(a, GR_ARG_BOOL, choose(in, 2)); break;
    case 'i': add_word(a, choose(in, 2) ? GR_ARG_INT : GR_ARG_UINT, (uint64_t)choose(in, 256) << 24); break;
    case 'I': add_word(a, choose(in, 2) ? GR_ARG_LONG : GR_ARG_ULONG, (uint64_t)choose(in, 256) << 56); break;
    case 'f':
        if (a->doubles_count == DOUBLES) return;
        a->doubles[a->doubles_count++] = choose(in, 16) == 15 ? 1e308 * 10 : (double)choose(in, 256) / 3;
        a->types[a->count++] = GR_ARG_DOUBLE;
        break;
    case 'o':
    case 'O': add_word(a, GR_ARG_JSON, choose(in, 8) == 7 ? 0 : (uint64_t)(uintptr_t)a->json); break;
    case 'A': add_word(a, GR_ARG_ADDRESS, choose(in, 256)); break;
    case 'B':
        add_word(a, GR_ARG_TEXT, (uint64_t)(uintptr_t)texts[choose(in, 8)]);
        add_word(a, GR_ARG_ULONG, choose(in, TEXT_BYTES));
        break;
    case 'V': add_word(a, GR_ARG_VALUE, choose(in, 16) == 15 ? 0 : (uint64_t)(uintptr_t)value.at); break;
    default: break;
    }
}

#define W(a, i) (a)->words[i]
#define FOUR_WORDS(a, i) W(a, i), W(a, i + 1), W(a, i + 2), W(a, i + 3)
#define ALL(a) \
    FOUR_WORDS(a, 0), FOUR_WORDS(a, 4), FOUR_WORDS(a, 8), FOUR_WORDS(a, 12), FOUR_WORDS(a, 16), FOUR_WORDS(a, 20), \
        (a)->doubles[0], (a)->doubles[1], (a)->doubles[2], (a)->doubles[3], (a)->doubles[4], (a)->doubles[5], \
        (a)->doubles[6], (a)->doubles[7]

static int put_format(gr_builder *b, gr_site *site, const char *format, ...)
{
    gr_detail detail = {.line = 0};
    va_list list;
    va_start(list, format);
    int code = gri_plan_run(b, site, format, list, &detail);
    va_end(list);
    GRI_ASSERT((code == 0) == (detail.text[0] == '\0') && memchr(detail.text, 0, sizeof detail.text));
    return code;
}

static int pack(arguments *a, const char *format, unsigned texts_are, bool inside, gr_message **ret_message)
{
    unsigned char types[sizeof a->types];
    for (unsigned i = 0; i < a->count; i++)
        types[i] = a->types[i] == GR_ARG_TEXT ? (unsigned char)texts_are : a->types[i];
    for (unsigned i = 0, word = 0; i < a->count; i++) { /* NULL is no literal */
        if (a->types[i] == GR_ARG_DOUBLE) continue;
        if (types[i] == GR_ARG_LITERAL && a->words[word] == 0) types[i] = GR_ARG_TEXT;
        word++;
    }
    gr_site site = {.types = types, .count = (unsigned short)a->count, .literal = 1};
    gr_message *m = NULL;
    int code;
    a->json->refcount = 1000; /* enough for every o to take one over */
    if (inside) {
        gr_builder b;
        gr_build(&b), gr_put_array(&b), gr_put_int(&b, 1);
        code = put_format(&b, &site, format, ALL(a));
        gr_put_end(&b);
        int built = gr_build_message(&b, &m);
        GRI_ASSERT(built == code);
    } else {
        gr_detail detail = {.line = 0};
        code = gr_pack_site(&m, &detail, &site, format, ALL(a));
        GRI_ASSERT((code == 0) == (detail.text[0] == '\0') && memchr(detail.text, 0, sizeof detail.text));
    }
    GRI_ASSERT((m != NULL) == (code == 0));
    if (m) GRI_ASSERT(gri_value_verify(gr_body(m).at, gr_value_bytes(gr_body(m))));
    gri_plan_free(site.plan);
    *ret_message = m;
    return code;
}

static void check_pack(arguments *a, const char *format)
{
    gr_message *first = NULL, *other = NULL;
    int code = pack(a, format, GR_ARG_TEXT, false, &first);
    size_t references = a->json->refcount;
    int again = pack(a, format, GR_ARG_LITERAL, false, &other);
    GRI_ASSERT(again == code && gr_equal(gr_body(first), gr_body(other)) && a->json->refcount == references);
    gr_message_free(&other);
    again = pack(a, format, GR_ARG_TEXT, true, &other);
    /* Left out (*) at the top is an error, inside it is not. */
    GRI_ASSERT(again == code || (code == GR_EINVAL && again == 0));
    if (!code) GRI_ASSERT(gr_equal(gr_body(first), gr_at(gr_body(other), 1)));
    gr_message_free(&other);
    gr_message_free(&first);
}

static void check_unpack(const char *format, gr_value value, input *in)
{
    static const unsigned char kinds[] = {GR_ARG_TEXT_OUT, GR_ARG_INT_OUT,     GR_ARG_LONG_OUT,  GR_ARG_DOUBLE_OUT,
                                          GR_ARG_BOOL_OUT, GR_ARG_ADDRESS_OUT, GR_ARG_VALUE_OUT, GR_ARG_ULONG_OUT};
    arguments a = {.count = 0};
    uint64_t results[WORDS];
    memset(results, 0x5a, sizeof results);
    for (const char *at = format; *at && a.count < WORDS - 1; at++) {
        const char *found = strchr("siIfbAV%", *at);
        if (*at == 's' && choose(in, 2)) {
            add_word(&a, GR_ARG_LITERAL, (uint64_t)(uintptr_t)texts[choose(in, 4)]);
        } else if (found) {
            add_word(&a, kinds[found - "siIfbAV%"], (uint64_t)(uintptr_t)&results[a.count]);
        }
    }
    uint64_t expected[WORDS];
    gr_site sites[] = {{.types = a.types, .count = (unsigned short)a.count}, /* no literal: by operations */
                       {.types = a.types, .count = (unsigned short)a.count, .literal = 1}};
    int expected_code = 0;
    for (unsigned way = 0; way < 3; way++) {
        gr_detail detail = {.line = 0};
        memset(results, 0x5a, sizeof results);
        int code = gr_unpack_site(value, &detail, &sites[way > 0], format, ALL(&a));
        GRI_ASSERT((code == 0) == (detail.text[0] == '\0') && memchr(detail.text, 0, sizeof detail.text));
        for (unsigned i = 0; code && i < WORDS; i++) GRI_ASSERT(results[i] == UINT64_C(0x5a5a5a5a5a5a5a5a));
        if (way == 0) {
            expected_code = code;
            memcpy(expected, results, sizeof results);
        }
        GRI_ASSERT(code == expected_code && memcmp(results, expected, sizeof results) == 0);
    }
    gri_plan_free(sites[0].plan);
    gri_plan_free(sites[1].plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char format[256];
    size_t n = 0;
    while (n < bytes && n < sizeof format - 1 && data[n] != '\0' && data[n] != '\n') n++;
    memcpy(format, data, n);
    format[n] = '\0';
    input in = {data + n, data + bytes};
    unsigned char room[128];
    gr_value value;
    if (gr_pack_into(room, sizeof room, &value, "{s:i, s:[s, {s:I}], s:f}", "a", 1, "b", "x", "key", INT64_C(5), "",
                     0.5))
        abort();
    arguments a = {.json = json_integer(7)};
    for (const char *at = format; *at; at++) add_for(&a, *at, &in, value);
    check_pack(&a, format);
    check_unpack(format, value, &in);
    a.json->refcount = 1;
    json_decref(a.json);
    return 0;
}
