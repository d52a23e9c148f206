// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors

// The workloads of bench/runtime on CAF's event-based actors; messages are plain integers.
#pragma once

#include "../harness.hpp"

#include <caf/all.hpp>

// A workload runs in the actor system, driven from the main thread by a blocking actor that is no worker's.
void pingpong(caf::actor_system &system, result &r, int64_t trips);
void ring(caf::actor_system &system, result &r, int64_t hops, int64_t tokens);
void fanin(caf::actor_system &system, result &r, int64_t each);
void ubench(caf::actor_system &system, result &r, int64_t ms);
void spawn(caf::actor_system &system, result &r, int64_t children);
void skynet(caf::actor_system &system, result &r, int64_t at_least);
void idle_memory(caf::actor_system &system, result &r, int64_t count);
void struct_call(caf::actor_system &system, result &r, int64_t calls, int64_t pairs);
void select(caf::actor_system &system, result &r, int64_t calls);
void timers(caf::actor_system &system, result &r, int64_t actors);
void latency(caf::actor_system &system, result &r, int64_t questions, int computing);

inline int64_t take(caf::scoped_actor &self)
{
    int64_t message = 0;
    self->receive([&](int64_t m) { message = m; });
    return message;
}
