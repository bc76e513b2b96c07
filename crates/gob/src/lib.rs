//! Decoder and encoder of [encoding/gob](https://pkg.go.dev/encoding/gob), the format in which Go
//! programs send their values to each other.
//!
//! A [`Decoder`] turns one direction of a stream into Rust values, an [`Encoder`] does the reverse.
//! Neither does input or output: bytes are pushed in as they arrive and written to a vector. Rust
//! types take part by serde; [`Value`] is for those who do not know what will come.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use temper_gob::{Decoder, Encoder, Type};
//!
//! #[derive(Debug, Default, PartialEq, Deserialize, Serialize)]
//! #[serde(rename_all = "PascalCase", default)]
//! struct Point {
//!     x: i64,
//!     y: i64,
//! }
//!
//! let point = Type::structure("Point", [("X", Type::int()), ("Y", Type::int())]);
//! let mut bytes = Vec::new();
//! Encoder::new().encode(&point, &Point { x: 22, y: 33 }, &mut bytes)?;
//!
//! let mut decoder = Decoder::default();
//! decoder.push(&bytes)?;
//! assert_eq!(decoder.next()?, Some(Point { x: 22, y: 33 }));
//! # Ok::<(), temper_gob::Error>(())
//! ```
#![no_std]
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

extern crate alloc;

mod decoder;
mod limits;
mod wire;
mod registry;
mod definition;
mod scan;
mod de;
mod types;
mod encoder;
mod plan;
mod ser;
mod bridge;
mod value;
mod interface;
mod time;
mod error;

pub use crate::decoder::Decoder;
pub use crate::encoder::Encoder;
pub use crate::error::Error;
pub use crate::interface::{Interface, Opaque};
pub use crate::limits::Limits;
pub use crate::time::{Time, TimeError, Zone};
pub use crate::types::{Marshaler, Type};
pub use crate::value::Value;
