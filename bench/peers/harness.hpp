// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors

// What the peers in C++ share: the command line, the clock, the law, the line of JSON.
//
//     PEER WORKLOAD WORKERS full|smoke
//
// A twentieth runs first, untimed.
#pragma once

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

inline void law(bool held, const char *what)
{
    if (held) return;
    fprintf(stderr, "%s\n", what);
    _exit(1); // other threads may be in the middle of anything
}

inline double seconds_now(clockid_t clock)
{
    timespec t;
    clock_gettime(clock, &t);
    return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
}

// What a workload fills in; seconds come from begin and end, on whatever thread.
struct result {
    int workers = 1;
    int64_t operations = 0;
    double seconds = 0, cpu_seconds = 0, bytes_each = 0;
    std::vector<double> latencies_us;

    void begin()
    {
        cpu_seconds = -seconds_now(CLOCK_PROCESS_CPUTIME_ID);
        seconds = -seconds_now(CLOCK_MONOTONIC);
    }
    void end(int64_t done)
    {
        seconds += seconds_now(CLOCK_MONOTONIC);
        cpu_seconds += seconds_now(CLOCK_PROCESS_CPUTIME_ID);
        operations = done;
    }
};

struct workload {
    const char *name;
    std::function<void(result &, int64_t)> run;
    int64_t full, smoke;
    const char *unit = "M/s";
};

// xorshift
struct random_numbers {
    uint64_t state;

    explicit random_numbers(uint64_t number) : state((number + 1) * 0x9E3779B97F4A7C15u)
    {
    }
    uint64_t below(uint64_t n)
    {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return (state >> 11) % n;
    }
};

// The same as in bench/runtime/timers_bench.c.
inline int nap_ms(uint64_t number, uint64_t which)
{
    uint64_t x = (number * 1000 + which) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    return int(1 + (x >> 33) % 100);
}

inline int64_t resident_bytes()
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    law(file && fscanf(file, "%*s %ld", &pages) == 1, "/proc/self/statm");
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

inline int64_t power_of_ten(int64_t at_least)
{
    int64_t n = 1;
    while (n < at_least) n *= 10;
    return n;
}

// Quantiles, and counts up to bounds that grow by a tenth.
inline void print_latencies(std::vector<double> &us)
{
    std::sort(us.begin(), us.end());
    auto at = [&](double quantile) { return us[size_t(quantile * double(us.size() - 1))]; };
    printf(",\"latency_us\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f},\"histogram\":[",
           at(.5), at(.9), at(.99), at(.999), at(1));
    int64_t upper = 1;
    const char *comma = "";
    for (size_t i = 0; i < us.size();) {
        size_t first = i;
        while (i < us.size() && us[i] <= double(upper)) i++;
        if (i > first) printf("%s[%ld,%zu]", comma, long(upper), i - first), comma = ",";
        upper += 1 + upper / 10;
    }
    printf("]");
}

inline void print_line(const char *peer, const std::string &version, const workload &w, result &r)
{
    printf("{\"peer\":\"%s\",\"version\":\"%s\",\"workload\":\"%s\",\"workers\":%d,\"operations\":%ld,\"seconds\":%.6f,"
           "\"cpu_seconds\":%.6f,\"unit\":\"%s\",\"law\":\"held\"",
           peer, version.c_str(), w.name, r.workers, long(r.operations), r.seconds, r.cpu_seconds, w.unit);
    if (r.bytes_each != 0) printf(",\"bytes_each\":%.1f", r.bytes_each);
    if (!r.latencies_us.empty()) print_latencies(r.latencies_us);
    printf("}\n");
}

// `within` runs the workload's work with that many workers.
inline int peer_main(int argc, char **argv, const char *peer, const std::string &version,
                     const std::vector<workload> &workloads,
                     void (*within)(const workload &w, int workers, std::function<void()> work))
{
    law(argc == 4 && atoi(argv[2]) > 0, "usage: PEER WORKLOAD WORKERS full|smoke");
    for (const workload &w : workloads) {
        if (strcmp(w.name, argv[1]) != 0) continue;
        result warm, r;
        warm.workers = r.workers = atoi(argv[2]);
        int64_t count = strcmp(argv[3], "smoke") == 0 ? w.smoke : w.full;
        within(w, r.workers, [&] {
            if (strcmp(w.unit, "bytes") != 0) w.run(warm, count / 20 + 1);
            w.run(r, count);
        });
        print_line(peer, version, w, r);
        return 0;
    }
    fprintf(stderr, "%s: no such workload here: %s\n", peer, argv[1]);
    return 3;
}
