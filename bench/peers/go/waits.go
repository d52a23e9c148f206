// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors

package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// The same as in bench/runtime/timers_bench.c.
func napMs(number, which uint64) time.Duration {
	x := (number*1000 + which) * 0x9e3779b97f4a7c15
	x = (x ^ x>>32) * 0xd6e8feb86659fd93
	return time.Duration(1+(x>>33)%100) * time.Millisecond
}

// Each actor sleeps 1 to 100 ms ten times.
func timers(r *result, actors int64) {
	const sleeps = 10
	var slept atomic.Int64
	var all sync.WaitGroup
	all.Add(int(actors))
	r.begin()
	for i := int64(0); i < actors; i++ {
		go func(number uint64) {
			for which := uint64(0); which < sleeps; which++ {
				time.Sleep(napMs(number, which))
			}
			slept.Add(sleeps)
			all.Done()
		}(uint64(i))
	}
	all.Wait()
	r.end(sleeps * actors)
	law(slept.Load() == sleeps*actors, "timers: sleeps got lost")
}

// A client asks an echo every millisecond; those who compute beside them give way every 100 µs.
func latency(r *result, questions int64, computing int) {
	var over atomic.Bool
	var all sync.WaitGroup
	all.Add(computing)
	for i := 0; i < computing; i++ {
		go func() {
			for !over.Load() {
				for began := time.Now(); time.Since(began) < 100*time.Microsecond; {
				}
				runtime.Gosched()
			}
			all.Done()
		}()
	}
	there, back := make(chan int64), make(chan int64)
	go func() {
		for m := range there {
			back <- m
		}
	}()
	r.begin()
	due := time.Now()
	for asked := int64(0); asked < questions; asked++ {
		due = due.Add(time.Millisecond)
		if now := time.Now(); due.Before(now) {
			due = now
		}
		time.Sleep(time.Until(due))
		sent := time.Now()
		there <- asked
		law(<-back == asked, "latency: the answer to another question")
		r.latencies = append(r.latencies, time.Since(sent))
	}
	r.end(questions)
	close(there)
	over.Store(true)
	all.Wait()
}
