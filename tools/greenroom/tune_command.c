/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* greenroom tune: which settings make a program faster on this machine. Progress goes to stderr; stdout gets the answer, as lines
 * for a shell. */
#include <errno.h>
#include <greenroom.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "greenroom/command.h"
#include "greenroom/command_line.h"
#include "greenroom/descent.h"
#include "greenroom/workloads.h"

enum { METRIC = 1, LOWER, FORM, ONLY, SECONDS, LEAST, LIST, RUN };
enum { SECONDS_DEFAULT = 120, ARGUMENTS_MAX = 16 };

static const cl_option options[] = {
    {METRIC, "--metric", "REGEX", NULL,
     "what counts of the command's output: an extended regular expression\nwith one group, a number; the last match "
     "counts, more is "
     "better.\nWithout it: wall time"},
    {LOWER, "--lower", NULL, NULL, "of --metric: less is better"},
    {FORM, "--form", "FORM", "green server", "of a workload: green (threads that block, the default) or server"},
    {ONLY, "--only", "NAME,...", NULL, "tries these settings only: GREENROOM_WORKERS, or WORKERS, ..."},
    {SECONDS, "--seconds", "N", NULL, "ends after so long, 120 unless said otherwise"},
    {LEAST, "--least", "PERCENT", NULL, "a gain below that is none; 2 unless said otherwise"},
    {LIST, "--list", NULL, NULL, "prints the workloads"},
    {RUN, "--run", "WORKLOAD", NULL, "runs a workload once; what follows are its options (--help)"},
};

static void more_help(void)
{
    fputs("\nThe command must end by itself; a run should take 0.1 to 1 s. It gets no input. Runs of both sides take "
          "turns; the "
          "answer is\nmeasured afresh beside the default, after the search.\n\n"
          "    greenroom tune pingpong\n"
          "    greenroom tune -- ./my-program --some-option\n"
          "    greenroom tune --metric 'rate: ([0-9.]+)' -- ./my-program\n"
          "    eval \"$(greenroom tune -- ./my-program)\"\n\n"
          "Tried:",
          stdout);
    knob knobs[KNOBS_MAX];
    size_t count = knobs_find(knobs);
    for (size_t i = 0; i < count; i++) printf(" %s", knobs[i].variable);
    puts(".\nWhat the environment sets already is where the search begins, and what the gain is measured beside.\n\n"
         "Exit codes: 0 an answer, also that the default stands; 1 the command failed; 2 a wrong option;\n"
         "128 + N signal N came; the answer is the best so far.");
}

const cl_command tune_line = {
    .name = "tune",
    .text =
        "Runs a workload, or a command of yours, with this and that setting of the GREENROOM_ environment variables, "
        "and\n"
        "prints those that make it faster as lines for a shell, with the gain and its spread; or says that the "
        "default\n"
        "stands.",
    .options = options,
    .count = sizeof options / sizeof *options,
    .more = more_help,
    .arguments = "(WORKLOAD | -- COMMAND [ARGUMENT]...)",
};

typedef struct request {
    const char *metric, *form, *only, *run;
    const workload *workload;
    char **command;
    long seconds, least;
    bool lower, list;
} request;

/* ---- options ---- */

static int take_workload(const char *name, request *r)
{
    const char *names[64];
    size_t count = 0;
    r->workload = workload_find(name);
    if (r->workload) return 0;
    for (const workload *w = workloads; w->name && count < 64; w++) names[count++] = w->name;
    const char *near = nearest_name(name, names, count);
    if (near) return cl_error(&tune_line, "unexpected argument '%s'; is the workload %s meant?", name, near);
    return cl_error(&tune_line, "unexpected argument '%s': no workload (--list), and a command comes behind --", name);
}

static int take_number(const char *option, const char *value, long least, long most, long *ret_number)
{
    char *end;
    errno = 0;
    long number = strtol(value, &end, 10);
    if (end == value || *end || errno || number < least || number > most)
        return cl_error(&tune_line, "%s is '%s': %ld to %ld", option, value, least, most);
    *ret_number = number;
    return 0;
}

static int take_option(int id, const char *value, request *r)
{
    switch (id) {
    case METRIC: r->metric = value; return 0;
    case LOWER: r->lower = true; return 0;
    case FORM: r->form = value; return 0;
    case ONLY: r->only = value; return 0;
    case SECONDS: return take_number("--seconds", value, 1, 86400, &r->seconds);
    case LEAST: return take_number("--least", value, 0, 1000, &r->least);
    case LIST: r->list = true; return 0;
    default: r->run = value; return 0;
    }
}

