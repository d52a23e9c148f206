/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What the programs about single structures share: a table of cases, each run by one thread or by two at the same time, on two
 * CPUs if there are as many; repeats taken in turns, so that what the machine does meanwhile happens to all cases; a line of
 * JSON for each case with the median, the lowest and the highest time of an operation.
 *
 * With two threads the time is that of one thread's operation while the other one does its own.
 *
 *     static const micro_case cases[] = {{"push, take", 1, 1000000, NULL, push_take, check}};
 *     int main(int argc, char **argv) { return MICRO_MAIN("mailbox", cases, argc, argv); }
 *
 * Options: --smoke, --repeats N, --case NAME, --no-probe. These programs see the runtime's internals. Whatever goes wrong ends the
 * program with a text and exit code 1. */
#ifndef GRI_BENCH_MICRO_H
#define GRI_BENCH_MICRO_H

#include "bench.h"

typedef struct micro_case {
    const char *name;
    unsigned threads;    /* 1 or 2 */
    uint64_t operations; /* of each thread, a repeat */
    /* All may be NULL but run. begin and end are called by thread 0, untimed; end checks the law. */
    void (*begin)(uint64_t operations);
    void (*run)(unsigned thread, uint64_t operations);
    void (*end)(uint64_t operations);
    /* On each thread, first and last: what it needs to be one of the runtime's. */
    void (*enter)(unsigned thread);
    void (*leave)(unsigned thread);
} micro_case;

int micro_main(const char *structure, const micro_case *cases, size_t count, int argc, char **argv);
#define MICRO_MAIN(structure, cases, argc, argv) \
    micro_main((structure), (cases), sizeof(cases) / sizeof *(cases), (argc), (argv))

/* Keeps the compiler from leaving out what computes the value, or from knowing it. */
#define MICRO_USE(value) __asm__ volatile("" : : "g"(value) : "memory")
#define MICRO_HIDE(variable) __asm__ volatile("" : "+r"(variable))

/* A bounded queue of pointers from thread 0 to thread 1: how blocks travel in some cases. Spins while full or empty. */
typedef struct micro_pipe {
    _Alignas(64) uint64_t head;
    _Alignas(64) uint64_t tail;
    _Alignas(64) void *slots[1024];
} micro_pipe;
void micro_pipe_put(micro_pipe *pipe, void *item);
void *micro_pipe_get(micro_pipe *pipe);

/* One turn of a loop that waits for the other thread; lets others have the CPU now and then. */
void micro_wait(unsigned *turns);

#endif
