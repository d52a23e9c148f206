/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The kit of <greenroom/test.h> finds what was planted: actors that are wrong in ways that only some orders, kills or failures show,
 * and ends of processes that nobody could report themselves. Then what it prints makes the failure happen again. */
#include <greenroom.h>
#include <greenroom/test.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MUST(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

static char printed[8192];

static void collect(void *arg, const char *line)
{
    (void)arg;
    size_t used = strlen(printed);
    snprintf(printed + used, sizeof printed - used, "%s\n", line);
}

#define OPTIONS(...) (&(gr_test_options){.print = collect, __VA_ARGS__})

/* ---- actors ---- */

static void idle_run(gr_self *self, gr_value args)
{
    gr_message *m = NULL;
    (void)args;
    while (gr_receive(self, &m, GR_FOREVER) == 0) gr_message_free(&m);
}

/* An account that is read, and written after a pause: two clerks at a time lose money. */
static int64_t balance;

static void clerk_run(gr_self *self, gr_value args)
{
    gr_address host = gr_address_in(args);
    int64_t seen = balance;
    (void)gr_cooperate(self);
    balance = seen + 100;
    (void)gr_cast(self, host, "s", "done");
}

static int is_ordered(gr_self *self, void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        gr_address clerk;
        if (gr_spawn(self, &clerk, clerk_run, "A", gr_self_address(self)) != 0) return 1;
    }
    for (int i = 0; i < 2; i++) {
        gr_message *m = NULL;
        if (gr_receive(self, &m, gr_after_s(1)) != 0) return 2;
        gr_message_free(&m);
    }
    GR_TEST_CHECK(balance == 200);
    return 0;
}

/* Takes a token, sleeps, puts it back: unless it is killed in between. */
static int tokens;

static void careless_run(gr_self *self, gr_value args)
{
    (void)args;
    for (int i = 0; i < 3; i++) {
        tokens++;
        if (gr_sleep(self, gr_after_ms(1)) != 0) return;
        tokens--;
        if (gr_sleep(self, gr_after_ms(1)) != 0) return;
    }
}

static int puts_back(gr_self *self, void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        gr_address one;
        if (gr_spawn(self, &one, careless_run, "n") != 0) return 1;
    }
    (void)gr_sleep(self, gr_after_s(1));
    GR_TEST_CHECK(tokens == 0);
    return 0;
}

/* Spares itself, so that nothing can happen to it. */
static void spared_run(gr_self *self, gr_value args)
{
    gr_test_spare(gr_self_address(self));
    careless_run(self, args);
}

static int is_spared(gr_self *self, void *arg)
{
    gr_address one;
    (void)arg;
    if (gr_spawn(self, &one, spared_run, "n") != 0) return 1;
    gr_test_spare(one); /* before it runs for the first time */
    (void)gr_sleep(self, gr_after_s(1));
    GR_TEST_CHECK(tokens == 0);
    return 0;
}

/* Believes that a cast cannot fail. */
static void hopeful_run(gr_self *self, gr_value args)
{
    for (int i = 0; i < 20; i++) GR_TEST_CHECK(gr_cast(self, gr_address_in(args), "{s:i}", "number", i) == 0);
}

static int is_hopeful(gr_self *self, void *arg)
{
    gr_address to, from;
    (void)arg;
    if (gr_spawn(self, &to, idle_run, "n") != 0 || gr_spawn(self, &from, hopeful_run, "A", to) != 0) return 1;
    (void)gr_sleep(self, gr_after_s(1));
    return 0;
}

/* Believes that an answer comes within a millisecond. */
static void answer_run(gr_self *self, gr_value args)
{
    gr_message *m = NULL;
    (void)args;
    while (gr_receive(self, &m, GR_FOREVER) == 0) {
        if (gr_is_call(m)) (void)gr_respond(self, m, "n");
        gr_message_free(&m);
    }
}

static int is_punctual(gr_self *self, void *arg)
{
    gr_address to;
    (void)arg;
    if (gr_spawn(self, &to, answer_run, "n") != 0) return 1;
    for (int i = 0; i < 10; i++) GR_TEST_CHECK(gr_call(self, NULL, to, "now", gr_after_ms(1), "n") == 0);
    return 0;
}

