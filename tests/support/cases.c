/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "support/cases.h"

#include "support/test.h"

#include <ctype.h>
#include <dirent.h>
#include <stdarg.h>

#ifndef GR_TEST_DATA
#define GR_TEST_DATA "tests/data"
#endif

const gr_case_field *gr_case_get(const gr_case *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->fields[i].name, name) == 0) return &c->fields[i];
    }
    return NULL;
}

bool gr_case_wrong(const gr_case *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: ", c->file, c->line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return false;
}

static int hex_value(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* Expands %41 and %{3*ab}. */
static char *expand(const char *at, const char *end, size_t *ret_bytes)
{
    size_t room = 64, used = 0;
    char *out = malloc(room);
    while (at < end) {
        unsigned long times = 1;
        const char *piece = at, *next = at + 1;
        char byte;
        size_t bytes = 1;
        if (*at == '%' && end - at > 2 && at[1] == '{') {
            times = strtoul(at + 2, (char **)&piece, 10);
            piece++; /* the '*' */
            const char *close = memchr(piece, '}', (size_t)(end - piece));
            while (close && close + 1 < end && close[1] == '}') /* the last of several: "%{2*{}}" */
                close++;
            if (!close) TEST_FAIL("%%{ without }: %.40s", at);
            bytes = (size_t)(close - piece);
            next = close + 1;
        } else if (*at == '%' && end - at > 2 && hex_value(at[1]) >= 0 && hex_value(at[2]) >= 0) {
            byte = (char)(hex_value(at[1]) * 16 + hex_value(at[2]));
            piece = &byte;
            next = at + 3;
        }
        if (used + bytes * times + 1 > room) out = realloc(out, room = (used + bytes * times + 1) * 2);
        if (!out) TEST_FAIL("out of memory");
        for (; times > 0; times--, used += bytes) memcpy(out + used, piece, bytes);
        at = next;
    }
    out[used] = '\0';
    *ret_bytes = used;
    return out;
}

char *gr_case_file(const char *folder, const char *name, size_t *ret_bytes)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s/%s", GR_TEST_DATA, folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) TEST_FAIL("%s cannot be opened", path);
    size_t room = 1 << 16, used = 0, got;
    char *text = malloc(room);
    while (text && (got = fread(text + used, 1, room - used - 1, file)) > 0) {
        used += got;
        if (used + 1 == room) text = realloc(text, room *= 2);
    }
    fclose(file);
    if (!text) TEST_FAIL("out of memory");
    text[used] = '\0';
    *ret_bytes = used;
    return text;
}

int gr_case_files(const char *folder, const char *suffix, void (*body)(const char *folder, const char *name))
{
    char path[512];
    struct dirent **entries;
    snprintf(path, sizeof path, "%s/%s", GR_TEST_DATA, folder);
    int count = scandir(path, &entries, NULL, alphasort), files = 0;
    if (count < 0) TEST_FAIL("%s cannot be read", path);
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        size_t bytes = strlen(name), suffix_bytes = strlen(suffix);
        if (bytes > suffix_bytes && strcmp(name + bytes - suffix_bytes, suffix) == 0) {
            body(folder, name);
            files++;
        }
        free(entries[i]);
    }
    free(entries);
    return files;
}

/* One run's state, for gr_case_files takes no argument. */
static struct {
    bool (*body)(const gr_case *c);
    int cases, wrong;
} running;

static void finish_case(gr_case *c)
{
    if (c->count == 0) return;
    running.cases++;
    if (!running.body(c)) running.wrong++;
    for (size_t i = 0; i < c->count; i++) free(c->fields[i].text);
    c->count = 0;
}

static void take_line(gr_case *c, const char *line, const char *end, int number)
{
    while (end > line && (end[-1] == ' ' || end[-1] == '\r')) end--;
    if (line == end) {
        finish_case(c);
        return;
    }
    if (*line == '#') return;
    const char *colon = memchr(line, ':', (size_t)(end - line));
    gr_case_field *field = &c->fields[c->count];
    if (!colon || (size_t)(colon - line) >= sizeof field->name || c->count == sizeof c->fields / sizeof *c->fields)
        TEST_FAIL("%s:%d: not \"name: text\"", c->file, number);
    if (c->count++ == 0) c->line = number;
    memcpy(field->name, line, (size_t)(colon - line));
    field->name[colon - line] = '\0';
    const char *text = colon + 1;
    if (text < end && *text == ' ') text++;
    field->text = expand(text, end, &field->bytes);
}

static void run_file(const char *folder, const char *name)
{
    size_t bytes;
    char *text = gr_case_file(folder, name, &bytes);
    gr_case c = {.file = name};
    int number = 1;
    for (char *line = text, *end = text + bytes; line < end; number++) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        char *line_end = newline ? newline : end;
        take_line(&c, line, line_end, number);
        line = line_end + 1;
    }
    finish_case(&c);
    free(text);
}

int gr_cases_run(const char *folder, const char *suffix, bool (*body)(const gr_case *c))
{
    running.body = body;
    running.cases = running.wrong = 0;
    gr_case_files(folder, suffix, run_file);
    if (running.cases == 0) TEST_FAIL("no cases in %s", folder);
    return running.wrong;
}
