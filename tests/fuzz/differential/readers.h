/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Who reads the streams: our server in this process, nginx and Node as children, each at a Unix socket. */
#ifndef GR_TESTS_FUZZ_DIFFERENTIAL_READERS_H
#define GR_TESTS_FUZZ_DIFFERENTIAL_READERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OURS, NGINX, NODE, READERS };
enum { SEEN_MAX = 24, TARGET_BYTES = 512 };

/* What a reader has made of a stream. */
typedef struct reading {
    unsigned count; /* requests it accepted, whole ones; nginx's last one may lack the end of its body */
    struct {
        char method[24];
        char target[TARGET_BYTES]; /* from the path on */
        bool has_body;             /* what follows is known: not by nginx */
        uint64_t bytes, hash;
    } seen[SEEN_MAX];
    int refused;  /* the status, or 400 where there is none; 0: it did not refuse anything */
    char why[40]; /* Node's name for the reason */
    bool closed;  /* it said that the connection ends behind the last one */
    bool strange; /* its answer could not be understood */
} reading;

extern const char *const reader_names[READERS];

/* Starts all; false: nginx or node is not installed (said on stderr). The files of this folder are in GR_DIFFERENTIAL. */
bool readers_start(void);
void readers_stop(void);
/* A connection to one of them, non-blocking. */
int reader_connect(int which);
/* All that it has said on a connection. */
void reader_understand(int which, const char *text, size_t bytes, reading *ret_reading);

#endif
