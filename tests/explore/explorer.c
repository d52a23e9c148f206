/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The explorer's choices, threads and reports. */
#undef _FORTIFY_SOURCE /* its longjmp refuses to leave a coroutine for another */
#include "explore/engine.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#if GRI_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

enum { STACK_BYTES = 256 * 1024, CHOICES_MAX = 1 << 14, OPERATIONS_MAX = 1 << 14, TRACE_LINES = 400, TRIALS = 500 };

typedef enum mode { EXHAUSTIVE, RANDOM, REPLAY } mode;

typedef struct coroutine {
    ucontext_t fresh;
    jmp_buf saved;
    bool started, finished, waiting, latest_only, broken; /* broken: stopped in the middle, to be made anew */
    uint64_t waited_at;                                   /* how many writes there had been when it began to wait */
    uint64_t looked_at;                                   /* and when it last looked at the newest of everything */
    char *stack;
    size_t stack_bytes;
    void *fake_stack;
} coroutine;

typedef struct choice {
    uint8_t chosen, count;
} choice;

typedef struct event {
    const explore_site *site;
    const char *remark;
    uint64_t before, after;
    uint32_t location;
    uint8_t thread;
} event;

uint32_t engine_execution;
unsigned engine_self;

static const explore_program *program;
static unsigned thread_count; /* with thread 0 */
static coroutine coroutines[ENGINE_THREADS] = {[0] = {.started = true}};

static mode how;
static choice choices[CHOICES_MAX];
static unsigned depth, recorded; /* choices made in this execution; how many of them are given */
static unsigned preemptions, stale_reads, early_reads, preemptions_max, stale_max, early_max;
static uint64_t seed, random_state;
static uint32_t first_execution;
static bool learning;
static unsigned switch_odds; /* random mode: one in so many operations is preceded by a switch */
static uint64_t writes;

static event events[OPERATIONS_MAX];
static unsigned event_count;

/* A failure while a load's value has not been stored yet: to be reported once it has been. */
static struct {
    const char *file, *text;
    int line;
} suspicion;
static uint32_t impossible; /* executions in which it never was */
static void stop_thread(void);

/* Reports ------------------------------------------------------------------------------------------------------------ */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void print_choices(void)
{
    unsigned last = depth;
    while (last > 0 && choices[last - 1].chosen == 0) last--;
    if (last == 0) printf("0");
    for (unsigned i = 0; i < last; i++) printf(i == 0 ? "%u" : ".%u", choices[i].chosen);
}

static void report(const char *file, int line, const char *text)
{
    printf("\nFAIL %s (%s:%d): %s\n", program->name, base_name(file), line, text);
    printf("  execution %u, %s", engine_execution, how == EXHAUSTIVE ? "exhaustive" : "random");
    if (how == RANDOM) printf(", seed %llu", (unsigned long long)seed);
    printf("\n  thread, place, operation, [object] values\n");
    const unsigned from = event_count > TRACE_LINES ? event_count - TRACE_LINES : 0;
    for (unsigned i = from; i < event_count; i++) {
        const event *e = &events[i];
        printf("  %*sT%u %s:%d %s", e->thread * 2, "", e->thread, base_name(e->site->file), e->site->line,
               e->site->what);
        if (e->location != UINT32_MAX) printf(" [%u]", e->location);
        if (e->before != 0 || e->after != 0 || e->location != UINT32_MAX)
            printf(" %llx", (unsigned long long)e->before);
        if (e->after != e->before && e->location != UINT32_MAX) printf(" -> %llx", (unsigned long long)e->after);
        printf("%s\n", e->remark);
    }
    printf("again: --program %s --replay ", program->name);
    print_choices();
    printf("\n");
    fflush(stdout);
}

void explore_fail(const char *file, int line, const char *text)
{
    if (model_expecting() > 0) {
        if (!suspicion.text) {
            suspicion.file = file;
            suspicion.line = line;
            suspicion.text = text;
        }
        stop_thread();
    }
    report(file, line, text);
    _Exit(1);
}

void engine_fail(const explore_site *site, const char *text)
{
    explore_fail(site->file, site->line, text);
}

