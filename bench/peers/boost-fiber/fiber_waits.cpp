// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors
#include "fiber_peer.hpp"

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Each actor sleeps 1 to 100 ms ten times.
void timers(result &r, int64_t actors)
{
    const int sleeps = 10;
    std::vector<int> slept(static_cast<size_t>(actors));
    int64_t sum = 0;
    std::vector<fiber> all;
    all.reserve(size_t(actors));
    r.begin();
    for (int64_t i = 0; i < actors; i++)
        all.push_back(fiber(std::allocator_arg, small_stack(), [&slept, i] {
            for (int &which = slept[size_t(i)]; which < sleeps; which++)
                boost::this_fiber::sleep_for(milliseconds(nap_ms(uint64_t(i), uint64_t(which))));
        }));
    for (fiber &actor : all) actor.join();
    r.end(sleeps * actors);
    for (int each : slept) sum += each;
    law(sum == sleeps * actors, "timers: sleeps got lost");
}

// A client asks an echo every millisecond; those who compute beside them give way every 100 us.
void latency(result &r, int64_t questions, int computing)
{
    channel over(2);
    std::vector<fiber> others;
    for (int i = 0; i < computing; i++)
        others.emplace_back([&] {
            while (!over.is_closed()) {
                for (auto end = steady_clock::now() + microseconds(100); steady_clock::now() < end;) continue;
                boost::this_fiber::yield();
            }
        });
    channel there(2), back(2);
    fiber echo([&] {
        int64_t n;
        while (there.pop(n) == boost::fibers::channel_op_status::success) back.push(n);
    });
    r.begin();
    auto due = steady_clock::now();
    for (int64_t asked = 0; asked < questions; asked++) {
        due = std::max(due + milliseconds(1), steady_clock::now());
        boost::this_fiber::sleep_until(due);
        auto sent = steady_clock::now();
        there.push(asked);
        law(take(back) == asked, "latency: the answer to another question");
        r.latencies_us.push_back(std::chrono::duration<double, std::micro>(steady_clock::now() - sent).count());
    }
    r.end(questions);
    over.close();
    there.close();
    echo.join();
    for (fiber &other : others) other.join();
}
