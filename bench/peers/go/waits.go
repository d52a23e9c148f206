// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors

package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Each actor sleeps 1 to 100 ms ten times.
func timers(r *result, actors int64) {
	var slept atomic.Int64
	var all sync.WaitGroup
	all.Add(int(actors))
	r.begin()
	for i := int64(0); i < actors; i++ {
		go func(choose random) {
			for j := 0; j < 10; j++ {
				time.Sleep(time.Duration(1+choose.below(100)) * time.Millisecond)
			}
			slept.Add(10)
			all.Done()
		}(random(i + 1))
	}
	all.Wait()
	r.end(10 * actors)
	law(slept.Load() == 10*actors, "timers: sleeps got lost")
}

// An echo, and someone who asks it all the time; one computing goroutine a worker, that gives way every 100 µs.
func latency(r *result, ms int64, beside bool) {
	var over atomic.Bool
	var computing sync.WaitGroup
	for i := 0; beside && i < r.workers; i++ {
		computing.Add(1)
		go func() {
			for !over.Load() {
				for began := time.Now(); time.Since(began) < 100*time.Microsecond; {
				}
				runtime.Gosched()
			}
			computing.Done()
		}()
	}
	there, back := make(chan int64), make(chan int64)
	go func() {
		for m := range there {
			back <- m + 1
		}
		close(back)
	}()
	r.begin()
	asked := int64(0)
	for time.Since(r.began) < time.Duration(ms)*time.Millisecond {
		began := time.Now()
		there <- asked
		asked++
		law(<-back == asked, "latency: the answer to another question")
		r.latencies = append(r.latencies, time.Since(began))
	}
	r.end(asked)
	over.Store(true)
	close(there)
	<-back
	computing.Wait()
}
