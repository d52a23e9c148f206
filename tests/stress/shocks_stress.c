/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* R16: what a process stands on is taken away, and given back: its service must be there again at once.
 *
 *     shocks_stress [--shocks N] [--seed N] [--goal 0|1]
 *
 * A runtime with actors, timers, a pool of blocking calls, an HTTP server and a trace file. Shocks, by turns and in an order of the
 * seed, each of 1 to 40 ms or as long as it takes until it has been felt:
 *
 *     threads      pthread_create is refused, while every worker is held by an actor that computes; they go on computing after it
 *     cpu_set      every thread of the process is put onto one CPU
 *     quota        the control group grants a tenth of a CPU: its files say so (fake ones), and the process is stopped nine tenths
 *                  of the time, which is what the kernel does
 *     clock        the calendar's clock jumps by up to twenty years
 *     descriptors  the process may open no more (RLIMIT_NOFILE): a connection that waits is not accepted
 *     room         the disk is full: what is written to files and to stderr is refused
 *
 * Laws: during each shock actors go on calling each other, and, where it leaves them a thread, HTTP is answered on a
 * connection that stands. Afterwards all of it works: calls, timers, new actors, blocking calls, an HTTP connection that is
 * new (for `descriptors`: that has come during the shock), the date in its answer, spans in the trace file, and all workers
 * are at work. The trace file is JSON in the end. Each shock was felt. At the end no descriptor and no block is left.
 * It prints for each kind how long after its end all that worked, one after the other. --goal 1: in 1 s at most, each.
 * Without arguments 12 shocks; the goal is --shocks 1000 --goal 1.
 *
 * wrapped: pthread_create write fopen clock_gettime
 * That is, by the linker (CMakeLists.txt), so that they fail on purpose. The process proper is a child of the one that is started: that one
 * stops and continues it, so that a shell does not take it for suspended. */
#include "stress/census.h"
#include "stress/cpu_sets.h"

#include "base/atomic.h"
#include "base/rng.h"
#include "memory/heap.h"
#include "observe/spans.h"
#include "schedule/scheduler.h"

#include <greenroom/trace.h>
#include <greenroom/wsgi.h>

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KINDS 6
#define ECHOES 4 /* servers that are called in turn */
#define CALLS_DURING 50
#define BLOCKED 4
#define LONGEST_S 240 /* until it counts as never */
#define LIFE \
    30 /* shocks until the runtime is stopped and started again: spare workers stay, and there are 64 at most */

enum kind { THREADS, CPU_SET, QUOTA, CLOCK, DESCRIPTORS, ROOM };
static const char *const kind_names[KINDS] = {"threads", "cpu_set", "quota", "clock", "descriptors", "room"};

static uint64_t shocks = 12, seed = 1, goal = 0;

/* ---- what fails ---- */

static gri_atomic_bool no_threads, no_room, small_quota; /* relaxed, all: a shock begins a little later or earlier */
static gri_atomic_i64 calendar_off_s;
static gri_atomic_u64 felt[KINDS], halves; /* relaxed: counts */
static char quota_folder[] = "/tmp/greenroom-shocks-XXXXXX";

static bool is_on(gri_atomic_bool *shock, enum kind kind)
{
    if (!gri_load_relaxed(shock)) return false;
    gri_add_relaxed(&felt[kind], 1u);
    return true;
}

int __real_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*fn)(void *), void *arg)
{
    return is_on(&no_threads, THREADS) ? EAGAIN : __real_pthread_create(ret, attributes, fn, arg);
}

