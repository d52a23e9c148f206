/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* http: wrk with one thread and 64 connections against the REST library in this process, with everything on that is on by
 * default: Date, validation, deadlines, limits (of which two are raised so that 64 clients from one address may connect). What
 * counts is the processor time a request takes this process; wrk, which is another one, is often what limits the rate.
 *
 *     --request 0     GET /account                  the published state            http_get
 *     --request 1     POST /account                 a cast to the actor            http_cast
 *     --request 2     POST /account/-/call/add      a call, answered by the actor  http_call
 *
 * With --smoke a green thread sends some requests of its own instead, so that wrk is not needed. Without wrk the line says
 * "skipped".
 *
 * Law: every answer has the status it must have; the actor has got as many messages as were answered, and at most one more for
 * each connection, which wrk cuts at its end. */
#include "bench.h"

#include <greenroom/rest.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONNECTIONS 64
#define CAST "{\"op\":\"add\",\"n\":7}"

static const struct request {
    const char *workload, *method, *path, *body;
    int status;
} requests[] = {
    {"http_get", "GET", "/account", "", 200},
    {"http_cast", "POST", "/account", CAST, 202},
    {"http_call", "POST", "/account/-/call/add", CAST, 200},
};

static bench_span span;

/* ---- the actor ---- */

static int64_t amount(gr_value body)
{
    return gr_int(gr_get(body, "n"), 0);
}

/* The only cast that is no {"op", "n"} asks how many messages there were. */
static bool asks(gr_self *self, gr_message *m, int64_t got)
{
    if (gr_type_of(gr_body(m)) != GR_NULL) return false;
    BENCH_OK(gr_cast(self, gr_sender(m), "I", got));
    return true;
}

static void green_account(gr_self *self, gr_value args)
{
    (void)args;
    BENCH_OK(gr_publish(self, "{s:i,s:s}", "balance", 7, "owner", "somebody"));
    int64_t got = 0, balance = 0;
    gr_message *m;
    while (gr_receive(self, &m, GR_FOREVER) == 0) {
        if (gr_is_call(m)) {
            balance += amount(gr_call_argument(m));
            got++;
            (void)gr_respond(self, m, "{s:I}", "balance", balance); /* its client may have gone */
        } else if (!asks(self, m, got)) {
            balance += amount(gr_body(m));
            got++;
        }
        gr_message_free(&m);
    }
}

typedef struct account {
    int64_t got, balance;
} account;

static int account_start(gr_self *self, void *state, gr_value args)
{
    (void)state, (void)args;
    return gr_publish(self, "{s:i,s:s}", "balance", 7, "owner", "somebody");
}

static void add(gr_self *self, void *state, gr_value argument)
{
    account *a = state;
    a->got++;
    a->balance += amount(argument);
    BENCH_OK(gr_reply(self, "{s:I}", "balance", a->balance));
}

static void account_on_message(gr_self *self, void *state, gr_message *m)
{
    account *a = state;
    if (asks(self, m, a->got)) return;
    a->got++;
    a->balance += amount(gr_body(m));
}

static const gr_method account_methods[] = {{"add", add}};
static const gr_server account_server = {.state_bytes = sizeof(account),
                                         .start = account_start,
                                         .methods = account_methods,
                                         .method_count = 1,
                                         .on_message = account_on_message};

/* ---- wrk ---- */

typedef struct load {
    uint64_t requests; /* answered */
    uint64_t cut;      /* at most so many more may have reached the server */
    double requests_per_s, p50_us, p99_us;
    bool no_wrk;
} load;

static double in_us(const char *text)
{
    char *unit;
    double value = strtod(text, &unit);
    return value * (strncmp(unit, "us", 2) == 0 ? 1 : strncmp(unit, "ms", 2) == 0 ? 1e3 : 1e6);
}

