/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "stress/census.h"

#include "memory/heap.h"

#include <dirent.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

unsigned laws_broken;

static int64_t entries_of(const char *path)
{
    DIR *dir = opendir(path);
    int64_t count = 0;
    if (!dir) return -1;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) count += e->d_name[0] != '.';
    closedir(dir);
    return count;
}

static int64_t lines_of(const char *path)
{
    FILE *file = fopen(path, "r");
    int64_t count = 0;
    if (!file) return -1;
    for (int c; (c = getc(file)) != EOF;) count += c == '\n';
    fclose(file);
    return count;
}

/* Exact, as status is not. Anonymous memory only: where code runs for the first time the kernel maps 64 KiB of its file around. */
static int64_t resident(void)
{
    long long kb = 0;
    char line[256];
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    while (file && kb == 0 && fgets(line, sizeof line, file)) (void)!sscanf(line, "Anonymous: %lld", &kb);
    if (file) fclose(file);
    return kb * 1024;
}

census census_now(void)
{
    return (census){.resident = resident(),
                    .blocks = blocks_now(),
                    .fds = entries_of("/proc/self/fd"),
                    .threads = threads_now(),
                    .maps = lines_of("/proc/self/maps")};
}

void census_settle(void)
{
#if defined(__GLIBC__) && !GRI_ASAN && !GRI_TSAN
    malloc_trim(0);
#endif
}

void law(const char *what, int64_t have, int64_t want)
{
    if (have == want) return;
    laws_broken++;
    fprintf(stderr, "%s: %lld, expected %lld\n", what, (long long)have, (long long)want);
}

int64_t blocks_now(void)
{
    gri_heap_counts heaps;
    gri_chunk_counts chunks;
    gri_heap_count_all(&heaps, &chunks);
    return (int64_t)(heaps.blocks_allocated - heaps.blocks_freed);
}

int64_t threads_now(void)
{
    return entries_of("/proc/self/task");
}

int64_t law_soon_at_most(const char *what, int64_t (*read)(void), int64_t most)
{
    int64_t have = read();
    for (int ms = 0; have > most && ms < 60000; have = read(), ms++) (void)poll(NULL, 0, 1);
    law_at_most(what, (double)have, (double)most);
    return have;
}

void law_at_most(const char *what, double have, double most)
{
    if (have <= most) return;
    laws_broken++;
    fprintf(stderr, "%s: %g, more than %g\n", what, have, most);
}

void options_read(int argc, char **argv, const option *options, size_t count)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* what is done is said, whoever ends the rest */
    for (int i = 1; i < argc; i += 2) {
        size_t at = 0;
        char *end = NULL;
        while (at < count && strcmp(argv[i], options[at].name) != 0) at++;
        if (at < count && i + 1 < argc) *options[at].value = strtoull(argv[i + 1], &end, 10);
        if (end && *end == '\0' && *argv[i + 1]) continue;
        fprintf(stderr, "usage: %s", argv[0]);
        for (at = 0; at < count; at++) fprintf(stderr, " [%s N]", options[at].name);
        fputc('\n', stderr);
        exit(2);
    }
}

static int compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

int64_t percentile(int64_t *sample, size_t count, double percent)
{
    if (count == 0) return 0;
    qsort(sample, count, sizeof *sample, compare);
    size_t at = (size_t)((double)count * percent / 100);
    return sample[at < count ? at : count - 1];
}
