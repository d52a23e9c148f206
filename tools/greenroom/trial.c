/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "greenroom/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { OUTPUT_BYTES_MAX = 16 << 20, GRACE_MS = 2000 };

static sigset_t waited_for;
static int signal_seen;

void trial_signals(void)
{
    sigemptyset(&waited_for);
    sigaddset(&waited_for, SIGINT);
    sigaddset(&waited_for, SIGTERM);
    sigaddset(&waited_for, SIGCHLD);
    sigprocmask(SIG_BLOCK, &waited_for, NULL);
}

int trial_signal(void)
{
    static const struct timespec at_once;
    int number;
    while (signal_seen == 0 && (number = sigtimedwait(&waited_for, NULL, &at_once)) > 0)
        if (number != SIGCHLD) signal_seen = number;
    return signal_seen;
}

int64_t trial_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static __attribute__((format(printf, 2, 3))) void fail(trial_result *result, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(result->reason, sizeof result->reason, format, args);
    va_end(args);
    result->end = TRIAL_FAILED;
}

/* ---- starting ---- */

static bool is_set(const char *entry, const trial_setting *settings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t bytes = strlen(settings[i].variable);
        if (strncmp(entry, settings[i].variable, bytes) == 0 && entry[bytes] == '=') return true;
    }
    return false;
}

/* Ours with the settings in it; NULL without memory. To be freed with free_environment. */
static char **make_environment(const trial_setting *settings, size_t count)
{
    size_t have = 0, at = 0;
    while (environ && environ[have]) have++;
    char **made = calloc(have + count + 1, sizeof *made);
    for (size_t i = 0; made && i < count; i++) {
        if (asprintf(&made[at], "%s=%s", settings[i].variable, settings[i].value) >= 0) {
            at++;
            continue;
        }
        while (at > 0) free(made[--at]);
        free(made);
        made = NULL;
    }
    for (size_t i = 0; made && i < have; i++)
        if (!is_set(environ[i], settings, count)) made[at++] = environ[i];
    return made;
}

static void free_environment(char **made, size_t count)
{
    for (size_t i = 0; i < count; i++) free(made[i]);
    free(made);
}

/* In a process group of its own, signals as a shell would leave them, output to the file. Returns 0 or an errno. */
static int start(char *const *argv, char **environment, int output, pid_t *ret_pid)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t files;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawnattr_init(&attributes) != 0) return ENOMEM;
    if (posix_spawn_file_actions_init(&files) != 0) {
        posix_spawnattr_destroy(&attributes);
        return ENOMEM;
    }
    int code =
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (code == 0) code = posix_spawnattr_setsigmask(&attributes, &none);
    if (code == 0) code = posix_spawnattr_setsigdefault(&attributes, &all);
    if (code == 0) code = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (code == 0) code = posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    if (code == 0) code = posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
    if (code == 0) code = posix_spawnp(ret_pid, argv[0], &files, &attributes, argv, environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return code;
}

/* ---- waiting ---- */

static void wait_signal(int64_t until_ns)
{
    int64_t left_ns = until_ns ? until_ns - trial_now() : 1000000000;
    if (left_ns < 0) left_ns = 0;
    struct timespec left = {left_ns / 1000000000, left_ns % 1000000000};
    int number = sigtimedwait(&waited_for, NULL, &left);
    if (number > 0 && number != SIGCHLD) signal_seen = number;
}

/* Asks the group to end, then makes it. */
static int stop(pid_t pid)
{
    int status = 0;
    int64_t until_ns = trial_now() + GRACE_MS * (int64_t)1000000;
    kill(-pid, SIGTERM);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (trial_now() < until_ns) {
            wait_signal(until_ns);
            continue;
        }
        kill(-pid, SIGKILL);
        waitpid(pid, &status, 0);
        break;
    }
    return status;
}

