// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors

package main

import (
	"encoding/json"
	"sync"
)

type request struct {
	Op   string  `json:"op"`
	ID   int64   `json:"id"`
	Args []int64 `json:"args"`
	Name string  `json:"name"`
}

type reply struct {
	ID  int64 `json:"id"`
	Sum int64 `json:"sum"`
}

const name = "abcdefghijklmnopqrstuvwx"

func answer(q *request) reply {
	law(q.Op == "add" && len(q.Name) == len(name), "call: a request that was not sent")
	sum := int64(0)
	for _, n := range q.Args {
		sum += n
	}
	return reply{q.ID, sum}
}

// A caller and a callee with a channel each way.
func callPairs[Q, A any](r *result, calls, pairs int64, call func(id int64, to chan Q, from chan A),
	serve func(to chan Q, from chan A) int64) {
	each, answered := (calls+pairs-1)/pairs, make(chan int64)
	var callers sync.WaitGroup
	r.begin()
	for i := int64(0); i < pairs; i++ {
		to, from := make(chan Q), make(chan A)
		go func() { answered <- serve(to, from) }()
		callers.Add(1)
		go func() {
			for id := int64(0); id < each; id++ {
				call(id, to, from)
			}
			close(to)
			callers.Done()
		}()
	}
	callers.Wait()
	r.end(each * pairs)
	sum := int64(0)
	for i := int64(0); i < pairs; i++ {
		sum += <-answered
	}
	law(sum == each*pairs, "call: calls got lost")
}

// Requests and replies are JSON texts.
func jsonCall(r *result, calls, pairs int64) {
	encode := func(v any) []byte {
		text, err := json.Marshal(v)
		law(err == nil, "json_call: encoding")
		return text
	}
	decode := func(text []byte, v any) {
		law(json.Unmarshal(text, v) == nil, "json_call: decoding")
	}
	callPairs(r, calls, pairs,
		func(id int64, to, from chan []byte) {
			to <- encode(&request{"add", id, []int64{1, 2, 3}, name})
			var a reply
			decode(<-from, &a)
			law(a.ID == id && a.Sum == 6, "json_call: the answer to another call")
		},
		func(to, from chan []byte) int64 {
			answered := int64(0)
			for text := range to {
				var q request
				decode(text, &q)
				from <- encode(answer(&q))
				answered++
			}
			return answered
		})
}

// Requests and replies are structs, copied by the channel; what they point to is shared.
func structCall(r *result, calls, pairs int64) {
	callPairs(r, calls, pairs,
		func(id int64, to chan request, from chan reply) {
			to <- request{"add", id, []int64{1, 2, 3}, name}
			a := <-from
			law(a.ID == id && a.Sum == 6, "struct_call: the answer to another call")
		},
		func(to chan request, from chan reply) int64 {
			answered := int64(0)
			for q := range to {
				from <- answer(&q)
				answered++
			}
			return answered
		})
}
