/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SAMPLES_MAX 65536
#define PATIENCE_S 300

static uint32_t samples[SAMPLES_MAX];
static unsigned sample_count; /* by actors, with __atomic builtins: a count */

void bench_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void bench_equal(const char *what, uint64_t have, uint64_t want)
{
    if (have != want)
        bench_fail("conservation: %s: %llu, expected %llu", what, (unsigned long long)have, (unsigned long long)want);
}

/* ---- time ---- */

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void bench_span_begin(bench_span *span)
{
    BENCH_OK(gr_counters_read(&span->before));
    span->cpu_ns = -clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    span->begin_ns = clock_ns(CLOCK_MONOTONIC);
}

void bench_span_end(bench_span *span)
{
    span->end_ns = clock_ns(CLOCK_MONOTONIC);
    span->cpu_ns += clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    BENCH_OK(gr_counters_read(&span->after));
}

void bench_sample(int64_t ns)
{
    unsigned at = __atomic_fetch_add(&sample_count, 1, __ATOMIC_RELAXED);
    if (at < SAMPLES_MAX) samples[at] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

void bench_samples_clear(void)
{
    __atomic_store_n(&sample_count, 0, __ATOMIC_RELAXED);
}

/* ---- options ---- */

GR_NORETURN static void usage(const bench *b, const char *program, int code)
{
    FILE *to = code ? stderr : stdout;
    fprintf(to, "usage: %s [--form green|server] [--workers N|auto] [--smoke] [--no-probe]", program);
    for (size_t i = 0; i < b->parameter_count; i++) fprintf(to, " [--%s N]", b->parameters[i].option);
    fputc('\n', to);
    exit(code);
}

static uint64_t number(const bench *b, const char *program, const char *text)
{
    char *end = NULL;
    unsigned long long value = text && *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    if (!end || *end) usage(b, program, 2);
    return value;
}

static void read_options(bench *b, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(option, "--help") == 0) usage(b, argv[0], 0);
        if (strcmp(option, "--smoke") == 0) {
            for (size_t p = 0; p < b->parameter_count; p++) b->parameters[p].value = b->parameters[p].smoke;
            continue;
        }
        if (strcmp(option, "--no-probe") == 0) {
            b->cross_core_ns = -1;
            continue;
        }
        i++;
        if (strcmp(option, "--form") == 0) {
            if (!value || (strcmp(value, "green") != 0 && strcmp(value, "server") != 0)) usage(b, argv[0], 2);
            b->servers = strcmp(value, "server") == 0;
            continue;
        }
        if (strcmp(option, "--workers") == 0) {
            bool automatic = value && strcmp(value, "auto") == 0;
            b->workers = automatic ? 0 : (unsigned)number(b, argv[0], value);
            if (!automatic && (b->workers < 1 || b->workers > 1024)) usage(b, argv[0], 2);
            continue;
        }
        bool known = false;
        for (size_t p = 0; p < b->parameter_count && !known; p++) {
            known = strncmp(option, "--", 2) == 0 && strcmp(option + 2, b->parameters[p].option) == 0;
            if (known) b->parameters[p].value = number(b, argv[0], value);
        }
        if (!known) usage(b, argv[0], 2);
    }
}

void bench_begin(bench *b, int argc, char **argv)
{
    b->workers = 1;
    read_options(b, argc, argv);
    if (b->cross_core_ns == 0) b->cross_core_ns = bench_cross_core_ns();
    gr_options options = {.workers = b->workers, .fixed = b->workers ? GR_FIXED(workers) : 0};
    gr_detail detail;
    if (gr_start(&options, &detail) != 0) bench_fail("gr_start: %s", detail.text);
    gr_counters counters;
    BENCH_OK(gr_counters_read(&counters));
    if (b->workers == 0) b->workers = (unsigned)counters.workers;
    BENCH_OK(gr_attach(&b->self));
}

/* ---- the line ---- */

static const char *setting(const char *variable)
{
    static gr_setting_info info;
    for (size_t i = 0; gr_setting_read(i, &info) == 0; i++)
        if (strcmp(info.variable, variable) == 0) return info.value;
    return "?";
}

/* The model's name, without what would need escapes. */
static void cpu_model(char *text, size_t bytes)
{
    snprintf(text, bytes, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[256];
    while (file && fgets(line, sizeof line, file)) {
        char *name = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !name) continue;
        snprintf(text, bytes, "%.*s", (int)strcspn(name + 2, "\n\"\\"), name + 2);
        break;
    }
    if (file) fclose(file);
}

static void print_head(const bench *b)
{
    char cpu[128];
    cpu_model(cpu, sizeof cpu);
    const char *commit = getenv("BENCH_COMMIT");
    printf("{\"peer\":\"greenroom\",\"version\":\"%s\",\"workload\":\"%s\",\"form\":\"%s\",\"law\":\"held\"",
           gr_version(), b->workload, b->servers ? "server" : "green");
    for (size_t i = 0; i < b->parameter_count; i++) {
        printf(",\"");
        for (const char *c = b->parameters[i].option; *c; c++) putchar(*c == '-' ? '_' : *c);
        printf("\":%llu", (unsigned long long)b->parameters[i].value);
    }
    printf(",\"workers\":%u,\"copy\":\"%s\",\"commit\":\"%s\",\"cpu\":\"%s\"", b->workers, setting("GREENROOM_COPY"),
           commit && !strpbrk(commit, "\"\\\n") ? commit : "unknown", cpu);
    if (b->cross_core_ns >= 0) printf(",\"cross_core_ns\":%.0f", b->cross_core_ns);
}