/* What base/check.h promises, in place of base/check.c, whose own atomics have no place in the model. */
void gri_panic(const char *format, ...)
{
    explore_fail("panic", 0, format);
    abort();
}

void gri_assert_fail(const char *file, int line, const char *condition)
{
    explore_fail(file, line, condition);
    abort();
}

void engine_note(const explore_site *site, uint32_t location, uint64_t before, uint64_t after, const char *remark)
{
    if (event_count >= OPERATIONS_MAX) engine_fail(site, "the execution does not end");
    events[event_count++] = (event){site, remark, before, after, location, (uint8_t)engine_self};
}

const char *engine_place(const void *code)
{
    extern const char __executable_start[];
    static char text[64];
    snprintf(text, sizeof text, " by the code at 0x%tx (addr2line -fie)", (const char *)code - __executable_start - 1);
    return text;
}

/* Choices ------------------------------------------------------------------------------------------------------------ */

static uint64_t next_random(void)
{
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = random_state;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Records a choice; fallback is what random mode would choose. */
static unsigned choose(unsigned count, unsigned fallback)
{
    if (count <= 1) return 0;
    if (depth >= CHOICES_MAX || count > 255) explore_fail(__FILE__, __LINE__, "too many choices");
    choice *c = &choices[depth++];
    if (depth > recorded) {
        c->chosen = (uint8_t)fallback;
    } else if (c->chosen >= count) {
        explore_fail(__FILE__, __LINE__, "these choices are not of this program");
    }
    c->count = (uint8_t)count;
    return c->chosen;
}

unsigned engine_choose(unsigned count)
{
    return choose(count, how == RANDOM ? (unsigned)(next_random() % count) : 0);
}

unsigned explore_choose(unsigned count)
{
    return engine_choose(count);
}

bool engine_stale_allowed(void)
{
    return engine_self != 0 && !coroutines[engine_self].latest_only && stale_reads < stale_max;
}

bool engine_future_allowed(void)
{
    return engine_self != 0 && early_reads < early_max;
}

unsigned engine_choose_value(unsigned count, unsigned futures)
{
    unsigned guess = 0;
    if (how == RANDOM && count > 1 && next_random() % 2) guess = (unsigned)(next_random() % count);
    if (how == RANDOM && futures > 0 && next_random() % 8 == 0) guess = count + (unsigned)(next_random() % futures);
    const unsigned chosen = choose(count + futures, guess);
    if (chosen >= count) {
        early_reads++;
    } else if (chosen != 0) {
        stale_reads++;
    }
    return chosen;
}

/* Threads ------------------------------------------------------------------------------------------------------------ */

unsigned explore_self(void)
{
    return engine_self - 1;
}

bool explore_is_first(void)
{
    return engine_execution == first_execution;
}

void engine_wrote(void)
{
    writes++;
}

static void switch_to(unsigned thread)
{
    coroutine *from = &coroutines[engine_self], *to = &coroutines[thread];
    engine_self = thread;
#if GRI_ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->stack, to->stack_bytes);
#endif
    if (_setjmp(from->saved) == 0) {
        if (to->started) _longjmp(to->saved, 1);
        to->started = true;
        setcontext(&to->fresh);
    }
#if GRI_ASAN
    __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
}

static bool runnable(unsigned thread)
{
    const coroutine *c = &coroutines[thread];
    return !c->finished && !(c->waiting && c->waited_at == writes);
}

/* The running thread cannot go on: somebody else must. Returns when it can, or when there is nothing left to run. */
static void leave(void)
{
    unsigned options[ENGINE_THREADS], count = 0;
    bool unfinished = false;
    for (unsigned t = 1; t < thread_count; t++) {
        if (runnable(t)) options[count++] = t;
        unfinished |= !coroutines[t].finished;
    }
    if (count == 0) {
        /* Nobody writes any more. What is written arrives sooner or later: each waiting thread looks at the newest values. */
        for (unsigned t = 1; t < thread_count && count == 0; t++) {
            coroutine *c = &coroutines[t];
            if (c->finished || c->looked_at == writes) continue;
            c->looked_at = writes;
            c->latest_only = true;
            options[count++] = t;
        }
        if (count == 0 && unfinished && model_expecting() == 0)
            explore_fail(__FILE__, __LINE__, "deadlock: the threads that are left wait for each other or for nothing");
        if (count == 0) options[count++] = 0; /* all finished, or what somebody expects will never be stored */
    }
    const unsigned next = options[engine_choose(count)];
    if (next != engine_self) switch_to(next);
}

/* The running thread has failed, but perhaps cannot have come here: the others go on. */
static void stop_thread(void)
{
    if (engine_self == 0) abort(); /* conclude expects nothing any more */
    coroutines[engine_self].finished = coroutines[engine_self].broken = true;
    leave();
    abort();
}

void engine_point(void)
{
    if (engine_self == 0 || preemptions >= preemptions_max) return;
    unsigned options[ENGINE_THREADS], count = 0;
    options[count++] = engine_self;
    for (unsigned t = 1; t < thread_count; t++)
        if (t != engine_self && runnable(t)) options[count++] = t;
    unsigned guess = 0;
    if (how == RANDOM && count > 1 && next_random() % switch_odds == 0) guess = (unsigned)(next_random() % count);
    const unsigned next = options[choose(count, guess)];
    if (next == engine_self) return;
    preemptions++;
    switch_to(next);
}

void explore_wait(void)
{
    coroutine *c = &coroutines[engine_self];
    if (engine_self == 0) explore_fail(__FILE__, __LINE__, "setup and check cannot wait");
    c->latest_only = false;
    c->waiting = true;
    c->waited_at = writes;
    leave();
    c->waiting = false;
}

static void run_thread(void)
{
#if GRI_ASAN
    const void *from = NULL;
    size_t from_bytes = 0;
    __sanitizer_finish_switch_fiber(NULL, &from, &from_bytes);
    if (!coroutines[0].stack) { /* the first switch leaves thread 0 */
        coroutines[0].stack = (char *)(uintptr_t)from;
        coroutines[0].stack_bytes = from_bytes;
    }
#endif
    for (;;) { /* one round per execution */
        program->threads[engine_self - 1]();
        coroutines[engine_self].finished = true;
        leave();
    }
}

/* Executions --------------------------------------------------------------------------------------------------------- */

static void prepare_coroutine(coroutine *c)
{
    if (!c->stack) c->stack = malloc(STACK_BYTES);
    if (!c->stack || getcontext(&c->fresh) != 0) abort();
    c->fresh.uc_stack.ss_sp = c->stack;
    c->fresh.uc_stack.ss_size = STACK_BYTES;
    c->stack_bytes = STACK_BYTES;
    c->started = false;
    makecontext(&c->fresh, run_thread, 0);
}

/* After the threads have stopped, in thread 0. */
static void conclude(void)
{
    for (unsigned t = 1; t < thread_count; t++) {
        coroutine *c = &coroutines[t];
        if (c->broken || !c->finished) prepare_coroutine(c);
        model_join(t);
    }
    if (model_expecting() > 0) {
        impossible++;
        return;
    }
    if (suspicion.text) explore_fail(suspicion.file, suspicion.line, suspicion.text);
    if (program->check) program->check();
}

static void execute(void)
{
    engine_execution++;
    engine_self = 0;
    depth = event_count = preemptions = stale_reads = early_reads = 0;
    writes = 1;
    suspicion.text = NULL;
    model_begin();
    if (program->setup) program->setup();
    for (unsigned t = 1; t < thread_count; t++) {
        coroutine *c = &coroutines[t];
        c->finished = c->waiting = c->latest_only = c->broken = false;
        c->looked_at = 0;
        model_fork(t);
    }
    leave();
    conclude();
}

static void prepare(const explore_program *p)
{
    program = p;
    thread_count = 1;
    while (thread_count <= EXPLORE_THREADS_MAX && p->threads[thread_count - 1]) thread_count++;
    for (unsigned t = 1; t < thread_count; t++) prepare_coroutine(&coroutines[t]);
}

static double seconds_since(const struct timespec *start)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - start->tv_sec) + (double)(end.tv_nsec - start->tv_nsec) / 1e9;
}

