//! Recorded conversations of a real host with a plugin, both written in Go: net/rpc requests and
//! responses, a header and a body each.
#![cfg(test)]

#[path = "support/tree.rs"]
mod tree;

use serde::Deserialize;
use serde_json::Value as Json;
use temper_gob::{Decoder, Value};

const SESSIONS: [&str; 2] = [
    include_str!("fixtures/host-smoke.json"),
    include_str!("fixtures/host-loop.json"),
];

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Header {
    service_method: String,
    seq: u64,
    error: String,
}

/// One direction of a stream, and the calls whose headers and bodies it carries.
struct Direction {
    bytes: Vec<u8>,
    calls: Vec<Json>,
    body: &'static str,
}

impl Direction {
    fn check(&self, messages: &[(Header, Value)]) {
        assert_eq!(messages.len(), self.calls.len());
        for (header, body) in messages {
            let call = self.calls.iter().find(|call| call["seq"] == header.seq);
            let call = call.unwrap_or_else(|| panic!("no call {header:?}"));
            assert_eq!(call["method"], header.service_method);
            assert_eq!(tree::difference(&call[self.body], body), None, "{header:?}");
        }
    }
}

#[test]
fn every_call_of_a_host_decodes_to_what_go_made_of_it() {
    for direction in directions() {
        let mut decoder = Decoder::default();
        decoder.push(&direction.bytes).unwrap();
        direction.check(&take_messages(&mut decoder));
        assert!(decoder.is_idle());
    }
}

#[test]
fn a_session_that_comes_byte_by_byte_is_the_same() {
    for direction in directions() {
        let mut decoder = Decoder::default();
        let mut values = Vec::new();
        for byte in &direction.bytes {
            decoder.push(&[*byte]).unwrap();
            values.extend(decoder.next_value().unwrap());
            assert_eq!(
                decoder.next_value().unwrap(),
                None,
                "two values end with one byte"
            );
        }
        assert!(decoder.is_idle());
        assert_eq!(values, all_values(&direction.bytes));
    }
}

#[test]
fn a_session_that_is_cut_anywhere_is_the_same() {
    for direction in directions() {
        let expected = all_values(&direction.bytes);
        // Every cut of a long session takes minutes without optimization; a prime step meets all kinds.
        let step = if direction.bytes.len() > 4096 { 211 } else { 1 };
        for cut in (0..direction.bytes.len()).step_by(step) {
            let (first, second) = direction.bytes.split_at(cut);
            let mut decoder = Decoder::default();
            decoder.push(first).unwrap();
            let mut values = take_values(&mut decoder);
            decoder.push(second).unwrap();
            values.extend(take_values(&mut decoder));
            assert_eq!(values, expected, "cut at {cut}");
        }
    }
}

fn take_messages(decoder: &mut Decoder) -> Vec<(Header, Value)> {
    let mut messages = Vec::new();
    while let Some(header) = decoder.next().unwrap() {
        messages.push((
            header,
            decoder
                .next_value()
                .unwrap()
                .expect("a body after the header"),
        ));
    }
    messages
}

fn all_values(bytes: &[u8]) -> Vec<Value> {
    let mut decoder = Decoder::default();
    decoder.push(bytes).unwrap();
    take_values(&mut decoder)
}

fn take_values(decoder: &mut Decoder) -> Vec<Value> {
    core::iter::from_fn(|| decoder.next_value().unwrap()).collect()
}

fn directions() -> Vec<Direction> {
    let all: Vec<_> = SESSIONS.iter().flat_map(|text| session(text)).collect();
    assert_eq!(
        all.len(),
        8,
        "two directions of two streams in two sessions"
    );
    all
}

fn session(text: &str) -> Vec<Direction> {
    let session: Json = serde_json::from_str(text).unwrap();
    let streams = session["streams"].as_object().unwrap();
    let of_stream = |id: &str| {
        let calls = session["calls"].as_array().unwrap().iter();
        calls
            .filter(|call| call["stream"] == id.parse::<u64>().unwrap())
            .cloned()
            .collect::<Vec<_>>()
    };
    let direction = |id: &str, stream: &Json, bytes: &str, body| Direction {
        bytes: hex::decode(stream[bytes].as_str().unwrap()).unwrap(),
        calls: of_stream(id),
        body,
    };
    let both = |(id, stream): (&String, &Json)| {
        [
            direction(id, stream, "h2p_gob", "args"),
            direction(id, stream, "p2h_gob", "reply"),
        ]
    };
    streams.iter().flat_map(both).collect()
}
