//! What the controller writes down about an `AnalysisRun`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The state of an `AnalysisRun`.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Status {
    /// `Running`, then `Successful`, `Failed`, `Inconclusive` or `Error`.
    pub phase: String,
    /// Why it ended as it did, if not well.
    pub message: String,
    /// What was measured.
    pub metric_results: Vec<MetricResult>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// What was measured of one metric.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct MetricResult {
    /// The metric's name in the template.
    pub name: String,
    /// In order of time.
    pub measurements: Vec<Measurement>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// One answer of the plugin.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Measurement {
    /// Like that of the `AnalysisRun`.
    pub phase: String,
    /// The plugin's sentence.
    pub message: String,
    /// The plugin's evidence.
    pub metadata: BTreeMap<String, String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Status {
    /// Whether it is over.
    pub fn ended(&self) -> bool {
        is_final(&self.phase)
    }

    /// All answers of the plugin, in order of time.
    pub fn measurements(&self) -> impl DoubleEndedIterator<Item = &Measurement> {
        self.metric_results
            .iter()
            .flat_map(|metric| &metric.measurements)
    }

    /// The plugin's newest answer; an empty one before the first.
    pub fn newest(&self) -> Measurement {
        self.measurements().next_back().cloned().unwrap_or_default()
    }
}

impl Measurement {
    /// Whether it is over.
    pub fn ended(&self) -> bool {
        is_final(&self.phase)
    }
}

fn is_final(phase: &str) -> bool {
    !matches!(phase, "" | "Pending" | "Running")
}
