// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors

// The workloads of bench/runtime on Boost.Fiber's fibers and channels.
#pragma once

#include "../harness.hpp"

#include <boost/fiber/all.hpp>

#include <memory>

using channel = boost::fibers::buffered_channel<int64_t>;
using boost::fibers::fiber;

inline int64_t take(channel &from)
{
    int64_t message;
    law(from.pop(message) == boost::fibers::channel_op_status::success, "a channel is closed");
    return message;
}

// Where there are very many fibers: the default of 128 KiB would do, but not a million times.
inline boost::fibers::fixedsize_stack small_stack()
{
    return boost::fibers::fixedsize_stack(8192);
}

void pingpong(result &r, int64_t trips);
void ring(result &r, int64_t hops, int64_t tokens);
void fanin(result &r, int64_t each);
void ubench(result &r, int64_t ms);
void spawn(result &r, int64_t children);
void skynet(result &r, int64_t at_least);
void idle_memory(result &r, int64_t count);
void timers(result &r, int64_t actors);
void latency(result &r, int64_t questions, int computing);
void struct_call(result &r, int64_t calls, int64_t pairs);
