/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See journal.h. In memory: hashes of 64 bits in open addressing; among a million points two are alike in one case of 4 x 10^7,
 * and then one of them is not run. Lines of the file:
 *     build HASH ABOUT            the first
 *     VERDICT CAME_BY POINT       two numbers, and the point as a finding prints it
 *     done BODY */
#include "inject/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct set {
    uint64_t *slots; /* 0: free */
    size_t capacity, count;
} set;

journal_sum journal_total;
static set points, places, bodies;
static FILE *file;

/* FNV-1a. */
static uint64_t hash_of(const void *data, size_t bytes, uint64_t hash)
{
    for (const unsigned char *p = data, *end = p + bytes; p < end; p++) hash = (hash ^ *p) * UINT64_C(0x100000001b3);
    return hash;
}

#define HASH_BEGIN UINT64_C(0xcbf29ce484222325)

static uint64_t hash_text(const char *text, size_t bytes)
{
    uint64_t hash = hash_of(text, bytes, HASH_BEGIN);
    return hash ? hash : 1;
}

static uint64_t *set_find(const set *s, uint64_t hash)
{
    size_t at = (size_t)(hash * UINT64_C(0x9e3779b97f4a7c15)) & (s->capacity - 1);
    while (s->slots[at] != 0 && s->slots[at] != hash) at = (at + 1) & (s->capacity - 1);
    return &s->slots[at];
}

static void set_grow(set *s)
{
    set larger = {.capacity = s->capacity ? 2 * s->capacity : 1024, .count = s->count};
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (!larger.slots) exit(2);
    for (size_t i = 0; i < s->capacity; i++)
        if (s->slots[i]) *set_find(&larger, s->slots[i]) = s->slots[i];
    free(s->slots);
    *s = larger;
}

static bool set_has(const set *s, uint64_t hash)
{
    return s->capacity && *set_find(s, hash) == hash;
}

/* False: it was there. */
static bool set_add(set *s, uint64_t hash)
{
    if (2 * s->count >= s->capacity) set_grow(s);
    uint64_t *slot = set_find(s, hash);
    if (*slot == hash) return false;
    *slot = hash;
    s->count++;
    return true;
}

/* The address in the text of a point. */
static uint64_t place_of(const char *point)
{
    const char *at = strstr(point, " --at ");
    if (!at) return 1;
    at += strlen(" --at ");
    return hash_text(at, strcspn(at, ":"));
}

static void count(const char *point, enum drive_verdict verdict, bool came_by)
{
    if (!set_add(&points, hash_text(point, strlen(point)))) return;
    journal_total.verdicts[verdict]++;
    if (!came_by) {
        journal_total.missed++;
        return;
    }
    journal_total.points++;
    if (strstr(point, ":onwards"))
        journal_total.onwards++;
    else
        journal_total.once++;
    if (set_add(&places, place_of(point))) journal_total.places++;
}

static void count_body(const char *body)
{
    if (set_add(&bodies, hash_text(body, strlen(body)))) journal_total.bodies++;
}

/* False: a line without its end was cut off when the process ended, and is run again. */
static bool read_line(char *line)
{
    int verdict, came_by, at = 0;
    char *end = strchr(line, '\n');
    if (!end) return false;
    *end = '\0';
    if (strncmp(line, "done ", 5) == 0)
        count_body(line + 5);
    else if (sscanf(line, "%d %d %n", &verdict, &came_by, &at) == 2 && verdict >= 0 && verdict < DRIVE_VERDICTS)
        count(line + at, (enum drive_verdict)verdict, came_by);
    return true;
}

static void cut_off(const char *path, long bytes)
{
    if (ftruncate(fileno(file), bytes) == 0) return;
    perror(path);
    exit(2);
}

static uint64_t hash_of_program(void)
{
    static char block[65536];
    uint64_t hash = HASH_BEGIN;
    FILE *program = fopen("/proc/self/exe", "re");
    if (!program) exit(2);
    for (size_t got; (got = fread(block, 1, sizeof block, program)) > 0;) hash = hash_of(block, got, hash);
    fclose(program);
    return hash;
}

void journal_open(const char *path, const char *about)
{
    char first[JOURNAL_TEXT_BYTES], line[JOURNAL_TEXT_BYTES + 64];
    if (!path) return;
    snprintf(first, sizeof first, "build %016" PRIx64 " %s\n", hash_of_program(), about);
    if (!(file = fopen(path, "a+e"))) {
        perror(path);
        exit(2);
    }
    rewind(file);
    if (!fgets(line, sizeof line, file)) {
        fputs(first, file);
        return;
    }
    if (strcmp(line, first) != 0) {
        fprintf(stderr, "%s is of another build or kind; remove it to begin anew\n", path);
        exit(2);
    }
    for (long whole = ftell(file); fgets(line, sizeof line, file); whole = ftell(file))
        if (!read_line(line)) cut_off(path, whole);
    memcpy(journal_total.earlier, journal_total.verdicts, sizeof journal_total.earlier);
}

uint32_t journal_number(const char *text)
{
    return (uint32_t)(hash_text(text, strlen(text)) >> 32);
}

bool journal_has(const char *point)
{
    return set_has(&points, hash_text(point, strlen(point)));
}

void journal_add(const char *point, enum drive_verdict verdict, bool came_by)
{
    count(point, verdict, came_by);
    if (file) fprintf(file, "%d %d %s\n", (int)verdict, came_by, point);
}

bool journal_has_body(const char *body)
{
    return set_has(&bodies, hash_text(body, strlen(body)));
}

void journal_add_body(const char *body)
{
    count_body(body);
    if (!file) return;
    fprintf(file, "done %s\n", body);
    fflush(file);
}
