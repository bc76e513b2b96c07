//! What the controller is told.

use std::collections::BTreeMap;

use serde::Serialize;
use temper_gob::{Encoder, Error, Type};

use crate::Measurement;

/// The reply to a [`Call`](crate::Call).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// `RpcError`: of `InitPlugin` and `GarbageCollect`; an empty text means that all went well.
    RpcError {
        /// What went wrong.
        #[serde(rename = "ErrorString")]
        error: String,
    },
    /// Of `Run`, `Resume` and `Terminate`.
    Measurement(Box<Measurement>),
    /// Of `Type`.
    Text(String),
    /// Of `GetMetadata`.
    Map(BTreeMap<String, String>),
}

impl Reply {
    /// The Go type that the controller expects. A reply of another type would end the stream for all calls on it.
    pub fn gob_type(&self) -> Type {
        match self {
            Self::RpcError { .. } => Type::structure("RpcError", [("ErrorString", Type::string())]),
            Self::Measurement(_) => measurement(),
            Self::Text(_) => Type::string(),
            Self::Map(_) => texts(),
        }
    }

    /// Appends the reply to `out`.
    pub fn encode(&self, encoder: &mut Encoder, out: &mut Vec<u8>) -> Result<(), Error> {
        encoder.encode(&self.gob_type(), self, out)
    }
}

/// `v1alpha1.Measurement`; its times are `metav1.Time`, which marshals itself.
fn measurement() -> Type {
    let time = Type::gob_encoder("Time");
    Type::structure(
        "Measurement",
        [
            ("Phase", Type::string()),
            ("Message", Type::string()),
            ("StartedAt", time.clone()),
            ("FinishedAt", time.clone()),
            ("Value", Type::string()),
            ("Metadata", texts()),
            ("ResumeAt", time),
        ],
    )
}

fn texts() -> Type {
    Type::map(Type::string(), Type::string())
}
