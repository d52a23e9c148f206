// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors
#include "caf_peer.hpp"

#include <array>

struct request {
    std::string op;
    int64_t id;
    std::array<int64_t, 3> args;
    std::string name;
};

struct reply {
    int64_t id, sum;
};

// They do not leave the process.
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(reply)

using caf::actor;
using caf::behavior;
using caf::event_based_actor;
using caf::stateful_actor;

struct count {
    int64_t n = 0;
};

static const char NAME[] = "abcdefghijklmnopqrstuvwx";

static behavior callee(stateful_actor<count> *self)
{
    return {[=](const request &q) {
                law(q.op == "add" && q.name.size() == sizeof NAME - 1, "struct_call: a request that was not sent");
                self->state.n++;
                return reply{q.id, q.args[0] + q.args[1] + q.args[2]};
            },
            [=](int64_t id) { return id + 1; },
            [=](const actor &main) {
                self->send(main, self->state.n);
                self->quit();
            }};
}

static void call(event_based_actor *self, const actor &to, int64_t id)
{
    self->send(to, request{"add", id, {1, 2, 3}, NAME});
}

// Send, and a behavior for the reply, costs half of what request and then do; the id says whose reply it is.
static behavior caller(stateful_actor<count> *self, const actor &to, const actor &main, int64_t calls)
{
    call(self, to, 0);
    return {[=](const reply &a) {
        int64_t id = self->state.n++;
        law(a.id == id && a.sum == 6, "struct_call: the answer to another call");
        if (id + 1 < calls) {
            call(self, to, id + 1);
            return;
        }
        self->send(to, main);
        self->quit();
    }};
}

// Requests and replies are structs, moved into a message of which receivers see a reference.
void struct_call(caf::actor_system &system, result &r, int64_t calls, int64_t pairs)
{
    caf::scoped_actor main{system};
    int64_t each = (calls + pairs - 1) / pairs, answered = 0;
    r.begin();
    for (int64_t i = 0; i < pairs; i++) system.spawn(caller, system.spawn(callee), actor(main), each);
    for (int64_t i = 0; i < pairs; i++) answered += take(main);
    r.end(each * pairs);
    law(answered == each * pairs, "struct_call: calls got lost");
}

static void select_call(event_based_actor *self, const actor &to, const actor &main, int64_t id, int64_t calls)
{
    if (id == calls) {
        self->set_default_handler(caf::print_and_drop);
        self->send(main, id);
        self->quit();
        return;
    }
    self->request(to, caf::infinite, id).then([=](int64_t answer) {
        law(answer == id + 1, "select: the answer to another call");
        select_call(self, to, main, id + 1, calls);
    });
}

// Calls while 1,000 messages wait that the behavior skips.
static behavior selecting(event_based_actor *self, const actor &to, const actor &main, int64_t calls)
{
    self->set_default_handler(caf::skip);
    return {[=](bool) { select_call(self, to, main, 0, calls); }};
}

void select(caf::actor_system &system, result &r, int64_t calls)
{
    caf::scoped_actor main{system};
    actor to = system.spawn(callee), from = system.spawn(selecting, to, actor(main), calls);
    for (int64_t i = 0; i < 1000; i++) main->send(from, i, i);
    r.begin();
    main->send(from, true);
    law(take(main) == calls, "select: calls got lost");
    r.end(calls);
    main->send_exit(to, caf::exit_reason::kill);
}
