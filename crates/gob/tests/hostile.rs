//! Peers that state what they should not: each is stopped by the limit for it, before memory is taken.
#![cfg(test)]

use temper_gob::{Decoder, Error, Limits, Value};

/// A message of the given body, with its length.
fn message(body: &[u8]) -> Vec<u8> {
    let mut bytes = uint(body.len() as u64);
    bytes.extend_from_slice(body);
    bytes
}

fn uint(value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let significant = &bytes[value.leading_zeros() as usize / 8..];
    match significant {
        [] => vec![0],
        [small] if *small < 0x80 => vec![*small],
        many => [&[many.len().to_le_bytes()[0].wrapping_neg()], many].concat(),
    }
}

fn int(value: i64) -> Vec<u8> {
    uint(((value << 1) ^ (value >> 63)).cast_unsigned())
}

/// A slice type of the given id and element.
fn slice(id: i64, element: i64) -> Vec<u8> {
    message(&[&int(-id)[..], &[2, 1, 0, 1], &int(element), &[0, 0]].concat())
}

/// A structure type of the given id with these fields, all called `F`.
fn structure(id: i64, fields: &[i64]) -> Vec<u8> {
    let mut body = [&int(-id)[..], &[3, 1, 0, 1], &uint(fields.len() as u64)].concat();
    for field in fields {
        body.extend([&[1, 1, b'F', 1], &int(*field)[..], &[0]].concat());
    }
    body.extend([0, 0]);
    message(&body)
}

fn error_under(limits: Limits, stream: &[u8]) -> Error {
    let mut decoder = Decoder::new(limits);
    let pushed = decoder.push(stream);
    let error = pushed.and_then(|()| decoder.next_value()).unwrap_err();
    assert_eq!(decoder.skip(), Err(error.clone()), "the stream goes on");
    error
}

fn error(stream: &[u8]) -> Error {
    error_under(Limits::default(), stream)
}

