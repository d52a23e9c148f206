// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors

// The workloads of bench/runtime on goroutines and channels:
//
//	goroutines_peer WORKLOAD THREADS COUNT
//
// pingpong and ring hand an int64 over unbuffered channels, as is usual there; fanin's channel has room for 1,024, that of spawn for
// all, so that no child waits, and its parent gives way as often as ours.
// Each checks the same law as ours and prints one line of JSON. Half the count runs first, untimed.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

func must(ok bool, what string) {
	if !ok {
		fmt.Fprintln(os.Stderr, "goroutines_peer:", what)
		os.Exit(1)
	}
}

func pingpong(trips int64) int64 {
	there, back := make(chan int64), make(chan int64)
	go func() {
		for i := int64(0); i < trips; i++ {
			back <- <-there + 1
		}
	}()
	for i := int64(0); i < trips; i++ {
		there <- 2 * i
		must(<-back == 2*i+1, "a message at the wrong time")
	}
	return 2 * trips
}

func ring(hops int64) int64 {
	const actors = 1000
	var stations [actors]chan int64
	for i := range stations {
		stations[i] = make(chan int64)
	}
	done, counted := make(chan bool), make(chan int64)
	for i := range stations {
		go func(in, out chan int64) {
			made := int64(0)
			for left := range in {
				made++
				if left > 1 {
					out <- left - 1
				} else {
					done <- true
				}
			}
			counted <- made
		}(stations[i], stations[(i+1)%actors])
	}
	stations[0] <- hops
	<-done
	sum := int64(0)
	for i := range stations {
		close(stations[i])
		sum += <-counted
	}
	must(sum == hops, "hops got lost")
	return hops
}

func fanin(each int64) int64 {
	const producers = 4
	to := make(chan int64, 1024)
	for p := int64(0); p < producers; p++ {
		go func(p int64) {
			for i := int64(0); i < each; i++ {
				to <- p + 16*i
			}
		}(p)
	}
	var next [producers]int64
	for n := int64(0); n < producers*each; n++ {
		m := <-to
		must(m/16 == next[m%16], "out of order")
		next[m%16]++
	}
	return producers * each
}

func spawn(children int64) int64 {
	to := make(chan int64, children)
	for i := int64(0); i < children; i++ {
		go func(i int64) { to <- i }(i)
		if i%1000 == 999 {
			runtime.Gosched()
		}
	}
	sum := int64(0)
	for i := int64(0); i < children; i++ {
		sum += <-to
	}
	must(sum == children*(children-1)/2, "a child got lost")
	return children
}

func main() {
	workloads := map[string]func(int64) int64{"pingpong": pingpong, "ring": ring, "fanin": fanin, "spawn": spawn}
	must(len(os.Args) == 4 && workloads[os.Args[1]] != nil, "usage: goroutines_peer pingpong|ring|fanin|spawn THREADS COUNT")
	threads, err := strconv.Atoi(os.Args[2])
	must(err == nil && threads > 0, "a number of threads")
	count, err := strconv.ParseInt(os.Args[3], 10, 64)
	must(err == nil && count > 1, "a count")
	runtime.GOMAXPROCS(threads)
	workloads[os.Args[1]](count / 2)
	began := time.Now()
	ops := workloads[os.Args[1]](count)
	seconds := time.Since(began).Seconds()
	fmt.Printf("{\"workload\":\"%s\",\"form\":\"go\",\"workers\":%d,\"copy\":\"-\",\"ops\":%d,\"seconds\":%.6f,\"ops_per_s\":%.0f,\"ns_per_op\":%.2f,\"version\":\"%s\"}\n",
		os.Args[1], threads, ops, seconds, float64(ops)/seconds, seconds*1e9/float64(ops), runtime.Version())
}
