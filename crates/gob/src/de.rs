//! The serde bridge from the wire: reads a scanned value straight into a Rust type.
//!
//! The bytes were walked over by [`scan`] before, so that everything in them is there and
//! within the limits; what can still fail is that the Rust type asks for something else. Whatever
//! happens here, the value is consumed.

use alloc::format;

use serde::de::value::{BorrowedStrDeserializer, SeqDeserializer, StrDeserializer, U8Deserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::Marshaler;
use crate::bridge;
use crate::error::Error;
use crate::registry::{Definition, Field, Kind, Registry, Structure};
use crate::scan::{self, Piece};
use crate::wire::{Numbers, Reader, wide};

/// Reads the value of type `kind` that `source` holds.
pub(crate) fn read<T: DeserializeOwned>(mut source: Source<'_>, kind: Kind) -> Result<T, Error> {
    let value = source
        .whole_value(kind)
        .and_then(|()| T::deserialize(source.node(kind)));
    value.map_err(|error| error.at(source.value_offset()))
}

/// The bytes of one scanned value, and the types by which they are read.
#[derive(Debug)]
pub(crate) struct Source<'de> {
    reader: Reader<'de>,
    pieces: &'de [Piece],
    types: &'de Registry,
    /// Where the value that was begun last starts.
    value_start: usize,
}

impl<'de> Source<'de> {
    /// A value in one run of bytes, which starts at `offset` in the stream.
    pub(crate) const fn whole(bytes: &'de [u8], offset: u64, types: &'de Registry) -> Self {
        Self {
            reader: Reader::new(bytes, offset),
            pieces: &[],
            types,
            value_start: 0,
        }
    }

    /// A value put together from pieces of the stream.
    pub(crate) const fn joined(
        bytes: &'de [u8],
        pieces: &'de [Piece],
        types: &'de Registry,
    ) -> Self {
        Self {
            reader: Reader::new(bytes, 0),
            pieces,
            types,
            value_start: 0,
        }
    }

    fn node(&mut self, kind: Kind) -> Node<'_, 'de> {
        self.value_start = self.reader.position();
        Node { source: self, kind }
    }

    /// Where the value that was begun last lies in the stream.
    fn value_offset(&self) -> u64 {
        let position = self.value_start;
        let piece = self
            .pieces
            .iter()
            .rev()
            .find(|piece| piece.start <= position);
        match piece {
            Some(piece) => piece
                .offset
                .saturating_add(wide(position.saturating_sub(piece.start))),
            None => self.reader.origin().saturating_add(wide(position)),
        }
    }

    /// Steps over the zero before a value on its own that is no structure.
    fn whole_value(&mut self, kind: Kind) -> Result<(), Error> {
        if !scan::is_structure(self.types, kind, self.value_offset())? {
            self.reader.uint("a zero")?;
        }
        Ok(())
    }

    fn definition(&self, slot: usize) -> Result<&'de Definition, Error> {
        self.types.definition(slot, self.value_offset())
    }

    /// The name in an interface; empty when it is nil.
    fn interface_name(&mut self) -> Result<&'de str, Error> {
        let bytes = self.reader.counted("a name")?;
        core::str::from_utf8(bytes)
            .map_err(|error| Error::malformed(self.value_offset(), "a name in UTF-8", error))
    }

    /// The type of what an interface holds, after its name.
    fn concrete(&mut self) -> Result<Kind, Error> {
        let id = self.reader.int("a type id")?;
        self.reader.uint("the length of a value in an interface")?;
        let kind = self.types.known(id).unwrap_or(Kind::Interface);
        self.whole_value(kind)?;
        Ok(kind)
    }

    /// Steps over a value. Its depth was bounded by the scan.
    fn skip(&mut self, kind: Kind) -> Result<(), Error> {
        match kind {
            Kind::Bytes | Kind::String => self.reader.counted("bytes").map(drop),
            Kind::Complex => {
                self.reader.uint("a complex number")?;
                self.reader.uint("a complex number").map(drop)
            }
            Kind::Bool | Kind::Int | Kind::Uint | Kind::Float => {
                self.reader.uint("a number").map(drop)
            }
            Kind::Interface => {
                if self.interface_name()?.is_empty() {
                    return Ok(());
                }
                let kind = self.concrete()?;
                self.skip(kind)
            }
            Kind::Defined(slot) => self.skip_composite(self.definition(slot)?),
        }
    }

    fn skip_composite(&mut self, definition: &'de Definition) -> Result<(), Error> {
        match definition {
            Definition::Opaque(_) => self.reader.counted("bytes").map(drop),
            Definition::List(kind) | Definition::Array { element: kind, .. } => {
                let count = self.reader.uint("a count")?;
                (0..count).try_for_each(|_| self.skip(*kind))
            }
            Definition::Map { key, value } => {
                let count = self.reader.uint("a count")?;
                (0..count).try_for_each(|_| {
                    self.skip(*key)?;
                    self.skip(*value)
                })
            }
            Definition::Struct(structure) => {
                let mut numbers = Numbers::default();
                while let Some(field) = self.next_field(structure, &mut numbers)? {
                    self.skip(field.kind)?;
                }
                Ok(())
            }
        }
    }

    /// The next field of a structure that was sent; nothing at its end.
    fn next_field(
        &mut self,
        structure: &'de Structure,
        numbers: &mut Numbers,
    ) -> Result<Option<&'de Field>, Error> {
        let number = numbers.next(&mut self.reader)?;
        Ok(number.and_then(|number| structure.fields.get(usize::try_from(number).ok()?)))
    }
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
        visitor.visit_seq(InterfaceParts {
            source: self.source,
            next: Part::Name,
            nil: true,
        })
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

