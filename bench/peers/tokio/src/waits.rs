// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors

use crate::{law, Outcome, Span};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::unbounded_channel;

/// The same as in bench/runtime/timers_bench.c.
fn nap(number: u64, which: u64) -> Duration {
    let x = (number * 1000 + which).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ x >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    Duration::from_millis(1 + (x >> 33) % 100)
}

/// Each actor sleeps 1 to 100 ms ten times.
pub async fn timers(actors: u64) -> Outcome {
    let (done, mut ended) = unbounded_channel();
    let span = Span::begin();
    for i in 0..actors {
        let done = done.clone();
        tokio::spawn(async move {
            for which in 0..10 {
                tokio::time::sleep(nap(i, which)).await;
            }
            done.send(10).expect("main");
        });
    }
    let mut slept = 0;
    for _ in 0..actors {
        slept += ended.recv().await.expect("an actor");
    }
    law(slept == 10 * actors, "timers: sleeps got lost");
    span.end(slept)
}

/// A client asks an echo every millisecond; those who compute beside them give way every 100 µs.
pub async fn latency(questions: u64, computing: usize) -> Outcome {
    let over = Arc::new(AtomicBool::new(false));
    let computing: Vec<_> = (0..computing).map(|_| tokio::spawn(compute(over.clone()))).collect();
    let (there, mut at_there) = unbounded_channel();
    let (back, mut at_back) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(n) = at_there.recv().await {
            back.send(n).expect("who asked");
        }
    });
    let mut latencies = Vec::with_capacity(questions as usize);
    let span = Span::begin();
    let mut due = Instant::now();
    for asked in 0..questions {
        due = Instant::now().max(due + Duration::from_millis(1));
        tokio::time::sleep_until(due.into()).await;
        let sent = Instant::now();
        there.send(asked).expect("the echo");
        law(at_back.recv().await == Some(asked), "latency: the answer to another question");
        latencies.push(sent.elapsed());
    }
    let outcome = Outcome { latencies, ..span.end(questions) };
    over.store(true, Ordering::Relaxed);
    for task in computing {
        task.await.expect("a computing task");
    }
    outcome
}

async fn compute(over: Arc<AtomicBool>) {
    while !over.load(Ordering::Relaxed) {
        let began = Instant::now();
        while began.elapsed() < Duration::from_micros(100) {}
        tokio::task::yield_now().await;
    }
}
