//! How much memory the worst streams that the default limits allow can take. Alone in its file: the
//! high-water mark is that of the process.
#![cfg(all(test, target_os = "linux"))]

use temper_gob::{Decoder, Limits, Type, Value};

#[test]
fn the_worst_streams_that_default_limits_allow_stay_within_128_mebibytes() {
    for stream in [widest(), most_definitions(), longest()] {
        let mut decoder = Decoder::default();
        for piece in stream.chunks(16 << 10) {
            decoder
                .push(piece)
                .expect("the stream is within the limits");
            while decoder
                .next_value()
                .expect("the stream is within the limits")
                .is_some()
            {}
        }
        assert!(decoder.is_idle());
    }
    let peak = peak_kibibytes();
    assert!((1..128 << 10).contains(&peak), "{peak} KiB");
}

/// As many elements as one value may have, each a structure of one byte.
fn widest() -> Vec<u8> {
    let empty = Value::Struct {
        name: "".into(),
        fields: vec![],
    };
    encoded(
        &Type::list(Type::structure("Empty", [])),
        &Value::List(vec![empty; Limits::default().elements]),
    )
}

/// As many types as a stream may have, with as many fields as their bytes allow.
fn most_definitions() -> Vec<u8> {
    let names: Vec<_> = (0..4000).map(|index| format!("T{index}")).collect();
    let fields = || (0..30).map(|_| ("F", Type::int()));
    let types = names
        .iter()
        .map(|name| (name.as_str(), Type::structure(name, fields())));
    let nil = Value::Interface {
        name: String::new(),
        value: None,
    };
    encoded(&Type::interface(types), &nil)
}

/// A message of all the bytes that it may have.
fn longest() -> Vec<u8> {
    encoded(
        &Type::bytes(),
        &Value::Bytes(vec![7; Limits::default().message_bytes - 16]),
    )
}

fn encoded(ty: &Type, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    temper_gob::Encoder::new()
        .encode_value(ty, value, &mut out)
        .expect("the value is of the type");
    out
}

fn peak_kibibytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the kernel tells");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .expect("a high-water mark");
    let digits = line.split_whitespace().nth(1).expect("a number");
    digits.parse().expect("a number")
}