static int compare_samples(const void *left, const void *right)
{
    uint32_t l = *(const uint32_t *)left, r = *(const uint32_t *)right;
    return (l > r) - (l < r);
}

static double us(uint32_t ns)
{
    return ns * 1e-3;
}

/* [upper edge in us, count], four buckets to a power of two; empty ones are left out. */
static void print_histogram(const uint32_t *sorted, unsigned count)
{
    printf(",\"histogram\":[");
    double edge_ns = 1;
    for (unsigned i = 0, begin = 0; begin < count; begin = i) {
        while (edge_ns < sorted[begin]) edge_ns *= 1.189207115002721; /* the fourth root of 2 */
        while (i < count && sorted[i] <= edge_ns) i++;
        printf("%s[%.4g,%u]", begin ? "," : "", edge_ns * 1e-3, i - begin);
    }
    putchar(']');
}

static void print_latency(void)
{
    unsigned count = __atomic_load_n(&sample_count, __ATOMIC_RELAXED);
    if (count > SAMPLES_MAX) count = SAMPLES_MAX;
    if (count < 100) return;
    qsort(samples, count, sizeof *samples, compare_samples);
    printf(",\"latency_us\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f,\"samples\":%u}",
           us(samples[count / 2]), us(samples[count * 9ull / 10]), us(samples[count * 99ull / 100]),
           us(samples[count * 999ull / 1000]), us(samples[count - 1]), count);
    print_histogram(samples, count);
}

/* What an operation costs besides time. All the counters that grow, those that did not excepted. */
static void print_counts(const bench_span *span, double ops)
{
    const struct {
        const char *name;
        uint64_t before, after;
    } counts[] = {
#define COUNT(name, text) {#name, span->before.name, span->after.name},
        GR_COUNTERS(COUNT)
#undef COUNT
    };
    static const char *const levels[] = {"workers", "actors", "stacks_live", "stacks_cached", "message_bytes"};
    printf(",\"per_operation\":{");
    const char *comma = "";
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        bool level = counts[i].after == counts[i].before;
        for (size_t k = 0; k < sizeof levels / sizeof *levels; k++) level |= strcmp(counts[i].name, levels[k]) == 0;
        if (level) continue;
        printf("%s\"%s\":%.4g", comma, counts[i].name, (double)(counts[i].after - counts[i].before) / ops);
        comma = ",";
    }
    putchar('}');
}

void bench_note(bench *b, const char *format, ...)
{
    size_t used = strlen(b->notes), room = sizeof b->notes - used;
    va_list args;
    va_start(args, format);
    int length = snprintf(b->notes + used, room, ",") + vsnprintf(b->notes + used + 1, room - 1, format, args);
    va_end(args);
    if (length < 1 || (size_t)length >= room) bench_fail("too many notes");
}

int bench_stop(bench *b)
{
    gr_detach(&b->self);
    int code = gr_stop(gr_after_s(60));
    if (code != 0) bench_fail("gr_stop: %s", gr_error_name(code));
    return fflush(stdout) == 0 ? 0 : 1;
}

static void print_line(const bench *b, const char *name, const bench_span *span, uint64_t ops, const char *operation)
{
    double seconds = (double)(span->end_ns - span->begin_ns) * 1e-9;
    print_head(b);
    if (name) printf(",\"case\":\"%s\"", name);
    printf(",\"unit\":\"M/s\",\"operation\":\"%s\",\"operations\":%llu,\"seconds\":%.6f,\"cpu_seconds\":%.6f",
           operation, (unsigned long long)ops, seconds, (double)span->cpu_ns * 1e-9);
    printf(",\"value\":%.6f,\"ns_per_operation\":%.2f", (double)ops / seconds * 1e-6, seconds * 1e9 / (double)ops);
    print_latency();
    print_counts(span, (double)ops);
    printf("%s}\n", b->notes);
}

void bench_case(bench *b, const char *name, bench_span span, uint64_t ops, const char *operation)
{
    print_line(b, name, &span, ops, operation);
    bench_samples_clear();
    b->notes[0] = '\0';
}

int bench_end(bench *b, bench_span span, uint64_t ops, const char *operation)
{
    print_line(b, NULL, &span, ops, operation);
    return bench_stop(b);
}

int bench_end_with(bench *b, const char *members)
{
    print_head(b);
    printf(",%s", members);
    print_latency();
    printf("%s}\n", b->notes);
    return bench_stop(b);
}

/* ---- the main thread's mailbox ---- */

gr_message *bench_receive(bench *b)
{
    gr_message *m = NULL;
    BENCH_OK(gr_receive(b->self, &m, gr_after_s(PATIENCE_S)));
    return m;
}

int64_t bench_receive_int(bench *b)
{
    gr_message *m = bench_receive(b);
    if (gr_type_of(gr_body(m)) != GR_INT) bench_fail("a message that is no int");
    int64_t value = gr_int(gr_body(m), 0);
    gr_message_free(&m);
    return value;
}