static void read_wrk(FILE *from, load *l)
{
    char line[256];
    double seconds = 0;
    while (fgets(line, sizeof line, from)) {
        char *at = line + strspn(line, " ");
        unsigned long long count;
        if (sscanf(at, "%llu requests in %lf", &count, &seconds) == 2) l->requests = count;
        if (sscanf(at, "Requests/sec: %lf", &l->requests_per_s) == 1) continue;
        if (strncmp(at, "50%", 3) == 0) l->p50_us = in_us(at + 3);
        if (strncmp(at, "99%", 3) == 0) l->p99_us = in_us(at + 3);
        if (strstr(at, "Non-2xx") || strstr(at, "Socket errors")) bench_fail("http: wrk says: %s", at);
    }
    l->cut = CONNECTIONS;
}

/* The script that wrk needs for anything but GET. */
static void write_script(const char *path, const struct request *r)
{
    FILE *file = fopen(path, "w");
    if (!file) bench_fail("http: %s: %s", path, strerror(errno));
    fprintf(file, "wrk.method = \"%s\"\nwrk.headers[\"Content-Type\"] = \"application/json\"\nwrk.body = '%s'\n",
            r->method, r->body);
    if (fclose(file) != 0) bench_fail("http: %s: %s", path, strerror(errno));
}

static void run_wrk(const struct request *r, const char *address, uint64_t seconds, load *ret)
{
    char script[] = "/tmp/greenroom-bench-XXXXXX", url[256], duration[32];
    int pipes[2], made = mkstemp(script);
    if (made < 0 || pipe(pipes) != 0) bench_fail("http: %s", strerror(errno));
    close(made);
    write_script(script, r);
    snprintf(url, sizeof url, "http://%s%s", address, r->path);
    snprintf(duration, sizeof duration, "%llus", (unsigned long long)seconds);
    bench_span_begin(&span);
    pid_t child = fork();
    if (child == 0) {
        dup2(pipes[1], 1);
        dup2(pipes[1], 2);
        close(pipes[0]);
        execlp("wrk", "wrk", "-t1", "-c64", "-d", duration, "--latency", "-s", script, url, (char *)NULL);
        _exit(127);
    }
    close(pipes[1]);
    FILE *from = fdopen(pipes[0], "r");
    if (child < 0 || !from) bench_fail("http: %s", strerror(errno));
    read_wrk(from, ret);
    bench_span_end(&span);
    fclose(from);
    int status = 0;
    waitpid(child, &status, 0);
    unlink(script);
    ret->no_wrk = WIFEXITED(status) && WEXITSTATUS(status) == 127;
    if (!ret->no_wrk && (status != 0 || ret->requests == 0)) bench_fail("http: wrk failed");
}

/* ---- some requests without wrk ---- */

typedef struct visit {
    const struct request *request;
    const char *address;
    uint64_t count;
} visit;

/* Reads one answer, whose head and body come together or not, and returns its status. */
static int read_answer(gr_self *self, gr_socket socket)
{
    char text[4096];
    for (size_t used = 0;;) {
        size_t got;
        BENCH_OK(gr_read(self, socket, text + used, sizeof text - 1 - used, &got, gr_after_s(120)));
        if (got == 0) bench_fail("http: the server has closed the connection");
        used += got;
        text[used] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
        if (!end) continue;
        size_t whole = (size_t)(end + 4 - text) + (length && length < end ? strtoul(length + 16, NULL, 10) : 0);
        if (used == whole) return atoi(text + strlen("HTTP/1.1 "));
        if (used > whole) bench_fail("http: more than one answer");
    }
}

