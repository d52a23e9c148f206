// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors
#include "caf_peer.hpp"

using caf::actor;
using caf::behavior;
using caf::event_based_actor;
using caf::stateful_actor;

const int64_t GO_ON = -1;

struct sums {
    int64_t made = 0, heard = 0, sum = 0;
};

static void child(event_based_actor *self, const actor &parent, int64_t number)
{
    self->send(parent, number);
}

// Spawns a hundred and sends itself a message to go on: else a million would be alive at once.
static behavior parent(stateful_actor<sums> *self, actor main, int64_t children)
{
    self->send(self, GO_ON);
    return {[=](int64_t number) {
        sums &s = self->state;
        if (number == GO_ON) {
            actor me(self);
            for (int64_t end = std::min(children, s.made + 100); s.made < end; s.made++) self->spawn(child, me, s.made);
            if (s.made < children) self->send(self, GO_ON);
            return;
        }
        s.sum += number;
        if (++s.heard < children) return;
        self->send(main, s.sum);
        self->quit();
    }};
}

void spawn(caf::actor_system &system, result &r, int64_t children)
{
    caf::scoped_actor main{system};
    r.begin();
    system.spawn(parent, actor(main), children);
    int64_t sum = take(main);
    r.end(children);
    law(sum == children * (children - 1) / 2, "spawn: a child got lost");
}

static behavior node(stateful_actor<sums> *self, const actor &parent, int64_t first, int64_t leaves)
{
    if (leaves == 1) {
        self->send(parent, first);
        return {};
    }
    actor me(self);
    int64_t each = leaves / 10;
    for (int64_t i = 0; i < 10; i++) self->spawn(node, me, first + i * each, each);
    return {[=](int64_t sum) {
        sums &s = self->state;
        s.sum += sum;
        if (++s.heard < 10) return;
        self->send(parent, s.sum);
        self->quit();
    }};
}

void skynet(caf::actor_system &system, result &r, int64_t at_least)
{
    int64_t leaves = power_of_ten(at_least);
    caf::scoped_actor main{system};
    r.begin();
    system.spawn(node, actor(main), int64_t(0), leaves);
    int64_t sum = take(main);
    r.end(leaves);
    law(sum == leaves * (leaves - 1) / 2, "skynet: the sum");
}

static behavior idle(event_based_actor *self)
{
    return {[=](int64_t n) { self->send(caf::actor_cast<actor>(self->current_sender()), n); }};
}

// What is resident once each has answered one message and waits for the next. Messages go out in batches: each wait of the main
// thread for a worker takes long.
void idle_memory(caf::actor_system &system, result &r, int64_t count)
{
    const int64_t batch = 10000;
    caf::scoped_actor main{system};
    std::vector<actor> actors;
    actors.reserve(size_t(count));
    auto visit = [&](int64_t first, int64_t end) {
        int64_t sum = 0;
        for (int64_t i = first; i < end; i++) main->send(actors[size_t(i)], i);
        for (int64_t i = first; i < end; i++) sum += take(main);
        law(sum == (first + end - 1) * (end - first) / 2, "idle_memory: an actor does not answer");
    };
    int64_t before = resident_bytes();
    r.begin();
    for (int64_t first = 0; first < count; first += batch) {
        int64_t end = std::min(count, first + batch);
        for (int64_t i = first; i < end; i++) actors.push_back(system.spawn(idle));
        visit(first, end);
    }
    r.end(count);
    r.bytes_each = double(resident_bytes() - before) / double(count);
    visit(0, count);
}
