//! Elements of slices and arrays, pairs of maps, fields of structures, what interfaces hold.

use alloc::format;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::error::Error;
use crate::registry::{Field, Kind, Structure};
use crate::wire::Numbers;

use super::source::Source;

/// The elements of a slice or an array.
pub(super) struct Elements<'s, 'de> {
    source: &'s mut Source<'de>,
    kind: Kind,
    count: usize,
    next: usize,
}

impl<'s, 'de> Elements<'s, 'de> {
    pub(super) fn visit<V: Visitor<'de>>(
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
pub(super) struct Pairs<'s, 'de> {
    source: &'s mut Source<'de>,
    key: Kind,
    value: Kind,
    count: usize,
    next: usize,
}

impl<'s, 'de> Pairs<'s, 'de> {
    pub(super) fn visit<V: Visitor<'de>>(
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
pub(super) struct Fields<'s, 'de> {
    source: &'s mut Source<'de>,
    structure: &'de Structure,
    numbers: Numbers,
    current: Option<&'de Field>,
    ended: bool,
}

impl<'s, 'de> Fields<'s, 'de> {
    pub(super) fn visit<V: Visitor<'de>>(
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

fn all_taken(taken: usize, count: usize) -> Result<(), Error> {
    if taken == count {
        return Ok(());
    }
    Err(Error::mismatch(format!("{taken} elements"), count))
}

/// The name in an interface and what the interface holds, as a sequence of two.
pub(super) struct InterfaceParts<'s, 'de> {
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

impl<'s, 'de> InterfaceParts<'s, 'de> {
    pub(super) const fn new(source: &'s mut Source<'de>) -> Self {
        Self {
            source,
            next: Part::Name,
            nil: true,
        }
    }
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
