/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What the Savina programs share: iterations, sweeps, waiting for results, a random number. The rest is in bench.h.
 *
 *     static uint64_t run(bench *b, const bench_parameter *p, bench_span *span);    one iteration, verified
 *     static const savina program = {"savina_count", "message", run, 10, {{"messages", 1000000, 1000}}};
 *     int main(int argc, char **argv)
 *     {
 *         return savina_main(&program, argc, argv);
 *     }
 *
 * An iteration spawns its actors, has them do the work, checks the outcome; when it is over no actor and no message of it is
 * left, which is checked, too. One iteration goes before those that count, unless there is only one; the line of JSON is that of
 * the median one.
 * --iterations N says how many; --sweep prints the line of the default parameters and one for each variation of one of them, each
 * of a process of its own.
 * --form: in `green` actors are green threads that block in receive or call, in `server` they are servers; what both share is
 * written once. Like all bench programs these use the public headers only. */
#ifndef GRI_BENCH_SAVINA_H
#define GRI_BENCH_SAVINA_H

#include "bench.h"

#define SAVINA_PARAMETERS_MAX 8
#define SAVINA_VARIATIONS_MAX 8

/* Another value of one parameter, for --sweep. */
typedef struct savina_variation {
    const char *option;
    uint64_t value;
} savina_variation;

typedef struct savina {
    const char *workload, *operation; /* what one of the operations is called */
    /* One iteration; returns how many operations it was. p are the parameters in order; what is timed is the caller's choice. */
    uint64_t (*run)(bench *b, const bench_parameter *p, bench_span *span);
    uint64_t iterations; /* unless --iterations or --smoke says otherwise */
    bench_parameter parameters[SAVINA_PARAMETERS_MAX];
    savina_variation sweep[SAVINA_VARIATIONS_MAX];
} savina;

int savina_main(const savina *program, int argc, char **argv);

/* Spawns the green thread or the server, whichever --form asks for; its result is kept for savina_result.
 *     void savina_spawn(gr_self *self, gr_address *ret_address, gr_entry entry, const gr_server *server,
 *                       const char *format, ...) */
#define savina_spawn(self, ret_address, entry, server, ...) \
    BENCH_OK(savina_servers ? gr_spawn_server((self), (ret_address), (server), &savina_kept, __VA_ARGS__) \
                            : gr_spawn_with((self), (ret_address), (entry), &savina_kept, __VA_ARGS__))
/* The same for an actor whose end nobody waits for. */
#define savina_launch(self, ret_address, entry, server, ...) \
    BENCH_OK(savina_servers ? gr_spawn_server((self), (ret_address), (server), NULL, __VA_ARGS__) \
                            : gr_spawn((self), (ret_address), (entry), __VA_ARGS__))
extern bool savina_servers;
extern const gr_spawn_options savina_kept;

/* Waits for the end of an actor that savina_spawn made; what it gave to gr_return, an int. */
int64_t savina_result(gr_self *self, gr_address address);
/* The sum over many. */
int64_t savina_results(gr_self *self, const gr_address *addresses, size_t count);

/* The next message, to be freed. */
gr_message *savina_receive(gr_self *self);

/* Arrays of the main thread, to be freed; never NULL. */
void *savina_array(size_t count, size_t bytes);

/* The next of a sequence of random numbers that begins with any *state; below(n) are evenly spread over 0 … n - 1. */
uint64_t savina_random(uint64_t *state);
uint64_t savina_random_below(uint64_t *state, uint64_t n);

/* Keeps the worker busy for that many random numbers. */
void savina_work(uint64_t *state, uint64_t steps);

/* Lets others run every some hundred calls: for loops that send and send. A sender never suspends by itself. */
void savina_give_way(gr_self *self, int64_t i);

#endif
