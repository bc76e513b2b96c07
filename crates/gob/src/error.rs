//! What can go wrong, and whether the stream survives it.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::{self, Display};

/// Why a value could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not a gob stream. Nothing more can be read from it.
    Malformed {
        /// Position in the stream, in bytes from its start.
        offset: u64,
        /// What the format demands there.
        expected: String,
        /// What was there.
        got: String,
    },
    /// The peer stated more than [`Limits`](crate::Limits) allow. Nothing more can be read from the stream.
    Limit {
        /// Position in the stream, in bytes from its start.
        offset: u64,
        /// The field of `Limits` that stopped it.
        limit: &'static str,
        /// The value of that field.
        allowed: u64,
        /// What the peer stated; where counting stopped early, the first number beyond the limit.
        stated: u64,
    },
    /// The value is well formed, but the Rust type asked for cannot hold it. The value was consumed and
    /// the stream remains usable.
    Mismatch {
        /// Position in the stream, in bytes from its start.
        offset: u64,
        /// Which part of the value, such as `Spec.Metrics[2].Count`; empty for the whole of it.
        path: String,
        /// What the Rust type asks for.
        expected: String,
        /// What the stream holds.
        got: String,
    },
    /// The Rust value does not fit the [`Type`](crate::Type) it was to be encoded as. Nothing was
    /// written and the encoder remains usable.
    Unencodable {
        /// Which part of the value, such as `Spec.Metrics[2].Count`; empty for the whole of it.
        path: String,
        /// What the type asks for.
        expected: String,
        /// What the value was.
        got: String,
    },
}

impl Error {
    /// Whether the peer's value was sound and consumed, only not of the type asked for, so that the
    /// stream can be read on.
    pub const fn is_mismatch(&self) -> bool {
        matches!(self, Self::Mismatch { .. })
    }

    pub(crate) fn malformed(offset: u64, expected: &str, got: impl Display) -> Self {
        Self::Malformed {
            offset,
            expected: expected.to_owned(),
            got: got.to_string(),
        }
    }

    pub(crate) fn mismatch(expected: impl Display, got: impl Display) -> Self {
        let (expected, got) = (expected.to_string(), got.to_string());
        Self::Mismatch {
            offset: 0,
            path: String::new(),
            expected,
            got,
        }
    }

    pub(crate) fn unencodable(expected: impl Display, got: impl Display) -> Self {
        let (expected, got) = (expected.to_string(), got.to_string());
        Self::Unencodable {
            path: String::new(),
            expected,
            got,
        }
    }

    /// The same error, found at `found` in the stream unless it says already where.
    pub(crate) fn at(mut self, found: u64) -> Self {
        if let Self::Mismatch { offset, .. } = &mut self {
            *offset = found;
        }
        self
    }

    /// The same error, seen from the structure that has the field, or the list that has the element.
    pub(crate) fn within(mut self, part: impl Display) -> Self {
        if let Self::Mismatch { path, .. } | Self::Unencodable { path, .. } = &mut self {
            let joint = if path.is_empty() || path.starts_with('[') {
                ""
            } else {
                "."
            };
            *path = format!("{part}{joint}{path}");
        }
        self
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed {
                offset,
                expected,
                got,
            } => {
                write!(
                    f,
                    "reading gob at byte {offset}: expected {expected}, got {got}"
                )
            }
            Self::Limit {
                offset,
                limit,
                allowed,
                stated,
            } => write!(
                f,
                "reading gob at byte {offset}: expected at most {allowed} (limit `{limit}`), got {stated}"
            ),
            Self::Mismatch {
                offset,
                path,
                expected,
                got,
            } => {
                write!(f, "reading gob value{} at byte {offset}: ", Part(path))?;
                write!(f, "expected {expected}, got {got}")
            }
            Self::Unencodable {
                path,
                expected,
                got,
            } => {
                write!(
                    f,
                    "encoding gob value{}: expected {expected}, got {got}",
                    Part(path)
                )
            }
        }
    }
}

/// The path of an error in its sentence: nothing for the whole value.
struct Part<'a>(&'a str);

impl Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => Ok(()),
            path => write!(f, " `{path}`"),
        }
    }
}

impl core::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self::mismatch("a value that the type accepts", message)
    }

    fn invalid_type(got: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::mismatch(expected, got)
    }

    fn invalid_value(got: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::mismatch(expected, got)
    }

    fn invalid_length(got: usize, expected: &dyn serde::de::Expected) -> Self {
        Self::mismatch(expected, format_args!("{got} elements"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::mismatch(format_args!("field `{field}`"), "a structure without it")
    }
}

impl serde::ser::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self::unencodable("a value that can be serialized", message)
    }
}
