//! Replies of the Prometheus HTTP API, versions 2 and 3.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A reply to `/api/v1/query`, whatever its HTTP status.
#[derive(Debug, Deserialize)]
pub struct Reply {
    /// `success` or `error`.
    pub status: String,
    /// Present on success.
    pub data: Option<Data>,
    /// The kind of error.
    #[serde(default, rename = "errorType")]
    pub error_type: String,
    /// The error in words.
    #[serde(default)]
    pub error: String,
    /// Doubts about the result; infos are not doubts and not kept.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Series of a reply.
#[derive(Debug, Deserialize)]
pub struct Data {
    /// `matrix` or `vector`; a scalar or string has no series and is refused when read.
    #[serde(rename = "resultType")]
    pub result_type: String,
    /// The series.
    pub result: Vec<Series>,
}

/// One series with its raw samples.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Series {
    /// Labels, `__name__` among them.
    pub metric: BTreeMap<String, String>,
    /// The sample of an instant vector.
    #[serde(default)]
    pub value: Option<(f64, String)>,
    /// Samples of a float series: seconds and text.
    #[serde(default)]
    pub values: Vec<(f64, String)>,
    /// Samples of a native histogram.
    #[serde(default)]
    pub histograms: Vec<(f64, Histogram)>,
}

/// A native histogram at one moment.
#[derive(Clone, Debug, Deserialize)]
pub struct Histogram {
    /// All observations.
    pub count: String,
    /// Rule of the bounds, lower, upper, count. Rule 3 (both closed) is the zero bucket.
    #[serde(default)]
    pub buckets: Vec<(u8, String, String, String)>,
}

impl Series {
    /// A label's value, "" when absent, as Prometheus has it.
    pub fn label(&self, name: &str) -> &str {
        self.metric.get(name).map_or("", String::as_str)
    }

    /// The series as people write it.
    pub fn shown(&self) -> String {
        let labels: Vec<_> = self
            .metric
            .iter()
            .filter(|(k, _)| *k != "__name__")
            .map(|(k, v)| format!("{k}={v:?}"))
            .collect();
        format!("{}{{{}}}", self.label("__name__"), labels.join(","))
    }
}

/// Seconds as the API writes them, in whole milliseconds as Prometheus keeps them.
#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates far outside the range of any timestamp"
)]
pub fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}
