/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* latency: a client asks an echo every millisecond; beside them one computing actor per worker, which gives way every 100 µs.
 * With --alone 1 nobody computes. One operation is one question with its answer; what counts is the latency. late_us is how
 * much later than it should the client was woken for its question.
 *
 * A green thread computes in a loop and calls gr_cooperate; a server computes in on_message and sends itself the next message.
 *
 * Law: every answer is that to the question; those who compute have done so until they were killed. */
#include "bench.h"

#include <stdlib.h>

#define COMPUTE_US 100
#define NS_PER_US INT64_C(1000)
#define QUESTIONS_MAX 1000000

static bench_span span;
static uint64_t rounds;       /* of 100 µs: constant while actors live */
static uint32_t *lateness_ns; /* of each question; the client's, read when it has ended */
static uint64_t pieces;       /* computed, by whoever computes, with __atomic builtins */
static uint64_t sink;         /* so that the work is not left out; whose result it is does not matter */

/* ---- who computes ---- */

static void compute(void)
{
    __atomic_store_n(&sink, bench_work(rounds), __ATOMIC_RELAXED);
    __atomic_fetch_add(&pieces, 1, __ATOMIC_RELAXED);
}

static void green_computing(gr_self *self, gr_value args)
{
    (void)args;
    do compute();
    while (gr_cooperate(self) == 0);
}

static void computing_on_message(gr_self *self, void *state, gr_message *m)
{
    (void)state;
    compute();
    BENCH_OK(gr_send(self, gr_self_address(self), &m)); /* the same one again: it says nothing but "go on" */
}

static const gr_server computing = {.on_message = computing_on_message};

/* ---- the echo ---- */

static void green_echo(gr_self *self, gr_value args)
{
    (void)args;
    gr_message *m;
    while (gr_receive(self, &m, GR_FOREVER) == 0) {
        BENCH_OK(gr_send(self, gr_sender(m), &m));
    }
}

static void echo_on_message(gr_self *self, void *state, gr_message *m)
{
    (void)state;
    BENCH_OK(gr_send(self, gr_sender(m), &m));
}

static const gr_server echo = {.on_message = echo_on_message};

/* ---- the client ---- */

typedef struct client {
    gr_address echo, main;
    int64_t questions, asked, every_ns, due_ns, sent_ns;
} client;

static void read_client(client *c, gr_value args)
{
    *c = (client){0};
    BENCH_OK(gr_unpack(args, NULL, "[A,A,I,I]", &c->echo, &c->main, &c->questions, &c->every_ns));
    c->due_ns = gr_now_ns() + c->every_ns;
    bench_span_begin(&span);
}

static void ask(gr_self *self, client *c)
{
    c->sent_ns = gr_now_ns();
    int64_t late_ns = c->sent_ns - c->due_ns;
    lateness_ns[c->asked] = late_ns < 0 ? 0 : late_ns > UINT32_MAX ? UINT32_MAX : (uint32_t)late_ns;
    BENCH_OK(gr_cast(self, c->echo, "I", c->asked));
}

/* True if it was the last. The next question is due a millisecond after this one was, unless that has passed. */
static bool hear(gr_self *self, client *c, gr_value body)
{
    int64_t now_ns = gr_now_ns();
    if (gr_int(body, -1) != c->asked) bench_fail("latency: the answer to another question");
    bench_sample(now_ns - c->sent_ns);
    c->due_ns += c->every_ns;
    if (c->due_ns < now_ns) c->due_ns = now_ns;
    if (++c->asked < c->questions) return false;
    bench_span_end(&span);
    BENCH_OK(gr_cast(self, c->main, "I", c->asked));
    return true;
}

static void green_client(gr_self *self, gr_value args)
{
    client c;
    read_client(&c, args);
    for (bool over = false; !over;) {
        BENCH_OK(gr_sleep(self, (gr_deadline){c.due_ns}));
        ask(self, &c);
        gr_message *m;
        BENCH_OK(gr_receive(self, &m, GR_FOREVER));
        over = hear(self, &c, gr_body(m));
        gr_message_free(&m);
    }
}

static void ask_later(gr_self *self, client *c)
{
    BENCH_OK(gr_cast_after(self, NULL, gr_self_address(self), (gr_deadline){c->due_ns}, "n"));
}

