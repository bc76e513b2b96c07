//! Which counts a guard looks at.

use crate::window::{Counts, Custom, Latency};

/// The counts that a guard is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Requests, and those that fail.
    Errors,
    /// How long requests take.
    Latency,
    /// What the user gave a name.
    Custom(String),
}

impl Signal {
    /// The name that people know the guard by.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Errors => "errors",
            Self::Latency => "latency",
            Self::Custom(name) => name,
        }
    }

    /// How many there were, and how many of them the guard counts. None where this was not measured.
    pub(crate) fn events(&self, counts: &Counts) -> Option<(u64, u64)> {
        let (total, events) = match self {
            Self::Errors => (counts.requests, counts.errors),
            Self::Latency => return None,
            Self::Custom(name) => match counts.custom.get(name)? {
                Custom::Events { total, events } => (*total, *events),
                Custom::Latency(_) | Custom::Value(_) => return None,
            },
        };
        // More events than requests: the two counters were read at different moments. Such a request was seen.
        Some((total.max(events), events))
    }

    /// How long requests took. None where this was not measured.
    pub(crate) fn histogram<'a>(&self, counts: &'a Counts) -> Option<&'a Latency> {
        match self {
            Self::Errors => None,
            Self::Latency => counts.latency.as_ref(),
            Self::Custom(name) => match counts.custom.get(name)? {
                Custom::Latency(latency) => Some(latency),
                Custom::Events { .. } | Custom::Value(_) => None,
            },
        }
    }

    /// The value of a look. None where this was not measured.
    pub(crate) fn value(&self, counts: &Counts) -> Option<f64> {
        match self {
            Self::Errors | Self::Latency => None,
            Self::Custom(name) => match counts.custom.get(name)? {
                Custom::Value(value) => Some(*value),
                Custom::Events { .. } | Custom::Latency(_) => None,
            },
        }
    }
}