static void crash_run(gr_self *self, gr_value args)
{
    (void)args;
    if (gr_sleep(self, gr_after_ms(1)) != 0) abort();
}

static int does_not_crash(gr_self *self, void *arg)
{
    gr_address one;
    (void)arg;
    if (gr_spawn(self, &one, crash_run, "n") != 0) return 1;
    (void)gr_sleep(self, gr_after_s(1));
    return 0;
}

static int ends(gr_self *self, void *arg)
{
    (void)self;
    for (volatile unsigned i = 0; *(bool *)arg; i = i + 1) continue; /* unsigned: it comes round */
    return 0;
}

static int frees(gr_self *self, void *arg)
{
    gr_message *m = NULL;
    (void)self, (void)arg;
    return gr_pack(&m, "s", "never freed");
}

static int holds(gr_self *self, void *arg)
{
    gr_address one;
    (void)arg;
    if (gr_spawn(self, &one, idle_run, "n") != 0) return 1;
    (void)gr_sleep(self, gr_after_s(3600));
    return gr_cast(self, one, "n") == GR_ENOTRUNNING; /* it may have been killed */
}

static int says_no(gr_self *self, void *arg)
{
    (void)self;
    return *(int *)arg;
}

/* Depends on how often it was tried. */
static int is_fickle(gr_self *self, void *arg)
{
    const char *path = arg;
    (void)self;
    return access(path, F_OK) == 0 && unlink(path) == 0;
}

/* Holds, but sleeps once more when it was tried an even number of times. */
static int is_moody(gr_self *self, void *arg)
{
    const char *path = arg;
    int fd = open(path, O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) return close(fd);
    (void)gr_sleep(self, gr_after_s(1));
    return unlink(path);
}

/* ---- what the kit says of them ---- */

static gr_test_result found(const gr_test_options *options, gr_test_body *body, void *arg, const char *why)
{
    gr_test_result result;
    memset(&result, 0, sizeof result);
    printed[0] = '\0';
    MUST(gr_test_simulate(options, body, arg, &result) == 1);
    if (!strstr(result.why, why) || !strstr(printed, why)) {
        fprintf(stderr, "expected \"%s\", found \"%s\", printed\n%s", why, result.why, printed);
        exit(1);
    }
    return result;
}

/* The failure happens again in a process that has only what was printed. */
static void again(gr_test_body *body, void *arg, const gr_test_result *result)
{
    char seed[32];
    fflush(NULL);
    pid_t child = fork();
    MUST(child >= 0);
    if (child == 0) {
        snprintf(seed, sizeof seed, "%llu", (unsigned long long)result->failed_seed);
        setenv("GREENROOM_SIMULATE", seed, 1);
        setenv("GREENROOM_FAULTS", result->failed_faults, 1);
        fclose(stderr);
        _exit(gr_test_simulate(OPTIONS(.seeds = 1), body, arg, NULL)); /* a failed check aborts */
    }
    int status;
    MUST(waitpid(child, &status, 0) == child);
    MUST(WIFSIGNALED(status) || WEXITSTATUS(status) == 1);
}

static void orders(void)
{
    gr_test_result r = found(OPTIONS(.name = "orders"), is_ordered, NULL, "balance == 200");
    MUST(r.steady && r.shrunk_from == 0 && r.failed_faults[0] == '\0');
    MUST(strstr(printed, "test orders") && strstr(printed, "GREENROOM_SIMULATE="));
    again(is_ordered, NULL, &r);
}

static void kills(void)
{
    gr_test_result r = found(OPTIONS(.faults = "kill=10"), puts_back, NULL, "tokens == 0");
    MUST(r.steady && strncmp(r.failed_faults, "kill@", 5) == 0 && !strpbrk(r.failed_faults, "+,")); /* one is enough */
    again(puts_back, NULL, &r);
    MUST(gr_test_simulate(OPTIONS(.faults = "delay=3", .seeds = 20), puts_back, NULL, NULL) == 0);
    memset(&r, 0, sizeof r);
    MUST(gr_test_every(OPTIONS(.name = "every"), "kill", puts_back, NULL, &r) == 1);
    MUST(strncmp(r.failed_faults, "kill@", 5) == 0 && strstr(r.why, "tokens == 0"));
    again(puts_back, NULL, &r);
    MUST(gr_test_every(OPTIONS(.name = "every"), "kill_now", is_spared, NULL, &r) == 0);
    MUST(gr_test_simulate(OPTIONS(.faults = "kill=2", .seeds = 20), is_spared, NULL, &r) == 0);
    MUST(r.runs == 20 && r.faults == 0);
}

