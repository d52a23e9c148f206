/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Savina's Banking: a teller orders transfers between random accounts, without waiting; the account that pays calls the one that
 * is paid, handles nothing else until that has answered, and tells the teller. Money goes from lower to higher numbers only, so
 * that no circle of accounts waits for itself. One operation is one transfer.
 *
 * Verified: each account ends with what the orders, drawn again, say; the sum is what it was. */
#include "savina.h"

#include <stdlib.h>

#define BALANCE 1000000

/* ---- orders ---- */

typedef struct order {
    uint64_t from, to;
    int64_t amount;
} order;

/* From the lower four fifths, so that there is a choice above. */
static order next_order(uint64_t *random, uint64_t accounts)
{
    order o = {.from = savina_random_below(random, accounts * 4 / 5)};
    o.to = o.from + 1 + savina_random_below(random, accounts - o.from - 1);
    o.amount = 1 + (int64_t)savina_random_below(random, 1000);
    return o;
}

/* ---- an account: the call "debit" pays in, a cast [amount, to] pays out, null closes it ---- */

/* False: closed. */
static bool handle(gr_self *self, int64_t *balance, gr_message *m)
{
    gr_address to;
    int64_t amount;
    if (gr_type_of(gr_body(m)) == GR_NULL) {
        BENCH_OK(gr_return(self, "I", *balance));
        return false;
    }
    BENCH_OK(gr_unpack(gr_body(m), NULL, "[I,A]", &amount, &to));
    *balance -= amount;
    BENCH_OK(gr_call(self, NULL, to, "debit", GR_FOREVER, "I", amount));
    BENCH_OK(gr_cast(self, gr_sender(m), "b", true));
    return true;
}

static void account_green(gr_self *self, gr_value args)
{
    int64_t balance = gr_int(args, 0);
    for (bool more = true; more;) {
        gr_message *m = savina_receive(self);
        if (gr_is_call(m)) {
            balance += gr_int(gr_call_argument(m), 0);
            BENCH_OK(gr_respond(self, m, "n"));
        } else {
            more = handle(self, &balance, m);
        }
        gr_message_free(&m);
    }
}

static int account_start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    *(int64_t *)state = gr_int(args, 0);
    return 0;
}

/* Without a gr_reply the answer is null. */
static void account_debit(gr_self *self, void *state, gr_value amount)
{
    (void)self;
    *(int64_t *)state += gr_int(amount, 0);
}

static void account_message(gr_self *self, void *state, gr_message *m)
{
    if (!handle(self, state, m)) gr_server_end(self);
}

static const gr_method account_methods[] = {{"debit", account_debit}};
static const gr_server account_server = {.state_bytes = sizeof(int64_t),
                                         .start = account_start,
                                         .methods = account_methods,
                                         .method_count = 1,
                                         .on_message = account_message};

/* ---- the teller: its result is the sum of all balances ---- */

static void check_balances(gr_self *self, const gr_address *all, uint64_t accounts, int64_t transfers)
{
    int64_t *want = gr_alloc(self, accounts * sizeof *want), sum = 0;
    if (!want) bench_fail("no memory");
    uint64_t random = accounts;
    for (int64_t i = 0; i < transfers; i++) {
        order o = next_order(&random, accounts);
        want[o.from] -= o.amount;
        want[o.to] += o.amount;
    }
    for (uint64_t i = 0; i < accounts; i++) {
        int64_t balance = savina_result(self, all[i]);
        bench_equal("balance", (uint64_t)balance, (uint64_t)(BALANCE + want[i]));
        sum += balance;
    }
    BENCH_OK(gr_return(self, "I", sum));
}

static void teller(gr_self *self, gr_value args)
{
    uint64_t accounts;
    int64_t transfers;
    BENCH_OK(gr_unpack(args, NULL, "[I,I]", &accounts, &transfers));
    gr_address *all = gr_alloc(self, accounts * sizeof *all);
    if (!all) bench_fail("no memory");
    for (uint64_t i = 0; i < accounts; i++) savina_spawn(self, &all[i], account_green, &account_server, "i", BALANCE);
    uint64_t random = accounts;
    for (int64_t i = 0; i < transfers; i++) {
        order o = next_order(&random, accounts);
        BENCH_OK(gr_cast(self, all[o.from], "[I,A]", o.amount, all[o.to]));
        savina_give_way(self, i);
    }
    for (int64_t i = 0; i < transfers; i++) {
        gr_message *m = savina_receive(self);
        gr_message_free(&m);
    }
    for (uint64_t i = 0; i < accounts; i++) BENCH_OK(gr_cast(self, all[i], "n"));
    check_balances(self, all, accounts, transfers);
}

static uint64_t run(bench *b, const bench_parameter *p, bench_span *span)
{
    uint64_t accounts = p[0].value, transfers = p[1].value;
    if (accounts < 2) bench_fail("two accounts or more");
    gr_address all;
    bench_span_begin(span);
    BENCH_OK(gr_spawn_with(b->self, &all, teller, &savina_kept, "[I,I]", accounts, (int64_t)transfers));
    bench_equal("money", (uint64_t)savina_result(b->self, all), accounts * BALANCE);
    bench_span_end(span);
    return transfers;
}

static const savina program = {
    .workload = "savina_banking",
    .operation = "transfer",
    .run = run,
    .iterations = 10,
    .parameters = {{"accounts", 1000, 10}, {"transfers", 50000, 200}},
    .sweep = {{"transfers", 25000}, {"transfers", 100000}, {"accounts", 10}, {"accounts", 100000}}};

int main(int argc, char **argv)
{
    return savina_main(&program, argc, argv);
}
