// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors

//! The workloads of bench/runtime on Tokio's tasks and channels:
//!
//!     tokio_peer WORKLOAD WORKERS full|smoke
//!
//! Each checks its conservation law; the result is one line of JSON. A twentieth runs first, untimed.

mod calls;
mod lives;
mod messages;
mod waits;

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// What a workload fills in.
#[derive(Default)]
pub struct Outcome {
    pub operations: u64,
    pub seconds: f64,
    pub cpu_seconds: f64,
    pub bytes_each: f64,
    pub latencies: Vec<Duration>,
}

/// The time from begin to end.
pub struct Span {
    began: Instant,
    cpu_began: f64,
}

impl Span {
    pub fn begin() -> Span {
        Span { began: Instant::now(), cpu_began: cpu_seconds() }
    }

    pub fn end(self, operations: u64) -> Outcome {
        let seconds = self.began.elapsed().as_secs_f64();
        Outcome { operations, seconds, cpu_seconds: cpu_seconds() - self.cpu_began, ..Default::default() }
    }
}

/// Of the process, all threads.
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let code = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    law(code == 0, "clock_gettime");
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

pub fn law(held: bool, what: &str) {
    if !held {
        eprintln!("tokio_peer: {what}");
        std::process::exit(1);
    }
}

/// xorshift
pub struct Random(u64);

impl Random {
    pub fn new(number: u64) -> Random {
        Random((number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}

type Run = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// How much: full and smoke; and what the result is.
fn size(name: &str) -> Option<(u64, u64, &'static str)> {
    Some(match name {
        "pingpong" => (2_000_000, 1000, "M/s"),
        "ring" => (2_000_000, 2000, "M/s"),
        "ring100" => (5_000_000, 20_000, "M/s"),
        "fanin" => (1_000_000, 2000, "M/s"),
        "ubench" => (3000, 100, "M/s"),
        "spawn" => (1_000_000, 2000, "M/s"),
        "skynet" => (1_000_000, 1000, "s"),
        "idle_memory" => (1_000_000, 2000, "bytes"),
        "json_call" | "json_call4" | "struct_call" | "struct_call4" => (500_000, 1000, "M/s"),
        "timers" => (100_000, 1000, "s"),
        "latency" | "latency_alone" => (2000, 100, "M/s"),
        _ => return None,
    })
}

fn workload(name: &str, count: u64, workers: usize) -> Run {
    match name {
        "pingpong" => Box::pin(messages::pingpong(count)),
        "ring" => Box::pin(messages::ring(count, 1)),
        "ring100" => Box::pin(messages::ring(count, 100)),
        "fanin" => Box::pin(messages::fanin(count)),
        "ubench" => Box::pin(messages::ubench(count)),
        "spawn" => Box::pin(lives::spawn(count)),
        "skynet" => Box::pin(lives::skynet(count)),
        "idle_memory" => Box::pin(lives::idle_memory(count)),
        "json_call" => Box::pin(calls::json(count, 1)),
        "json_call4" => Box::pin(calls::json(count, 4)),
        "struct_call" => Box::pin(calls::moved(count, 1)),
        "struct_call4" => Box::pin(calls::moved(count, 4)),
        "timers" => Box::pin(waits::timers(count)),
        "latency" => Box::pin(waits::latency(count, workers)),
        "latency_alone" => Box::pin(waits::latency(count, 0)),
        _ => unreachable!(),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    law(arguments.len() == 4, "usage: tokio_peer WORKLOAD WORKERS full|smoke");
    let name = arguments[1].as_str();
    let (full, smoke, unit) = size(name).unwrap_or_else(|| {
        eprintln!("tokio_peer: no such workload here: {name}");
        std::process::exit(3)
    });
    let workers = arguments[2].parse().expect("a number of workers");
    let count = if arguments[3] == "smoke" { smoke } else { full };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_time().build();
    // As tasks of the runtime: block_on's own runs on the main thread beside it.
    let outcome = runtime.expect("a runtime").block_on(async {
        if unit != "bytes" {
            tokio::spawn(workload(name, count / 20 + 1, workers)).await.expect("a warm-up");
        }
        tokio::spawn(workload(name, count, workers)).await.expect("a run")
    });
    print(name, workers, unit, outcome);
}

fn print(name: &str, workers: usize, unit: &str, outcome: Outcome) {
    let mut line = serde_json::json!({
        "peer": "tokio", "version": env!("TOKIO_VERSION"), "workload": name, "workers": workers,
        "operations": outcome.operations, "seconds": outcome.seconds, "cpu_seconds": outcome.cpu_seconds,
        "unit": unit, "law": "held"
    });
    if unit == "bytes" {
        line["bytes_each"] = outcome.bytes_each.into();
    }
    if !outcome.latencies.is_empty() {
        let (quantiles, histogram) = percentiles(outcome.latencies);
        line["latency_us"] = quantiles;
        line["histogram"] = serde_json::json!(histogram);
    }
    println!("{line}");
}

/// Quantiles, and counts up to bounds that grow by a tenth.
fn percentiles(mut times: Vec<Duration>) -> (serde_json::Value, Vec<(u64, u64)>) {
    times.sort_unstable();
    let at = |quantile: f64| times[(quantile * (times.len() - 1) as f64) as usize].as_nanos() as f64 / 1000.0;
    let quantiles =
        serde_json::json!({"p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p999": at(0.999), "max": at(1.0)});
    let (mut histogram, mut upper) = (Vec::<(u64, u64)>::new(), 1);
    for time in &times {
        let us = time.as_micros() as u64;
        while us > upper {
            upper += 1 + upper / 10;
        }
        match histogram.last_mut() {
            Some(last) if last.0 == upper => last.1 += 1,
            _ => histogram.push((upper, 1)),
        }
    }
    (quantiles, histogram)
}
