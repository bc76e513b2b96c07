//! The serde bridge to the wire: writes a Rust value as a value of a given type.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;
use serde::ser::{
    Impossible, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple, SerializeTupleStruct,
    Serializer,
};

use crate::bridge;
use crate::encoder;
use crate::error::Error;
use crate::plan::{Form, Node, Plan};
use crate::wire::{Reader, insert_uint, put_bytes, put_float, put_int, put_uint, wide};

/// What a value came to, by which a structure decides whether to send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Nothing was written: there is no value.
    Nothing,
    /// A zero value was written, which a structure leaves out.
    Zero,
    /// A value was written.
    Value,
}

impl Sent {
    const fn unless(is_zero: bool) -> Self {
        if is_zero { Self::Zero } else { Self::Value }
    }
}

/// Where a value goes, and as what.
pub(crate) struct Target<'e> {
    plan: &'e Plan,
    node: &'e Node,
    out: &'e mut Vec<u8>,
    /// Whether the value is behind a pointer that is not nil.
    pointer: bool,
}

static STRING: Node = Node {
    id: 6,
    form: Form::String,
};
static FLOAT: Node = Node {
    id: 4,
    form: Form::Float,
};
static BYTE: Node = Node {
    id: 0,
    form: Form::Byte,
};

/// The most bytes of a name in an interface that Go accepts.
const LONGEST_NAME: usize = 1024;

impl<'e> Target<'e> {
    pub(crate) const fn new(plan: &'e Plan, node: &'e Node, out: &'e mut Vec<u8>) -> Self {
        Self {
            plan,
            node,
            out,
            pointer: false,
        }
    }

    fn refuse<T>(&self, got: impl core::fmt::Display) -> Result<T, Error> {
        Err(Error::unencodable(self.node.form.describe(), got))
    }

    fn child(&mut self, node: &'e Node) -> Target<'_> {
        Target::new(self.plan, node, self.out)
    }

    fn at(&self, index: usize) -> Result<&'e Node, Error> {
        self.plan.node(index)
    }

    fn integer(self, value: i128) -> Result<Sent, Error> {
        match self.node.form {
            Form::Int => match i64::try_from(value) {
                Ok(value) => put_int(self.out, value),
                Err(_) => return self.refuse(value),
            },
            Form::Uint => match u64::try_from(value) {
                Ok(value) => put_uint(self.out, value),
                Err(_) => return self.refuse(value),
            },
            Form::Byte => match u8::try_from(value) {
                Ok(value) => self.out.push(value),
                Err(_) => return self.refuse(value),
            },
            _ => return self.refuse(format!("the integer {value}")),
        }
        Ok(Sent::unless(value == 0))
    }

    fn sequence(self) -> Result<Sequence<'e>, Error> {
        let form = match self.node.form {
            Form::List(element) | Form::Array(element, _) => Elements::Of(self.at(element)?),
            Form::Bytes | Form::Opaque(..) => Elements::Of(&BYTE),
            Form::Complex => Elements::Of(&FLOAT),
            Form::Interface(_) => Elements::Interface(None),
            _ => return self.refuse("a sequence"),
        };
        let start = self.out.len();
        Ok(Sequence {
            target: self,
            form,
            start,
            count: 0,
            any: false,
        })
    }

    fn record(self) -> Result<Record<'e>, Error> {
        if !matches!(self.node.form, Form::Map(..) | Form::Struct(..)) {
            return self.refuse("a map or a structure");
        }
        let start = self.out.len();
        Ok(Record {
            target: self,
            start,
            count: 0,
            name: String::new(),
            fields: Vec::new(),
        })
    }

    fn enum_with_data<T>(&self, variant: &str) -> Result<T, Error> {
        self.refuse(format!(
            "the enum variant `{variant}` with data, which Go does not have"
        ))
    }
}

