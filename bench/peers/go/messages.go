// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors

package main

import "time"

// Unbuffered: a receiver that waits gets the message from hand to hand.
func pingpong(r *result, trips int64) {
	there, back := make(chan int64), make(chan int64)
	go func() {
		for i := int64(0); i < trips; i++ {
			back <- <-there + 1
		}
	}()
	r.begin()
	for i := int64(0); i < trips; i++ {
		there <- 2 * i
		law(<-back == 2*i+1, "pingpong: a message at the wrong time")
	}
	r.end(2 * trips)
}

// A token carries the hops it has left. No station ever waits to send, however the tokens bunch.
func ring(r *result, hops, tokens int64) {
	const actors = 1000
	var stations [actors]chan int64
	for i := range stations {
		stations[i] = make(chan int64, tokens)
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
	each := (hops + tokens - 1) / tokens
	r.begin()
	for i := int64(0); i < tokens; i++ {
		stations[i*actors/tokens] <- each
	}
	for i := int64(0); i < tokens; i++ {
		<-done
	}
	r.end(each * tokens)
	sum := int64(0)
	for i := range stations {
		close(stations[i])
		sum += <-counted
	}
	law(sum == each*tokens, "ring: hops got lost")
}

// There is no channel without a bound.
func fanin(r *result, each int64) {
	const producers = 4
	to := make(chan int64, 1024)
	r.begin()
	for p := int64(0); p < producers; p++ {
		go func(p int64) {
			for i := int64(0); i < each; i++ {
				to <- p + producers*i
			}
		}(p)
	}
	var next [producers]int64
	for n := int64(0); n < producers*each; n++ {
		m := <-to
		law(m/producers == next[m%producers], "fanin: out of order")
		next[m%producers]++
	}
	r.end(producers * each)
}

// In each channel there is room for all pings, so that nobody waits to send: where pings pile up, at one whose thread is not
// running, actors would end up waiting for each other. They are small so that all that room is. Who has been stopped gives its
// pings back, and waits for nobody.
func ubench(r *result, ms int64) {
	const actors, pings, stop = 256, 5, -1
	var to [actors]chan int16
	for i := range to {
		to[i] = make(chan int16, actors*pings+1)
	}
	back, counted := make(chan int16, actors*pings), make(chan int64, actors)
	for i := range to {
		go func(in chan int16, to *[actors]chan int16, choose random) {
			received := int64(0)
			for ping := range in {
				if ping == stop {
					break
				}
				received++
				to[choose.below(actors)] <- ping
			}
			counted <- received
			for ping := range in {
				back <- ping
			}
		}(to[i], &to, newRandom(i))
	}
	r.begin()
	for i := int16(0); i < actors*pings; i++ {
		to[i/pings] <- i
	}
	time.Sleep(time.Duration(ms) * time.Millisecond)
	for i := range to {
		to[i] <- stop
	}
	sum := int64(0)
	for range to {
		sum += <-counted
	}
	r.end(sum)
	var seen [actors * pings]bool
	for range seen {
		ping := <-back
		law(!seen[ping], "ubench: a ping doubled")
		seen[ping] = true
	}
	for i := range to {
		close(to[i])
	}
}
