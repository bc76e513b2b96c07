//! What the controller asks.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use temper_gob::{Decoder, Error};
use thiserror::Error as ThisError;

use crate::{AnalysisRun, Measurement, Metric};

/// One of the seven calls, with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `InitPlugin`.
    Init,
    /// `Run`.
    Run(Box<Subject>),
    /// `Resume`.
    Resume(Box<Continuation>),
    /// `Terminate`.
    Terminate(Box<Continuation>),
    /// `GarbageCollect`.
    GarbageCollect(Box<Collection>),
    /// `Type`.
    Type,
    /// `GetMetadata`.
    GetMetadata(Box<Metric>),
}

/// What is to be measured: `RunArgs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Subject {
    /// The analysis to which the measurement belongs.
    pub analysis_run: AnalysisRun,
    /// The metric, with the templates in it resolved.
    pub metric: Metric,
    /// The time of the call, by our clock.
    #[serde(skip)]
    pub now: Timestamp,
}

/// A measurement under way, and to what it belongs: `TerminateAndResumeArgs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Continuation {
    /// As in [`Subject`].
    pub analysis_run: AnalysisRun,
    /// As in [`Subject`].
    pub metric: Metric,
    /// As we returned it last, if nothing got lost.
    pub measurement: Measurement,
}

impl Continuation {
    /// What is measured, and the measurement so far.
    pub fn split(self) -> (Subject, Measurement) {
        let Self {
            analysis_run,
            metric,
            measurement,
        } = self;
        (
            Subject {
                analysis_run,
                metric,
                now: Timestamp::default(),
            },
            measurement,
        )
    }
}

/// What was deleted: `GarbageCollectArgs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Collection {
    /// As in [`Subject`].
    pub analysis_run: AnalysisRun,
    /// As in [`Subject`], but with placeholders for what comes from Secrets.
    pub metric: Metric,
    /// How many measurements are kept.
    pub limit: i64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct GetMetadataArgs {
    metric: Metric,
}

/// A call that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum CallError {
    /// There is no such method; its body is still in the decoder.
    #[error("can't find method {0}")]
    UnknownMethod(String),
    /// The body could not be read. Whether the stream survives it is the error's to say.
    #[error("reading the arguments of {method}")]
    Body {
        /// The method called.
        method: String,
        /// What is wrong with its body.
        source: Error,
    },
}

impl Call {
    /// Reads the body of a call of `method`, given without the name of the service. None as long as the decoder needs
    /// more bytes.
    pub fn decode(method: &str, body: &mut Decoder) -> Result<Option<Self>, CallError> {
        let call = match method {
            "InitPlugin" => skip(body, Self::Init),
            "Run" => next(body, Self::Run),
            "Resume" => next(body, Self::Resume),
            "Terminate" => next(body, Self::Terminate),
            "GarbageCollect" => next(body, Self::GarbageCollect),
            "Type" => skip(body, Self::Type),
            "GetMetadata" => next(body, |args: Box<GetMetadataArgs>| {
                Self::GetMetadata(Box::new(args.metric))
            }),
            _ => return Err(CallError::UnknownMethod(method.to_owned())),
        };
        call.map_err(|source| CallError::Body {
            method: method.to_owned(),
            source,
        })
    }
}

fn skip(body: &mut Decoder, call: Call) -> Result<Option<Call>, Error> {
    Ok(body.skip()?.map(|()| call))
}

fn next<T: DeserializeOwned>(
    body: &mut Decoder,
    call: impl FnOnce(Box<T>) -> Call,
) -> Result<Option<Call>, Error> {
    Ok(body.next()?.map(Box::new).map(call))
}
