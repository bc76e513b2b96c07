//! How a [`Value`](crate::Value) is read.

use serde::de::value::{StrDeserializer, U8Deserializer};
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, VariantAccess, Visitor};

use crate::bridge::tag;
use crate::error::Error;
use crate::registry::{Definition, Kind};

use super::Node;

/// A value as an enum whose variant says which kind of value it is: how [`Value`](crate::Value) is
/// read. The variant is one of the numbers in [`tag`], or the name of a structure.
pub(super) struct Tagged<'s, 'de>(pub(super) Node<'s, 'de>);

impl Tagged<'_, '_> {
    fn tag(&self) -> Result<Tag<'_>, Error> {
        Ok(Tag::Number(match self.0.kind {
            Kind::Bool => tag::BOOL,
            Kind::Int => tag::INT,
            Kind::Uint => tag::UINT,
            Kind::Float => tag::FLOAT,
            Kind::Bytes => tag::BYTES,
            Kind::String => tag::STRING,
            Kind::Complex => tag::COMPLEX,
            Kind::Interface => tag::INTERFACE,
            Kind::Defined(slot) => match self.0.source.definition(slot)? {
                Definition::List(_) | Definition::Array { .. } => tag::LIST,
                Definition::Map { .. } => tag::MAP,
                Definition::Opaque(_) => tag::OPAQUE,
                Definition::Struct(structure) => return Ok(Tag::Structure(&structure.name)),
            },
        }))
    }
}

enum Tag<'a> {
    Number(u8),
    Structure(&'a str),
}

impl<'de> EnumAccess<'de> for Tagged<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let tag = match self.tag()? {
            Tag::Number(number) => seed.deserialize(U8Deserializer::<Error>::new(number))?,
            Tag::Structure(name) => seed.deserialize(StrDeserializer::<Error>::new(name))?,
        };
        Ok((tag, self))
    }
}

impl<'de> VariantAccess<'de> for Tagged<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        self.0.source.skip(self.0.kind)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Error> {
        match self.0.kind {
            Kind::Interface => self.0.interface(visitor),
            _ => self.0.deserialize_seq(visitor),
        }
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_any(visitor)
    }
}
