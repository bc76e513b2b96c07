//! Reads one definition.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::Limits;
use crate::Marshaler;
use crate::error::Error;
use crate::registry::{Definition, Field, Registry, Structure};
use crate::wire::{Numbers, Reader, wide};

/// Reads the definition at which `reader` stands; ids that it mentions get their slots in `registry`.
pub(crate) fn definition(
    reader: &mut Reader<'_>,
    registry: &mut Registry,
    limits: &Limits,
) -> Result<Definition, Error> {
    let offset = reader.offset();
    let mut parser = Parser {
        reader,
        registry,
        limits,
    };
    let mut found = None;
    let mut fields = Numbers::default();
    while let Some(number) = fields.next(parser.reader)? {
        let definition = match number {
            0 => parser.array()?,
            1 => parser.list()?,
            2 => parser.structure()?,
            3 => parser.map()?,
            4 => parser.opaque(Marshaler::Gob)?,
            5 => parser.opaque(Marshaler::Binary)?,
            6 => parser.opaque(Marshaler::Text)?,
            _ => return Err(parser.unknown_field("wireType", number)),
        };
        if found.replace(definition).is_some() {
            return Err(Error::malformed(
                offset,
                "the definition of one type",
                "several",
            ));
        }
    }
    found.ok_or_else(|| Error::malformed(offset, "the definition of a type", "an empty one"))
}

struct Parser<'p, 'a> {
    reader: &'p mut Reader<'a>,
    registry: &'p mut Registry,
    limits: &'p Limits,
}

/// What the structures of a definition hold besides `commonType`, which is always field 0.
#[derive(Default)]
struct Parts {
    /// The integers of fields 1 and 2, zero where absent.
    first: i64,
    second: i64,
    first_at: u64,
    second_at: u64,
}

impl Parser<'_, '_> {
    fn array(&mut self) -> Result<Definition, Error> {
        let parts = self.parts("arrayType", 2)?;
        let element = self.registry.kind(parts.first, parts.first_at)?;
        let length = u64::try_from(parts.second);
        let length = length.map_err(|_negative| {
            Error::malformed(parts.second_at, "the length of an array", parts.second)
        })?;
        Ok(Definition::Array { element, length })
    }

    fn list(&mut self) -> Result<Definition, Error> {
        let parts = self.parts("sliceType", 1)?;
        Ok(Definition::List(
            self.registry.kind(parts.first, parts.first_at)?,
        ))
    }

    fn map(&mut self) -> Result<Definition, Error> {
        let parts = self.parts("mapType", 2)?;
        let key = self.registry.kind(parts.first, parts.first_at)?;
        let value = self.registry.kind(parts.second, parts.second_at)?;
        Ok(Definition::Map { key, value })
    }

    fn opaque(&mut self, marshaler: Marshaler) -> Result<Definition, Error> {
        self.parts("gobEncoderType", 0)?;
        Ok(Definition::Opaque(marshaler))
    }

    /// A structure of `commonType` and up to two integers.
    fn parts(&mut self, structure: &str, integers: u64) -> Result<Parts, Error> {
        let mut parts = Parts {
            first_at: self.reader.offset(),
            ..Parts::default()
        };
        parts.second_at = parts.first_at;
        let mut fields = Numbers::default();
        while let Some(number) = fields.next(self.reader)? {
            let offset = self.reader.offset();
            match number {
                0 => drop(self.common()?),
                1 if integers >= 1 => {
                    (parts.first, parts.first_at) = (self.reader.int("an integer")?, offset);
                }
                2 if integers >= 2 => {
                    (parts.second, parts.second_at) = (self.reader.int("an integer")?, offset);
                }
                _ => return Err(self.unknown_field(structure, number)),
            }
        }
        Ok(parts)
    }

    fn structure(&mut self) -> Result<Definition, Error> {
        let mut name = Arc::from("");
        let mut list = Vec::new();
        let mut fields = Numbers::default();
        while let Some(number) = fields.next(self.reader)? {
            match number {
                0 => name = self.common()?,
                1 => list = self.field_list()?,
                _ => return Err(self.unknown_field("structType", number)),
            }
        }
        Ok(Definition::Struct(Structure {
            name,
            fields: list.into_boxed_slice(),
        }))
    }

    fn field_list(&mut self) -> Result<Vec<Field>, Error> {
        let offset = self.reader.offset();
        let stated = self.reader.uint("the number of fields")?;
        let allowed = wide(self.limits.fields_per_type);
        if stated > allowed {
            return Err(Error::Limit {
                offset,
                limit: "fields_per_type",
                allowed,
                stated,
            });
        }
        (0..stated).map(|_| self.field()).collect()
    }

    fn field(&mut self) -> Result<Field, Error> {
        let offset = self.reader.offset();
        let (name, id) = self.name_and_id("fieldType", self.limits.name_bytes)?;
        Ok(Field {
            name,
            kind: self.registry.kind(id, offset)?,
        })
    }

    /// `commonType`, of which only the name matters. It spells out the whole type where that has no
    /// name of its own, so it may be long.
    fn common(&mut self) -> Result<Arc<str>, Error> {
        Ok(self
            .name_and_id("commonType", self.limits.definition_bytes)?
            .0)
    }

    fn name_and_id(&mut self, structure: &str, longest: usize) -> Result<(Arc<str>, i64), Error> {
        let (mut name, mut id) = (Arc::from(""), 0);
        let mut fields = Numbers::default();
        while let Some(number) = fields.next(self.reader)? {
            match number {
                0 => name = short_name(self.reader, longest)?,
                1 => id = self.reader.int("a type id")?,
                _ => return Err(self.unknown_field(structure, number)),
            }
        }
        Ok((name, id))
    }

    fn unknown_field(&self, structure: &str, number: u64) -> Error {
        let expected = format!("a field of {structure}");
        Error::malformed(
            self.reader.offset(),
            &expected,
            format_args!("field number {number}"),
        )
    }
}

/// A name of at most `longest` bytes.
pub(crate) fn short_name(reader: &mut Reader<'_>, longest: usize) -> Result<Arc<str>, Error> {
    let offset = reader.offset();
    let bytes = reader.counted("a name")?;
    let (stated, allowed) = (wide(bytes.len()), wide(longest));
    if stated > allowed {
        return Err(Error::Limit {
            offset,
            limit: "name_bytes",
            allowed,
            stated,
        });
    }
    let name = core::str::from_utf8(bytes);
    name.map(Arc::from)
        .map_err(|error| Error::malformed(offset, "a name in UTF-8", error))
}
