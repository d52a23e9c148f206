/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* README.md shows this file from the first #include on.
 * Prints: 200 runs: no money is lost */
#include <greenroom.h>
#include <greenroom/test.h>
#include <stdio.h>

/* A transfer from one account to another, in two steps. Killed between them it loses money, unless it is told to hold on. */
static int64_t accounts[3];
static bool holds_on;

static void transfer(gr_self *self, gr_value args)
{
    int64_t from = gr_int(gr_at(args, 0), 0), to = gr_int(gr_at(args, 1), 0);
    if (gr_sleep(self, gr_after_ms(1)) != 0) return; /* killed before it has begun: fine */
    if (holds_on) gr_kill_hold(self);
    accounts[from] -= 10;
    if (gr_sleep(self, gr_after_ms(1)) != 0) return; /* the bug */
    accounts[to] += 10;
    if (holds_on) gr_kill_release(self);
}

/* What is tried with every seed: nine transfers at once; then no money is lost. */
static int money_is_kept(gr_self *self, void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) accounts[i] = 100;
    for (int i = 0; i < 9; i++) {
        gr_address one;
        if (gr_spawn(self, &one, transfer, "[i,i]", i % 3, (i + 1) % 3) != 0) return 1;
    }
    if (gr_sleep(self, gr_after_s(1)) != 0) return 2; /* virtual time: it takes none */
    GR_TEST_CHECK(accounts[0] + accounts[1] + accounts[2] == 300);
    return 0;
}

int main(void)
{
    const gr_test_options options = {.name = "money", .seeds = 200, .faults = "kill=20"};
    gr_test_result result;
    if (gr_test_simulate(&options, money_is_kept, NULL, &result) != 1) return 1;
    holds_on = true;
    if (gr_test_simulate(&options, money_is_kept, NULL, &result) != 0) return 1;
    printf("%d runs: no money is lost\n", (int)result.runs);
    return 0;
}