/* Depth first over all choices within the bounds; stops after `limit` executions. True if it saw them all. */
static bool explore_exhaustively(uint32_t limit)
{
    how = EXHAUSTIVE;
    recorded = 0;
    first_execution = engine_execution + 1;
    for (uint32_t executions = 0; executions < limit; executions++) {
        execute();
        while (depth > 0 && choices[depth - 1].chosen + 1 == choices[depth - 1].count) depth--;
        if (depth == 0) {
            if (program->finish) program->finish();
            return true;
        }
        choices[depth - 1].chosen++;
        recorded = depth;
    }
    return false;
}

static void explore_randomly(uint32_t executions, uint64_t first_seed, unsigned early)
{
    how = RANDOM;
    recorded = 0;
    first_execution = engine_execution + 1;
    preemptions_max = stale_max = UINT32_MAX;
    early_max = early;
    for (uint32_t i = 0; i < executions; i++) {
        seed = first_seed + i;
        random_state = seed;
        switch_odds = 1u << next_random() % 4;
        execute();
    }
    if (!learning && program->finish) program->finish();
}

/* Trial executions that show what values threads store where. Always the same, so that choices can be replayed. */
static void learn_values(void)
{
    model_forget();
    if (program->early == 0) return;
    model_learn(learning = true);
    explore_randomly(TRIALS, 1, 0);
    model_learn(learning = false);
}

