// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors

use crate::{law, Outcome, Span};
use std::future::Future;
use std::pin::Pin;
use tokio::sync::mpsc::unbounded_channel;

/// The parent gives way before its worker's queue of 256 is full: else a million would be alive at once.
pub async fn spawn(children: u64) -> Outcome {
    let (to, mut from) = unbounded_channel();
    let span = Span::begin();
    for i in 0..children {
        let to = to.clone();
        tokio::spawn(async move { to.send(i).is_ok() });
        if i % 100 == 99 {
            tokio::task::yield_now().await;
        }
    }
    let mut sum = 0;
    for _ in 0..children {
        sum += from.recv().await.expect("a child");
    }
    law(sum == children * (children - 1) / 2, "spawn: a child got lost");
    span.end(children)
}

/// A child's number or sum is what its task returns.
pub async fn skynet(at_least: u64) -> Outcome {
    let mut leaves = 1;
    while leaves < at_least {
        leaves *= 10;
    }
    let span = Span::begin();
    let sum = tokio::spawn(node(0, leaves)).await.expect("the root");
    law(sum == leaves * (leaves - 1) / 2, "skynet: the sum");
    span.end(leaves)
}

fn node(first: u64, leaves: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    if leaves == 1 {
        return Box::pin(async move { first });
    }
    Box::pin(async move {
        let each = leaves / 10;
        let children: [_; 10] = std::array::from_fn(|i| tokio::spawn(node(first + i as u64 * each, each)));
        let mut sum = 0;
        for child in children {
            sum += child.await.expect("a child");
        }
        sum
    })
}

/// What is resident once each has answered one message and waits for the next.
pub async fn idle_memory(count: u64) -> Outcome {
    let (back, mut answers) = unbounded_channel();
    let mut actors = Vec::with_capacity(count as usize);
    let before = resident_bytes();
    let span = Span::begin();
    for i in 0..count {
        let (to, mut from) = unbounded_channel();
        let back = back.clone();
        tokio::spawn(async move {
            while let Some(message) = from.recv().await {
                back.send(message).expect("main");
            }
        });
        to.send(i).expect("an actor");
        law(answers.recv().await == Some(i), "idle_memory: an actor does not answer");
        actors.push(to);
    }
    let mut outcome = span.end(count);
    outcome.bytes_each = (resident_bytes() - before) as f64 / count as f64;
    for (i, actor) in actors.iter().enumerate() {
        actor.send(i as u64).expect("an actor");
        law(answers.recv().await == Some(i as u64), "idle_memory: an actor does not answer");
    }
    outcome
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("/proc/self/statm");
    let pages: u64 = text.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("/proc/self/statm");
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64
}
