//! Interface values and marshaled values in Rust types.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bridge;
use crate::value::{Parts, Run, RunVisitor};

/// A Go interface that holds a `T`, or nothing.
///
/// To be encoded it needs a [`Type::interface`](crate::Type::interface) that lists its name. Take
/// [`Value`](crate::Value) for `T` where it may hold anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface<T> {
    /// The name under which the sender registered the type of the value; empty when nil.
    pub name: String,
    /// The value; nothing when nil.
    pub value: Option<T>,
}

impl<T> Interface<T> {
    /// The nil interface.
    pub const fn nil() -> Self {
        Self {
            name: String::new(),
            value: None,
        }
    }
}

impl<T> Default for Interface<T> {
    fn default() -> Self {
        Self::nil()
    }
}

impl<T: Serialize> Serialize for Interface<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = Parts(&self.name, self.value.as_ref());
        serializer.serialize_newtype_struct(bridge::INTERFACE, &parts)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Interface<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(bridge::INTERFACE, InterfaceVisitor(PhantomData))
    }
}

struct InterfaceVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for InterfaceVisitor<T> {
    type Value = Interface<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an interface")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_tuple(2, self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        let name = parts.next_element()?.unwrap_or_default();
        let value = parts.next_element()?.flatten();
        Ok(Interface { name, value })
    }
}

/// The bytes that a GobEncoder, BinaryMarshaler or TextMarshaler made of a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Opaque(pub Vec<u8>);

impl Serialize for Opaque {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(bridge::OPAQUE, &Run(self.0.as_slice()))
    }
}

impl<'de> Deserialize<'de> for Opaque {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Run(bytes) = deserializer.deserialize_newtype_struct(bridge::OPAQUE, RunVisitor)?;
        Ok(Self(bytes))
    }
}
