// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors
#include "caf_peer.hpp"

using caf::actor;
using caf::behavior;
using caf::event_based_actor;
using caf::stateful_actor;

const int64_t STOP = -1;

struct player {
    int64_t received = 0;
};

static behavior ping(stateful_actor<player> *self, actor other, actor main, int64_t trips)
{
    self->send(other, int64_t(0));
    return {[=](int64_t n) {
        int64_t i = self->state.received++;
        law(n == 2 * i + 1, "pingpong: a message at the wrong time");
        if (i + 1 < trips) {
            self->send(other, n + 1);
            return;
        }
        self->send(main, i + 1);
        self->send_exit(other, caf::exit_reason::user_shutdown);
        self->quit();
    }};
}

static behavior pong(event_based_actor *self)
{
    return {[=](int64_t n) { self->send(caf::actor_cast<actor>(self->current_sender()), n + 1); }};
}

void pingpong(caf::actor_system &system, result &r, int64_t trips)
{
    caf::scoped_actor main{system};
    actor other = system.spawn(pong);
    r.begin();
    system.spawn(ping, other, actor(main), trips);
    law(take(main) == trips, "pingpong: trips got lost");
    r.end(2 * trips);
}

struct place {
    actor next;
    int64_t hops = 0;
};

// The first message is the address of the next station; a token carries the hops it has left.
static behavior station(stateful_actor<place> *self, actor main)
{
    return {[=](const actor &next) { self->state.next = next; },
            [=](int64_t left) {
                if (left == STOP) {
                    self->send(main, self->state.hops);
                    self->quit();
                    return;
                }
                self->state.hops++;
                if (left > 1)
                    self->send(self->state.next, left - 1);
                else
                    self->send(main, left - 1);
            }};
}

void ring(caf::actor_system &system, result &r, int64_t hops, int64_t tokens)
{
    const size_t actors = 1000;
    caf::scoped_actor main{system};
    std::vector<actor> stations;
    for (size_t i = 0; i < actors; i++) stations.push_back(system.spawn(station, actor(main)));
    for (size_t i = 0; i < actors; i++) main->send(stations[i], stations[(i + 1) % actors]);
    int64_t each = (hops + tokens - 1) / tokens, sum = 0;
    r.begin();
    for (int64_t i = 0; i < tokens; i++) main->send(stations[size_t(i) * actors / size_t(tokens)], each);
    for (int64_t i = 0; i < tokens; i++) law(take(main) == 0, "ring: a token has hops left");
    r.end(each * tokens);
    for (const actor &s : stations) main->send(s, STOP);
    for (size_t i = 0; i < actors; i++) sum += take(main);
    law(sum == each * tokens, "ring: hops got lost");
}

const int64_t PRODUCERS = 4;

struct counts {
    int64_t received = 0, next[PRODUCERS] = {};
};

static behavior consumer(stateful_actor<counts> *self, actor main, int64_t each)
{
    return {[=](int64_t message) {
        counts &c = self->state;
        law(message / PRODUCERS == c.next[message % PRODUCERS]++, "fanin: out of order");
        if (++c.received < PRODUCERS * each) return;
        self->send(main, c.received);
        self->quit();
    }};
}

// An actor is not interrupted: a producer sends a thousand and then itself a message to go on, as ours gives way.
static behavior producer(event_based_actor *self, actor to, int64_t number, int64_t each)
{
    self->send(self, int64_t(0));
    return {[=](int64_t i) {
        for (int64_t end = std::min(each, i + 1000); i < end; i++) self->send(to, number + PRODUCERS * i);
        if (i < each)
            self->send(self, i);
        else
            self->quit();
    }};
}

void fanin(caf::actor_system &system, result &r, int64_t each)
{
    caf::scoped_actor main{system};
    actor to = system.spawn(consumer, actor(main), each);
    r.begin();
    for (int64_t p = 0; p < PRODUCERS; p++) system.spawn(producer, to, p, each);
    law(take(main) == PRODUCERS * each, "fanin: messages got lost");
    r.end(PRODUCERS * each);
}

struct bounce {
    std::vector<actor> to;
    random_numbers choose{0};
    int64_t received = 0;
    bool stopped = false;
};

// The first message is the addresses of all. Who has been stopped says how many pings it got, and gives its pings back; stopped
// again, it ends.
static behavior bouncer(stateful_actor<bounce> *self, actor main, uint64_t number)
{
    self->state.choose = random_numbers(number);
    return {[=](const std::vector<actor> &to) { self->state.to = to; },
            [=](int64_t ping) {
                bounce &b = self->state;
                if (ping == STOP && b.stopped) {
                    self->quit();
                } else if (ping == STOP) {
                    b.stopped = true;
                    self->send(main, b.received, true);
                } else if (b.stopped) {
                    self->send(main, ping);
                } else {
                    b.received++;
                    self->send(b.to[b.choose.below(b.to.size())], ping);
                }
            }};
}

void ubench(caf::actor_system &system, result &r, int64_t ms)
{
    const size_t actors = 256, pings = 5;
    caf::scoped_actor main{system};
    std::vector<actor> all;
    for (size_t i = 0; i < actors; i++) all.push_back(system.spawn(bouncer, actor(main), uint64_t(i)));
    for (const actor &a : all) main->send(a, all);
    r.begin();
    for (size_t i = 0; i < actors * pings; i++) main->send(all[i / pings], int64_t(i));
    usleep(useconds_t(ms) * 1000);
    for (const actor &a : all) main->send(a, STOP);
    int64_t received = 0;
    for (size_t i = 0; i < actors; i++) main->receive([&](int64_t count, bool) { received += count; });
    r.end(received);
    std::vector<bool> seen(actors * pings);
    for (size_t i = 0; i < seen.size(); i++) {
        size_t ping = size_t(take(main));
        law(!seen[ping], "ubench: a ping doubled");
        seen[ping] = true;
    }
    for (const actor &a : all) main->send(a, STOP);
}