impl<'e> Serializer for Target<'e> {
    type Ok = Sent;
    type Error = Error;
    type SerializeSeq = Sequence<'e>;
    type SerializeTuple = Sequence<'e>;
    type SerializeTupleStruct = Sequence<'e>;
    type SerializeTupleVariant = Impossible<Sent, Error>;
    type SerializeMap = Record<'e>;
    type SerializeStruct = Record<'e>;
    type SerializeStructVariant = Impossible<Sent, Error>;

    fn serialize_bool(self, value: bool) -> Result<Sent, Error> {
        if !matches!(self.node.form, Form::Bool) {
            return self.refuse(format!("the bool {value}"));
        }
        put_uint(self.out, value.into());
        Ok(Sent::unless(!value))
    }

    fn serialize_i8(self, value: i8) -> Result<Sent, Error> {
        self.integer(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<Sent, Error> {
        self.integer(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<Sent, Error> {
        self.integer(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<Sent, Error> {
        self.integer(value.into())
    }

    fn serialize_i128(self, value: i128) -> Result<Sent, Error> {
        self.integer(value)
    }

    fn serialize_u8(self, value: u8) -> Result<Sent, Error> {
        self.integer(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<Sent, Error> {
        self.integer(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<Sent, Error> {
        self.integer(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<Sent, Error> {
        self.integer(value.into())
    }

    fn serialize_f32(self, value: f32) -> Result<Sent, Error> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<Sent, Error> {
        if !matches!(self.node.form, Form::Float) {
            return self.refuse(format!("the float {value}"));
        }
        put_float(self.out, value);
        Ok(Sent::unless(value.abs() <= 0.0))
    }

    fn serialize_char(self, value: char) -> Result<Sent, Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<Sent, Error> {
        if !matches!(self.node.form, Form::String) {
            return self.refuse("a string");
        }
        put_bytes(self.out, value.as_bytes());
        Ok(Sent::unless(value.is_empty()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Sent, Error> {
        match self.node.form {
            Form::Bytes | Form::String => {
                put_bytes(self.out, value);
                Ok(Sent::unless(value.is_empty()))
            }
            Form::Opaque(..) => {
                put_bytes(self.out, value);
                Ok(Sent::Value)
            }
            _ => self.refuse("bytes"),
        }
    }

    /// Nil: no value at all, but for an interface, which can hold nothing.
    fn serialize_none(self) -> Result<Sent, Error> {
        if !matches!(self.node.form, Form::Interface(_)) {
            return Ok(Sent::Nothing);
        }
        self.out.push(0);
        Ok(Sent::Zero)
    }

    fn serialize_some<T: Serialize + ?Sized>(mut self, value: &T) -> Result<Sent, Error> {
        self.pointer = true;
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Sent, Error> {
        match self.node.form {
            Form::Struct(..) => {
                self.out.push(0);
                Ok(Sent::Value)
            }
            Form::Interface(_) => self.serialize_none(),
            _ => self.refuse("a unit"),
        }
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Sent, Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Sent, Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Sent, Error> {
        match (name, &self.node.form) {
            (bridge::OPAQUE | bridge::TIME, form) if !matches!(form, Form::Opaque(..)) => {
                self.refuse("a marshaled value")
            }
            // A pointer to Go's zero time is sent, the zero time itself is not.
            (bridge::TIME, _) => {
                let sent = Sent::unless(!self.pointer);
                value.serialize(self).map(|_| sent)
            }
            (bridge::INTERFACE, form) if !matches!(form, Form::Interface(_)) => {
                self.refuse("an interface")
            }
            _ => value.serialize(self),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _value: &T,
    ) -> Result<Sent, Error> {
        self.enum_with_data(variant)
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Sequence<'e>, Error> {
        self.sequence()
    }

    fn serialize_tuple(self, _length: usize) -> Result<Sequence<'e>, Error> {
        self.sequence()
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Sequence<'e>, Error> {
        self.sequence()
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        self.enum_with_data(variant)
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Record<'e>, Error> {
        self.record()
    }

    fn serialize_struct(self, _name: &'static str, _length: usize) -> Result<Record<'e>, Error> {
        self.record()
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        self.enum_with_data(variant)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Anything that serde takes for a sequence: a slice, an array, bytes one by one, the two parts of a
/// complex number, the name in an interface and what it holds.
pub(crate) struct Sequence<'e> {
    target: Target<'e>,
    form: Elements<'e>,
    start: usize,
    count: usize,
    /// Whether any element was not zero.
    any: bool,
}

enum Elements<'e> {
    Of(&'e Node),
    /// An interface, with its name once that came.
    Interface(Option<String>),
}

impl Sequence<'_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let index = self.count;
        self.count = index.saturating_add(1);
        match &mut self.form {
            Elements::Of(node) => {
                let node = *node;
                let sent = value.serialize(self.target.child(node));
                let sent = sent.and_then(|sent| required(node, sent));
                self.any |= sent.map_err(|error| error.within(format_args!("[{index}]")))?;
                Ok(())
            }
            Elements::Interface(name @ None) => {
                *name = Some(text(value)?);
                Ok(())
            }
            Elements::Interface(Some(name)) => {
                self.any = !name.is_empty();
                put_held(&mut self.target, name, value)
            }
        }
    }

    fn finish(self) -> Result<Sent, Error> {
        let Self {
            target,
            start,
            count,
            any,
            ..
        } = self;
        match target.node.form {
            Form::Array(_, length) if length != count => {
                let expected = format!("an array of {length} elements");
                return Err(Error::unencodable(expected, count));
            }
            Form::Complex if count != 2 => return target.refuse(format!("{count} floats")),
            Form::Interface(_) if count != 2 => return target.refuse("half of one"),
            Form::Complex | Form::Interface(_) => return Ok(Sent::unless(!any)),
            _ => insert_uint(target.out, start, wide(count)),
        }
        let always = matches!(target.node.form, Form::Array(..) | Form::Opaque(..));
        Ok(Sent::unless(count == 0 && !always))
    }
}

/// Whether a value that must be there is more than zero.
fn required(node: &Node, sent: Sent) -> Result<bool, Error> {
    match sent {
        Sent::Nothing => Err(Error::unencodable(
            node.form.describe(),
            "nil, which Go cannot send here",
        )),
        Sent::Zero => Ok(false),
        Sent::Value => Ok(true),
    }
}

/// What a name is serialized as.
fn text<T: Serialize + ?Sized>(name: &T) -> Result<String, Error> {
    let mut bytes = Vec::new();
    name.serialize(Target::new(&Plan::default(), &STRING, &mut bytes))?;
    let name = Reader::new(&bytes, 0).counted("a name")?;
    core::str::from_utf8(name)
        .map(String::from)
        .map_err(|error| Error::unencodable("a name", error))
}

/// Writes the name in an interface and what the interface holds.
fn put_held<T: Serialize + ?Sized>(
    target: &mut Target<'_>,
    name: &str,
    value: &T,
) -> Result<(), Error> {
    let Form::Interface(types) = &target.node.form else {
        return target.refuse("an interface");
    };
    put_bytes(target.out, name.as_bytes());
    if name.is_empty() {
        return Ok(());
    }
    let known = types.iter().find(|(known, _)| **known == *name);
    let Some((_, index)) = known.filter(|_| name.len() <= LONGEST_NAME) else {
        let got = format!("`{name}`");
        return Err(Error::unencodable(
            "a name that the interface's type lists",
            got,
        ));
    };
    let node = target.at(*index)?;
    put_int(target.out, node.id);
    let start = target.out.len();
    encoder::put_alone(target.plan, node, value, target.out)?;
    let length = target.out.len().saturating_sub(start);
    insert_uint(target.out, start, wide(length));
    Ok(())
}

impl SerializeSeq for Sequence<'_> {
    type Ok = Sent;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<Sent, Error> {
        self.finish()
    }
}

impl SerializeTuple for Sequence<'_> {
    type Ok = Sent;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<Sent, Error> {
        self.finish()
    }
}

impl SerializeTupleStruct for Sequence<'_> {
    type Ok = Sent;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<Sent, Error> {
        self.finish()
    }
}

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

impl Record<'_> {
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
