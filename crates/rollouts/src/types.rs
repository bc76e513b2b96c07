//! Argo's types as far as we use them, matched by the names that Go gives their fields.
//!
//! All fields have defaults: Go leaves out what is zero, and releases of the controller differ in what they know.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use temper_gob::Time;

use crate::DurationString;

/// `v1alpha1.AnalysisRun`: one analysis, with what its metrics have measured so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AnalysisRun {
    /// Its name, and since when it exists.
    pub object_meta: ObjectMeta,
    /// What is to be analysed.
    pub spec: AnalysisRunSpec,
    /// What came out so far, without what other metrics measure at this moment.
    pub status: AnalysisRunStatus,
}

impl AnalysisRun {
    /// What the metric of this name has measured so far. The controller keeps the last ten measurements.
    pub fn result_of(&self, metric: &str) -> Option<&MetricResult> {
        self.status
            .metric_results
            .iter()
            .find(|result| result.name == metric)
    }
}

/// `metav1.ObjectMeta`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ObjectMeta {
    /// Name of the object in its namespace.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Unique in the cluster for ever, unlike the name.
    #[serde(rename = "UID")]
    pub uid: String,
    /// When the API server accepted it; never changes.
    pub creation_timestamp: Option<Time>,
}

/// `v1alpha1.AnalysisRunSpec`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AnalysisRunSpec {
    /// The arguments, those from Secrets with their value in plain text.
    pub args: Vec<Argument>,
}

/// `v1alpha1.Argument`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Argument {
    /// As in `{{args.name}}`.
    pub name: String,
    /// Its value; an empty one arrives as none.
    pub value: Option<String>,
    /// Where the value comes from, if it does not stand in the template.
    pub value_from: Option<ValueFrom>,
}

/// `v1alpha1.ValueFrom`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ValueFrom {
    /// A key of a Secret.
    pub secret_key_ref: Option<SecretKeyRef>,
}

/// `v1alpha1.SecretKeyRef`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    pub name: String,
    /// Key in it.
    pub key: String,
}

/// `v1alpha1.AnalysisRunStatus`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AnalysisRunStatus {
    /// One for each metric that has measured something.
    pub metric_results: Vec<MetricResult>,
    /// End of the first reconcile: none when the first measurement is asked for.
    pub started_at: Option<Time>,
}

/// `v1alpha1.MetricResult`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MetricResult {
    /// Name of the metric.
    pub name: String,
    /// The newest measurements, oldest first.
    pub measurements: Vec<Measurement>,
    /// How many were neither errors nor are under way.
    pub count: i64,
}

/// `v1alpha1.Metric`, with the templates in it resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Metric {
    /// Unique in its `AnalysisRun`.
    pub name: String,
    /// Time between two measurements; empty for one measurement only.
    pub interval: DurationString,
    /// Time before the first measurement; may be empty.
    pub initial_delay: DurationString,
    /// How many measurements to take.
    pub count: Option<IntOrString>,
    /// Who measures.
    pub provider: Provider,
}

/// `v1alpha1.MetricProvider`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Provider {
    /// JSON by the name that the administrator gave the plugin: one entry.
    pub plugin: BTreeMap<String, Vec<u8>>,
}

/// `intstr.IntOrString`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IntOrString {
    /// 0: the number counts, 1: the text does.
    pub r#type: i64,
    /// The number.
    pub int_val: i64,
    /// The text: a number too, when it came out of a template.
    pub str_val: String,
}

impl IntOrString {
    /// The number, whichever way it was written.
    pub fn number(&self) -> Option<i64> {
        if self.r#type == 0 {
            Some(self.int_val)
        } else {
            self.str_val.trim().parse().ok()
        }
    }
}

/// `v1alpha1.Measurement`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Measurement {
    /// Where it stands.
    pub phase: Phase,
    /// A sentence for people.
    pub message: String,
    /// When it began.
    pub started_at: Option<Time>,
    /// When it ended; none while it runs.
    pub finished_at: Option<Time>,
    /// What was measured, short.
    pub value: String,
    /// What else there is to know. The controller stores it and gives it back.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// When to go on with it; none when it is over.
    pub resume_at: Option<Time>,
}

/// `v1alpha1.AnalysisPhase`, a text, as far as it applies to measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "String", into = "&'static str")]
pub enum Phase {
    /// Not begun; also whatever we do not know.
    #[default]
    Pending,
    /// Under way: the controller will resume it.
    Running,
    /// Over, and good.
    Successful,
    /// Over, and bad.
    Failed,
    /// Over, and nobody knows.
    Inconclusive,
    /// Nothing could be measured. The controller tries again after ten seconds.
    Error,
}

impl From<String> for Phase {
    fn from(name: String) -> Self {
        match name.as_str() {
            "Running" => Self::Running,
            "Successful" => Self::Successful,
            "Failed" => Self::Failed,
            "Inconclusive" => Self::Inconclusive,
            "Error" => Self::Error,
            _ => Self::Pending,
        }
    }
}

impl From<Phase> for &'static str {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Pending => "Pending",
            Phase::Running => "Running",
            Phase::Successful => "Successful",
            Phase::Failed => "Failed",
            Phase::Inconclusive => "Inconclusive",
            Phase::Error => "Error",
        }
    }
}

/// The instant that a time of Go's stands for; none for Go's zero time, which means "not set", and beyond the years
/// that jiff knows.
pub fn timestamp(time: Option<Time>) -> Option<Timestamp> {
    let time = time.filter(|time| *time != Time::default())?;
    let nanos = i32::try_from(time.nanos).ok()?;
    Timestamp::new(time.unix_seconds, nanos).ok()
}
