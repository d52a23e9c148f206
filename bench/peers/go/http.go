// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

type order struct {
	Op     string     `json:"op"`
	N      int64      `json:"n"`
	answer chan int64 // nil: a cast
}

type account struct {
	orders chan order
	state  atomic.Pointer[[]byte] // as JSON, encoded when published
	got    atomic.Int64
}

func (a *account) run() {
	state, err := json.Marshal(map[string]any{"balance": 7, "owner": "somebody"})
	law(err == nil, "http: encoding")
	a.state.Store(&state)
	balance := int64(0)
	for o := range a.orders {
		balance += o.N
		a.got.Add(1)
		if o.answer != nil {
			o.answer <- balance
		}
	}
}

func (a *account) get(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Write(*a.state.Load())
}

// The order in the body; says so to the client when it is none.
func read(w http.ResponseWriter, r *http.Request) (o order, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil || json.Unmarshal(body, &o) != nil {
		http.Error(w, "a JSON object with op and n is needed", http.StatusBadRequest)
		return o, false
	}
	return o, true
}

func (a *account) cast(w http.ResponseWriter, r *http.Request) {
	if o, ok := read(w, r); ok {
		a.orders <- o
		w.WriteHeader(http.StatusAccepted)
	}
}

func (a *account) call(w http.ResponseWriter, r *http.Request) {
	o, ok := read(w, r)
	if !ok {
		return
	}
	o.answer = make(chan int64)
	a.orders <- o
	text, err := json.Marshal(map[string]int64{"balance": <-o.answer})
	law(err == nil, "http: encoding")
	w.Header().Set("Content-Type", "application/json")
	w.Write(text)
}

// Serves until it is killed; says first where. /got is how many orders the actor has got.
func serve() {
	a := &account{orders: make(chan order, 1024)}
	go a.run()
	routes := http.NewServeMux()
	routes.HandleFunc("/account", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			a.cast(w, r)
		} else {
			a.get(w, r)
		}
	})
	routes.HandleFunc("/account/-/call/add", a.call)
	routes.HandleFunc("/got", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, a.got.Load()) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	law(err == nil, "http: listening")
	fmt.Println(listener.Addr())
	server := http.Server{Handler: routes, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		IdleTimeout: time.Minute}
	law(server.Serve(listener) == nil, "http: serving")
}