/// The elements of a slice or an array.
struct Elements<'s, 'de> {
    source: &'s mut Source<'de>,
    kind: Kind,
    count: usize,
    next: usize,
}

impl<'s, 'de> Elements<'s, 'de> {
    fn visit<V: Visitor<'de>>(
        source: &'s mut Source<'de>,
        kind: Kind,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let count = source.count()?;
        let mut elements = Self {
            source,
            kind,
            count,
            next: 0,
        };
        let value = visitor.visit_seq(&mut elements)?;
        all_taken(elements.next, elements.count)?;
        Ok(value)
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        if self.next == self.count {
            return Ok(None);
        }
        let index = self.next;
        self.next = index.saturating_add(1);
        let element = seed.deserialize(self.source.node(self.kind));
        element
            .map(Some)
            .map_err(|error| error.within(format_args!("[{index}]")))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.count.saturating_sub(self.next))
    }
}

/// The keys and values of a map.
struct Pairs<'s, 'de> {
    source: &'s mut Source<'de>,
    key: Kind,
    value: Kind,
    count: usize,
    next: usize,
}

impl<'s, 'de> Pairs<'s, 'de> {
    fn visit<V: Visitor<'de>>(
        source: &'s mut Source<'de>,
        key: Kind,
        value: Kind,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let count = source.count()?;
        let mut pairs = Self {
            source,
            key,
            value,
            count,
            next: 0,
        };
        let value = visitor.visit_map(&mut pairs)?;
        all_taken(pairs.next, pairs.count)?;
        Ok(value)
    }
}

impl<'de> MapAccess<'de> for &mut Pairs<'_, 'de> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        if self.next == self.count {
            return Ok(None);
        }
        let index = self.next;
        self.next = index.saturating_add(1);
        let key = seed.deserialize(self.source.node(self.key));
        key.map(Some)
            .map_err(|error| error.within(format_args!("[key {index}]")))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let index = self.next.saturating_sub(1);
        let value = seed.deserialize(self.source.node(self.value));
        value.map_err(|error| error.within(format_args!("[{index}]")))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.count.saturating_sub(self.next))
    }
}

/// The fields of a structure that were sent.
struct Fields<'s, 'de> {
    source: &'s mut Source<'de>,
    structure: &'de Structure,
    numbers: Numbers,
    current: Option<&'de Field>,
    ended: bool,
}

impl<'s, 'de> Fields<'s, 'de> {
    fn visit<V: Visitor<'de>>(
        source: &'s mut Source<'de>,
        structure: &'de Structure,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let numbers = Numbers::default();
        let mut fields = Self {
            source,
            structure,
            numbers,
            current: None,
            ended: false,
        };
        let value = visitor.visit_map(&mut fields)?;
        if fields.ended {
            Ok(value)
        } else {
            Err(Error::mismatch("fewer fields", "more"))
        }
    }
}

impl<'de> MapAccess<'de> for &mut Fields<'_, 'de> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        self.current = self.source.next_field(self.structure, &mut self.numbers)?;
        let Some(field) = self.current else {
            self.ended = true;
            return Ok(None);
        };
        seed.deserialize(BorrowedStrDeserializer::new(&field.name))
            .map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let Some(field) = self.current.take() else {
            return Err(Error::mismatch("a key before its value", "none"));
        };
        let value = seed.deserialize(self.source.node(field.kind));
        value.map_err(|error| error.within(&field.name))
    }
}

/// The name in an interface and what the interface holds, as a sequence of two.
struct InterfaceParts<'s, 'de> {
    source: &'s mut Source<'de>,
    next: Part,
    nil: bool,
}

#[derive(Clone, Copy)]
enum Part {
    Name,
    Held,
    Nothing,
}

impl<'de> SeqAccess<'de> for InterfaceParts<'_, 'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        match self.next {
            Part::Name => {
                let name = self.source.interface_name()?;
                (self.next, self.nil) = (Part::Held, name.is_empty());
                seed.deserialize(BorrowedStrDeserializer::new(name))
                    .map(Some)
            }
            Part::Held => {
                self.next = Part::Nothing;
                seed.deserialize(Held {
                    source: self.source,
                    nil: self.nil,
                })
                .map(Some)
            }
            Part::Nothing => Ok(None),
        }
    }
}

/// What an interface holds, as an option.
struct Held<'s, 'de> {
    source: &'s mut Source<'de>,
    nil: bool,
}

impl<'de> Deserializer<'de> for Held<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.nil {
            return visitor.visit_none();
        }
        let kind = self.source.concrete()?;
        visitor.visit_some(self.source.node(kind))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// A value as an enum whose variant says which kind of value it is: how [`Value`](crate::Value) is
/// read. The variant is one of the numbers in [`bridge::tag`], or the name of a structure.
struct Tagged<'s, 'de>(Node<'s, 'de>);

impl Tagged<'_, '_> {
    fn tag(&self) -> Result<Tag<'_>, Error> {
        use bridge::tag;
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

impl Source<'_> {
    /// The number of elements or pairs that follow, all of which the scan has seen.
    fn count(&mut self) -> Result<usize, Error> {
        let count = self.reader.uint("a count")?;
        usize::try_from(count).map_err(|_too_many| Error::mismatch("elements in memory", count))
    }
}

fn all_taken(taken: usize, count: usize) -> Result<(), Error> {
    if taken == count {
        return Ok(());
    }
    Err(Error::mismatch(format!("{taken} elements"), count))
}
