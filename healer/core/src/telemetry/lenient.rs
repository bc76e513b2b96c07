//! Fields that take what comes: a value of another type reads as absent.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// A text, borrowed where the message holds it as it is; a number reads as its digits.
#[derive(Default)]
pub(super) struct Text<'a>(pub(super) Option<Cow<'a, str>>);

/// A number, or a text that holds one.
#[derive(Default)]
pub(super) struct Number(pub(super) Option<f64>);

/// True, and nothing else.
#[derive(Default)]
pub(super) struct Flag(pub(super) bool);

/// What Python's `json` writes and JSON does not know.
const NOT_NUMBERS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];

/// The message with `null` for what is no number and no JSON either; none if it holds nothing of the kind.
pub(super) fn without_not_numbers(message: &[u8]) -> Option<Vec<u8>> {
    let (mut clean, mut rest) = (Vec::with_capacity(message.len()), message);
    let (mut in_text, mut replaced) = (false, false);
    while let Some((&byte, after)) = rest.split_first() {
        let found = NOT_NUMBERS
            .iter()
            .find(|word| !in_text && rest.starts_with(word));
        if let Some(word) = found {
            clean.extend_from_slice(b"null");
            rest = rest.get(word.len()..).unwrap_or_default();
            replaced = true;
            continue;
        }
        clean.push(byte);
        rest = after;
        match byte {
            b'"' => in_text = !in_text,
            // What is escaped ends no text.
            b'\\' if in_text => {
                let (escaped, after) = rest.split_at(rest.len().min(1));
                clean.extend_from_slice(escaped);
                rest = after;
            }
            _ => {}
        }
    }
    replaced.then_some(clean)
}

/// What one scalar says to a lenient field.
trait Lenient<'de>: Default {
    fn text(_: Cow<'de, str>) -> Self {
        Self::default()
    }
    fn number(_: f64) -> Self {
        Self::default()
    }
    fn integer(value: i128) -> Self;
    fn flag(_: bool) -> Self {
        Self::default()
    }
}

impl<'de> Lenient<'de> for Text<'de> {
    fn text(text: Cow<'de, str>) -> Self {
        Self(Some(text))
    }
    fn integer(value: i128) -> Self {
        Self(Some(value.to_string().into()))
    }
}

impl<'de> Lenient<'de> for Number {
    fn text(text: Cow<'de, str>) -> Self {
        Self(text.trim().parse().ok())
    }
    fn number(number: f64) -> Self {
        Self(Some(number))
    }
    fn integer(value: i128) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "counts beyond 2^53 need not be exact"
        )]
        Self(Some(value as f64))
    }
}

impl Lenient<'_> for Flag {
    fn integer(_: i128) -> Self {
        Self::default()
    }
    fn flag(flag: bool) -> Self {
        Self(flag)
    }
}

struct Reader<T>(std::marker::PhantomData<T>);

impl<'de, T: Lenient<'de>> Visitor<'de> for Reader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<T, E> {
        Ok(T::text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::text(Cow::Owned(text.to_owned())))
    }
    fn visit_f64<E>(self, number: f64) -> Result<T, E> {
        Ok(T::number(number))
    }
    fn visit_u64<E>(self, value: u64) -> Result<T, E> {
        Ok(T::integer(value.into()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<T, E> {
        Ok(T::integer(value.into()))
    }
    fn visit_bool<E>(self, flag: bool) -> Result<T, E> {
        Ok(T::flag(flag))
    }
    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<T, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(T::default())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(T::default())
    }
}

macro_rules! read_leniently {
    ($($field:ty),*) => {$(
        impl<'de> Deserialize<'de> for $field {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_any(Reader(std::marker::PhantomData))
            }
        }
    )*};
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader::<Text<'de>>(std::marker::PhantomData))
    }
}

read_leniently!(Number, Flag);