#[track_caller]
fn assert_limit(error: &Error, name: &str, stated: u64) {
    let Error::Limit {
        limit, stated: got, ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!((*limit, *got), (name, stated), "{error}");
}

#[test]
fn a_message_too_long_is_refused_from_its_length_alone() {
    let length = uint(1 << 40);
    assert_limit(&error(&length), "message_bytes", 1 << 40);
    let mut decoder = Decoder::default();
    assert_eq!(
        decoder.push(&length[..3]),
        Ok(()),
        "the length is not complete"
    );
    assert_limit(
        &decoder.push(&length[3..]).unwrap_err(),
        "message_bytes",
        1 << 40,
    );
}

#[test]
fn a_slice_of_a_billion_empty_structures_is_refused_from_its_count() {
    let count = 1_000_000_000;
    let value = message(&[&int(66)[..], &[0], &uint(count)].concat());
    let stream = [structure(65, &[]), slice(66, 65), value].concat();
    assert_limit(&error(&stream), "elements", count);
}

#[test]
fn a_map_counts_its_keys_and_its_values() {
    let map = message(&[&int(-65)[..], &[4, 1, 0, 1, 2, 1, 2, 0, 0]].concat());
    let value = message(&[&int(65)[..], &[0], &uint(1 << 60)].concat());
    assert_limit(&error(&[map, value].concat()), "elements", 1 << 61);
}

#[test]
fn elements_are_counted_over_all_levels() {
    let types = [slice(65, 2), slice(66, 65)].concat();
    let value = message(&[&int(66)[..], &[0, 2, 3, 0, 0, 0, 3, 0, 0, 0]].concat());
    let stream = [types, value].concat();
    let limits = |elements| Limits {
        elements,
        ..Limits::default()
    };
    assert_limit(&error_under(limits(7), &stream), "elements", 8);
    let mut decoder = Decoder::new(limits(8));
    decoder.push(&stream).unwrap();
    assert!(decoder.next_value().unwrap().is_some());
}

#[test]
fn a_million_levels_of_a_recursive_type_are_refused() {
    let value = message(&[&int(65)[..], &[0], &vec![1; 1_000_000]].concat());
    assert_limit(&error(&[slice(65, 65), value].concat()), "depth", 129);
}

#[test]
fn a_million_interfaces_in_one_another_are_refused() {
    // From the inside out, hence backwards: a nil, and around it a zero, its length, its type, a name.
    let mut backwards = vec![0];
    for _ in 0..1_000_000 {
        backwards.push(0);
        let length = uint(backwards.len() as u64);
        backwards.extend(length.iter().rev());
        backwards.extend([16, b'i', 1]);
    }
    backwards.extend([0, 16]);
    backwards.reverse();
    assert_limit(&error(&message(&backwards)), "depth", 129);
}

#[test]
fn types_are_counted_whether_defined_or_only_mentioned() {
    let limits = Limits {
        types: 3,
        ..Limits::default()
    };
    let defined: Vec<_> = (65..69).flat_map(|id| slice(id, 2)).collect();
    assert_limit(&error_under(limits, &defined), "types", 4);
    assert_limit(
        &error_under(limits, &structure(65, &[70, 71, 72, 73])),
        "types",
        4,
    );
}

#[test]
fn definitions_are_bounded_in_fields_names_and_bytes() {
    let fields = structure(65, &vec![2; 4097]);
    assert_limit(&error(&fields), "fields_per_type", 4097);
    let many: Vec<_> = (65..2000).flat_map(|id| structure(id, &[2; 100])).collect();
    let Error::Limit {
        limit: "definition_bytes",
        ..
    } = error(&many)
    else {
        panic!()
    };
    let name = [&[16, 0][..], &uint(1025), &[b'n'; 1025], &[4, 2, 0, 0]].concat();
    assert_limit(&error(&message(&name)), "name_bytes", 1025);
}

#[test]
fn a_value_in_many_messages_is_bounded_as_a_whole() {
    let limits = Limits {
        message_bytes: 100,
        ..Limits::default()
    };
    // A slice of interfaces, each of a type that is defined at once, in a message of its own.
    let mut stream = [
        slice(65, 8),
        message(&[&int(65)[..], &[0, 50, 1, b'T'], &slice(66, 2)[1..]].concat()),
    ]
    .concat();
    for id in 67..117 {
        let next = [&int(id - 1)[..], &[2, 0, 0, 1, b'T'], &slice(id, 2)[1..]].concat();
        stream.extend(message(&next));
    }
    let Error::Limit {
        limit: "message_bytes",
        allowed,
        ..
    } = error_under(limits, &stream)
    else {
        panic!("{}", error_under(limits, &stream))
    };
    assert!(allowed < 100);
}

#[test]
fn what_contradicts_itself_is_malformed() {
    let cases: [(&str, Vec<u8>, &str); 14] = [
        (
            "no bytes",
            vec![0],
            "expected a message, got one of no bytes",
        ),
        (
            "reserved id",
            slice(63, 2),
            "expected the id of a new type, at least 64, got the reserved id 63",
        ),
        (
            "duplicate",
            [slice(65, 2), slice(65, 2)].concat(),
            "got id 65, which is already defined",
        ),
        (
            "undefined",
            message(&[&int(65)[..], &[0, 0]].concat()),
            "got undefined type 65",
        ),
        (
            "undefined element",
            [slice(65, 66), message(&[&int(65)[..], &[0, 1, 0]].concat())].concat(),
            "expected a value of a defined type, got undefined type 66",
        ),
        (
            "reserved element",
            slice(65, 12),
            "expected the id of a type, got the reserved id 12",
        ),
        (
            "smallest id",
            message(&int(i64::MIN)),
            "got the reserved id 0",
        ),
        (
            "no zero",
            message(&[4, 1, 6]),
            "expected a zero before the value, got 1",
        ),
        (
            "too short",
            message(&[12, 0, 9, b'x']),
            "expected a string within the 1 bytes left, got 9 bytes",
        ),
        (
            "too long",
            message(&[4, 0, 6, 6]),
            "expected the end of the message after a value, got 1 more bytes",
        ),
        (
            "cut",
            message(&[4, 0, 0xfe, 1]),
            "expected an int, got the end of the message",
        ),
        (
            "unknown field",
            [
                structure(65, &[2]),
                message(&[&int(65)[..], &[2, 0, 0]].concat()),
            ]
            .concat(),
            "expected one of the structure's 1 fields, got field number 1",
        ),
        (
            "array",
            [
                message(&[&int(-65)[..], &[1, 1, 0, 1, 4, 1, 6, 0, 0]].concat()),
                message(&[&int(65)[..], &[0, 2, 0, 0]].concat()),
            ]
            .concat(),
            "expected 3 elements, as the array's type says, got 2",
        ),
        (
            "interface",
            message(&[16, 0, 1, b'T', 4, 9, 0, 2]),
            "expected a value within the 2 bytes left, got 9 bytes",
        ),
    ];
    for (name, stream, expected) in cases {
        let error = error(&stream);
        assert!(
            matches!(error, Error::Malformed { .. }),
            "{name}: {error:?}"
        );
        assert!(error.to_string().ends_with(expected), "{name}: {error}");
    }
}

/// Type and field names are shared in a tree, so that a kilobyte of name is not copied for each of a
/// quarter of a million values.
#[test]
fn long_names_do_not_multiply() {
    let name = [b'n'; 1024];
    let body = [&int(-65)[..], &[3, 1, 1], &uint(1024), &name, &[0, 0, 0]].concat();
    let value = message(&[&int(66)[..], &[0], &uint(200_000), &vec![0; 200_000]].concat());
    let stream = [message(&body), slice(66, 65), value].concat();
    let mut decoder = Decoder::default();
    decoder.push(&stream).unwrap();
    let Some(Value::List(values)) = decoder.next_value().unwrap() else {
        panic!()
    };
    let names = values.iter().map(|value| match value {
        Value::Struct { name, .. } => name.as_ptr(),
        other => panic!("{other:?}"),
    });
    assert_eq!(names.collect::<std::collections::BTreeSet<_>>().len(), 1);
}

/// Runs on the 2 MiB of stack that threads have unless told otherwise.
#[test]
fn the_deepest_value_that_limits_can_allow_fits_on_the_stack() {
    let limits = Limits {
        depth: usize::MAX,
        ..Limits::default()
    };
    let bottom = message(&[&int(65)[..], &[0], &[1; Limits::DEEPEST - 1], &[0]].concat());
    let stream = [slice(65, 65), bottom].concat();
    let mut decoder = Decoder::new(limits);
    decoder.push(&stream).unwrap();
    let value = decoder.next_value().unwrap().expect("a value");
    assert_eq!(
        format!("{value:?}").matches("List").count(),
        Limits::DEEPEST
    );

    let deeper = message(&[&int(65)[..], &[0], &[1; Limits::DEEPEST], &[0]].concat());
    let stated = Limits::DEEPEST as u64 + 1;
    assert_limit(
        &error_under(limits, &[slice(65, 65), deeper].concat()),
        "depth",
        stated,
    );
}
