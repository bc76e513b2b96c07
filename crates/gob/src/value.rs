//! A value of any type, as a tree that describes itself.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{
    DeserializeSeed, EnumAccess, Error as _, MapAccess, SeqAccess, Unexpected, VariantAccess,
    Visitor,
};
use serde::ser::{SerializeMap, SerializeTuple};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bridge::{self, tag};

/// A value of any type, as it is on the wire.
///
/// Pointers do not exist there, nor do the widths of numbers, nor fields that have the zero value of their
/// type: a structure lists those that were sent.
///
/// Reading into `Value` works with [`Decoder::next_value`](crate::Decoder::next_value), and wherever a
/// Rust type of one's own has a `Value` in it, but only from a gob stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `bool`.
    Bool(bool),
    /// A signed integer of any width.
    Int(i64),
    /// An unsigned integer of any width.
    Uint(u64),
    /// A float of any width.
    Float(f64),
    /// A complex number of any width: real part, imaginary part.
    Complex(f64, f64),
    /// `[]byte`.
    Bytes(Vec<u8>),
    /// `string`: in Go these are bytes, by convention UTF-8.
    String(Vec<u8>),
    /// The elements of a slice or an array.
    List(Vec<Self>),
    /// The keys and values of a map, in the order in which they were sent, which Go chooses at random.
    Map(Vec<(Self, Self)>),
    /// A structure.
    Struct {
        /// The name of its type, without package; may be empty.
        name: Arc<str>,
        /// The names and values of the fields that were sent, in the order of the type.
        fields: Vec<(Arc<str>, Self)>,
    },
    /// An interface.
    Interface {
        /// The name under which the sender registered the type of what it holds; empty when nil.
        name: String,
        /// What it holds; nothing when nil.
        value: Option<Box<Self>>,
    },
    /// What a GobEncoder, BinaryMarshaler or TextMarshaler made of a value.
    Opaque(Vec<u8>),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Uint(value) => serializer.serialize_u64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Complex(real, imaginary) => (real, imaginary).serialize(serializer),
            Self::Bytes(bytes) | Self::String(bytes) => serializer.serialize_bytes(bytes),
            Self::List(elements) => elements.serialize(serializer),
            Self::Map(pairs) => {
                serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
            }
            Self::Struct { fields, .. } => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(&**name, value)?;
                }
                map.end()
            }
            Self::Interface { name, value } => {
                serializer.serialize_newtype_struct(bridge::INTERFACE, &Parts(name, value.as_ref()))
            }
            Self::Opaque(bytes) => {
                serializer.serialize_newtype_struct(bridge::OPAQUE, &Run(bytes.as_slice()))
            }
        }
    }
}

/// An interface's name and value, as a pair.
pub(crate) struct Parts<'a, T>(pub(crate) &'a str, pub(crate) Option<T>);

impl<T: Serialize> Serialize for Parts<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_tuple(2)?;
        pair.serialize_element(self.0)?;
        pair.serialize_element(&self.1)?;
        pair.end()
    }
}

/// A run of bytes, for which serde would otherwise take a sequence of numbers.
pub(crate) struct Run<B>(pub(crate) B);

impl Serialize for Run<&[u8]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de> Deserialize<'de> for Run<Vec<u8>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(RunVisitor)
    }
}

pub(crate) struct RunVisitor;

impl Visitor<'_> for RunVisitor {
    type Value = Run<Vec<u8>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Run(bytes.to_vec()))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Tree(&mut Names::default()).deserialize(deserializer)
    }
}

/// The names of types and fields in one tree, each held once: a name of a kilobyte that ten thousand
/// structures share must not need ten megabytes.
#[derive(Default)]
struct Names(BTreeSet<Arc<str>>);

impl Names {
    fn shared(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = Arc::from(name);
        self.0.insert(Arc::clone(&name));
        name
    }
}

