/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* R10: a receiver that is flooded, whatever its mailbox does when it is full.
 *
 *     flood_stress [--seconds N] [--senders N] [--workers N] [--kb N]
 *
 * Every policy has its share of the time. Senders cast as fast as they can, bodies of 8 to 1,000 bytes, to one server that works
 * 20 us on each; it is bounded in bytes (--kb). One that its full mailbox kills has a successor as soon as it is gone. Without
 * arguments a second in all; the goal is ten minutes: --seconds 600 --kb 262144.
 *
 * Laws, exact: sent = delivered + dropped + discarded (with a server that was killed), and what was refused is refused (GR_EFULL),
 * after the flood has ended and the server has read what was left; each sender's messages arrive in order. And resident memory,
 * looked at 20 times a second, is never more above what it was before the flood than the bound and 1 %: a law from 40 seconds on,
 * where no sanitizer keeps memory of its own, with a bound of 64 MiB and more. Not for drop_oldest and kill, where it is printed:
 * what is dropped goes home to the heap of who sent it, and while that thread has no CPU nobody can use it. */
#include "stress/census.h"

#include "base/atomic.h"

#include <stdlib.h>
#include <string.h>

#define SENDERS_MAX 64

static uint64_t seconds = 1, senders = 4, workers = 2, kb = 4096;
static gri_atomic_bool going;                          /* relaxed: seen late is fine */
static gri_atomic_u64 sent, refused, delivered, ended; /* relaxed: counts, read when who writes them has ended */
static gri_atomic_u64 receiver;                        /* relaxed: an address, nothing goes with it */

typedef struct reader {
    int64_t last[SENDERS_MAX];
} reader;

static void on_message(gr_self *self, void *state, gr_message *m)
{
    reader *r = state;
    int64_t from = gr_int(gr_at(gr_body(m), 0), 0), number = gr_int(gr_at(gr_body(m), 1), 0);
    (void)self;
    if (number <= r->last[from]) law("a message came out of order", number, r->last[from] + 1);
    r->last[from] = number;
    gri_add_relaxed(&delivered, 1u);
    for (int64_t until = gr_now_ns() + 20000; gr_now_ns() < until;) continue;
}

static const gr_server server = {.state_bytes = sizeof(reader), .on_message = on_message};

static void sender(gr_self *self, gr_value args)
{
    static const char text[1001] = {[0 ... 999] = 'x'};
    int64_t me = gr_int(args, 0), number = 0;
    while (gri_load_relaxed(&going)) {
        gr_address to = {gri_load_relaxed(&receiver)};
        size_t bytes = (size_t)(number * 37 % 993) + 7;
        int code = gr_cast(self, to, "[I,I,s]", me, ++number, text + 1000 - bytes);
        if (code == 0 || code == GR_EFULL)
            gri_add_relaxed(code == 0 ? &sent : &refused, 1u);
        else if (code == GR_EDEAD)
            (void)gr_sleep(self, gr_after_ms(1)); /* until it has a successor */
        else
            law("an error of another kind", code, 0);
        (void)gr_cooperate(self);
    }
    gri_add_relaxed(&ended, 1u);
}

/* Between two looks at what the system says; nothing has to happen meanwhile. */
static void pause_ms(gr_self *self, int ms)
{
    gr_sleep(self, gr_after_ms(ms));
}

/* Once all of the one before has gone. */
static void receiver_spawn(gr_self *self, enum gr_mailbox_policy policy, int64_t actors)
{
    const gr_spawn_options bound = {
        .mailbox_bytes_max = (size_t)kb << 10, .mailbox_policy = policy, .mailbox_wait_ms = 60000};
    gr_address to;
    gr_counters c;
    for (;;) {
        MUST(gr_counters_read(&c));
        if ((int64_t)c.actors <= actors) break;
        pause_ms(self, 1);
    }
    MUST(gr_spawn_server(self, &to, &server, &bound, "n"));
    gri_store_relaxed(&receiver, to.id);
}

