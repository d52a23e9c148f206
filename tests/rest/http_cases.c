/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/http_cases.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *file, int line, const char *why)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, why);
    abort();
}

static void append(char **text, size_t *count, const char *from, size_t bytes)
{
    *text = realloc(*text, *count + bytes + 1);
    if (!*text) abort();
    memcpy(*text + *count, from, bytes);
    *count += bytes;
    (*text)[*count] = '\0';
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Unescapes in place; the length, or -1. */
static long unescape(char *text)
{
    char *out = text;
    for (const char *in = text; *in; in++) {
        if (*in != '\\') {
            *out++ = *in;
            continue;
        }
        switch (*++in) {
        case 'r': *out++ = '\r'; break;
        case 'n': *out++ = '\n'; break;
        case 't': *out++ = '\t'; break;
        case '0': *out++ = '\0'; break;
        case '\\': *out++ = '\\'; break;
        case 'x':
            if (digit(in[1]) < 0 || digit(in[2]) < 0) return -1;
            *out++ = (char)(digit(in[1]) * 16 + digit(in[2]));
            in += 2;
            break;
        default: return -1;
        }
    }
    return out - text;
}

char *http_escape(const char *bytes, size_t count)
{
    char *text = malloc(count * 4 + 1), *out = text;
    if (!text) abort();
    for (size_t i = 0; i < count; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '\\') {
            out += sprintf(out, "\\\\");
        } else if (isprint(c)) {
            *out++ = (char)c;
        } else {
            out += sprintf(out, c == '\r' ? "\\r" : c == '\n' ? "\\n" : "\\x%02x", c);
        }
    }
    *out = '\0';
    return text;
}

static void read_limits(gri_http_limits *limits, char *words, const char *file, int line)
{
    for (char *save = NULL, *word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        char *equals = strchr(word, '=');
        if (!equals) fail(file, line, "a limit without =");
        unsigned long value = strtoul(equals + 1, NULL, 10);
        if (strncmp(word, "line=", 5) == 0) {
            limits->line_bytes = (uint32_t)value;
        } else if (strncmp(word, "head=", 5) == 0) {
            limits->head_bytes = (uint32_t)value;
        } else if (strncmp(word, "fields=", 7) == 0) {
            limits->fields = (uint32_t)value;
        } else if (strncmp(word, "body=", 5) == 0) {
            limits->body_bytes = value;
        } else {
            fail(file, line, "an unknown limit");
        }
    }
}

static void read_bytes(http_case *item, char *text, const char *file, int line)
{
    unsigned long times = 1;
    bool measured = *text == '+';
    if (measured) text++;
    if (*text == '*') times = strtoul(text + 1, &text, 10);
    if (*text == ' ') text++;
    long count = unescape(text);
    if (count < 0) fail(file, line, "a bad escape");
    if (measured) {
        char length[64];
        append(&item->bytes, &item->byte_count, length, (size_t)sprintf(length, "Content-Length: %ld\r\n\r\n", count));
    }
    while (times--) append(&item->bytes, &item->byte_count, text, (size_t)count);
}

static size_t end_case(http_case *item, void (*run)(const http_case *item, void *arg), void *arg)
{
    if (!item->name[0]) return 0;
    if (!item->bytes || !item->expected) fail(item->file, 0, item->name);
    run(item, arg);
    free(item->bytes);
    free(item->expected);
    *item = (http_case){.file = item->file};
    return 1;
}

static size_t run_file(const char *path, const char *file, void (*run)(const http_case *item, void *arg), void *arg)
{
    FILE *stream = fopen(path, "r");
    if (!stream) fail(path, 0, "cannot be read");
    http_case item = {.file = file};
    char *text = NULL;
    size_t capacity = 0, count = 0, expected = 0;
    ssize_t bytes;
    for (int line = 1; (bytes = getline(&text, &capacity, stream)) >= 0; line++) {
        if (bytes && text[bytes - 1] == '\n') text[bytes - 1] = '\0';
        if (strncmp(text, "case ", 5) == 0) {
            count += end_case(&item, run, arg);
            snprintf(item.name, sizeof item.name, "%s", text + 5);
            item.limits = GRI_HTTP_LIMITS_DEFAULT;
            expected = 0;
        } else if (strncmp(text, "limits ", 7) == 0) {
            read_limits(&item.limits, text + 7, file, line);
        } else if (text[0] == '>') {
            read_bytes(&item, text + 1, file, line);
        } else if (strncmp(text, "< ", 2) == 0) {
            append(&item.expected, &expected, text + 2, strlen(text + 2));
            append(&item.expected, &expected, "\n", 1);
        } else if (text[0] && text[0] != '#') {
            fail(file, line, "neither case, limits, > nor <");
        }
    }
    count += end_case(&item, run, arg);
    free(text);
    fclose(stream);
    return count;
}

static int is_case_file(const struct dirent *entry)
{
    size_t bytes = strlen(entry->d_name);
    return bytes > 5 && strcmp(entry->d_name + bytes - 5, ".http") == 0;
}

size_t http_cases_run(const char *folder, void (*run)(const http_case *item, void *arg), void *arg)
{
    char path[1024];
    struct dirent **entries = NULL;
    size_t count = 0;
    snprintf(path, sizeof path, "%s/%s", GR_TEST_DATA, folder);
    int found = scandir(path, &entries, is_case_file, alphasort);
    if (found < 0) fail(path, 0, "cannot be read");
    for (int i = 0; i < found; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", GR_TEST_DATA, folder, entries[i]->d_name);
        count += run_file(path, entries[i]->d_name, run, arg);
        free(entries[i]);
    }
    free(entries);
    return count;
}
