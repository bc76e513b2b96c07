//! The bytes of a scanned value, and what can be read from them without serde.

use crate::error::Error;
use crate::registry::{Definition, Field, Kind, Registry, Structure};
use crate::scan::{self, Piece};
use crate::wire::{Numbers, Reader, wide};

use super::Node;

/// The bytes of one scanned value, and the types by which they are read.
#[derive(Debug)]
pub(crate) struct Source<'de> {
    pub(super) reader: Reader<'de>,
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

    pub(super) fn node(&mut self, kind: Kind) -> Node<'_, 'de> {
        self.value_start = self.reader.position();
        Node { source: self, kind }
    }

    /// Where the value that was begun last lies in the stream.
    pub(super) fn value_offset(&self) -> u64 {
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
    pub(super) fn whole_value(&mut self, kind: Kind) -> Result<(), Error> {
        if !scan::is_structure(self.types, kind, self.value_offset())? {
            self.reader.uint("a zero")?;
        }
        Ok(())
    }

    pub(super) fn definition(&self, slot: usize) -> Result<&'de Definition, Error> {
        self.types.definition(slot, self.value_offset())
    }

    /// The name in an interface; empty when it is nil.
    pub(super) fn interface_name(&mut self) -> Result<&'de str, Error> {
        let bytes = self.reader.counted("a name")?;
        core::str::from_utf8(bytes)
            .map_err(|error| Error::malformed(self.value_offset(), "a name in UTF-8", error))
    }

    /// The type of what an interface holds, after its name.
    pub(super) fn concrete(&mut self) -> Result<Kind, Error> {
        let id = self.reader.int("a type id")?;
        self.reader.uint("the length of a value in an interface")?;
        let kind = self.types.known(id).unwrap_or(Kind::Interface);
        self.whole_value(kind)?;
        Ok(kind)
    }

    /// Steps over a value. Its depth was bounded by the scan.
    pub(super) fn skip(&mut self, kind: Kind) -> Result<(), Error> {
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
    pub(super) fn next_field(
        &mut self,
        structure: &'de Structure,
        numbers: &mut Numbers,
    ) -> Result<Option<&'de Field>, Error> {
        let number = numbers.next(&mut self.reader)?;
        Ok(number.and_then(|number| structure.fields.get(usize::try_from(number).ok()?)))
    }

    /// The number of elements or pairs that follow, all of which the scan has seen.
    pub(super) fn count(&mut self) -> Result<usize, Error> {
        let count = self.reader.uint("a count")?;
        usize::try_from(count).map_err(|_too_many| Error::mismatch("elements in memory", count))
    }
}