static void visitor(gr_self *self, gr_value args)
{
    const visit *v; /* bytes in a message are aligned to nothing */
    memcpy(&v, gr_bytes(gr_at(args, 1), NULL), sizeof v);
    char request[512];
    int bytes =
        snprintf(request, sizeof request,
                 "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                 v->request->method, v->request->path, v->address, strlen(v->request->body), v->request->body);
    gr_socket socket;
    BENCH_OK(gr_connect(self, &socket, v->address, gr_after_s(120)));
    for (uint64_t i = 0; i < v->count; i++) {
        BENCH_OK(gr_write(self, socket, request, (size_t)bytes, gr_after_s(120)));
        int status = read_answer(self, socket);
        if (status != v->request->status) bench_fail("http: status %d, expected %d", status, v->request->status);
    }
    BENCH_OK(gr_close(self, socket));
    BENCH_OK(gr_cast(self, gr_address_in(gr_at(args, 0)), "I", (int64_t)v->count));
}

static void run_visit(bench *b, const struct request *r, const char *address, uint64_t count, load *ret)
{
    const visit v = {r, address, count}, *at = &v;
    bench_span_begin(&span);
    BENCH_OK(gr_spawn(b->self, NULL, visitor, "[A,B]", gr_self_address(b->self), (const void *)&at, sizeof at));
    ret->requests = (uint64_t)bench_receive_int(b);
    bench_span_end(&span);
}

/* ---- together ---- */

static uint64_t messages_of(bench *b, gr_address actor)
{
    BENCH_OK(gr_cast(b->self, actor, "n"));
    return (uint64_t)bench_receive_int(b);
}

static load run(bench *b, const struct request *r, gr_address actor, const char *address, uint64_t seconds,
                uint64_t count)
{
    load l = {0};
    uint64_t before = messages_of(b, actor);
    if (seconds > 0)
        run_wrk(r, address, seconds, &l);
    else
        run_visit(b, r, address, count, &l);
    uint64_t got = messages_of(b, actor) - before, want = r->method[0] == 'P' ? l.requests : 0;
    uint64_t at_most = want ? want + l.cut : 0;
    if (got < want || got > at_most)
        bench_fail("conservation: messages to the actor: %llu, answered %llu", (unsigned long long)got,
                   (unsigned long long)want);
    return l;
}

int main(int argc, char **argv)
{
    bench_parameter parameters[] = {{"request", 0, 2}, {"duration-s", 5, 0}, {"visits", 200, 200}};
    bench b = {.workload = "http", .parameters = parameters, .parameter_count = 3};
    bench_begin(&b, argc, argv);
    uint64_t which = parameters[0].value, seconds = parameters[1].value, visits = parameters[2].value;
    if (which >= sizeof requests / sizeof *requests || seconds > 3600 || visits < 1)
        bench_fail("http: requests 0 to 2, at most 3600 seconds, 1 visit or more");
    b.workload = requests[which].workload;
    gr_address actor;
    gr_spawn_options options = {.name = "account"};
    if (b.servers)
        BENCH_OK(gr_spawn_server(b.self, &actor, &account_server, &options, "n"));
    else
        BENCH_OK(gr_spawn_with(b.self, &actor, green_account, &options, "n"));
    gr_rest_options rest = {.open = true,
                            .http = {.listen = "127.0.0.1:0", .connections_per_address = 2 * CONNECTIONS}};
    gr_rest *server;
    gr_detail detail;
    if (gr_rest_start(b.self, &rest, &server, &detail) != 0) bench_fail("gr_rest_start: %s", detail.text);
    run(&b, &requests[which], actor, gr_rest_address(server), seconds > 0, visits / 10 + 1);
    load l = run(&b, &requests[which], actor, gr_rest_address(server), seconds, visits);
    BENCH_OK(gr_rest_stop(b.self, &server, gr_after_s(60)));
    BENCH_OK(gr_kill(actor));
    while (gr_alive(actor)) BENCH_OK(gr_sleep(b.self, gr_after_ms(1)));
    if (l.no_wrk) return bench_end_with(&b, "\"skipped\":\"there is no wrk\"");
    bench_note(&b, "\"cpu_us_per_request\":%.2f", (double)span.cpu_ns * 1e-3 / (double)l.requests);
    if (seconds > 0)
        bench_note(&b, "\"requests_per_s\":%.0f,\"wrk_us\":{\"p50\":%.0f,\"p99\":%.0f}", l.requests_per_s, l.p50_us,
                   l.p99_us);
    return bench_end(&b, span, l.requests, "request");
}
