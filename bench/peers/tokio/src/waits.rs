// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors

use crate::{law, Outcome, Random, Span};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::unbounded_channel;

/// Each actor sleeps 1 to 100 ms ten times.
pub async fn timers(actors: u64) -> Outcome {
    let (done, mut ended) = unbounded_channel();
    let span = Span::begin();
    for i in 0..actors {
        let done = done.clone();
        tokio::spawn(async move {
            let mut random = Random::new(i);
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_millis(1 + random.below(100))).await;
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

/// An echo, and someone who asks it all the time; computing tasks beside them give way every 100 µs.
pub async fn latency(ms: u64, computing: usize) -> Outcome {
    let over = Arc::new(AtomicBool::new(false));
    let computing: Vec<_> = (0..computing).map(|_| tokio::spawn(compute(over.clone()))).collect();
    let (there, mut at_there) = unbounded_channel();
    let (back, mut at_back) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(n) = at_there.recv().await {
            back.send(n + 1).expect("who asked");
        }
    });
    let (mut asked, mut latencies) = (0, Vec::new());
    let span = Span::begin();
    while span.elapsed() < Duration::from_millis(ms) {
        let began = Instant::now();
        there.send(asked).expect("the echo");
        asked += 1;
        law(at_back.recv().await == Some(asked), "latency: the answer to another question");
        latencies.push(began.elapsed());
    }
    over.store(true, Ordering::Relaxed);
    for task in computing {
        task.await.expect("a computing task");
    }
    Outcome { latencies, ..span.end(asked) }
}

async fn compute(over: Arc<AtomicBool>) {
    while !over.load(Ordering::Relaxed) {
        let began = Instant::now();
        while began.elapsed() < Duration::from_micros(100) {}
        tokio::task::yield_now().await;
    }
}
