//! The shapes of a window, as the judge reads them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The two versions that a canary analysis compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arm {
    /// The new version.
    Canary,
    /// The version that serves now.
    Stable,
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Canary => "canary",
            Self::Stable => "stable",
        })
    }
}

/// Latency counts of one cell in one interval, not cumulative.
#[derive(Clone, Debug, PartialEq)]
pub enum Latency {
    /// Buckets with stated bounds.
    Classic {
        /// Upper bounds in seconds, ascending, without +Inf.
        bounds: Arc<[f64]>,
        /// One count per bound and one above the last: `bounds.len() + 1`.
        counts: Vec<u64>,
    },
    /// A native (exponential) histogram.
    Native {
        /// Bucket `i` ends at `2^(i * 2^-schema)`.
        schema: i8,
        /// Observations up to this many seconds are in the zero bucket.
        zero_threshold: f64,
        /// Count of the zero bucket.
        zero: u64,
        /// Counts by bucket index.
        buckets: BTreeMap<i32, u64>,
    },
}

/// What happened in one cell in one interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Requests served.
    pub requests: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Requests by latency, if the policy asks for it.
    pub latency: Option<Latency>,
    /// What custom guards look at, by their names.
    pub custom: BTreeMap<String, Custom>,
}

/// What a custom guard looks at.
#[derive(Clone, Debug, PartialEq)]
pub enum Custom {
    /// A pair of counters.
    Events {
        /// All of them.
        total: u64,
        /// Those that count.
        events: u64,
    },
    /// A histogram.
    Latency(Latency),
    /// The value of a query at the end of the interval. It belongs to no version, and is in a cell of the canary.
    Value(f64),
}

/// Which requests a cell counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CellKey {
    /// The version.
    pub arm: Arm,
    /// Values of the stratum labels; "" without strata.
    pub stratum: String,
    /// The pod; "" when the series carry no pod label.
    pub pod: String,
}

/// Why an interval could not be read, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing(pub String);

/// One frozen interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Number of the look, from 1.
    pub look: u32,
    /// The counts, or why there are none.
    pub content: Result<BTreeMap<CellKey, Counts>, Missing>,
}
