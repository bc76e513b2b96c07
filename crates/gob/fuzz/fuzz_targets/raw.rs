//! Any bytes: reading, skipping and reading byte by byte must agree, and none may panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use temper_gob::{Decoder, Error, Value};

fuzz_target!(|bytes: &[u8]| {
    let read = outcome(bytes, bytes.len(), Decoder::next_value);
    let skipped = outcome(bytes, bytes.len(), Decoder::skip);
    let trickled = outcome(bytes, 1, Decoder::next_value);
    assert_eq!((read.0.len(), &read.1), (skipped.0.len(), &skipped.1));
    assert_eq!(format!("{read:?}"), format!("{trickled:?}"));
    for value in &read.0 {
        check_depth(value);
    }
});

/// All values of a stream that comes in pieces of the given size, and the error that ends it.
fn outcome<T>(
    bytes: &[u8],
    piece: usize,
    next: impl Fn(&mut Decoder) -> Result<Option<T>, Error>,
) -> (Vec<T>, Option<Error>) {
    let mut decoder = Decoder::default();
    let mut values = Vec::new();
    for piece in bytes.chunks(piece.max(1)) {
        if let Err(error) = decoder.push(piece) {
            return (values, Some(error));
        }
        loop {
            match next(&mut decoder) {
                Ok(Some(value)) => values.push(value),
                Ok(None) => break,
                Err(error) => return (values, Some(error)),
            }
        }
    }
    (values, None)
}

/// A tree can be walked by whoever gets it.
fn check_depth(value: &Value) -> usize {
    let children = match value {
        Value::List(values) => values.iter().map(check_depth).max(),
        Value::Map(pairs) => pairs.iter().map(|(key, value)| check_depth(key).max(check_depth(value))).max(),
        Value::Struct { fields, .. } => fields.iter().map(|(_, value)| check_depth(value)).max(),
        Value::Interface { value: Some(value), .. } => Some(check_depth(value)),
        _ => None,
    };
    let depth = children.unwrap_or(0) + 1;
    assert!(depth <= temper_gob::Limits::DEEPEST + 1);
    depth
}
