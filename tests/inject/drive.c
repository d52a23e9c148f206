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
 *       --journal FILE            keeps what was run there, and does not run it again (journal.h)
 *       --minutes N               begins no more points after that time
 *       --at SITE:OCCURRENCE:ERROR[:onwards]   this point alone, its output shown; as a finding prints it
 *       --strict                  a body that fails is a finding too: for bodies that handle every error
 *       --list, --verbose */
#include "inject/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX 64
#define LEAK_RUNS 3 /* what bodies leave differs with their threads: a leak is one that is there each time */
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
    const char *at, *journal;
    int64_t milliseconds; /* 0: no limit */
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
    uint64_t bodies, unusable, points, runs, findings;
    double cpu_seconds;
    int64_t began;
} totals; /* of this process; journal_total has those of all slices */

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

/* A body whose points are under way. Children of several bodies run at the same time. */
typedef struct body {
    const gr_test *test;
    int64_t blocks_left; /* by a run without a failure */
    int fds_left;
    uint32_t running;
    uint32_t turn; /* of the shares; does not depend on the bodies before, which a journal may leave out */
    uint64_t runs;
    bool all_begun;
} body;

/* One child. */
typedef struct slot {
    pid_t pid;
    int64_t since;
    int output; /* what it prints */
    int leaks;  /* runs of this point that left something */
    const gr_test *test;
    body *body; /* NULL: recording */
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

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* Waits until one child has ended; kills those beyond every limit. */
static slot *slot_wait(int *ret_status)
{
    for (;;) {
        int status;
        struct rusage used;
        pid_t pid = wait4(-1, &status, WNOHANG, &used);
        if (pid > 0) totals.cpu_seconds += seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
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

static void point_text(const gr_test *test, const fault_point *point, int error, enum fault_mode mode, char *text,
                       size_t bytes)
{
    snprintf(text, bytes, "%s/%s --at %" PRIxPTR ":%" PRIu32 ":%d%s (%s)", test->suite, test->name,
             drive_offset(point->site), point->occurrence, error, mode == FAULT_ONWARDS ? ":onwards" : "",
             fault_calls[point->call].name);
}

static void describe_point(const slot *s, char *text, size_t bytes)
{
    const fault_plan *plan = &s->shared->plan;
    point_text(s->test, &plan->point, plan->error, plan->mode, text, bytes);
}

static void report(slot *s, enum drive_verdict verdict, int status)
{
    char point[JOURNAL_TEXT_BYTES], output[OUTPUT_BYTES + 1];
    describe_point(s, point, sizeof point);
    printf("%s %s", verdict_names[verdict], point);
    if (WIFSIGNALED(status)) printf(" signal %d", WTERMSIG(status));
    if (verdict == DRIVE_LEAKED) printf(" %" PRId64 " blocks live", (int64_t)gri_load_relaxed(&s->shared->plan.live));
    printf(", %" PRId64 " ms\n", now_ms() - s->since);
    ssize_t got = pread(s->output, output, OUTPUT_BYTES, 0);
    output[got > 0 ? got : 0] = '\0';
    for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n")) printf("    | %s\n", line);
    fflush(stdout);
}

static void body_id(const gr_test *test, char *text, size_t bytes)
{
    snprintf(text, bytes, "%s/%s --repeats %" PRIu32 " --share %" PRIu32 "/%" PRIu32 "%s%s", test->suite, test->name,
             options.repeats, options.share, options.shares, options.once ? "" : " --onwards",
             options.onwards ? "" : " --once");
}

/* Says how many there were when the last one has ended. */
static void body_ended(body *b)
{
    if (b->running != 0 || !b->all_begun) return;
    char id[JOURNAL_TEXT_BYTES];
    body_id(b->test, id, sizeof id);
    printf("%-60s %7" PRIu64 " runs\n", b->test->name, b->runs);
    fflush(stdout);
    if (!options.at) journal_add_body(id);
    free(b);
}

static void judge_point(slot *s, int status)
{
    enum drive_verdict verdict = slot_judge(s, status);
    char point[JOURNAL_TEXT_BYTES];
    if (verdict == DRIVE_LEAKED && !options.strict && ++s->leaks < LEAK_RUNS) {
        slot_start(s, s->test);
        return;
    }
    describe_point(s, point, sizeof point);
    journal_add(point, verdict, gri_load_relaxed(&s->shared->plan.failed) != 0);
    totals.runs++;
    if (is_finding(verdict)) totals.findings++;
    if (is_finding(verdict) || verdict == DRIVE_LEAKED || options.verbose) report(s, verdict, status);
    s->body->running--;
    body_ended(s->body);
}

/* Waits for one child; of a recording only that it has ended is noted, its status in ret_status. */
static slot *collect(int *ret_status)
{
    slot *s = slot_wait(ret_status);
    if (s->body) judge_point(s, *ret_status);
    return s;
}

static slot *slot_free(void)
{
    for (;;) {
        for (int i = 0; i < options.jobs; i++)
            if (slots[i].pid == 0) return &slots[i];
        int status;
        collect(&status);
    }
}

static void finish(void)
{
    int status;
    for (int i = 0; i < options.jobs; i++)
        while (slots[i].pid != 0) collect(&status);
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

static bool is_over(void)
{
    return options.milliseconds && now_ms() - totals.began >= options.milliseconds;
}

/* False: there is no time left. */
static bool inject(body *b, const fault_point *point, int error, enum fault_mode mode)
{
    char text[JOURNAL_TEXT_BYTES];
    if (b->turn++ % options.shares != options.share - 1) return true;
    point_text(b->test, point, error, mode, text, sizeof text);
    if (!options.at && journal_has(text)) return true;
    if (is_over()) return false;
    slot *s = slot_free();
    s->shared->baseline = b->blocks_left;
    s->shared->fds_baseline = b->fds_left;
    s->shared->plan.kind = options.kind;
    s->shared->plan.mode = mode;
    s->shared->plan.point = *point;
    s->shared->plan.error = error;
    s->leaks = 0;
    s->body = b;
    b->running++;
    b->runs++;
    slot_start(s, b->test);
    return true;
}

/* An interruption in every call is no condition a program could meet. */
static bool lasts(int error)
{
    return error != EINTR && error != EAGAIN;
}

static bool inject_point(body *b, const fault_point *point)
{
    const fault_about *about = &fault_calls[point->call];
    bool memory = options.kind == FAULT_MEMORY_KIND;
    for (int i = memory ? 0 : about->kind == FAULT_MEMORY_KIND; about->errors[i] != 0; i++) {
        int error = about->errors[i];
        if (options.once && !inject(b, point, error, FAULT_ONCE)) return false;
        if (options.onwards && (memory || lasts(error)) && !inject(b, point, error, FAULT_ONWARDS)) return false;
        if (memory) break;
    }
    return true;
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

static void inject_at(body *b, const fault_point *points, uint32_t count)
{
    fault_point at;
    int error;
    enum fault_mode mode;
    if (!parse_at(options.at, &at, &error, &mode)) exit(2);
    for (uint32_t i = 0; i < count; i++) {
        if (points[i].site != at.site || points[i].occurrence != at.occurrence) continue;
        inject(b, &points[i], error, mode);
        return;
    }
    printf("%s/%s has no such point\n", b->test->suite, b->test->name);
}

/* The points of the body and what it leaves, from a run without failures; NULL if that does not pass. */
static slot *record(const gr_test *test)
{
    slot *s = slot_free();
    s->body = NULL;
    s->shared->plan.kind = options.kind;
    s->shared->plan.mode = FAULT_RECORD;
    s->shared->baseline = DRIVE_NO_BASELINE;
    slot_start(s, test);
    int status;
    while (collect(&status) != s) continue;
    enum drive_verdict verdict = slot_judge(s, status);
    if (verdict == DRIVE_PASSED) return s;
    if (options.strict || options.verbose) report(s, verdict, status);
    if (options.strict) totals.findings++;
    printf("unusable: %s/%s fails without any injection (%s)\n", test->suite, test->name, verdict_names[verdict]);
    return NULL;
}

static void run_test(const gr_test *test)
{
    char id[JOURNAL_TEXT_BYTES];
    body_id(test, id, sizeof id);
    totals.bodies++;
    if (!options.at && journal_has_body(id)) return;
    const slot *recorded = record(test);
    if (!recorded) {
        totals.unusable++;
        return;
    }
    body *b = calloc(1, sizeof *b);
    if (!b) exit(2);
    *b = (body){.test = test,
                .blocks_left = recorded->shared->blocks,
                .fds_left = recorded->shared->fds,
                .turn = journal_number(test->name)};
    uint32_t count;
    fault_point *points = points_of(&recorded->shared->plan, &count);
    bool all = true;
    if (options.at) inject_at(b, points, count);
    for (uint32_t i = 0; all && !options.at && i < count; i++) {
        if (options.repeats && points[i].occurrence > options.repeats) continue;
        totals.points++;
        all = inject_point(b, &points[i]);
    }
    free(points);
    b->all_begun = all;
    body_ended(b);
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
          "       [--journal FILE] [--minutes N]\n"
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
    } else if (strcmp(name, "--minutes") == 0) {
        options.milliseconds = (int64_t)(strtod(value, NULL) * 60000);
        if (options.milliseconds <= 0) usage();
    } else if (strcmp(name, "--journal") == 0) {
        options.journal = value;
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
    const journal_sum *all = &journal_total;
    printf("this time: %" PRIu64 " bodies (%" PRIu64 " unusable), %" PRIu64 " runs, %.0f s of CPU time, %" PRId64
           " s\n",
           totals.bodies, totals.unusable, totals.runs, totals.cpu_seconds, (now_ms() - totals.began) / 1000);
    printf("in all: %" PRIu64 " distinct points failed, %" PRIu64 " once and %" PRIu64 " from then on, at %" PRIu64
           " places; %" PRIu64 " did not come by; %" PRIu64 " bodies whole\n",
           all->points, all->once, all->onwards, all->places, all->missed, all->bodies);
    for (int i = 0; i < DRIVE_VERDICTS; i++)
        if (all->verdicts[i]) printf("%8" PRIu64 "  %s\n", all->verdicts[i], verdict_names[i]);
    uint64_t before = 0;
    for (int i = 0; i < DRIVE_VERDICTS; i++)
        if (is_finding((enum drive_verdict)i)) before += all->earlier[i];
    printf("%" PRIu64 " findings", totals.findings + before);
    if (before != 0) printf(", %" PRIu64 " of them in earlier slices", before);
    putchar('\n');
    totals.findings += before;
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    totals.began = now_ms();
    slots_init();
    if (!options.list) journal_open(options.journal, options.kind == FAULT_MEMORY_KIND ? "memory" : "system");
    const gr_test *test = first_test;
    for (; test && !is_over(); test = test->next) {
        if (!selected(test)) continue;
        if (options.list)
            printf("%s/%s\n", test->suite, test->name);
        else
            run_test(test);
    }
    if (options.list) return 0;
    finish();
    summary();
    if (is_over()) puts("the time is over: the same command goes on");
    return totals.findings != 0 || totals.bodies == totals.unusable;
}
