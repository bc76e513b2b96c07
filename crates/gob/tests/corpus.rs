//! Streams that Go's encoding/gob made, against the values that went in.
//!
//! `TEMPER_GOB_CORPUS` names another file of the same schema; see `fixtures/README.md`.

#![cfg(test)]

#[path = "support/tree.rs"]
mod tree;
#[path = "support/infer.rs"]
mod infer;

use serde_json::Value as Json;
use temper_gob::{Decoder, Encoder, Value};

struct Case {
    name: String,
    stream: Vec<u8>,
    values: Vec<Json>,
}

#[test]
fn every_stream_that_go_made_decodes_to_what_went_in() {
    for case in corpus() {
        let mut decoder = Decoder::default();
        decoder
            .push(&case.stream)
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        for expected in &case.values {
            let value = next(&case.name, &mut decoder);
            let difference = tree::difference(expected, &value);
            assert_eq!(difference, None, "{}", case.name);
        }
        assert!(decoder.is_idle(), "{}: bytes are left", case.name);
    }
}

#[test]
fn every_value_survives_being_encoded_again() {
    for case in corpus() {
        let mut from_go = Decoder::default();
        from_go.push(&case.stream).unwrap();
        let mut encoder = Encoder::new();
        let mut ours = Decoder::default();
        for _ in &case.values {
            let value = next(&case.name, &mut from_go);
            let mut bytes = Vec::new();
            let result = encoder.encode_value(&infer::common_type(&[&value]), &value, &mut bytes);
            result.unwrap_or_else(|error| panic!("{}: {error}", case.name));
            ours.push(&bytes).unwrap();
            // As text, since a float may be no number.
            let again = next(&case.name, &mut ours);
            assert_eq!(format!("{again:?}"), format!("{value:?}"), "{}", case.name);
        }
    }
}

fn next(name: &str, decoder: &mut Decoder) -> Value {
    let value = decoder
        .next_value()
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    value.unwrap_or_else(|| panic!("{name}: the stream ends early"))
}

fn corpus() -> Vec<Case> {
    let fixture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/gob-corpus.json"
    );
    let path = std::env::var("TEMPER_GOB_CORPUS").unwrap_or_else(|_| fixture.to_owned());
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let corpus: Json =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    let cases: Vec<_> = corpus["cases"]
        .as_array()
        .into_iter()
        .flatten()
        .map(case)
        .collect();
    assert!(!cases.is_empty(), "{path} holds no case");
    cases
}

fn case(case: &Json) -> Case {
    let name = case["name"].as_str().unwrap().to_owned();
    let stream = hex::decode(case["hex"].as_str().unwrap()).unwrap();
    let values = case["wire"].as_array().unwrap().clone();
    assert!(!values.is_empty(), "{name} holds no value");
    Case {
        name,
        stream,
        values,
    }
}
