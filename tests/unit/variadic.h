/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Calling a variadic function with arguments that a test has made up.
 *
 * Integers and pointers go in the order given, doubles among themselves: both calling conventions we run on hand them to
 * va_arg as if they had been mixed, as long as no more than eight are doubles. */
#ifndef GR_TESTS_UNIT_VARIADIC_H
#define GR_TESTS_UNIT_VARIADIC_H

#include "base/compiler.h"
#include "support/test.h"

#include <greenroom/pack.h>
#include <jansson.h>

enum { WORDS = 40, DOUBLES = 8 };

typedef struct call {
    uint64_t words[WORDS];
    double doubles[DOUBLES];
    unsigned char types[WORDS + DOUBLES + 1];
    unsigned words_count, doubles_count, count;
    bool literals;
    json_t *json[WORDS];
    bool json_stolen[WORDS];
    unsigned json_count;
    gr_message *values[WORDS];
    unsigned values_count;
    char *texts[WORDS];
    unsigned texts_count;
} call;

#define W(c, i) (c)->words[i]
#define EIGHT_WORDS(c, i) \
    W(c, i), W(c, i + 1), W(c, i + 2), W(c, i + 3), W(c, i + 4), W(c, i + 5), W(c, i + 6), W(c, i + 7)
#define ALL(c) \
    EIGHT_WORDS(c, 0), EIGHT_WORDS(c, 8), EIGHT_WORDS(c, 16), EIGHT_WORDS(c, 24), EIGHT_WORDS(c, 32), (c)->doubles[0], \
        (c)->doubles[1], (c)->doubles[2], (c)->doubles[3], (c)->doubles[4], (c)->doubles[5], (c)->doubles[6], \
        (c)->doubles[7]

static GRI_UNUSED void add_word(call *c, uint64_t word, gr_arg type)
{
    CHECK(c->words_count < WORDS);
    c->words[c->words_count++] = word;
    c->types[c->count++] = (unsigned char)type;
}

static GRI_UNUSED void add_double(call *c, double x)
{
    CHECK(c->doubles_count < DOUBLES);
    c->doubles[c->doubles_count++] = x;
    c->types[c->count++] = GR_ARG_DOUBLE;
}

static GRI_UNUSED char *add_text(call *c, const char *bytes, size_t n)
{
    char *copy = malloc(n + 1);
    memcpy(copy, bytes, n);
    copy[n] = '\0';
    c->texts[c->texts_count++] = copy;
    add_word(c, (uint64_t)(uintptr_t)copy, c->literals ? GR_ARG_LITERAL : GR_ARG_TEXT);
    return copy;
}

static GRI_UNUSED void add_json(call *c, json_t *json, bool stolen)
{
    if (json) {
        c->json_stolen[c->json_count] = stolen;
        c->json[c->json_count++] = json_incref(json);
    }
    add_word(c, (uint64_t)(uintptr_t)json, GR_ARG_JSON);
}

/* References are as they should be: `taken` says whether those of o went. */
static GRI_UNUSED void end_call(call *c, bool taken)
{
    for (unsigned i = 0; i < c->json_count; i++) {
        bool gone = taken && c->json_stolen[i];
        CHECK_EQ(c->json[i]->refcount, gone ? 1 : 2);
        json_decref(c->json[i]);
        if (!gone) json_decref(c->json[i]);
    }
    for (unsigned i = 0; i < c->values_count; i++) gr_message_free(&c->values[i]);
    for (unsigned i = 0; i < c->texts_count; i++) free(c->texts[i]);
}

#endif
