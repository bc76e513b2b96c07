//! Laws of the format, over arbitrary types and values.
#![cfg(test)]

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use temper_gob::{Decoder, Encoder, Marshaler, Type, Value};

/// A type and values of it, as they come back from the wire.
type Typed = (Type, Vec<Value>);

const VALUES: usize = 3;

fn typed() -> BoxedStrategy<Typed> {
    shape()
        .prop_flat_map(|shape| {
            let values = vec(shape.values(true), VALUES);
            (Just(shape.ty()), values)
        })
        .boxed()
}

/// A model of a type, from which both its description and its values are made.
#[derive(Clone, Debug)]
enum Shape {
    Bool,
    Int,
    Uint,
    Float,
    Complex,
    Bytes,
    String,
    Opaque(Marshaler),
    List(Box<Self>),
    Array(Box<Self>, usize),
    Map(Box<Self>, Box<Self>),
    Struct(Vec<Self>),
    Interface(Vec<Self>),
}

fn shape() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Bool),
        Just(Shape::Int),
        Just(Shape::Uint),
        Just(Shape::Float),
        Just(Shape::Complex),
        Just(Shape::Bytes),
        Just(Shape::String),
        Just(Shape::Opaque(Marshaler::Gob)),
        Just(Shape::Opaque(Marshaler::Binary)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        prop_oneof![
            boxed().prop_map(Shape::List),
            (boxed(), 0..4_usize).prop_map(|(element, length)| Shape::Array(element, length)),
            (boxed(), boxed()).prop_map(|(key, value)| Shape::Map(key, value)),
            vec(inner.clone(), 0..5).prop_map(Shape::Struct),
            vec(inner.clone(), 1..3).prop_map(Shape::Interface),
        ]
    })
}

fn field_name(index: usize) -> String {
    format!("F{index}")
}

impl Shape {
    fn ty(&self) -> Type {
        match self {
            Self::Bool => Type::bool(),
            Self::Int => Type::int(),
            Self::Uint => Type::uint(),
            Self::Float => Type::float(),
            Self::Complex => Type::complex(),
            Self::Bytes => Type::bytes(),
            Self::String => Type::string(),
            Self::Opaque(marshaler) => Type::marshaler("O", *marshaler),
            Self::List(element) => Type::list(element.ty()),
            Self::Array(element, length) => Type::array(element.ty(), *length),
            Self::Map(key, value) => Type::map(key.ty(), value.ty()),
            Self::Struct(fields) => {
                let names: Vec<_> = (0..fields.len()).map(field_name).collect();
                Type::structure(
                    "S",
                    names
                        .iter()
                        .map(String::as_str)
                        .zip(fields.iter().map(Self::ty)),
                )
            }
            Self::Interface(types) => {
                let names: Vec<_> = (0..types.len()).map(field_name).collect();
                Type::interface(
                    names
                        .iter()
                        .map(String::as_str)
                        .zip(types.iter().map(Self::ty)),
                )
            }
        }
    }

    /// Values of the type. Those that a structure leaves out are only made where `zero` is allowed.
    fn values(&self, zero: bool) -> BoxedStrategy<Value> {
        let least = usize::from(!zero);
        match self {
            Self::Bool => prop_oneof![Just(true), Just(!zero)]
                .prop_map(Value::Bool)
                .boxed(),
            Self::Int => any::<i64>()
                .prop_map(move |value| Value::Int(if zero || value != 0 { value } else { -1 }))
                .boxed(),
            Self::Uint => any::<u64>()
                .prop_map(move |value| Value::Uint(value.max(least as u64)))
                .boxed(),
            Self::Float => nonzero(zero).prop_map(Value::Float).boxed(),
            Self::Complex => (nonzero(zero), nonzero(true))
                .prop_map(|(re, im)| Value::Complex(re, im))
                .boxed(),
            Self::Bytes => vec(any::<u8>(), least..200).prop_map(Value::Bytes).boxed(),
            Self::String => vec(any::<u8>(), least..20).prop_map(Value::String).boxed(),
            Self::Opaque(_) => vec(any::<u8>(), 0..20).prop_map(Value::Opaque).boxed(),
            Self::List(element) => vec(element.values(true), least..4)
                .prop_map(Value::List)
                .boxed(),
            Self::Array(element, length) => vec(element.values(true), *length)
                .prop_map(Value::List)
                .boxed(),
            Self::Map(key, value) => vec((key.values(true), value.values(true)), 0..4)
                .prop_map(Value::Map)
                .boxed(),
            Self::Struct(fields) => structures(fields),
            Self::Interface(types) => interfaces(types, zero),
        }
    }
}

