// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors

use crate::{law, Outcome, Span};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

#[derive(Serialize, Deserialize)]
struct Request {
    op: String,
    id: u64,
    args: Vec<i64>,
    name: String,
}

#[derive(Serialize, Deserialize)]
struct Reply {
    id: u64,
    sum: i64,
}

const NAME: &str = "abcdefghijklmnopqrstuvwx";

fn request(id: u64) -> Request {
    Request { op: "add".into(), id, args: vec![1, 2, 3], name: NAME.into() }
}

fn answer(request: Request) -> Reply {
    law(request.op == "add" && request.name.len() == NAME.len(), "call: a request that was not sent");
    Reply { id: request.id, sum: request.args.iter().sum() }
}

/// A request comes with where the reply goes. What travels is made and read by the four functions.
async fn pairs<Q: Send + 'static, A: Send + 'static>(
    calls: u64,
    pairs: u64,
    encode: fn(Request) -> Q,
    decode: fn(Q) -> Request,
    encode_reply: fn(Reply) -> A,
    decode_reply: fn(A) -> Reply,
) -> Outcome {
    let each = (calls + pairs - 1) / pairs;
    let (mut callers, mut callees) = (Vec::new(), Vec::new());
    let span = Span::begin();
    for _ in 0..pairs {
        let (to, mut from) = mpsc::unbounded_channel::<(Q, oneshot::Sender<A>)>();
        callees.push(tokio::spawn(async move {
            let mut answered = 0;
            while let Some((request, reply)) = from.recv().await {
                law(reply.send(encode_reply(answer(decode(request)))).is_ok(), "call: a caller is gone");
                answered += 1;
            }
            answered
        }));
        callers.push(tokio::spawn(async move {
            for id in 0..each {
                let (back, reply) = oneshot::channel();
                law(to.send((encode(request(id)), back)).is_ok(), "call: a callee is gone");
                let reply = decode_reply(reply.await.expect("a reply"));
                law(reply.id == id && reply.sum == 6, "call: the answer to another call");
            }
        }));
    }
    for caller in callers {
        caller.await.expect("a caller");
    }
    let outcome = span.end(each * pairs);
    let mut answered = 0;
    for callee in callees {
        answered += callee.await.expect("a callee");
    }
    law(answered == each * pairs, "call: calls got lost");
    outcome
}

/// Requests and replies are JSON texts.
pub async fn json(calls: u64, count: u64) -> Outcome {
    fn encode<T: Serialize>(value: T) -> Vec<u8> {
        serde_json::to_vec(&value).expect("JSON")
    }
    pairs(
        calls,
        count,
        encode,
        |text| serde_json::from_slice(&text).expect("JSON"),
        encode,
        |text| serde_json::from_slice(&text).expect("JSON"),
    )
    .await
}

/// Requests and replies are structs, moved.
pub async fn moved(calls: u64, count: u64) -> Outcome {
    pairs(calls, count, |request| request, |request| request, |reply| reply, |reply| reply).await
}
