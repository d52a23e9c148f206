/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The driver: runs each test body once to list its points, then once more for every point, in a child each, and judges how
 * that ended. README.md says what the verdicts mean.
 *     program [OPTION]... [SUITE[/NAME]]...
 *       --kind memory|system      which calls fail (memory)
 *       --once, --onwards         only single failures; only failures from a point on (both)
 *       --repeats N               of a place that calls again and again its first N calls; 0: all (memory 40, system 2)
 *       --share I/N               the I-th of N equal shares of all points (1/1)
 *       --jobs N                  children at a time (1)
 *       --at SITE:OCCURRENCE:ERROR[:onwards]   this point alone, its output shown; as a finding prints it
 *       --strict                  a body that fails is a finding too: for bodies that handle every error
 *       --list, --verbose */
#include "inject/drive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX 16
#define OUTPUT_BYTES 3000

static gr_test *first_test, **last_test = &first_test;

void gr_test_register(gr_test *test)
{
    *last_test = test;
    last_test = &test->next;
}

static struct options {
    enum fault_kind kind;
    bool once, onwards, strict, list, verbose;
    uint32_t repeats, share, shares;
    int jobs;
    const char *at;
    char **names;
    int names_count;
} options = {.kind = FAULT_MEMORY_KIND,
             .repeats = UINT32_MAX,
             .once = true,
             .onwards = true,
             .share = 1,
             .shares = 1,
             .jobs = 1};

static struct totals {
    uint64_t bodies, unusable, points, runs, missed, verdicts[DRIVE_VERDICTS], findings;
} totals;

static const char *const verdict_names[DRIVE_VERDICTS] = {
    [DRIVE_PASSED] = "passed",       [DRIVE_BODY_FAILED] = "body failed",
    [DRIVE_BODY_LEFT] = "body left", [DRIVE_STALLED] = "stalled",
    [DRIVE_LEAKED] = "LEAKED",       [DRIVE_FD_LEAKED] = "LEAKED FDS",
    [DRIVE_CRASHED] = "CRASHED",     [DRIVE_HUNG] = "HUNG",
    [DRIVE_DIED] = "DIED",
};

static bool is_finding(enum drive_verdict verdict)
{
    return verdict > DRIVE_LEAKED || (options.strict && verdict != DRIVE_PASSED);
}

/* One child. */
typedef struct slot {
    pid_t pid;
    int64_t since;
    int output; /* what it prints */
    const gr_test *test;
    drive_shared *shared;
} slot;

static slot slots[JOBS_MAX];
static sigset_t mask_before; /* SIGCHLD is blocked here, not in the children */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void slots_init(void)
{
    sigset_t ended;
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ended, &mask_before);
    for (int i = 0; i < options.jobs; i++) {
        slots[i].shared = mmap(NULL, sizeof *slots[i].shared, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        slots[i].output = memfd_create("output", MFD_CLOEXEC);
        if (slots[i].shared == MAP_FAILED || slots[i].output < 0) exit(2);
    }
}

static void slot_start(slot *s, const gr_test *test)
{
    drive_shared *shared = s->shared;
    fault_plan *plan = &shared->plan;
    gri_atomic_u32 *const counters[] = {&plan->armed, &plan->seen, &plan->failed, &plan->recorded};
    for (size_t i = 0; i < GRI_ARRAY_COUNT(counters); i++) gri_store_relaxed(counters[i], 0);
    gri_store_relaxed(&plan->live, 0);
    shared->verdict = DRIVE_DIED;
    shared->strict = options.strict;
    if (ftruncate(s->output, 0) != 0 || lseek(s->output, 0, SEEK_SET) != 0) exit(2);
    s->test = test;
    s->since = now_ms();
    fflush(NULL);
    s->pid = fork();
    if (s->pid < 0) exit(2);
    if (s->pid > 0) return;
    if (!options.at) {
        dup2(s->output, STDOUT_FILENO);
        dup2(s->output, STDERR_FILENO);
    }
    sigprocmask(SIG_SETMASK, &mask_before, NULL);
    setpgid(0, 0); /* what it leaves behind can be ended with it */
    drive_child(shared, test);
}

