// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors

package main

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
)

// No child waits to send. The parent gives way before its processor's queue of 256 is full: else a million would be alive at
// once.
func spawn(r *result, children int64) {
	to := make(chan int64, children)
	r.begin()
	for i := int64(0); i < children; i++ {
		go func(i int64) { to <- i }(i)
		if i%100 == 99 {
			runtime.Gosched()
		}
	}
	sum := int64(0)
	for i := int64(0); i < children; i++ {
		sum += <-to
	}
	r.end(children)
	law(sum == children*(children-1)/2, "spawn: a child got lost")
}

func skynet(r *result, atLeast int64) {
	leaves := int64(1)
	for leaves < atLeast {
		leaves *= 10
	}
	to := make(chan int64)
	r.begin()
	go skynetNode(to, 0, leaves)
	sum := <-to
	r.end(leaves)
	law(sum == leaves*(leaves-1)/2, "skynet: the sum")
}

func skynetNode(to chan int64, first, leaves int64) {
	if leaves == 1 {
		to <- first
		return
	}
	from, sum := make(chan int64), int64(0)
	for i := int64(0); i < 10; i++ {
		go skynetNode(from, first+i*leaves/10, leaves/10)
	}
	for i := 0; i < 10; i++ {
		sum += <-from
	}
	to <- sum
}

// What is resident once each has answered one message and waits for the next, after garbage has been collected.
func idleMemory(r *result, count int64) {
	actors, back := make([]chan int64, count), make(chan int64)
	before := residentBytes()
	r.begin()
	for i := range actors {
		actors[i] = make(chan int64)
		go func(in chan int64) {
			for m := range in {
				back <- m
			}
		}(actors[i])
	}
	visit := func() {
		sum := int64(0)
		for i, actor := range actors {
			actor <- int64(i)
			sum += <-back
		}
		law(sum == count*(count-1)/2, "idle_memory: an actor does not answer")
	}
	visit()
	r.end(count)
	r.bytesEach = float64(residentBytes()-before) / float64(count)
	visit()
}

func residentBytes() int64 {
	runtime.GC()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	law(err == nil, "/proc/self/statm")
	pages, err := strconv.ParseInt(string(bytes.Fields(text)[1]), 10, 64)
	law(err == nil, "/proc/self/statm")
	return pages * int64(os.Getpagesize())
}
