//! One direction of a stream: values in, bytes out.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::Serialize;

use crate::error::Error;
use crate::ser::{Sent, Target};
use crate::types::{Marshaler, Shape, Type};
use crate::value::Value;
use crate::wire::{put_bytes, put_int, put_uint, wide};

/// The first id that Go's own encoder gives to a type.
const FIRST_ID: i64 = 65;

/// Encodes values for one direction of a gob stream, without doing any output itself.
///
/// The definition of a type goes out once, before the first value that needs it: use one encoder for
/// each direction of each stream, and write what it made in the order in which it made it.
///
/// ```
/// use temper_gob::{Encoder, Type};
///
/// let mut bytes = Vec::new();
/// Encoder::new().encode(&Type::int(), &3, &mut bytes)?;
/// assert_eq!(bytes, [0x03, 0x04, 0x00, 0x06]);
/// # Ok::<(), temper_gob::Error>(())
/// ```
///
/// What a field holds is left out where Go would leave it out: zero numbers, `false`, empty strings and
/// slices, `None`. Empty maps, structures and arrays are sent.
#[derive(Debug, Default)]
pub struct Encoder {
    nodes: Vec<Node>,
    known: BTreeMap<Type, usize>,
    defined: i64,
    /// Definitions that go out before the next value.
    pending: Vec<u8>,
}

/// A type whose parts are places in the encoder's list of nodes.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// By which id the peer knows it.
    pub(crate) id: i64,
    pub(crate) form: Form,
}

#[derive(Clone, Debug)]
pub(crate) enum Form {
    Bool,
    Int,
    Uint,
    Float,
    Bytes,
    String,
    Complex,
    Interface(Vec<(Arc<str>, usize)>),
    List(usize),
    Array(usize, usize),
    Map(usize, usize),
    Struct(Arc<str>, Vec<(Arc<str>, usize)>),
    Opaque(Arc<str>, Marshaler),
    /// One of `Bytes`: never a value of its own.
    Byte,
}

/// Names of the recursive types around a type, and their nodes.
type Scope<'t> = Vec<(&'t str, usize)>;

impl Encoder {
    /// An encoder at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `value`, as a value of type `ty`, to `out`, after the definitions that the peer does not have
    /// yet. On an error nothing is appended and the encoder can go on.
    pub fn encode<T: Serialize + ?Sized>(
        &mut self,
        ty: &Type,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let node = self.node(ty)?;
        let mut message = Vec::new();
        put_whole(&self.nodes, node, value, &mut message)?;
        out.append(&mut self.pending);
        put_bytes(out, &message);
        Ok(())
    }

    /// Appends a self-describing `value`, as a value of type `ty`, to `out`; otherwise like
    /// [`encode`](Encoder::encode).
    pub fn encode_value(
        &mut self,
        ty: &Type,
        value: &Value,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.encode(ty, value, out)
    }

    /// The node of a type. If it is new, so are perhaps others, whose definitions become pending.
    fn node(&mut self, ty: &Type) -> Result<usize, Error> {
        let before = self.nodes.len();
        let node = self.compile(ty, &mut Scope::new());
        if node.is_err() {
            self.nodes.truncate(before);
            self.known.retain(|_, node| *node < before);
        }
        let node = node?;
        for new in self.nodes.get(before..).unwrap_or_default() {
            put_definition(&self.nodes, new, &mut self.pending);
        }
        Ok(node)
    }

    fn compile<'t>(&mut self, ty: &'t Type, scope: &mut Scope<'t>) -> Result<usize, Error> {
        if let Shape::Itself(name) = ty.shape() {
            return found(scope, name);
        }
        // What a type that stands for itself is depends on where it is.
        let is_closed = scope.is_empty() || !ty.is_open();
        if is_closed && let Some(node) = self.known.get(ty) {
            return Ok(*node);
        }
        let index = self.nodes.len();
        self.nodes.push(Node {
            id: 0,
            form: Form::Bool,
        });
        let outside = scope.len();
        let mut body = ty;
        while let Shape::Recursive(name, inner) = body.shape() {
            scope.push((name, index));
            body = inner;
        }
        let form = self.form(body, index, scope)?;
        scope.truncate(outside);
        if let Some(node) = self.nodes.get_mut(index) {
            node.form = form;
        }
        if is_closed {
            self.known.insert(ty.clone(), index);
        }
        Ok(index)
    }

    fn form<'t>(
        &mut self,
        ty: &'t Type,
        index: usize,
        scope: &mut Scope<'t>,
    ) -> Result<Form, Error> {
        self.name_node(ty, index);
        Ok(match ty.shape() {
            Shape::Bool => Form::Bool,
            Shape::Int => Form::Int,
            Shape::Uint => Form::Uint,
            Shape::Float => Form::Float,
            Shape::Bytes => Form::Bytes,
            Shape::String => Form::String,
            Shape::Complex => Form::Complex,
            Shape::Interface(types) => Form::Interface(self.parts(types, scope)?),
            Shape::List(element) => Form::List(self.compile(element, scope)?),
            Shape::Array(element, length) => Form::Array(self.compile(element, scope)?, *length),
            Shape::Map(key, value) => {
                Form::Map(self.compile(key, scope)?, self.compile(value, scope)?)
            }
            Shape::Struct(name, fields) => {
                Form::Struct(Arc::clone(name), self.parts(fields, scope)?)
            }
            Shape::Opaque(name, marshaler) => Form::Opaque(Arc::clone(name), *marshaler),
            Shape::Recursive(name, _) | Shape::Itself(name) => {
                let got = format!("`{name}`, which is nothing but itself");
                return Err(Error::unencodable("a type with content", got));
            }
        })
    }

    fn parts<'t>(
        &mut self,
        types: &'t [(Arc<str>, Type)],
        scope: &mut Scope<'t>,
    ) -> Result<Vec<(Arc<str>, usize)>, Error> {
        let part =
            |(name, ty): &'t (Arc<str>, Type)| Ok((Arc::clone(name), self.compile(ty, scope)?));
        types.iter().map(part).collect()
    }

    fn name_node(&mut self, ty: &Type, index: usize) {
        let id = match ty.shape() {
            Shape::Bool => 1,
            Shape::Int => 2,
            Shape::Uint => 3,
            Shape::Float => 4,
            Shape::Bytes => 5,
            Shape::String => 6,
            Shape::Complex => 7,
            Shape::Interface(_) => 8,
            _ => {
                let id = FIRST_ID.saturating_add(self.defined);
                self.defined = self.defined.saturating_add(1);
                id
            }
        };
        if let Some(node) = self.nodes.get_mut(index) {
            node.id = id;
        }
    }
}