static int wait_for(pid_t pid, int64_t limit_ns, trial_result *result)
{
    int64_t began_ns = trial_now();
    int status = 0;
    result->end = TRIAL_DONE;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (trial_signal() != 0) result->end = TRIAL_INTERRUPTED;
        if (limit_ns && trial_now() - began_ns > limit_ns) result->end = TRIAL_TOO_LONG;
        if (result->end != TRIAL_DONE) {
            status = stop(pid);
            break;
        }
        wait_signal(limit_ns ? began_ns + limit_ns + 1 : 0);
    }
    result->took_ns = trial_now() - began_ns;
    kill(-pid, SIGKILL); /* what it left behind would compete with the next run */
    return status;
}

/* ---- what it said ---- */

/* The output with a 0 at its end, to be freed; NULL without memory. */
static char *read_output(int output)
{
    struct stat info;
    if (fstat(output, &info) != 0) return NULL;
    off_t bytes = info.st_size, skipped = bytes > OUTPUT_BYTES_MAX ? bytes - OUTPUT_BYTES_MAX : 0;
    char *text = malloc((size_t)(bytes - skipped) + 1);
    if (!text) return NULL;
    ssize_t got = pread(output, text, (size_t)(bytes - skipped), skipped);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

/* Its last line, fit for one of ours. */
static void last_line(char *text, char *ret_line, size_t bytes)
{
    size_t end = strlen(text);
    while (end > 0 && text[end - 1] == '\n') end--;
    text[end] = '\0';
    const char *line = strrchr(text, '\n');
    snprintf(ret_line, bytes, "%s", line ? line + 1 : text);
    for (char *c = ret_line; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127) *c = '?';
}

static void read_metric(const trial_subject *subject, const char *text, trial_result *result)
{
    regmatch_t match[2];
    const char *found = NULL;
    int bytes = 0;
    for (const char *at = text; regexec(subject->metric, at, 2, match, at == text ? 0 : REG_NOTBOL) == 0;) {
        if (match[1].rm_so >= 0) {
            found = at + match[1].rm_so;
            bytes = (int)(match[1].rm_eo - match[1].rm_so);
        }
        at += match[0].rm_eo > 0 ? match[0].rm_eo : 1;
        if (*at == '\0') break;
    }
    char *end = NULL;
    result->value = found ? strtod(found, &end) : 0;
    if (!found)
        fail(result, "nothing in its output matches --metric");
    else if (end == found)
        fail(result, "what --metric matches is no number: '%.*s'", bytes < 40 ? bytes : 40, found);
    else if (!(result->value > 0) || !isfinite(result->value))
        fail(result, "what --metric matches is %g: it must be above 0", result->value);
}

static void judge(const trial_subject *subject, int status, int output, trial_result *result)
{
    char line[160];
    char *text = read_output(output);
    if (!text) {
        fail(result, "its output cannot be read: %s", strerror(errno));
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        result->value = (double)result->took_ns * 1e-9;
        if (subject->metric) read_metric(subject, text, result);
    } else {
        last_line(text, line, sizeof line);
        fail(result, WIFSIGNALED(status) ? "signal %d%s%s" : "exit code %d%s%s",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), *line ? ": " : "", line);
    }
    free(text);
}

trial_result trial_run(const trial_subject *subject, const trial_setting *settings, size_t count, int64_t limit_ns)
{
    trial_result result = {.end = TRIAL_INTERRUPTED};
    if (trial_signal() != 0) return result;
    pid_t pid;
    int output = memfd_create("output", MFD_CLOEXEC);
    char **environment = make_environment(settings, count);
    int code = output < 0 ? errno : !environment ? ENOMEM : start(subject->argv, environment, output, &pid);
    if (code != 0) {
        fail(&result, "%s: %s", subject->argv[0], strerror(code));
    } else {
        int status = wait_for(pid, limit_ns, &result);
        if (result.end == TRIAL_DONE) judge(subject, status, output, &result);
    }
    if (environment) free_environment(environment, count);
    if (output >= 0) close(output);
    return result;
}