static int client_start(gr_self *self, void *state, gr_value args)
{
    read_client(state, args);
    ask_later(self, state);
    return 0;
}

static void client_on_message(gr_self *self, void *state, gr_message *m)
{
    if (gr_type_of(gr_body(m)) == GR_NULL)
        ask(self, state);
    else if (hear(self, state, gr_body(m)))
        gr_server_end(self);
    else
        ask_later(self, state);
}

static const gr_server client_server = {
    .state_bytes = sizeof(client), .start = client_start, .on_message = client_on_message};

/* ---- together ---- */

static void spawn(bench *b, gr_address *ret_address, gr_entry entry, const gr_server *server)
{
    gr_value none = {NULL};
    if (b->servers)
        BENCH_OK(gr_spawn_server_value(b->self, ret_address, server, NULL, none));
    else
        BENCH_OK(gr_spawn_value(b->self, ret_address, entry, NULL, none));
}

static void end(bench *b, gr_address actor)
{
    BENCH_OK(gr_kill(actor));
    while (gr_alive(actor)) BENCH_OK(gr_sleep(b->self, gr_after_ms(1)));
}

static void run(bench *b, int64_t questions, int64_t every_ns, bool alone)
{
    unsigned count = alone ? 0 : b->workers;
    gr_address *beside = calloc(count + 1, sizeof *beside), other;
    if (!beside) bench_fail("no memory");
    uint64_t before = __atomic_load_n(&pieces, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < count; i++) {
        spawn(b, &beside[i], green_computing, &computing);
        if (b->servers) BENCH_OK(gr_cast(b->self, beside[i], "n"));
    }
    spawn(b, &other, green_echo, &echo);
    gr_address me = gr_self_address(b->self);
    if (b->servers)
        BENCH_OK(gr_spawn_server(b->self, NULL, &client_server, NULL, "[A,A,I,I]", other, me, questions, every_ns));
    else
        BENCH_OK(gr_spawn(b->self, NULL, green_client, "[A,A,I,I]", other, me, questions, every_ns));
    bench_equal("questions answered", (uint64_t)bench_receive_int(b), (uint64_t)questions);
    for (unsigned i = 0; i < count; i++) {
        if (!gr_alive(beside[i])) bench_fail("latency: somebody stopped computing");
        end(b, beside[i]);
    }
    end(b, other);
    if (count > 0 && __atomic_load_n(&pieces, __ATOMIC_RELAXED) == before) bench_fail("latency: nobody has computed");
    free(beside);
}

static int compare_times(const void *left, const void *right)
{
    uint32_t l = *(const uint32_t *)left, r = *(const uint32_t *)right;
    return (l > r) - (l < r);
}

int main(int argc, char **argv)
{
    bench_parameter parameters[] = {{"questions", 2000, 100}, {"every-us", 1000, 1000}, {"alone", 0, 0}};
    bench b = {.workload = "latency", .parameters = parameters, .parameter_count = 3};
    bench_begin(&b, argc, argv);
    int64_t questions = (int64_t)parameters[0].value, every_ns = (int64_t)parameters[1].value * NS_PER_US;
    bool alone = parameters[2].value != 0;
    if (questions < 100 || questions > QUESTIONS_MAX || every_ns < 1)
        bench_fail("latency: 100 to %d questions, 1 us or more between them", QUESTIONS_MAX);
    if (alone) b.workload = "latency_alone";
    rounds = (uint64_t)(bench_rounds_per_us() * COMPUTE_US);
    lateness_ns = calloc((size_t)questions, sizeof *lateness_ns);
    if (!lateness_ns) bench_fail("no memory");
    run(&b, questions / 20 + 1, every_ns, alone);
    bench_samples_clear();
    run(&b, questions, every_ns, alone);
    qsort(lateness_ns, (size_t)questions, sizeof *lateness_ns, compare_times);
    bench_note(&b, "\"late_us\":{\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f}", lateness_ns[questions / 2] * 1e-3,
               lateness_ns[questions * 99 / 100] * 1e-3, lateness_ns[questions - 1] * 1e-3);
    free(lateness_ns);
    return bench_end(&b, span, (uint64_t)questions, "question");
}
