//! The contract between the Argo Rollouts controller and a metric-provider plugin, as types and one trait.
//!
//! Implement [`MetricProvider`]; [`Call`] reads what the controller asks, [`answer()`] asks the provider and makes a
//! [`Reply`] of what it says. Whatever the provider does, the reply keeps the rules that the controller relies on and
//! does not check: a measurement has a start, one that runs says when to come back, a terminated one is over, the
//! deletion of old measurements never fails, no call lasts longer than [`Terms::deadline`], and no argument
//! that comes from a Secret is ever shown.
//!
//! How calls arrive and replies leave is not known here, and neither is what is measured.

mod types;
mod duration;
mod configuration;
mod provider;
mod call;
mod answer;
mod redact;
mod bounds;
mod reply;

pub use crate::answer::{Terms, answer};
pub use crate::call::{Call, CallError, Collection, Continuation, Subject};
pub use crate::configuration::{Configuration, ConfigurationError};
pub use crate::duration::{DurationError, DurationString};
pub use crate::provider::{Conclusion, Done, MetricProvider, Outcome, Report, Running};
pub use crate::redact::Redactor;
pub use crate::reply::Reply;
pub use crate::types::{
    AnalysisRun, AnalysisRunSpec, AnalysisRunStatus, Argument, IntOrString, Measurement, Metric,
    MetricResult, ObjectMeta, Phase, Provider, SecretKeyRef, ValueFrom, timestamp,
};