static enum drive_verdict slot_judge(slot *s, int status)
{
    kill(-s->pid, SIGKILL);
    s->pid = 0;
    if (s->shared->verdict == DRIVE_HUNG) return DRIVE_HUNG;
    if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGKILL ? DRIVE_HUNG : DRIVE_CRASHED;
    return s->shared->verdict;
}

/* Waits until one child has ended; kills those beyond every limit. */
static slot *slot_wait(int *ret_status)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        for (int i = 0; pid > 0 && i < options.jobs; i++) {
            if (slots[i].pid != pid) continue;
            *ret_status = status;
            return &slots[i];
        }
        if (pid > 0) continue;
        for (int i = 0; i < options.jobs; i++)
            if (slots[i].pid > 0 && now_ms() - slots[i].since > DRIVE_END_MS) kill(slots[i].pid, SIGKILL);
        static const struct timespec second = {1, 0};
        sigset_t ended;
        sigemptyset(&ended);
        sigaddset(&ended, SIGCHLD);
        sigtimedwait(&ended, NULL, &second); /* blocked: none is missed */
    }
}

/* ---- saying what was found ---- */

static void describe_point(const slot *s, char *text, size_t bytes)
{
    const fault_plan *plan = &s->shared->plan;
    snprintf(text, bytes, "%s/%s --at %" PRIxPTR ":%" PRIu32 ":%d%s (%s)", s->test->suite, s->test->name,
             drive_offset(plan->point.site), plan->point.occurrence, plan->error,
             plan->mode == FAULT_ONWARDS ? ":onwards" : "", fault_calls[plan->point.call].name);
}

static void report(slot *s, enum drive_verdict verdict, int status)
{
    char point[512], output[OUTPUT_BYTES + 1];
    describe_point(s, point, sizeof point);
    printf("%s %s", verdict_names[verdict], point);
    if (WIFSIGNALED(status)) printf(" signal %d", WTERMSIG(status));
    if (verdict == DRIVE_LEAKED) printf(" %" PRId64 " blocks live", (int64_t)gri_load_relaxed(&s->shared->plan.live));
    putchar('\n');
    ssize_t got = pread(s->output, output, OUTPUT_BYTES, 0);
    output[got > 0 ? got : 0] = '\0';
    for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n")) printf("    | %s\n", line);
    fflush(stdout);
}

static void collect(void)
{
    int status;
    slot *s = slot_wait(&status);
    enum drive_verdict verdict = slot_judge(s, status);
    totals.runs++;
    totals.verdicts[verdict]++;
    if (!gri_load_relaxed(&s->shared->plan.failed)) totals.missed++;
    if (is_finding(verdict)) totals.findings++;
    if (is_finding(verdict) || verdict == DRIVE_LEAKED || options.verbose) report(s, verdict, status);
}

static slot *slot_free(void)
{
    for (;;) {
        for (int i = 0; i < options.jobs; i++)
            if (slots[i].pid == 0) return &slots[i];
        collect();
    }
}

static void finish(void)
{
    for (int i = 0; i < options.jobs; i++)
        while (slots[i].pid != 0) collect();
}

/* ---- the points of a body ---- */

static int by_site(const void *a, const void *b)
{
    const fault_point *x = a, *y = b;
    if (x->site != y->site) return x->site < y->site ? -1 : 1;
    return x->call < y->call ? -1 : x->call > y->call;
}

