//! From the wire straight into Rust types.
#![cfg(test)]

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use temper_gob::{Decoder, Error, Interface, Opaque, Time, Value, Zone};

/// The definition of `type Point struct { X, Y int }`, which makes it id 65.
const POINT: &str = "ff8103010105506f696e7401ff82000102010158010400010159010400 0000";

/// The definition of a `GobEncoder` called `Time`, id 65.
const TIME: &str = "ff810501010454696d6501ff82000000";

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Point {
    x: i64,
    y: i64,
}

/// A decoder that has got these messages, each without its length, which is below 128.
fn decoder(messages: &[&str]) -> Decoder {
    let mut decoder = Decoder::default();
    for message in messages {
        let bytes = hex::decode(message.replace(' ', "")).unwrap();
        decoder.push(&[u8::try_from(bytes.len()).unwrap()]).unwrap();
        decoder.push(&bytes).unwrap();
    }
    decoder
}

fn decoded<T: DeserializeOwned>(messages: &[&str]) -> T {
    let mut decoder = decoder(messages);
    let value = decoder.next().unwrap().expect("a value");
    assert!(decoder.is_idle());
    value
}

/// What is wrong with a value for `T`; the decoder must be able to go on.
fn mismatch<T: DeserializeOwned + Debug>(messages: &[&str]) -> String {
    let mut decoder = decoder(messages);
    let error = decoder.next::<T>().unwrap_err();
    assert!(error.is_mismatch(), "{error}");
    decoder.push(&[0x03, 0x04, 0x00, 0x06]).unwrap();
    assert_eq!(
        decoder.next(),
        Ok(Some(3)),
        "the next value is there in spite of {error}"
    );
    error.to_string()
}

#[test]
fn structures_are_matched_by_the_names_of_fields() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct OnlyY {
        y: u8,
        z: Option<String>,
    }
    let messages = [POINT, "ff82 012c 0142 00"];
    assert_eq!(decoded::<Point>(&messages), Point { x: 22, y: 33 });
    assert_eq!(decoded::<OnlyY>(&messages), OnlyY { y: 33, z: None });
    decoded::<()>(&messages);
    let map = BTreeMap::from([("X".to_owned(), 22), ("Y".to_owned(), 33)]);
    assert_eq!(decoded::<BTreeMap<String, i64>>(&messages), map);
}

#[test]
fn absent_fields_are_what_serde_makes_of_them() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Strict {
        x: i64,
        y: Option<i64>,
    }
    let only_x = [POINT, "ff82 012c 00"];
    assert_eq!(decoded::<Point>(&only_x), Point { x: 22, y: 0 });
    assert_eq!(decoded::<Strict>(&only_x), Strict { x: 22, y: None });
    let error = mismatch::<Strict>(&[POINT, "ff82 00"]);
    assert!(
        error.ends_with("expected field `X`, got a structure without it"),
        "{error}"
    );
}

#[test]
fn a_value_of_another_type_is_an_error_that_says_where() {
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Text {
        #[serde(rename = "Y")]
        _y: String,
    }
    assert_eq!(
        mismatch::<Text>(&[POINT, "ff82 012c 0142 00"]),
        "reading gob value `Y` at byte 38: expected a string, got integer `33`"
    );
}

#[test]
fn numbers_are_checked_against_the_range_of_their_type() {
    assert_eq!(decoded::<u8>(&["04 00 fe01fe"]), 255);
    assert!(mismatch::<u8>(&["04 00 fe0200"]).ends_with("expected u8, got integer `256`"));
    assert!(mismatch::<u8>(&["04 00 01"]).ends_with("expected u8, got integer `-1`"));
    let most = mismatch::<i64>(&["06 00 f8ffffffffffffffff"]);
    assert!(
        most.ends_with("expected i64, got integer `18446744073709551615`"),
        "{most}"
    );
    assert!((decoded::<f32>(&["08 00 fe3140"]) - 17.0).abs() <= 0.0);
    assert!(decoded::<f32>(&["08 00 fef07f"]).is_infinite());
    let huge = mismatch::<f32>(&["08 00 f8ffffffffffffef7f"]);
    assert!(
        huge.contains("expected a float of 32 bits, got floating point"),
        "{huge}"
    );
}