struct Tree<'n>(&'n mut Names);

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_newtype_struct(bridge::VALUE, self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value in a gob stream")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        let (kind, content) = data.variant_seed(TagSeed(self.0))?;
        let number = match kind {
            Tag::Structure(name) => {
                let fields = content.struct_variant(&[], FieldsVisitor(self.0))?;
                return Ok(Value::Struct { name, fields });
            }
            Tag::Number(number) => number,
        };
        match number {
            tag::BOOL => content.newtype_variant().map(Value::Bool),
            tag::INT => content.newtype_variant().map(Value::Int),
            tag::UINT => content.newtype_variant().map(Value::Uint),
            tag::FLOAT => content.newtype_variant().map(Value::Float),
            tag::COMPLEX => content
                .newtype_variant()
                .map(|(re, im)| Value::Complex(re, im)),
            tag::BYTES => content
                .newtype_variant()
                .map(|Run(bytes)| Value::Bytes(bytes)),
            tag::STRING => content
                .newtype_variant()
                .map(|Run(bytes)| Value::String(bytes)),
            tag::OPAQUE => content
                .newtype_variant()
                .map(|Run(bytes)| Value::Opaque(bytes)),
            tag::LIST => content
                .tuple_variant(0, ListVisitor(self.0))
                .map(Value::List),
            tag::MAP => content
                .struct_variant(&[], MapVisitor(self.0))
                .map(Value::Map),
            tag::INTERFACE => content.tuple_variant(2, InterfaceVisitor(self.0)),
            other => Err(A::Error::invalid_value(
                Unexpected::Unsigned(other.into()),
                &self,
            )),
        }
    }
}

enum Tag {
    Number(u8),
    Structure(Arc<str>),
}

struct TagSeed<'n>(&'n mut Names);

impl<'de> DeserializeSeed<'de> for TagSeed<'_> {
    type Value = Tag;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tag, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for TagSeed<'_> {
    type Value = Tag;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the kind of a value")
    }

    fn visit_u8<E: serde::de::Error>(self, number: u8) -> Result<Tag, E> {
        Ok(Tag::Number(number))
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Tag, E> {
        Ok(Tag::Structure(self.0.shared(name)))
    }
}

struct ListVisitor<'n>(&'n mut Names);

impl<'de> Visitor<'de> for ListVisitor<'_> {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a slice")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<Value>, A::Error> {
        let mut list = Vec::with_capacity(elements.size_hint().unwrap_or(0));
        while let Some(value) = elements.next_element_seed(Tree(self.0))? {
            list.push(value);
        }
        Ok(list)
    }
}

struct MapVisitor<'n>(&'n mut Names);

impl<'de> Visitor<'de> for MapVisitor<'_> {
    type Value = Vec<(Value, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Self::Value, A::Error> {
        let mut map = Vec::with_capacity(pairs.size_hint().unwrap_or(0));
        while let Some(key) = pairs.next_key_seed(Tree(self.0))? {
            map.push((key, pairs.next_value_seed(Tree(self.0))?));
        }
        Ok(map)
    }
}

struct FieldsVisitor<'n>(&'n mut Names);

impl<'de> Visitor<'de> for FieldsVisitor<'_> {
    type Value = Vec<(Arc<str>, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a structure")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(name) = pairs.next_key_seed(NameSeed(self.0))? {
            fields.push((name, pairs.next_value_seed(Tree(self.0))?));
        }
        Ok(fields)
    }
}

struct NameSeed<'n>(&'n mut Names);

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Arc<str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Arc<str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Arc<str>, E> {
        Ok(self.0.shared(name))
    }
}

struct InterfaceVisitor<'n>(&'n mut Names);

impl<'de> Visitor<'de> for InterfaceVisitor<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an interface")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Value, A::Error> {
        let name = parts.next_element()?.unwrap_or_default();
        let value = parts.next_element_seed(HeldSeed(self.0))?.flatten();
        Ok(Value::Interface { name, value })
    }
}

/// What an interface holds.
struct HeldSeed<'n>(&'n mut Names);

impl<'de> DeserializeSeed<'de> for HeldSeed<'_> {
    type Value = Option<Box<Value>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for HeldSeed<'_> {
    type Value = Option<Box<Value>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what an interface holds")
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        Tree(self.0)
            .deserialize(deserializer)
            .map(|value| Some(Box::new(value)))
    }
}
