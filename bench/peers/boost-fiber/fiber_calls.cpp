// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors
#include "fiber_peer.hpp"

// Structs, copied into a channel and out of it.
struct request {
    char op[8];
    int64_t id, args[3];
    char name[32];
};

struct reply {
    int64_t id, sum;
};

static const char NAME[] = "abcdefghijklmnopqrstuvwx";

static reply answer(const request &q)
{
    law(strcmp(q.op, "add") == 0 && strlen(q.name) == sizeof NAME - 1, "struct_call: a request that was not sent");
    return {q.id, q.args[0] + q.args[1] + q.args[2]};
}

static void one_pair(int64_t calls)
{
    boost::fibers::buffered_channel<request> to(2);
    boost::fibers::buffered_channel<reply> from(2);
    int64_t answered = 0;
    fiber callee([&] {
        request q;
        for (; to.pop(q) == boost::fibers::channel_op_status::success; answered++) from.push(answer(q));
    });
    for (int64_t id = 0; id < calls; id++) {
        request q = {"add", id, {1, 2, 3}, ""};
        memcpy(q.name, NAME, sizeof NAME);
        to.push(q);
        reply a = from.value_pop();
        law(a.id == id && a.sum == 6, "struct_call: the answer to another call");
    }
    to.close();
    callee.join();
    law(answered == calls, "struct_call: calls got lost");
}

void struct_call(result &r, int64_t calls, int64_t pairs)
{
    int64_t each = (calls + pairs - 1) / pairs;
    std::vector<fiber> callers;
    r.begin();
    for (int64_t i = 0; i < pairs; i++) callers.emplace_back([each] { one_pair(each); });
    for (fiber &caller : callers) caller.join();
    r.end(each * pairs);
}
