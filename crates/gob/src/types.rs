//! Descriptions of Go types, by which values are encoded.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// How a type marshals itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Marshaler {
    /// By `gob.GobEncoder`.
    Gob,
    /// By `encoding.BinaryMarshaler`.
    Binary,
    /// By `encoding.TextMarshaler`. The format has it, though Go does not send it.
    Text,
}

/// A Go type, as far as it matters on the wire.
///
/// Build it once and clone it, which is cheap, or build it anew each time: types of equal content are
/// the same type to an [`Encoder`](crate::Encoder).
///
/// ```
/// use temper_gob::Type;
///
/// let measurement = Type::structure(
///     "Measurement",
///     [
///         ("Phase", Type::string()),
///         ("StartedAt", Type::gob_encoder("Time")),
///         ("Metadata", Type::map(Type::string(), Type::string())),
///     ],
/// );
/// # assert_eq!(measurement, measurement.clone());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type(Arc<Shape>);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shape {
    Bool,
    Int,
    Uint,
    Float,
    Bytes,
    String,
    Complex,
    Interface(Vec<(Arc<str>, Type)>),
    List(Type),
    Array(Type, usize),
    Map(Type, Type),
    Struct(Arc<str>, Vec<(Arc<str>, Type)>),
    Opaque(Arc<str>, Marshaler),
    /// A type in which [`Shape::Itself`] of the same name stands for it.
    Recursive(Arc<str>, Type),
    Itself(Arc<str>),
}

impl Type {
    /// `bool`.
    pub fn bool() -> Self {
        Self::of(Shape::Bool)
    }

    /// A signed integer of any width.
    pub fn int() -> Self {
        Self::of(Shape::Int)
    }

    /// An unsigned integer of any width.
    pub fn uint() -> Self {
        Self::of(Shape::Uint)
    }

    /// A float of any width.
    pub fn float() -> Self {
        Self::of(Shape::Float)
    }

    /// A complex number of any width: in Rust a pair of floats.
    pub fn complex() -> Self {
        Self::of(Shape::Complex)
    }

    /// `[]byte`, also `json.RawMessage`.
    pub fn bytes() -> Self {
        Self::of(Shape::Bytes)
    }

    /// `string`.
    pub fn string() -> Self {
        Self::of(Shape::String)
    }

    /// A slice.
    pub fn list(element: Self) -> Self {
        Self::of(Shape::List(element))
    }

    /// An array of fixed length.
    pub fn array(element: Self, length: usize) -> Self {
        Self::of(Shape::Array(element, length))
    }

    /// A map.
    pub fn map(key: Self, value: Self) -> Self {
        Self::of(Shape::Map(key, value))
    }

    /// A structure of the given name, which may be empty, and its exported fields in Go's order.
    pub fn structure<'n>(name: &str, fields: impl IntoIterator<Item = (&'n str, Self)>) -> Self {
        Self::of(Shape::Struct(Arc::from(name), named(fields)))
    }

    /// An interface that holds one of these types, each under the name by which the receiver knows it
    /// (`gob.RegisterName`), or nothing.
    pub fn interface<'n>(types: impl IntoIterator<Item = (&'n str, Self)>) -> Self {
        Self::of(Shape::Interface(named(types)))
    }

    /// A type that implements `gob.GobEncoder`, such as `time.Time`.
    pub fn gob_encoder(name: &str) -> Self {
        Self::marshaler(name, Marshaler::Gob)
    }

    /// A type that marshals itself in the given way.
    pub fn marshaler(name: &str, marshaler: Marshaler) -> Self {
        Self::of(Shape::Opaque(Arc::from(name), marshaler))
    }

    /// A type that contains itself: `build` gets what stands for it. Names of recursive types inside
    /// one another must differ.
    ///
    /// ```
    /// use temper_gob::Type;
    ///
    /// let list = Type::recursive("List", |list| {
    ///     Type::structure("List", [("Value", Type::int()), ("Next", list)])
    /// });
    /// # assert_eq!(list, list.clone());
    /// ```
    pub fn recursive(name: &str, build: impl FnOnce(Self) -> Self) -> Self {
        let name: Arc<str> = Arc::from(name);
        let body = build(Self::of(Shape::Itself(Arc::clone(&name))));
        Self::of(Shape::Recursive(name, body))
    }

    pub(crate) fn shape(&self) -> &Shape {
        &self.0
    }

    fn of(shape: Shape) -> Self {
        Self(Arc::new(shape))
    }

    /// Whether something in it stands for a recursive type that is around it.
    pub(crate) fn is_open(&self) -> bool {
        fn open<'t>(ty: &'t Type, inside: &mut Vec<&'t str>) -> bool {
            match ty.shape() {
                Shape::Itself(name) => !inside.contains(&&**name),
                Shape::Recursive(name, body) => {
                    inside.push(name);
                    let is_open = open(body, inside);
                    inside.pop();
                    is_open
                }
                Shape::List(element) | Shape::Array(element, _) => open(element, inside),
                Shape::Map(key, value) => open(key, inside) || open(value, inside),
                Shape::Interface(parts) | Shape::Struct(_, parts) => {
                    parts.iter().any(|(_, part)| open(part, inside))
                }
                _ => false,
            }
        }
        open(self, &mut Vec::new())
    }
}

fn named<'n>(types: impl IntoIterator<Item = (&'n str, Type)>) -> Vec<(Arc<str>, Type)> {
    types
        .into_iter()
        .map(|(name, ty)| (Arc::from(name), ty))
        .collect()
}

impl PartialOrd for Type {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Type {
    /// By content, with a short way for clones of one type.
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            Ordering::Equal
        } else {
            self.0.cmp(&other.0)
        }
    }
}
