//! What was asked, and how it went.

use serde_json::Value;

use crate::{request::Verb, resource::Key};

/// A request that has come in.
#[derive(Debug, Clone)]
pub struct Record {
    /// What was asked.
    pub verb: Verb,
    /// Of which object, or, without a name, of which objects; a POST of the one in its body.
    pub key: Key,
    /// Path and query as they came.
    pub path: String,
    /// The body; null if there was none, or if it was no JSON.
    pub body: Value,
    /// How it went.
    pub outcome: Outcome,
}

/// How a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// Whether it was carried out, with the code that it then deserved.
    pub done: Option<u16>,
    /// What the client was told; nothing if its connection was cut, or if it waits.
    pub told: Option<u16>,
    /// Whether a fault struck it.
    pub faulty: bool,
}

impl Outcome {
    pub(crate) const PENDING: Self = Self {
        done: None,
        told: None,
        faulty: false,
    };
}
