//! Maps and structures.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeStruct};

use crate::error::Error;
use crate::plan::Form;
use crate::wire::{insert_uint, put_uint, wide};

use super::{Sent, Target, required, text};

/// Anything that serde takes for a map or a structure, as either of Go's.
pub(crate) struct Record<'e> {
    target: Target<'e>,
    start: usize,
    /// Pairs of a map so far.
    count: usize,
    /// The name of the field whose value is next.
    name: String,
    /// Fields of a structure so far. They may come in any order and are put into that of the type at
    /// the end.
    fields: Vec<Written>,
}

/// The value of a field, from `start` to `end` of what was written.
#[derive(Clone, Copy)]
struct Written {
    number: usize,
    start: usize,
    end: usize,
}

impl<'e> Record<'e> {
    pub(super) fn new(target: Target<'e>) -> Result<Self, Error> {
        if !matches!(target.node.form, Form::Map(..) | Form::Struct(..)) {
            return target.refuse("a map or a structure");
        }
        let start = target.out.len();
        Ok(Self {
            target,
            start,
            count: 0,
            name: String::new(),
            fields: Vec::new(),
        })
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let Form::Map(node, _) = self.target.node.form else {
            self.name = text(key)?;
            return Ok(());
        };
        let (node, count) = (self.target.at(node)?, self.count);
        let sent = key
            .serialize(self.target.child(node))
            .and_then(|sent| required(node, sent));
        sent.map(drop)
            .map_err(|error| error.within(format_args!("[key {count}]")))
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let Form::Map(_, node) = self.target.node.form else {
            let name = core::mem::take(&mut self.name);
            return self.field(&name, value);
        };
        let (node, count) = (self.target.at(node)?, self.count);
        self.count = count.saturating_add(1);
        let sent = value
            .serialize(self.target.child(node))
            .and_then(|sent| required(node, sent));
        sent.map(drop)
            .map_err(|error| error.within(format_args!("[{count}]")))
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        let Form::Struct(_, fields) = &self.target.node.form else {
            self.key(name)?;
            return self.value(value);
        };
        let found = fields
            .iter()
            .enumerate()
            .find(|(_, (known, _))| **known == *name);
        let Some((number, (_, node))) = found else {
            return Err(Error::unencodable(
                "a field that the type lists",
                format!("`{name}`"),
            ));
        };
        let (node, start) = (self.target.at(*node)?, self.target.out.len());
        let sent = value
            .serialize(self.target.child(node))
            .map_err(|error| error.within(name))?;
        if sent == Sent::Value {
            self.fields.push(Written {
                number,
                start,
                end: self.target.out.len(),
            });
        } else {
            self.target.out.truncate(start);
        }
        Ok(())
    }

    fn finish(self) -> Result<Sent, Error> {
        let Self {
            target,
            start,
            count,
            mut fields,
            ..
        } = self;
        if matches!(target.node.form, Form::Map(..)) {
            insert_uint(target.out, start, wide(count));
            return Ok(Sent::Value);
        }
        fields.sort_by_key(|field| field.number);
        let values = target.out.split_off(start);
        let mut next = 0;
        for field in fields {
            let Some(distance) = field.number.checked_sub(next) else {
                return target.refuse("one that has a field twice");
            };
            next = field.number.saturating_add(1);
            put_uint(target.out, wide(distance).saturating_add(1));
            let (from, to) = (
                field.start.saturating_sub(start),
                field.end.saturating_sub(start),
            );
            target
                .out
                .extend_from_slice(values.get(from..to).unwrap_or_default());
        }
        target.out.push(0);
        Ok(Sent::Value)
    }
}

impl SerializeMap for Record<'_> {
    type Ok = Sent;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.value(value)
    }

    fn end(self) -> Result<Sent, Error> {
        self.finish()
    }
}

impl SerializeStruct for Record<'_> {
    type Ok = Sent;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.field(name, value)
    }

    fn end(self) -> Result<Sent, Error> {
        self.finish()
    }
}
