// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors
#include "fiber_peer.hpp"

#include <boost/version.hpp>

#include <thread>

namespace fibers = boost::fibers;

// One worker: the main thread with the default scheduler. More: all threads steal from each other, as the library does it unless
// told otherwise, that is, spinning. Told to sleep, a thief is woken by nobody when there is something to steal: all work stays on the
// main thread, and that is what one worker does. The others end with the work.
static void within(const workload &, int workers, std::function<void()> work)
{
    if (workers == 1) {
        fiber(work).join();
        return;
    }
    fibers::mutex mutex;
    fibers::condition_variable_any ended;
    bool over = false;
    std::vector<std::thread> others;
    for (int i = 1; i < workers; i++)
        others.emplace_back([&, workers] {
            fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(workers);
            std::unique_lock<fibers::mutex> lock(mutex);
            ended.wait(lock, [&] { return over; });
        });
    fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(workers);
    fiber(work).join(); // main's own can not be stolen
    {
        std::unique_lock<fibers::mutex> lock(mutex);
        over = true;
    }
    ended.notify_all();
    for (std::thread &other : others) other.join();
}

int main(int argc, char **argv)
{
    std::vector<workload> workloads = {
        {"pingpong", pingpong, 2000000, 1000},
        {"ring", [](result &r, int64_t hops) { ring(r, hops, 1); }, 2000000, 2000},
        {"ring100", [](result &r, int64_t hops) { ring(r, hops, 100); }, 5000000, 20000},
        {"fanin", fanin, 1000000, 2000},
        {"ubench", ubench, 3000, 100},
        {"spawn", spawn, 1000000, 2000},
        {"skynet", skynet, 1000000, 1000, "s"},
        {"idle_memory", idle_memory, 1000000, 2000, "bytes"},
        {"struct_call", [](result &r, int64_t calls) { struct_call(r, calls, 1); }, 500000, 1000},
        {"struct_call4", [](result &r, int64_t calls) { struct_call(r, calls, 4); }, 500000, 1000},
        {"timers", timers, 100000, 1000, "s"},
        {"latency", [](result &r, int64_t questions) { latency(r, questions, r.workers); }, 2000, 100},
        {"latency_alone", [](result &r, int64_t questions) { latency(r, questions, 0); }, 2000, 100},
    };
    return peer_main(argc, argv, "boost-fiber", BOOST_LIB_VERSION, workloads, within);
}