static void flood(const char *name, enum gr_mailbox_policy policy, int64_t ms)
{
    gr_options options = {.workers = (int64_t)workers, .log = "error", .fixed = GR_FIXED(workers) | GR_FIXED(log)};
    gr_self *self;
    MUST(gr_start(&options, NULL));
    MUST(gr_attach(&self));
    receiver_spawn(self, policy, 1);
    const int64_t first = census_now().resident;
    gri_store_relaxed(&going, true);
    gri_store_relaxed(&sent, 0), gri_store_relaxed(&refused, 0);
    gri_store_relaxed(&delivered, 0), gri_store_relaxed(&ended, 0);
    for (uint64_t i = 0; i < senders; i++) MUST(gr_spawn(self, &(gr_address){0}, sender, "I", (int64_t)i));
    int64_t begin = gr_now_ns(), most = first, killed = 0;
    while (gr_now_ns() - begin < ms * 1000000) {
        pause_ms(self, 50);
        if (!gr_alive((gr_address){gri_load_relaxed(&receiver)}))
            receiver_spawn(self, policy, 1 + (int64_t)senders), killed++;
        int64_t resident = census_now().resident;
        if (resident > most) most = resident;
    }
    gri_store_relaxed(&going, false);
    while (gri_load_relaxed(&ended) < senders) pause_ms(self, 1);
    gr_counters counters;
    for (;;) { /* it reads on until nothing is left */
        MUST(gr_counters_read(&counters));
        if (gri_load_relaxed(&delivered) + counters.displaced + counters.discarded >= gri_load_relaxed(&sent)) break;
        pause_ms(self, 1);
    }
    law("sent = delivered + dropped + discarded",
        (int64_t)(gri_load_relaxed(&delivered) + counters.displaced + counters.discarded),
        (int64_t)gri_load_relaxed(&sent));
    law("refused", (int64_t)counters.rejected, (int64_t)gri_load_relaxed(&refused));
    const double bytes = (double)(kb << 10);
#if !GRI_ASAN && !GRI_TSAN
    const bool is_law = policy != GR_MAILBOX_DROP_OLDEST && policy != GR_MAILBOX_KILL;
    if (is_law && seconds >= 40 && kb >= 65536)
        law_at_most("growth of resident memory", (double)(most - first), bytes * 1.01);
#endif
    printf("{\"stress\":\"flood\",\"policy\":\"%s\",\"seconds\":%.1f,\"sent\":%llu,\"delivered\":%llu,\"dropped\":%llu,"
           "\"discarded\":%llu,\"killed\":%lld,\"refused\":%llu,\"bound\":%.0f,\"resident\":%lld,\"growth\":%lld}\n",
           name, (double)ms / 1000, (unsigned long long)gri_load_relaxed(&sent),
           (unsigned long long)gri_load_relaxed(&delivered), (unsigned long long)counters.displaced,
           (unsigned long long)counters.discarded, (long long)killed, (unsigned long long)gri_load_relaxed(&refused),
           bytes, (long long)first, (long long)(most - first));
    gr_stop(GR_NOW);
}

int main(int argc, char **argv)
{
    const option options[] = {{"--seconds", &seconds}, {"--senders", &senders}, {"--workers", &workers}, {"--kb", &kb}};
    options_read(argc, argv, options, 4);
    if (senders > SENDERS_MAX) senders = SENDERS_MAX;
    const int64_t share = (int64_t)seconds * 200;
    flood("fail", GR_MAILBOX_FAIL, share);
    flood("suspend", GR_MAILBOX_SUSPEND, share);
    flood("drop_newest", GR_MAILBOX_DROP_NEWEST, share);
    flood("drop_oldest", GR_MAILBOX_DROP_OLDEST, share);
    flood("kill", GR_MAILBOX_KILL, share);
    return laws_broken != 0;
}
