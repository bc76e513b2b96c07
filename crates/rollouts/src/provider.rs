//! What one has to write to be a metric provider, and what one can answer.
//!
//! The answers are types that cannot break the rules: what runs has a time to come back at, what is terminated is over.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{Measurement, Metric, Phase, Subject};

/// A metric provider: the calls of the controller that reach it.
///
/// The controller calls up to thirty times the number of metrics at a time, may repeat any call with an old state, and
/// may kill and restart the process between any two calls. So an implementation keeps nothing that it could not
/// recompute.
pub trait MetricProvider: Send + Sync + 'static {
    /// Once per process, before all else; the controller holds a global lock meanwhile, so be quick.
    fn init(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// Begins a measurement.
    fn run(&self, subject: &Subject) -> impl Future<Output = Outcome> + Send;

    /// Goes on with a measurement that was [`Outcome::Running`]; `in_flight` is what the controller stored of it.
    fn resume(
        &self,
        subject: &Subject,
        in_flight: &Measurement,
    ) -> impl Future<Output = Outcome> + Send;

    /// Ends a measurement because the analysis is over for another reason.
    fn terminate(
        &self,
        subject: &Subject,
        in_flight: &Measurement,
    ) -> impl Future<Output = Done> + Send;

    /// The controller has dropped all but the `limit` newest measurements. There is no way to fail.
    fn garbage_collect(&self, subject: &Subject, limit: i64) -> impl Future<Output = ()> + Send;

    /// What kind of provider this is.
    fn kind(&self) -> &'static str;

    /// What people should see of the metric's configuration beside its results. The metric has the values
    /// of Secrets in it, and nobody redacts what is returned here: name what may be shown, do not filter.
    fn metadata(&self, metric: &Metric) -> impl Future<Output = BTreeMap<String, String>> + Send;
}

/// Where a measurement stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Come back later.
    Running(Running),
    /// It is over.
    Done(Done),
}

/// A measurement that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// When to ask again. Rounded up to whole seconds, since the controller stores no fractions, and never before
    /// the next second.
    pub resume_at: Timestamp,
    /// How it stands.
    pub report: Report,
}

/// A measurement that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// With which result.
    pub conclusion: Conclusion,
    /// Why.
    pub report: Report,
}

impl Done {
    /// Nothing could be measured, for this reason.
    pub fn error(message: impl Into<String>) -> Self {
        let report = Report {
            message: message.into(),
            ..Report::default()
        };
        Self {
            conclusion: Conclusion::Error,
            report,
        }
    }
}

impl From<Running> for Outcome {
    fn from(running: Running) -> Self {
        Self::Running(running)
    }
}

impl From<Done> for Outcome {
    fn from(done: Done) -> Self {
        Self::Done(done)
    }
}

/// Result of a measurement that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// Good.
    Successful,
    /// Bad.
    Failed,
    /// Nobody knows.
    Inconclusive,
    /// Nothing could be measured.
    Error,
}

impl From<Conclusion> for Phase {
    fn from(conclusion: Conclusion) -> Self {
        match conclusion {
            Conclusion::Successful => Self::Successful,
            Conclusion::Failed => Self::Failed,
            Conclusion::Inconclusive => Self::Inconclusive,
            Conclusion::Error => Self::Error,
        }
    }
}

/// What is said about a measurement. What is too long is cut: the history of all measurements lives in one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// A number or a few words; at most 256 bytes.
    pub value: String,
    /// A sentence; at most 2 KiB.
    pub message: String,
    /// Evidence, stored beside what was stored before; at most 2 KiB.
    pub metadata: BTreeMap<String, String>,
}
