// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors
#include "caf_peer.hpp"

using caf::actor;
using caf::behavior;
using caf::event_based_actor;
using caf::stateful_actor;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

struct count {
    int64_t n = 0;
};

static void sleep(event_based_actor *self, int64_t number, int64_t which)
{
    self->delayed_send(self, milliseconds(nap_ms(uint64_t(number), uint64_t(which))), which);
}

// Each actor sleeps 1 to 100 ms ten times: it waits for a message to itself.
static behavior sleeper(event_based_actor *self, const actor &counter, int64_t number)
{
    const int64_t sleeps = 10;
    sleep(self, number, 0);
    return {[=](int64_t which) {
        if (which + 1 < sleeps) {
            sleep(self, number, which + 1);
            return;
        }
        self->send(counter, sleeps);
        self->quit();
    }};
}

static behavior counter(stateful_actor<count> *self, const actor &main, int64_t expected)
{
    return {[=](int64_t slept) {
        self->state.n += slept;
        if (self->state.n < expected) return;
        self->send(main, self->state.n);
        self->quit();
    }};
}

void timers(caf::actor_system &system, result &r, int64_t actors)
{
    caf::scoped_actor main{system};
    r.begin();
    actor to = system.spawn(counter, actor(main), 10 * actors);
    for (int64_t i = 0; i < actors; i++) system.spawn(sleeper, to, i);
    law(take(main) == 10 * actors, "timers: sleeps got lost");
    r.end(10 * actors);
}

static behavior computing(event_based_actor *self)
{
    self->send(self, int64_t(0));
    return {[=](int64_t n) {
        for (auto end = steady_clock::now() + microseconds(100); steady_clock::now() < end;) continue;
        self->send(self, n + 1);
    }};
}

static behavior echo(event_based_actor *self)
{
    return {[=](int64_t n) { self->send(caf::actor_cast<actor>(self->current_sender()), n); }};
}

struct asking {
    int64_t asked = 0;
    steady_clock::time_point due = steady_clock::now(), sent;
};

static void ask_later(stateful_actor<asking> *self)
{
    auto now = steady_clock::now();
    self->state.due = std::max(self->state.due + milliseconds(1), now);
    self->delayed_send(self, self->state.due - now, true);
}

// Asks the echo every millisecond.
static behavior client(stateful_actor<asking> *self, const actor &to, const actor &main, int64_t questions, result *r)
{
    ask_later(self);
    return {[=](bool) {
                self->state.sent = steady_clock::now();
                self->send(to, self->state.asked);
            },
            [=](int64_t n) {
                std::chrono::duration<double, std::micro> time = steady_clock::now() - self->state.sent;
                law(n == self->state.asked++, "latency: the answer to another question");
                r->latencies_us.push_back(time.count());
                if (n + 1 < questions) {
                    ask_later(self);
                    return;
                }
                self->send(main, n + 1);
                self->quit();
            }};
}

// Those who compute beside the client give way every 100 us.
void latency(caf::actor_system &system, result &r, int64_t questions, int count)
{
    caf::scoped_actor main{system};
    std::vector<actor> others;
    for (int i = 0; i < count; i++) others.push_back(system.spawn(computing));
    others.push_back(system.spawn(echo));
    r.begin();
    system.spawn(client, others.back(), actor(main), questions, &r);
    law(take(main) == questions, "latency: questions got lost");
    r.end(questions);
    for (const actor &other : others) main->send_exit(other, caf::exit_reason::kill);
}
