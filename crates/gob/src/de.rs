//! The serde bridge from the wire: reads a scanned value straight into a Rust type.
//!
//! The bytes were walked over by the scan before, so that everything in them is there and
//! within the limits; what can still fail is that the Rust type asks for something else. Whatever
//! happens here, the value is consumed.

mod source;
mod access;
mod tagged;

use serde::de::value::SeqDeserializer;
use serde::de::{
    DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::Marshaler;
use crate::bridge;
use crate::error::Error;
use crate::registry::{Definition, Kind};

use self::access::{Elements, Fields, InterfaceParts, Pairs};
pub(crate) use self::source::Source;
use self::tagged::Tagged;

/// Reads the value of type `kind` that `source` holds.
pub(crate) fn read<T: DeserializeOwned>(mut source: Source<'_>, kind: Kind) -> Result<T, Error> {
    let value = source
        .whole_value(kind)
        .and_then(|()| T::deserialize(source.node(kind)));
    value.map_err(|error| error.at(source.value_offset()))
}

/// A value in the source, and its type.
struct Node<'s, 'de> {
    source: &'s mut Source<'de>,
    kind: Kind,
}

impl<'de> Node<'_, 'de> {
    /// Bytes as they are, of anything that is sent as a run of bytes.
    fn run_of_bytes(&mut self) -> Result<Option<&'de [u8]>, Error> {
        let is_run = match self.kind {
            Kind::Bytes | Kind::String => true,
            Kind::Defined(slot) => matches!(self.source.definition(slot)?, Definition::Opaque(_)),
            _ => false,
        };
        if is_run {
            self.source.reader.counted("bytes").map(Some)
        } else {
            Ok(None)
        }
    }

    /// A string where it is valid UTF-8, and the bytes where it is not.
    fn text<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let bytes = self.source.reader.counted("a string")?;
        match core::str::from_utf8(bytes) {
            Ok(text) => visitor.visit_borrowed_str(text),
            Err(_) => visitor.visit_borrowed_bytes(bytes),
        }
    }

    fn complex<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let parts = [self.source.reader.float()?, self.source.reader.float()?];
        let mut sequence = SeqDeserializer::new(parts.into_iter());
        let value = visitor.visit_seq(&mut sequence)?;
        sequence.end()?;
        Ok(value)
    }

    fn defined<V: Visitor<'de>>(self, slot: usize, visitor: V) -> Result<V::Value, Error> {
        match self.source.definition(slot)? {
            Definition::List(kind) | Definition::Array { element: kind, .. } => {
                Elements::visit(self.source, *kind, visitor)
            }
            Definition::Map { key, value } => Pairs::visit(self.source, *key, *value, visitor),
            Definition::Struct(structure) => Fields::visit(self.source, structure, visitor),
            Definition::Opaque(Marshaler::Text) => self.text(visitor),
            Definition::Opaque(_) => {
                visitor.visit_borrowed_bytes(self.source.reader.counted("bytes")?)
            }
        }
    }

    /// What the interface holds, if this is one and it holds something. Interfaces in interfaces cannot
    /// occur more often than the scan allows levels.
    fn through_interfaces(self) -> Result<Option<Self>, Error> {
        let Node { source, mut kind } = self;
        while kind == Kind::Interface {
            if source.interface_name()?.is_empty() {
                return Ok(None);
            }
            kind = source.concrete()?;
        }
        Ok(Some(Node { source, kind }))
    }

    /// The bytes that a marshaler made.
    fn opaque<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Some(node) = self.through_interfaces()? else {
            return visitor.visit_unit();
        };
        if let Kind::Defined(slot) = node.kind
            && matches!(node.source.definition(slot)?, Definition::Opaque(_))
        {
            return visitor.visit_borrowed_bytes(node.source.reader.counted("bytes")?);
        }
        let got = node.describe();
        node.source.skip(node.kind)?;
        Err(Error::mismatch(
            "a GobEncoder, BinaryMarshaler or TextMarshaler value",
            got,
        ))
    }

    fn interface<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.kind != Kind::Interface {
            return Err(Error::mismatch("an interface", self.describe()));
        }
        visitor.visit_seq(InterfaceParts::new(self.source))
    }

    /// The kind of value that is there, in words.
    fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Bool => "a bool",
            Kind::Int => "an int",
            Kind::Uint => "a uint",
            Kind::Float => "a float",
            Kind::Bytes => "bytes",
            Kind::String => "a string",
            Kind::Complex => "a complex number",
            Kind::Interface => "an interface",
            Kind::Defined(slot) => match self.source.definition(slot) {
                Ok(Definition::List(_)) => "a slice",
                Ok(Definition::Array { .. }) => "an array",
                Ok(Definition::Map { .. }) => "a map",
                Ok(Definition::Struct(_)) => "a structure",
                Ok(Definition::Opaque(_)) => "a marshaled value",
                Err(_) => "a value of an undefined type",
            },
        }
    }
}

impl<'de> Deserializer<'de> for Node<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.kind {
            Kind::Bool => visitor.visit_bool(self.source.reader.uint("a bool")? != 0),
            Kind::Int => visitor.visit_i64(self.source.reader.int("an int")?),
            Kind::Uint => visitor.visit_u64(self.source.reader.uint("a uint")?),
            Kind::Float => visitor.visit_f64(self.source.reader.float()?),
            Kind::Bytes => visitor.visit_borrowed_bytes(self.source.reader.counted("bytes")?),
            Kind::String => self.text(visitor),
            Kind::Complex => self.complex(visitor),
            Kind::Interface => match self.through_interfaces()? {
                Some(node) => node.deserialize_any(visitor),
                None => visitor.visit_unit(),
            },
            Kind::Defined(slot) => self.defined(slot, visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.kind != Kind::Float {
            return self.deserialize_any(visitor);
        }
        let value = self.source.reader.float()?;
        if value.is_finite() && value.abs() > f64::from(f32::MAX) {
            return Err(Error::invalid_value(
                Unexpected::Float(value),
                &"a float of 32 bits",
            ));
        }
        visitor.visit_f64(value)
    }

    fn deserialize_bytes<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        match self.run_of_bytes()? {
            Some(bytes) => visitor.visit_borrowed_bytes(bytes),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        let Some(bytes) = self.run_of_bytes()? else {
            return self.deserialize_any(visitor);
        };
        let mut sequence = SeqDeserializer::new(bytes.iter().copied());
        let value = visitor.visit_seq(&mut sequence)?;
        sequence.end()?;
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.kind == Kind::Interface && self.source.reader.clone().uint("a name")? == 0 {
            self.source.interface_name()?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Some(node) = self.through_interfaces()? else {
            return visitor.visit_unit();
        };
        if node.describe() != "a structure" {
            return node.deserialize_any(visitor);
        }
        node.source.skip(node.kind)?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match name {
            bridge::OPAQUE | bridge::TIME => self.opaque(visitor),
            bridge::INTERFACE => self.interface(visitor),
            bridge::VALUE => visitor.visit_enum(Tagged(self)),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    /// An enum of unit variants is sent as the name of its variant.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.kind != Kind::String {
            return self.deserialize_any(visitor);
        }
        let name = core::str::from_utf8(self.source.reader.counted("a string")?);
        let name = name.map_err(|error| Error::mismatch("the name of a variant", error))?;
        visitor.visit_enum(IntoDeserializer::<Error>::into_deserializer(name))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.source.skip(self.kind)?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f64 char str string map struct identifier
    }
}
