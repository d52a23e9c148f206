// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors
#include "fiber_peer.hpp"

// A child runs at once, and whoever made it goes on afterwards: no queue of a million.
template <typename Work> static fiber child(Work work)
{
    return fiber(boost::fibers::launch::dispatch, std::allocator_arg, small_stack(), std::move(work));
}

void spawn(result &r, int64_t children)
{
    channel to(1024);
    int64_t sum = 0;
    r.begin();
    fiber parent([&] {
        for (int64_t i = 0; i < children; i++) sum += take(to);
    });
    for (int64_t i = 0; i < children; i++) child([&to, i] { to.push(i); }).detach();
    parent.join();
    r.end(children);
    law(sum == children * (children - 1) / 2, "spawn: a child got lost");
}

static int64_t node(int64_t first, int64_t leaves)
{
    if (leaves == 1) return first;
    int64_t sums[10], sum = 0, each = leaves / 10;
    fiber children[10];
    for (int64_t i = 0; i < 10; i++)
        children[i] = child([slot = &sums[i], first, each, i] { *slot = node(first + i * each, each); });
    for (int64_t i = 0; i < 10; i++) {
        children[i].join();
        sum += sums[i];
    }
    return sum;
}

// Joining a child is hearing from it: channels that live on their parents' stacks would be slower, and end under a sender.
void skynet(result &r, int64_t at_least)
{
    int64_t leaves = power_of_ten(at_least), sum = 0;
    r.begin();
    child([&sum, leaves] { sum = node(0, leaves); }).join();
    r.end(leaves);
    law(sum == leaves * (leaves - 1) / 2, "skynet: the sum");
}

// What is resident once each has answered one message and waits for the next.
void idle_memory(result &r, int64_t count)
{
    std::vector<std::unique_ptr<channel>> actors;
    std::vector<fiber> all;
    actors.reserve(size_t(count));
    all.reserve(size_t(count));
    channel back(2);
    auto visit = [&](int64_t i) {
        actors[size_t(i)]->push(i);
        law(take(back) == i, "idle_memory: an actor does not answer");
    };
    int64_t before = resident_bytes();
    r.begin();
    for (int64_t i = 0; i < count; i++) {
        actors.push_back(std::make_unique<channel>(2));
        all.push_back(child([&back, from = actors.back().get()] {
            int64_t message;
            while (from->pop(message) == boost::fibers::channel_op_status::success) back.push(message);
        }));
        visit(i);
    }
    r.end(count);
    r.bytes_each = double(resident_bytes() - before) / double(count);
    for (int64_t i = 0; i < count; i++) visit(i);
    for (size_t i = 0; i < all.size(); i++) {
        actors[i]->close();
        all[i].join();
    }
}
