/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Streams of bytes that are nearly HTTP requests: some from a grammar whose every choice has wrong and doubtful branches, some
 * the cases of data/http with bytes changed. The same seed and number give the same stream. Each place where a request could
 * begin names another target, so that readers who begin in different places see different targets. */
#ifndef GR_TESTS_FUZZ_DIFFERENTIAL_STREAMS_H
#define GR_TESTS_FUZZ_DIFFERENTIAL_STREAMS_H

#include <stddef.h>
#include <stdint.h>

enum { STREAM_BYTES = 8192 };

typedef struct stream {
    char bytes[STREAM_BYTES];
    size_t count;
} stream;

/* Reads the cases of a folder (data/http); what they expect does not matter here. Returns how many. */
size_t streams_load(const char *folder);
void stream_make(stream *ret_stream, uint64_t seed, uint64_t number);

#endif