static void replay(const char *text)
{
    how = REPLAY;
    preemptions_max = stale_max = UINT32_MAX;
    early_max = program->early ? UINT32_MAX : 0;
    recorded = 0;
    for (char *end; *text && recorded < CHOICES_MAX; text = *end == '.' ? end + 1 : end) {
        choices[recorded++].chosen = (uint8_t)strtoul(text, &end, 10);
        if (end == text) break;
    }
    execute();
    printf("%s: no failure with these choices\n", program->name);
}

static const char *option(int argc, char **argv, const char *name)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0) return argv[i + 1];
    return NULL;
}

static bool flag(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0) return true;
    return false;
}

static uint64_t number(int argc, char **argv, const char *name, uint64_t fallback)
{
    const char *text = option(argc, argv, name);
    return text ? strtoull(text, NULL, 0) : fallback;
}

/* Sanitizers make an execution about ten times slower. */
#define EXECUTIONS (GRI_ASAN ? 20000u : 200000u)

static void run(const explore_program *p, int argc, char **argv)
{
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    prepare(p);
    learn_values();
    if (option(argc, argv, "--replay")) {
        replay(option(argc, argv, "--replay"));
        return;
    }
    const uint32_t fallback = flag(argc, argv, "--quick") ? EXECUTIONS / 10 : EXECUTIONS;
    const uint32_t limit = (uint32_t)number(argc, argv, "--executions", fallback);
    uint32_t before = engine_execution;
    impossible = 0;
    printf("%s:", p->name);
    if (!flag(argc, argv, "--random")) {
        preemptions_max = (unsigned)number(argc, argv, "--preemptions", p->preemptions);
        stale_max = (unsigned)number(argc, argv, "--stale", p->stale);
        early_max = (unsigned)number(argc, argv, "--early", p->early);
        const bool all = explore_exhaustively(limit);
        printf(" %u executions, %s with %u preemptions, %u stale and %u early reads;", engine_execution - before,
               all ? "all there are" : "not all there are", preemptions_max, stale_max, early_max);
        before = engine_execution;
    }
    if (!flag(argc, argv, "--exhaustive")) {
        const uint64_t first = number(argc, argv, "--seed", 1);
        explore_randomly(limit / 4, first, p->early ? UINT32_MAX : 0);
        printf(" %u random ones from seed %llu;", engine_execution - before, (unsigned long long)first);
    }
    if (impossible) printf(" %u of them impossible;", impossible);
    printf(" %.1f s\n", seconds_since(&start));
    fflush(stdout);
}

int explore_main(int argc, char **argv, const explore_program *programs)
{
    const char *only = option(argc, argv, "--program");
    unsigned count = 0;
    for (; programs->name; programs++) {
        if (only && strcmp(only, programs->name) != 0) continue;
        run(programs, argc, argv);
        count++;
    }
    printf("%u passed, 0 failed\n", count);
    return count == 0;
}
