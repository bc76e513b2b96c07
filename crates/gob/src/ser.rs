//! The serde bridge to the wire: writes a Rust value as a value of a given type.

mod sequence;
mod record;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;
use serde::ser::{Impossible, Serializer};

use crate::bridge;
use crate::error::Error;
use crate::plan::{Form, Node, Plan};
use crate::wire::{Reader, put_bytes, put_float, put_int, put_uint};

use self::record::Record;
use self::sequence::Sequence;

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
        // To Go, negative zero is zero.
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
        Sequence::new(self)
    }

    fn serialize_tuple(self, _length: usize) -> Result<Sequence<'e>, Error> {
        Sequence::new(self)
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Sequence<'e>, Error> {
        Sequence::new(self)
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
        Record::new(self)
    }

    fn serialize_struct(self, _name: &'static str, _length: usize) -> Result<Record<'e>, Error> {
        Record::new(self)
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
