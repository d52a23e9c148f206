/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What the process holds, and the command lines of the programs that watch it. One thread. */
#ifndef GR_TESTS_STRESS_CENSUS_H
#define GR_TESTS_STRESS_CENSUS_H

#include "base/compiler.h"

#include <greenroom.h>
#include <stdint.h>
#include <stdio.h>

/* Ends the program with 1, naming the call, if it returns a negative code. */
#define MUST(call) \
    do { \
        int must_code = (call); \
        if (must_code < 0) { \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, gr_error_name(must_code)); \
            exit(1); \
        } \
    } while (0)

typedef struct census {
    int64_t resident; /* bytes in memory */
    int64_t blocks;   /* of message memory, not freed */
    int64_t fds, threads, maps;
} census;

census census_now(void);
/* Of allocators: what they could give back they have given back. */
void census_settle(void);

/* A law: says what is wrong, and counts it. */
void law(const char *what, int64_t have, int64_t want);
/* Of what goes away by itself, a moment later on a busy machine: blocks of who ends just now, threads that have been joined and
 * that the system still lists. Looks until there are no more than that; a minute of looking breaks the law. Gives the last look. */
int64_t law_soon_at_most(const char *what, int64_t (*read)(void), int64_t most);
int64_t blocks_now(void);
int64_t threads_now(void);
void law_at_most(const char *what, double have, double most);
extern unsigned laws_broken;

typedef struct option {
    const char *name; /* "--seconds" */
    uint64_t *value;
} option;
/* Reads pairs; prints the usage and ends with 2 on anything else. */
void options_read(int argc, char **argv, const option *options, size_t count);

/* Nanoseconds that so many of a hundred stay below: sorts the sample. */
int64_t percentile(int64_t *sample, size_t count, double percent);

#endif
