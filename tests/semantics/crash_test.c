/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A process that dies in an actor says in which one, of what message, and where. Each in a process of its own. */
#include "support/harness.h"

#include "base/compiler.h"

#include <dirent.h>
#include <greenroom/server.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if GRI_ASAN || GRI_TSAN
#define INSTRUMENTED 1 /* sanitizers end the process in their own way, and no child names the functions */
#else
#define INSTRUMENTED 0
#endif

static volatile int zero;
static int *volatile nowhere;

#if defined(__aarch64__) /* divides by zero without a fault: 0 */
#define DIVIDE_SAYS "SIGSEGV at address"
#define DIVIDE_SIGNAL SIGSEGV
#else
#define DIVIDE_SAYS "SIGFPE at address"
#define DIVIDE_SIGNAL SIGFPE
#endif

static __attribute__((noinline)) int divide_by(int divisor)
{
    if (DIVIDE_SIGNAL == SIGSEGV && divisor == 0) *nowhere = 7;
    return 10 / divisor + (int)getpid();
}

static void die(const char *how)
{
    if (strcmp(how, "divide") == 0) zero = divide_by(zero);
    if (strcmp(how, "write") == 0) *nowhere = 7;
    if (strcmp(how, "abort") == 0) abort();
    if (strcmp(how, "call") == 0) ((void (*)(void))(uintptr_t)zero)();
    zero = 1; /* no call here is the last thing that is done */
}

static void crash(gr_self *self, void *state, gr_value argument)
{
    (void)self, (void)state;
    die(gr_string(gr_get(argument, "how"), "?"));
}

static void crash_by_message(gr_self *self, gr_value args)
{
    (void)args;
    gr_message *m;
    CHECK_OK(gr_receive(self, &m, SOON));
    die(gr_string(gr_get(gr_body(m), "how"), "?"));
    gr_message_free(&m);
}

static const gr_method methods[] = {{"crash", crash}};
static const gr_server server = {.methods = methods, .method_count = 1};
static const gr_behaviour crasher = {.name = "crasher", .server = &server};

/* Runs body in a child; what it has written to stderr, and how it ended. */
static const char *last_words(void (*body)(const char *how), const char *how, int *ret_status)
{
    static char text[65536];
    int ends[2];
    size_t bytes = 0;
    CHECK_EQ(pipe(ends), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        for (int i = 1; i < 32; i++) signal(i, SIG_DFL); /* the test runner's own handlers */
        body(how);
        _exit(0);
    }
    close(ends[1]);
    for (ssize_t got; (got = read(ends[0], text + bytes, sizeof text - 1 - bytes)) > 0;) bytes += (size_t)got;
    text[bytes] = '\0';
    close(ends[0]);
    CHECK_EQ(waitpid(child, ret_status, 0), child);
    return text;
}

/* Whoever writes its last words for long, on a slow machine, has held its worker for long, and that is not to be said among them. */
#define BEGIN_UNWATCHED() BEGIN_WITH(.stuck_ms = 60000, .fixed = GR_FIXED(stuck_ms))

static void in_a_server(const char *how)
{
    gr_detail detail;
    gr_address address;
    gr_message *reply = NULL;
    gr_self *self = BEGIN_UNWATCHED();
    CHECK_OK(gr_behaviour_register(&crasher, &detail));
    CHECK_OK(gr_spawn_behaviour(self, &address, "crasher", OPTIONS(.name = "doomed"), (gr_value){NULL}));
    CHECK_OK(gr_call(self, &reply, address, "crash", SOON, "{s:s}", "how", how));
}

static void in_a_thread(const char *how)
{
    gr_address address;
    gr_self *self = BEGIN_UNWATCHED();
    CHECK_OK(gr_spawn(self, &address, crash_by_message, "n"));
    CHECK_OK(gr_cast(self, address, "{s:s}", "how", how));
    (void)gr_sleep(self, GR_FOREVER);
}

static void in_no_actor(const char *how)
{
    gr_self *self = BEGIN();
    gr_detach(&self);
    die(how);
}

