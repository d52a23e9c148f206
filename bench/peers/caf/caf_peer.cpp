// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors
#include "caf_peer.hpp"

static caf::actor_system *all;

static void within(int workers, std::function<void()> work)
{
    caf::actor_system_config config;
    config.set("scheduler.max-threads", size_t(workers));
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
    };
    int version = CAF_VERSION;
    return peer_main(argc, argv, "caf",
                     std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
                         std::to_string(version % 100),
                     workloads, within);
}