static void failures(void)
{
    gr_test_result r = found(OPTIONS(.faults = "allocate=20"), is_hopeful, NULL, "gr_cast");
    MUST(r.steady && strncmp(r.failed_faults, "allocate@", 9) == 0 && !strpbrk(r.failed_faults, "+,"));
    again(is_hopeful, NULL, &r);
    r = found(OPTIONS(.faults = "delay=4"), is_punctual, NULL, "gr_call");
    MUST(r.steady && strncmp(r.failed_faults, "delay@", 6) == 0);
    again(is_punctual, NULL, &r);
    MUST(gr_test_simulate(OPTIONS(.seeds = 20), is_punctual, NULL, NULL) == 0);
}

static void deaths(void)
{
    int code = 7;
    bool endless = true;
    gr_test_result r = found(OPTIONS(.faults = "kill=3"), does_not_crash, NULL, "signal");
    MUST(r.steady && strncmp(r.failed_faults, "kill@", 5) == 0);
    (void)found(OPTIONS(.seconds = 1, .seeds = 1), ends, &endless, "does not end");
    (void)found(OPTIONS(.seeds = 3), frees, NULL, "1 blocks of message memory");
    (void)found(OPTIONS(.seeds = 3), says_no, &code, "the body returned 7");
}

static void fickle(void)
{
    char path[] = "/tmp/greenroom-kit-XXXXXX";
    int fd = mkstemp(path);
    MUST(fd >= 0 && close(fd) == 0);
    gr_test_result r = found(OPTIONS(.seeds = 1), is_fickle, path, "the body returned 1");
    MUST(!r.steady && strstr(printed, "depends on more than the seed"));
    (void)unlink(path);
    MUST(gr_test_simulate(OPTIONS(.seeds = 2, .jobs = 1), is_moody, path, NULL) == 0); /* nobody compares */
    r = found(OPTIONS(.seeds = 2, .jobs = 1, .replay = true), is_moody, path, "it was another run");
    MUST(!r.steady && r.runs == 1 && r.failed_seed == 1);
    (void)unlink(path);
}

static void what_holds(void)
{
    gr_test_result r;
    bool endless = false;
    MUST(gr_test_simulate(OPTIONS(.seeds = 7, .first_seed = 100, .jobs = 3), holds, NULL, &r) == 0);
    MUST(r.runs == 7 && r.faults == 0 && r.virtual_ns >= INT64_C(7) * 3600 * 1000000000 && r.failed_seed == 0);
    MUST(gr_test_simulate(OPTIONS(.seeds = 7, .jobs = 2, .replay = true), holds, NULL, &r) == 0 && r.runs == 7);
    MUST(gr_test_simulate(OPTIONS(.seeds = 30, .faults = "kill=2,allocate=5"), holds, NULL, &r) == 0 && r.faults > 0);
    MUST(gr_test_simulate(OPTIONS(.seeds = 2), ends, &endless, NULL) == 0);
}

static void mistakes(void)
{
    MUST(gr_test_simulate(OPTIONS(.faults = "murder=1"), holds, NULL, NULL) == GR_EINVAL);
    MUST(gr_test_simulate(OPTIONS(.seeds = 1), NULL, NULL, NULL) == GR_EINVAL);
    MUST(gr_test_every(NULL, "murder", holds, NULL, NULL) == GR_EINVAL);
    MUST(gr_test_every(NULL, NULL, holds, NULL, NULL) == GR_EINVAL);
    MUST(gr_start(&(gr_options){.simulate = "1"}, NULL) == 0);
    gr_test_spare(GR_NO_ADDRESS);
    MUST(gr_test_simulate(NULL, holds, NULL, NULL) == GR_EINUSE);
    MUST(gr_stop(GR_NOW) == 0);
    MUST(gr_start(&(gr_options){.faults = "kill=1"}, NULL) == GR_EINVAL); /* only in simulation */
}

int main(void)
{
    orders();
    kills();
    failures();
    deaths();
    fickle();
    what_holds();
    mistakes();
    return 0;
}
