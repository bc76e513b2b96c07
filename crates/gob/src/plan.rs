//! Types as the encoder of one stream knows them: flat, each with the id under which it is sent.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::definition::write;
use crate::error::Error;
use crate::types::{Marshaler, Shape, Type};

/// The first id that Go's own encoder gives to a type.
const FIRST_ID: i64 = 65;

/// All types that values were encoded by, and their parts.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    nodes: Vec<Node>,
    known: BTreeMap<Type, usize>,
    /// How many types got an id of their own.
    defined: i64,
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

impl Plan {
    /// The place of a type in the plan. If it is new there, so are perhaps others, and the definitions
    /// of all these are appended to `definitions`.
    pub(crate) fn add(&mut self, ty: &Type, definitions: &mut Vec<u8>) -> Result<usize, Error> {
        let before = self.nodes.len();
        let index = self
            .compile(ty, &mut Scope::new())
            .inspect_err(|_| self.forget_from(before))?;
        for new in self.nodes.get(before..).unwrap_or_default() {
            write::definition(self, new, definitions);
        }
        Ok(index)
    }

    /// The type at a place in the plan.
    pub(crate) fn node(&self, index: usize) -> Result<&Node, Error> {
        self.nodes
            .get(index)
            .ok_or_else(|| Error::unencodable("a known type", "another"))
    }

    /// Drops the types that were added after the first `count`.
    fn forget_from(&mut self, count: usize) {
        self.nodes.truncate(count);
        self.known.retain(|_, index| *index < count);
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
