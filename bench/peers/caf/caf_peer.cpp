// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors
#include "caf_peer.hpp"

static caf::actor_system *all;

// Who sends messages to itself keeps its worker for ever where there is no limit to the messages that an actor takes in turn:
// the echo would starve, and the parent's children be a million. Ten of 100 us are our slice. Elsewhere no limit, the default,
// is best.
static void within(const workload &w, int workers, std::function<void()> work)
{
    caf::actor_system_config config;
    config.set("scheduler.max-threads", size_t(workers));
    if (strcmp(w.name, "latency") == 0 || strcmp(w.name, "spawn") == 0)
        config.set("scheduler.max-throughput", size_t(10));
    caf::actor_system system(config);
    all = &system;
    work();
}

int main(int argc, char **argv)
{
    auto in_system = [](void (*run)(caf::actor_system &, result &, int64_t)) {
        return [run](result &r, int64_t count) { run(*all, r, count); };
    };
    std::vector<workload> workloads = {
        {"pingpong", in_system(pingpong), 2000000, 1000},
        {"ring", [](result &r, int64_t hops) { ring(*all, r, hops, 1); }, 2000000, 2000},
        {"ring100", [](result &r, int64_t hops) { ring(*all, r, hops, 100); }, 5000000, 20000},
        {"fanin", in_system(fanin), 1000000, 2000},
        {"ubench", in_system(ubench), 3000, 100},
        {"spawn", in_system(spawn), 1000000, 2000},
        {"skynet", in_system(skynet), 1000000, 1000, "s"},
        {"idle_memory", in_system(idle_memory), 1000000, 2000, "bytes"},
        {"struct_call", [](result &r, int64_t calls) { struct_call(*all, r, calls, 1); }, 500000, 1000},
        {"struct_call4", [](result &r, int64_t calls) { struct_call(*all, r, calls, 4); }, 500000, 1000},
        {"select", in_system(select), 100000, 100},
        {"timers", in_system(timers), 100000, 1000, "s"},
        {"latency", [](result &r, int64_t questions) { latency(*all, r, questions, r.workers); }, 2000, 100},
        {"latency_alone", [](result &r, int64_t questions) { latency(*all, r, questions, 0); }, 2000, 100},
    };
    int version = CAF_VERSION;
    return peer_main(argc, argv, "caf",
                     std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
                         std::to_string(version % 100),
                     workloads, within);
}
