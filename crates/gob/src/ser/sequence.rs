//! Slices, arrays, bytes one by one, complex numbers, interfaces.

use alloc::format;
use alloc::string::String;

use serde::Serialize;
use serde::ser::{SerializeSeq, SerializeTuple, SerializeTupleStruct};

use crate::encoder;
use crate::error::Error;
use crate::plan::{Form, Node};
use crate::wire::{insert_uint, put_bytes, put_int, wide};

use super::{BYTE, FLOAT, Sent, Target, required, text};

/// The most bytes of a name in an interface that Go accepts.
const LONGEST_NAME: usize = 1024;

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

impl<'e> Sequence<'e> {
    pub(super) fn new(target: Target<'e>) -> Result<Self, Error> {
        let form = match target.node.form {
            Form::List(element) | Form::Array(element, _) => Elements::Of(target.at(element)?),
            Form::Bytes | Form::Opaque(..) => Elements::Of(&BYTE),
            Form::Complex => Elements::Of(&FLOAT),
            Form::Interface(_) => Elements::Interface(None),
            _ => return target.refuse("a sequence"),
        };
        let start = target.out.len();
        Ok(Self {
            target,
            form,
            start,
            count: 0,
            any: false,
        })
    }

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
