/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "savina.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define ITERATIONS_MAX 1000
#define GIVE_WAY_EVERY 500
#define PATIENCE_S 300

extern char **environ;

bool savina_servers;
const gr_spawn_options savina_kept = {.retain = true};

/* ---- sweeps ---- */

/* The same program, without --sweep, with one parameter more. */
static int run_variation(int argc, char **argv, const savina_variation *v)
{
    char **args = savina_array((size_t)argc + 3, sizeof *args);
    char option[64], value[32];
    int count = 0;
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--sweep") != 0) args[count++] = argv[i];
    if (v) {
        snprintf(option, sizeof option, "--%s", v->option);
        snprintf(value, sizeof value, "%llu", (unsigned long long)v->value);
        args[count++] = option;
        args[count++] = value;
    }
    pid_t child;
    int status = -1;
    bool ran =
        posix_spawn(&child, "/proc/self/exe", NULL, NULL, args, environ) == 0 && waitpid(child, &status, 0) == child;
    free(args);
    return ran && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int run_sweep(const savina *program, int argc, char **argv)
{
    int code = run_variation(argc, argv, NULL);
    for (size_t i = 0; i < SAVINA_VARIATIONS_MAX && program->sweep[i].option && code == 0; i++)
        code = run_variation(argc, argv, &program->sweep[i]);
    return code;
}

/* ---- iterations ---- */

static gr_counters counters(void)
{
    gr_counters c;
    BENCH_OK(gr_counters_read(&c));
    return c;
}

/* Until every actor of the iteration has ended; and nobody has sent what nobody has received. */
static void settle(bench *b, const gr_counters *before)
{
    gr_counters after = counters();
    for (; after.ended - before->ended != after.spawned - before->spawned; after = counters())
        BENCH_OK(gr_sleep(b->self, gr_after_us(50)));
    bench_equal("messages to actors that have ended", after.dead_letters, before->dead_letters);
    bench_equal("messages not received at an actor's end", after.discarded, before->discarded);
    bench_equal("messages that a server did not want", after.dropped, before->dropped);
}

static int compare_spans(const void *left, const void *right)
{
    const bench_span *l = left, *r = right;
    int64_t l_ns = l->end_ns - l->begin_ns, r_ns = r->end_ns - r->begin_ns;
    return (l_ns > r_ns) - (l_ns < r_ns);
}

int savina_main(const savina *program, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--sweep") == 0) return run_sweep(program, argc, argv);
    bench_parameter parameters[SAVINA_PARAMETERS_MAX + 1];
    size_t count = 0;
    for (; count < SAVINA_PARAMETERS_MAX && program->parameters[count].option; count++)
        parameters[count] = program->parameters[count];
    parameters[count++] = (bench_parameter){"iterations", program->iterations, 1};
    bench b = {.workload = program->workload, .parameters = parameters, .parameter_count = count};
    bench_begin(&b, argc, argv);
    savina_servers = b.servers;
    uint64_t iterations = parameters[count - 1].value, operations = 0;
    if (iterations < 1 || iterations > ITERATIONS_MAX) bench_fail("--iterations: 1 to %d", ITERATIONS_MAX);
    static bench_span spans[ITERATIONS_MAX + 1];
    for (uint64_t i = iterations == 1; i <= iterations; i++) {
        gr_counters before = counters();
        operations = program->run(&b, parameters, &spans[i]);
        settle(&b, &before);
    }
    qsort(spans + 1, iterations, sizeof *spans, compare_spans);
    return bench_end(&b, spans[1 + iterations / 2], operations, program->operation);
}

/* ---- in the programs ---- */

int64_t savina_result(gr_self *self, gr_address address)
{
    gr_message *result = NULL;
    BENCH_OK(gr_wait(self, address, &result, gr_after_s(PATIENCE_S)));
    if (gr_type_of(gr_body(result)) != GR_INT) bench_fail("an actor ended without a result");
    int64_t value = gr_int(gr_body(result), 0);
    gr_message_free(&result);
    return value;
}

int64_t savina_results(gr_self *self, const gr_address *addresses, size_t count)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) sum += savina_result(self, addresses[i]);
    return sum;
}

gr_message *savina_receive(gr_self *self)
{
    gr_message *m = NULL;
    BENCH_OK(gr_receive(self, &m, GR_FOREVER));
    return m;
}

void *savina_array(size_t count, size_t bytes)
{
    void *array = calloc(count ? count : 1, bytes);
    if (!array) bench_fail("no memory");
    return array;
}

/* Steele, Lea & Flood's SplitMix64. */
uint64_t savina_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t savina_random_below(uint64_t *state, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)savina_random(state) * n) >> 64);
}

void savina_work(uint64_t *state, uint64_t steps)
{
    for (uint64_t i = 0; i < steps; i++) {
        uint64_t number = savina_random(state);
        __asm__ volatile("" : : "r"(number)); /* nobody looks at it, and yet it is made */
    }
}

void savina_give_way(gr_self *self, int64_t i)
{
    if (i % GIVE_WAY_EVERY == GIVE_WAY_EVERY - 1) BENCH_OK(gr_cooperate(self));
}
