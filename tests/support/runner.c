/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The plain test runner: every registered body in this process, in order of registration.
 *     program [--list] [--fork] [SUITE[/NAME]]...      --fork: a process per test, as Criterion does
 * GR_TEST_SKIP names a file of tests that cannot run here, a line each: SUITE/NAME why. Each is said, never left out silently. */
#include "support/test.h"

#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

static gr_test *first, **last = &first;
static const gr_test *running;

void gr_test_register(gr_test *test)
{
    *last = test;
    last = &test->next;
}

void gr_test_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "FAIL %s/%s (%s:%d): ", running ? running->suite : "?", running ? running->name : "?", file, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    fflush(NULL);
    _exit(1);
}

static bool selected(const gr_test *test, int argc, char **argv)
{
    bool any = false;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-') continue;
        any = true;
        size_t suite = strlen(test->suite);
        if (strncmp(argv[i], test->suite, suite) == 0 &&
            (argv[i][suite] == '\0' || (argv[i][suite] == '/' && strcmp(argv[i] + suite + 1, test->name) == 0)))
            return true;
    }
    return !any;
}

static bool option(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0) return true;
    return false;
}

/* Whether GR_TEST_SKIP has the test; then it has been said why. */
static bool skipped(const gr_test *test)
{
    const char *path = getenv("GR_TEST_SKIP");
    FILE *file = path && path[0] ? fopen(path, "r") : NULL;
    if (!file) return false;
    char line[512], suite[128], name[128];
    bool found = false;
    while (!found && fgets(line, sizeof line, file)) {
        int at = 0;
        if (sscanf(line, " %127[^#/ \n]/%127s %n", suite, name, &at) < 2) continue;
        found = strcmp(suite, test->suite) == 0 && strcmp(name, test->name) == 0;
        if (found) fprintf(stderr, "skipped %s/%s: %s", suite, name, line + at);
    }
    fclose(file);
    return found;
}

static int run_forked(const gr_test *test)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        test->body();
        exit(0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) return 1;
    if (WIFSIGNALED(status)) fprintf(stderr, "FAIL %s/%s: signal %d\n", test->suite, test->name, WTERMSIG(status));
    return status != 0;
}

int main(int argc, char **argv)
{
    int count = 0, failed = 0, skips = 0;
    for (const gr_test *test = first; test; test = test->next) {
        if (!selected(test, argc, argv)) continue;
        running = test;
        if (option("--list", argc, argv)) {
            printf("%s/%s\n", test->suite, test->name);
            continue;
        }
        if (skipped(test)) {
            skips++;
            continue;
        }
        count++;
        if (option("--fork", argc, argv)) {
            failed += run_forked(test);
        } else {
            test->body();
        }
        if (option("--verbose", argc, argv)) fprintf(stderr, "ran %s/%s\n", test->suite, test->name);
    }
    if (!option("--list", argc, argv)) fprintf(stderr, "%d tests, %d failed, %d skipped\n", count, failed, skips);
    return failed != 0 || (count + skips == 0 && !option("--list", argc, argv));
}