/* Numbers the calls of each place. Returns the points, which the caller frees. */
static fault_point *points_of(const fault_plan *plan, uint32_t *ret_count)
{
    uint32_t count = GRI_MIN(gri_load_relaxed(&plan->recorded), (uint32_t)FAULT_POINTS_MAX);
    fault_point *points = malloc((count + 1) * sizeof *points);
    if (!points) exit(2);
    memcpy(points, plan->points, count * sizeof *points);
    qsort(points, count, sizeof *points, by_site);
    for (uint32_t i = 0; i < count; i++)
        points[i].occurrence = i > 0 && by_site(&points[i], &points[i - 1]) == 0 ? points[i - 1].occurrence + 1 : 1;
    *ret_count = count;
    return points;
}

/* What a run without a failure leaves. */
typedef struct baseline {
    int64_t blocks;
    int fds;
} baseline;

static void inject(const gr_test *test, const fault_point *point, int error, enum fault_mode mode, baseline left)
{
    static uint32_t turn;
    if (turn++ % options.shares != options.share - 1) return;
    slot *s = slot_free();
    s->shared->baseline = left.blocks;
    s->shared->fds_baseline = left.fds;
    s->shared->plan.kind = options.kind;
    s->shared->plan.mode = mode;
    s->shared->plan.point = *point;
    s->shared->plan.error = error;
    slot_start(s, test);
}

/* An interruption in every call is no condition a program could meet. */
static bool lasts(int error)
{
    return error != EINTR && error != EAGAIN;
}

static void inject_point(const gr_test *test, const fault_point *point, baseline left)
{
    const fault_about *about = &fault_calls[point->call];
    bool memory = options.kind == FAULT_MEMORY_KIND;
    for (int i = memory ? 0 : about->kind == FAULT_MEMORY_KIND; about->errors[i] != 0; i++) {
        if (options.once) inject(test, point, about->errors[i], FAULT_ONCE, left);
        if (options.onwards && (memory || lasts(about->errors[i])))
            inject(test, point, about->errors[i], FAULT_ONWARDS, left);
        if (memory) break;
    }
}

static bool parse_at(const char *text, fault_point *ret, int *ret_error, enum fault_mode *ret_mode)
{
    uintptr_t site;
    int used = 0;
    if (sscanf(text, "%" SCNxPTR ":%" SCNu32 ":%d%n", &site, &ret->occurrence, ret_error, &used) != 3) return false;
    ret->site = drive_address(site);
    *ret_mode = strcmp(text + used, ":onwards") == 0 ? FAULT_ONWARDS : FAULT_ONCE;
    return true;
}

static void inject_at(const gr_test *test, const fault_point *points, uint32_t count, baseline left)
{
    fault_point at;
    int error;
    enum fault_mode mode;
    if (!parse_at(options.at, &at, &error, &mode)) exit(2);
    for (uint32_t i = 0; i < count; i++) {
        if (points[i].site != at.site || points[i].occurrence != at.occurrence) continue;
        inject(test, &points[i], error, mode, left);
        finish();
        return;
    }
    printf("%s/%s has no such point\n", test->suite, test->name);
}

static bool record(const gr_test *test)
{
    slot *s = &slots[0];
    s->shared->plan.kind = options.kind;
    s->shared->plan.mode = FAULT_RECORD;
    s->shared->baseline = DRIVE_NO_BASELINE;
    slot_start(s, test);
    int status;
    slot_wait(&status);
    enum drive_verdict verdict = slot_judge(s, status);
    if (verdict == DRIVE_PASSED) return true;
    if (options.strict || options.verbose) report(s, verdict, status);
    if (options.strict) totals.findings++;
    printf("unusable: %s/%s fails without any injection (%s)\n", test->suite, test->name, verdict_names[verdict]);
    return false;
}

