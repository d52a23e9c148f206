/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The calls of <greenroom/test.h>. */
#include "actor/runtime.h"
#include "observe/attempt.h"
#include "os/cpus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEEDS_DEFAULT 100
#define JOBS_MOST 64

/* What is to be tried: every seed with the plan, or every seed with every chance of a kind. */
typedef struct tour {
    gri_attempt_setting setting;
    gr_test_result result;
    uint64_t first_seed, seeds;
    const char *faults; /* NULL: one chance of `kind` at a time */
    enum gri_fault kind;
    uint64_t seed, at, last; /* the next: its chance, of the last one that the seed has */
    bool failed;
} tour;

static const char *name_of(const tour *t)
{
    return t->setting.options->name ? t->setting.options->name : "simulation";
}

static void say(const tour *t, const char *format, ...) GR_PRINTF(2, 3);
static void say(const tour *t, const char *format, ...)
{
    char line[GRI_ATTEMPT_PLAN_BYTES + 512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (t->setting.options->print)
        t->setting.options->print(t->setting.options->print_arg, line);
    else
        fprintf(stderr, "%s\n", line);
}

/* ---- what comes next ---- */

/* A run of this seed without a fault tells how many chances there are. */
static int count_chances(tour *t, gri_attempt *attempt, uint64_t *ret_chances)
{
    bool held;
    attempt->seed = t->seed;
    snprintf(attempt->plan, sizeof attempt->plan, "%s@%llu", gri_fault_name(t->kind), (unsigned long long)UINT64_MAX);
    int code = gri_attempt_run(attempt, &t->setting, &held);
    if (code != 0) return code;
    t->failed = !held;
    *ret_chances = attempt->note->faults.chances[t->kind];
    return 0;
}

/* 1: attempt has the next one; 0: there is none; or an error. It may be that a run without a fault has failed: then t->failed. */
static int next_of(tour *t, gri_attempt *attempt)
{
    const uint64_t end = t->first_seed + t->seeds;
    if (t->faults) {
        if (t->seed == end) return 0;
        attempt->seed = t->seed++;
        snprintf(attempt->plan, sizeof attempt->plan, "%s", t->faults);
        return 1;
    }
    const uint64_t step = t->setting.options->step ? t->setting.options->step : 1;
    while (t->last - t->at < step) {
        if (t->seed == end) return 0;
        int code = count_chances(t, attempt, &t->last);
        if (code != 0 || t->failed) return code;
        t->at = 0;
        t->seed++;
    }
    attempt->seed = t->seed - 1;
    snprintf(attempt->plan, sizeof attempt->plan, "%s@%llu", gri_fault_name(t->kind),
             (unsigned long long)(t->at += step));
    return 1;
}

static void count_in(tour *t, const gri_attempt *attempt)
{
    t->result.runs++;
    t->result.faults += attempt->note->faults.happened;
    t->result.virtual_ns += attempt->note->virtual_ns;
}

/* ---- telling ---- */

static void print_command(char *text, size_t bytes)
{
    FILE *file = fopen("/proc/self/cmdline", "re");
    size_t length = file ? fread(text, 1, bytes - 1, file) : 0;
    if (file) fclose(file);
    if (length == 0) length = (size_t)snprintf(text, bytes, "%s", program_invocation_name);
    while (length > 0 && text[length - 1] == '\0') length--;
    for (size_t i = 0; i < length; i++)
        if (text[i] == '\0') text[i] = ' ';
    text[length] = '\0';
}

static void tell(tour *t, const gri_attempt *attempt)
{
    gr_test_result *r = &t->result;
    char command[256];
    const unsigned left = attempt->note->faults.happened;
    r->failed_seed = attempt->seed;
    snprintf(r->failed_faults, sizeof r->failed_faults, "%s", attempt->plan);
    snprintf(r->why, sizeof r->why, "%s", attempt->note->why);
    say(t, "greenroom: test %s: seed %llu fails: %s", name_of(t), (unsigned long long)attempt->seed,
        attempt->note->why);
    if (!r->steady) {
        say(t,
            "greenroom: test %s: tried again, it held: something in it depends on more than the seed (the clock, an "
            "address, "
            "a file, ...)",
            name_of(t));
        return;
    }
    print_command(command, sizeof command);
    if (r->shrunk_from > 0)
        say(t, "greenroom: test %s: %u fault%s, %u of them %s enough. Again:", name_of(t), r->shrunk_from,
            r->shrunk_from == 1 ? "" : "s", left, left == 1 ? "is" : "are");
    else
        say(t, "greenroom: test %s: without any fault. Again:", name_of(t));
    say(t, "    GREENROOM_SIMULATE=%llu GREENROOM_FAULTS=%s %s", (unsigned long long)attempt->seed, attempt->plan,
        command);
}

/* ---- going round ---- */

/* Of what failed, the one with the smallest seed and, among these, the fewest faults before it (every_: the first chance). */
static bool is_before(const gri_attempt *a, const gri_attempt *b)
{
    if (a->seed != b->seed) return a->seed < b->seed;
    return a->note->faults.faults[0].at < b->note->faults.faults[0].at;
}

/* 1: the run that has ended is being made again, if that was asked for; 0: it counts as it is; or an error. */
static int replay(tour *t, gri_attempt *attempt)
{
    gri_attempt_note *note = attempt->note;
    const bool replayed = attempt->replays;
    attempt->replays = t->setting.options->replay && !replayed && !note->why[0];
    if (attempt->replays) {
        attempt->hash = note->hash;
        attempt->virtual_ns = note->virtual_ns;
        int code = gri_attempt_begin(attempt, &t->setting);
        return code == 0 ? 1 : code;
    }
    if (replayed && !note->why[0] && (note->hash != attempt->hash || note->virtual_ns != attempt->virtual_ns))
        snprintf(note->why, sizeof note->why,
                 "made again, it was another run: trace hash %016llx after %lld ns, then %016llx after %lld ns",
                 (unsigned long long)attempt->hash, (long long)attempt->virtual_ns, (unsigned long long)note->hash,
                 (long long)note->virtual_ns);
    return 0;
}

/* Keeps `jobs` runs going until there are no more, or one has failed and those that were begun before it have ended. */
static int go_round(tour *t, gri_attempt *attempts, unsigned jobs, gri_attempt **ret_failed)
{
    gri_attempt *failed = NULL;
    int more = 1, code = 0;
    *ret_failed = NULL;
    for (;;) {
        for (unsigned i = 0; i < jobs && more > 0 && !failed; i++) {
            if (attempts[i].process > 0) continue;
            more = next_of(t, &attempts[i]);
            if (t->failed) failed = &attempts[i];
            if (more <= 0 || failed) break;
            code = gri_attempt_begin(&attempts[i], &t->setting);
            if (code != 0) return code;
        }
        if (more < 0) return more;
        int ended = gri_attempts_wait(attempts, jobs);
        if (ended < 0) break;
        code = replay(t, &attempts[ended]);
        if (code < 0) return code;
        if (code > 0) continue;
        count_in(t, &attempts[ended]);
        if (attempts[ended].note->why[0] && (!failed || is_before(&attempts[ended], failed))) failed = &attempts[ended];
    }
    *ret_failed = failed;
    return 0;
}

static int show(tour *t, gri_attempt *attempt)
{
    gr_test_result *r = &t->result;
    r->shrunk_from = attempt->note->faults.happened;
    int code = gri_attempt_shrink(attempt, &t->setting, &r->steady);
    if (code != 0) return code;
    if (r->steady && !t->setting.shown) {
        bool held;
        gri_attempt_note note = *attempt->note;
        t->setting.shown = true;
        code = gri_attempt_run(attempt, &t->setting, &held);
        if (held) *attempt->note = note;
    }
    tell(t, attempt);
    return code;
}

static unsigned jobs_of(const gr_test_options *options)
{
    long cpus = options->jobs ? (long)options->jobs : sysconf(_SC_NPROCESSORS_ONLN);
    return (unsigned)GRI_MAX(1, GRI_MIN(cpus, (long)JOBS_MOST));
}

static int take_tour(tour *t)
{
    const unsigned jobs = jobs_of(t->setting.options);
    gri_attempt attempts[JOBS_MOST];
    unsigned made = 0;
    int code = 0;
    while (made < jobs && (code = gri_attempt_init(&attempts[made])) == 0) made++;
    gri_attempt *failed = NULL;
    if (code == 0) code = go_round(t, attempts, jobs, &failed);
    if (code == 0 && failed) code = show(t, failed);
    for (unsigned i = 0; i < made; i++) gri_attempt_fini(&attempts[i]);
    return code != 0 ? code : failed != NULL;
}

/* The one run that the environment asks for. */
static int once_here(tour *t, uint64_t seed)
{
    const char *asked = getenv("GREENROOM_FAULTS");
    const char *plan = asked ? asked : t->faults ? t->faults : "";
    gri_fault_plan checked;
    if (!gri_fault_plan_parse(plan, &checked, NULL)) return GR_EINVAL;
    gri_attempt_note *note = calloc(1, sizeof *note);
    if (!note) return GR_ENOMEM;
    gri_attempt_here(&t->setting, seed, plan, note);
    t->result = (gr_test_result){.runs = 1, .faults = note->faults.happened, .virtual_ns = note->virtual_ns};
    const bool failed = note->why[0] != '\0';
    if (failed) {
        t->result.failed_seed = seed;
        snprintf(t->result.why, sizeof t->result.why, "%s", note->why);
        snprintf(t->result.failed_faults, sizeof t->result.failed_faults, "%s", plan);
    }
    say(t, "greenroom: test %s: seed %llu, %u faults: %s", name_of(t), (unsigned long long)seed, note->faults.happened,
        failed ? note->why : "it holds");
    free(note);
    return failed;
}

static int go(tour *t, gr_test_result *ret_result)
{
    const char *asked = getenv("GREENROOM_SIMULATE");
    int code;
    if (!t->setting.body) return GR_EINVAL;
    if (!gri_runtime_is_down()) return GR_EINUSE;
    if (asked && *asked) {
        char *end;
        errno = 0;
        uint64_t seed = strtoull(asked, &end, 10);
        if (*end || errno || *asked < '0' || *asked > '9') return GR_EENV;
        code = once_here(t, seed);
    } else {
        code = take_tour(t);
    }
    if (code >= 0 && ret_result) *ret_result = t->result;
    return code;
}

static tour tour_of(const gr_test_options *options, gr_test_body *body, void *arg, uint64_t seeds)
{
    static const gr_test_options defaults;
    if (!options) options = &defaults;
    const uint64_t first = options->first_seed ? options->first_seed : 1;
    return (tour){.setting = {options, body, arg, options->shown},
                  .first_seed = first,
                  .seed = first,
                  .seeds = options->seeds ? options->seeds : seeds};
}

int gr_test_simulate(const gr_test_options *options, gr_test_body *body, void *arg, gr_test_result *ret_result)
{
    tour t = tour_of(options, body, arg, SEEDS_DEFAULT);
    gri_fault_plan checked;
    t.faults = t.setting.options->faults ? t.setting.options->faults : "";
    if (strlen(t.faults) >= GRI_ATTEMPT_PLAN_BYTES || !gri_fault_plan_parse(t.faults, &checked, NULL)) return GR_EINVAL;
    return go(&t, ret_result);
}

int gr_test_every(const gr_test_options *options, const char *kind, gr_test_body *body, void *arg,
                  gr_test_result *ret_result)
{
    tour t = tour_of(options, body, arg, 1);
    for (int i = 0; i < GRI_FAULT_KINDS; i++) {
        if (!kind || strcmp(kind, gri_fault_name((enum gri_fault)i)) != 0) continue;
        t.kind = (enum gri_fault)i;
        return go(&t, ret_result);
    }
    return GR_EINVAL;
}
