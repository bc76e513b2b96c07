//! The values in a line, read more strictly than JSON would have them.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Number of a look.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Look(pub(super) u32);

impl<'de> Deserialize<'de> for Look {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Count(number) = Count::deserialize(deserializer)?;
        // What is beyond the type is beyond the most looks too, and is refused as such.
        Ok(Self(u32::try_from(number).unwrap_or(u32::MAX)))
    }
}

/// A count, which is read from nothing but digits: 1e3 and 3.0 may have lost something on their way.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Count(pub(super) u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;

        impl Visitor<'_> for Digits {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(
                    f,
                    "a whole number from 0 to {}, written in digits",
                    u64::MAX
                )
            }

            fn visit_u64<E>(self, number: u64) -> Result<Count, E> {
                Ok(Count(number))
            }
        }

        deserializer.deserialize_u64(Digits)
    }
}

/// A value of a query, which may be one that JSON has no number for.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Number(pub(super) f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "expected a number, or NaN, +Inf or -Inf as a text"
        )]
        enum Written {
            Number(f64),
            Text(String),
        }

        match Written::deserialize(deserializer)? {
            Written::Number(number) => Ok(Self(number)),
            Written::Text(text) => text.parse().map(Self).map_err(D::Error::custom),
        }
    }
}

/// A map each key of which was given once. Others take the last of two values for a key; this refuses them.
#[derive(PartialEq)]
pub(super) struct Distinct<K, V>(pub(super) BTreeMap<K, V>);

impl<K, V> Default for Distinct<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, K, V> Deserialize<'de> for Distinct<K, V>
where
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DistinctVisitor(PhantomData))
    }
}

struct DistinctVisitor<K, V>(PhantomData<(K, V)>);

impl<'de, K, V> Visitor<'de> for DistinctVisitor<K, V>
where
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
{
    type Value = Distinct<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut distinct = BTreeMap::new();
        while let Some(key) = map.next_key()? {
            if distinct.contains_key(&key) {
                return Err(A::Error::custom(format!("`{key}` is there twice")));
            }
            distinct.insert(key, map.next_value()?);
        }
        Ok(Distinct(distinct))
    }
}