/* Options, a workload among them, and a command behind "--". For --run, *ret_at is where the workload's own options begin. */
static int parse(int argc, char **argv, request *r, int *ret_at)
{
    cl_parser parser = {&tune_line, argc, argv, 0};
    while (parser.at < argc && !r->run && !r->command) {
        const char *value, *argument = argv[parser.at];
        int id = 0;
        if (strcmp(argument, "--") == 0) {
            r->command = argv + parser.at + 1;
        } else if (argument[0] != '-' && !r->workload) {
            parser.at++;
            id = take_workload(argument, r);
        } else if ((id = cl_next(&parser, &value)) > 0) {
            id = take_option(id, value, r);
        }
        if (id < 0) return id;
    }
    *ret_at = parser.at;
    if (r->run || r->list) return 0;
    if (r->command && r->workload) return cl_error(&tune_line, "a workload or a command, not both");
    if (!r->workload && (!r->command || !*r->command))
        return cl_error(&tune_line, "which workload (--list), or -- COMMAND?");
    if (r->workload && (r->metric || r->lower)) return cl_error(&tune_line, "--metric and --lower are for a command");
    if (r->command && r->form) return cl_error(&tune_line, "--form is for a workload");
    if (r->lower && !r->metric) return cl_error(&tune_line, "--lower is for --metric");
    return 0;
}

/* ---- what is measured ---- */

static int run_workload(const char *name, int argc, char **argv)
{
    request r = {0};
    char *arguments[ARGUMENTS_MAX + 2] = {(char *)(uintptr_t)name};
    if (argc > ARGUMENTS_MAX) return cl_exit_code(cl_error(&tune_line, "too many options"));
    for (int i = 0; i < argc; i++) arguments[i + 1] = argv[i];
    int code = take_workload(name, &r);
    return code != 0 ? cl_exit_code(code) : r.workload->main(argc + 1, arguments);
}

/* Ourselves, with --run. */
static void workload_command(const request *r, const char **arguments)
{
    const char *head[] = {"/proc/self/exe", "tune",       "--run",  r->workload->name,          "--workers",
                          "auto",           "--no-probe", "--form", r->form ? r->form : "green"};
    const char *option, *value;
    size_t count = sizeof head / sizeof *head;
    memcpy(arguments, head, sizeof head);
    workload_shorten(r->workload, &option, &value);
    if (option) arguments[count++] = option, arguments[count++] = value;
    arguments[count] = NULL;
}

static int compile_metric(const char *text, regex_t *ret_metric)
{
    char reason[128];
    int code = regcomp(ret_metric, text, REG_EXTENDED | REG_NEWLINE);
    if (code == 0 && ret_metric->re_nsub >= 1) return 0;
    if (code == 0) {
        regfree(ret_metric);
        return cl_error(&tune_line, "--metric is '%s': it needs a group in parentheses", text);
    }
    regerror(code, ret_metric, reason, sizeof reason);
    return cl_error(&tune_line, "--metric is '%s': %s", text, reason);
}

/* Whether `name` of so many bytes is the knob's, with or without the prefix that all have. */
static bool is_named(const knob *k, const char *name, size_t bytes)
{
    const char *variable = k->variable;
    if (strncmp(name, "GREENROOM_", 10) != 0) variable += 10;
    return strlen(variable) == bytes && strncmp(variable, name, bytes) == 0;
}

/* Leaves those that --only names, in their own order. */
static int select_knobs(descent *d, const char *only)
{
    bool named[KNOBS_MAX] = {false};
    size_t kept = 0;
    for (const char *at = only; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        size_t i = 0, bytes = strcspn(at, ",");
        while (i < d->knob_count && !is_named(&d->knobs[i], at, bytes)) i++;
        if (i == d->knob_count)
            return cl_error(&tune_line, "--only: '%.*s' is none of those that are tried (--help)", (int)bytes, at);
        named[i] = true;
    }
    for (size_t i = 0; i < d->knob_count && only; i++)
        if (named[i]) d->knobs[kept++] = d->knobs[i];
    if (only) d->knob_count = kept;
    return 0;
}

/* ---- the answer ---- */

