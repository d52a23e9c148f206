/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* JSON text: reading and printing a request of 73 bytes, an array of 1,000 numbers and one of 100 strings; an operation of the
 * last two is one element. */
#include "micro.h"

#include "memory/heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBERS 1000
#define STRINGS 100

static const char request[] = "{\"op\":\"add\",\"id\":123456,\"args\":[1,2,3],\"name\":\"abcdefghijklmnopqrstuvwx\"}";
static char numbers[NUMBERS * 24], strings[STRINGS * 64], *out;
static size_t out_bytes;
static gr_message *messages[3];

static void enter(unsigned thread)
{
    gri_heap *heap = gri_heap_new(0);
    if (!heap) bench_fail("no heap");
    gri_heap_bind(heap);
    if (thread != 0) return;
    size_t used = 0;
    for (int i = 0; i < NUMBERS; i++)
        used +=
            (size_t)snprintf(numbers + used, sizeof numbers - used, "%c%.17g", i ? ',' : '[', i * 1.1 + 1.0 / (i + 1));
    strcpy(numbers + used, "]");
    used = 0;
    for (int i = 0; i < STRINGS; i++)
        used += (size_t)snprintf(strings + used, sizeof strings - used,
                                 "%c\"a string with text and \xc3\xa4, number %d\"", i ? ',' : '[', i);
    strcpy(strings + used, "]");
    const char *texts[] = {request, numbers, strings};
    for (int i = 0; i < 3; i++) BENCH_OK(gr_parse(texts[i], strlen(texts[i]), NULL, &messages[i], NULL));
    out_bytes = sizeof numbers;
    if (!(out = malloc(out_bytes))) bench_fail("no memory");
}

static void leave(unsigned thread)
{
    for (int i = 0; thread == 0 && i < 3; i++) gr_message_free(&messages[i]);
    if (thread == 0) free(out);
    gri_heap_retire(gri_heap_bound());
}

static void parse(const char *text, uint64_t times)
{
    size_t bytes = strlen(text);
    for (uint64_t i = 0; i < times; i++) {
        gr_message *m;
        BENCH_OK(gr_parse(text, bytes, NULL, &m, NULL));
        gr_message_free(&m);
    }
}

static void print(const gr_message *m, uint64_t times)
{
    for (uint64_t i = 0; i < times; i++) BENCH_OK(gr_print(gr_body(m), NULL, out, out_bytes, NULL));
}

static void run_parse_request(unsigned thread, uint64_t operations)
{
    (void)thread;
    parse(request, operations);
}

static void run_parse_numbers(unsigned thread, uint64_t operations)
{
    (void)thread;
    parse(numbers, operations / NUMBERS + 1);
}

static void run_parse_strings(unsigned thread, uint64_t operations)
{
    (void)thread;
    parse(strings, operations / STRINGS + 1);
}

static void run_print_request(unsigned thread, uint64_t operations)
{
    (void)thread;
    print(messages[0], operations);
    if (strcmp(out, request) != 0) bench_fail("printed: %s", out);
}

static void run_print_numbers(unsigned thread, uint64_t operations)
{
    (void)thread;
    print(messages[1], operations / NUMBERS + 1);
}

static void run_print_strings(unsigned thread, uint64_t operations)
{
    (void)thread;
    print(messages[2], operations / STRINGS + 1);
    if (strcmp(out, strings) != 0) bench_fail("printed: %s", out);
}

static const micro_case cases[] = {
    {"request: read", 1, 200000, NULL, run_parse_request, NULL, enter, leave},
    {"request: read, 2 threads", 2, 200000, NULL, run_parse_request, NULL, enter, leave},
    {"request: print", 1, 200000, NULL, run_print_request, NULL, enter, leave},
    {"doubles: read", 1, 200000, NULL, run_parse_numbers, NULL, enter, leave},
    {"doubles: print", 1, 200000, NULL, run_print_numbers, NULL, enter, leave},
    {"strings: read", 1, 200000, NULL, run_parse_strings, NULL, enter, leave},
    {"strings: print", 1, 200000, NULL, run_print_strings, NULL, enter, leave},
};

int main(int argc, char **argv)
{
    return MICRO_MAIN("text", cases, argc, argv);
}