ssize_t __real_write(int fd, const void *from, size_t bytes);
ssize_t __wrap_write(int fd, const void *from, size_t bytes);
ssize_t __wrap_write(int fd, const void *from, size_t bytes)
{
    struct stat status;
    if (gri_load_relaxed(&no_room) && fstat(fd, &status) == 0 && (fd == 2 || S_ISREG(status.st_mode)) &&
        is_on(&no_room, ROOM)) {
        /* Every other time half of it still fits. */
        if (fd != 2 && bytes > 1 && gri_add_relaxed(&halves, 1u) % 2 == 0) return __real_write(fd, from, bytes / 2);
        errno = ENOSPC;
        return -1;
    }
    return __real_write(fd, from, bytes);
}

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode)
{
    static const char *const files[] = {"cgroup", "mountinfo"};
    char fake[128];
    for (size_t i = 0; i < GRI_ARRAY_COUNT(files); i++) {
        if (strncmp(path, "/proc/self/", 11) != 0 || strcmp(path + 11, files[i]) != 0) continue;
        if (!gri_load_relaxed(&small_quota)) continue;
        if (i == 0) gri_add_relaxed(&felt[QUOTA], 1u);
        snprintf(fake, sizeof fake, "%s/%s", quota_folder, files[i]);
        path = fake;
    }
    return __real_fopen(path, mode);
}

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
    int result = __real_clock_gettime(clock, ret);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
        ret->tv_sec += (time_t)gri_load_relaxed(&calendar_off_s);
    return result;
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", quota_folder, name);
    FILE *file = __real_fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
}

/* A control group of version 2 whose only level grants a tenth of a CPU. */
static void make_quota(void)
{
    char line[256];
    if (!mkdtemp(quota_folder)) law("a folder for files", errno, 0);
    snprintf(line, sizeof line, "30 23 0:26 / %s rw,relatime - cgroup2 cgroup2 rw\n", quota_folder);
    write_file("mountinfo", line);
    write_file("cgroup", "0::/\n");
    write_file("cpu.max", "10000 100000\n");
}

static void remove_quota(void)
{
    static const char *const names[] = {"mountinfo", "cgroup", "cpu.max", "trace", ""};
    char path[128];
    for (size_t i = 0; i < GRI_ARRAY_COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", quota_folder, names[i]);
        (void)remove(path);
    }
}

/* ---- the process that stops the other one ---- */

static int stopper_in = -1, stopper_out = -1; /* pipes: what to do, and that it is done */

static void pause_ms(int ms)
{
    (void)poll(NULL, 0, ms);
}

