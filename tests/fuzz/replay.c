/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A main for fuzz targets where no fuzzer is: runs LLVMFuzzerTestOneInput over every file below the paths given, then over
 * mutations of those files drawn from a seed.
 *     program [--seed N] [--mutations N] PATH...        a single file replays a crash */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { INPUT_BYTES_MAX = 1 << 20, DEPTH_MAX = 8 };

static uint64_t state = 1;
static unsigned long mutations = 200, files, runs;

/* splitmix64: any seed will do, and the program needs nothing of what it tests */
static uint64_t next(void)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* The exact size in a block of its own, so that a sanitizer sees one byte too far. */
static void run(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    if (!copy) abort();
    memcpy(copy, data, bytes);
    LLVMFuzzerTestOneInput(copy, bytes);
    free(copy);
    runs++;
}

/* Bytes that mean something to the readers; the NUL at the end is one of them. */
static const uint8_t telling[] = "{}[]\",:\\ \r\n0-9e.tfn";

static void mutate(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes + 1);
    if (!copy) abort();
    for (unsigned long i = 0; i < mutations; i++) {
        size_t length = bytes;
        memcpy(copy, data, bytes);
        for (uint64_t edits = 1 + next() % 4; edits > 0 && length > 0; edits--) {
            size_t at = (size_t)(next() % length);
            switch (next() % 5) {
            case 0: copy[at] = (uint8_t)next(); break;
            case 1: copy[at] ^= (uint8_t)(1u << (next() % 8)); break;
            case 2: length = at; break;
            case 3:
                memmove(copy + at, copy + at + 1, length - at - 1);
                length--;
                break;
            default: copy[at] = telling[next() % sizeof telling]; break;
            }
        }
        run(copy, length);
    }
    free(copy);
}

static void replay(const char *path, int depth)
{
    struct stat about;
    if (depth > DEPTH_MAX || stat(path, &about) != 0) return;
    if (S_ISDIR(about.st_mode)) {
        struct dirent **entries;
        int count = scandir(path, &entries, NULL, alphasort);
        for (int i = 0; i < count; i++) {
            char inner[4096];
            if (entries[i]->d_name[0] != '.') {
                snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
                replay(inner, depth + 1);
            }
            free(entries[i]);
        }
        if (count >= 0) free(entries);
        return;
    }
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    if (!file || !data) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    size_t bytes = fread(data, 1, INPUT_BYTES_MAX, file);
    fclose(file);
    files++;
    run(data, bytes);
    if (bytes <= 65536) mutate(data, bytes);
    free(data);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            state = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--mutations") == 0 && i + 1 < argc) {
            mutations = strtoul(argv[++i], NULL, 0);
        } else {
            replay(argv[i], 0);
        }
    }
    fprintf(stderr, "%lu files, %lu runs\n", files, runs);
    return files == 0;
}