fn found(scope: &Scope<'_>, name: &str) -> Result<usize, Error> {
    let innermost = scope.iter().rev().find(|(bound, _)| *bound == name);
    innermost.map(|(_, node)| *node).ok_or_else(|| {
        let got = format!("what stands for `{name}` outside of it");
        Error::unencodable("a type on its own", got)
    })
}

/// Writes a value on its own, at the top or in an interface: its type, then the value, after a zero if it
/// is no structure.
fn put_whole<T: Serialize + ?Sized>(
    nodes: &[Node],
    node: usize,
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let Some(node) = nodes.get(node) else {
        return Err(Error::unencodable("a known type", "another"));
    };
    put_int(out, node.id);
    put_content(nodes, node, value, out)
}

/// A value on its own without its type.
pub(crate) fn put_content<T: Serialize + ?Sized>(
    nodes: &[Node],
    node: &Node,
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    if !matches!(node.form, Form::Struct(..)) {
        out.push(0);
    }
    match value.serialize(Target::new(nodes, node, out))? {
        Sent::Nothing => Err(Error::unencodable(node.form.describe(), "nothing")),
        Sent::Zero | Sent::Value => Ok(()),
    }
}

/// Writes the message that defines a type, if it needs one.
fn put_definition(nodes: &[Node], node: &Node, out: &mut Vec<u8>) {
    let id = |index: &usize| nodes.get(*index).map_or(0, |node| node.id);
    let mut message = Vec::new();
    put_int(&mut message, node.id.saturating_neg());
    let body = &mut message;
    match &node.form {
        Form::Array(element, length) => {
            put_head(body, 1, "", node.id);
            put_field(body, 1, id(element));
            put_field(body, 1, i64::try_from(*length).unwrap_or(i64::MAX));
        }
        Form::List(element) => {
            put_head(body, 2, "", node.id);
            put_field(body, 1, id(element));
        }
        Form::Struct(name, fields) => {
            put_head(body, 3, name, node.id);
            put_fields(body, fields, id);
        }
        Form::Map(key, value) => {
            put_head(body, 4, "", node.id);
            put_field(body, 1, id(key));
            put_field(body, 1, id(value));
        }
        Form::Opaque(name, marshaler) => {
            let field = match marshaler {
                Marshaler::Gob => 5,
                Marshaler::Binary => 6,
                Marshaler::Text => 7,
            };
            put_head(body, field, name, node.id);
        }
        _ => return,
    }
    body.extend_from_slice(&[0, 0]);
    put_bytes(out, &message);
}

/// The start of a `wireType`: which of its fields is there, and the common part of that.
fn put_head(out: &mut Vec<u8>, field: u64, name: &str, id: i64) {
    put_uint(out, field);
    put_uint(out, 1);
    put_name_and_id(out, name, id);
}

fn put_name_and_id(out: &mut Vec<u8>, name: &str, id: i64) {
    if name.is_empty() {
        put_uint(out, 2);
    } else {
        put_uint(out, 1);
        put_bytes(out, name.as_bytes());
        put_uint(out, 1);
    }
    put_int(out, id);
    put_uint(out, 0);
}

/// An integer field of a definition.
fn put_field(out: &mut Vec<u8>, delta: u64, value: i64) {
    put_uint(out, delta);
    put_int(out, value);
}

fn put_fields(out: &mut Vec<u8>, fields: &[(Arc<str>, usize)], id: impl Fn(&usize) -> i64) {
    if fields.is_empty() {
        return;
    }
    put_uint(out, 1);
    put_uint(out, wide(fields.len()));
    for (name, node) in fields {
        put_name_and_id(out, name, id(node));
    }
}

impl Form {
    /// What the type is, in words.
    pub(crate) const fn describe(&self) -> &'static str {
        match self {
            Self::Bool => "a bool",
            Self::Int => "an int",
            Self::Uint => "a uint",
            Self::Float => "a float",
            Self::Bytes => "bytes",
            Self::String => "a string",
            Self::Complex => "a complex number",
            Self::Interface(_) => "an interface",
            Self::List(_) => "a slice",
            Self::Array(..) => "an array",
            Self::Map(..) => "a map",
            Self::Struct(..) => "a structure",
            Self::Opaque(..) => "a marshaled value",
            Self::Byte => "a byte",
        }
    }
}