static void run_test(const gr_test *test)
{
    totals.bodies++;
    if (!record(test)) {
        totals.unusable++;
        return;
    }
    uint32_t count, taken = 0;
    const baseline left = {slots[0].shared->blocks, slots[0].shared->fds};
    uint64_t runs = totals.runs;
    fault_point *points = points_of(&slots[0].shared->plan, &count);
    if (options.at) inject_at(test, points, count, left);
    for (uint32_t i = 0; !options.at && i < count; i++) {
        if (options.repeats && points[i].occurrence > options.repeats) continue;
        inject_point(test, &points[i], left);
        taken++;
    }
    finish();
    free(points);
    totals.points += taken;
    printf("%-60s %6" PRIu32 " points %7" PRIu64 " runs\n", test->name, taken, totals.runs - runs);
    fflush(stdout);
}

/* ---- the command line ---- */

static bool selected(const gr_test *test)
{
    for (int i = 0; i < options.names_count; i++) {
        size_t suite = strlen(test->suite);
        const char *name = options.names[i];
        if (strncmp(name, test->suite, suite) != 0) continue;
        if (name[suite] == '\0' || (name[suite] == '/' && strcmp(name + suite + 1, test->name) == 0)) return true;
    }
    return options.names_count == 0;
}

static void usage(void)
{
    fputs("usage: [--kind memory|system] [--once | --onwards] [--repeats N] [--share I/N] [--jobs N] [--strict]\n"
          "       [--at SITE:OCCURRENCE:ERROR[:onwards]] [--list] [--verbose] [SUITE[/NAME]]...\n",
          stderr);
    exit(2);
}

static void parse_with_value(const char *name, const char *value)
{
    if (!value) usage();
    if (strcmp(name, "--kind") == 0) {
        if (strcmp(value, "memory") != 0 && strcmp(value, "system") != 0) usage();
        options.kind = strcmp(value, "memory") == 0 ? FAULT_MEMORY_KIND : FAULT_SYSTEM_KIND;
    } else if (strcmp(name, "--repeats") == 0) {
        options.repeats = (uint32_t)strtoul(value, NULL, 10);
    } else if (strcmp(name, "--jobs") == 0) {
        options.jobs = atoi(value) < 1 ? 1 : atoi(value) > JOBS_MAX ? JOBS_MAX : atoi(value);
    } else if (strcmp(name, "--share") == 0) {
        if (sscanf(value, "%" SCNu32 "/%" SCNu32, &options.share, &options.shares) != 2 || options.shares == 0) usage();
    } else if (strcmp(name, "--at") == 0) {
        options.at = value;
    } else {
        usage();
    }
}

static void parse(int argc, char **argv)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--once") == 0)
            options.onwards = false;
        else if (strcmp(argv[i], "--onwards") == 0)
            options.once = false;
        else if (strcmp(argv[i], "--strict") == 0)
            options.strict = true;
        else if (strcmp(argv[i], "--list") == 0)
            options.list = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            options.verbose = true;
        else {
            parse_with_value(argv[i], argv[i + 1]);
            i++;
        }
    }
    options.names = argv + i;
    options.names_count = argc - i;
    if (options.repeats == UINT32_MAX) options.repeats = options.kind == FAULT_SYSTEM_KIND ? 2 : 40;
    if (options.at) options.jobs = 1;
}

static void summary(void)
{
    printf("%" PRIu64 " bodies (%" PRIu64 " unusable), %" PRIu64 " points, %" PRIu64 " injected runs, %" PRIu64
           " did not come by\n",
           totals.bodies, totals.unusable, totals.points, totals.runs, totals.missed);
    for (int i = 0; i < DRIVE_VERDICTS; i++)
        if (totals.verdicts[i]) printf("%8" PRIu64 "  %s\n", totals.verdicts[i], verdict_names[i]);
    printf("%" PRIu64 " findings\n", totals.findings);
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    slots_init();
    for (const gr_test *test = first_test; test; test = test->next) {
        if (!selected(test)) continue;
        if (options.list)
            printf("%s/%s\n", test->suite, test->name);
        else
            run_test(test);
    }
    if (options.list) return 0;
    summary();
    return totals.findings != 0 || totals.bodies == totals.unusable;
}