static void print_choice(const descent *d)
{
    for (size_t i = 0; i < d->knob_count; i++) {
        const knob *k = &d->knobs[i];
        if (k->chosen != KNOB_AS_IT_IS) printf("export %s=%s\n", k->variable, k->values[k->chosen]);
    }
}

static bool chose(const descent *d)
{
    for (size_t i = 0; i < d->knob_count; i++)
        if (d->knobs[i].chosen != KNOB_AS_IT_IS) return true;
    return false;
}

static int print_answer(const descent *d, enum descent_end end, long least)
{
    char median[16], low[16], high[16];
    const char *why = trial_signal() ? "interrupted" : "the time is up";
    switch (end) {
    case DESCENT_BETTER:
        printf("# %s [%s..%s] beside the default, better in %zu of %zu pairs (sign test: p = %.2g)\n",
               gain_text(gains_median(&d->final), median), gain_text(gains_least(&d->final), low),
               gain_text(gains_most(&d->final), high), gains_wins(&d->final), d->final.count, gains_luck(&d->final));
        break;
    case DESCENT_DEFAULT:
        if (d->final.count > 0)
            printf("# the default stands: what looked better was %s [%s..%s] when measured afresh, better in %zu of "
                   "%zu pairs\n",
                   gain_text(gains_median(&d->final), median), gain_text(gains_least(&d->final), low),
                   gain_text(gains_most(&d->final), high), gains_wins(&d->final), d->final.count);
        else
            printf("# the default stands: nothing is faster by %ld %% and beyond the noise\n", least);
        break;
    case DESCENT_INTERRUPTED:
        printf("# %s: %s\n", why,
               chose(d) ? "the best so far, not measured beside the default afresh"
                        : "nothing better than the default so far");
        break;
    case DESCENT_BROKEN: return EXIT_FAILED;
    }
    print_choice(d);
    int code = cl_flush();
    return trial_signal() && code == EXIT_CLEAN ? EXIT_BY_SIGNAL + trial_signal() : code;
}

static void introduce(const descent *d, const request *r)
{
    fprintf(stderr, "%s: the default makes %.4g%s, a run takes %.2f s; at most %ld s, Ctrl-C for the best so far\n",
            r->workload ? r->workload->name : r->command[0], d->value, d->subject.metric ? "" : " s",
            (double)d->run_ns * 1e-9, r->seconds);
}

static int search(const request *r, char *const *command, const regex_t *metric, bool lower)
{
    static descent d;
    trial_signals();
    d.subject = (trial_subject){command, metric, lower};
    d.knob_count = knobs_find(d.knobs);
    int code = select_knobs(&d, r->only);
    if (code != 0) return cl_exit_code(code);
    d.least = 1 + (double)r->least / 100;
    d.end_ns = trial_now() + r->seconds * (int64_t)1000000000;
    d.terminal = isatty(STDERR_FILENO);
    code = descent_begin(&d);
    if (code == 0 && descent_seconds_min(&d) > (double)r->seconds) {
        fprintf(stderr, "greenroom tune: a run takes %.2f s: --seconds %.0f or more, or a shorter run\n",
                (double)d.run_ns * 1e-9, descent_seconds_min(&d) * 1.5 + 1);
        return EXIT_FAILED;
    }
    if (code == 0) {
        introduce(&d, r);
        code = (int)descent_run(&d);
    }
    return print_answer(&d, (enum descent_end)code, r->least);
}

int tune_command(int argc, char **argv)
{
    request r = {.seconds = SECONDS_DEFAULT, .least = 2};
    const char *own[ARGUMENTS_MAX];
    regex_t metric;
    int at, code = parse(argc, argv, &r, &at);
    if (code != 0) return cl_exit_code(code);
    if (r.run) return run_workload(r.run, argc - at, argv + at);
    if (r.list) {
        for (const workload *w = workloads; w->name; w++) puts(w->name);
        return cl_flush();
    }
    if (r.workload) {
        workload_command(&r, own);
        r.metric = workload_metric(r.workload, &r.lower);
    }
    if (r.metric && (code = compile_metric(r.metric, &metric)) != 0) return cl_exit_code(code);
    code = search(&r, r.command ? r.command : (char *const *)(uintptr_t)own, r.metric ? &metric : NULL,
                  r.metric ? r.lower : true);
    if (r.metric) regfree(&metric);
    return code;
}