#[test]
fn strings_need_not_be_text() {
    let not_text = ["0c 00 02 fffe"];
    assert_eq!(decoded::<String>(&["0c 00 02 6869"]), "hi");
    assert_eq!(decoded::<Vec<u8>>(&not_text), [0xff, 0xfe]);
    assert_eq!(decoded::<Value>(&not_text), Value::String(vec![0xff, 0xfe]));
    assert_eq!(decoded::<Vec<u8>>(&["0a 00 02 fffe"]), [0xff, 0xfe]);
    let error = mismatch::<String>(&not_text);
    assert!(
        error.ends_with("expected a string, got byte array"),
        "{error}"
    );
}

#[test]
fn an_enum_of_names_is_read_from_a_string() {
    #[derive(Debug, PartialEq, Deserialize)]
    enum Phase {
        Running,
    }
    assert_eq!(
        decoded::<Phase>(&["0c 00 07 52756e6e696e67"]),
        Phase::Running
    );
    let error = mismatch::<Phase>(&["0c 00 02 6869"]);
    assert!(error.contains("unknown variant `hi`"), "{error}");
}

#[test]
fn an_interface_is_looked_through_unless_it_is_asked_for() {
    let nil = ["10 00 00"];
    assert_eq!(decoded::<Option<Point>>(&nil), None);
    assert_eq!(decoded::<Interface<Point>>(&nil), Interface::nil());
    decoded::<()>(&nil);
    let held = [POINT, "10 00 05506f696e74 ff82 03 012c 00"];
    assert_eq!(decoded::<Point>(&held), Point { x: 22, y: 0 });
    assert_eq!(decoded::<Option<Point>>(&held), Some(Point { x: 22, y: 0 }));
    let value = Some(Point { x: 22, y: 0 });
    assert_eq!(
        decoded::<Interface<Point>>(&held),
        Interface {
            name: "Point".to_owned(),
            value
        }
    );
    let error = mismatch::<Interface<i64>>(&["04 00 06"]);
    assert!(
        error.ends_with("expected an interface, got an int"),
        "{error}"
    );
}

#[test]
fn a_time_is_read_in_both_versions() {
    let time = |value: &str| decoded::<Time>(&[TIME, &format!("ff82 00 {value}")]);
    let expected = |zone| Time {
        unix_seconds: 1_767_323_045,
        nanos: 6000,
        zone,
    };
    assert_eq!(
        time("0f 010000000ee0e92ca500001770ffff"),
        expected(Zone::Utc)
    );
    assert_eq!(
        time("0f 010000000ee0e92ca500001770014a"),
        expected(Zone::Offset(330 * 60))
    );
    assert_eq!(
        time("10 020000000ee0e92ca500001770003e03"),
        expected(Zone::Offset(3723))
    );
    assert_eq!(time("0f 01000000000000000000000000ffff"), Time::default());
    assert_eq!(
        decoded::<Opaque>(&[TIME, "ff82 00 02 0a0b"]),
        Opaque(vec![10, 11])
    );
    let wrong = mismatch::<Time>(&[TIME, "ff82 00 01 0a"]);
    assert!(
        wrong.ends_with("a time of version 1 in 15 bytes or 2 in 16, got version 10 in 1"),
        "{wrong}"
    );
    let number = mismatch::<Time>(&["04 00 06"]);
    assert!(
        number.ends_with("TextMarshaler value, got an int"),
        "{number}"
    );
}

#[test]
fn an_error_ends_the_stream_for_good() {
    let mut decoder = decoder(&["fe00 00"]);
    let error = decoder.next::<Value>().unwrap_err();
    assert!(
        matches!(error, Error::Malformed { offset: 1, .. }),
        "{error:?}"
    );
    assert_eq!(decoder.push(&[3, 4, 0, 6]), Err(error.clone()));
    assert_eq!(decoder.next::<i64>(), Err(error));
}