/* Stops the child nine tenths of so many periods of 20 ms, whenever it is told to, until it ends; gives what it ended with. */
static int stop_and_go(pid_t child, int in, int out)
{
    for (unsigned char periods; read(in, &periods, 1) == 1;) {
        for (; periods > 0; periods--) {
            kill(child, SIGSTOP);
            pause_ms(18);
            kill(child, SIGCONT);
            pause_ms(2);
        }
        if (__real_write(out, "", 1) != 1) break;
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    if (WIFSIGNALED(status)) fprintf(stderr, "shocks_stress: signal %d\n", WTERMSIG(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Returns in the child only. */
static void fork_child(void)
{
    int to[2], from[2];
    if (pipe(to) != 0 || pipe(from) != 0) exit(1);
    pid_t child = fork();
    if (child < 0) exit(1);
    if (child > 0) {
        signal(SIGPIPE, SIG_IGN);
        close(to[1]), close(from[0]);
        exit(stop_and_go(child, to[0], from[1]));
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(to[0]), close(from[1]);
    stopper_in = to[1], stopper_out = from[0];
}

static void be_stopped(unsigned char periods)
{
    char done;
    if (__real_write(stopper_in, &periods, 1) != 1 || read(stopper_out, &done, 1) != 1) exit(1);
}

/* ---- the service ---- */

static gri_atomic_bool spinning; /* relaxed: seen late is fine */
static gri_atomic_u64 spinners;  /* that have begun and not ended; relaxed: a count */
static gr_self *self;
static gr_address echoes[ECHOES];
static gr_http_server *http;
static struct sockaddr_in http_address;
static int standing = -1; /* a connection that is kept */

static void echo(gr_self *me, void *state, gr_value argument)
{
    (void)state;
    (void)gr_reply(me, "V", argument);
}

static const gr_method methods[] = {{"echo", echo}};
static const gr_server server = {.methods = methods, .method_count = 1};

static void spinner(gr_self *me, gr_value args)
{
    (void)me, (void)args;
    while (gri_load_relaxed(&spinning)) continue;
    gri_sub_relaxed(&spinners, 1u);
}

static void sleep_a_little(void *arg)
{
    (void)arg;
    pause_ms(1);
}

static void blocked(gr_self *me, gr_value args)
{
    (void)args;
    gr_return(me, "i", gr_blocking(me, sleep_a_little, NULL, NULL, GR_FOREVER));
}

static int application(void *state, const gr_environ *env, gr_responder *respond)
{
    (void)state, (void)env;
    return gr_response_send(respond, 200, "text/plain", "here", 4);
}

static int open_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval longest = {LONGEST_S, 0};
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest) != 0) law("a socket", errno, 0);
    return fd;
}

static void ask(int fd)
{
    static const char get[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    ssize_t sent = send(fd, get, sizeof get - 1, MSG_NOSIGNAL);
    law("bytes of a request", sent, (int64_t)sizeof get - 1);
}

static void connect_to_http(int fd)
{
    int refused = connect(fd, (struct sockaddr *)&http_address, sizeof http_address) == 0 ? 0 : errno;
    law("connecting", refused, 0);
}

/* Reads an answer; the year in its date. */
static int64_t answer_of(int fd)
{
    char text[1024] = "";
    size_t used = 0;
    while (used < 8 || memcmp(text + used - 8, "\r\n\r\nhere", 8) != 0) {
        ssize_t got = recv(fd, text + used, sizeof text - 1 - used, 0);
        if (got <= 0) {
            law("an answer of the HTTP server", got < 0 ? -errno : 0, 1);
            return 0;
        }
        used += (size_t)got;
        text[used] = '\0';
    }
    law("a status of 200", memcmp(text, "HTTP/1.1 200", 12), 0);
    const char *date = strcasestr(text, "\r\ndate: ");
    return date && strlen(date) > 24 ? strtoll(date + 20, NULL, 10) : 0;
}

static int64_t year_now(void)
{
    struct timespec now;
    struct tm broken;
    __wrap_clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &broken);
    return broken.tm_year + 1900;
}

/* The year may end in between. */
static void law_year(int64_t year)
{
    if (year != year_now() - 1) law("the year of an answer", year, year_now());
}

static void call_all(void)
{
    static int64_t number;
    for (int i = 0; i < ECHOES; i++) {
        gr_message *reply = NULL;
        MUST(gr_call(self, &reply, echoes[i], "echo", gr_after_s(LONGEST_S), "I", ++number));
        law("an echo", gr_int(gr_body(reply), 0), number);
        gr_message_free(&reply);
    }
}

static void hear_a_timer(void)
{
    gr_message *m = NULL;
    MUST(gr_cast_after(self, NULL, gr_self_address(self), gr_after_ms(1), "s", "tick"));
    MUST(gr_receive(self, &m, gr_after_s(LONGEST_S)));
    gr_message_free(&m);
}

/* New actors, that block. */
static void block_a_few(void)
{
    gr_address some[BLOCKED];
    for (int i = 0; i < BLOCKED; i++)
        MUST(gr_spawn_with(self, &some[i], blocked, (&(gr_spawn_options){.retain = true}), "n"));
    for (int i = 0; i < BLOCKED; i++) {
        gr_message *result = NULL;
        MUST(gr_wait(self, some[i], &result, gr_after_s(LONGEST_S)));
        law("a blocking call", gr_int(gr_body(result), -1), 0);
        gr_message_free(&result);
    }
}

/* Until a span of a call that is made from now on is in the file. */
static void write_a_span(void)
{
    uint64_t before, now, lost;
    gr_trace trace;
    gri_spans_count(&before, &lost);
    MUST(gr_trace_new(&trace));
    trace.flags = GR_TRACE_SAMPLED;
    MUST(gr_trace_set(self, &trace));
    const gr_deadline longest = gr_after_s(LONGEST_S);
    do {
        call_all();
        pause_ms(1);
        gri_spans_count(&now, &lost);
    } while (now == before && gr_now_ns() < longest.ns);
    MUST(gr_trace_set(self, NULL));
    if (now == before) law("spans in the trace file", (int64_t)now, (int64_t)before + 1);
}

static unsigned workers_away(void)
{
    unsigned away = 0;
    for (unsigned i = 0; i < gri_scheduler_now->config.workers; i++)
        away += gri_load_relaxed(&gri_scheduler_now->workers[i].retire); /* relaxed: a request */
    return away;
}

static void have_all_workers(void)
{
    const gr_deadline longest = gr_after_s(LONGEST_S);
    while (workers_away() > 0 && gr_now_ns() < longest.ns) {
        call_all(); /* an idle runtime looks at nothing */
        pause_ms(1);
    }
    law("workers that are still away", workers_away(), 0);
}

/* ---- shocks ---- */

/* One for each worker and for each spare one that there is: then they need threads that there are not. Returns false where that would
 * be more than there may be; then only the workers get one. */
static bool begin_spinners(void)
{
    const uint32_t workers = gri_scheduler_now->config.workers;
    const uint32_t there = gri_load_acquire(&gri_scheduler_now->worker_count);
    const bool grows = there + workers <= gri_scheduler_now->workers_max;
    gri_store_relaxed(&spinning, true);
    for (uint32_t i = 0; i < (grows ? there : workers); i++) {
        gri_add_relaxed(&spinners, 1u);
        MUST(gr_spawn(self, &(gr_address){0}, spinner, "n"));
    }
    return grows;
}

static void end_spinners(void)
{
    gri_store_relaxed(&spinning, false);
    while (gri_load_relaxed(&spinners) > 0) pause_ms(1);
}

/* What goes on during a shock. */
static void go_on(bool with_http)
{
    for (int i = 0; i < CALLS_DURING; i += ECHOES) call_all();
    if (!with_http) return;
    ask(standing);
    law_year(answer_of(standing));
}

static void until_felt(enum kind kind, uint64_t before)
{
    const gr_deadline longest = gr_after_s(LONGEST_S);
    while (gri_load_relaxed(&felt[kind]) == before && gr_now_ns() < longest.ns) {
        call_all();
        pause_ms(1);
    }
}

/* From its end until everything is as it was. */
static int64_t recover(int fresh, bool connected)
{
    const int64_t end = gr_now_ns();
    call_all();
    if (!connected) connect_to_http(fresh), ask(fresh);
    law_year(answer_of(fresh));
    ask(standing);
    law_year(answer_of(standing));
    hear_a_timer();
    block_a_few();
    have_all_workers();
    write_a_span();
    const int64_t took = gr_now_ns() - end;
    close(fresh);
    return took;
}

/* No thread, and nobody to run what waits: a spare worker that is wanted and refused. */
static int64_t shock_threads(int ms, int fresh)
{
    const uint64_t before = gri_load_relaxed(&felt[THREADS]);
    const gr_deadline longest = gr_after_s(LONGEST_S);
    gri_store_relaxed(&no_threads, true);
    const bool wanted = begin_spinners();
    pause_ms(ms);
    while (wanted && gri_load_relaxed(&felt[THREADS]) == before && gr_now_ns() < longest.ns) pause_ms(1);
    gri_store_relaxed(&no_threads, false);
    int64_t took = recover(fresh, false);
    end_spinners();
    return took;
}

static int64_t shock_cpus(gri_rng *rng, int ms, int fresh)
{
    cpu_sets_crowd(rng);
    gri_add_relaxed(&felt[CPU_SET], 1u);
    go_on(true);
    pause_ms(ms);
    cpu_sets_spread();
    return recover(fresh, false);
}

static int64_t shock_quota(int ms, int fresh)
{
    const uint64_t before = gri_load_relaxed(&felt[QUOTA]);
    gri_store_relaxed(&small_quota, true);
    until_felt(QUOTA, before);
    go_on(true);
    be_stopped((unsigned char)(ms / 8 + 1));
    gri_store_relaxed(&small_quota, false);
    return recover(fresh, false);
}

static int64_t shock_clock(gri_rng *rng, int ms, int fresh)
{
    const int64_t years = 1 + (int64_t)gri_rng_below(rng, 20);
    gri_store_relaxed(&calendar_off_s, (gri_rng_below(rng, 2) ? 1 : -1) * years * 366 * 86400);
    ask(standing);
    law_year(answer_of(standing));
    gri_add_relaxed(&felt[CLOCK], 1u);
    go_on(true);
    hear_a_timer();
    pause_ms(ms);
    gri_store_relaxed(&calendar_off_s, 0);
    return recover(fresh, false);
}

static int64_t shock_descriptors(int ms, int fresh)
{
    struct rlimit before, none;
    if (getrlimit(RLIMIT_NOFILE, &before) != 0) law("getrlimit", errno, 0);
    none = (struct rlimit){0, before.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &none) != 0) law("setrlimit", errno, 0);
    int fd = dup(0);
    gri_add_relaxed(&felt[DESCRIPTORS], fd < 0 && errno == EMFILE ? 1u : 0u);
    connect_to_http(fresh); /* the system takes it; the server has no descriptor for it */
    ask(fresh);
    go_on(true);
    gr_socket one;
    if (gr_listen(self, &one, "127.0.0.1:0", NULL) == 0) law("a listener without a descriptor", 0, 1);
    pause_ms(ms);
    if (setrlimit(RLIMIT_NOFILE, &before) != 0) law("setrlimit", errno, 0);
    return recover(fresh, true);
}

static int64_t shock_room(int ms, int fresh)
{
    const uint64_t before = gri_load_relaxed(&felt[ROOM]);
    gr_trace trace;
    MUST(gr_trace_new(&trace));
    trace.flags = GR_TRACE_SAMPLED;
    gri_store_relaxed(&no_room, true);
    MUST(gr_trace_set(self, &trace));
    gr_log(GR_LOG_ERROR, "a line that finds no room");
    until_felt(ROOM, before + 1); /* the line, and a span */
    MUST(gr_trace_set(self, NULL));
    go_on(true);
    pause_ms(ms);
    gri_store_relaxed(&no_room, false);
    return recover(fresh, false);
}

static int64_t shock(enum kind kind, gri_rng *rng)
{
    const int ms = 1 + (int)gri_rng_below(rng, 40), fresh = open_socket();
    switch (kind) {
    case THREADS: return shock_threads(ms, fresh);
    case CPU_SET: return shock_cpus(rng, ms, fresh);
    case QUOTA: return shock_quota(ms, fresh);
    case CLOCK: return shock_clock(rng, ms, fresh);
    case DESCRIPTORS: return shock_descriptors(ms, fresh);
    case ROOM:
    default: return shock_room(ms, fresh);
    }
}

/* ---- begin and end ---- */

static void quiet(void *arg, enum gr_log_level level, gr_address subject, const char *line)
{
    char text[512];
    (void)arg, (void)level, (void)subject;
    int bytes = snprintf(text, sizeof text, "%s\n", line);
    if (gri_load_relaxed(&no_room))
        (void)!__wrap_write(2, text, (size_t)bytes); /* that it is refused, not what it is */
}

static void begin(void)
{
    char trace[128];
    gr_detail detail = {0};
    snprintf(trace, sizeof trace, "%s/trace", quota_folder);
    gr_options options = {.log = "warn", .trace = trace, .fixed = GR_FIXED(workers) | GR_FIXED(log) | GR_FIXED(trace)};
    gr_log_sink_set(quiet, NULL, NULL); /* named culprits, refused descriptors: hundreds of lines */
    if (gr_start(&options, &detail) != 0) {
        fprintf(stderr, "gr_start: %s\n", detail.text);
        exit(1);
    }
    MUST(gr_attach(&self));
    for (int i = 0; i < ECHOES; i++) MUST(gr_spawn_server(self, &echoes[i], &server, NULL, "n"));
    gr_http_options with = {.listen = "127.0.0.1:0",
                            .application = {application, NULL},
                            .requests_per_connection = UINT32_MAX,
                            .idle_ms = 3600000,
                            .loopback_unbounded = true};
    MUST(gr_http_start(self, &with, &http));
    const char *address = gr_http_address(http), *port = strrchr(address, ':');
    http_address = (struct sockaddr_in){.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)strtoul(port + 1, NULL, 10)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    standing = open_socket();
    connect_to_http(standing);
    ask(standing);
    law_year(answer_of(standing));
    MUST(cpu_sets_begin());
}

static void end(void)
{
    close(standing);
    MUST(gr_http_stop(self, &http, gr_after_s(LONGEST_S)));
    gr_detach(&self);
    (void)gr_stop(GR_NOW);
    gr_log_sink_set(NULL, NULL, NULL);
    /* Whatever found no room, and when: the trace is whole. */
    char trace[128];
    json_error_t error;
    snprintf(trace, sizeof trace, "%s/trace", quota_folder);
    json_t *spans = json_load_file(trace, 0, &error);
    if (!spans) fprintf(stderr, "%s:%d: %s\n", trace, error.line, error.text);
    law("a trace file that is JSON", json_is_array(spans), true);
    json_decref(spans);
}

static void report(enum kind kind, int64_t *took, size_t count)
{
    const double p50 = (double)percentile(took, count, 50) / 1e6, most = (double)percentile(took, count, 100) / 1e6;
    if (count > 0 && gri_load_relaxed(&felt[kind]) == 0) law(kind_names[kind], 0, 1);
    if (goal) law_at_most(kind_names[kind], most, 1000);
    printf("{\"stress\":\"shocks\",\"kind\":\"%s\",\"shocks\":%zu,\"felt\":%llu,\"p50_ms\":%.1f,\"max_ms\":%.1f}\n",
           kind_names[kind], count, (unsigned long long)gri_load_relaxed(&felt[kind]), p50, most);
}

int main(int argc, char **argv)
{
    const option options[] = {{"--shocks", &shocks}, {"--seed", &seed}, {"--goal", &goal}};
    options_read(argc, argv, options, 3);
    fork_child();
    make_quota();
    int64_t *took[KINDS];
    size_t counts[KINDS] = {0};
    for (int k = 0; k < KINDS; k++) took[k] = calloc(shocks + 1, sizeof *took[k]);
    const int64_t fds = census_now().fds;
    begin();
    gri_rng rng;
    gri_rng_seed(&rng, seed);
    enum kind order[KINDS] = {THREADS, CPU_SET,     QUOTA,
                              CLOCK,   DESCRIPTORS, ROOM}; /* each once a round, in an order of its own */
    for (uint64_t i = 0; i < shocks && laws_broken == 0; i++) {
        if (i > 0 && i % LIFE == 0) end(), begin();
        const size_t at = i % KINDS, other = at + (size_t)gri_rng_below(&rng, KINDS - at);
        const enum kind kind = order[other];
        order[other] = order[at], order[at] = kind;
        took[kind][counts[kind]++] = shock(kind, &rng);
    }
    end();
    remove_quota();
    for (enum kind k = THREADS; k < KINDS; k++) report(k, took[k], counts[k]);
    law("descriptors", census_now().fds, fds);
    law("blocks", law_soon_at_most("blocks", blocks_now, 0), 0);
    for (int k = 0; k < KINDS; k++) free(took[k]);
    return laws_broken != 0;
}
