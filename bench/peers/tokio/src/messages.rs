// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors

use crate::{law, Outcome, Random, Span};
use std::time::Duration;
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};

const GONE: &str = "an actor is gone";

pub async fn pingpong(trips: u64) -> Outcome {
    let (there, mut at_there) = unbounded_channel();
    let (back, mut at_back) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(n) = at_there.recv().await {
            back.send(n + 1).expect(GONE);
        }
    });
    let span = Span::begin();
    for i in 0..trips {
        there.send(2 * i).expect(GONE);
        law(at_back.recv().await == Some(2 * i + 1), "pingpong: a message at the wrong time");
    }
    span.end(2 * trips)
}

/// A token carries the hops it has left.
pub async fn ring(hops: u64, tokens: u64) -> Outcome {
    const ACTORS: usize = 1000;
    const STOP: u64 = u64::MAX;
    let (to, from): (Vec<_>, Vec<_>) = (0..ACTORS).map(|_| unbounded_channel()).unzip();
    let (done, mut ended) = unbounded_channel();
    let stations: Vec<_> = from
        .into_iter()
        .enumerate()
        .map(|(i, from)| tokio::spawn(station(from, to[(i + 1) % ACTORS].clone(), done.clone(), STOP)))
        .collect();
    let each = (hops + tokens - 1) / tokens;
    let span = Span::begin();
    for i in 0..tokens {
        to[(i as usize) * ACTORS / (tokens as usize)].send(each).expect(GONE);
    }
    for _ in 0..tokens {
        ended.recv().await.expect(GONE);
    }
    let outcome = span.end(each * tokens);
    let mut made = 0;
    for (to, station) in to.iter().zip(stations) {
        to.send(STOP).expect(GONE);
        made += station.await.expect(GONE);
    }
    law(made == each * tokens, "ring: hops got lost");
    outcome
}

async fn station(
    mut from: UnboundedReceiver<u64>,
    next: UnboundedSender<u64>,
    done: UnboundedSender<()>,
    stop: u64,
) -> u64 {
    let mut made = 0;
    loop {
        let left = from.recv().await.expect(GONE);
        if left == stop {
            return made;
        }
        made += 1;
        if left > 1 {
            next.send(left - 1).expect(GONE);
        } else {
            done.send(()).expect(GONE);
        }
    }
}

/// Sending to a channel without a bound never waits: a producer gives way now and then, as ours does.
pub async fn fanin(each: u64) -> Outcome {
    const PRODUCERS: u64 = 4;
    let (to, mut from) = unbounded_channel();
    let span = Span::begin();
    for producer in 0..PRODUCERS {
        let to = to.clone();
        tokio::spawn(async move {
            for i in 0..each {
                to.send(producer + PRODUCERS * i).expect(GONE);
                if i % 1000 == 999 {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    let mut next = [0; PRODUCERS as usize];
    for _ in 0..PRODUCERS * each {
        let message = from.recv().await.expect(GONE);
        let expected = &mut next[(message % PRODUCERS) as usize];
        law(message / PRODUCERS == *expected, "fanin: out of order");
        *expected += 1;
    }
    span.end(PRODUCERS * each)
}

/// Who has been stopped gives its pings back.
pub async fn ubench(ms: u64) -> Outcome {
    const ACTORS: usize = 256;
    const PINGS: usize = 5;
    const STOP: usize = usize::MAX;
    let (to, from): (Vec<_>, Vec<_>) = (0..ACTORS).map(|_| unbounded_channel()).unzip();
    let to: std::sync::Arc<[UnboundedSender<usize>]> = to.into();
    let (back, mut came_back) = unbounded_channel();
    let (counted, mut counts) = unbounded_channel();
    for (i, mut from) in from.into_iter().enumerate() {
        let (to, back, counted) = (to.clone(), back.clone(), counted.clone());
        tokio::spawn(async move {
            let (mut random, mut received) = (Random::new(i as u64), 0);
            loop {
                let ping = from.recv().await.expect(GONE);
                if ping == STOP {
                    break;
                }
                received += 1;
                to[random.below(ACTORS as u64) as usize].send(ping).expect(GONE);
            }
            drop(to);
            counted.send(received).expect(GONE);
            while let Some(ping) = from.recv().await {
                back.send(ping).expect(GONE);
            }
        });
    }
    let span = Span::begin();
    for ping in 0..ACTORS * PINGS {
        to[ping / PINGS].send(ping).expect(GONE);
    }
    tokio::time::sleep(Duration::from_millis(ms)).await;
    for actor in to.iter() {
        actor.send(STOP).expect(GONE);
    }
    let mut received = 0;
    for _ in 0..ACTORS {
        received += counts.recv().await.expect(GONE);
    }
    let outcome = span.end(received);
    let mut seen = [false; ACTORS * PINGS];
    for _ in 0..seen.len() {
        let ping: usize = came_back.recv().await.expect(GONE);
        law(!seen[ping], "ubench: a ping doubled");
        seen[ping] = true;
    }
    outcome
}