fn nonzero(zero: bool) -> impl Strategy<Value = f64> {
    let float = proptest::num::f64::NORMAL | proptest::num::f64::INFINITE;
    prop_oneof![1 => Just(if zero { 0.0 } else { 1.0 }), 9 => float]
}

fn structures(fields: &[Shape]) -> BoxedStrategy<Value> {
    // Fields of some types are always sent, the others may be absent.
    let field = |(index, shape): (usize, &Shape)| {
        let name: Arc<str> = field_name(index).into();
        let value = proptest::option::of(shape.values(false));
        value.prop_map(move |value| value.map(|value| (Arc::clone(&name), value)))
    };
    let fields: Vec<_> = fields.iter().enumerate().map(field).collect();
    fields
        .prop_map(|fields| Value::Struct {
            name: "S".into(),
            fields: fields.into_iter().flatten().collect(),
        })
        .boxed()
}

fn interfaces(types: &[Shape], zero: bool) -> BoxedStrategy<Value> {
    let held = |(index, shape): (usize, &Shape)| {
        let held = shape.values(true);
        held.prop_map(move |value| Value::Interface {
            name: field_name(index),
            value: Some(Box::new(value)),
        })
    };
    let held = proptest::strategy::Union::new(types.iter().enumerate().map(held));
    if zero {
        prop_oneof![1 => Just(Value::Interface { name: String::new(), value: None }), 4 => held]
            .boxed()
    } else {
        held.boxed()
    }
}

fn encode((ty, values): &Typed) -> Vec<u8> {
    let mut encoder = Encoder::new();
    let mut out = Vec::new();
    for value in values {
        encoder.encode_value(ty, value, &mut out).unwrap();
    }
    out
}

/// All values up to the point where more bytes are needed.
fn decode(decoder: &mut Decoder) -> Vec<Value> {
    core::iter::from_fn(|| decoder.next_value().unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_encoded_is_what_is_decoded(typed in typed()) {
        let mut decoder = Decoder::default();
        decoder.push(&encode(&typed)).unwrap();
        prop_assert_eq!(decode(&mut decoder), typed.1);
        prop_assert!(decoder.is_idle());
    }

    #[test]
    fn a_stream_cut_anywhere_needs_more_and_then_gives_the_same(
        (typed, cut) in (typed(), any::<prop::sample::Index>())
    ) {
        let bytes = encode(&typed);
        let (first, second) = bytes.split_at(cut.index(bytes.len()));
        let mut decoder = Decoder::default();
        decoder.push(first).unwrap();
        let mut values = decode(&mut decoder);
        prop_assert!(values.len() < VALUES);
        decoder.push(second).unwrap();
        values.extend(decode(&mut decoder));
        prop_assert_eq!(values, typed.1);
    }

    #[test]
    fn a_wrong_byte_gives_values_or_an_error_and_no_panic(
        (typed, place, byte) in (typed(), any::<prop::sample::Index>(), any::<u8>())
    ) {
        let mut bytes = encode(&typed);
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let mut decoder = Decoder::default();
        let mut pushed = decoder.push(&bytes);
        for _ in 0..VALUES {
            pushed = pushed.and_then(|()| decoder.next_value().map(drop));
        }
        if let Err(error) = pushed {
            prop_assert_eq!(decoder.skip(), Err(error));
        }
    }

    #[test]
    fn what_follows_skipped_values_is_read_as_ever(typed in typed()) {
        let mut decoder = Decoder::default();
        decoder.push(&encode(&typed)).unwrap();
        for _ in 1..VALUES {
            prop_assert_eq!(decoder.skip(), Ok(Some(())));
        }
        prop_assert_eq!(decode(&mut decoder), &typed.1[VALUES - 1..]);
        prop_assert!(decoder.is_idle());
    }

    #[test]
    fn a_value_that_does_not_fit_is_consumed(typed in typed()) {
        #[derive(Debug, serde::Deserialize)]
        struct Odd(#[expect(dead_code, reason = "only its type matters")] (u8, char, [bool; 3]));
        let mut decoder = Decoder::default();
        decoder.push(&encode(&typed)).unwrap();
        for _ in &typed.1 {
            match decoder.next::<Odd>() {
                Ok(value) => prop_assert!(value.is_some()),
                Err(error) => prop_assert!(error.is_mismatch(), "{}", error),
            }
        }
        prop_assert!(decoder.is_idle());
    }
}
