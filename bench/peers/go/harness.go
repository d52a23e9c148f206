// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors

// The workloads of bench/runtime on goroutines and channels:
//
//	go_peer WORKLOAD WORKERS full|smoke
//	go_peer serve WORKERS                  the HTTP server
//
// Each checks its conservation law; the result is one line of JSON. A twentieth runs first, untimed.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"syscall"
	"time"
)

type workload struct {
	run         func(r *result, count int64)
	full, smoke int64
	unit        string
	cold        bool // no warm-up: it would change what is measured
}

var workloads = map[string]workload{
	"pingpong":      {run: pingpong, full: 2_000_000, smoke: 1000},
	"ring":          {run: func(r *result, hops int64) { ring(r, hops, 1) }, full: 2_000_000, smoke: 2000},
	"ring100":       {run: func(r *result, hops int64) { ring(r, hops, 100) }, full: 5_000_000, smoke: 20000},
	"fanin":         {run: fanin, full: 1_000_000, smoke: 2000},
	"ubench":        {run: ubench, full: 3000, smoke: 100},
	"spawn":         {run: spawn, full: 1_000_000, smoke: 2000},
	"skynet":        {run: skynet, full: 1_000_000, smoke: 1000, unit: "s"},
	"idle_memory":   {run: idleMemory, full: 1_000_000, smoke: 2000, unit: "bytes", cold: true},
	"json_call":     {run: func(r *result, calls int64) { jsonCall(r, calls, 1) }, full: 500_000, smoke: 1000},
	"json_call4":    {run: func(r *result, calls int64) { jsonCall(r, calls, 4) }, full: 500_000, smoke: 1000},
	"struct_call":   {run: func(r *result, calls int64) { structCall(r, calls, 1) }, full: 500_000, smoke: 1000},
	"struct_call4":  {run: func(r *result, calls int64) { structCall(r, calls, 4) }, full: 500_000, smoke: 1000},
	"timers":        {run: timers, full: 100_000, smoke: 1000, unit: "s"},
	"latency":       {run: func(r *result, questions int64) { latency(r, questions, r.workers) }, full: 2000, smoke: 100},
	"latency_alone": {run: func(r *result, questions int64) { latency(r, questions, 0) }, full: 2000, smoke: 100},
}

// What a workload fills in; cpu and seconds come from begin and end.
type result struct {
	workers    int
	operations int64
	seconds    float64
	cpuSeconds float64
	bytesEach  float64
	latencies  []time.Duration
	began      time.Time
}

func (r *result) begin() {
	r.cpuSeconds = -cpuSeconds()
	r.began = time.Now()
}

func (r *result) end(operations int64) {
	r.seconds = time.Since(r.began).Seconds()
	r.cpuSeconds += cpuSeconds()
	r.operations = operations
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	law(syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil, "getrusage")
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

func law(held bool, what string) {
	if !held {
		fmt.Fprintln(os.Stderr, "go_peer:", what)
		os.Exit(1)
	}
}

// xorshift
type random uint64

func newRandom(number int) random {
	return random(uint64(number+1) * 0x9E3779B97F4A7C15)
}

func (r *random) below(n uint64) uint64 {
	*r ^= *r << 13
	*r ^= *r >> 7
	*r ^= *r << 17
	return uint64(*r>>11) % n
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		workers, err := strconv.Atoi(os.Args[2])
		law(err == nil && workers > 0, "a number of workers")
		runtime.GOMAXPROCS(workers)
		serve()
	}
	law(len(os.Args) == 4, "usage: go_peer WORKLOAD WORKERS full|smoke")
	w, known := workloads[os.Args[1]]
	if !known {
		fmt.Fprintln(os.Stderr, "go_peer: no such workload here:", os.Args[1])
		os.Exit(3)
	}
	workers, err := strconv.Atoi(os.Args[2])
	law(err == nil && workers > 0, "a number of workers")
	runtime.GOMAXPROCS(workers)
	count := w.full
	if os.Args[3] == "smoke" {
		count = w.smoke
	}
	if !w.cold {
		w.run(&result{workers: workers}, count/20+1)
	}
	r := result{workers: workers}
	w.run(&r, count)
	print(os.Args[1], w.unit, &r)
}

func print(name, unit string, r *result) {
	if unit == "" {
		unit = "M/s"
	}
	line := map[string]any{"peer": "go", "version": runtime.Version(), "workload": name, "workers": r.workers,
		"operations": r.operations, "seconds": r.seconds, "cpu_seconds": r.cpuSeconds, "unit": unit, "law": "held"}
	if r.bytesEach != 0 {
		line["bytes_each"] = r.bytesEach
	}
	if len(r.latencies) != 0 {
		line["latency_us"], line["histogram"] = percentiles(r.latencies)
	}
	text, err := json.Marshal(line)
	law(err == nil, "JSON")
	fmt.Println(string(text))
}

// Quantiles, and counts by whole microseconds up to 10 and then by steps of a tenth.
func percentiles(times []time.Duration) (map[string]float64, [][2]int64) {
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	at := func(quantile float64) float64 {
		return float64(times[int(quantile*float64(len(times)-1))].Nanoseconds()) / 1000
	}
	quantiles := map[string]float64{"p50": at(.5), "p90": at(.9), "p99": at(.99), "p999": at(.999), "max": at(1)}
	histogram, upper := [][2]int64{}, int64(0)
	for _, t := range times {
		for us := t.Microseconds(); len(histogram) == 0 || us > upper; {
			upper += 1 + upper/10
			if us <= upper {
				histogram = append(histogram, [2]int64{upper, 0})
			}
		}
		histogram[len(histogram)-1][1]++
	}
	return quantiles, histogram
}
