// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors
#include "fiber_peer.hpp"

void pingpong(result &r, int64_t trips)
{
    channel there(2), back(2);
    fiber other([&] {
        for (int64_t i = 0; i < trips; i++) back.push(take(there) + 1);
    });
    r.begin();
    for (int64_t i = 0; i < trips; i++) {
        there.push(2 * i);
        law(take(back) == 2 * i + 1, "pingpong: a message at the wrong time");
    }
    r.end(2 * trips);
    other.join();
}

template <typename Channel> static std::vector<std::unique_ptr<Channel>> channels(size_t count, size_t room)
{
    std::vector<std::unique_ptr<Channel>> all;
    for (size_t i = 0; i < count; i++) all.push_back(std::make_unique<Channel>(room));
    return all;
}

// A token carries the hops it has left. No station ever waits to send, however the tokens bunch.
void ring(result &r, int64_t hops, int64_t tokens)
{
    const size_t actors = 1000;
    auto to = channels<channel>(actors, tokens == 1 ? 2 : 128);
    channel done(128);
    std::vector<int64_t> made(actors);
    std::vector<fiber> stations;
    for (size_t i = 0; i < actors; i++)
        stations.emplace_back([&, i] {
            channel &from = *to[i], &next = *to[(i + 1) % actors];
            int64_t left, count = 0;
            while (from.pop(left) == boost::fibers::channel_op_status::success) {
                count++;
                (left > 1 ? next : done).push(left - 1);
            }
            made[i] = count;
        });
    int64_t each = (hops + tokens - 1) / tokens, sum = 0;
    r.begin();
    for (int64_t i = 0; i < tokens; i++) to[size_t(i) * actors / size_t(tokens)]->push(each);
    for (int64_t i = 0; i < tokens; i++) take(done);
    r.end(each * tokens);
    for (size_t i = 0; i < actors; i++) {
        to[i]->close();
        stations[i].join();
        sum += made[i];
    }
    law(sum == each * tokens, "ring: hops got lost");
}

// There is no channel without a bound.
void fanin(result &r, int64_t each)
{
    const int64_t producers = 4;
    channel to(1024);
    std::vector<fiber> all;
    r.begin();
    for (int64_t p = 0; p < producers; p++)
        all.emplace_back([&, p] {
            for (int64_t i = 0; i < each; i++) to.push(p + producers * i);
        });
    int64_t next[producers] = {};
    for (int64_t n = 0; n < producers * each; n++) {
        int64_t message = take(to);
        law(message / producers == next[message % producers]++, "fanin: out of order");
    }
    r.end(producers * each);
    for (fiber &producer : all) producer.join();
}

// In each channel there is room for all pings, so that nobody waits to send: where pings pile up, at one whose thread is not
// running, actors would end up waiting for each other. They are small so that all that room is. Who has been stopped gives its
// pings back.
void ubench(result &r, int64_t ms)
{
    const size_t actors = 256, pings = 5;
    const int16_t stop = -1;
    using pings_channel = boost::fibers::buffered_channel<int16_t>;
    auto to = channels<pings_channel>(actors, 2048);
    pings_channel back(2048);
    channel counted(2 * actors);
    std::vector<fiber> all;
    for (size_t i = 0; i < actors; i++)
        all.emplace_back([&, i] {
            random_numbers choose(i);
            pings_channel &from = *to[i];
            int64_t received = 0;
            int16_t ping;
            while ((ping = from.value_pop()) != stop) {
                received++;
                to[choose.below(actors)]->push(ping);
            }
            counted.push(received);
            while (from.pop(ping) == boost::fibers::channel_op_status::success) back.push(ping);
        });
    r.begin();
    for (size_t i = 0; i < actors * pings; i++) to[i / pings]->push(int16_t(i));
    boost::this_fiber::sleep_for(std::chrono::milliseconds(ms));
    for (auto &actor : to) actor->push(stop);
    int64_t sum = 0;
    for (size_t i = 0; i < actors; i++) sum += take(counted);
    r.end(sum);
    std::vector<bool> seen(actors * pings);
    for (size_t i = 0; i < seen.size(); i++) {
        size_t ping = size_t(back.value_pop());
        law(!seen[ping], "ubench: a ping doubled");
        seen[ping] = true;
    }
    for (size_t i = 0; i < actors; i++) {
        to[i]->close();
        all[i].join();
    }
}