/* The id of the thread of this name; 0: there is none, or it has not named itself yet. */
static int thread_named(const char *name)
{
    int found = 0;
    DIR *threads = opendir("/proc/self/task");
    CHECK(threads != NULL);
    for (struct dirent *entry; !found && (entry = readdir(threads));) {
        char path[300], line[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (file && fgets(line, sizeof line, file) && strcmp(strtok(line, "\n"), name) == 0)
            found = atoi(entry->d_name);
        if (file) fclose(file);
    }
    closedir(threads);
    return found;
}

static bool sleeps(int id)
{
    char path[64], state = '?';
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", id);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%*d %*s %c", &state) != 1) state = '?';
    if (file) fclose(file);
    return state == 'S';
}

static void nothing(gr_self *self, gr_value args)
{
    (void)self, (void)args;
}

/* The signal to the worker, which has run an actor and sleeps. */
static void in_a_worker(const char *how)
{
    gr_address address;
    setenv("GREENROOM_WORKERS", "1", 1);
    gr_self *self = BEGIN();
    CHECK_OK(gr_spawn_with(self, &address, nothing, OPTIONS(.retain = true), "n"));
    CHECK_OK(gr_wait(self, address, NULL, SOON));
    const int id = thread_named("gr-worker-000");
    CHECK(id != 0);
    while (!sleeps(id)) sched_yield();
    (void)how, (void)syscall(SYS_tgkill, getpid(), id, SIGABRT);
    pause(); /* not for long: the process ends */
}

static void expect_death(int status, int number)
{
    if (INSTRUMENTED)
        CHECK(status != 0);
    else
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == number);
}

TEST(crash, says_which_actor_and_of_what_message)
{
    static const struct {
        const char *how, *says;
        int number;
    } ways[] = {{"divide", DIVIDE_SAYS, DIVIDE_SIGNAL},
                {"write", "SIGSEGV at address", SIGSEGV},
                {"abort", "SIGABRT in actor", SIGABRT},
                {"call", "SIGSEGV at address", SIGSEGV}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        int status;
        char message[64];
        if (INSTRUMENTED && ways[i].number != SIGABRT) continue; /* found before it happens */
        const char *text = last_words(in_a_server, ways[i].how, &status);
        expect_death(status, ways[i].number);
        if (!strstr(text, ways[i].says)) TEST_FAIL("%s: %s", ways[i].how, text);
        CHECK(strstr(text, " in actor ") && strstr(text, " \"doomed\" (crasher) on worker "));
        snprintf(message, sizeof message, "\n  last message: call \"crash\" {\"how\":\"%s\"} from ", ways[i].how);
        CHECK(strstr(text, message));
        CHECK(strstr(text, "\n  backtrace:\n"));
    }
}

TEST(crash, names_the_functions)
{
    if (INSTRUMENTED) return;
    int status;
    const char *text = last_words(in_a_server, "divide", &status);
    const char *at = strstr(text, "\n  backtrace:\n    divide_by");
    if (!at) TEST_FAIL("%s", text);
    CHECK(strstr(at, "\n    die") || strstr(at, "\n    crash")); /* one of them may have been inlined */
    text = last_words(in_a_server, "call", &status);
    CHECK(strstr(text, "\n    die") || strstr(text, "\n    crash")); /* who has called no function */
}

TEST(crash, of_a_green_thread_is_told_with_what_it_has_received)
{
    int status;
    const char *text = last_words(in_a_thread, "abort", &status);
    expect_death(status, SIGABRT);
    CHECK(strstr(text, "greenroom: SIGABRT in actor "));
    CHECK(strstr(text, "\n  last message: {\"how\":\"abort\"} from "));
    CHECK(!strstr(text, "doomed"));
}

TEST(crash, of_a_worker_between_two_actors_is_told)
{
    int status;
    if (harness_simulated() || INSTRUMENTED) return; /* there is no such thread; signals are held back */
    const char *text = last_words(in_a_worker, "", &status);
    expect_death(status, SIGABRT);
    CHECK(strstr(text, "greenroom: SIGABRT on worker 0, which runs no actor\n  backtrace:\n"));
}

TEST(crash, outside_workers_and_actors_is_not_ours_to_tell)
{
    int status;
    if (harness_simulated()) return; /* every thread is the worker */
    const char *text = last_words(in_no_actor, "abort", &status);
    expect_death(status, SIGABRT);
    CHECK(!strstr(text, "greenroom: SIG"));
}
