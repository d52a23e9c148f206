/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What the bench programs share: options, the runtime, the cross-core probe, latency samples, the line of JSON at the end.
 *
 *     int main(int argc, char **argv)
 *     {
 *         bench_parameter parameters[] = {{"round-trips", 2000000, 1000}};
 *         bench b = {.workload = "pingpong", .parameters = parameters, .parameter_count = 1};
 *         bench_begin(&b, argc, argv);
 *         bench_run warm = run(&b, parameters[0].value / 20);       the workload, untimed
 *         return bench_end(&b, run(&b, parameters[0].value));       and what counts
 *     }
 *
 * Every program takes --form green|server, --workers N (auto: what the runtime takes by itself), --smoke, its parameters, and
 * --no-probe for machines that are not there (two threads that spin for each other take for ever under an emulator). It links the
 * public library only.
 * Whatever goes wrong, a broken conservation law above all, ends the program with a text and exit code 1. */
#ifndef GRI_BENCH_BENCH_H
#define GRI_BENCH_BENCH_H

#include <greenroom.h>

typedef struct bench_parameter {
    const char *option;    /* --option N; its name in the line of JSON, with _ for - */
    uint64_t value, smoke; /* the default, and what --smoke makes of it */
} bench_parameter;

typedef struct bench_span {
    int64_t begin_ns, end_ns;
    int64_t cpu_ns;            /* of the whole process, all threads */
    gr_counters before, after; /* what the runtime counted at either end */
} bench_span;

typedef struct bench {
    const char *workload;
    bench_parameter *parameters;
    size_t parameter_count;
    /* Set by bench_begin. */
    bool servers;
    unsigned workers;
    gr_self *self;        /* the main thread's */
    double cross_core_ns; /* -1: not known */
    char notes[1024];     /* bench_note */
} bench;

/* Options, probe, gr_start, gr_attach. */
void bench_begin(bench *b, int argc, char **argv);
/* Prints the line and stops the runtime. ops: what was done in the span; one of it is called `operation`: "hop". Returns the
 * exit code. The line has the law ("held"; a broken one got no line), rate, percentiles and histogram of the samples, and what the
 * runtime counted for one operation: switches, tasks run as plain calls, steals, wakes, queue operations, … */
int bench_end(bench *b, bench_span span, uint64_t ops, const char *operation);
/* For programs that measure several things in one run: a line for each, and bench_stop for the end. */
void bench_case(bench *b, const char *name, bench_span span, uint64_t ops, const char *operation);
int bench_stop(bench *b);
/* One more member of the line: bench_note(&b, "\"balanced_ms\":%.1f", ms). */
GR_PRINTF(2, 3) void bench_note(bench *b, const char *format, ...);
/* The same around numbers of one's own instead of a rate: `members` is JSON, "\"x\":1,\"y\":2". bench/run reads "seconds" and
 * "cpu_seconds" or, for what is no time, "value" and "unit". */
int bench_end_with(bench *b, const char *members);

GR_NORETURN GR_PRINTF(1, 2) void bench_fail(const char *format, ...);
#define BENCH_OK(call) \
    do { \
        int bench_code = (call); \
        if (bench_code < 0) bench_fail("%s:%d: %s: %s", __FILE__, __LINE__, #call, gr_error_name(bench_code)); \
    } while (0)
/* A conservation law. */
void bench_equal(const char *what, uint64_t have, uint64_t want);

/* Beginning and end of what is timed; by whoever sees it, on any thread. */
void bench_span_begin(bench_span *span);
void bench_span_end(bench_span *span);

/* A latency, from any actor. One of BENCH_SAMPLE_EVERY operations is worth its two clock readings. */
#define BENCH_SAMPLE_EVERY 64
void bench_sample(int64_t ns);
/* Forgets them: after the warm-up. */
void bench_samples_clear(void);

/* Half the time of a round trip of one cache line between the first two CPUs this process may use, in nanoseconds: the median of
 * some batches; -1 where there is one CPU only. */
double bench_cross_core_ns(void);

/* Computes for so many rounds, whose result is to be used; how many there are to a microsecond, at best: what others do on the
 * machine meanwhile does not count. Some milliseconds. */
uint64_t bench_work(uint64_t rounds);
double bench_rounds_per_us(void);

/* The next message to the main thread, which must come within a minute or so, to be freed; and the int that it is. */
gr_message *bench_receive(bench *b);
int64_t bench_receive_int(bench *b);

#endif
